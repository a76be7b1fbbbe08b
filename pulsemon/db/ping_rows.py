"""The statements of the ping lane, written by hand for each database because every ping pays for them.

Measured (batches of 64, one core): driver statements with tuples cost 1 us a ping where SQLAlchemy's constructs cost
6; on PostgreSQL one statement over arrays carries 16,000 pings/s where executemany carries 11,000. On SQLite one
statement takes many rows as well: executemany gives the interpreter away and waits for it again with each of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection

from pulsemon.db.types import from_text, to_text


# Tuples, not dataclasses: the driver binds them as they are, and two are made for every ping.
class MonitorRow(NamedTuple):
    """What the lane reads of a monitor."""

    id: int
    slug: str
    token: str
    status: str
    interval_seconds: int
    grace_seconds: int
    max_run_seconds: int | None
    last_ping: Any
    due_at: Any
    check_at: Any
    open_runs: str | None
    blind_due_at: Any
    down_cause: str | None
    contrary_count: int
    state_seq: int
    last_ping_id: int | None
    ping_count: int
    schedule: str | None
    timezone: str | None
    failures_to_down: int
    successes_to_up: int
    rules: str | None


class MonitorUpdate(NamedTuple):
    """What the lane writes back; instants encoded for the driver, the id last as the statement wants it."""

    status: str
    last_ping: Any
    due_at: Any
    open_runs: str | None
    blind_due_at: Any
    down_cause: str | None
    contrary_count: int
    state_seq: int
    last_ping_id: int
    ping_count: int
    check_at: Any
    id: int


class PingRow(NamedTuple):
    """One row of `pings`; `received_at` encoded for the driver."""

    id: int
    monitor_id: int
    number: int
    prev_id: int | None
    received_at: Any
    signal: str
    exit_status: int | None
    outcome: str
    method: str
    rid: str | None
    remote_addr: str | None
    user_agent: str | None
    body: bytes | None
    duration_ms: int | None
    flag: str | None
    charset: str | None


_COLUMNS = ", ".join(MonitorRow._fields)
_SELECT_SQLITE = f"SELECT {_COLUMNS} FROM monitors WHERE slug IN (SELECT value FROM json_each(?))"  # noqa: S608
# Locked in the order of their ids: two nodes that meet over the same monitors queue up instead of deadlocking.
_SELECT_POSTGRES = f"SELECT {_COLUMNS} FROM monitors WHERE slug = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608


# So many rows does one statement take, the largest number that fits first. Of a few sizes only, because SQLite keeps
# the last 128 statements ready to be used again.
_SIZES = (64, 16, 4, 1)


def _values(width: int, size: int) -> str:
    return "VALUES " + ", ".join(["(" + ", ".join("?" * width) + ")"] * size)


def _update_sqlite(columns: Iterable[str], size: int) -> str:
    name_of = "?{}" if size == 1 else "told.column{}"  # SQLite would make a table of one row, too
    told = {name: name_of.format(number) for number, name in enumerate(MonitorUpdate._fields, 1)}
    assignments = ", ".join(f"{name} = {told[name]}" for name in columns)
    if size == 1:
        return f"UPDATE monitors SET {assignments} WHERE id = {told['id']}"  # noqa: S608
    rows = _values(len(MonitorUpdate._fields), size)
    return f"UPDATE monitors SET {assignments} FROM ({rows}) AS told WHERE monitors.id = {told['id']}"  # noqa: S608


# SQLite rewrites an index whenever its column is assigned, whatever the value: the ordinary ping does not assign it.
_UPDATE_SQLITE = {size: _update_sqlite(MonitorUpdate._fields[:-2], size) for size in _SIZES}
_UPDATE_AND_FILE_SQLITE = {size: _update_sqlite(MonitorUpdate._fields[:-1], size) for size in _SIZES}
_INSERT_SQLITE = {
    size: f"INSERT INTO pings ({', '.join(PingRow._fields)}) {_values(len(PingRow._fields), size)}" for size in _SIZES
}

_UPDATE_TYPES = (
    "text", "timestamptz", "timestamptz", "text", "timestamptz", "text", "int", "int", "bigint", "int", "timestamptz",
    "int",
)  # fmt: skip
_PING_TYPES = (
    "bigint", "int", "int", "bigint", "timestamptz", "text", "int", "text", "text", "text", "text", "text", "bytea",
    "bigint", "text", "text",
)  # fmt: skip


def _arrays(types: Iterable[str]) -> str:
    return ", ".join(f"%s::{name}[]" for name in types)


_ASSIGNMENTS = ", ".join(f"{name} = told.{name}" for name in MonitorUpdate._fields[:-1])
_STORE_POSTGRES = (
    f"WITH told ({', '.join(MonitorUpdate._fields)}) AS (SELECT * FROM unnest({_arrays(_UPDATE_TYPES)})), "  # noqa: S608
    f"written AS (UPDATE monitors SET {_ASSIGNMENTS} FROM told WHERE monitors.id = told.id) "
    f"INSERT INTO pings ({', '.join(PingRow._fields)}) SELECT * FROM unnest({_arrays(_PING_TYPES)})"
)

_NEWEST_OF_RID_SQLITE = (
    "SELECT signal, exit_status, received_at FROM pings "
    "WHERE monitor_id = ? AND rid = ? AND outcome = 'counted' ORDER BY id DESC LIMIT 1"
)
# One question for the whole batch: asked one by one, every ping would cost the way to the server and back.
_NEWEST_OF_RIDS_POSTGRES = (
    "SELECT asked.monitor_id, asked.rid, newest.signal, newest.exit_status, newest.received_at "
    "FROM unnest(%s::int[], %s::text[]) AS asked (monitor_id, rid) CROSS JOIN LATERAL ("
    "SELECT signal, exit_status, received_at FROM pings "
    "WHERE monitor_id = asked.monitor_id AND rid = asked.rid AND outcome = 'counted' "
    "ORDER BY id DESC LIMIT 1) AS newest"
)


def _driver(connection: Connection) -> Any:
    """Return sqlite3's own connection, in the transaction of *connection*.

    SQLAlchemy's rows and bookkeeping cost 15 us a ping here. Errors are sqlite3's own; `Database.write` knows them.
    """
    return connection.connection.driver_connection


def lock_monitors(connection: Connection, slugs: Collection[str]) -> list[MonitorRow]:
    """Return the monitors of *slugs* that exist, locked until the transaction ends."""
    if connection.dialect.name == "sqlite":
        rows = _driver(connection).execute(_SELECT_SQLITE, (json.dumps(list(slugs)),)).fetchall()
    else:
        rows = connection.exec_driver_sql(_SELECT_POSTGRES, (list(slugs),)).fetchall()
    return list(map(MonitorRow._make, rows))


def next_ids(connection: Connection, count: int) -> Sequence[int]:
    """Return *count* ids for new pings, ascending."""
    if connection.dialect.name == "sqlite":
        greatest = _driver(connection).execute("SELECT max(id) FROM pings").fetchone()[0] or 0
        return range(greatest + 1, greatest + count + 1)
    rows = connection.exec_driver_sql(
        "SELECT nextval(pg_get_serial_sequence('pings', 'id')) FROM generate_series(1, %s)", (count,)
    )
    return sorted(row[0] for row in rows)


def store(
    connection: Connection,
    updates: Sequence[MonitorUpdate],
    refiled: Sequence[MonitorUpdate],
    pings: Sequence[PingRow],
) -> None:
    """Write the monitors' new states and the pings; *refiled* are the updates whose `check_at` is new too."""
    if connection.dialect.name == "sqlite":
        driver = _driver(connection)
        _execute_for_all(driver, _UPDATE_SQLITE, updates)
        _execute_for_all(driver, _UPDATE_AND_FILE_SQLITE, refiled)
        _execute_for_all(driver, _INSERT_SQLITE, pings)
        return
    updates = [*updates, *refiled]
    columns = [list(column) for column in (*zip(*updates, strict=True), *zip(*pings, strict=True))]
    connection.exec_driver_sql(_STORE_POSTGRES, tuple(columns))


def _execute_for_all(driver: Any, statements: dict[int, str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute the statement that *statements* has for so many rows, until all *rows* were among its values."""
    first = 0
    for size, statement in statements.items():
        while len(rows) - first >= size:
            driver.execute(statement, tuple(chain.from_iterable(rows[first : first + size])))
            first += size


def newest_of_rids(
    connection: Connection, runs: Collection[tuple[int, str]]
) -> dict[tuple[int, str], tuple[str, int | None, Any]]:
    """Return (signal, exit status, received_at) of the newest counted ping of each (monitor id, rid) that has one."""
    found = {}
    if connection.dialect.name == "sqlite":
        driver = _driver(connection)
        for run in runs:
            if row := driver.execute(_NEWEST_OF_RID_SQLITE, run).fetchone():
                found[run] = (row[0], row[1], from_text(row[2]))
    elif runs:
        ids, rids = zip(*runs, strict=True)
        for row in connection.exec_driver_sql(_NEWEST_OF_RIDS_POSTGRES, (list(ids), list(rids))):
            found[row[0], row[1]] = (row[2], row[3], row[4])
    return found


def coders(connection: Connection) -> tuple[Any, Any]:
    """Return (encode, decode) for instants in the tuples above; None is left to the caller."""
    if connection.dialect.name == "sqlite":
        return to_text, from_text
    return _same, _same


def _same(instant: Any) -> Any:
    return instant
