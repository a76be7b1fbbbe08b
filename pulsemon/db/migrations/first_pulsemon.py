"""Taking over a database of the first PulseMon: tables `monitors` and `history`, naive UTC instants, nothing else.

Used by migration 0001 only. Every row is kept: monitors with slugs or intervals that today's rules refuse go on
working, and history whose monitor is gone stays, attached to nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection

_SCHEMA = "pulsemon_before"
_PREFIX = "before_"
_TABLES = ("monitors", "history")
_BATCH = 500
_LONGEST = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def set_aside(connection: Connection) -> bool:
    """Move the old tables out of the way of the new ones; return whether there were any."""
    inspector = sa.inspect(connection)
    if not inspector.has_table("monitors"):
        return False
    if connection.dialect.name == "postgresql":
        # A schema of their own: constraints and sequences keep their names and collide with nothing.
        op.execute(f"CREATE SCHEMA {_SCHEMA}")
        for table in _TABLES:
            op.execute(f"ALTER TABLE {table} SET SCHEMA {_SCHEMA}")
        return True
    for table in _TABLES:
        for index in inspector.get_indexes(table):
            op.drop_index(str(index["name"]), table_name=table)
        op.rename_table(table, _PREFIX + table)
    return True


def copy_rows(connection: Connection, monitors: sa.Table, history: sa.Table, nodes: sa.Table) -> None:
    """Write every old row into the new tables, then remove the old ones."""
    adopted_at = _instant(connection.exec_driver_sql("SELECT CURRENT_TIMESTAMP").scalar_one()) or _EPOCH
    transitions = _count_history(connection)
    seen_at = _EPOCH
    ids: dict[str, int] = {}
    for batch in _rows(connection, "monitors"):
        rows = [_monitor(row, adopted_at, transitions) for row in batch]
        connection.execute(sa.insert(monitors), rows)
        ids |= {row["slug"]: row["id"] for row in rows}
        seen_at = max([seen_at, *(at for row in rows for at in (row["last_ping"], row["updated_at"]) if at)])
    numbers: defaultdict[int, int] = defaultdict(int)
    for batch in _rows(connection, "history"):
        rows = [_transition(row, adopted_at, ids, numbers) for row in batch]
        connection.execute(sa.insert(history), rows)
        seen_at = max([seen_at, *(row["created_at"] for row in rows)])
    if seen_at > _EPOCH:
        # The last sign of life of the old server: what was missed since is nobody's fault (blind windows).
        connection.execute(sa.insert(nodes), [{"name": "first-pulsemon", "seen_at": min(seen_at, adopted_at)}])
    _remove_old(connection)


def _qualified(connection: Connection, table: str) -> str:
    return f"{_SCHEMA}.{table}" if connection.dialect.name == "postgresql" else _PREFIX + table


def _rows(connection: Connection, table: str) -> Iterator[list[dict[str, Any]]]:
    last_id = None
    while True:
        where = "" if last_id is None else f"WHERE id > {int(last_id)}"
        statement = f"SELECT * FROM {_qualified(connection, table)} {where} ORDER BY id LIMIT {_BATCH}"  # noqa: S608
        batch = [dict(row._mapping) for row in connection.exec_driver_sql(statement)]
        if not batch:
            return
        last_id = batch[-1]["id"]
        yield batch


def _count_history(connection: Connection) -> dict[str, int]:
    statement = f"SELECT slug, count(*) FROM {_qualified(connection, 'history')} GROUP BY slug"  # noqa: S608
    return {row[0]: row[1] for row in connection.exec_driver_sql(statement)}


def _monitor(row: Mapping[str, Any], adopted_at: datetime, transitions: Mapping[str, int]) -> dict[str, Any]:
    status = _status(row["status"])
    last_ping = _instant(row["last_ping"])
    interval, grace = _seconds(row["interval_seconds"]), _seconds(row.get("grace_seconds"))
    is_up = status == "UP" and last_ping is not None
    created_at = _instant(row.get("created_at")) or last_ping or adopted_at
    return {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"] or row["slug"],
        "token": row["token"],
        "interval_seconds": interval,
        "grace_seconds": grace,
        "last_ping": last_ping,
        "status": status,
        "webhook_url": row.get("webhook_url") or None,
        "created_at": created_at,
        "updated_at": _instant(row.get("updated_at")) or created_at,
        "due_at": last_ping + timedelta(seconds=interval + grace) if is_up and last_ping else None,
        "state_seq": transitions.get(row["slug"], 0),
        "down_cause": "silence" if status == "DOWN" else None,
        "ping_count": 0,
    }


def _transition(
    row: Mapping[str, Any], adopted_at: datetime, ids: Mapping[str, int], numbers: defaultdict[int, int]
) -> dict[str, Any]:
    monitor_id = ids.get(row["slug"])
    if monitor_id is not None:
        numbers[monitor_id] += 1
    created_at = _instant(row["created_at"]) or adopted_at
    return {
        "id": row["id"],
        "slug": row["slug"] or "",
        "prev_status": _status(row["prev_status"]),
        "new_status": _status(row["new_status"]),
        "note": row.get("note"),
        "created_at": created_at,
        "monitor_id": monitor_id,
        "seq": None if monitor_id is None else numbers[monitor_id],
        "occurred_at": created_at,
    }


def _seconds(value: Any) -> int:
    """Read a length of time; the largest that the column holds on both databases stands for what is larger."""
    return max(0, min(int(value or 0), _LONGEST))


def _status(value: Any) -> str:
    return value if value in ("UP", "DOWN") else "UNKNOWN"


def _instant(value: Any) -> datetime | None:
    """Read what the old program wrote: naive means UTC; what cannot be read is not an instant."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _remove_old(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        for table in _TABLES:
            op.drop_table(_PREFIX + table)
        return
    op.execute(f"DROP SCHEMA {_SCHEMA} CASCADE")
    for table in _TABLES:  # ids were given, not drawn: the next one drawn must be a new one
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608
            f"(SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
        )
