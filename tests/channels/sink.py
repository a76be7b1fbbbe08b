"""A webhook receiver on a real socket that keeps what it got and answers, or misbehaves, as a test tells it.

    with Sink() as sink:
        ...                                   # something sends to sink.url
        first, = sink.wait_for(1)
        assert first.json()["status"] == "DOWN"

    with Sink(status(500), status(429, retry_after="7"), then=status(204)) as sink: ...

A behaviour is a function of one `Conversation`. Every connection has its own thread, so that one that hangs holds up
no other; all of them end with the sink.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.conftest import LONG_ENOUGH_SEC
from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; names of headers in lower case, `at` on the monotonic clock."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


class Conversation:
    """One connection to the sink, after its request was read (None if it never came, or was not read)."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self.connection = connection
        self.stopping = stopping
        self.request: Received | None = None

    def send(self, data: bytes) -> None:
        """Send *data*; a client that has gone is not an error of the sink's."""
        self.connection.sendall(data)

    def hold(self, seconds: float = 60) -> None:
        """Do nothing until the sink stops."""
        self.stopping.wait(seconds)


Behaviour = Callable[[Conversation], None]


def status(code: int, *, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with *code*; `retry_after="7"` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {code} Status", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in named.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return raw(head if code in (204, 304) else head + body)


def raw(data: bytes) -> Behaviour:
    """Answer with exactly these bytes."""
    return lambda conversation: conversation.send(data)


def redirect(location: str, code: int = 302) -> Behaviour:
    return status(code, location=location)


def hang(conversation: Conversation) -> None:
    """Read the request and never answer."""
    conversation.hold()


def close(conversation: Conversation) -> None:
    """Read the request and close without an answer."""


def reset(conversation: Conversation) -> None:
    """Read the request and break the connection off with RST."""
    _reset(conversation.connection)


def drip(data: bytes, *, seconds: float = 0.02) -> Behaviour:
    """Answer one byte at a time, which resets every timeout that counts from the last byte."""

    def behave(conversation: Conversation) -> None:
        for position in range(len(data)):
            if conversation.stopping.wait(seconds):
                return
            conversation.send(data[position : position + 1])

    return behave


def drip_a_header(conversation: Conversation) -> None:
    """Send a header block that never ends, one byte at a time."""
    drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100_000)(conversation)


def drip_a_body(conversation: Conversation) -> None:
    """Say 200 at once, then send the body one byte at a time."""
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drip(b"a" * 100_000)(conversation)


def accept_then_reset(conversation: Conversation) -> None:
    """Say 200, then break off in the middle of the body."""
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning")
    conversation.stopping.wait(0.1)
    _reset(conversation.connection)


def endless_body(conversation: Conversation) -> None:
    _flood(conversation, b"HTTP/1.1 500 Broken\r\n\r\n", b"a" * 16_384)


def endless_chunks_of_one_byte(conversation: Conversation) -> None:
    head = b"HTTP/1.1 500 Broken\r\nTransfer-Encoding: chunked\r\n\r\n"
    _flood(conversation, head, b"1\r\na\r\n" * 4_000)


def endless_header(conversation: Conversation) -> None:
    _flood(conversation, b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 16_384)


def endless_headers(conversation: Conversation) -> None:
    _flood(conversation, b"HTTP/1.1 200 OK\r\n", b"X-Many: a\r\n" * 1_000)


def endless_informational_answers(conversation: Conversation) -> None:
    _flood(conversation, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 400)


def one_megabyte_header(conversation: Conversation) -> None:
    conversation.send(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n")


def gzip_bomb(conversation: Conversation) -> None:
    """Answer 500 with 50 kB of gzip that unpack to 50 MB."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(50)) + packer.flush()
    status(500, body=packed, content_encoding="gzip")(conversation)


def _flood(conversation: Conversation, head: bytes, piece: bytes) -> None:
    conversation.send(head)
    while not conversation.stopping.is_set():
        conversation.send(piece)


def _reset(connection: socket.socket) -> None:
    # Zero seconds to linger: close() sends RST.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


MISBEHAVIOURS: dict[str, Behaviour] = {
    "hangs": hang,
    "closes without an answer": close,
    "resets": reset,
    "drips a header": drip_a_header,
    "drips a body": drip_a_body,
    "accepts, then resets": accept_then_reset,
    "endless body": endless_body,
    "endless chunks of one byte": endless_chunks_of_one_byte,
    "endless header": endless_header,
    "endless headers": endless_headers,
    "endless informational answers": endless_informational_answers,
    "1 MB header": one_megabyte_header,
    "gzip bomb": gzip_bomb,
    "500": status(500),
    "429 with seconds": status(429, retry_after="7"),
    "429 with a date": status(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
    "410": status(410),
    "redirects to localhost": redirect("http://localhost/"),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
}


class Sink:
    """Answers with *behaviours* one after the other, and with *then* when they are used up.

    With *tls* it speaks HTTPS.
    """

    def __init__(
        self,
        *behaviours: Behaviour,
        then: Behaviour | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._script = list(behaviours)
        self._then = then or (behaviours[-1] if behaviours else status(204))
        self._tls = tls
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._received: list[Received] = []
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.connection_count = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.host = host
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/hook"

    @property
    def received(self) -> list[Received]:
        """Everything that came so far, in the order in which it was read."""
        with self._changed:
            return list(self._received)

    def wait_for(self, count: int, *, within: float = LONG_ENOUGH_SEC) -> list[Received]:
        """Return what came as soon as it is *count* requests or more.

        Raises:
            AssertionError: fewer came in *within* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._received) >= count, timeout=within):
                raise AssertionError(f"{len(self._received)} of {count} requests came within {within} s")
            return list(self._received)

    def behave(self, *behaviours: Behaviour, then: Behaviour | None = None) -> None:
        """From the next connection on, behave like this."""
        with self._changed:
            self._script = list(behaviours)
            self._then = then or behaviours[-1]

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, name="sink", daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, break off every conversation and wait for their threads."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(timeout=LONG_ENOUGH_SEC)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connection_count += 1
                self._connections.add(connection)
                self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread = threading.Thread(target=self._converse, args=(connection,), name="sink-conversation", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, accepted: socket.socket) -> None:
        connection = accepted
        # The client may leave at any time: that is what half of the tests are about.
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(accepted, server_side=True)
                with self._changed:
                    self._connections.add(connection)
            conversation = Conversation(connection, self._stopping)
            conversation.request = _read_request(connection)
            if conversation.request is not None:
                self._next_behaviour(conversation.request)(conversation)
        with self._changed:
            self._connections -= {accepted, connection}
        _close(connection)
        accepted.close()

    def _next_behaviour(self, request: Received) -> Behaviour:
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
            return self._script.pop(0) if self._script else self._then


def _read_request(connection: socket.socket) -> Received | None:
    reader = connection.makefile("rb")
    with reader:
        first = reader.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while line := reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        body = reader.read(length)
    # A sender that dies in the middle of its request has sent none.
    return Received(first[0], first[1], headers, body, time.monotonic()) if len(body) == length else None


def _close(connection: socket.socket) -> None:
    """Say that nothing more comes, and close: without reading what the client may still send."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    connection.close()


@contextmanager
def never_accepting() -> Iterator[str]:
    """Yield the URL of a port that listens and whose queue is full: a connection is never made (on Linux)."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            waiting.append(client)
        try:
            yield f"http://127.0.0.1:{address[1]}/hook"
        finally:
            for client in waiting:
                client.close()


@contextmanager
def never_answering() -> Iterator[str]:
    """Yield the URL of a port whose connections are made by the kernel and never accepted by anybody."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"


@contextmanager
def speaking_first(data: bytes) -> Iterator[str]:
    """Yield the URL of a port that sends *data* to whoever connects, whatever they say, and closes."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:

        def greet() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(data)
                    # Reading what came keeps close() from sending RST, which could overtake the data.
                    connection.recv(65_536)

        thread = threading.Thread(target=greet, name="speaking-first", daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=LONG_ENOUGH_SEC)


def closed_port_url() -> str:
    """Return the URL of a port on which nobody listens."""
    return f"http://127.0.0.1:{free_port()}/hook"
