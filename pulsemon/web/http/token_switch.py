"""Whether the admin token opens anything, known without asking the database with every request.

It is looked for at the start, after it was switched here, and every few seconds after an answer: another node may have
switched it, or its command line, or the owner with a second factor for whom it was switched off is gone.
"""

from __future__ import annotations

import threading

from pulsemon import clock, log
from pulsemon.accounts import admin_token
from pulsemon.db import Database

_log = log.get(__name__)

LOOK_SEC = 5.0


class TokenSwitch:
    """What was found last. Any thread."""

    def __init__(self) -> None:
        self.is_on = True
        self._next_look_at = 0.0  # monotonic
        self._lock = threading.Lock()

    @property
    def needs_care(self) -> bool:
        """Return whether `care` should look again."""
        return clock.monotonic() >= self._next_look_at

    def care(self, database: Database) -> None:
        """Look, unless somebody did a moment ago. A database that is away changes nothing."""
        with self._lock:
            if not self.needs_care:
                return
            self._next_look_at = clock.monotonic() + LOOK_SEC
        try:
            self.look(database)
        except Exception as failed:  # after the answer: nobody is left to be told
            _log.warning("admin_token.not_looked_at", reason=str(failed))

    def look(self, database: Database) -> None:
        """Look now."""
        self.is_on = admin_token.is_on(database)
