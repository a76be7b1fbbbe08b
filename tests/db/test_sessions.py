"""PostgreSQL as others set it up: defaults of a role, a pooler in between, sessions that turned read-only."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from pulsemon.core.status import Status
from pulsemon.db import Database, sessions
from pulsemon.db.postgres import Writer, normal_url
from pulsemon.deadlines import passes
from pulsemon.errors import StartRefused, Unavailable
from pulsemon.heartbeats.pings import Answer
from pulsemon.monitors import manage as monitors
from tests.arrange import START, a_ping, again, make, make_up, record, seconds, stored
from tests.conftest import IDLE_SETTING, wait_until
from tests.pgbouncer import pgbouncer

HOSTILE = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug5",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "lock_timeout": "1",
    "statement_timeout": "29000",
    "idle_in_transaction_session_timeout": "60000",
    "idle_session_timeout": "60000",
}
WRITERS: list[Writer] = ["pings", "loops", "edits"]


# What PostgreSQL shows of what PulseMon sets in other units. (A node's own limit of a transaction that stands still is
# two seconds, which a thread of a test does on a busy machine; what it is for is tried in tests.faults.test_nodes.)
IN_ITS_UNITS = {"lock_timeout": "2500ms", "statement_timeout": "30s", IDLE_SETTING: "61s"}


@pytest.fixture(autouse=True)
def _a_limit_that_nobody_else_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions._SETTINGS, IDLE_SETTING, "61000")


@pytest.fixture
def hostile_url(postgres_server: str, empty_postgres_url: str) -> Iterator[str]:
    """An empty database, and the URL of a role whose every default is one that PulseMon does not want."""
    role = f"hostile_{secrets.token_hex(4)}"
    name = make_url(empty_postgres_url).database
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' SUPERUSER".encode())
        for setting, value in HOSTILE.items():
            admin.execute(f"ALTER ROLE {role} SET {setting} = '{value}'".encode())
        try:
            yield make_url(empty_postgres_url).set(username=role, password="x").render_as_string(hide_password=False)
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE {role}".encode())


@pytest.fixture
def hostile(hostile_url: str) -> Iterator[Database]:
    opened = Database.open(hostile_url)
    opened.migrate()
    yield opened
    opened.close()


def shown(database: Database, names: Sequence[str], writer: Writer) -> dict[str, object]:
    with database.write(writer) as connection:
        return {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names}


class TestARoleWithDefaultsOfItsOwn:
    def test_no_setting_that_changes_values_or_patience_is_left_to_it(
        self, hostile: Database, hostile_url: str
    ) -> None:
        with psycopg.connect(hostile_url) as control:
            assert control.execute("SHOW TimeZone").fetchone() == ("Asia/Kathmandu",)

        for writer in WRITERS:
            found = shown(hostile, [*sessions._SETTINGS, "client_encoding", "transaction_isolation"], writer)

            assert found == sessions._SETTINGS | IN_ITS_UNITS | {
                "client_encoding": "UTF8",
                "transaction_isolation": "read committed",
            }

    def test_what_a_ping_brings_is_read_as_it_was_written(self, hostile: Database) -> None:
        monitor = make(hostile, name="Cópia \\'noturna' 🚀")
        ping = a_ping(monitor, START, body=b"\x00\\\xff'", user_agent="\\ 🚀 '")

        assert record(hostile, ping) == [Answer.STORED]

        row = stored(hostile, monitor)[0]
        assert (row.received_at, row.body, row.user_agent) == (START, b"\x00\\\xff'", "\\ 🚀 '")
        assert (row.rid, row.exit_status, row.remote_addr) == (None, None, None)
        assert again(hostile, monitor).name == "Cópia \\'noturna' 🚀"

    def test_a_deadline_is_found_and_a_repeat_of_a_run_known(self, hostile: Database) -> None:
        silent, rid = make_up(hostile, "silent"), "11111111-2222-3333-4444-555555555555"
        record(hostile, a_ping(silent, START + seconds(1), rid=rid))
        record(hostile, a_ping(silent, START + seconds(2), rid=rid))
        late = START + seconds(400)

        passes.expire_due(hostile, now=late, recorded_at=late)

        assert [row.outcome for row in stored(hostile, silent)][-2:] == ["counted", "repeat"]
        assert again(hostile, silent).status is Status.DOWN


def test_options_that_a_url_brings_are_kept(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA theirs")
    url = make_url(postgres_url).update_query_dict({"options": "-c search_path=theirs"})

    with closing(Database.open(url.render_as_string(hide_password=False))) as database:
        database.migrate()
        monitor = make(database, "in-their-schema")
        record(database, a_ping(monitor, START))

    with psycopg.connect(postgres_url) as admin:
        assert admin.execute("SELECT slug, ping_count FROM theirs.monitors").fetchall() == [("in-their-schema", 1)]
        assert admin.execute("SELECT count(*) FROM public.monitors").fetchone() == (0,)


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgres://u:p@one:5432,two:5433/name?target_session_attrs=read-write", ("one:5432", "two:5433"), None),
        ("postgresql://u:p,q@one,two/name", ("one", "two"), None),
        ("postgresql://u:p,q@one:5433/name", None, 5433),
    ],
)
def test_several_servers_may_be_named_as_libpq_names_them(
    url: str, hosts: tuple[str, ...] | None, ports: int | None
) -> None:
    read = normal_url(url)

    assert (read.query.get("host"), read.port, read.database) == (hosts, ports, "name")
    assert read.host == (None if hosts else "one")


class TestSessionsThatTurnedReadOnly:
    """As after a failover: old connections reach a server that only reads, new ones one that writes."""

    @pytest.fixture
    def role_url(self, postgres_server: str, postgres_url: str) -> Iterator[str]:
        role = f"failover_{secrets.token_hex(4)}"
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' SUPERUSER".encode())
        yield make_url(postgres_url).set(username=role, password="x").render_as_string(hide_password=False)
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}".encode())

    def test_are_replaced_when_new_ones_may_write(self, role_url: str) -> None:
        read = make_url(role_url)
        admin_url = read.set(username="postgres").render_as_string(hide_password=False)
        with closing(Database.open(role_url)) as database:
            monitor = make(database)
            with psycopg.connect(admin_url, autocommit=True) as admin:
                admin.execute(f"ALTER ROLE {read.username} SET default_transaction_read_only = on".encode())
                kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{read.username}'"
                admin.execute(kill.encode())
                for writer in WRITERS:
                    with pytest.raises(Unavailable, match="read-only"), database.write(writer) as connection:
                        connection.exec_driver_sql("DELETE FROM nodes")
                monitors.list_all(database)  # readers go on
                admin.execute(f"ALTER ROLE {read.username} RESET default_transaction_read_only".encode())

            def is_written(writer: Writer) -> bool:
                try:
                    with database.write(writer) as connection:
                        connection.exec_driver_sql("DELETE FROM nodes")
                except Unavailable:
                    return False
                return True

            for writer in WRITERS:
                wait_until(partial(is_written, writer))
            assert record(database, a_ping(monitor, START)) == [Answer.STORED]
            wait_until(lambda: not self._reads_where_nothing_is_written(database))

    @staticmethod
    def _reads_where_nothing_is_written(database: Database) -> bool:
        with database.read() as connection:
            return connection.exec_driver_sql("SHOW default_transaction_read_only").scalar() == "on"


class TestBehindPgBouncer:
    @staticmethod
    def at_once(database: Database) -> None:
        """Ping, edit and judge from as many threads as a writer has connections: each transaction gets any session."""
        found = [make_up(database, f"job-{number}") for number in range(2)]
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for second in range(1, 12):
                    answers = record(database, a_ping(found[number], START + seconds(second), body=b"\xff"))
                    assert answers == [Answer.STORED]
                    monitors.list_all(database)
                    late = START + seconds(second)
                    passes.expire_due(database, now=late, recorded_at=late)
                    monitors.edit(database, monitors.by_slug(found[number].slug), {"name": f"{second}"}, now=late)
            except BaseException as wrong:
                failed.append(wrong)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(found))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert [again(database, each).ping_count for each in found] == [12] * len(found)

    @pytest.mark.parametrize("pool_mode", ["transaction", "session"])
    @pytest.mark.parametrize("round_robin", ["0", "1"])
    def test_transactions_have_our_settings_whoever_s_session_it_is(
        self, empty_postgres_url: str, tmp_path: Path, pool_mode: str, round_robin: str
    ) -> None:
        size = {"session": "30", "transaction": "2"}[pool_mode]
        with (
            pgbouncer(
                empty_postgres_url,
                tmp_path,
                pool_mode=pool_mode,
                server_round_robin=round_robin,
                default_pool_size=size,
            ) as url,
            closing(Database.open(url)) as database,
        ):
            database.migrate()
            self.at_once(database)
            for writer in WRITERS:
                assert shown(database, list(sessions._SETTINGS), writer) == sessions._SETTINGS | IN_ITS_UNITS
            with database.read() as connection:
                assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
                assert connection.exec_driver_sql("SHOW TimeZone").scalar() == "UTC"

    def test_nothing_of_ours_is_left_in_a_session_that_others_get(
        self, empty_postgres_url: str, tmp_path: Path
    ) -> None:
        with (
            pgbouncer(empty_postgres_url, tmp_path, pool_mode="transaction", default_pool_size="1") as url,
            closing(Database.open(url)) as database,
        ):
            database.migrate()
            make_up(database)
            with psycopg.connect(url, prepare_threshold=None) as another:
                assert another.execute("SHOW lock_timeout").fetchone() == ("0",)
                assert another.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)

    def test_statement_mode_is_refused_with_what_to_do(self, empty_postgres_url: str, tmp_path: Path) -> None:
        with (
            pgbouncer(empty_postgres_url, tmp_path, pool_mode="statement") as url,
            pytest.raises(StartRefused, match="pool_mode") as refused,
        ):
            Database.open(url)
        assert "\n" not in str(refused.value)


def test_control_a_direct_connection_prepares_and_is_set_up_once(postgres_url: str) -> None:
    with closing(Database.open(postgres_url)) as database, database.write() as connection:
        assert connection.info[sessions._POOLED] is None
        for number in range(3):
            connection.exec_driver_sql("SELECT 1 + %s", (number,))
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar()
