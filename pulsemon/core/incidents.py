"""Incidents: what their statuses and impacts are, which pages show one, and what an automatic one is called.

An automatic incident is named after those of its monitors that a page shows, so that no name gets where it may not be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pulsemon.core.texts import N_

MAX_BODY_LENGTH = 10_000
MAX_AFTER_MINUTES = 1_440
# Monitors that go DOWN so soon after an automatic incident began are part of it.
JOINS_WITHIN = timedelta(minutes=10)


class IncidentStatus(StrEnum):
    """How far the people who deal with it are. They come in any order."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class Impact(StrEnum):
    """How bad it is, mildest first."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


AUTOMATIC_IMPACT = Impact.MAJOR

STATUS_WORDS: dict[IncidentStatus, str] = {
    IncidentStatus.INVESTIGATING: N_("Investigating"),
    IncidentStatus.IDENTIFIED: N_("Identified"),
    IncidentStatus.MONITORING: N_("Monitoring"),
    IncidentStatus.RESOLVED: N_("Resolved"),
}
IMPACT_WORDS: dict[Impact, str] = {
    Impact.NONE: N_("No impact"),
    Impact.MINOR: N_("Minor impact"),
    Impact.MAJOR: N_("Major impact"),
    Impact.CRITICAL: N_("Critical impact"),
}
# What PulseMon says by itself.
_OPENED = N_("PulseMon noticed it and opened this incident by itself.")
_CLOSED = N_("The outage is over.")
_NAMELESS = N_("An outage")
ONE_IS_DOWN, _ONE_WAS_DOWN = N_("%(name)s is down"), N_("%(name)s was down")


def worst(impacts: Iterable[Impact]) -> Impact:
    """Return the worst of *impacts*, NONE of none."""
    order = list(Impact)
    return max(impacts, key=order.index, default=Impact.NONE)


def is_shown(is_general: bool, monitor_ids: Iterable[int], shown_ids: Collection[int]) -> bool:
    """Return whether a page that shows *shown_ids* shows an incident: it is general, or concerns one of them.

    One whose monitors are all gone, or private, is on no page: it does not become general by that.
    """
    return is_general or any(each in shown_ids for each in monitor_ids)


def resolved_at(status: IncidentStatus, before: datetime | None, *, now: datetime) -> datetime | None:
    """Return since when an incident is over after an update: RESOLVED closes it once, any other status reopens it."""
    return (before or now) if status is IncidentStatus.RESOLVED else None


def is_due(occurred_at: datetime, after_minutes: int, *, now: datetime) -> bool:
    """Return whether a monitor that has been DOWN since *occurred_at* is worth an incident."""
    return occurred_at + timedelta(minutes=after_minutes) <= now


def joins(occurred_at: datetime, started_at: datetime) -> bool:
    """Return whether an outage is part of an automatic incident that is open since *started_at*."""
    return abs(occurred_at - started_at) <= JOINS_WITHIN


def title(
    given: str | None,
    names: Sequence[str],
    *,
    is_over: bool,
    translate: Callable[[str], str] = str,
    translate_many: Callable[[str, str, int], str] = lambda one, many, count: one if count == 1 else many,
) -> str:
    """Return what an incident is called: what its owner called it, else what happened to *names*, those shown."""
    _n = translate_many
    if given is not None:
        return given
    if len(names) > 1:
        several = (
            _n("%(count)d monitor was down", "%(count)d monitors were down", len(names))
            if is_over
            else _n("%(count)d monitor is down", "%(count)d monitors are down", len(names))
        )
        return several % {"count": len(names)}
    if not names:
        return translate(_NAMELESS)
    return translate(_ONE_WAS_DOWN if is_over else ONE_IS_DOWN) % {"name": names[0]}


def text(given: str | None, status: IncidentStatus, *, translate: Callable[[str], str] = str) -> str:
    """Return what an update says: what somebody wrote, Markdown, else PulseMon's own words."""
    if given is not None:
        return given
    return translate(_CLOSED if status is IncidentStatus.RESOLVED else _OPENED)
