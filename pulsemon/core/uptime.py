"""Availability as microseconds by state, from the transitions of a monitor. Pure arithmetic.

Availability = up / (up + down). Late counts as up: the grace is part of what the owner allows. Everything else is left
out of it and told as coverage; no data is None, not 100 %. How it is computed, by example: docs/availability.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pulsemon.core.status import BlindWindow, Status

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on, the monitor is in `status`."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open piece of time, [`start`, `end`)."""

    start: datetime
    end: datetime


class Kind(StrEnum):
    """What a piece of time counts as. The names are those of the parts of `Availability`."""

    UP = "up"
    DOWN = "down"
    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    EXCLUDED = "excluded"  # by a correction
    UNKNOWN = "unknown"  # no ping yet, not created yet, or PulseMon was blind


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open piece of time, [`start`, `end`), that counts as one kind."""

    start: datetime
    end: datetime
    kind: Kind


class Availability(NamedTuple):
    """How the time of a period was spent, in whole microseconds. The parts add up to the period.

    A tuple, because a page of many monitors has tens of thousands of days.
    """

    up: int = 0
    down: int = 0
    paused: int = 0
    maintenance: int = 0
    excluded: int = 0
    unknown: int = 0

    @property
    def length(self) -> int:
        """Return the length of the period."""
        return sum(self)

    @property
    def ratio(self) -> float | None:
        """Return up / (up + down), or None where there is neither."""
        watched = self.up + self.down
        return self.up / watched if watched else None

    @property
    def coverage(self) -> float | None:
        """Return the part of the period that `ratio` speaks of, or None for an empty period."""
        length = self.length
        return (self.up + self.down) / length if length else None


NO_TIME = Availability()


def total(parts: Iterable[Availability]) -> Availability:
    """Return the availability of several periods taken together."""
    return Availability(*(sum(column) for column in zip(NO_TIME, *parts, strict=True)))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one monitor: everything that its availability follows from.

    `changes` are sorted by time; before the first one nothing is known. The spans may overlap and come in any order.
    Where several apply, a correction counts before maintenance, and maintenance before the status. Blind time that fell
    into UP is unknown: nobody was there to see. A DOWN stays DOWN through it, because it was known before.
    """

    changes: Sequence[Change]
    blind: Sequence[BlindWindow] = ()
    maintenance: Sequence[Span] = ()
    excluded: Sequence[Span] = ()


def stretches(facts: Facts, *, start: datetime, end: datetime) -> list[Stretch]:
    """Return the period [*start*, *end*) cut into stretches without a gap, neighbours of different kinds."""
    if end <= start:
        return []
    blind = merged(facts.blind)
    maintenance, excluded = merged(_windows(facts.maintenance)), merged(_windows(facts.excluded))
    if not (blind or maintenance or excluded) and not any(start < each.at < end for each in facts.changes):
        # What most days of most monitors are.
        return [Stretch(start, end, _OF_STATUS[_status_at(facts.changes)(start)])]
    edges = {start, end, *(each.at for each in facts.changes)}
    for covered in (blind, maintenance, excluded):
        edges.update(*((each.started_at, each.ended_at) for each in covered))
    status_at = _status_at(facts.changes)
    is_blind, is_maintained, is_excluded = _covers(blind), _covers(maintenance), _covers(excluded)
    found: list[Stretch] = []
    cuts = sorted(edge for edge in edges if start <= edge <= end)
    for position, begun in enumerate(cuts[:-1]):
        kind = _kind(status_at(begun), is_blind(begun), is_maintained(begun), is_excluded(begun))
        if found and found[-1].kind is kind:
            found[-1] = Stretch(found[-1].start, cuts[position + 1], kind)
        else:
            found.append(Stretch(begun, cuts[position + 1], kind))
    return found


_OF_STATUS = {
    Status.UP: Kind.UP,
    Status.DOWN: Kind.DOWN,
    Status.PAUSED: Kind.PAUSED,
    Status.UNKNOWN: Kind.UNKNOWN,
}


def _kind(status: Status, is_blind: bool, is_maintained: bool, is_excluded: bool) -> Kind:
    if is_excluded:
        return Kind.EXCLUDED
    if is_maintained:
        return Kind.MAINTENANCE
    return Kind.UNKNOWN if is_blind and status is Status.UP else _OF_STATUS[status]


def _windows(spans: Iterable[Span]) -> Iterator[BlindWindow]:
    return (BlindWindow(each.start, each.end) for each in spans)


def _status_at(changes: Sequence[Change]) -> Callable[[datetime], Status]:
    """Return what tells the status at an instant, asked in ascending order."""
    position, status = 0, Status.UNKNOWN

    def status_at(instant: datetime) -> Status:
        nonlocal position, status
        while position < len(changes) and changes[position].at <= instant:
            status = changes[position].status
            position += 1
        return status

    return status_at


def _covers(windows: Sequence[BlindWindow]) -> Callable[[datetime], bool]:
    """Return what tells whether one of *windows*, apart and sorted, covers an instant, asked in ascending order."""
    position = 0

    def covers(instant: datetime) -> bool:
        nonlocal position
        while position < len(windows) and windows[position].ended_at <= instant:
            position += 1
        return position < len(windows) and windows[position].started_at <= instant

    return covers


def merged(windows: Iterable[BlindWindow]) -> list[BlindWindow]:
    """Return the same time in windows that do not overlap, oldest first; overlapping ones would count twice."""
    apart: list[BlindWindow] = []
    for window in sorted(windows, key=lambda each: each.started_at):
        if apart and window.started_at <= apart[-1].ended_at:
            apart[-1] = BlindWindow(apart[-1].started_at, max(apart[-1].ended_at, window.ended_at))
        elif window.ended_at >= window.started_at:
            apart.append(window)
    return apart


def availability_by_period(facts: Facts, periods: Sequence[Span]) -> list[Availability]:
    """Return how each of *periods* was spent, in one pass: they are in order, each begins where the last one ends."""
    if not periods:
        return []
    pieces = stretches(facts, start=periods[0].start, end=periods[-1].end)
    found: list[Availability] = []
    position = 0
    for period in periods:
        sums = dict.fromkeys(Kind, 0)
        while position < len(pieces):
            piece = pieces[position]
            seen = min(piece.end, period.end) - max(piece.start, period.start)
            sums[piece.kind] += seen // _MICROSECOND
            if piece.end > period.end:
                break  # the rest of it belongs to the next period
            position += 1
        found.append(Availability(**sums))
    return found
