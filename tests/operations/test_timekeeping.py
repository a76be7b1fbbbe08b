"""Nodes on one PostgreSQL go by its clock: measured, corrected, and told where a machine's own is off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import structlog.testing
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.core.status import Status
from pulsemon.db import Database
from pulsemon.deadlines.loop import CLOCK_SETTLES_SEC
from pulsemon.operations import timekeeping
from pulsemon.operations.timekeeping import Timekeeping
from tests.arrange import a_ping, again, blind_windows, record
from tests.conftest import ADMIN_TOKEN, at, wait_until
from tests.deadlines.test_loop import Process, World, watched

AHEAD = timedelta(seconds=300)


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    opened.close()
    clock.go_by_the_wall()


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[], datetime]:
    """A machine whose clock is five minutes ahead; returns the true one."""
    true = clock.now
    monkeypatch.setattr(clock, "now", lambda: true() + AHEAD)
    return true


def is_right(database: Database, *, but: timedelta = timedelta(0)) -> bool:
    """Return whether `clock.now` is the database's, as nearly as the two can be compared just now."""
    measured = database.measure_clock(clock.now)
    assert measured is not None
    return abs(measured.offset) <= measured.within + but + 2 * timekeeping._TOLERANCE


def test_a_clock_that_is_off_is_corrected_before_anything_is_stamped(
    postgres: Database, ahead: Callable[[], datetime]
) -> None:
    assert not is_right(postgres)  # the control

    Timekeeping(postgres).look()

    assert is_right(postgres)


def test_its_owner_is_told_in_log_warning_and_figure_once(postgres: Database, ahead: Callable[[], datetime]) -> None:
    keeper = Timekeeping(postgres)
    with structlog.testing.capture_logs() as lines:
        keeper.look()
        keeper.look()

    assert [line["event"] for line in lines] == ["clock.off"]
    warning = keeper.warning() or ""
    assert "s ahead of the database's" in warning
    assert abs(timedelta(seconds=keeper.ahead_sec()) - AHEAD) < AHEAD / 2


def test_a_clock_in_step_is_left_alone_and_nothing_is_said(postgres: Database) -> None:
    keeper = Timekeeping(postgres)
    with structlog.testing.capture_logs() as lines:
        keeper.look()

    assert keeper.warning() is None
    assert lines == []


def test_a_clock_that_the_database_was_given_is_followed_and_told(postgres: Database) -> None:
    keeper = Timekeeping(postgres)
    keeper.look()
    clock.correct_by(timedelta(hours=-1))  # seen from here as if the database's had been set an hour ahead
    with structlog.testing.capture_logs() as lines:
        keeper.look()

    assert is_right(postgres)
    assert lines[0]["event"] == "clock.database_was_set"


def test_the_wall_clock_is_gone_by_again_at_the_end(postgres: Database) -> None:
    clock.correct_by(timedelta(hours=1))
    keeper = Timekeeping(postgres)
    keeper.look()
    keeper.close()

    assert clock._zero is None


def test_sqlite_goes_by_this_machine(sqlite_url: str, ahead: Callable[[], datetime]) -> None:
    database = Database.open(sqlite_url)
    keeper = Timekeeping(database)
    keeper.look()
    database.close()

    assert clock._zero is None
    assert (keeper.warning(), keeper.ahead_sec()) == (None, 0.0)


def test_ready_and_metrics_tell_the_owner(
    make_client: Callable[..., TestClient], postgres_url: str, ahead: Callable[[], datetime]
) -> None:
    owner = {"X-Admin-Token": ADMIN_TOKEN}
    client = make_client(postgres_url)

    answer = wait_until(lambda: (found := client.get("/ready", headers=owner)).status_code == 200 and found)

    assert any("clock" in each for each in answer.json()["warnings"])
    figure = next(
        line for line in client.get("/metrics", headers=owner).text.splitlines() if line.startswith("pulsemon_clock")
    )
    assert float(figure.split()[1]) > AHEAD.total_seconds() / 2


class TestWhenTheDatabasesClockIsSet:
    """Every node finds it out by itself, some seconds apart; until then pings come in by the old time."""

    @staticmethod
    def step(database: Database, world: World) -> Process:
        process = Process(database, world)
        world.pass_time(0.5)
        process.look()
        world.wall += timedelta(hours=1)
        world.pass_time(0.1)
        process.look()
        return process

    def test_it_is_a_step_of_the_clock_for_all(self, postgres: Database) -> None:
        world = World()
        self.step(postgres, world)

        assert [
            (cause, ended - started >= timedelta(hours=1)) for started, ended, cause in blind_windows(postgres)
        ] == [("clock", True)]

    def test_a_ping_by_the_old_time_makes_nobody_down_until_all_nodes_know(self, postgres: Database) -> None:
        monitor, world = watched(postgres), World()
        process = self.step(postgres, world)
        record(postgres, a_ping(monitor, at("10:00:01")))  # by a node that does not know yet
        for _ in range(10):
            world.pass_time(0.25)
            process.look()
        assert again(postgres, monitor).status is Status.UP

        # And then it is judged again, at the latest when the time is over that the step excuses.
        world.pass_time(CLOCK_SETTLES_SEC)
        process.live_until(world.wall + 2 * (timedelta(seconds=monitor.interval_seconds + monitor.grace_seconds)))
        assert again(postgres, monitor).status is Status.DOWN
