"""Settings that fit what was seen: interval, grace and run limit from the gaps and runs of past pings. Pure.

Real outages must not widen what is proposed, so a gap of more than one and a half usual ones counts as an outage and
is left out; so is a run that hung. Where too much would have to be left out nothing is proposed, and the reason told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from pulsemon.core.percentile import percentile
from pulsemon.core.replay import Past
from pulsemon.core.status import BlindWindow, Signal
from pulsemon.core.timing import Timing
from pulsemon.core.uptime import merged

_ENDS = (Signal.SUCCESS, Signal.FAIL)
_SECOND = timedelta(seconds=1)
# Fewer gaps say as much about chance as about the job.
MIN_GAPS = 10
# A run that was missed makes a gap of about two usual ones; one that is late by half an interval is still only late.
_OUTAGE = 1.5
# More outages than this, and what looks like outages is how the job lives.
_MOST_OUTAGES = 0.1
# A job that hung; ordinary runs differ by less from the slower ones among them.
_HANG = 4
# What has been seen is not the worst there is.
_GRACE_MARGIN, _RUN_MARGIN = 1.5, 2
# An interval this near to one that people use is meant to be it.
_NEAR = 0.05
_LEAST_RUN_LIMIT = timedelta(minutes=1)
# No more than a minute, and for fast heartbeats a tenth of the interval: networks and schedulers need some slack.
_LEAST_GRACE, _LEAST_GRACE_SHARE = timedelta(minutes=1), 10
# What the forms take: 3,650 days.
LONGEST = timedelta(days=3_650)

_MINUTES, _HOURS, _DAYS = 60, 3_600, 86_400
_HUMAN = tuple(
    timedelta(seconds=unit * count)
    for unit, counts in (
        (1, (1, 2, 5, 10, 15, 20, 30)),
        (_MINUTES, (1, 2, 3, 5, 10, 15, 20, 30)),
        (_HOURS, (1, 2, 3, 4, 6, 8, 12)),
        (_DAYS, (1, 2, 3, 7, 14, 28)),
    )
    for count in counts
)
# Other lengths are said in whole seconds below a minute, in tens below an hour, then in minutes, then in hours.
_ROUND = tuple(
    (timedelta(seconds=limit) if limit else timedelta.max, timedelta(seconds=step))
    for limit, step in ((_MINUTES, 1), (_HOURS, 10), (_DAYS, _MINUTES), (None, _HOURS))
)


class Reason(StrEnum):
    """Why nothing is proposed."""

    TOO_FEW = "too-few-pings"
    IRREGULAR = "too-irregular"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the job was heard and how long it ran.

    `spread` is what nineteen of twenty regular gaps stay within, around the `usual` one (the median). `latest` is how
    long after it was expected a regular ping came, negative where all came earlier: expected a `usual` gap after the
    one before, or when the calendar says. `longest_run` leaves runs that hung out; None: no run was seen to end.
    """

    gap_count: int
    outage_count: int
    usual: timedelta
    spread: timedelta
    longest_gap: timedelta
    latest: timedelta
    run_count: int
    longest_run: timedelta | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The settings that are proposed, and what was seen to propose them."""

    timing: Timing
    rhythm: Rhythm


def suggest(past: Past, present: Timing) -> Suggestion | Reason:
    """Return settings that fit *past*, or why there are none.

    A calendar stays as it is, and so does the run limit where no run was seen to end. On what is regular the proposed
    settings give no alert.
    """
    seen = rhythm(past, present)
    if isinstance(seen, Reason):
        return seen
    latest = seen.latest
    interval = present.interval
    if not has_calendar(present):
        interval = min(human_near(seen.usual), LONGEST)
        latest = seen.longest_gap - interval
    least = max(min(_LEAST_GRACE, interval / _LEAST_GRACE_SHARE), _SECOND)
    grace = min(human_above(max(latest * _GRACE_MARGIN, least)), LONGEST)
    max_run = present.max_run
    if seen.longest_run is not None:
        max_run = min(human_above(max(seen.longest_run * _RUN_MARGIN, _LEAST_RUN_LIMIT)), LONGEST)
    return Suggestion(replace(present, interval=interval, grace=grace, max_run=max_run), seen)


def rhythm(past: Past, present: Timing) -> Rhythm | Reason:
    """Return how often and how long the job of *past* ran. Of *present* only the calendar is read, if it has one."""
    gaps = _gaps(past)
    if len(gaps) < MIN_GAPS:
        return Reason.TOO_FEW
    lengths = sorted(end - start for start, end in gaps)
    usual = lengths[(len(lengths) - 1) // 2]  # the lower one of two in the middle: a gap that was seen
    if has_calendar(present):
        regular = sorted(_regular_by_calendar(gaps, present))
    else:
        border = bisect_right(lengths, usual * _OUTAGE)
        regular = [(length - usual, length) for length in lengths[:border]]
    if len(regular) < len(gaps) * (1 - _MOST_OUTAGES):
        return Reason.IRREGULAR
    runs = sorted(_runs(past))
    return Rhythm(
        gap_count=len(gaps),
        outage_count=len(gaps) - len(regular),
        usual=usual,
        spread=percentile(sorted([abs(length - usual) for _, length in regular]), 95),
        longest_gap=max(length for _, length in regular),
        latest=regular[-1][0],
        run_count=len(runs),
        longest_run=runs[bisect_right(runs, percentile(runs, 90) * _HANG) - 1] if runs else None,
    )


def has_calendar(timing: Timing) -> bool:
    """Return whether the pings of *timing* are expected by a calendar and not every so often."""
    return timing.calendar is not None


def _gaps(past: Past) -> list[tuple[datetime, datetime]]:
    """Return the spans between one sign of the job's end and the next, but for those that nobody fully watched."""
    ends = [ping.received_at for ping in past.pings if ping.signal in _ENDS]
    # Two requests a moment apart may be stamped the other way round, on two nodes.
    gaps = [(start, end) for start, end in pairwise(ends) if start < end]
    unwatched = merged([*past.blind, *(BlindWindow(each.started_at, each.ended_at) for each in past.pauses)])
    if not unwatched:
        return gaps
    borders = [span.ended_at for span in unwatched]
    begins = [span.started_at for span in unwatched] + [past.until + LONGEST]
    return [(start, end) for start, end in gaps if begins[bisect_left(borders, start)] > end]


def _regular_by_calendar(
    gaps: Sequence[tuple[datetime, datetime]], timing: Timing
) -> Iterator[tuple[timedelta, timedelta]]:
    """Yield how late each ping came after the calendar expected it, and the gap before it; outages are left out."""
    for start, end in gaps:
        expected_at = timing.expected_after(start) or end
        if end - expected_at <= (expected_at - start) * (_OUTAGE - 1):
            yield end - expected_at, end - start


def _runs(past: Past) -> Iterator[timedelta]:
    """Yield how long each run took that ended well; one that was started anew before it ended did not end."""
    started: dict[str | None, datetime] = {}
    for ping in past.pings:
        if ping.signal is Signal.START:
            started[ping.rid] = ping.received_at
        elif ping.signal is not Signal.LOG:
            began = started.pop(ping.rid, None)
            if began is not None and began <= ping.received_at and ping.signal is Signal.SUCCESS:
                yield ping.received_at - began


def human_near(length: timedelta) -> timedelta:
    """Return the length that people would say for *length*: a usual or a round one if it is near, else the next."""
    nearest = min(_HUMAN, key=lambda each: (abs(each - length), each))
    if abs(nearest - length) <= length * _NEAR:
        return nearest
    step = next(step for limit, step in _ROUND if length < limit)
    nearest = (length + step / 2) // step * step
    return nearest if abs(nearest - length) <= length * _NEAR else _above(length, step)


def human_above(length: timedelta) -> timedelta:
    """Return the least length that people use and that is no shorter than *length*."""
    index = bisect_left(_HUMAN, length)
    return _HUMAN[index] if index < len(_HUMAN) else _above(length, timedelta(days=1))


def _above(length: timedelta, step: timedelta) -> timedelta:
    return max(-(-length // step), 1) * step
