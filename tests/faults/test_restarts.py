"""Promise R10: restarts and backups under load lose nothing that was acknowledged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pulsemon import clock
from tests.conftest import LONG_ENOUGH_SEC, ROOT, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Operation, Result, Rule
from tests.faults.clients import Clients
from tests.faults.conftest import Serve, create_monitors, many, rounds
from tests.faults.patches import ANSWER_FIRST

RESTARTS = rounds(20, soak=100)
ACKS_PER_LIFE = 300
CONNECTIONS = 8

# Says yes to every ping at once, and ends at once where it is asked to stop.
NO_DRAIN = f"""{ANSWER_FIRST}
import os

from uvicorn import Server

Server.handle_exit = lambda *arguments: os._exit(0)
"""


def restart_under_load(serve: Serve, url: str, *, restarts: int, patch: str = "") -> Evidence:
    """Stop the server politely again and again while clients ping flat out."""
    server = serve(patch=patch)
    urls = create_monitors(server, many(50))
    with Clients(urls, connections=CONNECTIONS) as clients:
        for _ in range(restarts):
            enough = clients.log.count() + ACKS_PER_LIFE
            _wait_for(clients, enough)
            assert server.stop() == 0
            server.start_again()
    assert server.stop() == 0
    print(f"{restarts} restarts: {clients.log.statuses()}")
    return evidence.read(url, operations=clients.log.operations)


def _wait_for(clients: Clients, acks: int) -> None:
    wait_until(lambda: clients.log.count() >= acks, within=5 * LONG_ENOUGH_SEC, every=0.005)


def test_restarts_under_load_lose_no_acknowledged_ping(a_server: Serve, sqlite_url: str) -> None:
    seen = restart_under_load(a_server, sqlite_url, restarts=RESTARTS)

    assert checker.check(seen) == []
    assert sum(each.result is Result.OK for each in seen.operations) >= RESTARTS * ACKS_PER_LIFE
    stored = {each.rid for each in seen.pings}
    assert [each for each in seen.operations if each.result is not Result.OK and each.rid in stored] == [], (
        "a polite stop answers every ping that it stores"
    )


def test_control_a_server_that_answers_first_and_does_not_drain_loses_pings(a_server: Serve, sqlite_url: str) -> None:
    seen = restart_under_load(a_server, sqlite_url, restarts=3, patch=NO_DRAIN)

    assert Rule.LOST in {breach.rule for breach in checker.check_pings(seen)}


# --- backups


def back_up(server: Server, target: Path) -> None:
    command = [sys.executable, "-m", "pulsemon", "backup", str(target)]
    environment = server.environment | {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, cwd=server.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _acknowledged(clients: Clients, *, before: datetime) -> list[Operation]:
    """Return what was acknowledged before that instant; of the rest nothing is asked of a copy."""
    return [each for each in list(clients.log.operations) if each.result is Result.OK and each.ended_at < before]


def test_a_backup_under_load_holds_every_ping_acknowledged_before_it_began(
    a_server: Serve, sqlite_url: str, tmp_path: Path
) -> None:
    server = a_server()
    urls = create_monitors(server, many(50))
    kept = []
    with Clients(urls, connections=CONNECTIONS) as clients:
        for number in range(rounds(2, soak=30)):
            _wait_for(clients, clients.log.count() + ACKS_PER_LIFE)
            target, began_at = tmp_path / f"copy-{number}.db", clock.now()
            back_up(server, target)
            kept.append((target, began_at))
            _wait_for(clients, clients.log.count() + 1)  # it goes on while and after it is copied

    for target, began_at in kept:
        with closing(sqlite3.connect(target)) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copied = evidence.read(f"sqlite:///{target}", operations=_acknowledged(clients, before=began_at))
        assert len(copied.pings) >= ACKS_PER_LIFE
        assert Rule.LOST not in {breach.rule for breach in checker.check_pings(copied)}
        assert checker.check_transitions(copied) == []
    # And a server starts on a copy.
    again = a_server(url=f"sqlite:///{kept[-1][0]}")
    assert len(again.get("/api/monitors")) == len(urls)


def test_control_a_copy_of_the_file_alone_lacks_pings(a_server: Serve, sqlite_url: str, tmp_path: Path) -> None:
    server = a_server()
    urls = create_monitors(server, many(50))
    with Clients(urls, connections=CONNECTIONS) as clients:
        _wait_for(clients, ACKS_PER_LIFE)
        began_at = clock.now()
        shutil.copy(sqlite_url.removeprefix("sqlite:///"), tmp_path / "copy.db")

    copied = _pings_of_a_file(tmp_path / "copy.db")
    assert {each.rid for each in _acknowledged(clients, before=began_at)} - copied


def _pings_of_a_file(path: Path) -> set[str]:
    """What a plain copy holds; without its log it may not even have tables."""
    with closing(sqlite3.connect(path)) as copy:
        try:
            return {rid for (rid,) in copy.execute("SELECT rid FROM pings")}
        except sqlite3.DatabaseError:
            return set()
