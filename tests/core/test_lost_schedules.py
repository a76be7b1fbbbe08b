"""A zone or a schedule that can be read no more: no job is expected sooner than its owner asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.core.lost_schedules import calendar_of, problem
from pulsemon.core.schedule import zone_names
from pulsemon.core.status import Signal, State, Status, advance, expire
from pulsemon.core.timing import Timing

LOST = "Europe/Kyjiv"  # never was one
EXPRESSIONS = [
    "* * 1 1 *",
    "30 2 * * *",
    "*/10 * * * *",
    "17 * * * *",
    "0 9-17 * * 1-5",
    "02:30",
    "*:0/20",
    "Sun 00:30",
]
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda each: each.replace(tzinfo=UTC))


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(sorted(zone_names())), instants)
def test_whichever_zone_it_was_the_next_ping_is_expected_no_sooner(
    expression: str, zone: str, instant: datetime
) -> None:
    meant = schedule.parse(expression, zone).next_after(instant)
    judged = calendar_of(expression, LOST).next_after(instant)

    assert meant is not None
    assert judged is not None
    assert meant <= judged <= meant + timedelta(days=8)


def test_a_job_of_every_minute_is_still_expected_every_minute() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)

    assert calendar_of("* * * * *", LOST).next_after(now) == now + timedelta(minutes=1)


def test_a_job_of_new_year_in_a_lost_zone_is_not_down_a_minute_after_its_ping() -> None:
    timing = Timing(timedelta(minutes=1), timedelta(seconds=5), calendar=calendar_of("* * 1 1 *", LOST))
    state, _ = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=datetime(2026, 11, 29, 12, tzinfo=UTC), timing=timing)

    assert state.due_at == datetime(2027, 1, 1, 12, 0, 5, tzinfo=UTC)
    assert expire(state, timing, now=datetime(2026, 12, 31, 9, tzinfo=UTC)) == (state, None)


def test_a_zone_at_the_end_of_a_systemd_expression_may_be_lost_too() -> None:
    lost = problem(f"02:30 {LOST}", "UTC")

    assert lost is not None
    assert lost.code == "timezone"
    assert calendar_of(f"02:30 {LOST}", "UTC").next_after(datetime(2026, 11, 29, tzinfo=UTC)) is not None


def test_where_the_expression_names_its_own_zone_the_lost_one_is_not_missed() -> None:
    calendar = calendar_of("02:30 Europe/Lisbon", LOST)

    assert calendar == schedule.parse("02:30", "Europe/Lisbon")
    assert problem("02:30 Europe/Lisbon", LOST) is None


@pytest.mark.parametrize("expression", ["every now and then", "0 4 30 2 *", "99 * * * *"])
def test_of_a_schedule_that_cannot_be_read_nothing_is_expected(expression: str) -> None:
    timing = Timing(timedelta(minutes=1), timedelta(0), timedelta(minutes=9), calendar_of(expression, "UTC"))
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    state, _ = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=now, timing=timing)

    assert (state.status, state.due_at) == (Status.UP, None)
    assert problem(expression, "UTC") is not None
    # A run is watched all the same.
    running, _ = advance(state, Signal.START, at=now, timing=timing)
    assert running.due_at == now + timedelta(minutes=9)


def test_what_can_be_read_is_no_problem() -> None:
    assert problem("30 2 * * *", "Europe/Lisbon") is None
    assert problem(None, LOST) is None
