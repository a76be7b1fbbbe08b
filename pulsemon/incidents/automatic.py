"""Incidents that open and close by themselves, for monitors whose owner wants that.

A monitor that has been DOWN for as long as its `incident_after_minutes` says, and is not under maintenance, makes one,
or joins one that opened by itself and began at most ten minutes apart. It closes when all that made it are UP again,
paused or gone. An outage that an incident has told of already makes no second one, whatever became of that incident.

No incident holds monitors of two projects.

No public page tells of a private monitor by when something begins or ends: private and public ones never share an
incident, and where one was made private later, the public ones alone decide when it is over.

Several nodes may do this at once: each holds `incidents.rows.hold` while it looks and writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from pulsemon.core import holding, incidents
from pulsemon.core.incidents import AUTOMATIC_IMPACT, IncidentStatus
from pulsemon.core.status import Cause, Status
from pulsemon.core.uptime import Span
from pulsemon.db import Database, placements
from pulsemon.db.tables.incidents import Incident as IncidentRow
from pulsemon.db.tables.incidents import IncidentMonitor
from pulsemon.db.tables.monitors import IS_NOT_UP, History, Monitor, PlacementRow
from pulsemon.db.versions import renew_version
from pulsemon.db.windows import maintenance_spans
from pulsemon.incidents import rows as incident_rows
from pulsemon.subscribers.announcements import Event


@dataclass(frozen=True, slots=True)
class _Outage:
    """A monitor that is DOWN since `occurred_at`, by its transition `seq`, for long enough."""

    monitor_id: int
    project_id: int
    seq: int
    occurred_at: datetime
    is_public: bool


@dataclass(slots=True)
class _Open:
    """An automatic incident that is open, and what has to be told of it."""

    id: int
    project_id: int
    started_at: datetime
    is_public: bool
    is_new: bool = False
    has_grown: bool = False


@dataclass(frozen=True, slots=True)
class _Member:
    """A monitor of an automatic incident. `outage_seq` None: somebody named it, it did not make the incident."""

    monitor_id: int
    outage_seq: int | None
    is_public: bool
    is_over: bool


def keep_up(database: Database, *, now: datetime) -> bool:
    """Open and close what is due at *now*; return whether anything changed. Cheap where there is nothing to do.

    Raises Unavailable.
    """
    with database.read() as connection:
        if not _due(connection, now) and not _over(connection):
            return False
    with database.write("loops") as connection:
        incident_rows.hold(connection)
        # First what begins: a monitor that was UP for a moment keeps the incident open that it is in.
        is_changed = _begin(connection, _due(connection, now), now)
        is_changed = _end(connection, _over(connection), now) or is_changed
        if is_changed:
            renew_version(connection)
        else:  # another node was faster
            connection.rollback()
    return is_changed


def _due(connection: Connection, now: datetime) -> list[_Outage]:
    """Return the outages that no incident has told of and that last for long enough, the first of them first."""
    is_told = (
        select(IncidentMonitor.incident_id)
        .where(IncidentMonitor.monitor_id == Monitor.id, IncidentMonitor.outage_seq == Monitor.state_seq)
        .exists()
    )
    query = (
        select(
            Monitor.id,
            Monitor.project_id,
            Monitor.state_seq,
            History.occurred_at,
            placements.IS_PUBLIC.label("is_public"),
            PlacementRow.incident_after_minutes.label("after_minutes"),
            Monitor.status,
            Monitor.down_cause,
            Monitor.interval_seconds,
            Monitor.grace_seconds,
        )
        .join(PlacementRow, placements.OF_MONITOR)
        .join(History, (History.monitor_id == Monitor.id) & (History.seq == Monitor.state_seq))
        .where(
            PlacementRow.incident_after_minutes.is_not(None),
            Monitor.status == Status.DOWN.value,
            IS_NOT_UP,  # for ix_monitors_not_up: asked every second and a half
            ~is_told,
        )
        .order_by(History.occurred_at, Monitor.id)
    )
    rows = [row for row in connection.execute(query) if incidents.is_due(row.occurred_at, row.after_minutes, now=now)]
    if not rows:
        return []
    since = now - holding.LONGEST_PATIENCE
    projects = {row.id: row.project_id for row in rows}
    maintained = maintenance_spans(connection, projects, since, now + holding.INSTANT)
    return [
        _Outage(row.id, row.project_id, row.state_seq, row.occurred_at, bool(row.is_public))
        for row in rows
        if not _is_excused(row, maintained.get(row.id, ()), now)
    ]


def _is_excused(row: Any, maintained: Sequence[Span], now: datetime) -> bool:
    """Maintenance holds an incident back as long as it holds the monitor's messages back: see `core.holding`."""
    over_since = max((span.end for span in maintained), default=None)
    if over_since is None or over_since > now:
        return over_since is not None
    every = timedelta(seconds=row.interval_seconds + row.grace_seconds)
    has_failed = row.down_cause == Cause.FAILURE.value
    until = holding.silent_until(holding.Present(Status(row.status), has_failed, every, over_since))
    return until is not None and now < until


def _begin(connection: Connection, due: Sequence[_Outage], now: datetime) -> bool:
    if not due:
        return False
    named = _take_into_open_ones(connection, due)
    open_ones = _automatic_ones(connection)
    for outage in due:
        if outage.monitor_id not in named:
            _join_or_open(connection, outage, open_ones, now)
    for each in open_ones:
        if each.is_new or each.has_grown:
            _tell(connection, each.id, Event.OPENED if each.is_new else Event.UPDATED, now)
    return True


def _take_into_open_ones(connection: Connection, due: Sequence[_Outage]) -> set[int]:
    """Note the outages of monitors that an open incident names already; return these monitors."""
    seqs = {each.monitor_id: each.seq for each in due}
    query = (
        select(IncidentMonitor.incident_id, IncidentMonitor.monitor_id)
        .join(IncidentRow, IncidentRow.id == IncidentMonitor.incident_id)
        .where(incident_rows.IS_OPEN, IncidentMonitor.monitor_id.in_(list(seqs)))
    )
    named = connection.execute(query).all()
    for incident_id, monitor_id in named:
        own = (IncidentMonitor.incident_id == incident_id, IncidentMonitor.monitor_id == monitor_id)
        connection.execute(update(IncidentMonitor).where(*own).values(outage_seq=seqs[monitor_id]))
    return {monitor_id for _, monitor_id in named}


def _automatic_ones(connection: Connection) -> list[_Open]:
    members = _members(connection)
    query = select(IncidentRow.id, IncidentRow.project_id, IncidentRow.started_at, IncidentRow.is_general)
    rows = connection.execute(query.where(incident_rows.IS_OPEN, IncidentRow.is_automatic).order_by(IncidentRow.id))

    def is_public(row: Any) -> bool:
        return row.is_general or any(each.is_public for each in members.get(row.id, ()))

    return [_Open(row.id, row.project_id, row.started_at, is_public(row)) for row in rows]


def _join_or_open(connection: Connection, outage: _Outage, open_ones: list[_Open], now: datetime) -> None:
    for each in open_ones:
        is_alike = (each.project_id, each.is_public) == (outage.project_id, outage.is_public)
        if is_alike and incidents.joins(outage.occurred_at, each.started_at):
            incident_rows.add_monitors(connection, each.id, {outage.monitor_id: outage.seq})
            each.started_at = min(each.started_at, outage.occurred_at)
            each.has_grown = True
            incident_rows.change_incident(connection, each.id, {"started_at": each.started_at, "updated_at": now})
            return
    status = IncidentStatus.INVESTIGATING
    columns = {
        "title": None,
        "status": status.value,
        "impact": AUTOMATIC_IMPACT.value,
        "is_general": False,
        "is_automatic": True,
        "started_at": outage.occurred_at,
        "resolved_at": None,
        "created_at": now,
        "updated_at": now,
        "project_id": outage.project_id,
    }
    incident_id = incident_rows.insert_incident(connection, columns, {outage.monitor_id: outage.seq})
    incident_rows.add_update(connection, incident_id, status, None, now=now)
    open_ones.append(_Open(incident_id, outage.project_id, outage.occurred_at, outage.is_public, is_new=True))


def _members(connection: Connection) -> dict[int, list[_Member]]:
    """Return incident id -> its monitors, of the automatic incidents that are open."""
    query = (
        select(
            IncidentMonitor.incident_id,
            IncidentMonitor.monitor_id,
            IncidentMonitor.outage_seq,
            Monitor.status,
            Monitor.state_seq,
            placements.IS_PUBLIC.label("is_public"),
        )
        .join(IncidentRow, IncidentRow.id == IncidentMonitor.incident_id)
        .join(Monitor, Monitor.id == IncidentMonitor.monitor_id)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(incident_rows.IS_OPEN, IncidentRow.is_automatic)
    )
    found: dict[int, list[_Member]] = {}
    for row in connection.execute(query):
        is_over = row.status != Status.DOWN or row.state_seq != row.outage_seq
        member = _Member(row.monitor_id, row.outage_seq, bool(row.is_public), is_over)
        found.setdefault(row.incident_id, []).append(member)
    return found


def _over(connection: Connection) -> dict[int, list[_Member]]:
    """Return incident id -> the monitors that say that it is over, of automatic incidents that are open and over."""
    query = select(IncidentRow.id, IncidentRow.is_general).where(incident_rows.IS_OPEN, IncidentRow.is_automatic)
    rows = connection.execute(query).all()
    if not rows:
        return {}
    members = _members(connection)
    found = {}
    for row in rows:
        own = members.get(row.id, [])
        made = [each for each in own if each.outage_seq is not None]
        deciding = [each for each in made if each.is_public] or made
        # Without any monitor it is on no page: those that made it are gone.
        if (made and all(each.is_over for each in deciding)) or (not own and not row.is_general):
            found[row.id] = deciding
    return found


def _end(connection: Connection, over: Mapping[int, Sequence[_Member]], now: datetime) -> bool:
    """Resolve the incidents that `_over` found; return whether there was any."""
    for incident_id, members in over.items():
        started_at = connection.scalars(select(IncidentRow.started_at).where(IncidentRow.id == incident_id)).one()
        ended_at = max(started_at, min(now, _last_end(connection, members) or now))
        status = IncidentStatus.RESOLVED
        columns = {"status": status.value, "resolved_at": ended_at, "updated_at": now}
        incident_rows.change_incident(connection, incident_id, columns)
        incident_rows.add_update(connection, incident_id, status, None, now=now)
        _tell(connection, incident_id, Event.RESOLVED, now)
    return bool(over)


def _last_end(connection: Connection, members: Sequence[_Member]) -> datetime | None:
    """Return when the last of these outages ended, by the transition that followed it."""
    ends = []
    for each in members:
        following = (History.monitor_id == each.monitor_id, History.seq == (each.outage_seq or 0) + 1)
        ends.append(connection.scalar(select(History.occurred_at).where(*following)))
    known = [each for each in ends if each is not None]
    return max(known, default=None)


def _tell(connection: Connection, incident_id: int, event: Event, now: datetime) -> None:
    (incident,) = incident_rows.read_incidents(connection, IncidentRow.id == incident_id, limit=1)
    incident_rows.tell(connection, incident, event, now=now)
