"""The last ninety days of the monitors of public pages, drawn once for all who look.

Those of a monitor are read anew after its transition, and once a minute for what else changes them; a state on the page
is never older for it. Only those are read that somebody is to see.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from markupsafe import Markup

from pulsemon.core.days import Day, date_at
from pulsemon.core.uptime import Availability
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.public import PublicMonitor
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.bars import Bars, Look
from pulsemon.web.html.words import Words

MAX_AGE = timedelta(minutes=1)
COUNT = 90
LENGTHS = (7, 30, 90)
# While somebody else reads (or the database hangs) nobody waits longer than this for him.
PATIENCE_SEC = 1.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is shown of a monitor's days, and the looks that occur in it."""

    markup: Markup
    looks: frozenset[Look]


@dataclass(frozen=True, slots=True)
class Kept:
    """The days of one monitor in one zone, when they were read and after which transition; drawings by language."""

    seq: int
    at: datetime
    last_date: date
    days: Sequence[Day]
    parts: Sequence[Availability]
    drawn: dict[str, Drawn] = field(default_factory=dict)


class DayKeeper:
    """Reads days when they may have changed. Any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = threading.Lock()
        self._kept: dict[tuple[str, int], Kept] = {}

    def days_of(self, monitors: Sequence[PublicMonitor], *, timezone: str, at: datetime) -> dict[int, Kept]:
        """Return monitor id -> its days in a zone, as they were at *at* or up to a minute before.

        While the database is away, or slow, they are those that were read last, of whom any were read.
        """
        today = date_at(at - timedelta(microseconds=1), timezone)
        if self._old(monitors, timezone, at, today) and self._reading.acquire(timeout=PATIENCE_SEC):
            try:
                self._read(self._old(monitors, timezone, at, today), timezone, at, today)
            finally:
                self._reading.release()
        found = ((each.id, self._kept.get((timezone, each.id))) for each in monitors)
        return {monitor_id: kept for monitor_id, kept in found if kept is not None}

    def _old(
        self, monitors: Sequence[PublicMonitor], timezone: str, at: datetime, today: date
    ) -> Sequence[PublicMonitor]:
        """Return the monitors whose days may be other ones by now."""

        def is_old(monitor: PublicMonitor) -> bool:
            kept = self._kept.get((timezone, monitor.id))
            if kept is None or (kept.seq, kept.last_date) != (monitor.seq, today):
                return True
            return not timedelta(0) <= at - kept.at < MAX_AGE

        return [each for each in monitors if is_old(each)]

    def _read(self, monitors: Sequence[PublicMonitor], timezone: str, at: datetime, today: date) -> None:
        ids = [each.id for each in monitors]
        if not ids:
            return
        try:
            table = public_pages.read_days(self._database, ids, timezone=timezone, count=COUNT, now=at)
        except Unavailable:
            return
        # One that is on no page any more stays no longer than it would count.
        kept = {key: each for key, each in self._kept.items() if abs(at - each.at) < 2 * MAX_AGE}
        for each in monitors:
            parts = table.parts.get(each.id)
            if parts:
                kept[timezone, each.id] = Kept(each.seq, at, today, table.days, parts)
        self._kept = kept


def drawn(kept: Kept, words: Words) -> Drawn:
    """Return the bars of a monitor and its availability, made once for what was read and a language."""
    found = kept.drawn.get(words.locale)
    if found is None:
        made = bars.make(kept.days, kept.parts, words, lengths=LENGTHS)
        template = rendering.environment(words.locale).get_template("parts/public_days.html")
        # What the words say of days does not depend on the time: it may be kept.
        text = template.render(bars=made, words=words, facts=_facts(made))
        markup = Markup(text)  # noqa: S704 - a template made it
        found = kept.drawn[words.locale] = Drawn(markup, frozenset(map(Look, made.looks)))
    return found


def _facts(made: Bars) -> list[tuple[int, Availability]]:
    """Return (days, how they were spent) of the lengths for which the monitor was watched."""
    return [(each, made.spans[each]) for each in LENGTHS if each <= made.watched_count]
