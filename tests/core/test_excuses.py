"""Blind windows against the dead and the living: whoever died is told, however often nobody watched.

The model knows pings, windows and phases, and nothing of deadlines. A window is (start, end]: a ping in it is lost, and
while it lasts nobody judges. What is dead must be DOWN by the time that somebody watched; what lives may be called DOWN
only where two separate windows in a row took its pings.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pulsemon.core import schedule
from pulsemon.core.excuses import Unwatched, awaited_since, excuse, extension
from pulsemon.core.replay import Past, PastPing, replay
from pulsemon.core.status import BlindWindow, Cause, Signal, State, Status, Transition, advance, expire
from pulsemon.core.timing import Timing
from tests.conftest import at

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
START = at("00:00")
Excuse = Callable[[State, Timing, Unwatched], State]


def unbounded(state: State, timing: Timing, unwatched: Unwatched) -> State:
    """The control: each window adds a period anew, as it once did."""
    if state.due_at is None or (window := unwatched.begun_before(state.due_at)) is None:
        return state
    if state.last_ping is None or window.ended_at <= state.last_ping:
        return state
    moved = window.ended_at + extension(timing)
    return state if moved <= state.due_at else state._replace(due_at=moved, blind_due_at=state.due_at)


def never(state: State, timing: Timing, unwatched: Unwatched) -> State:
    """The control: nobody is ever excused."""
    return state


def live(
    timing: Timing,
    pings: Iterable[tuple[datetime, Signal]],
    windows: Sequence[BlindWindow],
    *,
    until: datetime,
    excuse: Excuse = excuse,
) -> tuple[list[tuple[Transition, State]], list[datetime]]:
    """Return each DOWN with the state before it, and the pings that were lost."""
    apart = _apart(windows)
    moments: list[tuple[datetime, int, Signal | BlindWindow | None]] = [(when, 1, what) for when, what in pings]
    # A window is known when it ends; whoever looked right before it began has judged all that was over by then.
    moments += [(window.started_at, 2, None) for window in apart] + [(window.ended_at, 2, window) for window in apart]
    state, downs, lost = State(Status.UNKNOWN), [], []
    known: list[BlindWindow] = []

    def look(now: datetime) -> None:
        nonlocal state
        before = state
        state, transition = expire(state, timing, now=now)
        if transition is not None:
            downs.append((transition, before))

    for when, _, what in sorted((each for each in moments if each[0] <= until), key=lambda each: each[:2]):
        if isinstance(what, BlindWindow):
            known.append(what)
            state = excuse(state, timing, Unwatched(known))
        elif what is None or not any(window.started_at < when <= window.ended_at for window in apart):
            look(when)
            if what is not None:
                state, _ = advance(state, what, at=when, timing=timing)
        elif what is not None:
            lost.append(when)
    if not any(window.started_at < until < window.ended_at for window in apart):
        look(until)
    return downs, lost


def _apart(windows: Sequence[BlindWindow]) -> list[BlindWindow]:
    """The same time by other words than the product's: windows that touch become one."""
    found: list[BlindWindow] = []
    for window in sorted(windows, key=lambda each: (each.started_at, each.ended_at)):
        if found and window.started_at <= found[-1].ended_at:
            found[-1] = replace(found[-1], ended_at=max(found[-1].ended_at, window.ended_at))
        else:
            found.append(window)
    return found


def seen(since: datetime, until: datetime, windows: Sequence[BlindWindow]) -> timedelta:
    """Return for how long somebody watched between two instants."""
    blind = timedelta(0)
    for window in _apart(windows):
        blind += max(timedelta(0), min(until, window.ended_at) - max(since, window.started_at))
    return until - since - blind


def two_in_a_row(windows: Sequence[BlindWindow], lost: Iterable[datetime]) -> bool:
    """Return whether pings were lost to separate windows."""
    apart = _apart(windows)
    return len({window for when in lost for window in apart if window.started_at < when <= window.ended_at}) > 1


lengths = st.integers(1, 7_200).map(lambda each: each * SECOND)
timings = st.builds(Timing, st.integers(1, 3_600).map(lambda each: each * SECOND), st.just(timedelta(0)) | lengths)


@st.composite
def spans(draw: st.DrawFn) -> list[BlindWindow]:
    """Any windows, side by side, nested, alike, empty: found by anybody for any cause."""
    found = []
    for start, length in draw(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 4_000)), max_size=12)):
        found.append(BlindWindow(START + start * SECOND, START + (start + length) * SECOND))
    return found


@st.composite
def often(draw: st.DrawFn) -> list[BlindWindow]:
    """Windows that come again and again."""
    period, length = draw(st.integers(2, 2_000)), draw(st.integers(1, 60))
    starts = range(draw(st.integers(0, period)), 40_000, period + length)
    return [BlindWindow(START + start * SECOND, START + (start + length) * SECOND) for start in starts[:40]]


windows_of_any_kind = spans() | often()


@given(timings, windows_of_any_kind)
@example(
    Timing(5 * SECOND, 30 * SECOND),
    [BlindWindow(START + 15 * n * SECOND, START + (15 * n + 2) * SECOND) for n in range(1, 50)],
)
def test_a_dead_job_is_down_by_the_time_that_somebody_watched(timing: Timing, windows: list[BlindWindow]) -> None:
    patience = timing.interval + timing.grace + extension(timing)
    # Long enough for somebody to have watched for so long, whatever the windows are.
    until = START + patience + sum((each.ended_at - each.started_at for each in windows), timedelta(0)) + SECOND

    downs, _ = live(timing, [(START, Signal.SUCCESS)], windows, until=until)

    ((transition, _),) = downs
    assert timing.interval + timing.grace <= transition.occurred_at - START
    assert seen(START, transition.occurred_at, windows) <= patience


@st.composite
def lives(draw: st.DrawFn) -> tuple[Timing, list[tuple[datetime, Signal]], list[BlindWindow]]:
    """A living job: each ping within interval and grace of the last, at any phase."""
    timing = draw(timings)
    longest = int((timing.interval + timing.grace) / SECOND)
    gaps = draw(st.lists(st.integers(1, longest) | st.just(longest), min_size=1, max_size=30))
    pings = [(START + passed * SECOND, Signal.SUCCESS) for passed in accumulate(gaps, initial=0)]
    return timing, pings, draw(windows_of_any_kind)


@given(lives())
def test_a_living_job_is_down_only_where_two_windows_in_a_row_took_its_pings(
    life: tuple[Timing, list[tuple[datetime, Signal]], list[BlindWindow]],
) -> None:
    timing, pings, windows = life
    downs, lost = live(timing, pings, windows, until=pings[-1][0])

    for transition, before in downs:
        last = before.last_ping
        assert last is not None
        between = [when for when in lost if last < when <= transition.occurred_at]
        # What was lost behind the deadline, in the same window as the last before it, was no reason.
        assert two_in_a_row(windows, between)
        # And the note says so.
        since, due_at = awaited_since(before), before.due_at
        assert since is not None
        assert due_at is not None
        assert before.blind_due_at is not None
        assert Unwatched(windows).count(since, due_at) > 1


@given(timings, windows_of_any_kind, st.integers(0, 3_600))
def test_a_run_is_told_by_the_time_that_somebody_watched_it(
    timing: Timing, windows: list[BlindWindow], limit: int
) -> None:
    timing = replace(timing, max_run=limit * SECOND)
    patience = timing.run_limit + extension(timing)
    until = START + patience + sum((each.ended_at - each.started_at for each in windows), timedelta(0)) + SECOND

    downs, _ = live(timing, [(START, Signal.START)], windows, until=until)

    ((transition, _),) = downs
    assert transition.cause is Cause.RUN_LIMIT
    assert timing.run_limit <= transition.occurred_at - START
    assert seen(START, transition.occurred_at, windows) <= patience


@given(windows_of_any_kind, st.integers(0, 50_000), st.integers(1, 50_000))
def test_watched_time_is_counted_as_the_model_counts_it(
    windows: list[BlindWindow], since_sec: int, seen_sec: int
) -> None:
    unwatched = Unwatched(windows)
    since = START + since_sec * SECOND

    reached = unwatched.reached(since, seen_sec * SECOND)

    assert seen(since, reached, windows) == seen_sec * SECOND
    assert seen(since, reached - SECOND, windows) < seen_sec * SECOND


@given(lives(), st.randoms(use_true_random=False))
def test_the_order_in_which_windows_are_found_does_not_matter(
    life: tuple[Timing, list[tuple[datetime, Signal]], list[BlindWindow]], chance: random.Random
) -> None:
    """Several nodes find theirs at different times; what was cut too short by one is made up for by the next."""
    timing, _, windows = life
    state, _ = advance(State(Status.UNKNOWN), Signal.SUCCESS, at=START, timing=timing)
    shuffled = windows[:]
    chance.shuffle(shuffled)
    step_by_step = state
    for number in range(len(shuffled)):
        step_by_step = excuse(step_by_step, timing, Unwatched(shuffled[: number + 1]))

    assert step_by_step == excuse(state, timing, Unwatched(windows))


@given(lives())
def test_what_if_says_of_the_past_what_was_told(
    life: tuple[Timing, list[tuple[datetime, Signal]], list[BlindWindow]],
) -> None:
    timing, pings, windows = life
    downs, lost = live(timing, pings, windows, until=pings[-1][0])
    heard = tuple(PastPing(when, what) for when, what in pings if when not in lost)
    # Its first windows lie before it: nothing is awaited then.
    if heard and heard[0].received_at == START:
        alerts = replay(Past(heard, pings[-1][0], tuple(_apart(windows))), timing)

        assert [alert.at for alert in alerts] == [transition.occurred_at for transition, _ in downs]


def nightly(days: int) -> list[BlindWindow]:
    """A restart of two seconds at three every night."""
    return [BlindWindow(START + n * DAY + 3 * HOUR, START + n * DAY + 3 * HOUR + 2 * SECOND) for n in range(days)]


BACKUP = Timing(DAY, 23 * HOUR)


@pytest.mark.parametrize(
    "timing", [BACKUP, replace(BACKUP, calendar=schedule.parse("0 4 * * *"))], ids=["interval", "calendar"]
)
def test_a_nightly_restart_of_two_seconds_hides_no_dead_backup_and_blames_no_living_one(timing: Timing) -> None:
    windows, until = nightly(120), START + 120 * DAY
    # Among them a phase that loses one ping in a while to the restart, as a job that takes a little longer each day.
    phases = [4 * HOUR + n * 7 * SECOND for n in range(120)]
    pings = [(START + n * DAY + phase, Signal.SUCCESS) for n, phase in enumerate(phases)]

    assert live(timing, pings, windows, until=until)[0] == []
    ((transition, _),) = live(timing, pings[:1], windows, until=until)[0]
    assert seen(pings[0][0], transition.occurred_at, windows) <= DAY + 23 * HOUR + HOUR + 23 * HOUR
    assert live(timing, pings[:1], windows, until=until, excuse=unbounded)[0] == []  # the control: never told


def test_a_restart_that_took_the_ping_of_one_night_is_excused() -> None:
    timing = Timing(HOUR, timedelta(0))
    pings = [(START + n * HOUR + SECOND, Signal.SUCCESS) for n in range(50)]

    downs, lost = live(timing, pings, nightly(2), until=pings[-1][0])
    assert (downs, lost) == ([], [START + 3 * HOUR + SECOND, START + 27 * HOUR + SECOND])
    assert live(timing, pings, nightly(2), until=pings[-1][0], excuse=never)[0] != []  # the control


# Twenty thousand jobs take minutes; `python3 run.py soak tests/core/test_excuses.py` tries them all.
JOBS = 20_000 if os.environ.get("PULSEMON_SOAK") == "1" else 300


def test_many_living_jobs_under_random_restarts_are_down_only_by_the_exception() -> None:
    chance = random.Random(6)
    false_downs = exceptions = excused = 0
    for _ in range(JOBS):
        timing = Timing(chance.randint(5, 3_600) * SECOND, chance.randint(0, 600) * SECOND)
        longest = (timing.interval + timing.grace) / SECOND
        when, pings = chance.uniform(0, longest), []
        for _ in range(40):
            pings.append((START + when * SECOND, Signal.SUCCESS))
            when += timing.interval / SECOND + chance.uniform(0, timing.grace / SECOND)
        windows, away = [], 0.0
        while away < when:
            away += chance.expovariate(1 / (longest * chance.choice([1, 3, 10])))
            length = chance.choice([2, 30, longest / 3])
            windows.append(BlindWindow(START + away * SECOND, START + (away + length) * SECOND))
            away += length
        downs, lost = live(timing, pings, windows, until=pings[-1][0])
        excused += bool(lost) and not downs
        for transition, before in downs:
            assert before.last_ping is not None
            between = [each for each in lost if before.last_ping < each <= transition.occurred_at]
            is_exception = two_in_a_row(windows, between)
            exceptions += is_exception
            false_downs += not is_exception
    print(f"{JOBS} living jobs: {false_downs} false DOWN, {exceptions} by the exception, {excused} lost pings unharmed")
    assert false_downs == 0
    assert excused > JOBS / 10


def test_a_hundred_troubles_each_alone_make_nobody_down() -> None:
    """Each at least interval and grace after the one before: no two in a row can take the pings of a job."""
    chance = random.Random(9)
    for interval, grace in ((8, 3), (60, 0), (300, 60), (3_600, 300)):
        timing, longest = Timing(interval * SECOND, grace * SECOND), interval + grace
        when, windows = 0.0, []
        for _ in range(100):
            when += longest + chance.uniform(0, interval)
            length = chance.choice([1, 5, 60, 600])
            windows.append(BlindWindow(START + when * SECOND, START + (when + length) * SECOND))
            when += length
        for phase in range(7):
            count = int(when / interval)
            pings = [(START + (n + phase / 7) * interval * SECOND, Signal.SUCCESS) for n in range(count)]

            assert live(timing, pings, windows, until=pings[-1][0])[0] == []
