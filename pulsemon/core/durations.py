"""Lengths of time as people write them ("15 min", "1h30", "2 dias"), and as the panel's fields show them back.

English and Portuguese at once, whatever the language of the page. No months and no years: they have no fixed length; no
"00:15", which is a quarter of a minute to one reader and a quarter of an hour to another; no "1,30 h", which is 78
minutes to one and 90 to another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800
# Each word for a unit, in lower case and without accents, and its seconds.
UNITS: dict[str, int] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "seg", "segs", "segundo", "segundos"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "minuto", "minutos"), _MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hora", "horas"), _HOUR),
    **dict.fromkeys(("d", "day", "days", "dia", "dias"), _DAY),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks", "sem", "semana", "semanas"), _WEEK),
}
# What a number without a unit counts after one that has a unit: "1h30", "2d12".
_NEXT_SMALLER = {_WEEK: _DAY, _DAY: _HOUR, _HOUR: _MINUTE, _MINUTE: 1}
# A word of the catalogue, for `in_words`.
_DAYS = ("%(count)d day", "%(count)d days")
_SHOWN = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
# Longer texts are no length; the number of digits keeps whatever is computed small.
MAX_LENGTH = 60
# Three digits after the point would be thousands to one reader and thousandths to another.
_PART = re.compile(r"([0-9]{1,12})(?:[.,]([0-9]{1,2}))?\s*([a-z]*)(?:\s*(?:,|\band\b|\be\b)\s*|\s*)")
_SIXTIETHS = "|".join(word for word, size in UNITS.items() if size in (_HOUR, _MINUTE))
# Two decimals of an hour or a minute that could be its minutes or seconds. Quarters are decimals to everybody; 60 and
# more can be nothing else, and 00 is the same either way.
_TWO_READINGS = re.compile(rf"[0-9][.,](?!00|25|50)[0-5][0-9]\s*(?:{_SIXTIETHS})(?![a-z])")


def has_two_readings(text: str) -> bool:
    """Return whether decimals in *text* could be minutes or seconds: "1,30 h", but not "1,3 h", "1,25 h", "1,75 h"."""
    trimmed = text.strip().lower()
    return len(trimmed) <= MAX_LENGTH and _TWO_READINGS.search(trimmed) is not None


def read(text: str) -> int | None:
    """Return the seconds that *text* names with units in it; None where it names no whole number of them.

    Each unit stands at most once, the largest first. The last number may go without one: "1h30" is 90 minutes. What has
    two readings names none.
    """
    if has_two_readings(text):
        return None
    rest = text.strip().lower()
    parts = _parts(rest) if len(rest) <= MAX_LENGTH else None
    if not parts or any(size <= following for (_, size), (_, following) in pairwise(parts)):
        return None
    total = sum((number * size for number, size in parts), Fraction())
    return int(total) if total.denominator == 1 else None


def _parts(text: str) -> list[tuple[Fraction, int]] | None:
    """Return (number, seconds of its unit) for each part; None where something else stands in the text."""
    found: list[tuple[Fraction, int]] = []
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        whole, decimals, word = part.groups()
        size = UNITS.get(word) if word else _implied(found)
        if size is None or (not word and part.end() < len(text)):
            return None
        found.append((Fraction(f"{whole}.{decimals or 0}"), size))
        at = part.end()
    return found if not re.search(r"(?:,|\band|\be)\s*$", text) else None


def _implied(before: list[tuple[Fraction, int]]) -> int | None:
    return _NEXT_SMALLER.get(before[-1][1]) if before else None


def write(seconds: int) -> str:
    """Return the shortest exact text: "15 min", "1 h 30 min", "2 d"; in either language, and `read` takes it."""
    left, parts = max(0, seconds), []
    for size, sign in _SHOWN:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {sign}")
    return " ".join(parts) or "0 s"


def in_words(
    seconds: int, translate_many: Callable[[str, str, int], str] = lambda one, many, count: one if count == 1 else many
) -> str:
    """Return the same with days as a word, for a sentence: "1 h 30 min", "3650 days"; "0" for nothing."""
    days, rest = divmod(max(0, seconds), _DAY)
    said = [translate_many(*_DAYS, days) % {"count": days}] if days else []
    return " ".join([*said, write(rest)] if rest else said) or "0"
