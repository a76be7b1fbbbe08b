"""What a request may bring before anything of it is parsed, and which of its cookies are read at all.

Libraries parse headers, queries and cookies with costs of their own, in the event loop, before a route is found. Here
bytes are counted, nothing else: each check costs as much as finding the byte that it counts. Bodies have bounds where
they are read (`web.http.bodies`, `web.http.json_api`), pings theirs in `web.heartbeats.ping`; `web.wire.protocol` ends
headers while they arrive.

Cookies of others are no fault of the reader, behind a proxy with a login of its own least of all: they are not
refused, and not parsed either. http.cookies takes seconds for one of 40 kB on a Python that lacks the mending of
CVE-2024-7592, and FastAPI hands it every cookie of every request.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Scope

MAX_HEADER_BYTES = 65_536
# Browsers behind several proxies send forty.
MAX_HEADER_LINES = 100
# A body that makes no progress for this long is not going to arrive; one over the limit is not waited for longer.
BODY_PATIENCE_SEC = 10.0
# One that comes a byte at a time ends as well.
MAX_BODY_SEC = 60.0
# The longest address of ours, a filter of a log with 200 characters of four bytes each, has 3 kB and a dozen fields.
MAX_PATH_BYTES = MAX_QUERY_BYTES = 8_192
MAX_QUERY_FIELDS = 100
# boundary is one; readers of mail send three or four.
MAX_PARAMETERS = 16
# No browser and no library comes near. What carries somebody else's proof of who one is (Authorization) has no bound of
# its own: tokens of Kerberos are large, and nothing is parsed of what is not for us.
MAX_VALUE_BYTES = {
    b"content-type": 1_024,
    b"accept": 4_096,
    b"accept-encoding": 1_024,
    b"accept-language": 1_024,
    b"if-none-match": 4_096,
    b"if-modified-since": 256,
    b"range": 1_024,
    b"if-range": 1_024,
    b"host": 1_024,
    b"origin": 4_096,
    b"content-length": 256,
}
# Whatever we give a browser is shorter, has no quotes, and bears one of these names.
_MAX_COOKIE_BYTES = 4_096
_OUR_COOKIES = (b"pulsemon_", b"__Host-pulsemon_", b"__Secure-pulsemon_")
_CHOICES = (b"lang", b"tz")


class Refusal(NamedTuple):
    """The answer to a request that brings too much; *detail* says what, where, and the limit."""

    status_code: int
    detail: str


def refusal_of(scope: Scope) -> Refusal | None:
    """Return why a request is not read any further, None if it may be."""
    return _of_target(scope) or _of_headers(scope)


def _of_target(scope: Scope) -> Refusal | None:
    query: bytes = scope["query_string"]
    if len(scope.get("raw_path") or scope["path"]) > MAX_PATH_BYTES:
        return Refusal(414, f"The path is longer than {_size(MAX_PATH_BYTES)}.")
    if len(query) > MAX_QUERY_BYTES:
        return Refusal(414, f"The query, what stands behind the ?, is longer than {_size(MAX_QUERY_BYTES)}.")
    if query.count(b"&") >= MAX_QUERY_FIELDS:
        return Refusal(400, f"The query, what stands behind the ?, has more than {MAX_QUERY_FIELDS} fields.")
    return None


def _of_headers(scope: Scope) -> Refusal | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) > MAX_HEADER_LINES:
        return Refusal(431, f"The request has more than {MAX_HEADER_LINES} header lines.")
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        limit = MAX_VALUE_BYTES.get(name)
        if limit is not None and len(value) > limit:
            return Refusal(431, f"The header {name.decode('ascii')} is longer than {_size(limit)}.")
        if name == b"content-type" and value.count(b";") > MAX_PARAMETERS:
            return Refusal(400, f"The header content-type has more than {MAX_PARAMETERS} parameters.")
    if size > MAX_HEADER_BYTES:
        return Refusal(431, f"The headers are larger than {_size(MAX_HEADER_BYTES)}.")
    return None


def _size(count: int) -> str:
    return f"{count // 1_024} KiB" if count % 1_024 == 0 else f"{count} bytes"


def with_our_cookies(scope: Scope) -> Scope:
    """Return *scope* with the cookies that PulseMon gave out and no others, in one line."""
    lines = [value for name, value in scope["headers"] if name == b"cookie"]
    if not lines:
        return scope
    ours = [pair for line in lines for pair in line.split(b";") if _is_ours(pair)]
    headers = [each for each in scope["headers"] if each[0] != b"cookie"]
    if ours:
        headers.append((b"cookie", b"; ".join(pair.strip(b" \t") for pair in ours)))
    return {**scope, "headers": headers}


def _is_ours(pair: bytes) -> bool:
    name, _, value = pair.strip(b" \t").partition(b"=")
    is_named = name.startswith(_OUR_COOKIES) or name in _CHOICES
    return is_named and len(value) <= _MAX_COOKIE_BYTES and b'"' not in value and b"\\" not in value
