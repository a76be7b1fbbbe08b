"""The owner's order: moves inside a group, of whole groups, and nothing lost or doubled by any of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.placement import Seat, grouped, put_at, put_before, shift, step, step_group

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


def test_a_step_changes_places_with_the_neighbour_of_the_group() -> None:
    assert step(SEATS, 3, by=-1) == [3, 1, 2, 4]
    assert step(SEATS, 3, by=1) == step(SEATS, 1, by=-1) == [1, 3, 2, 4]


def test_a_whole_group_moves() -> None:
    assert step_group(SEATS, None, by=-1) == [2, 4, 1, 3]
    assert step_group(SEATS, "nobody", by=-1) == [1, 3, 2, 4]


def test_something_dragged_stands_before_what_it_was_dropped_on_or_last() -> None:
    assert put_before(SEATS, 4, 2) == [1, 3, 4, 2]
    assert put_before(SEATS, 1, None) == [3, 1, 2, 4]
    assert put_before(SEATS, 1, 2) == [1, 3, 2, 4]  # another group


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


@given(seats, ids, st.one_of(st.none(), ids), st.sampled_from([-1, 0, 1]), st.sampled_from(["a", "b", None]))
def test_no_move_loses_or_doubles_anybody(
    found: list[Seat], moved: int, other: int | None, by: int, group: str | None
) -> None:
    everybody = sorted(each.id for each in found)

    for order in (step(found, moved, by=by), put_before(found, moved, other), step_group(found, group, by=by)):
        assert sorted(order) == everybody
