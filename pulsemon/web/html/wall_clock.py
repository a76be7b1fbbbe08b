"""Times by the clock of a zone that an owner chose: as pages say them, and as a form's field holds them."""

from __future__ import annotations

from datetime import datetime

from pulsemon.core import schedule
from pulsemon.locale import times


def clock_in(instant: datetime, timezone: str, locale: str) -> str:
    """Return the time of day with the zone's name: "14:02:11 (UTC)", "11:02:11 (Brasilia Time)"."""
    return _named(times.clock(instant, timezone), timezone, locale)


def moment_in(instant: datetime, timezone: str, locale: str) -> str:
    """Return day and time, without the zone's name: the page has it once."""
    return times.instant(instant, timezone, locale)


def named_moment_in(instant: datetime, timezone: str, locale: str) -> str:
    """Return day and time to the second with the zone's name: "2 Mar 2026, 11:02:11 (Brasilia Time)"."""
    return _named(times.instant(instant, timezone, locale, is_exact=True), timezone, locale)


def span_in(start: datetime, end: datetime, timezone: str, locale: str) -> str:
    """Return a span to the minute with the zone's name: "2 Mar 2026, 22:00 – 23:30 (Brasilia Time)"."""
    return _named(times.span(start, end, timezone, locale), timezone, locale)


def field_in(instant: datetime, timezone: str) -> str:
    """Return an instant as a field for date and time holds it; seconds only where there are some."""
    local = schedule.on_the_wall(instant, timezone)
    return local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")


def _named(text: str, timezone: str, locale: str) -> str:
    return f"{text} ({times.zone(timezone, locale)})"
