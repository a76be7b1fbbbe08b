"""Clients that ping and keep a log: each request ok, failed or unknown, with a rid of its own.

    with Clients(urls, connections=16) as clients:   # {slug: ping URL}; flat out, one request after the other
        ...                                          # kill things
    checker.check(evidence.read(url, operations=clients.log))

    with Punctual({"job": ping_url}, every=2.0) as clients: ...   # one ping each period, never a second try

Both run in a thread of their own and end with the block. A request that is cut off, or has no answer in time, is
`unknown`; a connection that is refused is `failed`, because not a byte was sent. Nothing is ever sent twice. What is
still under way stands in no log: stop the clients before the database is compared with it.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

import uvloop

from pulsemon import clock
from tests.faults.checker import Operation, Result

# PulseMon answers within five seconds, a busy machine later; whoever has heard nothing after this hears nothing.
ANSWER_PATIENCE_SEC = 20.0
# Between two tries to connect to a server that is away: soon enough to use a short life to the full.
RECONNECT_SEC = 0.02


class Target:
    """One ping URL, taken apart. Each request of it carries a new rid."""

    def __init__(self, slug: str, ping_url: str, *, signal: str = "success") -> None:
        parts = urlsplit(ping_url)
        self.slug = slug
        self.signal = signal
        self.host = parts.hostname or ""
        self.port = parts.port or 80
        suffix = "" if signal == "success" else f"/{signal}"
        self._head = f"GET {parts.path}{suffix}?rid=".encode()
        self._tail = f" HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

    def request(self, rid: str) -> bytes:
        return self._head + rid.encode() + self._tail


class Log:
    """What happened to every request, in the order in which they ended."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._results: Counter[Result] = Counter()

    def note(self, target: Target, rid: str, started_at: datetime, result: Result, status_code: int | None) -> None:
        self._results[result] += 1
        self.operations.append(Operation(rid, target.slug, target.signal, started_at, clock.now(), result, status_code))

    def count(self, result: Result = Result.OK) -> int:
        """Return how many requests ended like that so far."""
        return self._results[result]

    def statuses(self) -> Counter[int | None]:
        """Return how often each status code came; None: no answer."""
        return Counter(each.status_code for each in list(self.operations))

    def oks_since(self, instant: datetime) -> int:
        """Return how many requests that were sent after *instant* were acknowledged."""
        return sum(each.result is Result.OK and each.started_at >= instant for each in list(self.operations))

    def acknowledged_since(self, instant: datetime) -> set[str]:
        """Return the monitors of which a ping that was sent after *instant* was acknowledged."""
        found = set()
        for each in reversed(list(self.operations)):
            if each.ended_at < instant:
                break
            if each.result is Result.OK and each.started_at >= instant:
                found.add(each.slug)
        return found


def result_of(status_code: int) -> Result:
    return Result.OK if 200 <= status_code < 300 else Result.FAILED


class _Connection(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, notes it and asks again."""

    def __init__(self, clients: Clients, randomness: random.Random) -> None:
        self._clients = clients
        self._random = randomness
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._open: tuple[Target, str, datetime] | None = None
        self._asked_at = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no subclass of asyncio's, and does what one does.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        answer = self._answer = self._answer + data
        head, separator, rest = answer.partition(b"\r\n\r\n")
        if not separator or len(rest) < _length(head):
            return
        self._answer = b""
        self._note(int(head[9:12]))
        if b"connection: close" in head.lower():
            self.close()
        elif self._clients.pause_sec:
            asyncio.get_running_loop().call_later(self._clients.pause_sec, self._ask)
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._note(None)
        if not self.closed.done():
            self.closed.set_result(None)

    def is_overdue(self, now: float) -> bool:
        return self._open is not None and now - self._asked_at > ANSWER_PATIENCE_SEC

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _ask(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._clients.is_stopping:
            self.close()
            return
        target = self._random.choice(self._clients.targets)
        rid = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self._open = (target, rid, clock.now())
        self._asked_at = time.monotonic()
        self._transport.write(target.request(rid))

    def _note(self, status_code: int | None) -> None:
        if self._open is None:
            return
        target, rid, started_at = self._open
        self._open = None
        result = Result.UNKNOWN if status_code is None else result_of(status_code)
        self._clients.log.note(target, rid, started_at, result, status_code)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class _InThread:
    """A loop of its own in a thread of its own, from `with` to its end."""

    def __init__(self) -> None:
        self.log = Log()
        self.is_stopping = False
        self._thread = threading.Thread(target=self._live, name="clients", daemon=True)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let the requests under way end, and come back."""
        self.is_stopping = True
        self._thread.join(3 * ANSWER_PATIENCE_SEC)
        assert not self._thread.is_alive(), "the clients did not end"
        if self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self.work())
        except BaseException as failure:  # told in the test's own thread
            self._failure = failure

    async def work(self) -> None:
        raise NotImplementedError


class Clients(_InThread):
    """Ping flat out over *connections* connections, a monitor of *urls* at random each time; reconnect when cut off.

    *seed* makes the choice of monitors and the rids repeatable. *fail_share* of the requests are `/fail`. Each
    connection rests *pause_sec* after an answer.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        connections: int = 16,
        seed: int | None = None,
        fail_share: float = 0.0,
        pause_sec: float = 0.0,
    ) -> None:
        super().__init__()
        successes = [Target(slug, url) for slug, url in urls.items()]
        failures = [Target(slug, url, signal="fail") for slug, url in urls.items()]
        weight = 20
        self.targets: Sequence[Target] = successes * round(weight * (1 - fail_share)) + failures * round(
            weight * fail_share
        )
        self.pause_sec = pause_sec
        self._connections = connections
        self._seed = seed
        self._live_ones: set[_Connection] = set()

    async def work(self) -> None:
        workers = [asyncio.create_task(self._keep_connected(number)) for number in range(self._connections)]
        while not all(worker.done() for worker in workers):
            await asyncio.sleep(0.1)
            for connection in list(self._live_ones):
                if connection.is_overdue(time.monotonic()):
                    connection.close()
        for worker in workers:
            worker.result()

    async def _keep_connected(self, number: int) -> None:
        randomness = random.Random() if self._seed is None else random.Random(self._seed * 1_000 + number)
        loop = asyncio.get_running_loop()
        target = self.targets[0]
        while not self.is_stopping:
            try:
                async with asyncio.timeout(ANSWER_PATIENCE_SEC):
                    _, connection = await loop.create_connection(
                        lambda: _Connection(self, randomness), target.host, target.port
                    )
            except OSError:  # a timeout is one
                await asyncio.sleep(RECONNECT_SEC)
                continue
            self._live_ones.add(connection)
            await connection.closed
            self._live_ones.discard(connection)


class Punctual(_InThread):
    """Ping each of *urls* once a period, like cron: a new connection each time, never a second try.

    *every* is one period for all, in seconds, or one for each slug. The first ping comes at once. `stop_pinging`
    lets a monitor die.
    """

    def __init__(self, urls: Mapping[str, str], *, every: float | Mapping[str, float]) -> None:
        super().__init__()
        self._targets = [Target(slug, url) for slug, url in urls.items()]
        self._every = {slug: every if isinstance(every, float | int) else every[slug] for slug in urls}
        self._dead: set[str] = set()

    def stop_pinging(self, *slugs: str) -> None:
        """These monitors get no further ping."""
        self._dead.update(slugs)

    async def work(self) -> None:
        await asyncio.gather(*(self._keep_pinging(target) for target in self._targets))

    async def _keep_pinging(self, target: Target) -> None:
        next_at = time.monotonic()
        pings: set[asyncio.Task[None]] = set()
        while not self.is_stopping and target.slug not in self._dead:
            ping = asyncio.create_task(self._ping(target))
            pings.add(ping)
            ping.add_done_callback(pings.discard)
            next_at += self._every[target.slug]
            # In short pieces, so that it ends soon: the thread that asks for it has no way into this loop.
            while not self.is_stopping and (left := next_at - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(left, 0.1))
        if pings:
            await asyncio.wait(pings)

    async def _ping(self, target: Target) -> None:
        """One request on a connection of its own; a job waits as long as an answer can take, then goes on."""
        rid = str(uuid.uuid4())
        started_at = clock.now()
        status_code = None
        is_sent = False
        try:
            async with asyncio.timeout(ANSWER_PATIENCE_SEC):
                reader, writer = await asyncio.open_connection(target.host, target.port)
                try:
                    is_sent, started_at = True, clock.now()  # what counts is when it was sent
                    writer.write(target.request(rid))
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(_length(head.rstrip()))
                    status_code = int(head[9:12])
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        no_answer = Result.UNKNOWN if is_sent else Result.FAILED
        result = no_answer if status_code is None else result_of(status_code)
        self.log.note(target, rid, started_at, result, status_code)
