"""What is judged or shown by other times than its owner asked, because a zone or a schedule can be read no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from pulsemon.core.lost_schedules import problem
from pulsemon.core.schedule import zone_names
from pulsemon.db import Database
from pulsemon.db.tables.maintenance import Maintenance
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import StatusPage


@dataclass(frozen=True, slots=True)
class Lost:
    """A monitor, a plan of maintenance or a public page, by its name, and what is lost."""

    kind: str
    name: str
    timezone: str
    schedule: str | None = None

    def __str__(self) -> str:
        what = f"the schedule {self.schedule!r} in the zone {self.timezone}" if self.schedule else self.timezone
        return f"{self.kind} {self.name}: {what} cannot be read any more"


def find(database: Database) -> tuple[Lost, ...]:
    """Return what is lost, monitors first. A few queries of distinct values; nothing is written."""
    with database.read() as connection:
        return (*_monitors(connection), *_plans(connection), *_pages(connection))


def _monitors(connection: Connection) -> Iterator[Lost]:
    # Of many monitors few differ in these, and what can be read is remembered.
    pairs = select(Monitor.schedule, Monitor.timezone).where(Monitor.schedule.is_not(None)).distinct()
    for schedule, timezone in connection.execute(pairs).all():
        if problem(schedule, timezone or "UTC") is not None:
            ours = (Monitor.schedule == schedule, Monitor.timezone == timezone)
            for slug in connection.scalars(select(Monitor.slug).where(*ours).order_by(Monitor.slug)):
                yield Lost("monitor", slug, timezone or "UTC", schedule)


def _plans(connection: Connection) -> Iterator[Lost]:
    """A plan that has to make windows makes none; those that are made already stay where they are."""
    query = select(Maintenance.title, Maintenance.schedule, Maintenance.timezone).where(
        Maintenance.removed_at.is_(None)
    )
    for title, schedule, timezone in connection.execute(query.order_by(Maintenance.id)):
        if timezone not in zone_names() or problem(schedule, timezone) is not None:
            yield Lost("maintenance", title, timezone, schedule)


def _pages(connection: Connection) -> Iterator[Lost]:
    """Its days are those of UTC meanwhile. Without a zone of its own it goes by the installation's."""
    query = select(StatusPage.slug, StatusPage.timezone).where(StatusPage.timezone != "").order_by(StatusPage.id)
    yield from (Lost("page", slug, zone) for slug, zone in connection.execute(query) if zone not in zone_names())


def told(lost: Iterable[Lost], *, at_most: int = 5) -> Iterator[str]:
    """Yield a sentence for each of the first few, and one for the rest."""
    found = list(lost)
    yield from (str(each) for each in found[:at_most])
    if len(found) > at_most:
        yield f"{len(found) - at_most} more schedules or time zones cannot be read any more"
