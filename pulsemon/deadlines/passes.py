"""Deadlines that passed, and the time in which nobody watched.

Use cases only: what to do at *now*. When to do it is `deadlines.loop`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from pulsemon.core.excuses import Unwatched, awaited_since, excuse, extension
from pulsemon.core.notes import Detail
from pulsemon.core.status import BlindWindow, State, Transition, bound_after_step, expire, sweep
from pulsemon.core.uptime import merged
from pulsemon.db import Database, states
from pulsemon.db.states import Watched
from pulsemon.db.tables.deadlines import BlindWindowRow, Node
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.transitions import Decision, apply_decisions
from pulsemon.deadlines import candidates

# Small enough that pings interleave: measured 5 ms for the longest chunk of 500.
CHUNK = 500
# What the database looks through in one query to find them: a few milliseconds of its own time.
SPAN = 2_000
Decide = Callable[[Watched, datetime], tuple[State, Transition | None]]
BetweenChunks = Callable[[], datetime | None]
Prepare = Callable[[Sequence[Watched]], None]
Which = Callable[[datetime], ColumnElement[bool]]

# A node that is gone is forgotten; its last heartbeat has served its purpose long before.
_NODE_IS_GONE = timedelta(days=1)
_SIGNED_OFF = "left "


@dataclass(frozen=True, slots=True)
class Changed:
    """What a pass over the monitors did."""

    transition_count: int = 0
    message_count: int = 0
    is_more: bool = False


def next_check_at(database: Database) -> datetime | None:
    """Return when a monitor has to be looked at next: no deadline comes before. One probe of an index."""
    with database.read() as connection:
        return connection.scalar(select(func.min(Monitor.check_at)).where(Monitor.check_at.is_not(None)))


def expire_due(database: Database, *, now: datetime, recorded_at: datetime) -> Changed:
    """Make what is overdue at *now* DOWN, at most `CHUNK` monitors in one transaction, the longest overdue first.

    *now* may lie behind *recorded_at*, the moment that history notes: a ping that has arrived and is not yet stored
    holds judgement back. Call again while `is_more`.
    """
    with database.write("loops") as connection:
        query = (
            states.select_watched()
            .where(Monitor.check_at < now)
            .order_by(Monitor.check_at)
            .limit(CHUNK)
            # Two nodes share the work instead of waiting for each other; a ping that holds the row wins.
            .with_for_update(skip_locked=True, key_share=True)
        )
        monitors = [states.watched(row) for row in connection.execute(query)]
        changed = _apply(connection, monitors, lambda each, _: expire(each.state, each.timing, now=now), recorded_at)
    return replace(changed, is_more=len(monitors) == CHUNK)


def sweep_all(database: Database, *, now: datetime, between_chunks: BetweenChunks | None = None) -> Changed:
    """Re-check every monitor against the rules and heal what does not agree; writes only where something does not.

    The database leaves out those that surely agree: with a hundred thousand of them nearly all.
    *between_chunks* is called between two chunks: it returns the instant to go on with, or None to break off.
    """

    def decide(each: Watched, at: datetime) -> tuple[State, Transition | None]:
        return sweep(each.state, each.timing, now=at, down_recorded_at=each.down_recorded_at)

    return _for_all(database, decide, now, between_chunks, which=candidates.may_disagree)


def excuse_blindness(
    database: Database,
    windows: Sequence[tuple[BlindWindow, str]],
    *,
    now: datetime,
    between_chunks: BetweenChunks | None = None,
) -> None:
    """Record blind windows, each with its cause, and move the deadlines that they touch, in one pass.

    Repeating it changes nothing more. The deadlines first: if the process dies half-way, the window is found again at
    the next start.
    """

    known = _KnownWindows(database, [window for window, _ in windows])

    def decide(monitor: Watched, _: datetime) -> tuple[State, Transition | None]:
        return excuse(monitor.state, monitor.timing, known.unwatched), None

    may_be_excused = candidates.may_be_excused(known.last_end())
    _for_all(database, decide, now, between_chunks, which=lambda _: may_be_excused, prepare=known.look_back)
    with database.write("loops") as connection:
        for window, cause in windows:
            _note_window(connection, window, cause)


def _note_window(connection: Connection, window: BlindWindow, cause: str) -> None:
    """Write a window down; one that begins in another of its cause, or right where it ended, makes that one longer."""
    goes_on = (
        BlindWindowRow.cause == cause,
        BlindWindowRow.started_at <= window.started_at,
        BlindWindowRow.ended_at.between(window.started_at, window.ended_at),
    )
    longer = connection.execute(update(BlindWindowRow).where(*goes_on).values(ended_at=window.ended_at))
    if not longer.rowcount:
        row = {"started_at": window.started_at, "ended_at": window.ended_at, "cause": cause}
        connection.execute(insert(BlindWindowRow), [row])


def blind_windows_since(database: Database, since: datetime) -> list[BlindWindow]:
    """Return what any node noted as blind that ended after *since*, joined where it overlaps."""
    with database.read() as connection:
        return merged(_stored_windows(connection, since=since))


class _KnownWindows:
    """The windows that were just found, and of those that are stored as many as the monitors at hand need."""

    def __init__(self, database: Database, found: Sequence[BlindWindow]) -> None:
        self._database = database
        self._found = found
        self._since = min(each.started_at for each in found)
        self._until = max(each.ended_at for each in found)
        self.unwatched = Unwatched(found)

    def look_back(self, monitors: Sequence[Watched]) -> None:
        """Know every window since the oldest of *monitors* was heard of, of those whose deadline may be moved."""
        starts = [awaited_since(each.state) for each in monitors if self._may_concern(each)]
        since = min((start for start in starts if start is not None), default=self._since)
        if since < self._since:
            self._since = since
            self.unwatched = Unwatched([*blind_windows_since(self._database, since), *self._found])

    def last_end(self) -> datetime:
        """Return when the last of all windows ended, the stored ones included."""
        with self._database.read() as connection:
            stored = connection.scalar(select(func.max(BlindWindowRow.ended_at)))
        return self._until if stored is None else max(self._until, stored)

    def _may_concern(self, monitor: Watched) -> bool:
        state = monitor.state
        if state.due_at is None:
            return False
        # One that was moved may have been moved less far than its windows would: it had come to the end of patience.
        return state.blind_due_at is not None or self._until + extension(monitor.timing) > state.due_at


def _stored_windows(connection: Connection, *, since: datetime) -> list[BlindWindow]:
    query = select(BlindWindowRow.started_at, BlindWindowRow.ended_at).where(BlindWindowRow.ended_at > since)
    return [BlindWindow(*row) for row in connection.execute(query)]


def bound_deadlines(database: Database, *, now: datetime, between_chunks: BetweenChunks | None = None) -> None:
    """After the clock was set back: no deadline further away than a full period."""

    def decide(each: Watched, at: datetime) -> tuple[State, Transition | None]:
        return bound_after_step(each.state, each.timing, now=at), None

    _for_all(database, decide, now, between_chunks, which=lambda _: candidates.has_a_limit())


def beat(database: Database, node: str, *, now: datetime) -> None:
    """Write this node's heartbeat through the same path as pings: it stops when they could not be stored either.

    It says that everything this node received before *now* is stored; other nodes rely on that.
    """
    with database.write("loops") as connection:
        written = connection.execute(update(Node).where(Node.name == node).values(seen_at=now))
        if not written.rowcount:
            connection.execute(insert(Node), [{"name": node, "seen_at": now}])
            connection.execute(delete(Node).where(Node.seen_at < now - _NODE_IS_GONE, Node.name != node))


def other_nodes(database: Database, node: str) -> dict[str, datetime]:
    """Return name -> last heartbeat of every node but *node* that has not signed off, those that died included.

    Each has stored everything that it received before that instant.
    """
    with database.read() as connection:
        query = select(Node.name, Node.seen_at).where(Node.name != node, ~Node.name.startswith(_SIGNED_OFF))
        return {row.name: row.seen_at for row in connection.execute(query)}


def sign_off(database: Database, node: str) -> None:
    """Tell the other nodes that this one ends in good order. When it was last there stays known."""
    with database.write("loops") as connection:
        connection.execute(update(Node).where(Node.name == node).values(name=f"{_SIGNED_OFF}{node}"))


def last_heartbeat(database: Database) -> datetime | None:
    """Return when any node was last able to write."""
    with database.read() as connection:
        return connection.scalar(select(func.max(Node.seen_at)))


def blind_since_last_heartbeat(seen_at: datetime | None, *, now: datetime, is_alone: bool) -> BlindWindow | None:
    """Return the window that a starting node finds: nobody was there since *seen_at*.

    *is_alone*: no other node was there, so that even a short gap was one.
    """
    if seen_at is None or seen_at >= now or not is_alone:
        return None
    return BlindWindow(seen_at, now)


def _for_all(
    database: Database,
    decide: Decide,
    now: datetime,
    between_chunks: BetweenChunks | None,
    *,
    which: Which,
    prepare: Prepare = lambda monitors: None,
) -> Changed:
    """Apply *decide* to every monitor, a chunk at a time: read without a lock, then lock only what would change.

    Only those are read for which *which* (at a given instant) holds. *prepare* is told of each chunk before.
    """
    transitions = messages = 0
    last_id = 0
    while True:
        monitors, reached = _next_chunk(database, last_id, which(now))
        if reached is None:
            return Changed(transitions, messages)
        last_id = reached
        prepare(monitors)
        stale = [each.id for each in monitors if decide(each, now)[0] is not each.state or not each.is_found_in_time]
        if stale:
            changed = _decide_locked(database, stale, decide, now)
            transitions += changed.transition_count
            messages += changed.message_count
        # A pass over many monitors takes seconds: none is judged by the time at which it began.
        at = between_chunks() if between_chunks is not None else now
        if at is None:
            return Changed(transitions, messages, is_more=True)
        now = at


def _next_chunk(database: Database, last_id: int, condition: ColumnElement[bool]) -> tuple[list[Watched], int | None]:
    """Return those of the next monitors that meet *condition*, and the id that was reached; None: there are no more."""
    span = select(Monitor.id).where(Monitor.id > last_id).order_by(Monitor.id).limit(SPAN).subquery()
    with database.read() as connection:
        reached = connection.scalar(select(func.max(span.c.id)))
        if reached is None:
            return [], None
        query = states.select_watched().where(Monitor.id > last_id, Monitor.id <= reached, condition)
        monitors = [states.watched(row) for row in connection.execute(query.order_by(Monitor.id).limit(CHUNK))]
    return monitors, monitors[-1].id if len(monitors) == CHUNK else reached


def _decide_locked(database: Database, ids: Sequence[int], decide: Decide, now: datetime) -> Changed:
    with database.write("loops") as connection:
        query = states.select_watched().where(Monitor.id.in_(ids)).order_by(Monitor.id).with_for_update(key_share=True)
        monitors = [states.watched(row) for row in connection.execute(query)]
        return _apply(connection, monitors, decide, now)


def _apply(connection: Connection, monitors: Sequence[Watched], decide: Decide, now: datetime) -> Changed:
    decided, misfiled = [], []
    for monitor in monitors:
        after, transition = decide(monitor, now)
        if after is not monitor.state:
            decided.append((monitor, after, transition))
        elif monitor.check_at != after.due_at:
            misfiled.append(monitor)
    states.postpone(connection, misfiled)
    counts = _blind_counts(connection, [monitor for monitor, _, transition in decided if transition is not None])
    decisions = [Decision(*each, _detail(each[0], counts.get(each[0].id, 0))) for each in decided]
    return Changed(*apply_decisions(connection, decisions, now=now))


def _blind_counts(connection: Connection, changed: Sequence[Watched]) -> dict[int, int]:
    """Return monitor id -> how many separate windows moved its deadline; those whose none did are left out."""
    spans = {
        each.id: (since, each.state.due_at)
        for each in changed
        if each.state.blind_due_at is not None and each.state.due_at is not None
        if (since := awaited_since(each.state)) is not None
    }
    if not spans:
        return {}
    unwatched = Unwatched(_stored_windows(connection, since=min(since for since, _ in spans.values())))
    return {monitor_id: unwatched.count(*span) for monitor_id, span in spans.items()}


def _detail(monitor: Watched, blind_count: int) -> Detail:
    timing = monitor.timing
    return Detail(
        interval_seconds=int(timing.interval.total_seconds()),
        grace_seconds=int(timing.grace.total_seconds()),
        run_limit_seconds=int(timing.run_limit.total_seconds()),
        has_calendar=timing.calendar is not None,
        was_blind=monitor.state.blind_due_at is not None,
        blind_count=blind_count if blind_count > 1 else None,
    )
