"""What happened to one monitor, for its page: pings, transitions and messages, merged and read in parts.

Reads only. What is looked at for one part is bounded, whatever the tables hold: a search that finds too little within
the bound ends early, and the next part goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, null, select

from pulsemon.channels.message import Message, read_stored
from pulsemon.core.deliveries import UNSETTLED, DeliveryState
from pulsemon.core.keyset import LARGEST_ID, LARGEST_LONG_ID
from pulsemon.core.notes import Detail, describe, read_cause
from pulsemon.core.status import Cause
from pulsemon.db import Database
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.messages import Attempt, Delivery
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.errors import NotFound
from pulsemon.heartbeats import ping_chain
from pulsemon.heartbeats.ping_chain import EVERYTHING, Filter, Part, PingEvent, Stop

PART_SIZE = 40
# Messages that a search for a text looks at; each brings its attempts.
_MAX_MESSAGES = 500
NO_BODY = "There is no such ping, or it brought no body."


class Kind(StrEnum):
    """The three streams that the log is merged from."""

    PING = "ping"
    CHANGE = "change"
    MESSAGE = "message"


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

    @property
    def is_pending(self) -> bool:
        """Whether it is still being tried."""
        return self.state == DeliveryState.PENDING

    @property
    def is_settled(self) -> bool:
        """Whether it can be sent again."""
        return self.state not in UNSETTLED


Event = PingEvent | ChangeEvent | MessageEvent
# Of things that happened at one instant, newest first: the message about the change that the ping made.
_RANK: dict[str, int] = {Kind.MESSAGE: 2, Kind.CHANGE: 1, Kind.PING: 0}


@dataclass(frozen=True, slots=True)
class LogCursor:
    """Where a part begins: the newest ping, transition and message that it may show; 0: none of that kind is left."""

    ping_id: int = LARGEST_LONG_ID
    seq: int = LARGEST_LONG_ID
    delivery_id: int = LARGEST_LONG_ID

    def to_text(self) -> str:
        """Return what `from_text` reads."""
        return f"{self.ping_id}.{self.seq}.{self.delivery_id}"

    @classmethod
    def from_text(cls, text: str) -> LogCursor:
        """Read what `to_text` wrote; anything else is the beginning."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return cls()
        return cls(*(min(int(part), LARGEST_LONG_ID) for part in parts))


NEWEST = LogCursor()


@dataclass(frozen=True, slots=True)
class LogPart:
    """Part of the log, newest first; `next` is where the next part begins, None on the last one.

    `searched_to`: the search ended there because it had looked at enough, and goes on at `next`.
    """

    events: tuple[Event, ...]
    next: LogCursor | None
    searched_to: datetime | None = None


def read_log(
    database: Database,
    monitor_id: int,
    *,
    start: LogCursor = NEWEST,
    kinds: Iterable[Kind] = tuple(Kind),
    wanted: Filter = EVERYTHING,
    translate: Callable[[str], str] = str,
    size: int = PART_SIZE,
    with_excerpts: bool = True,
) -> LogPart:
    """Return one part of a monitor's log: three streams, each newest first, merged by time.

    The streams are read one event further than the part is long, so that it is known whether more follows. Where one
    ends early, nothing older than that is shown: it would stand above what the next part finds. A text is looked for
    in the notes of transitions as *translate* says them. *with_excerpts*: of what receivers answered, which may repeat
    the address that they were called by.
    """
    asked = frozenset(kinds)
    pings, changes, messages = Part[PingEvent](), Part[ChangeEvent](), Part[MessageEvent]()
    with database.read() as connection:
        if Kind.PING in asked:
            pings = ping_chain.read_chain(connection, monitor_id, start=start.ping_id, length=size + 1, wanted=wanted)
        if Kind.CHANGE in asked and not wanted.signal:
            changes = _changes(connection, monitor_id, start, size + 1, wanted, translate)
        if Kind.MESSAGE in asked and not wanted.signal:
            messages = _messages(connection, monitor_id, start, size + 1, wanted, with_excerpts)
    stops = [part.stop for part in (pings, changes, messages)]
    floor = max((stop.at for stop in stops if stop is not None), default=None)
    streams: list[list[Event]] = [[*pings.events], [*changes.events], [*messages.events]]
    events: list[Event] = []
    while len(events) < size and (newest := _newest(streams, floor)):
        events.append(newest.pop(0))
    following = _rest_of(streams, stops) if any(streams) or floor is not None else None
    return LogPart(tuple(events), following, floor if len(events) < size else None)


def _newest(streams: Iterable[list[Event]], floor: datetime | None) -> list[Event] | None:
    """Return the stream whose first event is the newest of all, if it is not older than *floor*."""
    filled = [stream for stream in streams if stream and (floor is None or stream[0].at >= floor)]
    return max(filled, key=lambda stream: (stream[0].at, _RANK[stream[0].kind]), default=None)


def _rest_of(streams: Sequence[Sequence[Event]], stops: Sequence[Stop | None]) -> LogCursor:
    """Return where the rest of the streams begins; one that is used up has nothing more to give."""
    ends = zip(streams, stops, strict=True)
    return LogCursor(*(_id(stream[0]) if stream else _next_id(stop) for stream, stop in ends))


def _id(event: Event) -> int:
    return event.seq if isinstance(event, ChangeEvent) else event.id


def _next_id(stop: Stop | None) -> int:
    return 0 if stop is None else stop.next_id


def read_pings(
    database: Database, monitor_id: int, *, wanted: Filter, length: int, start: int = LARGEST_LONG_ID
) -> Part[PingEvent]:
    """Return up to *length* pings of a monitor, and where to go on: past the last of them, or where looking ended."""
    with database.read() as connection:
        part = ping_chain.read_chain(connection, monitor_id, start=start, length=length + 1, wanted=wanted)
    if len(part.events) > length:
        following = part.events.pop()
        part.stop = Stop(following.id, following.at)
    return part


def _changes(
    connection: Connection,
    monitor_id: int,
    start: LogCursor,
    length: int,
    wanted: Filter,
    translate: Callable[[str], str],
) -> Part[ChangeEvent]:
    limit = ping_chain.MAX_LOOKS if wanted.text else length
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
        .where(History.monitor_id == monitor_id, History.seq <= min(start.seq, LARGEST_ID))
        .where(*_within(History.occurred_at, wanted))
        .order_by(History.seq.desc())
        .limit(limit)
    )
    rows = [
        ChangeEvent(
            at=row.occurred_at,
            seq=row.seq,
            previous=row.prev_status,
            new=row.new_status,
            cause=read_cause(row.cause),
            detail=Detail.from_json(row.detail),
            note=row.note or "",
        )
        for row in connection.execute(query)
    ]
    found = rows
    if wanted.text:
        found = [row for row in rows if wanted.mentions(row.note, _sentence(row, translate))]
    return Part(found[:length], _stop(rows, found, limit, length))


def _within(at: Any, wanted: Filter) -> list[ColumnElement[bool]]:
    bounds = [] if wanted.since is None else [at >= wanted.since]
    return bounds if wanted.until is None else [*bounds, at < wanted.until]


def _sentence(change: ChangeEvent, translate: Callable[[str], str]) -> str | None:
    return None if change.cause is None else describe(change.cause, change.detail, translate=translate)


def _stop(rows: Sequence[ChangeEvent | MessageEvent], found: Sequence[Event], limit: int, length: int) -> Stop | None:
    """Return where a search ended that looked at all it may and found too little."""
    if len(found) >= length or len(rows) < limit:
        return None
    return Stop(_id(rows[-1]) - 1, rows[-1].at)


def _messages(
    connection: Connection, monitor_id: int, start: LogCursor, length: int, wanted: Filter, with_excerpts: bool
) -> Part[MessageEvent]:
    limit = _MAX_MESSAGES if wanted.text else length
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
        .where(*_within(Delivery.created_at, wanted))
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    attempts = _attempts(connection, [row.id for row in rows], with_excerpts)
    events = [
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
    found = events
    if wanted.text:
        found = [event for event in events if wanted.mentions(*_texts_of(event))]
    return Part(found[:length], _stop(events, found, limit, length))


def _texts_of(message: MessageEvent) -> list[str | None]:
    """Return what a reader may remember of a message: its id, why it failed, what the receiver answered."""
    said = [text for attempt in message.attempts for text in (attempt.reason, attempt.excerpt)]
    return [message.message_id, message.told, message.state, message.reason, *said]


def _told(payload: str) -> str | None:
    try:
        told = read_stored("", payload)
    except ValueError:
        return None
    status = told.payload["status"] if isinstance(told, Message) else None
    return status if isinstance(status, str) else None


def _attempts(connection: Connection, delivery_ids: Sequence[int], with_excerpts: bool) -> dict[int, list[AttemptLine]]:
    """Return delivery id -> its attempts, in their order."""
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
            Attempt.excerpt if with_excerpts else null().label("excerpt"),
        )
        .where(Attempt.delivery_id.in_(bindparam("ids", expanding=True)))
        .order_by(Attempt.id)
    )
    found: dict[int, list[AttemptLine]] = {}
    for row in connection.execute(query, {"ids": list(delivery_ids)}):
        found.setdefault(row.delivery_id, []).append(AttemptLine(*row[1:]))
    return found


def changed_at(database: Database, monitor_ids: Sequence[int]) -> dict[int, datetime]:
    """Return monitor id -> when it last changed its status, of those that ever did."""
    query = (
        select(Monitor.id, History.occurred_at)
        .join(History, (Monitor.id == History.monitor_id) & (Monitor.state_seq == History.seq))
        .where(Monitor.id.in_(bindparam("ids", expanding=True)))
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query, {"ids": list(monitor_ids)})}


def last_durations(database: Database, monitor_ids: Sequence[int]) -> dict[int, float]:
    """Return monitor id -> how many seconds its last run took, of those whose last ping ended one."""
    query = (
        select(Monitor.id, (Ping.duration_ms / 1_000.0).label("seconds"))
        .join(Ping, (Ping.id == Monitor.last_ping_id) & (Ping.monitor_id == Monitor.id))
        .where(Monitor.id.in_(bindparam("ids", expanding=True)), Ping.duration_ms.is_not(None))
    )
    with database.read() as connection:
        return {row.id: row.seconds for row in connection.execute(query, {"ids": list(monitor_ids)})}


def ping_body(database: Database, monitor_id: int, ping_id: int) -> bytes:
    """Return the bytes that a ping brought, as far as they were kept.

    Raises:
        NotFound: the monitor has no such ping, or it brought nothing.
    """
    query = select(Ping.body).where(Ping.id == ping_id, Ping.monitor_id == monitor_id)
    with database.read() as connection:
        body = connection.scalar(query) if ping_id <= LARGEST_LONG_ID else None
    if body is None:
        raise NotFound(NO_BODY)
    return bytes(body)


def body_of_number(database: Database, monitor_id: int, number: int) -> bytes:
    """Return what `ping_body` returns, of the ping with that number of the monitor's own count. Raises NotFound."""
    with database.read() as connection:
        ping_id = ping_chain.id_of_number(connection, monitor_id, number)
    return ping_body(database, monitor_id, ping_id or 0)
