"""What a reader sees of a state: lateness and blindness told apart from what is stored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pulsemon.core.status import State, Status
from pulsemon.core.timing import Timing


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
    if state.status is not Status.UP or state.last_ping is None:
        return False
    expected = timing.expected_after(timing.owed_from(state.last_ping))
    return expected is not None and now > expected
