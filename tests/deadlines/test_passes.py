"""Silence, sweeps, blind windows and heartbeats as use cases, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, update

from pulsemon.core.status import BlindWindow, Signal
from pulsemon.db import Database
from pulsemon.db.tables.deadlines import Node
from pulsemon.db.tables.monitors import Monitor
from pulsemon.deadlines import passes
from pulsemon.deadlines.passes import CHUNK, Changed
from pulsemon.heartbeats import pings
from pulsemon.monitors import manage as monitors
from tests.arrange import (
    HOOK,
    START,
    a_ping,
    again,
    blind_windows,
    deliveries,
    history,
    make,
    make_down,
    make_up,
    record,
    rows,
    seconds,
    set_by_hand,
    transitions,
    unseen_spans,
)
from tests.conftest import at
from tests.statements import recorded_statements

MICROSECOND = timedelta(microseconds=1)


def expire(database: Database, now: str) -> Changed:
    return passes.expire_due(database, now=at(now), recorded_at=at(now))


class TestSilence:
    def test_nothing_happens_at_the_deadline_itself(self, database: Database) -> None:
        monitor = make_up(database)

        assert expire(database, "10:05") == Changed()
        assert again(database, monitor) == monitor

    def test_one_microsecond_later_it_is_down_recorded_and_told(self, database: Database) -> None:
        monitor = make_up(database, webhook_url=HOOK)

        assert expire(database, "10:05:00.000001") == Changed(1, 1)

        now = again(database, monitor)
        assert (now.status, now.due_at, now.last_ping) == ("DOWN", None, START)
        last = transitions(database, monitor)[-1]
        assert (last.seq, last.prev_status, last.new_status, last.cause) == (2, "UP", "DOWN", "silence")
        assert (last.occurred_at, last.created_at) == (at("10:05"), at("10:05:00.000001"))
        assert last.note == "No ping within the interval of 4 min and the grace of 1 min."
        (owed,) = deliveries(database)
        assert (owed.seq, owed.state, owed.receiver) == (2, "pending", "127.0.0.1:9")
        assert '"occurred_at": "2026-03-02T10:05:00Z"' in owed.payload
        assert '"last_ping": "2026-03-02T10:00:00Z"' in owed.payload

    def test_noticed_late_it_was_still_down_from_the_deadline_on(self, database: Database) -> None:
        monitor = make_up(database)

        passes.expire_due(database, now=at("12:00"), recorded_at=at("12:34"))

        last = transitions(database, monitor)[-1]
        assert (last.occurred_at, last.created_at) == (at("10:05"), at("12:34"))

    def test_what_never_pinged_is_paused_or_down_is_left_alone(self, database: Database) -> None:
        waiting, down, paused = make(database, "waiting"), make_down(database, "down"), make_up(database, "paused")
        monitors.pause(database, monitors.by_id(paused.id), now=START)

        assert expire(database, "23:00") == Changed()
        assert [again(database, each).status for each in (waiting, down, paused)] == ["UNKNOWN", "DOWN", "PAUSED"]
        assert passes.next_check_at(database) is None

    def test_a_first_run_that_never_ended_is_down_and_told(self, database: Database) -> None:
        monitor = make(database, webhook_url=HOOK, max_run_seconds=30)
        record(database, a_ping(monitor, START, Signal.START))

        assert expire(database, "10:01") == Changed(1, 1)

        last = transitions(database, monitor)[-1]
        assert (last.prev_status, last.occurred_at) == ("UNKNOWN", at("10:00:30"))
        assert last.note == "A run was started and did not end within 30 s."

    def test_the_earliest_deadline_is_known(self, database: Database) -> None:
        assert passes.next_check_at(database) is None
        make_up(database, "later")
        make_up(database, "sooner", interval_seconds=10)

        assert passes.next_check_at(database) == at("10:01:10")

    def test_thousands_go_down_in_chunks_the_longest_overdue_first(self, database: Database) -> None:
        count = CHUNK + 20
        with database.write() as connection:
            connection.execute(
                insert(Monitor),
                [
                    {
                        "slug": f"m{number}",
                        "name": "m",
                        "token": "t",
                        "interval_seconds": 60,
                        "grace_seconds": 0,
                        "status": "UP",
                        "last_ping": START - seconds(number),
                        "due_at": START - seconds(number) + seconds(60),
                        "check_at": START - seconds(number) + seconds(60),
                        "created_at": START,
                        "updated_at": START,
                    }
                    for number in range(count)
                ],
            )

        assert expire(database, "11:00") == Changed(CHUNK, 0, is_more=True)
        assert passes.next_check_at(database) == START + seconds(60) - seconds(19)
        assert expire(database, "11:00") == Changed(20, 0, is_more=False)
        assert expire(database, "11:00") == Changed()

    def test_a_deadline_left_on_a_down_monitor_by_hand_is_cleared_and_not_met_again(self, database: Database) -> None:
        """It was overdue at every look from then on, two hundred times a second."""
        monitor = make_up(database)
        set_by_hand(database, monitor, status="DOWN")

        assert expire(database, "10:06") == Changed()
        assert passes.next_check_at(database) is None
        assert again(database, monitor).status == "DOWN"


class TestWhenToLook:
    """`check_at` may stay behind when the deadline moves (decision 0010); nothing may come of that but another look."""

    def test_a_look_before_the_deadline_postpones_the_next_one_to_it(self, database: Database) -> None:
        monitor = make_up(database)
        set_by_hand(database, monitor, check_at=at("10:02"))

        assert expire(database, "10:03") == Changed()
        assert passes.next_check_at(database) == at("10:05")
        assert expire(database, "10:05:01").transition_count == 1

    @pytest.mark.parametrize("check_at", [None, at("11:00")])
    def test_the_sweep_finds_what_no_look_would(self, database: Database, check_at: datetime | None) -> None:
        monitor = make_up(database)
        set_by_hand(database, monitor, check_at=check_at)

        assert passes.sweep_all(database, now=at("10:04")) == Changed()
        assert passes.next_check_at(database) == at("10:05")


class TestSweep:
    def test_an_ordinary_set_of_monitors_is_not_written_to(self, database: Database) -> None:
        made = [make(database, "waiting"), make_up(database, "up"), make_down(database, "down")]

        assert passes.sweep_all(database, now=at("10:03")) == Changed()
        assert [again(database, each) for each in made] == made

    def test_it_finds_silence_that_no_deadline_told_of(self, database: Database) -> None:
        monitor = make_up(database, webhook_url=HOOK)
        set_by_hand(database, monitor, due_at=None)

        assert passes.sweep_all(database, now=at("10:07")) == Changed(1, 1)
        assert transitions(database, monitor)[-1].note == "The full sweep corrected the status."

    def test_it_gives_a_lost_deadline_back(self, database: Database) -> None:
        monitor = make_up(database)
        set_by_hand(database, monitor, due_at=None)

        assert passes.sweep_all(database, now=at("10:01")) == Changed()
        assert again(database, monitor).due_at == at("10:05")

    def test_an_interval_edited_by_hand_moves_the_deadline_and_heals_silence(self, database: Database) -> None:
        up, down = make_up(database, "up"), make_up(database, "down", webhook_url=HOOK)
        expire(database, "10:06")
        record(database, a_ping(up, at("10:06")))
        for each in (up, down):
            set_by_hand(database, each, interval_seconds=3_600)

        assert passes.sweep_all(database, now=at("10:10")) == Changed(1, 1)
        assert (again(database, up).due_at, again(database, down).due_at) == (at("11:07"), at("11:01"))
        assert history(database, down)[-1] == (3, "DOWN", "UP")

    def test_it_never_makes_a_failed_monitor_up(self, database: Database) -> None:
        monitor = make_down(database)
        set_by_hand(database, monitor, interval_seconds=100_000)

        assert passes.sweep_all(database, now=at("10:01")) == Changed()
        assert again(database, monitor).status == "DOWN"

    @pytest.mark.parametrize("now", ["09:00", "10:03"])
    def test_a_clock_that_was_set_back_heals_nothing(self, database: Database, now: str) -> None:
        """DOWN since 10:05: neither before the last ping nor between it and the deadline does anything happen."""
        monitor = make_up(database, webhook_url=HOOK)
        expire(database, "10:05:30")
        before = again(database, monitor)

        assert passes.sweep_all(database, now=at(now)) == Changed()
        assert again(database, monitor) == before

    def test_after_a_step_back_silence_is_noticed_within_a_full_period(self, database: Database) -> None:
        monitor = make_up(database, last_ping=at("12:00"))

        passes.bound_deadlines(database, now=at("11:00"))
        passes.sweep_all(database, now=at("11:01"))

        assert again(database, monitor).due_at == at("11:05")
        assert expire(database, "11:05:01").transition_count == 1

    def test_it_walks_over_all_monitors_however_many(self, database: Database) -> None:
        made = [make_up(database, f"m{number}") for number in range(3)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passes, "CHUNK", 1)
            assert passes.sweep_all(database, now=at("11:00")).transition_count == 3

        assert {again(database, each).status for each in made} == {"DOWN"}


class TestBlindWindows:
    WINDOW = BlindWindow(at("10:03"), at("10:20"))

    def excuse(self, database: Database, window: BlindWindow = WINDOW) -> None:
        passes.excuse_blindness(database, [(window, "restart")], now=window.ended_at)

    def test_deadlines_move_and_the_window_is_kept_with_its_cause(self, database: Database) -> None:
        monitor = make_up(database)

        self.excuse(database)

        now = again(database, monitor)
        assert (now.status, now.due_at, now.blind_due_at) == ("UP", at("10:25"), at("10:05"))
        assert blind_windows(database) == [(at("10:03"), at("10:20"), "restart")]

    def test_the_same_window_again_moves_nothing_more(self, database: Database) -> None:
        monitor = make_up(database)

        self.excuse(database)
        once = again(database, monitor)
        self.excuse(database)

        assert again(database, monitor) == once

    def test_several_windows_in_one_pass(self, database: Database) -> None:
        monitor = make_up(database)
        later = BlindWindow(at("10:22"), at("10:30"))

        passes.excuse_blindness(database, [(self.WINDOW, "stall"), (later, "database")], now=at("10:30"))

        assert again(database, monitor).due_at == at("10:35")
        assert [cause for *_, cause in blind_windows(database)] == ["stall", "database"]

    def test_a_dead_monitor_is_down_however_often_nobody_watched(self, database: Database) -> None:
        """Each restart had added a whole period anew: with one every four minutes it was UP for ever."""
        monitor = make_up(database, webhook_url=HOOK)
        alive = make_up(database, "alive")

        for minute in range(3, 40, 4):
            window = BlindWindow(at(f"10:{minute:02}"), at(f"10:{minute:02}:30"))
            if minute == 7:
                record(database, a_ping(alive, at("10:05")))
            if minute > 7:
                record(database, a_ping(alive, window.started_at - seconds(30)))
            expire(database, f"10:{minute:02}")
            self.excuse(database, window)

        last = transitions(database, monitor)[-1]
        # Ten minutes in which somebody watched, and the two windows of half a minute that began before they were over.
        assert (last.new_status, last.occurred_at) == ("DOWN", at("10:11"))
        assert last.note.endswith(
            "PulseMon was blind 2 times since the last ping: several pings in a row may have been lost."
        )
        assert unseen_spans(database, monitor) == [(at("10:05"), at("10:11"))]
        assert again(database, alive).status == "UP"

    def test_windows_are_read_once_for_all_monitors_that_need_them(self, database: Database) -> None:
        for number in range(12):
            make_up(database, f"m{number}")
        self.excuse(database, BlindWindow(at("10:01"), at("10:02")))

        with recorded_statements() as statements, pytest.MonkeyPatch.context() as patch:
            patch.setattr(passes, "CHUNK", 4)
            self.excuse(database)

        assert len([each for each in statements if "SELECT blind_windows.started_at" in each]) == 1

    def test_nobody_is_told_and_nothing_is_history(self, database: Database) -> None:
        monitor = make_up(database, webhook_url=HOOK)

        self.excuse(database)
        expire(database, "10:24")

        assert history(database, monitor) == [(1, "UNKNOWN", "UP")]
        assert deliveries(database) == []

    def test_a_monitor_that_really_died_is_down_and_its_note_says_what_may_have_been(self, database: Database) -> None:
        monitor = make_up(database, webhook_url=HOOK)
        self.excuse(database)

        expire(database, "10:26")

        last = transitions(database, monitor)[-1]
        assert last.occurred_at == at("10:25")
        assert last.note.endswith("PulseMon was blind when one was due: a ping may have been lost.")
        assert unseen_spans(database, monitor) == [(at("10:05"), at("10:25"))]
        assert len(deliveries(database)) == 1

    def test_a_pause_ends_the_unseen_time(self, database: Database) -> None:
        monitor = make_up(database)
        self.excuse(database)

        monitors.pause(database, monitors.by_id(monitor.id), now=at("10:21"))

        assert unseen_spans(database, monitor) == [(at("10:05"), at("10:21"))]

    def test_the_deadlines_come_before_the_record_so_that_a_death_between_them_loses_nothing(
        self, database: Database
    ) -> None:
        """Where the record cannot be written, the deadlines have moved; the next start finds the window again."""
        monitor = make_up(database)
        with pytest.raises(Exception, match=r"(?i)too long|value|cause"):
            passes.excuse_blindness(database, [(self.WINDOW, None)], now=at("10:20"))  # type: ignore[list-item]

        assert again(database, monitor).due_at == at("10:25")
        assert blind_windows(database) == []

    @pytest.mark.parametrize(
        ("started_at", "cause", "rows"),
        [
            ("10:05", "refused", [("10:00", "10:09", "refused")]),
            ("10:03", "refused", [("10:00", "10:09", "refused")]),
            ("10:05", "stall", [("10:00", "10:05", "refused"), ("10:05", "10:09", "stall")]),
            ("10:06", "refused", [("10:00", "10:05", "refused"), ("10:06", "10:09", "refused")]),
            ("09:59", "refused", [("10:00", "10:05", "refused"), ("09:59", "10:09", "refused")]),
        ],
    )
    def test_a_window_that_goes_on_is_one_row(
        self, database: Database, started_at: str, cause: str, rows: list[tuple[str, str, str]]
    ) -> None:
        passes.excuse_blindness(database, [(BlindWindow(at("10:00"), at("10:05")), "refused")], now=at("10:05"))
        passes.excuse_blindness(database, [(BlindWindow(at(started_at), at("10:09")), cause)], now=at("10:09"))

        assert blind_windows(database) == [(at(since), at(until), why) for since, until, why in rows]


class TestHeartbeat:
    def test_the_newest_of_all_nodes_counts(self, database: Database) -> None:
        assert passes.last_heartbeat(database) is None
        passes.beat(database, "one", now=at("10:00:01"))
        passes.beat(database, "other", now=at("10:00:02"))
        passes.beat(database, "one", now=at("10:00:03"))

        assert passes.last_heartbeat(database) == at("10:00:03")
        assert sorted(row.name for row in rows(database, Node)) == ["one", "other"]

    def test_a_node_that_is_gone_is_forgotten_when_another_starts(self, database: Database) -> None:
        passes.beat(database, "gone", now=START)
        passes.beat(database, "new", now=START + timedelta(days=1, seconds=1))

        assert [row.name for row in rows(database, Node)] == ["new"]

    def test_a_start_finds_the_time_in_which_nobody_ran(self) -> None:
        window = BlindWindow(at("10:00"), at("10:02"))

        assert passes.blind_since_last_heartbeat(at("10:00"), now=at("10:02"), is_alone=True) == window

    def test_the_first_start_of_all_was_not_blind(self) -> None:
        assert passes.blind_since_last_heartbeat(None, now=START, is_alone=True) is None

    def test_where_another_node_was_there_nothing_was_missed_and_alone_even_a_moment_was(self) -> None:
        just_now = START - MICROSECOND

        assert passes.blind_since_last_heartbeat(just_now, now=START, is_alone=False) is None
        assert passes.blind_since_last_heartbeat(just_now, now=START, is_alone=True) is not None

    def test_a_heartbeat_ahead_of_the_clock_is_no_window(self) -> None:
        assert passes.blind_since_last_heartbeat(at("11:00"), now=at("10:00"), is_alone=True) is None


def test_a_ping_that_commits_first_wins(database: Database) -> None:
    monitor = make_up(database)
    pings.record_pings(database, [a_ping(monitor, at("10:04:59"))])

    assert expire(database, "10:05:01") == Changed()
    assert again(database, monitor).status == "UP"


def test_history_stays_whole_when_somebody_wrote_into_it(database: Database) -> None:
    """The number of a transition is taken twice by nobody: the second writer is refused as a whole."""
    monitor = make_up(database)
    with database.write() as connection:
        connection.execute(update(Monitor).where(Monitor.id == monitor.id).values(state_seq=0))

    with pytest.raises(Exception, match=r"(?i)unique"):
        expire(database, "10:06")

    assert again(database, monitor).status == "UP"
    assert history(database, monitor) == [(1, "UNKNOWN", "UP")]
