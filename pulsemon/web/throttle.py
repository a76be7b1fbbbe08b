"""Whoever guesses the admin token is stopped: wrong ones are counted by address, and so many a minute are judged.

A minute begins with the first wrong token of an address. Once there were too many, nothing from there is judged until
it ends: a right token would otherwise tell the guesser that it is right. What is refused meanwhile does not count, so
that the rightful owner behind the same address waits at most that minute, whatever a stranger goes on sending. Not
here: what answers look like.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from pulsemon import access, log

_log = log.get(__name__)

# What is judged of an address in a minute, by the way in. Ten are enough for a person with several tokens in mind. A
# program with a token that was replaced tries more often, and whoever shares its address should not suffer for it. To
# a guesser of 192 bits either is nothing.
WRONG_TOKENS = {"login": parse("10/minute"), "page": parse("10/minute"), "header": parse("60/minute")}
# Behind a trusted proxy the address is what the proxy says; no address is longer.
MAX_ADDRESS = 64


class Verdict(NamedTuple):
    """Whether the token is right; `wait_sec` > 0: it was not judged, and will not be for so long."""

    is_right: bool
    wait_sec: int


class Throttle:
    """The wrong tokens of one *way* in (a key of WRONG_TOKENS), by address. Any thread."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._allowed = WRONG_TOKENS[way]
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()

    def judge(self, given: str, expected: str, *, host: str, now: datetime) -> Verdict:
        """Compare a token that came from *host*, unless too many wrong ones came from there before."""
        return self.judge_by(lambda: access.is_admin_token(given, expected), host=host, now=now)

    def judge_by(self, compare: Callable[[], bool], *, host: str, now: datetime) -> Verdict:
        """Ask *compare* whether what came from *host* is right, under the same rule."""
        guesser = network_of(host)
        # One at a time: tries that arrive together must not all pass before the first is counted.
        with self._lock:
            if not self._limiter.test(self._allowed, guesser):
                reset_at = self._limiter.get_window_stats(self._allowed, guesser).reset_time
                return Verdict(is_right=False, wait_sec=max(1, int(reset_at - now.timestamp()) + 1))
            is_right = compare()
            if not is_right:
                self._limiter.hit(self._allowed, guesser)
                # Only what is judged: guessing does not fill the disk.
                _log.warning("token.wrong", way=self._way, remote=guesser)
            return Verdict(is_right, wait_sec=0)


class Allowance:
    """How often something may be done from one address, right or wrong: *rate* as in "10/hour". Any thread."""

    def __init__(self, rate: str) -> None:
        self._allowed = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def take(self, host: str, *, now: datetime) -> int:
        """Count once for *host* and return 0; or count nothing and return the seconds to wait."""
        who = network_of(host)
        if self._limiter.hit(self._allowed, who):
            return 0
        reset_at = self._limiter.get_window_stats(self._allowed, who).reset_time
        return max(1, int(reset_at - now.timestamp()) + 1)


def network_of(host: str) -> str:
    """Return who counts as one guesser: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:MAX_ADDRESS]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
