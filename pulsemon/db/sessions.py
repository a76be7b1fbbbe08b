"""What PulseMon sets on a PostgreSQL session, and whether a session is worth having.

A role or a database may have defaults of its own for nearly everything. What changes how a value is read or written, or
how long we wait, is set here; whose choice it is to make (search_path, default_transaction_read_only, how a plan is
made) is left alone. Why, and what a pooler changes: docs/decisions/0019.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import InvalidatePoolError

from pulsemon.db import charsets

# A statement that waits longer than this for a lock or for the disk is not going to make the five seconds in which a
# ping is answered. A node that was stopped in the middle of a transaction must not hold its locks for longer than
# others wait for them.
_SETTINGS = {
    "lock_timeout": "2500",
    "statement_timeout": "30000",
    "idle_in_transaction_session_timeout": "2000",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",  # off: a NULL in the arrays of the ping lane would be the word
    "transform_null_equals": "off",
    "client_min_messages": "warning",
}
# Since which version of the server: they end connections that are idle, or a migration.
_NEWER_SETTINGS = {"idle_session_timeout": (140_000, "0"), "transaction_timeout": (170_000, "0")}

# So often each connection is asked whether it may write; and so often, where it may not, whether a new one may. The
# empty statement of all other times takes half as long.
_LOOK_SEC = 1.0
_LOOKED_AT = "looked_at"
_POOLED = "pooled"
_FRESH = "fresh"


def _settings_of(server_version: int) -> dict[str, str]:
    newer = {name: value for name, (since, value) in _NEWER_SETTINGS.items() if server_version >= since}
    return _SETTINGS | newer


def prepare(connection: psycopg.Connection[Any], info: dict[str, Any]) -> None:
    """Set a new connection up; *info* is kept beside it for as long as it lives.

    A pooler gives its client a number for the session that is not the server's. Behind one the next transaction may
    be another session's, so nothing is left in this one, and statements are not prepared.
    """
    settings = _settings_of(connection.info.server_version)
    is_pooled = "pg_catalog.pg_backend_pid() <> %(pid)s"
    wanted = ", ".join(f"pg_catalog.set_config('{name}', '{value}', {is_pooled})" for name, value in settings.items())
    connection.autocommit = True
    row = connection.execute(
        f"SELECT {is_pooled}, {wanted}".encode(), {"pid": connection.pgconn.backend_pid}, prepare=False
    ).fetchone()
    charsets.adapt(connection)
    connection.autocommit = False
    assert row is not None  # noqa: S101 - a SELECT without FROM
    # Short statements that repeat: prepared after their first use.
    connection.prepare_threshold = None if row[0] else 1
    # One text without parameters: several statements, one way to the server and back.
    info[_POOLED] = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items()) if row[0] else None
    info[_FRESH] = True


def begin(connection: Connection) -> None:
    """Set the transaction of *connection* up, where a pooler stands between: nothing that was set before holds."""
    wanted = connection.info[_POOLED]
    if wanted is not None:
        connection.exec_driver_sql(wanted)


def watch(engine: Engine) -> None:
    """See to it that *engine* hands out no connection that was lost, or that may only read while a new one could write.

    After a failover a name leads to another server, and what was connected before stays where it was: on a standby
    that takes no writes, or on a server that was set aside and hears nothing new.
    """
    tried_anew_at = float("-inf")

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: Any, _proxy: Any) -> None:
        nonlocal tried_anew_at
        now = time.monotonic()
        looked_at = record.info.setdefault(_LOOKED_AT, now)
        if record.info.pop(_FRESH, False):
            return
        try:
            is_read_only = _may_only_read(connection, asks=now - looked_at >= _LOOK_SEC)
        except psycopg.Error as lost:
            raise InvalidatePoolError from lost
        if is_read_only is None:
            return
        if is_read_only and now - tried_anew_at >= _LOOK_SEC:
            tried_anew_at = now
            raise InvalidatePoolError
        record.info[_LOOKED_AT] = now


def _may_only_read(connection: psycopg.Connection[Any], *, asks: bool) -> bool | None:
    """Return whether *connection* may only read, None where nobody *asks*; raise psycopg.Error if it is lost."""
    connection.autocommit = True
    try:
        answer = connection.execute("SHOW transaction_read_only" if asks else ";", prepare=False)
        return answer.fetchone() == ("on",) if asks else None
    finally:
        if not connection.closed:
            connection.autocommit = False


@dataclass(frozen=True, slots=True)
class Measured:
    """How much later it is by the database's clock, and how exactly that is known."""

    offset: timedelta
    within: timedelta


# The way there and back is quick now and then even on a busy network, and the quickest says most.
_SAMPLES = 5


def measure_clock(connection: Connection, now: Callable[[], datetime]) -> Measured:
    """Compare *now* with the clock of the server: it was read somewhere between a question and its answer."""
    found = []
    connection.exec_driver_sql("SELECT 1")  # begins the transaction, on a way of its own
    for _ in range(_SAMPLES):
        asked_at = now()
        answer: datetime = connection.exec_driver_sql("SELECT pg_catalog.clock_timestamp()").scalar_one()
        half = (now() - asked_at) / 2
        found.append(Measured(answer - (asked_at + half), half))
    return min(found, key=lambda each: each.within)
