"""Incidents in the database: reading them for their owner and for public pages, and the writes that all share.

Below the use cases: `incidents.manage` (by hand), `incidents.automatic` and `status_pages.public`. An incident that was
deleted, or that a monitor was taken out of, may leave a row of status `let-go` behind. Nobody reads it; it keeps an
outage which somebody has dealt with from being opened anew by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, true, update

from pulsemon.core.incidents import Impact, IncidentStatus
from pulsemon.core.status import Status
from pulsemon.db import placements
from pulsemon.db.tables.base import Meta, new_public_id
from pulsemon.db.tables.incidents import Incident as IncidentRow
from pulsemon.db.tables.incidents import IncidentMonitor, IncidentUpdate
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.types import is_exactly
from pulsemon.db.upsert import upsert
from pulsemon.subscribers.announcements import Event, Notice, announce

# Of one incident; what was said before is kept and shown by nobody.
MAX_UPDATES = 100
_KEY = "incidents"
_LET_GO = "let-go"


@dataclass(frozen=True, slots=True)
class Affected:
    """A monitor that an incident concerns."""

    id: int
    slug: str
    name: str
    is_public: bool


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that was said, the `number`-th of its incident. `body` None: PulseMon's own words."""

    number: int
    status: IncidentStatus
    body: str | None
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident with what was said, newest first. `title` None: an automatic one that nobody named."""

    id: int
    public_id: str
    title: str | None
    status: IncidentStatus
    impact: Impact
    is_general: bool
    is_automatic: bool
    started_at: datetime
    resolved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    project_id: int
    monitors: tuple[Affected, ...]
    updates: tuple[Update, ...]

    @property
    def is_open(self) -> bool:
        """Return whether it is not resolved."""
        return self.resolved_at is None

    @property
    def names(self) -> list[str]:
        """Return the names of its monitors."""
        return [each.name for each in self.monitors]

    @property
    def told_at(self) -> datetime:
        """Return when something was last said of it."""
        return self.updates[0].posted_at if self.updates else self.started_at


# Reading

IS_OPEN: ColumnElement[bool] = IncidentRow.resolved_at.is_(None)


def resolved_since(instant: datetime) -> ColumnElement[bool]:
    """Return the condition that an incident was resolved after *instant*."""
    return IncidentRow.resolved_at > instant


def is_of(project_id: int | None) -> ColumnElement[bool]:
    """Return the condition that an incident belongs to a project; None: to any."""
    return true() if project_id is None else IncidentRow.project_id == project_id


def concerns(project_id: int, monitor_ids: Select[*tuple[Any, ...]]) -> ColumnElement[bool]:
    """Return the condition that an incident of a project is general, or concerns one of the monitors of a query."""
    names_one = select(IncidentMonitor.incident_id).where(IncidentMonitor.monitor_id.in_(monitor_ids))
    return is_of(project_id) & (IncidentRow.is_general | IncidentRow.id.in_(names_one))


def has_public_id(public_id: str) -> ColumnElement[bool]:
    """Return the condition that names an incident by what strangers see of it."""
    return is_exactly(IncidentRow.public_id, public_id)


def project_of(connection: Connection, public_id: str) -> int | None:
    """Return the id of the project that an incident belongs to; None: there is none."""
    return connection.scalar(select(IncidentRow.project_id).where(has_public_id(public_id)))


def has_row_id_below(row_id: int) -> ColumnElement[bool]:
    """Return the condition that an incident was made before another."""
    return IncidentRow.id < row_id


NEWEST_MADE = (IncidentRow.id.desc(),)
OPEN_FIRST = (IS_OPEN.desc(), IncidentRow.started_at.desc(), IncidentRow.id.desc())
NEWEST_STARTED = (IncidentRow.started_at.desc(), IncidentRow.id.desc())


def read_version(connection: Connection) -> str:
    """Return the version of incidents: another value as soon as any of them changed; empty before the first one."""
    return connection.scalar(select(Meta.value).where(Meta.key == _KEY)) or ""


def read_incidents(
    connection: Connection,
    *where: ColumnElement[bool],
    limit: int,
    offset: int = 0,
    order: Iterable[Any] = NEWEST_STARTED,
    is_public: bool = False,
) -> list[Incident]:
    """Return incidents with monitors and updates, in at most three queries. *is_public*: private monitors left out."""
    query = select(IncidentRow.__table__).where(IncidentRow.status != _LET_GO, *where).order_by(*order)
    rows = connection.execute(query.limit(limit).offset(offset)).all()
    ids = [row.id for row in rows]
    if not ids:
        return []
    monitors, updates = _monitors(connection, ids, is_public), _updates(connection, ids)
    return [_incident(row, monitors.get(row.id, ()), updates.get(row.id, ())) for row in rows]


def _monitors(connection: Connection, ids: Sequence[int], is_public: bool) -> dict[int, list[Affected]]:
    """Return incident id -> the monitors that it concerns."""
    query = (
        select(IncidentMonitor.incident_id, Monitor.id, Monitor.slug, Monitor.name, placements.IS_PUBLIC.label("seen"))
        .join(Monitor, Monitor.id == IncidentMonitor.monitor_id)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(IncidentMonitor.incident_id.in_(ids))
        .order_by(placements.POSITION, Monitor.id)
    )
    if is_public:
        query = query.where(placements.IS_PUBLIC)
    found: dict[int, list[Affected]] = {}
    for row in connection.execute(query):
        found.setdefault(row.incident_id, []).append(Affected(row.id, row.slug, row.name, bool(row.seen)))
    return found


def _updates(connection: Connection, ids: Sequence[int]) -> dict[int, list[Update]]:
    """Return incident id -> what was said of it, newest first."""
    own = IncidentUpdate.incident_id
    numbered = (
        select(
            own,
            IncidentUpdate.status,
            IncidentUpdate.body,
            IncidentUpdate.posted_at,
            func.row_number().over(partition_by=own, order_by=IncidentUpdate.id).label("number"),
            func.row_number().over(partition_by=own, order_by=IncidentUpdate.id.desc()).label("rank"),
        )
        .where(IncidentUpdate.incident_id.in_(ids))
        .subquery()
    )
    found: dict[int, list[Update]] = {}
    for row in connection.execute(select(numbered).where(numbered.c.rank <= MAX_UPDATES).order_by(numbered.c.rank)):
        said = Update(row.number, IncidentStatus(row.status), row.body, row.posted_at)
        found.setdefault(row.incident_id, []).append(said)
    return found


def _incident(row: Row[*tuple[Any, ...]], monitors: Iterable[Affected], updates: Iterable[Update]) -> Incident:
    return Incident(
        id=row.id,
        public_id=row.public_id,
        title=row.title,
        status=IncidentStatus(row.status),
        impact=Impact(row.impact),
        is_general=row.is_general,
        is_automatic=row.is_automatic,
        started_at=row.started_at,
        resolved_at=row.resolved_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        project_id=row.project_id,
        monitors=tuple(monitors),
        updates=tuple(updates),
    )


# Writing


def hold(connection: Connection) -> None:
    """Let nobody else change incidents until this transaction ends, and renew their version.

    It is one row of `meta`: whoever writes it waits for whoever wrote it before, on whatever node.
    """
    upsert(connection, Meta, "key", {"key": _KEY, "value": secrets.token_hex(8)})


def insert_incident(connection: Connection, values: Mapping[str, Any], outages: Mapping[int, int | None]) -> int:
    """Make an incident of these columns (name -> value); return its id. *outages*: as `add_monitors` takes them."""
    row = {"public_id": new_public_id()} | dict(values)
    incident_id: int = connection.execute(insert(IncidentRow).values(row).returning(IncidentRow.id)).scalar_one()
    add_monitors(connection, incident_id, outages)
    return incident_id


def change_incident(connection: Connection, incident_id: int, changes: Mapping[str, Any]) -> None:
    """Write columns of an incident: name -> value."""
    connection.execute(update(IncidentRow).where(IncidentRow.id == incident_id).values(dict(changes)))


def add_monitors(connection: Connection, incident_id: int, outages: Mapping[int, int | None]) -> None:
    """Have an incident concern further monitors; *outages*: monitor id -> the transition to DOWN that is told."""
    rows = [{"incident_id": incident_id, "monitor_id": each, "outage_seq": seq} for each, seq in outages.items()]
    if rows:
        connection.execute(insert(IncidentMonitor), rows)


def add_update(
    connection: Connection, incident_id: int, status: IncidentStatus, body: str | None, *, now: datetime
) -> None:
    """Say something of an incident."""
    row = {"incident_id": incident_id, "status": status.value, "body": body, "posted_at": now}
    connection.execute(insert(IncidentUpdate).values(row))


def present_outages(connection: Connection, monitor_ids: Iterable[int]) -> dict[int, int | None]:
    """Return monitor id -> the number of the transition that made it DOWN, None for one that is not.

    Ids of monitors that are gone are left out; the others cannot be deleted before the transaction ends.
    """
    query = select(Monitor.id, Monitor.status, Monitor.state_seq).where(Monitor.id.in_(list(monitor_ids)))
    rows = connection.execute(query.with_for_update(read=True, key_share=True))
    return {row.id: row.state_seq if row.status == Status.DOWN else None for row in rows}


def let_go(connection: Connection, told: Mapping[int, int | None], *, project_id: int, now: datetime) -> None:
    """Keep outages that somebody has dealt with from becoming automatic incidents, as long as they last.

    *told*: monitor id -> the outage that an incident held, which is no longer there or no longer concerns the monitor.
    *project_id*: of that incident.
    """
    present = present_outages(connection, told)
    lasting = {each: seq for each, seq in told.items() if seq is not None and present.get(each) == seq}
    still_down = (
        select(IncidentMonitor.incident_id)
        .join(Monitor, Monitor.id == IncidentMonitor.monitor_id)
        .where(Monitor.status == Status.DOWN.value, Monitor.state_seq == IncidentMonitor.outage_seq)
    )
    connection.execute(delete(IncidentRow).where(IncidentRow.status == _LET_GO, IncidentRow.id.not_in(still_down)))
    if lasting:
        row = dict.fromkeys(("started_at", "resolved_at", "created_at", "updated_at"), now)
        kind = {"title": None, "status": _LET_GO, "impact": Impact.NONE.value, "is_general": False}
        insert_incident(connection, row | kind | {"is_automatic": True, "project_id": project_id}, lasting)


def tell(connection: Connection, incident: Incident, event: Event, *, now: datetime) -> int:
    """Owe the newest update of an incident to the subscribers of the pages that show it; return how many messages."""
    said = incident.updates[0].body if incident.updates else None
    notice = Notice(
        kind="incident",
        public_id=incident.public_id,
        event=event,
        at=now,
        title=incident.title,
        text=said,
        status=incident.status.value,
        is_general=incident.is_general,
        monitor_ids=[each.id for each in incident.monitors],
        project_id=incident.project_id,
    )
    return announce(connection, notice, now=now)


def leave(connection: Connection, monitor_id: int) -> None:
    """Take a monitor out of every incident, open or over: it goes to another project."""
    let_go = select(IncidentRow.id).where(IncidentRow.status == _LET_GO)
    is_told = IncidentMonitor.incident_id.not_in(let_go)
    connection.execute(delete(IncidentMonitor).where(IncidentMonitor.monitor_id == monitor_id, is_told))
