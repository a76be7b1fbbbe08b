"""The answers with which a connection ends before any request of it reaches the application."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pulsemon.web.http.bounds import MAX_HEADER_LINES


def last_words(status_code: int, detail: str, *extra: tuple[bytes, bytes]) -> bytes:
    """Return the bytes of a whole answer that says *detail* and that the connection ends."""
    body = f'{{"detail": "{detail}"}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        *extra,
    ]
    return STATUS_LINE[status_code] + b"".join(b"%s: %s\r\n" % each for each in headers) + b"\r\n" + body


INVALID = last_words(400, "This is no HTTP request that can be read in one way only.")
NO_TUNNEL = last_words(405, "Method Not Allowed", (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE"))
TOO_LATE = last_words(408, "The request did not arrive in time.")
HEADERS_TOO_LARGE = last_words(431, "The headers are larger than 64 KiB.")
HEADERS_TOO_MANY = last_words(431, f"There are more than {MAX_HEADER_LINES} header lines.")
STOPPING = last_words(503, "PulseMon is stopping. Send the request again.")
TOO_MANY = last_words(503, "Too many connections.")
BAD_VERSION = last_words(505, "Speak HTTP/1.1.")
