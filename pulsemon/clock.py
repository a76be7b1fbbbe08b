"""The only reader of the time of day. Everybody else gets instants as arguments.

Three clocks are read, because each one hides something that another shows: the wall clock can be set, the
monotonic clock stands still while the machine sleeps, the boot clock does neither.

Several nodes on one PostgreSQL go by the database's clock (`operations.timekeeping`): from `correct_by` on, `now` is
counted on from there by the boot clock, and what becomes of this machine's wall clock changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from pulsemon.core.blindness import Reading

# Linux only. Elsewhere a sleep that the monotonic clock does not count shows as a step of the wall clock instead.
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_boot: Callable[[], float] = time.monotonic if _BOOTTIME is None else partial(time.clock_gettime, _BOOTTIME)

# When the boot clock stood at zero, in seconds since 1970 by the clock that is gone by; None: by the wall clock.
_zero: float | None = None


def now() -> datetime:
    """Return the present instant, aware and in UTC."""
    if _zero is None:
        return datetime.now(UTC)  # noqa: TID251 - this is the one place
    return datetime.fromtimestamp(_zero + _boot(), UTC)


def correct_by(offset: timedelta) -> None:
    """Let `now` be later by *offset* from here on, and independent of this machine's wall clock."""
    global _zero
    zero = time.time() - _boot() if _zero is None else _zero  # noqa: TID251 - it becomes the clock
    _zero = zero + offset.total_seconds()


def go_by_the_wall() -> None:
    """Take every correction back."""
    global _zero
    _zero = None


def wall_is_ahead_by() -> timedelta:
    """Return how far this machine's wall clock is ahead of the clock that is gone by; negative: it is behind."""
    zero = _zero
    return timedelta(0) if zero is None else timedelta(seconds=time.time() - _boot() - zero)  # noqa: TID251


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for waits and durations only."""
    return time.monotonic()


def boot_seconds() -> float:
    """Return seconds since the machine started, the time it slept included where the system can tell."""
    return _boot()


def read() -> Reading:
    """Return all clocks at (nearly) one moment."""
    return Reading(wall=now(), monotonic=monotonic(), boot=boot_seconds())
