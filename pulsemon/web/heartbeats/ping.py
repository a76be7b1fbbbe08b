"""The ping route, as raw ASGI ahead of everything else: a framework's router costs more than storing the ping.

Reads the request (method, suffix, rid, then slug and token; the body of a POST up to the limit) and answers what the
ping lane says. Whatever bytes come, the answer is one of a few fixed ones, and nothing that cannot be a monitor's
reaches a batch.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulsemon import log
from pulsemon.core import body_text
from pulsemon.core.rules import Outcome
from pulsemon.core.status import Signal
from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.settings import LogLevel
from pulsemon.web.heartbeats import previews
from pulsemon.web.http.bounds import BODY_PATIENCE_SEC, MAX_BODY_SEC, MAX_HEADER_BYTES
from pulsemon.web.http.site import Site

_log = log.get(__name__)

PREFIX = b"/h/"
# Where a protocol class of ours leaves the connection in the scope of a ping; others leave nothing.
CONNECTION_KEY = "pulsemon.connection"
MAX_EXIT_STATUS = 255

_METHODS = frozenset({"GET", "POST", "HEAD"})
_SUFFIXES = {b"start": Signal.START, b"fail": Signal.FAIL, b"log": Signal.LOG}
_DIGITS = re.compile(rb"[0-9]+")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RID = re.compile(rb"&rid(?:=([^&]*))?(?=&|\Z)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_PURPOSE_HEADERS = frozenset({b"sec-purpose", b"purpose", b"x-moz", b"x-purpose"})
_MAX_USER_AGENT = 256
# A UUID with each of its letters in an escape.
_MAX_RID = 36 * 3
_MAX_ADDRESS = 64


_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """One of the fixed answers, as ASGI messages; `closes`: the connection ends with it. Two are never the same one."""

    start: Message
    body: Message
    closes: bool


def _response(status: int, body: bytes, *extra: tuple[bytes, bytes]) -> Response:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    return Response(
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
        closes=_CLOSE in extra,
    )


_OK = _response(200, b'{"ok": true}')
_OK_UNFINISHED = _response(200, b'{"ok": true}', _CLOSE)
_OK_METHOD = _response(200, b'{"ok": true, "ignored": "method"}')
_OK_UNASKED = _response(200, b'{"ok": true, "ignored": "prefetch"}')
# One answer for an unknown slug, a wrong token and a path that cannot be: nobody learns which slugs exist.
_NOT_FOUND = _response(404, b'{"detail": "Not Found"}')
_BAD_RID = _response(400, b'{"detail": "rid must be a UUID, such as 123e4567-e89b-42d3-a456-426614174000."}')
_BAD_EXIT_STATUS = _response(400, b'{"detail": "The exit status must lie between 0 and 255."}')
_BAD_METHOD = _response(405, b'{"detail": "Method Not Allowed"}', (b"allow", b"GET, HEAD, POST"))
_STALLED = _response(408, b'{"detail": "The body stopped arriving; nothing was recorded."}', _CLOSE)
_HEADERS_TOO_LARGE = _response(431, b'{"detail": "The headers are larger than 64 KiB."}', _CLOSE)
_UNAVAILABLE = _response(
    503,
    b'{"detail": "It is not known whether this ping was stored. Repeat it; that is always safe."}',
    (b"retry-after", b"5"),
)


class Refused(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class _Body(NamedTuple):
    kept: bytes
    is_finished: bool


class PingGate:
    """Takes the pings out of the stream of requests and passes everything else on."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site
        self._is_logged = site.settings.log_level is LogLevel.DEBUG

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a ping, or hand the request to the application."""
        if scope["type"] == "http":
            ping_scope = _without_root(scope) if scope.get("root_path") else scope
            if ping_scope.get("raw_path", b"").startswith(PREFIX):
                response = await self._answer(ping_scope, receive)
                if response is not None:
                    await send(response.start)
                    await send(response.body)
                return
        await self._app(scope, receive, send)

    def parse(self, scope: Scope) -> Ping:
        """Read everything of a request but its body. Raises Refused with the answer."""
        if scope["method"] not in _METHODS:
            raise Refused(_BAD_METHOD)
        return _parse(scope, scope["method"], self._site.now())

    def submit_for(self, ping: Ping, tell: Callable[[Answer], None]) -> None:
        """Hand a ping to the lane; *tell* is called with its answer."""
        self._note(ping)
        self._site.lane.submit_for(ping, tell)

    def _note(self, ping: Ping) -> None:
        if self._is_logged:
            _log.debug("ping", slug=ping.slug, signal=ping.signal.value, method=ping.method, remote=ping.remote_addr)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        is_finished = True
        try:
            ping = self.parse(scope)
            if ping.method == "POST":
                body = await _read_body(receive, self._site.settings.ping_body_limit)
                if body is None:
                    return None  # the client is gone
                is_finished = body.is_finished
                ping.body = body.kept or None
                ping.charset = _read_charset(scope["headers"], body.kept)
                ping.received_at = self._site.now()
        except Refused as refused:
            return refused.response
        self._note(ping)
        answer = await self._site.lane.submit(ping)
        if answer is Answer.STORED and (connection := scope.get(CONNECTION_KEY)) is not None:
            connection.has_pinged = True
        return response_to(ping, answer, is_finished=is_finished)


def _without_root(scope: Scope) -> Scope:
    """Return *scope* without the prefix that a server was told to put in front of every path (`--root-path`)."""
    return {**scope, "raw_path": scope.get("raw_path", b"").removeprefix(scope["root_path"].encode())}


def response_to(ping: Ping, answer: Answer, *, is_finished: bool = True) -> Response:
    """Return what the client of *ping* is told; `is_finished`: its body was read to the end."""
    if answer is Answer.STORED:
        if ping.unasked is not None:
            return _OK_UNASKED
        return _OK if is_finished else _OK_UNFINISHED
    if answer is Answer.IGNORED:
        return _OK_METHOD
    return _NOT_FOUND if answer is Answer.UNKNOWN else _UNAVAILABLE


def _parse(scope: Scope, method: str, received_at: datetime) -> Ping:
    """Read everything but the body. Raises Refused with the answer."""
    head_bytes = len(scope["raw_path"]) + len(scope["query_string"])
    user_agent, unasked = _read_headers(scope["headers"], head_bytes)
    segments = scope["raw_path"].partition(b"?")[0][len(PREFIX) :].split(b"/")
    if len(segments) > 2 and not segments[-1]:
        segments.pop()  # one trailing slash
    signal, exit_status = Signal.SUCCESS, None
    if len(segments) == 3:
        signal, exit_status = _read_suffix(segments[2])
    query = scope["query_string"]
    rid = _read_rid(query) if b"rid" in query else None
    if len(segments) not in (2, 3):
        raise Refused(_NOT_FOUND)
    return Ping(
        _decode(segments[0]),
        _decode(segments[1]),
        signal,
        received_at,
        method,
        exit_status,
        rid,
        _address(client[0][:_MAX_ADDRESS]) if (client := scope.get("client")) else None,
        user_agent,
        None,
        None,
        # A robot fetches; what is sent to us somebody meant.
        None if unasked is Outcome.PREVIEW and method == "POST" else unasked,
    )


# Most pings come from an address that sent one before.
@lru_cache(maxsize=512)
def _address(host: str) -> str:
    """Return *host* as it is kept; behind a trusted proxy it is whatever the proxy passed on."""
    return _CONTROL.sub(" ", host)


def _read_headers(headers: list[tuple[bytes, bytes]], size: int) -> tuple[str | None, Outcome | None]:
    """Return the user agent, and what this is if nobody asked for it: a browser preparing a page, a link's preview.

    *size*: the bytes of the request line, which count too.
    """
    user_agent = None
    unasked = is_robot = None
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"user-agent":
            user_agent, is_robot = _read_agent(value[: 4 * _MAX_USER_AGENT])
        elif name in _PURPOSE_HEADERS:
            purpose = value.lower()
            if b"prefetch" in purpose or b"preview" in purpose:
                unasked = Outcome.PREFETCH
    if size > MAX_HEADER_BYTES:
        raise Refused(_HEADERS_TOO_LARGE)
    return user_agent, unasked or (Outcome.PREVIEW if is_robot else None)


# The same few agents send nearly all pings: to remember one is cheaper than to decode it.
@lru_cache(maxsize=512)
def _read_agent(value: bytes) -> tuple[str, bool]:
    """Return the user agent as it is kept, and whether it is a robot's."""
    user_agent = _CONTROL.sub(" ", value.decode("utf-8", "replace"))[:_MAX_USER_AGENT]
    return user_agent, previews.is_robot(user_agent)


def _read_charset(headers: list[tuple[bytes, bytes]], body: bytes) -> str | None:
    for name, value in headers:
        if name == b"content-type":
            return body_text.charset_of(value, body)
    return None


def _read_suffix(segment: bytes) -> tuple[Signal, int | None]:
    suffix = unquote_to_bytes(segment)
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix], None
    if not _DIGITS.fullmatch(suffix):
        raise Refused(_NOT_FOUND)
    significant = suffix.lstrip(b"0") or b"0"
    if len(significant) > 3 or int(significant) > MAX_EXIT_STATUS:
        raise Refused(_BAD_EXIT_STATUS)
    exit_status = int(significant)
    return (Signal.FAIL if exit_status else Signal.SUCCESS), exit_status


def _read_rid(query: bytes) -> str | None:
    """Return the first rid, however many other fields there are: none of those is read."""
    found = _RID.search(b"&" + query)
    if found is None:
        return None
    value = found[1] or b""
    rid = unquote_to_bytes(value).decode("latin-1").lower() if len(value) <= _MAX_RID else ""
    if not _UUID.fullmatch(rid):
        raise Refused(_BAD_RID)
    return rid


def _decode(segment: bytes) -> str:
    """Return the text of a path segment; what is no text, or what no database keeps, is nobody's."""
    if b"%" in segment:
        if _BROKEN_ESCAPE.search(segment):
            raise Refused(_NOT_FOUND)
        segment = unquote_to_bytes(segment)
    if b"\0" in segment:
        raise Refused(_NOT_FOUND)
    try:
        return segment.decode()
    except UnicodeDecodeError:
        raise Refused(_NOT_FOUND) from None


async def _read_body(receive: Receive, limit: int) -> _Body | None:
    """Return the first *limit* bytes of the body, or None if the client went before it was whole.

    The rest is read and thrown away. Once the limit is reached the ping counts: at the body's end, or after ten
    seconds. Below it, ten seconds without a byte end it, or a minute in all. Raises Refused then.
    """
    kept = bytearray()
    give_up_at: float | None = None
    loop = asyncio.get_running_loop()
    end_at = loop.time() + MAX_BODY_SEC
    while True:
        if give_up_at is None and len(kept) >= limit:
            give_up_at = loop.time() + BODY_PATIENCE_SEC
        try:
            async with asyncio.timeout_at(give_up_at or min(end_at, loop.time() + BODY_PATIENCE_SEC)):
                message = await receive()
        except TimeoutError:
            if give_up_at is None:
                raise Refused(_STALLED) from None
            return _Body(bytes(kept), is_finished=False)
        if message["type"] == "http.disconnect":
            return None if give_up_at is None else _Body(bytes(kept), is_finished=False)
        chunk = message.get("body", b"")
        kept += chunk[: limit - len(kept)]
        if not message.get("more_body", False):
            return _Body(bytes(kept), is_finished=True)
        if give_up_at is not None and loop.time() >= give_up_at:
            return _Body(bytes(kept), is_finished=False)
