"""What an attacker from the network tries and no other page of tests holds against us; docs/security.md names the rest.

Real servers on real sockets where the bytes matter, the application in this process where they do not.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.accounts import access
from pulsemon.accounts.roles import Action
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.heartbeats.pings import Answer, Ping, record_pings
from pulsemon.operations.backup import back_up
from pulsemon.web import app as web_app
from pulsemon.web.http.routing import Audience, Route, Router
from pulsemon.web.http.session_cookies import PLAIN
from pulsemon.web.http.site import Site
from tests.arrange import START, make, record
from tests.channels.sink import Sink, status
from tests.conftest import ADMIN_TOKEN, Server, server_maker, wait_until

GOOD = {"name": "Backup Noturno", "slug": "backup-noturno", "interval_seconds": 60}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all that only asks."""
    folder = tmp_path_factory.mktemp("attacks")
    with server_maker(folder) as start:
        made = start(f"sqlite:///{folder / 'pulsemon.db'}", LOG_FORMAT="json", LOG_LEVEL="DEBUG")
        made.create()
        yield made


def exchange(server: Server, request: str | bytes) -> bytes:
    """Send these very bytes, and return all that comes until the server closes."""
    sent = request.encode() if isinstance(request, str) else request
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def statuses(received: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"^HTTP/1\.[01] (\d+)", received, re.MULTILINE)]


# Requests that two programs could read in two ways

AFTER = "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
SMUGGLED = {
    "length and chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a list of lengths": "Content-Length: 5, 5\r\n\r\nabcde",
    "a length with a sign": "Content-Length: +5\r\n\r\nabcde",
    "chunked and something": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "no such coding": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a length in hexadecimal": "Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    "a folded line": "X-A: b\r\n Content-Length: 5\r\n\r\nabcde",
    "a NUL": "X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
@pytest.mark.parametrize("path", ["/login", "/h/backup-noturno/x"])
def test_a_request_that_can_be_read_in_two_ways_is_400_and_the_end(server: Server, path: str, headers: str) -> None:
    received = exchange(server, f"POST {path} HTTP/1.1\r\nHost: h\r\n{headers}{AFTER}")

    assert statuses(received) == [400]


def test_bare_line_feeds_are_400(server: Server) -> None:
    assert statuses(exchange(server, f"POST /login HTTP/1.1\nHost: h\nContent-Length: 0\n\n{AFTER}")) == [400]


# Host, and addresses that lead elsewhere

HOSTS = ["evil.example", "", "a_b.example.:8088", "[::1]", "x%2Fy", "a!$&'()*+;=b"]
# None of these is a name or an address and nothing else.
NO_HOSTS = [
    "[",
    "[::1",
    "a[b]",
    "a/b",
    "a?",
    "a#",
    "x@y",
    "é",
    "a:99999999",
    "[::1]:x",
    "\\",
    "a:b:c",
    "a,b",
    "a b",
    "a%",
]
NO_HOSTS += ["a" * 300, "http://a", "a\tb", '"', "<script>"]
PAGES = ["/", "/nothing", "/status", "/status?lang=en", "/login", "/docs", "/health", "/metrics", "/monitors/1"]


@pytest.mark.parametrize("host", [*HOSTS, *NO_HOSTS])
def test_no_host_breaks_a_page_or_stands_in_one(server: Server, host: str) -> None:
    for path in PAGES:
        received = exchange(
            server,
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n",
        )
        assert statuses(received)[0] < 500, path
        assert b"evil.example" not in received, path
    body = f"token={ADMIN_TOKEN}"
    received = exchange(
        server,
        f"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}",
    )
    assert statuses(received) == ([400] if host in NO_HOSTS else [303])
    if host in HOSTS:
        location = re.search(rb"^location: (.*)\r$", received, re.MULTILINE | re.IGNORECASE)
        assert location is not None
        assert location[1] == b"/"


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/health", "", 400),
        ("/health", "Host: h\r\nHost: h\r\n", 400),
        ("/health", "Host: h\r\nX-A: b\r\nhOST: evil.example\r\n", 400),
        ("http://h/api/monitors", "Host: h\r\n", 401),  # read as its path
        ("http://H:80/api/monitors", "Host: h\r\n", 401),
        ("https://h/api/monitors", "Host: h:443\r\n", 401),
        ("http://h?x", "Host: h\r\n", 200),  # the path of no path is /
        ("http://h", "Host: h\r\n", 200),
        ("http://evil.example/api/monitors", "Host: h\r\n", 400),
        ("http://h:81/health", "Host: h\r\n", 400),
        ("http://u@h/health", "Host: h\r\n", 400),
        ("http:///health", "Host:\r\n", 400),
        ("ftp://h/health", "Host: h\r\n", 400),
        ("h:80", "Host: h\r\n", 400),
    ],
)
def test_a_request_names_one_host_or_is_400(server: Server, target: str, lines: str, status: int) -> None:
    assert statuses(exchange(server, f"GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n")) == [status]


def test_before_http_1_1_nobody_had_to_name_a_host(server: Server) -> None:
    assert statuses(exchange(server, "GET /health HTTP/1.0\r\n\r\n")) == [200]
    assert statuses(exchange(server, "GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n")) == [400]


ELSEWHERE = [
    "//evil.example",
    "/%5Cevil.example",
    "/%2F%2Fevil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%0d%0aLocation:%20//evil.example",
    "/x%3F//evil.example",
    "/login?next=//evil.example",
    "/?next=https://evil.example",
    "/static//evil.example",
    "/static/%5C%5Cevil.example",
    "/monitors//evil.example",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_address_of_ours_leads_to_another_host(server: Server, path: str) -> None:
    received = exchange(server, f"GET {path} HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nConnection: close\r\n\r\n")

    head, _, page = received.partition(b"\r\n\r\n")
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    locations = re.findall(rb"^location: (.*)\r?$", head, re.MULTILINE | re.IGNORECASE)
    assert statuses(received)[0] in (200, 303, 404)
    assert {each.strip() for each in locations} <= {b"/"}
    assert b"location" not in names or locations
    for link in re.findall(rb'(?:href|src|action)="([^"]*)"', page):
        assert re.match(rb"/(?![/\\\t\n\r])|#|\?|data:|https://github\.com/", link), link


# Headers of answers

INJECTED = "x%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a<script>"


@pytest.mark.parametrize(
    "path",
    [
        f"/api/monitors/{INJECTED}",
        f"/api/history/{INJECTED}?limit=1",
        f"/api/monitors?cursor={INJECTED}",
        f"/?lang={INJECTED}&q={INJECTED}&state={INJECTED}&done={INJECTED}",
        f"/status?lang={INJECTED}",
        f"/static/{INJECTED}?v={INJECTED}",
        f"/{INJECTED}",
        f"/h/{INJECTED}/{INJECTED}?rid={INJECTED}",
    ],
)
def test_no_header_comes_out_of_an_address(server: Server, path: str) -> None:
    received = exchange(
        server,
        f"GET {path} HTTP/1.1\r\nHost: h\r\nX-Admin-Token: {ADMIN_TOKEN}\r\nCookie: pulsemon_language={INJECTED}\r\n"
        "Connection: close\r\n\r\n",
    )

    head = received.partition(b"\r\n\r\n")[0].lower()
    assert b"evil" not in head
    assert len(statuses(received)) == 1


def test_answers_do_not_say_which_server_gives_them(server: Server) -> None:
    for path in ("/", "/health", "/nothing", "/h/backup-noturno/x"):
        assert "server" not in httpx2.get(server.url + path).headers, path


# Behind a proxy, or not


NUMBERS = itertools.count()


def guess(server: Server, path: str, address: str) -> int:
    headers = {"X-Admin-Token": f"wrong-{next(NUMBERS)}", "X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    return httpx2.get(server.url + path, headers=headers).status_code


def test_an_address_that_nobody_vouches_for_evades_no_throttle(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    server = make_server(sqlite_url, TRUSTED_PROXIES=",")

    found = [guess(server, "/api/monitors", f"203.0.113.{number}") for number in range(61)]

    assert found == [401] * 60 + [429]
    assert "strict-transport-security" not in httpx2.get(server.url, headers={"X-Forwarded-Proto": "https"}).headers


def test_behind_a_trusted_proxy_each_visitor_counts_by_the_address_that_the_proxy_saw(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    server = make_server(sqlite_url)  # 127.0.0.1 is trusted

    # What the visitor wrote stands on the left, what the proxy added on the right.
    found = [guess(server, "/api/monitors", f"198.51.100.{number}, 203.0.113.9") for number in range(61)]

    assert found == [401] * 60 + [429]
    assert guess(server, "/api/monitors", "203.0.113.10") == 401
    answer = httpx2.post(f"{server.url}/login", data={"token": ADMIN_TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" in answer.headers


# What reading changes, and what errors tell


def contents(url: str) -> dict[str, list[Any]]:
    """Return every row of a SQLite file, the heartbeats of nodes apart."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()
            for name in tables
            if name not in ("nodes", "sqlite_stat1")
        }


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """These do not depend on the database."""
    client = make_client(sqlite_url)
    client.follow_redirects = False
    return client


@pytest.mark.usefixtures("never_blind")
def test_no_get_but_a_ping_changes_anything(client: TestClient, sqlite_url: str, admin: dict[str, str]) -> None:
    made = client.post("/api/monitors", json=GOOD, headers=admin).json()
    client.post(made["ping_url"] + "/fail", content=b"x")
    client.post("/login", data={"token": ADMIN_TOKEN})
    before = contents(sqlite_url)
    paths = set()
    for route in web_app.make_fastapi(cast(Site, None)).routes:
        if "GET" in (getattr(route, "methods", None) or ()) and route.path != "/events":  # type: ignore[attr-defined]
            path = route.path_format.replace("{slug}", "backup-noturno")  # type: ignore[attr-defined]
            paths.add(re.sub(r"{\w+}", "1", path))
    assert len(paths) > 20

    for path in sorted(paths):
        for method in ("GET", "HEAD"):
            for query in ("", "?token=x&slug=y&_method=DELETE&lang=en"):
                answer = client.request(method, path + query, headers=admin)
                assert answer.status_code in (200, 303, 403, 404, 405), (method, path)

    assert contents(sqlite_url) == before


def test_an_error_of_ours_tells_an_id_and_nothing_else(
    client: TestClient, sqlite_url: str, admin: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    client.post("/api/monitors", json=GOOD, headers=admin)
    client.post("/login", data={"token": ADMIN_TOKEN})
    careless = TestClient(client.app, base_url="http://testserver", raise_server_exceptions=False)
    careless.cookies = client.cookies
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as by_hand, by_hand:
        by_hand.execute("UPDATE monitors SET created_at = 'nonsense'")  # what no row of ours holds
    capsys.readouterr()

    answers = [careless.get("/api/monitors", headers=admin), careless.get("/", headers={"accept": "text/html"})]

    log = capsys.readouterr().err
    for answer in answers:
        assert answer.status_code == 500
        error_id = re.search(r"under ([0-9a-f]{8})\.", answer.text)
        assert error_id
        assert error_id[1] in log
        assert not re.search(
            r"traceback|select|monitors\.|sqlite|\.py|nonsense|site-packages|/tmp", answer.text.lower()
        )
        assert "default-src 'none'" in answer.headers["content-security-policy"]


# Which ways there are


def test_every_way_into_the_program_is_known(client: TestClient) -> None:
    """Between the server and the routes stand the ping's gate and ours, and nothing that answers by itself."""
    layers = []
    layer: Any = cast(Any, client.app)._app
    while layer is not None:
        layers.append(type(layer).__name__)
        layer = getattr(layer, "_app", None)
    made = web_app.make_fastapi(cast(Site, None))

    assert layers == ["PingGate", "Turns", "Gate", "SharedAnswers", "FastAPI"]
    assert made.user_middleware == []
    assert [type(route).__name__ for route in made.routes if not isinstance(route, Route)] == ["Mount"]
    # Asked within: by the ping route, of what an answer shows, and by /metrics, which is for strangers too.
    assert set(Action) - {route.action for route in made.routes if isinstance(route, Route)} == {
        *(Action.PING, Action.METRICS),
    }


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that nobody declared a rule for."""


def test_no_raw_route_mount_or_websocket_starts_without_a_rule() -> None:
    from fastapi import FastAPI
    from starlette import routing

    for route in (
        routing.Route("/raw", endpoint=raw),
        routing.Mount("/raw", app=raw),
        routing.Mount("/static", app=raw),
        routing.Mount("", app=raw),
        routing.Host("evil.example", app=raw),
        routing.WebSocketRoute("/raw", endpoint=raw),
    ):
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.router.routes.append(route)
        with pytest.raises(TypeError, match="access rule"):
            web_app._require_access_rules(app)


def test_an_admin_route_is_closed_by_itself_too() -> None:
    """The gate in front is one lock, the route another."""
    from types import SimpleNamespace

    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    settings = SimpleNamespace(admin_token=SecretStr(ADMIN_TOKEN))
    app.state.site = SimpleNamespace(settings=settings, now=clock.now, admin_token=ADMIN_TOKEN)
    router = Router(Audience.API)
    router.get("/api/monitors", Action.READ)(lambda: {"secret": 1})
    app.router.routes.extend(router.routes)

    client = TestClient(app)

    assert client.get("/api/monitors").status_code == 401
    assert client.get("/api/monitors", headers={"X-Admin-Token": "wrong"}).status_code == 401
    assert client.get("/api/monitors", headers={"X-Admin-Token": ADMIN_TOKEN}).json() == {"secret": 1}


# Comparing in constant time: not measured, for a measurement on a busy machine proves nothing. What runs is the same.


@contextmanager
def calls() -> Iterator[list[str]]:
    """Note every call into our code, and every comparison of digests, in their order."""
    made: list[str] = []

    def note(frame: Any, event: str, what: Any) -> None:
        if event == "call" and "pulsemon" in Path(frame.f_code.co_filename).parts:
            made.append(frame.f_code.co_qualname)
        elif event == "c_call" and what.__name__ == "compare_digest":
            made.append("compare_digest")

    sys.setprofile(note)
    try:
        yield made
    finally:
        sys.setprofile(None)


def test_an_unknown_slug_a_wrong_token_and_a_deleted_monitor_cost_the_same_steps(database: Database) -> None:
    from pulsemon.monitors import manage as monitors

    known, gone = make(database, "known"), make(database, "gone")
    monitors.remove(database, monitors.by_id(gone.id))
    steps = []
    wrong = "x" * 32
    for slug, token in [("nobody", wrong), ("known", wrong), ("gone", gone.token), ("known", known.token[:-1] + "!")]:
        ping = Ping(slug=slug, token=token, signal=Signal.SUCCESS, received_at=START)
        assert record(database, ping) == [Answer.UNKNOWN]
        with calls() as made:
            record_pings(database, [ping])
        steps.append(made)

    assert "compare_digest" in steps[0]
    assert steps[0] == steps[1] == steps[2] == steps[3]


def test_any_wrong_admin_token_costs_the_same_steps() -> None:
    steps = []
    for given in ("", "x", ADMIN_TOKEN[:-1] + "x", "x" + ADMIN_TOKEN[1:], ADMIN_TOKEN * 2, "\ud800"):
        with calls() as made:
            assert not access.is_admin_token(given, ADMIN_TOKEN)
        steps.append(made)

    assert "compare_digest" in steps[0]
    assert all(each == steps[0] for each in steps)


# Nothing secret in any log


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_is_in_the_log_at_debug_whatever_happens(
    make_server: Callable[..., Server], postgres_url: str, log_format: str
) -> None:
    head, _, query = postgres_url.partition("?")
    password, session_secret, heartbeat = "canary-database", "canary-session-secret", "canary-heartbeat"
    with_password = re.sub(r"//([^:@/]+)(:[^@/]*)?@", rf"//\1:{password}@", head) + (f"?{query}" if query else "")
    assert password in with_password
    with Sink(then=status(500)) as sink, Sink(then=status(200)) as upstream:
        server = make_server(
            with_password,
            LOG_LEVEL="DEBUG",
            LOG_FORMAT=log_format,
            ADMIN_SESSION_SECRET=session_secret,
            UPSTREAM_HEARTBEAT_URL=f"{upstream.url}/{heartbeat}",
        )
        secrets = [ADMIN_TOKEN, password, session_secret, heartbeat, "canary-hook", "canary-guess", "canary-typed"]
        secrets += ["canary-query", "canary-page-password", "canary-link-of-a-mail"]
        made = server.create(webhook_url=f"{sink.url}/canary-hook?key=canary-query", webhook_secret="generate")
        secrets += [made["token"], made["webhook_secret"], made["webhook_secret"].removeprefix("whsec_")]
        with httpx2.Client(base_url=server.url) as browser:
            for headers in ({"X-Admin-Token": "canary-guess"}, {"Authorization": "Bearer canary-guess"}):
                browser.get("/api/monitors", headers=headers)
                browser.get("/metrics", headers=headers)
            browser.post("/login", data={"token": "canary-typed"})
            assert browser.post("/login", data={"token": ADMIN_TOKEN}).status_code == 303
            cookie = browser.cookies[PLAIN]
            secrets += [cookie, cookie.rpartition(".")[0]]
            for suffix in ("", "/fail", "/start", "/nonsense", "/999"):
                browser.get(made["ping_url"] + suffix)
                browser.post(made["ping_url"] + suffix, content=b"canary-typed")
            for slip in ("/ping/{}/{}", "/{}/{}", "/h/{}/x/{}", "//h/{}/{}", "/api/h/{}/{}", "/static/{}/{}"):
                path = slip.format(made["slug"], made["token"])
                browser.get(server.url + path)
                browser.post(server.url + path)
                browser.post(server.url + path.replace("/h/", "/H%2F").replace("/ping/", "/%68/"))
            page = {"slug": "closed", "title": "x", "password": "canary-page-password"}
            browser.post("/api/pages", json=page, headers={"X-Admin-Token": ADMIN_TOKEN})
            for typed in ("canary-typed", "canary-page-password"):
                browser.post("/status/closed", data={"password": typed})
                browser.post(f"/status/closed?password={typed}", json={"password": typed})
            for link in ("confirm", "unsubscribe", "nonsense"):
                for start in (
                    "/subscriptions/{}/",
                    "/SUBSCRIPTIONS/{}/",
                    "/subscriptions%2F{}%2F",
                    "//subscriptions/{}/",
                ):
                    browser.post(server.url + start.format("canary-link-of-a-mail") + link)
            browser.get("/monitors/1")
            browser.post("/monitors/1", data={"webhook_secret": "canary-typed", "name": ""})
            rotated = browser.post(
                f"/api/monitors/{made['slug']}/rotate-token", headers={"X-Admin-Token": ADMIN_TOKEN}
            ).json()["token"]
            secrets.append(rotated)
            browser.post("/monitors/1/test-message")
            sink.wait_for(2)
            browser.post("/logout")
        wait_until(lambda: "delivery" in server.log)
        server.stop()

    log = server.log
    assert len(log.splitlines()) > 20
    assert [secret for secret in secrets if secret in log or quote(secret, safe="") in log] == []
    if log_format == "json":
        assert all(json.loads(line)["event"] for line in log.splitlines())


# What lies on the disk, and what everybody may read


@pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")
def test_nobody_else_on_the_machine_reads_the_database_or_a_copy_of_it(sqlite_url: str, tmp_path: Path) -> None:
    before = os.umask(0o000)  # the most careless there is
    try:
        database = Database.open(sqlite_url)
        database.migrate()
        make(database)
        back_up(sqlite_url, tmp_path / "copy.db")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(before)

    assert {"pulsemon.db", "pulsemon.db-wal", "copy.db"} <= set(modes)
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_what_everybody_may_read_holds_no_token(client: TestClient, admin: dict[str, str]) -> None:
    made = client.post("/api/monitors", json=GOOD | {"webhook_url": "http://127.0.0.1:9/canary-hook"}, headers=admin)
    token = made.json()["token"]
    client.post(made.json()["ping_url"], content=b"canary-body")
    paths = [
        re.sub(r"{\w+}", "1", route.path_format)
        for route in web_app.make_fastapi(cast(Site, None)).routes
        if isinstance(route, Route) and route.action in (Action.PUBLIC, Action.LINK) and "GET" in route.methods
    ]
    assert {"/status", "/metrics", "/openapi.json", "/ready"} <= set(paths)

    for path in [*paths, "/nothing", "/api/monitors", "/api/history/backup-noturno"]:
        answer = client.get(path)
        assert token not in answer.text, path
        assert "canary" not in answer.text, path
        # What the page at /status shows, programs read too; the description's example bears that name as well.
        is_public = path in ("/status", "/status/feed.atom", "/openapi.json") or path.startswith("/api/v2/")
        assert is_public or "Backup Noturno" not in answer.text, path
