"""A monitor's life as one table: what each signal does in each status, and what silence does.

Pure: a state and a signal go in, a state and the transitions come out. Who is told about a transition stands
beside it (`Transition.told`); how they are told is not decided here. `docs/state-machine.md` is generated from
`TRANSITIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Status(StrEnum):
    """The stored status. *Late* is derived (`is_late`) and counts as up."""

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


# Any shorter and a run that is started and ended by two requests would be late by the way they travel.
SHORTEST_RUN = timedelta(seconds=1)
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


@dataclass(frozen=True, slots=True)
class Timing:
    """When pings are expected: every `interval`, late for at most `grace`; a run may last `max_run`."""

    interval: timedelta
    grace: timedelta
    max_run: timedelta | None = None

    @property
    def run_limit(self) -> timedelta:
        """Return how long a run may take: `max_run`, else the grace, else the interval; at least a second."""
        return max(self.max_run or self.grace or self.interval, SHORTEST_RUN)


@dataclass(frozen=True, slots=True)
class State:
    """What is stored of a monitor's present.

    `due_at` is the instant after which, without a further signal, the status expires; None: it never does.
    `blind_due_at` is the deadline that a blind window has moved: from then until the next signal nobody can say
    whether the monitor is up. `down_cause` tells a DOWN by silence, which an edit may heal, from one by failure.
    """

    status: Status
    last_ping: datetime | None = None
    due_at: datetime | None = None
    run_started_at: datetime | None = None
    blind_due_at: datetime | None = None
    down_cause: Cause | None = None


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


def advance(state: State, signal: Signal, *, at: datetime, timing: Timing) -> tuple[State, Transition | None]:
    """Return the state after *signal* arrived at *at*, and the transition it made, if any.

    A deadline that passed before *at* without anybody noticing is not applied here: whoever holds the row calls
    `expire` first where that matters.
    """
    effect = TRANSITIONS[state.status, signal]
    new = effect.status
    seen_at, last = at, state.last_ping
    if last is not None and at < last and last - at <= OVERTAKEN:
        seen_at = last  # what came later has been stored already, and time is not turned back
    if effect.ends_run:
        after = State(
            new,
            seen_at,
            seen_at + timing.interval + timing.grace if new is _UP else None,
            None,
            None,
            Cause.FAILURE if new is _DOWN else None,
        )
    elif effect.starts_run:
        after = _with_run(state, at, limit=at + timing.run_limit)
    elif effect.sets_last_ping:
        after = replace(state, last_ping=seen_at)
    else:
        after = state
    if new is state.status:
        return after, None
    cause = Cause.PING if signal is _SUCCESS else Cause.FAILURE
    return after, Transition(state.status, new, at, cause, effect.told)


def _with_run(state: State, at: datetime, *, limit: datetime) -> State:
    """A run may only bring the deadline nearer, and the oldest open one counts. What is DOWN has no deadline."""
    if state.status is _DOWN:
        return replace(state, run_started_at=at)
    due_at = limit if state.due_at is None else min(state.due_at, limit)
    return replace(state, run_started_at=state.run_started_at or at, due_at=due_at)


def expire(state: State, timing: Timing, *, now: datetime) -> tuple[State, Transition | None]:
    """Return the state once silence up to *now* is taken into account.

    UP while `now <= due_at`, DOWN after. A monitor that never pinged has no deadline and stays UNKNOWN; one whose
    first run was started and did not end goes DOWN. The transition bears the deadline, not the moment of noticing.
    """
    if state.due_at is None or now <= state.due_at:
        return state, None
    if state.status not in (_UP, _UNKNOWN):
        # A hand edit left it: kept, it would be found overdue again at every look.
        return replace(state, due_at=None), None
    cause = Cause.RUN_LIMIT if _is_run_awaited_first(state, timing) else Cause.SILENCE
    after = replace(state, status=_DOWN, due_at=None, blind_due_at=None, down_cause=cause)
    return after, Transition(state.status, _DOWN, state.due_at, cause, told=True)


def _is_run_awaited_first(state: State, timing: Timing) -> bool:
    """Return whether the end of an open run was due before the next ping was: a run does not excuse silence."""
    if state.run_started_at is None:
        return False
    if state.status is not _UP or state.last_ping is None:
        return True
    return state.run_started_at + timing.run_limit < state.last_ping + timing.interval + timing.grace


def deadline(state: State, timing: Timing) -> datetime | None:
    """Return the deadline that the rules give for *state*: what `due_at` should hold, blind windows apart."""
    if state.status not in (_UP, _UNKNOWN):
        return None
    expected = None
    if state.status is _UP and state.last_ping is not None:
        expected = state.last_ping + timing.interval + timing.grace
    if state.run_started_at is None:
        return expected
    limit = state.run_started_at + timing.run_limit
    return limit if expected is None else min(expected, limit)


def reschedule(
    state: State, timing: Timing, *, now: datetime, cause: Cause = Cause.EDIT
) -> tuple[State, Transition | None]:
    """Return the state under a new *timing*, and the transition that this makes.

    UP with a deadline in the past goes DOWN at once; a DOWN by silence whose new deadline lies ahead is UP again; a
    DOWN by failure stays until a success. What an edit changes, it changes from *now* on: the past is not rewritten.
    """
    if state.status is _DOWN:
        return _heal(replace(state, due_at=None) if state.due_at else state, timing, now=now, cause=cause)
    expected = deadline(state, timing)
    if state.blind_due_at is not None and state.due_at is not None and expected is not None:
        expected = max(expected, state.due_at)  # the time a blind window gave is not taken back
    after = state if expected == state.due_at else replace(state, due_at=expected)
    if expected is None or now <= expected:
        return after, None
    expired, transition = expire(after, timing, now=now)
    return expired, None if transition is None else replace(transition, occurred_at=now, cause=cause)


def _heal(state: State, timing: Timing, *, now: datetime, cause: Cause) -> tuple[State, Transition | None]:
    """What went DOWN by silence is UP again if the rules, as they are now, would not have let it go DOWN."""
    if state.down_cause is not Cause.SILENCE or state.last_ping is None:
        return state, None
    expected = state.last_ping + timing.interval + timing.grace
    if not state.last_ping <= now <= expected:  # a last_ping ahead of now: the clock was set back, nothing is known
        return state, None
    after = replace(state, status=_UP, due_at=expected, run_started_at=None, down_cause=None)
    return after, Transition(_DOWN, _UP, now, cause, told=True)


def sweep(
    state: State, timing: Timing, *, now: datetime, down_recorded_at: datetime | None = None
) -> tuple[State, Transition | None]:
    """Return the state that the rules give, healing what a bug, a set-back clock or a hand edit left behind.

    *down_recorded_at* is when the present DOWN was recorded. Where it lies ahead of *now* or behind the last ping, or
    the last sign of life ahead of *now*, the clock was set back: nothing is healed, for nothing is known to be wrong.
    """
    if down_recorded_at is not None and (
        _lies_ahead(down_recorded_at, now) or (state.last_ping is not None and down_recorded_at <= state.last_ping)
    ):
        return state, None
    if _lies_ahead(state.last_ping, now) or _lies_ahead(state.run_started_at, now):
        return expire(bound_after_step(state, timing, now=now), timing, now=now)
    expected = deadline(state, timing)
    if state.blind_due_at is not None and expected is not None and state.due_at is not None and state.due_at > expected:
        # A deadline that a blind window moved is right by design; only one that no window could have given is cut.
        furthest = now + timing.interval + timing.grace + LONGEST_EXTENSION
        if state.due_at > furthest:
            return replace(state, due_at=furthest), None
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
    if state.due_at is None:
        return state
    furthest = now + timing.interval + timing.grace
    return replace(state, due_at=furthest) if state.due_at > furthest else state


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


def excuse(state: State, timing: Timing, window: BlindWindow) -> State:
    """Return *state* with its deadline moved if a ping may have been lost while PulseMon was blind.

    Applying the same window twice changes nothing more.
    """
    if state.due_at is None or window.started_at >= state.due_at:
        return state
    awaited_from = _awaited_from(state, timing)
    # Where the deadline comes before anything is awaited, the clock was set back since: the last ping says nothing.
    if awaited_from is not None and window.ended_at <= awaited_from < state.due_at:
        return state
    moved = window.ended_at + min(timing.interval, LONGEST_EXTENSION) + timing.grace
    if moved <= state.due_at:
        return state
    return replace(state, due_at=moved, blind_due_at=state.blind_due_at or state.due_at)


def _awaited_from(state: State, timing: Timing) -> datetime | None:
    """Return since when a ping may be on its way: half an interval after the last, any time once a run is open."""
    starts = []
    if state.run_started_at is not None:
        starts.append(state.run_started_at)
    if state.status is _UP and state.last_ping is not None:
        starts.append(state.last_ping + timing.interval / 2)
    return min(starts, default=None)


def unseen(state: State, *, until: datetime) -> BlindWindow | None:
    """Return the span up to *until* of which nobody can say whether the monitor was up, because of a blind window."""
    if state.blind_due_at is None or until <= state.blind_due_at:
        return None
    return BlindWindow(state.blind_due_at, until)


class Shown(StrEnum):
    """What a reader sees: the stored status, with lateness and blindness told apart."""

    UP = "up"
    LATE = "late"
    DOWN = "down"
    PAUSED = "paused"
    WAITING = "waiting"  # no ping yet
    BLIND = "blind"  # PulseMon was blind when a ping was due


# Whoever opens a page wants to know what is wrong.
WORST_FIRST = (Shown.DOWN, Shown.BLIND, Shown.LATE, Shown.WAITING, Shown.UP, Shown.PAUSED)


def shown(state: State, timing: Timing, *, now: datetime) -> Shown:
    """Return what to show at *now*."""
    match state.status:
        case Status.DOWN:
            return Shown.DOWN
        case Status.PAUSED:
            return Shown.PAUSED
        case Status.UNKNOWN:
            return Shown.WAITING
        case Status.UP:
            if state.blind_due_at is not None and now > state.blind_due_at:
                return Shown.BLIND
            return Shown.LATE if is_late(state, timing, now=now) else Shown.UP


def is_late(state: State, timing: Timing, *, now: datetime) -> bool:
    """Return whether the interval has passed without a ping and the grace has not; counts as up."""
    return state.status is _UP and state.last_ping is not None and now > state.last_ping + timing.interval


def is_repeat(since: timedelta, timing: Timing) -> bool:
    """Return whether the same signal with the same rid, *since* the one before, is a repeat of it.

    A client that retries does so soon; the same rid half an interval (at most a day) later is another run. One that
    seems to come before it came after the clock was set back: how long after, nobody knows, so it counts.
    """
    return -_CLOCK_JITTER <= since <= min(timing.interval / 2, timedelta(hours=24))
