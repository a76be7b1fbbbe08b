"""How often strangers may have PulseMon write to somebody: a share for each address, none that one can use up for all.

As long as few ask, an address may do so ten times an hour. When many do, each address that has not asked lately still
may, once; when very many do, each network that has not, and so on with ever larger networks. So whoever has twenty
addresses closes the form for these twenty, and what goes out in all stays bounded by how many networks he has.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import deque
from datetime import datetime, timedelta

from pulsemon.web.http.throttle import network

HOUR = timedelta(hours=1)
OF_AN_ADDRESS = 10
# A customer of a provider has a /56 or a /48: 256 or 65,536 of the networks that count as one address.
OF_A_SITE = 30
# From so many in all on in the last hour: who has one alone, as lengths of IPv4 and IPv6 prefixes.
CROWDED = ((200, 32, 64), (1_000, 24, 48), (5_000, 16, 32))
_SITE = (32, 48)


class FairShare:
    """Counts who asked in the last hour. What is refused counts for nothing and takes no memory. Any thread."""

    def __init__(self) -> None:
        self._asked: deque[tuple[datetime, tuple[str, ...]]] = deque()
        self._asked_at: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def take(self, host: str, *, now: datetime) -> int:
        """Count once for *host* and return 0; or count nothing and return the seconds to wait."""
        rules = [(network(host), OF_AN_ADDRESS), (_prefix(host, *_SITE), OF_A_SITE)]
        with self._lock:
            self._forget(now)
            for count, of_ipv4, of_ipv6 in CROWDED:
                if len(self._asked) >= count:
                    rules.append((_prefix(host, of_ipv4, of_ipv6), 1))
            full = [self._asked_at[who][-most] for who, most in rules if len(self._asked_at.get(who, ())) >= most]
            if full:
                return max(1, int((max(full) + HOUR - now).total_seconds()) + 1)
            lengths = dict.fromkeys([_SITE, *((of_ipv4, of_ipv6) for _, of_ipv4, of_ipv6 in CROWDED)])
            who_asked = tuple(dict.fromkeys([network(host), *(_prefix(host, *each) for each in lengths)]))
            self._asked.append((now, who_asked))
            for who in who_asked:
                self._asked_at.setdefault(who, deque()).append(now)
        return 0

    def _forget(self, now: datetime) -> None:
        while self._asked and now - self._asked[0][0] >= HOUR:
            for who in self._asked.popleft()[1]:
                self._asked_at[who].popleft()
                if not self._asked_at[who]:
                    del self._asked_at[who]


def _prefix(host: str, of_ipv4: int, of_ipv6: int) -> str:
    """Return the network of so many bits that *host* is in; what is no address stands for itself."""
    who = network(host)
    try:
        found = ipaddress.ip_network(who)
    except ValueError:
        return who
    length = of_ipv4 if found.version == 4 else of_ipv6
    supernet = found.supernet(new_prefix=length) if length < found.prefixlen else found
    return who if supernet == found else str(supernet)
