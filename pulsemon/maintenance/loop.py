"""The task that sleeps until a window of maintenance is due for something; `maintenance.ticks` does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from pulsemon import log
from pulsemon.bell import Bell
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.maintenance import ticks

_log = log.get(__name__)

# Edits of this node are looked at at once. Only what another one edited right before it died waits so long.
LOOK_SEC = 10.0
# A window is noticed so soon after its time; not oftener, where another node is at it.
PAUSE_SEC, MAX_SLEEP_SEC = 0.1, 1.0


class MaintenanceTicks:
    """When the next step is due. The loop's thread only."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], on_changed: Callable[[], None]) -> None:
        self._database = database
        self._now = now
        self._on_changed = on_changed
        self._bell = Bell()
        self._next_at: datetime | None = None

    def wake(self) -> None:
        """Look now: a plan was edited, or a message was written, which may be one that is held back."""
        self._bell.ring()

    async def round(self) -> None:
        """Sleep until the next step of a window, and take it."""
        now = self._now()
        rest_sec = 0.0 if self._next_at is None else (self._next_at - now).total_seconds()
        is_woken = await self._bell.rings_within(min(max(rest_sec, 0.0), MAX_SLEEP_SEC))
        now = self._now()
        if not is_woken and self._next_at is not None and now < self._next_at:
            return
        try:
            ticked = await asyncio.to_thread(ticks.tick, self._database, now=now)
        except Unavailable as failed:
            _log.warning("maintenance.unavailable", reason=str(failed))
            self._next_at = now + timedelta(seconds=MAX_SLEEP_SEC)
            return
        latest = now + timedelta(seconds=LOOK_SEC)
        self._next_at = min(latest, ticked.next_at or latest)
        if ticked.step_count or ticked.message_count:
            _log.info("maintenance.changed", steps=ticked.step_count, messages=ticked.message_count)
            self._on_changed()
