"""The owner's order: moves inside a group, of whole groups, and nothing lost or doubled by any of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.placement import Move, Outcome, Seat, grouped, of_group, of_monitors, put_at, shift, step_group

SEATS = [Seat(1, "a"), Seat(2, None), Seat(3, "a"), Seat(4, None)]
seats = st.lists(st.sampled_from(["a", "b", None]), max_size=8).map(
    lambda groups: [Seat(number, group) for number, group in enumerate(groups, 1)]
)
ids = st.integers(0, 9)


def test_a_group_stands_where_its_first_member_does() -> None:
    assert [(name, [each.id for each in members]) for name, members in grouped(SEATS, lambda each: each.group)] == [
        ("a", [1, 3]),
        (None, [2, 4]),
    ]


def test_a_whole_group_moves() -> None:
    assert step_group(SEATS, None, by=-1) == [2, 4, 1, 3]
    assert step_group(SEATS, "nobody", by=-1) == [1, 3, 2, 4]


def test_several_move_together_inside_their_group() -> None:
    four = [Seat(number, "a") for number in range(1, 5)]
    assert shift(four, [2, 3], by=-1) == [2, 3, 1, 4]
    assert shift(four, [2, 3], by=1) == [1, 4, 2, 3]
    assert shift(four, [1, 3], by=-1) == [1, 3, 2, 4]  # the first has nowhere to go
    assert put_at(four, [1, 3], 2) == [2, 1, 3, 4]
    assert put_at(four, [4], 1) == [4, 1, 2, 3]
    assert put_at(four, [1], 999) == [2, 3, 4, 1]
    assert put_at(SEATS, [3, 4], 1) == [3, 1, 4, 2]


@given(seats, st.lists(ids, max_size=4), st.integers(0, 12), st.sampled_from([-1, 1]))
def test_no_move_of_several_loses_doubles_or_mixes(order: list[Seat], moved: list[int], place: int, by: int) -> None:
    before = [(name, sorted(each.id for each in members)) for name, members in grouped(order, lambda each: each.group)]
    groups = {each.id: each.group for each in order}
    for after in (shift(order, moved, by=by), put_at(order, moved, place)):
        found = grouped(after, lambda each: groups[each])
        assert [(name, sorted(members)) for name, members in found] == before


@given(seats, st.sampled_from([-1, 1]), st.sampled_from(["a", "b", None]))
def test_no_move_of_a_group_loses_or_doubles_anybody(found: list[Seat], by: int, group: str | None) -> None:
    assert sorted(step_group(found, group, by=by)) == sorted(each.id for each in found)


def up(*moved: int) -> Move:
    return of_monitors(moved, lambda seats: shift(seats, moved, by=-1))


@pytest.mark.parametrize(
    ("move", "outcome"),
    [
        (up(3), Outcome.MOVED),
        (up(1, 4), Outcome.MOVED),  # the first has nowhere to go, the other has
        (up(9, 3), Outcome.MOVED),  # one that is gone is passed over
        (up(1), Outcome.UNMOVED),
        (up(9, 1), Outcome.UNMOVED),
        (up(9), Outcome.GONE),
        (of_monitors([3], lambda seats: put_at(seats, [3], 2)), Outcome.UNMOVED),
        (of_monitors([3], lambda seats: [each.id for each in seats if each.id != 3]), Outcome.MOVED),
        (of_monitors([7], lambda seats: [*(each.id for each in seats), 7]), Outcome.MOVED),
        (of_group(None, by=-1), Outcome.MOVED),
        (of_group("a", by=-1), Outcome.UNMOVED),
        (of_group("nobody", by=-1), Outcome.GONE),
    ],
)
def test_what_came_of_a_move_is_what_is_shown_otherwise(move: Move, outcome: Outcome) -> None:
    assert move.outcome(SEATS, move.decide(SEATS)) is outcome


@given(seats, ids, st.sampled_from([-1, 1]))
def test_nobody_is_told_to_have_moved_where_the_groups_show_the_same(found: list[Seat], moved: int, by: int) -> None:
    move = of_monitors([moved], lambda seats: shift(seats, [moved], by=by))
    after = move.decide(found)
    groups = {each.id: each.group for each in found}

    is_same = grouped(after, groups.get) == [
        (name, [each.id for each in members]) for name, members in grouped(found, lambda each: each.group)
    ]
    assert (move.outcome(found, after) is not Outcome.MOVED) == is_same
