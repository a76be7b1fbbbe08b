"""When pings are expected by the calendar: a cron or a systemd expression, read in a time zone.

Everything about time zones and the changes of their clocks is decided here, once. The two libraries are asked for
times on the wall only, without a zone; which instant such a time is, or whether it is one at all, is said by
`Calendar`. Pure; the one thing read from outside is the database of time zones.

Which language an expression is in: one that begins with `@`, or has exactly five fields, is cron; every other one is
systemd's. No expression of systemd has five fields.

Source: crontab(5) and cron(8) of Debian; systemd.time(7); docs/decisions/0011-schedules-and-clock-changes.md
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from oncalendar import BaseIterator, OnCalendarError

from pulsemon.core.days import zone_of
from pulsemon.core.texts import N_

# Longer ones are lists that nobody reads again, and each is parsed at every look.
MAX_LENGTH = 200
# A zone has one meaning everywhere: these two mean what the machine, or nobody, has set.
_NO_ZONES = frozenset({"localtime", "Factory"})
# As crontab(5) has them. @reboot is no time.
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SECOND = timedelta(seconds=1)
# Where typical gaps are measured: long enough for leap years, and from the first year that systemd knows.
_SAMPLE_START, _SAMPLE_END, _SAMPLE_COUNT = datetime(1970, 1, 1), datetime(1982, 1, 1), 200  # noqa: DTZ001 - on the wall
# For what fires once, or less than twice in those years.
_RARE = timedelta(days=366)

# What may be wrong, by code. The offending text is never part of it.
MESSAGES: dict[str, str] = {
    "schedule": N_(
        "This must be a cron expression of five fields (30 2 * * *), one of @hourly, @daily, @weekly, @monthly and "
        "@yearly, or a systemd OnCalendar expression (Mon..Fri 18:30)."
    ),
    "schedule-fields": N_(
        "A cron expression has five fields: minute, hour, day of the month, month, day of the week (30 2 * * *)."
    ),
    "schedule-second": N_("The second cannot be read: it may hold whole numbers from 0 to 59."),
    "schedule-minute": N_("The minute cannot be read: it may hold numbers from 0 to 59."),
    "schedule-hour": N_("The hour cannot be read: it may hold numbers from 0 to 23."),
    "schedule-day": N_("The day of the month cannot be read: it may hold numbers from 1 to 31."),
    "schedule-month": N_("The month cannot be read: it may hold numbers from 1 to 12, or JAN to DEC in cron."),
    "schedule-weekday": N_(
        "The day of the week cannot be read: it may hold Mon to Sun, or numbers from 0 (Sunday) to 7 (Sunday) in cron."
    ),
    "schedule-year": N_("The year cannot be read: it may hold numbers from 1970 to 2199."),
    "schedule-never": N_("This schedule never fires again: no such day or time lies ahead."),
    "schedule-too-long": N_("A schedule may hold at most %(max)d characters."),
    "timezone": N_("There is no such time zone. Write its IANA name, such as UTC, America/Sao_Paulo or Europe/Lisbon."),
}
# How both libraries name the part that they cannot read.
_PARTS = {
    "Bad second": "schedule-second",
    "Bad minute": "schedule-minute",
    "Bad hour": "schedule-hour",
    "Bad day-of-month": "schedule-day",
    "Bad month": "schedule-month",
    "Bad day-of-week": "schedule-weekday",
    "Bad year": "schedule-year",
}
_LOOKS_LIKE_CRON = re.compile(r"[0-9*][^-:]*( [0-9A-Za-z*,/#?-]+)+")


class ScheduleError(ValueError):
    """The schedule or its time zone cannot be used.

    `field` is "schedule" or "timezone"; `code` is a key of `MESSAGES`, and `limits` fills its placeholders. As text
    it is the English sentence.
    """

    def __init__(self, code: str, *, field: str = "schedule") -> None:
        self.code = code
        self.field = field
        self.limits: tuple[tuple[str, object], ...] = (("max", MAX_LENGTH),) if code == "schedule-too-long" else ()
        super().__init__(MESSAGES[code] % dict(self.limits))


class Clock(StrEnum):
    """What becomes of a time on the wall when the clock is put forward or back."""

    FIXED = (
        "fixed"  # cron, set times: one that is skipped fires when the gap ends; one that is repeated, the first time
    )
    RUNNING = (
        "running"  # cron, * as minute or hour: goes by the clock; what is skipped is lost, what is repeated fires twice
    )
    SYSTEMD = "systemd"  # what is skipped is lost; what is repeated fires the first time


@dataclass(frozen=True)
class Calendar:
    """A schedule that was read: `expression`, without a zone of its own, on the wall of `timezone`.

    Two are equal if these two are. Made by `parse`; immutable apart from what it remembers of its last answer.
    """

    expression: str
    timezone: str
    clock: Clock = field(compare=False)
    _zone: ZoneInfo = field(compare=False, repr=False)
    # The last answer: it holds for every instant between the two. A search takes 50 µs and more, this 0.2.
    _last: list[tuple[datetime, datetime | None]] = field(default_factory=list, compare=False, repr=False)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first firing strictly after *instant*; None if there is none within fifty years, or ever.

        Both are aware, the answer in UTC and in whole seconds.
        """
        if self._last:
            since, found = self._last[0]
            if since <= instant and (found is None or instant < found):
                return found
        next_one = self._search(instant)
        self._last[:] = [(instant, next_one)]
        return next_one

    def upcoming(self, after: datetime, count: int) -> list[datetime]:
        """Return the next *count* firings after an instant, in UTC; fewer where the schedule ends."""
        found: list[datetime] = []
        at = self.next_after(after)
        while at is not None and len(found) < count:
            found.append(at)
            at = self.next_after(at)
        return found

    def is_moved(self, firing: datetime) -> bool:
        """Return whether *firing* stands for a time that the clock skipped, and not for the one that it shows."""
        wall = self.local(firing).replace(tzinfo=None)
        return next(self._walls(wall - _SECOND), None) != wall

    def local(self, instant: datetime) -> datetime:
        """Return *instant* as the clock of the schedule's zone shows it."""
        return instant.astimezone(self._zone)

    @cached_property
    def nominal_interval(self) -> timedelta:
        """Return the shortest time between two firings by the calendar, clock changes apart.

        The shortest, because the rules that need one number ask how soon the next ping may rightly come: half of it
        tells a repeat from another run. `0 9-17 * * 1-5` gives an hour, `0 2 1 * *` 28 days. What fires once, or
        less than twice in twelve years, gives 366 days.
        """
        walls: list[datetime] = []
        for wall in islice(self._walls(_SAMPLE_START), _SAMPLE_COUNT):
            walls.append(wall)
            if wall > _SAMPLE_END:
                break
        return min((later - earlier for earlier, later in pairwise(walls)), default=_RARE)

    def _walls(self, after: datetime) -> Iterator[datetime]:
        """Return the times on the wall that the expression names, strictly after one of them; none has a zone."""
        if self.clock is Clock.SYSTEMD:
            return BaseIterator(self.expression, after)
        return CronSim(self.expression, after)

    def _search(self, instant: datetime) -> datetime | None:
        local = self.local(instant)
        wall = local.replace(tzinfo=None, fold=0)
        is_second_pass = bool(local.fold)
        if is_second_pass and self.clock is not Clock.RUNNING:
            return self._first(self._wall_before(self._change(wall)))
        found = self._first(wall, fold=local.fold)
        if self.clock is Clock.RUNNING and not is_second_pass and self._is_repeated(wall):
            # After the rest of this pass comes the second one, from its beginning.
            second_pass = self.local(self._change(wall)).replace(tzinfo=None, fold=0)
            again = self._first(second_pass - _SECOND, fold=1)
            return min((at for at in (found, again) if at is not None), default=None)
        return found

    def _first(self, after: datetime, *, fold: int = 0) -> datetime | None:
        """Return the instant of the first time on the wall after one; *fold* says which pass of a repeated hour."""
        for wall in self._walls(after):
            at = self._instant(wall, fold=fold)
            if self.local(at).replace(tzinfo=None) == wall:
                return at
            gap_end = self._change(wall)
            if self.clock is Clock.FIXED:
                return gap_end
            # Whatever else lies in the gap is skipped with it.
            return self._first(self.local(gap_end).replace(tzinfo=None) - _SECOND, fold=fold)
        return None

    def _instant(self, wall: datetime, *, fold: int) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _is_repeated(self, wall: datetime) -> bool:
        return self._instant(wall, fold=0) < self._instant(wall, fold=1)

    def _wall_before(self, change: datetime) -> datetime:
        """Return the last second that the clock showed before it was put back."""
        return self.local(change - _SECOND).replace(tzinfo=None, fold=0)

    def _change(self, wall: datetime) -> datetime:
        """Return the instant at which the clock skips *wall*, or begins to show it again."""
        # PEP 495: the two folds read the time with the offsets of before and after the change, which lies in between.
        low, high = sorted(self._instant(wall.replace(microsecond=0), fold=fold) for fold in (0, 1))
        new = self.local(high).utcoffset()
        seconds = range(int((high - low).total_seconds()) + 1)
        passed = bisect_left(seconds, True, key=lambda count: self.local(low + count * _SECOND).utcoffset() == new)
        return low + passed * _SECOND


@lru_cache(maxsize=10_000)
def parse(expression: str, timezone: str = "UTC") -> Calendar:
    """Read a schedule. One of systemd's may end in a time zone, which then counts instead of *timezone*.

    Raises:
        ScheduleError: it cannot be read, is too long, can never fire (30 February), or the zone is unknown.
    """
    if timezone not in zone_names():
        raise ScheduleError("timezone", field="timezone")
    if len(expression) > MAX_LENGTH:
        raise ScheduleError("schedule-too-long")
    parts = expression.split()
    if not parts or not expression.isascii():
        raise ScheduleError("schedule")
    if parts[0].startswith("@"):
        alias = _ALIASES.get(" ".join(parts).lower())
        if alias is None:
            raise ScheduleError("schedule")
        return _cron(alias.split(), timezone)
    if len(parts) == 5:
        return _cron(parts, timezone)
    return _systemd(parts, timezone)


def read(expression: str, timezone: str = "UTC", *, now: datetime) -> Calendar:
    """Read a schedule that somebody enters at *now*: one that lies wholly in the past is refused too.

    Raises:
        ScheduleError: as `parse`, and "schedule-never" where nothing lies ahead.
    """
    calendar = parse(expression, timezone)
    if calendar.next_after(now) is None:
        raise ScheduleError("schedule-never")
    return calendar


def on_the_wall(instant: datetime, timezone: str) -> datetime:
    """Return *instant* as the clocks of a time zone show it; in UTC where there is no such zone any more."""
    return instant.astimezone(zone_of(timezone))


def instant_of(wall: datetime, timezone: str) -> datetime | None:
    """Return the instant, in UTC, at which the clocks of a zone show *wall*, which has none; None: they skip it.

    Of a time that they show twice, the first. A date at the end of all dates has no instant either. As `on_the_wall`,
    in UTC where there is no such zone any more.
    """
    zone = zone_of(timezone)
    try:
        at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        shown = at.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return None
    return at if shown == wall.replace(fold=0) else None


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(available_timezones()) - _NO_ZONES


def _cron(parts: list[str], timezone: str) -> Calendar:
    problem = _cron_problem(parts)
    if problem == "Bad day-of-month" and _cron_problem([*parts[:3], "*", parts[4]]) is None:
        raise ScheduleError("schedule-never")  # the day exists, only not in these months
    if problem is not None:
        raise ScheduleError(_PARTS.get(problem, "schedule"))
    # Debian's cron takes a star at the beginning of either field for a job that goes by the running clock.
    is_running = parts[0].startswith("*") or parts[1].startswith("*")
    clock = Clock.RUNNING if is_running else Clock.FIXED
    return Calendar(" ".join(parts), timezone, clock, ZoneInfo(timezone))


def _cron_problem(parts: list[str]) -> str | None:
    try:
        CronSim(" ".join(parts), _SAMPLE_START)
    except CronSimError as error:
        return str(error)
    return None


def _systemd(parts: list[str], timezone: str) -> Calendar:
    if len(parts) > 1 and parts[-1] in zone_names():
        *parts, timezone = parts
    elif len(parts) > 1 and "/" in parts[-1] and parts[-1][0].isalpha():
        raise ScheduleError("timezone")
    expression = " ".join(parts)
    try:
        walls = BaseIterator(expression, _SAMPLE_START)
    except OnCalendarError as error:
        if _LOOKS_LIKE_CRON.fullmatch(expression):
            raise ScheduleError("schedule-fields") from error
        # A lone word or number is taken for a day of the week; what is none may have been meant as anything.
        code = "schedule" if len(parts) == 1 and expression.isalnum() else _PARTS.get(str(error), "schedule")
        raise ScheduleError(code) from error
    if next(walls, None) is None:
        raise ScheduleError("schedule-never")
    return Calendar(expression, timezone, Clock.SYSTEMD, ZoneInfo(timezone))
