"""Plans of maintenance as they are stored, their windows made ahead, and what subscribers are told of one.

On a connection, below the use cases: `maintenance.manage` edits plans, `maintenance.ticks` notices their windows.
Whoever changes a plan or its windows holds the plan's row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from pulsemon.availability import roll_marks
from pulsemon.core import maintenance
from pulsemon.core.maintenance import AHEAD, HORIZON, Plan, Progress, Repeats
from pulsemon.core.uptime import Span
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceMonitor, MaintenanceWindow, WindowMonitor
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import is_exactly
from pulsemon.subscribers import announcements
from pulsemon.subscribers.announcements import Event, Notice

# Of one plan, after PulseMon was away for long.
MAX_MISSED = 1_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A plan as its row has it."""

    id: int
    public_id: str
    title: str
    description: str | None
    is_general: bool
    plan: Plan
    announce_hours: int
    tells_subscribers: bool
    removed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    project_id: int

    def announce_at(self, starts_at: datetime) -> datetime:
        """Return from when on a window is announced."""
        return starts_at - timedelta(hours=self.announce_hours)


def project_of(connection: Connection, public_id: str) -> int | None:
    """Return the id of the project that a plan belongs to; None: there is none."""
    return connection.scalar(select(Maintenance.project_id).where(is_exactly(Maintenance.public_id, public_id)))


def select_plans() -> Select[*tuple[Any, ...]]:
    """Return the query that `stored` reads the rows of; add where, order and lock."""
    return select(*Maintenance.__table__.columns)


def stored(row: Row[*tuple[Any, ...]]) -> Stored:
    """Read one row of `select_plans`."""
    return Stored(
        id=row.id,
        public_id=row.public_id,
        title=row.title,
        description=row.description,
        is_general=row.is_general,
        plan=Plan(
            repeats=Repeats(row.repeats),
            starts_at=row.starts_at,
            length=timedelta(seconds=row.length_seconds),
            timezone=row.timezone,
            schedule=row.schedule,
            last_day=maintenance.day_of(row.until, row.timezone),
        ),
        announce_hours=row.announce_hours,
        tells_subscribers=row.tells_subscribers,
        removed_at=row.removed_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        project_id=row.project_id,
    )


def progress_of(plan: Stored, window: Any) -> Progress:
    """Return how far a window of a plan has been noticed."""
    return Progress(
        window.starts_at,
        window.ends_at,
        plan.announce_at(window.starts_at),
        is_announced=window.announced_at is not None,
        is_opened=window.opened_at is not None,
    )


def wanted(plan: Stored, skipped: Collection[datetime], *, since: datetime, now: datetime) -> list[Span]:
    """Return the windows that there should be from *since* on, those that begin at one of *skipped* left out."""
    try:
        found = maintenance.windows(plan.plan, since=since, horizon=now + HORIZON, count=AHEAD + len(skipped))
    except maintenance.PlanError:  # a zone that the system no longer knows
        return []
    return [each for each in found if each.start not in skipped][:AHEAD]


def missed(plan: Stored, *, since: datetime, now: datetime) -> list[Span]:
    """Return the windows, at most `MAX_MISSED`, that began since an instant while nobody was there to make them."""
    if since >= now:
        return []
    try:
        return maintenance.windows(plan.plan, since=since, horizon=now, count=MAX_MISSED)
    except maintenance.PlanError:
        return []


def add_windows(connection: Connection, plan: Stored, spans: Iterable[Span], *, now: datetime) -> None:
    """Make windows of a plan, with its monitors; one that is there already is left alone.

    One that is over already is history, and told to nobody. What lies in the past counts in the availability.
    """
    made = list(spans)
    if not made:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = make(MaintenanceWindow).on_conflict_do_nothing(index_elements=["maintenance_id", "starts_at"])
    connection.execute(statement, [_window_row(plan, span, now) for span in made])
    monitor_ids = [] if plan.is_general else monitors_of_plan(connection, plan.id)
    starts = [span.start for span in made]
    query = select(MaintenanceWindow.id).where(
        MaintenanceWindow.maintenance_id == plan.id, MaintenanceWindow.starts_at.in_(starts)
    )
    give_monitors(connection, connection.scalars(query).all(), monitor_ids)
    if min(starts) < now:
        forget_since(connection, plan, monitor_ids, min(starts), is_general=plan.is_general)


def _window_row(plan: Stored, span: Span, now: datetime) -> dict[str, Any]:
    noticed_at = now if span.end <= now else None
    instants = dict.fromkeys(("announced_at", "opened_at", "closed_at"), noticed_at)
    return {
        "maintenance_id": plan.id,
        "starts_at": span.start,
        "ends_at": span.end,
        "is_general": plan.is_general,
        **instants,
    }


def give_monitors(connection: Connection, window_ids: Sequence[int], monitor_ids: Sequence[int]) -> None:
    """Give these windows these monitors, in place of those they have."""
    has_any = WindowMonitor.window_id.in_(window_ids)
    if window_ids:
        connection.execute(WindowMonitor.__table__.delete().where(has_any))  # type: ignore[attr-defined]  # a Table
    pairs = [{"window_id": window, "monitor_id": monitor} for window in window_ids for monitor in monitor_ids]
    if pairs:
        connection.execute(insert(WindowMonitor), pairs)


def monitors_of_plan(connection: Connection, plan_id: int) -> list[int]:
    """Return the ids of the monitors that were chosen for a plan."""
    query = select(MaintenanceMonitor.monitor_id).where(MaintenanceMonitor.maintenance_id == plan_id)
    return list(connection.scalars(query.order_by(MaintenanceMonitor.monitor_id)))


def monitors_of_window(connection: Connection, window_id: int) -> list[int]:
    """Return the ids of the monitors that a window concerns; none of one that concerns all of the project's."""
    query = select(WindowMonitor.monitor_id).where(WindowMonitor.window_id == window_id)
    return list(connection.scalars(query.order_by(WindowMonitor.monitor_id)))


def forget_since(
    connection: Connection, plan: Stored, monitor_ids: Sequence[int], since: datetime, *, is_general: bool
) -> None:
    """Have the days of these monitors made again, or of all in the plan's project."""
    of_project = select(Monitor.id).where(Monitor.project_id == plan.project_id)
    ids = connection.scalars(of_project).all() if is_general else monitor_ids
    if ids:
        roll_marks.forget_since(connection, ids, since)


def tell(connection: Connection, plan: Stored, event: Event, window: Any, *, at: datetime, now: datetime) -> int:
    """Owe subscribers a notice of a window's row, if the plan is one that they are told of; return how many."""
    if not plan.tells_subscribers:
        return 0
    notice = Notice(
        kind="maintenance",
        public_id=plan.public_id,
        event=event,
        at=at,
        project_id=plan.project_id,
        title=plan.title,
        text=plan.description,
        is_general=window.is_general,
        monitor_ids=() if window.is_general else monitors_of_window(connection, window.id),
        starts_at=window.starts_at,
        ends_at=window.ends_at,
    )
    return announcements.announce(connection, notice, now=now)


def leave(connection: Connection, monitor_id: int, *, now: datetime) -> None:
    """Take a monitor out of every plan and of each window that has not begun: it goes to another project.

    What was, and what is running, stays: its availability is made of that, and its messages wait for that end.
    """
    coming = select(MaintenanceWindow.id).where(
        MaintenanceWindow.closed_at.is_(None), MaintenanceWindow.starts_at > now
    )
    its_windows = WindowMonitor.monitor_id == monitor_id
    connection.execute(delete(WindowMonitor).where(its_windows, WindowMonitor.window_id.in_(coming)))
    connection.execute(delete(MaintenanceMonitor).where(MaintenanceMonitor.monitor_id == monitor_id))
