"""When each key was used last, to the minute, and from where: written after an answer, never with a request."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from pulsemon import clock, log
from pulsemon.accounts import keys
from pulsemon.accounts.keys import Use
from pulsemon.db import Database

_log = log.get(__name__)

# How soon a write that failed is tried again.
PAUSE_SEC = 60.0
# Of so many it is known that they were used within this minute; of another one it is written once more.
_MAX_KEYS = 10_000


class KeyUses:
    """The uses of keys that are not written yet. Any thread."""

    def __init__(self) -> None:
        self._last: OrderedDict[int, datetime] = OrderedDict()
        self._unsaved: dict[int, Use] = {}
        self._next_care_at = 0.0  # monotonic
        self._lock = threading.Lock()

    def note(self, key_id: int, address: str | None, *, now: datetime) -> None:
        """A key, by its id, was used from *address*."""
        minute = now.replace(second=0, microsecond=0)
        if self._last.get(key_id) == minute:
            return
        with self._lock:
            self._last[key_id] = minute
            self._last.move_to_end(key_id)
            if len(self._last) > _MAX_KEYS:
                oldest, _ = self._last.popitem(last=False)
                self._unsaved.pop(oldest, None)
            self._unsaved[key_id] = Use(minute, address)

    @property
    def needs_care(self) -> bool:
        """Return whether `care` has something to write."""
        return bool(self._unsaved) and clock.monotonic() >= self._next_care_at

    def care(self, database: Database) -> None:
        """Write what is not written yet. What fails is tried again later."""
        with self._lock:
            if not self.needs_care:
                return
            unsaved, self._unsaved = self._unsaved, {}
        try:
            keys.write_uses(database, unsaved)
        except Exception as failed:  # after the answer: nobody is left to be told
            _log.warning("key_uses.not_kept", reason=str(failed))
            with self._lock:
                self._unsaved = unsaved | self._unsaved
                self._next_care_at = clock.monotonic() + PAUSE_SEC
