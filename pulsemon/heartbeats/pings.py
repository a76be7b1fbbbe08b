"""Recording pings: a whole batch in one transaction, each judged by `core.status`.

Does not wait, queue or answer: that is `heartbeats.group_commit`. Does not read a clock: every ping brings its instant.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection

from pulsemon.core.notes import Detail
from pulsemon.core.open_runs import ANONYMOUS, Runs, ended_by
from pulsemon.core.rules import NO_RULES, Flag, Outcome, Rules, flag, read_signal
from pulsemon.core.status import (
    OVERTAKEN,
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    Transition,
    advance,
    is_repeat,
    unseen,
)
from pulsemon.core.timing import Timing
from pulsemon.db import Database, ping_rows, states, transitions
from pulsemon.db.packed import pack_runs, unpack_rules, unpack_runs
from pulsemon.db.ping_rows import MonitorRow, MonitorUpdate, PingRow
from pulsemon.db.tables.monitors import Monitor


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
    charset: str | None = None  # what the body has to be read in, where it does not say so itself: of core.body_text
    unasked: Outcome | None = None  # a prefetch or a preview: kept, and counts for nothing
    is_test: bool = False  # by hand from the panel


class Answer(Enum):
    """What the client is told."""

    STORED = "stored"
    IGNORED = "ignored"  # stored, and by the monitor's rules counts for nothing: its method
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
        known = [index for index, is_known in enumerate(admitted) if is_known]
        if known:
            _record_known(connection, rows, pings, known, batch)
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
    rules: Rules
    state: State
    runs_before: Runs
    seq: int
    check_at: datetime | None
    last_ping_id: int | None
    ping_count: int
    newest: tuple[datetime, Any] | None = None  # the instant of its newest ping, also as the driver wants it
    made: list[tuple[Transition, int, datetime | None, Detail]] = field(default_factory=list)
    unseen: list[BlindWindow] = field(default_factory=list)


# Makes a named tuple of all its values, in a quarter of the time that calling its class takes.
_new = tuple.__new__
_Said = tuple[str, int | None, datetime]  # signal, exit status, received_at
# (monitor id, rid) -> the newest that counted, those of this batch included
_NewestByRun = dict[tuple[int, str], _Said]


def _record_known(
    connection: Connection,
    rows: dict[str, MonitorRow],
    pings: Sequence[Ping],
    known: Sequence[int],
    batch: Batch,
) -> None:
    """Judge and store those of *pings* that stand at the indexes *known*: the others belong to no monitor."""
    encode, decode = ping_rows.coders(connection)
    tracks: dict[int, _Track] = {}
    stored: list[PingRow] = []
    newest = ping_rows.newest_of_rids(connection, _to_look_up(rows, [pings[index] for index in known]))
    for index, ping_id in zip(known, ping_rows.next_ids(connection, len(known)), strict=True):
        ping = pings[index]
        row = rows[ping.slug]
        track = tracks.get(row.id)
        if track is None:
            track = tracks[row.id] = _track(row, decode)
        verdict = _apply(track, ping, newest)
        if verdict.outcome is Outcome.METHOD:
            batch.answers[index] = Answer.IGNORED
        track.ping_count += 1
        received_at = encode(ping.received_at)
        track.newest = (ping.received_at, received_at)
        stored.append(_ping_row(ping_id, track, ping, verdict, received_at))
        track.last_ping_id = ping_id
    _store(connection, tracks.values(), stored, encode)
    _record_transitions(connection, tracks, pings[known[-1]].received_at, batch)
    batch.earliest_due_at = min(
        (track.state.due_at for track in tracks.values() if track.state.due_at is not None), default=None
    )


def _ping_row(ping_id: int, track: _Track, ping: Ping, verdict: _Verdict, received_at: Any) -> PingRow:
    return _new(
        PingRow,
        (
            ping_id,
            track.row.id,
            track.ping_count,
            track.last_ping_id,
            received_at,
            _TEXTS[verdict.signal],
            ping.exit_status,
            _TEXTS[verdict.outcome],
            ping.method,
            ping.rid,
            ping.remote_addr,
            ping.user_agent,
            ping.body,
            verdict.duration_ms,
            Flag.TEST.value if ping.is_test else verdict.flag,
            ping.charset,
        ),
    )


def _store(
    connection: Connection, tracks: Iterable[_Track], stored: Sequence[PingRow], encode: Callable[[datetime], Any]
) -> None:
    updates: list[MonitorUpdate] = []
    refiled: list[MonitorUpdate] = []
    for track in tracks:
        check_at = _check_at(track)
        if check_at == track.check_at:
            updates.append(_update(track, track.row.check_at, encode))
        else:
            refiled.append(_update(track, None if check_at is None else encode(check_at), encode))
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


def _to_look_up(rows: dict[str, MonitorRow], pings: Iterable[Ping]) -> set[tuple[int, str]]:
    """Return the (monitor id, rid) of which the log has to say whether they are repeats.

    Where the run is open, a success or a failure is its first, and the look-up can be spared; unless a word in the
    body may make it a start.
    """
    return {(rows[ping.slug].id, ping.rid) for ping in pings if ping.rid and not _is_first_end(rows[ping.slug], ping)}


def _is_first_end(row: MonitorRow, ping: Ping) -> bool:
    return ping.rid is not None and ping.signal in _ENDS and row.rules is None and ping.rid in (row.open_runs or "")


_ENDS = (Signal.SUCCESS, Signal.FAIL)
_STATUSES = {status.value: status for status in Status}
_CAUSES = {cause.value: cause for cause in Cause}
# What columns hold of them, found in a tenth of the time that it takes to ask an enumeration for it.
_TEXTS: dict[str, str] = {each: each.value for each in (*Signal, *Outcome, *Status, *Cause)}


def _track(row: MonitorRow, decode: Callable[[Any], datetime]) -> _Track:
    state = _new(
        State,
        (
            _STATUSES[row.status],
            None if row.last_ping is None else decode(row.last_ping),
            None if row.due_at is None else decode(row.due_at),
            unpack_runs(row.open_runs),
            None if row.blind_due_at is None else decode(row.blind_due_at),
            None if row.down_cause is None else _CAUSES[row.down_cause],
            row.contrary_count,
        ),
    )
    timing = states.timing(
        row.interval_seconds,
        row.grace_seconds,
        row.max_run_seconds,
        row.schedule,
        row.timezone,
        row.failures_to_down,
        row.successes_to_up,
    )
    check_at = None if row.check_at is None else decode(row.check_at)
    rules = unpack_rules(row.rules)
    return _Track(row, timing, rules, state, state.runs, row.state_seq, check_at, row.last_ping_id, row.ping_count)


class _Verdict(NamedTuple):
    """What came of one ping: `signal` as the monitor's rules read it, `duration_ms` of the run that it ended."""

    signal: Signal
    outcome: Outcome
    duration_ms: int | None = None
    flag: Flag | None = None


def _apply(track: _Track, ping: Ping, newest: _NewestByRun) -> _Verdict:
    """Move the monitor by one ping."""
    signal, outcome = ping.signal, Outcome.COUNTED
    if ping.unasked is not None:
        return _Verdict(signal, ping.unasked)
    if track.rules is not NO_RULES:
        signal, outcome = read_signal(track.rules, signal, method=ping.method, body=ping.body, charset=ping.charset)
        if outcome is not Outcome.COUNTED:
            return _Verdict(signal, outcome)
    run_before = None
    if ping.rid is not None:
        run = (track.row.id, ping.rid)
        run_before = newest.get(run)
        if _is_repeated(track, ping, signal, run_before):
            return _Verdict(signal, Outcome.REPEAT)
        if _has_ended(ping, signal, run_before):
            return _Verdict(signal, outcome)
        newest[run] = (signal.value, ping.exit_status, ping.received_at)
    before = track.state
    after, transition = advance(before, signal, at=ping.received_at, timing=track.timing, rid=ping.rid)
    if before.blind_due_at is not None and after.blind_due_at is None:
        span = unseen(before, until=ping.received_at)
        if span is not None:
            track.unseen.append(span)
    track.state = after
    if transition is not None:
        track.seq += 1
        track.made.append((transition, track.seq, after.last_ping, _detail(before, signal, ping)))
    is_ruled = track.rules is not NO_RULES
    flagged = flag(track.rules, signal, last_ping=before.last_ping, at=ping.received_at) if is_ruled else None
    return _Verdict(signal, outcome, _duration_ms(before, signal, ping, run_before), flagged)


def _detail(before: State, signal: Signal, ping: Ping) -> Detail:
    """What the note says beyond the cause; *before* has counted the pings in a row that led to this one."""
    in_a_row = before.contrary_count + 1 if before.contrary_count else None
    # Whatever the exit status was, it is not why a word made this a failure.
    is_by_word = signal is Signal.FAIL and ping.signal is not Signal.FAIL
    return Detail(exit_status=ping.exit_status, in_a_row=in_a_row, is_by_word=is_by_word, is_test=ping.is_test)


def _duration_ms(before: State, signal: Signal, ping: Ping, run_before: _Said | None) -> int | None:
    """Return how long the run took that *ping* ended; None where it ended none whose beginning is known.

    A run is open no more once its limit was told and the next one began; its start is still in the log.
    """
    if signal is not Signal.SUCCESS and signal is not Signal.FAIL:
        return None
    run = ended_by(before.runs, ping.rid or ANONYMOUS) if before.runs else None
    if run is not None:
        started_at = run.started_at
    elif run_before is not None and run_before[0] == Signal.START.value:
        started_at = run_before[2]
    else:
        return None
    return max(0, round((ping.received_at - started_at) / timedelta(milliseconds=1)))


def _is_repeated(track: _Track, ping: Ping, signal: Signal, newest: _Said | None) -> bool:
    if newest is None or newest[:2] != (signal.value, ping.exit_status):
        return False
    return is_repeat(ping.received_at - newest[2], track.timing)


def _packed_runs(track: _Track) -> str | None:
    """Return the column as it was where the same runs are open, which spares writing it anew."""
    return track.row.open_runs if track.state.runs is track.runs_before else pack_runs(track.state.runs)


def _has_ended(ping: Ping, signal: Signal, newest: _Said | None) -> bool:
    """Return whether *ping* is a start that the end of its own run has overtaken, on another node."""
    if signal is not Signal.START or newest is None or newest[0] not in (Signal.SUCCESS.value, Signal.FAIL.value):
        return False
    return timedelta(0) < newest[2] - ping.received_at <= OVERTAKEN


def _update(track: _Track, check_at: Any, encode: Callable[[datetime], Any]) -> MonitorUpdate:
    state = track.state
    return _new(
        MonitorUpdate,
        (
            _TEXTS[state.status],
            _last_ping(track, encode),
            None if state.due_at is None else encode(state.due_at),
            _packed_runs(track),
            None if state.blind_due_at is None else encode(state.blind_due_at),
            None if state.down_cause is None else _TEXTS[state.down_cause],
            state.contrary_count,
            track.seq,
            track.last_ping_id or 0,
            track.ping_count,
            check_at,
            track.row.id,
        ),
    )


def _last_ping(track: _Track, encode: Callable[[datetime], Any]) -> Any:
    last_ping = track.state.last_ping
    if track.newest is not None and last_ping is track.newest[0]:  # nearly always: it has been encoded already
        return track.newest[1]
    return None if last_ping is None else encode(last_ping)


def _record_transitions(connection: Connection, tracks: dict[int, _Track], now: datetime, batch: Batch) -> None:
    """History, messages and unseen spans: rare, so the monitor's name and URL are read only here."""
    states.add_unseen(connection, [(track.row.id, span) for track in tracks.values() for span in track.unseen])
    changed = [track for track in tracks.values() if track.made]
    if not changed:
        return
    query = states.select_watched().where(Monitor.id.in_([track.row.id for track in changed]))
    monitors = {monitor.id: monitor for monitor in map(states.watched, connection.execute(query))}
    recorded = [
        transitions.Recorded(monitors[track.row.id], transition, seq, last_ping, detail)
        for track in changed
        for transition, seq, last_ping, detail in track.made
    ]
    batch.transition_count = len(recorded)
    batch.message_count = transitions.add_transitions(connection, recorded, now=now)
