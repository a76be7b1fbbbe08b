"""The only reader of clocks. Everybody else gets instants as arguments.

Three clocks are read, because each one hides something that another shows: the wall clock can be set, the
monotonic clock stands still while the machine sleeps, the boot clock does neither.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pulsemon.core.blindness import Reading

# Linux only. Elsewhere a sleep that the monotonic clock does not count shows as a step of the wall clock instead.
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> datetime:
    """Return the present instant, aware and in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place


def monotonic() -> float:
    """Return seconds on a clock that never goes back; for waits and durations only."""
    return time.monotonic()


def boot_seconds() -> float:
    """Return seconds since the machine started, the time it slept included where the system can tell."""
    if _BOOTTIME is not None:
        return time.clock_gettime(_BOOTTIME)
    return time.monotonic()


def read() -> Reading:
    """Return all clocks at (nearly) one moment."""
    return Reading(wall=now(), monotonic=monotonic(), boot=boot_seconds())
