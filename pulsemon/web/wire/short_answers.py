"""What `web.wire.protocol` has in the place of an ASGI request and its answer where it answers a ping by itself."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pulsemon.web.heartbeats.ping import Response


class PingCycle:
    """What uvicorn's protocol looks at in a request under way."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self, *, keep_alive: bool, message_event: asyncio.Event) -> None:
        self.keep_alive = keep_alive
        self.message_event = message_event
        self.disconnected = False
        self.response_complete = False
        self.more_body = False
        self.body = bytearray()


class WholeAnswers:
    """All bytes of answers, made once: uvicorn makes new default headers every second, with the date."""

    def __init__(self) -> None:
        self._cached: dict[tuple[Response, bool, bool], bytes] = {}
        self._cached_for: list[tuple[bytes, bytes]] | None = None  # the default headers that they bear

    def whole(
        self, response: Response, default_headers: list[tuple[bytes, bytes]], keep_alive: bool, is_head: bool
    ) -> bytes:
        """Return all bytes of *response* with these headers."""
        if self._cached_for is not default_headers:
            self._cached.clear()
            self._cached_for = default_headers
        key = (response, keep_alive, is_head)
        found = self._cached.get(key)
        if found is None:
            found = self._cached[key] = _written(response, default_headers, keep_alive, is_head)
        return found


def _written(response: Response, default_headers: list[tuple[bytes, bytes]], keep_alive: bool, is_head: bool) -> bytes:
    headers = [*default_headers, *response.start["headers"]]
    if not keep_alive and not response.closes:
        headers.append((b"connection", b"close"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    body: bytes = b"" if is_head else response.body["body"]
    return STATUS_LINE[response.start["status"]] + lines + b"\r\n" + body
