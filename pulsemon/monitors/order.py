"""The owner's order of the monitors, and tags for several at once. Each function is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select

from pulsemon.core.placement import MAX_TAGS, Seat
from pulsemon.db import Database, placements
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.versions import renew_version
from pulsemon.errors import Conflict


def rearrange(database: Database, decide: Callable[[Sequence[Seat]], list[int]]) -> None:
    """Store the order that *decide* makes of the present one; see `core.placement`."""
    with database.write() as connection:
        placements.save_order(connection, decide(placements.seats(connection)))
        renew_version(connection)


def add_tags(database: Database, ids: Sequence[int], tags: Sequence[str]) -> None:
    """Give every monitor of *ids* the *tags* that it lacks. Ids without a monitor are passed over.

    Raises:
        Conflict: one would have too many; nothing was changed.
    """
    with database.write() as connection:
        query = (
            select(Monitor.id, PlacementRow.tags)
            .outerjoin(PlacementRow, placements.OF_MONITOR)
            .where(Monitor.id.in_(ids))
            .order_by(Monitor.id)
            .with_for_update(of=Monitor)
        )
        for monitor_id, before in connection.execute(query).all():
            together = tuple(dict.fromkeys([*before, *tags]))
            if len(together) > MAX_TAGS:
                raise Conflict("too-many-tags", max=MAX_TAGS)
            placements.save(connection, monitor_id, {"tags": together})
        renew_version(connection)
