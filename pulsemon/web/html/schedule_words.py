"""A schedule in the reader's language: a sentence where it is a simple one, and its next firings.

Days and months have their names here, because Babel is not there at run time. Times are those of the schedule's zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from pulsemon.core import durations, schedule
from pulsemon.core.schedule import Calendar, Clock, ScheduleError
from pulsemon.core.texts import N_
from pulsemon.core.timing import usual_grace
from pulsemon.locale import times, translator

SHOWN_COUNT = 5

_WEEKDAYS = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)
MONTHS = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
_DAY = N_("%(weekday)s %(day)d %(month)s")
_DAY_OF_ANOTHER_YEAR = N_("%(weekday)s %(day)d %(month)s %(year)d")
_TODAY = N_("today, %(day)s")
_TOMORROW = N_("tomorrow, %(day)s")
_MOVED = N_("moved: the clock skips the time it was set for")
_AGAIN = N_("for the second time: the clock was put back")

# What of cron is easily said, by its five fields.
_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (r"(?:\*|\*/1) \* \* \* \*", N_("every minute")),
        (r"\*/(?P<minutes>\d+) \* \* \* \*", N_("every %(minutes)s minutes")),
        (r"(?P<minute>\d+) (?:\*|\*/1) \* \* \*", N_("every hour, at minute %(minute)s")),
        (r"(?P<minute>\d+) \*/(?P<hours>\d+) \* \* \*", N_("every %(hours)s hours, at minute %(minute)s")),
        (r"(?P<at>\d+ [\d,]+) \* \* \*", N_("every day at %(at)s")),
        (r"(?P<at>\d+ [\d,]+) \* \* (?:1-5|mon-fri)", N_("Monday to Friday at %(at)s")),
        (r"(?P<at>\d+ [\d,]+) \* \* (?P<weekday>[0-7]|[a-z]{3})", N_("every week on %(weekday)s at %(at)s")),
        (r"(?P<at>\d+ [\d,]+) (?P<day>\d+) \* \*", N_("every month on day %(day)s at %(at)s")),
        (r"(?P<at>\d+ [\d,]+) l \* \*", N_("every month on its last day at %(at)s")),
        (r"(?P<at>\d+ [\d,]+) (?P<day>\d+) (?P<month>\d+) \*", N_("every year on %(day)s %(month)s at %(at)s")),
    )
)
# The same for systemd, by the cron expression of the same meaning.
_SHORTHANDS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
_SYSTEMD = re.compile(
    r"(?:(?P<weekday>[a-z]{3})(?:(?:\.\.|-)(?P<last>[a-z]{3}))? )?(?:\*-\*-\* )?(?P<hour>\d+):(?P<minute>\d+)(?::0+)?",
    re.IGNORECASE,
)
_CRON_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing to be shown: when, as a sentence, and what the clock did to it (mostly nothing).

    `for_reader`: the same by the reader's clock, where that shows another time.
    """

    at: datetime
    text: str
    note: str = ""
    for_reader: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown beside the fields of a schedule: its sentence and next firings, or what is wrong by field."""

    sentence: str = ""
    firings: tuple[Firing, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    # What the form proposes as its grace; "" where nothing can be read.
    grace: str = ""


def preview(expression: str, timezone: str, *, locale: str, now: datetime, readers_zone: str = "") -> Preview:
    """Return what to show for what was typed so far; an empty zone is UTC, an empty schedule shows nothing.

    *readers_zone*: times are told in it too where they differ; anything that is no zone is passed over.
    """
    if not expression.strip():
        return Preview()
    try:
        calendar = schedule.read(expression, timezone.strip() or "UTC", now=now)
    except ScheduleError as wrong:
        said = translator(locale).gettext(schedule.MESSAGES[wrong.code]) % dict(wrong.limits)
        return Preview(problems={wrong.field: said})
    readers = schedule.parse(calendar.expression, readers_zone) if readers_zone in schedule.zone_names() else calendar
    firings = []
    for at in calendar.upcoming(now, SHOWN_COUNT):
        is_same_clock = calendar.local(at).utcoffset() == readers.local(at).utcoffset()
        for_reader = "" if is_same_clock else _moment(readers, at, locale=locale, now=now)
        firings.append(replace(firing(calendar, at, locale=locale, now=now), for_reader=for_reader))
    grace = durations.write(int(usual_grace(calendar.nominal_interval).total_seconds()))
    return Preview(sentence(calendar, locale=locale), tuple(firings), grace=grace)


def firing(calendar: Calendar, at: datetime, *, locale: str, now: datetime) -> Firing:
    """Return a firing of *calendar* in words, as told at *now*: "tomorrow, Thursday 26 November, 02:30 (UTC)"."""
    translate = translator(locale).gettext
    note = ""
    if calendar.is_moved(at):
        note = translate(_MOVED)
    elif calendar.local(at).fold:
        note = translate(_AGAIN)
    return Firing(at, _moment(calendar, at, locale=locale, now=now), note)


def _moment(calendar: Calendar, at: datetime, *, locale: str, now: datetime) -> str:
    translate = translator(locale).gettext
    local, today = calendar.local(at), calendar.local(now).date()
    parts = {
        "weekday": translate(_WEEKDAYS[local.weekday()]),
        "day": local.day,
        "month": translate(MONTHS[local.month - 1]),
        "year": local.year,
    }
    day = translate(_DAY if local.year == today.year else _DAY_OF_ANOTHER_YEAR) % parts
    if local.date() == today:
        day = translate(_TODAY) % {"day": day}
    elif local.date() == today + timedelta(days=1):
        day = translate(_TOMORROW) % {"day": day}
    time = local.strftime("%H:%M:%S" if local.second else "%H:%M")
    return f"{day}, {time} ({_zone(calendar, local)})"


def _zone(calendar: Calendar, local: datetime) -> str:
    """Return the zone and its offset at that time: "America/New_York, UTC-5", "Asia/Kathmandu, UTC+5:45", "UTC"."""
    if calendar.timezone in ("UTC", "Etc/UTC"):
        return "UTC"
    return f"{calendar.timezone}, {times.offset(local)}"


def sentence(calendar: Calendar, *, locale: str) -> str:
    """Return what a simple schedule says: "every day at 02:30"; any other one is its own expression."""
    translate = translator(locale).gettext
    fields = _as_cron(calendar)
    for pattern, template in _SENTENCES:
        found = pattern.fullmatch(fields)
        if found is not None and _is_regular(found.groupdict()):
            return translate(template) % _said(found.groupdict(), locale)
    return calendar.expression


def _as_cron(calendar: Calendar) -> str:
    if calendar.clock is not Clock.SYSTEMD:
        return calendar.expression
    found = _SYSTEMD.fullmatch(calendar.expression)
    if found is None:
        return _SHORTHANDS.get(calendar.expression.lower(), "")
    weekday, last, hour, minute = found.group("weekday", "last", "hour", "minute")
    days = "-".join(each for each in (weekday, last) if each) or "*"
    return f"{minute} {hour} * * {days}"


def _is_regular(parts: Mapping[str, str]) -> bool:
    """Return whether the steps in *parts* divide hour and day: "every 7 minutes" is not said of what is none."""
    minutes, hours = int(parts.get("minutes", 1)), int(parts.get("hours", 1))
    # A day that not every month has needs more words than it is worth.
    return 60 % minutes == 0 and 24 % hours == 0 and int(parts.get("day", 1)) <= (31 if "month" in parts else 28)


def _said(parts: Mapping[str, str], locale: str) -> dict[str, str]:
    """Return name of a part -> its numbers as they are said: times as HH:MM, days and months by name."""
    translate = translator(locale).gettext
    said = {name: str(int(text)) if text.isdigit() else text for name, text in parts.items()}
    if "at" in parts:
        minute, _, hours = parts["at"].partition(" ")
        said["at"] = ", ".join(
            f"{hour:02}:{int(minute):02}" for hour in sorted({int(each) for each in hours.split(",")})
        )
    if "weekday" in parts:
        text = parts["weekday"].lower()
        number = int(text) if text.isdigit() else _CRON_DAYS.index(text)
        said["weekday"] = translate(_WEEKDAYS[(number - 1) % 7])
    if "month" in parts:
        said["month"] = translate(MONTHS[int(parts["month"]) - 1])
    return said


def weekdays(*, locale: str) -> list[str]:
    """Return the names of the days, Monday first."""
    return [translator(locale).gettext(name) for name in _WEEKDAYS]


def weekday(number: int, *, locale: str) -> str:
    """Return the name of a day, 1 is Monday."""
    return weekdays(locale=locale)[number - 1]


@cache
def zone_suggestions() -> tuple[str, ...]:
    """Return the time zones to choose from: those named after a place, and UTC first. Others may be written too."""
    named = (name for name in schedule.zone_names() if "/" in name and not name.startswith("Etc/"))
    return ("UTC", *sorted(named))
