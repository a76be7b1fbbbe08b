"""Incidents as public pages tell them: what is read and kept, how bad they are.

Open ones and those of the last days come with the snapshot; older ones are read when somebody asks for them and
anything changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TypeVar

from pulsemon.core import schedule
from pulsemon.core.incidents import Impact, worst
from pulsemon.db import Database
from pulsemon.incidents.rows import Incident
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.public.keeper import Keeper

# What Statuspage's format and a feed tell, and what stands on one page of the history.
ARCHIVE_COUNT = 50
HISTORY_COUNT = 20
# Nobody leafs further back; an offset is work for the database.
MAX_PART = 500
# On the page itself. A budget of characters for all, so that the page stays small whatever was written.
MAX_IN_FULL = 5
MAX_UPDATES_SHOWN = 3
MAX_PAST = 10
T = TypeVar("T")


def impact_of(page: PublicPage) -> Impact:
    """Return how bad the worst of a page's open incidents is."""
    return worst(each.impact for each in page.open_incidents)


def by_month(incidents: Sequence[Incident], timezone: str) -> list[tuple[date, list[Incident]]]:
    """Return incidents, which come in their order, by the month in which they began in a zone."""

    def month_of(incident: Incident) -> date:
        local = schedule.on_the_wall(incident.started_at, timezone)
        return date(local.year, local.month, 1)

    return [(month, list(found)) for month, found in groupby(incidents, month_of)]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a history. `number` begins with 1; `has_more`: older ones follow."""

    number: int
    incidents: tuple[Incident, ...]
    has_more: bool


class IncidentKeeper:
    """Keeps what was read for each page until an incident or the page's monitors change. Any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keeper = Keeper()

    def archive_of(self, page: PublicPage) -> tuple[Incident, ...]:
        """Return the newest incidents that a page shows, however old. Raises Unavailable."""
        return self._kept(
            page, "archive", lambda: public_pages.read_incidents(self._database, page, limit=ARCHIVE_COUNT)
        )

    def part_of(self, page: PublicPage, number: int) -> Part:
        """Return one part of the history. Raises Unavailable."""

        def read() -> Part:
            offset = (number - 1) * HISTORY_COUNT
            found = public_pages.read_incidents(self._database, page, limit=HISTORY_COUNT + 1, offset=offset)
            return Part(number, found[:HISTORY_COUNT], len(found) > HISTORY_COUNT)

        return self._kept(page, number, read)

    def one_of(self, page: PublicPage, public_id: str) -> Incident:
        """Return one incident of a page. Raises NotFound, and Unavailable."""
        for each in page.incidents:
            if each.public_id == public_id:
                return each
        return self._kept(page, ("one", public_id), lambda: public_pages.read_incident(self._database, page, public_id))

    def _kept(self, page: PublicPage, what: Hashable, read: Callable[[], T]) -> T:
        version = (page.incident_version, tuple((each.id, each.name) for each in page.monitors))
        return self._keeper.get((page.definition.slug, what), version, read)
