"""How commands reach the database: themselves, or through the API of the server that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from pulsemon import log
from pulsemon.core.hosts import Host
from pulsemon.db import Database
from pulsemon.errors import StartRefused
from pulsemon.operations.timekeeping import Timekeeping
from pulsemon.settings import Settings

_API_TIMEOUT_SEC = 10.0


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the database, brought up to date. Raises InUse: a server holds it (SQLite)."""
    url = settings.database_url.get_secret_value()
    log.configure(level=settings.log_level.value, form=settings.log_format.value)
    database = Database.open(url, allow_unsafe=settings.allow_unsafe_database, lock_patience_sec=0.0)
    try:
        database.migrate()
        with by_the_clock_of(database):
            yield database
    finally:
        database.close()


@contextmanager
def by_the_clock_of(database: Database) -> Iterator[None]:
    """Have times be those of the database's clock."""
    timekeeping = Timekeeping(database)
    timekeeping.look()
    try:
        yield
    finally:
        timekeeping.close()


def call_server(
    settings: Settings, method: str, path: str, body: Any, headers: Mapping[bytes, bytes]
) -> httpx2.Response:
    """Ask the server of this machine. Raises StartRefused: it does not answer, or refuses."""
    bare = settings.app_host.strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)  # noqa: S104 - recognised, not bound
    if ":" in host:
        host = f"[{host}]"
    sent = dict(headers)
    if settings.panel_host:  # the API answers under that name alone
        sent[b"Host"] = Host(settings.panel_host[0], None).in_url.encode()
    try:
        with httpx2.Client(trust_env=False, timeout=_API_TIMEOUT_SEC) as client:
            answer = client.request(method, f"http://{host}:{settings.app_port}{path}", headers=sent, json=body)
    except httpx2.TransportError as failed:
        where = f"{host}:{settings.app_port} (APP_HOST, APP_PORT)"
        raise StartRefused(f"The server holds the database and does not answer at {where}: {failed}") from None
    if answer.is_error:
        raise StartRefused(f"The server answered {answer.status_code}: {_detail(answer)}")
    return answer


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
