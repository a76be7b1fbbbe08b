"""The ping URL, byte for byte, on real sockets: every line of "Heartbeats" in docs/heartbeats.md.

Everything here runs twice: under `pulsemon serve`, whose protocol class answers plain pings itself, and under uvicorn
with its own class, where each goes the long way. What a client sees is the same.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, text

from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.heartbeats import group_commit
from pulsemon.heartbeats.pings import Answer, Ping, record_pings
from pulsemon.web.heartbeats import ping as ping_module
from pulsemon.web.heartbeats.ping import PingGate
from tests.arrange import START, make
from tests.conftest import ADMIN_TOKEN, ROOT, Server, free_port, settings_for, wait_until

SERVE = [sys.executable, "-m", "pulsemon", "serve"]
# The flags of the original specification, --reload apart, and uvicorn's own class.
UVICORN = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "{port}"]
UVICORN += ["--http", "httptools"]
RID = "123E4567-e89b-42d3-a456-426614174000"


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process for all tests of this page; each makes monitors of its own."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = SERVE if request.param == "serve" else [part.replace("{port}", str(port)) for part in UVICORN]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": f"sqlite:///{folder}/pulsemon.db",
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "APP_HOST": "127.0.0.1",
        "APP_PORT": str(port),
        "LOG_LEVEL": "DEBUG",
        "PING_BODY_LIMIT": "1000",
    }
    made = Server(f"http://127.0.0.1:{port}", None, folder / "log.txt", variables, command, folder)
    made.start_again()
    yield made
    made.stop()


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def exchange(server: Server, request: bytes, *, timeout: float = 60) -> Reply:
    """Send these very bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=timeout) as connection:
        connection.sendall(request)
        raw = b""
        while chunk := connection.recv(65_536):
            raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines[1:]]
    return Reply(int(lines[0].split()[1]), [(name.lower(), value) for name, value in pairs], body, raw)


def ask(
    server: Server, target: str | bytes, method: str = "GET", *, body: bytes | None = None, **headers: str
) -> Reply:
    target = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: x", b"Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}".encode() for name, value in headers.items()]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return exchange(server, b"\r\n".join([*lines, b"", b""]) + (body or b""))


_numbers = iter(range(10**6))


@dataclass
class Job:
    """A monitor of the test's own."""

    server: Server
    fields: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/h/{self.fields['slug']}/{self.fields['token']}"

    @property
    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get(f"/api/monitors/{self.fields['slug']}")
        return found

    def pings(self) -> list[Any]:
        """Its pings as they are stored, oldest first."""
        engine = create_engine(self.server.environment["DATABASE_URL"])
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT p.* FROM pings p JOIN monitors m ON m.id = p.monitor_id WHERE m.slug = :slug ORDER BY p.id"
                ),
                {"slug": self.fields["slug"]},
            ).fetchall()
        engine.dispose()
        return list(found)


@pytest.fixture
def job(server: Server) -> Job:
    return Job(server, server.create(slug=f"job-{next(_numbers)}"))


OK = b'{"ok": true}'
NOT_FOUND = b'{"detail": "Not Found"}'


class TestMethods:
    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
    def test_get_post_and_head_count(self, job: Job, method: str) -> None:
        reply = ask(job.server, job.path, method)

        assert (reply.status, reply.body) == (200, b"" if method == "HEAD" else OK)
        assert reply.header("content-type") == "application/json"
        assert reply.header("content-length") == "12"
        assert reply.header("cache-control") == "no-store"
        assert job.now["status"] == "UP"
        assert [row.method for row in job.pings()] == [method]

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
    @pytest.mark.parametrize("token", ["right", "wrong"])
    def test_other_methods_are_405_whatever_the_token(self, job: Job, method: str, token: str) -> None:
        reply = ask(job.server, job.path if token == "right" else "/h/nobody/nothing/9999?rid=x", method)

        assert reply.status == 405
        assert reply.header("allow") == "GET, HEAD, POST"
        assert job.pings() == []


class TestPath:
    @pytest.mark.parametrize(
        ("suffix", "signal", "exit_status"),
        [
            ("", "success", None),
            ("/", "success", None),
            ("/start", "start", None),
            ("/start/", "start", None),
            ("/fail", "fail", None),
            ("/log", "log", None),
            ("/0", "success", 0),
            ("/000", "success", 0),
            ("/1", "fail", 1),
            ("/255", "fail", 255),
            ("/0255", "fail", 255),
            ("/%66ail", "fail", None),
            ("?x=y&z", "success", None),
        ],
    )
    def test_the_suffix_says_which_signal(self, job: Job, suffix: str, signal: str, exit_status: int | None) -> None:
        assert ask(job.server, job.path + suffix).status == 200
        assert [(row.signal, row.exit_status) for row in job.pings()] == [(signal, exit_status)]

    @pytest.mark.parametrize("suffix", ["/256", "/999", "/1000000000000000000000", "/256/"])
    def test_an_exit_status_that_no_process_has_is_400(self, job: Job, suffix: str) -> None:
        reply = ask(job.server, job.path + suffix)

        assert (reply.status, b"0 and 255" in reply.body) == (400, True)
        assert job.pings() == []

    @pytest.mark.parametrize(
        "suffix", ["//", "/stop", "/START", "/-1", "/1.5", "/0x1", "/start/start", "/start//", "/%zz"]
    )
    def test_any_other_suffix_is_404(self, job: Job, suffix: str) -> None:
        assert ask(job.server, job.path + suffix).status == 404
        assert job.pings() == []

    def test_percent_escapes_mean_the_bytes_they_stand_for(self, job: Job) -> None:
        escaped = "".join(f"%{byte:02x}" for byte in job.fields["token"].encode())

        assert (
            ask(job.server, f"/h/%6{job.fields['slug'][0].encode().hex()[1]}{job.fields['slug'][1:]}/{escaped}").status
            == 200
        )

    @pytest.mark.parametrize(
        "broken", ["%", "%z", "%4", "%00", "%ff", "%c3%28", "%ed%a0%80", b"\x7f".hex() and "%7f", "%2F", "+"]
    )
    def test_what_no_token_is_never_reaches_a_batch(self, job: Job, broken: str) -> None:
        for target in (f"{job.path}{broken}", f"/h/{job.fields['slug']}{broken}/{job.fields['token']}"):
            reply = ask(job.server, target)
            assert (reply.status, reply.body) == (404, NOT_FOUND)
        assert ask(job.server, job.path).status == 200

    @pytest.mark.parametrize(
        "target", [b"/h/", b"/h//", b"/h/x", b"/h/x/", b"/h///", b"/h/" + b"a" * 3_000 + b"/" + b"b" * 3_000]
    )
    def test_paths_without_slug_or_token_are_404(self, server: Server, target: bytes) -> None:
        assert ask(server, target).status == 404

    def test_raw_bytes_that_are_no_utf8_are_404_or_no_http(self, job: Job) -> None:
        reply = ask(job.server, job.path.encode() + b"\xff\xfe")

        assert reply.status in (400, 404)
        assert job.pings() == []


class TestNotFound:
    def test_unknown_slug_wrong_token_and_deleted_monitor_answer_byte_for_byte_alike(self, job: Job) -> None:
        gone = Job(job.server, job.server.create(slug=f"gone-{next(_numbers)}"))
        assert ask(job.server, gone.path).status == 200
        url = f"{job.server.url}/api/monitors/{gone.fields['slug']}"
        assert httpx2.delete(url, headers=job.server.headers).status_code == 204

        replies = {
            _without_date(ask(job.server, target).raw)
            for target in (
                f"/h/nobody/{job.fields['token']}",
                f"/h/{job.fields['slug']}/{'x' * 32}",
                gone.path,
                f"/h/{job.fields['slug'].upper()}/{job.fields['token']}",
                f"{job.path}/unknown",
            )
        }

        assert len(replies) == 1
        assert next(iter(replies)).endswith(NOT_FOUND)

    def test_the_answer_to_a_wrong_post_is_the_same_with_and_without_a_body(self, job: Job) -> None:
        wrong = f"/h/{job.fields['slug']}/wrong"

        assert (
            ask(job.server, wrong, "POST", body=b"x" * 5_000).body == ask(job.server, wrong, "POST").body == NOT_FOUND
        )


def _without_date(raw: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*\r\n", b"", raw)


class TestOrder:
    """Method, then form of suffix and rid, then slug and token."""

    def test_a_wrong_form_is_400_though_the_token_is_wrong_too(self, server: Server) -> None:
        assert ask(server, "/h/nobody/nothing/256").status == 400
        assert ask(server, "/h/nobody/nothing?rid=1").status == 400
        assert ask(server, "/h/nobody/nothing/unknown?rid=1").status == 404
        assert ask(server, "/h/nobody/nothing").status == 404


class TestRid:
    def test_a_repeat_is_answered_alike_and_counts_once(self, job: Job) -> None:
        first = ask(job.server, f"{job.path}?rid={RID}")
        last_ping = job.now["last_ping"]
        second = ask(job.server, f"{job.path}?a=b&rid={RID.lower()}")

        assert (first.status, second.status, first.body, second.body) == (200, 200, OK, OK)
        assert [(row.rid, row.outcome) for row in job.pings()] == [(RID.lower(), "counted"), (RID.lower(), "repeat")]
        assert job.now["last_ping"] == last_ping

    @pytest.mark.parametrize("query", ["gridsize=&", "ridx=1&", "x=rid&", "x-rid=1&", "r%69d=1&"])
    def test_other_fields_are_no_rid_however_many_there_are(self, job: Job, query: str) -> None:
        many = query + "a=&" * 40

        assert ask(job.server, f"{job.path}?{many}").status == 200
        assert ask(job.server, f"{job.path}?{many}rid={RID.replace('-', '%2D')}&{many}rid=2").status == 200
        assert ask(job.server, f"{job.path}?{many}rid&a=").status == 400

        assert [row.rid for row in job.pings()] == [None, RID.lower()]

    @pytest.mark.parametrize("rid", ["", "1", "x" * 36, RID[:-1], RID + "0", f"{{{RID}}}", RID.replace("-", ""), "%00"])
    def test_what_is_no_uuid_is_400(self, job: Job, rid: str) -> None:
        reply = ask(job.server, f"{job.path}?rid={rid}")

        assert (reply.status, b"rid must be a UUID" in reply.body) == (400, True)
        assert job.pings() == []


class TestPrefetch:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Sec_Purpose", "prefetch"),
            ("Sec_Purpose", "prefetch;prerender"),
            ("Sec_Purpose", "prefetch;anonymous-client-ip"),
            ("Purpose", "prefetch"),
            ("X_Purpose", "preview"),
            ("X_Moz", "prefetch"),
            ("X_Moz", "Prefetch"),
        ],
    )
    def test_a_prefetch_is_answered_and_counts_for_nothing(self, job: Job, name: str, value: str) -> None:
        reply = ask(job.server, job.path, **{name: value})

        assert (reply.status, reply.body) == (200, b'{"ok": true, "ignored": "prefetch"}')
        assert (job.now["status"], job.now["last_ping"]) == ("UNKNOWN", None)
        assert [row.outcome for row in job.pings()] == ["prefetch"]

    def test_a_prefetch_with_a_wrong_token_is_404(self, job: Job) -> None:
        assert ask(job.server, job.path + "x", Purpose="prefetch").status == 404

    def test_an_ordinary_purpose_counts(self, job: Job) -> None:
        assert ask(job.server, job.path, Purpose="backup", Sec_Fetch_Mode="navigate").body == OK


class TestBody:
    def test_the_first_bytes_are_kept_raw(self, job: Job) -> None:
        body = b"\x00\xff\xf0\x9f" + "é".encode() * 200

        assert ask(job.server, job.path, "POST", body=body).status == 200
        assert [bytes(row.body) for row in job.pings()] == [body]

    @pytest.mark.parametrize(
        ("charset", "sent"),
        [("iso-8859-1", "latin-1"), ("UTF-16LE", "utf-16-le"), ("utf-8", "utf-8"), ("", "cp1252"), ("", "utf-16"),
         ("x-cp1252", "cp1252"), ("windows-1201", "utf-16-be"), ("IBM037", "cp037"), ("utf-8", "utf-16-le")],
    )  # fmt: skip
    def test_words_are_found_whatever_the_charset_and_the_bytes_are_kept(
        self, server: Server, charset: str, sent: str
    ) -> None:
        words = "backup não concluído"
        job = Job(server, server.create(slug=f"job-{next(_numbers)}", failure_keywords=[words]))
        declared = {"Content_Type": f"text/plain; charset={charset}"} if charset else {}

        assert ask(job.server, job.path, "POST", body=words.encode(sent), **declared).status == 200

        assert [(bytes(row.body), row.signal) for row in job.pings()] == [(words.encode(sent), "fail")]

    def test_the_rest_is_read_and_thrown_away(self, job: Job) -> None:
        reply = ask(job.server, job.path + "/fail", "POST", body=b"a" * 1_000 + b"b" * 300_000)

        assert (reply.status, reply.body) == (200, OK)
        assert [bytes(row.body) for row in job.pings()] == [b"a" * 1_000]

    def test_an_empty_body_is_no_body(self, job: Job) -> None:
        assert ask(job.server, job.path, "POST", body=b"").status == 200
        assert [row.body for row in job.pings()] == [None]

    def test_a_chunked_body(self, job: Job) -> None:
        request = (
            f"POST {job.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        )

        assert exchange(job.server, request.encode()).status == 200
        assert [bytes(row.body) for row in job.pings()] == [b"hello world"]

    def test_a_get_with_a_body_counts_and_keeps_none(self, job: Job) -> None:
        assert ask(job.server, job.path, "GET", body=b"ignored").status == 200
        assert [row.body for row in job.pings()] == [None]

    def test_a_client_that_asks_before_it_sends_is_told_to_go_on(self, job: Job) -> None:
        port = int(job.server.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            head = f"POST {job.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            connection.sendall(f"{head}Content-Length: 4\r\n\r\n".encode())
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
            connection.sendall(b"body")
            assert b" 200 " in connection.recv(1_000)
        assert [bytes(row.body) for row in job.pings()] == [b"body"]

    def test_a_client_that_goes_in_the_middle_of_its_body_counts_for_nothing(self, job: Job) -> None:
        port = int(job.server.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(f"POST {job.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        assert ask(job.server, job.path + "/log").status == 200

        assert [row.signal for row in job.pings()] == ["log"]


class TestHeaders:
    def test_a_header_block_over_64_kib_is_431_before_anything_is_looked_up(self, job: Job) -> None:
        for path in (job.path, "/h/nobody/nothing/256?rid=x"):
            reply = ask(job.server, path, X_Big="x" * 66_000)
            assert reply.status in (400, 431)  # uvicorn's h11, where it is used, says 400 itself
        assert job.pings() == []

    def test_a_large_one_below_that_is_fine(self, job: Job) -> None:
        assert ask(job.server, job.path, X_Big="x" * 40_000).status == 200

    def test_a_user_agent_of_any_bytes_is_kept_readable_and_short(self, job: Job) -> None:
        request = f"GET {job.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: ".encode()

        assert exchange(job.server, request + b"\xff\xfe caf\xc3\xa9 \x1b[31m" + b"z" * 5_000 + b"\r\n\r\n").status in (
            200,
            400,
        )
        assert exchange(job.server, request + b"\xff caf\xc3\xa9 " + b"z" * 5_000 + b"\r\n\r\n").status == 200
        newest = job.pings()[-1]
        assert newest.user_agent.startswith("\ufffd café zzz")
        assert len(newest.user_agent) == 256

    def test_an_address_that_a_proxy_passed_on_is_one_or_is_cut_to_what_is_kept(self, job: Job) -> None:
        """Where uvicorn reads it, it takes anything; where we do, a proxy that names no address counts itself."""
        assert ask(job.server, job.path, X_Forwarded_For="6" * 500).status == 200
        assert ask(job.server, job.path, X_Forwarded_For="203.0.113.9").status == 200

        first, second = [row.remote_addr for row in job.pings()]
        assert first in ("6" * 64, "127.0.0.1")
        assert second == "203.0.113.9"

    def test_two_pings_on_one_connection(self, job: Job) -> None:
        one = f"GET {job.path} HTTP/1.1\r\nHost: x\r\n\r\n"
        last = f"GET {job.path}/log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

        reply = exchange(job.server, (one + last).encode())

        assert reply.raw.count(b"200 OK") == 2
        assert [row.signal for row in job.pings()] == ["success", "log"]

    def test_http_1_0_is_answered_and_closed(self, job: Job) -> None:
        assert exchange(job.server, f"GET {job.path} HTTP/1.0\r\n\r\n".encode()).status == 200


def test_no_token_of_a_ping_is_in_the_log_at_debug(job: Job) -> None:
    for suffix in ("", "/", "/start", "/fail", "/log", "/3", "/256", "/nonsense", "/1/2", "?rid=none", "?x=%zz", "%00"):
        for method in ("GET", "HEAD", "POST", "PUT"):
            ask(job.server, job.path + suffix, method, body=b"x" if method == "POST" else b"")
    for path in (f"/{job.path}", job.path.replace("/h/", "/H/"), f"{job.path}x", f"/h/{job.fields['token']}"):
        ask(job.server, path)
    wait_until(lambda: job.server.log.count(job.fields["slug"]) > 20)

    # Those of the other tests on this server too, of which there may be none.
    engine = create_engine(job.server.environment["DATABASE_URL"])
    with engine.connect() as connection:
        tokens = connection.execute(text("SELECT token FROM monitors")).scalars().all()
    engine.dispose()
    log = job.server.log

    assert job.fields["token"] in tokens
    assert [token for token in tokens if token in log] == []
    assert ADMIN_TOKEN not in log


# What takes ten seconds on a real server: the gate itself, with its patience shortened and a lane of the test's own.


@dataclass
class Lane:
    """Answers every ping with *answer*, and keeps it."""

    answer: Answer = Answer.STORED
    taken: list[Ping] = field(default_factory=list)

    def submit(self, ping: Ping) -> asyncio.Future[Answer]:
        self.taken.append(ping)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(self.answer)
        return future


@dataclass
class Desk:
    """A gate, its lane, and what the client sends piece by piece; None is a pause that never ends."""

    lane: Lane = field(default_factory=Lane)
    limit: int = 10

    async def post(self, *pieces: dict[str, Any] | None) -> tuple[int | None, dict[bytes, bytes]]:
        site = SimpleNamespace(
            settings=settings_for("sqlite:///x.db", ping_body_limit=self.limit), lane=self.lane, now=lambda: START
        )
        gate = PingGate(_nothing_behind, site)
        waiting = list(pieces)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            piece = waiting.pop(0) if waiting else None
            if piece is None:
                await asyncio.Event().wait()
            assert piece is not None
            return piece

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/h/job/token",
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        async with asyncio.timeout(60):
            await gate(scope, receive, send)
        return (sent[0]["status"], dict(sent[0]["headers"])) if sent else (None, {})


async def _nothing_behind(*_: Any) -> None:
    raise AssertionError("a ping went past the gate")


def chunk(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


@pytest.mark.anyio
class TestPatience:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ping_module, "BODY_PATIENCE_SEC", 0.05)

    async def test_a_body_that_stalls_below_the_limit_is_408_and_counts_for_nothing(self) -> None:
        desk = Desk()

        status, headers = await desk.post(chunk(5), None)

        assert (status, headers[b"connection"], desk.lane.taken) == (408, b"close", [])

    async def test_once_the_limit_is_reached_the_ping_counts_though_the_body_never_ends(self) -> None:
        desk = Desk()

        status, headers = await desk.post(chunk(5), chunk(6), None)

        assert (status, headers[b"connection"]) == (200, b"close")
        assert [ping.body for ping in desk.lane.taken] == [b"x" * 10]

    async def test_a_body_that_goes_on_for_ever_is_read_for_so_long_and_no_longer(self) -> None:
        desk = Desk()

        status, headers = await desk.post(*[chunk(20)] * 200_000)

        assert (status, headers[b"connection"]) == (200, b"close")

    async def test_a_whole_body_over_the_limit_keeps_the_connection(self) -> None:
        status, headers = await Desk().post(chunk(100), chunk(100, more=False))

        assert (status, b"connection" in headers) == (200, False)

    async def test_a_client_that_goes_after_the_limit_was_reached_has_pinged(self) -> None:
        desk = Desk()

        await desk.post(chunk(100), {"type": "http.disconnect"})

        assert len(desk.lane.taken) == 1

    async def test_a_limit_of_nothing_keeps_nothing_and_counts(self) -> None:
        desk = Desk(limit=0)

        assert (await desk.post(chunk(5, more=False)))[0] == 200
        assert [ping.body for ping in desk.lane.taken] == [None]

    async def test_not_known_to_be_stored_is_503_and_come_again(self) -> None:
        status, headers = await Desk(Lane(Answer.UNAVAILABLE)).post(chunk(0, more=False))

        assert (status, headers[b"retry-after"]) == (503, b"5")


@pytest.mark.anyio
async def test_a_database_that_is_away_is_503_and_never_a_silent_200(database: Database) -> None:
    """Gate, lane and database together; only the socket is missing."""
    monitor = make(database)
    away = True

    def store(batch: Any) -> Any:
        if away:
            raise Unavailable("by the test")
        return record_pings(database, batch)

    lane = group_commit.GroupCommit(store, monotonic=asyncio.get_running_loop().time, on_stored=lambda _: None)
    threading.Thread(target=lane.run, daemon=True).start()
    site = SimpleNamespace(settings=settings_for("sqlite:///x.db"), lane=lane, now=lambda: START)
    gate = PingGate(_nothing_behind, site)

    async def get() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a GET has no body to read")

        scope = {
            "type": "http",
            "method": "GET",
            "raw_path": f"/h/{monitor.slug}/{monitor.token}".encode(),
            "query_string": b"",
            "headers": [],
        }
        async with asyncio.timeout(60):
            await gate(scope, receive, send)
        return int(sent[0]["status"])

    assert await get() == 503
    away = False
    assert await get() == 200
    await lane.drain(patience_sec=5)
