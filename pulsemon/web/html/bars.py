"""The last days of a monitor as bars: what each one is, its text, and where it stands in the SVG. Pure.

`parts/bars.html` draws them, and `static/bars.js` lets a finger and keys go from day to day. States differ by shape and
by word, not by colour alone. All days of one look are one path, and only days with something to tell have a text: the
markup of a monitor is small, and that of two with the same days is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from pulsemon.core.days import Day
from pulsemon.core.texts import N_
from pulsemon.core.uptime import Availability, total


class Look(StrEnum):
    """What a bar looks like; the value is its CSS class. What matters most to a reader decides."""

    DOWN = "d"
    EXCLUDED = "e"
    MAINTENANCE = "m"
    UP = "u"
    PAUSED = "p"
    NONE = "n"


_LEGEND = {
    Look.UP: N_("No outage"),
    Look.DOWN: N_("Outage"),
    Look.EXCLUDED: N_("Excluded"),
    Look.MAINTENANCE: N_("Maintenance"),
    Look.PAUSED: N_("Paused"),
    Look.NONE: N_("No data"),
}
# Days with an outage that are read out.
MAX_TOLD = 5
WIDTH, HEIGHT = 4, 32  # of a bar's place, in units of the drawing
# From where to where each look reaches, from the top down.
_REACH = {
    Look.DOWN: (0, 32),
    Look.EXCLUDED: (0, 32),
    Look.MAINTENANCE: (12, 32),
    Look.UP: (12, 32),
    Look.PAUSED: (12, 32),
    Look.NONE: (28, 32),
}
_DATES = (
    N_("%(day)d Jan"),
    N_("%(day)d Feb"),
    N_("%(day)d Mar"),
    N_("%(day)d Apr"),
    N_("%(day)d May"),
    N_("%(day)d Jun"),
    N_("%(day)d Jul"),
    N_("%(day)d Aug"),
    N_("%(day)d Sep"),
    N_("%(day)d Oct"),
    N_("%(day)d Nov"),
    N_("%(day)d Dec"),
)


class Words(Protocol):
    """What is needed of `web.html.words.Words`: the reader's language."""

    def translate(self, text: str) -> str:
        """Return *text* in the reader's language."""
        ...

    def duration(self, seconds: float) -> str:
        """Return a length of time."""
        ...


# What is said of a day that has nothing to tell.
_QUIET = {Look.UP: N_("no outage"), Look.PAUSED: N_("paused"), Look.NONE: N_("no data")}


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its look, and the path that draws it."""

    look: Look
    path: str


@dataclass(frozen=True, slots=True)
class Legend:
    """What the bars of a page have in common.

    `looks`: (look, English name, path in a drawing of one bar). `quiet`: the words for days with nothing to tell.
    """

    looks: Sequence[tuple[Look, str, str]]
    dates: Sequence[str]
    quiet: Mapping[Look, str]


@dataclass(frozen=True, slots=True)
class Bars:
    """The days of a monitor, oldest first, what each looks like, and how the last ones were spent, by their number."""

    days: Sequence[Day]
    parts: Sequence[Availability]
    looks: str
    spans: dict[int, Availability]
    words: Words

    @property
    def bars(self) -> list[Bar]:
        """Return each day by itself."""
        return [Bar(look, _path(index, look)) for index, look in enumerate(map(Look, self.looks))]

    @property
    def paths(self) -> Sequence[tuple[Look, str]]:
        """Return (look, the path that draws all its days) of the looks that occur."""
        return _paths(self.looks)

    @property
    def width(self) -> int:
        """Return the width of the drawing, in its units."""
        return WIDTH * len(self.looks)

    @property
    def told(self) -> list[tuple[int, str]]:
        """Return (place, "21 Nov: down for 14 min") of the days that have something to tell, the last one first."""
        places = [place for place, look in enumerate(self.looks) if Look(look) not in _QUIET]
        return [(place, self._text(place)) for place in reversed(places)]

    @property
    def summary(self) -> str:
        """Return for whoever does not see them how many days there are, and the last outages."""
        return _summary(self)

    @property
    def legend(self) -> Legend:
        """Return what its own looks mean."""
        return legend_of(set(map(Look, self.looks)), self.days, self.words)

    @property
    def first_date(self) -> str:
        """Return the date of the oldest day; there is one."""
        return short_date(self.days[0].date, self.words)

    @property
    def last_date(self) -> str:
        """Return the date of the newest day; there is one."""
        return short_date(self.days[-1].date, self.words)

    @property
    def watched_count(self) -> int:
        """Return how many days ago the first of them lies of which anything is known; 0: nothing is."""
        first = next((place for place, part in enumerate(self.parts) if part.up or part.down), len(self.parts))
        return len(self.parts) - first

    @property
    def watched_since(self) -> str:
        """Return the date of that day; empty where all days are watched, or none is."""
        count = self.watched_count
        return short_date(self.days[-count].date, self.words) if 0 < count < len(self.days) else ""

    @property
    def watched(self) -> Availability:
        """Return how the days since then were spent."""
        return total(self.parts[len(self.parts) - self.watched_count :])

    def _text(self, place: int) -> str:
        return f"{short_date(self.days[place].date, self.words)}: {describe(self.parts[place], self.words)}"


def make(days: Sequence[Day], parts: Sequence[Availability], words: Words, *, lengths: Sequence[int] = (7, 30)) -> Bars:
    """Return the bars of one monitor, whose *parts* belong to *days*, oldest first."""
    if len(days) != len(parts):
        raise ValueError(f"{len(parts)} parts for {len(days)} days")
    looks = "".join(map(look_of, parts))
    return Bars(days, parts, looks, {length: total(parts[-length:]) for length in lengths}, words)


def legend_of(looks: Set[Look], days: Sequence[Day], words: Words) -> Legend:
    """Return what *looks* mean, and the dates of *days*."""
    return Legend(
        [(look, name, _path(0, look)) for look, name in _LEGEND.items() if look in looks],
        [short_date(day.date, words) for day in days],
        {look: words.translate(text) for look, text in _QUIET.items()},
    )


def look_of(part: Availability) -> Look:
    """Return what a day looks like."""
    for look, length in (
        (Look.DOWN, part.down),
        (Look.EXCLUDED, part.excluded),
        (Look.MAINTENANCE, part.maintenance),
        (Look.UP, part.up),
        (Look.PAUSED, part.paused),
    ):
        if length:
            return look
    return Look.NONE


def describe(part: Availability, words: Words) -> str:
    """Return how a day went, in words: "down for 14 min, 5 min excluded"."""
    said = [
        words.translate(template) % {name: words.duration(length / 1_000_000) for name in ("time", "length")}
        for template, length in (
            (N_("down for %(length)s"), part.down),
            (N_("%(time)s excluded"), part.excluded),
            (N_("%(time)s of maintenance"), part.maintenance),
        )
        if length
    ]
    if said:
        return ", ".join(said)
    return words.translate(_QUIET[Look.UP if part.up else Look.PAUSED if part.paused else Look.NONE])


def short_date(day: date, words: Words) -> str:
    """Return a date without its year: "21 Nov", "21 nov"."""
    return words.translate(_DATES[day.month - 1]) % {"day": day.day}


def _path(index: int, look: Look) -> str:
    top, bottom = _REACH[look]
    return f"M{index * WIDTH + WIDTH // 2} {top}V{bottom}"


# Most monitors were up on all days, or since the same one.
@lru_cache(maxsize=1_000)
def _paths(looks: str) -> Sequence[tuple[Look, str]]:
    found: dict[Look, list[str]] = {}
    for index, look in enumerate(map(Look, looks)):
        found.setdefault(look, []).append(_path(index, look))
    return [(look, "".join(paths)) for look, paths in found.items()]


def _summary(bars: Bars) -> str:
    """The last outages first, and not all: whoever has the days read out hears what they ask for."""
    if not bars.looks:
        return ""
    words = bars.words
    span = words.translate(N_("%(count)d days up to today")) % {"count": len(bars.looks)}
    down = [place for place, look in enumerate(bars.looks) if look == Look.DOWN][::-1]
    if not down:
        return f"{span}: {words.translate(_QUIET[Look.UP if Look.UP in bars.looks else Look.NONE])}."
    told = [bars._text(place) for place in down[:MAX_TOLD]]
    if len(down) > MAX_TOLD:
        rest = len(down) - MAX_TOLD + 1  # never "1 more": that one would have taken no more room
        told[MAX_TOLD - 1 :] = [words.translate(N_("%(count)d more days with an outage")) % {"count": rest}]
    return f"{span}. {'; '.join(told)}."
