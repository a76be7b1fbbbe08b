"""PgBouncer between PulseMon and a test's database."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.conftest import require, wait_until
from tests.ports import free_port


@contextmanager
def pgbouncer(url: str, folder: Path, *, pool_mode: str, **settings: str) -> Iterator[str]:
    """Start PgBouncer in front of the database of *url* (on a Unix socket); give the URL that leads through it."""
    program = require("pgbouncer")
    target, port = make_url(url), free_port()
    where = Path(str(target.query["host"]))
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": pool_mode,
        "default_pool_size": "3",
    } | settings
    if os.geteuid() == 0:  # it refuses to run as root; whoever runs the database may reach its socket
        lines["user"] = pwd.getpwuid(where.stat().st_uid).pw_name
    path = folder / "pgbouncer.ini"
    database = f"{target.database} = host={where} port={target.port or 5432} user=postgres"
    path.write_text(
        "\n".join(["[databases]", database, "[pgbouncer]", *(f"{name} = {value}" for name, value in lines.items())])
    )
    path.chmod(0o644)
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, str(path)], stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        yield f"postgresql://postgres@127.0.0.1:{port}/{target.database}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
