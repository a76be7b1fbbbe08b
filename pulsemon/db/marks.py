"""The version of all that was edited, by which open panels, on every node, notice an edit."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from pulsemon.db.tables.base import Meta
from pulsemon.db.upsert import upsert


def mark_changed(connection: Connection) -> None:
    """Change the version, in the transaction of the edit."""
    upsert(connection, Meta, "key", {"key": "edits", "value": secrets.token_hex(8)})
