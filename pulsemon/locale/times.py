"""Instants, spans, days, shares and the names of zones, in the one form that each language has (CLDR).

Times are by the clock of a zone; the zone is named apart, because many times stand under one name.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from pulsemon.core import schedule

_NAMES_FILE = Path(__file__).parent / "zones.json"
_UTC = frozenset({"UTC", "Etc/UTC"})
# As CLDR has them for English; Portuguese writes numbers.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def instant(at: datetime, timezone: str, locale: str, *, is_exact: bool = False) -> str:
    """Return day and time: "29 Nov 2026, 16:25", "29/11/2026 16:25"; to the second where *is_exact*.

    A time that the clocks show twice says which it is: "1 Nov 2026, 01:30 UTC-5".
    """
    local = schedule.on_the_wall(at, timezone)
    return _joined(day(local, locale), _clock(local, is_exact=is_exact), locale) + _which(local)


def span(start: datetime, end: datetime, timezone: str, locale: str, *, is_exact: bool = False) -> str:
    """Return from when to when: "29 Nov 2026, 13:45 – 14:24"; the second day, and both offsets, where they differ."""
    begun, ended = (schedule.on_the_wall(each, timezone) for each in (start, end))
    first, last = (_clock(each, is_exact=is_exact) for each in (begun, ended))
    if begun.utcoffset() != ended.utcoffset():
        first, last = f"{first} {offset(begun)}", f"{last} {offset(ended)}"
    if begun.date() != ended.date():
        last = _joined(day(ended, locale), last, locale)
    return f"{_joined(day(begun, locale), first, locale)} – {last}"


def clock(at: datetime, timezone: str) -> str:
    """Return the time of day, to the second: "11:02:11"."""
    local = schedule.on_the_wall(at, timezone)
    return _clock(local, is_exact=True) + _which(local)


def day(local: date, locale: str) -> str:
    """Return a calendar day: "29 Nov 2026", "29/11/2026"."""
    if locale == "pt-BR":
        return f"{local.day:02}/{local.month:02}/{local.year}"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def zone(timezone: str, locale: str) -> str:
    """Return what a time zone is called: "Brasilia Time", "horário de Brasília"; one without a name is its own."""
    if timezone not in schedule.zone_names() or timezone in _UTC:
        return "UTC"
    name = _names().get(locale, {}).get(timezone, timezone)
    return name[:1].lower() + name[1:] if locale == "pt-BR" and name.startswith("Hor") else name


def percent(number: str, locale: str) -> str:
    """Return a number of percent, which is written with a point, as the language writes it: "99.66%", "99,66%"."""
    return f"{number.replace('.', ',') if locale == 'pt-BR' else number}%"


def offset(local: datetime) -> str:
    """Return how far the clock is from UTC: "UTC-3", "UTC+5:45", "UTC"."""
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _joined(of_day: str, of_clock: str, locale: str) -> str:
    return f"{of_day} {of_clock}" if locale == "pt-BR" else f"{of_day}, {of_clock}"


def _clock(local: datetime, *, is_exact: bool) -> str:
    return local.strftime("%H:%M:%S" if is_exact else "%H:%M")


def _which(local: datetime) -> str:
    """Return the offset of a time that its clock shows twice, or not at all; mostly nothing."""
    is_sure = local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()
    return "" if is_sure else f" {offset(local)}"


@cache
def _names() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(_NAMES_FILE.read_text(encoding="utf-8"))
    return found
