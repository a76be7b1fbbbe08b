"""Every command that needs the database, when the database is in trouble: one line that says why, never a traceback."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer.main
from sqlalchemy.engine import make_url

from pulsemon import cli
from pulsemon.server import PulseMon
from pulsemon.settings import Settings, load
from tests.ports import free_port

# Each is run until it asks for the database; what it would write goes into the test's folder.
COMMANDS = {
    "serve": [],
    "migrate": [],
    "snapshot": ["pages"],
    "backup": ["copy.db"],
    "monitor list": [],
    "monitor create": ["x", "--interval", "60"],
    "monitor delete": ["x", "--yes"],
    "user create": ["ana@example.org"],
    "user list": [],
    "user reset-password": ["ana@example.org"],
    "user reset-factor": ["ana@example.org"],
    "user owner": ["ana@example.org"],
    "user disable": ["ana@example.org"],
    "user enable": ["ana@example.org"],
    "admin-token on": [],
    "admin-token off": [],
    "secrets rotate": [],
    "audit verify": [],
    "audit export": [],
}
READ_ONLY = {"backup", "snapshot", "audit verify", "audit export"}
NEED_NO_DATABASE = {"check-config", "test-mail", "run", "ping", "secrets new-key"}


def test_every_command_stands_here() -> None:
    group: Any = typer.main.get_command(cli.app)
    found = {
        f"{name} {inner}".strip()
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", {"": None})
    }

    assert found == set(COMMANDS) | NEED_NO_DATABASE


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ADMIN_TOKEN", "t" * 40)
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    folder = tmp_path / "where it runs"
    folder.mkdir()
    monkeypatch.chdir(folder)


Run = Callable[[str, str], tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as `pulsemon` does; return its exit status and what it said."""

    def run_one(command: str, url: str) -> tuple[int, str]:
        monkeypatch.setenv("DATABASE_URL", url)
        if command == "serve":
            return asyncio.run(_start())
        monkeypatch.setattr(sys, "argv", ["pulsemon", *command.split(), *COMMANDS[command]])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.err.removeprefix("PulseMon: ") if ended.value.code else said.out

    return run_one


async def _start() -> tuple[int, str]:
    """Start the application as a server does, and stop it again if it did."""
    sent: list[Any] = []
    stop = asyncio.Event()

    async def receive() -> dict[str, str]:
        if sent:
            await stop.wait()
        return {"type": "lifespan"}

    async def send(message: Any) -> None:
        sent.append(message)
        stop.set()

    await PulseMon(load())({"type": "lifespan", "state": {}}, receive, send)
    return (1, sent[0]["message"]) if sent[0]["type"] == "lifespan.startup.failed" else (0, "")


def lines_of(run: Run, url: str, *, but: set[str] = frozenset()) -> dict[str, str]:  # type: ignore[assignment]
    """Run every command; return what those said that ended with 1, one line each."""
    found = {}
    for command in COMMANDS:
        status, said = run(command, url)
        if status:
            assert (status, said.strip().count("\n")) == (1, 0), (command, said)
            assert said.strip(), command
            assert "Traceback" not in said
            found[command] = said.strip()
    return found


# --- PostgreSQL


@pytest.fixture
def role(postgres_server: str) -> Iterator[str]:
    """An ordinary role, that owns nothing."""
    name = f"role_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'".encode())
        yield name
        admin.execute(f"DROP ROLE {name}".encode())


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role, password="x").render_as_string(hide_password=False)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement.encode())


def the_role_may(url: str, role: str, *, but: str = "") -> Iterator[str]:
    """Give *role* every right on the tables but what *but* says, and take all back."""
    schema, tables = "ON SCHEMA public", "ON ALL TABLES IN SCHEMA public"
    execute(url, f"GRANT USAGE {schema} TO {role}", f"GRANT ALL {tables} TO {role}")
    execute(url, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}", but)
    yield as_role(url, role)
    execute(url, f"DROP OWNED BY {role}")


def test_away(run: Run) -> None:
    said = lines_of(run, f"postgresql://nobody:geheim@127.0.0.1:{free_port()}/name")

    assert set(said) == set(COMMANDS)
    assert "pg_dump" in said.pop("backup")
    assert all("refused" in line and "geheim" not in line for line in said.values())
    assert len(set(said.values())) == 1


def test_a_role_that_does_not_exist(run: Run, postgres_url: str) -> None:
    said = lines_of(run, as_role(postgres_url, "nobody_at_all"))

    assert {line for command, line in said.items() if command != "backup"} == {said["serve"]}
    assert "nobody_at_all" in said["serve"]


def test_a_role_without_create_on_the_schema(run: Run, empty_postgres_url: str, role: str) -> None:
    execute(empty_postgres_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    said = lines_of(run, as_role(empty_postgres_url, role))

    assert set(said) == set(COMMANDS)
    writing = {line for command, line in said.items() if command not in READ_ONLY}
    assert len(writing) == 1
    assert "permission denied for schema public" in said["serve"]
    assert "CREATE" in said["serve"]


def test_a_search_path_that_leads_nowhere(run: Run, empty_postgres_url: str) -> None:
    url = make_url(empty_postgres_url).update_query_dict({"options": "-c search_path=missing"})

    said = lines_of(run, url.render_as_string(hide_password=False))

    assert set(said) == set(COMMANDS)
    assert "no schema" in said["migrate"]


@pytest.mark.parametrize("table", ["alembic_version", "monitors", "placements", "nodes"])
def test_a_table_that_may_not_be_read(run: Run, postgres_url: str, role: str, table: str) -> None:
    for url in the_role_may(postgres_url, role, but=f"REVOKE ALL ON {table} FROM {role}"):
        said = lines_of(run, url)

    assert f"permission denied for table {table}" in str(said)


def test_only_reading(run: Run, empty_postgres_url: str, postgres_url: str) -> None:
    for url in (empty_postgres_url, postgres_url):
        options = make_url(url).update_query_dict({"options": "-c default_transaction_read_only=on"})
        said = lines_of(run, options.render_as_string(hide_password=False))

        assert {"serve", "monitor create"} <= set(said)
        assert "read-only" in said["serve"]
        assert "read-only" in said["monitor create"]


def test_a_disk_that_is_full(run: Run, postgres_url: str) -> None:
    full = "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'"
    execute(
        postgres_url,
        f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {full}; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON monitors EXECUTE FUNCTION full_disk()",
        "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON nodes EXECUTE FUNCTION full_disk()",
    )

    said = lines_of(run, postgres_url)

    execute(postgres_url, "DROP FUNCTION full_disk CASCADE")
    assert "No space left" in said["monitor create"]
    assert "No space left" in said["serve"]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE cars (id int)", "is not a PulseMon database"),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('ffff')",
            "not a PulseMon",
        ),
        (
            (
                "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999'); "
                "CREATE TABLE monitors (id int)"
            ),
            "newer PulseMon",
        ),
    ],
)
def test_a_database_that_is_not_ours_or_newer(run: Run, empty_postgres_url: str, statement: str, reason: str) -> None:
    execute(empty_postgres_url, statement)

    said = lines_of(run, empty_postgres_url)

    assert set(said) == set(COMMANDS)
    assert all(reason in line for command, line in said.items() if command != "backup")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:99999/x",
        "postgresql://" + "a" * 70 + ".example/x",
        "postgresql://ho..st/x",
        "postgresql://127.0.0.1/x?colour=red",
        "postgresql://127.0.0.1/x?connect_timeout=soon",
        "postgresql://u@/x?host=/nowhere",
    ],
)
def test_a_url_that_leads_nowhere(run: Run, url: str) -> None:
    assert set(lines_of(run, url)) == set(COMMANDS)


# --- SQLite


def garbage(path: Path) -> None:
    path.write_bytes(b"a letter to my aunt " * 500)


def cut_off(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + b"\x10\x00\x01\x01")


def damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE monitors (id, slug, name); CREATE TABLE history (id);")
    content = bytearray(path.read_bytes())
    content[100:2000] = os.urandom(1900)
    path.write_bytes(content)


def a_folder(path: Path) -> None:
    path.mkdir()


def not_ours(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cars (id)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('9999');"
            "CREATE TABLE monitors (id)"
        )


def not_to_be_read(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    garbage(path)
    path.chmod(0)


@pytest.mark.parametrize("trouble", [garbage, cut_off, damaged, a_folder, not_ours, newer, not_to_be_read])
def test_a_file_in_trouble(run: Run, tmp_path: Path, trouble: Callable[[Path], None]) -> None:
    path = tmp_path / "pulsemon.db"
    trouble(path)

    said = lines_of(run, f"sqlite:///{path}")

    assert set(said) >= set(COMMANDS) - {"backup"}


def test_a_folder_that_is_missing(run: Run, tmp_path: Path) -> None:
    assert set(lines_of(run, f"sqlite:///{tmp_path / 'missing' / 'pulsemon.db'}")) == set(COMMANDS)


def test_control_without_trouble_every_command_does_its_work(run: Run, migrated_sqlite_url: str) -> None:
    # There is neither such a monitor nor such a user with a factor, nor an owner with one; and a copy is there already.
    refused = {"monitor delete", "backup", "user reset-factor", "admin-token off", "user disable"}
    assert set(lines_of(run, migrated_sqlite_url)) <= refused
