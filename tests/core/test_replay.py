"""What settings would have told of a past: by example, and against the rules that every past obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.replay import Alert, Past, PastPing, Pause, replay
from pulsemon.core.status import BlindWindow, Cause, Signal
from pulsemon.core.timing import Timing
from tests.conftest import at

# Pings every four minutes, a minute of grace: a ping at 10:00 is due again at 10:05.
TIMING = Timing(timedelta(minutes=4), timedelta(minutes=1), timedelta(minutes=2))
SECOND = timedelta(seconds=1)
START = at("10:00")


def a_past(*pings: str, until: str = "10:04", signal: Signal = Signal.SUCCESS, **spans: object) -> Past:
    """A past of pings at these instants: "10:02" of the usual signal, "10:02 fail" of another."""
    found = []
    for text in pings:
        instant, _, word = text.partition(" ")
        found.append(PastPing(at(instant), Signal(word) if word else signal))
    return Past(tuple(found), at(until), **spans)  # type: ignore[arg-type]


def test_without_a_ping_there_is_nothing_to_tell() -> None:
    past = Past((), at("12:00"))

    assert replay(past, TIMING) == ()
    assert (past.since, past.length) == (None, timedelta(0))


def test_pings_in_time_give_no_alert_and_the_silence_before_the_first_is_not_known() -> None:
    assert replay(a_past("10:00", "10:05", "10:10", until="10:15"), TIMING) == ()


def test_a_late_ping_is_an_alert_at_the_deadline_until_it_came() -> None:
    past = a_past("10:00", "10:05:00.001", "10:09")

    assert replay(past, TIMING) == (Alert(at("10:05"), Cause.SILENCE, at("10:05:00.001")),)


def test_silence_at_the_end_is_an_alert_that_lasts() -> None:
    assert replay(a_past("10:00", until="10:06"), TIMING) == (Alert(at("10:05"), Cause.SILENCE, None),)


def test_failures_in_a_row_are_one_alert() -> None:
    past = a_past("10:00", "10:01 fail", "10:02 fail", "10:03")

    assert replay(past, TIMING) == (Alert(at("10:01"), Cause.FAILURE, at("10:03")),)


def test_a_run_that_took_too_long_is_an_alert_and_a_note_is_none() -> None:
    past = a_past("10:00", "10:01 start", "10:02 log", "10:03:30")

    assert replay(past, TIMING) == (Alert(at("10:03"), Cause.RUN_LIMIT, at("10:03:30")),)
    assert replay(past, replace(TIMING, max_run=timedelta(minutes=3))) == ()


def test_what_a_blind_window_hid_is_no_alert() -> None:
    pings = ("10:00", "10:08")
    window = BlindWindow(at("10:03"), at("10:07"))

    assert len(replay(a_past(*pings, until="10:10"), TIMING)) == 1
    assert replay(a_past(*pings, until="10:10", blind=(window,)), TIMING) == ()


def test_a_ping_that_another_node_took_in_a_blind_window_counts() -> None:
    windows = (BlindWindow(at("10:01"), at("10:12")), BlindWindow(at("10:02"), at("10:11")))

    assert replay(a_past("10:00", "10:04", "10:13", until="10:15", blind=windows), TIMING) == ()


def test_silence_that_was_complete_before_the_blind_window_is_an_alert() -> None:
    window = BlindWindow(at("10:06"), at("10:07"))

    alerts = replay(a_past("10:00", "10:08", until="10:10", blind=(window,)), TIMING)

    assert alerts == (Alert(at("10:05"), Cause.SILENCE, at("10:08")),)


def test_a_pause_is_not_judged_and_ends_what_was_down() -> None:
    past = a_past(
        "10:00", "10:01 fail", "10:20 fail", "10:40", until="10:42", pauses=(Pause(at("10:02"), at("10:30")),)
    )

    assert replay(past, TIMING) == (Alert(at("10:01"), Cause.FAILURE, at("10:02")),)


signals = st.sampled_from([Signal.SUCCESS] * 5 + [Signal.START, Signal.FAIL, Signal.LOG])
steps = st.lists(st.tuples(st.integers(0, 900), signals, st.sampled_from([None, "a", "b"])), max_size=40)
lengths = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 600)), max_size=4)
timings = st.builds(
    lambda interval, grace, limit: Timing(interval * SECOND, grace * SECOND, limit * SECOND),
    st.integers(1, 600),
    st.integers(0, 300),
    st.integers(1, 600),
)


def spans_from(start: datetime, gaps: list[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
    """Return spans that do not overlap, from (seconds before it, its seconds)."""
    found = []
    for before, length in gaps:
        begun = start + before * SECOND
        start = begun + length * SECOND + SECOND
        found.append((begun, start - SECOND))
    return found


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    """Any past: signals a few minutes apart, with and without ids, blind windows and pauses among them."""
    instant = START
    pings = []
    for wait, signal, rid in draw(steps):
        instant += wait * SECOND
        pings.append(PastPing(instant, signal, rid))
    until = instant + draw(st.integers(0, 900)) * SECOND
    blind = tuple(BlindWindow(*span) for span in spans_from(START, draw(lengths)))
    pauses = tuple(Pause(*span) for span in spans_from(START, draw(lengths)))
    return Past(tuple(pings), until, blind, pauses)


def moved(past: Past, by: timedelta) -> Past:
    return Past(
        tuple(PastPing(each.received_at + by, each.signal, each.rid) for each in past.pings),
        past.until + by,
        tuple(BlindWindow(each.started_at + by, each.ended_at + by) for each in past.blind),
        tuple(Pause(each.started_at + by, each.ended_at + by) for each in past.pauses),
    )


@given(pasts(), timings)
def test_alerts_lie_in_the_past_one_after_the_other(past: Past, timing: Timing) -> None:
    alerts = replay(past, timing)

    borders = [instant for alert in alerts for instant in (alert.at, alert.ended_at or past.until)]
    assert borders == sorted(borders)
    assert all(START <= each <= past.until for each in borders)
    assert all(alert.ended_at is not None for alert in alerts[:-1])


@given(pasts(), timings, st.integers(-(10**9), 10**9))
def test_when_it_all_happened_changes_nothing(past: Past, timing: Timing, seconds: int) -> None:
    by = seconds * SECOND

    alerts = replay(moved(past, by), timing)

    assert alerts == tuple(
        Alert(each.at + by, each.cause, each.ended_at and each.ended_at + by) for each in replay(past, timing)
    )


@given(pasts(), timings, st.integers(0, 600))
def test_more_grace_never_gives_more_alerts(past: Past, timing: Timing, more: int) -> None:
    without_spans = Past(past.pings, past.until)
    patient = replace(timing, grace=timing.grace + more * SECOND)

    assert len(replay(without_spans, patient)) <= len(replay(without_spans, timing))


@given(pasts(), timings, st.integers(0, 600))
def test_a_longer_run_limit_gives_no_alert_where_there_was_none_and_none_sooner(
    past: Past, timing: Timing, more: int
) -> None:
    """Their number may grow: two runs that were overdue together may be so one after the other."""
    without_spans = Past(past.pings, past.until)
    patient = replay(without_spans, replace(timing, max_run=timing.run_limit + more * SECOND))
    strict = replay(without_spans, timing)

    assert not patient or (strict and strict[0].at <= patient[0].at)


@given(pasts(), timings)
def test_a_failure_is_told_whatever_the_settings_unless_it_is_down_already(past: Past, timing: Timing) -> None:
    without_spans = Past(past.pings, past.until)
    day = timedelta(days=1)

    assert all(each.cause is Cause.FAILURE for each in replay(without_spans, Timing(day, day, day)))
    has_failed = any(ping.signal is Signal.FAIL for ping in past.pings)
    assert not has_failed or replay(without_spans, timing)
