"""Times as a public page says them: in the zone that its owner chose, with that zone's distance from UTC."""

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


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
