"""Monitors that somebody names or looks for, to choose them for a page, an incident or maintenance.

Everything is asked of the database and bounded: nothing here reads all monitors. `project_id`: of which project, None:
of any; what is of another one is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from pulsemon.core.search import Wanted, fits_group, fits_tag, read
from pulsemon.core.texts import N_
from pulsemon.db import Database, placements, search_texts
from pulsemon.db.tables.monitors import Monitor, PlacementRow, SearchText
from pulsemon.db.types import is_storable
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.monitors.facets import Facet, Facets

# Beyond this, how many there are tells nobody more.
MOST_COUNTED = 1_000
# Groups, and tags, that one search names.
MOST_NAMES = 8
# Slugs that are not there and are named; that there are others is told by dots.
_MOST_TOLD = 10
_MAX_TOLD_LENGTH = 100
MESSAGES = {"no-such-monitor": N_("There is no monitor with these slugs: %(slugs)s.")}


def ids_of(connection: Connection, slugs: Sequence[str], *, project_id: int | None = None) -> list[int]:
    """Return the ids of the monitors with these slugs, in their order and each once.

    Raises Invalid with the field `monitors`: one is not there.
    """
    sought = [each for each in slugs if is_storable(each)]
    query = select(Monitor.slug, Monitor.id).where(Monitor.slug.in_(sought), is_of(project_id))
    known = {row.slug: row.id for row in connection.execute(query)}
    unknown = [each for each in dict.fromkeys(slugs) if each not in known]
    if unknown:
        raise not_there(unknown)
    return [known[each] for each in dict.fromkeys(slugs)]


def is_of(project_id: int | None) -> ColumnElement[bool]:
    """Return the condition that a monitor belongs to a project; None: to any."""
    return true() if project_id is None else Monitor.project_id == project_id


def project_of(connection: Connection, named: str | int) -> int | None:
    """Return the id of the project that a monitor belongs to, named by its slug or its id; None: there is none."""
    if isinstance(named, str) and not is_storable(named):
        return None
    return connection.scalar(_PROJECT_BY_SLUG if isinstance(named, str) else _PROJECT_BY_ID, {"named": named})


# Asked with every request that names a monitor: made once.
_PROJECT_BY_SLUG = select(Monitor.project_id).where(Monitor.slug == bindparam("named"))
_PROJECT_BY_ID = select(Monitor.project_id).where(Monitor.id == bindparam("named"))


def not_there(slugs: Sequence[str]) -> Invalid:
    """Return the error that says of *slugs*, which somebody chose, that no monitor has them."""
    told = ", ".join(map(_showable, slugs[:_MOST_TOLD])) + (", …" if len(slugs) > _MOST_TOLD else "")
    message = MESSAGES["no-such-monitor"] % {"slugs": told}
    return Invalid((FieldProblem("monitors", "no-such-monitor", message, (("slugs", told),)),))


def _showable(slug: str) -> str:
    """Return what somebody gave for a slug, cut, and with a mark for each character that leaves none."""
    shown = "".join(each if each.isprintable() else "\ufffd" for each in slug[:_MAX_TOLD_LENGTH])
    return shown if len(slug) <= _MAX_TOLD_LENGTH else f"{shown}…"


@dataclass(frozen=True, slots=True)
class Named:
    """A monitor as it is named where monitors are chosen or put in order."""

    id: int
    slug: str
    name: str
    group: str | None
    is_public: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search finds. `groups` and `tags`: name -> how many monitors; `more`: monitors beyond those that are here.

    `more` is `MOST_COUNTED` where there are that many or more.
    """

    monitors: tuple[Named, ...]
    more: int
    groups: dict[str, int]
    tags: dict[str, int]


def find(database: Database, text: str, facets: Facets, *, limit: int, project_id: int | None = None) -> Found:
    """Return the monitors, groups and tags that *text* asks for, by their names; without a word, the first of all.

    It is read as the search of the list is. A group or a tag of *facets*, those of the project, is found by its own
    name.
    """
    if not is_storable(text):
        return Found((), 0, {}, {})
    wanted = read(text)
    with database.read() as connection:
        rows, more = _search(connection, wanted, project_id, limit=limit)
    return Found(rows, more, _fitting(facets.groups, wanted, fits_group), _fitting(facets.tags, wanted, fits_tag))


def _search(
    connection: Connection, wanted: Wanted, project_id: int | None, *, limit: int
) -> tuple[tuple[Named, ...], int]:
    """Return monitors that fit, and how many there are beyond. Walks ix_search_texts_name_key until it has enough."""
    fits = search_texts.fits(wanted, project_id)
    matching = select_named().join(SearchText, SearchText.monitor_id == Monitor.id).where(fits)
    rows = connection.execute(matching.order_by(SearchText.name_key, SearchText.monitor_id).limit(limit + 1)).all()
    more = 0
    if len(rows) > limit:
        some = select(SearchText.monitor_id).where(fits).limit(limit + MOST_COUNTED).subquery()
        more = (connection.scalar(select(func.count()).select_from(some)) or 0) - limit
    return tuple(Named(*row) for row in rows[:limit]), more


def _fitting(known: Sequence[Facet], wanted: Wanted, is_it: Callable[[Wanted, str], bool]) -> dict[str, int]:
    return dict(islice((each for each in known if is_it(wanted, each[0])), MOST_NAMES))


def as_named(row: Any) -> Named:
    """Return the row of a query of `select_named`."""
    return Named(*row)


def select_named() -> Select[*tuple[Any, ...]]:
    """Return the query whose rows are the fields of `Named`, in their order."""
    columns = (Monitor.id, Monitor.slug, Monitor.name, PlacementRow.group_name, placements.IS_PUBLIC)
    return select(*columns).select_from(Monitor).outerjoin(PlacementRow, placements.OF_MONITOR)


def named(database: Database, slugs: Sequence[str], *, project_id: int | None = None) -> dict[str, Named]:
    """Return slug -> the monitor that has it; one that nobody has is left out."""
    sought = [each for each in slugs if is_storable(each)]
    with database.read() as connection:
        rows = connection.execute(select_named().where(Monitor.slug.in_(sought), is_of(project_id))).all()
    return {row.slug: Named(*row) for row in rows}


def sizes(
    database: Database, groups: Sequence[str], tags: Sequence[str], *, project_id: int | None = None
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many monitors each of these groups, and each of these tags, has now."""
    if not groups and not tags:
        return {}, {}
    placed = _placed(project_id)
    with database.read() as connection:
        value, each = _tags(connection)
        return (
            _sizes(connection, PlacementRow.group_name, placed, groups),
            _sizes(connection, value, placed.join(each, true()), tags),
        )


def slugs_of(
    database: Database, groups: Sequence[str], tags: Sequence[str], *, limit: int, project_id: int | None = None
) -> list[str]:
    """Return the slugs of the monitors that are in one of these groups or have one of these tags; at most *limit*."""
    with database.read() as connection:
        value, each = _tags(connection)
        tagged = PlacementRow.__table__.join(each, true())
        is_tagged = select(PlacementRow.monitor_id).select_from(tagged).where(value.in_(_storable(tags)))
        is_member = PlacementRow.group_name.in_(_storable(groups))
        query = (
            select(Monitor.slug)
            .join(PlacementRow, placements.OF_MONITOR)
            .where(or_(is_member, Monitor.id.in_(is_tagged)), is_of(project_id))
            .order_by(placements.POSITION, Monitor.id)
        )
        return list(connection.scalars(query.limit(limit)))


def _storable(texts: Sequence[str]) -> list[str]:
    return [each for each in texts if is_storable(each)]


def _placed(project_id: int | None) -> FromClause:
    """Return the placements, of a project those of its monitors."""
    placed = PlacementRow.__table__
    if project_id is None:
        return placed
    return placed.join(Monitor.__table__, and_(placements.OF_MONITOR, is_of(project_id)))


def _tags(connection: Connection) -> tuple[ColumnElement[str], FromClause]:
    """Return a column with one tag a row, and what the placements are joined with for it."""
    packed = type_coerce(PlacementRow.tags, Text)
    if connection.dialect.name == "sqlite":
        each = func.json_each(packed).table_valued("value", name="tag")
    else:
        each = func.json_array_elements_text(cast(packed, JSON)).table_valued("value", name="tag")
    return type_coerce(each.c.value, Text), each


def _sizes(
    connection: Connection, name: SQLColumnExpression[Any], of: FromClause, wanted: Sequence[str]
) -> dict[str, int]:
    query = select(name, func.count()).select_from(of).where(name.in_(_storable(wanted))).group_by(name)
    known = {row[0]: row[1] for row in connection.execute(query)}
    return {each: known.get(each, 0) for each in wanted}
