"""Messages out: who may send what and when, and what becomes of it, on both databases."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from pulsemon.channels import registry
from pulsemon.channels.channel import Means
from pulsemon.channels.http import GuardedClient
from pulsemon.channels.message import Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.core.places import Standing
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict, NotFound
from pulsemon.heartbeats import pings
from pulsemon.messages import outbox
from pulsemon.messages.loop import Dispatching
from pulsemon.messages.outbox import LEASE, MAX_PER_RECEIVER, Leased, Sent
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import (
    HOOK,
    START,
    a_ping,
    attempts,
    deliveries,
    make,
    make_down,
    make_up,
    next_attempt_at,
    record,
    seconds,
)
from tests.channels.sink import Conversation, Sink, status
from tests.conftest import at
from tests.statements import recorded_statements

LATER = at("10:10")


def lease(database: Database, now: datetime = LATER, *, in_flight: int = 0) -> list[Leased]:
    return outbox.lease_due(database, now=now, in_flight={"127.0.0.1:9": in_flight})


def settle(
    database: Database,
    leased: Leased,
    outcome: Outcome,
    *,
    at: datetime = LATER,
    jitter: float = 0,
) -> None:
    outbox.settle(database, [Sent(leased, outcome, at, at, jitter)])


def states_of(database: Database) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in deliveries(database)]


def refused(status_code: int = 500, retry_after: timedelta | None = None) -> Retry:
    return Retry(Reason.STATUS, status_code, retry_after, "no")


def down_and_up(database: Database, slug: str = "job", url: str = HOOK) -> View:
    """A monitor that owes two messages: its DOWN and its UP."""
    monitor = make_down(database, slug, webhook_url=url)
    record(database, a_ping(monitor, at("10:01")))
    return monitor


class TestLease:
    def test_what_is_due_is_leased_with_all_that_sending_needs(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK, webhook_secret="whsec_" + "A" * 32)
        (owed,) = deliveries(database)

        (leased,) = lease(database)

        assert (leased.delivery_id, leased.address, leased.receiver) == (owed.id, HOOK, "127.0.0.1:9")
        assert (leased.secret, leased.attempt) == ("whsec_" + "A" * 32, 1)
        assert leased.message.message_id == owed.message_id
        assert dict(leased.message.payload) == {
            "slug": "job",
            "name": "Job",
            "status": "DOWN",
            "occurred_at": "2026-03-02T10:00:00Z",
            "interval_seconds": 240,
            "grace_seconds": 60,
            "last_ping": "2026-03-02T10:00:00Z",
        }

    def test_what_is_leased_is_nobody_else_s_until_the_lease_ends(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (first,) = lease(database)

        assert lease(database, LATER + LEASE - seconds(0.001)) == []
        (second,) = lease(database, LATER + LEASE)

        assert (second.delivery_id, second.message) == (first.delivery_id, first.message)
        assert (second.attempt, second.lease_token != first.lease_token) == (2, True)

    def test_a_killed_sender_s_message_goes_out_again_within_a_minute(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        lease(database)

        assert next_attempt_at(database) == LATER + LEASE
        assert timedelta(seconds=15) < LEASE < timedelta(seconds=60)

    def test_nothing_is_due_before_its_time(self, database: Database) -> None:
        assert next_attempt_at(database) is None
        make_down(database, webhook_url=HOOK)

        assert lease(database, START - seconds(1)) == []
        assert next_attempt_at(database) == START

    def test_up_waits_until_its_down_was_delivered(self, database: Database) -> None:
        down_and_up(database)

        (down,) = lease(database)
        assert down.message.payload["status"] == "DOWN"
        assert lease(database, LATER + seconds(1)) == []
        settle(database, down, refused())
        assert lease(database, LATER + seconds(1)) == []
        (down,) = lease(database, LATER + seconds(2))
        settle(database, down, Delivered(200))

        (up,) = lease(database, LATER + seconds(3))
        assert up.message.payload["status"] == "UP"

    def test_up_goes_out_when_its_down_was_given_up(self, database: Database) -> None:
        down_and_up(database)
        (down,) = lease(database)
        settle(database, down, Rejected(Reason.INVALID_URL))

        assert [each.message.payload["status"] for each in lease(database)] == ["UP"]

    def test_a_receiver_gets_so_many_at_once_and_no_more(self, database: Database) -> None:
        for number in range(MAX_PER_RECEIVER + 3):
            make_down(database, f"m{number}", webhook_url=HOOK)

        assert len(lease(database, in_flight=MAX_PER_RECEIVER - 1)) == 1
        assert len(lease(database, in_flight=MAX_PER_RECEIVER)) == 0
        assert len(lease(database)) == MAX_PER_RECEIVER

    def test_a_receiver_that_hangs_delays_no_other(self, database: Database) -> None:
        for number in range(MAX_PER_RECEIVER + 3):
            make_down(database, f"slow{number}", webhook_url="http://slow.example/x")
        make_down(database, "fast", webhook_url="http://fast.example/x")

        leased = outbox.lease_due(database, now=LATER, in_flight={"slow.example:80": MAX_PER_RECEIVER})

        assert [each.receiver for each in leased] == ["fast.example:80"]

    def test_all_receivers_together_are_bounded(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 3)
        for number in range(5):
            make_down(database, f"m{number}", webhook_url=f"http://r{number}.example/")

        assert len(outbox.lease_due(database, now=LATER, in_flight={"r9.example:80": 1})) == 2

    def test_receivers_that_hang_share_half_of_the_places(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 4)
        for name in ("slow1", "slow2", "slow3", "well1", "well2"):
            make_down(database, name, webhook_url=f"http://{name}.example/")

        leased = outbox.lease_due(
            database,
            now=LATER,
            in_flight={},
            standing_of=lambda receiver: Standing.HANGS if receiver.startswith("slow") else Standing.ANSWERS,
        )

        assert sorted(each.receiver[:5] for each in leased) == ["slow1", "slow2", "well1", "well2"]

    def test_so_many_are_taken_at_a_time_and_the_rest_at_once_after_them(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "BATCH", 3)
        for number in range(4):
            make_down(database, f"m{number}", webhook_url=f"http://r{number // 2}.example/")

        assert [len(lease(database)) for _ in range(3)] == [3, 1, 0]

    def test_what_the_newest_attempts_say_of_receivers_is_known_after_a_restart(self, database: Database) -> None:
        lasted = {"slow": [0.1, 3.0], "well": [15.0, 2.9], "new": []}
        for name in lasted:
            make_down(database, name, webhook_url=f"http://{name}.example/")
        now = LATER
        for _ in range(2):
            for each in lease(database, now):
                seconds_left = lasted[str(each.message.payload["slug"])]
                if seconds_left:
                    finished_at = now + seconds(seconds_left.pop(0))
                    outbox.settle(database, [Sent(each, Retry(Reason.TIMEOUT), now, finished_at, 0)])
            now += seconds(60)

        assert outbox.standings(database) == {
            "slow.example:80": Standing.HANGS,
            "well.example:80": Standing.ANSWERS,
        }

    def test_another_monitor_s_message_does_not_wait(self, database: Database) -> None:
        down_and_up(database, "one")
        down_and_up(database, "other")

        assert [each.message.payload["slug"] for each in lease(database)] == ["one", "other"]


class TestSettle:
    def test_delivered_is_the_end_and_the_attempt_is_kept(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)

        outbox.settle(database, [Sent(leased, Delivered(204), LATER, LATER + seconds(0.25), 0)])

        (row,) = deliveries(database)
        assert (row.state, row.reason, row.settled_at, row.lease_token) == (
            "delivered",
            None,
            LATER + seconds(0.25),
            None,
        )
        (attempt,) = attempts(database)
        assert (attempt.number, attempt.outcome, attempt.status_code, attempt.duration_ms) == (1, "delivered", 204, 250)
        assert next_attempt_at(database) is None

    def test_a_retry_comes_back_on_schedule_with_the_same_id(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        now, ids, waits = LATER, set(), []
        for _ in range(8):
            (leased,) = lease(database, now)
            ids.add(leased.message.message_id)
            settle(database, leased, refused(), at=now)
            due_at = next_attempt_at(database)
            assert due_at is not None
            waits.append((due_at - now).total_seconds())
            now = due_at

        assert waits == [2, 5, 10, 20, 40, 80, 300, 900]
        assert len(ids) == 1
        assert [row.number for row in attempts(database)] == list(range(1, 9))
        assert {(row.outcome, row.status_code, row.reason, row.excerpt) for row in attempts(database)} == {
            ("retry", 500, "status", "no")
        }

    def test_jitter_moves_it_by_a_fifth(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)

        settle(database, leased, refused(), jitter=-1)

        assert next_attempt_at(database) == LATER + seconds(1.6)

    def test_retry_after_is_honoured(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)

        settle(database, leased, refused(503, seconds(90)))

        assert next_attempt_at(database) == LATER + seconds(90)

    def test_given_up_after_72_hours_and_not_before(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        now, count = START, 0
        while next_attempt_at(database) is not None:
            (leased,) = lease(database, now)
            settle(database, leased, refused(), at=now)
            count += 1
            now = next_attempt_at(database) or now

        assert states_of(database) == [("given-up", "status")]
        assert timedelta(hours=60) < now - START <= timedelta(hours=72)
        assert len(attempts(database)) == count

    def test_an_outcome_that_comes_after_the_lease_was_taken_over_is_dropped(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (slow,) = lease(database)
        (new,) = lease(database, LATER + LEASE)

        settle(database, slow, Rejected(Reason.GONE, 410, switch_off=True))
        assert states_of(database) == [("pending", None)]
        assert attempts(database) == []
        settle(database, new, Delivered(200))
        assert states_of(database) == [("delivered", None)]

    def test_settling_twice_changes_nothing_more(self, database: Database) -> None:
        make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)
        settle(database, leased, Delivered(200))
        settle(database, leased, refused())

        assert states_of(database) == [("delivered", None)]
        assert len(attempts(database)) == 1

    def test_a_message_of_a_monitor_that_was_deleted_meanwhile_is_no_error(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)
        monitors.remove(database, monitors.by_id(monitor.id))

        settle(database, leased, Delivered(200))

        assert (deliveries(database), attempts(database)) == ([], [])


class TestGone:
    """410: nothing more goes there until somebody edits the webhook."""

    GONE = Rejected(Reason.GONE, 410, switch_off=True)

    @pytest.mark.parametrize("secret", [None, "whsec_" + "A" * 32])
    def test_it_switches_the_webhook_off_and_cancels_what_is_owed(self, database: Database, secret: str | None) -> None:
        monitor = make_down(database, webhook_url=HOOK, webhook_secret=secret)
        record(database, a_ping(monitor, at("10:01")))
        (down,) = lease(database)

        settle(database, down, self.GONE)

        assert states_of(database) == [("given-up", "gone"), ("cancelled", "gone")]
        view = monitors.get(database, monitors.by_id(monitor.id))
        assert (view.webhook_switched_off_at, view.webhook_secret) == (LATER, secret)

    def test_transitions_go_on_and_tell_nobody(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        settle(database, lease(database)[0], self.GONE)

        batch = record(database, a_ping(monitor, at("10:11")), a_ping(monitor, at("10:12"), Signal.FAIL))

        assert len(batch) == 2
        assert states_of(database) == [("given-up", "gone")]

    @pytest.mark.parametrize("change", [{"webhook_url": HOOK}, {"webhook_url": HOOK + "2"}, {"webhook_secret": None}])
    def test_an_edit_of_the_webhook_switches_it_on_again(self, database: Database, change: dict[str, Any]) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        settle(database, lease(database)[0], self.GONE)

        monitors.edit(database, monitors.by_id(monitor.id), change, now=at("10:11"))
        record(database, a_ping(monitor, at("10:12")))

        assert states_of(database)[-1] == ("pending", None)

    def test_an_edit_of_something_else_does_not(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        settle(database, lease(database)[0], self.GONE)

        monitors.edit(database, monitors.by_id(monitor.id), {"name": "New"}, now=at("10:11"))
        record(database, a_ping(monitor, at("10:12")))

        assert states_of(database) == [("given-up", "gone")]


class TestSendAgain:
    def test_a_settled_message_goes_out_again_with_the_same_id(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (first,) = lease(database)
        settle(database, first, Delivered(200))

        outbox.send_again(database, monitor.id, first.delivery_id, now=at("11:00"))

        (again,) = lease(database, at("11:00"))
        assert (again.message, again.attempt) == (first.message, 1)

    def test_its_72_hours_begin_anew(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (first,) = lease(database)
        settle(database, first, Rejected(Reason.STATUS, 400))
        much_later = START + timedelta(days=30)

        outbox.send_again(database, monitor.id, first.delivery_id, now=much_later)
        (again,) = lease(database, much_later)
        settle(database, again, refused(), at=much_later)

        assert states_of(database) == [("pending", "status")]

    def test_it_goes_where_the_webhook_points_now(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (first,) = lease(database)
        settle(database, first, Delivered(200))
        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": "http://new.example/"}, now=LATER)

        outbox.send_again(database, monitor.id, first.delivery_id, now=LATER)

        (again,) = outbox.lease_due(database, now=LATER, in_flight={})
        assert (again.receiver, again.address) == ("new.example:80", "http://new.example/")

    def test_what_cannot_be_sent_again_says_why(self, database: Database) -> None:
        monitor, other = make_down(database, webhook_url=HOOK), make(database, "other")
        (leased,) = lease(database)

        with pytest.raises(Conflict, match="still being tried"):
            outbox.send_again(database, monitor.id, leased.delivery_id, now=LATER)
        with pytest.raises(NotFound):
            outbox.send_again(database, other.id, leased.delivery_id, now=LATER)
        with pytest.raises(NotFound):
            outbox.send_again(database, monitor.id, 999, now=LATER)
        settle(database, leased, Delivered(200))
        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": None}, now=LATER)
        with pytest.raises(Conflict, match="no webhook"):
            outbox.send_again(database, monitor.id, leased.delivery_id, now=LATER)


class TestEdit:
    def test_an_edited_url_redirects_what_is_owed_at_once(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)
        settle(database, leased, refused(503, timedelta(hours=1)))

        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": "http://new.example/"}, now=at("10:11"))

        (again,) = outbox.lease_due(database, now=at("10:11"), in_flight={})
        assert (again.receiver, again.message.message_id) == ("new.example:80", leased.message.message_id)

    def test_what_was_on_its_way_to_the_old_url_is_sent_to_the_new_one_too(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (old,) = lease(database)
        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": "http://new.example/"}, now=LATER)

        settle(database, old, Delivered(200))

        assert states_of(database) == [("pending", None)]

    def test_a_removed_url_cancels_what_is_owed(self, database: Database) -> None:
        monitor = down_and_up(database)

        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": None}, now=LATER)

        assert states_of(database) == [("cancelled", "no-webhook")] * 2
        assert lease(database) == []

    def test_an_edit_that_leaves_the_url_alone_leaves_the_schedule_alone(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)
        (leased,) = lease(database)
        settle(database, leased, refused())

        monitors.edit(database, monitors.by_id(monitor.id), {"webhook_url": HOOK, "name": "New"}, now=LATER)

        assert next_attempt_at(database) == LATER + seconds(2)


def as_a_newer_server_writes(database: Database, monitor: View, *, kind: str = "newer") -> None:
    """Give what *monitor* is owed a kind that no channel of this version has."""
    with database.write() as connection:
        connection.execute(update(Delivery).where(Delivery.monitor_id == monitor.id).values(kind=kind))


class TestUnknownKinds:
    def test_what_nobody_here_can_send_waits_untouched_and_costs_no_transaction(self, database: Database) -> None:
        as_a_newer_server_writes(database, make_down(database, webhook_url=HOOK))
        (before,), wrote_at = deliveries(database), database.wrote_at

        assert lease(database) == []

        assert (deliveries(database), database.wrote_at) == ([before], wrote_at)

    def test_what_is_known_waits_for_none_of_its_receiver_nor_of_its_monitor(self, database: Database) -> None:
        for number in range(MAX_PER_RECEIVER + 1):
            as_a_newer_server_writes(database, make_down(database, f"new-{number}", webhook_url=HOOK))
        monitor = make_down(database, webhook_url=HOOK)
        as_a_newer_server_writes(database, monitor)
        record(database, a_ping(monitor, at("10:01")))

        (leased,) = lease(database)

        assert (leased.kind, leased.message.payload["status"]) == ("webhook", "UP")

    def test_it_goes_out_in_its_order_as_soon_as_its_kind_is_known(self, database: Database) -> None:
        as_a_newer_server_writes(database, down_and_up(database))
        much_later = LATER + timedelta(days=4)
        assert lease(database, much_later) == []

        known = {"now": much_later, "in_flight": {}, "kinds": ("webhook", "newer")}
        (down,) = outbox.lease_due(database, **known)
        settle(database, down, Delivered(200), at=much_later)
        (up,) = outbox.lease_due(database, **known)

        assert [each.message.payload["status"] for each in (down, up)] == ["DOWN", "UP"]
        assert (down.kind, down.attempt) == ("newer", 1)

    def test_it_is_told_by_kind_and_since_when_it_is_due_and_not_as_a_webhook_that_does_not_answer(
        self, database: Database
    ) -> None:
        as_a_newer_server_writes(database, down_and_up(database))
        as_a_newer_server_writes(database, make_down(database, "other", webhook_url=HOOK), kind="another")

        assert outbox.unknown(database) == [outbox.Unknown("another", 1, START), outbox.Unknown("newer", 2, START)]
        assert outbox.oldest_owed_to_webhooks_at(database) is None
        make_down(database, "known", webhook_url=HOOK)
        assert len(outbox.unknown(database)) == 2
        assert outbox.oldest_owed_to_webhooks_at(database) == START

    @pytest.mark.parametrize("look", [lease, outbox.unknown])
    def test_the_look_for_them_reads_the_index_alone(self, database: Database, look: Callable[..., Any]) -> None:
        with recorded_statements() as statements:
            look(database)

        (asked,) = statements
        with database.read() as connection:
            plan = asked.plan(connection)
        assert re.search("(COVERING INDEX|Index Only Scan using) ix_deliveries_pending", plan), plan


def test_the_backlog_is_counted_from_the_oldest(database: Database) -> None:
    assert outbox.backlog(database) == outbox.Backlog(0, None)
    down_and_up(database)

    assert outbox.backlog(database) == outbox.Backlog(2, START)


def test_silence_owes_one_message_for_each_monitor_with_a_webhook(database: Database) -> None:
    make_up(database, "told", webhook_url=HOOK)
    make_up(database, "untold")

    passes.expire_due(database, now=at("10:06"), recorded_at=at("10:06"))

    assert [each.message.payload["slug"] for each in lease(database)] == ["told"]


def test_a_test_message_waits_behind_what_is_owed(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    monitors.send_test_message(database, monitors.by_id(monitor.id), now=START)

    found: Sequence[Leased] = lease(database)

    assert [each.message.payload["status"] for each in found] == ["DOWN"]
    assert len(deliveries(database)) == 2


class TestEndToEnd:
    """The whole way out: a transition, the loop that sends, a real socket at the other end."""

    pytestmark = pytest.mark.anyio

    @asynccontextmanager
    async def sending(self, database: Database, *, newer_kinds: Sequence[str] = ()) -> AsyncIterator[Dispatching]:
        began = time.monotonic()
        channels = registry.channels(Means(GuardedClient(private="allow"), "en"))
        dispatching = Dispatching(
            database,
            channels | dict.fromkeys(newer_kinds, channels["webhook"]),
            now=lambda: LATER + seconds(time.monotonic() - began),
            monotonic=time.monotonic,
            on_settled=lambda: None,
        )
        task = asyncio.create_task(dispatching.run())
        try:
            yield dispatching
        finally:
            await dispatching.stop()
            await asyncio.wait_for(task, 60)

    async def until(self, ask: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(ask):  # noqa: ASYNC110 - it waits for another thread's rows
                await asyncio.sleep(0.02)

    async def test_a_server_leaves_what_it_does_not_know_to_one_that_does(self, database: Database) -> None:
        with Sink() as sink:
            as_a_newer_server_writes(database, make_down(database, "new", webhook_url=sink.url))
            make_down(database, "old", webhook_url=sink.url)
            async with self.sending(database) as older:
                await self.until(lambda: states_of(database) == [("pending", None), ("delivered", None)])
                looked_at = older.looked_at
                older.wake()
                await self.until(lambda: older.looked_at > looked_at)
            assert (deliveries(database)[0].attempt_count, len(attempts(database))) == (0, 1)

            async with self.sending(database, newer_kinds=["newer"]):
                await self.until(lambda: states_of(database) == [("delivered", None)] * 2)
            assert len(sink.wait_for(2)) == 2

    async def test_down_and_up_arrive_in_order_signed_and_once(self, database: Database) -> None:
        with Sink() as sink:
            down_and_up(database, url=sink.url)
            async with self.sending(database):
                await self.until(lambda: [state for state, _ in states_of(database)] == ["delivered"] * 2)
            received = sink.wait_for(2)

        assert [each.json()["status"] for each in received] == ["DOWN", "UP"]
        assert [each.headers["webhook-id"] for each in received] == [row.message_id for row in deliveries(database)]
        assert [row.outcome for row in attempts(database)] == ["delivered"] * 2

    async def test_a_receiver_that_fails_first_hears_it_again_under_the_same_id(self, database: Database) -> None:
        with Sink(status(500), then=status(204)) as sink:
            make_down(database, webhook_url=sink.url)
            async with self.sending(database):
                await self.until(lambda: states_of(database) == [("delivered", None)])
            first, second = sink.wait_for(2)

        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        assert [(row.number, row.outcome, row.status_code) for row in attempts(database)] == [
            (1, "retry", 500),
            (2, "delivered", 204),
        ]

    async def test_receivers_that_hang_keep_no_other_waiting_and_are_tried_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MAX_IN_FLIGHT", 8)
        monkeypatch.setattr("pulsemon.core.places.PATIENCE", timedelta(seconds=0.2))
        with socket.create_server(("", 0), backlog=200) as hanging, Sink() as sink:
            port = hanging.getsockname()[1]
            for number in range(40):
                make_down(database, f"slow{number}", webhook_url=f"http://127.3.0.{number + 1}:{port}/")
            async with self.sending(database):
                await self.until(lambda: len(attempts(database)) >= 8)
                make_down(database, "well", webhook_url=sink.url)
                await self.until(lambda: ("delivered", None) in states_of(database))
                # Whoever hangs is not given up for that.
                await self.until(lambda: len({row.delivery_id for row in attempts(database)}) > 40)

        assert {row.outcome for row in attempts(database)} == {"retry", "delivered"}
        standings = outbox.standings(database)
        assert standings.pop(sink.url.split("/")[2]) is Standing.ANSWERS
        assert set(standings.values()) == {Standing.HANGS}

    async def test_while_there_is_room_a_slow_receiver_has_its_time(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pulsemon.core.places.PATIENCE", timedelta(0))

        def slow(conversation: Conversation) -> None:
            conversation.stopping.wait(2.5)
            status(204)(conversation)

        with Sink(then=slow) as sink:
            make_down(database, webhook_url=sink.url)
            async with self.sending(database):
                await self.until(lambda: states_of(database) == [("delivered", None)])

        assert [row.outcome for row in attempts(database)] == ["delivered"]

    async def test_a_receiver_that_says_gone_hears_nothing_more(self, database: Database) -> None:
        with Sink(then=status(410)) as sink:
            down_and_up(database, url=sink.url)
            async with self.sending(database):
                await self.until(lambda: states_of(database) == [("given-up", "gone"), ("cancelled", "gone")])
            assert len(sink.wait_for(1)) == 1


def test_a_new_outage_does_not_wait_for_the_rest_of_an_old_message(database: Database) -> None:
    monitor = monitors.create(
        database, monitors.NewMonitor("Backup", "backup", 60, 0, "http://127.0.0.1:9/x"), now=at("00:00")
    )
    send = [(Signal.FAIL, "00:00:10"), (Signal.SUCCESS, "00:00:20"), (Signal.FAIL, "07:00")]
    for signal, moment in send[:2]:
        pings.record_pings(database, [pings.Ping("backup", monitor.token, signal, at(moment))])
    with database.write() as connection:  # the receiver was away for hours: the next try lies far ahead
        connection.execute(update(Delivery).values(next_attempt_at=at("17:30")))

    pings.record_pings(database, [pings.Ping("backup", monitor.token, send[2][0], at(send[2][1]))])

    assert len(outbox.lease_due(database, now=at("07:00:01"), in_flight={})) == 1
