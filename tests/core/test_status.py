"""The table of statuses and signals, silence, edits, sweeps, pauses and blindness; one claim a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.open_runs import Run, in_order, open_since
from pulsemon.core.shown import Shown, is_late, shown
from pulsemon.core.status import (
    CLOCK_TOLERANCE,
    LONGEST_EXTENSION,
    TRANSITIONS,
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    Transition,
    advance,
    bound_after_step,
    deadline,
    expire,
    is_repeat,
    pause,
    reschedule,
    resume,
    sweep,
    unseen,
)
from pulsemon.core.timing import Timing
from tests.conftest import at

MICROSECOND = timedelta(microseconds=1)
# Pings every four minutes, a minute of grace: a ping at 10:00 is due again at 10:05.
TIMING = Timing(timedelta(minutes=4), timedelta(minutes=1))
NOW = at("10:00")
A_RUN = Run("", at("09:59"), at("10:00"))


def up(last_ping: datetime = NOW, timing: Timing = TIMING) -> State:
    return State(Status.UP, last_ping, last_ping + timing.interval + timing.grace)


def down(last_ping: datetime | None = NOW, cause: Cause = Cause.SILENCE) -> State:
    return State(Status.DOWN, last_ping, down_cause=cause)


def one_of(status: Status) -> State:
    """An ordinary state of each status, last heard of at 09:58."""
    last_ping = at("09:58")
    return {
        Status.UNKNOWN: State(Status.UNKNOWN),
        Status.UP: up(last_ping),
        Status.DOWN: down(last_ping),
        Status.PAUSED: State(Status.PAUSED, last_ping),
    }[status]


# What follows, whether it is told, and whether last_ping moves: written down by hand, not read from the table.
EXPECTED = {
    (Status.UNKNOWN, Signal.SUCCESS): (Status.UP, False, True),
    (Status.UNKNOWN, Signal.START): (Status.UNKNOWN, False, False),
    (Status.UNKNOWN, Signal.FAIL): (Status.DOWN, True, True),
    (Status.UNKNOWN, Signal.LOG): (Status.UNKNOWN, False, False),
    (Status.UP, Signal.SUCCESS): (Status.UP, False, True),
    (Status.UP, Signal.START): (Status.UP, False, False),
    (Status.UP, Signal.FAIL): (Status.DOWN, True, True),
    (Status.UP, Signal.LOG): (Status.UP, False, False),
    (Status.DOWN, Signal.SUCCESS): (Status.UP, True, True),
    (Status.DOWN, Signal.START): (Status.DOWN, False, False),
    (Status.DOWN, Signal.FAIL): (Status.DOWN, False, True),
    (Status.DOWN, Signal.LOG): (Status.DOWN, False, False),
    (Status.PAUSED, Signal.SUCCESS): (Status.PAUSED, False, True),
    (Status.PAUSED, Signal.START): (Status.PAUSED, False, False),
    (Status.PAUSED, Signal.FAIL): (Status.PAUSED, False, True),
    (Status.PAUSED, Signal.LOG): (Status.PAUSED, False, False),
}


def test_the_table_has_a_cell_for_every_status_and_signal() -> None:
    assert set(TRANSITIONS) == {(status, signal) for status in Status for signal in Signal}


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("status", Status)
def test_every_signal_in_every_status(status: Status, signal: Signal) -> None:
    before = one_of(status)
    new, told, sets_last_ping = EXPECTED[status, signal]

    after, transition = advance(before, signal, at=NOW, timing=TIMING)

    assert after.status is new
    assert after.last_ping == (NOW if sets_last_ping else before.last_ping)
    if new is status:
        assert transition is None
    else:
        cause = Cause.PING if signal is Signal.SUCCESS else Cause.FAILURE
        assert transition == Transition(status, new, NOW, cause, told)


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.UP, Status.DOWN])
def test_a_success_sets_the_deadline_and_forgets_run_and_blindness(status: Status) -> None:
    before = one_of(status)._replace(runs=(A_RUN,), blind_due_at=at("09:59"))

    after, _ = advance(before, Signal.SUCCESS, at=NOW, timing=TIMING)

    assert after == State(Status.UP, NOW, at("10:05"))


def test_a_failure_takes_the_deadline_away_and_is_no_silence() -> None:
    after, _ = advance(up(at("09:58")), Signal.FAIL, at=NOW, timing=TIMING)

    assert after == State(Status.DOWN, NOW, down_cause=Cause.FAILURE)


def test_a_failure_while_down_by_silence_makes_it_down_by_failure() -> None:
    after, transition = advance(down(cause=Cause.SILENCE), Signal.FAIL, at=NOW, timing=TIMING)

    assert (after.down_cause, transition) == (Cause.FAILURE, None)


class TestSilence:
    def test_up_until_the_exact_deadline(self) -> None:
        state = up()

        assert expire(state, TIMING, now=at("10:05")) == (state, None)

    def test_down_one_microsecond_after_the_deadline(self) -> None:
        after, transition = expire(up(), TIMING, now=at("10:05") + MICROSECOND)

        assert after == State(Status.DOWN, NOW, down_cause=Cause.SILENCE)
        assert transition == Transition(Status.UP, Status.DOWN, at("10:05"), Cause.SILENCE, told=True)

    def test_silence_past_grace_is_down_at_the_deadline_not_at_the_tick(self) -> None:
        _, transition = expire(up(), TIMING, now=at("12:34"))

        assert transition is not None
        assert transition.occurred_at == at("10:05")

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.DOWN, Status.PAUSED])
    def test_what_has_no_deadline_never_expires(self, status: Status) -> None:
        state = one_of(status)

        assert expire(state, TIMING, now=NOW + timedelta(days=9_999)) == (state, None)

    @pytest.mark.parametrize("status", [Status.DOWN, Status.PAUSED])
    def test_a_deadline_left_by_a_hand_edit_is_taken_away_so_that_it_is_not_overdue_for_ever(
        self, status: Status
    ) -> None:
        state = one_of(status)._replace(due_at=at("09:59"))

        assert expire(state, TIMING, now=NOW) == (state._replace(due_at=None), None)

    def test_an_interval_of_zero_from_an_old_database_works(self) -> None:
        timing = Timing(timedelta(0), timedelta(seconds=30))
        state, _ = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=NOW, timing=timing)

        assert state.due_at == at("10:00:30")


class TestRuns:
    RUN = replace(TIMING, max_run=timedelta(seconds=90))

    def test_start_brings_the_deadline_nearer(self) -> None:
        after, transition = advance(up(), Signal.START, at=at("10:01"), timing=self.RUN)

        assert (after.due_at, transition) == (at("10:02:30"), None)
        assert after.runs == (Run("", at("10:01"), at("10:02:30")),)

    def test_a_start_in_time_gives_the_run_its_own_limit(self) -> None:
        """It used to be DOWN at 10:05, in the middle of a run that nothing was wrong with."""
        after, _ = advance(up(), Signal.START, at=at("10:05"), timing=self.RUN)

        assert after.due_at == at("10:06:30")
        assert deadline(after, self.RUN) == after.due_at

    def test_a_start_after_the_deadline_that_nobody_has_noticed_yet_moves_nothing(self) -> None:
        after, _ = advance(up(), Signal.START, at=at("10:05") + MICROSECOND, timing=self.RUN)

        assert after.due_at == deadline(after, self.RUN) == at("10:05")
        _, transition = expire(after, self.RUN, now=at("10:06"))
        assert transition == Transition(Status.UP, Status.DOWN, at("10:05"), Cause.SILENCE, told=True)

    def test_a_second_start_does_not_give_the_first_run_more_time(self) -> None:
        once, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.RUN)
        twice, _ = advance(once, Signal.START, at=at("10:02"), timing=self.RUN)

        assert twice == once

    @pytest.mark.parametrize(
        ("timing", "limit"),
        [
            (Timing(timedelta(60), timedelta(seconds=60), timedelta(seconds=7)), 7),
            (Timing(timedelta(60), timedelta(seconds=60)), 60),
            (Timing(timedelta(seconds=50), timedelta(0)), 50),
            (Timing(timedelta(0), timedelta(0)), 1),
            (Timing(timedelta(60), timedelta(seconds=0.25)), 1),
        ],
    )
    def test_the_run_limit_is_max_run_else_the_grace_else_the_interval_and_at_least_a_second(
        self, timing: Timing, limit: int
    ) -> None:
        assert timing.run_limit == timedelta(seconds=limit)

    def test_a_killed_job_is_down_when_its_run_should_have_ended(self) -> None:
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.RUN)

        after, transition = expire(running, self.RUN, now=at("10:03"))

        assert transition == Transition(Status.UP, Status.DOWN, at("10:02:30"), Cause.RUN_LIMIT, told=True)
        assert after.down_cause is Cause.RUN_LIMIT

    def test_a_first_run_that_does_not_end_is_down_and_told(self) -> None:
        running, nothing = advance(State(Status.UNKNOWN), Signal.START, at=NOW, timing=self.RUN)
        assert (nothing, running.status, running.due_at) == (None, Status.UNKNOWN, at("10:01:30"))

        after, transition = expire(running, self.RUN, now=at("10:02"))

        assert transition == Transition(Status.UNKNOWN, Status.DOWN, at("10:01:30"), Cause.RUN_LIMIT, told=True)
        assert after.status is Status.DOWN

    def test_a_first_run_that_ends_in_time_is_up_and_nobody_is_told(self) -> None:
        running, _ = advance(State(Status.UNKNOWN), Signal.START, at=NOW, timing=self.RUN)

        after, transition = advance(running, Signal.SUCCESS, at=at("10:01"), timing=self.RUN)

        assert after == up(at("10:01"))
        assert transition == Transition(Status.UNKNOWN, Status.UP, at("10:01"), Cause.PING, told=False)

    LONG = replace(TIMING, max_run=timedelta(hours=1))

    def test_a_run_that_began_in_time_is_no_silence_until_its_own_limit(self) -> None:
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.LONG)

        assert expire(running, self.LONG, now=at("11:01")) == (running, None)
        assert sweep(running, self.LONG, now=at("10:30")) == (running, None)
        after, transition = expire(running, self.LONG, now=at("11:01") + MICROSECOND)
        assert transition == Transition(Status.UP, Status.DOWN, at("11:01"), Cause.RUN_LIMIT, told=True)
        assert after.down_cause is Cause.RUN_LIMIT

    def test_the_ping_after_a_long_run_is_due_a_period_after_its_end(self) -> None:
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.LONG)

        after, transition = advance(running, Signal.SUCCESS, at=at("10:45"), timing=self.LONG)

        assert (after, transition) == (up(at("10:45")), None)

    def test_a_run_that_began_before_the_last_success_holds_no_later_silence_back(self) -> None:
        """A run whose end was never told must not hide for the hours of its limit that everything else has died."""
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.LONG, rid="a")
        heard, _ = advance(running, Signal.SUCCESS, at=at("10:04"), timing=self.LONG, rid="b")
        assert heard.due_at == deadline(heard, self.LONG) == at("10:09")

        _, transition = expire(heard, self.LONG, now=at("10:10"))

        assert transition == Transition(Status.UP, Status.DOWN, at("10:09"), Cause.SILENCE, told=True)

    def test_a_start_that_another_node_stamped_a_moment_before_the_last_success_counts_as_after_it(self) -> None:
        heard, _ = advance(up(), Signal.SUCCESS, at=at("10:03"), timing=self.LONG)

        after, _ = advance(heard, Signal.START, at=at("10:02:59"), timing=self.LONG)

        assert after.due_at == deadline(after, self.LONG) == at("11:02:59")

    def test_runs_that_overlap_end_each_by_its_own_limit(self) -> None:
        first, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.LONG, rid="a")
        both, _ = advance(first, Signal.START, at=at("10:20"), timing=self.LONG, rid="b")

        assert both.due_at == deadline(both, self.LONG) == at("11:01")

    def test_a_run_that_began_late_leaves_it_down_until_the_success(self) -> None:
        silent, _ = expire(up(), self.LONG, now=at("10:06"))
        running, _ = advance(silent, Signal.START, at=at("10:07"), timing=self.LONG)

        assert (running.status, running.due_at) == (Status.DOWN, None)
        assert sweep(running, self.LONG, now=at("10:08"), down_recorded_at=at("10:06")) == (running, None)
        after, transition = advance(running, Signal.SUCCESS, at=at("10:30"), timing=self.LONG)
        assert after.status is Status.UP
        assert transition is not None

    def test_an_edit_that_makes_the_start_one_in_time_heals_the_silence(self) -> None:
        late, _ = advance(up(), Signal.START, at=at("10:05:10"), timing=self.LONG)
        silent, _ = expire(late, self.LONG, now=at("10:06"))
        assert silent.down_cause is Cause.SILENCE
        patient = replace(self.LONG, grace=timedelta(minutes=2))

        after, transition = reschedule(silent, patient, now=at("10:30"))

        assert (after.status, after.due_at) == (Status.UP, at("11:05:10"))
        assert transition == Transition(Status.DOWN, Status.UP, at("10:30"), Cause.EDIT, told=True)

    def test_a_clock_set_back_in_the_middle_of_a_long_run_does_not_end_it(self) -> None:
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=self.LONG)

        bounded = bound_after_step(running, self.LONG, now=at("09:50"))

        assert bounded.due_at == at("10:50")

    def test_by_a_schedule_too_a_run_that_began_in_time_is_judged_by_its_limit(self) -> None:
        calendar = schedule.parse("* * * * *")
        timing = Timing(timedelta(minutes=1), timedelta(seconds=5), timedelta(seconds=50), calendar)
        state, _ = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=at("10:00:01"), timing=timing)

        running, _ = advance(state, Signal.START, at=at("10:01:00.300"), timing=timing)

        assert running.due_at == at("10:01:50.300")
        ended, _ = advance(running, Signal.SUCCESS, at=at("10:01:40"), timing=timing)
        assert ended.due_at == at("10:02:05")

    def test_start_while_down_is_noted_and_sets_no_deadline(self) -> None:
        after, transition = advance(down(), Signal.START, at=at("11:00"), timing=self.RUN)

        assert (open_since(after.runs), after.due_at, transition) == (at("11:00"), None, None)


class TestEdit:
    """`reschedule`: the timing given is the new one."""

    LONG = Timing(timedelta(hours=1), timedelta(0))
    SHORT = Timing(timedelta(seconds=30), timedelta(0))

    def test_the_deadline_follows_the_new_timing(self) -> None:
        after, transition = reschedule(up(), self.LONG, now=at("10:01"))

        assert (after, transition) == (up(timing=self.LONG), None)

    def test_up_with_a_deadline_in_the_past_is_down_at_once_and_told(self) -> None:
        after, transition = reschedule(up(), self.SHORT, now=at("10:01"))

        assert after == down()
        assert transition == Transition(Status.UP, Status.DOWN, at("10:01"), Cause.EDIT, told=True)

    def test_up_with_the_deadline_at_this_instant_is_up(self) -> None:
        after, transition = reschedule(up(), self.SHORT, now=at("10:00:30"))

        assert (after.status, transition) == (Status.UP, None)

    def test_down_by_silence_whose_new_deadline_lies_ahead_is_up_again_and_told(self) -> None:
        after, transition = reschedule(down(), self.LONG, now=at("10:30"))

        assert after == up(timing=self.LONG)
        assert transition == Transition(Status.DOWN, Status.UP, at("10:30"), Cause.EDIT, told=True)

    def test_down_by_silence_whose_new_deadline_is_past_stays_down(self) -> None:
        state = down()

        assert reschedule(state, self.LONG, now=at("11:00") + MICROSECOND) == (state, None)

    @pytest.mark.parametrize("cause", [Cause.FAILURE, Cause.RUN_LIMIT, None])
    def test_down_by_failure_stays_down_whatever_is_edited(self, cause: Cause | None) -> None:
        state = State(Status.DOWN, NOW, down_cause=cause)

        assert reschedule(state, self.LONG, now=at("10:01")) == (state, None)

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.PAUSED])
    def test_what_waits_or_is_paused_goes_on_doing_so(self, status: Status) -> None:
        state = one_of(status)

        assert reschedule(state, self.SHORT, now=at("23:00")) == (state, None)

    def test_a_shorter_run_limit_ends_an_open_run(self) -> None:
        running, _ = advance(up(), Signal.START, at=at("10:01"), timing=TestRuns.RUN)

        after, transition = reschedule(running, replace(TIMING, max_run=timedelta(seconds=5)), now=at("10:01:10"))

        assert transition is not None
        assert (after.status, after.down_cause) == (Status.DOWN, Cause.RUN_LIMIT)

    def test_time_that_a_blind_window_gave_is_not_taken_back(self) -> None:
        excused = excuse(up(), TIMING, Unwatched([BlindWindow(at("10:03"), at("10:04"))]))
        assert excused.due_at == at("10:09")

        after, _ = reschedule(excused, TIMING, now=at("10:04"))

        assert after.due_at == at("10:09")


class TestSweep:
    @pytest.mark.parametrize("status", Status)
    def test_what_is_as_it_should_be_stays_the_very_same_value(self, status: Status) -> None:
        state = one_of(status)
        now = at("10:04") if status is Status.DOWN else at("10:01")

        after, transition = sweep(state, TIMING, now=now, down_recorded_at=at("10:03"))

        assert after is state
        assert transition is None

    def test_a_lost_deadline_is_found_again(self) -> None:
        after, transition = sweep(State(Status.UP, NOW, None), TIMING, now=at("10:01"))

        assert (after, transition) == (up(), None)

    def test_a_lost_deadline_that_has_passed_is_down_from_now_on(self) -> None:
        after, transition = sweep(State(Status.UP, NOW, None), TIMING, now=at("10:07"))

        assert after.status is Status.DOWN
        assert transition == Transition(Status.UP, Status.DOWN, at("10:07"), Cause.SWEEP, told=True)

    def test_silence_that_nobody_noticed_is_down_at_its_deadline(self) -> None:
        _, transition = sweep(up(), TIMING, now=at("10:07"))

        assert transition == Transition(Status.UP, Status.DOWN, at("10:05"), Cause.SILENCE, told=True)

    def test_an_interval_lengthened_by_hand_heals_a_down_by_silence(self) -> None:
        longer = Timing(timedelta(hours=1), timedelta(0))

        after, transition = sweep(down(), longer, now=at("10:30"), down_recorded_at=at("10:05"))

        assert after == up(timing=longer)
        assert transition == Transition(Status.DOWN, Status.UP, at("10:30"), Cause.SWEEP, told=True)

    @pytest.mark.parametrize("cause", [Cause.FAILURE, Cause.RUN_LIMIT, None])
    def test_a_failed_monitor_is_never_made_up(self, cause: Cause | None) -> None:
        state = State(Status.DOWN, NOW, down_cause=cause)

        assert sweep(state, TIMING, now=at("10:01"), down_recorded_at=NOW) == (state, None)

    def test_a_clock_set_back_before_the_last_ping_heals_nothing(self) -> None:
        state = down()

        assert sweep(state, TIMING, now=at("09:00")) == (state, None)

    def test_a_clock_set_back_between_the_last_ping_and_its_deadline_heals_nothing(self) -> None:
        """DOWN at 10:05, the clock set back to 10:03: the rules alone would call it UP again."""
        state = down()

        assert sweep(state, TIMING, now=at("10:03"), down_recorded_at=at("10:05:00.010")) == (state, None)

    def test_a_deadline_bounded_after_the_clock_was_set_back_stays_bounded(self) -> None:
        """The sweep once put the deadline back to where the wrong clock had it: silence was noticed an hour late."""
        state = bound_after_step(up(at("12:00")), TIMING, now=at("11:00"))
        assert state.due_at == at("11:05")

        for minute in range(6):
            state, transition = sweep(state, TIMING, now=at(f"11:0{minute}"))
            assert (state.due_at, transition) == (at("11:05"), None)
        _, transition = sweep(state, TIMING, now=at("11:05") + MICROSECOND)
        assert transition is not None
        assert transition.occurred_at == at("11:05")

    def test_a_run_begun_before_the_clock_was_set_back_stays_bounded_whatever_began_since(self) -> None:
        """Once a younger run hid it: an edit gave it its limit of the wrong clock back, and no sweep took that away."""
        timing = Timing(timedelta(hours=1), timedelta(minutes=5))
        state, _ = advance(up(at("12:00")), Signal.START, at=at("12:00"), timing=timing, rid="before")
        state = bound_after_step(state, timing, now=at("11:00"))
        state, _ = advance(state, Signal.SUCCESS, at=at("11:00:30"), timing=timing, rid="another")
        state, _ = advance(state, Signal.START, at=at("11:01"), timing=timing, rid="since")

        state, _ = reschedule(state, timing, now=at("11:02"))
        state, _ = sweep(state, timing, now=at("11:02"))

        assert max(run.due_at for run in state.runs) <= at("11:07")

    def test_a_down_after_the_clock_was_set_back_is_not_healed_when_the_clock_comes_to_the_last_ping_again(
        self,
    ) -> None:
        state = down(last_ping=at("12:00"))

        assert sweep(state, TIMING, now=at("12:01"), down_recorded_at=at("11:05")) == (state, None)

    def test_a_ping_stamped_a_moment_after_the_sweep_looked_at_the_clock_keeps_its_whole_deadline(self) -> None:
        state = up(NOW + CLOCK_TOLERANCE)

        assert sweep(state, TIMING, now=NOW) == (state, None)

    def test_a_deadline_that_no_blind_window_gave_is_cut(self) -> None:
        state = up()._replace(due_at=at("23:00"), blind_due_at=at("10:05"))

        after, _ = sweep(state, TIMING, now=at("10:01"))

        assert after.due_at == at("10:01") + TIMING.interval + TIMING.grace + LONGEST_EXTENSION

    @pytest.mark.parametrize("status", [Status.DOWN, Status.PAUSED])
    def test_a_deadline_on_what_has_none_is_taken_away(self, status: Status) -> None:
        state = one_of(status)._replace(due_at=at("23:00"), down_cause=None)

        assert sweep(state, TIMING, now=NOW)[0].due_at is None


class TestPause:
    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.UP, Status.DOWN])
    def test_pause_keeps_only_the_last_ping_and_tells_nobody(self, status: Status) -> None:
        before = one_of(status)._replace(runs=(A_RUN,), blind_due_at=at("09:59"))

        after, transition = pause(before, now=NOW)

        assert after == State(Status.PAUSED, before.last_ping)
        assert transition == Transition(status, Status.PAUSED, NOW, Cause.PAUSE, told=False)

    def test_pause_is_repeatable(self) -> None:
        state, _ = pause(up(), now=NOW)

        assert pause(state, now=at("11:00")) == (state, None)

    def test_resume_waits_for_the_next_ping_without_a_deadline_and_tells_nobody(self) -> None:
        after, transition = resume(State(Status.PAUSED, NOW), now=at("11:00"))

        assert after == State(Status.UNKNOWN, NOW)
        assert transition == Transition(Status.PAUSED, Status.UNKNOWN, at("11:00"), Cause.RESUME, told=False)

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.UP, Status.DOWN])
    def test_resuming_what_runs_changes_nothing(self, status: Status) -> None:
        state = one_of(status)

        assert resume(state, now=at("11:00")) == (state, None)

    def test_the_first_success_after_a_pause_is_up_and_nobody_is_told(self) -> None:
        state, _ = resume(State(Status.PAUSED, NOW), now=at("11:00"))

        after, transition = advance(state, Signal.SUCCESS, at=at("11:01"), timing=TIMING)

        assert after == up(at("11:01"))
        assert transition is not None
        assert not transition.told


class TestBlindness:
    def test_a_window_over_the_deadline_gives_a_whole_period_from_its_end(self) -> None:
        after = excuse(up(), TIMING, Unwatched([BlindWindow(at("10:04"), at("10:20"))]))

        assert after == up()._replace(due_at=at("10:25"), blind_due_at=at("10:05"))

    def test_it_gives_at_most_an_hour_and_the_grace(self) -> None:
        daily = Timing(timedelta(days=1), timedelta(minutes=10))

        after = excuse(
            up(timing=daily), daily, Unwatched([BlindWindow(NOW + timedelta(hours=23), NOW + timedelta(hours=24))])
        )

        assert after.due_at == NOW + timedelta(hours=25, minutes=10)

    def test_a_window_that_was_over_before_the_last_ping_changes_nothing(self) -> None:
        state = up()

        assert excuse(state, TIMING, Unwatched([BlindWindow(at("09:50"), at("10:00"))])) is state

    def test_a_window_right_after_the_last_ping_gives_a_period_from_its_end(self) -> None:
        """A job that pings when it likes, within its interval, lost such a ping and was called down by the next."""
        after = excuse(up(), TIMING, Unwatched([BlindWindow(at("10:00"), at("10:00:30"))]))

        assert after.due_at == at("10:05:30")

    def test_a_window_that_begins_at_the_deadline_changes_nothing(self) -> None:
        state = up()

        assert excuse(state, TIMING, Unwatched([BlindWindow(at("10:05"), at("11:00"))])) is state

    def test_the_same_window_twice_changes_nothing_more(self) -> None:
        window = BlindWindow(at("10:04"), at("10:20"))
        once = excuse(up(), TIMING, Unwatched([window]))

        assert excuse(once, TIMING, Unwatched([window])) is once

    def test_a_second_window_keeps_the_first_deadline_as_the_end_of_knowledge(self) -> None:
        first, second = BlindWindow(at("10:04"), at("10:20")), BlindWindow(at("10:22"), at("10:30"))
        once = excuse(up(), TIMING, Unwatched([first]))

        twice = excuse(once, TIMING, Unwatched([first, second]))

        # Ten minutes in which somebody watched, and not the five after the second window that one alone would give.
        assert (twice.due_at, twice.blind_due_at) == (at("10:34"), at("10:05"))

    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.DOWN, Status.PAUSED])
    def test_what_has_no_deadline_needs_no_excuse(self, status: Status) -> None:
        state = one_of(status)

        assert excuse(state, TIMING, Unwatched([BlindWindow(at("00:00"), at("23:00"))])) is state

    def test_the_lost_end_of_a_run_is_excused_early_in_the_interval_too(self) -> None:
        """A nightly job whose end was lost in a restart right after its start had been called down."""
        nightly = Timing(timedelta(days=1), timedelta(minutes=10))
        running, _ = advance(up(timing=nightly), Signal.START, at=at("11:00"), timing=nightly)
        assert running.due_at == at("11:10")

        after = excuse(running, nightly, Unwatched([BlindWindow(at("11:05"), at("11:06"))]))

        assert after.due_at == at("12:16")

    def test_a_window_before_the_run_began_does_not_touch_the_run(self) -> None:
        running, _ = advance(State(Status.UNKNOWN), Signal.START, at=at("11:00"), timing=TIMING)

        assert excuse(running, TIMING, Unwatched([BlindWindow(at("10:30"), at("10:59"))])) is running

    def test_a_last_ping_stamped_before_the_clock_was_set_back_does_not_stand_against_an_excuse(self) -> None:
        """A restart right after the clock was set back: the last ping lies ahead and says nothing about now."""
        state = bound_after_step(up(at("12:00")), TIMING, now=at("11:00"))

        after = excuse(state, TIMING, Unwatched([BlindWindow(at("11:04"), at("11:10"))]))

        assert after.due_at == at("11:15")

    def test_a_clock_set_back_and_forward_again_is_excused(self) -> None:
        state = bound_after_step(up(at("12:00")), TIMING, now=at("11:00"))

        after = excuse(state, TIMING, Unwatched([BlindWindow(at("11:00:30"), at("12:00:30"))]))

        assert after.due_at == at("12:05:30")

    def test_blindness_is_shown_from_the_old_deadline_to_the_next_ping(self) -> None:
        state = excuse(up(), TIMING, Unwatched([BlindWindow(at("10:04"), at("10:20"))]))

        assert shown(state, TIMING, now=at("10:05")) is Shown.LATE
        assert shown(state, TIMING, now=at("10:05") + MICROSECOND) is Shown.BLIND
        assert unseen(state, until=at("10:05")) is None
        assert unseen(state, until=at("10:21")) == BlindWindow(at("10:05"), at("10:21"))
        pinged, transition = advance(state, Signal.SUCCESS, at=at("10:21"), timing=TIMING)
        assert (shown(pinged, TIMING, now=at("10:21")), transition) == (Shown.UP, None)

    def test_a_monitor_that_really_died_is_down_at_the_new_deadline(self) -> None:
        state = excuse(up(), TIMING, Unwatched([BlindWindow(at("10:04"), at("10:20"))]))

        after, transition = expire(state, TIMING, now=at("10:26"))

        assert transition == Transition(Status.UP, Status.DOWN, at("10:25"), Cause.SILENCE, told=True)
        assert after.blind_due_at is None

    def test_a_step_back_bounds_the_deadline_to_a_full_period(self) -> None:
        assert bound_after_step(up(), TIMING, now=at("09:00")).due_at == at("09:05")
        state = up()
        assert bound_after_step(state, TIMING, now=at("10:01")) is state
        assert bound_after_step(down(), TIMING, now=at("09:00")) == down()


class TestShown:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (Status.UNKNOWN, Shown.WAITING),
            (Status.UP, Shown.UP),
            (Status.DOWN, Shown.DOWN),
            (Status.PAUSED, Shown.PAUSED),
        ],
    )
    def test_each_status_has_its_word(self, status: Status, expected: Shown) -> None:
        assert shown(one_of(status), TIMING, now=at("09:59")) is expected

    def test_late_begins_after_the_interval(self) -> None:
        assert not is_late(up(), TIMING, now=at("10:04"))
        assert shown(up(), TIMING, now=at("10:04") + MICROSECOND) is Shown.LATE


class TestRepeat:
    def test_within_half_the_interval(self) -> None:
        assert is_repeat(timedelta(minutes=2), TIMING)
        assert not is_repeat(timedelta(minutes=2) + MICROSECOND, TIMING)

    def test_at_most_a_day(self) -> None:
        yearly = Timing(timedelta(days=365), timedelta(0))

        assert is_repeat(timedelta(hours=24), yearly)
        assert not is_repeat(timedelta(hours=24) + MICROSECOND, yearly)


# Whole seconds within some hours: small enough that coincidences (a deadline at this very instant) really happen.
seconds = st.integers(0, 7_200).map(lambda each: NOW + timedelta(seconds=each))
spans_of_time = st.integers(0, 3_600).map(lambda each: timedelta(seconds=each))
timings = st.builds(Timing, spans_of_time, spans_of_time, st.none() | spans_of_time)
one_run = st.builds(
    lambda rid, start, span, is_overdue: Run(rid, start, start + span, is_overdue),
    st.sampled_from(["", "a", "b"]),
    seconds,
    spans_of_time,
    st.booleans(),
)
several_runs = st.lists(one_run, max_size=3, unique_by=lambda run: run.rid).map(in_order)
states = st.builds(
    State,
    st.sampled_from(Status),
    st.none() | seconds,
    st.none() | seconds,
    several_runs,
    st.none() | seconds,
    st.none() | st.sampled_from(Cause),
    st.integers(0, 2),
)
windows = st.tuples(seconds, seconds).map(lambda ends: BlindWindow(min(ends), max(ends)))


@given(states, timings, seconds)
def test_a_sweep_is_idempotent_whatever_it_finds(state: State, timing: Timing, now: datetime) -> None:
    once, transition = sweep(state, timing, now=now)
    recorded_at = now if transition is not None and transition.new is Status.DOWN else None

    assert sweep(once, timing, now=now, down_recorded_at=recorded_at) == (once, None)


@given(states, timings, seconds, st.none() | seconds)
def test_a_sweep_never_makes_a_failed_monitor_up(
    state: State, timing: Timing, now: datetime, down_recorded_at: datetime | None
) -> None:
    failed = state._replace(status=Status.DOWN, down_cause=Cause.FAILURE)

    after, transition = sweep(failed, timing, now=now, down_recorded_at=down_recorded_at)

    assert (after.status, transition) == (Status.DOWN, None)


@given(states, timings, windows)
def test_an_excuse_never_moves_a_deadline_earlier_and_repeating_it_changes_nothing(
    state: State, timing: Timing, window: BlindWindow
) -> None:
    unwatched = Unwatched([window])
    once = excuse(state, timing, unwatched)

    assert (once.due_at is None) == (state.due_at is None)
    assert once.due_at is None or state.due_at is None or once.due_at >= state.due_at
    assert excuse(once, timing, unwatched) is once


@given(states, timings, seconds, st.sampled_from(Status))
def test_deadlines_are_given_to_what_is_watched_only(
    state: State, timing: Timing, now: datetime, status: Status
) -> None:
    due = deadline(state._replace(status=status), timing)

    assert due is None or status in (Status.UP, Status.UNKNOWN)
    assert status is not Status.UP or state.last_ping is None or due is not None
