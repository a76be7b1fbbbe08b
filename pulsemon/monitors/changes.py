"""In which projects something changed, so that open panels of the others hear nothing, not even when.

Asked after something changed, and never by a ping: what is new is a few rows behind the last one that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from pulsemon.db import Database
from pulsemon.db.tables.messages import Attempt, Delivery
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.versions import read_edits_by_project

# Of more rows at once nobody is asked whose they are: everybody is told.
MOST_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest transition and attempt, and the version of the edits of each project (None: of who knows which)."""

    transition_id: int
    attempt_id: int
    edits: Mapping[int | None, str]


class Changes:
    """What was seen last. One thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: _Seen | None = None

    def look(self) -> frozenset[int] | None:
        """Return the ids of the projects that something changed in since the last look; None: perhaps in any.

        Raises Unavailable.
        """
        with self._database.read() as connection:
            found = _read(connection)
            before, self._seen = self._seen, found
            if before is None or before.edits.get(None) != found.edits.get(None):
                return None
            if found.transition_id - before.transition_id + found.attempt_id - before.attempt_id > MOST_LOOKED_AT:
                return None
            edited = {each for each, version in found.edits.items() if each and before.edits.get(each) != version}
            return frozenset(edited | _happened(connection, before))


def _read(connection: Connection) -> _Seen:
    newest = select(*(select(func.max(each)).scalar_subquery() for each in (History.id, Attempt.id)))
    transition_id, attempt_id = connection.execute(newest).one()
    return _Seen(transition_id or 0, attempt_id or 0, read_edits_by_project(connection))


def _happened(connection: Connection, since: _Seen) -> set[int]:
    changed = (
        select(Monitor.project_id)
        .join(History, History.monitor_id == Monitor.id)
        .where(History.id > since.transition_id)
    )
    tried = (
        select(Monitor.project_id)
        .join(Delivery, Delivery.monitor_id == Monitor.id)
        .join(Attempt, Attempt.delivery_id == Delivery.id)
        .where(Attempt.id > since.attempt_id)
    )
    return {row[0] for row in connection.execute(changed.union(tried))}
