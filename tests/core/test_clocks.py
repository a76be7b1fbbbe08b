"""Three clocks tell real silence from a process, a machine or a clock that stood still or was set."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.blindness import BlindCause, Finding, Reading, compare
from pulsemon.core.status import BlindWindow
from tests.conftest import at

BEFORE = Reading(at("10:00"), monotonic=1_000.0, boot=5_000.0)


def after(wall_sec: float, *, monotonic: float | None = None, boot: float | None = None) -> Reading:
    """The reading when so many seconds have passed on each clock; on all alike where nothing else is said."""
    boot = wall_sec if boot is None else boot
    monotonic = boot if monotonic is None else monotonic
    wall = BEFORE.wall + timedelta(seconds=wall_sec)
    return Reading(wall, BEFORE.monotonic + monotonic, BEFORE.boot + boot)


def window(wall_sec: float) -> BlindWindow:
    return BlindWindow(BEFORE.wall, BEFORE.wall + timedelta(seconds=wall_sec))


@given(st.floats(0, 1.9), st.floats(-0.5, 0.5))
def test_an_ordinary_sleep_is_nothing(slept: float, drift: float) -> None:
    """A sleep of a second that took up to 1.9, while NTP moved the clock a little."""
    assert compare(BEFORE, after(slept + drift, boot=slept), expected_sec=1.0) is None


def test_a_stall_is_the_time_between_the_two_looks() -> None:
    assert compare(BEFORE, after(20), expected_sec=1.0) == Finding(window(20), BlindCause.STALL)


def test_a_hiccup_within_the_tolerance_is_no_stall() -> None:
    assert compare(BEFORE, after(2.0), expected_sec=1.0) is None
    assert compare(BEFORE, after(2.001), expected_sec=1.0) is not None


def test_a_machine_that_slept_is_a_suspend() -> None:
    found = compare(BEFORE, after(3_600, monotonic=1), expected_sec=1.0)

    assert found == Finding(window(3_600), BlindCause.SUSPEND)


def test_a_clock_set_forward_is_blind_for_as_long_as_it_jumped() -> None:
    found = compare(BEFORE, after(3_601, boot=1), expected_sec=1.0)

    assert found == Finding(window(3_601), BlindCause.CLOCK)


def test_a_clock_set_back_is_told_apart_and_its_window_is_empty() -> None:
    found = compare(BEFORE, after(-3_599, boot=1), expected_sec=1.0)

    back = BEFORE.wall - timedelta(seconds=3_599)
    assert found == Finding(BlindWindow(back, back), BlindCause.CLOCK, set_back=True)


def test_a_leap_second_is_nothing() -> None:
    assert compare(BEFORE, after(0.0, boot=1), expected_sec=1.0) is None
    assert compare(BEFORE, after(2.0, boot=1), expected_sec=1.0) is None


clocks = st.floats(0, 10_000)


@given(st.floats(-10_000, 10_000), clocks, clocks)
def test_no_window_ends_before_it_begins(wall: float, monotonic: float, boot: float) -> None:
    found = compare(BEFORE, after(wall, monotonic=monotonic, boot=boot), expected_sec=1.0)

    assert found is None or found.window.started_at <= found.window.ended_at
