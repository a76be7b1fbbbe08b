"""How long a connection is waited for, and how much may lie unanswered on it: real sockets, and time as an argument."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.web.heartbeats.ping import PingGate
from pulsemon.web.http.bounds import MAX_HEADER_LINES
from pulsemon.web.wire.patience import LEAST_TAKEN_BYTES, PATIENCE_SEC, TAKING_SEC, Arriving, Reader
from pulsemon.web.wire.protocol import PIECE_BYTES, STATE_KEY, PingProtocol
from tests.arrange import START
from tests.conftest import LONG_ENOUGH_SEC, settings_for

pytestmark = pytest.mark.anyio

BIG = 1_000_000  # more than all buffers between the two ends hold, which are made small here
SMALL = 16_384
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSED = "closed"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Their transports are different programs; a server has uvloop wherever it is installed."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


class Lane:
    """Answers a ping at once."""

    def submit_for(self, ping: Ping, tell: Callable[[Answer], None]) -> None:
        tell(Answer.STORED if ping.token == "right" else Answer.UNKNOWN)

    async def submit(self, ping: Ping) -> Answer:
        return Answer.STORED if ping.token == "right" else Answer.UNKNOWN


class Listener:
    """A socket whose connections are PingProtocol's, in front of an application that does as its paths say."""

    def __init__(self) -> None:
        site: Any = SimpleNamespace(settings=settings_for("sqlite:///x.db"), lane=Lane(), now=lambda: START)
        self.gate = PingGate(self._app, site)
        self.go_on = asyncio.Event()
        self.ended: list[str] = []
        self.connections: list[PingProtocol] = []
        self.address = ("", 0)
        self._state = ServerState()
        self._config = Config(self.gate, http=PingProtocol, ws="none", log_config=None, access_log=False)
        self._config.load()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/wait":
            await self.go_on.wait()
        body = b"b" * BIG if path == "/big" else path.encode()
        headers = [] if path == "/stream" else [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/stream":
            await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            self.ended.append(path)
            return
        await send({"type": "http.response.body", "body": body})

    def make(self) -> PingProtocol:
        made = PingProtocol(self._config, self._state, {STATE_KEY: self.gate}, _loop=asyncio.get_running_loop())
        self.connections.append(made)
        return made


class Client:
    """The other end, which reads only when it is told to."""

    def __init__(self, own: socket.socket, protocol: PingProtocol) -> None:
        self.own = own
        self.protocol = protocol
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(LONG_ENOUGH_SEC):
            await self._loop.sock_sendall(self.own, data)

    async def read(self, size: int = 65_536) -> bytes:
        async with asyncio.timeout(LONG_ENOUGH_SEC):
            try:
                return await self._loop.sock_recv(self.own, size)
            except ConnectionError:
                return b""

    async def read_until(self, is_enough: Callable[[bytes], Any]) -> bytes:
        received = b""
        while not is_enough(received):
            chunk = await self.read()
            if not chunk:
                break
            received += chunk
        return received

    async def read_to_the_end(self) -> bytes:
        return await self.read_until(lambda _: False)

    async def looked_at(self, *instants: float) -> str:
        """Have the rounds look at these instants; return whether the connection is closed or what is due on it."""
        for now in instants:
            self.protocol.end_if_overdue(now)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return CLOSED if self.protocol.parser is None else self.protocol._arriving.value


async def until(ask: Callable[[], Any]) -> None:
    give_up_at = time.monotonic() + LONG_ENOUGH_SEC
    while not ask():
        assert time.monotonic() < give_up_at, "not in time"
        await asyncio.sleep(0.01)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    own = socket.create_server(("127.0.0.1", 0))
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)  # the connections inherit it
    server = await asyncio.get_running_loop().create_server(made.make, sock=own)
    made.address = own.getsockname()
    yield made
    server.close()
    made.go_on.set()
    for each in made.connections:
        if each.parser is not None:
            each.transport.abort()
    await until(lambda: all(each.parser is None for each in made.connections) and not made._state.tasks)


@pytest.fixture
async def client(listener: Listener) -> AsyncIterator[Client]:
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, listener.address)
        await until(lambda: listener.connections)
        yield Client(own, listener.connections[0])


def statuses(received: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


# Readers


async def is_behind(client: Client) -> None:
    """Ask for more than the buffers hold, and wait until they are full."""
    await client.send(GET % b"/big")
    await until(lambda: client.protocol.flow.write_paused)


@pytest.mark.parametrize("sends", [b"", b"GET /x HTTP/1.1\r\nHo", GET % b"/x" * 3, b"\r\n"])
async def test_a_reader_who_takes_nothing_is_gone_whatever_he_sends(client: Client, sends: bytes) -> None:
    await is_behind(client)

    assert await client.looked_at(0.0, TAKING_SEC) != CLOSED
    await client.send(sends)
    await asyncio.sleep(0.05)  # it may arrive, or lie there unread
    assert await client.looked_at(TAKING_SEC + 1) == CLOSED


async def test_a_reader_of_a_few_bytes_now_and_then_is_gone(client: Client) -> None:
    await is_behind(client)

    found = []
    for turn in range(3):
        found.append(await client.looked_at(turn * (TAKING_SEC - 1)))
        await client.read(1)
    assert found[-1] == CLOSED


async def test_a_slow_reader_gets_all_of_it(client: Client) -> None:
    await is_behind(client)

    now, taken = 0.0, 0
    while taken < BIG:
        assert await client.looked_at(now) != CLOSED
        wanted = min(taken + 2 * LEAST_TAKEN_BYTES, BIG)
        while taken < wanted:
            taken += len(await client.read(LEAST_TAKEN_BYTES))
        await asyncio.sleep(0.01)  # what was taken is acknowledged by the system
        now += TAKING_SEC
    await until(lambda: not client.protocol.flow.write_paused)


async def test_a_connection_that_is_closing_ends_though_nobody_reads(client: Client) -> None:
    await client.send(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await until(lambda: client.protocol.transport.is_closing())

    assert await client.looked_at(0.0, TAKING_SEC) != CLOSED
    assert await client.looked_at(TAKING_SEC + 1) == CLOSED


async def test_a_connection_that_is_closing_gives_the_rest_to_whoever_reads(client: Client) -> None:
    await client.send(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    await until(lambda: client.protocol.transport.is_closing())
    await client.looked_at(0.0, TAKING_SEC)

    assert len((await client.read_to_the_end()).partition(b"\r\n\r\n")[2]) == BIG


def test_each_share_has_its_time() -> None:
    reader = Reader()

    assert not reader.is_too_slow(100_000, 0.0)
    assert not reader.is_too_slow(100_000 - LEAST_TAKEN_BYTES, TAKING_SEC)
    assert not reader.is_too_slow(100_000 - 2 * LEAST_TAKEN_BYTES + 1, 2 * TAKING_SEC)
    assert reader.is_too_slow(100_000 - 2 * LEAST_TAKEN_BYTES + 1, 2 * TAKING_SEC + 1)


async def test_a_stream_whose_reader_is_there_lives_on(client: Client) -> None:
    await client.send(GET % b"/stream")
    await client.read_until(lambda received: b": here" in received)
    assert await client.looked_at(0.0, 1e4, 2e4, 3e4) != CLOSED

    await client.send(b"GET /x HTTP/1.1\r\nHo")  # half a request behind it changes nothing
    await until(lambda: client.protocol._arriving is Arriving.HEADERS)
    assert await client.looked_at(4e4, 5e4, 6e4) != CLOSED
    assert client.protocol._farewell is None


# Senders

HALF = {
    "nothing": (b"", Arriving.FIRST_BYTE, b""),
    "line ends": (b"\r\n\r\n", Arriving.FIRST_BYTE, b""),
    "headers": (b"GET / HTTP/1.1\r\nHo", Arriving.HEADERS, b"408"),
    "a body": (b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", Arriving.BODY, b"408"),
    "chunks": (b"POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1", Arriving.BODY, b"408"),
    "a ping's body": (
        b"POST /h/slug/right HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        Arriving.PING_BODY,
        b"408",
    ),
}


@pytest.mark.parametrize("half", HALF.values(), ids=HALF)
async def test_what_does_not_arrive_in_its_time_ends(client: Client, half: tuple[bytes, Arriving, bytes]) -> None:
    sent, arriving, answer = half
    if sent:
        await client.send(sent)
    await until(lambda: client.protocol._arriving is arriving)
    patience = PATIENCE_SEC[arriving]

    assert await client.looked_at(0.0, patience) == arriving.value
    # A loop that stood still for an hour looks first, and reads what came meanwhile only then.
    assert await client.looked_at(patience + 3_600) == arriving.value
    client.protocol.end_if_overdue(patience + 3_601)
    assert answer in await client.read_to_the_end()


async def test_whoever_has_his_answer_does_not_send_for_ever(client: Client) -> None:
    """A ping that is refused by its path alone is answered before its body."""
    await client.send(b"POST /h/x HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\nhalf")
    await client.read_until(lambda received: b"Not Found" in received)

    await client.send(b"and more")
    patience = PATIENCE_SEC[Arriving.BODY]
    await client.looked_at(0.0, patience + 1, patience + 2)
    assert await client.read_to_the_end() == b""


@pytest.mark.parametrize("noise", [b"", b"\r\n"])
async def test_an_idle_connection_ends_whatever_noise_it_makes(client: Client, noise: bytes) -> None:
    await client.send(GET % b"/h/slug/right")
    await client.read_until(lambda received: b"ok" in received)
    if noise:
        await client.send(noise)
        await asyncio.sleep(0.05)

    assert await client.looked_at(0.0, 5.0) == Arriving.ANOTHER.value
    await client.looked_at(6.0, 7.0)
    assert await client.read_to_the_end() == b""


async def test_a_connection_that_pinged_is_known(client: Client) -> None:
    assert not client.protocol.has_pinged
    await client.send(GET % b"/h/slug/wrong")
    await client.read_until(lambda received: b"Not Found" in received)
    assert not client.protocol.has_pinged

    await client.send(GET % b"/h/slug/right")
    await client.read_until(lambda received: b"ok" in received)
    assert client.protocol.has_pinged


async def test_one_that_pinged_with_a_body_too(client: Client) -> None:
    await client.send(b"POST /h/slug/right HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    await client.read_until(lambda received: b"ok" in received)

    assert client.protocol.has_pinged


# What is sent ahead


async def test_a_few_requests_wait_for_answers_and_the_others_are_not_read(listener: Listener, client: Client) -> None:
    wait, last = GET % b"/wait", b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    sending = asyncio.create_task(client.send(wait * 3_000 + last))
    await until(lambda: client.protocol.pipeline and client.protocol.flow.read_paused)

    assert len(client.protocol.pipeline) <= PIECE_BYTES / len(wait) + 1
    listener.go_on.set()
    received = await client.read_to_the_end()
    await sending
    assert statuses(received) == [200] * 3_001
    assert received.endswith(b"/last")


@pytest.mark.parametrize("path", [b"/h/x", b"/h/slug/right", b"/x"])
async def test_whoever_reads_no_answers_fills_no_memory(client: Client, path: bytes) -> None:
    sending = asyncio.create_task(client.send(GET % path * 30_000))
    await until(lambda: client.protocol.flow.write_paused and client.protocol.flow.read_paused)
    seen = client.protocol.transport.get_write_buffer_size()

    assert seen < 64 * 1_024 + 300 * PIECE_BYTES / len(GET % path)  # the buffer's mark, and the answers to one piece
    received = await client.read_until(lambda received: received.count(b"HTTP/1.1 ") >= 500)
    assert len(statuses(received)) >= 500
    sending.cancel()


async def test_what_cannot_be_read_is_told_after_the_answers_before_it(listener: Listener, client: Client) -> None:
    broken = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    await client.send(GET % b"/wait" + GET % b"/second" + broken + GET % b"/never")
    await until(lambda: client.protocol._farewell)
    listener.go_on.set()

    received = await client.read_to_the_end()

    assert statuses(received) == [200, 200, 400]
    assert b"/never" not in received


async def test_what_was_refused_and_waits_is_not_refused_again(listener: Listener, client: Client) -> None:
    broken = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    await client.send(GET % b"/wait" + broken)
    await until(lambda: client.protocol._farewell)

    await client.looked_at(1.0, 100.0, 200.0, 300.0)
    client.protocol.end_if_unfinished()
    listener.go_on.set()

    assert statuses(await client.read_to_the_end()) == [200, 400]


async def test_a_body_that_nobody_reads_yet_waits_in_the_socket(listener: Listener, client: Client) -> None:
    head = b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BIG
    sending = asyncio.ensure_future(client.send(head + b"b" * BIG))
    await until(lambda: client.protocol.flow.read_paused)
    for _ in range(50):
        await asyncio.sleep(0)

    assert client.protocol.flow.read_paused
    assert len(client.protocol.cycle.body) < BIG / 2
    listener.go_on.set()
    assert statuses(await client.read_until(lambda received: received.endswith(b"/wait"))) == [200]
    sending.cancel()


async def test_a_request_that_is_answered_hears_that_its_client_is_gone(listener: Listener, client: Client) -> None:
    """Another one behind it changes nothing."""
    await client.send(GET % b"/stream" + GET % b"/x")
    await client.read_until(lambda received: b": here" in received)
    client.protocol.transport.abort()

    await until(lambda: listener.ended == ["/stream"])


# Headers, and fields after a body


@pytest.mark.parametrize("path", [b"/x", b"/h/slug/right"])
async def test_a_hundred_lines_are_read_and_one_more_is_431(client: Client, path: bytes) -> None:
    lines = b"a:\r\n" * (MAX_HEADER_LINES - 1)
    await client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, lines))
    await client.read_until(lambda received: b" 200 " in received)
    await client.send(b"GET %s HTTP/1.1\r\nHost: a\r\na:\r\n%s\r\n" % (path, lines))

    assert 431 in statuses(await client.read_to_the_end())


@pytest.mark.parametrize("line", [b"a:\r\n", b"x" * 60 + b":" + b"y" * 3_000 + b"\r\n", b"z" * 4_000])
async def test_headers_that_come_in_one_piece_have_the_same_limits(client: Client, line: bytes) -> None:
    await client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n" + line * (131_072 // len(line)))

    assert statuses(await client.read_to_the_end()) == [431]
    assert len(client.protocol.headers) <= PIECE_BYTES / 4 + MAX_HEADER_LINES


@pytest.mark.parametrize("more", [b"a: b\r\n", b"x" * 3_000])
async def test_what_follows_a_body_without_end_is_refused(client: Client, more: bytes) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    sending = asyncio.create_task(client.send(head + more * (300_000 // len(more))))

    await until(lambda: client.protocol.transport is None or client.protocol.transport.is_closing())
    sending.cancel()
