"""What time leaves behind goes a few rows at a time, and nothing else goes with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import insert, select, update

from pulsemon.accounts import audit_log
from pulsemon.accounts.roles import Scope
from pulsemon.channels.message import Delivered
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind, acting
from pulsemon.db.tables.accounts import ApiKey
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.heartbeats import DoomedPings, Ping
from pulsemon.db.tables.messages import Delivery, NoticeRow
from pulsemon.messages.outbox import Sent, lease_due, settle
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.operations import housekeeping
from pulsemon.operations.housekeeping_loop import Housekeeping
from tests.arrange import (
    HOOK,
    START,
    a_key,
    a_ping,
    attempts,
    blind_windows,
    deliveries,
    history,
    make,
    make_down,
    make_up,
    record,
    rows,
    seconds,
    stored,
)
from tests.conftest import settings_for

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    monkeypatch.setattr(housekeeping, "_SLICE", 4)


def ping_often(database: Database, monitor: View, count: int, *, start: datetime = START) -> None:
    record(database, *(a_ping(monitor, start + seconds(number)) for number in range(count)))


def remove_old(database: Database, before: datetime) -> list[int]:
    """Run until nothing is left; return how many went each time."""
    counts, is_more = [len(rows(database, Ping))], True
    while is_more:
        is_more = housekeeping.remove_old_pings(database, before=before).is_more
        counts.append(len(rows(database, Ping)))
    return [before_it - after_it for before_it, after_it in pairwise(counts)]


def remove_surplus(database: Database, keep: int) -> None:
    cursor = 0
    while (progress := housekeeping.remove_surplus_pings(database, keep=keep, cursor=cursor)).is_more:
        cursor = progress.cursor


def test_old_pings_go_in_small_batches_and_young_ones_stay(database: Database) -> None:
    monitor = make(database)
    ping_often(database, monitor, 7)
    ping_often(database, monitor, 2, start=START + DAY)

    assert remove_old(database, START + DAY) == [3, 3, 1]
    assert [row.received_at for row in stored(database, monitor)] == [START + DAY, START + DAY + seconds(1)]


def test_the_newest_ping_of_all_stays_so_that_no_id_is_given_twice(database: Database) -> None:
    monitor = make(database)
    ping_often(database, monitor, 4)
    greatest = stored(database, monitor)[-1].id

    remove_old(database, START + 300 * DAY)
    assert [row.id for row in stored(database, monitor)] == [greatest]

    ping_often(database, monitor, 1, start=START + 301 * DAY)
    assert stored(database, monitor)[-1].id > greatest


def test_surplus_pings_go_and_each_monitor_keeps_its_newest(database: Database) -> None:
    busy, quiet = make(database, "busy"), make(database, "quiet")
    for number in range(6):
        ping_often(database, busy, 2, start=START + seconds(number * 10))
        if number % 3 == 0:
            ping_often(database, quiet, 1, start=START + seconds(number * 10))

    remove_surplus(database, keep=5)

    assert [row.number for row in stored(database, busy)] == [8, 9, 10, 11, 12]
    assert [row.number for row in stored(database, quiet)] == [1, 2]


def test_the_chain_of_what_is_left_still_leads_to_its_oldest(database: Database) -> None:
    monitor = make(database)
    ping_often(database, monitor, 9)

    remove_surplus(database, keep=4)

    left = stored(database, monitor)
    assert [row.prev_id for row in left[1:]] == [row.id for row in left[:-1]]
    assert left[0].prev_id not in {row.id for row in left}


def test_a_deleted_monitor_s_pings_go_and_nobody_else_s(database: Database) -> None:
    goes, stays = make(database, "goes"), make(database, "stays")
    for number in range(4):
        ping_often(database, goes, 2, start=START + seconds(number * 10))
        ping_often(database, stays, 1, start=START + seconds(number * 10))
    monitors.remove(database, monitors.by_id(goes.id))

    steps = 0
    while housekeeping.remove_doomed_pings(database).is_more:
        steps += 1

    assert steps >= 3
    assert stored(database, goes) == []
    assert len(stored(database, stays)) == 4
    assert rows(database, DoomedPings) == []


def test_a_deleted_monitor_whose_chain_retention_has_cut_is_forgotten_too(database: Database) -> None:
    goes, stays = make(database, "goes"), make(database, "stays")
    ping_often(database, goes, 6)
    ping_often(database, stays, 1)
    remove_surplus(database, keep=2)
    monitors.remove(database, monitors.by_id(goes.id))

    while housekeeping.remove_doomed_pings(database).is_more:
        pass

    assert (stored(database, goes), rows(database, DoomedPings)) == ([], [])


def test_a_new_monitor_of_a_deleted_one_s_slug_loses_nothing(database: Database) -> None:
    old = make(database, "job")
    ping_often(database, old, 5)
    monitors.remove(database, monitors.by_id(old.id))
    new = make(database, "job")
    ping_often(database, new, 2, start=START + DAY)

    while housekeeping.remove_doomed_pings(database).is_more:
        pass

    assert new.id != old.id
    assert len(stored(database, new)) == 2


def test_pings_that_nobody_owns_go_by_age(database: Database) -> None:
    """The newest ping of all belongs to a deleted monitor: it stays for its id, and goes when it is old."""
    goes = make(database, "goes")
    ping_often(database, goes, 2)
    monitors.remove(database, monitors.by_id(goes.id))
    while housekeeping.remove_doomed_pings(database).is_more:
        pass
    assert len(rows(database, Ping)) == 1
    ping_often(database, make(database, "other"), 1, start=START + DAY)

    remove_old(database, START + DAY)

    assert len(rows(database, Ping)) == 1
    assert stored(database, goes) == []


def test_messages_settled_long_ago_go_with_their_attempts_and_what_is_owed_stays(database: Database) -> None:
    monitor = make_down(database, webhook_url=HOOK)
    record(database, a_ping(monitor, START + seconds(1)))
    (down,) = lease_due(database, now=START + seconds(2), in_flight={})
    settle(database, [Sent(down, Delivered(200), START + seconds(2), START + seconds(2), 0)])

    housekeeping.remove_old_messages(database, now=START + 89 * DAY)
    assert (len(deliveries(database)), len(attempts(database))) == (2, 1)
    housekeeping.remove_old_messages(database, now=START + 91 * DAY)

    assert [row.state for row in deliveries(database)] == ["pending"]
    assert attempts(database) == []
    assert len(history(database, monitor)) == 2


def test_what_was_told_goes_when_nobody_is_owed_it_any_more(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(NoticeRow), [{"payload": word, "created_at": START} for word in ("owed", "not owed")])
        (owed,) = connection.scalars(select(NoticeRow.id).where(NoticeRow.payload == "owed"))
    make_down(database, webhook_url="http://127.0.0.1:9/x")
    with database.write() as connection:
        connection.execute(update(Delivery).values(notice_id=owed))

    housekeeping.remove_old_messages(database, now=START + 89 * DAY)
    assert len(rows(database, NoticeRow)) == 2
    housekeeping.remove_old_messages(database, now=START + 91 * DAY)

    assert [row.payload for row in rows(database, NoticeRow)] == ["owed"]


def test_blind_windows_go_when_no_availability_looks_at_them(database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            insert(BlindWindowRow),
            [{"started_at": START - age, "ended_at": START - age, "cause": "stall"} for age in (401 * DAY, 399 * DAY)],
        )

    housekeeping.remove_old_blind_windows(database, now=START)

    assert [started_at for started_at, *_ in blind_windows(database)] == [START - 399 * DAY]


def test_blind_windows_stay_as_long_as_the_patience_with_a_monitor_is_measured_by_them(database: Database) -> None:
    """One of every other year is UP since before the retention."""
    make_up(database, interval_seconds=730 * 86_400, last_ping=START - 500 * DAY)
    with database.write() as connection:
        connection.execute(
            insert(BlindWindowRow),
            [{"started_at": START - age, "ended_at": START - age, "cause": "stall"} for age in (501 * DAY, 499 * DAY)],
        )

    housekeeping.remove_old_blind_windows(database, now=START)

    assert [started_at for started_at, *_ in blind_windows(database)] == [START - 499 * DAY]


def test_a_round_removes_who_did_what_beyond_its_days_and_keys_that_are_over(database: Database) -> None:
    """The loop's own round, with a clock of ours."""
    late = START + timedelta(days=400)
    a_key(database, Scope.READ, expires_at=START)
    kept = a_key(database, Scope.READ)
    for when in (START, late):
        with acting(Actor(ActorKind.USER, "ana@example.org", when)), database.write() as connection:
            audit.note(connection, "monitor.edit", when.isoformat(), project_id=1)

    Housekeeping(database, settings_for("sqlite:///unused.db", audit_retention_days=365))._clean_once(late)

    assert [row.object for row in rows(database, AuditEntry)] == [late.isoformat()]
    assert [row.beginning for row in rows(database, ApiKey)] == [kept[:8]]
    assert audit_log.verify(database).faults == ()
