"""Are the files that are open still those that the path names?

A database that somebody deletes or replaces while it is open goes on taking writes, into a file without a name: all of
it is gone with the process. SQLite does not look, so this does, after every commit. What the open file holds then is
saved; when to refuse writes is `Database`'s business.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

from pulsemon import log, whole_file

_log = log.get(__name__)

# Beside the database: the log of what was written last, and the memory that its processes share.
_BESIDE = ("-wal", "-shm")
_Identity = tuple[int, int]
_DATABASE_BEGINS = (b"SQLite format 3\0",)
# How a log begins once something is in it (https://www.sqlite.org/fileformat2.html#walformat, in either byte order).
_LOG_BEGINS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


class OpenFiles:
    """A SQLite database and the files beside it, by what they were when it was opened."""

    def __init__(self, path: Path, keeper: sqlite3.Connection, descriptor: int | None) -> None:
        """Note which files *path* names; *keeper* is a connection that has read from them and stays open.

        While one is open SQLite itself neither removes nor remakes the files beside the database. *descriptor*, where
        there is one, is open on the database for as long as this is; to close one would drop SQLite's locks.
        """
        self._path = path
        self._keeper = keeper
        self._known = [(name, _identity(name)) for name in (str(path) + suffix for suffix in ("", *_BESIDE))]
        self._is_told = False
        self._looking = threading.Lock()
        self._size = path.stat().st_size
        # Of the log, on which SQLite holds no lock that closing this would drop.
        self._log = os.open(f"{path}-wal", os.O_RDONLY) if hasattr(os, "pread") else None
        self._looked_into: tuple[tuple[int | None, tuple[bytes, ...]], ...] = (
            (descriptor, _DATABASE_BEGINS),
            (self._log, _LOG_BEGINS),
        )

    def close(self) -> None:
        """Close the connection that keeps the files."""
        with self._looking:  # a thread may be writing still, and its number be another file's as soon as it is closed
            if self._log is not None:
                os.close(self._log)
            self._log, self._looked_into = None, ()
        self._keeper.close()

    def are_in_place(self) -> bool:
        """Return whether each name still leads to the file that is open, and nobody overwrote it in its place.

        Overwritten is what lost its beginning, and a database that became shorter and is not whole. Costs three looks
        at a directory and two into the files.
        """
        size = self._size
        for name, known in self._known:
            try:
                found = os.stat(name)  # noqa: PTH116 - a path is made anew for each look otherwise
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError:  # not to be seen is not to be gone
                continue
            if (found.st_dev, found.st_ino) != known and not _is_open(name, found):
                return False
            if name is self._known[0][0]:
                size = found.st_size
        if self._is_overwritten(size):
            return False
        self._size = size
        self._is_told = False
        return True

    def _is_overwritten(self, size: int) -> bool:
        """Return whether somebody wrote into what is open, as far as its size and beginnings tell."""
        with self._looking:
            looked_into = ((each, wanted) for each, wanted in self._looked_into if each is not None)
            begin_well = all(_begins(each, wanted) for each, wanted in looked_into)
        return not begin_well or (size < self._size and (size == 0 or not self._is_whole()))

    def _is_whole(self) -> bool:
        """Ask SQLite, which may take seconds. A database that became shorter may have been tidied up (VACUUM)."""
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        except sqlite3.DatabaseError:
            return False

    def save(self, connection: sqlite3.Connection) -> None:
        """Put what the open files hold where it can be found, and say so in one line; once, until all is in place.

        *connection* is the one that writes, with no transaction open.
        """
        if self._is_told:
            return
        self._is_told = True
        try:
            saved = self._save(connection)
        except (sqlite3.Error, OSError) as failed:
            saved = f"could not be saved: {failed}"
        _log.error(
            "database.taken_away",
            path=str(self._path),
            reason="it was deleted, moved or replaced while PulseMon runs; nothing is acknowledged until PulseMon "
            "was started again on the right file",
            stored_so_far=saved,
        )

    def _save(self, connection: sqlite3.Connection) -> str:
        database, *beside = [(name, _identity_or_none(name) == known) for name, known in self._known]
        if database[1] and self._is_overwritten(self._path.stat().st_size):
            return "is what the copies hold that were made before: the files were overwritten in their place"
        if database[1] and any(Path(name).exists() and not is_ours for name, is_ours in beside):
            # Somebody else has the same database open by another log: what is ours must not be mixed with theirs.
            return self._copy(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if database[1]:
            return f"is all in {self._path}"
        saved = self._copy(connection)
        for name, is_ours in beside:
            if is_ours:  # else the next start would read our log into the file that stands there now
                with suppress(OSError):
                    Path(name).unlink()
        return saved

    def _copy(self, connection: sqlite3.Connection) -> str:
        target = self._path.with_name(f"{self._path.name}.saved-{os.urandom(4).hex()}")
        with whole_file.unfinished(target, mode=0o600) as made:
            with closing(sqlite3.connect(made)) as copy:
                connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
            whole_file.give_new_name(made, target)
        return f"was copied to {target}"


def _begins(descriptor: int, wanted: tuple[bytes, ...]) -> bool:
    """Return whether the file begins with one of *wanted*, or is empty, as a log is that holds nothing."""
    found = os.pread(descriptor, len(wanted[0]), 0)
    return not found or found in wanted


def _identity(name: str) -> _Identity:
    found = Path(name).stat()
    return found.st_dev, found.st_ino


def _identity_or_none(name: str) -> _Identity | None:
    try:
        return _identity(name)
    except OSError:
        return None


def _is_open(name: str, found: os.stat_result) -> bool:
    """Return whether this process has open what *name* leads to, although its number is another than it was.

    Some network shares and layered file systems number a file anew; where that cannot be seen, numbers decide.
    """
    if sys.platform != "linux":
        return False
    with suppress(OSError):
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if str(each.readlink()) == name and os.path.samestat(each.stat(), found):
                    return True
    return False
