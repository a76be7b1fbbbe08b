"""Clients whose monitors come and go, and who know more than one node."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence

from pulsemon import clock
from tests.conftest import Server
from tests.faults.checker import Result
from tests.faults.clients import Log, Target, _InThread, _length, result_of

# Longer than an answer takes on a busy machine, shorter than a job would wait before it tries elsewhere.
CLIENT_PATIENCE_SEC = 2.0


async def ping(log: Log, target: Target, *, patience_sec: float = CLIENT_PATIENCE_SEC) -> bool:
    """Ping once, on a connection of its own; note it and return whether it was acknowledged."""
    rid = str(uuid.uuid4())
    started_at = clock.now()
    status_code = None
    result = Result.FAILED
    try:
        async with asyncio.timeout(patience_sec):
            reader, writer = await asyncio.open_connection(target.host, target.port)
            try:
                result = Result.UNKNOWN
                writer.write(target.request(rid))
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head.rstrip()))
                status_code = int(head[9:12])
                result = result_of(status_code)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass
    log.note(target, rid, started_at, result, status_code)
    return result is Result.OK


class _Restful(_InThread):
    async def rest(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the test."""
        end = time.monotonic() + seconds
        while not self.is_stopping and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(min(left, 0.25))


class Flapping(_Restful):
    """Some pings, then a silence longer than interval (a second) and grace, then again, on a schedule from *seed*.

    Each ping goes to a node chosen by the seed, and to the next one, with a new rid, when that does not acknowledge it.
    *urls* are those of the first node.
    """

    def __init__(self, nodes: Sequence[Server], urls: Mapping[str, str], *, seed: int) -> None:
        super().__init__()
        self._by_slug = {
            slug: [Target(slug, url.replace(nodes[0].url, node.url)) for node in nodes] for slug, url in urls.items()
        }
        self._seed = seed

    async def work(self) -> None:
        await asyncio.gather(*(self._flap(number, slug) for number, slug in enumerate(self._by_slug)))

    async def _flap(self, number: int, slug: str) -> None:
        randomness = random.Random(self._seed * 10_000 + number)
        await self.rest(randomness.uniform(0, 2))
        while not self.is_stopping:
            for _ in range(randomness.randint(1, 3)):
                await self._ping_somewhere(slug, randomness)
                await self.rest(randomness.uniform(0.2, 0.6))
            await self.rest(randomness.uniform(1.2, 2.0))

    async def _ping_somewhere(self, slug: str, randomness: random.Random) -> None:
        targets = self._by_slug[slug]
        first = randomness.randrange(len(targets))
        for target in targets[first:] + targets[:first]:
            if await ping(self.log, target):
                return


class Failing(_Restful):
    """Each monitor in turn reports a failure and, a moment later, a success: two transitions that must be told."""

    def __init__(self, urls: Mapping[str, str], *, every: float) -> None:
        super().__init__()
        self._targets = [(Target(slug, url, signal="fail"), Target(slug, url)) for slug, url in urls.items()]
        self._every = every

    async def work(self) -> None:
        while not self.is_stopping:
            for failure, success in self._targets:
                for target in (failure, success):
                    await ping(self.log, target)
                    await self.rest(self._every)
                if self.is_stopping:
                    return
