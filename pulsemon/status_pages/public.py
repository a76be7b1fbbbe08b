"""The public read model: what one page shows, in a fixed number of queries however many monitors and pages there are.

A private monitor is left out where the rows are read, and so is what belongs to another project than the page; nothing
behind this module knows that it exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select

from pulsemon.availability.days import DayTable, read_last_days
from pulsemon.core.incidents import is_shown
from pulsemon.core.placement import grouped
from pulsemon.core.schedule import Calendar
from pulsemon.core.shown import Shown, shown
from pulsemon.core.status import Status
from pulsemon.core.uptime import Span
from pulsemon.db import Database, placements, states
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.monitors import History, Monitor, PlacementRow
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.db.types import is_exactly
from pulsemon.errors import NO_INCIDENT, NotFound
from pulsemon.incidents import rows as incident_rows
from pulsemon.incidents.rows import Incident
from pulsemon.maintenance.public import PublicWindow, read_windows
from pulsemon.status_pages.directory import Directory, PageDefinition

# How long a page still shows an incident that is over, and how many at most, open ones first.
RECENT = timedelta(days=7)
MAX_INCIDENTS = 50
# Of how many monitors days are read in one query: a database takes so many values in one, and no more.
DAYS_AT_ONCE = 1_000
# Of so many monitors the newest changes are looked for one by one, and not among those of all projects.
FEW = 200


@dataclass(frozen=True, slots=True)
class PublicMonitor:
    """One line of the page. `since`: the last change of status, of `seq` in all.

    With a `calendar`, `interval_seconds` is nominal.
    """

    id: int
    name: str
    slug: str
    status: str
    shown: Shown
    last_ping: datetime | None
    interval_seconds: int
    calendar: Calendar | None
    since: datetime | None
    group: str | None
    tags: tuple[str, ...]
    created_at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Change:
    """A monitor went DOWN or UP at `at`. `slug`: what it was called then."""

    monitor_id: int
    slug: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PublicPage:
    """One page, true at `at`; its monitors in the order of the page.

    `incidents`: those that are open and those of the last days, with the monitors that this page shows of them.
    `windows`: the maintenance that concerns them, or everything; it names no other monitors.
    """

    definition: PageDefinition
    monitors: tuple[PublicMonitor, ...]
    at: datetime
    incidents: tuple[Incident, ...] = ()
    incident_version: str = ""
    windows: tuple[PublicWindow, ...] = ()

    def count(self, *kinds: Shown) -> int:
        """Return how many monitors are shown in one of *kinds*."""
        return sum(each.shown in kinds for each in self.monitors)

    @property
    def groups(self) -> list[tuple[str | None, list[PublicMonitor]]]:
        """Return the monitors by group, in the owner's order."""
        return grouped(self.monitors, lambda each: each.group)

    @property
    def open_incidents(self) -> list[Incident]:
        """Return the incidents that are not resolved, those that began last first."""
        return [each for each in self.incidents if each.is_open]

    @property
    def past_incidents(self) -> list[Incident]:
        """Return those that were resolved in the last days, those that began last first."""
        return [each for each in self.incidents if not each.is_open]


def read_page(database: Database, definition: PageDefinition, *, now: datetime) -> PublicPage:
    """Return a page at *now*: its own monitors, incidents and windows, and nothing of other pages.

    As many queries however many monitors there are. Raises Unavailable.
    """
    with database.read() as connection:
        windows = read_windows(connection, now=now, project_id=definition.project_id)
        rows = connection.execute(_of_page(_select_lines(), definition)).all()
        monitors = _lines(rows, windows, now)
        shown_ids = {each.id for each in monitors}
        version = incident_rows.read_version(connection)
        return PublicPage(
            definition,
            monitors,
            now,
            as_shown(_recent_incidents(connection, definition, now), monitors) if version else (),
            version,
            _narrowed(windows, shown_ids),
        )


def read_open(
    database: Database, directory: Directory, *, now: datetime, slug: str | None = None, tag: str | None = None
) -> tuple[PublicMonitor, ...]:
    """Return the monitors that some page of their project shows to everybody, without a password.

    Those of a *slug* alone, whatever its project is; or those of a *tag* in the project that was there from the start,
    for two projects may have the same tags. Raises Unavailable.
    """
    is_shown_with_all = Monitor.project_id.in_(sorted(directory.open_project_ids))
    query = _select_lines().where(or_(is_shown_with_all, _is_on_open_page()))
    if slug is not None:
        query = query.where(is_exactly(Monitor.slug, slug))
    if tag is not None:
        query = query.where(PlacementRow.tags.is_not(None), Monitor.project_id == DEFAULT_ID)
    with database.read() as connection:
        rows = connection.execute(query.order_by(placements.POSITION, Monitor.id)).all()
        found = _lines(rows, _windows_of(connection, {row.project_id for row in rows}, now), now)
    return found if tag is None else tuple(each for each in found if tag in each.tags)


def _windows_of(connection: Connection, project_ids: Set[int], now: datetime) -> Sequence[PublicWindow]:
    """Return the windows of a project, where it is one; of all, where they are several."""
    if not project_ids:
        return ()
    return read_windows(connection, now=now, project_id=min(project_ids) if len(project_ids) == 1 else None)


def _select_lines() -> Select[*tuple[Any, ...]]:
    """Return the query for what `_line` reads of public monitors."""
    return (
        states.select_watched()
        .add_columns(History.occurred_at.label("since"), PlacementRow.group_name.label("group_name"))
        .add_columns(PlacementRow.tags.label("tags"), Monitor.created_at.label("made_at"))
        .add_columns(Monitor.project_id.label("project_id"))
        .outerjoin(History, (History.monitor_id == Monitor.id) & (History.seq == Monitor.state_seq))
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(placements.IS_PUBLIC)
    )


def _of_page(query: Select[*tuple[Any, ...]], definition: PageDefinition) -> Select[*tuple[Any, ...]]:
    """Narrow a query of monitors to those of a page, in its order."""
    query = query.where(Monitor.project_id == definition.project_id)
    if not definition.is_chosen:
        return query.order_by(placements.POSITION, Monitor.id)
    chosen = (PageMonitor.monitor_id == Monitor.id) & (PageMonitor.page_id == definition.id)
    return query.join(PageMonitor, chosen).order_by(PageMonitor.place, PageMonitor.monitor_id)


def _ids_of_page(definition: PageDefinition) -> Select[*tuple[Any, ...]]:
    """Return the query for the ids of a page's monitors: a condition with it is a join, however many they are."""
    query = select(Monitor.id).outerjoin(PlacementRow, placements.OF_MONITOR).where(placements.IS_PUBLIC)
    query = query.where(Monitor.project_id == definition.project_id)
    if definition.is_chosen:
        chosen = select(PageMonitor.monitor_id).where(PageMonitor.page_id == definition.id)
        query = query.where(Monitor.id.in_(chosen))
    return query


def _is_on_open_page() -> ColumnElement[bool]:
    return (
        select(PageMonitor.page_id)
        .join(StatusPage, StatusPage.id == PageMonitor.page_id)
        .where(PageMonitor.monitor_id == Monitor.id, StatusPage.project_id == Monitor.project_id)
        .where(StatusPage.is_chosen, StatusPage.password_hash.is_(None))
        .exists()
    )


def _lines(
    rows: Iterable[Row[*tuple[Any, ...]]], windows: Sequence[PublicWindow], now: datetime
) -> tuple[PublicMonitor, ...]:
    maintenance = _Maintenance([each for each in windows if each.is_running(now)])
    return tuple(_line(states.watched(row), row, maintenance, now) for row in rows)


class _Maintenance:
    """The windows that run, by project and by monitor: a window may name thousands."""

    def __init__(self, running: Sequence[PublicWindow]) -> None:
        self._general: dict[int, list[Span]] = {}
        self._own: dict[int, list[Span]] = {}
        for each in running:
            span = Span(each.starts_at, each.ends_at)
            if each.is_general:
                self._general.setdefault(each.project_id, []).append(span)
            for monitor_id in each.monitor_ids:
                self._own.setdefault(monitor_id, []).append(span)

    def of(self, monitor_id: int, project_id: int) -> Sequence[Span]:
        general = self._general.get(project_id, ())
        return [*general, *self._own[monitor_id]] if monitor_id in self._own else general


def _narrowed(windows: Sequence[PublicWindow], shown_ids: Set[int]) -> tuple[PublicWindow, ...]:
    """Return the windows that concern a page, each with those of its monitors that the page shows."""
    narrowed = (
        replace(each, monitor_ids=tuple(one for one in each.monitor_ids if one in shown_ids)) for each in windows
    )
    return tuple(each for each in narrowed if each.is_general or each.monitor_ids)


def _line(monitor: states.Watched, row: Any, maintenance: _Maintenance, now: datetime) -> PublicMonitor:
    return PublicMonitor(
        id=monitor.id,
        name=monitor.name,
        slug=monitor.slug,
        status=monitor.state.status.value,
        shown=shown(monitor.state, monitor.timing, now=now, maintenance=maintenance.of(monitor.id, row.project_id)),
        last_ping=monitor.state.last_ping,
        interval_seconds=int(monitor.timing.interval.total_seconds()),
        calendar=monitor.timing.calendar,
        since=row.since,
        group=row.group_name,
        tags=tuple(row.tags or ()),
        created_at=row.made_at,
        seq=monitor.seq,
    )


def _recent_incidents(connection: Connection, definition: PageDefinition, now: datetime) -> list[Incident]:
    is_recent = incident_rows.IS_OPEN | incident_rows.resolved_since(now - RECENT)
    return incident_rows.read_incidents(
        connection,
        is_recent,
        _concerns(definition),  # those of other monitors crowd nothing out
        limit=MAX_INCIDENTS,
        order=incident_rows.OPEN_FIRST,
        is_public=True,
    )


def _concerns(definition: PageDefinition) -> ColumnElement[bool]:
    """Return the condition that an incident is one of a page's."""
    return incident_rows.concerns(definition.project_id, _ids_of_page(definition))


def as_shown(incidents: Sequence[Incident], monitors: Sequence[PublicMonitor]) -> tuple[Incident, ...]:
    """Return those of *incidents* that a page of *monitors* shows, each with what it shows of it."""
    order = {each.id: index for index, each in enumerate(monitors)}
    found = []
    for incident in incidents:
        if is_shown(incident.is_general, (each.id for each in incident.monitors), order):
            known = sorted((each for each in incident.monitors if each.id in order), key=lambda each: order[each.id])
            found.append(replace(incident, monitors=tuple(known)))
    return tuple(found)


def read_days(database: Database, ids: Sequence[int], *, timezone: str, count: int, now: datetime) -> DayTable:
    """Return the last *count* days of some monitors, some hundreds at once. Raises Unavailable."""
    table = DayTable((), {})
    with database.read() as connection:
        for first in range(0, len(ids) or 1, DAYS_AT_ONCE):
            part = ids[first : first + DAYS_AT_ONCE]
            found = read_last_days(connection, part, timezone=timezone, count=count, now=now)
            table = DayTable(found.days, table.parts | found.parts)
    return table


def read_changes(
    database: Database, definition: PageDefinition, *, limit: int, monitor_count: int
) -> tuple[Change, ...]:
    """Return the newest *limit* times at which a monitor of a page went DOWN or UP, newest first.

    *monitor_count*: how many the page shows. Raises Unavailable.
    """
    are_few = definition.is_chosen or monitor_count <= FEW
    query = (
        select(Monitor.id, History.slug, History.new_status, History.occurred_at)
        .join(Monitor, Monitor.id == History.monitor_id)
        .where(Monitor.id.in_(_ids_of_page(definition)))
        .where(History.new_status.in_((Status.DOWN.value, Status.UP.value)))
    )
    if are_few:
        # Of each monitor only the newest transitions, which the index on (monitor_id, seq) finds.
        query = query.where(History.seq > Monitor.state_seq - 2 * limit)
        newest = query.order_by(History.occurred_at.desc(), History.id.desc()).limit(limit)
    else:
        # Those that were stored last, by the key; what blind windows delay is stored a little out of order.
        newest = query.add_columns(History.id).order_by(History.id.desc()).limit(4 * limit)
    with database.read() as connection:
        rows = connection.execute(newest).all()
    if not are_few:
        rows = sorted(rows, key=attrgetter("occurred_at", "id"), reverse=True)[:limit]
    return tuple(Change(*row[:4]) for row in rows)


def last_blind_window(database: Database) -> tuple[datetime, datetime] | None:
    """Return the newest span in which PulseMon could not see, or None."""
    query = select(BlindWindowRow.started_at, BlindWindowRow.ended_at).order_by(BlindWindowRow.ended_at.desc()).limit(1)
    with database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else (row[0], row[1])


def read_incidents(database: Database, page: PublicPage, *, limit: int, offset: int = 0) -> tuple[Incident, ...]:
    """Return incidents that a page shows, those that began last first, however old. Raises Unavailable."""
    concerned = _concerns(page.definition)
    with database.read() as connection:
        found = incident_rows.read_incidents(connection, concerned, limit=limit, offset=offset, is_public=True)
    return as_shown(found, page.monitors)


def read_incident(database: Database, page: PublicPage, public_id: str) -> Incident:
    """Return one incident that a page shows. Raises NotFound, and Unavailable."""
    named = (incident_rows.has_public_id(public_id), _concerns(page.definition))
    with database.read() as connection:
        found = incident_rows.read_incidents(connection, *named, limit=1, is_public=True)
    shown = as_shown(found, page.monitors)
    if not shown:
        raise NotFound(NO_INCIDENT)
    return shown[0]
