"""The order of a project's monitors, and tags for several at once. Each function is one transaction.

Ids of other projects are passed over as those of no monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, SQLColumnExpression, func, select
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core.placement import MAX_TAGS, Move, Outcome, Seat
from pulsemon.db import Database, placements, search_texts
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.versions import renew_version
from pulsemon.errors import Conflict
from pulsemon.monitors import lookup, noted
from pulsemon.monitors.lookup import Named

# Monitors that one look at an order names.
PART_SIZE = 200
# A group that moves may hold any number of them: the first ones say which it was.
_MOST_NOTED = 200
# No group has the empty name.
_GROUP: ColumnElement[str] = func.coalesce(PlacementRow.group_name, "")


@dataclass(frozen=True, slots=True)
class Section:
    """A group in its place, "" for those without one: `count` monitors, of which some are here, from `start` on."""

    name: str
    count: int
    start: int = 0
    monitors: tuple[Named, ...] = ()

    @property
    def following(self) -> int | None:
        """Where the next part begins, None where this is the last."""
        end = self.start + len(self.monitors)
        return end if self.monitors and end < self.count else None


def sections(database: Database, project_id: int, *, opened: str | None, start: int) -> list[Section]:
    """Return the groups of all monitors of a project; see `read_sections`."""
    of_project = lookup.select_named().where(lookup.is_of(project_id))
    with database.read() as connection:
        return read_sections(connection, of_project, placements.POSITION, opened=opened, start=start)


def read_sections(
    connection: Connection,
    named: Select[*tuple[Any, ...]],
    place: SQLColumnExpression[Any],
    *,
    opened: str | None,
    start: int,
) -> list[Section]:
    """Return the groups of the monitors that *named* selects, in their order, which goes by *place*.

    Of the group *opened*, or else of the first, the part from *start* on is there, and of the others whole groups, as
    long as all together are no more than `PART_SIZE` monitors.
    """
    sizes = named.with_only_columns(_GROUP, func.count()).group_by(_GROUP)
    counts = {row[0]: row[1] for row in connection.execute(sizes.order_by(func.min(place), func.min(Monitor.id)))}
    first = opened if opened in counts else next(iter(counts), "")
    start = max(0, min(start, counts.get(first, 1) - 1)) if first == opened else 0
    in_order = named.order_by(place, Monitor.id).limit(PART_SIZE)
    rows = list(connection.execute(in_order.where(_GROUP.in_([first])).offset(start)))
    others = _whole_groups(counts, first, room=PART_SIZE - len(rows))
    rows += connection.execute(in_order.where(_GROUP.in_(others)))
    members: dict[str, list[Named]] = {}
    for row in rows:
        found = lookup.as_named(row)
        members.setdefault(found.group or "", []).append(found)
    return [
        Section(name, count, start if name == first else 0, tuple(members.get(name, ())))
        for name, count in counts.items()
    ]


def _whole_groups(counts: dict[str, int], first: str, *, room: int) -> list[str]:
    found = []
    for name, count in counts.items():
        if name != first and count <= room:
            found.append(name)
            room -= count
    return found


def move_to_group(database: Database, project_id: int, ids: Sequence[int], group: str | None) -> Outcome:
    """Put every monitor of *ids* into a group, or into none. Ids without a monitor are passed over."""
    with database.write() as connection:
        there = [Seat(*row) for row in connection.execute(_locked(project_id, ids, PlacementRow.group_name))]
        others = {each.id: each.group for each in there if each.group != group}
        if not others:
            return Outcome.UNMOVED if there else Outcome.GONE
        placements.save_all(connection, {each: {"group": group} for each in others})
        search_texts.renew(connection, others)
        noted.changed(connection, {each: ({"group": before}, {"group": group}) for each, before in others.items()})
        renew_version(connection)
        return Outcome.MOVED


def rearrange(database: Database, project_id: int, move: Move) -> Outcome:
    """Store the order that *move* makes of the present one, where that is another one."""
    with database.write() as connection:
        seats = placements.seats(connection, project_id)
        order = move.decide(seats)
        outcome = move.outcome(seats, order)
        if outcome is Outcome.MOVED:
            placements.save_order(connection, project_id, order)
            _note_order(connection, move, seats, order)
            renew_version(connection)
        return outcome


def _note_order(connection: Connection, move: Move, seats: Sequence[Seat], order: Sequence[int]) -> None:
    """Note of those whom the move is about where they stand now; that others made way for them follows from it."""
    before = {each.id: number for number, each in enumerate(seats, 1)}
    after = {each: number for number, each in enumerate(order, 1)}
    moved = [each.id for each in seats if move.concerns(each) and before[each.id] != after[each.id]]
    told = {each: ({"position": before[each]}, {"position": after[each]}) for each in moved[:_MOST_NOTED]}
    noted.changed(connection, told)


def add_tags(database: Database, project_id: int, ids: Sequence[int], tags: Sequence[str]) -> None:
    """Give every monitor of *ids* the *tags* that it lacks. Ids without a monitor are passed over.

    Raises:
        Conflict: one would have too many; nothing was changed.
    """
    with database.write() as connection:
        rows = connection.execute(_locked(project_id, ids, PlacementRow.tags))
        before = {row[0]: tuple(row[1]) for row in rows}
        together = {monitor_id: tuple(dict.fromkeys([*own, *tags])) for monitor_id, own in before.items()}
        if any(len(each) > MAX_TAGS for each in together.values()):
            raise Conflict("too-many-tags", max=MAX_TAGS)
        placements.save_all(connection, {each: {"tags": together[each]} for each in together})
        search_texts.renew(connection, together)
        noted.changed(
            connection,
            {each: ({"tags": before[each]}, {"tags": now}) for each, now in together.items() if now != before[each]},
        )
        renew_version(connection)


def _locked(project_id: int, ids: Sequence[int], column: InstrumentedAttribute[Any]) -> Select[*tuple[Any, ...]]:
    """Return the query of the id and a column of their placements; it locks those monitors that are there, in order."""
    query = select(Monitor.id, column).outerjoin(PlacementRow, placements.OF_MONITOR)
    return query.where(Monitor.id.in_(ids), lookup.is_of(project_id)).order_by(Monitor.id).with_for_update(of=Monitor)
