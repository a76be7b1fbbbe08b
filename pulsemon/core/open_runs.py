"""The open runs of a monitor: begun by a start, ended by a success or a failure, each with its own limit.

A run is known by its `rid`; the empty one stands for all that bring none, of which only one can be told from the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

# What a monitor is watched for at once. A client that starts and never ends must not make every later ping dearer.
MAX_OPEN = 50
ANONYMOUS = ""


# A tuple: one is made for every start and every end, and a frozen dataclass takes three times as long.
class Run(NamedTuple):
    """One run that has not ended. It may go on until `due_at`; one that did is overdue, and made the monitor DOWN."""

    rid: str
    started_at: datetime
    due_at: datetime
    is_overdue: bool = False


# In the order in which they began.
Runs = tuple[Run, ...]


def begin(runs: Runs, rid: str, *, at: datetime, limit: timedelta) -> Runs:
    """Return *runs* with one that starts at *at*.

    A second start of the same run gives it no more time. What is overdue has been told, or would be if a blind window
    had not given it time, and the next start shows that the job went on without it: it is forgotten. Beyond `MAX_OPEN`
    the oldest are watched, for they are due first.
    """
    left = tuple(run for run in runs if not run.is_overdue and not _is_past_excused(run, at, limit))
    if len(left) >= MAX_OPEN or any(run.rid == rid for run in left):
        return left if len(left) < len(runs) else runs
    return (*left, Run(rid, at, at + limit))


def _is_past_excused(run: Run, at: datetime, limit: timedelta) -> bool:
    """Its end was probably lost while nobody watched; where nothing moved its limit, passing that is told."""
    return run.started_at + limit < at and run.started_at + limit < run.due_at


def ended_by(runs: Runs, rid: str) -> Run | None:
    """Return the run that a success or failure with *rid* ends.

    Its own; else the one without a rid; else, where the end has no rid, the only one that is open. Of several it
    could mean any, and ends none.
    """
    for run in runs:
        if run.rid == rid:
            return run
    for run in runs:
        if run.rid == ANONYMOUS:
            return run
    return runs[0] if rid == ANONYMOUS and len(runs) == 1 else None


def without(runs: Runs, ended: Run | None) -> Runs:
    """Return *runs* but the one that ended."""
    return runs if ended is None else tuple(run for run in runs if run is not ended)


def watched(runs: Runs) -> Runs:
    """Return those whose limit has not been told of."""
    return tuple(run for run in runs if not run.is_overdue)


def due_first(runs: Runs) -> datetime | None:
    """Return when the first of those that are watched has to end."""
    return min((run.due_at for run in runs if not run.is_overdue), default=None)


def open_since(runs: Runs) -> datetime | None:
    """Return when the oldest began, overdue or not."""
    return min((run.started_at for run in runs), default=None)


def begun_last(runs: Runs) -> datetime | None:
    """Return the latest start, overdue or not: where a clock was set back it need not be that of the last run."""
    return max((run.started_at for run in runs), default=None)


def mark_overdue(runs: Runs, *, now: datetime) -> Runs:
    """Return *runs* with those marked whose limit has passed by *now*; the same value where there is none."""
    if not any(now > run.due_at and not run.is_overdue for run in runs):
        return runs
    return tuple(run._replace(is_overdue=True) if now > run.due_at else run for run in runs)


def limit_anew(runs: Runs, limit: timedelta, *, is_excused: bool) -> Runs:
    """Return *runs* under a new *limit*. Where a blind window gave time (*is_excused*), it is not taken back."""
    return _moved(runs, lambda run: max(run.started_at + limit, run.due_at if is_excused else run.started_at))


def bound(runs: Runs, latest: datetime) -> Runs:
    """Return *runs* with no limit after *latest*."""
    return _moved(runs, lambda run: min(run.due_at, latest))


def extend(runs: Runs, blind_from: datetime, blind_until: datetime, until: Callable[[Run], datetime]) -> Runs:
    """Return *runs* with more time, *until* so long, for those whose end may have been lost in a blind window."""

    def due_at(run: Run) -> datetime:
        may_be_lost = run.started_at < blind_until and blind_from < run.due_at
        return max(run.due_at, until(run)) if may_be_lost else run.due_at

    return _moved(runs, due_at)


def _moved(runs: Runs, due_at: Callable[[Run], datetime]) -> Runs:
    moved = tuple(run if run.is_overdue else run._replace(due_at=due_at(run)) for run in runs)
    return runs if moved == runs else moved


def in_order(runs: Iterable[Run]) -> Runs:
    """Return *runs*, however they were read, in the order in which they began."""
    return tuple(sorted(runs, key=lambda run: (run.started_at, run.rid)))
