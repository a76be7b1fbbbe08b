"""A protocol class for uvicorn: deadlines and limits for receiving and sending, and a shorter way for plain pings.

uvicorn waits for a request as long as it takes. Here the headers must be there within 5 s, in at most 100 lines and 64
KiB, a body within 10 s (a ping's body has rules of its own, see `web.heartbeats.ping`); a reader has to take what waits
for him at some least rate (`web.wire.patience`); and what is sent ahead of an answer waits in a small queue, unread.
What comes too late gets 408 and the connection ends. One round a second looks at all connections, so that a request
pays for no timer.

What could be read in two ways is refused or left out before anybody acts on it: fields after a body never become
headers, a request names one host (`web.wire.host`), and an offer to speak another protocol is passed over.

Plain pings are answered before any ASGI object is made.

Used by run.py, `pulsemon serve`, the image and, where nobody chose another class, uvicorn itself
(`web.wire.under_uvicorn`). The shorter way takes what is simple - GET or HEAD, HTTP/1.1, no proxy's headers, no request
before it still open - and leaves everything else to uvicorn's own way, which reaches the same ping gate; so another
class behaves the same towards pings, only slower. Measured on one core at 64 connections: 1.6 times the pings.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pulsemon import log
from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.web.heartbeats.ping import CONNECTION_KEY, PREFIX, PingGate, Refused, Response, response_to
from pulsemon.web.http.bounds import MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_PATH_BYTES
from pulsemon.web.wire import last_words
from pulsemon.web.wire.connections import CONNECTIONS_KEY, Connections
from pulsemon.web.wire.host import Ambiguous, target_of
from pulsemon.web.wire.patience import LAST_CALL, PATIENCE_SEC, Arriving, Reader, unsent_bytes
from pulsemon.web.wire.proxies import normal_peer
from pulsemon.web.wire.short_answers import PingCycle, WholeAnswers

_log = log.get(__name__)

# Where the gate waits in the lifespan's state, which uvicorn hands to every connection.
STATE_KEY = "pulsemon.ping_gate"
# So much is read at a time, so that what a connection sends ahead of its answers is bounded: about eighty of the
# shortest requests there are. A ping with a body of a kilobyte is one piece.
PIECE_BYTES = 2_048
_METHODS = (b"GET", b"HEAD")
# With one of these a request is none of the plain ones: `web.wire.proxies` knows who is trusted, uvicorn what is
# answered first.
_NOT_PLAIN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"expect"})
_LOOKED_AT = _NOT_PLAIN | {b"host"}
_VERSIONS = ("1.1", "1.0")
_NOTHING = memoryview(b"")

# Found once: to ask an enumeration for a member costs a few hundredths of a microsecond each time.
_HEADERS, _BODY, _PING_BODY = Arriving.HEADERS, Arriving.BODY, Arriving.PING_BODY
_WHOLE, _ANOTHER = Arriving.NOTHING, Arriving.ANOTHER


class _Refusal(Exception):
    """Leaves the parser from inside; *answer* ends the connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer


def _cut(url: bytes) -> bytes:
    """Return a target whose path ends a byte behind the bound: enough to be refused, and uvicorn decodes no more."""
    path, separator, query = url.partition(b"?")
    return path[: MAX_PATH_BYTES + 1] + separator + query


class _Nowhere(list[tuple[bytes, bytes]]):
    """Where the fields after a body go: nobody vouches for them, and a proxy that cleans headers may pass them on."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Keep nothing."""


_NOWHERE = _Nowhere()


class PingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with deadlines, limits, and a shorter way for pings."""

    # One for all: nobody waits for it, but uvicorn sets it when a connection is lost.
    _nobody_waits = asyncio.Event()

    # One for all connections: an answer is made once, whoever gets it.
    _answers = WholeAnswers()

    # Whether a ping that came over this connection was stored.
    has_pinged = False

    _known: Connections | None = None
    _arriving = Arriving.FIRST_BYTE
    _since: float | None = None  # the round that first saw it; no clock is read for a request
    _framing_bytes = 0  # since the last byte that meant something: headers, fields after a body, sizes of chunks
    _unread = _NOTHING  # what came
    _is_reading = False
    _is_offer = False
    _farewell: bytes | None = None  # what ends the connection once the requests before it have their answers
    _running: RequestResponseCycle | PingCycle | None = None
    _reader: Reader | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or close it where its address has too many."""
        super().connection_made(transport)
        self.client = normal_peer(self.client)
        self._known = self.app_state.get(CONNECTIONS_KEY)
        if self._known is not None and not self._known.admit(self, self._address()):
            transport.write(last_words.TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell the request that is answered just now, not only the last that came."""
        if self._known is not None:
            self._known.forget(self, self._address())
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self._unread = _NOTHING
        super().connection_lost(exc)

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Read on, piece by piece; what is sent ahead of too many answers, or of a reader who is behind, waits."""
        if self.transport.is_closing() or self._farewell is not None:
            return
        if self._unread or self.pipeline or self.flow.write_paused or len(data) > PIECE_BYTES:
            self._unread = memoryview(bytes(self._unread) + data if self._unread else data)
            self._read_on()
        else:
            self._read(data)

    def _read_on(self) -> None:
        """Read what waits, until somebody else has to be first; take more only once all of it is read."""
        if self._is_reading or self.transport.is_closing():
            return
        self._is_reading = True
        while self._unread and not self.pipeline and not self.flow.write_paused and not self.transport.is_closing():
            piece, self._unread = self._unread[:PIECE_BYTES], self._unread[PIECE_BYTES:]
            self._read(piece)
        self._is_reading = False
        if self.transport.is_closing():
            return
        if self._unread or self.pipeline or self.flow.write_paused:
            self.flow.pause_reading()
        elif self.cycle is None or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()  # else uvicorn does, once the handler has taken what there is of the body

    def _read(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._read_anew(data[offer.args[0] :])
            return
        except httptools.HttpParserError as failed:
            self._refuse(self._answer_to(failed))
            return
        if self._arriving is not _WHOLE:
            self._framing_bytes += len(data)
            if self._framing_bytes > MAX_HEADER_BYTES:
                self._refuse(last_words.HEADERS_TOO_LARGE)
            elif self._arriving is _HEADERS and len(self.headers) > MAX_HEADER_LINES:
                self._refuse(last_words.HEADERS_TOO_MANY)

    def _read_anew(self, rest: bytes | memoryview) -> None:
        """Read a request once more without its offer to speak another protocol; the parser stops at such a one.

        Clients that offer HTTP/2 (`Upgrade: h2c`) or a WebSocket send their body all the same, and whoever does not
        take the offer reads it as ever: RFC 9110, 7.8.
        """
        lines = [b"%s: %s\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        first = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self._is_offer = False
        self.parser = httptools.HttpRequestParser(self)  # the old one may hold that the connection ends here
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._read(b"".join([first, *lines, b"\r\n"]))
        if rest and not self.transport.is_closing() and self._farewell is None:
            self._read(rest)

    def _answer_to(self, failed: httptools.HttpParserError) -> bytes:
        cause = failed.__context__
        if isinstance(cause, _Refusal):
            return cause.answer
        if cause is not None and not isinstance(cause, httptools.HttpParserError | UnicodeError):
            _log.error("request.unreadable", exc_info=cause)  # a bug of ours, which the parser would swallow
        return last_words.INVALID

    def on_message_begin(self) -> None:
        """A request begins: its headers are due."""
        super().on_message_begin()
        self._arriving, self._since, self._framing_bytes = _HEADERS, None, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; blanks around its value are no part of it (RFC 9110, 5.5), and the parser leaves the last.

        As uvicorn's own, not by way of it: each ping pays for each of its headers.
        """
        name, value = name.lower(), value.rstrip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Answer a plain ping; hand every other request on."""
        parser = self.parser
        method = parser.get_method()
        if parser.should_upgrade():
            if method == b"CONNECT":
                raise _Refusal(last_words.NO_TUNNEL)
            self._is_offer = True
            return
        is_plain = self._judge_head()
        if len(self.url) > MAX_PATH_BYTES:
            self.url = _cut(self.url)
        is_ping = self.url.startswith(PREFIX)
        is_watched = is_ping and method == b"POST"
        # The gate watches over the body of a POST itself; what another ping carries is nobody's.
        self._arriving, self._since = (_PING_BODY if is_watched else _BODY), None
        gate: PingGate | None = self.app_state.get(STATE_KEY)
        if gate is None or not is_ping or method not in _METHODS or not is_plain:
            if is_ping:
                self.scope[CONNECTION_KEY] = self  # type: ignore[literal-required]
            super().on_headers_complete()
            return
        cycle = PingCycle(keep_alive=parser.should_keep_alive(), message_event=self._nobody_waits)
        self.cycle = self._running = cycle  # type: ignore[assignment]
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

    def _judge_head(self) -> bool:
        """Refuse a head that says too much or that can be read in two ways; return whether the short way takes it."""
        headers, self.headers = self.headers, _NOWHERE
        if len(headers) > MAX_HEADER_LINES:
            raise _Refusal(last_words.HEADERS_TOO_MANY)
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _Refusal(last_words.BAD_VERSION)
        is_plain = version == "1.1"
        hosts = []
        for name, value in headers:
            if name in _LOOKED_AT:
                if name == b"host":
                    hosts.append(value)
                else:
                    is_plain = False
        try:
            self.url = target_of(self.url, hosts, is_required=version == "1.1")
        except Ambiguous as ambiguous:
            raise _Refusal(last_words.last_words(400, str(ambiguous))) from None
        is_first = self.cycle is None or (self.cycle.response_complete and not self.pipeline)
        return is_plain and is_first and not self.root_path and b"#" not in self.url

    def on_body(self, body: bytes) -> None:
        """Throw away what a GET carries."""
        self._framing_bytes = 0
        if not isinstance(self.cycle, PingCycle):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: now it is our turn, unless it is answered already."""
        if self._is_offer:
            return
        cycle = self.cycle
        if cycle.response_complete:
            self._arriving = _ANOTHER
        else:
            self._arriving = _WHOLE
            cycle.more_body = False
            cycle.message_event.set()

    # Answering

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with what came meanwhile; where nothing did, another request is due."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._since = None
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._farewell is not None:
            self._end(self._farewell)
            return
        elif self._arriving is _WHOLE:
            self._arriving = _ANOTHER
        elif self._arriving is _PING_BODY:
            self._arriving = _BODY  # the gate does not wait for the rest of it
        if self._unread or self.flow.read_paused:
            self._read_on()

    def resume_writing(self) -> None:
        """The reader has caught up: what he sent meanwhile is read."""
        super().resume_writing()
        self._reader = None
        self._read_on()

    @property
    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # What each round looks at (`web.wire.connections`)

    @property
    def is_waiting(self) -> bool:
        """Return whether nothing is under way here: no whole request that has no whole answer yet."""
        if not self._is_answering or self.flow.write_paused:
            return True
        return self.cycle is self._running and self.cycle.more_body

    def end_if_unfinished(self) -> None:
        """End the connection if a request has begun to arrive and is not whole."""
        if self._arriving in (_HEADERS, _BODY, _PING_BODY) and not self.transport.is_closing():
            self._refuse(last_words.STOPPING)

    def end_if_overdue(self, now: float) -> None:
        """End the connection if what it waits for should have come, or have been taken, by now."""
        if self.transport.is_closing() or self.flow.write_paused:
            self._reader = self._reader or Reader()
            if self._reader.is_too_slow(unsent_bytes(self.transport), now):
                self.transport.abort()
            return
        if self.pipeline or (self._arriving is _HEADERS and self._is_answering):
            return  # we owe an answer to a request before it
        since = self._since
        if since is None:
            self._since = now
        elif now - since <= (self.timeout_keep_alive if self._arriving is _ANOTHER else PATIENCE_SEC[self._arriving]):
            return
        elif since != LAST_CALL:
            self._since = LAST_CALL
        elif self._arriving in (_ANOTHER, Arriving.FIRST_BYTE):
            self.transport.close()
        else:
            self._refuse(last_words.TOO_LATE)

    def _refuse(self, answer: bytes) -> None:
        """End the connection with *answer*, as soon as all requests before this one have theirs."""
        if self._farewell is not None:
            return  # it is refused already, and waits for those
        self._unread = _NOTHING
        is_begun = self._arriving in (_BODY, _PING_BODY)
        is_own = is_begun and self.cycle is self._running
        if is_begun and not is_own:
            self.pipeline.popleft()  # it waits behind others, and shall not be answered twice
        if self._is_answering and not is_own:
            self._farewell = answer
            self.flow.pause_reading()
        elif is_own and getattr(self.cycle, "response_started", self.cycle.response_complete):
            self.transport.close()
        else:
            self._end(answer)

    def _end(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()

    def _address(self) -> str | None:
        return self.client[0] if self.client else None

    # The short way

    def _answer(self, cycle: PingCycle, ping: Ping, is_head: bool, answer: Answer) -> None:
        if answer is Answer.STORED:
            self.has_pinged = True
        self._write(cycle, response_to(ping, answer), is_head=is_head)

    def _write(self, cycle: PingCycle, response: Response, *, is_head: bool) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        if response.closes:
            cycle.keep_alive = False
        default_headers = self.server_state.default_headers
        self.transport.write(self._answers.whole(response, default_headers, cycle.keep_alive, is_head))
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
