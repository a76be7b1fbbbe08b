"""Times by the clock of a zone that an owner chose: as pages say them, and as a form's field holds them."""

from __future__ import annotations

from datetime import datetime, timedelta

from pulsemon.core import schedule


def clock_in(instant: datetime, timezone: str) -> str:
    """Return the time of day in a zone: "14:02:11 UTC", "11:02:11 UTC-3"."""
    local = schedule.on_the_wall(instant, timezone)
    return f"{local:%H:%M:%S} {_offset(local)}"


def moment_in(instant: datetime, timezone: str) -> str:
    """Return day and time in a zone: "2026-03-02 11:02:11 UTC-3"."""
    local = schedule.on_the_wall(instant, timezone)
    return f"{local:%Y-%m-%d %H:%M:%S} {_offset(local)}"


def span_in(start: datetime, end: datetime, timezone: str) -> str:
    """Return a span to the minute: "2026-03-02 22:00 – 23:30 UTC-3"; the second day and offset where they differ."""
    begun, ended = (schedule.on_the_wall(each, timezone) for each in (start, end))
    first = f"{begun:%Y-%m-%d %H:%M}"
    if _offset(begun) != _offset(ended):
        first += f" {_offset(begun)}"
    last = f"{ended:%H:%M}" if begun.date() == ended.date() else f"{ended:%Y-%m-%d %H:%M}"
    return f"{first} – {last} {_offset(ended)}"


def field_in(instant: datetime, timezone: str) -> str:
    """Return an instant as a field for date and time holds it; seconds only where there are some."""
    local = schedule.on_the_wall(instant, timezone)
    return local.strftime("%Y-%m-%dT%H:%M:%S" if local.second else "%Y-%m-%dT%H:%M")


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
