"""By which groups, environments and tags a project's monitors can be told apart, and how many have each. Reads only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core.search import fold
from pulsemon.db import placements
from pulsemon.db.tables.monitors import Monitor, PlacementRow

# More of a kind than this nobody chooses from: those of the most monitors are there, and a search finds the others.
MAX_OF_A_KIND = 200
Facet = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Facets:
    """Each with the number of its monitors, in the order of their names.

    `as_filters`: by what a list is filtered by (`group`, `environment`, `tag`). A filter ignores case and accents as a
    search does, so spellings that it does not tell apart are one there, called what most of its monitors call it.
    """

    groups: Sequence[Facet] = ()
    environments: Sequence[Facet] = ()
    tags: Sequence[Facet] = ()
    as_filters: Mapping[str, Sequence[Facet]] = field(default_factory=dict)


def read(connection: Connection, project_id: int | None) -> Facets:
    """Read them, in three queries that count inside the database; None: of all projects."""
    groups = [([name], count) for name, count in _counted(connection, PlacementRow.group_name, project_id)]
    environments = [([name], count) for name, count in _counted(connection, PlacementRow.environment, project_id)]
    tags = _counted(connection, PlacementRow.tags, project_id)
    return Facets(
        groups=_greatest(_exact(groups)),
        environments=_greatest(_exact(environments)),
        tags=_greatest(_exact(tags)),
        as_filters={
            "group": _greatest(_folded(groups)),
            "environment": _greatest(_folded(environments)),
            "tag": _greatest(_folded(tags)),
        },
    )


def _exact(rows: Iterable[tuple[Sequence[str], int]]) -> Counter[str]:
    """Return how many monitors have each name; *rows*: the names of some monitors, and how many those are."""
    found: Counter[str] = Counter()
    for names, count in rows:
        found.update(dict.fromkeys(names, count))
    return found


def _folded(rows: Iterable[tuple[Sequence[str], int]]) -> Counter[str]:
    """Return how many monitors have each name or another spelling of it, under the one that most of them have."""
    sizes: Counter[str] = Counter()
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for names, count in rows:
        spelt = {name: fold(name) for name in names}
        sizes.update(dict.fromkeys(spelt.values(), count))
        for name, folded in spelt.items():
            spellings[folded][name] += count
    return Counter({_most_used(spellings[folded]): size for folded, size in sizes.items()})


def _most_used(spellings: Counter[str]) -> str:
    return max(spellings, key=lambda name: (spellings[name], name))


def _counted(
    connection: Connection, column: InstrumentedAttribute[Any], project_id: int | None
) -> list[tuple[Any, int]]:
    query = select(column, func.count()).where(column.is_not(None)).group_by(column)
    if project_id is not None:
        query = query.join(Monitor, placements.OF_MONITOR).where(Monitor.project_id == project_id)
    return [(row[0], row[1]) for row in connection.execute(query)]


def _greatest(found: Counter[str]) -> list[Facet]:
    return sorted(found.most_common(MAX_OF_A_KIND), key=lambda each: (fold(each[0]), each[0]))
