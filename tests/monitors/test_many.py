"""Monitors made, edited, paused and deleted many at once, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulsemon.core.placement import Placement
from pulsemon.core.rules import Rules
from pulsemon.db import Database
from pulsemon.db.tables.heartbeats import DoomedPings
from pulsemon.db.tables.monitors import History
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.versions import read_version
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict, Invalid
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import order
from pulsemon.monitors.manage import NewMonitor
from pulsemon.monitors.views import View
from tests.arrange import (
    HOOK,
    START,
    again,
    deliveries,
    history,
    make,
    make_down,
    make_up,
    rows,
    set_by_hand,
)
from tests.conftest import at
from tests.statements import recorded_statements


def version_of(database: Database) -> tuple[int, str]:
    with database.read() as connection:
        return read_version(connection)


def new(slug: str, **fields: Any) -> NewMonitor:
    return NewMonitor(**{"name": slug.title(), "slug": slug, "interval_seconds": 240} | fields)


def without_what_is_its_own(view: View) -> View:
    placement = replace(view.placement, position=None)
    secret = view.webhook_secret and "whsec_"
    return replace(view, id=0, slug="", name="", token="", webhook_secret=secret, placement=placement)


class TestMany:
    """What is done to many at once is what is done to each, in a number of statements that does not grow."""

    def test_made_together_they_are_as_if_made_one_by_one(self, database: Database) -> None:
        fields: list[dict[str, Any]] = [
            {},
            {"placement": Placement(group="g", tags=("a", "b"), position=7, is_public=False)},
            {"webhook_url": HOOK, "webhook_secret": "generate", "rules": Rules(is_post_only=True)},
            {"interval_seconds": None, "schedule": "30 2 * * *", "timezone": "America/Sao_Paulo"},
        ]

        together = monitors.create_many(
            database, [new(f"t{number}", **each) for number, each in enumerate(fields)], now=START
        )

        apart = [monitors.create(database, new(f"a{number}", **each), now=START) for number, each in enumerate(fields)]
        assert [without_what_is_its_own(each) for each in together] == [without_what_is_its_own(each) for each in apart]
        assert [each.slug for each in together] == ["t0", "t1", "t2", "t3"]
        assert together == [again(database, each) for each in together]
        assert len({each.token for each in together}) == 4
        assert (together[2].webhook_secret or "").startswith("whsec_")

    def test_all_are_made_or_none(self, database: Database) -> None:
        make(database, "c")

        with pytest.raises(Conflict, match=r": a, c\."):
            monitors.create_many(database, [new(slug) for slug in ("a", "b", "c", "a")], now=START)
        with pytest.raises(Invalid):
            monitors.create_many(database, [new("d"), new("e", schedule="61 * * * *")], now=START)

        assert [each.slug for each in monitors.list_all(database)[0]] == ["c"]

    def test_edited_together_each_keeps_what_is_not_named(self, database: Database) -> None:
        made = [make_up(database, slug, webhook_url=HOOK if slug == "b" else None) for slug in "abc"]
        set_by_hand(database, made[2], name="By hand")
        changes = {"interval_seconds": 600, "placement": {"tags": ("x",)}, "webhook_secret": "generate"}

        assert monitors.edit_many(database, [*(each.id for each in made), 999], changes, now=at("10:01")) == 3

        edited = [again(database, each) for each in made]
        assert [each.due_at for each in edited] == [at("10:11")] * 3
        assert [each.placement.tags for each in edited] == [("x",)] * 3
        assert [each.name for each in edited] == ["A", "B", "By hand"]
        assert [each.webhook_url for each in edited] == [None, HOOK, None]
        assert len({each.webhook_secret for each in edited}) == 3
        assert {each.updated_at for each in edited} == {at("10:01")}

    def test_a_silence_that_a_longer_interval_heals_is_told_of_each(self, database: Database) -> None:
        made = [make_up(database, slug, webhook_url=HOOK) for slug in "ab"]
        passes.expire_due(database, now=at("10:05:01"), recorded_at=at("10:05:01"))

        monitors.edit_many(database, [each.id for each in made], {"interval_seconds": 3_600}, now=at("10:06"))

        for each in made:
            assert history(database, each)[-1] == (3, "DOWN", "UP")
        assert len(deliveries(database)) == 4

    def test_an_edit_that_one_cannot_take_changes_none(self, database: Database) -> None:
        made = [make_up(database, f"m{number}") for number in range(2)]
        planned = make(database, "planned", schedule="30 2 * * *", interval_seconds=None)
        ids = [each.id for each in (*made, planned)]
        before = [again(database, each) for each in (*made, planned)]

        for changes, kind in (
            ({"interval_seconds": 1}, Conflict),
            ({"slug": "new"}, Conflict),
            ({"schedule": "61 * * * *"}, Invalid),
        ):
            with pytest.raises(kind):
                monitors.edit_many(database, ids, changes, now=at("10:01"))

        assert [again(database, each) for each in before] == before

    def test_messages_follow_the_webhook_that_many_get_or_lose(self, database: Database) -> None:
        made = [make_down(database, slug, webhook_url=HOOK) for slug in "ab"]

        monitors.edit_many(database, [made[0].id], {"webhook_url": None}, now=at("10:01"))
        monitors.edit_many(
            database, [each.id for each in made], {"webhook_url": "http://127.0.0.2:9/x"}, now=at("10:02")
        )

        assert [(each.state, each.receiver) for each in deliveries(database)] == [
            ("cancelled", "127.0.0.1:9"),
            ("pending", "127.0.0.2:9"),
        ]

    def test_paused_and_resumed_together(self, database: Database) -> None:
        made = [make_up(database, "up"), make_down(database, "down"), make(database, "waiting")]
        ids = [each.id for each in made]

        assert monitors.pause_many(database, [*ids, ids[0], 999], now=at("10:01")) == 3
        version = version_of(database)
        assert monitors.pause_many(database, ids, now=at("10:02")) == 0
        assert version_of(database) == version
        assert [(again(database, each).status, again(database, each).updated_at) for each in made] == [
            ("PAUSED", at("10:01"))
        ] * 3
        assert monitors.resume_many(database, ids[:2], now=at("10:03")) == 2
        assert [again(database, each).status for each in made] == ["UNKNOWN", "UNKNOWN", "PAUSED"]
        assert history(database, made[0])[-2:] == [(2, "UP", "PAUSED"), (3, "PAUSED", "UNKNOWN")]

    def test_removed_together_their_slugs_are_free_and_their_pings_doomed(self, database: Database) -> None:
        made = [make_up(database, "up"), make(database, "waiting"), make_up(database, "stays")]

        assert monitors.remove_many(database, [made[0].id, made[1].id, 999]) == 2

        assert [each.slug for each in monitors.list_all(database)[0]] == ["stays"]
        assert [each.monitor_id for each in rows(database, DoomedPings)] == [made[0].id]
        assert rows(database, History, History.monitor_id != made[2].id) == []
        make(database, "up")

    @pytest.mark.parametrize("what", ["create", "edit", "pause", "resume", "remove", "tags"])
    def test_the_number_of_statements_does_not_grow_with_the_monitors(self, database: Database, what: str) -> None:
        def act(ids: list[int], count: int) -> object:
            match what:
                case "create":
                    news = [new(f"n{count}-{number}", webhook_secret="generate") for number in range(count)]
                    return monitors.create_many(database, news, now=START)
                case "edit":
                    changes = {"interval_seconds": 600, "webhook_url": HOOK, "placement": {"group": "g"}}
                    return monitors.edit_many(database, ids, changes, now=at("10:01"))
                case "pause":
                    return monitors.pause_many(database, ids, now=at("10:01"))
                case "resume":
                    monitors.pause_many(database, ids, now=at("10:01"))
                    return monitors.resume_many(database, ids, now=at("10:02"))
                case "remove":
                    return monitors.remove_many(database, ids)
                case _:
                    return order.add_tags(database, DEFAULT_ID, ids, ["a"])

        asked = []
        for count in (2, 50):
            made = [make_up(database, f"m{count}-{number}", webhook_url=HOOK) for number in range(count)]
            with recorded_statements() as statements:
                act([each.id for each in made], count)
            asked.append(len(statements))

        assert asked[0] == asked[1]

    def test_thousands_are_changed_in_parts_so_that_pings_come_between(self, database: Database) -> None:
        count = 2 * monitors.PART + 1
        made = monitors.create_many(database, [new(f"m{number}") for number in range(count)], now=START)
        with recorded_statements() as statements:
            assert monitors.pause_many(database, [each.id for each in made], now=at("10:01")) == count

        renewals = [each for each in statements if each.startswith("INSERT INTO meta")]
        assert len(renewals) == 3
