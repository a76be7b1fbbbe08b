"""Availability is plain addition: nothing is lost, nothing is counted twice, and no data is not 100 %."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.days import days, last_days
from pulsemon.core.status import BlindWindow, Status
from pulsemon.core.uptime import (
    NO_TIME,
    Availability,
    Change,
    Facts,
    Kind,
    Span,
    availability_by_period,
    stretches,
    total,
)
from tests.conftest import at

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def spent_in(facts: Facts, *, start: datetime, end: datetime) -> Availability:
    (spent,) = availability_by_period(facts, [Span(start, end)])
    return spent


instants = st.integers(0, 600).map(lambda each: at("08:00") + each * MINUTE)
changes = st.lists(st.builds(Change, instants, st.sampled_from(Status)), max_size=8).map(
    lambda found: sorted(found, key=lambda each: each.at)
)
pairs = st.tuples(instants, instants).map(sorted)
blind_windows = st.lists(pairs.map(lambda ends: BlindWindow(*ends)), max_size=5)
spans = st.lists(pairs.map(lambda ends: Span(*ends)), max_size=4)
facts = st.builds(Facts, changes, blind_windows, spans, spans)
# With fractions of a second, where the sum of floats would go astray.
uneven = st.integers(0, 36_000_000_000).map(lambda each: at("08:00") + timedelta(microseconds=each))


def by_the_minute(found: Facts, start: datetime, end: datetime) -> Availability:
    """The slow way: ask of every minute what it was."""
    sums = dict.fromkeys(Kind, 0)
    minute = start
    while minute < end:
        before = [each for each in found.changes if each.at <= minute]
        status = before[-1].status if before else Status.UNKNOWN
        is_blind = any(window.started_at <= minute < window.ended_at for window in found.blind)
        if any(span.start <= minute < span.end for span in found.excluded):
            kind = Kind.EXCLUDED
        elif any(span.start <= minute < span.end for span in found.maintenance):
            kind = Kind.MAINTENANCE
        elif status is Status.UP and is_blind:
            kind = Kind.UNKNOWN
        else:
            kind = Kind(status.lower())
        sums[kind] += us(MINUTE)
        minute += MINUTE
    return Availability(**sums)


@given(facts, pairs)
def test_every_minute_is_counted_once_and_as_what_it_was(found: Facts, period: list[datetime]) -> None:
    start, end = period

    assert spent_in(found, start=start, end=end) == by_the_minute(found, start, end)


@given(facts, st.tuples(uneven, uneven).map(sorted))
def test_the_parts_add_up_to_the_period_to_the_microsecond(found: Facts, period: list[datetime]) -> None:
    start, end = period

    assert spent_in(found, start=start, end=end).length == us(end - start)


@given(facts, st.lists(uneven, min_size=2, max_size=6, unique=True).map(sorted))
def test_splitting_a_period_changes_nothing(found: Facts, cuts: list[datetime]) -> None:
    periods = [Span(*ends) for ends in pairwise(cuts)]

    parts = availability_by_period(found, periods)

    assert total(parts) == spent_in(found, start=cuts[0], end=cuts[-1])
    assert parts == [spent_in(found, start=each.start, end=each.end) for each in periods]


@given(facts, st.sampled_from(["UTC", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]))
def test_days_add_up_to_the_period_they_fill(found: Facts, zone: str) -> None:
    now = at("18:00")
    filled = last_days(4, zone, now=now)

    parts = availability_by_period(found, [Span(day.start, day.end) for day in filled])

    assert total(parts) == spent_in(found, start=filled[0].start, end=now)


@given(facts, pairs)
def test_stretches_cover_the_period_without_gap_and_differ_from_their_neighbours(
    found: Facts, period: list[datetime]
) -> None:
    start, end = period

    pieces = stretches(found, start=start, end=end)

    assert all(piece.start < piece.end for piece in pieces)
    edges = [start, *(piece.end for piece in pieces)]
    assert edges[:-1] == [piece.start for piece in pieces]
    assert edges[-1] == (end if pieces else start)
    assert all(one.kind is not other.kind for one, other in pairwise(pieces))


def test_no_data_is_none_and_not_a_hundred_per_cent() -> None:
    spent = spent_in(Facts([]), start=at("08:00"), end=at("09:00"))

    assert (spent.ratio, spent.coverage) == (None, 0.0)


def test_an_empty_period_has_neither_ratio_nor_coverage() -> None:
    spent = spent_in(Facts([]), start=at("08:00"), end=at("08:00"))

    assert (spent, spent.ratio, spent.coverage) == (NO_TIME, None, None)
    assert availability_by_period(Facts([]), []) == []


def test_availability_is_up_of_up_and_down_and_the_rest_lowers_coverage() -> None:
    found = Facts(
        [Change(at("09:00"), Status.UP), Change(at("10:30"), Status.DOWN), Change(at("11:00"), Status.PAUSED)]
    )

    spent = spent_in(found, start=at("08:00"), end=at("12:00"))

    assert spent == Availability(us(1.5 * HOUR), us(0.5 * HOUR), us(HOUR), 0, 0, us(HOUR))
    assert (spent.ratio, spent.coverage) == (0.75, 0.5)


def test_corrected_and_maintained_time_counts_for_nothing_and_is_told() -> None:
    found = Facts(
        [Change(at("07:00"), Status.UP), Change(at("09:00"), Status.DOWN), Change(at("11:00"), Status.UP)],
        maintenance=[Span(at("08:30"), at("09:30"))],
        excluded=[Span(at("09:15"), at("10:00"))],
    )

    spent = spent_in(found, start=at("08:00"), end=at("12:00"))

    assert spent == Availability(
        up=us(1.5 * HOUR), down=us(HOUR), maintenance=us(45 * MINUTE), excluded=us(45 * MINUTE)
    )
    assert spent.ratio == 0.6


def test_overlapping_blind_windows_are_subtracted_once() -> None:
    blind = [
        BlindWindow(at("08:10"), at("08:30")),
        BlindWindow(at("08:20"), at("08:25")),
        BlindWindow(at("08:20"), at("08:40")),
        BlindWindow(at("08:50"), at("09:30")),
    ]

    spent = spent_in(Facts([Change(at("07:00"), Status.UP)], blind), start=at("08:00"), end=at("09:00"))

    assert spent == Availability(up=us(20 * MINUTE), unknown=us(40 * MINUTE))


def test_a_down_stays_down_through_blindness() -> None:
    found = Facts([Change(at("07:00"), Status.DOWN)], [BlindWindow(at("08:00"), at("09:00"))])

    assert spent_in(found, start=at("08:00"), end=at("09:00")).down == us(HOUR)


def test_the_day_of_a_clock_change_sums_to_its_own_length() -> None:
    up_for_ever = Facts([Change(at("00:00").replace(year=2000), Status.UP)])
    hours = {}
    for zone, date in (
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Australia/Lord_Howe", "2026-04-05"),
    ):
        day = datetime.fromisoformat(date).date()
        (spent,) = availability_by_period(up_for_ever, [Span(each.start, each.end) for each in days(day, day, zone)])
        hours[date] = spent.up / us(HOUR)

    assert hours == {"2026-03-08": 23, "2026-11-01": 25, "2026-10-04": 23.5, "2026-04-05": 24.5}


def test_the_example_of_the_documents() -> None:
    """docs/availability.md, to be followed by hand."""
    found = [
        Change(at("12:00"), Status.UNKNOWN),
        Change(at("12:30"), Status.UP),
        Change(at("16:18"), Status.DOWN),
        Change(at("17:00"), Status.UP),
        Change(at("20:00"), Status.PAUSED),
        Change(at("21:00"), Status.UNKNOWN),
        Change(at("21:10"), Status.UP),
    ]
    start, end = at("00:00"), at("00:00") + 24 * HOUR

    day = spent_in(Facts(found), start=start, end=end)
    corrected = spent_in(Facts(found, excluded=[Span(at("16:18"), at("17:00"))]), start=start, end=end)

    assert [length // us(MINUTE) for length in day] == [578, 42, 60, 0, 0, 760]
    assert (day.ratio, day.coverage) == (578 / 620, 620 / 1440)
    assert [length // us(MINUTE) for length in corrected] == [578, 0, 60, 0, 42, 760]
    assert (corrected.ratio, corrected.coverage) == (1, 578 / 1440)
