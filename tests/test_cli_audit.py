"""`pulsemon audit`: says whether the log is whole, also beside a server that runs, and copies it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import delete, update

from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind, acting
from pulsemon.db.tables.audit import AuditEntry
from tests.arrange import START
from tests.conftest import LONG_ENOUGH_SEC, ROOT, Server


def a_log(url: str) -> None:
    database = Database.open(url)
    database.migrate()
    for number in range(3):
        with acting(Actor(ActorKind.USER, "ana@example.org", START)), database.write() as connection:
            audit.note(connection, "monitor.edit", f"job-{number}", project_id=1, after={"name": "Ação"})
    database.close()


def run(url: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": url,
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-m", "pulsemon", "audit", *arguments]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=LONG_ENOUGH_SEC, check=False
    )


def test_a_log_that_is_whole_is_said_to_be_with_its_newest_hash(database_url: str, tmp_path: Path) -> None:
    a_log(database_url)

    first = run(database_url, "verify", folder=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    newest = first.stdout.split()[-1]
    assert first.stdout.startswith("Entries: 3. Each follows the one before it.")
    assert run(database_url, "verify", "--known", newest, folder=tmp_path).returncode == 0
    unknown = run(database_url, "verify", "--known", "0" * 63 + "1", folder=tmp_path)
    assert (unknown.returncode, "not in the log" in unknown.stdout) == (1, True)


def test_a_hole_is_told_with_its_place_and_a_status(database_url: str, tmp_path: Path) -> None:
    a_log(database_url)
    database = Database.open(database_url)
    with database.write() as connection:
        connection.execute(update(AuditEntry).where(AuditEntry.id == 2).values(object="other"))
        connection.execute(delete(AuditEntry).where(AuditEntry.id == 3))
    database.close()

    found = run(database_url, "verify", folder=tmp_path)

    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "Entry 2 of 2026-03-02T10:00:00+00:00: it is not as it was written.",
        "Entry 2 of 2026-03-02T10:00:00+00:00: what came after it is missing.",
    ]


def test_an_emptied_log_is_no_whole_one(migrated_sqlite_url: str, tmp_path: Path) -> None:
    a_log(migrated_sqlite_url)
    database = Database.open(migrated_sqlite_url)
    with database.write() as connection:
        connection.execute(delete(AuditEntry))
    database.close()

    found = run(migrated_sqlite_url, "verify", folder=tmp_path)

    assert (found.returncode, found.stdout) == (1, "The log is empty, and it was not: what stood there is missing.\n")


def test_it_is_checked_and_copied_beside_a_server_that_runs(server: Server, tmp_path: Path) -> None:
    body = {"name": "Grafana", "scopes": ["read"]}
    assert httpx2.post(f"{server.url}/api/keys", json=body, headers=server.headers).status_code == 201
    url = server.environment["DATABASE_URL"]

    assert run(url, "verify", folder=tmp_path).stdout.startswith("Entries: 1.")
    table = list(csv.DictReader(io.StringIO(run(url, "export", folder=tmp_path).stdout)))
    (line,) = run(url, "export", "--json", folder=tmp_path).stdout.splitlines()
    assert [each["action"] for each in table] == ["key.create"]
    assert json.loads(line) == httpx2.get(f"{server.url}/api/audit", headers=server.headers).json()[0]


@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_database_that_is_not_there_is_one_line(tmp_path: Path, command: str) -> None:
    found = run(f"sqlite:///{tmp_path}/nothing.db", command, folder=tmp_path)

    assert (found.returncode, found.stdout, len(found.stderr.splitlines())) == (1, "", 1)
    assert not (tmp_path / "nothing.db").exists()
