"""Monitors that somebody names by their slugs, for a page, an incident or maintenance."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from pulsemon.core.texts import N_
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import is_storable
from pulsemon.errors import FieldProblem, Invalid

_NO_SUCH_MONITOR = N_("There is no monitor with one of these slugs.")


def ids_of(connection: Connection, slugs: Sequence[str]) -> list[int]:
    """Return the ids of the monitors with these slugs, in their order and each once.

    Raises Invalid with the field `monitors`: one is not there.
    """
    sought = [each for each in slugs if is_storable(each)]
    query = select(Monitor.slug, Monitor.id).where(Monitor.slug.in_(sought))
    known = {row.slug: row.id for row in connection.execute(query)}
    if any(each not in known for each in slugs):
        raise not_there()
    return [known[each] for each in dict.fromkeys(slugs)]


def not_there() -> Invalid:
    """Return the error that says that one of the chosen monitors does not exist."""
    return Invalid((FieldProblem("monitors", "no-such-monitor", _NO_SUCH_MONITOR),))
