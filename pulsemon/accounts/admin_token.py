"""Whether ADMIN_TOKEN opens anything: an owner with a second factor may switch it off, the machine brings it back.

Where nobody could come in without it any more, it counts as on, whatever was set.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from pulsemon.accounts import factors
from pulsemon.db import Database, audit
from pulsemon.db.tables.base import Meta
from pulsemon.db.upsert import upsert
from pulsemon.errors import Conflict

_KEY, _OFF = "admin-token", "off"
_NAME = "admin token"


def is_on(database: Database) -> bool:
    """Return whether it opens what an owner may open."""
    with database.read() as connection:
        return not _is_off(connection) or not factors.is_with_an_owner(connection)


def can_be_off(database: Database) -> bool:
    """Return whether somebody could come in without it: an owner with a second factor."""
    with database.read() as connection:
        return factors.is_with_an_owner(connection)


def switch(database: Database, *, on: bool) -> None:
    """Switch it on or off. Raises Conflict: no owner has a second factor, so off would lock everybody out."""
    with database.write() as connection:
        if not on and not factors.is_with_an_owner(connection):
            raise Conflict("admin-token-needed")
        was_off = _is_off(connection)
        if on:
            connection.execute(delete(Meta).where(Meta.key == _KEY))
        else:
            upsert(connection, Meta, "key", {"key": _KEY, "value": _OFF})
        if was_off is on:
            audit.note(connection, "admin-token.on" if on else "admin-token.off", _NAME, project_id=None)


def _is_off(connection: Connection) -> bool:
    return connection.scalar(select(Meta.value).where(Meta.key == _KEY)) == _OFF
