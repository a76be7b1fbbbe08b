"""Maintenance as its owner sees it: plans with what is running and coming of them, and what is over. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from pulsemon import maintenance_plans
from pulsemon.core.maintenance import Plan
from pulsemon.db import Database
from pulsemon.db.notice_tables import Maintenance, MaintenanceMonitor, MaintenanceWindow
from pulsemon.db.tables import Monitor
from pulsemon.db.types import is_exactly
from pulsemon.db.windows import IS_REAL
from pulsemon.errors import NotFound
from pulsemon.maintenance_plans import Stored

# Windows that are over: of all plans together, and of one.
MAX_PAST, MAX_LISTED = 100, 1_000
NO_PLAN, NO_WINDOW = "There is no such maintenance.", "This maintenance has no such window."


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody says of a plan. `monitors`: slugs; None: all."""

    title: str
    plan: Plan
    description: str | None = None
    monitors: tuple[str, ...] | None = None
    announce_hours: int = 168
    tells_subscribers: bool = True


@dataclass(frozen=True, slots=True)
class WindowView:
    """One window of a plan. `is_skipped`: it was cancelled before it began."""

    id: int
    starts_at: datetime
    ends_at: datetime
    announced_at: datetime | None
    is_skipped: bool

    def is_running(self, *, now: datetime) -> bool:
        """Return whether there is maintenance at *now*."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """A plan as its owner sees it. `windows`: what is running and what is coming, in their order."""

    id: str
    draft: Draft
    windows: tuple[WindowView, ...]
    created_at: datetime
    updated_at: datetime

    def running(self, *, now: datetime) -> WindowView | None:
        """Return the window of the moment."""
        return next((each for each in self.windows if each.is_running(now=now)), None)


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A window that is over. `plan_id` None: its plan was removed."""

    plan_id: str | None
    title: str
    timezone: str
    starts_at: datetime
    ends_at: datetime


def list_all(database: Database, *, now: datetime) -> list[MaintenanceView]:
    """Return every plan that was not removed, in the order of their creation."""
    with database.read() as connection:
        query = maintenance_plans.select_plans().where(Maintenance.removed_at.is_(None)).order_by(Maintenance.id)
        plans = [maintenance_plans.stored(row) for row in connection.execute(query)]
        slugs = _slugs(connection)
        windows = _windows(connection, MaintenanceWindow.ends_at > now)
    return [_view(plan, slugs, windows.get(plan.id, ())) for plan in plans]


def get(database: Database, public_id: str, *, now: datetime) -> MaintenanceView:
    """Return one plan. Raises NotFound."""
    with database.read() as connection:
        return view_of(connection, find(connection, public_id), now)


def list_windows(database: Database, public_id: str) -> list[WindowView]:
    """Return the windows of a plan, newest first, those that are over and those that were skipped too.

    At most `MAX_LISTED`. Raises NotFound.
    """
    with database.read() as connection:
        plan = find(connection, public_id)
        query = select_windows().where(MaintenanceWindow.maintenance_id == plan.id)
        rows = connection.execute(query.order_by(MaintenanceWindow.starts_at.desc()).limit(MAX_LISTED))
        return [_window(row) for row in rows]


def list_past(database: Database, *, now: datetime) -> list[PastWindow]:
    """Return the windows of all plans that are over, newest first, at most `MAX_PAST`."""
    query = (
        select(
            Maintenance.public_id,
            Maintenance.removed_at,
            Maintenance.title,
            Maintenance.timezone,
            MaintenanceWindow.starts_at,
            MaintenanceWindow.ends_at,
        )
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .where(MaintenanceWindow.ends_at <= now, IS_REAL)
        .order_by(MaintenanceWindow.ends_at.desc(), MaintenanceWindow.id.desc())
        .limit(MAX_PAST)
    )
    with database.read() as connection:
        return [
            PastWindow(None if row.removed_at else row.public_id, row.title, row.timezone, row.starts_at, row.ends_at)
            for row in connection.execute(query)
        ]


def find(connection: Connection, public_id: str, *, is_locked: bool = False) -> Stored:
    """Return a plan that was not removed, its row locked where that is asked for. Raises NotFound."""
    this = (is_exactly(Maintenance.public_id, public_id), Maintenance.removed_at.is_(None))
    query = maintenance_plans.select_plans().where(*this)
    row = connection.execute(query.with_for_update() if is_locked else query).first()
    if row is None:
        raise NotFound(NO_PLAN)
    return maintenance_plans.stored(row)


def find_window(connection: Connection, plan: Stored, window_id: int) -> WindowView:
    """Return one window of a plan. Raises NotFound."""
    query = select_windows().where(MaintenanceWindow.maintenance_id == plan.id, MaintenanceWindow.id == window_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(NO_WINDOW)
    return _window(row)


def select_windows() -> Select[*tuple[Any, ...]]:
    """Return the query for whole rows of windows; add where and order."""
    return select(*MaintenanceWindow.__table__.columns)


def _windows(connection: Connection, *where: Any) -> dict[int, list[WindowView]]:
    query = select_windows().where(IS_REAL, *where)
    found: dict[int, list[WindowView]] = {}
    for row in connection.execute(query.order_by(MaintenanceWindow.starts_at, MaintenanceWindow.id)):
        found.setdefault(row.maintenance_id, []).append(_window(row))
    return found


def _window(row: Any) -> WindowView:
    return WindowView(row.id, row.starts_at, row.ends_at, row.announced_at, row.ends_at <= row.starts_at)


def _slugs(connection: Connection, *where: Any) -> dict[int, list[str]]:
    query = (
        select(MaintenanceMonitor.maintenance_id, Monitor.slug)
        .join(Monitor, Monitor.id == MaintenanceMonitor.monitor_id)
        .where(*where)
        .order_by(Monitor.id)
    )
    found: dict[int, list[str]] = {}
    for plan_id, slug in connection.execute(query):
        found.setdefault(plan_id, []).append(slug)
    return found


def view_of(connection: Connection, plan: Stored, now: datetime) -> MaintenanceView:
    """Return a plan as its owner sees it at *now*."""
    slugs = _slugs(connection, MaintenanceMonitor.maintenance_id == plan.id)
    windows = _windows(connection, MaintenanceWindow.maintenance_id == plan.id, MaintenanceWindow.ends_at > now)
    return _view(plan, slugs, windows.get(plan.id, ()))


def _view(plan: Stored, slugs: Mapping[int, Sequence[str]], windows: Sequence[WindowView]) -> MaintenanceView:
    draft = Draft(
        plan.title,
        plan.plan,
        plan.description,
        None if plan.is_general else tuple(slugs.get(plan.id, ())),
        plan.announce_hours,
        plan.tells_subscribers,
    )
    return MaintenanceView(plan.public_id, draft, tuple(windows), plan.created_at, plan.updated_at)
