"""Names to addresses, without holding up the event loop, the shared threads or the end of the process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

# Takes a host and a port, returns its addresses as texts. May raise OSError or ValueError for a name that has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# A name server that hangs holds a thread for as long as the system's resolver waits (often 10 s and more).
MAX_LOOKUPS = 64


class SystemResolver:
    """Asks the operating system, in a daemon thread for each lookup.

    Not the event loop's own executor: its few threads serve the database too, and a lookup that hangs there would
    hold up everything else, and at the end the process itself.
    """

    def __init__(self, max_lookups: int = MAX_LOOKUPS) -> None:
        self._free = asyncio.Semaphore(max_lookups)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of *host* in the order in which they should be tried.

        Raises:
            OSError: it has none, or nobody could say. ValueError: it is not a name.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(addresses: Sequence[str], error: Exception | None) -> None:
            self._free.release()
            if answer.done():  # the caller's deadline has passed
                return
            if error is None:
                answer.set_result(addresses)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            addresses: Sequence[str] = ()
            problem: Exception | None = None
            try:
                addresses = _addresses(host, port)
            except (OSError, ValueError) as error:
                problem = error
            with suppress(RuntimeError):  # the loop was closed while the lookup hung
                loop.call_soon_threadsafe(settle, addresses, problem)

        try:
            threading.Thread(target=look_up, name="resolver", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError("no thread is left to look a name up") from error
        return await answer


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
