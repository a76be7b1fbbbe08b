"""Monitors' placements, read with them and written beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from pulsemon.core.placement import Placement, Seat
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.upsert import upsert_all

_NAMES = tuple(each.name for each in fields(Placement))
# Each has the column of its name, save one whose name is a word of SQL.
_COLUMN_NAMES = {name: name for name in _NAMES} | {"group": "group_name"}
POSITION: ColumnElement[int] = func.coalesce(PlacementRow.position, Monitor.id)
IS_PUBLIC: ColumnElement[bool] = func.coalesce(PlacementRow.is_public, True)
# A monitor may have no row, and then its columns are NULL: what holds in place of that, where it is no None.
_COUNTED: dict[str, ColumnElement[Any]] = {"position": POSITION, "is_public": IS_PUBLIC}
# What `placement` reads; the query joins `OF_MONITOR` from outside.
COLUMNS: tuple[ColumnElement[Any], ...] = tuple(
    _COUNTED.get(name, getattr(PlacementRow, column)).label(f"placement_{name}")
    for name, column in _COLUMN_NAMES.items()
)
_values = attrgetter(*(f"placement_{name}" for name in _NAMES))
OF_MONITOR: ColumnElement[bool] = PlacementRow.monitor_id == Monitor.id


def placement(row: Any) -> Placement:
    """Read the placement of a row that holds `COLUMNS`; its position is the one that counts."""
    return Placement(*_values(row))


def save_all(connection: Connection, changes_of: Mapping[int, Mapping[str, Any]]) -> None:
    """Write what changes of placements: monitor id -> field of `Placement` -> its new value; the same fields of all."""
    rows = [
        {"monitor_id": monitor_id} | {_COLUMN_NAMES[name]: value for name, value in changes.items()}
        for monitor_id, changes in changes_of.items()
        if changes
    ]
    upsert_all(connection, PlacementRow, rows)


def seats(connection: Connection, project_id: int) -> list[Seat]:
    """Return every monitor of a project in the order of its owner."""
    query = select(Monitor.id, PlacementRow.group_name).outerjoin(PlacementRow, OF_MONITOR)
    in_order = query.where(Monitor.project_id == project_id).order_by(POSITION, Monitor.id)
    return [Seat(monitor_id, group) for monitor_id, group in connection.execute(in_order)]


def save_order(connection: Connection, project_id: int, ids: Sequence[int]) -> None:
    """Number the monitors of a project from 1 in this order; only those that moved are written."""
    query = select(Monitor.id, POSITION).outerjoin(PlacementRow, OF_MONITOR).where(Monitor.project_id == project_id)
    before = {row.id: row[1] for row in connection.execute(query)}
    numbers = {monitor_id: number for number, monitor_id in enumerate(ids, 1)}
    moved = {each: {"position": number} for each, number in numbers.items() if before.get(each) not in (None, number)}
    save_all(connection, moved)
