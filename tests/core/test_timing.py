"""Schedules and thresholds in the state machine: which deadline holds, and how many pings are believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pulsemon.core import schedule
from pulsemon.core.shown import Shown, shown
from pulsemon.core.status import Cause, Signal, State, Status, advance, expire, reschedule, sweep
from pulsemon.core.timing import Timing
from tests.conftest import at

NEW_YORK = "America/New_York"


def by_calendar(expression: str, timezone: str = "UTC", grace: timedelta = timedelta(minutes=10)) -> Timing:
    calendar = schedule.parse(expression, timezone)
    return Timing(calendar.nominal_interval, grace, calendar=calendar)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def after_success(when: datetime, timing: Timing) -> State:
    return advance(State(Status.UNKNOWN), Signal.SUCCESS, at=when, timing=timing)[0]


class TestCalendar:
    @pytest.mark.parametrize(
        ("pinged", "due"),
        [
            # The day before, the day of, and the day after the clock goes forward: 02:30 does not exist on 8 March.
            ("2026-03-06 07:30:20", "2026-03-07 07:40"),
            ("2026-03-07 07:30:20", "2026-03-08 07:10"),
            ("2026-03-08 07:00:20", "2026-03-09 06:40"),
            # And back: 01:59 comes twice on 1 November, 02:30 once.
            ("2026-10-31 06:30:20", "2026-11-01 07:40"),
            ("2026-11-01 07:30:20", "2026-11-02 07:40"),
        ],
    )
    def test_half_past_two_in_new_york_over_both_change_days(self, pinged: str, due: str) -> None:
        state = after_success(utc(pinged), by_calendar("30 2 * * *", NEW_YORK))

        assert state.due_at == utc(due)

    def test_a_job_that_misses_a_firing_is_down_and_one_that_is_early_by_its_clock_is_not(self) -> None:
        timing = by_calendar("30 2 * * *")
        early = after_success(utc("2026-03-02 02:29:56"), timing)
        much_too_early = after_success(utc("2026-03-02 02:29:30"), timing)

        assert early.due_at == utc("2026-03-03 02:40")
        assert much_too_early.due_at == utc("2026-03-02 02:40")
        _, transition = expire(early, timing, now=utc("2026-03-03 02:40:01"))
        assert transition is not None
        assert (transition.cause, transition.occurred_at) == (Cause.SILENCE, utc("2026-03-03 02:40"))

    def test_late_begins_with_the_firing(self) -> None:
        timing = by_calendar("30 2 * * *")
        state = after_success(utc("2026-03-02 02:31"), timing)

        assert shown(state, timing, now=utc("2026-03-03 02:30")) is Shown.UP
        assert shown(state, timing, now=utc("2026-03-03 02:31")) is Shown.LATE

    def test_a_calendar_that_has_come_to_its_end_expects_nothing_more(self) -> None:
        timing = by_calendar("2026-03-02 12:00")
        state = after_success(utc("2026-03-02 12:00:10"), timing)

        assert (state.status, state.due_at) == (Status.UP, None)
        assert expire(state, timing, now=utc("2036-01-01 00:00")) == (state, None)
        assert sweep(state, timing, now=utc("2036-01-01 00:00")) == (state, None)

    def test_a_new_schedule_does_not_owe_what_lay_before_it(self) -> None:
        """Whoever gives a hundred weekly monitors a daily schedule must not get a hundred alerts."""
        weekly = Timing(timedelta(days=7), timedelta(0))
        state = after_success(utc("2026-03-02 09:00"), weekly)
        now = utc("2026-03-05 12:00")
        calendar = schedule.parse("30 2 * * *")
        daily = Timing(calendar.nominal_interval, timedelta(minutes=10), calendar=calendar, since=now)

        after, transition = reschedule(state, daily, now=now)

        assert (after.due_at, transition) == (utc("2026-03-06 02:40"), None)
        assert sweep(after, daily, now=utc("2026-03-05 18:00")) == (after, None)


class TestHowManyInARow:
    PATIENT = Timing(timedelta(minutes=4), timedelta(minutes=1), failures_to_down=3, successes_to_up=2)

    def follow(self, state: State, *signals: Signal) -> list[tuple[Status, bool]]:
        steps = []
        for minute, signal in enumerate(signals, 1):
            state, transition = advance(state, signal, at=at("10:00") + timedelta(minutes=minute), timing=self.PATIENT)
            steps.append((state.status, transition is not None))
        return steps

    def test_the_third_failure_in_a_row_is_believed(self) -> None:
        steps = self.follow(after_success(at("10:00"), self.PATIENT), *[Signal.FAIL] * 3)

        assert steps == [(Status.UP, False), (Status.UP, False), (Status.DOWN, True)]

    def test_a_success_between_begins_the_count_anew(self) -> None:
        fail, success = Signal.FAIL, Signal.SUCCESS
        steps = self.follow(after_success(at("10:00"), self.PATIENT), fail, fail, success, fail, fail)

        assert {status for status, _ in steps} == {Status.UP}

    def test_a_failure_that_is_not_believed_is_a_sign_of_life(self) -> None:
        state, _ = advance(after_success(at("10:00"), self.PATIENT), Signal.FAIL, at=at("10:03"), timing=self.PATIENT)

        assert (state.last_ping, state.due_at, state.contrary_count) == (at("10:03"), at("10:08"), 1)

    def test_two_successes_make_it_up_again_and_a_failure_between_begins_anew(self) -> None:
        down = State(Status.DOWN, at("10:00"), down_cause=Cause.FAILURE)
        steps = self.follow(down, Signal.SUCCESS, Signal.FAIL, Signal.SUCCESS, Signal.SUCCESS)

        assert [status for status, _ in steps] == [Status.DOWN, Status.DOWN, Status.DOWN, Status.UP]

    def test_silence_counts_at_once_and_forgets_the_failures_before_it(self) -> None:
        state, _ = advance(after_success(at("10:00"), self.PATIENT), Signal.FAIL, at=at("10:01"), timing=self.PATIENT)

        after, transition = expire(state, self.PATIENT, now=at("10:07"))

        assert transition is not None
        assert (after.status, after.contrary_count) == (Status.DOWN, 0)

    def test_one_success_that_is_not_believed_yet_is_not_believed_by_an_edit_either(self) -> None:
        silent = State(Status.DOWN, at("10:00"), down_cause=Cause.SILENCE)
        state, _ = advance(silent, Signal.SUCCESS, at=at("11:00"), timing=self.PATIENT)

        assert reschedule(state, self.PATIENT, now=at("11:01")) == (state, None)

    def test_a_first_success_is_believed_at_once(self) -> None:
        assert after_success(at("10:00"), self.PATIENT).status is Status.UP
