"""Corrections: time that somebody takes out of a monitor's availability, with a reason, and puts back again.

The history is never edited, nor is a correction: to take one back is another row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.orm import aliased

from pulsemon.db import Database, audit
from pulsemon.db.tables.availability import Correction
from pulsemon.db.tables.monitors import Monitor
from pulsemon.errors import NO_MONITOR, Conflict, NotFound

MAX_REASON_LENGTH = 500
NO_CORRECTION = "This monitor has no such correction."
# A row each; nobody corrects by hand more often than that, and each is read with every page.
MAX_CORRECTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Corrected:
    """A span [`started_at`, `ended_at`) left out of a monitor's availability.

    `withdrawn_at` says since when it counts again, None while it is left out.
    """

    id: int
    started_at: datetime
    ended_at: datetime
    reason: str
    created_at: datetime
    withdrawn_at: datetime | None


def exclude(
    database: Database, monitor_id: int, *, started_at: datetime, ended_at: datetime, reason: str, now: datetime
) -> Corrected:
    """Leave [*started_at*, *ended_at*) out of a monitor's availability. The span is not empty and not in the future.

    Raises:
        NotFound: there is no such monitor.
        Conflict: it has `MAX_CORRECTIONS` already.
    """
    with database.write() as connection:
        held = _hold(connection, monitor_id)
        count = select(func.count()).where(Correction.monitor_id == monitor_id, Correction.withdraws.is_(None))
        if connection.scalars(count).one() >= MAX_CORRECTIONS:
            raise Conflict("too-many-corrections")
        row = {"started_at": started_at, "ended_at": ended_at, "reason": reason, "created_at": now}
        made = connection.execute(insert(Correction).values(monitor_id=monitor_id, **row).returning(Correction.id))
        correction_id = made.scalar_one()
        span = {"started_at": started_at, "ended_at": ended_at, "reason": reason}
        audit.note(connection, "correction.add", held.slug, project_id=held.project_id, after=span)
    return Corrected(correction_id, started_at, ended_at, reason, now, None)


def withdraw(database: Database, monitor_id: int, correction_id: int, *, now: datetime) -> Corrected:
    """Count the span of a correction again. To take back what was taken back changes nothing.

    Raises:
        NotFound: there is no such monitor, or it has no such correction.
    """
    with database.write() as connection:
        held = _hold(connection, monitor_id)
        found = _find(connection, monitor_id, correction_id)
        if found is None:
            raise NotFound(NO_CORRECTION)
        if found.withdrawn_at is not None:
            connection.rollback()
            return found
        row = {"started_at": found.started_at, "ended_at": found.ended_at, "reason": "", "created_at": now}
        connection.execute(insert(Correction).values(monitor_id=monitor_id, withdraws=found.id, **row))
        span = {"started_at": found.started_at, "ended_at": found.ended_at, "reason": found.reason}
        audit.note(connection, "correction.withdraw", held.slug, project_id=held.project_id, before=span)
    return Corrected(found.id, found.started_at, found.ended_at, found.reason, found.created_at, now)


def _hold(connection: Connection, monitor_id: int) -> Row[str, int]:
    """Corrections of one monitor are written one after the other: their ids must ascend in the order of the commits."""
    query = select(Monitor.slug, Monitor.project_id).where(Monitor.id == monitor_id).with_for_update(key_share=True)
    held = connection.execute(query).first()
    if held is None:
        raise NotFound(NO_MONITOR)
    return held


_taken_back = aliased(Correction)
_SELECT = select(
    Correction.id,
    Correction.started_at,
    Correction.ended_at,
    Correction.reason,
    Correction.created_at,
    _taken_back.created_at.label("withdrawn_at"),
).outerjoin(_taken_back, _taken_back.withdraws == Correction.id)


def _find(connection: Connection, monitor_id: int, correction_id: int) -> Corrected | None:
    own = (Correction.id == correction_id, Correction.monitor_id == monitor_id, Correction.withdraws.is_(None))
    row = connection.execute(_SELECT.where(*own)).first()
    return None if row is None else _corrected(row)


def read_all(database: Database, monitor_id: int) -> list[Corrected]:
    """Return every correction of a monitor, withdrawn ones included, the latest span first."""
    with database.read() as connection:
        return read_corrections(connection, monitor_id)


def read_corrections(
    connection: Connection, monitor_id: int, *, start: datetime | None = None, end: datetime | None = None
) -> list[Corrected]:
    """Return a monitor's corrections that touch [*start*, *end*), withdrawn ones included, the latest span first."""
    query = _SELECT.where(Correction.monitor_id == monitor_id, Correction.withdraws.is_(None))
    if start is not None:
        query = query.where(Correction.ended_at > start)
    if end is not None:
        query = query.where(Correction.started_at < end)
    return [_corrected(row) for row in connection.execute(query.order_by(Correction.started_at.desc(), Correction.id))]


def _corrected(row: Row[int, datetime, datetime, str, datetime, datetime]) -> Corrected:
    return Corrected(row.id, row.started_at, row.ended_at, row.reason, row.created_at, row.withdrawn_at)
