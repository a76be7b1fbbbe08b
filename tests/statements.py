"""What a piece of code asks the database: the statements as they go out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


class Statement(str):
    """The text of a statement, with the values that go along."""

    parameters: Any

    def plan(self, connection: Connection) -> str:
        """Return how the database would answer it, in the database's own words; PostgreSQL as if tables were large."""
        if connection.dialect.name == "sqlite":
            return _in_lines(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {self}", self.parameters))
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return _in_lines(connection.exec_driver_sql(f"EXPLAIN {self}", self.parameters))


def _in_lines(rows: Any) -> str:
    return "\n".join(str(row[-1]) for row in rows)


@contextmanager
def recorded_statements() -> Iterator[list[Statement]]:
    """Collect the statements of this thread; the application's own threads run theirs meanwhile."""
    me = threading.get_ident()
    seen: list[Statement] = []

    def note(_connection: Any, _cursor: Any, text: str, parameters: Any, *_rest: Any) -> None:
        if threading.get_ident() == me:
            statement = Statement(text)
            statement.parameters = parameters
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
