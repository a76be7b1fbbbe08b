"""Durations of runs as a drawing: where each mark and line stands. Pure; the template draws it, the style colours it.

Across in percent of the width and down in pixels, so that a drawing of any width keeps its marks round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pulsemon.core.percentile import percentile

HEIGHT = 160
# So that a mark at the edge is drawn whole.
_MARGIN = 8
_LEFT, _RIGHT = 1.5, 98.5
# A limit this many times as long as the longest run would press all marks to the bottom: it is drawn at the top then.
_FAR = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One run that ended, as far as the drawing shows it."""

    ended_at: datetime
    seconds: float
    is_failure: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run stands: `x` in percent from the left, `y` in pixels from the top."""

    x: float
    y: float
    run: Run


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of runs, oldest first. `*_y` are the heights of the lines, everything else is in seconds.

    `is_limit_above`: the limit lies above what is drawn, and its line stands at the top for it.
    """

    marks: tuple[Mark, ...]
    top: float
    median: float
    median_y: float
    p95: float
    p95_y: float
    limit: float
    limit_y: float
    is_limit_above: bool
    failure_count: int

    @property
    def longest(self) -> float:
        """Return the length of the longest run."""
        return max(mark.run.seconds for mark in self.marks)


def duration_chart(runs: Sequence[Run], *, limit: float) -> Chart | None:
    """Return the drawing of *runs*, whose limit is *limit* seconds; None where there are none."""
    if not runs:
        return None
    ascending = sorted(run.seconds for run in runs)
    longest = ascending[-1]
    is_above = limit > longest * _FAR
    top = max(longest, 0.001) if is_above else max(longest, limit)
    ends = sorted(runs, key=lambda run: run.ended_at)
    first, last = ends[0].ended_at, ends[-1].ended_at

    def x(run: Run) -> float:
        if first == last:
            return 50.0
        return round(_LEFT + (_RIGHT - _LEFT) * ((run.ended_at - first) / (last - first)), 2)

    def y(seconds: float) -> float:
        return round(HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * min(seconds / top, 1), 1)

    median, p95 = percentile(ascending, 50), percentile(ascending, 95)
    return Chart(
        marks=tuple(Mark(x(run), y(run.seconds), run) for run in ends),
        top=top,
        median=median,
        median_y=y(median),
        p95=p95,
        p95_y=y(p95),
        limit=limit,
        limit_y=y(limit),
        is_limit_above=is_above,
        failure_count=sum(run.is_failure for run in runs),
    )
