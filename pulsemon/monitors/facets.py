"""By which groups, environments and tags the monitors can be told apart, and how many have each. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core.search import fold
from pulsemon.db.tables.monitors import PlacementRow

# More of a kind than this nobody chooses from: those of the most monitors are there, and a search finds the others.
MAX_OF_A_KIND = 200
Facet = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Facets:
    """Each with the number of its monitors, in the order of their names."""

    groups: Sequence[Facet] = ()
    environments: Sequence[Facet] = ()
    tags: Sequence[Facet] = ()


def read(connection: Connection) -> Facets:
    """Read them, in three queries that count inside the database."""
    tags: Counter[str] = Counter()
    for packed, count in _counted(connection, PlacementRow.tags):
        tags.update(dict.fromkeys(packed, count))
    return Facets(
        groups=_greatest(Counter(dict(_counted(connection, PlacementRow.group_name)))),
        environments=_greatest(Counter(dict(_counted(connection, PlacementRow.environment)))),
        tags=_greatest(tags),
    )


def _counted(connection: Connection, column: InstrumentedAttribute[Any]) -> list[tuple[Any, int]]:
    rows = connection.execute(select(column, func.count()).where(column.is_not(None)).group_by(column))
    return [(row[0], row[1]) for row in rows]


def _greatest(found: Counter[str]) -> list[Facet]:
    return sorted(found.most_common(MAX_OF_A_KIND), key=lambda each: (fold(each[0]), each[0]))
