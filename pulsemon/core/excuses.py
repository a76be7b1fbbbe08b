"""What blind windows excuse: deadlines that they move, and how far all of them together may move one. Pure.

A dead job and a living one whose every ping falls into a window look alike, so patience has an end: it is measured in
the time that somebody watched. docs/decisions/0006-blind-windows.md
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import accumulate

from pulsemon.core import open_runs
from pulsemon.core.open_runs import Run
from pulsemon.core.status import LONGEST_EXTENSION, BlindWindow, State, Status, first_due, is_held_back, silent_at
from pulsemon.core.timing import Timing
from pulsemon.core.uptime import merged


class Unwatched:
    """The union of blind windows, over causes and nodes. Every question costs the logarithm of their number."""

    def __init__(self, windows: Iterable[BlindWindow]) -> None:
        apart = merged(windows)
        self._starts = [each.started_at for each in apart]
        self._ends = [each.ended_at for each in apart]
        # How much of it lies before each window; one more for all of it.
        lengths = (each.ended_at - each.started_at for each in apart)
        self._before = list(accumulate(lengths, initial=timedelta(0)))
        # Where each window lies on a clock that stands still while nobody watches.
        self._watched = [start - before for start, before in zip(self._starts, self._before, strict=False)]

    def begun_before(self, instant: datetime) -> BlindWindow | None:
        """Return the last window that began before *instant*."""
        index = bisect_left(self._starts, instant) - 1
        return BlindWindow(self._starts[index], self._ends[index]) if index >= 0 else None

    def count(self, since: datetime, until: datetime) -> int:
        """Return how many separate windows ended after *since* and began before *until*."""
        return max(0, bisect_left(self._starts, until) - bisect_right(self._ends, since))

    def reached(self, since: datetime, seen: timedelta) -> datetime:
        """Return the first instant up to which somebody watched for *seen*, more than nothing, since an instant."""
        target = since - self._blind_until(since) + seen
        return target + self._before[bisect_left(self._watched, target)]

    def _blind_until(self, instant: datetime) -> timedelta:
        index = bisect_left(self._starts, instant)
        if index == 0:
            return timedelta(0)
        return self._before[index - 1] + min(instant, self._ends[index - 1]) - self._starts[index - 1]


def excuse(state: State, timing: Timing, unwatched: Unwatched) -> State:
    """Return *state* with its deadline moved if a ping may have been lost while PulseMon was blind.

    *unwatched* are all windows that end after `awaited_since`. Doing it again changes nothing more.
    """
    if state.due_at is None:
        return state
    awaited_from = _awaited_from(state, timing)
    while (due_at := state.due_at) is not None and (window := unwatched.begun_before(due_at)) is not None:
        # Where the deadline comes before anything is awaited, the clock was set back since: the last ping says nothing.
        if awaited_from is not None and window.ended_at <= awaited_from < due_at:
            break
        state = _moved(state, timing, window, unwatched)
        if state.due_at == due_at:
            break
    return state


def extension(timing: Timing) -> timedelta:
    """Return how long after a blind window the next ping may come."""
    return min(timing.interval, LONGEST_EXTENSION) + timing.grace


def awaited_since(state: State) -> datetime | None:
    """Return since when windows count for *state*; None: nothing is awaited."""
    if state.due_at is None:
        return None
    starts = [run.started_at for run in open_runs.watched(state.runs)]
    if state.last_ping is not None:
        starts.append(state.last_ping)
    return min(starts, default=None)


def _moved(state: State, timing: Timing, window: BlindWindow, unwatched: Unwatched) -> State:
    """Return *state* with all the time that its last window gives."""
    moved = window.ended_at + extension(timing)

    def run_due_at(run: Run) -> datetime:
        return min(moved, unwatched.reached(run.started_at, timing.run_limit + extension(timing)))

    runs = open_runs.extend(state.runs, window.started_at, window.ended_at, run_due_at)
    silent = None if is_held_back(state, timing) else min(moved, _patience_ends_at(state, timing, unwatched) or moved)
    # A run that began when the window was over, or has more time left than the window gave, is due as it was.
    due_at = first_due(silent, runs) or moved
    if state.due_at is None or due_at <= state.due_at:
        return state if runs is state.runs else state._replace(runs=runs)
    return state._replace(due_at=due_at, runs=runs, blind_due_at=state.blind_due_at or state.due_at)


def _patience_ends_at(state: State, timing: Timing, unwatched: Unwatched) -> datetime | None:
    """Return the latest deadline that any number of windows may give to a missing ping; None: none is missing."""
    expected = silent_at(state, timing)
    if expected is None or state.last_ping is None:
        return None
    first_deadline = state.blind_due_at or state.due_at
    if first_deadline is not None and first_deadline < state.last_ping:
        # The clock was set back since the last ping: what is known is the deadline that it was given then.
        period = timing.interval + timing.grace
        return unwatched.reached(first_deadline - period, period + extension(timing))
    return unwatched.reached(state.last_ping, expected - state.last_ping + extension(timing))


def _awaited_from(state: State, timing: Timing) -> datetime | None:
    """Return since when a ping may be on its way: from the last on, or from the start of a run that is open."""
    starts = []
    if (run_started_at := open_runs.open_since(open_runs.watched(state.runs))) is not None:
        starts.append(run_started_at)
    if state.status is Status.UP and state.last_ping is not None:
        starts.append(timing.owed_from(state.last_ping))
    return min(starts, default=None)
