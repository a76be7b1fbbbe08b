"""What would have been told: stored pings, judged once more by `core.status` under settings of one's choice. Pure.

Knows no rule of its own. It is stricter than the life it repeats in one thing: a ping that came a moment after the
deadline, before anybody had looked, was still in time then; here it is late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.status import (
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    Transition,
    advance,
    expire,
    pause,
    resume,
)
from pulsemon.core.timing import Timing


@dataclass(frozen=True, slots=True)
class PastPing:
    """A ping that counted, as far as judging it again needs it."""

    received_at: datetime
    signal: Signal
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which nobody judged."""

    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a monitor from its oldest ping here up to `until`: pings and spans, each oldest first."""

    pings: tuple[PastPing, ...]
    until: datetime
    blind: tuple[BlindWindow, ...] = ()
    pauses: tuple[Pause, ...] = ()

    @property
    def since(self) -> datetime | None:
        """Return when it begins; None where there is no ping."""
        return self.pings[0].received_at if self.pings else None

    @property
    def length(self) -> timedelta:
        """Return how much time it tells of; zero where there is no ping."""
        return self.until - self.pings[0].received_at if self.pings else timedelta(0)


@dataclass(frozen=True, slots=True)
class Alert:
    """One time that somebody would have been told DOWN; `ended_at` None: it would still be."""

    at: datetime
    cause: Cause
    ended_at: datetime | None


def replay(past: Past, timing: Timing) -> tuple[Alert, ...]:
    """Return the alerts that the *past* would have given under *timing*, oldest first.

    The monitor waits at the oldest ping as a new one does: silence before it is not known.
    """
    watch = _Watch(timing, Unwatched(past.blind))
    edges = _edges(past)
    edge = next(edges, None)
    for ping in past.pings:
        while edge is not None and edge.at <= ping.received_at:
            watch.reach(edge)
            edge = next(edges, None)
        watch.hear(ping)
    while edge is not None and edge.at <= past.until:
        watch.reach(edge)
        edge = next(edges, None)
    watch.look(past.until)
    return tuple(watch.alerts)


@dataclass(frozen=True, slots=True)
class _Edge:
    """Where a blind window or a pause begins or ends."""

    at: datetime
    span: BlindWindow | Pause
    is_end: bool


def _edges(past: Past) -> Iterator[_Edge]:
    spans: list[BlindWindow | Pause] = [*past.blind, *past.pauses]
    edges = [_Edge(span.started_at, span, is_end=False) for span in spans]
    edges += [_Edge(span.ended_at, span, is_end=True) for span in spans]
    return iter(sorted(edges, key=lambda edge: (edge.at, edge.is_end)))


class _Watch:
    """A monitor that is judged again, and what would have been told of it."""

    def __init__(self, timing: Timing, unwatched: Unwatched) -> None:
        self.alerts: list[Alert] = []
        self._timing = replace(timing, since=None)  # as if it had always held
        self._state = State(Status.UNKNOWN)
        # Those to come too: none begins before a deadline that has been judged without it.
        self._unwatched = unwatched
        self._blind_count = 0  # windows of several nodes may overlap

    def hear(self, ping: PastPing) -> None:
        self.look(ping.received_at)
        self._state, transition = advance(
            self._state, ping.signal, at=ping.received_at, timing=self._timing, rid=ping.rid
        )
        if transition is not None:
            self._tell(transition)

    def look(self, now: datetime) -> None:
        """Notice silence, unless nobody could have: what a blind window hid is judged when it has ended."""
        if self._blind_count:
            return
        self._state, transition = expire(self._state, self._timing, now=now)
        if transition is not None:
            self._tell(transition)

    def reach(self, edge: _Edge) -> None:
        self.look(edge.at)
        match edge.span, edge.is_end:
            case BlindWindow(), False:
                self._blind_count += 1
            case BlindWindow(), True:
                self._blind_count -= 1
                self._state = excuse(self._state, self._timing, self._unwatched)
            case Pause(), False:
                self._state, transition = pause(self._state, now=edge.at)
                if transition is not None:
                    self._tell(transition)
            case Pause(), True:
                self._state, _ = resume(self._state, now=edge.at)

    def _tell(self, transition: Transition) -> None:
        if transition.previous is Status.DOWN and self.alerts:
            last = self.alerts[-1]
            self.alerts[-1] = Alert(last.at, last.cause, transition.occurred_at)
        if transition.new is Status.DOWN and transition.told:
            self.alerts.append(Alert(transition.occurred_at, transition.cause, None))
