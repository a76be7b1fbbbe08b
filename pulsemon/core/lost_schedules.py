"""Schedules that can no longer be read as they were meant, and what they are judged by instead. Pure.

Time zones are renamed and move to packages that are not installed, a copy is restored on a machine with older ones, and
a library may refuse tomorrow what it read today. Whatever is lost, no job is expected sooner than its owner asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from pulsemon.core import schedule
from pulsemon.core.schedule import Calendar, Clock, ScheduleError, zone_names

_UTC = ZoneInfo("UTC")
# Where the zones are compared: often enough to tell their clock changes apart.
_SAMPLES = tuple(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=14 * number) for number in range(52))


@dataclass(frozen=True)
class ZonelessCalendar(Calendar):
    """A schedule in a zone that nobody knows. It could be any: a firing is past once it is in all of them."""

    _anywhere: tuple[Calendar, ...] = field(default=(), compare=False, repr=False)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the latest instant at which any zone would have the next firing; None where none has one."""
        found = [calendar.next_after(instant) for calendar in self._anywhere]
        return max((each for each in found if each is not None), default=None)


@dataclass(frozen=True)
class UnreadCalendar(Calendar):
    """A schedule that cannot be read at all: when it fires nobody knows, so nothing is expected of it."""

    def next_after(self, instant: datetime) -> datetime | None:
        """Return None."""
        return None


def calendar_of(expression: str, timezone: str) -> Calendar:
    """Return the calendar of a schedule that was once accepted: as it was meant, or never stricter."""
    try:
        return schedule.parse(expression, timezone)
    except ScheduleError as wrong:
        return _instead(expression, timezone, wrong)


def problem(expression: str | None, timezone: str) -> ScheduleError | None:
    """Return why a stored schedule cannot be read as it was meant; None where it can, and where there is none."""
    if expression is None or not isinstance(calendar_of(expression, timezone), ZonelessCalendar | UnreadCalendar):
        return None
    try:
        schedule.parse(expression, timezone)
    except ScheduleError as wrong:
        return wrong
    return None


def _instead(expression: str, timezone: str, wrong: ScheduleError) -> Calendar:
    bare, lost = expression, timezone
    if wrong.code == "timezone" and wrong.field == "schedule":
        bare, _, lost = expression.rpartition(" ")
    try:
        known = schedule.parse(bare, "UTC")
        if bare == expression and schedule.parse(bare, "Etc/GMT+1").timezone == known.timezone:
            return known  # it names a zone of its own, which counts
    except ScheduleError:
        return UnreadCalendar(expression, timezone, Clock.SYSTEMD, _UTC)
    if wrong.code != "timezone":
        return UnreadCalendar(expression, timezone, Clock.SYSTEMD, _UTC)
    return ZonelessCalendar(known.expression, lost, known.clock, _UTC, _anywhere=_everywhere(known.expression))


@lru_cache(maxsize=1_000)
def _everywhere(expression: str) -> tuple[Calendar, ...]:
    return tuple(schedule.parse(expression, name) for name in _different_zones())


@cache
def _different_zones() -> tuple[str, ...]:
    """Return one name for all zones whose clocks go alike nowadays: sixty and some of six hundred."""
    found: dict[tuple[timedelta | None, ...], str] = {}
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        found.setdefault(tuple(at.astimezone(zone).utcoffset() for at in _SAMPLES), name)
    return tuple(found.values())
