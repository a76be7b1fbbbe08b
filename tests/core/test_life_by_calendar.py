"""Lives by the calendar over the days on which clocks change: what pings and edits store, a sweep agrees with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.core.runs import MAX_OPEN
from pulsemon.core.status import BlindWindow, Signal, State, Status, advance, excuse, expire, reschedule, sweep
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
                window = BlindWindow(now, now + event)
                now += event
                state = excuse(state, timing, window)
        state, _ = expire(state, timing, now=now)

        assert sweep(state, timing, now=now, down_recorded_at=None) == (state, None)
        assert len(state.runs) <= MAX_OPEN
        assert state.due_at is None or state.status in (Status.UP, Status.UNKNOWN)
        assert state.due_at is None or state.due_at >= now
        if state.status is Status.UP and state.blind_due_at is None:
            limits = [run.due_at for run in state.runs if not run.is_overdue]
            assert state.due_at is None or all(state.due_at <= limit for limit in limits)
