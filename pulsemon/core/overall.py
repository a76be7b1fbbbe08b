"""How all the monitors of a page are together, and what its open incidents make of that."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pulsemon.core.incidents import Impact, worst
from pulsemon.core.shown import Shown


class Overall(StrEnum):
    """What is said of a page in one sentence."""

    UNREAD = "unread"  # the database never answered
    EMPTY = "empty"
    ALL_DOWN = "all-down"
    SOME_DOWN = "some-down"
    BLIND = "blind"
    MAINTENANCE = "maintenance"
    LATE = "late"
    UP = "up"
    WAITING = "waiting"  # none is down, and none was ever up
    # What `headline` says where an incident is worse than what the monitors show.
    MINOR_INCIDENT = "minor-incident"
    MAJOR_INCIDENT = "major-incident"
    CRITICAL_INCIDENT = "critical-incident"


_AS_BAD_AS = {Overall.ALL_DOWN: Impact.CRITICAL, Overall.SOME_DOWN: Impact.MAJOR, Overall.BLIND: Impact.MINOR}
_INCIDENTS = {
    Impact.MINOR: Overall.MINOR_INCIDENT,
    Impact.MAJOR: Overall.MAJOR_INCIDENT,
    Impact.CRITICAL: Overall.CRITICAL_INCIDENT,
}


def of_monitors(counts: Mapping[Shown, int]) -> Overall:
    """Return how monitors are together; *counts*: how many are shown in each state, which may be left out if none."""

    def has(*kinds: Shown) -> bool:
        return any(counts.get(kind) for kind in kinds)

    if not has(*Shown):
        return Overall.EMPTY
    is_working = has(Shown.UP, Shown.LATE, Shown.MAINTENANCE)
    if has(Shown.DOWN):
        return Overall.SOME_DOWN if is_working or has(Shown.BLIND, Shown.WAITING) else Overall.ALL_DOWN
    if has(Shown.BLIND):
        return Overall.BLIND
    if has(Shown.MAINTENANCE):
        return Overall.MAINTENANCE
    if has(Shown.LATE):
        return Overall.LATE
    return Overall.UP if is_working else Overall.WAITING


def severity(monitors: Overall, incidents: Impact) -> Impact:
    """Return the worse of what the monitors show and the impact of the incidents that are open."""
    return worst((_AS_BAD_AS.get(monitors, Impact.NONE), incidents))


def headline(monitors: Overall, incidents: Impact) -> Overall:
    """Return what is said on top: how the monitors are, unless an incident is worse and none is down."""
    is_down = monitors in (Overall.SOME_DOWN, Overall.ALL_DOWN)
    if is_down or monitors is Overall.UNREAD or severity(monitors, incidents) is severity(monitors, Impact.NONE):
        return monitors
    return _INCIDENTS[incidents]
