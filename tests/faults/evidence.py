"""What a database and a receiver hold, as the checker reads it. Works while servers run, and on a dead one's file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, create_engine, event, select
from sqlalchemy.engine import make_url

from pulsemon.db.tables.deadlines import BlindWindowRow, UnseenSpan
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import History, Monitor
from tests.channels.sink import Received
from tests.faults.checker import (
    Arrival,
    Evidence,
    Operation,
    OwedMessage,
    StoredMonitor,
    StoredPing,
    StoredTransition,
)


def read(url: str, *, operations: Sequence[Operation] = (), arrivals: Iterable[Arrival] = ()) -> Evidence:
    """Return everything the database of *url* holds, in one snapshot, beside what clients and receivers saw."""
    engine = _engine(url)
    try:
        with engine.connect() as connection, connection.begin():

            def rows(query: Executable) -> Sequence[Row[Any]]:
                return connection.execute(query).all()

            monitors = rows(select(Monitor.__table__))
            slugs = {row.id: row.slug for row in monitors}
            return Evidence(
                operations=list(operations),
                monitors=[_monitor(row) for row in monitors],
                pings=[_ping(row, slugs) for row in rows(_PINGS) if row.monitor_id in slugs],
                transitions=[_transition(row, slugs) for row in rows(_HISTORY) if row.monitor_id in slugs],
                messages=[_message(row, slugs) for row in rows(_DELIVERIES)],
                arrivals=list(arrivals),
            )
    finally:
        engine.dispose()


def unseen_slugs(url: str) -> set[str]:
    """Return the monitors of which PulseMon has noted a span in which nobody could say whether they were up."""
    engine = _engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            query = select(Monitor.slug).join(UnseenSpan, UnseenSpan.monitor_id == Monitor.id)
            return set(connection.scalars(query))
    finally:
        engine.dispose()


def blind_causes(url: str) -> frozenset[str]:
    """Return for what PulseMon says that it was blind."""
    engine = _engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            return frozenset(connection.scalars(select(BlindWindowRow.cause)))
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    """Return an engine whose transactions are snapshots. It takes no lock: the server holds that."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), isolation_level="REPEATABLE READ")
    engine = create_engine(parsed, connect_args={"isolation_level": None, "timeout": 30})

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def arrivals(received: Iterable[Received], *, accepted: Iterable[bool] | None = None) -> list[Arrival]:
    """Return what a `Sink` of the tests received; *accepted*, in the same order, where it was not always a 2xx."""
    got = list(received)
    verdicts = [True] * len(got) if accepted is None else list(accepted)
    return [
        Arrival(each.headers["webhook-id"], each.body, is_accepted)
        for each, is_accepted in zip(got, verdicts, strict=True)
    ]


_PINGS = select(Ping.rid, Ping.monitor_id, Ping.signal, Ping.outcome, Ping.number, Ping.received_at)
_HISTORY = select(History.__table__)
_DELIVERIES = select(Delivery.message_id, Delivery.monitor_id, Delivery.seq, Delivery.state).order_by(Delivery.id)


def _monitor(row: Row[Any]) -> StoredMonitor:
    return StoredMonitor(
        row.slug,
        row.status,
        row.state_seq,
        timedelta(seconds=row.interval_seconds),
        timedelta(seconds=row.grace_seconds),
        row.due_at,
        bool(row.webhook_url),
    )


def _ping(row: Row[Any], slugs: dict[int, str]) -> StoredPing:
    return StoredPing(row.rid, slugs[row.monitor_id], row.signal, row.outcome, row.number, row.received_at)


def _transition(row: Row[Any], slugs: dict[int, str]) -> StoredTransition:
    return StoredTransition(
        slugs[row.monitor_id],
        row.seq,
        row.prev_status,
        row.new_status,
        row.cause,
        row.occurred_at,
        row.created_at,
    )


def _message(row: Row[Any], slugs: dict[int, str]) -> OwedMessage:
    return OwedMessage(row.message_id, slugs[row.monitor_id], row.seq, row.state)
