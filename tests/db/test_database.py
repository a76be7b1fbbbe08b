"""Opening, refusing, locking, writing: what the two databases promise before any use case stands on them."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, insert, select
from sqlalchemy.exc import DBAPIError, StatementError

from pulsemon.db import Database, open_files
from pulsemon.db.tables.base import Base, Meta
from pulsemon.db.tables.deadlines import Node
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.write_slot import WriteSlot
from pulsemon.errors import InUse, NotFound, StartRefused, Unavailable
from tests.arrange import make, rows
from tests.conftest import LONG_ENOUGH_SEC, ROOT, at, database_of, wait_until


def read_value(database: Database, key: str = "k") -> str | None:
    with database.read() as connection:
        return connection.scalar(select(Meta.value).where(Meta.key == key))


def write_value(database: Database, value: str, key: str = "k") -> None:
    with database.write() as connection:
        connection.execute(insert(Meta), [{"key": key, "value": value}])


def fingerprint(folder: Path) -> dict[str, str]:
    """Name and content of every file but the lock, which may be made."""
    files = [each for each in folder.iterdir() if each.is_file() and not each.name.endswith(".lock")]
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def refusal(url: str) -> str:
    """Open the database, which must be refused, and return the line that says why."""
    with pytest.raises(StartRefused) as refused:
        Database.open(url, lock_patience_sec=0)
    line = str(refused.value)
    assert line
    assert "\n" not in line
    return line


HOLDER = """
import sys
from pulsemon.db import Database
from pulsemon.errors import StartRefused
try:
    database = Database.open(sys.argv[1], lock_patience_sec=0)
    database.migrate()
except StartRefused as refused:
    sys.exit(f"refused: {refused}")
print("open", flush=True)
sys.stdin.read()
"""


def start_holder(url: str) -> subprocess.Popen[str]:
    """A process of its own that opens the database and keeps it until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.open(sqlite_url)
    opened.migrate()
    yield opened
    opened.close()


class TestDurability:
    def test_sqlite_runs_with_wal_and_synchronous_full_on_the_write_connection(self, sqlite_database: Database) -> None:
        with sqlite_database.write() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1

    def test_a_postgres_that_may_lose_commits_is_refused_unless_told_otherwise(self, postgres_url: str) -> None:
        name = postgres_url.partition("?")[0].rsplit("/", 1)[1]
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())

        assert "synchronous_commit=off" in refusal(postgres_url)
        Database.open(postgres_url, allow_unsafe=True).close()

    def test_what_was_written_is_there_after_the_block_and_not_when_it_raised(self, database: Database) -> None:
        write_value(database, "kept")

        def write_and_fail() -> None:
            with database.write() as connection:
                connection.execute(insert(Meta), [{"key": "other", "value": "lost"}])
                raise NotFound("by the test")

        with pytest.raises(NotFound):
            write_and_fail()

        assert (read_value(database), read_value(database, "other")) == ("kept", None)

    def test_a_read_is_one_snapshot(self, database: Database) -> None:
        write_value(database, "1", "a")
        with database.read() as connection:
            before = connection.scalars(select(Meta.key)).all()
            assert "a" in before
            write_value(database, "2", "b")
            assert connection.scalars(select(Meta.key)).all() == before

    def test_a_reader_cannot_write(self, database: Database) -> None:
        with pytest.raises(Exception, match=r"readonly|read-only"), database.read() as connection:
            connection.execute(insert(Meta), [{"key": "k", "value": "v"}])

        assert read_value(database) is None


class TestInstants:
    def test_a_naive_instant_is_refused_and_nothing_is_written(self, database: Database) -> None:
        with pytest.raises(StatementError, match="without a zone"), database.write() as connection:
            connection.execute(insert(Node), [{"name": "n", "seen_at": datetime(2026, 1, 1)}])

        with database.read() as connection:
            assert connection.scalar(select(Node.name)) is None

    def test_an_instant_of_another_zone_comes_back_in_utc_to_the_microsecond(self, database: Database) -> None:
        zone = timezone(timedelta(hours=-3))
        instant = datetime(2026, 3, 2, 7, 5, 30, 123456, tzinfo=zone)
        with database.write() as connection:
            connection.execute(insert(Node), [{"name": "n", "seen_at": instant}])

        with database.read() as connection:
            found = connection.execute(select(Node.seen_at)).scalar_one()
        assert found == instant
        assert found.utcoffset() == timedelta(0)

    def test_instants_sort_as_they_follow_each_other_whatever_their_fraction(self, database: Database) -> None:
        instants = [at("10:00:00"), at("10:00:00.000001"), at("10:00:00.500000"), at("10:00:01")]
        with database.write() as connection:
            rows = [{"name": str(number), "seen_at": each} for number, each in enumerate(reversed(instants))]
            connection.execute(insert(Node), rows)

        with database.read() as connection:
            assert connection.scalars(select(Node.seen_at).order_by(Node.seen_at)).all() == instants
            assert len(connection.scalars(select(Node.name).where(Node.seen_at < at("10:00:01"))).all()) == 3


class TestOneProcess:
    def test_a_second_process_is_refused_with_one_line_and_the_first_goes_on(self, sqlite_database: Database) -> None:
        url = f"sqlite:///{sqlite_database._writer.url.database}"
        second = start_holder(url)
        _, errors = second.communicate(timeout=60)

        assert second.returncode == 1
        assert errors.startswith("refused: Another PulseMon is running on ")
        assert len(errors.splitlines()) == 1
        write_value(sqlite_database, "still here")
        assert read_value(sqlite_database) == "still here"

    def test_in_one_process_too_the_second_is_told_that_it_is_in_use(
        self, sqlite_database: Database, sqlite_url: str
    ) -> None:
        with pytest.raises(InUse):
            Database.open(sqlite_url, lock_patience_sec=0)

    def test_a_killed_process_leaves_no_lock_behind(self, sqlite_url: str) -> None:
        first = start_holder(sqlite_url)
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)

        database = Database.open(sqlite_url, lock_patience_sec=0)
        write_value(database, "mine now")
        database.close()

    def test_a_server_that_is_being_replaced_is_waited_for(self, sqlite_url: str) -> None:
        first = start_holder(sqlite_url)
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        opened: list[Database] = []
        opening = threading.Thread(target=lambda: opened.append(Database.open(sqlite_url, lock_patience_sec=30)))
        opening.start()
        assert not opened
        first.communicate(timeout=60)
        opening.join(60)

        assert len(opened) == 1
        opened[0].close()

    def test_closing_gives_the_lock_back(self, sqlite_url: str) -> None:
        for _ in range(3):
            Database.open(sqlite_url, lock_patience_sec=0).close()

    def test_any_number_of_processes_share_a_postgres(self, postgres_url: str) -> None:
        first, second = Database.open(postgres_url), Database.open(postgres_url)
        write_value(first, "seen by both")

        assert read_value(second) == "seen by both"
        first.close()
        second.close()


def a_foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO invoices VALUES (7)")
        connection.commit()


def a_newer_database(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def a_database_with_monitors_of_somebody_else(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE monitors (id INTEGER PRIMARY KEY, brand TEXT, diagonal REAL)")
        connection.execute("CREATE TABLE history (id INTEGER PRIMARY KEY)")
        connection.commit()


def a_text_file(path: Path) -> None:
    path.write_text("Dear diary, " * 100)


def a_damaged_database(path: Path) -> None:
    a_foreign_database(path)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 3_000 + content[3_100:])


class TestClosing:
    """A thread may be reading when the program stops: nothing waits for it, and nothing of it stays."""

    def test_a_connection_in_use_serves_on_and_ends_when_it_is_given_back(self, database: Database) -> None:
        with database.read() as connection:
            driver = connection.connection.driver_connection
            database.close()
            assert connection.scalar(select(1)) == 1
            assert not is_closed(driver)

        assert is_closed(driver)

    def test_one_that_is_opened_later_ends_too(self, database: Database) -> None:
        database.close()
        with database.read() as connection:
            driver = connection.connection.driver_connection

        assert is_closed(driver)

    def test_a_write_under_way_looks_into_files_that_are_open(
        self, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it looks into is closed after its look: the number of a closed file may be another's by then."""
        looks = []
        begins = open_files._begins

        def while_another_closes(descriptor: int, wanted: tuple[bytes, ...]) -> bool:
            if not looks:
                closing_one = threading.Thread(target=sqlite_database.close)
                looks.append(closing_one)
                closing_one.start()
                closing_one.join(0.3)  # it would be over; now it waits
            return begins(descriptor, wanted)

        monkeypatch.setattr(open_files, "_begins", while_another_closes)
        write_value(sqlite_database, "written")
        looks[0].join(LONG_ENOUGH_SEC)

        assert not looks[0].is_alive()


class TestTheWriteConnection:
    """On SQLite it stays from one write to the next, so it must bring nothing along."""

    def test_the_next_writer_gets_the_same_one_in_whatever_thread(self, sqlite_database: Database) -> None:
        seen = [write_connection(sqlite_database)]
        other = threading.Thread(target=lambda: seen.append(write_connection(sqlite_database)))
        other.start()
        other.join(LONG_ENOUGH_SEC)

        assert seen[0] is seen[1]
        assert not is_closed(seen[0])

    def test_a_write_that_failed_leaves_nothing_to_the_next(self, sqlite_database: Database) -> None:
        def fail() -> None:
            with sqlite_database.write() as connection:
                connection.execute(insert(Meta), [{"key": "k", "value": "undone"}])
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            fail()
        write_value(sqlite_database, "written")

        assert read_value(sqlite_database) == "written"

    def test_what_a_block_does_after_its_own_rollback_is_nobody_elses(self, sqlite_database: Database) -> None:
        with sqlite_database.write() as connection:
            connection.rollback()
            connection.execute(insert(Meta), [{"key": "k", "value": "never committed"}])
        write_value(sqlite_database, "written", "other")

        assert (read_value(sqlite_database), read_value(sqlite_database, "other")) == (None, "written")

    def test_closing_ends_it(self, sqlite_database: Database) -> None:
        driver = write_connection(sqlite_database)
        sqlite_database.close()

        assert is_closed(driver)

    def test_closing_while_somebody_writes_ends_it_once_that_is_done(self, sqlite_database: Database) -> None:
        with sqlite_database.write() as connection:
            connection.execute(insert(Meta), [{"key": "k", "value": "written"}])
            driver = connection.connection.driver_connection
            sqlite_database.close()
            assert not is_closed(driver)

        assert is_closed(driver)
        assert read_value(sqlite_database) == "written"


def write_connection(database: Database) -> Any:
    """Return the driver's connection that a write is made with."""
    with database.write() as connection:
        return connection.connection.driver_connection


def is_closed(driver: Any) -> bool:
    """Return whether a connection of either driver is closed."""
    if isinstance(driver, psycopg.Connection):
        return driver.closed
    try:
        driver.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


class TestRefused:
    """One line, and not a byte of the file has changed."""

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (a_foreign_database, "is not a PulseMon database: it holds invoices. Change DATABASE_URL."),
            (a_database_with_monitors_of_somebody_else, "is not a PulseMon database"),
            (a_newer_database, "was made by a newer PulseMon (schema 9999)"),
            (a_text_file, "is not a database that PulseMon can read"),
            (a_damaged_database, "is not a database that PulseMon can read"),
        ],
    )
    def test_what_is_not_ours_is_left_as_it_is(self, make: Callable[[Path], None], says: str, sqlite_url: str) -> None:
        path = path_of(sqlite_url)
        make(path)
        before = fingerprint(path.parent)

        assert says in refusal(sqlite_url)
        after = fingerprint(path.parent)
        assert after[path.name] == before[path.name]

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        assert "does not exist" in refusal(f"sqlite:///{tmp_path}/no/such/pulsemon.db")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_in_place_of_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "pulsemon.db").mkdir()

        assert "pulsemon.db is a folder." in refusal(f"sqlite:///{tmp_path}/pulsemon.db")
        assert [each.name for each in tmp_path.iterdir()] == ["pulsemon.db"]

    def test_an_empty_file_is_welcome(self, sqlite_url: str) -> None:
        path_of(sqlite_url).touch()

        Database.open(sqlite_url).close()

    @pytest.mark.parametrize("read_only", ["file", "folder"])
    @pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user")
    def test_what_cannot_be_written(self, read_only: str) -> None:
        """As root everything can be written, so the process that opens it is nobody's."""
        folder = Path(tempfile.mkdtemp(prefix="pulsemon-"))
        try:
            path = folder / "pulsemon.db"
            database = Database.open(f"sqlite:///{path}")
            database.migrate()
            database.close()
            before = path.read_bytes()
            (folder / "pulsemon.db.lock").chmod(0o666)
            path.chmod(0o444 if read_only == "file" else 0o666)
            folder.chmod(0o777 if read_only == "file" else 0o555)
            if read_only == "folder":
                (folder / "pulsemon.db.lock").unlink()

            answer = subprocess.run(
                [sys.executable, "-c", _OPEN_AS_NOBODY, f"sqlite:///{path}"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            )

            assert answer.returncode == 1, answer.stderr
            assert len(answer.stderr.splitlines()) == 1, answer.stderr
            assert answer.stderr.startswith("refused: ")
            assert str(path) in answer.stderr or "readonly" in answer.stderr
            assert path.read_bytes() == before
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)

    def test_a_postgres_that_does_not_answer(self) -> None:
        line = refusal("postgresql://pulsemon:very-secret@127.0.0.1:1/pulsemon")

        assert "very-secret" not in line

    def test_a_postgres_database_that_is_missing(self, postgres_server: str) -> None:
        assert "no_such_database" in refusal(database_of(postgres_server, "no_such_database"))

    def test_a_postgres_database_of_somebody_else_is_left_as_it_is(self, empty_postgres_url: str) -> None:
        with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE invoices (id int)")

        assert "is not a PulseMon database: it holds invoices" in refusal(empty_postgres_url)
        with psycopg.connect(empty_postgres_url) as connection:
            names = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            assert names.fetchall() == [("invoices",)]

    def test_a_newer_postgres_database(self, postgres_url: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")

        assert "newer PulseMon (schema 9999)" in refusal(postgres_url)

    def test_a_url_that_cannot_be_read_is_not_quoted(self) -> None:
        assert "hunter2" not in refusal("postgresql://user:hunter2@host:port/name")


_OPEN_AS_NOBODY = """
import os, sys
from pulsemon.db import Database
from pulsemon.errors import StartRefused
import pulsemon.db.schema, alembic.command  # while they may still be read
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    database = Database.open(sys.argv[1], lock_patience_sec=0)
    database.migrate()
except StartRefused as refused:
    sys.exit(f"refused: {refused}")
"""


class TestLane:
    def test_who_comes_first_is_served_first(self) -> None:
        slot = WriteSlot()
        assert slot.acquire(1)
        served: list[int] = []

        def write(number: int) -> None:
            assert slot.acquire(30)
            served.append(number)
            slot.release()

        threads = []
        for number in range(8):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            wait_until(lambda queued=number + 1: len(slot._waiting) == queued)
        slot.release()
        for each in threads:
            each.join(60)

        assert served == list(range(8))

    def test_the_one_who_just_left_queues_behind_those_who_wait(self) -> None:
        slot = WriteSlot()
        assert slot.acquire(1)
        served: list[str] = []
        other = threading.Thread(target=lambda: (slot.acquire(30), served.append("waited"), slot.release()))
        other.start()
        wait_until(lambda: len(slot._waiting) == 1)
        slot.release()
        assert slot.acquire(30)
        served.append("came back")
        other.join(60)

        assert served == ["waited", "came back"]

    def test_who_gives_up_is_passed_over(self) -> None:
        slot = WriteSlot()
        assert slot.acquire(1)
        assert not slot.acquire(0.01)
        slot.release()

        assert slot.acquire(1)


# Four seconds is how long the file, or a row, is waited for. Waited for twice it would be more than this.
WAITED_ONCE_SEC = 7.5


class TestTrouble:
    def test_a_foreign_exclusive_lock_is_unavailable_within_five_seconds_and_over_when_it_is_over(
        self, sqlite_database: Database, sqlite_url: str
    ) -> None:
        with closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as foreign:
            foreign.execute("BEGIN EXCLUSIVE")
            began = time.monotonic()
            with pytest.raises(Unavailable):
                write_value(sqlite_database, "no")
            assert time.monotonic() - began < WAITED_ONCE_SEC
            assert sqlite_database.write_failure is not None
            assert read_value(sqlite_database) is None  # readers are not held up
            foreign.execute("ROLLBACK")

        write_value(sqlite_database, "yes")
        assert (read_value(sqlite_database), sqlite_database.write_failure) == ("yes", None)

    def test_who_waits_in_the_lane_behind_it_does_not_wait_a_second_time_for_the_file(
        self, sqlite_database: Database, sqlite_url: str
    ) -> None:
        """The slot and the file were waited for one after the other: up to eight and a half seconds."""
        answers: list[tuple[str, float]] = []

        def write(key: str) -> None:
            began = time.monotonic()
            try:
                write_value(sqlite_database, "no", key)
                answers.append(("stored", time.monotonic() - began))
            except Unavailable:
                answers.append(("unavailable", time.monotonic() - began))

        with closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as foreign:
            foreign.execute("BEGIN EXCLUSIVE")
            threads = [threading.Thread(target=write, args=(str(number),)) for number in range(3)]
            for each in threads:
                each.start()
            for each in threads:
                each.join(60)
            foreign.execute("ROLLBACK")

        assert [answer for answer, _ in answers] == ["unavailable"] * 3
        assert max(waited for _, waited in answers) < WAITED_ONCE_SEC
        write_value(sqlite_database, "yes")
        with sqlite_database.write() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 4_000

    def test_a_full_disk_is_unavailable_and_over_when_there_is_room_again(self, sqlite_database: Database) -> None:
        def limit_pages(count: int) -> None:
            with sqlite_database.write() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count = {count}")

        def fill() -> None:
            for number in range(1_000):
                write_value(sqlite_database, "x" * 2_000, f"fill-{number}")

        limit_pages(1)  # SQLite takes the present size where the number is smaller
        with pytest.raises(Unavailable, match="full"):
            fill()
        assert sqlite_database.write_failure is not None
        assert read_value(sqlite_database, "fill-999") is None

        limit_pages(1_000_000)
        write_value(sqlite_database, "room")
        assert sqlite_database.write_failure is None
        with sqlite_database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"

    def test_a_connection_that_the_postgres_server_ends_is_unavailable_and_the_next_one_works(
        self, postgres_url: str
    ) -> None:
        database = Database.open(postgres_url)

        def write_while_the_server_hangs_up() -> None:
            with database.write() as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
                with psycopg.connect(postgres_url, autocommit=True) as admin:
                    admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
                connection.execute(insert(Meta), [{"key": "k", "value": "lost"}])

        with pytest.raises(Unavailable):
            write_while_the_server_hangs_up()

        write_value(database, "kept")
        assert read_value(database) == "kept"
        database.close()

    def test_a_row_lock_that_somebody_keeps_is_unavailable_within_five_seconds(self, postgres_url: str) -> None:
        database = Database.open(postgres_url)
        write_value(database, "v")
        with psycopg.connect(postgres_url) as foreign:
            foreign.execute("LOCK TABLE meta")
            began = time.monotonic()
            with pytest.raises(Unavailable):
                write_value(database, "w", "other")
            assert time.monotonic() - began < WAITED_ONCE_SEC
            foreign.rollback()

        write_value(database, "w", "other")
        database.close()

    def test_an_error_does_not_quote_what_was_to_be_written(self, database: Database) -> None:
        with pytest.raises(Exception, match=r"(?i)unique|duplicate") as failed, database.write() as connection:
            connection.execute(insert(Meta), [{"key": "k", "value": "canary"}, {"key": "k", "value": "canary"}])

        assert "canary" not in str(failed.value)


@pytest.mark.parametrize(
    "change", ["status = 'up'", "status = ''", "interval_seconds = -1", "grace_seconds = 9000000000000000000"]
)
def test_a_hand_edit_that_nobody_could_read_is_refused_by_the_database(database: Database, change: str) -> None:
    """One such row would stop the evaluator, and with it the watch over everybody else."""
    make(database)
    before = rows(database, Monitor)

    def edit_by_hand() -> None:
        with database.write() as connection:
            connection.exec_driver_sql(f"UPDATE monitors SET {change}")

    with pytest.raises(DBAPIError):
        edit_by_hand()
    assert rows(database, Monitor) == before


def test_the_tables_are_those_that_the_migrations_make(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})

        assert compare_metadata(context, Base.metadata) == []


def test_the_comparison_of_tables_and_migrations_can_fail(database: Database) -> None:
    """The control of the test above: a column more, and it is seen."""
    altered = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.tables.values():
        table.to_metadata(altered)
    altered.tables["meta"].c.value.nullable = True

    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), altered) != []


def test_migrating_what_is_up_to_date_changes_nothing(database: Database) -> None:
    write_value(database, "v")

    database.migrate()

    assert read_value(database) == "v"
