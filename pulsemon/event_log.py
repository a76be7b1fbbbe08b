"""What happened to one monitor, for its page: pings, transitions and messages, merged and paged.

Reads only. The newest pings are reached through the chain that starts at `monitors.last_ping_id`; its length is
bounded by the page, whatever the table holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CTE, Connection, Row, bindparam, func, literal, select

from pulsemon.core.notes import Detail
from pulsemon.core.status import Cause
from pulsemon.db import Database
from pulsemon.db.tables import Attempt, Delivery, History, Monitor, Ping
from pulsemon.errors import NotFound

PAGE_SIZE = 40
# Enough to recognise a log by; the whole body is a download.
EXCERPT_BYTES = 1_000
_LARGEST_ID = 2**63 - 1


class Kind(StrEnum):
    """The three streams that the log is merged from."""

    PING = "ping"
    CHANGE = "change"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class PingEvent:
    """One ping. `excerpt` is the beginning of its body, decoded with replacement."""

    at: datetime
    id: int
    prev_id: int | None
    number: int
    signal: str
    exit_status: int | None
    outcome: str
    method: str
    rid: str | None
    remote_addr: str | None
    user_agent: str | None
    body_length: int
    excerpt: str
    kind: Kind = Kind.PING


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One transition. `cause` is None in rows of an old database, which have only their note."""

    at: datetime
    seq: int
    previous: str
    new: str
    cause: Cause | None
    detail: Detail
    note: str
    kind: Kind = Kind.CHANGE


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try at delivering a message."""

    number: int
    started_at: datetime
    duration_ms: int
    outcome: str
    status_code: int | None
    reason: str | None
    excerpt: str | None


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """One message and its attempts, oldest first. `seq` None: sent by hand.

    `told` is the status it tells; None: what is stored is damaged.
    """

    at: datetime
    id: int
    message_id: str
    seq: int | None
    told: str | None
    state: str
    reason: str | None
    next_attempt_at: datetime
    settled_at: datetime | None
    attempts: tuple[AttemptLine, ...]
    kind: Kind = Kind.MESSAGE


Event = PingEvent | ChangeEvent | MessageEvent
# Of things that happened at one instant, newest first: the message about the change that the ping made.
_RANK = {Kind.MESSAGE: 2, Kind.CHANGE: 1, Kind.PING: 0}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: the newest ping, transition and message that it may show; 0: none of that kind is left."""

    ping_id: int = _LARGEST_ID
    seq: int = _LARGEST_ID
    delivery_id: int = _LARGEST_ID

    def to_text(self) -> str:
        """Return what `from_text` reads."""
        return f"{self.ping_id}.{self.seq}.{self.delivery_id}"

    @classmethod
    def from_text(cls, text: str) -> Position:
        """Read what `to_text` wrote; anything else is the beginning."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return cls()
        return cls(*(min(int(part), _LARGEST_ID) for part in parts))


NEWEST = Position()


@dataclass(frozen=True, slots=True)
class Page:
    """Part of the log, newest first; `next` is where the following page begins, None on the last one."""

    events: tuple[Event, ...]
    next: Position | None


def read_log(
    database: Database,
    monitor_id: int,
    *,
    start: Position = NEWEST,
    kinds: Iterable[Kind] = tuple(Kind),
    size: int = PAGE_SIZE,
) -> Page:
    """Return one page of a monitor's log: three streams, each newest first, merged by time.

    The streams are read one event further than the page is long, so that it is known whether more follows.
    """
    wanted = frozenset(kinds)
    with database.read() as connection:
        pings = _pings(connection, monitor_id, start, size + 1) if Kind.PING in wanted else []
        changes = _changes(connection, monitor_id, start, size + 1) if Kind.CHANGE in wanted else []
        messages = _messages(connection, monitor_id, start, size + 1) if Kind.MESSAGE in wanted else []
    streams: list[list[Event]] = [[*pings], [*changes], [*messages]]
    events: list[Event] = []
    while len(events) < size and (filled := [stream for stream in streams if stream]):
        newest = max(filled, key=lambda stream: (stream[0].at, _RANK[stream[0].kind]))
        events.append(newest.pop(0))
    return Page(tuple(events), _position(streams) if any(streams) else None)


def _position(streams: Sequence[Sequence[Event]]) -> Position:
    """Return where the rest of the streams begins; one that is used up has nothing more to give."""
    place = {Kind.PING: 0, Kind.CHANGE: 0, Kind.MESSAGE: 0}
    for stream in streams:
        match stream[0] if stream else None:
            case PingEvent(id=ping_id):
                place[Kind.PING] = ping_id
            case ChangeEvent(seq=seq):
                place[Kind.CHANGE] = seq
            case MessageEvent(id=delivery_id):
                place[Kind.MESSAGE] = delivery_id
            case None:
                pass
    return Position(place[Kind.PING], place[Kind.CHANGE], place[Kind.MESSAGE])


def _chain(monitor_id: int, first_id: int, length: int) -> CTE:
    """Walk from the ping where the page begins along `prev_id`, at most *length* steps.

    Each step checks whose ping it is: an id in an address is only an id, and retention may have cut the chain.
    """
    newest = select(Monitor.last_ping_id).where(Monitor.id == monitor_id).scalar_subquery()
    begin = Ping.id == (newest if first_id == _LARGEST_ID else first_id)
    step = select(Ping.id, Ping.prev_id, literal(1).label("place")).where(begin, Ping.monitor_id == monitor_id)
    chain = step.cte("chain", recursive=True)
    further = select(Ping.id, Ping.prev_id, chain.c.place + 1).where(
        Ping.id == chain.c.prev_id, Ping.monitor_id == monitor_id, chain.c.place < length
    )
    return chain.union_all(further)


def _pings(connection: Connection, monitor_id: int, start: Position, length: int) -> list[PingEvent]:
    chain = _chain(monitor_id, start.ping_id, length)
    query = (
        select(
            Ping.id,
            Ping.prev_id,
            Ping.number,
            Ping.received_at,
            Ping.signal,
            Ping.exit_status,
            Ping.outcome,
            Ping.method,
            Ping.rid,
            Ping.remote_addr,
            Ping.user_agent,
            func.length(Ping.body).label("body_length"),
            func.substr(Ping.body, 1, EXCERPT_BYTES).label("excerpt"),
        )
        .join(chain, chain.c.id == Ping.id)
        .order_by(chain.c.place)
    )
    return [_ping(row) for row in connection.execute(query)]


def _ping(row: Row[*tuple[Any, ...]]) -> PingEvent:
    return PingEvent(
        at=row.received_at,
        id=row.id,
        prev_id=row.prev_id,
        number=row.number,
        signal=row.signal,
        exit_status=row.exit_status,
        outcome=row.outcome,
        method=row.method,
        rid=row.rid,
        remote_addr=row.remote_addr,
        user_agent=row.user_agent,
        body_length=row.body_length or 0,
        excerpt=bytes(row.excerpt or b"").decode("utf-8", "replace").replace("\0", "\ufffd"),
    )


def _changes(connection: Connection, monitor_id: int, start: Position, length: int) -> list[ChangeEvent]:
    query = (
        select(
            History.seq,
            History.occurred_at,
            History.prev_status,
            History.new_status,
            History.note,
            History.cause,
            History.detail,
        )
        .where(History.monitor_id == monitor_id, History.seq <= min(start.seq, 2**31 - 1))
        .order_by(History.seq.desc())
        .limit(length)
    )
    return [
        ChangeEvent(
            at=row.occurred_at,
            seq=row.seq,
            previous=row.prev_status,
            new=row.new_status,
            cause=_cause(row.cause),
            detail=Detail.from_json(row.detail),
            note=row.note or "",
        )
        for row in connection.execute(query)
    ]


def _cause(stored: str | None) -> Cause | None:
    """A cause of a later version, like none at all, leaves the note to speak for itself."""
    return Cause(stored) if stored in tuple(Cause) else None


def _messages(connection: Connection, monitor_id: int, start: Position, length: int) -> list[MessageEvent]:
    query = (
        select(
            Delivery.id,
            Delivery.message_id,
            Delivery.seq,
            Delivery.payload,
            Delivery.state,
            Delivery.reason,
            Delivery.created_at,
            Delivery.next_attempt_at,
            Delivery.settled_at,
        )
        .where(Delivery.monitor_id == monitor_id, Delivery.id <= start.delivery_id)
        .order_by(Delivery.id.desc())
        .limit(length)
    )
    rows = connection.execute(query).all()
    attempts = _attempts(connection, [row.id for row in rows])
    return [
        MessageEvent(
            at=row.created_at,
            id=row.id,
            message_id=row.message_id,
            seq=row.seq,
            told=_told(row.payload),
            state=row.state,
            reason=row.reason,
            next_attempt_at=row.next_attempt_at,
            settled_at=row.settled_at,
            attempts=tuple(attempts.get(row.id, ())),
        )
        for row in rows
    ]


def _told(payload: str) -> str | None:
    try:
        stored = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    told = stored.get("status") if isinstance(stored, dict) else None
    return told if isinstance(told, str) else None


def _attempts(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, list[AttemptLine]]:
    # An empty list too: the number of queries must not depend on what is found.
    query = (
        select(
            Attempt.delivery_id,
            Attempt.number,
            Attempt.started_at,
            Attempt.duration_ms,
            Attempt.outcome,
            Attempt.status_code,
            Attempt.reason,
            Attempt.excerpt,
        )
        .where(Attempt.delivery_id.in_(bindparam("ids", expanding=True)))
        .order_by(Attempt.id)
    )
    found: dict[int, list[AttemptLine]] = {}
    for row in connection.execute(query, {"ids": list(delivery_ids)}):
        found.setdefault(row.delivery_id, []).append(AttemptLine(*row[1:]))
    return found


def changed_at(database: Database, monitor_ids: Sequence[int]) -> dict[int, datetime]:
    """Return for each monitor that ever changed its status when it last did."""
    query = (
        select(Monitor.id, History.occurred_at)
        .join(History, (Monitor.id == History.monitor_id) & (Monitor.state_seq == History.seq))
        .where(Monitor.id.in_(bindparam("ids", expanding=True)))
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query, {"ids": list(monitor_ids)})}


@dataclass(frozen=True, slots=True)
class Belongings:
    """What would be lost with a monitor."""

    ping_count: int
    change_count: int
    unsent_count: int


def belongings(database: Database, monitor_id: int) -> Belongings:
    """Return what deleting the monitor would delete with it."""
    changes = select(func.count()).where(History.monitor_id == monitor_id).scalar_subquery()
    unsent = select(func.count()).where(Delivery.monitor_id == monitor_id, Delivery.state == "pending")
    query = select(Monitor.ping_count, changes, unsent.scalar_subquery()).where(Monitor.id == monitor_id)
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFound("There is no such monitor.")
    return Belongings(*row)


def ping_body(database: Database, monitor_id: int, ping_id: int) -> bytes:
    """Return the bytes that a ping brought, as far as they were kept.

    Raises:
        NotFound: the monitor has no such ping, or it brought nothing.
    """
    query = select(Ping.body).where(Ping.id == ping_id, Ping.monitor_id == monitor_id)
    with database.read() as connection:
        body = connection.scalar(query) if ping_id <= _LARGEST_ID else None
    if body is None:
        raise NotFound("There is no such ping, or it brought no body.")
    return bytes(body)
