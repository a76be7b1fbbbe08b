"""Addresses take turns: nobody's requests hold up everybody's, however many come in one moment.

What a request costs before it waits for the first time, the event loop pays, and a server that has read a hundred
requests starts all of them in one turn of the loop; pings of others wait meanwhile. So a request starts here only when
it is its address's turn, few in one turn of the loop, and between two turns the loop looks at its sockets, where the
pings come in (they do not come by here). Only the start is metered: a stream that is open for hours, or a handler that
waits, holds up nobody. Where nobody queues, a request pays for a flag and a callback.

Who is one address: what `web.http.throttle` counts as one. Behind a trusted proxy the server has put the visitor's in
its place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from pulsemon import clock
from pulsemon.web.http.throttle import MAX_ADDRESS, network

T = TypeVar("T")
_network_of = lru_cache(maxsize=4_096)(network)

# What one turn of the loop may cost where requests queue. A ping takes one to answer, most of it on disk.
_BUDGET_SEC = 0.002
# Cheap ones (a shared answer takes 0.1 ms) start together, so that looking at the sockets stays a small part of it.
MAX_STARTS = 16
# Python runs one at a time; the second lets a short form pass a long one, a third would only share the same time.
_POOL_THREADS = 2


class Line:
    """Those who wait: each address's in the order of arrival, the addresses one after the other."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # whose turn it is stands first

    def __bool__(self) -> bool:
        """Return whether anybody waits."""
        return bool(self._waiting)

    def join(self, address: str) -> asyncio.Future[None]:
        """Return what is done when it is the caller's turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        return turn

    def call(self) -> bool:
        """Let the next one go on; return whether there was one. Who gave up meanwhile is passed over."""
        while self._waiting:
            address = next(iter(self._waiting))
            queue = self._waiting.pop(address)
            turn = queue.popleft()
            if queue:
                self._waiting[address] = queue
            if not turn.done():
                turn.set_result(None)
                return True
        return False


class Turns:
    """In front of everything but pings: lets requests start, a few in each turn of the loop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reset()

    def _reset(self) -> None:
        self._line = Line()
        self._starts = self._left = 1  # in this turn of the loop: how many may start, how many more
        self._is_turning = False
        self._turned_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on when it is its turn."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # whoever waited in another one waits no more
            self._loop = loop
            self._reset()
        if not self._is_turning:
            self._is_turning, self._turned_at = True, clock.monotonic()
            loop.call_soon(self._turn, loop)
        if self._left and not self._line:
            self._left -= 1
        else:
            await self._line.join(address_of(scope))
        await self._app(scope, receive, send)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin a turn of the loop: twice as many may start in it as in the last one if that cost little."""
        if loop is not self._loop:
            return
        if self._left == self._starts and not self._line:  # nobody came
            self._is_turning = False
            self._starts = self._left = max(1, self._starts // 2)
            return
        now = clock.monotonic()
        spent, self._turned_at = now - self._turned_at, now
        self._starts = min(2 * self._starts, MAX_STARTS) if spent < _BUDGET_SEC / 2 else 1
        self._left = self._starts
        while self._left and self._line.call():
            self._left -= 1
        loop.call_soon(self._turn, loop)


class Pool:
    """Threads of their own for costly reading, given to addresses in turn; the handlers' forty stay free."""

    def __init__(self, threads: int = _POOL_THREADS) -> None:
        self._free = threads
        self._line = Line()

    async def run(self, address: str, work: Callable[[], T]) -> T:
        """Return what *work* returns, called in a thread when it is the turn of *address*."""
        await self._take(address)
        try:
            return await to_thread.run_sync(work, limiter=CapacityLimiter(1))
        finally:
            self._give_back()

    async def _take(self, address: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = self._line.join(address)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was our turn already, and nobody is going to use it
                self._give_back()
            raise

    def _give_back(self) -> None:
        if not self._line.call():
            self._free += 1


def address_of(scope: Scope) -> str:
    """Return whose turn a request waits for; '' where the server knows no address."""
    client = scope.get("client")
    return _network_of(client[0][:MAX_ADDRESS]) if client else ""
