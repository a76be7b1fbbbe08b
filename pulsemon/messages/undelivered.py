"""Messages that do not arrive: whose, how many, since when and why.

Reads only. Receivers are named by host and port: the rest of a webhook's URL is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, exists, func, select, text
from sqlalchemy.orm import aliased

from pulsemon.core import retries
from pulsemon.core.deliveries import WEBHOOK, DeliveryState
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import Monitor

# Of what is owed so much is looked at, 4 us each: more than that are counted as so many.
MAX_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Messages that did not arrive: `count` of them, the oldest owed since `since`.

    `receiver` is where they go, and `reason` the code of what came of the last attempt there. `is_given_up`: nothing is
    tried any more; the newest message that was settled did not arrive. `monitor_count` of monitors.
    """

    count: int
    since: datetime
    receiver: str
    reason: str | None
    is_given_up: bool = False
    monitor_count: int = 1


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that does not arrive, by the id of the monitor that it tells of.

    `projects`: the id of the project of each of them.
    """

    by_monitor: Mapping[int, Undelivered] = field(default_factory=dict)
    projects: Mapping[int, int] = field(default_factory=dict)

    def of(self, project_id: int) -> Overview:
        """Return what of it is of one project."""
        return Overview({each: found for each, found in self.by_monitor.items() if self.projects[each] == project_id})

    @property
    def count(self) -> int:
        """Return how many messages these are."""
        return sum(each.count for each in self.by_monitor.values())

    @property
    def since(self) -> datetime | None:
        """Return since when the oldest of them is owed; None: everything arrives."""
        return min((each.since for each in self.by_monitor.values()), default=None)

    @property
    def by_receiver(self) -> tuple[Undelivered, ...]:
        """Return the same by receiver, where most are missing first; the reason is that of the newest trouble there."""
        found: dict[str, list[Undelivered]] = {}
        for each in self.by_monitor.values():
            found.setdefault(each.receiver, []).append(each)
        merged = [_merged(receiver, parts) for receiver, parts in found.items()]
        return tuple(sorted(merged, key=lambda each: (-each.count, each.receiver)))


NOTHING = Overview()


def _merged(receiver: str, parts: list[Undelivered]) -> Undelivered:
    return Undelivered(
        count=sum(each.count for each in parts),
        since=min(each.since for each in parts),
        receiver=receiver,
        reason=max(parts, key=lambda each: each.since).reason,
        is_given_up=all(each.is_given_up for each in parts),
        monitor_count=len(parts),
    )


def read_undelivered(database: Database) -> Overview:
    """Return what monitors' messages do not arrive, in two queries.

    A message does not arrive once an attempt at it failed; those that wait behind it do not either. Of what was given
    up a monitor's newest counts, as long as its webhook goes to the same receiver and nothing was delivered since.
    """
    with database.read() as connection:
        rows = {row.monitor_id: row for row in connection.execute(_OWED)}
        settled = {row.id: row for row in connection.execute(_GIVEN_UP) if _is_todays_receiver(row)}
    owed = {each: _owed(row) for each, row in rows.items()}
    given_up = {each: _given_up(row) for each, row in settled.items()}
    both = {each: _both(owed[each], given_up[each]) for each in owed.keys() & given_up.keys()}
    projects = {each: row.project_id for each, row in (rows | settled).items()}
    return Overview({**owed, **given_up, **both}, projects)


def _both(owed: Undelivered, given_up: Undelivered) -> Undelivered:
    since = min(owed.since, given_up.since)
    return Undelivered(owed.count + given_up.count, since, owed.receiver, owed.reason)


def _select_owed() -> Select[*tuple[Any, ...]]:
    """Found by ix_deliveries_pending, which holds what is owed and nothing else."""
    has_failed = (Delivery.attempt_count > 0) & Delivery.reason.is_not(None)
    owed = (
        select(
            Delivery.monitor_id,
            Delivery.retry_since,
            case((has_failed, Delivery.id)).label("failed_id"),
        )
        .where(Delivery.state == DeliveryState.PENDING)
        .limit(MAX_LOOKED_AT)
        .subquery()
    )
    by_monitor = (
        select(
            owed.c.monitor_id,
            func.count().label("message_count"),
            func.min(owed.c.retry_since).label("since"),
            func.max(owed.c.failed_id).label("failed_id"),
        )
        .group_by(owed.c.monitor_id)
        .having(func.max(owed.c.failed_id).is_not(None))
        .subquery()
    )
    return (
        select(by_monitor, Monitor.project_id, Delivery.receiver, Delivery.reason)
        .join(Delivery, Delivery.id == by_monitor.c.failed_id)
        # Asked here and not of each row: SQLite would take the index over all messages of monitors.
        .join(Monitor, Monitor.id == by_monitor.c.monitor_id)
    )


_OWED = _select_owed()


def _owed(row: Row[*tuple[Any, ...]]) -> Undelivered:
    return Undelivered(row.message_count, row.since, row.receiver, row.reason)


def _select_given_up() -> Select[*tuple[Any, ...]]:
    """Found by ix_deliveries_given_up, which holds what was given up and nothing else.

    Of each monitor the newest, if nothing was delivered after it: a look at ix_deliveries_monitor_id_id.
    """
    # Written out: of a parameter no database knows which index it fits.
    is_given_up = text("deliveries.state = 'given-up'")
    newest = (
        select(func.max(Delivery.id).label("id"))
        .where(is_given_up, Delivery.monitor_id.is_not(None), Delivery.kind == WEBHOOK)
        .group_by(Delivery.monitor_id)
        .subquery()
    )
    given_up, later = aliased(Delivery), aliased(Delivery)
    was_delivered = exists().where(
        later.monitor_id == given_up.monitor_id,
        later.id > given_up.id,
        later.state == DeliveryState.DELIVERED,
    )
    return (
        select(Monitor.id, Monitor.project_id, Monitor.webhook_url)
        .add_columns(given_up.receiver, given_up.reason, given_up.retry_since)
        .select_from(newest)
        .join(given_up, given_up.id == newest.c.id)
        .join(Monitor, Monitor.id == given_up.monitor_id)
        .where(Monitor.webhook_url.is_not(None), ~was_delivered)
    )


_GIVEN_UP = _select_given_up()


def _is_todays_receiver(row: Row[*tuple[Any, ...]]) -> bool:
    return bool(retries.receiver(row.webhook_url) == row.receiver)


def _given_up(row: Row[*tuple[Any, ...]]) -> Undelivered:
    return Undelivered(1, row.retry_since, row.receiver, row.reason, is_given_up=True)
