"""Open runs: which one an end ends, which limits hold, what is forgotten; and what they do to a monitor."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pulsemon.core import open_runs
from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.open_runs import MAX_OPEN, Run, Runs, begin, ended_by, mark_overdue
from pulsemon.core.status import (
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    advance,
    bound_after_step,
    expire,
    reschedule,
    sweep,
)
from pulsemon.core.timing import Timing
from tests.conftest import at

LIMIT = timedelta(minutes=30)
DAILY = Timing(timedelta(days=1), timedelta(hours=1), max_run=LIMIT)
A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def started(*begun: tuple[str, str]) -> Runs:
    """Runs of half an hour: (rid, start)."""
    return tuple(Run(rid, at(start), at(start) + LIMIT) for rid, start in begun)


def up(runs: Runs = ()) -> State:
    due_at = at("09:00") + timedelta(hours=25)
    return State(Status.UP, at("09:00"), open_runs.due_first(runs) or due_at, runs)


def signal(state: State, what: Signal, when: str, rid: str | None = None, timing: Timing = DAILY) -> State:
    return advance(state, what, at=at(when), timing=timing, rid=rid)[0]


class TestWhichOneEnds:
    @pytest.mark.parametrize(
        ("open_ones", "rid", "ended"),
        [
            ([(A, "10:00"), (B, "10:05")], A, A),
            ([("", "10:00"), (B, "10:05")], A, ""),  # started without a rid, ended with one
            ([("", "10:00"), (B, "10:05")], "", ""),
            ([(A, "10:00")], "", A),  # it can only mean this one
            ([(A, "10:00"), (B, "10:05")], "", None),  # it could mean either
            ([(A, "10:00")], B, None),
            ([], A, None),
        ],
    )
    def test_its_own_else_the_nameless_one_else_the_only_one(
        self, open_ones: list[tuple[str, str]], rid: str, ended: str | None
    ) -> None:
        found = ended_by(started(*open_ones), rid)

        assert (found.rid if found else None) == ended


class TestBeginning:
    def test_a_second_start_of_the_same_run_gives_it_no_more_time(self) -> None:
        once = begin((), A, at=at("10:00"), limit=LIMIT)

        assert begin(once, A, at=at("10:20"), limit=LIMIT) is once

    def test_what_was_told_as_overdue_is_forgotten_by_the_next_start(self) -> None:
        late = mark_overdue(started((A, "10:00")), now=at("10:31"))

        assert begin(late, B, at=at("11:00"), limit=LIMIT) == started((B, "11:00"))
        assert begin(late, A, at=at("11:00"), limit=LIMIT) == started((A, "11:00"))

    def test_beyond_the_greatest_number_the_oldest_are_watched(self) -> None:
        many: Runs = ()
        for number in range(MAX_OPEN + 5):
            many = begin(many, str(number), at=at("10:00"), limit=LIMIT)

        assert [run.rid for run in many] == [str(number) for number in range(MAX_OPEN)]


class TestOverlappingRuns:
    def test_each_is_watched_until_its_own_end(self) -> None:
        state = signal(signal(up(), Signal.START, "10:00", A), Signal.START, "10:10", B)
        assert state.due_at == at("10:30")

        state = signal(state, Signal.SUCCESS, "10:20", A)
        assert (state.due_at, [run.rid for run in state.runs]) == (at("10:40"), [B])

        after, transition = expire(state, DAILY, now=at("10:41"))
        assert transition is not None
        assert (transition.occurred_at, transition.cause) == (at("10:40"), Cause.RUN_LIMIT)
        assert after.runs[0].is_overdue

    def test_the_end_of_one_does_not_excuse_the_other(self) -> None:
        state = signal(signal(up(), Signal.START, "10:00", A), Signal.START, "10:10", B)

        state = signal(state, Signal.SUCCESS, "10:20", B)

        assert state.due_at == at("10:30")

    def test_a_hung_run_that_was_told_does_not_bring_it_down_again(self) -> None:
        hung, _ = expire(signal(up(), Signal.START, "10:00", A), DAILY, now=at("10:31"))
        assert hung.status is Status.DOWN

        alive = signal(hung, Signal.SUCCESS, "11:00", B)

        assert (alive.status, alive.due_at) == (Status.UP, at("11:00") + timedelta(hours=25))
        assert expire(alive, DAILY, now=at("12:00")) == (alive, None)

    def test_a_limit_that_passed_while_it_was_down_for_another_reason_is_not_told_afterwards(self) -> None:
        state = signal(signal(up(), Signal.START, "10:00", A), Signal.FAIL, "10:10", B)
        assert state.status is Status.DOWN

        state = signal(state, Signal.SUCCESS, "11:00", B)

        assert (state.status, state.due_at) == (Status.UP, at("11:00") + timedelta(hours=25))

    def test_a_failure_of_one_leaves_the_other_open(self) -> None:
        state = signal(signal(up(), Signal.START, "10:00", A), Signal.START, "10:10", B)

        state = signal(state, Signal.FAIL, "10:20", A)

        assert (state.status, state.due_at, [run.rid for run in state.runs]) == (Status.DOWN, None, [B])

    def test_log_and_pings_of_a_paused_monitor_end_nothing(self) -> None:
        state = up(started((A, "10:00")))

        assert signal(state, Signal.LOG, "10:10", A) is state


class TestBlindness:
    def test_a_run_whose_end_may_be_lost_has_more_time_whatever_else_ends(self) -> None:
        """The end of another run recomputes the deadline; what the blind window gave this one must outlive that."""
        state = signal(signal(up(), Signal.START, "10:00", A), Signal.START, "10:05", B)
        blind = BlindWindow(at("10:20"), at("10:50"))

        state = signal(excuse(state, DAILY, Unwatched([blind])), Signal.SUCCESS, "10:51", B)

        assert state.due_at == at("12:50")  # the end of the window, an hour, and the grace
        assert expire(state, DAILY, now=at("11:00")) == (state, None)

    def test_a_run_that_began_afterwards_has_none(self) -> None:
        state = up(started((A, "10:30")))

        assert excuse(state, DAILY, Unwatched([BlindWindow(at("10:00"), at("10:20"))])) is state


class TestEdit:
    def test_a_new_limit_holds_for_open_runs(self) -> None:
        state = up(started((A, "10:00")))
        longer = Timing(DAILY.interval, DAILY.grace, max_run=timedelta(hours=2))

        after, transition = reschedule(state, longer, now=at("10:10"))

        assert (after.due_at, transition) == (at("12:00"), None)

    def test_a_new_limit_holds_for_runs_of_what_is_down_too(self) -> None:
        state = State(Status.DOWN, at("09:00"), runs=started((A, "10:00")), down_cause=Cause.FAILURE)

        after, transition = reschedule(state, Timing(DAILY.interval, DAILY.grace, timedelta(hours=3)), now=at("10:10"))

        assert (after.runs, transition) == ((Run(A, at("10:00"), at("13:00")),), None)
        assert signal(after, Signal.SUCCESS, "10:40", B).due_at == at("13:00")


class TestAClockThatWasSetBack:
    def test_an_open_run_is_due_a_limit_after_the_step(self) -> None:
        state = signal(up(), Signal.START, "10:00", A)

        bounded = bound_after_step(state, DAILY, now=at("09:10"))

        assert (bounded.due_at, bounded.runs[0].due_at) == (at("09:40"), at("09:40"))
        assert sweep(bounded, DAILY, now=at("09:20")) == (bounded, None)
        after, transition = sweep(bounded, DAILY, now=at("09:41"))
        assert (after.status, after.runs[0].is_overdue) == (Status.DOWN, True)
        assert transition is not None
        assert (transition.cause, transition.occurred_at) == (Cause.RUN_LIMIT, at("09:40"))

    def test_a_schedule_that_was_set_before_the_step_excuses_no_silence_after_it(self) -> None:
        timing = Timing(timedelta(minutes=4), timedelta(minutes=1), since=at("12:00"))
        state = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=at("10:00"), timing=timing)[0]

        assert sweep(state, timing, now=at("10:01")) == (state, None)
        _, transition = sweep(state, timing, now=at("10:06"))
        assert transition is not None
        assert transition.occurred_at == at("10:05")
