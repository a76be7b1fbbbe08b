"""Messages that do not arrive, on both databases: whose, how many, since when and why."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from pulsemon.channels.message import Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Sent
from pulsemon.messages.undelivered import NOTHING, Undelivered, read_undelivered
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import HOOK, START, a_ping, make, make_down, make_up, record, seconds
from tests.conftest import at
from tests.statements import recorded_statements

THERE = "127.0.0.1:9"
NO_CONNECTION = Retry(Reason.CONNECT)


def send(database: Database, outcome: Outcome, *, now: datetime) -> int:
    """Send all that is due, which ends like this; return how many there were."""
    leased = outbox.lease_due(database, now=now, in_flight={})
    outbox.settle(database, [Sent(each, outcome, now, now, 0) for each in leased])
    return len(leased)


def flap(database: Database, monitor: View, count: int, *, since: datetime) -> None:
    """Have a monitor owe *count* messages more."""
    for n in range(count):
        signal = Signal.FAIL if n % 2 else Signal.SUCCESS
        record(database, a_ping(monitor, since + seconds(n), signal))


def test_what_failed_and_what_waits_behind_it_is_undelivered(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    assert send(database, NO_CONNECTION, now=at("10:01")) == 1
    flap(database, monitor, 5, since=at("10:20"))

    found = read_undelivered(database)

    assert found.by_monitor == {monitor.id: Undelivered(6, START, THERE, "connect")}
    assert (found.count, found.since) == (6, START)
    assert found.by_receiver == (Undelivered(6, START, THERE, "connect"),)


def test_what_nobody_tried_yet_is_on_its_way(database: Database) -> None:
    make_down(database, webhook_url=HOOK)

    assert read_undelivered(database) == NOTHING
    outbox.lease_due(database, now=at("10:01"), in_flight={})  # the first attempt is under way
    assert read_undelivered(database) == NOTHING


def test_what_is_delivered_in_the_end_is_undelivered_no_more(database: Database) -> None:
    make_down(database, webhook_url=HOOK)
    send(database, NO_CONNECTION, now=at("10:01"))
    assert read_undelivered(database).count == 1

    assert send(database, Delivered(200), now=at("10:02")) == 1

    assert read_undelivered(database) == NOTHING


def test_what_was_given_up_stays_until_something_is_delivered(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    send(database, Rejected(Reason.INVALID_URL), now=at("10:01"))

    found = read_undelivered(database).by_monitor

    assert found == {monitor.id: Undelivered(1, START, THERE, "invalid-url", is_given_up=True)}
    monitors.send_test_message(database, monitors.by_id(monitor.id), now=at("10:05"))
    assert read_undelivered(database).by_monitor == found
    send(database, Delivered(204), now=at("10:05"))
    assert read_undelivered(database) == NOTHING


def test_what_was_given_up_and_what_fails_since_are_counted_together(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    send(database, Rejected(Reason.STATUS, 400), now=at("10:01"))
    flap(database, monitor, 1, since=at("10:02"))
    send(database, NO_CONNECTION, now=at("10:03"))

    assert read_undelivered(database).by_monitor == {monitor.id: Undelivered(2, START, THERE, "connect")}


def test_another_webhook_or_none_begins_anew(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    other = make_down(database, "other", webhook_url=HOOK)
    send(database, Rejected(Reason.STATUS, 400), now=at("10:01"))
    flap(database, monitor, 1, since=at("10:02"))
    send(database, NO_CONNECTION, now=at("10:03"))
    assert read_undelivered(database).count == 3

    elsewhere = {"webhook_url": "http://127.0.0.1:10/hook"}
    monitors.edit(database, monitors.by_id(monitor.id), elsewhere, now=at("10:04"))
    monitors.edit(database, monitors.by_id(other.id), {"webhook_url": None}, now=at("10:04"))

    assert read_undelivered(database) == NOTHING
    assert outbox.lease_due(database, now=at("10:05"), in_flight={})
    assert read_undelivered(database) == NOTHING  # the first attempt at the new receiver is under way


def test_receivers_are_named_where_most_is_missing_first(database: Database) -> None:
    for n in range(3):
        make_down(database, f"job-{n}", webhook_url=HOOK, last_ping=START + seconds(n))
    make_down(database, "far", webhook_url="https://hooks.example/secret/path?token=1")
    send(database, NO_CONNECTION, now=at("10:01"))

    found = read_undelivered(database)

    assert [(each.receiver, each.count, each.monitor_count) for each in found.by_receiver] == [
        (THERE, 3, 3),
        ("hooks.example:443", 1, 1),
    ]
    assert "secret" not in repr(found)


def test_messages_of_maintenance_and_to_subscribers_are_no_trouble_of_a_monitor(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    with database.write() as connection:
        connection.execute(update(Delivery).values(state="held", attempt_count=1, reason="connect"))

    assert monitor.id not in read_undelivered(database).by_monitor


def test_the_overview_costs_two_queries_and_goes_by_indexes(database: Database) -> None:
    make(database, "quiet", webhook_url=HOOK)
    for n in range(20):
        make_down(database, f"job-{n}", webhook_url=HOOK)
    while send(database, NO_CONNECTION, now=at("10:01")):
        pass  # few at once to one receiver
    make_up(database, "fine")

    with recorded_statements() as seen:
        found = read_undelivered(database)

    assert found.count == 20
    selects = [each for each in seen if "FROM" in each]
    assert len(selects) == 2
    with database.read() as connection:
        plans = [each.plan(connection) for each in selects]
    assert "ix_deliveries_pending" in plans[0], plans[0]
    assert "ix_deliveries_monitor_id_id" in plans[1], plans[1]
