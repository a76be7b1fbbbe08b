"""Connections to the mail server that carry one mail after the other: a handshake and a login cost more than a mail.

Measured on one machine, with STARTTLS and a login, four mails at once: a connection for each, 80 mails/s; so, 600.
Whoever takes one back has handed in a whole mail over it. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib import SMTP

# Long enough for the next round of the outbox; a server ends idle connections after minutes.
IDLE_SEC = 5.0
# Servers that count end a connection after a hundred, most after more.
MAILS_PER_CONNECTION = 50
# For saying goodbye to a server that has all mails already, and for asking one whether it is still there.
_COURTESY_SEC = 1.0


@dataclass(slots=True, eq=False)
class Connection:
    """One connection: to write over it, ask `client`."""

    client: SMTP
    mail_count: int = 0
    end: asyncio.TimerHandle | None = None  # set while it is idle

    def hang_up(self) -> None:
        """End the connection now, without a word."""
        _hang_up(self.client)


class Connections:
    """The idle connections to one server; *make* returns a client that is not connected yet."""

    def __init__(self, make: Callable[[], SMTP]) -> None:
        self._make = make
        self._idle: list[Connection] = []
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def take(self) -> Connection:
        """Return a connection of which it is known that the server is there. Raises whatever connecting raises."""
        while self._idle:
            found = self._idle.pop()
            if found.end is not None:
                found.end.cancel()
            if await _answers(found.client):
                return found
        return await self.make()

    async def make(self) -> Connection:
        """Return a new connection. Raises whatever connecting raises."""
        made = Connection(self._make())
        try:
            await made.client.connect()
        except BaseException:
            made.hang_up()
            raise
        return made

    async def give_back(self, used: Connection) -> None:
        """Keep a connection over which a mail was handed in, for the next one."""
        used.mail_count += 1
        if self._is_closed or used.mail_count >= MAILS_PER_CONNECTION:
            await _say_goodbye(used.client)
            return
        used.end = asyncio.get_running_loop().call_later(IDLE_SEC, self._let_go, used)
        self._idle.append(used)

    def _let_go(self, idle: Connection) -> None:
        self._idle.remove(idle)
        goodbye = asyncio.create_task(_say_goodbye(idle.client))
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)

    async def close(self) -> None:
        """Say goodbye over every idle connection; one that comes back later is ended then."""
        self._is_closed = True
        for each in list(self._idle):
            if each.end is not None:
                each.end.cancel()
            self._let_go(each)
        if self._goodbyes:
            await asyncio.wait(self._goodbyes)


async def _answers(client: SMTP) -> bool:
    """Return whether an idle connection still lives; RSET leaves nothing of the mail before."""
    is_there = False
    try:
        async with asyncio.timeout(_COURTESY_SEC):
            await client.rset()
        is_there = True
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        if not is_there:
            _hang_up(client)
    return is_there


async def _say_goodbye(client: SMTP) -> None:
    """The mails are the server's by now, whatever becomes of the connection."""
    transport = client.transport  # the client forgets it as soon as the server has answered
    try:
        async with asyncio.timeout(_COURTESY_SEC):
            await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass
    finally:
        _hang_up(client, transport)


def _hang_up(client: SMTP, transport: asyncio.BaseTransport | None = None) -> None:
    """End the connection now: one with TLS waits for a farewell of the server, longer than its event loop may live."""
    transport = client.transport or transport
    client.close()
    if transport is not None:
        cast(asyncio.WriteTransport, transport).abort()  # uvloop's can do that, and is no subclass
