"""The public read model: what anybody may see, in a fixed number of queries however many monitors there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from pulsemon.core.schedule import Calendar
from pulsemon.core.shown import WORST_FIRST, Shown, shown
from pulsemon.db import Database, states
from pulsemon.db.tables import BlindWindowRow, History, Monitor


@dataclass(frozen=True, slots=True)
class PublicMonitor:
    """One line of the page. `since`: the last change of status; `calendar`, where it has one, for the interval."""

    name: str
    slug: str
    status: str
    shown: Shown
    last_ping: datetime | None
    interval_seconds: int
    since: datetime | None
    calendar: Calendar | None = None


@dataclass(frozen=True, slots=True)
class PublicPage:
    """The whole page, true at `at`. `blind_until`: the end of the last span in which PulseMon could not see."""

    monitors: tuple[PublicMonitor, ...]
    at: datetime

    def count(self, *kinds: Shown) -> int:
        """Return how many monitors are shown in one of *kinds*."""
        return sum(each.shown in kinds for each in self.monitors)


def read_page(database: Database, *, now: datetime) -> PublicPage:
    """Return the page as it stands at *now*. Raises Unavailable."""
    with database.read() as connection:
        rows = connection.execute(
            states.select_watched()
            .add_columns(History.occurred_at.label("since"))
            .outerjoin(History, (History.monitor_id == Monitor.id) & (History.seq == Monitor.state_seq))
            .order_by(Monitor.id)
        )
        lines = [_line(states.watched(row), row.since, now) for row in rows]
    lines.sort(key=lambda line: WORST_FIRST.index(line.shown))
    return PublicPage(tuple(lines), now)


def _line(monitor: states.Watched, since: datetime | None, now: datetime) -> PublicMonitor:
    return PublicMonitor(
        name=monitor.name,
        slug=monitor.slug,
        status=monitor.state.status.value,
        shown=shown(monitor.state, monitor.timing, now=now),
        last_ping=monitor.state.last_ping,
        interval_seconds=int(monitor.timing.interval.total_seconds()),
        since=since,
        calendar=monitor.timing.calendar,
    )


def last_blind_window(database: Database) -> tuple[datetime, datetime] | None:
    """Return the newest span in which PulseMon could not see, or None."""
    query = select(BlindWindowRow.started_at, BlindWindowRow.ended_at).order_by(BlindWindowRow.ended_at.desc()).limit(1)
    with database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else (row[0], row[1])
