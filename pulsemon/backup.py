"""A copy of a SQLite database while the server writes to it: consistent, and checked before it gets its name."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pulsemon.db import sqlite
from pulsemon.errors import StartRefused


def back_up(url: str, target: Path) -> int:
    """Copy the database of *url* to *target* and return its size in bytes. Only reads the database.

    The copy is made under a temporary name, checked with SQLite's own integrity check, flushed and then renamed; an
    existing file is never overwritten.

    Raises:
        StartRefused: it is not SQLite, there is nothing to copy, the target exists, or the copy failed.
    """
    if not url.startswith("sqlite"):
        raise StartRefused("`backup` copies SQLite databases. For PostgreSQL use pg_dump: pg_dump --format=custom ...")
    source = sqlite.file_path(url)
    if not source.exists():
        raise StartRefused(f"There is no database at {source} to copy.")
    if target.exists():
        raise StartRefused(f"{target} exists already. Name a file that does not.")
    if not target.parent.is_dir():
        raise StartRefused(f"The folder {target.parent} does not exist.")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        sqlite.make_private(unfinished)
        _copy(source, unfinished)
        _flush(unfinished)
        os.link(unfinished, target)  # unlike a rename, fails if somebody made the file meanwhile
    except FileExistsError:
        raise StartRefused(f"{target} exists already. Name a file that does not.") from None
    except (sqlite3.Error, OSError) as failed:
        raise StartRefused(f"The copy to {target} failed: {failed}. Nothing was kept.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=sqlite.BUSY_TIMEOUT_SEC)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)  # in one step: in several, each write of the server would begin it anew
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the copy does not pass the integrity check ({found})")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
