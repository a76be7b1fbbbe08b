"""Who is sent to next: receivers that hang keep nobody waiting, however many there are."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.places import PATIENCE, Standing, is_scarce, share, standing

PLACES, PER_RECEIVER = 500, 4
ANSWERS, UNKNOWN, HANGS = Standing.ANSWERS, Standing.UNKNOWN, Standing.HANGS


def by_name(receiver: str) -> Standing:
    """Return the standing that a receiver's name begins with."""
    return Standing(receiver.partition("-")[0])


def named(kind: Standing, count: int) -> list[tuple[str, int]]:
    return [(f"{kind}-{number}", 1) for number in range(count)]


def shared(due: list[tuple[str, int]], in_flight: dict[str, int] | None = None) -> dict[str, int]:
    return share(due, in_flight or {}, by_name, places=PLACES, per_receiver=PER_RECEIVER)


def test_five_thousand_that_hang_take_half_of_the_places_and_the_others_find_room() -> None:
    hanging = dict.fromkeys([name for name, _ in named(HANGS, 250)], 1)
    due = [*named(HANGS, 5_000), ("unknown-new", 1), ("answers-well", 1)]

    assert shared(due, hanging) == {"unknown-new": 1, "answers-well": 1}
    assert Counter(by_name(each) for each in shared(due)) == {HANGS: 250, UNKNOWN: 1, ANSWERS: 1}


def test_of_five_thousand_that_nobody_knows_the_newest_is_among_the_first() -> None:
    first = shared(named(UNKNOWN, 5_000))

    assert list(first)[:4] == ["unknown-0", "unknown-4999", "unknown-1", "unknown-4998"]
    assert sum(first.values()) == 250


def test_unknown_ones_that_hang_leave_a_place_for_the_next_and_one_that_answers_comes_before_them() -> None:
    in_flight: dict[str, int] = {}
    due = named(UNKNOWN, 5_000)
    for _ in range(8):
        in_flight |= shared([each for each in due if each[0] not in in_flight], in_flight)

    assert PLACES - sum(in_flight.values()) > 0
    assert next(iter(shared([*due, ("answers-well", 4)], in_flight))) == "answers-well"
    assert is_scarce(sum(in_flight.values()), places=PLACES)
    assert not is_scarce(PLACES // 2, places=PLACES)


def test_of_those_that_hang_each_has_one_place_before_any_has_more() -> None:
    many = shared([("hangs-a", 9), *named(HANGS, 300)])
    assert set(many.values()) == {1}
    assert len(many) == 250

    assert shared([("hangs-a", 9), ("hangs-b", 2)]) == {"hangs-a": PER_RECEIVER, "hangs-b": 2}


def test_what_lasted_long_says_that_its_receiver_hangs_whatever_came_of_it() -> None:
    assert standing(PATIENCE) is HANGS
    assert standing(PATIENCE - timedelta(milliseconds=1)) is ANSWERS


RECEIVERS = st.builds(lambda kind, number: f"{kind}-{number}", st.sampled_from(Standing), st.integers(0, 40))


@given(
    st.dictionaries(RECEIVERS, st.integers(1, 9), max_size=80),
    st.dictionaries(RECEIVERS, st.integers(0, PER_RECEIVER), max_size=20),
    st.integers(1, 60),
)
def test_nobody_has_more_than_there_is(due: dict[str, int], in_flight: dict[str, int], places: int) -> None:
    wanted = share(list(due.items()), in_flight, by_name, places=places, per_receiver=PER_RECEIVER)

    free = places - sum(in_flight.values())
    assert sum(wanted.values()) <= max(0, free)
    for receiver, count in wanted.items():
        assert 0 < count <= min(due[receiver], PER_RECEIVER - in_flight.get(receiver, 0))
    hanging = sum(count for name, count in (Counter(in_flight) + Counter(wanted)).items() if by_name(name) is HANGS)
    held = sum(count for name, count in in_flight.items() if by_name(name) is HANGS)
    assert hanging <= max(held, places // 2)
    answering = [name for name in due if by_name(name) is ANSWERS and in_flight.get(name, 0) < PER_RECEIVER]
    if free > 0 and answering:
        assert any(name in wanted for name in answering)
