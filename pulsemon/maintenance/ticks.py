"""Windows of maintenance as time passes: announced, begun, ended, each noticed once; plans topped up with new ones.

Any node may do it: whoever gets the plan's row. Messages that were held back are judged here too (`db.held`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from pulsemon.core.maintenance import AHEAD, Repeats, Step, due_step
from pulsemon.core.uptime import Span
from pulsemon.db import Database, held
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow
from pulsemon.db.versions import renew_version
from pulsemon.maintenance import plans as maintenance_plans
from pulsemon.maintenance.plans import Stored
from pulsemon.subscribers.announcements import Event

_EVENTS = {Step.ANNOUNCE: Event.ANNOUNCED, Step.OPEN: Event.STARTED, Step.CLOSE: Event.ENDED}


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a look at the clock did: windows that went a step on, messages that are due; and when to look again."""

    step_count: int
    message_count: int
    next_at: datetime | None


def tick(database: Database, *, now: datetime) -> Ticked:
    """Notice what is due at *now*. Two queries where nothing is. Raises Unavailable."""
    with database.read() as connection:
        plan_ids, next_at = _due_plans(connection, now)
        look_at = held.next_look_at(connection)
    steps = messages = 0
    for plan_id in plan_ids:
        with database.write("loops") as connection:
            made, owed = _notice(connection, plan_id, now)
            steps, messages = steps + made, messages + owed
    if plan_ids:
        with database.read() as connection:
            _, next_at = _due_plans(connection, now)
            look_at = held.next_look_at(connection)
    if look_at is not None and look_at <= now:
        messages += _judge_held(database, now)
        with database.read() as connection:
            look_at = held.next_look_at(connection)
    return Ticked(steps, messages, min((each for each in (next_at, look_at) if each is not None), default=None))


def _due_plans(connection: Connection, now: datetime) -> tuple[list[int], datetime | None]:
    """Return the plans with a window that is due for something, and when the next one is."""
    plans = {row.id: maintenance_plans.stored(row) for row in connection.execute(_with_open_windows())}
    if not plans:
        return [], None
    windows = connection.execute(_open_windows(list(plans))).all()
    steps = [(each.maintenance_id, maintenance_plans.progress_of(plans[each.maintenance_id], each)) for each in windows]
    due = [plan_id for plan_id, progress in steps if due_step(progress, now=now) is not None]
    return list(dict.fromkeys(due)), min((progress.next_step[0] for _, progress in steps), default=None)


def _with_open_windows() -> Any:
    has_some = select(MaintenanceWindow.maintenance_id).where(MaintenanceWindow.closed_at.is_(None))
    return maintenance_plans.select_plans().where(Maintenance.id.in_(has_some))


def _open_windows(plan_ids: Sequence[int]) -> Any:
    return (
        select(*MaintenanceWindow.__table__.columns)
        .where(MaintenanceWindow.closed_at.is_(None), MaintenanceWindow.maintenance_id.in_(plan_ids))
        .order_by(MaintenanceWindow.starts_at, MaintenanceWindow.id)
    )


def _notice(connection: Connection, plan_id: int, now: datetime) -> tuple[int, int]:
    """Take the steps that are due of a plan's windows; none where another node is about to."""
    query = maintenance_plans.select_plans().where(Maintenance.id == plan_id)
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return 0, 0
    plan = maintenance_plans.stored(row)
    steps: list[Step] = []
    messages = 0
    for window in connection.execute(_open_windows([plan_id])).all():
        step = due_step(maintenance_plans.progress_of(plan, window), now=now)
        if step is not None:
            # Of a daily plan a week is announced at once when it is made: subscribers are told of the next one.
            messages += _take(connection, plan, window, step, now, is_told=step not in steps)
            steps.append(step)
    if Step.CLOSE in steps and plan.removed_at is None:
        _top_up_one(connection, plan, now)
    if steps:
        renew_version(connection)
    return len(steps), messages


def _take(connection: Connection, plan: Stored, window: Any, step: Step, now: datetime, *, is_told: bool) -> int:
    instants: dict[str, datetime] = {}
    if step is Step.CLOSE:
        instants["closed_at"] = now
        # Whoever stored a message while somebody moved this end may have read the old one.
        held.look_again(connection, now=now)
    else:
        instants["announced_at"] = window.announced_at or now
        if step is Step.OPEN:
            instants["opened_at"] = now
    connection.execute(update(MaintenanceWindow).where(MaintenanceWindow.id == window.id).values(instants))
    if not is_told or (step is Step.CLOSE and window.opened_at is None):  # the latter came and went unseen
        return 0
    at = {Step.ANNOUNCE: now, Step.OPEN: window.starts_at, Step.CLOSE: window.ends_at}[step]
    return maintenance_plans.tell(connection, plan, _EVENTS[step], window, at=at, now=now)


def _judge_held(database: Database, now: datetime) -> int:
    released, judged = 0, held.BATCH
    while judged == held.BATCH:
        with database.write("loops") as connection:
            judged, count = held.judge_due(connection, now=now)
            if judged:
                renew_version(connection)
            released += count
    return released


def top_up(database: Database, *, now: datetime) -> None:
    """Make what is missing of the windows that are kept ahead: where they are rare, time alone brings new ones."""
    open_count = (
        select(func.count())
        .where(MaintenanceWindow.maintenance_id == Maintenance.id, MaintenanceWindow.closed_at.is_(None))
        .scalar_subquery()
    )
    query = maintenance_plans.select_plans().where(
        Maintenance.removed_at.is_(None), Maintenance.repeats != Repeats.ONCE.value, open_count < AHEAD
    )
    with database.read() as connection:
        plans = [maintenance_plans.stored(row) for row in connection.execute(query)]
        short = [each.id for each in plans if _missing(connection, each, now)]
    for plan_id in short:
        with database.write("loops") as connection:
            row = connection.execute(
                maintenance_plans.select_plans().where(Maintenance.id == plan_id).with_for_update()
            ).first()
            if row is not None and row.removed_at is None:
                _top_up_one(connection, maintenance_plans.stored(row), now)
                renew_version(connection)


def _top_up_one(connection: Connection, plan: Stored, now: datetime) -> None:
    maintenance_plans.add_windows(connection, plan, _missing(connection, plan, now), now=now)


def _missing(connection: Connection, plan: Stored, now: datetime) -> list[Span]:
    """Return the windows that there should be and that are not made, those that were missed meanwhile among them."""
    if plan.plan.repeats is Repeats.ONCE:
        return []
    of_plan = MaintenanceWindow.maintenance_id == plan.id
    # Under the plan as it is now: what was edited since did not hold before.
    newest = connection.scalar(select(func.max(MaintenanceWindow.ends_at)).where(of_plan))
    missed = maintenance_plans.missed(plan, since=max(newest or now, plan.updated_at), now=now)
    query = select(MaintenanceWindow.starts_at, MaintenanceWindow.ends_at).where(of_plan)
    made = {row.starts_at: row.ends_at for row in connection.execute(query.where(MaintenanceWindow.ends_at >= now))}
    skipped = {start for start, end in made.items() if start == end}
    # After what is running: its end may have been put off.
    since = max([now, *(end for start, end in made.items() if start <= now), *(span.end for span in missed)])
    coming = maintenance_plans.wanted(plan, skipped, since=since, now=now)
    return missed + [each for each in coming if each.start not in made]
