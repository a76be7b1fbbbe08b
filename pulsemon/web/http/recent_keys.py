"""Keys that were right a moment ago: they pass the gate as they are remembered, and are asked about with their route.

So a request that shows one asks the database in one thread instead of two. A key that was revoked meanwhile, on
whatever node, opens nothing all the same.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from pulsemon import clock
from pulsemon.accounts.roles import Principal

# A key is judged as a stranger's is, with all that counts tries, once in so long.
LIFETIME_SEC = 60.0
_MAX = 1_000


class RecentKeys:
    """Whom keys let in lately, by their hash and by where they came from. Any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, str], tuple[Principal, float]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, secret: str, host: str, principal: Principal) -> None:
        """Remember that a key was right."""
        with self._lock:
            self._known[_key(secret, host)] = (principal, clock.monotonic() + LIFETIME_SEC)
            self._known.move_to_end(_key(secret, host))
            if len(self._known) > _MAX:
                self._known.popitem(last=False)

    def find(self, secret: str, host: str) -> Principal | None:
        """Return whom this key let in lately, from there."""
        principal, until = self._known.get(_key(secret, host), (None, 0.0))
        return principal if clock.monotonic() < until else None

    def forget(self, secret: str, host: str) -> None:
        """Have this key judged by the gate again."""
        with self._lock:
            self._known.pop(_key(secret, host), None)


def _key(secret: str, host: str) -> tuple[bytes, str]:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest(), host
