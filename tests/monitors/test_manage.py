"""Creating, reading, editing, pausing, deleting monitors, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pulsemon.channels.message import Delivered
from pulsemon.core.status import Signal, Status
from pulsemon.db import Database
from pulsemon.db.tables.deadlines import UnseenSpan
from pulsemon.db.tables.messages import Attempt, Delivery, Webhook
from pulsemon.db.tables.monitors import History
from pulsemon.db.versions import read_version
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict, NotFound
from pulsemon.heartbeats.pings import Answer
from pulsemon.messages.outbox import Sent, lease_due, settle
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.manage import by_id, by_slug
from pulsemon.monitors.views import View
from tests.arrange import (
    HOOK,
    START,
    a_ping,
    again,
    deliveries,
    history,
    make,
    make_down,
    make_up,
    record,
    rows,
    set_by_hand,
    transitions,
)
from tests.conftest import at


def edit(database: Database, monitor: View, now: str = "10:01", **changes: Any) -> View:
    return monitors.edit(database, by_id(monitor.id), changes, now=at(now))


def version_of(database: Database) -> tuple[int, str]:
    with database.read() as connection:
        return read_version(connection)


def silent(database: Database, slug: str = "job", **fields: Any) -> View:
    """A monitor that went DOWN by silence at 10:05."""
    monitor = make_up(database, slug, **fields)
    passes.expire_due(database, now=at("10:05:01"), recorded_at=at("10:05:01"))
    return again(database, monitor)


class TestCreate:
    def test_a_new_monitor_waits_for_its_first_ping(self, database: Database) -> None:
        made = make(database, name="Backup Noturno", slug="backup-noturno", webhook_url=HOOK)

        assert (made.name, made.slug, made.interval_seconds, made.grace_seconds) == (
            "Backup Noturno",
            "backup-noturno",
            240,
            60,
        )
        assert (made.status, made.last_ping, made.due_at) == (Status.UNKNOWN, None, None)
        assert (made.created_at, made.updated_at, made.webhook_secret) == (START, START, None)
        assert (again(database, made), history(database, made)) == (made, [])

    def test_every_token_is_long_and_its_own(self, database: Database) -> None:
        tokens = {make(database, f"m{number}").token for number in range(20)}

        assert len(tokens) == 20
        assert all(len(token) == 32 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)

    def test_a_slug_that_is_taken_is_a_conflict_and_changes_nothing(self, database: Database) -> None:
        made = make(database)

        with pytest.raises(Conflict):
            make(database, name="Another")

        assert monitors.list_all(database) == ([made], None)

    def test_slugs_are_compared_exactly(self, database: Database) -> None:
        make(database, "job")

        assert make(database, "Job").slug == "Job"

    def test_a_secret_is_kept_or_made(self, database: Database) -> None:
        given = make(database, "given", webhook_secret="whsec_" + "A" * 32)
        generated = make(database, "generated", webhook_secret="generate")

        assert given.webhook_secret == "whsec_" + "A" * 32
        assert generated.webhook_secret is not None
        assert generated.webhook_secret.startswith("whsec_")
        assert generated.webhook_secret != make(database, "another", webhook_secret="generate").webhook_secret


class TestRead:
    @pytest.mark.parametrize("slug", ["nobody", "", "a\0b", "\ud800", "a" * 5_000, "%", "_", "jo_"])
    def test_what_no_slug_is_is_not_found_on_both_databases(self, database: Database, slug: str) -> None:
        make(database)

        with pytest.raises(NotFound):
            monitors.get(database, by_slug(slug))

    @pytest.mark.parametrize("slug", ["cópia noturna", "a/b", "no\u00a0break", "tab\tbed", "\U0001f4be"])
    def test_slugs_of_an_old_database_are_found_whatever_they_hold(self, database: Database, slug: str) -> None:
        """Anything that does not print was once taken for no slug at all, a no-break space included."""
        made = make(database)
        set_by_hand(database, made, slug=slug)

        assert monitors.get(database, by_slug(slug)).id == made.id

    def test_the_list_is_in_the_order_of_creation(self, database: Database) -> None:
        made = [make(database, slug) for slug in ("b", "a", "c")]

        assert monitors.list_all(database) == (made, None)

    def test_pages_put_together_are_the_list(self, database: Database) -> None:
        made = [make(database, f"m{number}") for number in range(5)]
        found: list[View] = []
        after, sizes = None, []
        while True:
            page, after = monitors.list_all(database, limit=2, after=after)
            found += page
            sizes.append(len(page))
            if after is None:
                break

        assert (found, sizes) == (made, [2, 2, 1])

    def test_a_last_page_that_is_just_full_has_none_after_it(self, database: Database) -> None:
        for slug in ("a", "b"):
            make(database, slug)

        assert monitors.list_all(database, limit=2)[1] is None


class TestEdit:
    def test_what_is_named_changes_and_the_rest_stays(self, database: Database) -> None:
        made = make_up(database, webhook_url=HOOK)

        edited = edit(database, made, name="New name", slug="new-slug")

        assert (edited.name, edited.slug, edited.updated_at) == ("New name", "new-slug", at("10:01"))
        assert (edited.token, edited.webhook_url, edited.due_at) == (made.token, HOOK, made.due_at)
        assert history(database, edited) == [(1, "UNKNOWN", "UP")]

    def test_the_old_ping_url_is_unknown_at_once(self, database: Database) -> None:
        made = make(database)
        edited = edit(database, made, slug="new-slug")

        assert record(database, a_ping(made, START), a_ping(edited, START)) == [Answer.UNKNOWN, Answer.STORED]

    def test_a_slug_that_is_taken_is_a_conflict_and_changes_nothing(self, database: Database) -> None:
        made, _ = make_up(database), make(database, "taken")

        with pytest.raises(Conflict):
            edit(database, made, slug="taken", name="New", interval_seconds=1)

        assert again(database, made) == made

    def test_an_unknown_monitor_is_not_found(self, database: Database) -> None:
        with pytest.raises(NotFound):
            monitors.edit(database, by_slug("nobody"), {"name": "x"}, now=START)

    def test_a_longer_interval_moves_the_deadline(self, database: Database) -> None:
        assert edit(database, make_up(database), interval_seconds=600).due_at == at("10:11")

    def test_up_with_a_deadline_in_the_past_is_down_at_once_and_told(self, database: Database) -> None:
        made = make_up(database, webhook_url=HOOK)

        edited = edit(database, made, "10:02", interval_seconds=30, grace_seconds=0)

        assert (edited.status, edited.due_at) == (Status.DOWN, None)
        last = transitions(database, made)[-1]
        assert (last.occurred_at, last.note) == (
            at("10:02"),
            "The interval, the grace, the schedule or the run limit was changed.",
        )
        (owed,) = deliveries(database)
        assert '"interval_seconds": 30' in owed.payload

    def test_down_by_silence_whose_new_deadline_lies_ahead_is_up_and_told(self, database: Database) -> None:
        made = silent(database, webhook_url=HOOK)

        edited = edit(database, made, "10:30", interval_seconds=3_600)

        assert (edited.status, edited.due_at) == (Status.UP, at("11:01"))
        assert history(database, made)[-1] == (3, "DOWN", "UP")
        assert len(deliveries(database)) == 2

    def test_down_by_failure_stays_down(self, database: Database) -> None:
        made = make_down(database)

        assert edit(database, made, interval_seconds=3_600).status is Status.DOWN

    def test_a_run_limit_can_be_set_and_taken_away(self, database: Database) -> None:
        made = make_up(database)
        record(database, a_ping(made, at("10:00:10"), Signal.START))
        assert again(database, made).due_at == at("10:01:10")

        assert edit(database, made, "10:00:20", max_run_seconds=120).due_at == at("10:02:10")
        assert edit(database, made, "10:00:30", max_run_seconds=None).due_at == at("10:01:10")

    def test_a_secret_can_be_changed_and_taken_away(self, database: Database) -> None:
        made = make(database, webhook_secret="generate")

        assert edit(database, made, webhook_secret="whsec_" + "B" * 32).webhook_secret == "whsec_" + "B" * 32
        assert edit(database, made, webhook_secret=None).webhook_secret is None


class TestPause:
    def test_pause_and_resume_are_history_and_never_told(self, database: Database) -> None:
        made = make_up(database, webhook_url=HOOK)

        paused = monitors.pause(database, by_id(made.id), now=at("10:01"))
        resumed = monitors.resume(database, by_id(made.id), now=at("10:30"))

        assert (paused.status, paused.due_at, paused.updated_at) == (Status.PAUSED, None, at("10:01"))
        assert (resumed.status, resumed.due_at, resumed.last_ping) == (Status.UNKNOWN, None, START)
        assert history(database, made)[1:] == [(2, "UP", "PAUSED"), (3, "PAUSED", "UNKNOWN")]
        assert deliveries(database) == []

    def test_both_are_repeatable(self, database: Database) -> None:
        made = make_up(database)
        once = monitors.pause(database, by_id(made.id), now=at("10:01"))
        assert monitors.pause(database, by_id(made.id), now=at("10:02")) == once

        resumed = monitors.resume(database, by_id(made.id), now=at("10:03"))
        assert monitors.resume(database, by_id(made.id), now=at("10:04")) == resumed
        assert len(history(database, made)) == 3

    def test_silence_after_a_resume_is_no_news(self, database: Database) -> None:
        made = make_up(database)
        monitors.pause(database, by_id(made.id), now=at("10:01"))
        monitors.resume(database, by_id(made.id), now=at("10:02"))

        assert passes.expire_due(database, now=at("20:00"), recorded_at=at("20:00")).transition_count == 0


class TestRemove:
    def test_everything_of_it_goes_and_the_slug_is_free_at_once(self, database: Database) -> None:
        made, other = silent(database, webhook_url=HOOK, webhook_secret="generate"), make_down(database, "other")
        (leased,) = lease_due(database, now=at("10:06"), in_flight={})
        settle(database, [Sent(leased, Delivered(200), START, START, 0)])

        monitors.remove(database, by_id(made.id))

        for table in (Delivery, Attempt, Webhook, UnseenSpan):
            assert rows(database, table) == []
        assert [row.slug for row in rows(database, History)] == ["other"]
        with pytest.raises(NotFound):
            again(database, made)
        new = make(database)
        assert (new.token != made.token, history(database, new), new.ping_count) == (True, [], 0)
        assert record(database, a_ping(made, START), a_ping(new, START)) == [Answer.UNKNOWN, Answer.STORED]
        assert again(database, other) == other

    def test_an_id_is_never_given_twice(self, database: Database) -> None:
        made = make(database)
        monitors.remove(database, by_id(made.id))

        assert make(database).id > made.id

    def test_what_is_not_there_is_not_found(self, database: Database) -> None:
        with pytest.raises(NotFound):
            monitors.remove(database, by_slug("nobody"))


class TestTestMessage:
    def test_it_tells_the_present_status_and_is_no_transition(self, database: Database) -> None:
        made = make_up(database, webhook_url=HOOK)

        monitors.send_test_message(database, by_id(made.id), now=at("10:01"))

        (owed,) = deliveries(database)
        assert owed.seq is None
        assert '"status": "UP"' in owed.payload
        assert history(database, made) == [(1, "UNKNOWN", "UP")]

    def test_without_a_webhook_it_is_a_conflict(self, database: Database) -> None:
        made = make_up(database)

        with pytest.raises(Conflict):
            monitors.send_test_message(database, by_id(made.id), now=START)


def test_the_version_changes_with_every_edit_and_every_transition(database: Database) -> None:
    versions = [version_of(database)]

    def note() -> None:
        versions.append(version_of(database))

    made = make(database)
    note()
    record(database, a_ping(made, START))
    note()
    edit(database, made, name="New")
    note()
    monitors.pause(database, by_id(made.id), now=START + timedelta(seconds=1))
    note()
    monitors.rotate_token(database, by_id(made.id), now=START)
    note()
    monitors.remove(database, by_id(made.id))
    note()

    assert len(set(versions)) == len(versions)


def test_the_version_stands_still_while_pings_change_nothing(database: Database) -> None:
    made = make_up(database)
    version = version_of(database)

    record(database, a_ping(made, at("10:01")))

    assert version_of(database) == version
