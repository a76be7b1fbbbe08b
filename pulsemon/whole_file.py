"""Files that appear at once and whole, at a place that nobody could have prepared.

A name that can be guessed may be a link by the time it is written to, and what is written then lands elsewhere. So a
file is made under a name by chance, by us or not at all, and gets its own name when it is whole. Not here: what is
written.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Where the system knows no links it has no such flag.
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


# The names of what is not whole yet.
PATTERN = "." + "[0-9a-f]" * 16 + ".unfinished"


def make(path: Path, *, mode: int) -> None:
    """Make the empty file *path*, its rights *mode* less those that the process masks.

    Raises:
        FileExistsError: something has that name, be it a link that leads nowhere.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, mode))


@contextmanager
def unfinished(path: Path, *, mode: int) -> Iterator[Path]:
    """Yield a new, empty file in the folder of *path*; it is gone afterwards unless it got another name."""
    made = path.with_name(f".{secrets.token_hex(8)}.unfinished")
    make(made, mode=mode)
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


def give_new_name(made: Path, path: Path) -> None:
    """Flush *made* and name it *path*, which nothing may be called yet.

    Raises:
        FileExistsError: something is.
    """
    _flush(made)
    try:
        os.link(made, path)  # unlike a rename, fails if somebody made the file meanwhile
    except FileExistsError:
        raise
    except OSError:
        # No hard links there (vfat, exfat, many network shares): the name is taken first, then the file put there.
        make(path, mode=0o600)
        try:
            made.replace(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    _flush_folder(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | _NO_LINKS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Put the new name on disk too; some systems and some network shares know no such thing."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
