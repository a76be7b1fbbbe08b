"""Promise R1 when somebody deletes or replaces the database of a running PulseMon: no acknowledged ping is lost."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.conftest import wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Result, Rule
from tests.faults.clients import Clients
from tests.faults.conftest import Serve, create_monitors, many, rounds

CONNECTIONS = 8
ACKS = rounds(300, soak=3_000)
# What goes on after the file is gone, at least: without the mechanism all of it is lost.
AFTERWARDS = 50

NEVER_LOOKS = """
from pulsemon.db.open_files import OpenFiles

OpenFiles.are_in_place = lambda self: True
"""


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    """As people put a backup in place."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)
    other.replace(path)
    _delete_the_log(path)


def _delete_the_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def take_away(serve: Serve, path: Path, how: Callable[[Path], None], *, patch: str = "") -> list[Evidence]:
    """Take the file away under load, then kill the server; return what its folder's databases hold, one by one."""
    server = serve(patch=patch)
    with Clients(create_monitors(server, many(20)), connections=CONNECTIONS) as clients:
        wait_until(lambda: clients.log.count() >= ACKS)
        how(path)
        seen = clients.log.count()
        wait_until(lambda: clients.log.count(Result.FAILED) or clients.log.count() >= seen + AFTERWARDS)
        if not patch:
            assert httpx2.get(f"{server.url}/ready").status_code == 503
            assert httpx2.get(f"{server.url}/status").status_code == 200
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(60)
    if not patch:
        lines = [line for line in server.log.splitlines() if "database.taken_away" in line]
        assert len(lines) == 1
    files = [path, *path.parent.glob(f"{path.name}.saved-*")]
    return [evidence.read(f"sqlite:///{each}", operations=clients.log.operations) for each in files if each.exists()]


WAYS = pytest.mark.parametrize(
    "how", [_delete, _replace, _delete_the_log], ids=["deleted", "replaced", "without its log"]
)


@WAYS
def test_what_was_acknowledged_is_in_a_file_when_the_database_is_taken_away(
    how: Callable[[Path], None], a_server: Serve, migrated_sqlite_url: str
) -> None:
    found = take_away(a_server, Path(migrated_sqlite_url.removeprefix("sqlite:///")), how)

    assert [] in [checker.check_pings(each) for each in found]


@WAYS
def test_control_a_server_that_does_not_look_loses_what_it_acknowledged(
    how: Callable[[Path], None], a_server: Serve, migrated_sqlite_url: str
) -> None:
    found = take_away(a_server, Path(migrated_sqlite_url.removeprefix("sqlite:///")), how, patch=NEVER_LOOKS)

    assert all(Rule.LOST in {breach.rule for breach in checker.check_pings(each)} for each in found)
    assert found or how is _delete
