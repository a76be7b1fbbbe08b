"""Promise R1 and R4 on a full disk: a clear no, the pages go on, and all is well as soon as there is room.

The disk is a small file system of its own where mounting one is allowed; elsewhere SQLite is told that the file may not
grow (`max_page_count`), which ends in the same error.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest

from pulsemon.operations.readiness import MIN_FREE_BYTES
from tests.conftest import LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Operation, Result, Rule
from tests.faults.clients import Clients, Log, Punctual
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

# Freed, it has more room than `/ready` warns of.
DISK_BYTES = MIN_FREE_BYTES + 30_000_000
# Longer than interval and grace of the monitors that are watched meanwhile.
INTERVAL, GRACE = 2, 1
MONITORS = 10

# Before each write the writer looks how far the file may grow now.
LIMITED_FILE = """
    from pathlib import Path

    from pulsemon.db import Database

    limit_patience = Database._limit_patience

    def limit_growth(self, connection):
        limit_patience(self, connection)
        limit = Path("page-limit").read_text() if Path("page-limit").exists() else "1000000"
        connection.connection.dbapi_connection.execute(f"PRAGMA max_page_count = {limit}")

    Database._limit_patience = limit_growth
"""


@dataclass
class Disk:
    """A disk that can be filled and freed. `patch` belongs into the server that writes to it."""

    url: str
    patch: str
    fill: Callable[[Server], None]
    free: Callable[[Server], None]


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Give a small file system in *folder*, or, where mounting is refused, a file that may not grow."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    url = f"sqlite:///{folder / 'pulsemon.db'}"
    if not is_mounted:
        yield Disk(url, LIMITED_FILE, _limit, _unlimit)
        return
    ballast = folder / "ballast"
    try:
        yield Disk(url, "", lambda _: _fill(ballast), lambda _: ballast.unlink())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            os.fsync(file.fileno())


def _limit(server: Server) -> None:
    (server.folder / "page-limit").write_text("1")  # SQLite takes the present size where that is larger


def _unlimit(server: Server) -> None:
    (server.folder / "page-limit").unlink()


def fill_and_free(folder: Path, *, patch: str = "", times: int = 1) -> Evidence:
    """Let the disk be full for longer than monitors are allowed to be silent; return what came of it.

    So many *times*, or until somebody is DOWN: whose turn comes first once there is room is a race, the next pings' or
    the judge's of deadlines.
    """
    folder.mkdir()
    with small_disk(folder / "small") as disk, serving(folder) as serve:
        server = serve(url=disk.url, patch=disk.patch + patch)
        watched = create_monitors(server, many(MONITORS, interval_seconds=INTERVAL, grace_seconds=GRACE))
        (busy,) = create_monitors(server, {"busy": {"interval_seconds": 3_600}}).values()
        operations: list[Operation] = []
        with Punctual(watched, every=1.0) as punctual:
            wait_until(lambda: punctual.log.count() >= len(watched))
            for _ in range(times):
                operations += _fill_and_free(server, disk, punctual.log, busy)
                wait_until_all_acknowledged(punctual.log, watched)
                if "DOWN" in {each.new for each in evidence.read(disk.url).transitions}:
                    break
        assert server.stop() == 0
        path = disk.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return evidence.read(disk.url, operations=[*punctual.log.operations, *operations])


def _fill_and_free(server: Server, disk: Disk, log: Log, busy: str) -> list[Operation]:
    """Fill the disk, look what is said meanwhile, and free it; return the requests that used up the last of it."""
    seconds_full = rounds(INTERVAL + GRACE + 2, soak=60)
    disk.fill(server)
    with Clients({"busy": busy}, connections=2) as flood:  # until what was reserved for the log is used up
        wait_until(lambda: flood.log.count(Result.FAILED) >= 10)
    _expect_a_clear_no(server, busy)
    refused = log.count(Result.FAILED)
    wait_until(
        lambda: log.count(Result.FAILED) - refused >= seconds_full * MONITORS,
        within=4 * seconds_full + LONG_ENOUGH_SEC,
    )
    disk.free(server)
    wait_until(lambda: httpx2.get(busy).status_code == 200)
    wait_until(lambda: httpx2.get(f"{server.url}/ready").status_code == 200)
    return flood.log.operations


def _expect_a_clear_no(server: Server, url: str) -> None:
    answer = httpx2.get(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert httpx2.get(f"{server.url}/status").status_code == 200
    assert httpx2.get(f"{server.url}/health").status_code == 200
    ready = httpx2.get(f"{server.url}/ready", headers=server.headers)
    assert ready.status_code == 503
    assert "full" in ready.text


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """The full disk and its control, at once: both mostly wait."""
    folder = tmp_path_factory.mktemp("full")
    trials = {
        "as it is": partial(fill_and_free, folder / "as it is"),
        "control": partial(fill_and_free, folder / "control", patch=NEVER_BLIND, times=8),
    }
    with in_parallel(trials) as ask:
        yield ask


def test_a_full_disk_costs_no_acknowledged_ping_and_no_monitor_and_is_over_when_there_is_room(
    outcomes: Outcomes,
) -> None:
    seen = outcomes("as it is")

    assert checker.check(seen) == []
    assert checker.check_alive(seen, {monitor.slug for monitor in seen.monitors}) == []


def test_control_without_blind_windows_a_full_disk_makes_monitors_down(outcomes: Outcomes) -> None:
    seen = outcomes("control")

    assert Rule.FALSE_DOWN in {breach.rule for breach in checker.check_alive(seen, many(MONITORS))}
