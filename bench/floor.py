"""The floor of every measurement: what the server itself reaches with a constant answer, nothing stored."""

from __future__ import annotations

from typing import Any

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
        (b"cache-control", b"no-store"),
    ],
}
_BODY = {"type": "http.response.body", "body": b'{"ok": true}'}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with the bytes of a stored ping."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send(_START)
    await send(_BODY)
