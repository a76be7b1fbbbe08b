"""Commands about users, the admin token and sealed secrets: with a server that runs, and without one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pyotp
import pytest

from pulsemon import clock, vault
from pulsemon.accounts import admin_token, factors, users
from pulsemon.db import Database
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.vault import Vault
from pulsemon.web.http import machine_proof
from tests.arrange import START, rows
from tests.conftest import ROOT, Server

PASSWORD = "a horse, a battery and a staple"


class Machine:
    """Whoever stands at the machine of an installation."""

    def __init__(self, database_url: str, folder: Path, **environment: str) -> None:
        self.database_url = database_url
        self._folder = folder
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url}
        self._environment |= environment

    def run(self, *words: str, typed: str = "", status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pulsemon", *words],
            env=self._environment,
            cwd=self._folder,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Machine:
    """One without a server, on each database."""
    return Machine(database_url, tmp_path)


def test_a_user_is_made_and_helped_without_a_server(machine: Machine, database: Database) -> None:
    database.close()
    said = machine.run("user", "create", "Ana@example.org", "--name", "Ana", "--owner")
    assert "http://localhost:8088/join/" in said
    assert machine.run("user", "create", "ana@EXAMPLE.org", status=1).strip() == (
        "PulseMon: There is a user with this e-mail address already."
    )
    assert "12 to 200 characters" in machine.run(
        "user", "create", "bia@example.org", "--password-stdin", typed="short\n", status=1
    )
    machine.run("user", "create", "bia@example.org", "--password-stdin", typed=PASSWORD + "\n")

    listed = machine.run("user", "list").splitlines()
    assert [line.split()[:2] for line in listed] == [["Ana@example.org", "owner,"], ["bia@example.org", "-"]]
    assert "last owner" in machine.run("user", "disable", "ana@example.org", status=1)
    machine.run("user", "owner", "bia@example.org")
    machine.run("user", "disable", "ana@example.org")
    assert "/reset/" in machine.run("user", "reset-password", "bia@example.org")
    assert "There is no second factor" in machine.run("user", "reset-factor", "bia@example.org", status=1)
    assert "There is no such user" in machine.run("user", "enable", "nobody@example.org", status=1)

    opened = Database.open(machine.database_url)
    noted = [(row.actor_kind, row.action) for row in rows(opened, AuditEntry)]
    opened.close()
    assert noted[0] == ("machine", "user.create")
    assert {kind for kind, _ in noted} == {"machine"}


def test_a_server_that_holds_the_file_is_asked_without_any_token(
    make_server: Callable[..., Server], sqlite_url: str, tmp_path: Path
) -> None:
    server = make_server(sqlite_url)
    machine = Machine(sqlite_url, tmp_path, APP_HOST="127.0.0.1", APP_PORT=server.environment["APP_PORT"])

    machine.run("user", "create", "ana@example.org", "--owner", "--password-stdin", typed=PASSWORD + "\n")
    assert f"{server.url}/reset/" in machine.run("user", "reset-password", "ana@example.org")
    machine.run("user", "reset-password", "ana@example.org", "--password-stdin", typed=PASSWORD + "!\n")
    assert "once an owner has a second factor" in machine.run("admin-token", "off", status=1)
    machine.run("admin-token", "on")

    assert [each["email"] for each in server.get("/api/users")] == ["ana@example.org"]
    (made,) = server.get("/api/users")
    path = f"/api/users/{made['id']}"
    # Whoever has but a copy of the database has what signs cookies, and no more.
    by_a_copy = machine_proof.make(_session_secret(sqlite_url), "GET", path, now=clock.now())
    for wrong in ("", "1." + "a" * 64, "99999999999." + "0" * 64, by_a_copy):
        answer = httpx2.get(server.url + path, headers={"X-Pulsemon-Machine": wrong})
        assert answer.status_code == 401
    server.stop()
    assert PASSWORD not in server.log


def _session_secret(url: str) -> str:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as copy:
        (found,) = copy.execute("SELECT value FROM meta WHERE key = 'session-secret'").fetchone()
    return str(found)


def test_the_admin_token_comes_back_at_the_machine(machine: Machine, database: Database) -> None:
    database.close()
    machine.run("user", "create", "ana@example.org", "--owner", "--password-stdin", typed=PASSWORD + "\n")
    opened = Database.open(machine.database_url)
    ana, key = users.by_email(opened, "ana@example.org"), Vault({"k": b"k" * 32})
    app = pyotp.TOTP(factors.offer(opened, key, ana.row_id, now=START))
    assert factors.confirm(opened, key, ana.row_id, app.at(START), now=START)
    opened.close()

    machine.run("admin-token", "off")
    assert not _is_on(machine.database_url)
    machine.run("admin-token", "on")
    assert _is_on(machine.database_url)
    machine.run("admin-token", "off")
    machine.run("user", "reset-factor", "ana@example.org")
    assert _is_on(machine.database_url)


def _is_on(url: str) -> bool:
    opened = Database.open(url)
    try:
        return admin_token.is_on(opened)
    finally:
        opened.close()


def test_secrets_are_sealed_anew_with_the_first_key(machine: Machine, database: Database) -> None:
    old, new = vault.make_key(), vault.make_key()
    database.close()
    before = Machine(machine.database_url, machine._folder, SECRETS_KEY=old)
    before.run("user", "create", "ana@example.org", "--password-stdin", typed=PASSWORD + "\n")
    opened = Database.open(machine.database_url)
    ana = users.by_email(opened, "ana@example.org")
    ring = vault.open_vault(opened, secrets_key=old, database_url=machine.database_url)
    secret = factors.offer(opened, ring, ana.row_id, now=START)
    opened.close()

    both = Machine(machine.database_url, machine._folder, SECRETS_KEY=f"{new},{old}")
    assert "Sealed anew: 1. Cannot be opened, and kept as they are: 0." in both.run("secrets", "rotate")

    opened = Database.open(machine.database_url)
    ring = vault.open_vault(opened, secrets_key=new, database_url=machine.database_url)
    assert ring.warning is None
    assert factors.offered(opened, ring, ana.row_id) == secret
    opened.close()
