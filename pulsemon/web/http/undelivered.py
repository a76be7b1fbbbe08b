"""What messages do not arrive, read once for all pages that say so: about once a second, while anybody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from pulsemon.errors import Unavailable
from pulsemon.messages.undelivered import NOTHING, Overview

# In a storm of changes everybody's pages share one reading a second: 2,000 monitors cost 2 to 20 ms.
AT_MOST_EVERY = timedelta(seconds=1)
# Another node's changes move no version here while no panel is open.
LONGEST_KEPT = timedelta(seconds=10)


class UndeliveredReading:
    """Keeps the last overview. Any thread; two that ask at once may both read."""

    def __init__(self, read: Callable[[], Overview]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: tuple[Overview, int, datetime] | None = None

    def at(self, version: int, now: datetime) -> Overview:
        """Return the overview: anew after a change, that is another *version*. Where the database is away, the last."""
        with self._lock:
            kept = self._kept
        if kept is not None and _is_fresh(kept[2], now, is_same=kept[1] == version):
            return kept[0]
        try:
            found = self._read()
        except Unavailable:
            return NOTHING if kept is None else kept[0]
        with self._lock:
            self._kept = (found, version, now)
        return found


def _is_fresh(read_at: datetime, now: datetime, *, is_same: bool) -> bool:
    # An age below zero: the clock was set back.
    return timedelta(0) <= now - read_at < (LONGEST_KEPT if is_same else AT_MOST_EVERY)
