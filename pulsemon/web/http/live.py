"""Open panels hear at once that something changed: server-sent events without content, so that they fetch anew.

One event for everybody, however many changes there were: a stream that is slow misses nothing, because it only ever
asks whether the version is another one. Where there are several projects, a stream hears of its own alone: that
something happens elsewhere is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

# A comment line, so that a proxy does not close a quiet stream and a browser that is gone is noticed.
KEEPALIVE_SEC = 15.0
# A burst of changes is one event: a panel that fetches more often than this shows nobody more.
QUIET_SEC = 0.25


# Returns the ids of the projects that something changed in since it was last asked; None: perhaps in any.
Which = Callable[[], Awaitable[Collection[int] | None]]


class Live:
    """The version of what panels show, and whoever waits for another. All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._version = 0
        self._which: Which | None = None
        self._sorting: asyncio.Task[None] | None = None
        self._sorted = 0  # up to which version it is known whom it concerns
        self._of_all = 0  # the newest version that may concern anybody
        self._of_project: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._is_closed = False
        self.stream_count = 0

    @property
    def version(self) -> int:
        """Return a number that is another one after every change. Safe in any thread."""
        return self._version

    def sort_by(self, which: Which) -> None:
        """Ask from now on whom a change concerns."""
        self._which = which

    def bump(self) -> None:
        """Tell every stream that something changed, or those of the projects that it changed in."""
        self._version += 1
        if self._which is None or not self.stream_count:
            self._sorted = self._of_all = self._version
            self._wake()
        elif self._sorting is None or self._sorting.done():
            self._sorting = asyncio.get_running_loop().create_task(self._sort(self._which))

    async def _sort(self, which: Which) -> None:
        while self._sorted != self._version:
            version = self._version
            concerned = await which()
            if concerned is None:
                self._of_all = version
            else:
                self._of_project.update(dict.fromkeys(concerned, version))
            self._sorted = version
            self._wake()

    def _version_of(self, project_id: int | None) -> int:
        """Return the newest version that concerns a project; None: that concerns any."""
        return self._sorted if project_id is None else max(self._of_all, self._of_project.get(project_id, 0))

    def close(self) -> None:
        """End every stream, now and from now on: a server that stops waits for open connections."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def stream(
        self, may_listen: Callable[[], Awaitable[bool]], project_id: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield `changed` events of a project, as `text/event-stream` wants them, until `close` or the reader goes.

        *may_listen*: asked every `KEEPALIVE_SEC`, because a session ends while its panel is open.
        """
        self.stream_count += 1
        seen, told, clock = self._version_of(project_id), 0, asyncio.get_running_loop().time
        asked_at = clock()
        try:
            if self._which is not None and self.stream_count == 1:
                await self._which()  # what happened before anybody listened is news to nobody
            yield b"retry: 2000\n\n"
            while not self._is_closed:
                if clock() - asked_at >= KEEPALIVE_SEC:
                    if not await may_listen():
                        return
                    asked_at = clock()
                moved = self._moved
                if seen == self._version_of(project_id):
                    try:
                        async with asyncio.timeout(KEEPALIVE_SEC):
                            await moved.wait()
                    except TimeoutError:
                        yield b": still here\n\n"
                        continue
                if seen != self._version_of(project_id):
                    seen, told = self._version_of(project_id), told + 1
                    # Its own count: that of all would tell how much happens elsewhere.
                    yield b"event: changed\ndata: %d\n\n" % told
                    await asyncio.sleep(QUIET_SEC)
        finally:
            self.stream_count -= 1
