"""Where a monitor stands among the others: group, environment, tags, position, and whether strangers may see it.

The order is the owner's: by position, and groups in the order of their first members. Functions return ids in their
new order; whoever stores it numbers them from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

MAX_GROUP_LENGTH = 60
MAX_ENVIRONMENT_LENGTH = 40
MAX_TAGS, MAX_TAG_LENGTH = 20, 40

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one monitor stands. `position` None: where its creation put it, after all that exist.

    `incident_after_minutes`: DOWN for so long, it makes an incident by itself; None: never.
    """

    group: str | None = None
    environment: str | None = None
    tags: tuple[str, ...] = ()
    position: int | None = None
    is_public: bool = True
    incident_after_minutes: int | None = None


NOWHERE_SPECIAL = Placement()


@dataclass(frozen=True, slots=True)
class Seat:
    """What an order is made of: who, and in which group."""

    id: int
    group: str | None


class Outcome(StrEnum):
    """What came of a wish to move: something else is shown, all is as it was, or none of those are there any more."""

    MOVED = "arranged"
    UNMOVED = "as-it-was"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Move:
    """What is wished of an order: `concerns`, whom it is about; `decide`, the ids in the order that it makes."""

    concerns: Callable[[Seat], bool]
    decide: Callable[[Sequence[Seat]], list[int]]

    def outcome(self, before: Sequence[Seat], after: Sequence[int]) -> Outcome:
        """Return what came of it where *before* became *after*; what is shown counts, which is group by group."""
        groups = {each.id: each.group for each in before}
        if _flat(grouped(after, groups.get)) != _flat(_by_group(before)):
            return Outcome.MOVED
        return Outcome.UNMOVED if any(map(self.concerns, before)) else Outcome.GONE


def of_monitors(ids: Sequence[int], decide: Callable[[Sequence[Seat]], list[int]]) -> Move:
    """Return the move of the monitors *ids*."""
    named = frozenset(ids)
    return Move(lambda seat: seat.id in named, decide)


def of_group(name: str | None, *, by: int) -> Move:
    """Return the move of a whole group, up (-1) or down (1)."""
    return Move(lambda seat: seat.group == name, lambda seats: step_group(seats, name, by=by))


def grouped(items: Iterable[T], group_of: Callable[[T], str | None]) -> list[tuple[str | None, list[T]]]:
    """Return *items*, which come in their order, by group; a group stands where its first member does."""
    found: dict[str | None, list[T]] = {}
    for each in items:
        found.setdefault(group_of(each), []).append(each)
    return list(found.items())


def shift(seats: Sequence[Seat], moved: Sequence[int], *, by: int) -> list[int]:
    """Return the order after several seats moved up (-1) or down (1) inside their groups, as one where they touch."""
    return _flat([(group, _shifted(members, set(moved), by)) for group, members in _by_group(seats)])


def put_at(seats: Sequence[Seat], moved: Sequence[int], place: int) -> list[int]:
    """Return the order in which the first of *moved* has this place in its group, from 1, and the others follow it."""
    return _flat([(group, _placed(members, set(moved), place)) for group, members in _by_group(seats)])


def step_group(seats: Sequence[Seat], moved: str | None, *, by: int) -> list[int]:
    """Return the order after a whole group moved up (-1) or down (1)."""
    groups = _by_group(seats)
    names = [name for name, _ in groups]
    return _flat([groups[names.index(name)] for name in _stepped(names, moved, by)])


def _by_group(seats: Sequence[Seat]) -> list[tuple[str | None, list[int]]]:
    return [(group, [each.id for each in members]) for group, members in grouped(seats, lambda each: each.group)]


def _flat(groups: Iterable[tuple[str | None, list[int]]]) -> list[int]:
    return [each for _, members in groups for each in members]


def _stepped(members: list[T], moved: T, by: int) -> list[T]:
    if moved not in members:
        return members
    here = members.index(moved)
    there = here + by
    if not 0 <= there < len(members):
        return members
    swapped = list(members)
    swapped[here], swapped[there] = swapped[there], swapped[here]
    return swapped


def _shifted(members: list[int], moved: set[int], by: int) -> list[int]:
    found = list(members) if by < 0 else list(reversed(members))
    for place in range(1, len(found)):
        if found[place] in moved and found[place - 1] not in moved:
            found[place - 1], found[place] = found[place], found[place - 1]
    return found if by < 0 else list(reversed(found))


def _placed(members: list[int], moved: set[int], place: int) -> list[int]:
    block = [each for each in members if each in moved]
    rest = [each for each in members if each not in moved]
    index = max(0, place - 1)
    return [*rest[:index], *block, *rest[index:]]
