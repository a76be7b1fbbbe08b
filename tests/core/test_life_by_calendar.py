"""Lives by the calendar over the days on which clocks change: what pings and edits store, a sweep agrees with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.open_runs import MAX_OPEN
from pulsemon.core.status import (
    CLOCK_TOLERANCE,
    BlindWindow,
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

# The day before a clock change, in the zone that changes it.
EVES = [
    ("America/New_York", datetime(2026, 3, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
    ("Europe/Lisbon", datetime(2026, 3, 28, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 3, tzinfo=UTC)),
]
EXPRESSIONS = ["30 2 * * *", "*/30 * * * *", "0 0 * * *", "15 1-3 * * *", "*:0/20", "Sun 02:30", "*:*:*", "0 3 1 1 *"]

timings = st.builds(
    lambda zone, expression, grace, max_run, failures, successes: Timing(
        schedule.parse(expression, zone).nominal_interval,
        timedelta(seconds=grace),
        None if max_run is None else timedelta(seconds=max_run),
        schedule.parse(expression, zone),
        failures,
        successes,
    ),
    st.sampled_from([zone for zone, _ in EVES]),
    st.sampled_from(EXPRESSIONS),
    st.sampled_from([0, 60, 3_600]),
    st.sampled_from([None, 1, 900, 7_200]),
    st.integers(1, 3),
    st.integers(1, 3),
)
steps = st.lists(
    st.tuples(
        st.timedeltas(timedelta(milliseconds=1), timedelta(hours=5)),
        st.one_of(
            st.tuples(st.sampled_from(Signal), st.sampled_from([None, "a", "b", "c"])),
            timings,
            st.timedeltas(timedelta(seconds=3), timedelta(hours=3)),
        ),
    ),
    max_size=25,
)


@given(st.sampled_from([eve for _, eve in EVES]), timings, steps)
def test_a_sweep_finds_nothing_to_mend_whatever_was_lived_through(
    now: datetime, timing: Timing, lived: list[tuple[timedelta, object]]
) -> None:
    state = State(Status.UNKNOWN)
    windows: list[BlindWindow] = []
    for passed, event in lived:
        now += passed
        state, _ = expire(state, timing, now=now)
        match event:
            case Signal() as signal, rid:
                state, _ = advance(state, signal, at=now, timing=timing, rid=rid)
            case Timing():
                timing = replace(event, since=now)
                state, transition = reschedule(state, timing, now=now)
                # A new schedule alerts nobody for the past; only a run may already have taken longer than it may now.
                assert transition is None or transition.new is Status.UP or state.runs
            case timedelta():
                windows.append(BlindWindow(now, now + event))
                now += event
                state = excuse(state, timing, Unwatched(windows))
        state, _ = expire(state, timing, now=now)

        swept, transition = sweep(state, timing, now=now)
        assert transition is None
        # Time that a blind window gave under an earlier schedule may be more than any window gives under this one.
        assert swept == state or (state.blind_due_at is not None and swept == replace(state, due_at=swept.due_at))
        assert len(state.runs) <= MAX_OPEN
        assert state.due_at is None or state.status in (Status.UP, Status.UNKNOWN)
        assert state.due_at is None or state.due_at >= now
        if state.status is Status.UP and state.blind_due_at is None:
            limits = [run.due_at for run in state.runs if not run.is_overdue]
            assert state.due_at is None or all(state.due_at <= limit for limit in limits)


@given(st.sampled_from([eve for _, eve in EVES]), timings, steps, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_after_the_clock_was_set_back_everything_is_due_within_one_period(
    now: datetime, timing: Timing, lived: list[tuple[timedelta, object]], step: timedelta
) -> None:
    state = State(Status.UNKNOWN)
    for number, (passed, event) in enumerate(lived):
        now += passed
        if number == len(lived) // 2:
            now -= step
            state = bound_after_step(state, timing, now=now)
        state, _ = sweep(state, timing, now=now)
        match event:
            case Signal() as signal, rid:
                state, _ = advance(state, signal, at=now, timing=timing, rid=rid)
            case Timing():
                timing = replace(event, since=now)
                state, _ = reschedule(state, timing, now=now)
        state, _ = sweep(state, timing, now=now)

        limits = [run.due_at for run in state.runs if not run.is_overdue]
        # A start that lies ahead by no more than the tolerance is another thread's stamp, and keeps its whole limit.
        assert all(limit <= now + timing.run_limit + CLOCK_TOLERANCE for limit in limits)
        if state.status is Status.UP:
            # A run that began in time may go on to its own limit.
            furthest = timing.due_after(now)
            assert furthest is None or (state.due_at is not None and state.due_at <= max([furthest, *limits]))
        if limits and state.status is not Status.DOWN:
            assert state.due_at is not None
            assert state.due_at <= min(limits)
