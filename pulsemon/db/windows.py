"""Which windows of maintenance concern which monitors, for availability, the outbox and every page of a monitor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from pulsemon.core.uptime import Span
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow, WindowMonitor
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import is_among

# One that was cancelled before it began is kept as an empty one, so that it is not made again.
IS_REAL = MaintenanceWindow.ends_at > MaintenanceWindow.starts_at


def _select(monitor_ids: Collection[int] | None) -> Select[*tuple[Any, ...]]:
    """Return the query for (monitor id, project id, start, end) of the windows that concern these monitors (None: any).

    The monitor's id is None where they concern every monitor of the project.
    """
    query = (
        select(WindowMonitor.monitor_id, Maintenance.project_id, MaintenanceWindow.starts_at, MaintenanceWindow.ends_at)
        .select_from(MaintenanceWindow)
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .outerjoin(WindowMonitor, WindowMonitor.window_id == MaintenanceWindow.id)
        .where(IS_REAL)
    )
    if monitor_ids is not None:
        theirs = select(Monitor.project_id).where(is_among(Monitor.id, monitor_ids))
        is_general = and_(MaintenanceWindow.is_general, Maintenance.project_id.in_(theirs))
        query = query.where(or_(is_general, WindowMonitor.monitor_id.in_(monitor_ids)))
    return query


@dataclass(frozen=True, slots=True)
class Windows:
    """Spans of maintenance by monitor, and by project those of all its monitors."""

    by_project: Mapping[int, tuple[Span, ...]]
    by_monitor: Mapping[int, tuple[Span, ...]]

    def of(self, monitor_id: int, project_id: int) -> tuple[Span, ...]:
        """Return the spans that concern a monitor, in no order."""
        return self.by_project.get(project_id, ()) + self.by_monitor.get(monitor_id, ())


NO_WINDOWS = Windows({}, {})


def _gather(rows: Iterable[Any]) -> Windows:
    by_project: dict[int, list[Span]] = {}
    by_monitor: dict[int, list[Span]] = {}
    for monitor_id, project_id, starts_at, ends_at in rows:
        spans = by_project.setdefault(project_id, []) if monitor_id is None else by_monitor.setdefault(monitor_id, [])
        spans.append(Span(starts_at, ends_at))
    if not by_project and not by_monitor:
        return NO_WINDOWS
    return Windows(_frozen(by_project), _frozen(by_monitor))


def _frozen(found: Mapping[int, list[Span]]) -> dict[int, tuple[Span, ...]]:
    return {each: tuple(spans) for each, spans in found.items()}


def touching(connection: Connection, monitor_ids: Collection[int], start: datetime, end: datetime) -> Windows:
    """Return the windows of some monitors that touch [*start*, *end*), with those of all in their projects."""
    query = _select(monitor_ids).where(MaintenanceWindow.ends_at > start, MaintenanceWindow.starts_at < end)
    return _gather(connection.execute(query))


def maintenance_spans(
    connection: Connection, projects: Mapping[int, int], start: datetime, end: datetime
) -> Mapping[int, Sequence[Span]]:
    """Return when monitors were under maintenance: monitor id -> its spans that touch [*start*, *end*).

    *projects*: monitor id -> the id of its project. Ids without a span may be missing. One query, which is the probe
    of an index where there is none.
    """
    found = touching(connection, projects, start, end)
    if found.by_project:
        return {each: found.of(each, project_id) for each, project_id in projects.items()}
    return found.by_monitor


def concerned() -> Select[*tuple[Any, ...]]:
    """Return the query for the ids of monitors that some window concerns which is running or may come."""
    return (
        select(WindowMonitor.monitor_id)
        .join(MaintenanceWindow, WindowMonitor.window_id == MaintenanceWindow.id)
        .where(IS_REAL, MaintenanceWindow.closed_at.is_(None))
    )


def current(connection: Connection, monitor_ids: Collection[int] | None = None) -> Windows:
    """Return of each plan the window that is running, or else the next one, of some monitors (None: of all)."""
    other = aliased(MaintenanceWindow)
    first = (
        select(func.min(other.starts_at))
        .where(other.maintenance_id == MaintenanceWindow.maintenance_id, other.closed_at.is_(None))
        .correlate(MaintenanceWindow)
        .scalar_subquery()
    )
    query = _select(monitor_ids).where(MaintenanceWindow.closed_at.is_(None), MaintenanceWindow.starts_at == first)
    return _gather(connection.execute(query))


def running(connection: Connection, now: datetime) -> tuple[frozenset[int], frozenset[int]]:
    """Return the ids of the projects all of whose monitors are under maintenance at *now*, and of the other monitors.

    That is of those which are under maintenance of their own.
    """
    query = _select(None).where(
        MaintenanceWindow.closed_at.is_(None), MaintenanceWindow.starts_at <= now, MaintenanceWindow.ends_at > now
    )
    rows = connection.execute(query).all()
    return (
        frozenset(row.project_id for row in rows if row.monitor_id is None),
        frozenset(row.monitor_id for row in rows if row.monitor_id is not None),
    )
