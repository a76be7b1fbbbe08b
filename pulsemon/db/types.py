"""What columns hold: instants that are always aware and in UTC, and texts that a database can keep."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, String, false, literal
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeDecorator, TypeEngine

from pulsemon.db.functions import sql_function


def to_text(instant: datetime) -> str:
    """Return *instant* (aware, UTC) as SQLite keeps it: `2025-09-18 16:42:10.000000`.

    The form has one length, so that text sorts like time; it is the one that the first PulseMon wrote.
    """
    # isoformat() takes half as long again, an f-string nearly twice as long, and every ping pays for it.
    return "%04d-%02d-%02d %02d:%02d:%02d.%06d" % (  # noqa: UP031
        instant.year,
        instant.month,
        instant.day,
        instant.hour,
        instant.minute,
        instant.second,
        instant.microsecond,
    )


def from_text(text: str) -> datetime:
    """Return the aware instant that `to_text` wrote."""
    return datetime.fromisoformat(text + "+00:00")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Refuses naive values on the way in, gives aware UTC on the way out, on both databases.

    SQLite has no such type, and a naive value that comes back from it once made every comparison of the first PulseMon
    fail; here it is text of one fixed form.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use text on SQLite, `timestamptz` on PostgreSQL."""
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse what has no zone; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return to_text(utc) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back an aware instant in UTC."""
        if value is None:
            return None
        return from_text(value) if isinstance(value, str) else value.astimezone(UTC)


def is_storable(text: str) -> bool:
    """Return whether a database can hold *text*: PostgreSQL keeps no NUL, and nothing encodes half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def is_exactly(column: InstrumentedAttribute[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that *column* holds this text, compared exactly. What nothing can hold matches nothing."""
    return column == text if is_storable(text) else false()


# Whether a number is one of a JSON array, however many those are: one parameter, and one form of SQL.
_among = sql_function(
    "among",
    sqlite="{0} IN (SELECT value FROM json_each({1}))",
    postgresql="{0} = ANY (SELECT json_array_elements_text({1}::json)::int)",
)


def is_among(column: InstrumentedAttribute[Any], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that *column* holds one of *numbers*; for as many as there may be."""
    return _among(column, literal(json.dumps(list(numbers))))
