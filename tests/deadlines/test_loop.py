"""One look around at a time, with clocks, queue and refusals in the test's hand and a real database below."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsemon import log
from pulsemon.core.blindness import Reading
from pulsemon.core.status import BlindWindow
from pulsemon.db import Database, sqlite
from pulsemon.db.tables.deadlines import Node
from pulsemon.deadlines import passes
from pulsemon.deadlines.loop import LOOP_IS_STALLED_SEC, MAX_SLEEP_SEC, WAITING_SLEEP_SEC, Evaluation, Surroundings
from pulsemon.deadlines.passes import Changed
from pulsemon.errors import Unavailable
from pulsemon.monitors.views import View
from tests.arrange import (
    START,
    a_ping,
    again,
    blind_windows,
    history,
    make_up,
    record,
    rows,
    seconds,
    set_by_hand,
    transitions,
)
from tests.conftest import at, wait_until


@dataclass
class World:
    """Clocks that stand until the test moves them, and what else the evaluation looks at."""

    wall: datetime = START
    monotonic: float = 1_000.0
    boot: float = 1_000.0
    loop_pulse_at: float | None = None  # None: it beats as time goes
    oldest_unstored: datetime | None = None
    refusals: list[datetime] = field(default_factory=list)
    turned_away: BlindWindow | None = None
    changed: list[Changed] = field(default_factory=list)

    def read(self) -> Reading:
        return Reading(self.wall, self.monotonic, self.boot)

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic += seconds
        self.boot += seconds

    def take_refusals(self) -> list[datetime]:
        taken, self.refusals = self.refusals, []
        return taken

    def take_turned_away(self) -> BlindWindow | None:
        taken, self.turned_away = self.turned_away, None
        return taken

    @property
    def around(self) -> Surroundings:
        return Surroundings(
            read_clocks=self.read,
            stored_until=lambda now: now if self.oldest_unstored is None else min(now, self.oldest_unstored),
            take_refusals=self.take_refusals,
            loop_pulse_at=lambda: self.monotonic if self.loop_pulse_at is None else self.loop_pulse_at,
            on_changed=self.changed.append,
            take_turned_away=self.take_turned_away,
        )


def watched(database: Database, slug: str = "job") -> View:
    """A monitor that is UP since 10:00 and due at 10:00:10."""
    return make_up(database, slug, interval_seconds=8, grace_seconds=2)


class Process:
    """An evaluation in a world, ticking as its thread would: a tick, a rest, the sleep it asked for."""

    def __init__(self, database: Database, world: World, *, sweep_sec: float = 1e9, node: str = "node") -> None:
        self.world = world
        self.evaluation = Evaluation(database, node, sweep_sec=sweep_sec, around=world.around)
        self.evaluation.begin()

    def look(self) -> float:
        """Tick once and rest; return how long it wants to sleep."""
        sleep_sec = self.evaluation.tick()
        self.evaluation._rest(sleep_sec)
        return sleep_sec

    def live_until(self, end: datetime) -> None:
        """Tick and sleep, in ordinary time, until *end*."""
        for _ in range(10_000):
            sleep_sec = self.look()
            if self.world.wall >= end:
                return
            remaining = (end - self.world.wall).total_seconds()
            self.world.pass_time(min(max(sleep_sec, 0.001), remaining))
        pytest.fail(f"did not reach {end}")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """SQLite: what a tick does to PostgreSQL stands in test_passes."""
    opened = Database.open(sqlite_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def world() -> World:
    return World()


class TestSleep:
    def test_without_a_deadline_it_sleeps_a_second(self, database: Database, world: World) -> None:
        assert Process(database, world).look() == MAX_SLEEP_SEC

    def test_a_deadline_far_away_is_looked_at_every_second(self, database: Database, world: World) -> None:
        watched(database)

        assert Process(database, world).look() == MAX_SLEEP_SEC

    def test_it_wakes_right_after_the_next_deadline(self, database: Database, world: World) -> None:
        make_up(database, interval_seconds=1, grace_seconds=0)
        process = Process(database, world)
        world.pass_time(0.75)

        assert process.look() == pytest.approx(0.251)

    def test_down_is_recorded_within_a_few_milliseconds_of_the_deadline(self, database: Database, world: World) -> None:
        monitor = watched(database)

        Process(database, world).live_until(at("10:00:11"))

        last = transitions(database, monitor)[-1]
        assert last.occurred_at == at("10:00:10")
        assert last.created_at - last.occurred_at <= seconds(0.01)
        assert world.changed == [Changed(1, 0)]

    def test_a_thousand_deadlines_in_one_second_are_worked_off_without_sleep(
        self, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(passes, "CHUNK", 2)
        for number in range(5):
            watched(database, f"m{number}")
        process = Process(database, world)
        world.pass_time(1)
        process.look()
        set_time_past_deadline(world, process)

        assert [process.look() for _ in range(3)] == [0.0, 0.0, WAITING_SLEEP_SEC]
        assert process.evaluation.expired_count == 5


def set_time_past_deadline(world: World, process: Process) -> None:
    """Go past the deadline second by second, deadlines untouched, as if somebody had held them back until now."""
    world.oldest_unstored = START
    process.live_until(at("10:00:11"))
    world.oldest_unstored = None


class TestHorizon:
    def test_a_ping_that_waits_to_be_stored_holds_judgement_back(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        world.oldest_unstored = at("10:00:09.900")

        process.live_until(at("10:00:13"))
        assert again(database, monitor).status == "UP"
        assert process.look() == WAITING_SLEEP_SEC

        record(database, a_ping(monitor, at("10:00:09.900")))
        world.oldest_unstored = None
        process.live_until(at("10:00:15"))
        assert history(database, monitor) == [(1, "UNKNOWN", "UP")]

    def test_what_was_due_before_it_arrived_is_judged_all_the_same(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        world.oldest_unstored = at("10:00:10.500")

        process.live_until(at("10:00:12"))

        assert again(database, monitor).status == "DOWN"


class TestStall:
    def test_while_the_event_loop_stands_still_nothing_is_judged_and_nothing_is_written(
        self, database: Database, world: World
    ) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.loop_pulse_at = world.monotonic
        beaten_at = passes.last_heartbeat(database)

        process.live_until(at("10:00:16"))

        assert again(database, monitor).status == "UP"
        assert passes.last_heartbeat(database) <= beaten_at + seconds(LOOP_IS_STALLED_SEC + 1)  # type: ignore[operator]

    def test_when_it_runs_again_the_time_is_a_blind_window(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.loop_pulse_at = world.monotonic
        process.live_until(at("10:00:16"))
        world.loop_pulse_at = None

        process.live_until(at("10:00:17"))

        ((started_at, ended_at, cause),) = blind_windows(database)
        assert cause == "stall"
        assert started_at == at("10:00:08")
        assert at("10:00:16") <= ended_at <= at("10:00:16.200")
        assert again(database, monitor).due_at == ended_at + seconds(10)

    def test_a_process_that_was_stopped_in_its_sleep_blames_nobody(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.pass_time(20)  # SIGSTOP, SIGCONT

        process.look()

        assert again(database, monitor).status == "UP"
        assert [cause for *_, cause in blind_windows(database)] == ["stall"]

    def test_a_process_that_was_stopped_in_the_middle_of_its_work_blames_nobody(
        self, database: Database, world: World
    ) -> None:
        """The clocks were compared over the sleep only: a stop between two sleeps went unnoticed."""
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        sleep_sec = process.evaluation.tick()
        world.pass_time(20)
        process.evaluation._rest(sleep_sec)

        process.look()

        assert again(database, monitor).status == "UP"
        assert [cause for *_, cause in blind_windows(database)] == ["stall"]

    def test_a_machine_that_slept_blames_nobody(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.look()
        world.wall += timedelta(hours=1)
        world.boot += 3_600
        world.pass_time(0.5)

        process.look()

        assert again(database, monitor).status == "UP"
        assert [cause for *_, cause in blind_windows(database)] == ["suspend"]


class TestClock:
    def test_a_clock_set_forward_blames_nobody(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.look()
        world.wall += timedelta(hours=1)
        world.pass_time(1)

        process.look()

        assert again(database, monitor).status == "UP"
        assert [cause for *_, cause in blind_windows(database)] == ["clock"]

    def test_a_clock_set_back_gives_everybody_one_full_period_and_no_more(
        self, database: Database, world: World
    ) -> None:
        monitor = watched(database)
        process = Process(database, world, sweep_sec=10)
        process.look()
        world.wall -= timedelta(hours=1)
        world.pass_time(1)

        process.look()
        due_at = again(database, monitor).due_at
        assert due_at == at("09:00:11")
        process.live_until(at("09:00:10"))
        assert again(database, monitor).status == "UP"
        process.live_until(at("09:00:12"))
        assert again(database, monitor).status == "DOWN"
        assert history(database, monitor)[1:] == [(2, "UP", "DOWN")]

    def test_after_a_step_back_silence_stays_silence_when_the_old_time_comes_round_again(
        self, database: Database, world: World
    ) -> None:
        monitor = watched(database)
        process = Process(database, world, sweep_sec=10)
        process.look()
        world.wall -= timedelta(minutes=1)
        world.pass_time(1)
        process.live_until(at("10:00:20"))

        assert history(database, monitor) == [(1, "UNKNOWN", "UP"), (2, "UP", "DOWN")]

    def test_a_clock_set_back_while_nobody_ran_is_found_at_the_start(self, database: Database, world: World) -> None:
        monitor = watched(database)
        passes.beat(database, "earlier", now=at("10:00:05"))
        world.wall = at("09:00")

        Process(database, world)

        assert again(database, monitor).due_at == at("09:00:10")


class TestRestart:
    def test_what_was_missed_while_nobody_ran_is_nobody_s_fault(self, database: Database, world: World) -> None:
        monitor = watched(database)
        passes.beat(database, "earlier", now=at("10:00:05"))
        world.wall = at("10:20")

        Process(database, world).live_until(at("10:20:09"))

        assert again(database, monitor).status == "UP"
        assert blind_windows(database) == [(at("10:00:05"), at("10:20"), "restart")]

    def test_a_monitor_that_really_died_meanwhile_is_down_in_time(self, database: Database, world: World) -> None:
        monitor = watched(database)
        passes.beat(database, "earlier", now=at("10:00:05"))
        world.wall = at("10:20")

        Process(database, world).live_until(at("10:20:11"))

        assert transitions(database, monitor)[-1].occurred_at == at("10:20:10")

    def test_what_was_due_before_the_process_died_is_down_at_its_deadline(
        self, database: Database, world: World
    ) -> None:
        monitor = watched(database)
        passes.beat(database, "earlier", now=at("10:00:12"))
        world.wall = at("10:20")

        Process(database, world).look()

        assert transitions(database, monitor)[-1].occurred_at == at("10:00:10")

    def test_a_node_that_joins_others_was_not_blind(self, postgres_url: str, world: World) -> None:
        database = Database.open(postgres_url)
        passes.beat(database, "other", now=START - seconds(1))

        Process(database, world)

        assert blind_windows(database) == []
        database.close()

    def test_the_heartbeat_is_written_every_second(self, database: Database, world: World) -> None:
        process = Process(database, world)

        process.live_until(at("10:00:05"))

        assert passes.last_heartbeat(database) == at("10:00:05")
        assert [row.name for row in rows(database, Node)] == ["node"]


class TestRefusals:
    def test_pings_that_were_refused_excuse_as_a_restart_does(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.refusals = [at("10:00:08"), at("10:00:09")]

        process.live_until(at("10:00:16"))

        assert again(database, monitor).status == "UP"
        assert blind_windows(database) == [(at("10:00:08"), at("10:00:09"), "refused")]

    def test_a_single_refusal_is_enough(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.refusals = [at("10:00:08")]

        process.live_until(at("10:00:16"))

        assert again(database, monitor).status == "UP"

    def test_connections_that_were_turned_away_excuse_as_a_restart_does(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:08"))
        world.turned_away = BlindWindow(at("10:00:08"), at("10:00:09"))

        process.live_until(at("10:00:16"))

        assert again(database, monitor).status == "UP"
        assert blind_windows(database) == [(at("10:00:08"), at("10:00:09"), "turned-away")]

    @pytest.mark.parametrize(("pause_sec", "count"), [(3, 1), (8, 6)])
    def test_what_is_refused_now_and_then_is_one_window_while_nobody_knows_who_came_between(
        self, database: Database, world: World, pause_sec: int, count: int
    ) -> None:
        process = Process(database, world)
        for _ in range(6):
            world.turned_away = BlindWindow(world.wall, world.wall)
            process.live_until(world.wall + timedelta(seconds=pause_sec))

        found = blind_windows(database)
        assert len(found) == count
        assert (found[0][0], found[-1][1]) == (START, START + timedelta(seconds=5 * pause_sec))

    def test_whoever_is_turned_away_all_the_time_keeps_no_deadline_from_being_judged_that_passed_before(
        self, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:09.900"))
        world.pass_time(0.6)  # the deadline passed at 10:00:10, half a second before the flood
        monkeypatch.setattr(world, "take_turned_away", lambda: BlindWindow(world.wall, world.wall))
        process.evaluation._around = world.around

        process.live_until(at("10:00:12"))

        assert again(database, monitor).status == "DOWN"
        assert transitions(database, monitor)[-1].occurred_at == at("10:00:10")

    def test_while_everybody_is_turned_away_deadlines_are_moved_once_a_second_and_nobody_is_blamed(
        self, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monitor = watched(database)
        process = Process(database, world)
        process.live_until(at("10:00:09"))
        monkeypatch.setattr(world, "take_turned_away", lambda: BlindWindow(world.wall, world.wall))
        process.evaluation._around = world.around
        excused_at: list[datetime] = []
        excuse = passes.excuse_blindness

        def count(*arguments: Any, now: datetime, **named: Any) -> None:
            excused_at.append(now)
            excuse(*arguments, now=now, **named)

        monkeypatch.setattr(passes, "excuse_blindness", count)

        process.live_until(at("10:00:19"))

        assert again(database, monitor).status == "UP"
        assert 8 <= len(excused_at) <= 11
        assert len(blind_windows(database)) == 1


class TestBlindOften:
    def test_more_than_a_minute_of_ten_is_often_and_the_log_says_when_that_begins_and_ends(
        self, database: Database, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.configure(level="INFO", form="json")
        process = Process(database, world)
        process.live_until(at("10:00:10"))
        for second in range(75):
            world.turned_away = BlindWindow(world.wall, world.wall)
            process.live_until(at("10:00:10") + timedelta(seconds=second + 1))
            if second < 58:
                assert not process.evaluation.is_often_blind

        assert process.evaluation.is_often_blind
        assert process.evaluation.blind_sec == pytest.approx(74, abs=3)
        process.live_until(at("10:10:00"))
        assert process.evaluation.is_often_blind
        process.live_until(at("10:11:00"))
        assert not process.evaluation.is_often_blind
        said = capsys.readouterr().err
        assert (said.count("blind.often"), said.count("blind.rarely")) == (1, 1)

    def test_a_long_window_counts_only_as_far_as_it_lies_in_the_last_ten_minutes(
        self, database: Database, world: World
    ) -> None:
        passes.excuse_blindness(database, [(BlindWindow(at("08:00"), at("09:51")), "suspend")], now=START)
        process = Process(database, world)

        process.look()

        assert process.evaluation.blind_sec == pytest.approx(60)
        assert not process.evaluation.is_often_blind


@contextmanager
def locked_from_outside(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN EXCLUSIVE")
        yield
        foreign.execute("ROLLBACK")


@pytest.fixture
def impatient(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """SQLite that gives up on a lock at once."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SEC", 0.05)
    database = Database.open(sqlite_url)
    database.migrate()
    yield database
    database.close()


class TestDatabaseAway:
    def test_the_time_in_which_nothing_could_be_written_was_blind(
        self, impatient: Database, sqlite_url: str, world: World
    ) -> None:
        monitor = watched(impatient)
        process = Process(impatient, world)
        process.live_until(at("10:00:08"))
        with locked_from_outside(Path(sqlite_url.removeprefix("sqlite:///"))):
            for _ in range(5):
                world.pass_time(1)
                with pytest.raises(Unavailable):
                    process.evaluation.tick()

        world.pass_time(1)
        process.live_until(at("10:00:16"))

        assert again(impatient, monitor).status == "UP"
        assert blind_windows(impatient) == [(at("10:00:08"), at("10:00:14"), "database")]

    def test_a_window_that_could_not_be_recorded_is_not_forgotten(
        self, impatient: Database, sqlite_url: str, world: World
    ) -> None:
        watched(impatient)
        process = Process(impatient, world)
        process.live_until(at("10:00:08"))
        world.pass_time(20)
        with locked_from_outside(Path(sqlite_url.removeprefix("sqlite:///"))), pytest.raises(Unavailable):
            process.evaluation.tick()

        process.live_until(at("10:00:30"))

        assert "stall" in [cause for *_, cause in blind_windows(impatient)]


class TestSweep:
    def test_it_runs_at_its_interval(self, database: Database, world: World) -> None:
        monitor = watched(database)
        process = Process(database, world, sweep_sec=6)
        set_by_hand(database, monitor, due_at=None)

        process.live_until(at("10:00:05"))
        assert again(database, monitor).due_at is None
        process.live_until(at("10:00:07"))
        assert again(database, monitor).due_at == at("10:00:10")


class TestThread:
    """The real thread; what it waits for is polled."""

    @contextmanager
    def running(self, evaluation: Evaluation) -> Iterator[None]:
        thread = threading.Thread(target=evaluation.run, daemon=True)
        thread.start()
        yield
        evaluation.stop()
        thread.join(60)
        assert not thread.is_alive()

    def test_an_earlier_deadline_wakes_it_and_a_later_one_does_not(self, database: Database, world: World) -> None:
        evaluation = Process(database, world).evaluation
        evaluation._planned_wake_at = at("10:00:10")

        evaluation.wake_for(at("10:00:11"))
        assert not evaluation._wake.is_set()
        evaluation.wake_for(at("10:00:09"))
        assert evaluation._wake.is_set()

    def test_a_tick_that_fails_is_not_the_last(self, database: Database, world: World) -> None:
        monitor = watched(database)
        evaluation = Process(database, world).evaluation
        failures = [OSError("by the test")]

        def fail_once(now: datetime) -> datetime:
            if failures:
                raise failures.pop()
            return now

        evaluation._around = replace(world.around, stored_until=fail_once)
        set_by_hand(database, monitor, due_at=at("09:59"))

        with self.running(evaluation):
            wait_until(lambda: again(database, monitor).status == "DOWN")
        assert failures == []


def test_on_postgres_too_silence_is_noticed_and_a_restart_is_excused(postgres_url: str, world: World) -> None:
    database = Database.open(postgres_url)
    monitor = watched(database)
    passes.beat(database, "earlier", now=at("10:00:05"))
    world.wall = at("10:20")

    Process(database, world).live_until(at("10:20:11"))

    assert transitions(database, monitor)[-1].occurred_at == at("10:20:10")
    assert blind_windows(database) == [(at("10:00:05"), at("10:20"), "restart")]
    database.close()


def test_nodes_that_die_one_after_the_other_hide_no_dead_monitor_and_blame_no_living_one(
    postgres_url: str, world: World
) -> None:
    """Each death is a blind window, and each had given the dead monitor a whole period anew."""
    database = Database.open(postgres_url)
    dead = make_up(database, "dead", interval_seconds=5, grace_seconds=30)
    alive = make_up(database, "alive", interval_seconds=5, grace_seconds=30)
    process = Process(database, world, node="stays")

    for number in range(8):
        passes.beat(database, f"dies-{number}", now=world.wall)
        for _ in range(2):
            process.live_until(world.wall + seconds(10))
            record(database, a_ping(alive, world.wall))

    causes = [cause for *_, cause in blind_windows(database)]
    assert causes == ["node"] * 8
    assert again(database, alive).status == "UP"
    last = transitions(database, dead)[-1]
    assert last.new_status == "DOWN"
    # 35 seconds to the deadline and 35 more of watched time, among them the windows of those that died by then.
    blind = sum(
        (min(end, last.occurred_at) - start for start, end, _ in blind_windows(database) if start < last.occurred_at),
        timedelta(0),
    )
    assert last.occurred_at - START - blind == seconds(70)
    database.close()
