"""Monitors that are shown otherwise than the database says: late, not known after a blind window, under maintenance.

That somebody is late no row tells: time passes. So lists look for them in one statement over all that is UP, of every
project, which runs inside the database; who shows lists keeps what was found for a moment (`web.http.kept`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select

from pulsemon.core import shown
from pulsemon.core.shown import Shown
from pulsemon.core.status import State, Status
from pulsemon.db import states, windows
from pulsemon.db.functions import sql_function
from pulsemon.db.tables.monitors import Monitor, SearchText
from pulsemon.db.types import UtcDateTime, is_among

# What a list is put in order by: the folded name, and the id where names are equal.
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Apart:
    """The keys of those monitors of a project, in order. `is_general`: all but the paused ones are under maintenance.

    `beneath`: how many of each state there are by the status that they are stored with.
    """

    keys: Mapping[Shown, Sequence[Key]] = field(default_factory=dict)
    beneath: Mapping[Shown, Mapping[Status, int]] = field(default_factory=dict)
    is_general: bool = False
    _kinds: Mapping[int, Shown] = field(init=False)

    def __post_init__(self) -> None:
        """Index them by id."""
        kinds = {key[1]: kind for kind, keys in self.keys.items() for key in keys}
        object.__setattr__(self, "_kinds", kinds)

    def shown(self, monitor_id: int, status: str) -> Shown:
        """Return how a monitor of this stored status is shown."""
        if self.is_general and status != Status.PAUSED:
            return Shown.MAINTENANCE
        kind = self._kinds.get(monitor_id)
        # What was UP when it was found late may have gone DOWN since.
        if kind is None or (kind is not Shown.MAINTENANCE and status != Status.UP) or status == Status.PAUSED:
            return STORED[Status(status)]
        return kind


NONE_APART = Apart()


@dataclass(frozen=True, slots=True)
class ApartByProject:
    """The same of every project."""

    _by_project: Mapping[int, Apart] = field(default_factory=dict)

    def of(self, project_id: int) -> Apart:
        """Return those of one project."""
        return self._by_project.get(project_id, NONE_APART)


STORED = {
    Status.UP: Shown.UP,
    Status.DOWN: Shown.DOWN,
    Status.UNKNOWN: Shown.WAITING,
    Status.PAUSED: Shown.PAUSED,
}


# Whether an instant and some seconds lie before another instant; to the millisecond.
_is_before = sql_function(
    "is_before",
    sqlite="julianday({0}) + ({1}) / 86400.0 < julianday({2})",
    postgresql="{0} + ({1}) * interval '1 second' < {2}",
)
# What is UP and may be late or not known. A deadline is the expected instant and the grace, unless an open run has to
# end sooner or a blind window moved it: of those Python decides.
_NOW = bindparam("now", type_=UtcDateTime())
_IS_MOVED = or_(Monitor.open_runs.is_not(None), Monitor.blind_due_at.is_not(None))
_CANDIDATES = (
    select(
        Monitor.id,
        Monitor.project_id,
        SearchText.name_key,
        Monitor.last_ping,
        Monitor.due_at,
        Monitor.open_runs,
        Monitor.blind_due_at,
        Monitor.contrary_count,
        _IS_MOVED.label("is_moved"),
        *states.TIMING_COLUMNS,
    )
    .join(SearchText, SearchText.monitor_id == Monitor.id)
    .where(
        Monitor.status == Status.UP.value,
        or_(
            _is_before(Monitor.due_at, -Monitor.grace_seconds, _NOW),
            and_(
                Monitor.blind_due_at.is_not(None),
                or_(
                    Monitor.blind_due_at < _NOW,
                    Monitor.schedule.is_not(None),
                    _is_before(Monitor.last_ping, Monitor.interval_seconds, _NOW),
                ),
            ),
        ),
    )
)


def read(connection: Connection, *, now: datetime) -> ApartByProject:
    """Look for them."""
    general, maintained = windows.running(connection, now)
    found: dict[int, _Found] = defaultdict(_Found)
    for row in connection.execute(_CANDIDATES, {"now": now}):
        kind = _shown(row, now) if row.is_moved else Shown.LATE
        if kind in _UNSTORED and row.id not in maintained:
            found[row.project_id].add(kind, row.name_key, row.id, Status.UP)
    if maintained:
        for each in connection.execute(_MAINTAINED.where(is_among(SearchText.monitor_id, maintained))):
            found[each.project_id].add(Shown.MAINTENANCE, each.name_key, each.monitor_id, Status(each.status))
    apart = {project_id: each.apart() for project_id, each in found.items()}
    return ApartByProject(apart | dict.fromkeys(general, Apart(is_general=True)))


# What only time makes of a monitor that is UP.
_UNSTORED = frozenset({Shown.LATE, Shown.BLIND})


class _Found:
    """What was found of a project so far."""

    def __init__(self) -> None:
        self._keys: dict[Shown, list[Key]] = {}
        self._beneath: dict[Shown, Counter[Status]] = {}

    def add(self, kind: Shown, name_key: str, monitor_id: int, stored: Status) -> None:
        self._keys.setdefault(kind, []).append((name_key, monitor_id))
        self._beneath.setdefault(kind, Counter())[stored] += 1

    def apart(self) -> Apart:
        return Apart({kind: sorted(keys) for kind, keys in self._keys.items()}, self._beneath)


_MAINTAINED = (
    select(SearchText.name_key, SearchText.monitor_id, Monitor.project_id, Monitor.status)
    .join(Monitor, Monitor.id == SearchText.monitor_id)
    .where(Monitor.status != Status.PAUSED.value)
)


def _shown(row: Any, now: datetime) -> Shown:
    state = State(Status.UP, row.last_ping, row.due_at, row.open_runs, row.blind_due_at, None, row.contrary_count)
    return shown.shown(state, states.timing_of(row), now=now)
