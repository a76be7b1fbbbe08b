"""The lock that makes one process the owner of a SQLite file.

The operating system holds it, so that a killed process leaves nothing behind. A file of its own, because closing any
descriptor of the database itself would drop the locks that SQLite holds on it. Where the system has locks that belong
to an open file and not to a process (Linux), a byte of the database is locked as well: it is the same byte by whatever
name somebody opens the file, and when the file beside it was taken away.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HAS_LOCKS_OF_OPEN_FILES = sys.platform == "linux" and sys.maxsize > 2**32

# Far behind the bytes that SQLite locks (from 2**30 on), and behind the end of every database.
_OUR_BYTE = 2**62


class FileLock:
    """An exclusive lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._covered: int | None = None

    def acquire(self) -> bool:
        """Take the lock; return False at once if another process holds it.

        Raises:
            OSError: the file cannot be made, or is a link.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def cover(self, path: Path) -> bool:
        """Lock a byte of the file *path* too; return False where another process has it, by whatever name.

        Asked before SQLite opens the file, and released after it closed it: closing a descriptor drops its locks.
        """
        if not _HAS_LOCKS_OF_OPEN_FILES:
            return True
        descriptor = os.open(path, os.O_RDWR)
        try:
            # struct flock of 64 bit Linux: type, whence, start, length, process.
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, _OUR_BYTE, 1, 0))
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # a file system without such locks
            os.close(descriptor)
            return True
        self._covered = descriptor
        return True

    @property
    def descriptor(self) -> int | None:
        """Return what is open on the file that is covered."""
        return self._covered

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._covered is not None:
            os.close(self._covered)
            self._covered = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
