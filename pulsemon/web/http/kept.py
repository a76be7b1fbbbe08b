"""What costs the database a look at many rows, kept for a moment and shared by all who ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

# What was read holds for a second at least, and for so many times as long as it took to read: with 100,000 monitors
# nobody's page costs more than a small part of a core.
FRESH_SEC = 1.0
SHARE = 25
STALE_SEC = 15.0


class _Reading(NamedTuple, Generic[T]):
    value: T
    version: object
    until: float  # by the monotonic clock


class Kept(Generic[T]):
    """The last reading. Any thread: one reads, and whoever comes meanwhile gets what there was, if there was any.

    *version*, which is asked each time, says whether what was read still holds: whoever made it another one by an
    action of his own is never shown what was there before.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        version: Callable[[], object] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._version = version
        self._monotonic = monotonic
        self._reading = threading.Lock()
        self._kept: _Reading[T] | None = None

    def get(self) -> T:
        """Return what was read last, or read it anew where that is too old. Raises what reading raises."""
        version, kept = self._version(), self._kept
        if kept is not None and kept.version == version and (self._is_young(kept) or self._reading.locked()):
            return kept.value
        with self._reading:
            kept = self._kept
            if kept is None or kept.version != version or not self._is_young(kept):
                began = self._monotonic()
                value = self._read()
                ended = self._monotonic()
                until = ended + min(STALE_SEC, max(FRESH_SEC, SHARE * (ended - began)))
                self._kept = kept = _Reading(value, version, until)
            return kept.value

    def _is_young(self, kept: _Reading[T]) -> bool:
        return self._monotonic() < kept.until
