"""Promise R4 at the door: pings that are turned away before anybody reads them blame nobody, and silence no alarm.

Descriptors are used up by something else in the process, so that no bound on connections helps. The control knows
nothing of it. A stranger who holds as many connections as one address may is turned away too, and that is no blindness.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.conftest import ADMIN_TOKEN, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Result, Rule
from tests.faults.clients import Punctual
from tests.faults.conftest import (
    Outcomes,
    create_monitors,
    in_parallel,
    many,
    rounds,
    serving,
    statuses,
    wait_until_all_acknowledged,
)

INTERVAL, GRACE = 4, 2
MONITORS = 10
USED_UP_SEC = rounds(INTERVAL + GRACE + 3, soak=60)
FEW_DESCRIPTORS = 256
STRANGER = "127.3.0.1"
MAX_OF_AN_ADDRESS = 128

# While a file of that name lies in the server's folder, it has no descriptor left.
_FEW = f"""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW_DESCRIPTORS}, {FEW_DESCRIPTORS}))
"""
USES_THEM_UP = f"""
    {_FEW}
    import os
    import threading
    import time
    from pathlib import Path

    def use_up():
        taken = []
        while True:
            if not Path("hungry").exists():
                while taken:
                    os.close(taken.pop())
                time.sleep(0.01)
                continue
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                time.sleep(0.01)

    threading.Thread(target=use_up, daemon=True).start()
"""
# uvicorn closes what is idle after five seconds; a busy machine may take longer to let a crowd in.
IDLE_ONES_STAY = """
    import uvicorn

    make = uvicorn.Config.__init__
    uvicorn.Config.__init__ = lambda self, *given, **named: make(self, *given, timeout_keep_alive=3_600, **named)
"""
NOBODY_LOOKS = """
    from pulsemon.operations import doorway

    doorway.is_descriptor_left = lambda: True
    doorway._read_queue = lambda listener: None
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the monitors, and for what PulseMon says that it was blind."""

    seen: Evidence
    causes: frozenset[str]
    log: str
    refusals: int = 0


def use_up_and_give_back(folder: Path, *, patch: str = "") -> Outcome:
    """Let no descriptor be left for longer than interval and grace, while jobs live that never try twice."""
    folder.mkdir()
    with serving(folder) as serve:
        server = serve(patch=USES_THEM_UP + patch)
        watched = create_monitors(server, many(MONITORS, interval_seconds=INTERVAL, grace_seconds=GRACE))
        with Punctual(watched, every=INTERVAL) as punctual:
            wait_until_all_acknowledged(punctual.log, watched)
            (server.folder / "hungry").touch()
            since = time.monotonic()
            wait_until(lambda: time.monotonic() - since >= USED_UP_SEC)
            (server.folder / "hungry").unlink()
            wait_until_all_acknowledged(punctual.log, watched)
        assert server.stop() == 0
        seen = evidence.read(server.environment["DATABASE_URL"], operations=punctual.log.operations)
        return Outcome(seen, evidence.blind_causes(server.environment["DATABASE_URL"]), server.log)


def be_one_too_many(folder: Path) -> Outcome:
    """One address holds what it may, all of it at work, and asks for more, while a job is dead."""
    folder.mkdir()
    with serving(folder) as serve:
        server = serve(TRUSTED_PROXIES="192.0.2.1")
        urls = create_monitors(server, many(1, interval_seconds=INTERVAL, grace_seconds=GRACE))
        browser = httpx2.Client(base_url=server.url, follow_redirects=True)
        assert browser.post("/login", data={"token": ADMIN_TOKEN}).status_code == 200
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        browser.close()
        with ExitStack() as held:
            for _ in range(MAX_OF_AN_ADDRESS):
                _open_a_stream(held.enter_context(socket.socket()), server, cookie)
            assert httpx2.get(urls["job-0"]).status_code == 200
            refusals = 0
            while statuses(server)["job-0"] != "DOWN":
                refusals += _is_refused(server)
        assert server.stop() == 0
        seen = evidence.read(server.environment["DATABASE_URL"])
        return Outcome(seen, evidence.blind_causes(server.environment["DATABASE_URL"]), server.log, refusals)


def _connect(member: socket.socket, server: Server) -> None:
    member.settimeout(60)
    member.bind((STRANGER, 0))
    member.connect(("127.0.0.1", int(server.environment["APP_PORT"])))


def _open_a_stream(member: socket.socket, server: Server, cookie: str) -> None:
    """Ask for what never ends, so that the connection is at work."""
    _connect(member, server)
    member.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    assert member.recv(65_536).startswith(b"HTTP/1.1 200")


def _is_refused(server: Server) -> bool:
    with socket.socket() as member:
        _connect(member, server)
        return member.recv(65_536).startswith(b"HTTP/1.1 503")


class Caller:
    """A connection that is kept alive, from an address of its own."""

    def __init__(self, server: Server, address: str) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(60)
        self._socket.bind((address, 0))
        self._socket.connect(("127.0.0.1", int(server.environment["APP_PORT"])))

    def ask(self, method: str, path: str) -> bytes:
        """Return the whole answer, a JSON object; empty where the server has hung up."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        try:
            self._socket.sendall(head.encode())
            answer = b""
            while not answer.endswith(b"}") and (part := self._socket.recv(65_536)):
                answer += part
        except OSError:
            return b""
        return answer

    def close(self) -> None:
        self._socket.close()


def call_before_and_after_a_crowd(folder: Path) -> dict[str, bytes]:
    """Have each kind of caller ask once, then a crowd come that needs all the room, then each ask again."""
    folder.mkdir()
    with serving(folder) as serve, ExitStack() as held:
        server = serve(patch=_FEW + IDLE_ONES_STAY, TRUSTED_PROXIES="192.0.2.1")
        path = urlsplit(create_monitors(server, many(1))["job-0"]).path
        kinds = {"visitor": ("GET", "/health"), "guest": ("GET", "/h/job-0/wrong")}
        kinds |= {"short": ("GET", path), "long": ("POST", path)}
        callers = {kind: Caller(server, f"127.4.0.{number}") for number, kind in enumerate(kinds, start=1)}
        for kind, caller in callers.items():
            held.callback(caller.close)
            assert caller.ask(*kinds[kind]).startswith(b"HTTP/1.1 404" if kind == "guest" else b"HTTP/1.1 200")
        for number in range(FEW_DESCRIPTORS // 2):  # what connections may take; each address one
            held.callback(Caller(server, f"127.5.{number}.1").close)
        # Who comes last is accepted last: the crowd is in by then.
        assert httpx2.get(f"{server.url}/health").status_code == 200
        return {kind: caller.ask(*kinds[kind]) for kind, caller in callers.items()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """All at once: they mostly wait."""
    folder = tmp_path_factory.mktemp("turned-away")
    trials: dict[str, Callable[[], Any]] = {
        "used up": partial(use_up_and_give_back, folder / "used up"),
        "control": partial(use_up_and_give_back, folder / "control", patch=NOBODY_LOOKS),
        "one address": partial(be_one_too_many, folder / "one address"),
        "crowd": partial(call_before_and_after_a_crowd, folder / "crowd"),
    }
    with in_parallel(trials) as ask:
        yield ask


def test_while_no_descriptor_is_left_nobody_is_blamed_for_the_pings_that_nobody_read(outcomes: Outcomes) -> None:
    outcome = outcomes("used up")

    everybody = {monitor.slug for monitor in outcome.seen.monitors}
    print(f"{sum(each.result is not Result.OK for each in outcome.seen.operations)} pings were turned away")
    assert sum(each.result is not Result.OK for each in outcome.seen.operations) >= MONITORS
    assert checker.check(outcome.seen) == []
    assert checker.check_alive(outcome.seen, everybody) == []
    assert "turned-away" in outcome.causes
    assert outcome.log.count("connections.turned_away") == 1


def test_control_where_nobody_looks_for_descriptors_living_jobs_are_down(outcomes: Outcomes) -> None:
    outcome = outcomes("control")

    everybody = {monitor.slug for monitor in outcome.seen.monitors}
    assert Rule.FALSE_DOWN in {breach.rule for breach in checker.check_alive(outcome.seen, everybody)}
    assert "turned-away" not in outcome.causes


def test_who_is_turned_away_by_his_own_address_s_bound_silences_no_alarm(outcomes: Outcomes) -> None:
    outcome = outcomes("one address")

    assert outcome.refusals >= 1
    assert checker.check_noticed(outcome.seen, ["job-0"]) == []
    assert outcome.causes & {"turned-away", "refused"} == set()


def test_a_connection_on_which_a_ping_was_stored_outlasts_a_crowd_and_any_other_does_not(outcomes: Outcomes) -> None:
    again = outcomes("crowd")

    assert {kind: answer[:12] for kind, answer in again.items()} == {
        "visitor": b"",
        "guest": b"",
        "short": b"HTTP/1.1 200",
        "long": b"HTTP/1.1 200",
    }
