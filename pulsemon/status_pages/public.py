"""The public read model: what anybody may see, in a fixed number of queries however many monitors and pages there are.

A private monitor is left out where the rows are read; nothing behind this module knows that it exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from pulsemon.availability.days import DayTable, read_last_days
from pulsemon.core import schedule
from pulsemon.core.addresses import MAIN
from pulsemon.core.incidents import is_shown
from pulsemon.core.placement import grouped
from pulsemon.core.schedule import Calendar
from pulsemon.core.shown import Shown, shown
from pulsemon.core.status import Status
from pulsemon.core.uptime import Span
from pulsemon.db import Database, placements, states
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.monitors import History, Monitor, PlacementRow
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.errors import NO_INCIDENT, NotFound
from pulsemon.incidents import rows as incident_rows
from pulsemon.incidents.rows import Incident
from pulsemon.maintenance.public import PublicWindow, read_windows

# How long a page still shows an incident that is over, and how many at most, open ones first.
RECENT = timedelta(days=7)
MAX_INCIDENTS = 50


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
class PageDefinition:
    """What an owner says of a page (see `status_pages.manage`).

    `members`: ids of monitors in their order; None: all public ones.
    """

    slug: str = MAIN
    id: int = 0
    title: str | None = None
    description: str | None = None
    footer: str | None = None
    accent: str | None = None
    timezone: str = "UTC"
    language: str | None = None
    password_hash: str | None = None
    host: str | None = None
    logo_digest: str | None = None
    members: tuple[int, ...] | None = None


MAIN_DEFINITION = PageDefinition()


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


@dataclass(frozen=True, slots=True)
class Public:
    """Everything that any page shows, true at `at`: public monitors in the owner's order, pages by slug.

    `timezone` is that of what belongs to no page, and of pages that name none.
    """

    monitors: tuple[PublicMonitor, ...]
    definitions: Mapping[str, PageDefinition]
    at: datetime
    incidents: tuple[Incident, ...] = ()
    incident_version: str = ""
    windows: tuple[PublicWindow, ...] = ()
    timezone: str = "UTC"

    def ids_by_zone(self) -> dict[str, tuple[int, ...]]:
        """Return time zone -> the ids of the monitors whose days are shown in it; in `timezone`, all of them."""
        own: dict[str, set[int]] = {}
        every = {each.id for each in self.monitors}
        for each in self.definitions.values():
            shown = every if each.members is None else every.intersection(each.members)
            own.setdefault(each.timezone, set()).update(shown)
        return {zone: tuple(sorted(ids)) for zone, ids in (own | {self.timezone: every}).items()}

    def page(self, slug: str) -> PublicPage | None:
        """Return one page, or None where there is none."""
        definition = self.definitions.get(slug)
        if definition is None:
            return None
        shown = self.monitors
        if definition.members is not None:
            by_id = {each.id: each for each in self.monitors}
            shown = tuple(by_id[each] for each in definition.members if each in by_id)
        return PublicPage(
            definition,
            shown,
            self.at,
            as_shown(self.incidents, shown),
            self.incident_version,
            self._windows_of({each.id for each in shown}),
        )

    def _windows_of(self, monitor_ids: set[int]) -> tuple[PublicWindow, ...]:
        narrowed = (
            replace(each, monitor_ids=tuple(one for one in each.monitor_ids if one in monitor_ids))
            for each in self.windows
        )
        return tuple(each for each in narrowed if each.is_general or each.monitor_ids)

    def open_monitors(self) -> tuple[PublicMonitor, ...]:
        """Return the monitors that some page shows to everybody, without a password."""
        unlocked = [each for each in self.definitions.values() if each.password_hash is None]
        if any(each.members is None for each in unlocked):
            return self.monitors
        ids = {monitor_id for each in unlocked for monitor_id in each.members or ()}
        return tuple(each for each in self.monitors if each.id in ids)

    def slug_of_host(self, host: str) -> str | None:
        """Return the page that has this host name (lower case, no port)."""
        return next((each.slug for each in self.definitions.values() if each.host == host), None)


def read_public(database: Database, *, now: datetime, timezone: str = "UTC") -> Public:
    """Return what may be seen at *now*; *timezone* is that of pages that name none. Raises Unavailable."""
    with database.read() as connection:
        rows = connection.execute(
            states.select_watched()
            .add_columns(History.occurred_at.label("since"), PlacementRow.group_name.label("group_name"))
            .add_columns(PlacementRow.tags.label("tags"), Monitor.created_at.label("made_at"))
            .outerjoin(History, (History.monitor_id == Monitor.id) & (History.seq == Monitor.state_seq))
            .outerjoin(PlacementRow, placements.OF_MONITOR)
            .where(placements.IS_PUBLIC)
            .order_by(placements.POSITION, Monitor.id)
        )
        watched = [(states.watched(row), row) for row in rows]
        windows = read_windows(connection, now=now)
        running = [each for each in windows if each.is_running(now)]
        lines = tuple(_line(monitor, row, _spans(monitor.id, running), now) for monitor, row in watched)
        version = incident_rows.read_version(connection)
        incidents = _recent_incidents(connection, now) if version else ()
        return Public(lines, _definitions(connection, timezone), now, incidents, version, windows, timezone)


def _spans(monitor_id: int, windows: Sequence[PublicWindow]) -> list[Span]:
    return [Span(each.starts_at, each.ends_at) for each in windows if each.is_general or monitor_id in each.monitor_ids]


def _line(monitor: states.Watched, row: Any, maintenance: Sequence[Span], now: datetime) -> PublicMonitor:
    return PublicMonitor(
        id=monitor.id,
        name=monitor.name,
        slug=monitor.slug,
        status=monitor.state.status.value,
        shown=shown(monitor.state, monitor.timing, now=now, maintenance=maintenance),
        last_ping=monitor.state.last_ping,
        interval_seconds=int(monitor.timing.interval.total_seconds()),
        calendar=monitor.timing.calendar,
        since=row.since,
        group=row.group_name,
        tags=tuple(row.tags or ()),
        created_at=row.made_at,
        seq=monitor.seq,
    )


def _recent_incidents(connection: Connection, now: datetime) -> tuple[Incident, ...]:
    is_recent = incident_rows.IS_OPEN | incident_rows.resolved_since(now - RECENT)
    return tuple(
        incident_rows.read_incidents(
            connection,
            is_recent,
            incident_rows.is_on_some_page(),  # those of private monitors crowd nothing out
            limit=MAX_INCIDENTS,
            order=incident_rows.OPEN_FIRST,
            is_public=True,
        )
    )


def as_shown(incidents: Sequence[Incident], monitors: Sequence[PublicMonitor]) -> tuple[Incident, ...]:
    """Return those of *incidents* that a page of *monitors* shows, each with what it shows of it."""
    order = {each.id: index for index, each in enumerate(monitors)}
    found = []
    for incident in incidents:
        if is_shown(incident.is_general, (each.id for each in incident.monitors), order):
            known = sorted((each for each in incident.monitors if each.id in order), key=lambda each: order[each.id])
            found.append(replace(incident, monitors=tuple(known)))
    return tuple(found)


def _definitions(connection: Connection, timezone: str) -> dict[str, PageDefinition]:
    """Return page slug -> its definition, of every page; the one at `/status` is always among them."""
    members: dict[int, list[int]] = {}
    chosen = select(PageMonitor.page_id, PageMonitor.monitor_id).order_by(PageMonitor.place, PageMonitor.monitor_id)
    for page_id, monitor_id in connection.execute(chosen):
        members.setdefault(page_id, []).append(monitor_id)
    definitions = {MAIN: replace(MAIN_DEFINITION, timezone=timezone)}
    zones = schedule.zone_names()
    for row in connection.execute(select(StatusPage.__table__).order_by(StatusPage.id)):
        definitions[row.slug] = PageDefinition(
            slug=row.slug,
            id=row.id,
            title=row.title,
            description=row.description,
            footer=row.footer,
            accent=row.accent,
            timezone=row.timezone if row.timezone in zones else timezone,
            language=row.language,
            password_hash=row.password_hash,
            host=row.host,
            logo_digest=row.logo_digest,
            members=tuple(members.get(row.id, ())) if row.is_chosen else None,
        )
    return definitions


def read_days(database: Database, ids: Sequence[int], *, timezone: str, count: int, now: datetime) -> DayTable:
    """Return the last *count* days of some monitors. Raises Unavailable."""
    with database.read() as connection:
        return read_last_days(connection, ids, timezone=timezone, count=count, now=now)


def read_changes(database: Database, ids: Sequence[int], *, limit: int) -> tuple[Change, ...]:
    """Return the newest *limit* times at which one of these monitors went DOWN or UP, newest first.

    Of each monitor only the newest transitions are looked at, which the index on (monitor_id, seq) finds. Raises
    Unavailable.
    """
    query = (
        select(Monitor.id, History.slug, History.new_status, History.occurred_at)
        .join(Monitor, Monitor.id == History.monitor_id)
        .where(Monitor.id.in_(ids), History.seq > Monitor.state_seq - 2 * limit)
        .where(History.new_status.in_((Status.DOWN.value, Status.UP.value)))
        .order_by(History.occurred_at.desc(), History.id.desc())
        .limit(limit)
    )
    with database.read() as connection:
        return tuple(Change(*row) for row in connection.execute(query))


def last_blind_window(database: Database) -> tuple[datetime, datetime] | None:
    """Return the newest span in which PulseMon could not see, or None."""
    query = select(BlindWindowRow.started_at, BlindWindowRow.ended_at).order_by(BlindWindowRow.ended_at.desc()).limit(1)
    with database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else (row[0], row[1])


def read_incidents(database: Database, page: PublicPage, *, limit: int, offset: int = 0) -> tuple[Incident, ...]:
    """Return incidents that a page shows, those that began last first, however old. Raises Unavailable."""
    with database.read() as connection:
        found = incident_rows.read_incidents(connection, _of_page(page), limit=limit, offset=offset, is_public=True)
    return as_shown(found, page.monitors)


def read_incident(database: Database, page: PublicPage, public_id: str) -> Incident:
    """Return one incident that a page shows. Raises NotFound, and Unavailable."""
    with database.read() as connection:
        named = (incident_rows.has_public_id(public_id), _of_page(page))
        found = incident_rows.read_incidents(connection, *named, limit=1, is_public=True)
    shown = as_shown(found, page.monitors)
    if not shown:
        raise NotFound(NO_INCIDENT)
    return shown[0]


def _of_page(page: PublicPage) -> Any:
    return incident_rows.concerns([each.id for each in page.monitors])
