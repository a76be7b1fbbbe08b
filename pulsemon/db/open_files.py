"""Are the files that are open still those that the path names?

A database that somebody deletes or replaces while it is open goes on taking writes, into a file without a name: all of
it is gone with the process. SQLite does not look, so this does, after every commit. What the open file holds then is
saved; when to refuse writes is `Database`'s business.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

from pulsemon import log, whole_file

_log = log.get(__name__)

# Beside the database: the log of what was written last, and the memory that its processes share.
_BESIDE = ("-wal", "-shm")
_Identity = tuple[int, int]


class OpenFiles:
    """A SQLite database and the files beside it, by what they were when it was opened."""

    def __init__(self, path: Path, keeper: sqlite3.Connection) -> None:
        """Note which files *path* names; *keeper* is a connection that has read from them and stays open.

        While one is open SQLite itself neither removes nor remakes the files beside the database.
        """
        self._path = path
        self._keeper = keeper
        self._known = [(name, _identity(name)) for name in (str(path) + suffix for suffix in ("", *_BESIDE))]
        self._is_told = False

    def close(self) -> None:
        """Close the connection that keeps the files."""
        self._keeper.close()

    def are_in_place(self) -> bool:
        """Return whether each name still leads to the file that is open. Costs three looks at a directory."""
        for name, known in self._known:
            try:
                found = os.stat(name)  # noqa: PTH116 - a path is made anew for each look otherwise
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError:  # not to be seen is not to be gone
                continue
            if (found.st_dev, found.st_ino) != known and not _is_open(name, found):
                return False
        self._is_told = False
        return True

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
