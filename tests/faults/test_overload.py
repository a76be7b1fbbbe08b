"""Promise R6: whoever is slow, endless or too many takes nothing from a client that behaves.

With the deadlines and limits of our own protocol class, which run.py, `pulsemon serve` and the image use. The trials
and their controls, in which nobody is ever overdue, run at once: they mostly wait.
"""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from tests.conftest import LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Operation, Result
from tests.faults.clients import Clients
from tests.faults.conftest import Outcomes, create_monitors, in_parallel, many, rounds, serving

# 5,000, or what the limits of this process and the server's leave.
SLOW_SOCKETS = min(5_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 600)
# Fewer than one address may hold, so that it is the deadlines that end them.
PER_ADDRESS = 100
# What a control waits in vain for: the longest deadline (ten seconds for a first byte, or for a stalled body) and more.
# Where there are deadlines, a busy machine has more time: it ends as soon as they have done their work.
IN_VAIN_SEC = 10 + 6
FEW_DESCRIPTORS = 256

NOBODY_IS_OVERDUE = """
    from pulsemon.web.heartbeats import ping
    from pulsemon.web.wire import patience

    patience.PATIENCE_SEC.update(dict.fromkeys(patience.Arriving, float("inf")))
    ping.BODY_PATIENCE_SEC = ping.MAX_BODY_SEC = 1e6
"""
HAS_FEW_DESCRIPTORS = f"""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW_DESCRIPTORS}, {FEW_DESCRIPTORS}))
"""
NOBODY_MAKES_ROOM = """
    from pulsemon.operations import doorway

    doorway.connections_of = lambda descriptors: 1_000_000
"""


class Crowd:
    """Many connections from many addresses that say next to nothing: silent, a header or a body a byte a second."""

    def __init__(self, server: Server, ping_url: str, count: int) -> None:
        path = urlsplit(ping_url).path.encode()
        self._address = ("127.0.0.1", int(server.environment["APP_PORT"]))
        self._beginnings = [
            b"",
            b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        ]
        self._selector = selectors.DefaultSelector()
        self._count = count
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="crowd", daemon=True)
        self.is_growing = True
        self.open_count = 0
        self.greatest_count = 0

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopping.set()
        self._thread.join(LONG_ENOUGH_SEC)
        assert not self._thread.is_alive()
        for key in list(self._selector.get_map().values()):
            self._close(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()

    def _live(self) -> None:
        for number in range(self._count):
            if self._is_stopping.is_set():
                return
            self._join_in(number)
            if number % 50 == 0:
                self._look(0)
        self.is_growing = False
        dripped_at = time.monotonic()
        while not self._is_stopping.is_set():
            self._look(0.1)
            if time.monotonic() - dripped_at > 1:
                dripped_at = time.monotonic()
                self._drip()

    def _join_in(self, number: int) -> None:
        member = socket.socket()
        try:
            member.bind((f"127.1.{number // PER_ADDRESS}.1", 0))
            member.settimeout(5)
            member.connect(self._address)
            member.sendall(self._beginnings[number % 3])
        except OSError:
            member.close()
            return
        member.setblocking(False)
        self._selector.register(member, selectors.EVENT_READ, number)
        self.open_count += 1
        self.greatest_count = max(self.greatest_count, self.open_count)

    def _look(self, seconds: float) -> None:
        """Notice whom the server has answered or hung up on."""
        for key, _ in self._selector.select(seconds):
            member = key.fileobj
            assert isinstance(member, socket.socket)
            try:
                is_over = not member.recv(65_536)
            except BlockingIOError:
                is_over = False
            except OSError:
                is_over = True
            if is_over:
                self._close(member)

    def _drip(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data % 3 == 1:  # headers that grow a byte at a time; the bodies stall
                with contextlib.suppress(OSError):
                    key.fileobj.send(b"a")  # type: ignore[union-attr]

    def _close(self, member: socket.socket) -> None:
        self._selector.unregister(member)
        member.close()
        self.open_count -= 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a clean client met with, and what became of the others."""

    clean: list[Operation]
    seen: Evidence
    crowd_count: int = 0
    left_count: int = 0
    is_newcomer_served: bool = True
    flood_answer: bytes = b""
    grown_bytes: int = 0
    causes: frozenset[str] = frozenset()  # of blindness


def slow_crowd(
    folder: Path, *, patch: str = "", count: int = SLOW_SOCKETS, patience_sec: float = LONG_ENOUGH_SEC
) -> Outcome:
    """A crowd of slow sockets, a clean client beside it, and in the end a newcomer."""
    folder.mkdir()
    with serving(folder) as serve:
        server = serve(patch=patch)
        urls = create_monitors(server, many(20))
        with Clients(urls, connections=2, pause_sec=0.01) as clean:
            wait_until(lambda: clean.log.count() >= 20)
            with Crowd(server, urls["job-0"], count) as crowd:
                wait_until(lambda: crowd.greatest_count >= min(count, FEW_DESCRIPTORS // 2))
                _wait_until_or_timeout(lambda: crowd.open_count == 0 and not crowd.is_growing, patience_sec)
                is_served = _wait_until_or_timeout(lambda: _is_answered(urls["job-1"]), patience_sec / 3)
                left = crowd.open_count
        assert server.stop() == 0
        seen = evidence.read(server.environment["DATABASE_URL"], operations=clean.log.operations)
    causes = evidence.blind_causes(server.environment["DATABASE_URL"])
    return Outcome(clean.log.operations, seen, crowd.greatest_count, left, is_newcomer_served=is_served, causes=causes)


def _is_answered(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def _wait_until_or_timeout(ask: Callable[[], bool], seconds: float) -> bool:
    """Return whether it became true in time; the controls are there to show that it does not."""
    give_up_at = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    return answer


def endless_body(folder: Path, *, patch: str = "", patience_sec: float = LONG_ENOUGH_SEC) -> Outcome:
    """A ping whose chunked body never ends, and a clean client beside it."""
    folder.mkdir()
    with serving(folder) as serve:
        server = serve(patch=patch)
        urls = create_monitors(server, many(20))
        process = psutil.Process(server.process.pid)
        with Clients(urls, connections=2, pause_sec=0.01) as clean:
            wait_until(lambda: clean.log.count() >= 20)
            before = process.memory_info().rss
            answer = _flood(server, urls["job-0"], patience_sec)
            grown = process.memory_info().rss - before
        server.kill()
        seen = evidence.read(server.environment["DATABASE_URL"], operations=clean.log.operations)
    return Outcome(clean.log.operations, seen, flood_answer=answer, grown_bytes=grown)


def _flood(server: Server, url: str, patience_sec: float) -> bytes:
    """Send chunks until an answer comes, for so long at most; return it."""
    address = ("127.0.0.1", int(server.environment["APP_PORT"]))
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    head = b"POST " + urlsplit(url).path.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(address, timeout=2) as connection:
        connection.sendall(head)
        give_up_at = time.monotonic() + patience_sec
        while time.monotonic() < give_up_at:
            with contextlib.suppress(OSError):
                connection.sendall(chunk)
            connection.settimeout(0.002)  # a pause too: the flood shall not be what keeps the machine busy
            try:
                return connection.recv(65_536)
            except TimeoutError:
                connection.settimeout(2)
            except OSError:
                break
    return b""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    folder = tmp_path_factory.mktemp("overload")
    trials: dict[str, Callable[[], Outcome]] = {}
    few = FEW_DESCRIPTORS + 100
    for suffix, patch in (("", ""), (" control", NOBODY_IS_OVERDUE)):
        # The control is about time, not about numbers.
        crowd = rounds(600 if suffix else SLOW_SOCKETS, soak=SLOW_SOCKETS)
        patience = IN_VAIN_SEC if suffix else LONG_ENOUGH_SEC
        for name, run in (
            ("slow", partial(slow_crowd, patch=patch, count=crowd)),
            (
                "few",
                partial(
                    slow_crowd,
                    patch=patch + HAS_FEW_DESCRIPTORS + (NOBODY_MAKES_ROOM if suffix else ""),
                    count=few,
                ),
            ),
            ("endless", partial(endless_body, patch=patch)),
        ):
            trials[name + suffix] = partial(run, folder / (name + suffix), patience_sec=patience)
    trials["crowded"] = partial(
        slow_crowd,
        folder / "crowded",
        patch=NOBODY_IS_OVERDUE + HAS_FEW_DESCRIPTORS,
        count=few,
        patience_sec=IN_VAIN_SEC,
    )
    with in_parallel(trials) as ask:
        yield ask


@pytest.mark.parametrize("trial", ["slow", "few", "crowded", "endless"])
def test_a_clean_client_is_answered_throughout(outcomes: Outcomes, trial: str) -> None:
    outcome = outcomes(trial)

    waits = sorted((each.ended_at - each.started_at).total_seconds() for each in outcome.clean)
    print(
        f"{trial}: {len(waits)} pings, p99 {waits[len(waits) * 99 // 100] * 1000:.0f} ms, crowd {outcome.crowd_count}"
    )
    assert {each.result for each in outcome.clean} == {Result.OK}
    assert checker.check_pings(outcome.seen) == []


@pytest.mark.parametrize("trial", ["slow", "few"])
def test_slow_sockets_are_ended_and_newcomers_served(outcomes: Outcomes, trial: str) -> None:
    outcome = outcomes(trial)

    assert (outcome.left_count, outcome.is_newcomer_served) == (0, True)


@pytest.mark.parametrize("trial", ["slow", "few"])
def test_control_without_deadlines_slow_sockets_stay(outcomes: Outcomes, trial: str) -> None:
    assert outcomes(f"{trial} control").left_count > 0


def test_control_without_deadlines_and_bound_slow_sockets_keep_newcomers_out_where_descriptors_are_few(
    outcomes: Outcomes,
) -> None:
    assert not outcomes("few control").is_newcomer_served


def test_where_descriptors_are_few_a_newcomer_is_served_at_the_cost_of_whoever_holds_many_and_only_waits(
    outcomes: Outcomes,
) -> None:
    """Nobody is ever overdue here: it is the bound alone that makes room, and nobody who may be a job pays for it."""
    outcome = outcomes("crowded")

    assert outcome.is_newcomer_served
    assert outcome.left_count > 0
    assert "turned-away" not in outcome.causes


def test_a_body_that_never_ends_is_answered_and_takes_no_memory(outcomes: Outcomes) -> None:
    outcome = outcomes("endless")

    assert outcome.flood_answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in outcome.flood_answer.lower()
    assert outcome.grown_bytes < 50_000_000


def test_control_without_deadlines_a_body_that_never_ends_gets_no_answer(outcomes: Outcomes) -> None:
    assert outcomes("endless control").flood_answer == b""
