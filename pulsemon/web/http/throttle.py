"""Whoever guesses a token or a password is stopped: wrong ones are counted by address, and so many a minute are judged.

A minute begins with the first wrong one of an address, and the same wrong one counts once in it: a program that shows
somebody else's password again and again guesses nothing. In the login form each try counts: no such program fills it.
Once there were too many, nothing from there is judged until the minute ends: a right token would otherwise tell the
guesser that it is right. What is refused meanwhile does not count, so that the rightful owner behind the same address
waits at most that minute, whatever a stranger goes on sending; and where the right one came from lately
(`web.http.known_addresses`), it is let in all the same. Not here: what answers look like.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from pulsemon import log
from pulsemon.accounts import access
from pulsemon.web.http.known_addresses import KnownAddresses

_log = log.get(__name__)

# What is judged of an address in a minute, by the way in. Ten are enough for a person with several tokens in mind. A
# program with a token that was replaced tries more often, and whoever shares its address should not suffer for it. To
# a guesser of 192 bits either is nothing.
WRONG_TOKENS = {"login": 10, "account": 10, "page": 10, "header": 60}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
# Behind a trusted proxy the address is what the proxy says; no address is longer.
MAX_ADDRESS = 64
# Of all addresses together, about 100 bytes each. Whoever has so many guesses from each but once.
_MAX_TRIES_KEPT = 100_000


class Verdict(NamedTuple):
    """Whether the token is right; `wait_sec` > 0: it was not judged, and will not be for so long."""

    is_right: bool
    wait_sec: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one address, between `Throttle.begin` and `Throttle.end`.

    `verdict`: what is known without judging, None: judge it. `wait_sec`: what a wrong one is told.
    """

    who: str
    door: str
    key: bytes
    verdict: Verdict | None = None
    wait_sec: int = 0


@dataclass(slots=True)
class _Minute:
    """The tries of one address; True: judged and wrong, False: being judged."""

    began_at: datetime
    tries: dict[bytes, bool] = field(default_factory=dict)


class Throttle:
    """The wrong tokens of one *way* in (a key of WRONG_TOKENS), by address. Any thread."""

    def __init__(self, way: str, known: KnownAddresses | None = None) -> None:
        self._way = way
        self._allowed = WRONG_TOKENS[way]
        self._known = known
        self._kind = {"page": "page", "account": "user"}.get(way, "admin")
        self._minutes: OrderedDict[str, _Minute] = OrderedDict()
        self._kept_count = 0
        # Beyond the limit at known addresses: since when, and how many. What the limit lets pass in a day and no more,
        # so that whoever shares the owner's address may guess twice as much as others and not without end.
        self._beyond: dict[str, tuple[datetime, int]] = {}
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def judge(self, given: str, expected: str, *, host: str, now: datetime) -> Verdict:
        """Compare a token that came from *host*, unless too many wrong ones came from there before."""
        attempt = self.begin(given, expected, host=host, now=now)
        return attempt.verdict or self.end(attempt, is_right=access.is_admin_token(given, expected), now=now)

    def begin(self, given: str, door: str, *, host: str, now: datetime) -> Attempt:
        """Count a try to open *door*, a text that changes with what is right, before anything dear is done for it.

        Where the result has no verdict it has to be judged, and `end` or `forget` called with it.
        """
        who = network(host)
        key = secrets.token_bytes(16) if self._way in ("login", "account") else self.key_of(given, door)
        with self._lock:
            minute = self._minute(who, now)
            is_known_wrong = minute.tries.get(key, False)
            if len(minute.tries) >= self._allowed and (is_known_wrong or key not in minute.tries):
                wait_sec = max(1, int((minute.began_at + MINUTE - now).total_seconds()) + 1)
                may_judge = not is_known_wrong and self._may_go_beyond(who, door, now)
                return Attempt(who, door, key, None if may_judge else Verdict(False, wait_sec), wait_sec)
            if is_known_wrong:
                return Attempt(who, door, key, Verdict(is_right=False, wait_sec=0))
            if key not in minute.tries:
                minute.tries[key] = False
                self._keep(who, minute)
            return Attempt(who, door, key)

    def end(self, attempt: Attempt, *, is_right: bool, now: datetime) -> Verdict:
        """Take note of what came of a try."""
        if is_right:
            self.forget(attempt)
            if self._known is not None:
                self._known.note(self._kind, attempt.door, attempt.who, now=now)
            return Verdict(is_right=True, wait_sec=0)
        with self._lock:
            if attempt.wait_sec:
                began_at, count = self._beyond.get(attempt.who, (now, 0))
                self._beyond[attempt.who] = (began_at, count + 1)
                return Verdict(False, attempt.wait_sec)
            minute = self._minute(attempt.who, now)
            is_new = attempt.key not in minute.tries  # the minute ended meanwhile, or a twin of this try was forgotten
            minute.tries[attempt.key] = True
            if is_new:
                self._keep(attempt.who, minute)
        if self._known is not None:
            self._known.is_wanted = True
        # Only what is judged: guessing does not fill the disk.
        _log.warning("token.wrong", way=self._way, remote=attempt.who)
        return Verdict(is_right=False, wait_sec=0)

    def forget(self, attempt: Attempt) -> None:
        """A try that was right, or not judged after all, counts for nothing."""
        with self._lock:
            minute = self._minutes.get(attempt.who)
            if minute is not None and minute.tries.get(attempt.key) is False:
                del minute.tries[attempt.key]
                self._kept_count -= 1
                if not minute.tries:
                    del self._minutes[attempt.who]

    def key_of(self, given: str, door: str) -> bytes:
        """Return what stands for a try in memory: nobody can compute it, or learn from it what was tried."""
        text = f"{door}\0{given}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._secret, digest_size=16).digest()

    def is_known(self, host: str, door: str, *, now: datetime) -> bool:
        """Return whether what is right came from *host* lately."""
        return self._known is not None and self._known.holds(self._kind, door, network(host), now=now)

    def _minute(self, who: str, now: datetime) -> _Minute:
        minute = self._minutes.get(who)
        if minute is not None and not timedelta(0) <= now - minute.began_at < MINUTE:
            self._drop(who)
            minute = None
        return minute or _Minute(now)

    def _keep(self, who: str, minute: _Minute) -> None:
        self._minutes[who] = minute
        self._kept_count += 1
        while self._kept_count > _MAX_TRIES_KEPT:
            self._drop(next(iter(self._minutes)))

    def _drop(self, who: str) -> None:
        self._kept_count -= len(self._minutes.pop(who).tries)

    def _may_go_beyond(self, who: str, door: str, now: datetime) -> bool:
        if self._known is None:
            return False
        self._known.is_wanted = True
        if not self._known.holds(self._kind, door, who, now=now):
            return False
        began_at, count = self._beyond.get(who, (now, 0))
        if now - began_at >= DAY:
            del self._beyond[who]
            return True
        return count < self._allowed * (DAY // MINUTE)


def network(host: str) -> str:
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
