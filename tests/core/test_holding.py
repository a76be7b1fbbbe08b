"""What becomes of held messages: every sequence of up to five, against a receiver that must not be told twice."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from pulsemon.core import holding
from pulsemon.core.holding import Cancel, Present, Release, Wait
from pulsemon.core.status import Status
from tests.conftest import at

NOW = at("10:00")
DOWN, UP = Status.DOWN, Status.UP
MINUTE = timedelta(minutes=1)


def present(status: Status, **fields: object) -> Present:
    values = {"has_failed": True, "expected_every": 10 * MINUTE, "over_since": NOW} | fields
    return Present(status, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", range(1, 6))
@pytest.mark.parametrize("first", [DOWN, UP])
@pytest.mark.parametrize("ends", tuple(Status))
def test_the_receiver_knows_the_truth_afterwards_and_was_told_nothing_twice(
    length: int, first: Status, ends: Status
) -> None:
    """Told transitions alternate: what is held is DOWN, UP, DOWN ... or UP, DOWN, UP ..."""
    held = [(first, UP if first is DOWN else DOWN)[number % 2] for number in range(length)]
    known = UP if first is DOWN else DOWN

    verdict = holding.judge(held, present(ends), now=NOW)

    if isinstance(verdict, Release):
        assert held[-1] is ends
        assert held[-1] is not known
    else:
        assert isinstance(verdict, Cancel)
        assert held[-1] is known or held[-1] is not ends


@pytest.mark.parametrize("held", [each for length in (1, 2, 3) for each in product([DOWN, UP], repeat=length)])
def test_after_a_pause_too_only_what_is_new_and_true_goes_out(held: tuple[Status, ...]) -> None:
    for ends in Status:
        verdict = holding.judge(held, present(ends), now=NOW)

        assert isinstance(verdict, Release) == (held[0] is held[-1] is ends)


@pytest.mark.parametrize("held", [each for length in (1, 2, 3) for each in product([DOWN, UP], repeat=length)])
def test_what_was_told_before_a_pause_and_is_not_so_any_more_is_put_right(held: tuple[Status, ...]) -> None:
    for before, ends in product([DOWN, UP], [DOWN, UP]):
        verdict = holding.judge(held, present(ends, told_before=before), now=NOW)

        is_new = held[0] is held[-1] or before is not held[-1]
        assert isinstance(verdict, Release) == (is_new and held[-1] is ends)


@pytest.mark.parametrize(
    ("every", "patience"),
    [(2 * MINUTE, 2 * MINUTE), (5 * MINUTE, 5 * MINUTE), (timedelta(days=1), 5 * MINUTE)],
)
def test_a_silent_monitor_has_its_interval_and_at_most_five_minutes_to_come_back(
    every: timedelta, patience: timedelta
) -> None:
    silent = present(DOWN, has_failed=False, expected_every=every)

    assert holding.judge([DOWN], silent, now=NOW) == Wait(NOW + patience)
    assert holding.judge([DOWN], silent, now=NOW + patience - holding.INSTANT) == Wait(NOW + patience)
    assert holding.judge([DOWN], silent, now=NOW + patience) == Release()


def test_a_failure_and_a_recovery_are_told_at_once_and_so_is_what_no_maintenance_precedes() -> None:
    assert holding.judge([DOWN], present(DOWN), now=NOW) == Release()
    assert holding.judge([UP], present(UP, has_failed=False), now=NOW) == Release()
    assert holding.judge([DOWN], present(DOWN, has_failed=False, over_since=None), now=NOW) == Release()


def test_while_its_down_waits_a_monitor_that_is_back_takes_it_away() -> None:
    assert holding.judge([DOWN, UP], present(UP), now=NOW + MINUTE) == Cancel()
