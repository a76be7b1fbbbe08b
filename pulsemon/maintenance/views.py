"""Maintenance as its owner sees it: plans with what is running and coming of them, and what is over. Reads only.

*project_id* of a list: the project whose plans it holds; None: all projects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, true

from pulsemon.core import keyset
from pulsemon.core.keyset import Cursor
from pulsemon.db import Database
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceMonitor, MaintenanceWindow
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import is_exactly
from pulsemon.db.windows import IS_REAL
from pulsemon.errors import NO_MAINTENANCE, NotFound
from pulsemon.maintenance import plans as maintenance_plans
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.plans import Stored

# Nobody has more of them running at once; those beyond it are listed when others are over.
MAX_RUNNING = 200
# Fewer than a statement may have parameters, on either database.
_AT_ONCE = 500
NO_WINDOW = "This maintenance has no such window."


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
    definition: Definition
    windows: tuple[WindowView, ...]
    created_at: datetime
    updated_at: datetime
    project_id: int

    def running(self, *, now: datetime) -> WindowView | None:
        """Return the window of the moment."""
        return next((each for each in self.windows if each.is_running(now=now)), None)


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A window that is over. `plan_id` None: its plan was removed."""

    id: int
    plan_id: str | None
    title: str
    timezone: str
    starts_at: datetime
    ends_at: datetime


def list_all(
    database: Database,
    *,
    now: datetime,
    project_id: int | None = None,
    limit: int | None = None,
    after: int | None = None,
) -> tuple[list[MaintenanceView], int | None]:
    """Return plans that were not removed, in the order of their creation, and after which the next part begins."""
    query = maintenance_plans.select_plans().where(Maintenance.removed_at.is_(None), _is_of(project_id))
    query = query.order_by(Maintenance.id)
    if after is not None:
        query = query.where(Maintenance.id > after)
    with database.read() as connection:
        rows = connection.execute(query.limit(keyset.one_more(limit))).all()
        found, following = keyset.cut([maintenance_plans.stored(row) for row in rows], limit, lambda each: each.id)
        return _views(connection, found, now), following


def _is_of(project_id: int | None) -> ColumnElement[bool]:
    return true() if project_id is None else Maintenance.project_id == project_id


def list_running(database: Database, *, now: datetime, project_id: int | None = None) -> list[MaintenanceView]:
    """Return the plans of which a window is running, in the order of their creation, at most `MAX_RUNNING`."""
    query = (
        maintenance_plans.select_plans()
        .where(Maintenance.removed_at.is_(None), _is_of(project_id))
        .where(Maintenance.id.in_(_plans_with(MaintenanceWindow.starts_at <= now, now)))
        .order_by(Maintenance.id)
        .limit(MAX_RUNNING)
    )
    with database.read() as connection:
        return _views(connection, [maintenance_plans.stored(row) for row in connection.execute(query)], now)


def _plans_with(which: ColumnElement[bool], now: datetime) -> Select[int]:
    return select(MaintenanceWindow.maintenance_id).where(which, MaintenanceWindow.ends_at > now, IS_REAL)


def list_coming(
    database: Database, *, now: datetime, limit: int, project_id: int | None = None, after: Cursor | None = None
) -> tuple[list[MaintenanceView], Cursor | None]:
    """Return the plans of which a window is coming, the next one first, and after which the next part begins."""
    first = (
        select(MaintenanceWindow.maintenance_id, func.min(MaintenanceWindow.starts_at).label("starts_at"))
        .where(MaintenanceWindow.starts_at > now, MaintenanceWindow.closed_at.is_(None), IS_REAL)
        .group_by(MaintenanceWindow.maintenance_id)
        .subquery()
    )
    query = (
        maintenance_plans.select_plans()
        .add_columns(first.c.starts_at.label("next_at"))
        .join(first, first.c.maintenance_id == Maintenance.id)
        .where(Maintenance.removed_at.is_(None), _is_of(project_id))
        .order_by(first.c.starts_at, Maintenance.id)
    )
    if after is not None:
        is_later = and_(first.c.starts_at == after.at, Maintenance.id > after.id)
        query = query.where(or_(first.c.starts_at > after.at, is_later))
    with database.read() as connection:
        rows = connection.execute(query.limit(keyset.one_more(limit))).all()
        found, following = keyset.cut(rows, limit, lambda each: Cursor(each.next_at, each.id))
        return _views(connection, [maintenance_plans.stored(row) for row in found], now), following


def _views(connection: Connection, plans: Sequence[Stored], now: datetime) -> list[MaintenanceView]:
    """Return plans as their owner sees them at *now*, in two queries for every few hundred of them."""
    found: list[MaintenanceView] = []
    for start in range(0, len(plans), _AT_ONCE):
        some = plans[start : start + _AT_ONCE]
        ids = [each.id for each in some]
        slugs = _slugs(connection, MaintenanceMonitor.maintenance_id.in_(ids))
        windows = _windows(connection, MaintenanceWindow.maintenance_id.in_(ids), MaintenanceWindow.ends_at > now)
        found += [_view(each, slugs, windows.get(each.id, ())) for each in some]
    return found


def get(database: Database, public_id: str, *, now: datetime) -> MaintenanceView:
    """Return one plan. Raises NotFound."""
    with database.read() as connection:
        return view_of(connection, find(connection, public_id), now)


def list_windows(
    database: Database, public_id: str, *, limit: int, before: datetime | None = None
) -> tuple[list[WindowView], datetime | None]:
    """Return windows of a plan, newest first, and before which beginning the next part begins.

    Those that are over and those that were skipped are among them. Raises NotFound.
    """
    query = select_windows().order_by(MaintenanceWindow.starts_at.desc()).limit(keyset.one_more(limit))
    if before is not None:
        query = query.where(MaintenanceWindow.starts_at < before)
    with database.read() as connection:
        plan = find(connection, public_id)
        rows = connection.execute(query.where(MaintenanceWindow.maintenance_id == plan.id))
        return keyset.cut([_window(row) for row in rows], limit, lambda each: each.starts_at)


def list_past(
    database: Database, *, now: datetime, limit: int, project_id: int | None = None, before: Cursor | None = None
) -> tuple[list[PastWindow], Cursor | None]:
    """Return windows of all plans that are over, newest first, and before which the next part begins."""
    query = (
        select(
            MaintenanceWindow.id,
            Maintenance.public_id,
            Maintenance.removed_at,
            Maintenance.title,
            Maintenance.timezone,
            MaintenanceWindow.starts_at,
            MaintenanceWindow.ends_at,
        )
        .join(Maintenance, Maintenance.id == MaintenanceWindow.maintenance_id)
        .where(MaintenanceWindow.ends_at <= now, IS_REAL, _is_of(project_id))
        .order_by(MaintenanceWindow.ends_at.desc(), MaintenanceWindow.id.desc())
        .limit(keyset.one_more(limit))
    )
    if before is not None:
        is_earlier = and_(MaintenanceWindow.ends_at == before.at, MaintenanceWindow.id < before.id)
        query = query.where(or_(MaintenanceWindow.ends_at < before.at, is_earlier))
    with database.read() as connection:
        found = [_past(row) for row in connection.execute(query)]
    return keyset.cut(found, limit, lambda each: Cursor(each.ends_at, each.id))


def _past(row: Any) -> PastWindow:
    plan_id = None if row.removed_at else row.public_id
    return PastWindow(row.id, plan_id, row.title, row.timezone, row.starts_at, row.ends_at)


def find(connection: Connection, public_id: str, *, is_locked: bool = False) -> Stored:
    """Return a plan that was not removed, its row locked where that is asked for. Raises NotFound."""
    this = (is_exactly(Maintenance.public_id, public_id), Maintenance.removed_at.is_(None))
    query = maintenance_plans.select_plans().where(*this)
    row = connection.execute(query.with_for_update() if is_locked else query).first()
    if row is None:
        raise NotFound(NO_MAINTENANCE)
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
    """Return plan id -> its windows that fit, in their order."""
    query = select_windows().where(IS_REAL, *where)
    found: dict[int, list[WindowView]] = {}
    for row in connection.execute(query.order_by(MaintenanceWindow.starts_at, MaintenanceWindow.id)):
        found.setdefault(row.maintenance_id, []).append(_window(row))
    return found


def _window(row: Any) -> WindowView:
    return WindowView(row.id, row.starts_at, row.ends_at, row.announced_at, row.ends_at <= row.starts_at)


def _slugs(connection: Connection, *where: Any) -> dict[int, list[str]]:
    """Return plan id -> the slugs of the monitors chosen for it."""
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
    return _views(connection, [plan], now)[0]


def _view(plan: Stored, slugs: Mapping[int, Sequence[str]], windows: Sequence[WindowView]) -> MaintenanceView:
    definition = Definition(
        plan.title,
        plan.plan,
        plan.description,
        None if plan.is_general else tuple(slugs.get(plan.id, ())),
        plan.announce_hours,
        plan.tells_subscribers,
    )
    times = (plan.created_at, plan.updated_at)
    return MaintenanceView(plan.public_id, definition, tuple(windows), *times, plan.project_id)
