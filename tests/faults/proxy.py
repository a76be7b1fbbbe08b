"""A TCP proxy that fails on purpose: between PulseMon and its database, or anywhere else.

    with FaultProxy(target) as proxy:
        ...                                   # connect to proxy.port
        with proxy.fault(Fault.BLACK_HOLE):
            ...                               # nothing gets through, and nobody is told
        ...                                   # new connections work again; those it swallowed stay dead

What a fault does to a connection it does for good: bytes that were swallowed are never delivered, as on a network. Only
LATENCY ends with the fault. One thread runs all of it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from types import TracebackType
from typing import Self

from tests.conftest import LONG_ENOUGH_SEC

_CHUNK = 65_536


class Fault(Enum):
    """What happens to connections, those that are open and those that are made meanwhile."""

    NONE = "none"
    LATENCY = "latency"  # every chunk waits, in both directions
    RESET = "reset"  # RST to both sides, and to whoever connects
    HALF_OPEN = "half-open"  # the server's side is closed, the client's stays open and silent
    BLACK_HOLE = "black hole"  # both sides stay open and nothing gets through, not even the end of a connection
    CUT = "cut"  # the server's next answer breaks off in the middle, with RST to both sides


class _Pair:
    """One connection of a client with its connection to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter | None) -> None:
        self.client = client
        self.server = server
        self.is_deaf = False

    def writers(self) -> list[asyncio.StreamWriter]:
        return [self.client] if self.server is None else [self.client, self.server]

    def reset(self) -> None:
        for writer in self.writers():
            _reset(writer)

    def close(self) -> None:
        for writer in self.writers():
            writer.close()


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes everything on to *target*: (host, port), or a Unix socket's path."""

    def __init__(self, target: tuple[str, int] | str, *, latency_sec: float = 0.05) -> None:
        self._target = target
        self._latency_sec = latency_sec
        self._fault = Fault.NONE
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._ready = threading.Event()
        self._stop_asked: asyncio.Event | None = None
        self.port = 0
        self.connection_count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(LONG_ENOUGH_SEC):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ask_to_stop)
        self._thread.join(LONG_ENOUGH_SEC)

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Misbehave while the block runs."""
        self.begin(fault)
        try:
            yield
        finally:
            self.begin(Fault.NONE)

    def begin(self, fault: Fault) -> None:
        """From now on misbehave like this; returns once it holds."""
        self._in_loop(lambda: self._begin(fault))

    def sever(self) -> None:
        """Reset every connection there is, once; new ones are welcome."""
        self._in_loop(lambda: [pair.reset() for pair in list(self._pairs)])

    def _in_loop(self, action: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(run)
        if not done.wait(LONG_ENOUGH_SEC):
            raise RuntimeError("the proxy's thread does not answer")

    def _begin(self, fault: Fault) -> None:
        self._fault = fault
        for pair in list(self._pairs):
            self._apply(pair)

    def _apply(self, pair: _Pair) -> None:
        match self._fault:
            case Fault.RESET:
                pair.reset()
            case Fault.HALF_OPEN:
                pair.is_deaf = True
                if pair.server is not None:
                    pair.server.close()
            case Fault.BLACK_HOLE:
                pair.is_deaf = True
            case Fault.NONE | Fault.LATENCY | Fault.CUT:
                pass

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop_asked = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop_asked.wait()
        # Who was just accepted takes some rounds until it owns its socket; where the server is closed or the task is
        # cancelled before, nobody closes it.
        for listener in server.sockets:
            self._loop.remove_reader(listener.fileno())
        await _let_the_loop_turn()
        server.close()
        for pair in list(self._pairs):
            pair.reset()
        # The pumps end with their sockets; a task that is left behind would speak up at the garbage collection.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await _let_the_loop_turn()  # a transport gives its socket back in the round after it was closed

    def _ask_to_stop(self) -> None:
        if self._stop_asked is not None:
            self._stop_asked.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        if self._fault is Fault.RESET:
            _reset(writer)
            return
        pair = _Pair(writer, None)
        self._pairs.add(pair)
        try:
            if self._fault in (Fault.HALF_OPEN, Fault.BLACK_HOLE):
                pair.is_deaf = True
                await self._pump(pair, reader, None)
                return
            # Cancelled at the end of the test, and asyncio's streams would report that as an error.
            with suppress(OSError, asyncio.CancelledError):
                answers, pair.server = await self._dial()
                both = (self._pump(pair, reader, pair.server), self._pump(pair, answers, writer, is_answer=True))
                await asyncio.gather(*both)
        finally:
            self._pairs.discard(pair)
            pair.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)

    async def _pump(
        self,
        pair: _Pair,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter | None,
        *,
        is_answer: bool = False,
    ) -> None:
        """Carry bytes one way until that way ends; what a deaf pair says is read and dropped."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._fault is Fault.LATENCY:
                    await asyncio.sleep(self._latency_sec)
                if pair.is_deaf or writer is None:
                    continue
                if is_answer and self._fault is Fault.CUT:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    pair.reset()
                    return
                writer.write(data)
                await writer.drain()
        if not pair.is_deaf:
            pair.close()


async def _let_the_loop_turn() -> None:
    """Let it do what was already asked of it, and what that asks in turn: accepting takes four rounds."""
    for _ in range(8):
        await asyncio.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    # Zero seconds to linger: closing sends RST. A Unix socket has no such option and is just closed.
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
