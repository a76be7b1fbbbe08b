"""The task that tells open panels what other nodes changed; what this node changes they hear at once, without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulsemon.bell import Bell
from pulsemon.db import Database
from pulsemon.db.versions import read_version
from pulsemon.errors import Unavailable

WATCH_SEC = 1.0
# In a storm of changes the version is read at most this often; less than a panel rests between two events, so that what
# is in the version is also in what the panel fetches next.
PAUSE_SEC = 0.05


class Watch:
    """What was last seen of the changes on all nodes. The loop's thread only."""

    def __init__(self, database: Database, *, panel_count: Callable[[], int], tell_panels: Callable[[], None]) -> None:
        self._database = database
        self._panel_count = panel_count
        self._tell_panels = tell_panels
        self._bell = Bell()
        self._seen_version: tuple[int, str] | None = None

    def wake(self) -> None:
        """Open panels were just told: take the version now, so that the same change is not told again."""
        self._bell.ring()

    async def round(self) -> None:
        """Wait a second, or until somebody told the panels, and look; while no panel is open nobody asks."""
        is_told = await self._bell.rings_within(WATCH_SEC)
        if not is_told and not self._panel_count():
            return
        try:
            version = await asyncio.to_thread(self._version)
        except Unavailable:
            return
        # The first look finds a change too: what was written before it may not be on the page that is open.
        if not is_told and version != self._seen_version:
            self._tell_panels()
        self._seen_version = version

    def _version(self) -> tuple[int, str]:
        with self._database.read() as connection:
            return read_version(connection)
