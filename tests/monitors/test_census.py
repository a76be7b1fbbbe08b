"""What is shown of all monitors, judged in SQL, against the rules that judge one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.shown import Shown
from pulsemon.db import Database
from pulsemon.db.tables.monitors import Monitor
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance.definition import Definition
from pulsemon.monitors import census
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import find_all
from tests.arrange import START, make, make_down, make_up
from tests.conftest import at
from tests.statements import recorded_statements
from tests.strange_rows import MICROSECOND, NEAR, NOW, many_rows, stored_for_a_moment, thorough


def read(database: Database, now: str) -> dict[str, Shown]:
    return {slug: state for part in census.states(database, now=at(now)) for _, slug, state in part}


def expected(database: Database, now: str) -> dict[str, Shown]:
    return {view.slug: view.shown(now=at(now)) for view in monitors.list_all(database)[0]}


def some_of_each(database: Database) -> None:
    make(database, "waiting")
    make_up(database, "up")
    make_up(database, "late", last_ping=at("09:56:30"))
    make_down(database, "down")
    paused = make_up(database, "paused")
    monitors.pause(database, monitors.by_id(paused.id), now=START)
    make_up(database, "planned", schedule="30 9 * * *", interval_seconds=None, grace_seconds=86_400)
    make_up(database, "planned-late", schedule="30 9 * * *", interval_seconds=None, last_ping=at("09:29:00"))


def test_every_state_is_counted_and_told_of_each(database: Database) -> None:
    some_of_each(database)

    assert read(database, "10:01") == expected(database, "10:01")
    found = census.counts(database, now=at("10:01"))
    assert found == dict.fromkeys(Shown, 0) | {
        Shown.WAITING: 1, Shown.UP: 2, Shown.LATE: 2, Shown.DOWN: 1, Shown.PAUSED: 1
    }  # fmt: skip


@thorough
@given(given_rows=many_rows, by=st.sampled_from(NEAR))
def test_in_sql_a_state_is_the_same_as_by_the_rules(
    database: Database, given_rows: list[dict[str, Any]], by: int
) -> None:
    now = NOW + by * MICROSECOND

    with stored_for_a_moment(database, given_rows) as connection:
        views = find_all(connection, Monitor.id.is_not(None))
        state = census._shown(connection, now)
        in_sql = {row[0]: row[1] for row in connection.execute(select(Monitor.id, state))}

    wrong = [view for view in views if in_sql[view.id] is not None and in_sql[view.id] != view.shown(now=now).value]
    assert wrong == []
    assert all(in_sql[view.id] is not None for view in views if view.schedule is None)


@pytest.mark.parametrize("slugs", [None, ("up", "down", "paused", "planned")])
def test_maintenance_is_what_covers_a_monitor_now(database: Database, slugs: tuple[str, ...] | None) -> None:
    some_of_each(database)
    once = Plan(Repeats.ONCE, at("10:30"), timedelta(hours=1), "UTC")
    maintenance.create(database, Definition("Works", once, monitors=slugs), now=at("10:00"))

    for now in ("09:59", "10:29:59", "10:30", "10:31"):
        assert read(database, now) == expected(database, now), now
        assert census.counts(database, now=at(now)) == dict.fromkeys(Shown, 0) | Counter(read(database, now).values())
    assert Shown.MAINTENANCE in read(database, "10:30").values()


def test_many_are_read_in_parts_and_those_that_sql_cannot_judge_at_once(database: Database) -> None:
    for number in range(7):
        make_up(database, f"m{number}", schedule="30 9 * * *", interval_seconds=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(census, "PART", 3)
        parts = list(census.states(database, now=at("10:01")))
        assert census.counts(database, now=at("10:01"))[Shown.UP] == 7
        values = list(census.values(database, "last_ping"))
        with recorded_statements() as statements:
            list(census.states(database, now=at("10:01")))

    assert [len(each) for each in parts] == [3, 3, 1]
    assert [each for part in values for each in part][6] == ("M6", "m6", START)
    asked_of_views = [each for each in statements if "webhooks" in each]
    assert len(asked_of_views) == 3
