"""Availability is plain addition: nothing is lost, nothing is counted twice, and no data is not 100 %."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.status import BlindWindow, Status
from pulsemon.core.uptime import Availability, Change, Outage, availability, outages, spans
from tests.conftest import at

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOTHING = timedelta(0)

instants = st.integers(0, 600).map(lambda each: at("08:00") + each * MINUTE)
changes = st.lists(st.builds(Change, instants, st.sampled_from(Status)), max_size=8).map(
    lambda found: sorted(found, key=lambda each: each.at)
)
pairs = st.tuples(instants, instants).map(sorted)
blind_windows = st.lists(pairs.map(lambda ends: BlindWindow(*ends)), max_size=5)


def parts(spent: Availability) -> tuple[timedelta, timedelta, timedelta, timedelta]:
    return spent.up, spent.down, spent.unknown, spent.excluded


def by_the_minute(found: list[Change], blind: list[BlindWindow], start: datetime, end: datetime) -> Availability:
    """The slow way: ask of every minute what it was."""
    up = down = unknown = excluded = NOTHING
    minute = start
    while minute < end:
        before = [each for each in found if each.at <= minute]
        status = before[-1].status if before else Status.UNKNOWN
        is_blind = any(window.started_at <= minute < window.ended_at for window in blind)
        if status is Status.UP and not is_blind:
            up += MINUTE
        elif status is Status.DOWN:
            down += MINUTE
        elif status is Status.PAUSED:
            excluded += MINUTE
        else:
            unknown += MINUTE
        minute += MINUTE
    return Availability(up, down, unknown, excluded)


@given(changes, blind_windows, pairs)
def test_every_minute_is_counted_once_and_as_what_it_was(
    found: list[Change], blind: list[BlindWindow], window: list[datetime]
) -> None:
    start, end = window

    spent = availability(found, blind, start=start, end=end)

    assert spent == by_the_minute(found, blind, start, end)


@given(changes, blind_windows, pairs)
def test_the_parts_add_up_to_the_window(found: list[Change], blind: list[BlindWindow], window: list[datetime]) -> None:
    start, end = window

    assert sum(parts(availability(found, blind, start=start, end=end)), NOTHING) == end - start


@given(changes, blind_windows, st.tuples(instants, instants, instants).map(sorted))
def test_splitting_a_window_changes_nothing(
    found: list[Change], blind: list[BlindWindow], cuts: list[datetime]
) -> None:
    start, middle, end = cuts

    whole = parts(availability(found, blind, start=start, end=end))
    left = parts(availability(found, blind, start=start, end=middle))
    right = parts(availability(found, blind, start=middle, end=end))

    assert whole == tuple(one + other for one, other in zip(left, right, strict=True))


@given(changes, pairs)
def test_spans_cover_the_window_without_gap(found: list[Change], window: list[datetime]) -> None:
    start, end = window

    pieces = spans(found, start=start, end=end)

    assert all(piece.length > NOTHING for piece in pieces)
    edges = [start, *(piece.end for piece in pieces)]
    assert edges[:-1] == [piece.start for piece in pieces]
    assert edges[-1] == (end if pieces else start)


def test_no_data_is_none_and_not_a_hundred_per_cent() -> None:
    spent = availability([], start=at("08:00"), end=at("09:00"))

    assert (spent.ratio, spent.coverage) == (None, 0.0)


def test_an_empty_window_has_neither_ratio_nor_coverage() -> None:
    spent = availability([], start=at("08:00"), end=at("08:00"))

    assert (spent.ratio, spent.coverage) == (None, None)


def test_availability_is_up_of_up_and_down_and_the_rest_lowers_coverage() -> None:
    found = [
        Change(at("09:00"), Status.UP),
        Change(at("10:30"), Status.DOWN),
        Change(at("11:00"), Status.PAUSED),
    ]

    spent = availability(found, start=at("08:00"), end=at("12:00"))

    assert parts(spent) == (1.5 * HOUR, 0.5 * HOUR, HOUR, HOUR)
    assert (spent.ratio, spent.coverage) == (0.75, 0.5)


def test_overlapping_blind_windows_are_subtracted_once() -> None:
    blind = [
        BlindWindow(at("08:10"), at("08:30")),
        BlindWindow(at("08:20"), at("08:25")),
        BlindWindow(at("08:20"), at("08:40")),
        BlindWindow(at("08:50"), at("09:30")),
    ]

    spent = availability([Change(at("07:00"), Status.UP)], blind, start=at("08:00"), end=at("09:00"))

    assert parts(spent) == (20 * MINUTE, NOTHING, 40 * MINUTE, NOTHING)


def test_a_down_stays_down_through_blindness() -> None:
    blind = [BlindWindow(at("08:00"), at("09:00"))]

    spent = availability([Change(at("07:00"), Status.DOWN)], blind, start=at("08:00"), end=at("09:00"))

    assert spent.down == HOUR


def test_outages_are_the_stretches_of_down_and_the_last_may_be_open() -> None:
    found = [
        Change(at("08:00"), Status.UP),
        Change(at("09:00"), Status.DOWN),
        Change(at("09:10"), Status.UP),
        Change(at("10:00"), Status.DOWN),
        Change(at("10:05"), Status.PAUSED),
        Change(at("11:00"), Status.DOWN),
    ]

    assert outages(found) == [
        Outage(at("09:00"), at("09:10")),
        Outage(at("10:00"), at("10:05")),
        Outage(at("11:00"), None),
    ]
