"""One sentence for all monitors of a page: the worst that is true of them, and worse incidents instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.incidents import Impact
from pulsemon.core.overall import Overall, headline, of_monitors, severity
from pulsemon.core.shown import Shown

COUNTS = st.dictionaries(st.sampled_from(Shown), st.integers(0, 3))
OF_MONITORS = [each for each in Overall if not each.endswith("-incident") and each is not Overall.UNREAD]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), Overall.EMPTY),
        ((Shown.UP,), Overall.UP),
        ((Shown.UP, Shown.WAITING, Shown.PAUSED), Overall.UP),
        ((Shown.UP, Shown.LATE, Shown.WAITING), Overall.LATE),
        ((Shown.UP, Shown.LATE, Shown.MAINTENANCE), Overall.MAINTENANCE),
        ((Shown.UP, Shown.MAINTENANCE, Shown.BLIND), Overall.BLIND),
        ((Shown.DOWN,), Overall.ALL_DOWN),
        ((Shown.DOWN, Shown.PAUSED), Overall.ALL_DOWN),
        ((Shown.DOWN, Shown.PAUSED, Shown.WAITING), Overall.SOME_DOWN),
        ((Shown.DOWN, Shown.UP), Overall.SOME_DOWN),
        ((Shown.DOWN, Shown.LATE), Overall.SOME_DOWN),
        ((Shown.DOWN, Shown.MAINTENANCE), Overall.SOME_DOWN),
        ((Shown.DOWN, Shown.BLIND), Overall.SOME_DOWN),
        ((Shown.WAITING, Shown.PAUSED), Overall.WAITING),
        ((Shown.PAUSED,), Overall.WAITING),
    ],
)
def test_the_worst_that_is_true_of_them_is_said(kinds: tuple[Shown, ...], expected: Overall) -> None:
    assert of_monitors(dict.fromkeys(kinds, 1)) is expected
    assert of_monitors(dict.fromkeys(Shown, 0) | dict.fromkeys(kinds, 7)) is expected


@given(COUNTS)
def test_something_is_down_exactly_where_a_monitor_is(counts: dict[Shown, int]) -> None:
    found = of_monitors(counts)

    assert found in OF_MONITORS
    assert (found in (Overall.SOME_DOWN, Overall.ALL_DOWN)) == (counts.get(Shown.DOWN, 0) > 0)


@pytest.mark.parametrize("monitors", OF_MONITORS)
@pytest.mark.parametrize("impact", list(Impact))
def test_an_incident_is_on_top_where_it_is_worse_and_nothing_is_down(monitors: Overall, impact: Impact) -> None:
    is_down = monitors in (Overall.SOME_DOWN, Overall.ALL_DOWN)
    is_worse = impact not in (Impact.NONE, Impact.MINOR if monitors is Overall.BLIND else Impact.NONE)

    said = headline(monitors, impact)

    assert said == (f"{impact.value}-incident" if is_worse and not is_down else monitors)


@pytest.mark.parametrize("impact", list(Impact))
def test_what_was_never_read_is_said_whatever_there_may_be(impact: Impact) -> None:
    assert headline(Overall.UNREAD, impact) is Overall.UNREAD


@pytest.mark.parametrize(
    ("monitors", "incidents", "expected"),
    [
        (Overall.UP, Impact.NONE, Impact.NONE),
        (Overall.UP, Impact.MAJOR, Impact.MAJOR),
        (Overall.BLIND, Impact.NONE, Impact.MINOR),
        (Overall.SOME_DOWN, Impact.MINOR, Impact.MAJOR),
        (Overall.SOME_DOWN, Impact.CRITICAL, Impact.CRITICAL),
        (Overall.ALL_DOWN, Impact.MAJOR, Impact.CRITICAL),
    ],
)
def test_it_is_as_bad_as_the_worse_of_monitors_and_incidents(
    monitors: Overall, incidents: Impact, expected: Impact
) -> None:
    assert severity(monitors, incidents) is expected
