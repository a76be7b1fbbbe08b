"""A protocol class for uvicorn that answers plain pings before any ASGI object is made.

Used by run.py, `pulsemon serve` and the image. It takes what is simple - GET or HEAD, HTTP/1.1, no proxy's headers, no
request before it still open - and leaves everything else to uvicorn's own way, which reaches the same ping gate; so
`uvicorn app.main:app` behaves the same, only slower. Measured on one core at 64 connections: 1.6 times the pings.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pulsemon.pings import Answer, Ping
from pulsemon.web.ping import PREFIX, PingGate, Refused, Response, response_to

# Where the gate waits in the lifespan's state, which uvicorn hands to every connection.
STATE_KEY = "pulsemon.ping_gate"
_METHODS = (b"GET", b"HEAD")
# Their meaning is uvicorn's business (who is trusted, what is answered first).
_NOT_PLAIN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"expect", b"upgrade"})


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


class PingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a shorter way for pings."""

    # One for all: nobody waits for it, but uvicorn sets it when a connection is lost.
    _nobody_waits = asyncio.Event()

    def on_headers_complete(self) -> None:
        """Answer a plain ping; hand every other request on."""
        gate: PingGate | None = self.app_state.get(STATE_KEY)
        if gate is None or not self.url.startswith(PREFIX) or not self._is_plain():
            super().on_headers_complete()
            return
        method = self.parser.get_method()
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
        gate.submit(ping).add_done_callback(partial(self._answer, cycle, ping, is_head))

    def on_body(self, body: bytes) -> None:
        """Throw away what a GET carries."""
        if not isinstance(self.cycle, _PingCycle):
            super().on_body(body)

    def _is_plain(self) -> bool:
        """Return whether the request is one that the short way takes."""
        is_first = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        return (
            is_first
            and self.parser.get_method() in _METHODS
            and self.parser.get_http_version() == "1.1"
            and not self.root_path
            and b"#" not in self.url
            and not any(name in _NOT_PLAIN for name, _ in self.headers)
        )

    def _answer(self, cycle: _PingCycle, ping: Ping, is_head: bool, done: asyncio.Future[Answer]) -> None:
        if not done.cancelled():
            self._write(cycle, response_to(ping, done.result()), is_head=is_head)

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
