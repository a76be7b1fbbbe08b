"""What the tests of the use cases share: making monitors and pings, and reading the tables back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.base import Base
from pulsemon.db.tables.deadlines import BlindWindowRow, UnseenSpan
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.messages import Attempt, Delivery, NoticeRow
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.pings import Answer, Batch
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.manage import NewMonitor
from pulsemon.monitors.views import View
from tests.conftest import at

START = at("10:00")
HOOK = "http://127.0.0.1:9/hook"


def make(database: Database, slug: str = "job", *, now: datetime = START, **fields: Any) -> View:
    """Create a monitor: pings every four minutes, a minute of grace, unless *fields* say otherwise."""
    values: dict[str, Any] = {"name": slug.title(), "interval_seconds": 240, "grace_seconds": 60} | fields
    return monitors.create(database, NewMonitor(slug=slug, **values), now=now)


def a_ping(monitor: View, received_at: datetime, signal: Signal = Signal.SUCCESS, **fields: Any) -> pings.Ping:
    return pings.Ping(**{"slug": monitor.slug, "token": monitor.token} | fields, signal=signal, received_at=received_at)


def record(database: Database, *batch: pings.Ping) -> list[Answer]:
    return pings.record_pings(database, batch).answers


def record_batch(database: Database, *batch: pings.Ping) -> Batch:
    return pings.record_pings(database, batch)


def make_up(database: Database, slug: str = "job", *, last_ping: datetime = START, **fields: Any) -> View:
    """Create a monitor that is UP since *last_ping*."""
    monitor = make(database, slug, now=last_ping, **fields)
    assert record(database, a_ping(monitor, last_ping)) == [Answer.STORED]
    return again(database, monitor)


def make_down(database: Database, slug: str = "job", *, last_ping: datetime = START, **fields: Any) -> View:
    """Create a monitor that reported a failure at *last_ping*."""
    monitor = make(database, slug, now=last_ping, **fields)
    assert record(database, a_ping(monitor, last_ping, Signal.FAIL)) == [Answer.STORED]
    return again(database, monitor)


def again(database: Database, monitor: View) -> View:
    """Return the monitor as it is now."""
    return monitors.get(database, monitors.by_id(monitor.id))


def rows(database: Database, table: type[Base], *where: Any) -> Sequence[Any]:
    """Return the rows of *table*, oldest first."""
    key = table.__table__.primary_key.columns.values()[0]
    with database.read() as connection:
        return connection.execute(select(table.__table__).where(*where).order_by(key)).all()


def history(database: Database, monitor: View) -> list[tuple[int, str, str]]:
    """Return (seq, previous, new) of a monitor's transitions."""
    return [(row.seq, row.prev_status, row.new_status) for row in _history_rows(database, monitor)]


def _history_rows(database: Database, monitor: View) -> Sequence[Any]:
    return sorted(rows(database, History, History.monitor_id == monitor.id), key=lambda row: row.seq)


def transitions(database: Database, monitor: View) -> Sequence[Any]:
    """Return the rows of a monitor's history in the order of their numbers."""
    return _history_rows(database, monitor)


def stored(database: Database, monitor: View) -> Sequence[Any]:
    """Return the rows of a monitor's pings."""
    return rows(database, Ping, Ping.monitor_id == monitor.id)


def deliveries(database: Database) -> Sequence[Any]:
    return rows(database, Delivery)


def next_attempt_at(database: Database) -> datetime | None:
    """Return when the next message is due, or until when it is leased; None: none is owed."""
    return min((row.next_attempt_at for row in deliveries(database) if row.state == "pending"), default=None)


def said(database: Database) -> list[tuple[int | None, str]]:
    """Return (subscriber's id, payload) of every message owed, oldest first, whether its own or a notice's."""
    payload = func.coalesce(NoticeRow.payload, Delivery.payload)
    query = select(Delivery.subscriber_id, payload).outerjoin(NoticeRow, NoticeRow.id == Delivery.notice_id)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query.order_by(Delivery.id))]


def attempts(database: Database) -> Sequence[Any]:
    return rows(database, Attempt)


def blind_windows(database: Database) -> list[tuple[datetime, datetime, str]]:
    return [(row.started_at, row.ended_at, row.cause) for row in rows(database, BlindWindowRow)]


def unseen_spans(database: Database, monitor: View) -> list[tuple[datetime, datetime]]:
    found = rows(database, UnseenSpan, UnseenSpan.monitor_id == monitor.id)
    return [(row.started_at, row.ended_at) for row in found]


def with_a_past(database_url: str, *, now: datetime, slug: str = "backup-noturno", **fields: Any) -> View:
    """Create a monitor that pinged every quarter of an hour, up to ten seconds late, during the day before *now*."""
    database = Database.open(database_url)
    try:
        database.migrate()
        begun = now - timedelta(days=1)
        values: dict[str, Any] = {"name": "Backup Noturno", "interval_seconds": 900, "grace_seconds": 0} | fields
        monitor = make(database, slug, now=begun, **values)
        record(database, *(a_ping(monitor, begun + seconds(900 * n + n * 5 % 11)) for n in range(96)))
        return monitor
    finally:
        database.close()


def set_by_hand(database: Database, monitor: View, **values: Any) -> None:
    """Change a monitor's row behind PulseMon's back; a deadline is looked at when it comes."""
    if "due_at" in values:
        values.setdefault("check_at", values["due_at"])
    with database.write() as connection:
        connection.execute(update(Monitor).where(Monitor.id == monitor.id).values(values))


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)
