"""Taking over a database of the first PulseMon: every row, on both databases, and never half of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from pulsemon.channels import webhook
from pulsemon.channels.message import Announcement, Message
from pulsemon.core.open_runs import Run
from pulsemon.core.status import Signal, Status
from pulsemon.db import Database, schema
from pulsemon.db import deliveries as owed
from pulsemon.db.deliveries import Owed
from pulsemon.db.tables.base import Base
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.deadlines import passes
from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.messages import outbox
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import announcements
from tests.arrange import attempts, deliveries, record, rows, transitions
from tests.conftest import ROOT, at, wait_until
from tests.deadlines.test_loop import Process, World

# As SQLAlchemy wrote the first PulseMon's tables: on SQLite a time zone is not kept, on PostgreSQL it is.
FIRST_DDL = """
CREATE TABLE monitors (
    id {id} NOT NULL,
    slug VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    token VARCHAR NOT NULL,
    interval_seconds INTEGER NOT NULL,
    grace_seconds INTEGER NOT NULL,
    last_ping {instant},
    status VARCHAR(7),
    webhook_url VARCHAR,
    created_at {instant},
    updated_at {instant},
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_monitors_slug ON monitors (slug);
CREATE INDEX ix_monitors_id ON monitors (id);
CREATE TABLE history (
    id {id} NOT NULL,
    slug VARCHAR,
    prev_status VARCHAR(7),
    new_status VARCHAR(7),
    note VARCHAR,
    created_at {instant},
    PRIMARY KEY (id)
);
CREATE INDEX ix_history_slug ON history (slug);
CREATE INDEX ix_history_id ON history (id)
"""
TOKEN = "Zk3_9dA-0aB1cD2eF3gH4iJ5"  # 24 characters, as the first PulseMon drew them


@dataclass
class Old:
    """The rows of a database of the first PulseMon."""

    monitors: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[tuple[Any, ...]] = field(default_factory=list)

    def add(
        self,
        slug: str,
        status: str = "UNKNOWN",
        last_ping: datetime | None = None,
        *,
        interval: int = 240,
        grace: int | None = 60,
        webhook_url: str | None = None,
        name: str | None = None,
    ) -> None:
        at_birth = at("08:00:00.123456")
        number = len(self.monitors) * 3 + 1  # ids with gaps: rows were deleted
        self.monitors.append(
            (number, slug, name or slug, TOKEN, interval, grace, last_ping, status, webhook_url, at_birth, at_birth)
        )

    def add_history(self, slug: str, before: str, after: str, when: datetime, note: str | None = "note") -> None:
        self.history.append((len(self.history) + 5, slug, before, after, note, when))


def an_old_one() -> Old:
    """A bit of everything that the first PulseMon let in."""
    old = Old()
    old.add("up", "UP", at("10:00:00.5"), webhook_url="http://127.0.0.1:9/x")
    old.add("down", "DOWN", at("09:00"))
    old.add("waiting")
    old.add("no interval", "UP", at("10:00"), interval=0, grace=0)
    old.add("cópia noturna/ü \U0001f4be", "UP", at("10:00"), name="Nome com acentuação ☂")
    old.add("UPPER.lower_-", "UNKNOWN", None, interval=2_147_483_647, grace=2_147_483_647)
    for before, after, when in (("UNKNOWN", "UP", "08:10"), ("UP", "DOWN", "08:20"), ("DOWN", "UP", "08:30")):
        old.add_history("up", before, after, at(when))
    old.add_history("deleted long ago", "UNKNOWN", "UP", at("08:05"), None)
    old.add_history("down", "UP", "DOWN", at("09:06"))
    return old


class FirstPulseMon:
    """A database as the first PulseMon left it, at *url*."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def write(self, old: Old) -> None:
        if self.is_sqlite:
            with closing(sqlite3.connect(self.path)) as connection:
                connection.executescript(FIRST_DDL.format(id="INTEGER", instant="DATETIME"))
                for table, found in (("monitors", old.monitors), ("history", old.history)):
                    if found:
                        marks = ", ".join("?" * len(found[0]))
                        naive = [tuple(map(_as_sqlite_kept_it, row)) for row in found]
                        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", naive)
                connection.commit()
            return
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(FIRST_DDL.format(id="SERIAL", instant="TIMESTAMP WITH TIME ZONE").encode())
            with connection.cursor() as cursor:
                for table, found in (("monitors", old.monitors), ("history", old.history)):
                    if found:
                        marks = ", ".join(["%s"] * len(found[0]))
                        cursor.executemany(f"INSERT INTO {table} VALUES ({marks})".encode(), found)

    def read(self) -> tuple[list[Any], list[Any]]:
        """The old tables' rows; fails where they are gone."""
        columns = "id, slug, prev_status, new_status, note, created_at"
        if self.is_sqlite:
            with closing(sqlite3.connect(self.path)) as connection:
                return (
                    connection.execute("SELECT * FROM monitors ORDER BY id").fetchall(),
                    connection.execute(f"SELECT {columns} FROM history ORDER BY id").fetchall(),
                )
        with psycopg.connect(self.url) as connection:
            return (
                connection.execute("SELECT * FROM monitors ORDER BY id").fetchall(),
                connection.execute(f"SELECT {columns} FROM history ORDER BY id".encode()).fetchall(),
            )


def _as_sqlite_kept_it(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


@pytest.fixture(params=["sqlite", "postgresql"])
def first(request: pytest.FixtureRequest) -> FirstPulseMon:
    name = "sqlite_url" if request.param == "sqlite" else "empty_postgres_url"
    return FirstPulseMon(request.getfixturevalue(name))


@pytest.fixture
def adopted(first: FirstPulseMon) -> Iterator[Database]:
    """The old database with a bit of everything, taken over."""
    first.write(an_old_one())
    database = Database.open(first.url)
    database.migrate()
    yield database
    database.close()


def named(database: Database, slug: str) -> View:
    return monitors.get(database, monitors.by_slug(slug))


class TestAdoption:
    def test_every_monitor_is_there_with_every_value(self, adopted: Database) -> None:
        columns = [column.name for column in list(Monitor.__table__.columns)[:11]]
        found = [tuple(getattr(row, name) for name in columns) for row in rows(adopted, Monitor)]

        assert sorted(found) == sorted(an_old_one().monitors)

    def test_every_history_row_is_there_and_numbered_by_monitor(self, adopted: Database) -> None:
        found = {row.id: row for row in rows(adopted, History)}

        for number, slug, before, after, note, when in an_old_one().history:
            row = found[number]
            assert (row.slug, row.prev_status, row.new_status, row.note) == (slug, before, after, note)
            assert row.created_at == row.occurred_at == when
        assert [row.seq for row in transitions(adopted, named(adopted, "up"))] == [1, 2, 3]
        assert [row.seq for row in transitions(adopted, named(adopted, "down"))] == [1]

    def test_history_without_a_monitor_is_kept_and_belongs_to_nobody(self, adopted: Database) -> None:
        (orphan,) = rows(adopted, History, History.slug == "deleted long ago")

        assert (orphan.monitor_id, orphan.seq) == (None, None)
        new = monitors.create(adopted, monitors.NewMonitor("New", "deleted long ago", 60), now=at("11:00"))
        assert transitions(adopted, new) == []

    def test_only_up_has_a_deadline(self, adopted: Database) -> None:
        assert named(adopted, "up").due_at == at("10:05:00.5")
        assert named(adopted, "no interval").due_at == at("10:00")
        assert named(adopted, "down").due_at is None
        assert named(adopted, "waiting").due_at is None

    def test_the_tables_are_those_of_a_new_database(self, adopted: Database) -> None:
        with adopted.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []

    def test_the_old_tokens_ping_whatever_the_slug_holds(self, adopted: Database) -> None:
        slugs = [row[1] for row in an_old_one().monitors]

        answers = record(adopted, *(Ping(slug, TOKEN, Signal.SUCCESS, at("11:00")) for slug in slugs))

        assert answers == [Answer.STORED] * len(slugs)
        assert {named(adopted, slug).status for slug in slugs} == {Status.UP}

    def test_silence_makes_an_adopted_monitor_down(self, adopted: Database) -> None:
        """Regression test number one.

        The first PulseMon's checker died of comparing naive instants with aware ones: nothing was ever down.
        """
        passes.expire_due(adopted, now=at("10:05:01"), recorded_at=at("10:05:01"))

        monitor = named(adopted, "up")
        assert monitor.status is Status.DOWN
        last = transitions(adopted, monitor)[-1]
        assert (last.seq, last.prev_status, last.new_status, last.occurred_at) == (4, "UP", "DOWN", at("10:05:00.5"))

    def test_an_adopted_down_comes_up_with_its_next_ping(self, adopted: Database) -> None:
        record(adopted, Ping("down", TOKEN, Signal.SUCCESS, at("11:00")))

        assert [(row.seq, row.new_status) for row in transitions(adopted, named(adopted, "down"))] == [
            (1, "DOWN"),
            (2, "UP"),
        ]

    def test_the_time_since_the_old_server_s_last_sign_of_life_is_nobody_s_fault(self, adopted: Database) -> None:
        world = World(wall=at("10:30"))

        Process(adopted, world).look()

        assert named(adopted, "up").status is Status.UP
        assert named(adopted, "up").due_at == at("10:30") + timedelta(seconds=300)

    def test_a_new_row_gets_a_new_id(self, adopted: Database) -> None:
        made = monitors.create(adopted, monitors.NewMonitor("New", "new", 60), now=at("11:00"))
        record(adopted, Ping("new", made.token, Signal.SUCCESS, at("11:00")))

        assert made.id > max(row[0] for row in an_old_one().monitors)
        assert transitions(adopted, made)[0].id > max(row[0] for row in an_old_one().history)

    def test_starting_again_changes_nothing(self, first: FirstPulseMon, adopted: Database) -> None:
        before = rows(adopted, Monitor), rows(adopted, History)
        adopted.close()

        again = Database.open(first.url)
        again.migrate()

        assert (rows(again, Monitor), rows(again, History)) == before
        again.close()


def test_an_old_database_without_a_row_is_adopted(first: FirstPulseMon) -> None:
    first.write(Old())

    database = Database.open(first.url)
    database.migrate()

    assert monitors.list_all(database) == ([], None)
    database.close()


def test_values_that_no_rule_of_today_allows_do_not_stop_the_start(sqlite_url: str) -> None:
    """SQLite takes anything in any column."""
    first = FirstPulseMon(sqlite_url)
    first.write(an_old_one())
    with closing(sqlite3.connect(first.path)) as connection:
        connection.execute("UPDATE monitors SET last_ping = 'yesterday', updated_at = NULL WHERE slug = 'up'")
        connection.execute("UPDATE monitors SET created_at = NULL, status = NULL WHERE slug = 'down'")
        connection.execute("UPDATE monitors SET interval_seconds = 9000000000000000000 WHERE slug = 'waiting'")
        connection.execute("UPDATE history SET created_at = NULL, new_status = 'LATE' WHERE slug = 'down'")
        connection.execute("UPDATE history SET slug = NULL WHERE slug = 'deleted long ago'")
        connection.commit()

    database = Database.open(sqlite_url)
    database.migrate()

    assert len(rows(database, Monitor)) == 6
    assert len(rows(database, History)) == 5
    assert record(database, Ping("waiting", TOKEN, Signal.SUCCESS, at("11:00"))) == [Answer.STORED]
    database.close()


MIGRATE = """
import sys
from pulsemon.db import Database
database = Database.open(sys.argv[1], lock_patience_sec=30)
print("migrating", flush=True)
database.migrate()
print("migrated", flush=True)
"""


def start_migrating(url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, url],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "migrating\n"
    return process


def a_big_one() -> Old:
    old = an_old_one()
    for number in range(12_000):
        old.add_history("up", "DOWN" if number % 2 else "UP", "UP" if number % 2 else "DOWN", at("09:00"))
    return old


def content(found: tuple[Sequence[Any], Sequence[Any]]) -> str:
    return hashlib.sha256(repr(found).encode()).hexdigest()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_in_the_middle_it_is_the_old_database_or_the_new_one_and_the_next_start_finishes(
    first: FirstPulseMon,
) -> None:
    first.write(a_big_one())
    old_content = content(first.read())
    untouched = [name for (name,) in _tables(first)]
    began = time.monotonic()
    moments = 0
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        process = start_migrating(first.url)
        time.sleep(delay)  # the moment of death: any will do, and each is another one
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        is_done = process.stdout.read() == "migrated\n"
        process.wait(60)
        process.stdout.close()
        if is_done or _is_adopted(first):
            break
        moments += 1
        assert [name for (name,) in _tables(first)] == untouched
        assert content(first.read()) == old_content

    database = Database.open(first.url, lock_patience_sec=30)
    database.migrate()

    assert moments > 0, f"it was done before it could be killed, in {time.monotonic() - began:.2f} s"
    assert len(rows(database, History)) == 12_005
    assert len(rows(database, Monitor)) == 6
    assert [row.seq for row in transitions(database, named(database, "up"))] == list(range(1, 12_004))
    if first.is_sqlite:
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    database.close()


def _tables(first: FirstPulseMon) -> list[Any]:
    if first.is_sqlite:
        with closing(sqlite3.connect(first.path)) as connection:
            return connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    with psycopg.connect(first.url) as connection:
        return connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
        ).fetchall()


def _is_adopted(first: FirstPulseMon) -> bool:
    if not first.is_sqlite:
        # A backend that lost its client goes on until it notices; its transaction is over either way.
        def others() -> int:
            with psycopg.connect(first.url) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
                assert row is not None
                return int(row[0])

        wait_until(lambda: others() == 0)
    return ("alembic_version",) in _tables(first)


def test_the_newest_migration_is_told_from_the_names_of_the_files() -> None:
    scripts = list(ScriptDirectory.from_config(schema._config()).walk_revisions())

    assert scripts[0].revision == schema.HEAD
    assert all(Path(each.path).name.startswith(f"{each.revision}_") for each in scripts)


def test_two_nodes_that_start_together_migrate_once(empty_postgres_url: str) -> None:
    first = FirstPulseMon(empty_postgres_url)
    first.write(an_old_one())
    processes = [start_migrating(empty_postgres_url) for _ in range(2)]
    for process in processes:
        with process:
            assert process.stdout is not None
            # Not `communicate`: it reads past what `readline` has taken from the pipe already.
            assert (process.stdout.read(), process.wait(60)) == ("migrated\n", 0)

    database = Database.open(empty_postgres_url)
    assert len(rows(database, History)) == 5
    database.close()


def test_a_migration_that_fails_leaves_the_old_database_as_it_was(first: FirstPulseMon) -> None:
    """Two rows with one slug cannot both be adopted; the first PulseMon's index did not allow them either."""
    old = an_old_one()
    first.write(old)
    _execute(first.url, "DROP INDEX ix_monitors_slug")
    _execute(first.url, "UPDATE monitors SET slug = 'up' WHERE slug = 'down'")
    before = content(first.read())
    database = Database.open(first.url)

    with pytest.raises(Exception, match=r"(?i)unique"):
        database.migrate()
    database.close()

    assert content(first.read()) == before


def _execute(url: str, statement: str) -> None:
    engine: Engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    connection: Connection
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@contextmanager
def of_version(database: Database, revision: str) -> Iterator[Connection]:
    """Bring a new database to *revision* and give the transaction, to write what a PulseMon of then had written."""
    with database.write() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection


def test_a_run_that_was_open_goes_on_with_its_limit(first: FirstPulseMon) -> None:
    """Before runs were kept by their rid there was one at a time, in a column of its own."""
    database = Database.open(first.url)
    instant = "2026-03-02 10:00:00.000000" + ("" if database.is_sqlite else "+00:00")
    with of_version(database, "0001") as connection:
        connection.exec_driver_sql(
            "INSERT INTO monitors (slug, name, token, interval_seconds, grace_seconds, status, last_ping, due_at, "
            "run_started_at, created_at, updated_at) VALUES "
            f"('runs', 'Runs', 't', 3600, 90, 'UP', '{instant}', '{instant}', '{instant}', '{instant}', '{instant}')"
        )

    database.migrate()

    view = named(database, "runs")
    assert view.open_runs == (Run("", at("10:00"), at("10:01:30")),)
    assert passes.next_check_at(database) == at("10:00")
    database.close()


# The beginnings of statements that every version takes.
MONITOR = (
    "INSERT INTO monitors (slug, name, token, interval_seconds, grace_seconds, status, created_at, updated_at) VALUES"
)
MESSAGE_COLUMNS = "message_id, monitor_id, payload, receiver, state, created_at, next_attempt_at, retry_since"
MESSAGE = f"INSERT INTO deliveries ({MESSAGE_COLUMNS}) VALUES"
ATTEMPT = "INSERT INTO attempts (delivery_id, number, started_at, duration_ms, outcome) VALUES"


def test_messages_and_their_attempts_outlive_the_table_that_held_them(first: FirstPulseMon) -> None:
    """SQLite makes both tables anew: what is owed stays owed, what was tried stays known, no number comes twice."""
    database = Database.open(first.url)
    instant = "2026-03-02 10:00:00.000000" + ("" if database.is_sqlite else "+00:00")
    values = f"1, '{{}}', 'example.org:443', 'pending', '{instant}', '{instant}', '{instant}')"
    with of_version(database, "0005") as connection:
        for statement in (
            f"{MONITOR} ('job', 'Job', 't', 60, 60, 'UP', '{instant}', '{instant}')",
            f"{MESSAGE} ('msg_1', {values}",
            f"{MESSAGE} ('msg_2', {values}",
            f"{ATTEMPT} (1, 1, '{instant}', 7, 'retry')",
            "DELETE FROM deliveries WHERE message_id = 'msg_2'",
        ):
            connection.exec_driver_sql(statement)

    database.migrate()

    with database.write() as connection:
        kept = connection.exec_driver_sql(
            "SELECT d.message_id, d.monitor_id, d.state, a.duration_ms FROM deliveries d JOIN attempts a "
            "ON a.delivery_id = d.id"
        ).all()
        now = f"INSERT INTO deliveries (kind, {MESSAGE_COLUMNS}) VALUES ('webhook', 'msg_3', {values}"
        connection.exec_driver_sql(now)
        ids = connection.exec_driver_sql("SELECT id FROM deliveries ORDER BY id").scalars().all()
        connection.exec_driver_sql("DELETE FROM deliveries WHERE id = 1")
        left = connection.exec_driver_sql("SELECT count(*) FROM attempts").scalar()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert [tuple(row) for row in kept] == [("msg_1", 1, "pending", 7)]
    assert ids == [1, 3]
    assert left == 0
    database.close()


def test_what_a_hand_left_owed_to_nobody_does_not_stop_the_start(sqlite_url: str) -> None:
    """The shell of SQLite minds no foreign keys: a monitor that is deleted there leaves its messages behind."""
    database = Database.open(sqlite_url)
    instant = "2026-03-02 10:00:00.000000"
    values = f"'{{}}', 'example.org:443', 'pending', '{instant}', '{instant}', '{instant}')"
    with of_version(database, "0008") as connection:
        for number in (1, 2, 3):
            row = f"('job-{number}', 'Job', 't', 60, 60, 'UP', '{instant}', '{instant}')"
            connection.exec_driver_sql(f"{MONITOR} {row}")
            connection.exec_driver_sql(f"{MESSAGE} ('msg_{number}', {number}, {values}")
            connection.exec_driver_sql(f"{ATTEMPT} ({number}, 1, '{instant}', 7, 'retry')")
    database.close()
    by_hand = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    with by_hand:
        by_hand.execute("DELETE FROM monitors WHERE id = 1")
        by_hand.execute("DELETE FROM deliveries WHERE id = 2")
    by_hand.close()

    database = Database.open(sqlite_url)
    database.migrate()

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT id, monitor_id FROM deliveries").all() == [(3, 3)]
        assert connection.exec_driver_sql("SELECT delivery_id FROM attempts").all() == [(3,)]
    database.close()


def test_a_message_that_says_itself_what_it_tells_is_still_sent(first: FirstPulseMon) -> None:
    """Until 0007 there was no other kind; from then on what many are told is kept once, beside them."""
    database = Database.open(first.url)
    instant = "2026-03-02 10:00:00.000000" + ("" if database.is_sqlite else "+00:00")
    page = {"slug": "status", "title": "Shop", "timezone": "UTC"}
    told = announcements.payload_of("incident", "opened", page=page, at=at("10:00"), title="Of before")
    page_columns = "(slug, timezone, is_chosen, created_at, updated_at)"
    subscriber = "(page_id, kind, address, locale, token, asked_at, confirmed_at, created_at)"
    message = "(message_id, subscriber_id, payload, receiver, state, created_at, next_attempt_at, retry_since)"
    ana = "1, 'email', 'ana@example.org', 'en', 'secret'"
    times = f"'{instant}', '{instant}'"
    with of_version(database, "0006") as connection:
        for statement in (
            f"INSERT INTO status_pages {page_columns} VALUES ('status', 'UTC', false, {times})",
            f"INSERT INTO status_pages {page_columns} VALUES ('shop', 'Asia/Tokyo', false, {times})",
            f"INSERT INTO subscribers {subscriber} VALUES ({ana}, {times}, '{instant}')",
            f"INSERT INTO deliveries {message} VALUES ('msg_1', 1, '{told}', 'smtp', 'pending', {times}, '{instant}')",
        ):
            connection.exec_driver_sql(statement)

    database.migrate()

    (leased,) = outbox.lease_due(database, now=at("10:01"), in_flight={})
    assert isinstance(leased.message, Announcement)
    assert (leased.message.message_id, leased.message.title) == ("msg_1", "Of before")
    assert (leased.kind, leased.address, leased.token) == ("email", "ana@example.org", "secret")
    # UTC was what nobody had chosen.
    assert {view.slug: view.timezone for view in status_pages.list_all(database)[0]} == {
        "status": None,
        "shop": "Asia/Tokyo",
    }
    database.close()


@pytest.mark.parametrize("revision", [f"000{number}" for number in range(1, 9)])
def test_a_database_of_any_version_becomes_one_of_today(first: FirstPulseMon, revision: str) -> None:
    database = Database.open(first.url)
    with of_version(database, revision):
        pass

    database.migrate()

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


@dataclass(frozen=True)
class Kept:
    """A delivery that was made before 0009, with the columns that there were."""

    id: int
    owner: str  # the column of its id, which is 1
    payload: str
    receiver: str
    state: str = "pending"
    lease_token: str | None = None
    attempt_count: int = 0
    notice_id: int | None = None
    kind: str = "webhook"  # what it has to become

    def values(self, instant: str) -> dict[str, Any]:
        given = {"id": self.id, self.owner: 1, "message_id": f"msg_{self.id}", "payload": self.payload}
        given |= {"receiver": self.receiver, "state": self.state, "lease_token": self.lease_token}
        given |= {"attempt_count": self.attempt_count, "notice_id": self.notice_id}
        return given | dict.fromkeys(("created_at", "next_attempt_at", "retry_since"), instant)


OLD_PAYLOAD = (
    '{"slug": "job", "name": "C\u00f3pia", "status": "DOWN", "occurred_at": "2026-03-02T10:00:00Z", '
    '"interval_seconds": 60, "grace_seconds": 60, "last_ping": null}'
)
BEFORE_0009 = (
    Kept(3, "monitor_id", OLD_PAYLOAD, "hook.example:443"),
    Kept(5, "monitor_id", OLD_PAYLOAD, "hook.example:443", lease_token="a lease", attempt_count=2),
    Kept(6, "monitor_id", OLD_PAYLOAD, "hook.example:443", state="held"),
    Kept(7, "subscriber_id", "", "smtp", notice_id=1, kind="email"),
    Kept(8, "subscriber_id", "its own", "smtp", state="given-up", kind="email"),
)


def fill_before_0009(database: Database) -> None:
    """Bring a new database to 0008, and put deliveries and attempts in."""
    instant = "2026-03-02 10:00:00.000000" + ("" if database.is_sqlite else "+00:00")
    times = f"'{instant}', '{instant}'"
    monitor = "(id, slug, name, token, interval_seconds, grace_seconds, status, webhook_url, created_at, updated_at)"
    job = "1, 'job', 'Job', 't', 60, 60, 'UP', 'https://hook.example'"
    ana = "1, 1, 'email', 'ana@example.org', 'en', 'secret'"
    page = "(id, slug, timezone, is_chosen, created_at, updated_at)"
    subscriber = "(id, page_id, kind, address, locale, token, asked_at, confirmed_at, created_at)"
    announced = announcements.payload_of(
        "incident", "opened", page={"slug": "status", "title": None, "timezone": ""}, at=at("10:00"), title="Slow"
    )
    with of_version(database, "0008") as connection:
        for statement in (
            f"INSERT INTO monitors {monitor} VALUES ({job}, {times})",
            f"INSERT INTO status_pages {page} VALUES (1, 'status', '', false, {times})",
            f"INSERT INTO subscribers {subscriber} VALUES ({ana}, {times}, '{instant}')",
            f"INSERT INTO notices (id, payload, created_at) VALUES (1, '{announced}', '{instant}')",
        ):
            connection.exec_driver_sql(statement)
        for each in BEFORE_0009:
            values = each.values(instant)
            names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO deliveries ({names}) VALUES ({marks})"), values)
            connection.exec_driver_sql(f"{ATTEMPT} ({each.id}, 1, '{instant}', {each.id}, 'retry')")
        given = "UPDATE sqlite_sequence SET seq = 41 WHERE name = 'deliveries'"
        connection.exec_driver_sql(given if database.is_sqlite else "SELECT setval('deliveries_id_seq', 41)")


def test_deliveries_keep_all_that_they_were_and_learn_by_what_they_go(first: FirstPulseMon) -> None:
    database = Database.open(first.url)
    fill_before_0009(database)

    database.migrate()
    database.migrate()

    found = {row.id: row for row in deliveries(database)}
    assert {row.delivery_id: row.duration_ms for row in attempts(database)} == {key: key for key in found}
    for each in BEFORE_0009:
        row = found.pop(each.id)
        for name in ("payload", "receiver", "state", "lease_token", "attempt_count", "notice_id", "kind"):
            assert getattr(row, name) == getattr(each, name), (each.id, name)
        assert (row.message_id, getattr(row, each.owner)) == (f"msg_{each.id}", 1)
        assert (row.channel_id, row.address) == (None, None)
        assert row.created_at == row.next_attempt_at == row.retry_since == at("10:00")
    assert found == {}
    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        owed.owe(connection, [Owed(kind="webhook", receiver="", monitor_id=1)], now=at("10:00"))
    assert deliveries(database)[-1].id == 42, "a number that was given is not given again"
    with pytest.raises(IntegrityError), database.write() as connection:
        owed.owe(connection, [Owed(kind="webhook", receiver="", monitor_id=1, address="x")], now=at("10:00"))
    monitors.remove(database, monitors.by_id(1))
    assert {row.delivery_id for row in attempts(database)} == {7, 8}
    database.close()


def test_what_was_pending_is_sent_byte_for_byte_as_before(first: FirstPulseMon) -> None:
    database = Database.open(first.url)
    fill_before_0009(database)
    database.migrate()

    leased = {each.kind: each for each in outbox.lease_due(database, now=at("10:01"), in_flight={})}

    told, announced = leased["webhook"], leased["email"]

    assert isinstance(told.message, Message)
    assert (
        webhook.body(told.message, url=told.address, locale="en")
        == json.dumps(json.loads(OLD_PAYLOAD), ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert isinstance(announced.message, Announcement)
    assert (announced.address, announced.token, announced.message.title) == ("ana@example.org", "secret", "Slow")
    database.close()


def _columns(connection: Connection) -> dict[str, dict[str, Any]]:
    seen = inspect(connection)
    return {table: {each["name"]: each for each in seen.get_columns(table)} for table in seen.get_table_names()}


def test_a_server_of_the_version_before_goes_on_writing_beside_one_of_today(first: FirstPulseMon) -> None:
    """Whoever replaces his servers one by one has both on one database: what the older one writes is whole."""
    database = Database.open(first.url)
    with of_version(database, "0010") as connection:
        before = _columns(connection)
    database.migrate()
    with database.read() as connection:
        after = _columns(connection)

    assert before.keys() <= after.keys()
    for table in before.keys() - {"alembic_version"}:
        assert before[table].keys() <= after[table].keys(), table
        for name in before[table]:
            assert str(before[table][name]["type"]) == str(after[table][name]["type"]), (table, name)
            assert before[table][name]["nullable"] == after[table][name]["nullable"], (table, name)
        added = [after[table][name] for name in after[table].keys() - before[table].keys()]
        assert [each["name"] for each in added if not each["nullable"] and each["default"] is None] == [], table
    assert "project_id" in after["monitors"]
    assert "project_id" not in before["monitors"], "the control: something was added"
    database.close()
