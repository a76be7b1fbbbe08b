"""Opening a SQLite file: is it ours, are we alone, does it keep what it acknowledges."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from pulsemon.db import schema
from pulsemon.db.lock import FileLock
from pulsemon.db.open_files import OpenFiles
from pulsemon.errors import InUse, StartRefused

BUSY_TIMEOUT_SEC = 4.0
READERS = 8
# Measured: fewer, longer checkpoints cost less per ping than SQLite's 1000 pages (17 against 14 us in batches of 256).
CHECKPOINT_PAGES = 4_000
# A process that is being replaced needs a moment to let go.
LOCK_PATIENCE_SEC = 3.0
_SYNCHRONOUS_FULL = 2


@dataclass(frozen=True, slots=True)
class OpenFile:
    """What `open_file` returns: one write connection's engine, a pool of readers, the lock, and what is open."""

    writer: Engine
    reader: Engine
    lock: FileLock
    files: OpenFiles


def file_path(url: str) -> Path:
    """Return the absolute path of the file that *url* names."""
    return Path(make_url(url).database or "").resolve()


def open_file(url: str, *, lock_patience_sec: float) -> OpenFile:
    """Open the file that *url* names, made if it is missing.

    Raises:
        StartRefused: it is not ours, is newer, cannot be written, is in use, or would lose what it acknowledges.
    """
    path = file_path(url)
    if path.exists() and not os.access(path, os.W_OK):
        # Asked before SQLite opens it: it would, for reading, and leave files beside it that nobody can write either.
        raise StartRefused(f"The database {path} cannot be written. Give the user that runs PulseMon the right to.")
    inspect(path)
    lock = lock_file(path, patience_sec=lock_patience_sec)
    writer, reader = _engine(path, is_writer=True), _engine(path, is_writer=False)
    keeper: sqlite3.Connection | None = None
    try:
        make_private(path)
        if not lock.cover(path):
            raise _in_use(path)
        with writer.connect() as connection:
            _check_durable(connection, path)
        keeper = _keeper(path)
        files = OpenFiles(path, keeper, lock.descriptor)
    except (DBAPIError, sqlite3.Error, OSError, StartRefused) as failed:
        if keeper is not None:
            keeper.close()
        writer.dispose()
        lock.release()
        if isinstance(failed, StartRefused):
            raise
        reason = failed.strerror if isinstance(failed, OSError) else getattr(failed, "orig", failed)
        raise StartRefused(f"The database {path} cannot be opened for writing: {reason}.") from None
    return OpenFile(writer, reader, lock, files)


def open_to_read(url: str) -> Engine:
    """Open the file that *url* names beside whatever server runs on it; nothing can be written.

    Raises:
        StartRefused: there is none, or it is not ours.
    """
    path = file_path(url)
    if not path.exists():
        raise StartRefused(f"There is no database at {path}.")
    inspect(path)
    return _engine(path, is_writer=False)


def lock_file(path: Path, *, patience_sec: float) -> FileLock:
    """Take the lock beside the database at *path*.

    Raises:
        StartRefused: another process holds it, or the folder cannot be written.
    """
    lock = FileLock(path.with_name(path.name + ".lock"))
    give_up_at = time.monotonic() + patience_sec
    try:
        while not lock.acquire():
            if time.monotonic() >= give_up_at:
                raise _in_use(path)
            time.sleep(0.1)
    except OSError as failed:
        raise StartRefused(f"The folder of the database {path} cannot be written: {failed.strerror}.") from None
    return lock


def _in_use(path: Path) -> InUse:
    return InUse(
        f"Another PulseMon is running on {path}. SQLite takes exactly one server process; "
        "stop the other one, or use PostgreSQL for several."
    )


def make_private(path: Path) -> None:
    """Make the file, if it is missing, so that only its owner reads it: it will hold tokens and secrets.

    SQLite gives the files beside it the same mode. One that exists keeps the mode that its owner chose.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))


def read_only_uri(path: Path) -> str:
    """Return the name by which SQLite opens *path* for reading only, whatever characters are in it."""
    return f"{path.as_uri()}?mode=ro"


def inspect(path: Path) -> None:
    """Look at the file without changing a byte of it.

    Raises:
        StartRefused: it is not ours, or newer.
    """
    if not path.parent.is_dir():
        raise StartRefused(f"The folder {path.parent} of the database does not exist. Make it, or change DATABASE_URL.")
    if path.is_dir():
        raise StartRefused(f"{path} is a folder. Write the name of a file in it into DATABASE_URL.")
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True, timeout=BUSY_TIMEOUT_SEC)) as connection:
            columns = {
                name: {row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")}
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            }
            revision = _revision(connection) if "alembic_version" in columns else None
    except sqlite3.DatabaseError as failed:
        raise StartRefused(f"{path} is not a database that PulseMon can read: {failed}.") from None
    problem = schema.objection(columns, revision)
    if problem:
        raise StartRefused(f"{path} {problem}")


def _revision(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def quoted(name: str) -> str:
    """Return *name* as SQL writes the name of a table."""
    return '"' + name.replace('"', '""') + '"'


def _keeper(path: Path) -> sqlite3.Connection:
    """Return a connection that has read from the file, so that the files beside it are open for as long as it is."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SEC, isolation_level=None, check_same_thread=False)
    for pragma in _READER_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def _engine(path: Path, *, is_writer: bool) -> Engine:
    engine = create_engine(
        # Not as text: a ? or a % in the path would mean something in a URL.
        URL.create("sqlite+pysqlite", database=str(path)),
        pool_size=1 if is_writer else READERS,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_SEC,
        # An error is logged with its statement; tokens and secrets are among the parameters.
        hide_parameters=True,
        # isolation_level None: the driver begins nothing by itself, so BEGIN is ours and DDL is transactional.
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SEC, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in _WRITER_PRAGMAS if is_writer else _READER_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    # IMMEDIATE: a transaction that will write takes the write lock at once; upgrading a read later can fail as busy.
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # By the driver itself: through SQLAlchemy it would cost every batch of pings 40 us.
        driver: Any = connection.connection.driver_connection
        driver.execute(begin)

    return engine


_WRITER_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: a plain fsync there leaves the data in the drive's cache
    f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    "journal_size_limit = 67108864",
    "foreign_keys = ON",
    "temp_store = MEMORY",
)
_READER_PRAGMAS = ("query_only = ON", "temp_store = MEMORY")


def _check_durable(connection: Connection, path: Path) -> None:
    """Read back what was asked for: a file system without shared memory keeps another journal mode in silence."""
    journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    if journal != "wal" or synchronous != _SYNCHRONOUS_FULL:
        raise StartRefused(
            f"The database {path} does not keep what it acknowledges (journal_mode {journal}, "
            f"synchronous {synchronous}). Put it on a local disk."
        )
