"""What was read from the database, kept as long as the same version goes with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

# More pages than anybody has; of those that are gone nothing stays for ever.
_MAX_KEPT = 1_000
T = TypeVar("T")


class Keeper:
    """Keeps one reading for each key until its version is another one. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[object, Any]] = {}

    def get(self, key: Hashable, version: object, read: Callable[[], T]) -> T:
        """Return what was read under *key* at *version*; where nothing was, *read* is called.

        What that raises is raised. Two threads that ask at once may both read.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept[0] == version:
            found: T = kept[1]
            return found
        made = read()
        with self._lock:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[key] = (version, made)
        return made

    def last(self, key: Hashable) -> Any:
        """Return what was read last under *key*, at whatever version; None if nothing is kept."""
        with self._lock:
            kept = self._kept.get(key)
        return None if kept is None else kept[1]
