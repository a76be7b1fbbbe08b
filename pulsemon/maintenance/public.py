"""Windows of maintenance as public pages show them: what is running, what is announced, and what was lately.

Reads only, in two queries, however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, true

from pulsemon.core.maintenance import MAX_ANNOUNCE_HOURS, Repeats
from pulsemon.db import placements
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow, WindowMonitor
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.windows import IS_REAL

# What is over stays in calendars so long, and at most so much of it.
KEPT = timedelta(days=30)
MAX_PAST = 50
# Of what is coming: those that begin first. A longer list is read by nobody, and it is made every second.
MAX_COMING = 200
_LONGEST_NOTICE = timedelta(hours=MAX_ANNOUNCE_HOURS)


@dataclass(frozen=True, slots=True)
class PublicWindow:
    """One time of maintenance, [`starts_at`, `ends_at`).

    `id` stays the same for ever, and tells no number of ours; `plan_id` is that of its plan. `monitor_ids`: those that
    may be named; `is_general`: it concerns everything in its project.
    """

    id: str
    plan_id: str
    title: str
    description: str | None
    starts_at: datetime
    ends_at: datetime
    is_general: bool
    monitor_ids: tuple[int, ...]
    announced_at: datetime | None
    created_at: datetime
    updated_at: datetime
    project_id: int

    def is_running(self, at: datetime) -> bool:
        """Return whether there is maintenance at an instant."""
        return self.starts_at <= at < self.ends_at


def read_windows(connection: Connection, *, now: datetime, project_id: int | None) -> tuple[PublicWindow, ...]:
    """Return the windows of a project (None: of all) that may be shown at *now*, in the order of their beginnings."""
    is_of_project = true() if project_id is None else Maintenance.project_id == project_id
    concerns_somebody = MaintenanceWindow.is_general | (
        select(WindowMonitor.window_id)
        .join(Monitor, Monitor.id == WindowMonitor.monitor_id)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(WindowMonitor.window_id == MaintenanceWindow.id, placements.IS_PUBLIC)
        .exists()
    )
    # That of private monitors crowds nothing out of either, nor does that of other projects.
    past = (
        select(MaintenanceWindow.id)
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .where(is_of_project)
        .where(MaintenanceWindow.ends_at > now - KEPT, MaintenanceWindow.ends_at <= now, IS_REAL)
        .where(concerns_somebody)
        .order_by(MaintenanceWindow.ends_at.desc(), MaintenanceWindow.id.desc())
        .limit(MAX_PAST)
    )
    is_near = MaintenanceWindow.starts_at <= now + _LONGEST_NOTICE
    may_be_told = and_(concerns_somebody, or_(is_near, MaintenanceWindow.announced_at.is_not(None)))
    query = (
        select(
            MaintenanceWindow.id,
            MaintenanceWindow.starts_at,
            MaintenanceWindow.ends_at,
            MaintenanceWindow.is_general,
            MaintenanceWindow.announced_at,
            Maintenance.public_id,
            Maintenance.title,
            Maintenance.description,
            Maintenance.repeats,
            Maintenance.announce_hours,
            Maintenance.created_at,
            Maintenance.updated_at,
            Maintenance.project_id,
        )
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .where(is_of_project)
        .where(IS_REAL, or_(and_(MaintenanceWindow.closed_at.is_(None), may_be_told), MaintenanceWindow.id.in_(past)))
        .order_by(MaintenanceWindow.starts_at, MaintenanceWindow.id)
    )
    shown = [row for row in connection.execute(query) if _is_shown(row, now)]
    # What has begun stands before what is coming, and all of it stays: by it a monitor is in maintenance.
    begun_count = sum(row.starts_at <= now for row in shown)
    rows = _nearest(shown[:begun_count], shown[begun_count:])
    monitors: dict[int, list[int]] = {}
    named = select(WindowMonitor.window_id, WindowMonitor.monitor_id).where(
        WindowMonitor.window_id.in_(bindparam("ids", expanding=True))
    )
    for window_id, monitor_id in connection.execute(named, {"ids": [row.id for row in rows]}):
        monitors.setdefault(window_id, []).append(monitor_id)
    return tuple(_window(row, monitors.get(row.id, ())) for row in rows)


def _nearest(begun: list[Row[*tuple[Any, ...]]], coming: list[Row[*tuple[Any, ...]]]) -> list[Row[*tuple[Any, ...]]]:
    """Return what has begun, the next windows, and of each plan its next one: daily plans crowd nobody's out."""
    plans: set[str] = set()
    kept = []
    for index, row in enumerate(coming):
        if index < MAX_COMING or row.public_id not in plans:
            kept.append(row)
        plans.add(row.public_id)
    return begun + kept


def _is_shown(row: Row[*tuple[Any, ...]], now: datetime) -> bool:
    return row.announced_at is not None or row.starts_at - timedelta(hours=row.announce_hours) <= now


def _window(row: Row[*tuple[Any, ...]], monitor_ids: Any) -> PublicWindow:
    # That of a plan for once may be moved, and is the same one afterwards.
    suffix = "" if row.repeats == Repeats.ONCE else f"-{row.starts_at:%Y%m%dT%H%M%SZ}"
    return PublicWindow(
        id=f"{row.public_id}{suffix}",
        plan_id=row.public_id,
        title=row.title,
        description=row.description,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        is_general=row.is_general,
        monitor_ids=tuple(monitor_ids),
        announced_at=row.announced_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        project_id=row.project_id,
    )
