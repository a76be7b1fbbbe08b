"""Every open connection of the process: how many there may be, which goes where there are too many, and who is late.

Proxies that are trusted speak for many addresses and are not counted by address. One round a second looks at all
connections, so that a request pays for no timer. What a connection waits for, and for how long, is its own business
(`web.wire.protocol`).

Where an address, or the process, has too many, a connection that only waits makes room: whoever holds idle ones keeps
no job from pinging. Whoever delivered a ping that was stored goes last. What goes, or stays out, by its own address's
doing is nobody's loss; who may have been a job is told as turned away, because then PulseMon was blind.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

from pulsemon.web.wire.proxies import Proxies, plain_address

# Where they wait in the lifespan's state, which uvicorn hands to every connection.
CONNECTIONS_KEY = "pulsemon.connections"
MAX_CONNECTIONS_PER_ADDRESS = 128
# A job needs one, some jobs behind one address a few: who holds more is crowded out by its own doing.
_A_FEW = 4
# A job sends its request as soon as it is connected. Whoever has sent none after the time that headers have is none;
# so a crowd that wants to make PulseMon blind must come anew all the time, each time as many as there is room for.
_JOB_IS_THERE_SEC = 5.0
# Addresses from which a stored ping came, those of the latest connections.
_MAX_PINGERS = 10_000
# So many are looked at to find one that may go; where none of them may, none goes.
_MAX_LOOKS = 256
_ROUND_SEC = 1.0


class Connection(Protocol):
    """One of them, as those that count see it."""

    transport: asyncio.Transport
    cycle: Any  # uvicorn's request under way, or the last one
    has_pinged: bool  # whether a ping that came over it was stored

    @property
    def is_waiting(self) -> bool:
        """Return whether nothing is under way here."""
        ...

    def end_if_unfinished(self) -> None:
        """End the connection if a request has begun to arrive and is not whole."""
        ...

    def end_if_overdue(self, now: float) -> None:
        """End the connection if what it waits for should have come by now."""
        ...


class Crowd:
    """Addresses by how many connections each holds, so that the one with most is found at once."""

    def __init__(self) -> None:
        self._by_count: list[dict[str, None]] = [{} for _ in range(MAX_CONNECTIONS_PER_ADDRESS + 1)]

    def move(self, address: str, before: int, after: int) -> None:
        """*address* held *before* connections and holds *after*."""
        self._by_count[before].pop(address, None)
        if after:
            self._by_count[after][address] = None

    def greatest_first(self) -> Iterator[str]:
        """Yield the addresses, those with most connections first."""
        for addresses in reversed(self._by_count):
            yield from addresses


class Connections:
    """Every open connection of the process, at most *room* of them. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        trusted_proxies: Sequence[str],
        *,
        room: int,
        on_turned_away: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._proxies = Proxies(trusted_proxies)
        self._room = room
        self._on_turned_away = on_turned_away
        self._open: set[Connection] = set()
        self._by_address: dict[str, dict[Connection, float]] = {}  # in the order in which they came, and when
        self._pingers: dict[str, None] = {}  # in the order in which they were last seen to have pinged
        self._strangers, self._known = Crowd(), Crowd()
        self._counted_as = lru_cache(4_096)(self._find_counted_as)
        self._is_looking = False
        # For the metrics: by its own address's bound, and by that of the process.
        self.refused_counts = {"address": 0, "process": 0}

    @property
    def count(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def admit(self, connection: Connection, address: str | None) -> bool:
        """Count a new connection; return whether it may stay."""
        who = self._counted_as(address)
        theirs = self._by_address.get(who, {}) if who is not None else {}
        if who is not None and len(theirs) >= MAX_CONNECTIONS_PER_ADDRESS and not self._make_room_of(theirs, who):
            self.refused_counts["address"] += 1
            return False
        if len(self._open) >= self._room and not self._make_room():
            self._turn_away()
            return False
        self._open.add(connection)
        if who is not None:
            theirs = self._by_address.setdefault(who, {})
            theirs[connection] = self._loop.time()
            self._crowd_of(who).move(who, len(theirs) - 1, len(theirs))
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(_ROUND_SEC, self._look_at_all)
        return True

    def forget(self, connection: Connection, address: str | None) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        who = self._counted_as(address)
        if who is not None:
            self._release(connection, who)

    def end_unfinished(self) -> None:
        """The server stops: whoever has not sent a whole request by now is told to come back; answers go on."""
        for connection in list(self._open):
            connection.end_if_unfinished()

    def _make_room_of(self, theirs: Iterable[Connection], who: str) -> bool:
        """End the oldest connection that only waits, of those that one address holds; return whether there was any."""
        idle = next((each for each in theirs if each.is_waiting), None)
        if idle is not None:
            self._end(idle, who)
        return idle is not None

    def _make_room(self) -> bool:
        """End one connection of whoever holds most; return whether one could go."""
        for crowd in (self._strangers, self._known):
            candidates = ((who, each) for who in crowd.greatest_first() for each in self._by_address[who])
            for who, each in islice(candidates, _MAX_LOOKS):
                if each.is_waiting and not each.has_pinged:
                    if self._may_be_a_job(each, who):
                        self._turn_away()
                    self._end(each, who)
                    return True
        return False

    def _may_be_a_job(self, connection: Connection, who: str) -> bool:
        theirs = self._by_address[who]
        is_new = self._loop.time() - theirs[connection] <= _JOB_IS_THERE_SEC
        return is_new and len(theirs) <= _A_FEW and not _was_answered(connection)

    def _turn_away(self) -> None:
        self.refused_counts["process"] += 1
        self._on_turned_away()

    def _end(self, connection: Connection, who: str) -> None:
        """Close it; it counts for its address no longer, and for the process until it is gone."""
        self._release(connection, who)
        connection.transport.close()

    def _release(self, connection: Connection, who: str) -> None:
        theirs = self._by_address.get(who, {})
        if connection not in theirs:
            return
        del theirs[connection]
        self._crowd_of(who).move(who, len(theirs) + 1, len(theirs))
        if not theirs:
            del self._by_address[who]
        if connection.has_pinged:
            self._remember(who)

    def _crowd_of(self, who: str) -> Crowd:
        return self._known if who in self._pingers else self._strangers

    def _remember(self, who: str) -> None:
        """A stored ping came from there."""
        if who in self._pingers:
            del self._pingers[who]  # to the end of the order
        else:
            self._change_crowd(who, self._strangers, self._known)
        self._pingers[who] = None
        if len(self._pingers) > _MAX_PINGERS:
            oldest = next(iter(self._pingers))
            del self._pingers[oldest]
            self._change_crowd(oldest, self._known, self._strangers)

    def _change_crowd(self, who: str, before: Crowd, after: Crowd) -> None:
        count = len(self._by_address.get(who, ()))
        before.move(who, count, 0)
        after.move(who, 0, count)

    def _find_counted_as(self, address: str | None) -> str | None:
        """Return who counts as one: an IPv4 address, or the /64 that one IPv6 subscriber has; None: is not counted."""
        spelt = plain_address(address or "")
        if spelt is None or self._proxies.is_trusted(spelt):  # None: a socket without an address
            return None
        peer = ipaddress.ip_address(spelt)
        return str(ipaddress.ip_network((peer, 64), strict=False)) if peer.version == 6 else spelt

    def _look_at_all(self) -> None:
        """End what is overdue; goes on once a second while anything is open."""
        now = self._loop.time()
        try:
            for connection in list(self._open):
                connection.end_if_overdue(now)
        finally:  # a bug that one connection meets is told by the loop, and costs no other its deadlines
            self._is_looking = bool(self._open)
            if self._is_looking:
                self._loop.call_later(_ROUND_SEC, self._look_at_all)


def _was_answered(connection: Connection) -> bool:
    """Return whether it had its turn: a request came, and all of its answer went out."""
    return connection.cycle is not None and bool(connection.cycle.response_complete)
