"""Messages that maintenance holds back: which ones, and what becomes of them when it is over (`core.holding`).

A held message's `next_attempt_at` is when somebody has to look at it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, func, select

from pulsemon.core import holding
from pulsemon.core.deliveries import TOLD, DeliveryState
from pulsemon.core.holding import Cancel, Present, Release, Wait
from pulsemon.core.status import Cause, Status
from pulsemon.db import deliveries, windows
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.windows import NO_WINDOWS, Windows

# Looked at in one transaction: each locks its monitor, and pings wait for that.
BATCH = 100
REASON = "maintenance"

_IS_HELD = Delivery.state == DeliveryState.HELD


def held_until(connection: Connection, told: Mapping[int, datetime], *, now: datetime) -> dict[int, datetime]:
    """Return monitor id -> until when it holds back what it has to tell; *told*: monitor id -> since when it has that.

    Held: there is maintenance now or there was at that instant, or older messages of that monitor are held.
    """
    if not told:
        return {}
    waiting = select(Delivery.monitor_id).where(_IS_HELD, Delivery.monitor_id.in_(told)).distinct()
    found = dict.fromkeys(connection.scalars(waiting), now)
    touched = windows.touching(connection, told, min([now, *told.values()]), now + holding.INSTANT)
    if touched is NO_WINDOWS:
        return {each: now for each in found if each is not None}
    projects = _projects_of(connection, told) if touched.by_project else {}
    for monitor_id, since in told.items():
        spans = touched.of(monitor_id, projects.get(monitor_id, 0))
        if any(span.start <= each < span.end for span in spans for each in (now, since)):
            found[monitor_id] = max([now, *(span.end for span in spans if span.start <= now)])
    return {each: until for each, until in found.items() if each is not None}


def _projects_of(connection: Connection, monitor_ids: Collection[int]) -> dict[int, int]:
    query = select(Monitor.id, Monitor.project_id).where(Monitor.id.in_(monitor_ids))
    return {row.id: row.project_id for row in connection.execute(query)}


def next_look_at(connection: Connection) -> datetime | None:
    """Return when a held message has to be looked at; None while none is held."""
    return connection.scalar(select(func.min(Delivery.next_attempt_at)).where(_IS_HELD))


def look_again(connection: Connection, *, now: datetime) -> None:
    """Have every held message looked at: a window ends at another time than was known."""
    # In the order in which `judge_due` takes them.
    query = select(Delivery.id).where(_IS_HELD).order_by(Delivery.monitor_id, Delivery.id)
    deliveries.look_at_held(connection, connection.scalars(query.with_for_update()).all(), at=now)


def judge_due(connection: Connection, *, now: datetime) -> tuple[int, int]:
    """Judge the held messages of up to `BATCH` monitors; return how many monitors, and how many messages go out.

    Monitors that somebody else has locked are left for the next look.
    """
    due = select(Delivery.monitor_id).where(_IS_HELD, Delivery.next_attempt_at <= now)
    ids = connection.scalars(due.distinct().order_by(Delivery.monitor_id).limit(BATCH)).all()
    if not ids:
        return 0, 0
    # Before the messages are read: with its row locked a monitor neither changes nor owes anything new.
    query = (
        select(Monitor.id, Monitor.project_id, Monitor.status, Monitor.down_cause)
        .add_columns(Monitor.interval_seconds, Monitor.grace_seconds)
        .where(Monitor.id.in_(ids))
        .order_by(Monitor.id)
        .with_for_update(skip_locked=True, key_share=True)
    )
    monitors = {row.id: row for row in connection.execute(query)}
    past = windows.touching(connection, monitors, now - holding.LONGEST_PATIENCE, now + holding.INSTANT)
    told = _told_before(connection, monitors)
    count = 0
    for monitor_id, messages in groupby(_held(connection, monitors), key=attrgetter("monitor_id")):
        count += _judge_one(connection, monitors[monitor_id], list(messages), past, told.get(monitor_id), now)
    return len(monitors), count


def _held(connection: Connection, monitor_ids: Collection[int]) -> Sequence[Any]:
    query = (
        select(Delivery.id, Delivery.monitor_id, History.new_status)
        .join(History, (History.monitor_id == Delivery.monitor_id) & (History.seq == Delivery.seq))
        .where(_IS_HELD, Delivery.monitor_id.in_(monitor_ids))
        .order_by(Delivery.monitor_id, Delivery.id)
        .with_for_update(of=Delivery)
    )
    return connection.execute(query).all()


def _told_before(connection: Connection, monitor_ids: Collection[int]) -> dict[int, Status]:
    """Return monitor id -> the status in the newest message that went out or is on its way; settled ones go in time."""
    newest = (
        select(func.max(Delivery.id))
        .where(
            Delivery.monitor_id.in_(monitor_ids),
            Delivery.seq.is_not(None),
            Delivery.state.in_(TOLD),
        )
        .group_by(Delivery.monitor_id)
    )
    query = (
        select(Delivery.monitor_id, History.new_status)
        .join(History, (History.monitor_id == Delivery.monitor_id) & (History.seq == Delivery.seq))
        .where(Delivery.id.in_(newest))
    )
    return {row.monitor_id: Status(row.new_status) for row in connection.execute(query)}


def _judge_one(
    connection: Connection,
    monitor: Any,
    messages: Sequence[Any],
    past: Windows,
    told_before: Status | None,
    now: datetime,
) -> int:
    spans = past.of(monitor.id, monitor.project_id)
    running = [span.end for span in spans if span.start <= now < span.end]
    ids = [each.id for each in messages]
    if running:
        deliveries.look_at_held(connection, ids, at=max(running))
        return 0
    match holding.judge(
        [Status(each.new_status) for each in messages],
        _present(monitor, [span.end for span in spans], told_before),
        now=now,
    ):
        case Wait(until=until):
            deliveries.look_at_held(connection, ids, at=until)
        case Cancel():
            _cancel(connection, ids, now)
        case Release():
            _cancel(connection, ids[:-1], now)
            deliveries.let_go(connection, ids[-1:], now=now)
            return 1
    return 0


def _present(monitor: Any, ends: Sequence[datetime], told_before: Status | None) -> Present:
    return Present(
        status=Status(monitor.status),
        has_failed=monitor.down_cause == Cause.FAILURE.value,
        expected_every=timedelta(seconds=monitor.interval_seconds + monitor.grace_seconds),
        over_since=max(ends, default=None),
        told_before=told_before,
    )


def _cancel(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    if ids:
        deliveries.cancel(connection, Delivery.id.in_(ids), reason=REASON, now=now)
