"""Every open connection of the process: how many each address holds, and which of them are overdue.

Proxies that are trusted speak for many addresses and are not counted. One sweep a second looks at all connections, so
that a request pays for no timer. What a connection waits for, and for how long, is its own business (`web.protocol`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pulsemon.web.proxies import Proxies, plain_address

# Where they wait in the lifespan's state, which uvicorn hands to every connection.
CONNECTIONS_KEY = "pulsemon.connections"
MAX_CONNECTIONS_PER_ADDRESS = 128
_SWEEP_SEC = 1.0


class Connection(Protocol):
    """One of them, as those that count see it."""

    transport: asyncio.Transport

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


class Connections:
    """Every open connection of the process: how many each address holds, and which of them are overdue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, trusted_proxies: Sequence[str]) -> None:
        self._loop = loop
        self._proxies = Proxies(trusted_proxies)
        self._open: set[Connection] = set()
        self._by_address: dict[str, dict[Connection, None]] = {}  # in the order in which they came
        self._is_sweeping = False

    def admit(self, connection: Connection, address: str | None) -> bool:
        """Count a new connection; return whether it may stay.

        Where its address has too many, the oldest one that only waits makes room: whoever holds idle connections does
        not keep a job behind the same address from pinging.
        """
        if address is not None and not self._is_trusted(address):
            held = self._by_address.setdefault(address, {})
            if len(held) >= MAX_CONNECTIONS_PER_ADDRESS:
                idle = next((each for each in held if each.is_waiting), None)
                if idle is None:
                    return False
                self.forget(idle, address)
                idle.transport.close()
                held = self._by_address.setdefault(address, {})
            held[connection] = None
        self._open.add(connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            self._loop.call_later(_SWEEP_SEC, self._sweep)
        return True

    def forget(self, connection: Connection, address: str | None) -> None:
        """The connection is closed, or about to be."""
        self._open.discard(connection)
        held = self._by_address.get(address or "")
        if held is not None:
            held.pop(connection, None)
            if not held:
                del self._by_address[address or ""]

    def end_unfinished(self) -> None:
        """The server stops: whoever has not sent a whole request by now is told to come back; answers go on."""
        for connection in list(self._open):
            connection.end_if_unfinished()

    def _is_trusted(self, address: str) -> bool:
        peer = plain_address(address)
        return peer is None or self._proxies.is_trusted(peer)  # None: a socket without an address

    def _sweep(self) -> None:
        """End what is overdue; goes on once a second while anything is open."""
        now = self._loop.time()
        for connection in list(self._open):
            connection.end_if_overdue(now)
        self._is_sweeping = bool(self._open)
        if self._is_sweeping:
            self._loop.call_later(_SWEEP_SEC, self._sweep)
