"""The newest changes of the monitors of public pages, read when somebody asks for them and something changed since."""

from __future__ import annotations

import threading
from typing import Any

from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.status_pages import public as status_page
from pulsemon.status_pages.public import Change, PublicPage

# What a feed tells; whoever reads it once a day still sees what a bad day brought.
COUNT = 50
# More pages than anybody has; of those that are gone nothing stays for ever.
_MAX_HELD = 1_000


class ChangeKeeper:
    """Keeps what was read for each page until one of its monitors changes. Any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Any, tuple[Change, ...]]] = {}

    def changes_of(self, page: PublicPage) -> tuple[Change, ...]:
        """Return the changes of the page's monitors, newest first.

        While the database is away, these are the last that were read. Raises Unavailable where none were.
        """
        mark = tuple((each.id, each.seq) for each in page.monitors)
        with self._lock:
            held = self._held.get(page.look.slug)
        if held is not None and held[0] == mark:
            return held[1]
        ids = [each.id for each in page.monitors]
        try:
            found = status_page.read_changes(self._database, ids, limit=COUNT)
        except Unavailable:
            if held is None:
                raise
            # A monitor may have left the page since.
            return tuple(each for each in held[1] if each.monitor_id in ids)
        with self._lock:
            if len(self._held) >= _MAX_HELD:
                self._held.clear()
            self._held[page.look.slug] = (mark, found)
        return found
