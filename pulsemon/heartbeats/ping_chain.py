"""The pings of one monitor, newest first, as far as a reader wants them.

Reads only. There is no index over a monitor's pings: they are reached through the chain that starts at
`monitors.last_ping_id` (docs/decisions/0005), so every search is bounded by the steps it takes and not by what it
finds, and says where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import CTE, ColumnElement, Connection, Row, bindparam, func, literal, select

from pulsemon.core.body_text import text_of
from pulsemon.core.keyset import LARGEST_LONG_ID
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.monitors import Monitor

# Enough to recognise a log by; the whole body is a download.
EXCERPT_BYTES = 1_000
# What an excerpt shows before the words that were searched for.
_BEFORE_MATCH = 200
# Pings that one search looks at, so that a part of the log takes no longer than 50 ms; as many as are kept of a
# monitor unless PING_RETENTION_COUNT says otherwise.
MAX_LOOKS = 1_000
# The same bound for large bodies: a search ends with the one that reaches it.
MAX_BODY_BYTES = 2_000_000
# One statement takes so many: most searches find enough in the first.
_STEPS = 250
# On the way to an instant only times are read: 4 us a step.
_MAX_SKIPPED = 5_000
# Pings of two nodes may stand in the chain in another order than their times, by no more than the clocks differ.
_DISORDER = timedelta(minutes=1)
_BEGINNING = datetime.min.replace(tzinfo=UTC) + _DISORDER


@dataclass(frozen=True, slots=True)
class PingEvent:
    """One ping. `excerpt` is the beginning of its body as text; `charset` is stored where that was declared.

    Where words were searched for, it is what surrounds them; `is_cut` tells that something stands before it.
    """

    at: datetime
    id: int
    number: int
    signal: str
    exit_status: int | None
    outcome: str
    flag: str | None
    method: str
    rid: str | None
    remote_addr: str | None
    user_agent: str | None
    duration_ms: int | None
    body_length: int
    excerpt: str
    charset: str | None = None
    is_cut: bool = False
    kind: str = "ping"

    @property
    def started_at(self) -> datetime | None:
        """Return when the run began that this ping ended; None where it ended none."""
        return None if self.duration_ms is None else self.at - timedelta(milliseconds=self.duration_ms)

    @property
    def goes_on(self) -> bool:
        """Return whether more of the body stands behind the beginning that is shown."""
        return not self.is_cut and self.body_length > EXCERPT_BYTES


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader looks for; empty: everything.

    `text` is found whatever its case. `since` is the first instant wanted, `until` the first one that is not.
    """

    signal: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ends_run: bool = False

    def admits(self, at: datetime) -> bool:
        """Return whether *at* lies within the times."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def mentions(self, *texts: str | None) -> bool:
        """Return whether one of *texts* holds the text, or none is looked for."""
        wanted = self.text.casefold()
        return any(wanted in text.casefold() for text in texts if text is not None)


EVERYTHING = Filter()
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a search left off: the id that the next one begins with, and how far back this one looked."""

    next_id: int
    at: datetime


@dataclass(slots=True)
class Part(Generic[Event]):
    """What a search found, newest first. `stop` is None where it found enough, or nothing is left."""

    events: list[Event] = field(default_factory=list)
    stop: Stop | None = None


def read_chain(
    connection: Connection,
    monitor_id: int,
    *,
    start: int = LARGEST_LONG_ID,
    length: int,
    wanted: Filter = EVERYTHING,
) -> Part[PingEvent]:
    """Return up to *length* pings that are *wanted*, from the one with the id *start* backwards."""
    if wanted.until is not None:
        stop = _skip(connection, monitor_id, start, wanted.until)
        if stop.at >= wanted.until:
            return Part(stop=stop if stop.next_id else None)
        start = stop.next_id
    part: Part[PingEvent] = Part()
    left = length if wanted == EVERYTHING else MAX_LOOKS
    bytes_left = MAX_BODY_BYTES
    while True:
        asked = min(left, _STEPS)
        steps = _walk(connection, monitor_id, start, asked, wanted.since)
        read = _affordable(steps, bytes_left) if wanted.text else steps
        candidates = [step for step in read if _is_candidate(step, wanted)]
        part.events += _found(connection, candidates, length - len(part.events), wanted)
        left -= asked
        bytes_left -= sum(step.body_length or 0 for step in read)
        is_end = len(read) == len(steps) and (len(steps) < asked or steps[-1].prev_id is None)
        if len(part.events) >= length or is_end:
            return part
        following = steps[len(read)].id if len(read) < len(steps) else read[-1].prev_id
        if left <= 0 or bytes_left <= 0:
            part.stop = Stop(following, read[-1].received_at)
            return part
        start = following


def _affordable(steps: Sequence[Row[*tuple[Any, ...]]], bytes_left: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the first of *steps*, at least one, up to that with whose body *bytes_left* are used up."""
    for count, step in enumerate(steps, 1):
        bytes_left -= step.body_length or 0
        if bytes_left <= 0:
            return steps[:count]
    return steps


def _is_candidate(step: Row[*tuple[Any, ...]], wanted: Filter) -> bool:
    if wanted.signal and step.signal != wanted.signal:
        return False
    if wanted.ends_run and step.duration_ms is None:
        return False
    return wanted.admits(step.received_at)


def _begin(monitor_id: int, first_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return what the first ping of a walk has to be.

    It and each further one must be the monitor's: an id in an address is only an id, and retention may have cut the
    chain.
    """
    newest = select(Monitor.last_ping_id).where(Monitor.id == monitor_id).scalar_subquery()
    return Ping.id == (newest if first_id == LARGEST_LONG_ID else first_id), Ping.monitor_id == monitor_id


def _chain(monitor_id: int, first_id: int, limit: int, *columns: Any, before: datetime | None = None) -> CTE:
    """Walk at most *limit* steps along `prev_id`; with *before* no further than the first ping older than that."""
    step = select(*columns, literal(1).label("depth")).where(*_begin(monitor_id, first_id))
    chain = step.cte("chain", recursive=True)
    further = select(*columns, chain.c.depth + 1).where(
        Ping.id == chain.c.prev_id, Ping.monitor_id == monitor_id, chain.c.depth < limit
    )
    if before is not None:
        further = further.where(chain.c.received_at >= before)
    return chain.union_all(further)


_LENGTH = func.length(Ping.body).label("body_length")


def _walk(
    connection: Connection, monitor_id: int, first_id: int, limit: int, since: datetime | None
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return what can be judged without reading a ping's body, newest first."""
    columns = (Ping.id, Ping.prev_id, Ping.received_at, Ping.signal, Ping.duration_ms, _LENGTH)
    before = None if since is None else max(since, _BEGINNING) - _DISORDER
    chain = _chain(monitor_id, first_id, limit, *columns, before=before)
    return connection.execute(select(chain).order_by(chain.c.depth)).all()


def _skip(connection: Connection, monitor_id: int, first_id: int, until: datetime) -> Stop:
    """Return the newest ping before *until*, or where the way there was left; `next_id` 0: there is none."""
    chain = _chain(monitor_id, first_id, _MAX_SKIPPED, Ping.id, Ping.prev_id, Ping.received_at, before=until)
    last = connection.execute(
        select(chain.c.id, chain.c.prev_id, chain.c.received_at).order_by(chain.c.depth.desc()).limit(1)
    ).first()
    if last is None:
        return Stop(0, until)
    return Stop(last.id if last.received_at < until else last.prev_id or 0, last.received_at)


_COLUMNS = (
    Ping.id,
    Ping.number,
    Ping.received_at,
    Ping.signal,
    Ping.exit_status,
    Ping.outcome,
    Ping.flag,
    Ping.method,
    Ping.rid,
    Ping.remote_addr,
    Ping.user_agent,
    Ping.duration_ms,
    Ping.charset,
    _LENGTH,
)
_WITH_IDS = Ping.id.in_(bindparam("ids", expanding=True))
_EXCERPTS = select(*_COLUMNS, func.substr(Ping.body, 1, EXCERPT_BYTES).label("body")).where(_WITH_IDS)
# What is searched; of the thousands of pings that do not fit nothing else is read.
_TEXTS = select(Ping.id, Ping.body, Ping.charset, Ping.rid, Ping.remote_addr, Ping.user_agent).where(_WITH_IDS)


def _load(connection: Connection, steps: Sequence[Row[*tuple[Any, ...]]]) -> list[PingEvent]:
    # An empty list too: the number of queries must not depend on what is found.
    rows = {row.id: row for row in connection.execute(_EXCERPTS, {"ids": [step.id for step in steps]})}
    found = [rows[step.id] for step in steps if step.id in rows]
    return [_event(row, _decoded(row.body, row.charset)) for row in found]


def _found(
    connection: Connection, steps: Sequence[Row[*tuple[Any, ...]]], length: int, wanted: Filter
) -> list[PingEvent]:
    """Return the first *length* pings of *steps* that mention the text, if one is wanted."""
    if not wanted.text:
        return _load(connection, steps[:length])
    text = wanted.text.casefold()
    found: dict[int, int] = {}  # id -> after how many characters of the body it stands; -1: it stands elsewhere
    for ping_id, body, charset, *others in connection.execute(_TEXTS, {"ids": [step.id for step in steps]}):
        offset = _offset_in(body, charset, text)
        if offset >= 0 or any(text in each.casefold() for each in others if each):
            found[ping_id] = offset
    events = _load(connection, [step for step in steps if step.id in found][:length])
    return [_around(connection, event, found[event.id]) for event in events]


def _offset_in(body: bytes | None, charset: str | None, text: str) -> int:
    """Return after how many characters of *body* the text (casefolded) stands; -1 if it does not."""
    if not body:
        return -1
    if body.isascii() and charset is None and b"\0" not in body:  # four times as fast, and nearly always so
        return bytes(body).lower().find(text.encode("utf-8", "replace"))
    return text_of(bytes(body), charset).casefold().find(text)


def _around(connection: Connection, event: PingEvent, offset: int) -> PingEvent:
    """Return *event* with what surrounds the text, where that lies beyond the beginning of its body."""
    if event.body_length <= EXCERPT_BYTES or offset <= len(event.excerpt) - _BEFORE_MATCH:
        return event
    body = connection.scalar(select(Ping.body).where(Ping.id == event.id))
    excerpt = _decoded(body, event.charset)[offset - _BEFORE_MATCH :][:EXCERPT_BYTES]
    return replace(event, excerpt=excerpt.replace("\0", "\ufffd"), is_cut=True)


def _decoded(excerpt: bytes | None, charset: str | None) -> str:
    return text_of(bytes(excerpt or b""), charset)


def _event(row: Row[*tuple[Any, ...]], excerpt: str) -> PingEvent:
    return PingEvent(
        at=row.received_at,
        id=row.id,
        number=row.number,
        signal=row.signal,
        exit_status=row.exit_status,
        outcome=row.outcome,
        flag=row.flag,
        method=row.method,
        rid=row.rid,
        remote_addr=row.remote_addr,
        user_agent=row.user_agent,
        duration_ms=row.duration_ms,
        body_length=row.body_length or 0,
        excerpt=excerpt.replace("\0", "\ufffd"),
        charset=row.charset,
    )


def id_of_number(connection: Connection, monitor_id: int, number: int) -> int | None:
    """Return the id of a monitor's ping by its number; None if it is not, or no longer, there.

    Takes a step for each ping that came after it: 1 us on SQLite.
    """
    newest = connection.scalar(select(Monitor.ping_count).where(Monitor.id == monitor_id))
    if newest is None or not 0 < number <= newest:
        return None
    chain = _chain(monitor_id, LARGEST_LONG_ID, newest - number + 1, Ping.id, Ping.prev_id, Ping.number)
    return connection.scalar(select(chain.c.id).where(chain.c.number == number))
