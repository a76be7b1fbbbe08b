"""The history row of a transition and the messages it owes, always written together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from pulsemon.core import retries
from pulsemon.core.deliveries import MONITOR, WEBHOOK, to_stored
from pulsemon.core.notes import NO_DETAIL, Detail, describe
from pulsemon.core.status import BlindWindow, State, Status, Transition, unseen
from pulsemon.db import deliveries, states
from pulsemon.db.deliveries import Owed
from pulsemon.db.held import held_until
from pulsemon.db.states import Watched
from pulsemon.db.tables.messages import Delivery, Webhook
from pulsemon.db.tables.monitors import History


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transition of a monitor with what the history row and the message say of it.

    `seq` is the monitor's count of transitions with this one; `last_ping` as it stands after it.
    """

    monitor: Watched
    transition: Transition
    seq: int
    last_ping: datetime | None
    detail: Detail


def add_transitions(connection: Connection, recorded: Sequence[Recorded], *, now: datetime) -> int:
    """Write the history rows and the deliveries of *recorded*; return how many messages are owed.

    `UNIQUE (monitor_id, seq)` makes the database refuse a transition that is already there.
    """
    if not recorded:
        return 0
    connection.execute(insert(History), [_history_row(each, now) for each in recorded])
    told = [each for each in recorded if each.transition.told and each.monitor.webhook_url]
    # What a batch brings of one monitor is held back together, or not at all.
    since = {each.monitor.id: min(each.transition.occurred_at, now) for each in reversed(told)}
    held = held_until(connection, since, now=now)
    if unheld := [each.monitor.id for each in told if each.monitor.id not in held]:
        deliveries.hurry(connection, Delivery.monitor_id.in_(unheld), now=now)
    silent = _switched_off(connection, [each.monitor.id for each in told])
    owed = [
        Owed(
            kind=WEBHOOK,
            monitor_id=each.monitor.id,
            seq=each.seq,
            payload=payload(each.monitor, each.transition.new, each.transition.occurred_at, each.last_ping),
            receiver=retries.receiver(each.monitor.webhook_url or ""),
            held_until=held.get(each.monitor.id),
        )
        for each in told
        if each.monitor.id not in silent
    ]
    deliveries.owe(connection, owed, now=now)
    return len(owed)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decider said of one locked monitor: its state from now on, and the transition, if there is one."""

    monitor: Watched
    after: State
    transition: Transition | None
    detail: Detail = NO_DETAIL


def apply_decisions(connection: Connection, decisions: Sequence[Decision], *, now: datetime) -> tuple[int, int]:
    """Write states, unseen spans, history and messages; return how many transitions and messages there were."""
    saves: list[tuple[Watched, State, int]] = []
    recorded: list[Recorded] = []
    spans: list[tuple[int, BlindWindow]] = []
    for each in decisions:
        monitor, seq = each.monitor, each.monitor.seq
        if each.transition is not None:
            seq += 1
            recorded.append(Recorded(monitor, each.transition, seq, each.after.last_ping, each.detail))
        if each.after.blind_due_at is None and (span := unseen(monitor.state, until=_known_from(monitor.state, now))):
            spans.append((monitor.id, span))
        saves.append((monitor, each.after, seq))
    states.save(connection, saves)
    states.add_unseen(connection, spans)
    return len(recorded), add_transitions(connection, recorded, now=now)


def _known_from(state: State, now: datetime) -> datetime:
    """A DOWN is known from its deadline on, however late it was noticed."""
    return now if state.due_at is None else min(now, state.due_at)


def _history_row(each: Recorded, now: datetime) -> dict[str, Any]:
    return {
        "slug": each.monitor.slug,
        "prev_status": each.transition.previous.value,
        "new_status": each.transition.new.value,
        "note": describe(each.transition.cause, each.detail),
        "created_at": now,
        "monitor_id": each.monitor.id,
        "seq": each.seq,
        "occurred_at": each.transition.occurred_at,
        "cause": each.transition.cause.value,
        "detail": each.detail.to_json(),
    }


def _switched_off(connection: Connection, monitor_ids: Sequence[int]) -> set[int]:
    """Receivers that said 410 Gone get nothing more until the webhook is edited."""
    if not monitor_ids:
        return set()
    query = select(Webhook.monitor_id).where(Webhook.switched_off_at.is_not(None))
    return set(connection.scalars(query.where(Webhook.monitor_id.in_(monitor_ids))))


def payload(monitor: Watched, status: Status, occurred_at: datetime, last_ping: datetime | None) -> str:
    """Return the message as it is kept: the original specification's seven keys, times in whole seconds."""
    return to_stored(
        MONITOR,
        {
            "slug": monitor.slug,
            "name": monitor.name,
            "status": status.value,
            "occurred_at": _whole_seconds(occurred_at),
            "interval_seconds": int(monitor.timing.interval.total_seconds()),
            "grace_seconds": int(monitor.timing.grace.total_seconds()),
            "last_ping": None if last_ping is None else _whole_seconds(last_ping),
        },
    )


def _whole_seconds(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
