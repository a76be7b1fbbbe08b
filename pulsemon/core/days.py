"""Calendar days of a time zone as spans of instants. Pure; the one thing read from outside is the database of zones.

A day begins with the first instant that bears its date. So it lasts 24 hours, and on the days on which clocks change
23, 25 or, at Lord Howe, 23½ and 24½; where the clock skips midnight it begins at 01:00; and 30 December 2011, which
Samoa left out, is no day there.
"""

from __future__ import annotations

import errno
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One date of a zone, [`start`, `end`), both aware and in UTC."""

    date: date
    start: datetime
    end: datetime


# What says nothing of the name: no descriptor or memory left, a disk that cannot be read.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO})


@lru_cache(maxsize=1_000)
def zone_of(name: str) -> tzinfo:
    """Return a time zone; UTC where there is none of that name any more.

    Raises:
        OSError: it could not be read this time, for want of a file descriptor or the like.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
    except OSError as failed:
        if failed.errno in _PASSING:
            raise
        return UTC


def date_at(instant: datetime, timezone: str) -> date:
    """Return the date that a calendar in *timezone* shows at *instant*."""
    return instant.astimezone(zone_of(timezone)).date()


# Every page asks for the same ninety borders.
@lru_cache(maxsize=4096)
def day_start(day: date, timezone: str) -> datetime:
    """Return the first instant, in UTC, that bears *day* in *timezone*; of a day left out, that of the next one.

    Where midnight comes twice, the first one counts.
    """
    zone = zone_of(timezone)
    midnight = datetime.combine(day, time(), zone)
    start = midnight.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return start
    # PEP 495: of a time that is skipped, the two folds lie on either side of the change.
    before = midnight.replace(fold=1).astimezone(UTC)
    seconds = range(int((start - before) / _SECOND) + 1)
    passed = bisect_left(seconds, True, key=lambda count: (before + count * _SECOND).astimezone(zone).date() >= day)
    return before + passed * _SECOND


def days(first: date, last: date, timezone: str) -> list[Day]:
    """Return the days from *first* to *last*, both included; those that the zone left out are missing."""
    found: list[Day] = []
    start = day_start(first, timezone)
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        end = day_start(day + _DAY, timezone)
        if end > start:
            found.append(Day(day, start, end))
        start = end
    return found


def days_of(start: datetime, end: datetime, timezone: str) -> list[Day]:
    """Return the days that [*start*, *end*) touches, the first and the last one cut to it."""
    if end <= start:
        return []
    touched = days(date_at(start, timezone), date_at(end, timezone) + _DAY, timezone)
    return [
        Day(each.date, max(each.start, start), min(each.end, end))
        for each in touched
        if each.start < end and each.end > start
    ]


def last_days(count: int, timezone: str, *, now: datetime) -> list[Day]:
    """Return the last *count* dates up to the one of *now*, which ends at *now*."""
    today = date_at(now - timedelta(microseconds=1), timezone)
    return days_of(day_start(today - (count - 1) * _DAY, timezone), now, timezone)


def month_days(year: int, month: int, timezone: str) -> list[Day]:
    """Return the days of a month."""
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return days(first, following - _DAY, timezone)
