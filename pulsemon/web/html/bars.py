"""The last days of a monitor as bars: what each one is, its text, and where it stands in the SVG. Pure.

`parts/bars.html` draws them. States differ by shape and by word, not by colour alone. The markup of two monitors with
the same days is the same, so that a page of many compresses to little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its look, its text ("21 Nov: down for 14 min"), and the path that draws it."""

    look: Look
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a monitor, oldest first, and how its last days were spent, by their number.

    `summary` is for whoever does not see them: the first and the last day, and each day with an outage.
    """

    bars: Sequence[Bar]
    spans: dict[int, Availability]
    summary: str

    @property
    def width(self) -> int:
        """Return the width of the drawing, in its units."""
        return WIDTH * len(self.bars)

    @property
    def legend(self) -> list[tuple[Look, str, str]]:
        """Return (look, its English name, path in a drawing of one bar) of the looks that occur."""
        found = {bar.look for bar in self.bars}
        return [(look, name, _path(0, look)) for look, name in _LEGEND.items() if look in found]


def make(days: Sequence[Day], parts: Sequence[Availability], words: Words, *, lengths: Sequence[int] = (7, 30)) -> Bars:
    """Return the bars of one monitor, whose *parts* belong to *days*, oldest first."""
    bars = [
        Bar(look, f"{short_date(day.date, words)}: {describe(part, words)}", _path(index, look))
        for index, (day, part) in enumerate(zip(days, parts, strict=True))
        for look in (look_of(part),)
    ]
    return Bars(bars, {length: total(parts[-length:]) for length in lengths}, _summary(bars, words))


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
    if part.up:
        return words.translate(N_("no outage"))
    return words.translate(N_("paused") if part.paused else N_("no data"))


def short_date(day: date, words: Words) -> str:
    """Return a date without its year: "21 Nov", "21 nov"."""
    return words.translate(_DATES[day.month - 1]) % {"day": day.day}


def _path(index: int, look: Look) -> str:
    top, bottom = _REACH[look]
    return f"M{index * WIDTH + WIDTH // 2} {top}V{bottom}"


def _summary(bars: Sequence[Bar], words: Words) -> str:
    """The last outages first, and not all: whoever has the days read out hears what they ask for."""
    if not bars:
        return ""
    span = words.translate(N_("%(count)d days up to today")) % {"count": len(bars)}
    told = [bar.text for bar in reversed(bars) if bar.look is Look.DOWN]
    if not told:
        has_data = any(bar.look is Look.UP for bar in bars)
        told = [words.translate(N_("no outage") if has_data else N_("no data"))]
    elif len(told) > MAX_TOLD:
        rest = len(told) - MAX_TOLD + 1  # never "1 more": that one would have taken no more room
        told[MAX_TOLD - 1 :] = [words.translate(N_("%(count)d more days with an outage")) % {"count": rest}]
    return f"{span}. {'; '.join(told)}."
