"""The history row of a transition and the messages it owes, always written together."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pulsemon.core import alerting
from pulsemon.core.notes import NO_DETAIL, Detail, describe
from pulsemon.core.status import BlindWindow, State, Status, Transition, unseen
from pulsemon.db import states
from pulsemon.db.held import held_until
from pulsemon.db.states import Watched
from pulsemon.db.tables.messages import Delivery, Webhook
from pulsemon.db.tables.monitors import History

# All mail goes through one server, so it is one lane.
MAIL_RECEIVER = "smtp"


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
    _hurry_older(connection, [each.monitor.id for each in told if each.monitor.id not in held], now)
    silent = _switched_off(connection, [each.monitor.id for each in told])
    rows = [
        delivery_row(
            monitor_id=each.monitor.id,
            seq=each.seq,
            payload=payload(each.monitor, each.transition.new, each.transition.occurred_at, each.last_ping),
            url=each.monitor.webhook_url or "",
            now=now,
            held_until=held.get(each.monitor.id),
        )
        for each in told
        if each.monitor.id not in silent
    ]
    if rows:
        connection.execute(insert(Delivery), rows)
    return len(rows)


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


def _hurry_older(connection: Connection, monitor_ids: Sequence[int], now: datetime) -> None:
    """A new message waits for the older ones of its monitor, but not for the hours that these were going to rest."""
    if monitor_ids:
        connection.execute(
            update(Delivery)
            .where(Delivery.monitor_id.in_(monitor_ids), Delivery.state == "pending", Delivery.lease_token.is_(None))
            .values(next_attempt_at=now)
        )


def _switched_off(connection: Connection, monitor_ids: Sequence[int]) -> set[int]:
    """Receivers that said 410 Gone get nothing more until the webhook is edited."""
    if not monitor_ids:
        return set()
    query = select(Webhook.monitor_id).where(Webhook.switched_off_at.is_not(None))
    return set(connection.scalars(query.where(Webhook.monitor_id.in_(monitor_ids))))


def payload(monitor: Watched, status: Status, occurred_at: datetime, last_ping: datetime | None) -> str:
    """Return the message as JSON: the original specification's seven keys, times in whole seconds."""
    return json.dumps(
        {
            "slug": monitor.slug,
            "name": monitor.name,
            "status": status.value,
            "occurred_at": _whole_seconds(occurred_at),
            "interval_seconds": int(monitor.timing.interval.total_seconds()),
            "grace_seconds": int(monitor.timing.grace.total_seconds()),
            "last_ping": None if last_ping is None else _whole_seconds(last_ping),
        },
        ensure_ascii=False,
    )


def _whole_seconds(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def delivery_row(
    *,
    monitor_id: int | None,
    seq: int | None,
    payload: str,
    url: str,
    now: datetime,
    held_until: datetime | None = None,
) -> dict[str, Any]:
    """Return the columns of one message that is owed from *now* on, or that maintenance holds back (`db.held`)."""
    return {
        "message_id": f"msg_{secrets.token_hex(16)}",
        "monitor_id": monitor_id,
        "seq": seq,
        "payload": payload,
        "receiver": alerting.receiver(url),
        "state": "pending" if held_until is None else "held",
        "created_at": now,
        "next_attempt_at": held_until or now,
        "retry_since": now,
    }
