"""What tests share: both databases, the whole application, a real server process, and what to skip where.

Without CI=true a missing part (Chromium, strace, faketime) skips its tests and the last lines name it; with CI=true it
fails them.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpcore2
import httpx2._config
import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from starlette.testclient import TestClient

from pulsemon import redaction
from pulsemon.db import Database, sessions
from pulsemon.deadlines.loop import Evaluation
from pulsemon.operations import garbage
from pulsemon.server import PulseMon
from pulsemon.settings import Settings
from tests.pgserver import start_postgres
from tests.ports import free_port

# Nothing fails because the machine is busy. Who waits for something waits this long for it: where all is well it comes
# at once, and patience costs nothing. A shorter time is named only where it is the time that is looked at.
LONG_ENOUGH_SEC = 60.0
# Ten seconds after a stop was asked for, uvicorn cuts off what is under way: who is gone sooner waited for nobody.
UNHURRIED_STOP_SEC = 9.0
for _step in ("connect", "read", "write", "pool"):  # every request that names no time of its own
    setattr(httpx2._config.DEFAULT_TIMEOUT_CONFIG, _step, LONG_ENOUGH_SEC)
# To read what the system trusts takes 30 ms, and every request that a test makes by itself would do so again.
httpcore2.default_ssl_context = functools.cache(httpcore2.default_ssl_context)
hypothesis_settings.register_profile(
    "patient", hypothesis_settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile("quick", hypothesis_settings.get_profile("patient"), max_examples=10)
hypothesis_settings.load_profile("patient")

# What a shell starts with & or nohup ignores these, and so would every process that a test starts and interrupts: no
# program can set a trap for what it was born to ignore.
for _signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP) if sys.platform != "win32" else ():
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.SIG_DFL)

# On a busy machine a thread of a test stands still within a transaction for longer than a node's may. Servers have that
# limit.
IDLE_SETTING = "idle_in_transaction_session_timeout"
IDLE_LIMIT = sessions._SETTINGS[IDLE_SETTING]
sessions._SETTINGS[IDLE_SETTING] = "60000"

ROOT = Path(__file__).resolve().parent.parent
ADMIN_TOKEN = "test-admin-token-of-some-length"
SECRETS_KEY = "c2VjcmV0cyBvZiB0ZXN0cyBhcmUgMzIgYnl0ZXMgLi4="
_missing: set[str] = set()
# What breaks things, shows pages and installs packages takes longer than anybody waits between two edits.
_SLOW_ROOMS = frozenset({"faults", "browser", "project"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="core, input and one path of each feature, on SQLite")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        hypothesis_settings.load_profile("quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --quick keep all of the core and of input, and of every other file its first test, which is its path."""
    if not config.getoption("--quick"):
        return
    kept: list[pytest.Item] = []
    seen: set[Path] = set()
    for item in items:
        room = item.path.relative_to(ROOT / "tests").parts[0]
        is_postgres = "postgresql" in item.name or any("postgres" in name for name in getattr(item, "fixturenames", ()))
        if is_postgres or room in _SLOW_ROOMS:
            continue
        if room in ("core", "input"):
            kept.append(item)
        elif item.path not in seen:
            seen.add(item.path)
            kept.append(item)
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def at(text: str) -> datetime:
    """Return an instant of 2026-03-02: "10:05", "10:05:30" or "10:05:30.250"."""
    return datetime.fromisoformat(f"2026-03-02T{text}").replace(tzinfo=UTC)


def require(program: str) -> str:
    """Return the path of *program*; skip the test where it is missing, fail it in CI."""
    path = shutil.which(program)
    if path:
        return path
    _missing.add(program)
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed, and CI must run this test")
    pytest.skip(f"{program} is not installed")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _missing:
        terminalreporter.write_line(f"Skipped for want of: {', '.join(sorted(_missing))}.", yellow=True)


def wait_until(ask: Callable[[], Any], *, within: float = LONG_ENOUGH_SEC, every: float = 0.02) -> Any:
    """Ask until the answer is true, and return it; fail the test after *within* seconds."""
    give_up_at = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > give_up_at:
            pytest.fail(f"not within {within} s: {ask}")
        time.sleep(every)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL: the one TEST_POSTGRES_URL names, else one of our own for this run."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="pulsemon-pg-"))
    server = start_postgres(folder)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def database_of(server_url: str, name: str) -> str:
    """Return the URL of database *name* on the server."""
    head, _, query = server_url.partition("?")
    head = head.rstrip("/").rsplit("/", 1)[0] if head.count("/") > 2 else head
    return f"{head}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a database that is migrated once and copied for every test."""
    name = f"template_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    database = Database.open(database_of(postgres_server, name))
    database.migrate()
    database.close()
    return name


@pytest.fixture(autouse=True)
def _one_application_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process keeps for its one application is not kept for the thousands that tests start in theirs.

    The secrets of them all would make one pattern that every line of the log goes through, and each start would look
    through all that pytest holds. (tests/operations/test_garbage.py has a process with the collector as it is.)
    """
    monkeypatch.setattr(redaction, "_values", set(redaction._values))
    monkeypatch.setattr(redaction, "_known", redaction._known)
    monkeypatch.setattr(garbage, "settle", lambda: None)


@pytest.fixture
def applications() -> Iterator[ExitStack]:
    """What the test has started; a fixture that owns a database ends it all before it takes the database back."""
    with ExitStack() as started:
        yield started


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A PostgreSQL database without a table in it."""
    yield from _postgres_database(postgres_server, template=None)


@pytest.fixture(scope="session")
def emptied_databases(postgres_server: str) -> Iterator[list[str]]:
    """Databases that a test has left and that were made as new: copying the template costs ten times as much."""
    emptied: list[str] = []
    yield emptied
    for url in emptied:
        _drop(postgres_server, _name_of(url))


@pytest.fixture(scope="session")
def template_shape(postgres_server: str, postgres_template: str) -> tuple[Any, ...] | None:
    """What a database looks like that no test has altered."""
    return _shape(database_of(postgres_server, postgres_template))


@pytest.fixture
def postgres_url(
    postgres_server: str,
    postgres_template: str,
    template_shape: tuple[Any, ...] | None,
    emptied_databases: list[str],
    applications: ExitStack,
) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    if emptied_databases:
        url = emptied_databases.pop()
    else:
        url = database_of(postgres_server, f"test_{secrets.token_hex(6)}")
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {_name_of(url)} TEMPLATE {postgres_template}".encode())
    yield url
    applications.close()
    if is_made_as_new(url, template_shape, server=postgres_server):
        emptied_databases.append(url)
    else:
        _drop(postgres_server, _name_of(url))


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def _name_of(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[1]


_COLUMNS_AND_SETTINGS = """
    SELECT array_agg(c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || a.attnotnull
                     ORDER BY c.relname, a.attname),
           (SELECT array_agg(version_num) FROM alembic_version),
           (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'),
           (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
             WHERE d.datname = current_database())
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
       AND a.attnum > 0 AND NOT a.attisdropped
"""


def _shape(url: str) -> tuple[Any, ...] | None:
    """Return what a test may not have changed if the next one is to use the database; None if that cannot be told."""
    try:
        with psycopg.connect(url) as connection:
            return connection.execute(_COLUMNS_AND_SETTINGS).fetchone()
    except psycopg.Error:
        return None


def is_made_as_new(url: str, wanted: tuple[Any, ...] | None, *, server: str) -> bool:
    """Empty every table, if nothing but rows is different from the template; return whether that was so.

    Nobody else comes in meanwhile: who reads two tables while all are being locked would make it a deadlock.
    """
    if wanted is None or _shape(url) != wanted:
        return False
    with (
        psycopg.connect(url, autocommit=True) as connection,
        psycopg.connect(server, autocommit=True) as admin,
        _closed_to_others(admin, _name_of(url), mine=connection.info.backend_pid),
    ):
        _empty(connection)
        connection.execute(_FIRST_ROWS)
    return True


# What the migrations put into a new database.
_FIRST_ROWS = """
    INSERT INTO projects (slug, name, created_at, updated_at)
    VALUES ('default', 'Default', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
    INSERT INTO meta (key, value) VALUES ('audit-head', repeat('0', 64))
"""


# The largest table of most tests fits into it. To truncate all makes new files of a hundred, which takes fifty times as
# long as to remove some rows.
_FEW_BYTES = 65_536


def _empty(connection: psycopg.Connection) -> None:
    """Remove all rows of all tables and let the sequences begin anew."""
    tables = connection.execute(
        "SELECT tablename, pg_relation_size(tablename::regclass) FROM pg_tables "
        "WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    ).fetchall()
    if max(size for _, size in tables) > _FEW_BYTES:
        connection.execute(f"TRUNCATE {', '.join(name for name, _ in tables)} RESTART IDENTITY".encode())
        return
    # In any order: no trigger of a foreign key fires.
    deletes = "; ".join(f"DELETE FROM {name}" for name, _ in tables)
    connection.execute(f"SET session_replication_role = replica; {deletes}; RESET session_replication_role".encode())
    connection.execute(
        "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence JOIN pg_class ON oid = seqrelid "
        "WHERE relnamespace = 'public'::regnamespace"
    )


@contextmanager
def _closed_to_others(admin: psycopg.Connection, name: str, *, mine: int) -> Iterator[None]:
    """Let nobody into the database *name* and put out who is inside, but for the backend *mine*."""
    admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false".encode())
    try:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s", [name, mine]
        )
        yield
    finally:
        admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true".encode())


def _postgres_database(server: str, *, template: str | None) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute((f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")).encode())
    try:
        yield database_of(server, name)
    finally:
        _drop(server, name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file of the test's own, not made yet."""
    return f"sqlite:///{tmp_path / 'pulsemon.db'}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that is migrated once and copied for every test: to migrate takes a hundred times as long."""
    path = tmp_path_factory.mktemp("template") / "pulsemon.db"
    database = Database.open(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def migrated_sqlite_url(sqlite_url: str, sqlite_template: Path) -> str:
    """A migrated SQLite file of the test's own."""
    shutil.copyfile(sqlite_template, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each test that asks for this runs on both databases, migrated."""
    return str(request.getfixturevalue("migrated_sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated database, once on SQLite and once on PostgreSQL."""
    opened = Database.open(database_url)
    opened.migrate()
    yield opened
    opened.close()


def settings_for(database_url: str, **changes: Any) -> Settings:
    """Return settings that read no file: those of a test."""
    values: dict[str, Any] = {"database_url": database_url, "admin_token": ADMIN_TOKEN, "log_level": "WARNING"}
    if not database_url.startswith("sqlite"):  # else its file would lie in the working directory, which is nobody's
        values["secrets_key"] = SECRETS_KEY
    return Settings(_env_file=None, **values | changes)  # type: ignore[call-arg]


@pytest.fixture
def never_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have PulseMon note nothing of its own pauses: where all rows are compared, a busy machine changes none."""
    monkeypatch.setattr(Evaluation, "_add_window", lambda *_: None)


@pytest.fixture
def make_client(applications: ExitStack) -> Callable[..., TestClient]:
    """Start the whole application in this process: `make_client(database_url, **settings)`."""

    def make(database_url: str, **changes: Any) -> TestClient:
        app = PulseMon(settings_for(database_url, **changes))
        client = TestClient(app, base_url="http://testserver")
        client.__enter__()
        if app._app is None:  # TestClient says nothing, and would wait for ever at its end
            pytest.fail("the application did not start; the log says why")
        applications.push(client)
        return client

    return make


@pytest.fixture
def client(make_client: Callable[..., TestClient], database_url: str) -> TestClient:
    """The whole application, loops and all, on each database."""
    return make_client(database_url)


@pytest.fixture
def panel(client: TestClient) -> TestClient:
    """The owner's browser, logged in: it takes pages in English, and runs no scripts."""
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    assert client.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False).status_code == 303
    return client


@pytest.fixture
def one(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """The application on SQLite, for what does not depend on the database."""
    return make_client(sqlite_url)


@pytest.fixture
def admin() -> dict[str, str]:
    """The header of the administrator."""
    return {"X-Admin-Token": ADMIN_TOKEN}


@dataclass
class Server:
    """A real server process, as a user runs it."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    environment: dict[str, str]
    arguments: list[str]
    folder: Path
    headers: dict[str, str] = field(default_factory=lambda: {"X-Admin-Token": ADMIN_TOKEN})

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a monitor through the API and return it."""
        body = {"name": "Backup Noturno", "slug": "backup-noturno"} | fields
        if "schedule" not in fields:
            body.setdefault("interval_seconds", 60)
        answer = httpx2.post(f"{self.url}/api/monitors", json=body, headers=self.headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def get(self, path: str) -> Any:
        """Return the JSON of an API path."""
        answer = httpx2.get(self.url + path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self, *, within: float = LONG_ENOUGH_SEC) -> int:
        """Ask it to stop and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(within)

    def kill(self) -> None:
        """Kill it as `kill -9` does, and wait until it is gone."""
        self.process.kill()
        self.process.wait(LONG_ENOUGH_SEC)

    def start_again(self) -> None:
        """Start the same command on the same data."""
        with self.log_path.open("ab") as out:
            self.process = subprocess.Popen(
                self.arguments, env=self.environment, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        def is_up() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log}")
            try:
                return httpx2.get(f"{self.url}/health", timeout=5).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(is_up, every=0.05)


@pytest.fixture
def make_server(tmp_path: Path, applications: ExitStack) -> Callable[..., Server]:
    """Start server processes: `make_server(database_url, arguments=None, **environment)`."""
    return applications.enter_context(server_maker(tmp_path))


@contextmanager
def server_maker(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Give a function that starts server processes below *tmp_path*, and end them all at last."""
    servers: list[Server] = []

    def make(database_url: str, arguments: list[str] | None = None, **environment: str) -> Server:
        port = free_port()
        folder = Path(tempfile.mkdtemp(prefix="server-", dir=tmp_path))
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "APP_HOST": "127.0.0.1",
            "APP_PORT": str(port),
        } | environment
        command = arguments or [sys.executable, "-m", "pulsemon", "serve"]
        command = [part.replace("{port}", str(port)) for part in command]
        server = Server(f"http://127.0.0.1:{port}", None, folder / "log.txt", variables, command, folder)  # type: ignore[arg-type]
        servers.append(server)
        server.start_again()
        return server

    try:
        yield make
    finally:
        for server in servers:
            if server.process and server.process.poll() is None:
                server.kill()


@pytest.fixture
def server(make_server: Callable[..., Server], sqlite_url: str) -> Server:
    """One real server process on SQLite."""
    return make_server(sqlite_url)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"
