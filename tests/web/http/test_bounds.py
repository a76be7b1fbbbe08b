"""What a request may bring before it is parsed: the same under both ways to serve, and room for what people send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from pulsemon.web.http import bounds, session_cookies
from pulsemon.web.http.bounds import with_our_cookies
from tests.conftest import ADMIN_TOKEN, Server, server_maker
from tests.web.wire.test_protocol import PLAIN, talk


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """One of our own protocol, one of uvicorn's."""
    with ExitStack() as stack:
        made = []
        for kind, arguments in (("serve", None), ("uvicorn", PLAIN)):
            folder = tmp_path_factory.mktemp(kind)
            made.append(stack.enter_context(server_maker(folder))(f"sqlite:///{folder}/pulsemon.db", arguments))
        yield made


def get(servers: list[Server], target: str = "/health", *lines: str, method: str = "GET") -> tuple[int, Any]:
    """Return the status and the body of what both servers answer alike."""
    request = "".join(f"{line}\r\n" for line in (f"{method} {target} HTTP/1.1", "Host: a", *lines)) + "\r\n"
    answers = {talk(server, request.encode("latin-1"))[9:].decode() for server in servers}
    statuses = {int(answer[:3]) for answer in answers}
    bodies = {answer.partition("\r\n\r\n")[2] for answer in answers}
    assert len(statuses) == 1, answers
    return statuses.pop(), bodies.pop()


def padded(limit: int, prefix: str = "") -> str:
    return prefix + "a" * (limit - len(prefix))


TOO_MUCH = [
    pytest.param("/status/" + padded(9_000), (), 414, "path", "8 KiB", id="path"),
    pytest.param("/" + "%41" * 20_000, (), 414, "path", "8 KiB", id="escapes"),
    pytest.param("/health?" + padded(9_000), (), 414, "query", "8 KiB", id="query"),
    pytest.param("/health?" + "&".join(["a"] * 101), (), 400, "query", "100", id="fields"),
    pytest.param("/health?" + "&" * 8_000, (), 400, "query", "100", id="empty-fields"),
    pytest.param("/health", tuple(f"X-{n}: a" for n in range(100)), 431, "header", "100", id="lines"),
    pytest.param("/health", ("Content-Type: " + padded(1_025),), 431, "content-type", "1 KiB", id="type"),
    pytest.param("/health", ("Content-Type: a/b" + ";a=b" * 17,), 400, "content-type", "16", id="parameters"),
    pytest.param("/health", ('Content-Type: a/b;x="' + ";" * 900,), 400, "content-type", "16", id="quoted"),
    pytest.param("/health", ("Accept: " + "*/*," * 1_100,), 431, "accept", "4 KiB", id="accept"),
    pytest.param("/health", ("Accept-Language: " + "pt," * 400,), 431, "accept-language", "1 KiB", id="language"),
    pytest.param("/health", ("Accept-Encoding: " + "br," * 400,), 431, "accept-encoding", "1 KiB", id="encoding"),
    pytest.param("/status", ("If-None-Match: " + '"a",' * 1_100,), 431, "if-none-match", "4 KiB", id="tags"),
    pytest.param("/status", ("If-Modified-Since: " + padded(300),), 431, "if-modified-since", "256", id="since"),
    pytest.param("/static/app.js", ("Range: bytes=" + "0-1," * 300,), 431, "range", "1 KiB", id="range"),
    pytest.param("/", ("Origin: http://" + padded(4_100),), 431, "origin", "4 KiB", id="origin"),
]


@pytest.mark.parametrize(("target", "lines", "status", "where", "limit"), TOO_MUCH)
def test_what_brings_too_much_is_told_what_and_where_and_how_much_is_allowed(
    servers: list[Server], target: str, lines: tuple[str, ...], status: int, where: str, limit: str
) -> None:
    code, body = get(servers, target, *lines)

    assert code == status, body
    detail = json.loads(body)["detail"]
    assert where in detail
    assert limit in detail


def test_the_same_bounds_hold_for_forms_and_for_the_api_and_for_what_is_not_there(servers: list[Server]) -> None:
    for method, target in (("POST", "/login"), ("GET", "/api/monitors"), ("POST", "/nowhere")):
        code, _ = get(servers, f"{target}?{padded(9_000)}", "Content-Length: 0", method=method)
        assert code == 414, target


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        pytest.param("/health?text=" + quote("\U0001f6d1" * 200), (), 200, id="a filter of 200 characters"),
        pytest.param("/health", tuple(f"X-Forwarded-{n}: a" for n in range(40)), 200, id="several proxies"),
        pytest.param("/health", ("Authorization: Negotiate " + "Y" * 48_000,), 200, id="a ticket of Kerberos"),
        pytest.param("/health", ("Cookie: " + "; ".join(f"sso_{n}=" + "x" * 4_000 for n in range(3)),), 200, id="sso"),
        pytest.param("/health", ('Cookie: x="' + "\\" * 40_000 + '"',), 200, id="backslashes"),
        pytest.param("/health", ("Cookie: " + "; " * 30_000,), 200, id="empty cookies"),
        pytest.param("/health", ("Cookie: " + "a=b;" * 15_000,), 200, id="many cookies"),
        pytest.param("/health", ("User-Agent: " + "a" * 8_000, "Referer: http://a/" + "a" * 8_000), 200, id="referer"),
        pytest.param("/health", ("Content-Type: multipart/form-data; boundary=" + "-" * 200,), 200, id="boundary"),
    ],
)
def test_what_people_really_send_is_answered(
    servers: list[Server], target: str, lines: tuple[str, ...], status: int
) -> None:
    code, body = get(servers, target, *lines)

    assert code == status, body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_ping_url_longer_than_any_is_nobodys_and_its_query_may_be_long(servers: list[Server], method: str) -> None:
    assert get(servers, "/h/" + "%41" * 20_000, "Content-Length: 0", method=method)[0] == 404
    assert get(servers, "/h/a/b?x=" + "a" * 20_000 + "&rid=1", "Content-Length: 0", method=method)[0] == 400


def scope(*cookies: bytes) -> dict[str, Any]:
    return {"type": "http", "headers": [(b"host", b"a"), *((b"cookie", each) for each in cookies)]}


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        ((b"pulsemon_session=a.b",), {"pulsemon_session": "a.b"}),
        ((b"sso=1; pulsemon_session=a.b; lang=en; other=2",), {"pulsemon_session": "a.b", "lang": "en"}),
        # HTTP/2 lets a browser send them in several lines.
        ((b"sso=1", b"pulsemon_page_7=7.f.1.s", b"lang=pt-BR"), {"pulsemon_page_7": "7.f.1.s", "lang": "pt-BR"}),
        ((b"__Host-pulsemon_session=a; __Secure-pulsemon_session=b",), None),
        ((b"sso=1; ;; =; =x; pulsemon",), {}),
        # None of ours has quotes, and what stands between them is what costs.
        ((b'pulsemon_session="\\\\\\"; lang="en"',), {}),
        ((b"lang=" + b"e" * 5_000 + b"; pulsemon_session=a",), {"pulsemon_session": "a"}),
    ],
)
def test_only_our_cookies_are_read(lines: tuple[bytes, ...], read: dict[str, str] | None) -> None:
    given = scope(*lines)

    cookies = Request(with_our_cookies(given)).cookies

    expected = {"__Host-pulsemon_session": "a", "__Secure-pulsemon_session": "b"} if read is None else read
    assert cookies == expected
    # The request itself is left as it came.
    assert given == scope(*lines)


def test_a_request_without_cookies_is_the_same_one() -> None:
    given = scope()

    assert with_our_cookies(given) is given


def test_the_panel_works_among_eight_kilobytes_of_somebody_elses_cookies(one: TestClient) -> None:
    foreign = "; ".join([f"AWSELBAuthSessionCookie-{n}=" + "x/+=" * 500 for n in range(4)] + ['w="\\"\\342\\200\\231"'])
    page = {"accept": "text/html", "accept-language": "en"}
    entered = one.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False, headers=page)
    session = one.cookies[session_cookies.PLAIN]
    one.cookies.clear()

    def ask(cookie: str) -> str:
        return one.get("/", headers=page | {"cookie": cookie}).text

    assert entered.status_code == 303
    assert 'name="token"' in ask(foreign)
    assert 'name="token"' not in ask(f"{foreign}; {session_cookies.PLAIN}={session}")
    assert 'lang="pt-BR"' in ask(f"lang=pt-BR; {foreign}")


def test_every_name_of_a_cookie_of_ours_is_one_that_is_read(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    """Whatever the application sets, it must get back."""
    one = make_client(sqlite_url)
    one.post("/login", data={"token": ADMIN_TOKEN})
    one.get("/status", params={"lang": "en"})
    assert len(one.cookies) >= 2

    for name, value in one.cookies.items():
        assert Request(with_our_cookies(scope(f"{name}={value}".encode()))).cookies == {name: value}


def test_no_bound_is_narrower_than_what_a_browser_sends() -> None:
    longest = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

    assert bounds.MAX_VALUE_BYTES[b"accept"] > 10 * len(longest)
    assert min(bounds.MAX_VALUE_BYTES.values()) >= 256
