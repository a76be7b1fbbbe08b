"""All monitors, or those of a project, in numbers: how many are shown in each state, and some columns of each of them.

Made for a hundred thousand: the database judges what SQL can say, what is left is read, and nothing holds all of them
at once. Every part is a snapshot of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, null, or_, select

from pulsemon.core.shown import Shown
from pulsemon.core.status import Status
from pulsemon.db import Database, windows
from pulsemon.db.instants import fraction, whole_seconds
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import UtcDateTime
from pulsemon.monitors import lookup
from pulsemon.monitors.views import find_all

# What one query reads: about a millisecond in which no other thread runs.
PART = 250
_OWED_FROM = case((Monitor.schedule_since > Monitor.last_ping, Monitor.schedule_since), else_=Monitor.last_ping)
_expected_sec = whole_seconds(_OWED_FROM) + Monitor.interval_seconds


def counts(database: Database, *, now: datetime, project_id: int | None = None) -> dict[Shown, int]:
    """Return how many monitors are shown in each state, all states included."""
    found: Counter[Shown] = Counter()
    with database.read() as connection:
        state = _shown(connection, now)
        for value, count in connection.execute(
            select(state, func.count()).where(lookup.is_of(project_id)).group_by(state)
        ):
            if value is not None:
                found[Shown(value)] += count
    for part in _parts(database, project_id, where=state.is_(None)):
        with database.read() as connection:
            found.update(_judged(connection, [row.id for row in part], now).values())
    return {each: found[each] for each in Shown}


def states(
    database: Database, *, now: datetime, project_id: int | None = None
) -> Iterator[list[tuple[str, str, Shown]]]:
    """Yield (name, slug, what is shown) of every monitor, in the order of their creation, part by part."""
    with database.read() as connection:
        state = _shown(connection, now)
    for part in _parts(database, project_id, Monitor.name, Monitor.slug, state.label("state")):
        unjudged = [row.id for row in part if row.state is None]
        judged = {}
        if unjudged:
            with database.read() as connection:
                judged = _judged(connection, unjudged, now)
        yield [
            (row.name, row.slug, Shown(row.state) if row.state is not None else judged[row.id])
            for row in part
            if row.state is not None or row.id in judged  # else it was deleted meanwhile
        ]


def values(database: Database, column: str, *, project_id: int | None = None) -> Iterator[list[tuple[str, str, Any]]]:
    """Yield (name, slug, value of that column of `monitors`) of those where it is not null, part by part."""
    wanted = getattr(Monitor, column)
    for part in _parts(database, project_id, Monitor.name, Monitor.slug, wanted, where=wanted.is_not(None)):
        yield [(row[1], row[2], row[3]) for row in part]


def _parts(
    database: Database, project_id: int | None, *columns: Any, where: ColumnElement[bool] | None = None
) -> Iterator[list[Any]]:
    """Yield rows of the id and *columns*, in the order of their creation, a part in each snapshot."""
    query = select(Monitor.id, *columns).where(lookup.is_of(project_id)).order_by(Monitor.id).limit(PART)
    if where is not None:
        query = query.where(where)
    last_id = 0
    while True:
        with database.read() as connection:
            part = list(connection.execute(query.where(Monitor.id > last_id)))
        if part:
            yield part
        if len(part) < PART:
            return
        last_id = part[-1].id


def _judged(connection: Connection, ids: list[int], now: datetime) -> dict[int, Shown]:
    return {view.id: view.shown(now=now) for view in find_all(connection, Monitor.id.in_(ids))}


def _shown(connection: Connection, now: datetime) -> ColumnElement[str | None]:
    """Return what `core.shown` says at *now*, in SQL; NULL where it cannot be said there.

    That is under windows of maintenance of its own, and by a schedule.
    """
    projects, _ = windows.running(connection, now)
    is_paused = Monitor.status == Status.PAUSED.value
    is_blind = and_(Monitor.blind_due_at.is_not(None), Monitor.blind_due_at < now)
    return case(
        (is_paused, Shown.PAUSED.value),
        (Monitor.project_id.in_(sorted(projects)), Shown.MAINTENANCE.value),
        (Monitor.id.in_(windows.concerned()), null()),
        (Monitor.status == Status.DOWN.value, Shown.DOWN.value),
        (Monitor.status == Status.UNKNOWN.value, Shown.WAITING.value),
        (is_blind, Shown.BLIND.value),
        (and_(Monitor.schedule.is_not(None), Monitor.last_ping.is_not(None)), null()),
        (_is_late(now), Shown.LATE.value),
        else_=Shown.UP.value,
    )


def _is_late(now: datetime) -> ColumnElement[bool]:
    seconds = int(now.timestamp())
    return or_(
        _expected_sec < seconds,
        and_(_expected_sec == seconds, fraction(_OWED_FROM) < fraction(literal(now, UtcDateTime()))),
    )
