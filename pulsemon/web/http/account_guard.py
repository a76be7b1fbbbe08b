"""Whoever guesses at one account from many addresses is slowed, and nobody is locked out.

After many wrong tries within an hour an address that the account was never opened from is judged once in five minutes.
Where its owner logged in lately, nothing changes, and from anywhere else he waits at most those minutes. Counted are
addresses of accounts as they were typed, whether there is such an account or not. Each node counts for itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
# More than a person needs, and few enough that a list of common passwords does not get far.
WRONG_IN_AN_HOUR = 20
PAUSE = timedelta(minutes=5)
_MAX_ACCOUNTS, _MAX_STRANGERS = 10_000, 20_000


class AccountGuard:
    """The wrong tries by account. Any thread."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[datetime]] = OrderedDict()
        # When a stranger was judged last, by account and address, while an account was being guessed at.
        self._judged_at: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def wait_sec(self, account: str, who: str, *, is_known: bool, now: datetime) -> int:
        """Return how long *who* has to wait before a try at *account* is judged; 0: it is judged now."""
        if is_known:
            return 0
        with self._lock:
            if len(self._lately(account, now)) < WRONG_IN_AN_HOUR:
                return 0
            judged_at = self._judged_at.get((account, who))
            if judged_at is not None and timedelta(0) <= now - judged_at < PAUSE:
                return int((judged_at + PAUSE - now).total_seconds()) + 1
            self._judged_at[account, who] = now
            self._judged_at.move_to_end((account, who))
            while len(self._judged_at) > _MAX_STRANGERS:
                self._judged_at.popitem(last=False)
            return 0

    def note_wrong(self, account: str, *, now: datetime) -> None:
        """A try at *account* was wrong."""
        with self._lock:
            lately = self._lately(account, now)
            lately.append(now)
            self._wrong[account] = lately
            self._wrong.move_to_end(account)
            while len(self._wrong) > _MAX_ACCOUNTS:
                self._wrong.popitem(last=False)

    def _lately(self, account: str, now: datetime) -> deque[datetime]:
        found = self._wrong.get(account) or deque(maxlen=WRONG_IN_AN_HOUR)
        while found and not timedelta(0) <= now - found[0] < HOUR:
            found.popleft()
        return found
