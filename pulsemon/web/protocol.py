"""A protocol class for uvicorn: deadlines and limits for receiving, and a shorter way for plain pings.

uvicorn waits for a request as long as it takes. Here the headers must be there within 5 s and not larger than 64 KiB,
a body within 10 s (a ping's body has rules of its own, see `web.ping`), and one address holds at most 128 connections;
proxies that are trusted speak for many addresses and are not counted. What comes too late gets 408 and the connection
ends. One sweep a second looks at all connections, so that a request pays for two numbers and no timer.

Plain pings are answered before any ASGI object is made.

Used by run.py, `pulsemon serve` and the image. It takes what is simple - GET or HEAD, HTTP/1.1, no proxy's headers, no
request before it still open - and leaves everything else to uvicorn's own way, which reaches the same ping gate; so
`uvicorn app.main:app` behaves the same, only slower. Measured on one core at 64 connections: 1.6 times the pings.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pulsemon.pings import Answer, Ping
from pulsemon.web.bounds import MAX_PATH_BYTES
from pulsemon.web.connections import CONNECTIONS_KEY, Connections
from pulsemon.web.ping import MAX_HEADER_BYTES, PREFIX, PingGate, Refused, Response, response_to

# Where the gate waits in the lifespan's state, which uvicorn hands to every connection.
STATE_KEY = "pulsemon.ping_gate"
_METHODS = (b"GET", b"HEAD")
# Their meaning is uvicorn's business (who is trusted, what is answered first).
_NOT_PLAIN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"expect", b"upgrade"})


def _cut(url: bytes) -> bytes:
    """Return a target whose path ends a byte behind the bound: enough to be refused, and uvicorn decodes no more."""
    path, mark, query = url.partition(b"?")
    return path[: MAX_PATH_BYTES + 1] + mark + query


def _last_words(status_code: int, detail: str) -> bytes:
    body = f'{{"detail": "{detail}"}}'.encode()
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status_code] + head + body


_TOO_LATE = _last_words(408, "The request did not arrive in time.")
_HEADERS_TOO_LARGE = _last_words(431, "The headers are larger than 64 KiB.")
_STOPPING = _last_words(503, "PulseMon is stopping. Send the request again.")
_TOO_MANY = _last_words(503, "Too many connections from this address.")


class _PingCycle:
    """What uvicorn's protocol looks at in a request under way."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self, *, keep_alive: bool, message_event: asyncio.Event) -> None:
        self.keep_alive = keep_alive
        self.message_event = message_event
        self.disconnected = False
        self.response_complete = False
        self.more_body = False
        self.body = bytearray()


class _Phase(Enum):
    """What a connection is waiting for."""

    FIRST_BYTE = "first byte"
    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"  # ours: no deadline here
    READER = "reader"  # our answer fills the buffers and nobody takes it


_PATIENCE_SEC = {
    _Phase.FIRST_BYTE: 10.0,
    _Phase.HEADERS: 5.0,
    _Phase.BODY: 10.0,
    _Phase.ANSWER: float("inf"),
    _Phase.READER: 30.0,
}


class PingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines, limits, and a shorter way for pings."""

    # One for all: nobody waits for it, but uvicorn sets it when a connection is lost.
    _nobody_waits = asyncio.Event()

    _known: Connections | None = None
    _phase = _Phase.FIRST_BYTE
    _since = 0.0
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or close it where its address has too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._known = self.app_state.get(CONNECTIONS_KEY)
        if self._known is not None and not self._known.admit(self, self._address()):
            transport.write(_TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._known is not None:
            self._known.forget(self, self._address())
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; headers that grow beyond the limit end the connection while they are read."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._phase is _Phase.HEADERS:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(_HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins: its headers are due."""
        super().on_message_begin()
        self._phase, self._since, self._head_bytes = _Phase.HEADERS, self.loop.time(), 0

    def on_message_complete(self) -> None:
        """The request is whole: now it is our turn."""
        self._phase = _Phase.ANSWER
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The reader takes nothing; it has some time to go on."""
        super().pause_writing()
        self._phase, self._since = _Phase.READER, self.loop.time()

    def resume_writing(self) -> None:
        """The reader goes on."""
        super().resume_writing()
        self._phase = _Phase.ANSWER

    @property
    def is_waiting(self) -> bool:
        """Return whether nothing is under way here: no whole request that has no whole answer yet."""
        is_whole = self.cycle is not None and not self.cycle.more_body
        return self._phase is not _Phase.ANSWER or not is_whole or self.cycle.response_complete

    def end_if_unfinished(self) -> None:
        """End the connection if a request has begun to arrive and is not whole."""
        is_body_open = self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete
        if (self._phase in (_Phase.HEADERS, _Phase.BODY) or is_body_open) and not self.transport.is_closing():
            self._refuse(_STOPPING)

    def end_if_overdue(self, now: float) -> None:
        """End the connection if what it waits for should have come by now."""
        if now - self._since <= _PATIENCE_SEC[self._phase] or self.transport.is_closing():
            return
        is_answering = getattr(self.cycle, "response_started", False) and not self.cycle.response_complete
        if self._phase is _Phase.READER:
            self.transport.abort()
        elif self._phase is _Phase.FIRST_BYTE or is_answering:
            self.transport.close()
        else:
            self._refuse(_TOO_LATE)

    def _refuse(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()

    def _address(self) -> str | None:
        return self.client[0] if self.client else None

    def on_headers_complete(self) -> None:
        """Answer a plain ping; hand every other request on."""
        if len(self.url) > MAX_PATH_BYTES:
            self.url = _cut(self.url)
        is_ping = self.url.startswith(PREFIX)
        # The gate watches over the body of a POST itself; what another ping carries is nobody's.
        method = self.parser.get_method()
        is_watched = is_ping and method == b"POST"
        self._phase = _Phase.ANSWER if is_watched else _Phase.BODY
        self._since = self.loop.time()
        gate: PingGate | None = self.app_state.get(STATE_KEY)
        if gate is None or not is_ping or method not in _METHODS or not self._is_plain():
            super().on_headers_complete()
            return
        cycle = _PingCycle(keep_alive=self.parser.should_keep_alive(), message_event=self._nobody_waits)
        self.cycle = cycle  # type: ignore[assignment]
        raw_path, _, query = self.url.partition(b"?")
        self.scope["method"] = method.decode("ascii")
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = query
        is_head = method == b"HEAD"
        try:
            ping = gate.parse(self.scope)  # type: ignore[arg-type]  # a TypedDict is no MutableMapping to mypy
        except Refused as refused:
            self._write(cycle, refused.response, is_head=is_head)
            return
        gate.submit_for(ping, partial(self._answer, cycle, ping, is_head))

    def on_body(self, body: bytes) -> None:
        """Throw away what a GET carries."""
        if not isinstance(self.cycle, _PingCycle):
            super().on_body(body)

    def _is_plain(self) -> bool:
        """Return whether the request is one that the short way takes."""
        is_first = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        if not is_first or self.root_path or b"#" in self.url or self.parser.get_http_version() != "1.1":
            return False
        for name, _ in self.headers:  # noqa: SIM110 - any() takes three times as long for two headers
            if name in _NOT_PLAIN:
                return False
        return True

    def _answer(self, cycle: _PingCycle, ping: Ping, is_head: bool, answer: Answer) -> None:
        self._write(cycle, response_to(ping, answer), is_head=is_head)

    def _write(self, cycle: _PingCycle, response: Response, *, is_head: bool) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        if response.closes:
            cycle.keep_alive = False
        self.transport.write(_bytes(response, self.server_state.default_headers, cycle.keep_alive, is_head))
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


_made: dict[tuple[int, bool, bool], bytes] = {}
_made_for: list[Any] = [None]


def _bytes(response: Response, default_headers: list[tuple[bytes, bytes]], keep_alive: bool, is_head: bool) -> bytes:
    """Return the whole answer. uvicorn makes a new list of default headers every second, with the date in it."""
    if _made_for[0] is not default_headers:
        _made.clear()
        _made_for[0] = default_headers
    key = (id(response), keep_alive, is_head)
    found = _made.get(key)
    if found is None:
        headers = [*default_headers, *response.start["headers"]]
        if not keep_alive and not response.closes:
            headers.append((b"connection", b"close"))
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        body = b"" if is_head else response.body["body"]
        found = _made[key] = STATUS_LINE[response.start["status"]] + lines + b"\r\n" + body
    return found
