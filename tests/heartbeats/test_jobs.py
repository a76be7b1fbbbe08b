"""Jobs as they run, through the ping lane and the database: runs, durations, thresholds, rules, schedules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulsemon.core.open_runs import Run
from pulsemon.core.rules import NO_RULES, Rules
from pulsemon.core.status import Cause, Signal, Status
from pulsemon.db import Database, packed
from pulsemon.deadlines import passes
from pulsemon.errors import Conflict, Invalid
from pulsemon.heartbeats.pings import Answer
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import a_ping, again, history, make, make_up, record, seconds, set_by_hand, stored, transitions
from tests.conftest import at

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def send(database: Database, monitor: View, when: str, signal: Signal = Signal.SUCCESS, **fields: Any) -> Answer:
    [answer] = record(database, a_ping(monitor, at(when), signal, **fields))
    return answer


def expire(database: Database, when: str) -> int:
    return passes.expire_due(database, now=at(when), recorded_at=at(when)).transition_count


class TestRuns:
    def test_overlapping_runs_are_each_watched_and_each_has_its_duration(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=1_800)
        send(database, monitor, "10:00", Signal.START, rid=A)
        send(database, monitor, "10:10", Signal.START, rid=B)
        assert again(database, monitor).open_runs == (
            Run(A, at("10:00"), at("10:30")),
            Run(B, at("10:10"), at("10:40")),
        )

        send(database, monitor, "10:20:00.250", Signal.SUCCESS, rid=A)

        assert again(database, monitor).due_at == at("10:40")
        assert expire(database, "10:41") == 1
        [down] = [each for each in transitions(database, monitor) if each.new_status == "DOWN"]
        assert (down.cause, down.occurred_at) == (Cause.RUN_LIMIT, at("10:40"))
        assert [row.duration_ms for row in stored(database, monitor)][-1] == 1_200_250

    def test_the_end_of_a_run_that_was_told_and_forgotten_still_has_its_duration(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=60)
        send(database, monitor, "10:00", Signal.START, rid=A)
        expire(database, "10:02")
        send(database, monitor, "10:05", Signal.START, rid=B)

        send(database, monitor, "10:06", Signal.FAIL, rid=A, exit_status=2)

        assert stored(database, monitor)[-1].duration_ms == 6 * 60_000

    def test_an_end_without_a_start_is_a_success_like_any_other(self, database: Database) -> None:
        monitor = make(database)

        assert send(database, monitor, "10:00", Signal.SUCCESS, rid=A, exit_status=0) is Answer.STORED

        assert again(database, monitor).status is Status.UP
        assert stored(database, monitor)[-1].duration_ms is None

    def test_one_batch_may_hold_a_whole_run(self, database: Database) -> None:
        monitor = make(database)
        record(
            database,
            a_ping(monitor, at("10:00"), Signal.START),
            a_ping(monitor, at("10:00:03"), Signal.SUCCESS),
        )

        assert [row.duration_ms for row in stored(database, monitor)] == [None, 3_000]
        assert again(database, monitor).open_runs == ()

    def test_sixty_at_once_are_fifty_watched_and_sixty_durations(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=1_800)
        rids = [f"00000000-0000-4000-8000-{number:012d}" for number in range(60)]
        record(database, *(a_ping(monitor, at("10:01"), Signal.START, rid=rid) for rid in rids))
        assert len(again(database, monitor).open_runs) == 50

        for half in (rids[:30], rids[30:]):
            record(database, *(a_ping(monitor, at("10:02"), rid=rid) for rid in half))

        assert again(database, monitor).open_runs == ()
        assert [row.duration_ms for row in stored(database, monitor)][-60:] == [60_000] * 60

    def test_a_start_that_its_own_end_overtook_on_another_node_opens_nothing(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=60)
        send(database, monitor, "10:01:02", rid=A)

        send(database, monitor, "10:01:00", Signal.START, rid=A)

        assert again(database, monitor).open_runs == ()
        assert expire(database, "10:10") == 0

    def test_the_same_rid_started_again_after_its_end_is_another_run(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=60)
        send(database, monitor, "10:01:02", rid=A)

        send(database, monitor, "10:01:03", Signal.START, rid=A)

        assert [run.rid for run in again(database, monitor).open_runs] == [A]

    @pytest.mark.parametrize("in_one_batch", [True, False])
    def test_starts_and_ends_that_are_sent_twice_count_once(self, database: Database, in_one_batch: bool) -> None:
        monitor = make_up(database, interval_seconds=3_600, failures_to_down=2)
        pings = [
            a_ping(monitor, at("10:01"), Signal.START, rid=A),
            a_ping(monitor, at("10:01:05"), Signal.START, rid=A),
            a_ping(monitor, at("10:02"), Signal.FAIL, rid=A, exit_status=1),
            a_ping(monitor, at("10:02:05"), Signal.FAIL, rid=A, exit_status=1),
        ]
        for batch in [pings] if in_one_batch else [[ping] for ping in pings]:
            record(database, *batch)

        assert [row.outcome for row in stored(database, monitor)][1:] == ["counted", "repeat", "counted", "repeat"]
        assert again(database, monitor).status is Status.UP
        assert again(database, monitor).contrary_count == 1

    def test_a_paused_monitor_opens_no_run_and_forgets_those_that_are_open(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=86_400, max_run_seconds=60)
        which = monitors.by_id(monitor.id)
        send(database, monitor, "10:01", Signal.START, rid=A)
        monitors.pause(database, which, now=at("10:01:30"))
        send(database, monitor, "10:01:40", Signal.START, rid=B)
        monitors.resume(database, which, now=at("10:01:50"))

        assert again(database, monitor).open_runs == ()
        assert expire(database, "10:10") == 0
        send(database, monitor, "10:11", rid=A)
        assert stored(database, monitor)[-1].duration_ms == 600_000

    def test_runs_that_a_hand_edit_made_unreadable_stop_nobody(self, database: Database) -> None:
        monitor, other = make_up(database), make_up(database, "other")
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE monitors SET open_runs = '{', rules = '[', schedule = 'soon'")

        assert send(database, monitor, "10:01") is Answer.STORED
        assert expire(database, "11:00") == 1, "what was due before; what says nothing asks for nothing"
        assert again(database, other).status is Status.DOWN
        assert again(database, monitor).status is Status.UP


class TestHowManyInARow:
    def test_the_count_survives_the_database_and_the_note_tells_it(self, database: Database) -> None:
        monitor = make_up(database, failures_to_down=3)
        for minute in (1, 2):
            send(database, monitor, f"10:0{minute}", Signal.FAIL, exit_status=7)
        assert again(database, monitor).contrary_count == 2
        assert again(database, monitor).status is Status.UP

        send(database, monitor, "10:03", Signal.FAIL, exit_status=7)

        assert history(database, monitor)[-1] == (2, "UP", "DOWN")
        assert transitions(database, monitor)[-1].note == (
            "The job ended with exit status 7. It was number 3 in a row."
        )


class TestRules:
    def test_only_post_counts_where_that_was_asked(self, database: Database) -> None:
        monitor = make(database, rules=Rules(is_post_only=True))

        assert send(database, monitor, "10:00", method="GET") is Answer.IGNORED
        assert again(database, monitor).last_ping is None
        assert send(database, monitor, "10:01", method="POST") is Answer.STORED
        assert again(database, monitor).status is Status.UP
        assert [row.outcome for row in stored(database, monitor)] == ["method", "counted"]

    def test_a_word_in_the_body_decides(self, database: Database) -> None:
        monitor = make_up(database, rules=Rules(success_keywords=("DONE",), failure_keywords=("ERROR",)))

        send(database, monitor, "10:01", method="POST", body=b"halfway")
        assert again(database, monitor).last_ping is None
        send(database, monitor, "10:02", method="POST", body=b"DONE")
        assert again(database, monitor).status is Status.UP
        send(database, monitor, "10:03", method="POST", body="ERROR: não".encode())
        assert again(database, monitor).status is Status.DOWN
        assert [(row.signal, row.outcome) for row in stored(database, monitor)][1:] == [
            ("success", "unmatched"),
            ("success", "counted"),
            ("fail", "counted"),
        ]

    def test_a_word_that_means_failure_is_the_cause_and_not_the_exit_status(self, database: Database) -> None:
        monitor = make_up(database, rules=Rules(failure_keywords=("ERROR",)))

        send(database, monitor, "10:01", method="POST", body=b"1 ERROR", exit_status=0)

        assert transitions(database, monitor)[-1].note == "The job's output holds a word that means failure."

    def test_a_start_by_a_word_that_is_sent_twice_counts_once(self, database: Database) -> None:
        monitor = make(database, rules=Rules(start_keywords=("GO",)))
        for second in (0, 5):
            send(database, monitor, f"10:00:0{second}", method="POST", body=b"GO", rid=A)

        assert [row.outcome for row in stored(database, monitor)] == ["counted", "repeat"]

    def test_a_ping_that_comes_too_early_is_flagged_and_counts(self, database: Database) -> None:
        monitor = make_up(database, rules=Rules(min_gap=seconds(120)))

        send(database, monitor, "10:01")
        send(database, monitor, "10:04")

        assert [row.flag for row in stored(database, monitor)] == [None, "early", None]
        assert again(database, monitor).last_ping == at("10:04")

    def test_an_edit_changes_the_rules_it_names(self, database: Database) -> None:
        monitor = make(database, rules=Rules(is_post_only=True, success_keywords=("ok",)))

        edited = monitors.edit(
            database, monitors.by_id(monitor.id), {"rules": {"failure_keywords": ("no",)}}, now=at("10:00")
        )

        assert edited.rules == Rules(is_post_only=True, success_keywords=("ok",), failure_keywords=("no",))

    @pytest.mark.parametrize(
        "text", ["[", "[]", "null", '"x"', '{"success": 5}', '{"min_gap": "x"}', '{"min_gap": 1e99}']
    )
    def test_rules_that_cannot_be_read_are_none(self, text: str) -> None:
        assert packed.unpack_rules(text) == NO_RULES

    @pytest.mark.parametrize(
        "text", ["null", "5", "{}", "[5]", '["abcd"]', '[["a"]]', "[[[], [], [], 0]]", '[["a", "now", "then", true]]']
    )
    def test_runs_that_cannot_be_read_are_none(self, text: str) -> None:
        assert packed.unpack_runs(text) == ()

    def test_rules_and_runs_survive_the_column(self) -> None:
        rules = Rules(True, ("ok", "é"), ("no",), ("go",), seconds(5))
        runs = (Run("", at("10:00"), at("10:30")), Run(A, at("10:01"), at("10:31"), is_overdue=True))

        assert packed.unpack_rules(packed.pack_rules(rules)) == rules
        assert packed.unpack_runs(packed.pack_runs(runs)) == runs
        assert packed.pack_rules(NO_RULES) is None
        assert "é" in str(packed.pack_rules(rules))
        assert json.loads(packed.pack_rules(Rules(is_post_only=True)) or "") == {"post_only": True}


class TestSchedule:
    def test_the_next_firing_is_expected(self, database: Database) -> None:
        monitor = make(database, interval_seconds=None, schedule="30 2 * * *", timezone="America/Sao_Paulo")
        assert monitor.interval_seconds == 86_400

        send(database, monitor, "10:00")

        view = again(database, monitor)
        assert view.next_expected_at == at("05:30") + seconds(86_400)
        assert view.due_at == at("05:31") + seconds(86_400)

    def test_silence_past_a_firing_says_so(self, database: Database) -> None:
        monitor = make(database, interval_seconds=None, schedule="*/5 * * * *")
        send(database, monitor, "10:01")

        assert expire(database, "10:07") == 1

        assert transitions(database, monitor)[-1].note == (
            "No ping at the time that the schedule expects, nor within the grace of 1 min."
        )

    def test_a_new_schedule_alerts_nobody_for_the_past(self, database: Database) -> None:
        monitor = make_up(database, interval_seconds=7 * 86_400)
        when = at("12:00") + seconds(3 * 86_400)

        edited = monitors.edit(database, monitors.by_id(monitor.id), {"schedule": "0 3 * * *"}, now=when)

        assert (edited.status, edited.due_at) == (Status.UP, at("03:01") + seconds(4 * 86_400))
        swept = passes.sweep_all(database, now=when + seconds(3_600))
        assert (swept.transition_count, again(database, monitor).due_at) == (0, edited.due_at)

    def test_back_to_the_interval(self, database: Database) -> None:
        monitor = make(database, interval_seconds=None, schedule="@hourly")
        which = monitors.by_id(monitor.id)
        send(database, monitor, "10:05")

        with pytest.raises(Conflict, match="schedule null"):
            monitors.edit(database, which, {"interval_seconds": 60}, now=at("10:06"))
        edited = monitors.edit(database, which, {"schedule": None, "interval_seconds": 600}, now=at("10:06"))

        assert (edited.schedule, edited.due_at) == (None, at("10:17"))

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"schedule": "0 0 30 2 *"}, "schedule", "schedule-never"),
            ({"schedule": "61 * * * *"}, "schedule", "schedule-minute"),
            ({"schedule": "2020-01-01 00:00"}, "schedule", "schedule-never"),
            ({"schedule": "@daily", "timezone": "Mars/Olympus"}, "timezone", "timezone"),
        ],
    )
    def test_what_cannot_be_used_is_refused_at_its_field_and_changes_nothing(
        self, database: Database, fields: dict[str, str], field: str, code: str
    ) -> None:
        monitor = make(database)

        with pytest.raises(Invalid) as refused:
            monitors.edit(database, monitors.by_id(monitor.id), fields, now=at("10:00"))

        assert [(each.field, each.code) for each in refused.value.problems] == [(field, code)]
        assert again(database, monitor) == monitor

    def test_a_zone_that_is_gone_makes_no_ping_due_sooner_than_any_zone_would(self, database: Database) -> None:
        monitor = make(database, interval_seconds=None, schedule="@hourly")
        set_by_hand(database, monitor, timezone="Gone/Zone")

        assert send(database, monitor, "10:05") is Answer.STORED
        assert again(database, monitor).due_at == at("11:01"), "no zone's hour ends later"
