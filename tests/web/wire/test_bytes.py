"""What a request means is settled byte by byte: offers passed over, trailers nobody's, queues bounded.

Real servers, as `pulsemon serve` and as `uvicorn app.main:app` start them.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import ADMIN_TOKEN, LONG_ENOUGH_SEC, ROOT, Server, server_maker

TYPED = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of each kind for all that only asks."""
    folder = tmp_path_factory.mktemp("wire")
    with server_maker(folder) as start:
        yield start(
            f"sqlite:///{folder / 'pulsemon.db'}",
            arguments=TYPED if request.param == "uvicorn" else None,
            LOG_FORMAT="json",
        )


@pytest.fixture
def job(server: Server) -> dict[str, Any]:
    """A monitor of the test's own, whose body may say that the job failed."""
    return server.create(slug=f"wire-{next(_numbers)}", interval_seconds=3600, failure_keywords=["ERROR"])


def path_of(job: dict[str, Any]) -> str:
    return urlsplit(job["ping_url"]).path


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=LONG_ENOUGH_SEC)


def exchange(server: Server, *parts: str | bytes) -> bytes:
    """Send the parts apart from each other, and return all that comes until the server closes."""
    with connect(server) as connection:
        for number, part in enumerate(parts):
            if number:
                time.sleep(0.05)  # they must arrive apart
            connection.sendall(part.encode() if isinstance(part, str) else part)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def statuses(received: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


# Offers to speak another protocol

BODY = "backup ERROR: disk full"
FRAMED = {
    "length": (f"Content-Length: {len(BODY)}\r\n\r\n", BODY),
    "chunked": ("Transfer-Encoding: chunked\r\n\r\n", f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"),
}
OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: x,UPGRADE\r\n",
    "whatever": "Connection: upgrade\r\nUpgrade: TLS/1.0, foo/2\r\nUpgrade: bar\r\n",
}
LAST = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("is_split", [False, True], ids=["one segment", "two segments"])
@pytest.mark.parametrize("framing", FRAMED)
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_to_speak_another_protocol_takes_no_body_away(
    server: Server, job: dict[str, Any], offer: str, framing: str, is_split: bool
) -> None:
    head, body = FRAMED[framing]
    head = f"POST {path_of(job)} HTTP/1.1\r\nHost: a\r\n{OFFERS[offer]}{head}"

    received = exchange(server, *((head, body + LAST) if is_split else (head + body + LAST,)))

    assert statuses(received) == [200, 200]
    (ping,) = server.get(f"/api/monitors/{job['slug']}/pings")
    assert (ping["signal"], ping["body_length"]) == ("fail", len(BODY))


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_nor_from_the_api_and_the_panel(server: Server, offer: str, framing: str) -> None:
    slug = f"wire-{next(_numbers)}"
    made = json.dumps({"name": slug, "slug": slug, "interval_seconds": 60})
    form = f"token={ADMIN_TOKEN}"
    heads = {
        made: f"POST /api/monitors HTTP/1.1\r\nHost: a\r\nX-Admin-Token: {ADMIN_TOKEN}\r\n",
        form: "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n",
    }

    received = exchange(server, *(head + offer + _framed(body, framing) for body, head in heads.items()), LAST)

    assert statuses(received) == [201, 303, 200]


def _framed(body: str, framing: str) -> str:
    if framing == "length":
        return f"Content-Length: {len(body)}\r\n\r\n{body}"
    return f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n"


def test_pings_and_pages_that_offer_one_after_the_other_are_answered_in_their_order(
    server: Server, job: dict[str, Any]
) -> None:
    offer = OFFERS["h2c"]
    one = f"GET {path_of(job)} HTTP/1.1\r\nHost: a\r\n{offer}\r\n"
    wrong = f"GET {path_of(job)}x HTTP/1.1\r\nHost: a\r\n{offer}\r\n"
    page = f"GET /health HTTP/1.1\r\nHost: a\r\n{offer}\r\n"

    received = exchange(server, one + wrong + page + one + LAST)

    assert statuses(received) == [200, 404, 200, 200, 200]
    assert server.get(f"/api/monitors/{job['slug']}")["ping_count"] == 2


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d", 400),  # HTTP/2 unasked
        (b"GET /health HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /health HTTP/0.9\r\n\r\n", 505),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
        (b"CONNECT /health HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nrest", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_other_protocols_get_one_plain_answer(server: Server, request_bytes: bytes, status: int) -> None:
    assert statuses(exchange(server, request_bytes)) == [status]
    assert "Traceback" not in server.log


# What stands around a value is no part of it


@pytest.mark.parametrize("blank", [" ", "\t", " \t  \t"], ids=ascii)
def test_blanks_around_a_value_are_no_part_of_it(server: Server, job: dict[str, Any], blank: str) -> None:
    """On the short way of a ping, on the long one, in the API and in a form."""

    def head(first: str, **fields: str) -> str:
        lines = "".join(f"{name.replace('_', '-')}:{blank}{value}{blank}\r\n" for name, value in fields.items())
        return f"{first} HTTP/1.1\r\n{lines}\r\n"

    requests = [
        head(f"GET {path_of(job)}", Host="a", User_Agent="short"),
        head(f"POST {path_of(job)}", Host="a:80", User_Agent="long", Content_Length="1") + "x",
        head("GET /api/monitors", Host="a", X_Admin_Token=ADMIN_TOKEN),
        head("POST /login", Host="a", Origin="http://a", Sec_Fetch_Site="same-origin", Content_Length="0"),
    ]

    received = exchange(server, *requests, LAST)

    assert statuses(received) == [200, 200, 200, 401, 200]  # another site's form would be 403
    pings = server.get(f"/api/monitors/{job['slug']}/pings")
    assert [each["user_agent"] for each in pings] == ["long", "short"]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://a.", "a", 200),
        ("http://a", "A.", 200),
        ("http://A.:80", "a:", 200),
        ("https://a:443", "a.", 200),
        ("http://[0:0::1]", "[::1]:80", 200),
        ("http://a%2db", "A%2Db", 200),
        ("http://a..", "a", 400),
        ("http://a", "b", 400),
        ("http://a:81", "a", 400),
        ("https://a", "a:80", 400),
    ],
)
def test_a_target_that_names_the_same_host_otherwise_is_the_same_host(
    server: Server, job: dict[str, Any], target: str, host: str, status: int
) -> None:
    ping = f"POST {target}{path_of(job)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    assert statuses(exchange(server, ping)) == [status]


# What stands after a body is nobody's

TRUSTED = {
    "X-Forwarded-For": "198.18.1.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=198.18.1.1",
    "Host": "evil.example",
    "X-Admin-Token": ADMIN_TOKEN,
    "Authorization": f"Bearer {ADMIN_TOKEN}",
    "Cookie": "pulsemon_session=x; pulsemon_language=pt-BR",
    "Origin": "http://a",
    "Sec-Fetch-Site": "same-origin",
    "Content-Type": "application/x-www-form-urlencoded",
    "Connection": "upgrade",
    "Upgrade": "h2c",
    "Expect": "100-continue",
    "User-Agent": "Trailer/1.0",
    "Purpose": "prefetch",
    "Accept-Language": "pt-BR",
}


def chunked(head: str, trailer: str, body: str = "x") -> tuple[str, str]:
    """Return a request in two segments: all but its trailer, and that."""
    return f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n", f"{trailer}\r\n"


@pytest.mark.parametrize("is_split", [False, True], ids=["one segment", "two segments"])
@pytest.mark.parametrize("name", TRUSTED)
def test_no_field_after_a_body_is_believed(server: Server, job: dict[str, Any], name: str, is_split: bool) -> None:
    """Each of them, once and twice, after a ping, a call of the API and a form."""
    for times in (1, 2):
        trailer = f"{name}: {TRUSTED[name]}\r\n" * times
        requests = [
            chunked(f"POST {path_of(job)} HTTP/1.1\r\nHost: a\r\nUser-Agent: job\r\n", trailer),
            chunked("POST /api/monitors HTTP/1.1\r\nHost: a\r\n", trailer, "{}"),
            chunked("POST /login HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\n", trailer, "token=x"),
        ]
        parts = [part for each in requests for part in (each if is_split else ("".join(each),))]

        received = exchange(server, *parts, LAST)

        assert statuses(received) == [200, 401, 403, 200], trailer
    newest, *others = server.get(f"/api/monitors/{job['slug']}/pings")
    assert len(others) == 1
    assert (newest["remote_addr"], newest["user_agent"], newest["body_length"]) == ("127.0.0.1", "job", 1)


@pytest.mark.parametrize("field", ["Content-Length: 9999", "Transfer-Encoding: chunked"])
def test_what_says_how_long_a_body_is_may_not_stand_after_it(server: Server, job: dict[str, Any], field: str) -> None:
    head, trailer = chunked(f"POST {path_of(job)} HTTP/1.1\r\nHost: a\r\n", f"{field}\r\n")

    assert statuses(exchange(server, head + trailer + LAST)) == [400]


def test_the_same_fields_before_a_body_are_believed(server: Server, job: dict[str, Any]) -> None:
    """The control: this test's own machine is a trusted proxy. Several lines are one list, in their order."""
    lines = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\r\nUser-Agent: first\r\n"

    received = exchange(server, "".join(chunked(f"POST {path_of(job)} HTTP/1.1\r\nHost: a\r\n{lines}", "")) + LAST)

    assert statuses(received) == [200, 200]
    (ping,) = server.get(f"/api/monitors/{job['slug']}/pings")
    assert (ping["remote_addr"], ping["user_agent"]) == ("203.0.113.9", "first")


@pytest.mark.parametrize("name", TRUSTED)
def test_a_folded_line_is_400_before_a_body_and_after_it(server: Server, job: dict[str, Any], name: str) -> None:
    folded = f"X-A: b\r\n {name}: {TRUSTED[name]}\r\n"
    head = f"POST {path_of(job)} HTTP/1.1\r\nHost: a\r\n"

    assert statuses(exchange(server, f"{head}{folded}Content-Length: 1\r\n\r\nx")) == [400]
    assert statuses(exchange(server, *chunked(head, folded))) == [400]
    assert server.get(f"/api/monitors/{job['slug']}")["ping_count"] == 0
