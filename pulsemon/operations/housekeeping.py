"""What time leaves behind, removed a few rows at a time so that nobody waits for it; and what hands forgot, made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, literal, select, update

from pulsemon.core.status import Status
from pulsemon.db import Database, deliveries, search_texts
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.heartbeats import DoomedPings, Ping
from pulsemon.db.tables.messages import Attempt, Delivery, NoticeRow
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.subscribers import Subscriber

# Measured with bodies of 1 kB: removing this many pings is 1 ms of work in the write slot, and one flush.
BATCH = 100
# How many rows one read of the search for surplus pings looks at.
_SLICE = 5_000
# A settled message is history after that; transitions are kept as long as their monitor.
_DELIVERY_RETENTION = timedelta(days=90)
_BLIND_RETENTION = timedelta(days=400)
# Who has not confirmed by then did not want to; the mail that asks says so.
_CONFIRM_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step left: whether more waits, and where the search for surplus pings goes on."""

    is_more: bool
    cursor: int = 0


def remove_old_pings(database: Database, *, before: datetime) -> Progress:
    """Remove pings received before *before*, at most `BATCH`.

    Ids ascend with time, so the old ones are the first. The greatest id always stays: the next one is counted from it.
    """
    with database.read() as connection:
        first = connection.execute(select(Ping.id, Ping.received_at).order_by(Ping.id).limit(BATCH)).all()
        greatest = connection.scalar(select(func.max(Ping.id)))
    old = [row.id for row in first if row.received_at < before and row.id != greatest]
    _remove_pings(database, old)
    return Progress(is_more=len(old) == BATCH)


def remove_surplus_pings(database: Database, *, keep: int, cursor: int) -> Progress:
    """Remove pings beyond the newest *keep* of their monitor among the next few thousand after *cursor*.

    Returns a cursor to go on from; 0 when the end was reached.
    """
    part = (
        select(Ping.id, Ping.monitor_id, Ping.number).where(Ping.id > cursor).order_by(Ping.id).limit(_SLICE).subquery()
    )
    query = select(part.c.id, part.c.number <= Monitor.ping_count - keep).outerjoin(
        Monitor, Monitor.id == part.c.monitor_id
    )
    with database.read() as connection:
        rows = connection.execute(query.order_by(part.c.id)).all()
    surplus = [row[0] for row in rows if row[1]]
    for start in range(0, len(surplus), BATCH):
        _remove_pings(database, surplus[start : start + BATCH])
    is_end = len(rows) < _SLICE
    return Progress(is_more=not is_end, cursor=0 if is_end else rows[-1][0])


def _remove_pings(database: Database, ids: list[int]) -> None:
    if ids:
        with database.write() as connection:
            connection.execute(delete(Ping).where(Ping.id.in_(ids)))


def remove_doomed_pings(database: Database) -> Progress:
    """Remove the next few pings of a monitor that was deleted."""
    with database.write() as connection:
        doomed = connection.execute(
            select(DoomedPings.last_ping_id, DoomedPings.monitor_id).limit(1).with_for_update(skip_locked=True)
        ).first()
        if doomed is None:
            return Progress(is_more=False)
        chain = _chain(connection, doomed.last_ping_id, doomed.monitor_id)
        greatest = connection.scalar(select(func.max(Ping.id)))
        ids = [ping_id for ping_id, _ in chain if ping_id != greatest]
        connection.execute(delete(Ping).where(Ping.id.in_(ids)))
        this = DoomedPings.last_ping_id == doomed.last_ping_id
        next_id = chain[-1][1] if chain else None
        if next_id is None:
            connection.execute(delete(DoomedPings).where(this))
        else:
            connection.execute(update(DoomedPings).where(this).values(last_ping_id=next_id))
    return Progress(is_more=True)


def _chain(connection: Connection, head: int, monitor_id: int) -> list[tuple[int, int | None]]:
    """Return (id, prev_id) of up to `BATCH` pings of the monitor, from *head* backwards."""
    chain = (
        select(Ping.id, Ping.prev_id, literal(1).label("depth"))
        .where(Ping.id == head, Ping.monitor_id == monitor_id)
        .cte("chain", recursive=True)
    )
    chain = chain.union_all(
        select(Ping.id, Ping.prev_id, chain.c.depth + 1)
        .join(chain, Ping.id == chain.c.prev_id)
        .where(Ping.monitor_id == monitor_id, chain.c.depth < BATCH)
    )
    rows = connection.execute(select(chain.c.id, chain.c.prev_id).order_by(chain.c.depth))
    return [(row[0], row[1]) for row in rows]


def remove_old_messages(database: Database, *, now: datetime) -> Progress:
    """Remove messages settled long ago, with their attempts and what they said."""
    old = now - _DELIVERY_RETENTION
    with database.read() as connection:
        query = select(Delivery.id).where(Delivery.settled_at < old).limit(BATCH)
        ids = connection.scalars(query).all()
    with database.write() as connection:
        if ids:
            connection.execute(delete(Attempt).where(Attempt.delivery_id.in_(ids)))
            deliveries.remove(connection, ids)
        is_owed = select(Delivery.id).where(Delivery.notice_id == NoticeRow.id).exists()
        connection.execute(delete(NoticeRow).where(NoticeRow.created_at < old, ~is_owed))
    return Progress(is_more=len(ids) == BATCH)


def remove_old_blind_windows(database: Database, *, now: datetime) -> None:
    """Remove those that no availability looks at, and that no monitor's patience is measured by any more."""
    with database.write() as connection:
        unheard_since = connection.scalar(select(func.min(Monitor.last_ping)).where(Monitor.status == Status.UP.value))
        before = min(now - _BLIND_RETENTION, unheard_since or now)
        connection.execute(delete(BlindWindowRow).where(BlindWindowRow.ended_at < before))


def remove_unconfirmed(database: Database, *, now: datetime) -> Progress:
    """Forget addresses that were asked whether they want mail, and did not say so."""
    query = select(Subscriber.id).where(Subscriber.confirmed_at.is_(None), Subscriber.asked_at < now - _CONFIRM_WITHIN)
    with database.read() as connection:
        ids = connection.scalars(query.limit(BATCH)).all()
    if not ids:
        return Progress(is_more=False)
    with database.write() as connection:
        # Once more on the condition: somebody may have confirmed meanwhile.
        still = (Subscriber.id.in_(ids), Subscriber.confirmed_at.is_(None))
        connection.execute(delete(Subscriber).where(*still))
    return Progress(is_more=len(ids) == BATCH)


def make_missing_search_texts(database: Database) -> Progress:
    """Make what monitors are found by where a row was written by hand: a list would not show it."""
    with database.read() as connection:
        if not search_texts.are_missing(connection):
            return Progress(is_more=False)
    with database.write() as connection:
        return Progress(is_more=search_texts.renew_missing(connection) == search_texts.CHUNK)
