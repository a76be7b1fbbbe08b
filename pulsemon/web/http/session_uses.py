"""When users' sessions were used last: noted in memory, written after an answer, every few minutes for each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from pulsemon import clock, log
from pulsemon.accounts import sessions
from pulsemon.db import Database

_log = log.get(__name__)

WRITTEN_EVERY = timedelta(minutes=5)
PAUSE_SEC = 60.0
_MAX_SESSIONS = 10_000


class SessionUses:
    """What is to be written. Any thread."""

    def __init__(self) -> None:
        self._noted_at: OrderedDict[str, datetime] = OrderedDict()
        self._unsaved: dict[str, tuple[datetime, str | None]] = {}
        self._next_care_at = 0.0  # monotonic
        self._lock = threading.Lock()

    def note(self, session_id: str, remote_addr: str | None, *, now: datetime) -> None:
        """The session was used, from there."""
        id_hash = sessions.hash_of(session_id)
        with self._lock:
            noted_at = self._noted_at.get(id_hash)
            if noted_at is not None and timedelta(0) <= now - noted_at < WRITTEN_EVERY:
                return
            self._noted_at[id_hash] = now
            self._noted_at.move_to_end(id_hash)
            if len(self._noted_at) > _MAX_SESSIONS:
                self._noted_at.popitem(last=False)
            self._unsaved[id_hash] = (now, remote_addr)

    @property
    def needs_care(self) -> bool:
        """Return whether `care` has something to write."""
        return bool(self._unsaved) and clock.monotonic() >= self._next_care_at

    def care(self, database: Database) -> None:
        """Write it. What fails is tried again later."""
        with self._lock:
            if not self.needs_care:
                return
            unsaved, self._unsaved = self._unsaved, {}
        try:
            sessions.write_seen(database, unsaved)
        except Exception as failed:  # after the answer: nobody is left to be told
            _log.warning("sessions.not_written", reason=str(failed))
            with self._lock:
                self._unsaved = unsaved | self._unsaved
                self._next_care_at = clock.monotonic() + PAUSE_SEC
