"""Going by the database's clock, so that several nodes agree whatever their machines think.

A node stamps pings and judges deadlines by `clock.now`. On PostgreSQL that is the database's clock: measured before
anything is stamped or judged, looked at again every few seconds. SQLite's is this machine's, and nothing is measured.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pulsemon import clock, log
from pulsemon.db import Database
from pulsemon.errors import Unavailable

_log = log.get(__name__)

MEASURE_SEC = 2.0
# Less is what clocks that are kept in step differ by, and correcting it would only make `now` jump to and fro.
_TOLERANCE = timedelta(milliseconds=50)
# The owner is told from here on: nothing goes wrong, but something is wrong with that machine.
OFF = timedelta(seconds=2)


class Timekeeping:
    """What is known of the difference between this machine's clock and the database's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_measured = False
        self._told = timedelta(0)

    def look(self) -> None:
        """Measure, and correct `clock.now` where it is off.

        Raises:
            Unavailable: the database did not answer; what was measured before goes on.
        """
        measured = self._database.measure_clock(clock.now)
        if measured is None:
            return
        is_off = abs(measured.offset) > measured.within + _TOLERANCE
        if is_off and self._is_measured and abs(measured.offset) > OFF:
            _log.warning("clock.database_was_set", seconds=round(measured.offset.total_seconds(), 3))
        clock.correct_by(measured.offset if is_off else timedelta(0))
        self._is_measured = True
        self._tell(clock.wall_is_ahead_by())

    async def round(self) -> None:
        """Measure once more; while the database does not answer, what was measured before goes on."""
        try:
            await asyncio.to_thread(self.look)
        except Unavailable as failed:
            _log.debug("clock.unavailable", reason=str(failed))

    def close(self) -> None:
        """Let the process go by its machine's clock again."""
        if self._is_measured:
            clock.go_by_the_wall()

    def ahead_sec(self) -> float:
        """Return how far this machine's clock is ahead of the database's, in seconds."""
        return clock.wall_is_ahead_by().total_seconds()

    def warning(self) -> str | None:
        """Return what the owner should know of this machine's clock, or None."""
        ahead = clock.wall_is_ahead_by()
        if abs(ahead) < OFF:
            return None
        words = "ahead of" if ahead > timedelta(0) else "behind"
        return (
            f"this machine's clock is {abs(ahead).total_seconds():.0f} s {words} the database's, "
            "by which PulseMon goes: see to its time synchronisation"
        )

    def _tell(self, ahead: timedelta) -> None:
        """Log a difference that is new."""
        if abs(ahead - self._told) < OFF:
            return
        self._told = ahead
        seconds = round(ahead.total_seconds(), 3)
        if abs(ahead) < OFF:
            _log.info("clock.agrees", ahead_sec=seconds)
        else:
            _log.warning("clock.off", ahead_sec=seconds, reason="this machine's clock is not the database's")
