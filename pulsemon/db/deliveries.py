"""The only writer of `deliveries`: what is owed, and every change of what becomes of it.

It decides nothing. Transitions (`db.transitions`) and announcements owe; `db.held` judges what maintenance held back;
`messages.outbox` leases and settles. Each function is one statement in its caller's transaction; `redirect` is two.
*whose* are conditions on `Delivery`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, delete, func, insert, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core.deliveries import UNSETTLED, DeliveryState
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.subscribers import Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One message that is owed to a monitor's own webhook, to a subscriber or to an address: one of the three is set.

    `kind`: of the channel that it goes by. It says `payload`, or what a notice says. `seq`: the transition it tells of;
    None for a message sent by hand. `due_at`: not before then; None: at once. `held_until`: maintenance holds it back,
    and somebody has to look at it then.
    """

    kind: str
    receiver: str
    payload: str = ""
    notice_id: int | None = None
    monitor_id: int | None = None
    subscriber_id: int | None = None
    address: str | None = None
    seq: int | None = None
    due_at: datetime | None = None
    held_until: datetime | None = None


def owe(connection: Connection, owed: Sequence[Owed], *, now: datetime) -> None:
    """Write messages that are owed from *now* on, or from when they are due; each gets an id of its own."""
    if owed:
        connection.execute(insert(Delivery), [_row(each, now) for each in owed])


def _row(owed: Owed, now: datetime) -> dict[str, Any]:
    due_at = owed.due_at or now
    return {
        "message_id": f"msg_{secrets.token_hex(16)}",
        "kind": owed.kind,
        "monitor_id": owed.monitor_id,
        "subscriber_id": owed.subscriber_id,
        "address": owed.address,
        "seq": owed.seq,
        "payload": owed.payload,
        "notice_id": owed.notice_id,
        "receiver": owed.receiver,
        "state": DeliveryState.PENDING if owed.held_until is None else DeliveryState.HELD,
        "created_at": now,
        "next_attempt_at": owed.held_until or due_at,
        "retry_since": due_at,
    }


def owe_to_subscribers(connection: Connection, owed: Owed, *which: ColumnElement[bool], now: datetime) -> int:
    """Owe the same to every subscriber of whom *which* are true; return how many they are.

    Row by row ten thousand of them would hold up pings for seconds.
    """
    row = _row(owed, now) | {
        "message_id": literal("msg_").concat(_random_hex(connection)),
        "subscriber_id": Subscriber.id,
    }
    columns = [
        value
        if isinstance(value, ColumnElement | InstrumentedAttribute)
        else literal(value, Delivery.__table__.c[name].type)
        for name, value in row.items()
    ]
    to_each = insert(Delivery).from_select(list(row), select(*columns).where(*which).order_by(Subscriber.id))
    return connection.execute(to_each.execution_options(preserve_rowcount=True)).rowcount


def _random_hex(connection: Connection) -> ColumnElement[str]:
    """Return what makes 32 random hexadecimal digits, others for each row, as `owe` makes them."""
    if connection.dialect.name == "sqlite":
        return func.lower(func.hex(func.randomblob(16)))
    return func.replace(cast(func.gen_random_uuid(), String), "-", "")


def hurry(connection: Connection, *whose: ColumnElement[bool], now: datetime) -> None:
    """Have what rests between two attempts tried now.

    A new message waits for the older ones of its owner, but not for the hours that these were going to rest.
    """
    resting = (
        Delivery.state == DeliveryState.PENDING,
        Delivery.lease_token.is_(None),
        Delivery.next_attempt_at > now,
    )
    connection.execute(update(Delivery).where(*whose, *resting).values(next_attempt_at=now))


def look_at_held(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Keep these held; somebody has to look at them at *at*."""
    _set(connection, ids, next_attempt_at=at)


def let_go(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """Have these, which were held, sent from now on."""
    _set(connection, ids, state=DeliveryState.PENDING, next_attempt_at=now, retry_since=now)


def cancel(connection: Connection, *whose: ColumnElement[bool], reason: str, now: datetime) -> None:
    """Have nothing more sent of what is owed or held; an attempt under way counts no more."""
    connection.execute(
        update(Delivery)
        .where(*whose, Delivery.state.in_(UNSETTLED))
        .values(state=DeliveryState.CANCELLED, reason=reason, settled_at=now, lease_token=None)
    )


def redirect(connection: Connection, *whose: ColumnElement[bool], receiver: str, now: datetime) -> None:
    """Send what is owed to another receiver, at once and as if it had not been tried; what is held stays held."""
    fresh = {"next_attempt_at": now, "retry_since": now, "attempt_count": 0, "lease_token": None, "reason": None}
    theirs = update(Delivery).where(*whose)
    connection.execute(theirs.where(Delivery.state == DeliveryState.PENDING).values(receiver=receiver, **fresh))
    connection.execute(theirs.where(Delivery.state == DeliveryState.HELD).values(receiver=receiver))


def lease(connection: Connection, ids: Sequence[int], token: str, *, until: datetime) -> None:
    """Make these nobody else's until *until*; the attempt counts from here."""
    _set(connection, ids, next_attempt_at=until, lease_token=token, attempt_count=Delivery.attempt_count + 1)


def try_later(connection: Connection, delivery_id: int, token: str, *, reason: str, at: datetime) -> bool:
    """End a lease: the next attempt is at *at*. Return whether the lease was still *token*'s."""
    return _end_lease(connection, delivery_id, token, reason=reason, next_attempt_at=at)


def settle(
    connection: Connection, delivery_id: int, token: str, state: DeliveryState, *, reason: str | None, at: datetime
) -> bool:
    """End a lease, and the delivery with it. Return whether the lease was still *token*'s."""
    return _end_lease(connection, delivery_id, token, state=state, reason=reason, settled_at=at)


def _end_lease(connection: Connection, delivery_id: int, token: str, **values: Any) -> bool:
    ended = connection.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.lease_token == token, Delivery.state == DeliveryState.PENDING)
        .values(lease_token=None, **values)
    )
    return ended.rowcount > 0


def send_again(connection: Connection, delivery_id: int, *, receiver: str, now: datetime) -> None:
    """Make a settled delivery due, with its id, as if it had not been tried."""
    _set(
        connection,
        [delivery_id],
        state=DeliveryState.PENDING,
        receiver=receiver,
        next_attempt_at=now,
        retry_since=now,
        attempt_count=0,
        settled_at=None,
        reason=None,
    )


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget these."""
    connection.execute(delete(Delivery).where(Delivery.id.in_(ids)))


def _set(connection: Connection, ids: Sequence[int], **values: Any) -> None:
    if ids:
        connection.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))
