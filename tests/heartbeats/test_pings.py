"""Recording pings, on both databases: who is admitted, what counts, and what is written with it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsemon.core.rules import Outcome
from pulsemon.core.status import BlindWindow, Signal, Status
from pulsemon.db import Database, ping_rows
from pulsemon.db.ping_rows import MonitorUpdate
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.deadlines import passes
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.pings import Answer, record_pings
from pulsemon.monitors import manage as monitors
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
    record_batch,
    rows,
    seconds,
    set_by_hand,
    stored,
    transitions,
    unseen_spans,
)
from tests.conftest import at

RID = "11111111-2222-3333-4444-555555555555"
OTHER_RID = str(uuid.UUID(int=7))


def outcomes(found: Sequence[Any]) -> list[tuple[str, str]]:
    return [(row.signal, row.outcome) for row in found]


class TestAdmission:
    def test_the_first_success_is_up_with_a_deadline(self, database: Database) -> None:
        monitor = make(database)

        assert record(database, a_ping(monitor, at("10:01"))) == [Answer.STORED]

        now = again(database, monitor)
        assert (now.status, now.last_ping, now.due_at) == ("UP", at("10:01"), at("10:06"))
        assert history(database, monitor) == [(1, "UNKNOWN", "UP")]

    def test_unknown_slug_and_wrong_token_get_one_answer_and_leave_nothing(self, database: Database) -> None:
        monitor = make(database)

        answers = record(
            database,
            a_ping(monitor, START, slug="nobody"),
            a_ping(monitor, START, token="x" * 32),
            a_ping(monitor, START, token=monitor.token[:-1]),
            a_ping(monitor, START, token=""),
        )

        assert answers == [Answer.UNKNOWN] * 4
        assert (rows(database, Ping), again(database, monitor)) == ([], monitor)

    def test_where_nothing_matched_nothing_is_written(self, database: Database) -> None:
        make(database)
        version = _write_version(database)

        batch = record_pings(database, [a_ping(make_stranger(), START)])

        assert batch.answers == [Answer.UNKNOWN]
        assert _write_version(database) == version
        record(database, a_ping(make(database, "control"), START))
        assert _write_version(database) != version

    def test_strangers_in_a_batch_change_nothing_for_the_others(self, database: Database) -> None:
        one, other = make(database, "one"), make(database, "other")

        answers = record(
            database,
            a_ping(one, START),
            a_ping(one, START, token="wrong"),
            a_ping(other, START),
            a_ping(make_stranger(), START),
        )

        assert answers == [Answer.STORED, Answer.UNKNOWN, Answer.STORED, Answer.UNKNOWN]
        assert (len(stored(database, one)), len(stored(database, other))) == (1, 1)

    def test_slugs_and_tokens_are_compared_exactly(self, database: Database) -> None:
        monitor = make(database, "Job")

        assert record(database, a_ping(monitor, START, slug="job")) == [Answer.UNKNOWN]
        assert record(database, a_ping(monitor, START, token=monitor.token.swapcase())) == [Answer.UNKNOWN]

    @pytest.mark.parametrize("slug", ["cópia noturna", "a/b", "\U0001f4be", 'quo"te', "back\\slash", "'; --", "%s%%"])
    def test_slugs_of_an_old_database_ping_whatever_they_hold(self, database: Database, slug: str) -> None:
        monitor = make(database, "job")
        set_by_hand(database, monitor, slug=slug)

        assert record(database, a_ping(monitor, START, slug=slug)) == [Answer.STORED]

    def test_a_rotated_token_is_unknown_from_that_moment(self, database: Database) -> None:
        monitor = make(database)
        new = monitors.rotate_token(database, monitors.by_id(monitor.id), now=START)

        assert record(database, a_ping(monitor, START), a_ping(new, START)) == [Answer.UNKNOWN, Answer.STORED]

    def test_a_batch_of_nothing_is_nothing(self, database: Database) -> None:
        assert record_pings(database, []).answers == []


def make_stranger() -> View:
    """A monitor that no database holds."""
    return View(
        id=0,
        name="n",
        slug="stranger",
        interval_seconds=1,
        grace_seconds=0,
        status=Status.UNKNOWN,
        last_ping=None,
        webhook_url=None,
        token="t",
        due_at=None,
        webhook_secret=None,
        created_at=START,
        updated_at=START,
        max_run_seconds=None,
        webhook_switched_off_at=None,
        blind_due_at=None,
        ping_count=0,
        project_id=1,
    )


def _write_version(database: Database) -> Any:
    """A value that moves with every transaction that wrote something."""
    with database.read() as connection:
        if database.is_sqlite:
            path = connection.exec_driver_sql("PRAGMA database_list").first()
            assert path is not None
            return Path(f"{path[2]}-wal").stat().st_size
        return connection.exec_driver_sql("SELECT pg_snapshot_xmax(pg_current_snapshot())").scalar()


def _many(database: Database, name: str, size: int) -> list[View]:
    """Make *size* monitors of *name*; three of four have pinged before, so that their look need not be filed anew."""
    monitors = [make(database, f"{name}-{number}") for number in range(size)]
    record(database, *(a_ping(monitor, START) for number, monitor in enumerate(monitors) if number % 4))
    return monitors


def _its_ping(monitor: View, number: int) -> pings.Ping:
    """Return a ping that is like no other's."""
    signal = [Signal.SUCCESS, Signal.FAIL, Signal.START, Signal.LOG][number // 4 % 4]
    return a_ping(
        monitor, START + timedelta(seconds=10 + number), signal, exit_status=number, user_agent=f"job {number}"
    )


def _what_is_stored(database: Database, monitors: Sequence[View]) -> list[tuple[Any, ...]]:
    """Return the row of each monitor and those of its pings, without what names the monitor."""
    apart = {"id", "slug", "name", "token", "last_ping_id", "monitor_id", "prev_id"}
    found = []
    for monitor in monitors:
        lines = [*rows(database, Monitor, Monitor.id == monitor.id), *stored(database, monitor)]
        found.append(tuple(tuple(v for k, v in line._mapping.items() if k not in apart) for line in lines))
    return found


def _plan(database: Database, statement: str, width: int) -> str:
    with database.read() as connection:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * width)
        return "\n".join(str(row.detail) for row in found)


class TestBatch:
    def test_several_pings_of_one_monitor_are_applied_in_their_order(self, database: Database) -> None:
        monitor = make(database)

        batch = record_batch(
            database,
            a_ping(monitor, at("10:00")),
            a_ping(monitor, at("10:00:01"), Signal.FAIL),
            a_ping(monitor, at("10:00:02")),
            a_ping(monitor, at("10:00:03"), Signal.LOG),
        )

        assert batch.answers == [Answer.STORED] * 4
        assert history(database, monitor) == [(1, "UNKNOWN", "UP"), (2, "UP", "DOWN"), (3, "DOWN", "UP")]
        now = again(database, monitor)
        assert (now.status, now.last_ping, now.ping_count) == ("UP", at("10:00:02"), 4)
        assert batch.transition_count == 3

    def test_the_chain_of_pings_is_whole_and_numbered(self, database: Database) -> None:
        one, other = make(database, "one"), make(database, "other")
        for minute in range(3):
            record(
                database,
                *(a_ping(each, at(f"10:0{minute}:0{second}")) for second in range(3) for each in (one, other)),
            )

        for monitor in (one, other):
            found = stored(database, monitor)
            assert [row.number for row in found] == list(range(1, 10))
            assert [row.prev_id for row in found] == [None, *(row.id for row in found[:-1])]
            with database.read() as connection:
                newest = connection.exec_driver_sql(f"SELECT last_ping_id FROM monitors WHERE id = {monitor.id}")
                assert newest.scalar() == found[-1].id

    @pytest.mark.parametrize("size", [1, 3, 21, 90])
    def test_many_monitors_in_one_batch_are_stored_as_if_each_had_come_alone(
        self, database: Database, size: int
    ) -> None:
        """On SQLite a statement takes 64 rows, 16, 4 or one: none is left out, and none gets what is another's."""
        together, alone = (_many(database, name, size) for name in ("together", "alone"))

        answers = record(database, *map(_its_ping, together, range(size)))
        for number, monitor in enumerate(alone):
            record(database, _its_ping(monitor, number))

        assert answers == [Answer.STORED] * size
        seen, wanted = _what_is_stored(database, together), _what_is_stored(database, alone)
        assert seen == wanted
        assert len(set(seen)) == size  # else one could stand in the place of another, and nobody would see it

    def test_on_sqlite_the_monitors_of_a_batch_are_found_by_their_ids(self, migrated_sqlite_url: str) -> None:
        """Also where SQLite knows how few monitors there are (ANALYZE): it decides anew for each table it makes."""
        with closing(Database.open(migrated_sqlite_url)) as database:
            _many(database, "job", 20)
            with database.write() as connection:
                connection.exec_driver_sql("ANALYZE")
            plans = [
                _plan(database, statement, len(MonitorUpdate._fields) * size)
                for statements in (ping_rows._UPDATE_SQLITE, ping_rows._UPDATE_AND_FILE_SQLITE)
                for size, statement in statements.items()
            ]

        assert len(plans) == 8
        assert [plan for plan in plans if "SEARCH monitors USING INTEGER PRIMARY KEY" not in plan] == []

    def test_everything_that_came_with_a_ping_is_kept(self, database: Database) -> None:
        monitor = make(database)
        body = b"\x00NUL, \xff\xfe no UTF-8, \xf0\x9f half a character"

        record(
            database,
            a_ping(
                monitor,
                at("10:00:00.123456"),
                Signal.FAIL,
                method="POST",
                exit_status=3,
                rid=RID,
                remote_addr="2001:db8::1",
                user_agent="curl/8 ☂",
                body=body,
            ),
        )

        (row,) = stored(database, monitor)
        assert (row.received_at, row.signal, row.exit_status) == (at("10:00:00.123456"), "fail", 3)
        assert (row.method, row.rid, row.remote_addr, row.user_agent) == ("POST", RID, "2001:db8::1", "curl/8 ☂")
        assert bytes(row.body) == body
        assert row.outcome == "counted"

    def test_what_others_must_be_woken_for_is_told(self, database: Database) -> None:
        soon = make(database, "soon", interval_seconds=10, grace_seconds=0, webhook_url=HOOK)
        later = make(database, "later")
        down = make_down(database, "down", webhook_url=HOOK)
        owed = len(deliveries(database))

        batch = record_batch(database, a_ping(later, START), a_ping(soon, START), a_ping(down, START))

        assert batch.earliest_due_at == at("10:00:10")
        assert (batch.transition_count, batch.message_count) == (3, 1)
        assert len(deliveries(database)) == owed + 1

    def test_a_ping_does_not_touch_updated_at(self, database: Database) -> None:
        monitor = make(database)

        record(database, a_ping(monitor, at("10:30")))

        assert again(database, monitor).updated_at == START


class TestTransitions:
    def test_a_recovery_is_in_the_history_and_told_with_the_ping_that_brought_it(self, database: Database) -> None:
        monitor = make_down(database, webhook_url=HOOK)

        record(database, a_ping(monitor, at("10:02:03.700")))

        last = transitions(database, monitor)[-1]
        assert (last.seq, last.prev_status, last.new_status, last.cause) == (2, "DOWN", "UP", "ping")
        assert (last.occurred_at, last.note, last.slug) == (at("10:02:03.700"), "A ping arrived.", "job")
        down, up = deliveries(database)
        assert (down.seq, up.seq) == (1, 2)
        assert '"last_ping": "2026-03-02T10:02:03Z"' in up.payload
        assert '"status": "UP"' in up.payload

    def test_a_failure_notes_its_exit_status(self, database: Database) -> None:
        monitor = make_up(database)

        record(database, a_ping(monitor, at("10:01"), Signal.FAIL, exit_status=42))

        assert transitions(database, monitor)[-1].note == "The job ended with exit status 42."

    def test_the_first_ping_is_told_to_nobody(self, database: Database) -> None:
        make_up(database, webhook_url=HOOK)

        assert deliveries(database) == []

    def test_without_a_webhook_nothing_is_owed(self, database: Database) -> None:
        make_down(database)

        assert deliveries(database) == []

    def test_if_the_history_cannot_be_written_neither_is_the_ping(self, database: Database) -> None:
        """One transaction: a history row that stands in the way takes the ping and the new state with it."""
        monitor = make_up(database, webhook_url=HOOK)
        with database.write() as connection:
            connection.execute(
                History.__table__.insert(),
                [
                    {
                        "slug": "job",
                        "prev_status": "UP",
                        "new_status": "DOWN",
                        "created_at": START,
                        "monitor_id": monitor.id,
                        "seq": 2,
                        "occurred_at": START,
                    }
                ],
            )
        before = again(database, monitor)

        with pytest.raises(Exception, match=r"(?i)unique"):
            record(database, a_ping(monitor, at("10:01"), Signal.FAIL))

        assert again(database, monitor) == before
        assert (len(stored(database, monitor)), deliveries(database)) == (1, [])

    def test_the_time_of_blindness_ends_with_the_ping(self, database: Database) -> None:
        monitor = make_up(database)
        passes.excuse_blindness(database, [(BlindWindow(at("10:04"), at("10:20")), "restart")], now=at("10:20"))

        record(database, a_ping(monitor, at("10:21")))

        assert unseen_spans(database, monitor) == [(at("10:05"), at("10:21"))]
        assert again(database, monitor).blind_due_at is None
        assert history(database, monitor) == [(1, "UNKNOWN", "UP")]


class TestPaused:
    def test_a_paused_monitor_keeps_its_pings_and_stays_paused(self, database: Database) -> None:
        monitor = make_up(database, webhook_url=HOOK)
        monitors.pause(database, monitors.by_id(monitor.id), now=at("10:01"))

        answers = record(
            database,
            a_ping(monitor, at("10:02"), Signal.FAIL),
            a_ping(monitor, at("10:03"), Signal.START),
            a_ping(monitor, at("10:04")),
        )

        assert answers == [Answer.STORED] * 3
        now = again(database, monitor)
        assert (now.status, now.last_ping, now.due_at, now.ping_count) == ("PAUSED", at("10:04"), None, 4)
        assert deliveries(database) == []


class TestPrefetch:
    def test_a_prefetch_is_kept_and_counts_for_nothing(self, database: Database) -> None:
        monitor = make_up(database)

        assert record(database, a_ping(monitor, at("10:03"), unasked=Outcome.PREFETCH)) == [Answer.STORED]

        now = again(database, monitor)
        assert (now.last_ping, now.due_at) == (monitor.last_ping, monitor.due_at)
        assert outcomes(stored(database, monitor))[-1] == ("success", "prefetch")

    def test_a_prefetch_does_not_make_the_real_ping_a_repeat(self, database: Database) -> None:
        monitor = make_up(database)

        unasked = a_ping(monitor, at("10:03"), unasked=Outcome.PREFETCH, rid=RID)
        record(database, unasked, a_ping(monitor, at("10:03"), rid=RID))

        assert [outcome for _, outcome in outcomes(stored(database, monitor))] == ["counted", "prefetch", "counted"]


class TestRepeats:
    """A client that repeats a ping whose answer it missed."""

    def send(self, database: Database, monitor: View, when: datetime, signal: Signal, **fields: Any) -> str:
        """Record one ping in a batch of its own and return how it was marked."""
        record(database, a_ping(monitor, when, signal, **{"rid": RID} | fields))
        outcome: str = stored(database, monitor)[-1].outcome
        return outcome

    def test_a_repeat_within_half_the_interval_counts_once(self, database: Database) -> None:
        monitor = make(database)

        assert self.send(database, monitor, at("10:00"), Signal.SUCCESS) == "counted"
        assert self.send(database, monitor, at("10:02"), Signal.SUCCESS) == "repeat"
        assert again(database, monitor).last_ping == at("10:00")

    def test_half_an_interval_later_it_is_another_run(self, database: Database) -> None:
        monitor = make(database)

        self.send(database, monitor, at("10:00"), Signal.SUCCESS)
        assert self.send(database, monitor, at("10:02:00.000001"), Signal.SUCCESS) == "counted"
        assert again(database, monitor).last_ping == at("10:02:00.000001")

    def test_repeats_are_measured_from_the_one_that_counted(self, database: Database) -> None:
        monitor = make(database)

        outcomes = [self.send(database, monitor, START + seconds(each), Signal.SUCCESS) for each in (0, 70, 140)]

        assert outcomes == ["counted", "repeat", "counted"]

    def test_a_day_later_it_is_another_run_however_long_the_interval(self, database: Database) -> None:
        monitor = make(database, interval_seconds=365 * 86_400)

        outcomes = [
            self.send(database, monitor, START + timedelta(hours=each), Signal.SUCCESS) for each in (0, 24, 24.001)
        ]

        assert outcomes == ["counted", "repeat", "counted"]

    def test_another_signal_of_that_rid_between_them_makes_it_new(self, database: Database) -> None:
        monitor = make(database)
        signals = [Signal.START, Signal.SUCCESS, Signal.START, Signal.START, Signal.SUCCESS]

        outcomes = [self.send(database, monitor, START + seconds(n), each) for n, each in enumerate(signals)]

        assert outcomes == ["counted", "counted", "counted", "repeat", "counted"]

    def test_a_signal_of_another_rid_between_them_does_not(self, database: Database) -> None:
        monitor = make(database)

        self.send(database, monitor, at("10:00"), Signal.SUCCESS)
        self.send(database, monitor, at("10:00:01"), Signal.FAIL, rid=OTHER_RID)
        assert self.send(database, monitor, at("10:00:02"), Signal.SUCCESS) == "repeat"
        assert again(database, monitor).status == "DOWN"

    def test_an_exit_status_is_part_of_the_signal(self, database: Database) -> None:
        monitor = make(database)

        outcomes = [
            self.send(database, monitor, START + seconds(n), Signal.FAIL, exit_status=status)
            for n, status in enumerate([None, 1, 1, 2])
        ]

        assert outcomes == ["counted", "counted", "repeat", "counted"]

    def test_the_same_rid_at_another_monitor_is_another_ping(self, database: Database) -> None:
        one, other = make(database, "one"), make(database, "other")

        self.send(database, one, at("10:00"), Signal.SUCCESS)
        assert self.send(database, other, at("10:00"), Signal.SUCCESS) == "counted"

    def test_a_repeat_in_the_same_batch_counts_once_too(self, database: Database) -> None:
        monitor = make(database)

        answers = record(
            database,
            a_ping(monitor, at("10:00"), rid=RID),
            a_ping(monitor, at("10:00:01"), rid=RID),
            a_ping(monitor, at("10:00:02"), Signal.START, rid=RID),
            a_ping(monitor, at("10:00:03"), rid=RID),
        )

        assert answers == [Answer.STORED] * 4
        assert [row.outcome for row in stored(database, monitor)] == ["counted", "repeat", "counted", "counted"]

    def test_without_a_rid_every_ping_counts(self, database: Database) -> None:
        monitor = make(database)

        record(database, a_ping(monitor, at("10:00")), a_ping(monitor, at("10:00:01")))

        assert again(database, monitor).last_ping == at("10:00:01")


def test_an_interval_of_zero_goes_on_working(database: Database) -> None:
    monitor = make(database, interval_seconds=1, grace_seconds=5)
    set_by_hand(database, monitor, interval_seconds=0)

    record(database, a_ping(monitor, at("10:00"), rid=RID))

    assert again(database, monitor).due_at == at("10:00:05")


def test_an_id_is_never_given_twice_though_the_newest_pings_are_of_a_deleted_monitor(database: Database) -> None:
    keeps, goes = make(database, "keeps"), make(database, "goes")
    record(database, a_ping(keeps, START), a_ping(goes, START))
    greatest = stored(database, goes)[-1].id
    monitors.remove(database, monitors.by_id(goes.id))

    record(database, a_ping(keeps, at("10:01")))

    assert stored(database, keeps)[-1].id > greatest
