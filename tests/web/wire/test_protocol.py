"""The short way for pings answers the same bytes as uvicorn's own way, whatever the request looks like."""

from __future__ import annotations

import re
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import LONG_ENOUGH_SEC, ROOT, Server, server_maker

TYPED = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
PLAIN = [*TYPED, "--http", "httptools"]  # with a class of its own, which somebody has to ask for


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Server, str, Path]]]:
    """A server of each kind, each with the same monitor: kind -> (server, path of the ping URL, database)."""
    found: dict[str, tuple[Server, str, Path]] = {}
    with ExitStack() as stack:
        for kind, arguments in (("serve", None), ("uvicorn", PLAIN)):
            folder = tmp_path_factory.mktemp(kind)
            path = folder / "pulsemon.db"
            server = stack.enter_context(server_maker(folder))(f"sqlite:///{path}", arguments=arguments)
            made = server.create(interval_seconds=3600)
            found[kind] = (server, urlsplit(made["ping_url"]).path, path)
        yield found


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=LONG_ENOUGH_SEC)


def talk(server: Server, *parts: bytes, answers: int = 1, pause: float = 0.05) -> bytes:
    """Send *parts* one after the other on one connection, and return what comes back until it is silent or closed."""
    with connect(server) as connection:
        for number, part in enumerate(parts):
            if number:
                time.sleep(pause)  # the parts must arrive apart
            connection.sendall(part)
        received = b""
        connection.settimeout(LONG_ENOUGH_SEC)
        try:
            while chunk := connection.recv(65_536):
                received += chunk
                if received.count(b"HTTP/1.1 ") >= answers and _is_whole(
                    received, is_head=parts[0].startswith(b"HEAD")
                ):
                    connection.settimeout(0.1)  # silence after a whole answer is the end of it
        except TimeoutError:
            pass
    return re.sub(rb"date: [^\r]*\r\n", b"", received)


def _is_whole(received: bytes, *, is_head: bool) -> bool:
    head, end, body = received.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    if is_head:
        return bool(end)
    length = re.search(rb"content-length: (\d+)", head)
    return bool(length) and len(body) >= int(length[1]) if length else False


def same(pair: dict[str, Any], *parts: str, answers: int = 1) -> bytes:
    """Send the same to both servers (PATH is each one's own) and return the answer, which must be one."""
    got = {}
    for kind, (server, path, _) in pair.items():
        sent = [part.replace("PATH", path).encode("latin-1") for part in parts]
        got[kind] = re.sub(rb"server: uvicorn\r\n", b"", talk(server, *sent, answers=answers))
    assert got["serve"] == got["uvicorn"]
    return got["serve"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("suffix", ["", "/", "/start", "/fail", "/log", "/0", "/255", "/256", "/nope", "?rid=x", "x"])
def test_both_ways_answer_the_same(pair: dict[str, Any], method: str, suffix: str) -> None:
    answer = same(pair, f"{method} PATH{suffix} HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 ")
    assert method == "GET" or answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_text",
    [
        "GET PATH HTTP/1.0\r\n\r\n",
        "GET PATH HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET PATH HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "GET PATH HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET PATH HTTP/1.1\r\nHost: a\r\nPurpose: prefetch\r\n\r\n",
        "GET PATH HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
        "GET PATH HTTP/1.1\r\nHost: a\r\nUser-Agent: " + "u" * 70_000 + "\r\n\r\n",
        "GET /h/%ff/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /h/%00/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /h/%zz/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /h/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /h/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    ],
)
def test_odd_requests_get_the_same_answer(pair: dict[str, Any], request_text: str) -> None:
    assert b"HTTP/1.1 " in same(pair, request_text)


def test_a_request_in_pieces_is_one_ping(pair: dict[str, Any]) -> None:
    assert same(pair, "GET PA"[:4], "PATH HTTP/1.1\r\nHo", "st: a\r\n", "\r\n").count(b'{"ok": true}') == 1


def test_pipelined_pings_are_answered_in_their_order(pair: dict[str, Any]) -> None:
    ping = "GET PATH HTTP/1.1\r\nHost: a\r\n\r\n"
    wrong = "GET PATHx HTTP/1.1\r\nHost: a\r\n\r\n"
    post = "POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"

    answer = same(pair, ping + wrong + post + "GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + ping, answers=5)

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404", b"200", b"200", b"200"]


def test_one_connection_carries_many_pings_of_both_kinds(pair: dict[str, Any]) -> None:
    for server, path, database in pair.values():
        before = _stored(database)
        with connect(server) as connection:
            for number in range(20):
                verb = "GET" if number % 2 else "POST"
                connection.sendall(f"{verb} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
                answer = connection.recv(4096)
                while not answer.endswith(b'{"ok": true}'):
                    answer += connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200")
        assert _stored(database) == before + 20


def test_a_client_that_goes_before_its_answer_leaves_the_server_whole(pair: dict[str, Any]) -> None:
    for server, path, _ in pair.values():
        for _ in range(50):
            with connect(server) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"200" in talk(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert "Traceback" not in server.log


def _stored(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM pings").fetchone()[0])


ONLY_SHORT = """
from pulsemon.server import make

inside = make()


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"].startswith("/h/"):
        raise RuntimeError("a ping came the long way")
    await inside(scope, receive, send)
"""


def test_the_short_way_is_taken(make_server: Callable[..., Server], sqlite_url: str, tmp_path: Path) -> None:
    """Otherwise the comparison above would compare one way with itself."""
    (tmp_path / "only_short.py").write_text(ONLY_SHORT)
    protocol = ["--http", "pulsemon.web.wire.protocol:PingProtocol"]
    command = [sys.executable, "-m", "uvicorn", "only_short:app", "--app-dir", str(tmp_path), "--port", "{port}"]
    server = make_server(sqlite_url, arguments=command + protocol)
    path = urlsplit(server.create()["ping_url"]).path

    assert talk(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).startswith(b"HTTP/1.1 200")
    # The control: what the short way leaves alone does come the long way.
    assert talk(server, f"GET {path} HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.1 500")


FORM = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def test_what_does_not_arrive_in_time_is_ended(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    path = urlsplit(server.create()["ping_url"]).path
    begun = {
        b"": b"",  # a connection that says nothing is closed without a word
        b"GET /health HTTP/1.1\r\nHost": b"HTTP/1.1 408",
        FORM + b"Content-Length: 100\r\n\r\ntoken": b"HTTP/1.1 408",
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nto".encode(): b"HTTP/1.1 408",
    }
    open_ones = []
    for sent, wanted in begun.items():
        connection = connect(server)
        connection.sendall(sent)
        open_ones.append((connection, wanted))

    assert b"200 OK" in talk(server, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    for connection, wanted in open_ones:
        received = b""
        while chunk := connection.recv(4096):  # ends with the connection; a minute of silence fails the test
            received += chunk
        assert received.startswith(wanted)
        connection.close()
    assert server.get("/api/monitors/backup-noturno")["last_ping"] is None


def test_headers_that_grow_are_refused_while_they_are_read(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)

    answer = talk(server, b"GET /health HTTP/1.1\r\n", *[b"X-A: " + b"a" * 8_000 + b"\r\n"] * 9)

    assert answer.startswith(b"HTTP/1.1 431")


@contextmanager
def holding(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Hold *count* open connections to the server."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(server)) for _ in range(count)]


def test_idle_connections_make_room_for_others_of_their_address(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    server = make_server(sqlite_url, TRUSTED_PROXIES="192.0.2.1")  # this machine is not one of them
    path = urlsplit(server.create()["ping_url"]).path

    with holding(server, 128) as held:
        held[1].sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf".encode())
        for _ in range(3):
            assert talk(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).startswith(b"HTTP/1.1 200")

        assert held[0].recv(4096) == b""  # the one that waited longest was closed
        held[127].sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert held[127].recv(4096).startswith(b"HTTP/1.1 200")


def test_a_trusted_proxy_may_hold_more(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    with holding(server, 200):
        assert talk(server, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_uvicorn_as_people_type_it_has_our_class(make_server: Callable[..., Server], sqlite_url: str) -> None:
    answer = talk(make_server(sqlite_url, arguments=TYPED), b"GET /health HTTP/1.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")  # no Host


def test_whoever_asks_uvicorn_for_another_class_gets_it(pair: dict[str, Any]) -> None:
    assert talk(pair["uvicorn"][0], b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
