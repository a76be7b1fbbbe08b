"""A monitor's stored past, read from both databases: what is proposed, and what other settings would have told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from pulsemon.core.replay import Past, PastPing, Pause
from pulsemon.core.rules import Outcome
from pulsemon.core.status import BlindWindow, Cause, Signal
from pulsemon.core.suggestion import Reason
from pulsemon.core.timing import Timing
from pulsemon.db import Database
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.deadlines import passes
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import suggestions
from pulsemon.monitors.manage import View
from tests.arrange import HOOK, START, a_ping, make, record, seconds, transitions
from tests.core.test_suggestion import Scheduled, TenOClock
from tests.statements import recorded_statements

NOW = START + timedelta(hours=8)


def live(database: Database, monitor: View, *offsets: float, signal: Signal = Signal.SUCCESS) -> datetime:
    """Send a ping so many seconds after the start each, silence noticed in between; return the last instant."""
    received_at = START
    for offset in offsets:
        received_at = START + seconds(offset)
        passes.expire_due(database, now=received_at, recorded_at=received_at)
        record(database, a_ping(monitor, received_at, signal))
    return received_at


def test_the_past_is_what_counted_oldest_first(database: Database) -> None:
    monitor = make(database)
    rid = "123e4567-e89b-42d3-a456-426614174000"
    record(
        database,
        a_ping(monitor, START, Signal.START, rid=rid),
        a_ping(monitor, START + seconds(1), Signal.START, rid=rid),
        a_ping(monitor, START + seconds(2), unasked=Outcome.PREFETCH),
        a_ping(monitor, START + seconds(3), Signal.SUCCESS, rid=rid, body=b"x" * 5_000),
        a_ping(monitor, START + seconds(4), Signal.LOG),
        a_ping(monitor, START + seconds(5), Signal.FAIL, exit_status=3),
    )

    past = suggestions.read_past(database, monitor.id, monitor.timing, now=NOW)

    assert past.pings == (
        PastPing(START, Signal.START, rid),
        PastPing(START + seconds(3), Signal.SUCCESS, rid),
        PastPing(START + seconds(4), Signal.LOG),
        PastPing(START + seconds(5), Signal.FAIL),
    )
    assert (past.since, past.until, past.length) == (START, NOW, NOW - START)


def test_what_is_older_than_thirty_days_or_beyond_the_newest_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = make(database)
    live(database, monitor, 0, 1, 2, 3, 4)

    later = START + seconds(2) + suggestions.LOOKS_BACK
    assert len(suggestions.read_past(database, monitor.id, monitor.timing, now=later).pings) == 3
    monkeypatch.setattr(suggestions, "MAX_PINGS", 2)
    past = suggestions.read_past(database, monitor.id, monitor.timing, now=NOW)
    assert [ping.received_at for ping in past.pings] == [START + seconds(3), START + seconds(4)]
    monkeypatch.setattr(suggestions, "MAX_PINGS_BY_CALENDAR", 1)
    scheduled = Scheduled(seconds(240), seconds(60), None, TenOClock())
    assert len(suggestions.read_past(database, monitor.id, scheduled, now=NOW).pings) == 1


def test_the_past_of_one_monitor_holds_nothing_of_another(database: Database) -> None:
    mine, other = make(database, "mine"), make(database, "other")
    live(database, mine, 0, 2)
    live(database, other, 1, 3)
    monitors.pause(database, monitors.by_id(other.id), now=START + seconds(4))

    past = suggestions.read_past(database, mine.id, mine.timing, now=NOW)

    assert [ping.received_at for ping in past.pings] == [START, START + seconds(2)]
    assert past.pauses == ()


def test_pauses_and_blind_windows_are_read_with_their_ends(database: Database) -> None:
    monitor = make(database)
    which = monitors.by_id(monitor.id)
    for begin, end in ((10, 20), (30, 40)):
        monitors.pause(database, which, now=START + seconds(begin))
        monitors.resume(database, which, now=START + seconds(end))
    monitors.pause(database, which, now=START + seconds(50))
    old = START - suggestions.LOOKS_BACK - timedelta(days=9)
    windows = [(START, START + seconds(5)), (old, old + seconds(9))]
    with database.write() as connection:
        rows = [{"started_at": begin, "ended_at": end, "cause": "restart"} for begin, end in windows]
        connection.execute(insert(BlindWindowRow), rows)

    past = suggestions.read_past(database, monitor.id, monitor.timing, now=NOW)

    assert past.blind == (BlindWindow(*windows[0]),)
    assert past.pauses == (
        Pause(START + seconds(10), START + seconds(20)),
        Pause(START + seconds(30), START + seconds(40)),
        Pause(START + seconds(50), NOW),
    )


def test_a_pause_that_began_before_the_thirty_days_begins_with_them(database: Database) -> None:
    monitor = make(database)
    which = monitors.by_id(monitor.id)
    monitors.pause(database, which, now=START)
    later = START + suggestions.LOOKS_BACK + seconds(100)
    since = later - suggestions.LOOKS_BACK

    assert suggestions.read_past(database, monitor.id, monitor.timing, now=later).pauses == (Pause(since, later),)
    monitors.resume(database, which, now=later - seconds(50))
    assert suggestions.read_past(database, monitor.id, monitor.timing, now=later).pauses == (
        Pause(since, later - seconds(50)),
    )


def test_a_monitor_without_pings_or_without_a_row_has_no_past(database: Database) -> None:
    monitor = make(database)

    assert suggestions.read_past(database, monitor.id, monitor.timing, now=NOW) == Past((), NOW)
    assert suggestions.read_past(database, monitor.id + 1, monitor.timing, now=NOW) == Past((), NOW)
    advice = suggestions.advise(Past((), NOW), monitor.timing)
    assert (advice.reason, advice.proposed, advice.rhythm, advice.fits) == (Reason.TOO_FEW, None, None, False)
    assert advice.present.alerts == ()


def test_a_signal_of_a_later_version_is_passed_over(database: Database) -> None:
    monitor = make(database)
    live(database, monitor, 0, 1)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE pings SET signal = 'novel' WHERE number = 1")

    assert [
        each.received_at for each in suggestions.read_past(database, monitor.id, monitor.timing, now=NOW).pings
    ] == [START + seconds(1)]


def test_the_settings_that_held_give_the_alerts_that_were_told(database: Database) -> None:
    monitor = make(database, webhook_url=HOOK, max_run_seconds=120)
    live(database, monitor, 0, 240, 900, 1_140, 1_441)
    live(database, monitor, 1_500, 1_560, signal=Signal.FAIL)
    live(database, monitor, 1_600)
    live(database, monitor, 1_700, signal=Signal.START)
    live(database, monitor, 1_900)
    monitors.pause(database, monitors.by_id(monitor.id), now=START + seconds(1_950))
    monitors.resume(database, monitors.by_id(monitor.id), now=START + seconds(9_000))
    now = live(database, monitor, 9_100, 9_300) + seconds(301)
    passes.expire_due(database, now=now, recorded_at=now)

    past = suggestions.read_past(database, monitor.id, monitor.timing, now=now)

    told = [(row.occurred_at, row.cause) for row in transitions(database, monitor) if row.new_status == "DOWN"]
    alerts = suggestions.judge(past, monitor.timing).alerts
    assert [(alert.at, alert.cause.value) for alert in alerts] == told
    assert [alert.cause for alert in alerts] == [
        Cause.SILENCE,
        Cause.SILENCE,
        Cause.FAILURE,
        Cause.RUN_LIMIT,
        Cause.SILENCE,
    ]


def test_what_is_proposed_is_compared_with_what_there_is(database: Database) -> None:
    monitor = make(database, interval_seconds=240, grace_seconds=0)
    now = live(database, monitor, *(number * 240 + number % 3 for number in range(30)))
    past = suggestions.read_past(database, monitor.id, monitor.timing, now=now)

    advice = suggestions.advise(past, monitor.timing)

    assert advice.proposed is not None
    assert advice.proposed.timing == Timing(seconds(240), seconds(30))
    assert (len(advice.present.alerts), len(advice.proposed.alerts), advice.fits) == (20, 0, False)
    assert suggestions.advise(past, advice.proposed.timing).fits
    assert len(suggestions.judge(past, Timing(seconds(1), seconds(0))).alerts) == 29


def test_the_number_of_queries_does_not_depend_on_the_number_of_pings(database: Database) -> None:
    few, many = make(database, "few"), make(database, "many")
    live(database, few, 0)
    live(database, many, *range(0, 6_000, 60))

    counts = []
    for monitor in (few, many):
        with recorded_statements() as seen:
            suggestions.read_past(database, monitor.id, monitor.timing, now=NOW)
        counts.append(len(seen))

    assert counts[0] == counts[1]
