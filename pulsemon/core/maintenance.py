"""Maintenance: plans, the windows that follow from them, and what each window has yet to be noticed for. Pure.

A window begins when a clock on the wall says so (`core.schedule` knows the changes of clocks) and lasts a length of
real time. Windows of one plan do not overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise

from pulsemon.core import schedule
from pulsemon.core.days import date_at, day_start
from pulsemon.core.schedule import Calendar, ScheduleError
from pulsemon.core.texts import N_
from pulsemon.core.uptime import Span

MIN_LENGTH, MAX_LENGTH = timedelta(seconds=1), timedelta(days=30)
# Between two beginnings. Windows are rows that stay: one a second would be thirty million a year.
MIN_GAP = timedelta(minutes=5)
# Windows of a plan that are made ahead, and how far.
AHEAD, HORIZON = 10, timedelta(days=366)
MAX_ANNOUNCE_HOURS = 30 * 24
# Somebody forgot to say so; what lies further back is a correction of the availability.
LONGEST_BACKDATING = timedelta(days=1)
# A plan for later than this is a slip of the pen.
FURTHEST = timedelta(days=5 * 366)
_DAY, _INSTANT, _SECOND = timedelta(days=1), timedelta(microseconds=1), timedelta(seconds=1)

MESSAGES: dict[str, str] = {
    "length": N_("Maintenance lasts from a second to 30 days."),
    "ends-before": N_("Maintenance must end after it begins."),
    "too-early": N_("This is more than a day ago. What is past can be excluded from the availability instead."),
    "too-far": N_("This is more than five years ahead."),
    "no-window": N_("With this last day there is no maintenance at all: the first would begin later."),
    "too-often": N_("Maintenance begins every five minutes at most. Choose a less frequent schedule."),
    "overlapping": N_("The next maintenance would begin before this one ends. Make it shorter, or less frequent."),
}


class Repeats(StrEnum):
    """How often a plan comes to a window."""

    ONCE = "once"
    WEEKLY = "weekly"  # on days of the week, at one time of the day
    CRON = "cron"  # by an expression of core.schedule


@dataclass(frozen=True, slots=True)
class Plan:
    """When there is maintenance: once at `starts_at`, or whenever `schedule` fires from then on, for `length`.

    `last_day`: no window begins after that date of the zone.
    """

    repeats: Repeats
    starts_at: datetime
    length: timedelta
    timezone: str
    schedule: str | None = None
    last_day: date | None = None

    @property
    def until(self) -> datetime | None:
        """Return the last instant at which a window may begin; None: there is none."""
        return None if self.last_day is None else day_start(self.last_day + _DAY, self.timezone) - _SECOND


class PlanError(ValueError):
    """A plan that cannot be. `code` is a key of MESSAGES, or of those of `core.schedule`; `limits` fills it in."""

    def __init__(self, field: str, code: str, limits: tuple[tuple[str, object], ...] = ()) -> None:
        self.field, self.code, self.limits = field, code, limits
        super().__init__((MESSAGES.get(code) or schedule.MESSAGES[code]) % dict(limits))


def day_of(until: datetime | None, timezone: str) -> date | None:
    """Return the last day that `Plan.until` was made of."""
    return None if until is None else date_at(until, timezone)


def weekly(days: Iterable[int], at: time) -> str:
    """Return the expression for some days of the week, 1 is Monday and 7 Sunday, at a time of the day."""
    return f"{at.minute} {at.hour} * * {','.join(str(day) for day in sorted(set(days)))}"


def read_weekly(expression: str | None) -> tuple[tuple[int, ...], time] | None:
    """Read what `weekly` wrote."""
    found = re.fullmatch(r"(\d+) (\d+) \* \* ([1-7](?:,[1-7])*)", expression or "")
    if found is None:
        return None
    return tuple(int(day) for day in found[3].split(",")), time(int(found[2]), int(found[1]))


def check(plan: Plan, *, now: datetime, kept_start: datetime | None = None) -> None:
    """Refuse a plan that cannot be. *kept_start*: it began then before it was edited, and may have long ago.

    Raises:
        PlanError: with the field and the rule.
    """
    if plan.starts_at < now - LONGEST_BACKDATING and plan.starts_at != kept_start:
        raise PlanError("starts_at", "too-early")
    if plan.starts_at > now + FURTHEST:
        raise PlanError("starts_at", "too-far")
    if not MIN_LENGTH <= plan.length <= MAX_LENGTH:
        raise PlanError("length_seconds", "length")
    if plan.schedule is None:
        return
    calendar = _calendar(plan)
    first = calendar.next_after(max(plan.starts_at, now) - _INSTANT)
    if first is None:
        raise PlanError("schedule", "schedule-never")
    if plan.until is not None and first > plan.until:
        raise PlanError("until", "no-window")
    gap = shortest_gap(calendar, first, until=plan.until)
    if gap is not None and gap < MIN_GAP:
        raise PlanError("schedule", "too-often")
    if gap is not None and plan.length > gap:
        raise PlanError("length_seconds", "overlapping")


def _calendar(plan: Plan) -> Calendar:
    try:
        return schedule.parse(plan.schedule or "", plan.timezone)
    except ScheduleError as wrong:
        raise PlanError(wrong.field, wrong.code, wrong.limits) from None


def shortest_gap(calendar: Calendar, first: datetime, *, until: datetime | None) -> timedelta | None:
    """Return the shortest time between two firings up to *until*, of a sample; None where there is only one.

    The sample: the next few hundred, and those around each clock change of the coming year, which move firings
    together.
    """
    samples = [calendar.upcoming(first - _INSTANT, 400)]
    for change in _clock_changes(calendar, first):
        samples += [calendar.upcoming(change - timedelta(hours=hours), 60) for hours in (25, 3)]
    gaps = [
        later - earlier
        for sample in samples
        for earlier, later in pairwise(sample)
        if earlier >= first and (until is None or later <= until)
    ]
    return min(gaps, default=None)


def _clock_changes(calendar: Calendar, start: datetime) -> Iterator[datetime]:
    """Yield the instants, to the hour, after which the clock of the coming year differs."""
    for number in range(HORIZON.days):
        day = start + number * _DAY
        if calendar.local(day).utcoffset() != calendar.local(day + _DAY).utcoffset():
            hours = (day + timedelta(hours=hour) for hour in range(25))
            yield next(at for at in hours if calendar.local(at).utcoffset() != calendar.local(day).utcoffset())


def windows(plan: Plan, *, since: datetime, horizon: datetime, count: int = AHEAD) -> list[Span]:
    """Return the first *count* windows that begin at *since* or later, those of a schedule no later than *horizon*.

    Where two would overlap, which `check` refuses as far as it looks, the later one is left out.
    """
    if plan.schedule is None:
        return [Span(plan.starts_at, plan.starts_at + plan.length)] if plan.starts_at >= since else []
    last = horizon if plan.until is None else min(horizon, plan.until)
    found: list[Span] = []
    calendar = _calendar(plan)
    at = calendar.next_after(max(since, plan.starts_at) - _INSTANT)
    while at is not None and at <= last and len(found) < count:
        found.append(Span(at, at + plan.length))
        at = calendar.next_after(found[-1].end - _INSTANT)
    return found


class Step(StrEnum):
    """What a window is noticed for, once each."""

    ANNOUNCE = "announce"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a window has been noticed that is not closed yet."""

    starts_at: datetime
    ends_at: datetime
    announce_at: datetime
    is_announced: bool
    is_opened: bool

    @property
    def next_step(self) -> tuple[datetime, Step]:
        """Return what it is to be noticed for next, and when."""
        if not self.is_announced and self.announce_at < self.starts_at:
            return self.announce_at, Step.ANNOUNCE
        if not self.is_opened:
            return self.starts_at, Step.OPEN
        return self.ends_at, Step.CLOSE


def due_step(progress: Progress, *, now: datetime) -> Step | None:
    """Return what to notice at *now*: the last of what is due, for what came and went before is no news any more."""
    if progress.ends_at <= now:
        return Step.CLOSE
    if progress.starts_at <= now:
        return None if progress.is_opened else Step.OPEN
    return None if progress.is_announced or progress.announce_at > now else Step.ANNOUNCE
