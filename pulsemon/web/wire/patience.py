"""How long a connection is waited for: what is to arrive, and what is to be taken. Nothing here reads a clock.

Both are looked at by one round a second (`web.wire.connections`), so that a request pays for no timer.
"""

from __future__ import annotations

import asyncio
import sys
from enum import Enum

from pulsemon.web.http.bounds import BODY_PATIENCE_SEC, MAX_BODY_SEC


class Arriving(Enum):
    """What a connection is to bring next."""

    FIRST_BYTE = "first byte"
    HEADERS = "headers"
    BODY = "body"
    PING_BODY = "body of a ping"
    NOTHING = "nothing"  # the request is whole: now it is our turn
    ANOTHER = "another request"


PATIENCE_SEC = {
    Arriving.FIRST_BYTE: 10.0,
    Arriving.HEADERS: 5.0,
    Arriving.BODY: 10.0,
    # The gate of pings has ends of its own, and words that fit; this is for a request that never reached it.
    Arriving.PING_BODY: MAX_BODY_SEC + BODY_PATIENCE_SEC + 5.0,
    Arriving.NOTHING: float("inf"),
    # `Arriving.ANOTHER`: uvicorn's --timeout-keep-alive.
}
# The instant that a deadline counts from once it is over. A loop that stood still finds every deadline over, and what
# should have arrived lying there unread: so each connection gets one more round.
LAST_CALL = float("-inf")

# A reader takes so much within that time, or he is gone. Half a kilobyte a second is less than any telephone does; a
# page of a megabyte may still take him half an hour.
LEAST_TAKEN_BYTES = 16_384
TAKING_SEC = 30.0


class Reader:
    """A reader for whom more lies ready than he has taken."""

    __slots__ = ("_since", "_unsent")

    def __init__(self) -> None:
        self._unsent = -1
        self._since = 0.0

    def is_too_slow(self, unsent: int, now: float) -> bool:
        """Return whether too little was taken lately; *unsent* is what he has not taken yet, in bytes."""
        if unsent > self._unsent or self._unsent - unsent >= LEAST_TAKEN_BYTES:
            self._unsent, self._since = unsent, now
            return False
        return now - self._since > TAKING_SEC


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how much of what was written the other side has not taken yet."""
    return transport.get_write_buffer_size() + _in_the_kernel(transport)


def _in_the_kernel(transport: asyncio.Transport) -> int:
    """Return what the system holds of it. It passes on in lumps of hundreds of kilobytes, so ours alone says little."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    socket = transport.get_extra_info("socket")
    try:
        found = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (AttributeError, OSError):  # no socket, or one that knows no such number
        return 0
    return int.from_bytes(found, sys.byteorder)
