"""The database: `Database.read()` and `Database.write()`, on SQLite or PostgreSQL.

One style on both: SQLAlchemy statements on a `Connection`, one transaction per use case, closed before any network
call. On SQLite there is one write connection, and whoever writes holds its slot, first come, first served; readers
have a pool of their own and never wait for it. On PostgreSQL readers and each kind of writer have an ordinary pool, and
rows are locked where a use case says so.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pulsemon.db import audit, schema, sqlite
from pulsemon.db.lock import FileLock
from pulsemon.db.open_files import OpenFiles
from pulsemon.db.types import to_text
from pulsemon.db.write_slot import WriteSlot
from pulsemon.errors import Contended, StartRefused, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

    from pulsemon.db.postgres import Writer
    from pulsemon.db.sessions import Measured

# As long as a ping waits to be stored: whoever waits longer for the slot gets a clear answer.
SLOT_TIMEOUT_SEC = 4.5
_BUSY_MS = int(sqlite.BUSY_TIMEOUT_SEC * 1000)

# PostgreSQL's codes, from the appendix of its manual.
_CONTENDED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
# A standby, or a server whose disk somebody guards; and a role that was given too little.
_READ_ONLY, _NOT_ALLOWED = "25006", "42501"
# All that a driver raises: what is not one of ours is told as `trouble` where a command or a start ends with it.
ERRORS = (DBAPIError, sqlite3.Error)
# After pings waited for a row in vain: the same one is likely to be asked for again, and all pings wait behind it.
_HURRY_SEC = 10.0


class Database:
    """Two ways in: `read()` for one consistent snapshot, `write()` for one transaction."""

    def __init__(
        self,
        writer: Engine,
        reader: Engine,
        *,
        slot: WriteSlot | None,
        lock: FileLock | None,
        files: OpenFiles | None = None,
        writers: dict[Writer, Engine] | None = None,
    ) -> None:
        self._writer = writer
        self._writers = writers or {}  # of those that do not use the one above
        self._reader = reader
        self._slot = slot
        self._lock = lock
        self._files = files
        self._is_taken_away = False  # changed only by whoever holds the slot
        self._kept: list[Connection] = []  # SQLite's write connection while nobody writes
        self._is_closed = False
        self._begin: Callable[[Connection], None] = _nothing
        if slot is None:
            from pulsemon.db import sessions

            self._begin = sessions.begin
        self._busy_ms = _BUSY_MS  # changed only by whoever holds the slot
        self._hurry_until = 0.0  # monotonic; PostgreSQL's ping lane only
        # Why the last write failed; None once one has succeeded since. `/ready` tells it.
        self.write_failure: str | None = None
        self.wrote_at = time.monotonic()

    @classmethod
    def open(
        cls, url: str, *, allow_unsafe: bool = False, lock_patience_sec: float = sqlite.LOCK_PATIENCE_SEC
    ) -> Database:
        """Connect, check that the database is ours and keeps what it acknowledges, and take its lock (SQLite).

        The lock is waited for, because a server that is being replaced needs a moment to let go.

        Raises:
            StartRefused: with the one line that says why not. Nothing was touched.
        """
        if url.startswith("sqlite"):
            opened = sqlite.open_file(url, lock_patience_sec=lock_patience_sec)
            return cls(opened.writer, opened.reader, slot=WriteSlot(), lock=opened.lock, files=opened.files)
        # Only here: its driver is 10 MB that a server on SQLite does not need.
        from pulsemon.db import postgres

        writers, reader = postgres.connect(url, allow_unsafe=allow_unsafe)
        return cls(writers["edits"], reader, slot=None, lock=None, writers=writers)

    @classmethod
    def open_to_read(cls, url: str, *, allow_unsafe: bool = False) -> Database:
        """Connect only to read, beside whatever servers run on the database: takes no lock and migrates nothing.

        Raises:
            StartRefused: there is no such database, it is not ours, or this version has yet to bring it up to date.
        """
        if url.startswith("sqlite"):
            reader = sqlite.open_to_read(url)
            opened = cls(reader, reader, slot=WriteSlot(), lock=None)
        else:
            opened = cls.open(url, allow_unsafe=allow_unsafe)
        try:
            with opened.read() as connection:
                if not schema.is_current(connection):
                    raise StartRefused("The database is not up to date. Start PulseMon once, or run `migrate`.")
        except StartRefused:
            opened.close()
            raise
        return opened

    @property
    def is_sqlite(self) -> bool:
        """Return whether this is SQLite: one process, one write connection."""
        return self._slot is not None

    def migrate(self) -> None:
        """Bring the schema up to date; does nothing when it is. All or nothing, and one process at a time.

        Raises:
            StartRefused: the database cannot be written, by anybody or by this role.
        """
        try:
            with self.write() as connection:
                if self._slot is None:
                    from pulsemon.db import postgres

                    postgres.wait_as_long_as_it_takes(connection)
                schema.upgrade(connection)
        except (Unavailable, *ERRORS) as failed:
            reason = str(failed) if isinstance(failed, Unavailable) else _summary(getattr(failed, "orig", failed))
            if isinstance(failed.__cause__, DBAPIError) and _code(failed.__cause__) == _NOT_ALLOWED:
                reason += (
                    " (the role of DATABASE_URL needs USAGE and CREATE on the schema, and its tables must be its own)"
                )
            raise StartRefused(
                f"The database could not be brought up to date: {reason}. Nothing was changed."
            ) from None

    @contextmanager
    def write(self, writer: Writer = "edits") -> Iterator[Connection]:
        """Run one transaction: committed, and on disk, when the block ends; rolled back when it raises.

        *writer* says who writes. On PostgreSQL each has connections of its own; on SQLite all share the only one.

        Raises:
            Contended: somebody else holds a row that is needed. PostgreSQL only.
            Unavailable: the database cannot be reached, is locked by somebody else, cannot write, or its file was taken
                away. When the COMMIT itself was cut off, it is not known whether it was stored.
        """
        if self._slot is not None:
            self._take_slot(self._slot)
        try:
            with self._translate(), self._connected(writer) as connection:
                self._limit_patience(connection)
                if self._is_taken_away:
                    self._look_at_files(connection)
                transaction = connection.begin()
                try:
                    self._begin(connection)
                    if writer == "pings":
                        self._hurry(connection)
                    yield connection
                    if transaction.is_active:  # the block may have rolled back by itself: nothing to write
                        if writer == "edits":
                            audit.write_pending(connection)
                        transaction.commit()
                except BaseException as failed:
                    _roll_back(connection, transaction, failed)
                    raise
                self._look_at_files(connection)
            self.write_failure = None
            self.wrote_at = time.monotonic()
        except Unavailable as failed:
            self.write_failure = str(failed)
            if writer == "pings" and isinstance(failed, Contended):
                self._hurry_until = time.monotonic() + _HURRY_SEC
            raise
        finally:
            if self._slot is not None:
                self._slot.release()

    @contextmanager
    def _connected(self, writer: Writer) -> Iterator[Connection]:
        """Connect to write. SQLite's only one is kept where all went well: the pool's part would cost a batch 30 us."""
        connection = self._take_kept() or self._writers.get(writer, self._writer).connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if self._slot is None:
            connection.close()
            return
        if connection.in_transaction():  # the block went on after it had rolled back by itself
            connection.rollback()
        self._kept.append(connection)
        if self._is_closed:  # asked last: whoever closes asks in the other order
            self._end_kept()

    def _take_kept(self) -> Connection | None:
        with suppress(IndexError):  # not asked first: whoever closes may take it in between
            return self._kept.pop()
        return None

    def _end_kept(self) -> None:
        if kept := self._take_kept():
            kept.close()

    def _take_slot(self, slot: WriteSlot) -> None:
        started_at = time.monotonic()
        if not slot.acquire(SLOT_TIMEOUT_SEC):
            self.write_failure = "locked"
            raise Unavailable("the database is busy")
        waited_sec = time.monotonic() - started_at
        self._busy_ms = int(min(sqlite.BUSY_TIMEOUT_SEC, max(SLOT_TIMEOUT_SEC - waited_sec, 0.1)) * 1000)

    def _limit_patience(self, connection: Connection) -> None:
        """Who has waited for the slot waits less for the file: both together stay below what a client is promised."""
        if self._slot is None or connection.info.get("busy_ms", _BUSY_MS) == self._busy_ms:
            return
        raw: Any = connection.connection.dbapi_connection
        raw.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
        connection.info["busy_ms"] = self._busy_ms

    def _look_at_files(self, connection: Connection) -> None:
        """Before a write is acknowledged: what is stored in a file without a name is as good as lost (SQLite).

        Raises:
            Unavailable: the file was taken away.
        """
        if self._files is None:
            return
        self._is_taken_away = not self._files.are_in_place()
        if self._is_taken_away:
            driver: Any = connection.connection.driver_connection
            self._files.save(driver)
            raise Unavailable("the database file was deleted, moved or replaced while PulseMon runs")

    def _hurry(self, connection: Connection) -> None:
        """After pings waited for a row in vain, wait only briefly: what is still locked would hold all others up."""
        if time.monotonic() < self._hurry_until:
            from pulsemon.db import postgres

            postgres.wait_briefly(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run queries on one snapshot of the database; nothing can be written.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with self._translate(), self._reader.connect() as connection, connection.begin():
            self._begin(connection)
            yield connection

    def measure_clock(self, now: Callable[[], datetime]) -> Measured | None:
        """Return how much later than *now* it is by the database's own clock; None on SQLite, which has none.

        Raises:
            Unavailable: the database cannot be reached.
        """
        if self._slot is not None:
            return None
        from pulsemon.db import sessions

        with self.read() as connection:
            return sessions.measure_clock(connection, now)

    def encode(self, instant: datetime | None) -> Any:
        """Return *instant* as the driver wants it, for statements that bypass SQLAlchemy's types."""
        if instant is None or self._slot is None:
            return instant
        return to_text(instant)

    def close(self) -> None:
        """Close all connections and give the lock back. One that a thread still uses ends when the thread is done."""
        if self._files is not None:
            self._files.close()
        for engine in (self._reader, self._writer, *self._writers.values()):
            event.listen(engine.pool, "checkin", _end)
            engine.dispose()
        self._is_closed = True
        self._end_kept()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as failed:
            kind = Contended if _code(failed) in _CONTENDED else Unavailable
            raise kind(_summary(failed.orig)) from failed
        except sqlite3.DatabaseError as failed:  # from the ping lane, which talks to the driver itself
            if isinstance(failed, sqlite3.OperationalError) or _is_damaged(failed):
                raise Unavailable(_summary(failed)) from failed
            raise
        except PoolTimeout as failed:
            raise Unavailable("all connections to the database are busy") from failed
        except DBAPIError as failed:
            if failed.connection_invalidated:
                raise Unavailable("the connection to the database was lost") from failed
            if _code(failed) in (_READ_ONLY, _NOT_ALLOWED) or _is_damaged(failed.orig):
                raise Unavailable(_summary(failed.orig)) from failed
            raise


def _end(_driver_connection: Any, record: ConnectionPoolEntry) -> None:
    """Close a connection that comes back to a pool that nobody uses any more."""
    record.invalidate()


def _nothing(_connection: Connection) -> None:
    """SQLite's transactions need nothing at their beginning."""


def _roll_back(connection: Connection, transaction: Any, failed: BaseException) -> None:
    """Undo what the block did; a connection that cannot even do that is thrown away, so that the next one is fresh."""
    try:
        if not connection.invalidated:
            transaction.rollback()
    except DBAPIError:
        connection.invalidate()
        return
    if "disk I/O error" in str(failed) and not connection.invalidated:
        # After a failed fsync SQLite's pages and the disk may disagree: only a new connection reads what is there.
        connection.invalidate()


def _code(failed: DBAPIError) -> str | None:
    """Return PostgreSQL's five characters for what went wrong; None on SQLite."""
    return getattr(failed.orig, "sqlstate", None)


def _is_damaged(failed: BaseException | None) -> bool:
    """Return whether SQLite found what it never wrote: somebody wrote into the file, or the disk lost some of it."""
    return getattr(failed, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def trouble(failed: BaseException) -> str:
    """Return the one line for somebody whose command or start ends with *failed*, one of `ERRORS`."""
    return f"The database cannot be used: {_summary(getattr(failed, 'orig', failed))}."


def _summary(failed: BaseException | None) -> str:
    """Return the driver's own first line: it names the trouble, and neither statement nor parameters."""
    return (str(failed).strip() or type(failed).__name__).splitlines()[0][:200]
