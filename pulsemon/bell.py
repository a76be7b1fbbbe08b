"""Wakes a task that sleeps: whoever writes something rings, and the worker that waits for it looks at once."""

from __future__ import annotations

import asyncio


class Bell:
    """Rung by many, heard by one. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or whoever waits next; several rings that nobody heard yet are one."""
        self._rung.set()

    async def rings_within(self, seconds: float) -> bool:
        """Wait for a ring; return whether one came in time. It is heard once."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True
