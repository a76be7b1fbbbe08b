"""Where the right token or password came from in the last thirty days: from there it is let in while others guess.

Kept is a keyed hash of the address and of what was right, so that a new token makes all of them strangers, and a stolen
database tells no address from which the admin token came (of readers of pages it does to whoever tries all there are,
unless ADMIN_SESSION_SECRET is set: the key lies beside it). Read once from the database, when somebody is wrong for the
first time, and again when another node may know more; written once a day for each address, after an answer, never with
a request.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from pulsemon import clock, log
from pulsemon.accounts import access
from pulsemon.db import Database

_log = log.get(__name__)

# An address is written again after so long, so that it does not cost a write each time.
RENEWED_AFTER = timedelta(days=1)
# How often another node's are looked for, and how soon a write that failed is tried again.
PAUSE_SEC = 60.0


class KnownAddresses:
    """The addresses of those who were right, by *kind* (a key of `access.MAX_KNOWN`). Any thread."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode("utf-8", "surrogatepass")
        self._seen_at: dict[str, OrderedDict[str, datetime]] = {kind: OrderedDict() for kind in access.MAX_KNOWN}
        self._unsaved: dict[tuple[str, str], datetime] = {}
        self._next_care_at = 0.0  # monotonic
        self._lock = threading.Lock()
        # Somebody was wrong: what the database knows is of use now.
        self.is_wanted = False

    def holds(self, kind: str, door: str, who: str, *, now: datetime) -> bool:
        """Return whether what opens *door* came from *who* lately."""
        seen_at = self._seen_at[kind].get(self._hash(door, who))
        return seen_at is not None and now - seen_at < access.KNOWN_FOR

    def note(self, kind: str, door: str, who: str, *, now: datetime) -> None:
        """What opens *door* has come from *who*."""
        hashed = self._hash(door, who)
        seen_at = self._seen_at[kind].get(hashed)
        if seen_at is not None and now - seen_at < RENEWED_AFTER:
            return
        with self._lock:
            self._put(kind, hashed, now)
            self._unsaved[kind, hashed] = now

    @property
    def needs_care(self) -> bool:
        """Return whether `care` has something to write or to read."""
        return bool(self._unsaved or self.is_wanted) and clock.monotonic() >= self._next_care_at

    def care(self, database: Database, *, now: datetime) -> None:
        """Write who was right, and read what other nodes wrote. What fails is tried again later."""
        with self._lock:
            if not self.needs_care:
                return
            unsaved, self._unsaved = self._unsaved, {}
            is_wanted, self.is_wanted = self.is_wanted, False
            if is_wanted:
                self._next_care_at = clock.monotonic() + PAUSE_SEC
        try:
            if unsaved:
                access.write_known_addresses(database, unsaved, now=now)
            if is_wanted:
                self._take(access.read_known_addresses(database, now=now))
        except Exception as failed:  # after the answer: nobody is left to be told
            _log.warning("addresses.not_kept", reason=str(failed))
            with self._lock:
                self._unsaved = unsaved | self._unsaved
                self.is_wanted = is_wanted or self.is_wanted
                self._next_care_at = clock.monotonic() + PAUSE_SEC

    def _take(self, found: dict[tuple[str, str], datetime]) -> None:
        with self._lock:
            for (kind, hashed), seen_at in sorted(found.items(), key=lambda each: each[1]):
                if seen_at > self._seen_at[kind].get(hashed, datetime.min.replace(tzinfo=seen_at.tzinfo)):
                    self._put(kind, hashed, seen_at)

    def _put(self, kind: str, hashed: str, seen_at: datetime) -> None:
        kept = self._seen_at[kind]
        kept[hashed] = seen_at
        kept.move_to_end(hashed)
        if len(kept) > access.MAX_KNOWN[kind]:
            oldest, _ = kept.popitem(last=False)
            self._unsaved.pop((kind, oldest), None)

    def _hash(self, door: str, who: str) -> str:
        text = f"{door}\0{who}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:40]
