"""The task that opens and closes incidents by themselves; which ones, says `incidents.automatic`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from pulsemon import log
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.incidents import automatic

_log = log.get(__name__)

PAUSE_SEC = 1.5


class AutomaticIncidents:
    """It remembers nothing: the outages that make an incident are in the database."""

    def __init__(self, database: Database, *, now: Callable[[], datetime], on_changed: Callable[[], None]) -> None:
        self._database = database
        self._now = now
        self._on_changed = on_changed

    async def round(self) -> None:
        """Open and close what is due, and say so where anything was."""
        try:
            is_changed = await asyncio.to_thread(automatic.keep_up, self._database, now=self._now())
        except Unavailable as failed:
            _log.debug("incidents.unavailable", reason=str(failed))
            return
        if is_changed:
            self._on_changed()
