"""What a wall screen shows of a project: its monitors, the worst first, and how many are in which state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pulsemon.core.shown import Shown
from pulsemon.db import Database
from pulsemon.monitors import event_log, listing, manage
from pulsemon.monitors.apart import Apart
from pulsemon.monitors.listing import Ask, Order

# More stand on no wall; the others are counted, and none of them is worse.
MOST = 100
_WORST_FIRST = Ask(order=Order.WORST)


@dataclass(frozen=True, slots=True)
class Tile:
    """One monitor on the wall. `since`: when it changed its status, None if it never did."""

    name: str
    group: str | None
    shown: Shown
    since: datetime | None
    last_ping: datetime | None


@dataclass(frozen=True, slots=True)
class Wall:
    """What was read at one moment. `counts`: of all monitors of the project, by state."""

    at: datetime
    tiles: Sequence[Tile]
    counts: Mapping[Shown, int]

    @property
    def unshown_count(self) -> int:
        """Return how many there are besides."""
        return sum(self.counts.values()) - len(self.tiles)


def read(database: Database, project_id: int, apart: Apart, *, now: datetime) -> Wall:
    """Read it, in a number of queries that does not grow. *apart*: those of the project."""
    with database.read() as connection:
        part = listing.read(connection, project_id, _WORST_FIRST, apart, limit=MOST)
    views = manage.list_of(database, part.ids)
    changed = event_log.changed_at(database, part.ids)
    tiles = [
        Tile(view.name, view.placement.group, view.shown(now=now), changed.get(view.id), view.last_ping)
        for view in views
    ]
    return Wall(now, tiles, part.counts)
