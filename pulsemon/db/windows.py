"""Which windows of maintenance concern which monitors, for availability, the outbox and every page of a monitor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select
from sqlalchemy.orm import aliased

from pulsemon.core.uptime import Span
from pulsemon.db.tables.maintenance import MaintenanceWindow, WindowMonitor

# One that was cancelled before it began is kept as an empty one, so that it is not made again.
IS_REAL = MaintenanceWindow.ends_at > MaintenanceWindow.starts_at


def _select(monitor_ids: Collection[int] | None) -> Select[*tuple[Any, ...]]:
    """Return the query for (monitor id, start, end) of windows; the id is None where they concern every monitor."""
    query = (
        select(WindowMonitor.monitor_id, MaintenanceWindow.starts_at, MaintenanceWindow.ends_at)
        .outerjoin(WindowMonitor, WindowMonitor.window_id == MaintenanceWindow.id)
        .select_from(MaintenanceWindow)
        .where(IS_REAL)
    )
    if monitor_ids is not None:
        query = query.where(or_(MaintenanceWindow.is_general, WindowMonitor.monitor_id.in_(monitor_ids)))
    return query


@dataclass(frozen=True, slots=True)
class Windows:
    """Spans of maintenance by monitor, and those of all of them."""

    of_all: tuple[Span, ...]
    by_monitor: Mapping[int, tuple[Span, ...]]

    def of(self, monitor_id: int) -> tuple[Span, ...]:
        """Return the spans that concern a monitor, in no order."""
        return self.of_all + self.by_monitor.get(monitor_id, ())


NO_WINDOWS = Windows((), {})


def _gather(rows: Iterable[Any]) -> Windows:
    of_all: list[Span] = []
    by_monitor: dict[int, list[Span]] = {}
    for monitor_id, starts_at, ends_at in rows:
        (of_all if monitor_id is None else by_monitor.setdefault(monitor_id, [])).append(Span(starts_at, ends_at))
    if not of_all and not by_monitor:
        return NO_WINDOWS
    return Windows(tuple(of_all), {each: tuple(spans) for each, spans in by_monitor.items()})


def touching(connection: Connection, monitor_ids: Collection[int], start: datetime, end: datetime) -> Windows:
    """Return the windows of some monitors that touch [*start*, *end*)."""
    query = _select(monitor_ids).where(MaintenanceWindow.ends_at > start, MaintenanceWindow.starts_at < end)
    return _gather(connection.execute(query))


def maintenance_spans(
    connection: Connection, monitor_ids: Sequence[int], start: datetime, end: datetime
) -> Mapping[int, Sequence[Span]]:
    """Return when monitors were under maintenance: monitor id -> its spans that touch [*start*, *end*).

    Ids without one may be missing. One query, which is the probe of an index where there is none.
    """
    found = touching(connection, monitor_ids, start, end)
    if found.of_all:
        return {each: found.of(each) for each in monitor_ids}
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


def running(connection: Connection, now: datetime) -> tuple[bool, frozenset[int]]:
    """Return whether all monitors are under maintenance at *now*, and else which ones are."""
    query = _select(None).where(
        MaintenanceWindow.closed_at.is_(None), MaintenanceWindow.starts_at <= now, MaintenanceWindow.ends_at > now
    )
    ids = frozenset(row[0] for row in connection.execute(query))
    return None in ids, frozenset(each for each in ids if each is not None)
