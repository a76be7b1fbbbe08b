"""The last ninety days of the monitors of public pages, drawn once for all who look.

They are read anew after a transition, and once a minute for what else changes them; a state on the page is never
older for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from pulsemon.availability.days import DayTable
from pulsemon.core.uptime import Availability
from pulsemon.db import Database
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.public import Public
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.words import Words

MAX_AGE = timedelta(minutes=1)
COUNT = 90
LENGTHS = (7, 30, 90)
# A page of more monitors would weigh megabytes; it shows their availability without the bars.
MAX_DRAWN = 100


@dataclass(frozen=True, slots=True)
class Drawn:
    """A monitor's days: the drawing, and (days, how they were spent)."""

    svg: Markup
    spans: Sequence[tuple[int, Availability]]


@dataclass(slots=True)
class Days:
    """The days of one reading; what was drawn of them is kept with it."""

    table: DayTable
    _drawn: dict[Any, Drawn] = field(default_factory=dict)

    def draw(self, monitor_id: int, words: Words, *, with_bars: bool) -> Drawn | None:
        """Return the drawing of one monitor; None where it was made after the reading."""
        parts = self.table.parts.get(monitor_id)
        if not parts:
            return None
        key = (words.locale, with_bars, tuple(parts))
        found = self._drawn.get(key)
        if found is None:
            found = self._drawn[key] = self._make(parts, words, with_bars)
        return found

    def _make(self, parts: Sequence[Availability], words: Words, with_bars: bool) -> Drawn:
        made = bars.make(self.table.days, parts, words, lengths=LENGTHS)
        svg = rendering.environment(words.locale).get_template("parts/bars.html").module.draw(made)  # type: ignore[attr-defined]  # a macro
        return Drawn(Markup(svg) if with_bars else Markup(""), [(each, made.spans[each]) for each in LENGTHS])  # noqa: S704 - a template made it


@dataclass(frozen=True, slots=True)
class _Kept:
    """The days in one zone, when they were read, and of which monitors after which transition."""

    version: Any
    at: datetime
    days: Days


class DayKeeper:
    """Reads the days when they may have changed. Used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def days_of(self, database: Database, public: Public) -> Mapping[str, Days]:
        """Return time zone -> the days in it that go with *public*. Raises Unavailable."""
        seqs = {each.id: each.seq for each in public.monitors}
        current: dict[str, _Kept] = {}
        for zone, ids in public.ids_by_zone().items():
            version = [(each, seqs[each]) for each in ids]
            kept = self._kept.get(zone)
            if kept is None or kept.version != version or not timedelta(0) <= public.at - kept.at < MAX_AGE:
                table = public_pages.read_days(database, ids, timezone=zone, count=COUNT, now=public.at)
                kept = _Kept(version, public.at, Days(table))
            current[zone] = kept
        self._kept = current
        return {zone: kept.days for zone, kept in current.items()}
