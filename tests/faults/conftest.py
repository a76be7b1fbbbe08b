"""What the tests of faults share: how long a run is, servers with a mechanism switched off, and many monitors.

PULSEMON_SOAK=1 makes every run the long one (`python3 run.py soak`); else it is the one that fits into every test run.

Beside each test stands its control: the same, with the mechanism off that keeps the promise, and it must come out
badly. The product has no switch for that: `patch` is Python source that changes PulseMon in the child process before it
serves.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pulsemon import clock
from pulsemon.db import sessions
from tests.conftest import ADMIN_TOKEN, IDLE_LIMIT, IDLE_SETTING, Server, free_port, wait_until
from tests.faults.clients import Log

IS_SOAK = os.environ.get("PULSEMON_SOAK") == "1"
# Retention would take away what the checker compares.
KEEP_EVERYTHING = {"PING_RETENTION_COUNT": "1000000", "LOG_LEVEL": "WARNING"}


def rounds(short: int, *, soak: int) -> int:
    """Return how often a test does its worst."""
    return soak if IS_SOAK else short


# Most of a start is importing. Here one process has imported everything and each life is forked off it: a process of
# its own, with its own memory, sockets and files, and thirty starts take seconds instead of a minute.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["pulsemon.cli", "pulsemon.server", "alembic.command"])


def _serve(environment: dict[str, str], folder: str, log: str, patch: str) -> None:
    """The body of a server process; *patch*, Python source, runs before anything is served."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sessions._SETTINGS[IDLE_SETTING] = IDLE_LIMIT
    sys.argv = ["pulsemon", "serve"]
    exec(textwrap.dedent(patch), {"__name__": "patch"})
    from pulsemon.cli import main

    main()


class Life:
    """One life of a server, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, within: float) -> int:
        self._process.join(within)
        status = self._process.exitcode
        if status is None:
            pytest.fail(f"the server did not end within {within} s")
        return status


@dataclass
class ForkedServer(Server):
    """A server whose lives are forked off a process that has imported everything."""

    patch: str = ""

    def start_again(self) -> None:
        arguments = (self.environment, str(self.folder), str(self.log_path), self.patch)
        process = _forks.Process(target=_serve, args=arguments)
        process.start()
        self.process = Life(process)  # type: ignore[assignment]  # it does what is asked of it here
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """It listens once it has started."""
        address = ("127.0.0.1", int(self.environment["APP_PORT"]))

        def is_listening() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log}")
            with socket.socket() as probe:
                return probe.connect_ex(address) == 0

        wait_until(is_listening, every=0.01)


Serve = Callable[..., Server]


@pytest.fixture
def a_server(tmp_path: Path, applications: contextlib.ExitStack) -> Serve:
    """Start a server on the test's SQLite file: `a_server()`, `a_server(patch="...")`; other names: its environment."""
    return applications.enter_context(serving(tmp_path))


@contextmanager
def serving(folder: Path) -> Iterator[Serve]:
    """Give a function that starts servers below *folder*, on its `pulsemon.db` by default; end them all at last."""
    servers: list[Server] = []

    def serve(*, patch: str = "", url: str = "", **environment: str) -> Server:
        server = _unborn(folder, url or f"sqlite:///{folder / 'pulsemon.db'}", patch, environment)
        servers.append(server)
        server.start_again()
        return server

    try:
        yield serve
    finally:
        for server in servers:
            _end(server)


def _unborn(folder: Path, url: str, patch: str, environment: Mapping[str, str]) -> ForkedServer:
    port = free_port()
    own = folder / f"server-{secrets.token_hex(4)}"
    own.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(own),
        "DATABASE_URL": url,
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "APP_HOST": "127.0.0.1",
        "APP_PORT": str(port),
    }
    variables |= KEEP_EVERYTHING | dict(environment)
    no_process: Any = None
    return ForkedServer(f"http://127.0.0.1:{port}", no_process, own / "log.txt", variables, [], own, patch=patch)


def _end(server: Server) -> None:
    if server.process is None or server.process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        server.process.send_signal(signal.SIGCONT)
    server.kill()


Outcomes = Callable[[str], Any]


@contextmanager
def in_parallel(tasks: Mapping[str, Callable[[], Any]], *, at_once: int = 16) -> Iterator[Outcomes]:
    """Start *tasks*, *at_once* of them at a time, for what is mostly waiting.

    Give a function that returns what one of them came to; what it raised is raised there.
    """
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        futures = {name: pool.submit(task) for name, task in tasks.items()}
        yield lambda name: futures[name].result()


def launcher(folder: Path, patch: str) -> list[str]:
    """Return a command that runs *patch*, Python source, and then serves: for what must be there at exec."""
    path = folder / f"launcher-{secrets.token_hex(4)}.py"
    path.write_text(f"{textwrap.dedent(patch)}\nfrom pulsemon.cli import main\n\nmain()\n")
    return [sys.executable, str(path), "serve"]


def create_monitors(server: Server, timings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Create one monitor for each slug, with these fields; return {slug: ping URL}."""
    urls = {}
    with httpx2.Client(base_url=server.url, headers=server.headers) as client:
        for slug, fields in timings.items():
            answer = client.post("/api/monitors", json={"name": slug, "slug": slug} | dict(fields))
            assert answer.status_code == 201, answer.text
            urls[slug] = f"{server.url}/h/{slug}/{answer.json()['token']}"
    return urls


def many(count: int, **fields: Any) -> dict[str, dict[str, Any]]:
    """Return the same timing for *count* monitors."""
    return {f"job-{number}": {"interval_seconds": 3_600} | fields for number in range(count)}


def statuses(server: Server) -> dict[str, str]:
    """Return the stored status of every monitor."""
    return {each["slug"]: each["status"] for each in server.get("/api/monitors")}


def wait_until_all_acknowledged(log: Log, slugs: Collection[str]) -> None:
    """Wait until a ping of each monitor that is sent from now on was acknowledged."""
    since = clock.now()
    wait_until(lambda: log.acknowledged_since(since) >= set(slugs))


# The controls of promise R4: nobody is excused, and nothing holds judgement back.
NEVER_BLIND = """
    from pulsemon.deadlines import loop
    from pulsemon.deadlines import passes

    passes.excuse_blindness = lambda *arguments, **names: None
    passes.bound_deadlines = lambda *arguments, **names: None
    loop.LOOP_IS_STALLED_SEC = float("inf")
"""
