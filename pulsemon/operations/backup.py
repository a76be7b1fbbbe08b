"""A copy of a SQLite database while the server writes to it: consistent, and checked before it gets its name."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pulsemon import whole_file
from pulsemon.db import sqlite
from pulsemon.errors import StartRefused

# It reads and removes files of these names beside a database.
_SQLITES_OWN = ("-wal", "-shm", "-journal")


def back_up(url: str, target: Path) -> int:
    """Copy the database of *url* to *target* and return its size in bytes. Only reads the database.

    The copy is made under a name by chance, checked with SQLite's own integrity check and by the rows of each table,
    flushed and then named; an existing file is never overwritten, and no link is followed.

    Raises:
        StartRefused: it is not SQLite, there is nothing of ours to copy, the target exists, or the copy failed.
    """
    if not url.startswith("sqlite"):
        raise StartRefused("`backup` copies SQLite databases. For PostgreSQL use pg_dump: pg_dump --format=custom ...")
    source = sqlite.file_path(url)
    if not source.exists() or source.stat().st_size == 0:
        raise StartRefused(f"There is no database at {source} to copy.")
    sqlite.inspect(source)
    if os.path.lexists(target):
        raise StartRefused(f"{target} exists already. Name a file that does not.")
    if target.name.endswith(_SQLITES_OWN):
        raise StartRefused(f"{target} has a name that SQLite gives to files of its own. Name another one.")
    if not target.parent.is_dir():
        raise StartRefused(f"The folder {target.parent} does not exist.")
    try:
        with whole_file.unfinished(target, mode=0o600) as copy:
            _copy(source, copy)
            whole_file.give_new_name(copy, target)
    except FileExistsError:
        raise StartRefused(f"{target} exists already. Name a file that does not.") from None
    except (sqlite3.Error, OSError) as failed:
        raise StartRefused(f"The copy to {target} failed: {failed}. Nothing was kept.") from None
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    """Copy the file *source* to *target*, which is empty and nobody else's."""
    with (
        closing(sqlite3.connect(sqlite.read_only_uri(source), uri=True, timeout=sqlite.BUSY_TIMEOUT_SEC)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.isolation_level = copy.isolation_level = None
        original.execute("BEGIN")  # what is counted and what is copied is one snapshot
        wanted = _row_counts(original)
        copy.execute("PRAGMA locking_mode = EXCLUSIVE")  # not every file system has the memory that is shared else
        original.backup(copy)  # in one step: in several, each write of the server would begin it anew
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy does not pass the integrity check ({found})")
        if _row_counts(copy) != wanted:
            raise sqlite3.DatabaseError("the copy does not hold the rows of the database")


def _row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return table -> how many rows it has."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: connection.execute(f"SELECT count(*) FROM {sqlite.quoted(name)}").fetchone()[0]  # noqa: S608 - quoted
        for name in names
    }
