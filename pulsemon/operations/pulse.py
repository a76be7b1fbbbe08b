"""The event loop's own sign of life: it reads the pings, and while it stands still nobody does.

The evaluating thread looks at it. The same task does the little that has to be done a few times a second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pulsemon import clock
from pulsemon.core.status import BlindWindow
from pulsemon.deadlines.loop import LOOP_IS_STALLED_SEC
from pulsemon.operations.doorway import Doorway

PULSE_SEC = 0.25


class Pulse:
    """When the event loop last ran, and the spans in which it did not."""

    def __init__(self, doorway: Doorway, *, give_up_on_old_pings: Callable[[], None]) -> None:
        self._doorway = doorway
        self._give_up_on_old_pings = give_up_on_old_pings
        self._last_at = clock.monotonic()
        self._stalls: deque[BlindWindow] = deque()

    def begin(self) -> None:
        """The start of the process took its time: count from here."""
        self._last_at = clock.monotonic()

    def last_at(self) -> float:
        """Return when the event loop last ran, on the monotonic clock. Safe in any thread."""
        return self._last_at

    def take_stalls(self) -> list[BlindWindow]:
        """In the evaluation's thread: the spans in which the event loop stood still, each told once."""
        taken = []
        while self._stalls:
            taken.append(self._stalls.popleft())
        return taken

    async def run(self) -> None:
        """Give a sign of life a few times a second, until cancelled."""
        before = clock.read()
        while True:
            now = clock.read()
            if now.monotonic - before.monotonic > LOOP_IS_STALLED_SEC:
                # Before the sign of life: whoever sees that the loop runs again finds the stall behind it.
                self._stalls.append(BlindWindow(before.wall, max(before.wall, now.wall)))
            self._doorway.look(now.wall)
            before, self._last_at = now, now.monotonic
            self._give_up_on_old_pings()
            await asyncio.sleep(PULSE_SEC)
