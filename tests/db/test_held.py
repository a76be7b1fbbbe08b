"""Messages that maintenance holds back, on the real tables: what is told, when, and what never."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from pulsemon.channels.message import Rejected
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import ticks as maintenance_ticks
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.views import MaintenanceView
from pulsemon.messages import outbox
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.belongings import belongings
from pulsemon.monitors.views import View
from tests.arrange import HOOK, a_ping, again, deliveries, make_up, record, set_by_hand
from tests.conftest import at
from tests.statements import recorded_statements

HOUR = timedelta(hours=1)


def a_window(
    database: Database, *slugs: str, start: str = "10:00", length: timedelta = HOUR, now: str = "10:00", **fields: Any
) -> MaintenanceView:
    """Plan maintenance of these monitors, of all where none is named."""
    plan = Plan(Repeats.ONCE, at(start), length, "UTC")
    return maintenance.create(database, Definition("Works", plan, monitors=slugs or None, **fields), now=at(now))


def tick(database: Database, now: str) -> maintenance_ticks.Ticked:
    return maintenance_ticks.tick(database, now=at(now))


def expire(database: Database, now: str) -> None:
    passes.expire_due(database, now=at(now), recorded_at=at(now))


def told(database: Database) -> list[tuple[str, str, str | None]]:
    """Return (status that it tells, state, reason) of each message."""
    return [(_status(row.payload), row.state, row.reason) for row in deliveries(database)]


def _status(payload: str) -> str:
    return payload.split('"status": "')[1].split('"')[0]


def a_monitor(database: Database, slug: str = "job", **fields: Any) -> View:
    """UP since 10:00, a ping every four minutes and one of grace."""
    return make_up(database, slug, webhook_url=HOOK, **fields)


def ping(database: Database, monitor: View, when: str, signal: Signal = Signal.SUCCESS) -> None:
    record(database, a_ping(monitor, at(when), signal))


def test_a_failure_that_lasts_is_told_once_as_soon_as_maintenance_ends(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    assert told(database) == [("DOWN", "held", None)]
    assert tick(database, "10:30").next_at == at("11:00")
    assert outbox.lease_due(database, now=at("10:59"), in_flight={}) == []

    ticked = tick(database, "11:00")

    assert (ticked.step_count, ticked.message_count) == (1, 1)
    assert told(database) == [("DOWN", "pending", None)]
    row = deliveries(database)[0]
    assert (row.next_attempt_at, row.retry_since, row.created_at) == (at("11:00"), at("11:00"), at("10:02"))
    assert [each.message.payload["status"] for each in outbox.lease_due(database, now=at("11:00"), in_flight={})] == [
        "DOWN"
    ]
    assert tick(database, "11:01").message_count == 0


def test_what_comes_and_goes_inside_is_told_to_nobody(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    for when, signal in (("10:02", Signal.FAIL), ("10:03", Signal.SUCCESS), ("10:04", Signal.FAIL)):
        ping(database, monitor, when, signal)
    ping(database, monitor, "10:58")

    tick(database, "11:00")

    assert [each[1:] for each in told(database)] == [("cancelled", "maintenance")] * 4
    assert all(row.settled_at == at("11:00") for row in deliveries(database))


def test_a_recovery_from_what_was_told_before_is_told_at_the_end(database: Database) -> None:
    monitor = a_monitor(database)
    ping(database, monitor, "10:01", Signal.FAIL)
    assert told(database) == [("DOWN", "pending", None)]
    a_window(database, "job", start="10:02", now="10:02")
    ping(database, monitor, "10:10")
    assert told(database)[1:] == [("UP", "held", None)]
    (leased,) = outbox.lease_due(database, now=at("10:10"), in_flight={})
    assert leased.message.payload["status"] == "DOWN"
    ping(database, monitor, "11:01")

    tick(database, "11:02")

    assert told(database)[1:] == [("UP", "pending", None)]


def test_only_the_newest_of_three_is_told(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    for when, signal in (("10:02", Signal.FAIL), ("10:03", Signal.SUCCESS), ("10:04", Signal.FAIL)):
        ping(database, monitor, when, signal)

    tick(database, "11:00")

    assert [each[1] for each in told(database)] == ["cancelled", "cancelled", "pending"]


def test_silence_has_interval_and_grace_to_end_after_maintenance(database: Database) -> None:
    a_monitor(database, interval_seconds=60, grace_seconds=60)
    a_window(database, "job")
    expire(database, "10:03")
    assert told(database) == [("DOWN", "held", None)]

    assert tick(database, "11:00").next_at == at("11:02")
    assert told(database) == [("DOWN", "held", None)]
    assert tick(database, "11:01:59").message_count == 0
    assert tick(database, "11:02").message_count == 1
    assert told(database) == [("DOWN", "pending", None)]


def test_a_job_that_comes_back_right_after_maintenance_was_never_down_for_anybody(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    expire(database, "10:06")
    tick(database, "11:00")
    ping(database, monitor, "11:03")

    assert tick(database, "11:03").next_at is None
    assert [each[1] for each in told(database)] == ["cancelled", "cancelled"]


def test_a_deadline_inside_that_is_noticed_after_the_end_is_held_too(database: Database) -> None:
    a_monitor(database)
    a_window(database, "job", length=timedelta(minutes=5, seconds=1))
    expire(database, "10:05:02")

    assert told(database) == [("DOWN", "held", None)]
    assert tick(database, "10:05:02").next_at == at("10:10:01")
    assert tick(database, "10:10:01").message_count == 1


def test_other_monitors_are_told_as_ever(database: Database) -> None:
    a_monitor(database)
    other = a_monitor(database, "other")
    a_window(database, "job")

    ping(database, other, "10:02", Signal.FAIL)

    assert told(database) == [("DOWN", "pending", None)]


def test_maintenance_of_all_holds_every_monitor_those_made_later_too(database: Database) -> None:
    a_window(database)
    later = a_monitor(database, last_ping=at("10:10"))

    ping(database, later, "10:12", Signal.FAIL)

    assert told(database) == [("DOWN", "held", None)]


def test_the_longest_of_several_windows_counts(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    a_window(database, start="10:30", length=2 * HOUR, now="10:20")

    assert tick(database, "11:00").message_count == 0
    assert told(database) == [("DOWN", "held", None)]
    assert tick(database, "12:30").message_count == 1


def test_what_is_ended_early_lets_go_at_once_and_what_is_prolonged_holds_on(database: Database) -> None:
    monitor = a_monitor(database)
    early = a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    maintenance.set_end(database, early.id, early.windows[0].id, at("12:00"), now=at("10:10"))
    tick(database, "11:00")
    assert told(database) == [("DOWN", "held", None)]

    maintenance.end_now(database, early.id, now=at("11:10"))
    tick(database, "11:10")

    assert told(database) == [("DOWN", "pending", None)]


def test_a_message_that_was_stored_while_the_end_was_moved_is_not_held_until_the_old_one(database: Database) -> None:
    monitor = a_monitor(database)
    made = a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    maintenance.end_now(database, made.id, now=at("10:20"))
    with database.write() as connection:  # what a node writes that read the window before
        connection.execute(update(Delivery).values(next_attempt_at=at("11:00")))

    tick(database, "10:20:01")

    assert told(database) == [("DOWN", "pending", None)]


def test_removing_the_plan_ends_it(database: Database) -> None:
    monitor = a_monitor(database)
    made = a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    maintenance.remove(database, made.id, now=at("10:20"))

    tick(database, "10:20")

    assert told(database) == [("DOWN", "pending", None)]


def test_a_pause_inside_leaves_nothing_to_tell(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    monitors.pause(database, monitors.by_id(monitor.id), now=at("10:03"))

    tick(database, "11:00")

    assert told(database) == [("DOWN", "cancelled", "maintenance")]


def test_a_deleted_monitor_takes_its_held_messages_along(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    assert belongings(database, [monitor.id]).unsent_count == 1

    monitors.remove(database, monitors.by_id(monitor.id))

    assert tick(database, "11:00").message_count == 0
    assert deliveries(database) == []


def test_held_messages_follow_an_edited_webhook_and_go_with_a_removed_one(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    which = monitors.by_id(monitor.id)

    monitors.edit(database, which, {"webhook_url": "http://elsewhere.example:81/"}, now=at("10:03"))
    row = deliveries(database)[0]
    assert (row.state, row.receiver, row.next_attempt_at) == ("held", "elsewhere.example:81", at("11:00"))
    monitors.edit(database, which, {"webhook_url": None}, now=at("10:04"))

    assert told(database) == [("DOWN", "cancelled", "no-webhook")]


def test_a_receiver_that_is_gone_gets_nothing_of_what_was_held(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job", start="10:01")
    monitors.send_test_message(database, monitors.by_id(monitor.id), now=at("10:01:30"))
    ping(database, monitor, "10:02", Signal.FAIL)
    (leased,) = outbox.lease_due(database, now=at("10:02"), in_flight={})
    gone = Rejected("gone", status_code=410, switch_off=True)
    outbox.settle(database, [outbox.Sent(leased, gone, at("10:02"), at("10:02:01"), jitter=0)])

    assert told(database)[1] == ("DOWN", "cancelled", "gone")


def test_a_held_message_is_not_sent_again_by_hand_and_counts_apart(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)

    with pytest.raises(Conflict):
        outbox.send_again(database, monitor.id, deliveries(database)[0].id, now=at("10:03"))
    backlog = outbox.backlog(database)
    assert (backlog.pending_count, backlog.oldest_created_at, backlog.held_count) == (0, None, 1)


def test_an_old_message_that_waits_is_not_hurried_by_one_that_is_held(database: Database) -> None:
    monitor = a_monitor(database)
    ping(database, monitor, "10:01", Signal.FAIL)
    (leased,) = outbox.lease_due(database, now=at("10:01"), in_flight={})
    assert leased
    a_window(database, "job", start="10:02", now="10:02")
    before = deliveries(database)[0].next_attempt_at
    ping(database, monitor, "10:03")

    assert deliveries(database)[0].next_attempt_at == before


def test_pings_ask_for_no_maintenance_unless_something_is_told(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    with recorded_statements() as statements:
        ping(database, monitor, "10:02")

    assert not any("maintenance" in each or "held" in each for each in statements)


def test_many_monitors_are_let_go_at_once_and_each_is_told_once(database: Database) -> None:
    made = [a_monitor(database, f"job-{number}") for number in range(120)]
    a_window(database)
    record(database, *(a_ping(each, at("10:02"), Signal.FAIL) for each in made))

    assert tick(database, "11:00").message_count == 120
    assert {each[1] for each in told(database)} == {"pending"}


def test_a_monitor_set_back_by_hand_is_judged_by_what_it_is(database: Database) -> None:
    monitor = a_monitor(database)
    a_window(database, "job")
    ping(database, monitor, "10:02", Signal.FAIL)
    set_by_hand(database, monitor, status="UP", due_at=at("12:00"))

    tick(database, "11:00")

    assert told(database) == [("DOWN", "cancelled", "maintenance")]
    assert again(database, monitor).status == "UP"


def test_without_any_maintenance_a_look_is_two_queries(database: Database) -> None:
    with recorded_statements() as statements:
        assert tick(database, "10:00") == maintenance_ticks.Ticked(0, 0, None)

    assert len([each for each in statements if each.startswith("SELECT")]) == 2
