"""What a reader sees of a state: lateness and blindness told apart from what is stored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pulsemon.core.status import State, Status
from pulsemon.core.timing import Timing
from pulsemon.core.uptime import Span


class Shown(StrEnum):
    """What a reader sees: the stored status, with lateness and blindness told apart."""

    UP = "up"
    LATE = "late"
    DOWN = "down"
    PAUSED = "paused"
    WAITING = "waiting"  # no ping yet
    BLIND = "blind"  # PulseMon was blind when a ping was due
    MAINTENANCE = "maintenance"  # whatever it is otherwise, a pause excepted


# Whoever opens a page wants to know what is wrong.
WORST_FIRST = (Shown.DOWN, Shown.BLIND, Shown.LATE, Shown.MAINTENANCE, Shown.WAITING, Shown.UP, Shown.PAUSED)


def covers(spans: Iterable[Span], now: datetime) -> bool:
    """Return whether one of *spans* holds at *now*."""
    return any(span.start <= now < span.end for span in spans)


def shown(state: State, timing: Timing, *, now: datetime, maintenance: Iterable[Span] = ()) -> Shown:
    """Return what to show at *now*; *maintenance*: the windows that concern the monitor."""
    if state.status is not Status.PAUSED and covers(maintenance, now):
        return Shown.MAINTENANCE
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
    if state.status is not Status.UP or state.last_ping is None:
        return False
    expected = timing.expected_after(timing.owed_from(state.last_ping))
    return expected is not None and now > expected
