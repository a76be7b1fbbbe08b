"""What would be lost with monitors, for the question before they are deleted. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from pulsemon.core.deliveries import UNSETTLED
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.types import is_among


@dataclass(frozen=True, slots=True)
class Belongings:
    """How many pings, changes of state, and messages that are still owed."""

    ping_count: int
    change_count: int
    unsent_count: int


def belongings(database: Database, monitor_ids: Sequence[int]) -> Belongings:
    """Return what deleting these monitors would delete with them; what is gone already counts for nothing."""
    pings = select(func.coalesce(func.sum(Monitor.ping_count), 0)).where(is_among(Monitor.id, monitor_ids))
    changes = select(func.count()).where(is_among(History.monitor_id, monitor_ids))
    unsent = select(func.count()).where(is_among(Delivery.monitor_id, monitor_ids), Delivery.state.in_(UNSETTLED))
    with database.read() as connection:
        row = connection.execute(select(*(each.scalar_subquery() for each in (pings, changes, unsent)))).one()
    return Belongings(*row)
