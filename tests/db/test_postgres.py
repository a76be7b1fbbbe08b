"""PostgreSQL when rows are locked or nothing may be written: trouble with one monitor is no trouble for the others."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg
import pytest
from sqlalchemy import update

from pulsemon import log
from pulsemon.channels import registry
from pulsemon.channels.channel import Means
from pulsemon.channels.http import GuardedClient
from pulsemon.channels.message import Delivered
from pulsemon.core.status import Status
from pulsemon.db import Database
from pulsemon.db.postgres import Writer
from pulsemon.db.tables.monitors import Monitor
from pulsemon.deadlines import passes
from pulsemon.errors import Contended, Unavailable
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.group_commit import PATIENCE_SEC
from pulsemon.heartbeats.pings import Answer, Batch, Ping
from pulsemon.messages import outbox
from pulsemon.messages.loop import Dispatching
from pulsemon.messages.outbox import Leased, Sent
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import HOOK, START, a_ping, again, attempts, make, make_down, make_up, record, seconds, stored
from tests.conftest import wait_until
from tests.heartbeats.test_group_commit import running, soon


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """As the server logs; structlog's own default draws tracebacks for seconds."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.configure(level="CRITICAL", form="json")
    yield
    root.handlers[:], root.level = before


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database.open(postgres_url)
    yield opened
    opened.close()


@contextmanager
def locked(url: str, *slugs: str) -> Iterator[None]:
    """Hold the rows of monitors as somebody at psql who went for lunch."""
    with psycopg.connect(url) as somebody:
        somebody.execute("SELECT 1 FROM monitors WHERE slug = ANY(%s) FOR UPDATE", (list(slugs),))
        yield
        somebody.rollback()


def waiting_for_a_lock(url: str) -> int:
    """Return how many of PulseMon's connections wait for a row."""
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'pulsemon' AND wait_event_type = 'Lock'"
        ).fetchone()
    return int(found[0]) if found else 0


@contextmanager
def edits_that_wait(database: Database, url: str, slug: str) -> Iterator[None]:
    """Lock a monitor's row, and let more edits of it wait than there are connections for edits."""
    is_over = threading.Event()

    def edit() -> None:
        while not is_over.is_set():
            try:
                monitors.edit(database, monitors.by_slug(slug), {"name": "edited"}, now=START)
            except Unavailable:
                continue

    editors = [threading.Thread(target=edit, daemon=True) for _ in range(14)]
    try:
        with locked(url, slug):
            for editor in editors:
                editor.start()
            wait_until(lambda: waiting_for_a_lock(url) >= 6)
            yield
    finally:
        is_over.set()
        for editor in editors:
            editor.join(60)
    assert not any(editor.is_alive() for editor in editors)


class TestEditsThatWaitForALockedRow:
    def test_they_use_up_their_own_connections_and_no_other_lane_s(self, database: Database, postgres_url: str) -> None:
        make(database, "locked")

        with edits_that_wait(database, postgres_url, "locked"):
            with pytest.raises(Unavailable, match="all connections"), database.write():
                pytest.fail("the control: edits have no connection left")
            writers: list[Writer] = ["pings", "loops"]
            for writer in writers:
                with database.write(writer) as connection:
                    assert connection.exec_driver_sql("SELECT 1").scalar() == 1

    def test_a_ping_of_another_monitor_is_stored(self, database: Database, postgres_url: str) -> None:
        make(database, "locked")
        free = make(database, "free")

        with edits_that_wait(database, postgres_url, "locked"):
            assert record(database, a_ping(free, START)) == [Answer.STORED]

    def test_a_deadline_is_judged_and_the_heartbeat_written(self, database: Database, postgres_url: str) -> None:
        make(database, "locked")
        silent = make_up(database, "silent")
        late = START + seconds(301)

        with edits_that_wait(database, postgres_url, "locked"):
            passes.expire_due(database, now=late, recorded_at=late)
            passes.beat(database, "node", now=late)
            assert again(database, silent).status is Status.DOWN
            assert passes.last_heartbeat(database) == late

    def test_messages_are_leased_and_settled(self, database: Database, postgres_url: str) -> None:
        make(database, "locked")
        make_down(database, "down", webhook_url=HOOK)

        with edits_that_wait(database, postgres_url, "locked"):
            leased = outbox.lease_due(database, now=START, in_flight={})
            outbox.settle(database, [delivered(each, START) for each in leased])

        assert [row.outcome for row in attempts(database)] == ["delivered"]


class TestALockedRowInABatch:
    pytestmark = pytest.mark.anyio

    @staticmethod
    async def answers_of(database: Database, batch: Sequence[Ping]) -> tuple[list[Answer], float]:
        """Return the answers of pings that come in one batch, and how long was waited for rows that somebody holds.

        That is all that takes time for the lane: how fast the machine is costs no ping its answer.
        """
        waited_sec = 0.0

        def store(found: Sequence[Ping]) -> Batch:
            nonlocal waited_sec
            patience_sec = 0.1 if waited_sec else 2.5  # what PostgreSQL is told, see below
            try:
                return pings.record_pings(database, found)
            except Contended:
                waited_sec += patience_sec
                raise

        async with running(store, monotonic=lambda: waited_sec) as lane:
            answers = await asyncio.gather(*[soon(lane.submit(each)) for each in batch])
        return list(answers), waited_sec

    async def test_only_the_pings_of_its_monitor_are_refused(self, database: Database, postgres_url: str) -> None:
        found = [make(database, f"job-{number}") for number in range(60)]
        batch = [a_ping(each, START + seconds(second)) for second in range(2) for each in found]

        with locked(postgres_url, "job-7", "job-40"):
            answers, waited_sec = await self.answers_of(database, batch)

        refused = {ping.slug for ping, answer in zip(batch, answers, strict=True) if answer is not Answer.STORED}
        assert refused == {"job-7", "job-40"}
        assert [row.received_at for row in stored(database, found[0])] == [START, START + seconds(1)]
        assert stored(database, found[7]) == []
        assert 2.5 < waited_sec < PATIENCE_SEC  # what a client is promised

    async def test_of_a_batch_of_one_monitor_all_are_refused(self, database: Database, postgres_url: str) -> None:
        monitor = make(database)

        with locked(postgres_url, monitor.slug):
            answers, _ = await self.answers_of(database, [a_ping(monitor, START), a_ping(monitor, START)])

        assert answers == [Answer.UNAVAILABLE] * 2

    async def test_it_is_waited_for_at_length_only_once(self, database: Database, postgres_url: str) -> None:
        """Every batch with a ping of that monitor would hold up all others for two and a half seconds."""
        first, other = make(database, "first"), make(database, "other")

        with locked(postgres_url, "first"):
            await self.answers_of(database, [a_ping(first, START), a_ping(other, START)])
            with database.write("pings") as connection:
                patience = connection.exec_driver_sql("SHOW lock_timeout").scalar()
            with database.write() as connection:
                patience_of_edits = connection.exec_driver_sql("SHOW lock_timeout").scalar()

        assert (patience, patience_of_edits) == ("100ms", "2500ms")

    async def test_what_has_no_time_left_is_refused_and_not_stored(self, database: Database) -> None:
        found = [make(database, f"job-{number}") for number in range(9)]
        clock = [100.0]
        tried: list[int] = []

        def store(batch: Sequence[Ping]) -> Batch:
            tried.append(len(batch))
            if len(tried) == 1:
                clock[0] += 2.5
                raise Contended("canceling statement due to lock timeout")
            clock[0] += 1.9  # the second part begins too late
            return pings.record_pings(database, batch)

        async with running(store, monotonic=lambda: clock[0]) as lane:
            answers = await asyncio.gather(*[soon(lane.submit(a_ping(each, START))) for each in found])

        assert tried == [9, 3]
        assert answers == [Answer.STORED] * 3 + [Answer.UNAVAILABLE] * 6
        assert [len(stored(database, each)) for each in found] == [1] * 3 + [0] * 6


def test_a_row_that_somebody_holds_is_contended_and_a_deadlock_too(database: Database, postgres_url: str) -> None:
    one, two = make(database, "one"), make(database, "two")

    def rename(monitor: View) -> None:
        with database.write() as connection:
            connection.execute(update(Monitor).where(Monitor.id == monitor.id).values(name="renamed"))

    with locked(postgres_url, "one"), pytest.raises(Contended):
        rename(one)

    raised: list[BaseException] = []
    both_hold_one = threading.Barrier(2)

    def cross(first: View, second: View) -> None:
        try:
            with database.write() as connection:
                connection.execute(update(Monitor).where(Monitor.id == first.id).values(name="crossed"))
                both_hold_one.wait(60)
                connection.execute(update(Monitor).where(Monitor.id == second.id).values(name="crossed"))
        except Unavailable as failed:
            raised.append(failed)

    crossing = [threading.Thread(target=cross, args=pair) for pair in ((one, two), (two, one))]
    for thread in crossing:
        thread.start()
    for thread in crossing:
        thread.join(60)
    assert [type(each) for each in raised] == [Contended]
    assert "deadlock" in str(raised[0])


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """Let new connections to the database only read, as a standby does after a failover."""
    name = url.partition("?")[0].rsplit("/", 1)[1]

    def execute(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(statement.encode())

    execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def delivered(leased: Leased, when: datetime) -> Sent:
    return Sent(leased, Delivered(204), when, when, jitter=0.0)


class TestAServerThatOnlyReads:
    def test_writes_are_unavailable_and_told_to_ready(self, database: Database, postgres_url: str) -> None:
        monitor = make(database)
        with read_only(postgres_url):
            standby = Database.open(postgres_url)
            with pytest.raises(Unavailable, match="read-only"):
                record(standby, a_ping(monitor, START))
            with pytest.raises(Unavailable, match="read-only"):
                passes.beat(standby, "node", now=START)
            assert standby.write_failure is not None
            assert "read-only" in standby.write_failure
            assert again(standby, monitor).slug == monitor.slug
            standby.close()

    @pytest.mark.anyio
    async def test_what_was_sent_is_settled_when_it_can_be_written_again(
        self, database: Database, postgres_url: str
    ) -> None:
        make_down(database, webhook_url=HOOK)
        leased = outbox.lease_due(database, now=START, in_flight={})
        with read_only(postgres_url):
            second = Database.open(postgres_url)
            sending = dispatching_of(second)
            sending._sent = [delivered(each, START) for each in leased]
            with pytest.raises(Unavailable, match="read-only"):
                await sending._settle()

        sending._database = database
        await sending._settle()
        second.close()

        assert [row.outcome for row in attempts(database)] == ["delivered"]

    @pytest.mark.anyio
    async def test_a_result_that_can_never_be_written_is_let_go_and_the_message_is_due_again(
        self, database: Database, postgres_url: str
    ) -> None:
        make_down(database, webhook_url=HOOK)
        leased = outbox.lease_due(database, now=START, in_flight={})
        sending = dispatching_of(database)
        sending._sent = [delivered(each, START) for each in leased]
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute("ALTER TABLE attempts RENAME TO attempts_away")
            await sending._settle()
            admin.execute("ALTER TABLE attempts_away RENAME TO attempts")

        assert not sending._sent
        assert len(outbox.lease_due(database, now=START + outbox.LEASE, in_flight={})) == len(leased)


def dispatching_of(database: Database) -> Dispatching:
    return Dispatching(
        database,
        registry.channels(Means(GuardedClient(private="allow"), "en")),
        now=lambda: START,
        monotonic=time.monotonic,
        on_settled=lambda: None,
    )
