"""Who may be sent to next, where there are fewer places than receivers. Pure.

A receiver that hangs holds its place for as long as an attempt may last. So those whose last attempt lasted long
share half of the places; the others are never kept waiting by them. Of those that nobody knows yet many may
hang as well: they take half of what is free at a time, the longest overdue and the newest in turn, so that a place is
left for whoever comes next. Those that answered last time come first. And where few places are free, an attempt that
has lasted `PATIENCE` gives its place up, unless its receiver is known to hang and has its place for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

# Who answers does so within this: receivers themselves give programs that call them about as long.
PATIENCE = timedelta(seconds=3)


class Standing(StrEnum):
    """What is known of a receiver by its last attempt."""

    ANSWERS = "answers"  # that one was over soon, whatever came of it
    UNKNOWN = "unknown"
    HANGS = "hangs"


def standing(duration: timedelta) -> Standing:
    """Return what an attempt that lasted so long says of its receiver."""
    return Standing.HANGS if duration >= PATIENCE else Standing.ANSWERS


def is_scarce(in_flight_count: int, *, places: int) -> bool:
    """Return whether so few places are free that nobody may hold one for long."""
    return places - in_flight_count <= places // 4


def share(
    due: Sequence[tuple[str, int]],
    in_flight: Mapping[str, int],
    standing_of: Callable[[str], Standing],
    *,
    places: int,
    per_receiver: int,
) -> dict[str, int]:
    """Return receiver -> how many of its messages may be sent now, the first to be sent first.

    *due* are receivers with the number of their due messages, the longest overdue first; *per_receiver* is what
    one may have in flight at once.
    """
    by_standing: dict[Standing, list[tuple[str, int]]] = {each: [] for each in Standing}
    for receiver, count in due:
        by_standing[standing_of(receiver)].append((receiver, count))
    free = places - sum(in_flight.values())
    hanging_count = sum(count for receiver, count in in_flight.items() if standing_of(receiver) is Standing.HANGS)
    wanted: dict[str, int] = {}

    def give(receivers: Iterator[tuple[str, int]] | Sequence[tuple[str, int]], room: int, most: int) -> int:
        """Give *room* places away, at most *most* to a receiver, and return how many of them were taken."""
        left = room
        for receiver, count in receivers:
            given = wanted.get(receiver, 0)
            mine = min(most - in_flight.get(receiver, 0), count, given + left)
            if mine > given:
                wanted[receiver] = mine
                left -= mine - given
        return room - left

    free -= give(by_standing[Standing.ANSWERS], free, per_receiver)
    free -= give(_from_both_ends(by_standing[Standing.UNKNOWN]), (free + 1) // 2, per_receiver)
    room = max(0, min(free, places // 2 - hanging_count))
    for most in (1, per_receiver):  # one each before any has more
        room -= give(by_standing[Standing.HANGS], room, most)
    return wanted


def _from_both_ends(due: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    first, last = 0, len(due) - 1
    while first <= last:
        yield due[first]
        if first < last:
            yield due[last]
        first, last = first + 1, last - 1
