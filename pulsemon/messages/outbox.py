"""Messages out: lease what is due, and settle what came of it.

Two short transactions with the network between them. A lease is a due time in the future: if the process dies while
sending, the message becomes due again by itself. Sending stands in `channels`, the loop around it in `loop`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, true, update
from sqlalchemy.orm import aliased

from pulsemon.channels import registry
from pulsemon.channels.message import Addressed, Delivered, Outcome, Rejected, Retry, read_stored
from pulsemon.core import places, retries
from pulsemon.core.deliveries import DeliveryState
from pulsemon.core.places import Standing
from pulsemon.db import Database, audit, deliveries
from pulsemon.db.tables.messages import Attempt, Delivery, NoticeRow, Webhook
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.db.upsert import upsert
from pulsemon.errors import NO_MESSAGE, Conflict, NotFound

# Longer than a sender's 15 seconds in all, so that a slow attempt is never sent twice at once; short enough that what
# a killed process was sending goes out again within a minute.
LEASE = timedelta(seconds=30)
# To one receiver at once: a hanging one holds so many connections and no more.
MAX_PER_RECEIVER = 4
# To all of them: sockets, of which a process has 1,024 where nobody raised that. `core.places` says whose they are.
MAX_IN_FLIGHT = 500
# Leased or settled in one transaction: nobody's message waits until hundreds of others are dealt with.
BATCH = 64
# What is known of receivers at the start comes from so many of the newest attempts: 15 ms to read.
MAX_REMEMBERED = 10_000

_IS_PENDING = Delivery.state == DeliveryState.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased(Addressed):
    """A message that is ours to send, by a channel of `kind`, until the lease ends."""

    delivery_id: int
    lease_token: str
    kind: str
    receiver: str
    attempt: int
    retry_since: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A leased message, what came of sending it, and when."""

    leased: Leased
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    jitter: float  # in [-1, 1]


def lease_due(
    database: Database,
    *,
    now: datetime,
    in_flight: Mapping[str, int],
    standing_of: Callable[[str], Standing] = lambda _: Standing.ANSWERS,
    kinds: Collection[str] = registry.KINDS,
) -> list[Leased]:
    """Take what is due at *now*, at most `MAX_PER_RECEIVER` a receiver and `MAX_IN_FLIGHT` in all.

    *in_flight* counts what this process is sending by receiver, and *standing_of* says what it knows of one. At most
    `BATCH` are taken at a time; where there are so many, more may be due. A message waits for the older ones of its
    monitor or subscriber: UP is not sent before its DOWN was delivered or given up. What goes by none of *kinds* is
    left to a server that knows how, and nothing waits for it.
    """
    with database.read() as connection:
        due = connection.execute(
            select(Delivery.receiver, func.count())
            .where(_IS_PENDING, Delivery.next_attempt_at <= now, Delivery.kind.in_(kinds))
            .group_by(Delivery.receiver)
            .order_by(func.min(Delivery.next_attempt_at), Delivery.receiver)
        ).all()
    wanted = places.share(
        [(row[0], row[1]) for row in due], in_flight, standing_of, places=MAX_IN_FLIGHT, per_receiver=MAX_PER_RECEIVER
    )
    if not wanted:
        return []
    with database.write("loops") as connection:
        ids: list[int] = []
        for receiver, room in wanted.items():
            ids += _due_ids(connection, receiver, min(room, BATCH - len(ids)), now, kinds)
            if len(ids) == BATCH:
                break
        return _lease(connection, ids, now) if ids else []


def standings(database: Database) -> dict[str, Standing]:
    """Return receiver -> what its newest attempts, of whichever server, say of it; without the shared receivers."""
    newest = select(Attempt.id, Attempt.delivery_id, Attempt.duration_ms).order_by(Attempt.id.desc())
    attempts = newest.limit(MAX_REMEMBERED).subquery()
    query = (
        select(Delivery.receiver, attempts.c.duration_ms)
        .join(attempts, attempts.c.delivery_id == Delivery.id)
        .where(Delivery.receiver.not_in(registry.SHARED_RECEIVERS))
        .order_by(attempts.c.id)
    )
    with database.read() as connection:
        return {
            receiver: places.standing(timedelta(milliseconds=duration_ms))
            for receiver, duration_ms in connection.execute(query)
        }


def _due_ids(connection: Connection, receiver: str, room: int, now: datetime, kinds: Collection[str]) -> Sequence[int]:
    older = aliased(Delivery)
    is_owed = (older.id < Delivery.id, older.state == DeliveryState.PENDING, older.kind.in_(kinds))
    # Apart, for each has an index of its own, and NULL is never equal to anything.
    of_its_owner = [
        select(older.id).where(theirs == ours, *is_owed).exists()
        for theirs, ours in ((older.monitor_id, Delivery.monitor_id), (older.subscriber_id, Delivery.subscriber_id))
    ]
    query = (
        select(Delivery.id)
        .where(
            Delivery.receiver == receiver,
            _IS_PENDING,
            Delivery.next_attempt_at <= now,
            Delivery.kind.in_(kinds),
            *(~has_older for has_older in of_its_owner),
        )
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(room)
        .with_for_update(skip_locked=True)
    )
    return connection.scalars(query).all()


def _lease(connection: Connection, ids: Sequence[int], now: datetime) -> list[Leased]:
    token = secrets.token_hex(16)
    deliveries.lease(connection, ids, token, until=now + LEASE)
    rows = connection.execute(
        select(
            Delivery.id,
            Delivery.message_id,
            Delivery.kind,
            func.coalesce(NoticeRow.payload, Delivery.payload).label("payload"),
            Delivery.receiver,
            Delivery.attempt_count,
            Delivery.created_at,
            Delivery.retry_since,
            func.coalesce(Delivery.address, Subscriber.address, Monitor.webhook_url).label("address"),
            func.coalesce(Subscriber.secret, Webhook.secret).label("secret"),
            Subscriber.token,
            Subscriber.locale,
        )
        .outerjoin(Monitor, Monitor.id == Delivery.monitor_id)
        .outerjoin(Webhook, Webhook.monitor_id == Delivery.monitor_id)
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .outerjoin(NoticeRow, NoticeRow.id == Delivery.notice_id)
        .where(Delivery.id.in_(ids))
        .order_by(Delivery.next_attempt_at, Delivery.id)
    )
    leased = []
    for row in rows:
        try:
            leased.append(_leased(row, token))
        except ValueError:  # edited by hand: it can never be sent, and must not stand in the way of the others
            deliveries.settle(connection, row.id, token, DeliveryState.GIVEN_UP, reason="damaged", at=now)
    return leased


def _leased(row: Row[*tuple[Any, ...]], token: str) -> Leased:
    """Return a message with where it goes. Raises ValueError: what is stored cannot be read."""
    return Leased(
        delivery_id=row.id,
        lease_token=token,
        kind=row.kind,
        message=read_stored(row.message_id, row.payload),
        receiver=row.receiver,
        address=row.address or "",
        secret=row.secret,
        token=row.token or "",
        attempt=row.attempt_count,
        created_at=row.created_at,
        retry_since=row.retry_since,
        locale=row.locale,
    )


def settle(database: Database, sent: Sequence[Sent]) -> None:
    """Record what came of messages; one that is no longer ours (the lease ran out, it was cancelled) stays as it is."""
    with database.write("loops") as connection:
        for each in sent:
            _settle_one(connection, each)


def _settle_one(connection: Connection, sent: Sent) -> None:
    if not _end_lease(connection, sent):
        return
    connection.execute(insert(Attempt), [_attempt_row(sent)])
    if isinstance(sent.outcome, Rejected) and sent.outcome.switch_off:
        _switch_off(connection, sent.leased.delivery_id, sent.outcome, now=sent.finished_at)


def _end_lease(connection: Connection, sent: Sent) -> bool:
    """Write what the outcome means for the delivery; return whether its lease was still ours."""
    leased, at = sent.leased, sent.finished_at
    mine = (connection, leased.delivery_id, leased.lease_token)
    match sent.outcome:
        case Delivered():
            return deliveries.settle(*mine, DeliveryState.DELIVERED, reason=None, at=at)
        case Rejected(reason=reason):
            return deliveries.settle(*mine, DeliveryState.GIVEN_UP, reason=reason, at=at)
        case Retry(reason=reason, retry_after=retry_after):
            delay = retries.backoff(leased.attempt, jitter=sent.jitter, retry_after=retry_after)
            if retries.is_given_up(at - leased.retry_since, delay):
                return deliveries.settle(*mine, DeliveryState.GIVEN_UP, reason=reason, at=at)
            return deliveries.try_later(*mine, reason=reason, at=at + delay)


def _attempt_row(sent: Sent) -> dict[str, Any]:
    outcome = sent.outcome
    return {
        "delivery_id": sent.leased.delivery_id,
        "number": sent.leased.attempt,
        "started_at": sent.started_at,
        "duration_ms": max(0, int((sent.finished_at - sent.started_at).total_seconds() * 1000)),
        "outcome": type(outcome).__name__.lower(),
        "status_code": outcome.status_code,
        "reason": None if isinstance(outcome, Delivered) else outcome.reason,
        "excerpt": None if isinstance(outcome, Delivered) else outcome.excerpt or None,
    }


def _switch_off(connection: Connection, delivery_id: int, outcome: Rejected, *, now: datetime) -> None:
    """Nothing more goes to who refuses for good: until somebody edits the webhook, or subscribes anew."""
    owner = connection.execute(
        select(Delivery.monitor_id, Delivery.subscriber_id).where(Delivery.id == delivery_id)
    ).one()
    if owner.monitor_id is not None:
        upsert(connection, Webhook, "monitor_id", {"monitor_id": owner.monitor_id, "switched_off_at": now})
        theirs = Delivery.monitor_id == owner.monitor_id
    elif owner.subscriber_id is not None:
        this = Subscriber.id == owner.subscriber_id
        connection.execute(update(Subscriber).where(this).values(switched_off_at=now))
        theirs = Delivery.subscriber_id == owner.subscriber_id
    else:  # an address without an account: each of its messages stands for itself
        return
    deliveries.cancel(connection, theirs, reason=outcome.reason, now=now)


def send_again(database: Database, monitor_id: int, delivery_id: int, *, now: datetime) -> None:
    """Make a message that was settled due again, with the same id, so that a receiver can tell the repeat.

    Raises:
        NotFound: the monitor has no such message.
        Conflict: it is still being tried, maintenance holds it back, or the monitor has no webhook any more.
    """
    with database.write() as connection:
        found = connection.execute(
            select(Delivery.state, Monitor.webhook_url, Monitor.slug, Monitor.project_id)
            .join(Monitor, Monitor.id == Delivery.monitor_id)
            .where(Delivery.id == delivery_id, Delivery.monitor_id == monitor_id)
            .with_for_update(of=Delivery)
        ).first()
        if found is None:
            raise NotFound(NO_MESSAGE)
        if found.state == DeliveryState.PENDING:
            raise Conflict("message-pending")
        if found.state == DeliveryState.HELD:
            raise Conflict("message-held")
        if not found.webhook_url:
            raise Conflict("no-webhook")
        deliveries.send_again(connection, delivery_id, receiver=retries.receiver(found.webhook_url), now=now)
        said = {"message": delivery_id}
        audit.note(connection, "message.again", found.slug, project_id=found.project_id, after=said)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is owed, and since when; what maintenance holds back is not owed yet."""

    pending_count: int
    oldest_created_at: datetime | None
    held_count: int = 0


def oldest_owed_to_webhooks_at(database: Database) -> datetime | None:
    """Return when the oldest message was written that a monitor's own webhook still has to get, or None.

    Subscribers do not count: a stranger whose mailbox refuses everything is no trouble of this PulseMon.
    """
    with database.read() as connection:
        is_owed = (_IS_PENDING, Delivery.monitor_id.is_not(None), Delivery.kind.in_(registry.KINDS))
        return connection.scalar(select(func.min(Delivery.created_at)).where(*is_owed))


@dataclass(frozen=True, slots=True)
class Unknown:
    """Messages of one kind that this server cannot send, and since when the first of them is due."""

    kind: str
    count: int
    due_at: datetime


def unknown(database: Database) -> list[Unknown]:
    """Return what is owed by kinds that this server does not know, in the order of their names.

    A newer server wrote it: one beside this one, or one before its owner went back to this version.
    """
    query = (
        select(Delivery.kind, func.count(), func.min(Delivery.next_attempt_at))
        .where(_IS_PENDING, Delivery.kind.not_in(registry.KINDS))
        .group_by(Delivery.kind)
        .order_by(Delivery.kind)
    )
    with database.read() as connection:
        return [Unknown(*row) for row in connection.execute(query)]


def backlog(database: Database, *, project_id: int | None = None) -> Backlog:
    """Return the state of the outbox, for the metrics: of a project, or of all."""
    of_project = _is_of(project_id)
    with database.read() as connection:
        query = select(func.count(), func.min(Delivery.created_at)).where(_IS_PENDING, of_project)
        count, oldest = connection.execute(query).one()
        held = connection.scalar(select(func.count()).where(Delivery.state == DeliveryState.HELD, of_project))
    return Backlog(count, oldest, held or 0)


def _is_of(project_id: int | None) -> ColumnElement[bool]:
    """Return the condition that a message is of a monitor of the project, or to a subscriber of one of its pages."""
    if project_id is None:
        return true()
    its_monitors = select(Monitor.id).where(Monitor.project_id == project_id)
    pages = select(StatusPage.id).where(StatusPage.project_id == project_id)
    its_subscribers = select(Subscriber.id).where(Subscriber.page_id.in_(pages))
    return or_(Delivery.monitor_id.in_(its_monitors), Delivery.subscriber_id.in_(its_subscribers))
