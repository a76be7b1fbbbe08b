"""The transitions of one monitor, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from pulsemon.core import keyset
from pulsemon.db import Database
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.errors import NO_MONITOR, NotFound


@dataclass(frozen=True, slots=True)
class Entry:
    """One transition. `occurred_at` is when it happened, `created_at` when it was recorded.

    `seq` counts the monitor's transitions from 1. `cause` is None where the first PulseMon recorded it.
    """

    prev_status: str
    new_status: str
    note: str | None
    created_at: datetime
    occurred_at: datetime
    cause: str | None
    seq: int


_COLUMNS = (
    History.prev_status,
    History.new_status,
    History.note,
    History.created_at,
    History.occurred_at,
    History.cause,
    History.seq,
)


def history(
    database: Database, which: ColumnElement[bool], *, limit: int, before: int | None = None
) -> tuple[list[Entry], int | None]:
    """Return at most *limit* transitions of a monitor, and below which `seq` the next part begins.

    Raises:
        NotFound: there is no such monitor.
    """
    with database.read() as connection:
        monitor_id = connection.scalar(select(Monitor.id).where(which))
        if monitor_id is None:
            raise NotFound(NO_MONITOR)
        query = select(*_COLUMNS).where(History.monitor_id == monitor_id).order_by(History.seq.desc())
        if before is not None:
            query = query.where(History.seq < before)
        entries = [Entry(**row._mapping) for row in connection.execute(query.limit(keyset.one_more(limit)))]
    return keyset.cut(entries, limit, lambda each: each.seq)
