"""The version of all that was edited and of all that happened, by which open panels, on every node, notice a change."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, func, select

from pulsemon.db.tables.base import Meta
from pulsemon.db.tables.monitors import History
from pulsemon.db.upsert import upsert

_KEY = "edits"


def renew_version(connection: Connection) -> None:
    """Change the version, in the transaction of the edit."""
    upsert(connection, Meta, "key", {"key": _KEY, "value": secrets.token_hex(8)})


def read_version(connection: Connection) -> tuple[int, str]:
    """Return a value that is another one after every transition and every edit, on whatever node."""
    newest = connection.scalar(select(func.max(History.id))) or 0
    return newest, read_edits(connection)


def read_edits(connection: Connection) -> str:
    """Return a value that is another one after every edit, on whatever node; empty before the first one."""
    return connection.scalar(select(Meta.value).where(Meta.key == _KEY)) or ""
