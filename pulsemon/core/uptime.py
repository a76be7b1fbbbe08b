"""Availability as seconds by state, from the transitions of a monitor. Pure arithmetic.

Availability = up / (up + down). Paused time and blind time are excluded and shown as coverage; no data is None, not
100 %. Late counts as up: the grace is part of what the owner allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pulsemon.core.status import BlindWindow, Status

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on, the monitor is in `status`."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open piece of time, [`start`, `end`), in one status."""

    start: datetime
    end: datetime
    status: Status

    @property
    def length(self) -> timedelta:
        """Return how long it lasts."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Availability:
    """How the time of a window was spent. The four parts add up to the window."""

    up: timedelta
    down: timedelta
    unknown: timedelta  # no ping yet, not created yet, or PulseMon was blind
    excluded: timedelta  # paused

    @property
    def ratio(self) -> float | None:
        """Return up / (up + down), or None where there is neither."""
        watched = self.up + self.down
        return self.up / watched if watched else None

    @property
    def coverage(self) -> float | None:
        """Return the part of the window in which the state was known, or None for an empty window."""
        total = self.up + self.down + self.unknown + self.excluded
        return (self.up + self.down) / total if total else None


def spans(changes: Sequence[Change], *, start: datetime, end: datetime) -> list[Span]:
    """Return the window [*start*, *end*) cut at the changes; before the first one the status is UNKNOWN.

    *changes* are sorted by time; those before the window say what holds at its start.
    """
    pieces: list[Span] = []
    at, status = start, Status.UNKNOWN
    for change in changes:
        if change.at >= end:
            break
        if change.at > at:
            pieces.append(Span(at, change.at, status))
            at = change.at
        status = change.status
    if end > at:
        pieces.append(Span(at, end, status))
    return pieces


def availability(
    changes: Sequence[Change], blind: Iterable[BlindWindow] = (), *, start: datetime, end: datetime
) -> Availability:
    """Return how [*start*, *end*) was spent.

    Blind time that fell into an UP span is unknown: nobody was there to see. A DOWN stays DOWN through it, because it
    was known before.
    """
    sums = dict.fromkeys(Status, _ZERO)
    unseen = _ZERO
    windows = merged(blind)
    for span in spans(changes, start=start, end=end):
        sums[span.status] += span.length
        if span.status is Status.UP:
            unseen += sum((_overlap(span, window) for window in windows), _ZERO)
    return Availability(
        up=sums[Status.UP] - unseen,
        down=sums[Status.DOWN],
        unknown=sums[Status.UNKNOWN] + unseen,
        excluded=sums[Status.PAUSED],
    )


def merged(windows: Iterable[BlindWindow]) -> list[BlindWindow]:
    """Return the same time in windows that do not overlap, oldest first; overlapping ones would count twice."""
    apart: list[BlindWindow] = []
    for window in sorted(windows, key=lambda each: each.started_at):
        if apart and window.started_at <= apart[-1].ended_at:
            apart[-1] = BlindWindow(apart[-1].started_at, max(apart[-1].ended_at, window.ended_at))
        else:
            apart.append(window)
    return apart


def _overlap(span: Span, window: BlindWindow) -> timedelta:
    return max(min(span.end, window.ended_at) - max(span.start, window.started_at), _ZERO)


@dataclass(frozen=True, slots=True)
class Outage:
    """One stretch of DOWN; `end` is None while it lasts."""

    start: datetime
    end: datetime | None


def outages(changes: Sequence[Change]) -> list[Outage]:
    """Return the stretches of DOWN among *changes*, oldest first."""
    found: list[Outage] = []
    for change in changes:
        is_open = bool(found) and found[-1].end is None
        if change.status is Status.DOWN and not is_open:
            found.append(Outage(change.at, None))
        elif change.status is not Status.DOWN and is_open:
            found[-1] = Outage(found[-1].start, change.at)
    return found
