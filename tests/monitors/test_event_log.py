"""One monitor's log and record, on both databases: paging, the chain of pings, availability, what belongs to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from pulsemon.availability import track_record
from pulsemon.core.status import Cause, Signal, Status
from pulsemon.db import Database
from pulsemon.db.tables.deadlines import UnseenSpan
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.monitors import History
from pulsemon.errors import NotFound
from pulsemon.heartbeats import ping_chain
from pulsemon.heartbeats.ping_chain import PingEvent
from pulsemon.monitors import event_log
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.belongings import Belongings, belongings
from pulsemon.monitors.event_log import NEWEST, ChangeEvent, Event, Kind, LogCursor, MessageEvent
from pulsemon.monitors.views import View
from tests.arrange import HOOK, START, a_ping, again, make, make_up, record, seconds
from tests.conftest import at
from tests.statements import recorded_statements


def whole_log(database: Database, monitor: View, *, size: int, kinds: tuple[Kind, ...] = tuple(Kind)) -> list[Event]:
    """Read part after part, as a reader who presses "Older" until there is none."""
    found: list[Event] = []
    start: LogCursor | None = NEWEST
    while start is not None:
        part = event_log.read_log(database, monitor.id, start=start, kinds=kinds, size=size)
        found += part.events
        start = None if part.next is None else LogCursor.from_text(part.next.to_text())
    return found


def a_busy_monitor(database: Database) -> View:
    """Ten pings that alternate between success and failure, each after the first a transition that is told."""
    monitor = make(database, webhook_url=HOOK)
    for number in range(10):
        signal = Signal.FAIL if number % 2 else Signal.SUCCESS
        record(database, a_ping(monitor, START + seconds(10 * number), signal))
    return again(database, monitor)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_event_stands_on_exactly_one_page_newest_first(database: Database, size: int) -> None:
    monitor = a_busy_monitor(database)

    found = whole_log(database, monitor, size=size)

    kinds = [each.kind for each in found]
    assert (kinds.count(Kind.PING), kinds.count(Kind.CHANGE), kinds.count(Kind.MESSAGE)) == (10, 10, 9)
    assert len({(type(each), each.id if not isinstance(each, ChangeEvent) else each.seq) for each in found}) == 29
    pings = [each for each in found if isinstance(each, PingEvent)]
    assert [each.number for each in pings] == list(range(10, 0, -1))
    assert [each.at for each in pings] == sorted((each.at for each in pings), reverse=True)


def test_a_page_of_one_kind_holds_nothing_else(database: Database) -> None:
    monitor = a_busy_monitor(database)

    assert {each.kind for each in whole_log(database, monitor, size=4, kinds=(Kind.PING,))} == {Kind.PING}
    assert len(whole_log(database, monitor, size=4, kinds=(Kind.MESSAGE,))) == 9


def test_the_change_that_a_ping_made_stands_above_it(database: Database) -> None:
    monitor = make_up(database)

    change, ping = event_log.read_log(database, monitor.id).events

    assert isinstance(change, ChangeEvent)
    assert (change.previous, change.new, change.cause) == ("UNKNOWN", "UP", Cause.PING)
    assert isinstance(ping, PingEvent)
    assert (ping.signal, ping.outcome, ping.number) == ("success", "counted", 1)


def test_a_log_whose_older_pings_were_removed_ends_where_they_were(database: Database) -> None:
    monitor = a_busy_monitor(database)
    with database.write() as connection:
        connection.execute(delete(Ping).where(Ping.monitor_id == monitor.id, Ping.number <= 4))

    pings = whole_log(database, monitor, size=2, kinds=(Kind.PING,))

    assert [each.number for each in pings if isinstance(each, PingEvent)] == [10, 9, 8, 7, 6, 5]


def test_no_address_and_no_broken_chain_leads_to_the_pings_of_another_monitor(database: Database) -> None:
    mine, other = make_up(database, "mine"), make_up(database, "other")
    others_ping = event_log.read_log(database, other.id, kinds=(Kind.PING,)).events[0]
    assert isinstance(others_ping, PingEvent)

    forged = event_log.read_log(database, mine.id, start=LogCursor(ping_id=others_ping.id), kinds=(Kind.PING,))
    assert forged.events == ()
    with database.write() as connection:
        connection.execute(update(Ping).where(Ping.monitor_id == mine.id).values(prev_id=others_ping.id))
    assert [each.kind for each in whole_log(database, mine, size=5, kinds=(Kind.PING,))] == [Kind.PING]
    with pytest.raises(NotFound):
        event_log.ping_body(database, mine.id, others_ping.id)


def test_a_chain_that_bites_its_own_tail_still_ends(database: Database) -> None:
    monitor = make_up(database)
    with database.write() as connection:
        connection.execute(update(Ping).where(Ping.monitor_id == monitor.id).values(prev_id=Ping.id))

    part = event_log.read_log(database, monitor.id, kinds=(Kind.PING,), size=5)

    assert len(part.events) <= 5


def test_a_damaged_message_tells_nothing_and_hides_no_other(database: Database) -> None:
    monitor = a_busy_monitor(database)
    newest = whole_log(database, monitor, size=100, kinds=(Kind.MESSAGE,))[0]
    assert isinstance(newest, MessageEvent)
    with database.write() as connection:
        connection.execute(update(Delivery).where(Delivery.id == newest.id).values(payload='{"status": "DO'))

    found = whole_log(database, monitor, size=4, kinds=(Kind.MESSAGE,))

    assert [each.told for each in found if isinstance(each, MessageEvent)] == [None, *["UP", "DOWN"] * 4]


@pytest.mark.parametrize("text", ["", "x", "1.2", "1.2.3.4", "-1.2.3", "1.2.²", "9" * 30 + ".1.1", "1.2.", "١.٢.٣"])
def test_a_position_that_is_none_of_ours_is_the_beginning(text: str) -> None:
    assert LogCursor.from_text(text) == NEWEST


def test_numbers_beyond_what_a_database_holds_are_harmless(database: Database) -> None:
    monitor = make_up(database)

    part = event_log.read_log(database, monitor.id, start=LogCursor.from_text(".".join(["9" * 19] * 3)))

    assert len(part.events) == 2
    with pytest.raises(NotFound):
        event_log.ping_body(database, monitor.id, 10**30)


def test_a_body_is_excerpted_in_the_log_and_whole_on_request(database: Database) -> None:
    monitor = make(database)
    body = b"\xff\x00<b>" + b"x" * 5_000
    record(database, a_ping(monitor, START, method="POST", body=body, user_agent="agent", remote_addr="::1"))

    ping = event_log.read_log(database, monitor.id, kinds=(Kind.PING,)).events[0]

    assert isinstance(ping, PingEvent)
    assert (ping.body_length, len(ping.excerpt)) == (5_005, ping_chain.EXCERPT_BYTES)
    assert ping.excerpt.startswith("ÿ\ufffd<b>")
    assert (ping.method, ping.user_agent, ping.remote_addr) == ("POST", "agent", "::1")
    assert event_log.ping_body(database, monitor.id, ping.id) == body


def test_a_message_tells_its_status_and_has_its_attempts(database: Database) -> None:
    monitor = a_busy_monitor(database)

    messages = whole_log(database, monitor, size=50, kinds=(Kind.MESSAGE,))

    told = [each.told for each in messages if isinstance(each, MessageEvent)]
    assert told == ["DOWN", "UP"] * 4 + ["DOWN"]


def test_a_row_of_an_old_database_keeps_its_note(database: Database) -> None:
    monitor = make_up(database)
    with database.write() as connection:
        connection.execute(update(History).values(cause=None, detail=None, note="Ping recebido"))

    change = event_log.read_log(database, monitor.id, kinds=(Kind.CHANGE,)).events[0]

    assert isinstance(change, ChangeEvent)
    assert (change.cause, change.note) == (None, "Ping recebido")


def record_of(database: Database, monitor: View, now: Any) -> track_record.Record:
    return track_record.read_record(database, monitor.id, timezone="UTC", now=now)


def us(**length: float) -> int:
    return timedelta(**length) // timedelta(microseconds=1)


def test_availability_counts_what_is_known_and_says_how_much_that_is(database: Database) -> None:
    monitor = make(database, now=at("08:00"), interval_seconds=3_600, grace_seconds=3_600)
    record(database, a_ping(monitor, at("09:00")))
    record(database, a_ping(monitor, at("10:00"), Signal.FAIL))
    record(database, a_ping(monitor, at("10:30")))

    found = record_of(database, monitor, at("11:00"))

    length, day = found.periods[0]
    assert length == 1
    assert (day.up, day.down) == (us(minutes=90), us(minutes=30))
    assert day.ratio == 0.75
    assert day.coverage == pytest.approx(2 / 24)
    assert [length for length, _ in found.periods] == [1, 7, 30, 90, 365]
    assert found.since == at("10:30")


def test_ninety_days_add_up_to_the_ninety_day_window(database: Database) -> None:
    monitor = a_busy_monitor(database)

    found = record_of(database, monitor, at("12:00"))

    assert len(found.recent.days) == len(found.recent.parts) == 90
    assert found.recent.days[-1].start == at("00:00")
    assert found.recent.whole == dict(found.periods)[90]
    assert found.recent.whole.down > 0


def test_what_was_down_at_midnight_is_down_on_the_next_day(database: Database) -> None:
    monitor = make(database, now=at("08:00"))
    record(database, a_ping(monitor, at("23:00"), Signal.FAIL))

    found = record_of(database, monitor, at("23:00") + timedelta(hours=3))

    yesterday, today = found.recent.parts[-2:]
    assert (yesterday.down, today.down) == (us(hours=1), us(hours=2))


def test_outages_are_listed_newest_first_with_their_cause(database: Database) -> None:
    monitor = a_busy_monitor(database)

    outages = record_of(database, monitor, at("12:00")).outages

    assert len(outages) == 5
    assert (outages[0].start, outages[0].end) == (START + seconds(90), None)
    assert (outages[-1].start, outages[-1].end) == (START + seconds(10), START + seconds(20))
    assert {each.cause for each in outages} == {Cause.FAILURE}


def test_time_that_nobody_saw_is_neither_up_nor_down(database: Database) -> None:
    monitor = make_up(database, last_ping=at("10:00"))
    with database.write() as connection:
        connection.execute(
            UnseenSpan.__table__.insert(),
            [{"monitor_id": monitor.id, "started_at": at("10:10"), "ended_at": at("10:20")}],
        )

    _, day = record_of(database, monitor, at("11:00")).periods[0]

    assert (day.up, day.down) == (us(minutes=50), 0)


def test_the_number_of_queries_does_not_depend_on_what_there_is(database: Database) -> None:
    quiet, busy = make(database, "quiet"), a_busy_monitor(database)
    counts = []
    for monitor in (quiet, busy):
        with recorded_statements() as seen:
            event_log.read_log(database, monitor.id)
            record_of(database, monitor, at("12:00"))
            event_log.changed_at(database, [monitor.id])
        counts.append(len([each for each in seen if each.startswith(("SELECT", "WITH"))]))

    assert counts[0] == counts[1] > 0


def test_changed_at_is_the_last_change_of_each(database: Database) -> None:
    never, up = make(database, "never"), make_up(database, "up", last_ping=at("10:07"))

    assert event_log.changed_at(database, [never.id, up.id]) == {up.id: at("10:07")}
    assert event_log.changed_at(database, []) == {}


def test_what_would_be_lost_is_counted(database: Database) -> None:
    monitor = a_busy_monitor(database)

    assert belongings(database, [monitor.id]) == Belongings(10, 10, 9)
    other = make_up(database, "other")
    assert belongings(database, [monitor.id, other.id]) == Belongings(11, 11, 9)
    monitors.remove(database, monitors.by_id(monitor.id))
    assert belongings(database, [monitor.id]) == belongings(database, []) == Belongings(0, 0, 0)


def test_a_status_that_today_does_not_know_is_passed_over(database: Database) -> None:
    monitor = make_up(database)
    with database.write() as connection:
        connection.execute(update(History).values(new_status="FLAPPING"))

    found = record_of(database, monitor, at("12:00"))

    assert found.periods[0][1].ratio is None
    assert monitor.status is Status.UP
