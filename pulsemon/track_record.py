"""How one monitor did, for its page: availability with coverage, day by day, and its outages.

Reads only, in a fixed number of queries. The arithmetic is `core.uptime`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, select

from pulsemon.core.notes import Detail
from pulsemon.core.status import BlindWindow, Cause, State, Status, unseen
from pulsemon.core.uptime import Availability, Change, availability, outages
from pulsemon.db import Database
from pulsemon.db.tables import History, UnseenSpan

# The newest ones that availability is computed from. A monitor that changed more often in 90 days shows less coverage.
MAX_CHANGES = 10_000
WINDOWS = (timedelta(days=1), timedelta(days=7), timedelta(days=30), timedelta(days=90))
DAYS_SHOWN = 90
OUTAGES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Turn:
    """One transition, as far as the record needs it. `cause` is None in rows of an old database."""

    at: datetime
    seq: int
    previous: str
    new: str
    cause: Cause | None
    detail: Detail
    note: str


@dataclass(frozen=True, slots=True)
class OutageLine:
    """One stretch of DOWN. `end` is None while it lasts; the cause is that of the change that began it."""

    start: datetime
    end: datetime | None
    change: Turn


@dataclass(frozen=True, slots=True)
class Day:
    """How one day (UTC) went, from `start` on; the last one ends now."""

    start: datetime
    availability: Availability


@dataclass(frozen=True, slots=True)
class Record:
    """How a monitor did: availability by window, day by day, and its outages, newest first.

    `since` is when its present status began.
    """

    windows: tuple[tuple[timedelta, Availability], ...]
    days: tuple[Day, ...]
    outages: tuple[OutageLine, ...]
    since: datetime | None


def read_record(database: Database, monitor_id: int, *, created_at: datetime, state: State, now: datetime) -> Record:
    """Return how a monitor whose present is *state* did up to *now*, in a fixed number of queries."""
    oldest = now - max(WINDOWS)
    with database.read() as connection:
        history = _turns(connection, monitor_id)
        spans = _unseen_spans(connection, monitor_id, since=oldest)
    if open_span := unseen(state, until=now):
        spans.append(open_span)
    changes = _as_changes(history, created_at)
    return Record(
        windows=tuple((length, availability(changes, spans, start=now - length, end=now)) for length in WINDOWS),
        days=_days(changes, spans, now=now),
        outages=_outage_lines(changes, history),
        since=history[-1].at if history else None,
    )


def _turns(connection: Connection, monitor_id: int) -> list[Turn]:
    """Return the newest transitions, oldest first."""
    query = (
        select(
            History.occurred_at,
            History.seq,
            History.prev_status,
            History.new_status,
            History.cause,
            History.detail,
            History.note,
        )
        .where(History.monitor_id == monitor_id)
        .order_by(History.seq.desc())
        .limit(MAX_CHANGES)
    )
    rows = connection.execute(query).all()[::-1]
    return [
        Turn(at, seq or 0, previous, new, _cause(cause), Detail.from_json(detail), note or "")
        for at, seq, previous, new, cause, detail, note in rows
    ]


def _cause(stored: str | None) -> Cause | None:
    """A cause of a later version, like none at all, leaves the note to speak for itself."""
    return Cause(stored) if stored in tuple(Cause) else None


def _as_changes(history: Sequence[Turn], created_at: datetime) -> list[Change]:
    """The first row also tells what was before it, back to the creation."""
    changes = [Change(each.at, Status(each.new)) for each in history if each.new in tuple(Status)]
    if history and history[0].seq == 1 and history[0].previous in tuple(Status) and created_at < history[0].at:
        changes.insert(0, Change(created_at, Status(history[0].previous)))
    return sorted(changes, key=lambda change: change.at)


def _unseen_spans(connection: Connection, monitor_id: int, *, since: datetime) -> list[BlindWindow]:
    query = select(UnseenSpan.started_at, UnseenSpan.ended_at).where(
        UnseenSpan.monitor_id == monitor_id, UnseenSpan.ended_at >= since
    )
    return [BlindWindow(*row) for row in connection.execute(query)]


def _days(changes: Sequence[Change], spans: Sequence[BlindWindow], *, now: datetime) -> tuple[Day, ...]:
    """Cut the changes by day first: ninety passes over all of them would take a second for a monitor that flaps."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    borders = [today - timedelta(days=back) for back in range(DAYS_SHOWN - 1, -1, -1)] + [now]
    days: list[Day] = []
    position, held = 0, Change(borders[0], Status.UNKNOWN)
    for start, end in pairwise(borders):
        todays = [held]
        while position < len(changes) and changes[position].at < end:
            held = changes[position]
            position += 1
            todays.append(held)
        near = [span for span in spans if span.ended_at > start and span.started_at < end]
        days.append(Day(start, availability(todays, near, start=start, end=end)))
    return tuple(days)


def _outage_lines(changes: Sequence[Change], history: Sequence[Turn]) -> tuple[OutageLine, ...]:
    began = {each.at: each for each in history if each.new == Status.DOWN}
    found = [OutageLine(each.start, each.end, began[each.start]) for each in outages(changes) if each.start in began]
    return tuple(found[: -OUTAGES_SHOWN - 1 : -1])
