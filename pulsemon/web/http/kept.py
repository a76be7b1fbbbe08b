"""What costs the database a look at many rows, kept for a moment and shared by all who ask."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
# Readings that are of one thing each, such as a project, are kept of so many of them: those that were asked for last.
MAX_KEPT = 64

# Renewed once a second at most, and so many times as seldom as long as it took to read: with 100,000 monitors nobody's
# page costs more than a small part of a core.
FRESH_SEC = 1.0
SHARE = 25
# So old it may be when it is asked for: whoever opens a page does not wait for what was read a moment ago.
STALE_SEC = 15.0


class _Reading(NamedTuple, Generic[T]):
    value: T
    version: object
    turn: int
    read_at: float  # by the monotonic clock, as all here
    took_sec: float


class Kept(Generic[T]):
    """The last reading. Any thread: one reads, and whoever comes meanwhile gets what there was, if there was any.

    *version*, which is asked each time, says whether what was read still holds: whoever made it another one by an
    action of his own is never shown what was there before. Of what else changes, `renew` takes note: call it when an
    answer is out that was made of this.
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

    @property
    def turn(self) -> int:
        """Return a number that grows whenever something else was read than before."""
        return 0 if self._kept is None else self._kept.turn

    def get(self) -> T:
        """Return what was read last, or read it anew where that is too old. Raises what reading raises."""
        version, kept = self._version(), self._kept
        if kept is not None and kept.version == version and (self._is_usable(kept) or self._reading.locked()):
            return kept.value
        with self._reading:
            kept = self._kept
            if kept is None or kept.version != version or not self._is_usable(kept):
                kept = self._read_anew(version)
            return kept.value

    def renew(self) -> None:
        """Read it anew, unless somebody does or that would be too often. Raises what reading raises."""
        version, kept = self._version(), self._kept
        if kept is not None and kept.version == version and self._is_young(kept):
            return
        if self._reading.acquire(blocking=False):
            try:
                self._read_anew(version)
            finally:
                self._reading.release()

    def _is_usable(self, kept: _Reading[T]) -> bool:
        return self._monotonic() - kept.read_at < STALE_SEC

    def _is_young(self, kept: _Reading[T]) -> bool:
        return self._monotonic() - kept.read_at < min(STALE_SEC, max(FRESH_SEC, SHARE * kept.took_sec))

    def _read_anew(self, version: object) -> _Reading[T]:
        before, began = self._kept, self._monotonic()
        value = self._read()
        ended = self._monotonic()
        turn = 0 if before is None else before.turn + (before.value != value)
        self._kept = _Reading(value, version, turn, ended, ended - began)
        return self._kept


class KeptOfEach(Generic[T]):
    """Such a reading of each of many things, by their ids; of what was not asked for lately nothing is kept."""

    def __init__(self, read: Callable[[int], T], *, version: Callable[[], object], most: int = MAX_KEPT) -> None:
        self._read = read
        self._version = version
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Kept[T]] = OrderedDict()

    def of(self, which: int) -> T:
        """Return what was read last of one, or read it anew where that is too old. Raises what reading raises."""
        with self._lock:
            found = self._kept.get(which)
            if found is None:
                found = self._kept[which] = Kept(partial(self._read, which), version=self._version)
            self._kept.move_to_end(which)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found.get()
