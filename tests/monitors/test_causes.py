"""Why monitors are DOWN, on both databases: what failed and what it said, whose silence, which run did not end."""

from __future__ import annotations

import codecs
from datetime import datetime

from pulsemon.core.rules import Rules
from pulsemon.core.status import Cause, Signal
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.monitors.causes import DownCause, read_causes
from pulsemon.monitors.views import View
from tests.arrange import START, a_ping, again, make, make_down, make_up, record, seconds, set_by_hand
from tests.conftest import at
from tests.statements import recorded_statements

RID = "0b2c4c1e-4f58-4c38-9c56-2b0a8f0a7e11"


def cause_of(database: Database, monitor: View) -> DownCause:
    """Read why one monitor is DOWN."""
    return read_causes(database, [again(database, monitor)])[monitor.id]


def fail(database: Database, monitor: View, *, after: float = 10, **fields: object) -> None:
    record(database, a_ping(monitor, START + seconds(after), Signal.FAIL, **fields))


def expire(database: Database, now: datetime) -> None:
    passes.expire_due(database, now=now, recorded_at=now)


def test_a_failure_brings_its_exit_status_and_the_last_lines_it_said(database: Database) -> None:
    monitor = make_up(database)
    fail(database, monitor, exit_status=1, body="\n".join(f"linha {n}" for n in range(1, 15)).encode())

    found = cause_of(database, monitor)

    assert (found.cause, found.exit_status, found.failed_at) == (Cause.FAILURE, 1, START + seconds(10))
    assert found.output.split("\n") == [f"linha {n}" for n in range(5, 15)]
    assert (found.last_line, found.is_cut, found.output_length) == ("linha 14", True, 116)
    assert found.ping_id is not None


def test_the_newest_failure_counts_whatever_came_after_it(database: Database) -> None:
    monitor = make_up(database, successes_to_up=3)
    fail(database, monitor, after=10, exit_status=1, body=b"the first")
    fail(database, monitor, after=20, exit_status=3, rid=RID, body=b"the second")
    fail(database, monitor, after=21, exit_status=3, rid=RID, body=b"a repeat of the second")
    for number, signal in enumerate((Signal.START, Signal.LOG, Signal.SUCCESS)):
        record(database, a_ping(monitor, START + seconds(30 + number), signal, body=b"later"))

    found = cause_of(database, monitor)

    assert (found.exit_status, found.output) == (3, "the second")


def test_a_failure_too_many_pings_ago_is_told_without_its_output(database: Database) -> None:
    monitor = make_up(database)
    fail(database, monitor, exit_status=1, body=b"no space left")
    record(database, *(a_ping(monitor, START + seconds(20 + n), Signal.LOG) for n in range(60)))

    found = cause_of(database, monitor)

    assert (found.cause, found.ping_id, found.output) == (Cause.FAILURE, None, "")


def test_a_word_that_means_failure_is_told_as_one(database: Database) -> None:
    by_body = make_up(database, "by-body", rules=Rules(failure_keywords=("ERRO",)))
    by_status = make_up(database, "by-status", rules=Rules(failure_keywords=("ERRO",)))
    record(database, a_ping(by_body, START + seconds(10), method="POST", body=b"ERRO: disco"))
    record(database, a_ping(by_status, START + seconds(10), method="POST", exit_status=0, body=b"ERRO: rede"))

    assert cause_of(database, by_body).is_by_word
    assert cause_of(database, by_status).is_by_word
    assert cause_of(database, by_status).exit_status is None
    plain = make_up(database, "plain")
    fail(database, plain)
    assert not cause_of(database, plain).is_by_word


def test_silence_says_when_the_ping_was_expected(database: Database) -> None:
    monitor = make_up(database)
    expire(database, at("10:05:01"))

    found = cause_of(database, monitor)

    assert (found.cause, found.expected_at, found.output) == (Cause.SILENCE, at("10:04"), "")


def test_silence_by_a_schedule_says_the_time_of_the_schedule(database: Database) -> None:
    monitor = make_up(database, schedule="15 3 * * *", timezone="UTC", last_ping=at("03:16"), grace_seconds=600)
    expire(database, at("03:16") + seconds(2 * 86_400))

    assert cause_of(database, monitor).expected_at == at("03:15") + seconds(86_400)


def test_a_run_that_did_not_end_is_named_until_the_next_one_begins(database: Database) -> None:
    monitor = make_up(database, max_run_seconds=60)
    record(database, a_ping(monitor, at("10:01"), Signal.START))
    expire(database, at("10:03"))

    found = cause_of(database, monitor)
    assert found.cause is Cause.RUN_LIMIT
    assert found.run is not None
    assert (found.run.started_at, found.run.due_at) == (at("10:01"), at("10:02"))

    record(database, a_ping(monitor, at("10:30"), Signal.START))
    assert (cause_of(database, monitor).cause, cause_of(database, monitor).run) == (Cause.RUN_LIMIT, None)


def test_the_end_of_a_long_output_is_read_in_its_charset(database: Database) -> None:
    lines = "".join(f"linha {n}: não concluída\n" for n in range(400))
    for slug, body in {
        "utf-8": lines.encode(),
        "utf-16": codecs.BOM_UTF16_BE + lines.encode("utf-16-be"),
        "utf-16-odd": codecs.BOM_UTF16_LE + f"x{lines}".encode("utf-16-le"),
        "cp1252": lines.encode("cp1252"),
    }.items():
        monitor = make_up(database, slug)
        fail(database, monitor, body=body)

        found = cause_of(database, monitor)

        assert found.output.split("\n") == [f"linha {n}: não concluída" for n in range(390, 400)], slug
        assert found.is_cut


def test_what_is_shown_of_an_output_is_bounded(database: Database) -> None:
    monitor = make_up(database)
    fail(database, monitor, body=b"x" * 9_000 + b" the end")

    found = cause_of(database, monitor)

    assert len(found.output) == 1_000
    assert found.output.endswith("x the end")


def test_an_old_database_that_does_not_say_why_is_no_error(database: Database) -> None:
    monitor = make_up(database)
    set_by_hand(database, monitor, status="DOWN", due_at=None, down_cause=None)

    assert cause_of(database, monitor) == DownCause(None)


def test_many_monitors_cost_one_query_and_no_scan(database: Database) -> None:
    views = [make_down(database, f"job-{n}") for n in range(5)] + [make(database, "waiting")]

    with recorded_statements() as one:
        read_causes(database, views[:1])
    with recorded_statements() as many:
        found = read_causes(database, views)
    with recorded_statements() as none:
        read_causes(database, [])

    assert set(found) == {view.id for view in views[:5]}
    selects = [[each for each in seen if "FROM" in each] for seen in (one, many, none)]
    assert [len(each) for each in selects] == [1, 1, 1]
    with database.read() as connection:
        plan = selects[1][0].plan(connection)
    for table in ("pings", "monitors", "history"):
        assert f"SCAN {table}" not in plan, plan
        assert f"Seq Scan on {table}" not in plan, plan
