"""Requests out to addresses that a user typed: one POST, over a connection of its own, to a host that passed.

What it does not do: follow redirects, read proxies from the environment, keep connections, unpack compressed bodies,
speak HTTP/2. The reasons stand in docs/decisions/0003-outbound-requests.md.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from pulsemon.channels.address import ALLOW, DENY, IPAddress, judge_address
from pulsemon.channels.message import Reason
from pulsemon.channels.resolver import Resolve, SystemResolver
from pulsemon.core import body_text
from pulsemon.core.hosts import DEFAULT_PORTS
from pulsemon.errors import PulseMonError

# The whole attempt, from the name's resolution to the last byte read. The outbox's lease is longer.
DEADLINE = timedelta(seconds=15)
# Of the deadline, for resolving the name and for each address: 5 s are three SYNs, and leave time for the next one.
STEP_SHARE = 1 / 3
MAX_ADDRESSES = 4
BODY_LIMIT = 64 * 1024
# Everything a receiver may send: the header block (which h11 bounds at 100 KiB), the body and its framing.
RECEIVE_LIMIT = 192 * 1024
# Small reads and few chunks: a body in chunks of one byte would otherwise hold the event loop for a tenth of a second.
READ_SIZE = 4 * 1024
MAX_CHUNKS = 200
EXCERPT_LENGTH = 500

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
# Control characters, those that change the direction of text, and halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")


class OutboundError(PulseMonError):
    """No answer came, for `reason`. The message names the host at most: the rest of a webhook's URL is a secret."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotSent(OutboundError):
    """The request may not or cannot be sent like this; trying again changes nothing."""


class Failed(OutboundError):
    """The network or the receiver failed; another attempt may succeed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, read once: what is resolved, what is connected to and what is asked for cannot differ."""

    scheme: str
    host: str
    port: int
    path: str
    authorization: str | None

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str) -> Target:
    """Return the parts of *url*; a name in another script becomes its ASCII form, credentials become a header.

    Raises:
        NotSent: it is not an http or https URL with a host.
    """
    try:
        parts = httpx2.URL(url)
        credentials = f"{parts.username}:{parts.password}".encode()
        scheme, host = parts.scheme, parts.raw_host.decode("ascii")
        path = parts.raw_path.decode("ascii")
    except (httpx2.InvalidURL, ValueError) as error:
        raise NotSent(Reason.INVALID_URL, "The webhook's URL cannot be read.") from error
    if scheme not in DEFAULT_PORTS or not host:
        raise NotSent(Reason.INVALID_URL, "The webhook's URL is not an http or https URL with a host.")
    port = DEFAULT_PORTS[scheme] if parts.port is None else parts.port
    if not 0 < port < 65536:
        raise NotSent(Reason.INVALID_URL, "The port of the webhook's URL is not between 1 and 65535.")
    authorization = f"Basic {base64.b64encode(credentials).decode()}" if parts.userinfo else None
    return Target(scheme=scheme, host=host, port=port, path=path, authorization=authorization)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered. Names of headers are in lower case, the first of a name counts; `excerpt` is safe."""

    status_code: int
    headers: Mapping[str, str]
    excerpt: str


class GuardedClient:
    """Sends POST requests to hosts that nobody vouches for. One for the process; it holds no connection.

    *private* is `allow` or `deny` (the setting OUTBOUND_PRIVATE), *allowed* are addresses that are reached all the same
    (OUTBOUND_ALLOW). *deadline* bounds each request as a whole.
    """

    def __init__(
        self,
        private: str,
        *,
        allowed: Collection[IPAddress] = (),
        deadline: timedelta = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if private not in (ALLOW, DENY):
            raise ValueError("private is 'allow' or 'deny'")
        self._private = private
        self._allowed = frozenset(allowed)
        self._deadline = deadline
        self._resolve = resolve or SystemResolver()
        self._tls = tls or httpcore2.default_ssl_context()

    async def post(self, url: str, *, headers: Mapping[str, str], content: bytes) -> Reply:
        """Send *content* to *url* and return the answer, whatever its status.

        The answer counts from its header block on: a body that never ends, drips or breaks off only shortens the
        excerpt.

        Raises:
            NotSent: the URL or a header is malformed, or the host has an address that is refused.
            Failed: no answer within the deadline, or none that is HTTP.
        """
        return await self._send("POST", url, headers, content)

    async def get(self, url: str, *, headers: Mapping[str, str]) -> Reply:
        """Ask for *url* and return the answer; as guarded, as bounded and failing in the same ways as `post`."""
        return await self._send("GET", url, headers, b"")

    async def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        target = read_url(url)
        request = _request(method, target, headers, content)
        step_seconds = self._deadline.total_seconds() * STEP_SHARE
        route = _GuardedRoute(self._private, self._allowed, self._resolve, step_seconds=step_seconds)
        connection = httpcore2.AsyncHTTPConnection(request.url.origin, ssl_context=self._tls, network_backend=route)
        try:
            return await self._exchange(connection, request)
        finally:
            await route.aclose()

    async def _exchange(self, connection: httpcore2.AsyncHTTPConnection, request: httpcore2.Request) -> Reply:
        ends_at = asyncio.get_running_loop().time() + self._deadline.total_seconds()
        try:
            async with asyncio.timeout_at(ends_at):
                response = await connection.handle_async_request(request)
        except _TRANSPORT_ERRORS as error:
            raise _failure(error) from error
        body = bytearray()
        with suppress(OutboundError, *_TRANSPORT_ERRORS):
            async with asyncio.timeout_at(ends_at):
                await _read_body(response, into=body)
        return _reply(response, bytes(body))


def _request(method: str, target: Target, headers: Mapping[str, str], content: bytes) -> httpcore2.Request:
    own = {"Host": target.host_header, "Connection": "close", "Accept-Encoding": "identity"}
    if target.authorization:
        own["Authorization"] = target.authorization
    every = {**own, **headers} | ({"Content-Length": str(len(content))} if method == "POST" else {})
    for name, value in every.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise NotSent(Reason.INVALID_HEADER, f"The header {name!r} holds a character that a header may not hold.")
    url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    return httpcore2.Request(method, url, headers=list(every.items()), content=content)


async def _read_body(response: httpcore2.Response, *, into: bytearray) -> None:
    """Read at most `BODY_LIMIT` bytes and `MAX_CHUNKS` chunks, as they come, so that a failure keeps what was read."""
    chunk_count = 0
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            into += chunk
            chunk_count += 1
            if len(into) >= BODY_LIMIT or chunk_count >= MAX_CHUNKS:
                return


def _reply(response: httpcore2.Response, body: bytes) -> Reply:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    is_packed = headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
    return Reply(response.status, headers, "" if is_packed else excerpt_of(body, headers.get("content-type", "")))


def excerpt_of(body: bytes, content_type: str = "") -> str:
    """Return the beginning of *body* as text that can be stored and shown: at most 500 characters, one line."""
    beginning = body[: 4 * EXCERPT_LENGTH]
    text = body_text.text_of(beginning, body_text.charset_of(content_type.encode("latin-1", "replace"), beginning))
    return _UNSAFE.sub(" ", text).strip()[:EXCERPT_LENGTH]


class _GuardedRoute(httpcore2.AsyncNetworkBackend):
    """The way to one host for one request: resolves once, judges every address, connects to one that passed."""

    def __init__(self, private: str, allowed: Collection[IPAddress], resolve: Resolve, *, step_seconds: float) -> None:
        self._private = private
        self._allowed = allowed
        self._resolve = resolve
        self._step_seconds = step_seconds
        self._transport = httpcore2.AnyIOBackend()
        self._stream: httpcore2.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature; the deadline stands around it all
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del timeout, local_address, socket_options
        addresses = await self._judged_addresses(host, port)
        for position, address in enumerate(addresses, start=1):
            try:
                stream = await self._transport.connect_tcp(str(address), port, timeout=self._step_seconds)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                if position == len(addresses):
                    raise _failure(error) from error
                continue
            self._stream = _BoundedStream(stream)
            peer = stream.get_extra_info("server_addr")
            check_peer(peer, expected=address, private=self._private, allowed=self._allowed)
            return self._stream
        raise AssertionError("a host has at least one address")

    async def aclose(self) -> None:
        """Close what was opened, also when the handshake was cancelled and nobody else knows of the socket."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _judged_addresses(self, host: str, port: int) -> list[IPAddress]:
        literal = _literal(host)
        addresses = [literal] if literal else await self._resolved(host, port)
        for address in addresses:
            if verdict := judge_address(address, self._private, self._allowed):
                problem = f"{host} is {address}, which is refused: {verdict}."
                # A name may mean another address an hour later (a resolver that lies during an outage): tried again.
                raise (NotSent if _is_number(host) or literal else Failed)(Reason.REFUSED_ADDRESS, problem)
        return addresses[:MAX_ADDRESSES]

    async def _resolved(self, host: str, port: int) -> list[IPAddress]:
        try:
            async with asyncio.timeout(self._step_seconds):
                found = await self._resolve(host, port)
            addresses = [ip_address(text) for text in dict.fromkeys(found)]
        except TimeoutError as error:
            raise Failed(Reason.UNRESOLVED, f"{host} was not resolved in time.") from error
        except (OSError, ValueError) as error:
            raise Failed(Reason.UNRESOLVED, f"{host} cannot be resolved.") from error
        if not addresses:
            raise Failed(Reason.UNRESOLVED, f"{host} has no address.")
        return addresses


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_number(host: str) -> bool:
    """Return whether *host* is an address in disguise (2130706433, 0x7f.1), which no resolver will read otherwise."""
    return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


def check_peer(
    peer: Sequence[Any] | None, *, expected: IPAddress, private: str, allowed: Collection[IPAddress] = ()
) -> None:
    """Make sure that the socket is connected to *expected*, as the kernel sees it, and that it still passes.

    Raises:
        NotSent: it is not, or it does not.
    """
    actual = _literal(str(peer[0]).partition("%")[0]) if peer else None
    # Without zones: the kernel writes them otherwise than a resolver does.
    wanted = _literal(str(expected).partition("%")[0])
    if actual is None or actual != wanted or judge_address(actual, private, allowed):
        raise NotSent(Reason.REFUSED_ADDRESS, "The connection did not lead to the address that was checked.")


class _BoundedStream(httpcore2.AsyncNetworkStream):
    """A connection that ends after `RECEIVE_LIMIT` bytes received: informational answers and trailers count too."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._inner = stream
        self._received_count = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._received_count > RECEIVE_LIMIT:
            raise Failed(Reason.PROTOCOL, "The answer is longer than an answer may be.")
        data = await self._inner.read(min(max_bytes, READ_SIZE), timeout)
        if not data and not self._received_count:
            raise Failed(Reason.DISCONNECTED, "The receiver closed the connection without an answer.")
        self._received_count += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return _BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except (httpcore2.ConnectError, ssl.SSLError, ValueError) as error:
            raise Failed(Reason.TLS, f"TLS failed: {_tls_detail(error)}.") from error

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _tls_detail(error: BaseException | None) -> str:
    """Return what is wrong with the certificate, if that is what failed: the owner of the receiver has to know."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message.rstrip(".")
        error = error.__cause__ or error.__context__
    return "no handshake"


_TRANSPORT_ERRORS = (
    OSError,  # the deadline's TimeoutError, ssl.SSLError and what a socket may still say
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
)

_FAILURES: tuple[tuple[type[Exception], Reason, str], ...] = (
    (TimeoutError, Reason.TIMEOUT, "There was no answer in time."),
    (httpcore2.TimeoutException, Reason.TIMEOUT, "The receiver did not accept a connection in time."),
    (httpcore2.ConnectError, Reason.CONNECT, "The receiver did not accept a connection."),
    (httpcore2.ProtocolError, Reason.PROTOCOL, "The answer is not HTTP."),
    (ssl.SSLError, Reason.TLS, "TLS broke off."),
)


def _failure(error: Exception) -> Failed:
    for kind, reason, message in _FAILURES:
        if isinstance(error, kind):
            return Failed(reason, message)
    return Failed(Reason.DISCONNECTED, "The connection broke off before there was an answer.")
