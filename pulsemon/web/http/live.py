"""Open panels hear at once that something changed: server-sent events without content, so that they fetch anew.

One event for everybody, however many changes there were: a stream that is slow misses nothing, because it only ever
asks whether the version is another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

# A comment line, so that a proxy does not close a quiet stream and a browser that is gone is noticed.
KEEPALIVE_SEC = 15.0
# A burst of changes is one event: a panel that fetches more often than this shows nobody more.
QUIET_SEC = 0.25


class Live:
    """The version of what panels show, and whoever waits for another. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._version = 0
        self._moved = asyncio.Event()
        self._is_closed = False
        self.stream_count = 0

    @property
    def version(self) -> int:
        """Return a number that is another one after every change. Safe in any thread."""
        return self._version

    def bump(self) -> None:
        """Tell every stream that something changed."""
        self._version += 1
        self._wake()

    def close(self) -> None:
        """End every stream, now and from now on: a server that stops waits for open connections."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def stream(self, may_listen: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Yield `changed` events, as `text/event-stream` wants them, until `close` or the reader goes.

        *may_listen*: asked every `KEEPALIVE_SEC`, because a session ends while its panel is open.
        """
        self.stream_count += 1
        seen, clock = self._version, asyncio.get_running_loop().time
        asked_at = clock()
        try:
            yield b"retry: 2000\n\n"
            while not self._is_closed:
                if clock() - asked_at >= KEEPALIVE_SEC:
                    if not await may_listen():
                        return
                    asked_at = clock()
                moved = self._moved
                if seen == self._version:
                    try:
                        async with asyncio.timeout(KEEPALIVE_SEC):
                            await moved.wait()
                    except TimeoutError:
                        yield b": still here\n\n"
                        continue
                if seen != self._version:
                    seen = self._version
                    yield b"event: changed\ndata: %d\n\n" % seen
                    await asyncio.sleep(QUIET_SEC)
        finally:
            self.stream_count -= 1
