"""Insert or update in one statement: two processes that do the same at once both succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pulsemon.db.tables.base import Base


def upsert(connection: Connection, table: type[Base], key: str, row: Mapping[str, Any]) -> None:
    """Insert *row*, or write its columns into the row that has its *key* already."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    changes = {name: value for name, value in row.items() if name != key}
    connection.execute(make(table).values(dict(row)).on_conflict_do_update(index_elements=[key], set_=changes))


def insert_missing(connection: Connection, table: type[Base], key: str, row: Mapping[str, Any]) -> None:
    """Insert *row*, unless one has its *key* already."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).values(dict(row)).on_conflict_do_nothing(index_elements=[key]))


def upsert_all(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert *rows*, all with the same columns, or write them into the rows that have their primary keys already."""
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.__table__.primary_key]
    statement = make(table)
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if changes:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changes)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, [dict(row) for row in rows])
