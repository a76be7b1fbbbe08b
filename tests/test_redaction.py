"""One place takes every secret out of what leaves the process: each kind of path, each kind of value, each spelling."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import cast
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pulsemon import redaction
from pulsemon.redaction import MASK, SECRET_PATHS, redact, redact_path
from pulsemon.web import app as web_app
from pulsemon.web.http.site import Site
from tests.conftest import settings_for

TOKEN = "c4nary-" + "Ab9_" * 9


def spellings(text: str) -> Iterator[str]:
    """Yield a path or a value as clients, proxies and libraries write it."""
    yield text
    yield text.upper()
    yield quote(text, safe="")
    yield quote(text, safe="").lower()
    yield quote(quote(text, safe=""), safe="")
    yield "".join(f"%{byte:02X}" for byte in text.encode())
    yield json.dumps(text).replace("/", "\\/")
    yield repr(text)
    yield repr(text.encode())


def leaks(text: str, secret: str) -> bool:
    """Return whether *secret* can be read out of *text*, encoded or not."""
    return any(each.strip("\"'b").lower() in text.lower() for each in (secret, *list(spellings(secret))[2:6]))


@pytest.mark.parametrize("path", SECRET_PATHS)
@pytest.mark.parametrize(
    "prefix", ["", "/base", "/a/b", "https://status.example.org", "GET ", "//", "path=", "\x1b[31m"]
)
@pytest.mark.parametrize("suffix", ["", "/", "/start", "?rid=1", " HTTP/1.1", "/confirm?x=1#y", '"', "'", ")"])
def test_the_secret_of_a_path_is_masked_in_whatever_spelling_and_wherever_it_stands(
    path: str, prefix: str, suffix: str
) -> None:
    for written in spellings(path.replace("*/", "some-slug/").replace(MASK, TOKEN)):
        found = redact(f"before {prefix}{written}{suffix} after")
        assert not leaks(found, TOKEN), found
        assert found.startswith("before "), found
        assert MASK in found, found


def test_every_path_of_ours_with_a_token_in_it_is_in_the_table() -> None:
    paths = {
        route.path_format  # type: ignore[attr-defined]
        for route in web_app.make_fastapi(cast(Site, None)).routes
        if "{token}" in getattr(route, "path_format", "")
    }

    assert paths
    for path in (*paths, "/h/{slug}/{token}"):
        assert not leaks(redact(path.replace("{token}", TOKEN)), TOKEN), path


SHAPED = [
    "postgresql://pulse:{}@db/pulsemon",
    "postgresql+psycopg://pulse:{}@db:5432/pulsemon?sslmode=require",
    "connection to postgres://pulse:a@b/{}@db failed",
    "postgresql://db/pulsemon?user=x&password={}",
    "host=db user=x password={} dbname=y",
    "smtp://mail:{}@smtp.example.org",
    "https://discord.com/api/webhooks/1234/{}",
    "https://hooks.slack.com/services/T0/B0/{}",
    "HTTPS://HOOKS.EXAMPLE/?key={}",
    "https://{}@hooks.example/",
    "https://hooks.example/x?url=/y&token={}&z=1",
    "Authorization: Bearer {}",
    "authorization: basic {}",
    "Bearer {}",
    "{{'authorization': 'Bearer {}', 'host': 'h'}}",
    "[(b'host', b'h'), (b'x-admin-token', b'{}')]",
    '{{"X-Admin-Token": "{}"}}',
    "X-Admin-Token:{}",
    "Cookie: a=b; c={}",
    "b'cookie', b'pulsemon_language=en; pulsemon_session={}.signature'",
    "pulsemon_session={}.signature; Path=/",
    "set-cookie: __Host-pulsemon_session={}.x; Path=/; Secure",
    "__Secure-pulsemon_page_3={}",
    "a whsec_{} in the middle",
    "POST /status body: password={}&x=1",
    "/login?token={}",
    'connection is bad: invalid sslmode value: "{}"',
    'invalid connection option "{}"',
    'invalid integer value "{}" for connection option "connect_timeout"',
    'DETAIL:  Failing row contains (1, x, {}, "y").',
    "Key (token)=({}) already exists.",
    "[SQL: INSERT INTO monitors (token) VALUES (?)]\n[parameters: ('{}', 1)]",
]


@pytest.mark.parametrize("text", SHAPED)
def test_a_secret_with_a_shape_is_masked_though_nobody_told_of_it(text: str) -> None:
    found = redact(text.format(TOKEN))

    assert TOKEN not in found
    assert MASK in found


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Tell values for this test alone."""
    monkeypatch.setattr(redaction, "_values", set())
    monkeypatch.setattr(redaction, "_known", None)
    return redaction.know


@pytest.mark.parametrize("value", ["hunter-2", "a\"b\\c'd/e f+g%h&i", "senha-ção-€", "x" * 43, "p@ss/wörd?#1"])
def test_a_value_that_was_told_is_masked_in_whatever_spelling(known: Callable[..., None], value: str) -> None:
    assert any(leaks(redact(each), value) for each in spellings(value))
    known(value)

    for written in (*spellings(value), value.encode().decode("latin-1")):
        found = redact(f"nothing around it: {written} and on")
        assert not leaks(found, value), found
        assert written.strip("\"'b") not in found


def test_what_the_settings_hold_is_told_wherever_they_are_read(known: Callable[..., None]) -> None:
    settings = settings_for(
        "postgresql://pulse:d%2Fb-c4nary@db/x",
        admin_session_secret="session-c4nary",
        upstream_heartbeat_url="https://up.example/ping/upstream-c4nary?also=c4nary-here",
        smtp_host="mail.example.org",
        base_url="https://x.example",
        mail_from="a@x.example",
        smtp_username="u",
        smtp_password="smtp-c4nary",
    )
    known(*settings.secrets())

    text = (
        "session-c4nary d/b-c4nary d%2Fb-c4nary smtp-c4nary test-admin-token-of-some-length GET /ping/upstream-c4nary"
        "?also=c4nary-here upstream-c4nary"
    )
    assert "c4nary" not in redact(text)
    assert "test-admin" not in redact(text)


def test_a_plain_word_or_a_short_value_does_not_empty_the_log(known: Callable[..., None]) -> None:
    known("admin", "postgres", "x", "a1", "", "https://up.example/", "https://up.example/status", "s3cret")

    for text in ("admin.closed", "database=postgresql", "xxx a1", "/status", "not-as3cretb-word"):
        assert redact(text) == text
    assert redact("the s3cret.") == f"the {MASK}."


HARMLESS = [
    "GET /h/job HTTP/1.1",
    "/health/x/y",
    "/api/monitors/a/pause",
    "Uvicorn running on http://0.0.0.0:8088",
    "http://[::1]:8088",
    "sqlite:////var/lib/pulsemon/pulsemon.db",
    "postgresql://USER:PASSWORD@HOST/NAME",
    "scheme and host without a path, such as https://status.example.org",
    "SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither.",
    "The header X-Admin-Token is missing or wrong.",
    "the password of Basic authentication",
    "UNIQUE constraint failed: monitors.slug",
    "Key (slug)=(backup) already exists.",
    "2026-11-29T10:00:00.000Z",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_path_that_led_nowhere_keeps_no_long_segment() -> None:
    for slip in ("/ping/{}/x", "/{}", "/h/{}", "/API/H/a/{}", "/x%2F{}"):
        assert TOKEN not in redact_path(slip.format(TOKEN))
    assert redact_path("/api/monitors/backup") == "/api/monitors/backup"


@given(st.text(max_size=200))
def test_no_text_breaks_it_and_twice_is_once(text: str) -> None:
    once = redact(text)

    assert redact(once) == once


UNITS = [
    "a://:",
    "/h/",
    "\\",
    "http://",
    "Key (",
    "%25",
    "?key=",
    "/h/a%2",
    "cookie:",
    "Bearer ",
    "a:",
    "x",
    "a://a:",
    "'",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_of_twice_the_length_takes_no_more_than_thrice_the_time(unit: str) -> None:
    def best(length: int) -> float:
        text = unit * (length // len(unit))
        times = []
        for _ in range(5):
            started = time.thread_time()
            redact(text)
            times.append(time.thread_time() - started)
        return min(times)

    assert best(80_000) <= 3 * max(best(40_000), 0.001)


@contextmanager
def locked(sqlite_url: str) -> Iterator[None]:
    """Hold the database so that nobody can write or read it."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


REQUESTS = [
    ("POST", f"/subscriptions/{TOKEN}/unsubscribe"),
    ("POST", f"/subscriptions/{TOKEN}/confirm"),
    ("POST", f"/Subscriptions/{TOKEN}/confirm"),
    ("POST", f"/subscriptions%2F{TOKEN}%2Fconfirm"),
    ("GET", f"/subscriptions/{TOKEN}/confirm"),
    ("GET", f"/h/backup/{TOKEN}"),
    ("POST", f"/h/backup/{TOKEN}/fail"),
    ("POST", f"/login?token={TOKEN}"),
]


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("state", ["locked", "broken"])
def test_no_token_is_in_the_log_or_in_the_answer_when_a_request_fails(
    make_client: Callable[..., TestClient], sqlite_url: str, capsys: pytest.CaptureFixture[str], state: str, form: str
) -> None:
    client = make_client(sqlite_url, log_level="DEBUG", log_format=form)
    careless = TestClient(client.app, base_url="http://testserver", raise_server_exceptions=False)
    if state == "broken":
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as by_hand, by_hand:
            by_hand.execute("ALTER TABLE subscribers RENAME TO gone")
    capsys.readouterr()

    def ask() -> list[int]:
        headers = {"Authorization": f"Basic {credentials_of(TOKEN)}", "Cookie": f"pulsemon_session={TOKEN}.x"}
        answers = [careless.request(method, path, headers=headers) for method, path in REQUESTS]
        # A page's links to itself bear its address, which its reader has.
        assert all(TOKEN not in re.sub(r'href="[^"]*"', "", answer.text) for answer in answers)
        return [answer.status_code for answer in answers]

    if state == "locked":
        with locked(sqlite_url):
            statuses = ask()
    else:
        statuses = ask()

    log = capsys.readouterr().err
    assert max(statuses) >= 500
    assert "request.unavailable" in log or "request.failed" in log
    assert not leaks(log, TOKEN)
    assert credentials_of(TOKEN) not in log


def credentials_of(token: str) -> str:
    return base64.b64encode(f"x:{token}".encode()).decode()
