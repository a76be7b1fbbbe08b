"""What monitors are found by, kept beside them and asked in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, true

from pulsemon.core.search import Wanted, name_key, text_of
from pulsemon.db import placements
from pulsemon.db.functions import sql_function
from pulsemon.db.tables.monitors import Monitor, PlacementRow, SearchText
from pulsemon.db.upsert import upsert_all

# As many as one statement may name.
CHUNK = 500


# Whether a text contains another one: three times as fast as LIKE, and nothing in it has to be escaped.
_holds = sql_function("holds", sqlite="instr({0}, {1}) > 0", postgresql="strpos({0}, {1}) > 0")


def fits(wanted: Wanted, project_id: int | None) -> ColumnElement[bool]:
    """Return the condition that a row of `search_texts` fits *wanted*, and is of a project; None: of any."""
    is_of = true() if project_id is None else SearchText.project_id == project_id
    return and_(is_of, *(_holds(SearchText.words, literal(each)) for each in wanted.parts))


def renew(connection: Connection, monitor_ids: Iterable[int]) -> None:
    """Write anew what these monitors are found by, in the transaction that named or placed them."""
    ids = list(monitor_ids)
    for first in range(0, len(ids), CHUNK):
        _renew(connection, ids[first : first + CHUNK])


def _renew(connection: Connection, monitor_ids: Sequence[int]) -> None:
    query = (
        select(Monitor.id, Monitor.project_id, Monitor.name, Monitor.slug, *placements.COLUMNS)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
        .where(Monitor.id.in_(monitor_ids))
    )
    rows = [
        {
            "monitor_id": row.id,
            "project_id": row.project_id,
            "name_key": name_key(row.name),
            "words": text_of(row.name, row.slug, placements.placement(row)),
        }
        for row in connection.execute(query)
    ]
    upsert_all(connection, SearchText, rows)


def are_missing(connection: Connection) -> bool:
    """Return whether a monitor has no text, because somebody wrote its row by hand: two counts."""
    monitors, texts = (select(func.count()).select_from(each).scalar_subquery() for each in (Monitor, SearchText))
    return bool(connection.scalar(select(monitors != texts)))


def renew_missing(connection: Connection) -> int:
    """Make the texts of at most `CHUNK` monitors that have none; return how many."""
    query = select(Monitor.id).outerjoin(SearchText, SearchText.monitor_id == Monitor.id)
    ids = list(connection.scalars(query.where(SearchText.monitor_id.is_(None)).limit(CHUNK)))
    renew(connection, ids)
    return len(ids)
