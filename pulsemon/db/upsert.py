"""Insert or update in one statement: two processes that do the same at once both succeed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pulsemon.db.tables import Base


def upsert(connection: Connection, table: type[Base], key: str, row: Mapping[str, Any]) -> None:
    """Insert *row*, or write its columns into the row that has its *key* already."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    changes = {name: value for name, value in row.items() if name != key}
    connection.execute(make(table).values(dict(row)).on_conflict_do_update(index_elements=[key], set_=changes))
