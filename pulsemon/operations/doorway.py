"""What is turned away at the door, before anybody reads it: pings that PulseMon never hears of.

A connection needs a file descriptor to be accepted, and a place in the kernel's queue until then. So the process asks
for as many descriptors as it may have, lets connections take only a part of them, and looks with every pulse whether
one is left and whether the queue ran over. What was turned away is told as blindness. Not here: which connection goes
where there are too many (`web.wire.connections`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from datetime import datetime, timedelta
from typing import Any

from pulsemon import log
from pulsemon.core.status import BlindWindow

_log = log.get(__name__)

# Each connection costs some 10 kB: as many as a machine of any size can hold.
WANTED_DESCRIPTORS = 16_384
# Left to everything else: 500 messages on their way (messages.outbox.MAX_IN_FLIGHT), the connections to the database,
# three descriptors each on SQLite, logs, copies of public pages.
RESERVE = 640
# As many as Linux lets wait by itself (net.core.somaxconn since 5.4): a stall of a second with some thousand pings.
BACKLOG = 4_096
# What `socket.accept` answers where it is the system that is short of something.
_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# For so long asyncio does not accept after that (asyncio.constants.ACCEPT_RETRY_DELAY).
_ACCEPT_PAUSE = timedelta(seconds=1)
# Nothing was turned away for so long: it is over.
_IS_OVER = timedelta(seconds=10)
# Linux: the place of the queue's length and its limit in `tcp_info` of a socket that listens, and of the count of what
# was dropped in the answer to SO_MEMINFO, whose number asm-generic/socket.h gives.
_QUEUE_IN_TCP_INFO, _TCP_INFO_BYTES = 24, 32
_SO_MEMINFO, _DROPS, _MEMINFO_VALUES = 55, 8, 9


def raise_limit() -> int | None:
    """Ask for as many descriptors as are wanted and allowed; return how many there may be, None where nobody says."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS may allow less than it says
            wanted = soft
        soft = wanted
    return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def connections_of(descriptors: int | None) -> int:
    """Return how many of so many descriptors connections may take; at most half where there are few."""
    if descriptors is None:
        return WANTED_DESCRIPTORS - RESERVE
    return descriptors - min(RESERVE, descriptors // 2)


class Doorway:
    """When something was turned away. `take` is safe in any thread, the rest belongs to the loop's."""

    def __init__(self, listener: socket.socket | None) -> None:
        self._listener = listener
        self._turned_away: list[datetime] = []  # the first and the last since they were taken
        self._looked_at: datetime | None = None
        self._paused_until: datetime | None = None
        self._queue = _read_queue(listener)
        self._last_at: datetime | None = None  # None: nothing lately

    def note(self, at: datetime, why: str) -> None:
        """Something was turned away at *at*; said in the log when it begins, and by `look` when it is over."""
        if self._last_at is None:
            _log.warning("connections.turned_away", reason=why)
        self._last_at = at
        self._turned_away = [min([*self._turned_away, at]), max([*self._turned_away, at])]

    def take(self) -> BlindWindow | None:
        """Return the span in which something was turned away since the last call, or None."""
        taken, self._turned_away = self._turned_away, []
        return BlindWindow(taken[0], taken[-1]) if taken else None

    def look(self, now: datetime) -> None:
        """Look whether a descriptor is left and the kernel's queue is long enough; called a few times a second."""
        before, self._looked_at = self._looked_at or now, now
        if not is_descriptor_left():
            self._note_span(before, now, "no file descriptor is left")
        if self._is_overrun():
            self._note_span(before, now, "the queue of new connections is full")
        if self._paused_until is not None and now <= self._paused_until:
            self.note(now, "connections cannot be accepted")
        if self._last_at is not None and not timedelta(0) <= now - self._last_at <= _IS_OVER:
            _log.info("connections.taken_again")
            self._last_at = None

    def accept_failed(self, now: datetime) -> None:
        """The event loop could not accept a connection, and pauses."""
        self._paused_until = now + _ACCEPT_PAUSE
        self.note(now, "connections cannot be accepted")

    def _note_span(self, since: datetime, until: datetime, why: str) -> None:
        self.note(min(since, until), why)
        self.note(until, why)

    def _is_overrun(self) -> bool:
        """Return whether connections were dropped while the queue was full, or half full by the time of a look.

        The kernel counts as dropped also what a stranger may send on purpose: without a queue it says nothing.
        """
        before, now = self._queue, _read_queue(self._listener)
        self._queue = now
        if before is None or now is None:
            return False
        is_long = 2 * max(before.length, now.length) >= now.limit
        return is_long and now.drops != before.drops


class _Queue:
    """The kernel's queue of connections that nobody accepted yet."""

    __slots__ = ("drops", "length", "limit")

    def __init__(self, length: int, limit: int, drops: int) -> None:
        self.length = length
        self.limit = limit
        self.drops = drops


def _read_queue(listener: socket.socket | None) -> _Queue | None:
    """Return how long the queue is; None where the system does not say."""
    if listener is None or sys.platform != "linux":
        return None
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        memory = listener.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_VALUES)
        length, limit = struct.unpack_from("=II", info, _QUEUE_IN_TCP_INFO)
        return _Queue(length, limit, struct.unpack_from("=I", memory, 4 * _DROPS)[0])
    except (OSError, struct.error):  # an old kernel, or the socket is closed
        return None


def is_descriptor_left() -> bool:
    """Return whether one more connection could be accepted; uvloop closes those that could not, and is silent."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as failed:
        return failed.errno not in _SHORT_OF
    return True


def is_accept_failure(context: dict[str, Any]) -> bool:
    """Return whether this is what asyncio tells its exception handler when it cannot accept a connection."""
    failed = context.get("exception")
    return isinstance(failed, OSError) and failed.errno in _SHORT_OF and "accept" in str(context.get("message", ""))


def hear_of_accept_failures(loop: asyncio.AbstractEventLoop, doorway: Doorway, now: Any) -> None:
    """Have *doorway* told of them; whatever else goes wrong in the loop is reported as before."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if is_accept_failure(context):
            doorway.accept_failed(now())
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
