"""When was PulseMon blind? Two readings of the clocks tell. Pure.

A process that was stopped, a machine that slept and a clock that was set all look the same to a deadline: as if time
had passed without a ping. Comparing three clocks tells them from real silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pulsemon.core.status import BlindWindow

# Shorter hiccups are the ordinary life of a busy machine; a ping waits in the socket meanwhile and is not lost.
TOLERANCE_SEC = 1.0
# NTP moves a clock by far less between two looks; a leap second is one.
STEP_SEC = 2.0


class BlindCause(StrEnum):
    """Why PulseMon could not see."""

    RESTART = "restart"  # no process ran
    STALL = "stall"  # the process or its event loop stood still
    SUSPEND = "suspend"  # the machine slept
    CLOCK = "clock"  # the wall clock was set
    DATABASE = "database"  # nothing could be written
    REFUSED = "refused"  # pings were answered 503
    TURNED_AWAY = "turned-away"  # connections were, before anybody read what they brought
    NODE = "node"  # another node fell silent, and whatever it had received with it


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks, read together: wall time, seconds that stand still in sleep, seconds that do not."""

    wall: datetime
    monotonic: float
    boot: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A window that nobody watched. `set_back`: the wall clock went backwards, the window is empty."""

    window: BlindWindow
    cause: BlindCause
    set_back: bool = False


def compare(before: Reading, after: Reading, *, expected_sec: float) -> Finding | None:
    """Return what happened between two readings that should lie about *expected_sec* apart, or None."""
    monotonic = after.monotonic - before.monotonic
    boot = after.boot - before.boot
    wall = (after.wall - before.wall).total_seconds()
    window = BlindWindow(before.wall, max(before.wall, after.wall))
    if wall - boot < -STEP_SEC:
        return Finding(BlindWindow(after.wall, after.wall), BlindCause.CLOCK, set_back=True)
    if wall - boot > STEP_SEC:
        return Finding(window, BlindCause.CLOCK)
    if boot - monotonic > TOLERANCE_SEC:
        return Finding(window, BlindCause.SUSPEND)
    if monotonic > expected_sec + TOLERANCE_SEC:
        return Finding(window, BlindCause.STALL)
    return None


# A node that wrote less than this ago was there to take pings.
HEARTBEAT_IS_FRESH = timedelta(seconds=3)
# One that has been silent for this long stores nothing any more that it received before: longer than a ping may wait.
NODE_IS_LOST = timedelta(seconds=5)
