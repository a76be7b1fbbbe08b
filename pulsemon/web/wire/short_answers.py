"""What `web.wire.protocol` has in the place of an ASGI request and its answer where it answers a ping by itself."""

from __future__ import annotations

import asyncio
from typing import Any

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


_made: dict[tuple[int, bool, bool], bytes] = {}
_made_for: list[Any] = [None]


def whole_answer(
    response: Response, default_headers: list[tuple[bytes, bytes]], keep_alive: bool, is_head: bool
) -> bytes:
    """Return all bytes of an answer, made once: uvicorn makes new default headers every second, with the date."""
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
