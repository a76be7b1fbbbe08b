"""Promises R1 and R4 while somebody else holds the database: a clear no in good time, and nobody is blamed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.conftest import LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Result, Rule
from tests.faults.clients import Punctual
from tests.faults.conftest import (
    NEVER_BLIND,
    Outcomes,
    create_monitors,
    in_parallel,
    many,
    rounds,
    serving,
    wait_until_all_acknowledged,
)

# One ping falls into the lock and is refused after 4.5 s; its monitor's deadline passes before that, and the lock ends
# some seconds before the next ping.
INTERVAL, GRACE = 8, 3
BEFORE_PING_SEC = 2
HELD_SEC = rounds(6, soak=31)

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
connection.rollback()
"""


@contextmanager
def held(url: str) -> Iterator[None]:
    """Another process has the database to itself."""
    command = [sys.executable, "-c", _HOLD, url.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        try:
            yield
        finally:
            other.stdin.close()
            other.wait(LONG_ENOUGH_SEC)


def hold_and_let_go(folder: Path, *, patch: str = "") -> Evidence:
    """Let another process hold the database while clients ping; return what came of it."""
    folder.mkdir()
    with serving(folder) as serve:
        return _hold_and_let_go(serve(patch=patch))


def _hold_and_let_go(server: Server) -> Evidence:
    url = server.environment["DATABASE_URL"]
    watched = create_monitors(server, many(10, interval_seconds=INTERVAL, grace_seconds=GRACE))
    with Punctual(watched, every=INTERVAL) as punctual:
        started_at = time.monotonic()
        wait_until(lambda: punctual.log.count() >= len(watched))
        wait_until(lambda: time.monotonic() >= started_at + INTERVAL - BEFORE_PING_SEC)
        with held(url):
            held_at = time.monotonic()
            wait_until(
                lambda: time.monotonic() >= held_at + HELD_SEC and punctual.log.count(Result.FAILED) >= len(watched),
                within=HELD_SEC + LONG_ENOUGH_SEC,
            )
            assert httpx2.get(f"{server.url}/status").status_code == 200
            assert httpx2.get(f"{server.url}/ready").status_code == 503
        wait_until_all_acknowledged(punctual.log, watched)
        wait_until(lambda: httpx2.get(f"{server.url}/ready").status_code == 200)
    assert server.stop() == 0
    return evidence.read(url, operations=punctual.log.operations)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """The lock and its control, at once: both mostly wait."""
    folder = tmp_path_factory.mktemp("locked")
    trials = {
        "as it is": partial(hold_and_let_go, folder / "as it is"),
        "control": partial(hold_and_let_go, folder / "control", patch=NEVER_BLIND),
    }
    with in_parallel(trials) as ask:
        yield ask


def test_while_another_process_holds_the_database_pings_hear_no_in_time_and_nobody_is_down(
    outcomes: Outcomes,
) -> None:
    seen = outcomes("as it is")

    assert checker.check(seen) == []
    assert checker.check_alive(seen, {monitor.slug for monitor in seen.monitors}) == []
    assert sum(each.status_code == 503 for each in seen.operations) >= len(seen.monitors)
    assert {each.status_code for each in seen.operations} == {200, 503}
    waited = [(each.ended_at - each.started_at).total_seconds() for each in seen.operations]
    print(f"the longest wait: {max(waited):.2f} s, refused: {sum(e.result is Result.FAILED for e in seen.operations)}")


def test_control_without_blind_windows_the_time_of_the_lock_makes_monitors_down(
    outcomes: Outcomes,
) -> None:
    seen = outcomes("control")

    assert Rule.FALSE_DOWN in {
        breach.rule for breach in checker.check_alive(seen, {monitor.slug for monitor in seen.monitors})
    }
