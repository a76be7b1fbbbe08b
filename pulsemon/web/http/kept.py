"""What costs the database a look at many rows, kept for a moment and shared by all who ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# What was read holds for a second at least, and for so many times as long as it took to read: with 100,000 monitors
# nobody's page costs more than a small part of a core.
FRESH_SEC = 1.0
SHARE = 25
STALE_SEC = 15.0


class Kept(Generic[T]):
    """The last reading. Any thread: one reads, and whoever comes meanwhile gets what there was, if there was any."""

    def __init__(self, read: Callable[[], T], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._monotonic = monotonic
        self._reading = threading.Lock()
        self._value: tuple[T, float] | None = None  # and until when it holds

    def get(self) -> T:
        """Return what was read last, or read it anew where that is too old. Raises what reading raises."""
        kept = self._value
        if kept is not None and (self._monotonic() < kept[1] or self._reading.locked()):
            return kept[0]
        with self._reading:
            kept = self._value
            began = self._monotonic()
            if kept is None or began >= kept[1]:
                value = self._read()
                ended = self._monotonic()
                kept = (value, ended + min(STALE_SEC, max(FRESH_SEC, SHARE * (ended - began))))
                self._value = kept
            return kept[0]
