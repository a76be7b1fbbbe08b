"""Who is told of a page: what is owed to whom, and what becomes of it, on both databases."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from pulsemon.channels.email import Email
from pulsemon.channels.message import Announcement, Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.db import Database
from pulsemon.db.tables.messages import Delivery, NoticeRow
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.errors import Conflict, NotFound
from pulsemon.messages import outbox
from pulsemon.messages.outbox import MAX_PER_RECEIVER, Leased, Sent
from pulsemon.monitors import manage as monitors
from pulsemon.operations import housekeeping
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import announcements
from pulsemon.subscribers import manage as subscribers
from pulsemon.subscribers.announcements import Event, Notice
from pulsemon.subscribers.manage import NewSubscriber
from pulsemon.subscribers.views import SubscriberView
from tests.arrange import HOOK, START, attempts, deliveries, make, make_down, next_attempt_at, rows, said, seconds
from tests.conftest import at
from tests.statements import recorded_statements

LATER = at("10:10")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GONE = Rejected(Reason.GONE, 410, switch_off=True)
UNKNOWN = Rejected(Reason.RECIPIENT, 550, switch_off=True)


def told(database: Database, *monitor_ids: int, now: datetime = START, **fields: Any) -> int:
    """Announce an incident."""
    values: dict[str, Any] = {"public_id": "abc", "event": Event.OPENED, "at": now, "title": "Slow", "status": None}
    values |= {"kind": "incident", "monitor_ids": monitor_ids, "is_general": not monitor_ids, "project_id": 1}
    with database.write() as connection:
        return announcements.announce(connection, Notice(**values | fields), now=now)


def by_mail(database: Database, address: str = "ana@example.org", slug: str = "status") -> int:
    """Subscribe *address* and confirm; return the subscriber's id."""
    subscribers.ask(database, slug, address, locale="en", now=START - DAY)
    page = {row.id: row.slug for row in rows(database, status_pages.StatusPage)}
    (row,) = [each for each in rows(database, Subscriber, Subscriber.address == address) if page[each.page_id] == slug]
    subscribers.confirm(database, row.token, now=START - DAY)
    with database.write() as connection:
        settled = {"state": "delivered", "settled_at": START - DAY}
        connection.execute(update(Delivery).where(Delivery.subscriber_id == row.id).values(settled))
    return int(row.id)


def by_webhook(database: Database, url: str = HOOK, slug: str = "status", **fields: Any) -> SubscriberView:
    return subscribers.add_webhook(database, slug, url, **{"secret": None, "locale": "en"} | fields, now=START)


def everybody(database: Database) -> list[SubscriberView]:
    return subscribers.list_of(database, "status")[0]


def lease(database: Database, now: datetime = LATER) -> list[Leased]:
    return outbox.lease_due(database, now=now, in_flight={})


def settle(database: Database, leased: Leased, outcome: Outcome, at: datetime = LATER) -> None:
    outbox.settle(database, [Sent(leased, outcome, at, at, 0)])


def owed(database: Database) -> list[tuple[int | None, str, str | None]]:
    return [(row.subscriber_id, row.state, row.reason) for row in deliveries(database) if row.settled_at != START - DAY]


def payloads(database: Database) -> str:
    return "\n".join(payload for _, payload in said(database))


class TestWhoIsTold:
    def test_a_page_tells_of_what_it_shows_and_names_nothing_else(self, database: Database) -> None:
        shown = make(database, "shown", name="Shown Name")
        other = make(database, "other", name="Other Name")
        hidden = make(database, "hidden", name="Hidden Name")
        monitors.edit(database, monitors.by_id(hidden.id), {"placement": {"is_public": False}}, now=START)
        status_pages.create(database, status_pages.NewPage("shop", monitors=("shown", "hidden")), now=START)
        status_pages.create(database, status_pages.NewPage("empty", monitors=("hidden",)), now=START)
        main, shop = by_mail(database), by_mail(database, "bob@example.org", "shop")
        by_mail(database, "eve@example.org", "empty")

        assert told(database, shown.id, other.id, hidden.id, title=None) == 2

        assert sorted(row[0] for row in owed(database)) == sorted([main, shop])
        by_subscriber = dict(said(database))
        assert '"monitors": ["Shown Name", "Other Name"]' in by_subscriber[main]
        assert '"monitors": ["Shown Name"]' in by_subscriber[shop]
        assert "Hidden" not in payloads(database)
        assert told(database, hidden.id) == 0

    def test_a_page_s_mails_are_owed_in_as_many_statements_whatever_their_number(self, database: Database) -> None:
        counts = []
        for number in (1, 30):
            for each in range(number):
                by_mail(database, f"u{number}-{each}@example.org")
            with recorded_statements() as statements:
                told(database)
            counts.append(len(statements))

        assert counts[0] == counts[1]
        # What they all say is kept once.
        assert len(rows(database, NoticeRow)) == 2
        assert {row.payload for row in deliveries(database) if row.notice_id} == {""}
        assert len({row.notice_id for row in deliveries(database) if row.settled_at is None}) == 2
        ids = [row.message_id for row in deliveries(database)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch("msg_[0-9a-f]{32}", each) for each in ids)

    def test_what_concerns_everything_is_told_to_every_page(self, database: Database) -> None:
        status_pages.create(database, status_pages.NewPage("empty", monitors=()), now=START)
        by_mail(database)
        by_mail(database, "bob@example.org", "empty")

        assert told(database) == 2

    def test_who_has_not_confirmed_or_refuses_is_told_nothing(self, database: Database) -> None:
        by_mail(database)
        by_webhook(database)
        subscribers.ask(database, "status", "bob@example.org", locale="en", now=START)
        assert told(database) == 2
        for leased in lease(database):
            if leased.message.kind != "confirm":
                settle(database, leased, GONE)

        assert told(database, now=LATER) == 0


class TestOutbox:
    def test_a_mail_is_leased_with_its_address_and_the_token_of_its_links(self, database: Database) -> None:
        subscriber = by_mail(database)
        told(database, title="Slow", text="**x**")
        (row,) = rows(database, Subscriber)

        (leased,) = lease(database)

        assert (leased.kind, leased.receiver, leased.locale) == ("email", Email.shared_receiver, "en")
        assert (leased.address, leased.token) == ("ana@example.org", row.token)
        assert row.token not in repr(leased)
        assert isinstance(leased.message, Announcement)
        assert (leased.message.title, leased.message.text, leased.message.page_slug) == ("Slow", "**x**", "status")
        assert subscriber == row.id

    def test_a_webhook_is_leased_with_its_url_and_secret(self, database: Database) -> None:
        made = by_webhook(database, secret="generate")
        told(database)

        (leased,) = lease(database)

        assert (leased.kind, leased.receiver) == ("webhook", "127.0.0.1:9")
        assert (leased.address, leased.secret) == (HOOK, made.secret)

    def test_a_subscribers_messages_go_one_after_the_other_and_hold_up_nobody_else(self, database: Database) -> None:
        first, second = by_mail(database), by_mail(database, "bob@example.org")
        told(database)
        told(database, event=Event.RESOLVED)

        leased = lease(database)

        assert [each.message.event for each in leased] == ["opened", "opened"]
        settle(database, leased[0], Delivered(250))
        settle(database, leased[1], Retry(Reason.STATUS, 451))
        assert [each.message.event for each in lease(database)] == ["resolved"]
        assert [row[0] for row in owed(database)] == [first, second] * 2

    def test_a_new_message_hurries_the_ones_it_waits_for(self, database: Database) -> None:
        by_mail(database)
        told(database)
        (leased,) = lease(database)
        settle(database, leased, Retry(Reason.STATUS, 451, retry_after=HOUR))
        assert lease(database, LATER + seconds(60)) == []

        told(database, event=Event.RESOLVED, now=LATER + seconds(61))

        (again,) = lease(database, LATER + seconds(61))
        assert again.message == leased.message

    def test_mail_is_one_lane_however_many_addresses(self, database: Database) -> None:
        for number in range(MAX_PER_RECEIVER + 3):
            by_mail(database, f"m{number}@example.org")
        make_down(database, webhook_url=HOOK)
        told(database)

        receivers = [each.receiver for each in lease(database)]

        assert sorted(receivers) == sorted([Email.shared_receiver] * MAX_PER_RECEIVER + ["127.0.0.1:9"])

    @pytest.mark.parametrize("refusal", [GONE, UNKNOWN])
    def test_who_refuses_for_good_is_switched_off_and_the_rest_is_cancelled(
        self, database: Database, refusal: Rejected
    ) -> None:
        subscriber, other = by_mail(database), by_mail(database, "bob@example.org")
        monitor = make_down(database, webhook_url=HOOK)
        told(database)
        told(database, event=Event.RESOLVED)
        (leased,) = [each for each in lease(database) if each.address == "ana@example.org"]

        settle(database, leased, refusal)

        states = {}
        for row in deliveries(database):
            if row.settled_at != START - DAY:
                states.setdefault(row.subscriber_id or -monitor.id, []).append((row.state, row.reason))
        assert states == {
            subscriber: [("given-up", refusal.reason), ("cancelled", refusal.reason)],
            other: [("pending", None)] * 2,
            -monitor.id: [("pending", None)],
        }
        assert {view.address: view.state for view in everybody(database)} == {
            "ana@example.org": "refused",
            "bob@example.org": "active",
        }

    def test_who_was_switched_off_may_subscribe_again(self, database: Database) -> None:
        by_mail(database)
        told(database)
        (leased,) = lease(database)
        settle(database, leased, UNKNOWN)

        subscribers.ask(database, "status", "ana@example.org", locale="en", now=LATER)
        (asked,) = lease(database)
        subscribers.confirm(database, asked.token, now=LATER)

        assert [view.state for view in everybody(database)] == ["active"]
        assert told(database, now=LATER) == 1

    def test_it_is_tried_for_72_hours_under_one_id(self, database: Database) -> None:
        by_mail(database)
        told(database)
        now, ids = START, set()
        while (due_at := next_attempt_at(database)) is not None:
            now = max(now, due_at)
            (leased,) = lease(database, now)
            ids.add(leased.message.message_id)
            settle(database, leased, Retry(Reason.STATUS, 451), at=now)

        assert len(ids) == 1
        assert timedelta(hours=60) < now - START <= timedelta(hours=72)
        assert owed(database)[-1][1:] == ("given-up", "status")

    def test_what_somebody_edited_by_hand_stands_in_nobodys_way(self, database: Database) -> None:
        by_mail(database)
        told(database)
        told(database, event=Event.RESOLVED)
        first = next(row.id for row in deliveries(database) if row.state == "pending")
        for damaged in ('{"kind": "incident"}', "[]", "nonsense", '{"page": 5, "at": "x"}'):
            with database.write() as connection:
                values = {
                    "payload": damaged,
                    "notice_id": None,
                    "state": "pending",
                    "reason": None,
                    "next_attempt_at": START,
                }
                connection.execute(update(Delivery).where(Delivery.id == first).values(values))
            assert lease(database) == []
            assert [row.reason for row in deliveries(database) if row.id == first] == ["damaged"]
        (leased,) = lease(database)
        assert leased.message.event == "resolved"

    def test_a_message_of_before_with_its_own_words_is_sent_too(self, database: Database) -> None:
        """Until 0007 each message bore what it said."""
        by_mail(database)
        told(database, title="Of before")
        own = dict(said(database)).popitem()[1]
        with database.write() as connection:
            connection.execute(update(Delivery).where(Delivery.state == "pending").values(payload=own, notice_id=None))
            connection.execute(delete(NoticeRow))

        (leased,) = lease(database)
        assert leased.message.title == "Of before"

    def test_monitors_webhooks_stay_as_they_are_beside_it(self, database: Database) -> None:
        by_webhook(database)
        make_down(database, webhook_url=HOOK)
        told(database)

        of_monitor, of_subscriber = (each.message for each in lease(database))

        assert list(of_monitor.payload) == [
            "slug",
            "name",
            "status",
            "occurred_at",
            "interval_seconds",
            "grace_seconds",
            "last_ping",
        ]
        assert isinstance(of_subscriber, Announcement)
        assert outbox.backlog(database).pending_count == 2


class TestLeaving:
    def test_deleting_a_page_forgets_its_subscribers_and_what_they_are_owed(self, database: Database) -> None:
        status_pages.create(database, status_pages.NewPage("shop"), now=START)
        by_mail(database, slug="shop")
        told(database)
        lease(database)

        status_pages.remove(database, "shop")

        assert (rows(database, Subscriber), deliveries(database), attempts(database)) == ([], [], [])

    def test_unsubscribing_while_a_message_is_being_sent_is_no_error(self, database: Database) -> None:
        by_mail(database)
        told(database)
        (leased,) = lease(database)

        assert subscribers.unsubscribe(database, leased.token)
        settle(database, leased, UNKNOWN)

        assert (rows(database, Subscriber), deliveries(database)) == ([], [])
        assert not subscribers.unsubscribe(database, leased.token)

    def test_only_the_pages_own_subscribers_can_be_removed_from_it(self, database: Database) -> None:
        status_pages.create(database, status_pages.NewPage("shop"), now=START)
        subscriber = by_mail(database)

        with pytest.raises(NotFound):
            subscribers.remove(database, "shop", subscriber)
        subscribers.remove(database, "status", subscriber)
        with pytest.raises(NotFound):
            subscribers.remove(database, "status", subscriber)

    def test_the_owner_adds_a_webhook_and_has_an_address_asked_in_one_way(self, database: Database) -> None:
        def add(new: NewSubscriber, *, has_mail: bool = True) -> SubscriberView:
            return subscribers.add(database, "status", new, default_locale="pt-BR", has_mail=has_mail, now=START)

        hook = add(NewSubscriber("webhook", HOOK, "generate"), has_mail=False)
        with pytest.raises(Conflict) as refused:
            add(NewSubscriber("email", "ana@example.org", locale="en"), has_mail=False)
        ana = add(NewSubscriber("email", "ana@example.org", locale="en"))

        assert refused.value.code == "no-mail"
        assert (hook.state, hook.locale, hook.secret is None) == ("active", "pt-BR", False)
        assert (ana.state, ana.locale, ana.secret) == ("waiting", "en", None)

    def test_the_first_subscriber_of_the_main_page_leaves_it_as_nobody_edited_it(self, database: Database) -> None:
        unedited = status_pages.get(database, "status")

        by_webhook(database)

        made = status_pages.get(database, "status")
        assert (unedited.id, made.id > 0, made.created_at, made.updated_at) == (0, True, START, START)
        assert replace(made, id=0, created_at=None, updated_at=None) == unedited

    def test_an_address_that_says_nothing_for_seven_days_is_forgotten(self, database: Database) -> None:
        by_mail(database)
        by_webhook(database)
        subscribers.ask(database, "status", "bob@example.org", locale="en", now=START)

        housekeeping.remove_unconfirmed(database, now=START + 7 * DAY)
        assert len(everybody(database)) == 3
        housekeeping.remove_unconfirmed(database, now=START + 7 * DAY + seconds(1))
        assert len(everybody(database)) == 2
        housekeeping.remove_unconfirmed(database, now=START + 900 * DAY)
        assert [view.state for view in everybody(database)] == ["active", "active"]

    def test_old_messages_are_removed_with_their_attempts(self, database: Database) -> None:
        by_mail(database)
        told(database)
        (leased,) = lease(database)
        settle(database, leased, Delivered(250))

        housekeeping.remove_old_messages(database, now=LATER + 91 * DAY)

        assert (deliveries(database), attempts(database)) == ([], [])


class TestAsking:
    def ask(self, database: Database, now: datetime, address: str = "ana@example.org", slug: str = "status") -> None:
        subscribers.ask(database, slug, address, locale="pt-BR", now=now)

    def asked_at(self, database: Database) -> list[datetime]:
        return [row.next_attempt_at for row in deliveries(database)]

    def test_one_mail_an_hour_however_often_somebody_asks(self, database: Database) -> None:
        for minutes in (0, 1, 30, 59):
            self.ask(database, START + timedelta(minutes=minutes))
        assert self.asked_at(database) == [START]

        self.ask(database, START + HOUR)

        assert self.asked_at(database) == [START, START + HOUR]
        assert len(rows(database, Subscriber)) == 1

    def test_who_never_answers_is_asked_after_twice_the_time_each_time(self, database: Database) -> None:
        """Somebody else typed the address again and again: its owner has nothing to say "never again" with."""
        for hours in range(7 * 24):
            self.ask(database, START + hours * HOUR)

        asked = [(at - START) // HOUR for at in self.asked_at(database)]
        assert asked == [0, 1, 2, 4, 8, 16, 32, 64, 128]

    def test_a_second_page_asks_an_hour_later_and_a_third_not_at_all(self, database: Database) -> None:
        for slug in ("one", "two"):
            status_pages.create(database, status_pages.NewPage(slug), now=START)
        for slug in ("status", "one", "two", "one", "status"):
            self.ask(database, START, slug=slug)

        assert self.asked_at(database) == [START, START + HOUR]

    def test_who_is_told_already_is_not_asked_again_and_stays_confirmed(self, database: Database) -> None:
        by_mail(database)

        self.ask(database, START)

        assert owed(database) == []
        assert [view.state for view in everybody(database)] == ["active"]

    def test_the_spellings_of_one_mailbox_are_asked_as_one_on_whatever_page(self, database: Database) -> None:
        status_pages.create(database, status_pages.NewPage("one"), now=START)
        spellings = ("v.ictim@gmail.com", "victim+1@gmail.com", "vic.tim@googlemail.com", "victim@gmail.com")
        for number, address in enumerate(spellings * 2):
            self.ask(database, START, address, slug="one" if number % 2 else "status")
        self.ask(database, START, "victim@example.org")

        assert self.asked_at(database) == [START, START + HOUR, START]
        assert [view.address for view in everybody(database)] == ["v.ictim@gmail.com", "victim@example.org"]

    def test_a_mailbox_that_never_answers_is_asked_after_twice_the_time_however_it_is_spelt(
        self, database: Database
    ) -> None:
        for hours in range(7 * 24):
            self.ask(database, START + hours * HOUR, f"victim+{hours}@example.org")

        asked = [(at - START) // HOUR for at in self.asked_at(database)]
        assert len(asked) <= 10
        assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(asked))

    def test_the_owner_may_ask_several_addresses_of_one_mailbox(self, database: Database) -> None:
        for address in ("team+ops@example.org", "team+dev@example.org"):
            subscribers.invite(database, "status", address, locale="en", now=START)

        assert self.asked_at(database) == [START, START]

    def test_signs_that_mean_something_to_the_database_mean_nothing_in_an_address(self, database: Database) -> None:
        for address in ("a%@example.org", "axx@example.org", "a_@example.org", "ab@example.org"):
            self.ask(database, START, address)

        assert self.asked_at(database) == [START] * 4

    def test_a_full_page_takes_nobody_more(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subscribers, "MAX_PER_PAGE", 1)
        self.ask(database, START)
        self.ask(database, START, "bob@example.org")

        with pytest.raises(Conflict):
            by_webhook(database)
        assert len(rows(database, Subscriber)) == 1

    def test_a_page_that_is_gone_asks_nobody(self, database: Database) -> None:
        self.ask(database, START, slug="nowhere")

        assert (rows(database, Subscriber), deliveries(database)) == ([], [])

    def test_the_owner_is_told_why_an_address_is_not_asked(self, database: Database) -> None:
        def invite() -> SubscriberView:
            return subscribers.invite(database, "status", "ana@example.org", locale="en", now=START)

        assert invite().state == "waiting"
        with pytest.raises(Conflict, match="within the last hour"):
            invite()
        (row,) = rows(database, Subscriber)
        subscribers.confirm(database, row.token, now=START)
        with pytest.raises(Conflict, match="on the list already"):
            invite()

    def test_tokens_are_long_random_and_tell_nothing_of_who_has_none(self, database: Database) -> None:
        by_mail(database)
        by_webhook(database)
        mail, hook = rows(database, Subscriber)

        assert len(mail.token) == 43
        assert mail.token != hook.token
        for token in ("", "x", hook.token, mail.token[:-1], mail.token + "x", "\0", "\ud800", "ã" * 43, "' OR 1=1 --"):
            with pytest.raises(NotFound):
                subscribers.find(database, token)
            with pytest.raises(NotFound):
                subscribers.confirm(database, token, now=START)
            assert not subscribers.unsubscribe(database, token)

    def test_the_main_page_gets_its_row_with_its_first_subscriber_and_looks_as_before(self, database: Database) -> None:
        before = status_pages.get(database, "status")
        by_webhook(database)
        after = status_pages.get(database, "status")

        assert (before.id, after.id > 0) == (0, True)
        assert (after.title, after.monitors, after.timezone) == (before.title, before.monitors, before.timezone)

    def test_a_webhook_is_on_a_pages_list_once(self, database: Database) -> None:
        status_pages.create(database, status_pages.NewPage("shop"), now=START)
        by_webhook(database)
        by_webhook(database, slug="shop")

        with pytest.raises(Conflict):
            by_webhook(database)


def test_a_test_message_goes_to_who_is_active_only(database: Database) -> None:
    by_webhook(database)
    subscribers.ask(database, "status", "ana@example.org", locale="en", now=START)
    hook, waiting = everybody(database)

    subscribers.send_test_message(database, "status", hook.id, now=START)
    with pytest.raises(Conflict):
        subscribers.send_test_message(database, "status", waiting.id, now=START)

    assert [each.message.kind for each in lease(database)] == ["confirm", "test"]
