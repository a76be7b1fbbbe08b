"""A monitor's life as one table: what each signal does in each status, and what silence does.

Pure: a state and a signal go in, a state and the transitions come out. Who is told about a transition stands
beside it (`Transition.told`); how, is not decided here. `docs/state-machine.md` is generated from `TRANSITIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pulsemon.core import open_runs
from pulsemon.core.open_runs import ANONYMOUS, Runs
from pulsemon.core.timing import Timing


class Status(StrEnum):
    """The stored status. *Late* is derived (`core.shown`) and counts as up."""

    UNKNOWN = "UNKNOWN"
    UP = "UP"
    DOWN = "DOWN"
    PAUSED = "PAUSED"


class Signal(StrEnum):
    """What a ping says."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"
    LOG = "log"


class Cause(StrEnum):
    """Why a transition happened."""

    PING = "ping"  # a success arrived
    SILENCE = "silence"  # the deadline passed
    FAILURE = "failure"  # the job said so
    RUN_LIMIT = "run-limit"  # a run that was started did not end in time
    EDIT = "edit"  # interval, grace or run limit were changed
    SWEEP = "sweep"  # the full sweep found a stored state that the rules do not give
    PAUSE = "pause"
    RESUME = "resume"


# A blind window moves a deadline by at most this much beyond its end: a job that runs once a day must not go
# unwatched for another day because PulseMon was restarted.
LONGEST_EXTENSION = timedelta(hours=1)
# Two requests a moment apart may be stamped the other way round.
_CLOCK_JITTER = timedelta(seconds=2)

# A ping is stamped by another thread, or another node, than the one that judges; further ahead, the clock was set back.
CLOCK_TOLERANCE = timedelta(seconds=2)
# Longer than a ping waits to be stored: one that lies behind the last by less was overtaken on another node; by more,
# the clock was set back.
OVERTAKEN = timedelta(seconds=10)


class State(NamedTuple):
    """What is stored of a monitor's present. A tuple, because two are made for every ping.

    `due_at` is the instant after which, without a further signal, the status expires; None: it never does.
    `blind_due_at` is the deadline that a blind window has moved: from then until the next signal nobody can say
    whether the monitor is up. `down_cause` tells a DOWN by silence, which an edit may heal, from one by failure.
    `contrary_count` pings in a row spoke against the status and were too few to change it.
    """

    status: Status
    last_ping: datetime | None = None
    due_at: datetime | None = None
    runs: Runs = ()
    blind_due_at: datetime | None = None
    down_cause: Cause | None = None
    contrary_count: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of status, as history records it. `told`: the webhook is owed."""

    previous: Status
    new: Status
    occurred_at: datetime
    cause: Cause
    told: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """One cell of the table: the status that follows, and what else the signal touches."""

    status: Status
    told: bool = False
    sets_last_ping: bool = False
    ends_run: bool = False
    starts_run: bool = False


_UP, _DOWN, _UNKNOWN, _PAUSED = Status.UP, Status.DOWN, Status.UNKNOWN, Status.PAUSED
_SUCCESS, _START, _FAIL, _LOG = Signal.SUCCESS, Signal.START, Signal.FAIL, Signal.LOG

TRANSITIONS: dict[tuple[Status, Signal], Effect] = {
    (_UNKNOWN, _SUCCESS): Effect(_UP, sets_last_ping=True, ends_run=True),
    (_UNKNOWN, _START): Effect(_UNKNOWN, starts_run=True),
    (_UNKNOWN, _FAIL): Effect(_DOWN, told=True, sets_last_ping=True, ends_run=True),
    (_UNKNOWN, _LOG): Effect(_UNKNOWN),
    (_UP, _SUCCESS): Effect(_UP, sets_last_ping=True, ends_run=True),
    (_UP, _START): Effect(_UP, starts_run=True),
    (_UP, _FAIL): Effect(_DOWN, told=True, sets_last_ping=True, ends_run=True),
    (_UP, _LOG): Effect(_UP),
    (_DOWN, _SUCCESS): Effect(_UP, told=True, sets_last_ping=True, ends_run=True),
    (_DOWN, _START): Effect(_DOWN, starts_run=True),
    (_DOWN, _FAIL): Effect(_DOWN, sets_last_ping=True, ends_run=True),
    (_DOWN, _LOG): Effect(_DOWN),
    # A paused monitor keeps its pings and its last_ping, and nothing else moves.
    (_PAUSED, _SUCCESS): Effect(_PAUSED, sets_last_ping=True),
    (_PAUSED, _START): Effect(_PAUSED),
    (_PAUSED, _FAIL): Effect(_PAUSED, sets_last_ping=True),
    (_PAUSED, _LOG): Effect(_PAUSED),
}


def advance(
    state: State, signal: Signal, *, at: datetime, timing: Timing, rid: str | None = None
) -> tuple[State, Transition | None]:
    """Return the state after *signal* arrived at *at*, and the transition it made, if any. *rid* names the run.

    A deadline that passed before *at* without anybody noticing is not applied here: whoever holds the row calls
    `expire` first where that matters.
    """
    effect = TRANSITIONS[state.status, signal]
    seen_at, last = at, state.last_ping
    if last is not None and at < last and last - at <= OVERTAKEN:
        seen_at = last  # what came later has been stored already, and time is not turned back
    if effect.ends_run:
        return _conclude(state, effect, signal, at=at, seen_at=seen_at, timing=timing, rid=rid or ANONYMOUS)
    if effect.starts_run:
        return _with_run(state, rid or ANONYMOUS, at=at, limit=timing.run_limit), None
    if effect.sets_last_ping:
        return state._replace(last_ping=seen_at), None
    return state, None


def _conclude(
    state: State, effect: Effect, signal: Signal, *, at: datetime, seen_at: datetime, timing: Timing, rid: str
) -> tuple[State, Transition | None]:
    """A success or a failure: it ends its run, says that the job is alive, and may change the status."""
    new, contrary_count = _believed(state, effect.status, timing)
    runs = state.runs
    if runs:
        runs = open_runs.without(runs, open_runs.ended_by(runs, rid))
        # A limit that passed while the monitor was DOWN for another reason is not told afterwards.
        runs = open_runs.mark_overdue(runs, now=at) if state.status is _DOWN else runs
    cause = Cause.FAILURE if signal is _FAIL else state.down_cause
    after = State(
        new,
        seen_at,
        first_due(timing.due_after(seen_at) if new is _UP else None, runs, seen_at) if new is not _DOWN else None,
        runs,
        None,
        cause if new is _DOWN else None,
        contrary_count,
    )
    if new is state.status:
        return after, None
    cause = Cause.PING if signal is _SUCCESS else Cause.FAILURE
    return after, Transition(state.status, new, at, cause, effect.told)


def _believed(state: State, new: Status, timing: Timing) -> tuple[Status, int]:
    """Return the status after one more ping in favour of *new*, and how many now speak against it.

    A first success is believed at once: nothing is known that it could contradict.
    """
    if new is state.status:
        return new, 0
    needed = 1
    if new is _DOWN:
        needed = timing.failures_to_down
    elif state.status is _DOWN:
        needed = timing.successes_to_up
    count = state.contrary_count + 1
    return (new, 0) if count >= needed else (state.status, count)


def first_due(silent: datetime | None, runs: Runs, last_ping: datetime | None = None) -> datetime | None:
    """Return the first deadline of the two: of silence, *silent*, and of the watched *runs*, each by its own limit.

    A run that began after *last_ping* and in time is the job at its work, which is no silence: its limit counts alone.
    """
    limit = open_runs.due_first(runs) if runs else None
    if silent is None or limit is None:
        return silent or limit
    if last_ping is not None and _is_any_in_time(runs, last_ping, silent):
        return limit
    return min(silent, limit)


def _is_any_in_time(runs: Runs, last_ping: datetime, latest: datetime) -> bool:
    since = last_ping - _CLOCK_JITTER
    return any(not run.is_overdue and since <= run.started_at <= latest for run in runs)


def _with_run(state: State, rid: str, *, at: datetime, limit: timedelta) -> State:
    """What is DOWN has no deadline, and what runs meanwhile is noted all the same."""
    runs = open_runs.begin(state.runs, rid, at=at, limit=limit)
    if runs is state.runs:
        return state
    due_at = first_due(state.due_at, runs, state.last_ping) if state.status is _UP else None
    if state.status is _UNKNOWN:
        due_at = open_runs.due_first(runs)
    # Written out: `replace` takes four times as long, and every start comes through here.
    return State(
        state.status, state.last_ping, due_at, runs, state.blind_due_at, state.down_cause, state.contrary_count
    )


def expire(state: State, timing: Timing, *, now: datetime) -> tuple[State, Transition | None]:
    """Return the state once silence up to *now* is taken into account.

    UP while `now <= due_at`, DOWN after. A monitor that never pinged has no deadline and stays UNKNOWN; one whose
    first run was started and did not end goes DOWN. The transition bears the deadline, not the moment of noticing.
    """
    if state.due_at is None or now <= state.due_at:
        return state, None
    if state.status not in (_UP, _UNKNOWN):
        # A hand edit left it: kept, it would be found overdue again at every look.
        return state._replace(due_at=None), None
    cause = Cause.RUN_LIMIT if _is_run_awaited_first(state, timing) else Cause.SILENCE
    runs = open_runs.mark_overdue(state.runs, now=now) if state.runs else ()
    after = State(_DOWN, state.last_ping, None, runs, None, cause)
    return after, Transition(state.status, _DOWN, state.due_at, cause, told=True)


def _is_run_awaited_first(state: State, timing: Timing) -> bool:
    """Return whether the end of an open run was due before the next ping was."""
    started_at = open_runs.open_since(open_runs.watched(state.runs))
    if started_at is None:
        return False
    expected = silent_at(state, timing)
    return expected is None or is_held_back(state, timing) or started_at + timing.run_limit < expected


def silent_at(state: State, timing: Timing) -> datetime | None:
    """Return until when the next ping is waited for by the rules, runs and blind windows apart; None: for none."""
    if state.status is not _UP or state.last_ping is None:
        return None
    return timing.due_after(timing.owed_from(state.last_ping))


def is_held_back(state: State, timing: Timing) -> bool:
    """Return whether an open run that began in time holds silence back: until then, it is its limit that counts."""
    expected = silent_at(state, timing)
    if not state.runs or expected is None or state.last_ping is None:
        return False
    return _is_any_in_time(state.runs, state.last_ping, _latest_start(state, expected))


def _latest_start(state: State, expected: datetime) -> datetime:
    """Where a blind window moved the deadline, who began before that was in time as well."""
    return expected if state.blind_due_at is None or state.due_at is None else max(expected, state.due_at)


def deadline(state: State, timing: Timing) -> datetime | None:
    """Return the deadline that the rules give for *state*: what `due_at` should hold, blind windows apart."""
    if state.status not in (_UP, _UNKNOWN):
        return None
    return first_due(None if is_held_back(state, timing) else silent_at(state, timing), state.runs)


def reschedule(
    state: State, timing: Timing, *, now: datetime, cause: Cause = Cause.EDIT
) -> tuple[State, Transition | None]:
    """Return the state under a new *timing*, and the transition that this makes.

    UP with a deadline in the past goes DOWN at once; a DOWN by silence whose new deadline lies ahead is UP again; a
    DOWN by failure stays until a success. What an edit changes, it changes from *now* on: the past is not rewritten.
    """
    if cause is Cause.EDIT and state.runs:
        is_excused = state.blind_due_at is not None
        state = _with_runs(state, open_runs.limit_anew(state.runs, timing.run_limit, is_excused=is_excused))
    if state.status is _DOWN:
        return _heal(state._replace(due_at=None) if state.due_at else state, timing, now=now, cause=cause)
    expected = deadline(state, timing)
    if state.blind_due_at is not None and state.due_at is not None and expected is not None:
        expected = max(expected, state.due_at)  # the time a blind window gave is not taken back
    after = state if expected == state.due_at else state._replace(due_at=expected)
    if expected is None or now <= expected:
        return after, None
    expired, transition = expire(after, timing, now=now)
    return expired, None if transition is None else replace(transition, occurred_at=now, cause=cause)


def _heal(state: State, timing: Timing, *, now: datetime, cause: Cause) -> tuple[State, Transition | None]:
    """What went DOWN by silence is UP again if the rules, as they are now, would not have let it go DOWN."""
    if state.down_cause is not Cause.SILENCE or state.last_ping is None or state.contrary_count:
        return state, None
    runs = open_runs.mark_overdue(state.runs, now=now)
    expected = timing.due_after(state.last_ping)
    patient_until = None if expected is None else first_due(expected, runs, state.last_ping)
    if patient_until is None or not state.last_ping <= now <= patient_until:
        return state, None  # a last_ping ahead of now: the clock was set back, nothing is known
    after = State(_UP, state.last_ping, None, runs)
    return after._replace(due_at=deadline(after, timing)), Transition(_DOWN, _UP, now, cause, told=True)


def sweep(
    state: State, timing: Timing, *, now: datetime, down_recorded_at: datetime | None = None
) -> tuple[State, Transition | None]:
    """Return the state that the rules give, healing what a bug, a set-back clock or a hand edit left behind.

    *down_recorded_at* is when the present DOWN was recorded. Where it lies behind the last ping, or that or anything
    else that has happened lies ahead of *now*, the clock was set back: nothing is healed, nothing is known to be wrong.
    """
    if down_recorded_at is not None and (
        _lies_ahead(down_recorded_at, now) or (state.last_ping is not None and down_recorded_at <= state.last_ping)
    ):
        return state, None
    happened = (state.last_ping, open_runs.begun_last(state.runs), timing.since)
    if any(_lies_ahead(instant, now) for instant in happened):
        return expire(bound_after_step(state, timing, now=now), timing, now=now)
    expected = deadline(state, timing)
    if state.blind_due_at is not None and expected is not None and state.due_at is not None and state.due_at > expected:
        # A deadline that a blind window moved is right by design; only one that no window could have given is cut.
        furthest = _furthest(timing, now) + LONGEST_EXTENSION
        if state.due_at > furthest:
            return state._replace(due_at=furthest), None
        return expire(state, timing, now=now)
    if state.status is not _DOWN and state.due_at == expected:
        return expire(state, timing, now=now)
    return reschedule(state, timing, now=now, cause=Cause.SWEEP)


def _lies_ahead(instant: datetime | None, now: datetime) -> bool:
    return instant is not None and instant - now > CLOCK_TOLERANCE


def bound_after_step(state: State, timing: Timing, *, now: datetime) -> State:
    """Return *state* with no deadline further away than a full period from *now*.

    For a clock that was set back: deadlines computed before would otherwise be noticed late by the size of the step.
    """
    state = _with_runs(state, open_runs.bound(state.runs, now + timing.run_limit))
    if state.due_at is None:
        return state
    is_held = is_held_back(state, timing)
    due_at = first_due(None if is_held else min(state.due_at, _furthest(timing, now)), state.runs)
    return state if due_at == state.due_at else state._replace(due_at=due_at)


def _with_runs(state: State, runs: Runs) -> State:
    return state if runs is state.runs else state._replace(runs=runs)


def _furthest(timing: Timing, now: datetime) -> datetime:
    return timing.due_after(now) or now + timing.interval + timing.grace


def pause(state: State, *, now: datetime) -> tuple[State, Transition | None]:
    """Return the paused state; pausing what is paused changes nothing."""
    if state.status is _PAUSED:
        return state, None
    after = State(_PAUSED, last_ping=state.last_ping)
    return after, Transition(state.status, _PAUSED, now, Cause.PAUSE, told=False)


def resume(state: State, *, now: datetime) -> tuple[State, Transition | None]:
    """Return the state after a pause: UNKNOWN until the next success; resuming what runs changes nothing."""
    if state.status is not _PAUSED:
        return state, None
    after = State(_UNKNOWN, last_ping=state.last_ping)
    return after, Transition(_PAUSED, _UNKNOWN, now, Cause.RESUME, told=False)


@dataclass(frozen=True, slots=True)
class BlindWindow:
    """A span in which PulseMon could not have seen a ping."""

    started_at: datetime
    ended_at: datetime


def unseen(state: State, *, until: datetime) -> BlindWindow | None:
    """Return the span up to *until* of which nobody can say whether the monitor was up, because of a blind window."""
    if state.blind_due_at is None or until <= state.blind_due_at:
        return None
    return BlindWindow(state.blind_due_at, until)


def is_repeat(since: timedelta, timing: Timing) -> bool:
    """Return whether the same signal with the same rid, *since* the one before, is a repeat of it.

    A client that retries does so soon; the same rid half an interval (at most a day) later is another run. One that
    seems to come before it came after the clock was set back: how long after, nobody knows, so it counts.
    """
    return -_CLOCK_JITTER <= since <= min(timing.interval / 2, timedelta(hours=24))
