"""The path that PulseMon exists for, on a real server process, over real sockets, on both databases."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.conftest import ROOT, UNHURRIED_STOP_SEC, Server, wait_until


class Receiver:
    """A webhook receiver that keeps what it got."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                outer.bodies.append(json.loads(raw))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Any:
    opened = Receiver()
    yield opened
    opened.close()


SEVEN_KEYS = ["slug", "name", "status", "occurred_at", "interval_seconds", "grace_seconds", "last_ping"]


@pytest.mark.parametrize("command", ["serve", "uvicorn"])
def test_a_monitor_goes_up_down_and_up_again_and_every_turn_is_told(
    make_server: Callable[..., Server], database_url: str, receiver: Receiver, command: str
) -> None:
    plain = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
    server = make_server(database_url, arguments=plain if command == "uvicorn" else None)
    made = server.create(interval_seconds=1, grace_seconds=0, webhook_url=receiver.url)
    assert (made["status"], made["last_ping"]) == ("UNKNOWN", None)

    answer = httpx2.get(made["ping_url"])
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    wait_until(lambda: server.get("/api/monitors/backup-noturno")["status"] == "DOWN")
    wait_until(lambda: len(receiver.bodies) == 1)
    httpx2.get(made["ping_url"])
    wait_until(lambda: len(receiver.bodies) >= 2)

    assert [body["status"] for body in receiver.bodies[:2]] == ["DOWN", "UP"]
    assert all(list(body) == SEVEN_KEYS for body in receiver.bodies)
    history = server.get("/api/history/backup-noturno")
    turns = [(row["prev_status"], row["new_status"]) for row in reversed(history)]
    assert turns[:3] == [("UNKNOWN", "UP"), ("UP", "DOWN"), ("DOWN", "UP")]
    assert "backup-noturno" in httpx2.get(f"{server.url}/status").text
    assert server.stop() in (0, -signal.SIGTERM)
    assert made["token"] not in server.log


def test_no_acknowledged_ping_is_lost_when_the_process_is_killed(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    server = make_server(sqlite_url)
    monitors = [server.create(slug=f"job-{number}", interval_seconds=3600) for number in range(4)]
    acknowledged: list[str] = []

    def ping_until_it_dies(url: str) -> None:
        with httpx2.Client() as client:
            for number in range(100_000):
                rid = f"00000000-0000-4000-8000-{threading.get_ident() % 10**6:06d}{number:06d}"
                try:
                    if client.get(url, params={"rid": rid}).status_code == 200:
                        acknowledged.append(rid)
                except httpx2.TransportError:
                    return

    clients = [threading.Thread(target=ping_until_it_dies, args=(each["ping_url"],)) for each in monitors]
    for each in clients:
        each.start()
    wait_until(lambda: len(acknowledged) > 500)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    for each in clients:
        each.join()

    server.start_again()  # the lock is free again, and the database opens
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        stored = {rid for (rid,) in connection.execute("SELECT rid FROM pings")}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert set(acknowledged) <= stored


def test_a_restart_blames_no_monitor(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    made = server.create(interval_seconds=5, grace_seconds=0)
    httpx2.get(made["ping_url"])
    server.stop()
    time.sleep(6)  # not for luck: the deadline must pass while nobody watches

    server.start_again()

    assert server.get("/api/monitors/backup-noturno")["status"] == "UP"
    assert httpx2.get(made["ping_url"]).status_code == 200
    assert [row["new_status"] for row in server.get("/api/history/backup-noturno")] == ["UP"]


def test_a_second_server_on_the_same_file_is_refused_with_one_line(server: Server, tmp_path: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "pulsemon", "serve"],
        env=server.environment | {"APP_PORT": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode != 0
    assert "Another PulseMon is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_open_event_streams_do_not_delay_a_stop(server: Server) -> None:
    with httpx2.Client(base_url=server.url, follow_redirects=True) as browser:
        token = server.headers["X-Admin-Token"]
        assert browser.post("/login", data={"token": token}).status_code == 200
        streams = [browser.stream("GET", "/events") for _ in range(5)]
        answers = [stream.__enter__() for stream in streams]
        assert all(answer.status_code == 200 for answer in answers)
        iterators = [answer.iter_bytes() for answer in answers]
        assert all(next(each) for each in iterators)

        assert server.stop(within=UNHURRIED_STOP_SEC) == 0

        for stream in streams:
            with contextlib.suppress(httpx2.TransportError):
                stream.__exit__(None, None, None)


def test_a_server_that_stops_judges_nothing_while_its_sockets_are_closed(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    # uvicorn's own class waits for a request under way; ours would end it at once.
    plain = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
    server = make_server(sqlite_url, arguments=[*plain, "--http", "httptools"])
    made = server.create(interval_seconds=5, grace_seconds=0)
    address = urlsplit(made["ping_url"])
    with socket.create_connection((address.hostname or "", address.port or 0)) as slow:
        slow.sendall(f"POST {address.path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf".encode())
        httpx2.get(made["ping_url"])
        assert server.stop() in (0, -signal.SIGTERM)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT new_status FROM history").fetchall() == [("UP",)]

    server.start_again()
    assert server.get("/api/monitors/backup-noturno")["status"] == "UP"


def test_a_path_prefix_of_the_server_opens_nothing(make_server: Callable[..., Server], sqlite_url: str) -> None:
    plain = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
    server = make_server(sqlite_url, arguments=[*plain, "--root-path", "/pm"])

    for path in ("/api/monitors", "/pm/api/monitors", "/api/history/x", "/api/keys"):
        assert httpx2.get(server.url + path).status_code in (401, 404), path
    assert httpx2.post(f"{server.url}/api/monitors", json={}).status_code == 401
    for path in ("/pm/h/x/y", "/h/x/y"):
        assert httpx2.get(server.url + path).status_code == 404, path


def test_pings_and_slugs_with_a_slash_are_found_behind_a_path_prefix_of_the_server(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    plain = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT), "--port", "{port}"]
    server = make_server(sqlite_url, arguments=[*plain, "--root-path", "/pm"])
    path = server.create()["ping_url"].removeprefix(server.url)

    assert httpx2.get(server.url + path).json() == {"ok": True}
    assert httpx2.post(f"{server.url}{path}/log", content=b"x").json() == {"ok": True}
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as by_hand:
        by_hand.execute("UPDATE monitors SET slug = 'a/b'")
    assert server.get("/api/monitors/a%2Fb")["status"] == "UP"


def test_half_a_request_does_not_hold_up_a_stop(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    address = urlsplit(server.create()["ping_url"])
    with contextlib.ExitStack() as stack:
        for head in (f"POST {address.path}", "POST /api/monitors"):
            half = stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
            token = server.headers["X-Admin-Token"]
            half.sendall(
                f"{head} HTTP/1.1\r\nHost: a\r\nX-Admin-Token: {token}\r\nContent-Length: 9\r\n\r\nhal".encode()
            )
        assert httpx2.get(f"{server.url}/health").status_code == 200

        assert server.stop(within=UNHURRIED_STOP_SEC) == 0
    assert "Traceback" not in server.log


def test_a_port_that_is_taken_stops_the_start_with_one_line(server: Server, tmp_path: Path) -> None:
    for changed, named in (
        ({"APP_PORT": server.environment["APP_PORT"]}, "APP_PORT"),
        ({"APP_HOST": "no.invalid"}, "APP_HOST"),
        ({"APP_HOST": "a..b"}, "APP_HOST"),
        ({"APP_HOST": "x\udcff"}, "APP_HOST"),
    ):
        refused = subprocess.run(
            [sys.executable, "-m", "pulsemon", "serve"],
            env=server.environment | {"DATABASE_URL": f"sqlite:///{tmp_path}/other.db", "APP_PORT": "1"} | changed,
            cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert refused.returncode == 1
        assert named in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "other.db").exists()
