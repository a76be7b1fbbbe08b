"""The newest changes of the monitors of public pages, read when somebody asks for them and something changed since."""

from __future__ import annotations

from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.public import Change, PublicPage
from pulsemon.web.public.keeper import Keeper

# What a feed tells; whoever reads it once a day still sees what a bad day brought.
COUNT = 50


class ChangeKeeper:
    """Keeps what was read for each page until one of its monitors changes. Any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keeper = Keeper()

    def changes_of(self, page: PublicPage) -> tuple[Change, ...]:
        """Return the changes of the page's monitors, newest first.

        While the database is away, these are the last that were read. Raises Unavailable where none were.
        """
        version = tuple((each.id, each.seq) for each in page.monitors)
        try:
            return self._keeper.get(
                page.definition.slug,
                version,
                lambda: public_pages.read_changes(
                    self._database, page.definition, limit=COUNT, monitor_count=len(page.monitors)
                ),
            )
        except Unavailable:
            last: tuple[Change, ...] | None = self._keeper.last(page.definition.slug)
            if last is None:
                raise
            # A monitor may have left the page since.
            ids = {each.id for each in page.monitors}
            return tuple(each for each in last if each.monitor_id in ids)
