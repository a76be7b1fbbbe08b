"""`pulsemon monitor`: on the database itself, and through the server that holds it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import httpx2
import pytest

from tests.conftest import Server


def run(server: Server, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of *server*, whether or not it runs."""
    return subprocess.run(
        [sys.executable, "-m", "pulsemon", "monitor", *words],
        env=server.environment | {"LOG_LEVEL": "ERROR"} | environment,
        cwd=server.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_list_is_the_same_with_and_without_a_server(server: Server) -> None:
    httpx2.get(server.create(name="Relatório")["ping_url"])
    through_the_server = run(server, "list", "--json")

    server.stop()
    directly = run(server, "list", "--json")

    assert directly.stdout == through_the_server.stdout
    (listed,) = json.loads(directly.stdout)
    assert (listed["name"], listed["status"], listed["last_ping"][-1]) == ("Relatório", "UP", "Z")


def test_a_name_in_the_list_turns_no_direction_and_ends_no_line(server: Server) -> None:
    server.create(name="a\u202eb\u2028c")

    (line,) = run(server, "list").stdout.split("\n")[:-1]

    assert line.endswith("  a b c")


def test_create_and_delete_work_with_and_without_a_server(server: Server) -> None:
    path = run(server, "create", "Backup Noturno", "--interval", "900").stdout.strip()
    assert httpx2.get(server.url + path).status_code == 200
    assert run(server, "delete", "backup-noturno", "--yes").stdout == "Deleted backup-noturno.\n"
    assert httpx2.get(server.url + path).status_code == 404

    server.stop()
    assert run(server, "create", "Sync", "--interval", "60", "--slug", "sync").stdout.startswith("/h/sync/")
    again = run(server, "create", "Sync", "--interval", "60")
    assert (again.returncode, again.stderr) == (1, "PulseMon: A monitor with this slug exists already.\n")
    assert run(server, "delete", "sync", "--yes").returncode == 0


@pytest.mark.parametrize("host", ["::", "::1", "[::1]"])
def test_a_server_on_an_ipv6_address_is_found(make_server: Callable[..., Server], sqlite_url: str, host: str) -> None:
    server = make_server(sqlite_url, APP_HOST="127.0.0.1")
    # Nobody listens there; what counts is that the address can be read.
    found = run(server, "list", APP_HOST=host)

    where = f"[::1]:{server.url.rpartition(':')[2]} (APP_HOST, APP_PORT)"
    assert found.stderr.startswith(f"PulseMon: The server holds the database and does not answer at {where}: ")
    assert found.returncode == 1


def test_an_admin_token_with_accents_opens_the_server(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url, ADMIN_TOKEN="uma-senha-de-verão-comprida")

    created = run(server, "create", "Verão", "--interval", "60")

    assert (created.returncode, created.stderr) == (0, "")
