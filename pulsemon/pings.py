"""Recording pings: a whole batch in one transaction, each judged by `core.status`.

Does not wait, queue or answer: that is `group_commit`. Does not read a clock: every ping brings its instant.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from pulsemon.core.notes import Detail
from pulsemon.core.status import (
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    Timing,
    Transition,
    advance,
    is_repeat,
    unseen,
)
from pulsemon.db import Database, outbox, ping_rows, states
from pulsemon.db.ping_rows import MonitorRow, MonitorUpdate, PingRow
from pulsemon.db.tables import Monitor


# Not frozen: a frozen one takes three times as long to make, and one is made for every request.
@dataclass(slots=True)
class Ping:
    """One request to a ping URL, as it came: `slug` and `token` decoded, `body` the raw bytes that are kept."""

    slug: str
    token: str
    signal: Signal
    received_at: datetime
    method: str = "GET"
    exit_status: int | None = None
    rid: str | None = None
    remote_addr: str | None = None
    user_agent: str | None = None
    body: bytes | None = None
    is_prefetch: bool = False


class Answer(Enum):
    """What the client is told."""

    STORED = "stored"
    UNKNOWN = "unknown"  # no such slug, or not its token
    UNAVAILABLE = "unavailable"  # not known to be stored


@dataclass(slots=True)
class Batch:
    """What came of a batch: one answer a ping, and what others must be woken for."""

    answers: list[Answer]
    earliest_due_at: datetime | None = None
    transition_count: int = 0
    message_count: int = 0


def record_pings(database: Database, pings: Sequence[Ping]) -> Batch:
    """Store *pings* in one transaction and return their answers, which are true once this returns.

    Where none of them belongs to a monitor, nothing is committed.

    Raises:
        Unavailable: nothing is known to be stored.
    """
    with database.write("pings") as connection:
        rows = {row.slug: row for row in ping_rows.lock_monitors(connection, {ping.slug for ping in pings})}
        admitted = [_is_admitted(rows.get(ping.slug), ping) for ping in pings]
        batch = Batch([Answer.STORED if each else Answer.UNKNOWN for each in admitted])
        known = [ping for ping, is_known in zip(pings, admitted, strict=True) if is_known]
        if known:
            _record_known(connection, rows, known, batch)
        else:
            connection.rollback()
    return batch


_NO_TOKEN = b"\0" * 32


def _is_admitted(row: MonitorRow | None, ping: Ping) -> bool:
    """Compare in constant time, for a slug that does not exist too: the answer's time must not tell the two apart."""
    if row is None:
        hmac.compare_digest(_NO_TOKEN, ping.token.encode())
        return False
    return hmac.compare_digest(row.token.encode(), ping.token.encode())


@dataclass(slots=True)
class _Track:
    """One monitor while its pings of this batch are applied, in the order in which they came."""

    row: MonitorRow
    timing: Timing
    state: State
    seq: int
    check_at: datetime | None
    last_ping_id: int | None
    ping_count: int
    made: list[tuple[Transition, int, datetime | None, Detail]] = field(default_factory=list)
    unseen: list[BlindWindow] = field(default_factory=list)


# (monitor id, rid) -> (signal, exit status, received_at) of the newest that counted, those of this batch included
_Runs = dict[tuple[int, str], tuple[str, int | None, datetime]]


def _record_known(connection: Connection, rows: dict[str, MonitorRow], pings: Sequence[Ping], batch: Batch) -> None:
    encode, decode = ping_rows.coders(connection)
    tracks: dict[int, _Track] = {}
    stored: list[PingRow] = []
    runs = ping_rows.newest_of_rids(connection, {(rows[ping.slug].id, ping.rid) for ping in pings if ping.rid})
    for ping, ping_id in zip(pings, ping_rows.next_ids(connection, len(pings)), strict=True):
        row = rows[ping.slug]
        track = tracks.get(row.id)
        if track is None:
            track = tracks[row.id] = _track(row, decode)
        outcome = _apply(track, ping, runs)
        track.ping_count += 1
        stored.append(
            PingRow(
                ping_id,
                row.id,
                track.ping_count,
                track.last_ping_id,
                encode(ping.received_at),
                ping.signal.value,
                ping.exit_status,
                outcome,
                ping.method,
                ping.rid,
                ping.remote_addr,
                ping.user_agent,
                ping.body,
            )
        )
        track.last_ping_id = ping_id
    _store(connection, tracks.values(), stored, encode)
    _record_transitions(connection, tracks, pings[-1].received_at, batch)
    batch.earliest_due_at = min(
        (track.state.due_at for track in tracks.values() if track.state.due_at is not None), default=None
    )


def _store(
    connection: Connection, tracks: Iterable[_Track], stored: Sequence[PingRow], encode: Callable[[datetime], Any]
) -> None:
    updates: list[MonitorUpdate] = []
    refiled: list[MonitorUpdate] = []
    for track in tracks:
        check_at = _check_at(track)
        update = _update(track, None if check_at is None else encode(check_at), encode)
        (updates if check_at == track.check_at else refiled).append(update)
    ping_rows.store(connection, updates, refiled, stored)


def _check_at(track: _Track) -> datetime | None:
    """Return when to look at the monitor: by its deadline, and no earlier than the next ping is expected.

    Where that leaves a choice the old instant stays, which spares the ping the rewriting of an index.
    """
    state, before = track.state, track.check_at
    if state.due_at is None or before is None or before > state.due_at:
        return state.due_at
    is_for_nothing = state.last_ping is not None and before < state.last_ping + track.timing.interval
    return state.due_at if is_for_nothing else before


_STATUSES = {status.value: status for status in Status}
_CAUSES = {cause.value: cause for cause in Cause}


@lru_cache(maxsize=4096)
def _timing(interval_seconds: int, grace_seconds: int, max_run_seconds: int | None) -> Timing:
    """Many monitors share few timings, and making one costs more than finding it."""
    return states.timing(interval_seconds, grace_seconds, max_run_seconds)


def _track(row: MonitorRow, decode: Callable[[Any], datetime]) -> _Track:
    state = State(
        _STATUSES[row.status],
        None if row.last_ping is None else decode(row.last_ping),
        None if row.due_at is None else decode(row.due_at),
        None if row.run_started_at is None else decode(row.run_started_at),
        None if row.blind_due_at is None else decode(row.blind_due_at),
        None if row.down_cause is None else _CAUSES[row.down_cause],
    )
    timing = _timing(row.interval_seconds, row.grace_seconds, row.max_run_seconds)
    check_at = None if row.check_at is None else decode(row.check_at)
    return _Track(row, timing, state, row.state_seq, check_at, row.last_ping_id, row.ping_count)


def _apply(track: _Track, ping: Ping, runs: _Runs) -> str:
    """Move the monitor by one ping; return how the ping's row is marked."""
    if ping.is_prefetch:
        return "prefetch"
    if ping.rid is not None and _is_repeated(track, ping, runs, (track.row.id, ping.rid)):
        return "repeat"
    before = track.state
    after, transition = advance(before, ping.signal, at=ping.received_at, timing=track.timing)
    if before.blind_due_at is not None and after.blind_due_at is None:
        span = unseen(before, until=ping.received_at)
        if span is not None:
            track.unseen.append(span)
    track.state = after
    if transition is not None:
        track.seq += 1
        track.made.append((transition, track.seq, after.last_ping, Detail(exit_status=ping.exit_status)))
    return "counted"


def _is_repeated(track: _Track, ping: Ping, runs: _Runs, run: tuple[int, str]) -> bool:
    newest = runs.get(run)
    is_same = newest is not None and newest[:2] == (ping.signal.value, ping.exit_status)
    if newest is not None and is_same and is_repeat(ping.received_at - newest[2], track.timing):
        return True
    runs[run] = (ping.signal.value, ping.exit_status, ping.received_at)
    return False


def _update(track: _Track, check_at: Any, encode: Callable[[datetime], Any]) -> MonitorUpdate:
    state = track.state
    return MonitorUpdate(
        state.status.value,
        None if state.last_ping is None else encode(state.last_ping),
        None if state.due_at is None else encode(state.due_at),
        None if state.run_started_at is None else encode(state.run_started_at),
        None if state.blind_due_at is None else encode(state.blind_due_at),
        None if state.down_cause is None else state.down_cause.value,
        track.seq,
        track.last_ping_id or 0,
        track.ping_count,
        check_at,
        track.row.id,
    )


def _record_transitions(connection: Connection, tracks: dict[int, _Track], now: datetime, batch: Batch) -> None:
    """History, messages and unseen spans: rare, so the monitor's name and URL are read only here."""
    states.add_unseen(connection, [(track.row.id, span) for track in tracks.values() for span in track.unseen])
    changed = [track for track in tracks.values() if track.made]
    if not changed:
        return
    query = states.select_watched().where(Monitor.id.in_([track.row.id for track in changed]))
    monitors = {monitor.id: monitor for monitor in map(states.watched, connection.execute(query))}
    recorded = [
        outbox.Recorded(monitors[track.row.id], transition, seq, last_ping, detail)
        for track in changed
        for transition, seq, last_ping, detail in track.made
    ]
    batch.transition_count = len(recorded)
    batch.message_count = outbox.add_transitions(connection, recorded, now=now)
