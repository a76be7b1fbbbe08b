"""What a pass leaves unread is what the rules would leave as it is: the conditions in SQL against the core."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, select

from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.status import BlindWindow, bound_after_step, sweep
from pulsemon.db import Database, states
from pulsemon.db.states import Watched
from pulsemon.db.tables.monitors import Monitor
from pulsemon.deadlines import candidates, passes
from tests.arrange import START, again, make, make_down, make_up, set_by_hand
from tests.conftest import at
from tests.statements import recorded_statements
from tests.strange_rows import MICROSECOND, NEAR, NOW, many_rows, stored_for_a_moment, thorough


def is_changed_by_the_sweep(each: Watched, now: datetime) -> bool:
    after, transition = sweep(each.state, each.timing, now=now, down_recorded_at=each.down_recorded_at)
    return after is not each.state or transition is not None or not each.is_found_in_time


def found(database: Database, given_rows: list[dict[str, Any]], condition: ColumnElement[bool]) -> Any:
    """Return all the rows as the rules read them, and the ids that *condition* names."""
    with stored_for_a_moment(database, given_rows) as connection:
        monitors = [states.watched(row) for row in connection.execute(states.select_watched())]
        return monitors, set(connection.scalars(select(Monitor.id).where(condition)))


@thorough
@given(given_rows=many_rows, by=st.sampled_from(NEAR))
def test_the_sweep_reads_every_monitor_that_the_rules_would_change(
    database: Database, given_rows: list[dict[str, Any]], by: int
) -> None:
    now = NOW + by * MICROSECOND

    monitors, named = found(database, given_rows, candidates.may_disagree(now))

    unread = [each for each in monitors if each.id not in named]
    assert [each for each in unread if is_changed_by_the_sweep(each, now)] == []


WINDOWS = [
    BlindWindow(NOW - timedelta(minutes=30), NOW - timedelta(minutes=20)),
    BlindWindow(NOW - 2 * MICROSECOND, NOW),
]


@thorough
@given(given_rows=many_rows)
def test_every_deadline_that_blind_windows_may_move_is_read(
    database: Database, given_rows: list[dict[str, Any]]
) -> None:
    condition = candidates.may_be_excused(max(each.ended_at for each in WINDOWS))

    monitors, named = found(database, given_rows, condition)

    unwatched = Unwatched(WINDOWS)
    unread = [each for each in monitors if each.id not in named]
    assert [each for each in unread if excuse(each.state, each.timing, unwatched) is not each.state] == []


@thorough
@given(given_rows=many_rows)
def test_every_limit_that_a_clock_set_back_may_bring_nearer_is_read(
    database: Database, given_rows: list[dict[str, Any]]
) -> None:
    monitors, named = found(database, given_rows, candidates.has_a_limit())

    unread = [each for each in monitors if each.id not in named]
    assert [each for each in unread if bound_after_step(each.state, each.timing, now=NOW) is not each.state] == []


@pytest.mark.parametrize("by", NEAR)
def test_a_deadline_that_is_off_by_however_little_is_read(database: Database, by: int) -> None:
    monitor = make_up(database, last_ping=START + 500 * MICROSECOND)
    set_by_hand(database, monitor, due_at=at("10:05:00.000500") + by * MICROSECOND, check_at=START)

    with database.read() as connection:
        named = list(connection.scalars(select(Monitor.id).where(candidates.may_disagree(at("10:01")))))

    assert named == ([monitor.id] if by else [])


def test_of_monitors_in_order_none_is_read(database: Database) -> None:
    waiting = make(database, "waiting")
    made = [waiting, make_up(database, "up"), make_down(database, "failed"), make_up(database, "silent")]
    make_up(database, "odd", last_ping=START + 123 * MICROSECOND)
    passes.expire_due(database, now=at("10:06"), recorded_at=at("10:06"))
    assert [again(database, each).status for each in made] == ["UNKNOWN", "DOWN", "DOWN", "DOWN"]
    make_up(database, "alive", last_ping=at("10:06"))

    with database.read() as connection:
        query = select(Monitor.slug).where(candidates.may_disagree(at("10:07")))
        assert list(connection.scalars(query)) == []


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_a_pass_comes_to_every_monitor_in_however_small_steps(database: Database, chunk: int) -> None:
    made = [make_up(database, f"m{number}") for number in range(7)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "CHUNK", chunk)
        patch.setattr(passes, "SPAN", 3)
        changed = passes.sweep_all(database, now=at("10:06"))

    assert changed.transition_count == 7
    assert {again(database, each).status for each in made} == {"DOWN"}


def test_a_sweep_of_monitors_in_order_asks_for_none_of_their_columns(database: Database) -> None:
    for number in range(5):
        make_up(database, f"m{number}")
    with recorded_statements() as statements:
        passes.sweep_all(database, now=at("10:01"))

    assert len(statements) == 3  # how far the span reaches, who may disagree, and that nobody is left
