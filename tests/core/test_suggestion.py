"""What is proposed from the rhythm of past pings: by example, and against what must hold for every past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.replay import Past, PastPing, Pause, replay
from pulsemon.core.status import BlindWindow, Signal
from pulsemon.core.suggestion import (
    LONGEST,
    MIN_GAPS,
    Reason,
    Rhythm,
    Suggestion,
    has_calendar,
    human_above,
    human_near,
    rhythm,
    suggest,
)
from pulsemon.core.timing import Timing
from tests.conftest import at

SECOND = timedelta(seconds=1)
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
START = at("10:00")
PRESENT = Timing(900 * SECOND, timedelta(0))


def a_past(gaps: Sequence[timedelta], *, runs: Sequence[timedelta] = (), start: datetime = START) -> Past:
    """Successes these gaps apart; where *runs* are given each success ends one, that long."""
    ends = [start]
    for gap in gaps:
        ends.append(ends[-1] + gap)
    pings = [PastPing(each, Signal.SUCCESS) for each in ends]
    pings += [PastPing(end - run, Signal.START) for end, run in zip(ends[1:], runs, strict=False)]
    pings.sort(key=lambda ping: ping.received_at)
    return Past(tuple(pings), ends[-1])


def wobbling(length: timedelta, by: timedelta, count: int = 42) -> list[timedelta]:
    """Gaps that stray from *length* by up to *by*, the same ones each time."""
    return [length + by * ((number * 8) % 21 - 10) / 10 for number in range(count)]


def proposed(past: Past, present: Timing = PRESENT) -> Suggestion:
    found = suggest(past, present)
    assert isinstance(found, Suggestion), found
    return found


def test_a_job_of_every_quarter_of_an_hour_gets_that_interval_and_a_minute() -> None:
    past = a_past(wobbling(900 * SECOND, 20 * SECOND))

    found = proposed(past)

    assert found.timing == Timing(900 * SECOND, MINUTE)
    assert (found.rhythm.usual, found.rhythm.spread) == (900 * SECOND, 20 * SECOND)
    assert replay(past, found.timing) == ()
    assert len(replay(past, PRESENT)) > 10


def test_outages_widen_nothing() -> None:
    regular = wobbling(900 * SECOND, 20 * SECOND)
    past = a_past([*regular[:20], 7 * HOUR, *regular[20:], 1_900 * SECOND])

    found = proposed(past)

    assert found.timing == Timing(900 * SECOND, MINUTE)
    assert found.rhythm.outage_count == 2
    assert len(replay(past, found.timing)) == 2


def test_too_few_pings_and_pings_without_a_rhythm_propose_nothing() -> None:
    assert suggest(Past((), START), PRESENT) is Reason.TOO_FEW
    assert suggest(a_past([MINUTE] * (MIN_GAPS - 1)), PRESENT) is Reason.TOO_FEW
    assert isinstance(suggest(a_past([MINUTE] * MIN_GAPS), PRESENT), Suggestion)
    assert suggest(a_past([MINUTE, MINUTE, MINUTE, HOUR] * 10), PRESENT) is Reason.IRREGULAR
    assert suggest(a_past([DAY, DAY, DAY, DAY, 3 * DAY] * 4), PRESENT) is Reason.IRREGULAR


def test_notes_starts_and_pings_of_one_instant_make_no_gap() -> None:
    pings = tuple(PastPing(START + number * MINUTE, Signal.LOG) for number in range(50))
    assert suggest(Past(pings, START + HOUR), PRESENT) is Reason.TOO_FEW
    assert suggest(a_past([timedelta(0)] * 50), PRESENT) is Reason.TOO_FEW


def test_what_nobody_watched_says_nothing() -> None:
    past = a_past([MINUTE] * 10)
    unwatched = START + 3 * MINUTE, START + 5 * MINUTE - SECOND

    for blinded in (replace(past, blind=(BlindWindow(*unwatched),)), replace(past, pauses=(Pause(*unwatched),))):
        assert suggest(blinded, PRESENT) is Reason.TOO_FEW
    longer = a_past([MINUTE] * 20)
    found = rhythm(replace(longer, blind=(BlindWindow(*unwatched), BlindWindow(START, START))), PRESENT)
    assert isinstance(found, Rhythm)
    assert found.gap_count == 20 - 3 - 1


def test_the_run_limit_is_twice_the_longest_run_that_did_not_hang() -> None:
    runs = [4 * MINUTE] * 38 + [9 * MINUTE, 3 * HOUR]
    past = a_past([4 * HOUR] * 40, runs=runs)

    found = proposed(past)

    assert found.rhythm.longest_run == 9 * MINUTE
    assert found.timing.max_run == 20 * MINUTE
    assert found.rhythm.run_count == 40


def test_runs_are_told_apart_by_their_ids_and_a_start_without_an_end_is_none() -> None:
    pings = []
    for number in range(12):
        begun = START + number * HOUR
        pings += [
            PastPing(begun, Signal.START, "a"),
            PastPing(begun + MINUTE, Signal.START, "b"),
            PastPing(begun + 2 * MINUTE, Signal.SUCCESS, "b"),
            PastPing(begun + 10 * MINUTE, Signal.SUCCESS, "a"),
            PastPing(begun + 11 * MINUTE, Signal.START, f"lost {number}"),
        ]
    past = Past(tuple(pings), START + DAY)

    found = rhythm(past, Timing(HOUR, HOUR))

    assert found is Reason.IRREGULAR  # two ends a run: no gap is the usual one
    one_end = tuple(ping for ping in pings if ping.rid != "b")
    found = rhythm(replace(past, pings=one_end), Timing(HOUR, HOUR))
    assert isinstance(found, Rhythm)
    assert (found.run_count, found.longest_run) == (12, 10 * MINUTE)


def test_without_runs_the_run_limit_stays_as_it_is() -> None:
    present = replace(PRESENT, max_run=77 * SECOND)

    assert proposed(a_past([MINUTE] * 20), present).timing.max_run == 77 * SECOND


class TenOClock:
    """A calendar of one time a day."""

    def next_after(self, instant: datetime) -> datetime:
        return instant - (instant - START) % DAY + DAY


@dataclass(frozen=True, slots=True)
class Scheduled(Timing):
    """A timing with a calendar."""

    calendar: TenOClock | None = None


def test_a_calendar_keeps_its_times_and_gets_a_grace() -> None:
    present = Scheduled(DAY, timedelta(0), None, TenOClock())
    past = a_past([DAY + 5 * MINUTE, DAY - 5 * MINUTE] * 7)

    found = proposed(past, present)

    assert has_calendar(present)
    assert not has_calendar(PRESENT)
    assert found.timing == replace(present, grace=10 * MINUTE)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (0.2, 1),
        (59.4, 60),
        (61, 60),
        (70, 70),
        (871, 900),
        (938, 900),
        (1_003, 1_000),
        (3_590, 3_600),
        (4_980.5, 4_980),
        (1.4, 2),
        (86_399, 86_400),
        (95_000, 93_600),
        (7 * 86_400 + 60, 7 * 86_400),
    ],
)
def test_intervals_are_what_people_say(seen: float, said: float) -> None:
    assert human_near(timedelta(seconds=seen)) == timedelta(seconds=said)


@given(st.integers(0, 10**14))
def test_what_is_above_is_above_and_the_higher_the_higher(microseconds: int) -> None:
    length = timedelta(microseconds=microseconds)

    assert human_above(length) >= length
    assert human_above(length) <= human_above(length * 2)
    assert human_above(human_above(length)) == human_above(length)
    assert human_near(length) >= length * 0.95


# Microseconds: from pings a second apart to pings ten days apart.
usual_gaps = st.integers(10**6, 864_000 * 10**6)


@st.composite
def regular_pasts(draw: st.DrawFn) -> Past:
    """Gaps that stray from the usual one by up to a sixth, so that none is an outage, and runs within them."""
    usual = draw(usual_gaps)
    shares = draw(st.lists(st.floats(-1 / 6, 1 / 6), min_size=MIN_GAPS, max_size=40))
    gaps = [timedelta(microseconds=int(usual * (1 + share))) for share in shares]
    run = draw(st.none() | st.integers(0, usual // 4))
    runs = [] if run is None else [timedelta(microseconds=int(run * (1 + draw(st.floats(0, 2))))) for _ in gaps]
    return a_past(gaps, runs=runs)


@given(regular_pasts())
def test_what_is_proposed_gives_no_alert_on_the_regular_pings_it_came_from(past: Past) -> None:
    found = proposed(past)

    assert found.rhythm.outage_count == 0
    assert replay(past, found.timing) == ()
    for length in (found.timing.interval, found.timing.grace, found.timing.run_limit):
        assert timedelta(0) < length <= LONGEST
        assert length % SECOND == timedelta(0)


@given(regular_pasts(), st.lists(st.tuples(st.integers(2, 50), st.integers(2, 50)), min_size=1, max_size=3))
def test_how_long_outages_lasted_changes_nothing(past: Past, outages: list[tuple[int, int]]) -> None:
    ends = [ping.received_at for ping in past.pings if ping.signal is Signal.SUCCESS]
    # As often as it takes for the outages to be the exception.
    regular = [later - earlier for earlier, later in pairwise(ends)] * 4
    shorter = a_past(regular + [max(regular) * min(lengths) for lengths in outages])
    longer = a_past(regular + [max(regular) * max(lengths) for lengths in outages])

    found = proposed(longer)

    assert found == proposed(shorter)
    assert found.rhythm.longest_gap == max(regular)
    assert len(replay(longer, found.timing)) <= len(outages)


@given(regular_pasts(), st.integers(-(10**9), 10**9))
def test_when_it_all_happened_does_not_matter(past: Past, seconds: int) -> None:
    by = seconds * SECOND
    pings = tuple(PastPing(each.received_at + by, each.signal, each.rid) for each in past.pings)

    assert suggest(Past(pings, past.until + by), PRESENT) == suggest(past, PRESENT)


@given(regular_pasts(), st.integers(2, 50))
def test_a_life_so_many_times_slower_has_a_rhythm_so_many_times_slower(past: Past, factor: int) -> None:
    slow = tuple(PastPing(START + (each.received_at - START) * factor, each.signal) for each in past.pings)

    found, slower = rhythm(past, PRESENT), rhythm(Past(slow, slow[-1].received_at), PRESENT)

    assert isinstance(found, Rhythm)
    assert slower == replace(
        found,
        usual=found.usual * factor,
        spread=found.spread * factor,
        longest_gap=found.longest_gap * factor,
        latest=found.latest * factor,
        longest_run=None if found.longest_run is None else found.longest_run * factor,
    )


@given(regular_pasts())
def test_what_is_proposed_is_proposed_again(past: Past) -> None:
    once = proposed(past)

    assert proposed(past, once.timing) == once
