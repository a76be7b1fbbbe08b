"""The list of a project's monitors in parts: found, put in order, counted and cut by the database.

Where few fit, all that fit are read and put in order here; where many do, the database walks its indexes until a part
is full. Which monitors are late it is told (`monitors.apart`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute

from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.search import Wanted
from pulsemon.core.shown import WORST_FIRST, Shown
from pulsemon.core.status import Status
from pulsemon.db import search_texts
from pulsemon.db.functions import sql_function
from pulsemon.db.tables.monitors import IS_NOT_UP, Monitor, SearchText
from pulsemon.db.types import from_text, is_among, is_storable, to_text
from pulsemon.monitors.apart import STORED, Apart, Key

# So many are read at once and put in order here; a search that leaves more is answered from an index.
FEW = 2_000
CHUNK, LARGEST_CHUNK = 200, 2_000
_Query: TypeAlias = Select[*tuple[Any, ...]]
_Columns: TypeAlias = tuple[InstrumentedAttribute[Any], ...]
_CURSOR = re.compile(r"([0-9])-([0-9]{1,10})-(.{0,200})", re.DOTALL)


_EVERYTHING = Wanted()
# A column by whose index SQLite does not look: it knows no counts, and takes what is asked for to be rare.
_unindexed = sql_function("unindexed", sqlite="+{0}", postgresql="{0}")


class Order(StrEnum):
    """What the list is put in order by."""

    WORST = "worst"
    NAME = "name"
    LAST = "last"  # who pinged last stands first
    NEXT = "next"  # whose deadline comes first stands first


# In the order of names, within a state or without.
_BY_NAME = frozenset({Order.WORST, Order.NAME})


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a part begins or ends: behind or in front of a monitor in its order.

    `rank` is that of its state where the worst stands first, else 0; `key` its folded name, or an instant.
    """

    rank: int
    key: str
    id: int

    def to_text(self) -> str:
        """Return it for an address."""
        return f"{self.rank}-{self.id}-{self.key}"

    @classmethod
    def from_text(cls, text: str, order: Order) -> Cursor | None:
        """Return the cursor that `to_text` wrote in a list of this order; None for anything else."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[2]) > LARGEST_ID or not is_storable(found[3]):
            return None
        cursor = cls(int(found[1]), found[3], int(found[2]))
        return cursor if order in _BY_NAME or cursor.rank or _is_instant(cursor.key) else None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a list is asked for: what fits *wanted*, in one state (None: in any), in an order."""

    wanted: Wanted = _EVERYTHING
    state: Shown | None = None
    order: Order = Order.WORST


@dataclass(frozen=True, slots=True)
class Part:
    """The ids of a part, in order; where the parts before and after it are, if there are any; counts of all that fit.

    `counts`: by state, of what fits whatever its state. `total` and `down_count`: of all of the project, fit or not.
    """

    ids: Sequence[int]
    counts: Mapping[Shown, int]
    total: int
    down_count: int
    previous: Cursor | None = None
    next: Cursor | None = None

    def found(self, state: Shown | None) -> int:
        """Return how many fit."""
        return sum(self.counts.values()) if state is None else self.counts[state]


@dataclass(frozen=True, slots=True)
class _Row:
    """A monitor that fits, and what it is put in order by."""

    name_key: str
    id: int
    status: str
    last_ping: datetime | None
    due_at: datetime | None


def read(
    connection: Connection,
    project_id: int,
    ask: Ask,
    apart: Apart,
    *,
    limit: int,
    after: Cursor | None = None,
    before: Cursor | None = None,
    few_count: int = FEW,
) -> Part:
    """Return the part of at most *limit* monitors behind *after*, or the last ones in front of *before*.

    *apart*: those of the project. Where nothing is there, the first part is. Up to *few_count* that fit are put in
    order in memory.
    """
    here = _here(connection, project_id)
    stored = _counts_by_status(here, _EVERYTHING)
    total = sum(stored.values())
    make = partial(Part, total=total, down_count=_down_count(stored, apart))
    few = _few(here, ask.wanted, few_count) if ask.wanted.parts or total <= few_count else None
    counts = _counts(here, stored, ask.wanted, apart) if few is None else _counts_of(few, apart)
    if few is None and ask.state is not None and ask.state in apart.keys and ask.order is not Order.WORST:
        few = list(_rows_of(here, ask.wanted, apart.keys[ask.state]))
    lines: _Lines = _Walk(here, ask, apart, stored) if few is None else _InMemory(few, ask, apart)
    if before is not None and after is None:
        found = list(islice(lines.backward(before), limit + 1))
        if len(found) > limit:
            kept = found[limit - 1 :: -1]
            return make([each.id for each in kept], counts, previous=kept[0], next=kept[-1])
        after = None
    found = list(islice(lines.forward(after), limit + 1))
    if after is not None and not found:
        return read(connection, project_id, ask, apart, limit=limit, few_count=few_count)
    kept = found[:limit]
    previous = kept[0] if after is not None else None
    following = kept[-1] if len(found) > limit else None
    return make([each.id for each in kept], counts, previous=previous, next=following)


@dataclass(frozen=True, slots=True)
class _Here:
    """What is asked, and of which project. `is_alone`: no other one has a monitor."""

    connection: Connection
    project_id: int
    is_alone: bool

    def fits(self, wanted: Wanted, *, by_name: bool = False) -> ColumnElement[bool]:
        """Return the condition that a row of `search_texts` is of the project and fits.

        Where all rows are of the project, its index pays for the order of the names alone: SQLite would take it too
        where every row has to be read, and look each up.
        """
        column = SearchText.project_id if by_name or not self.is_alone else _unindexed(SearchText.project_id)
        return and_(column == self.project_id, search_texts.fits(wanted, None))

    @property
    def is_its(self) -> ColumnElement[bool]:
        """Return the condition that a monitor is of the project."""
        return Monitor.project_id == self.project_id


def _here(connection: Connection, project_id: int) -> _Here:
    # Two probes of an index on either database: PostgreSQL reads all rows to find that none is beyond a value.
    ends = (select(each(Monitor.project_id)).scalar_subquery() for each in (func.min, func.max))
    row = connection.execute(select(*ends)).one()
    return _Here(connection, project_id, is_alone=set(row) <= {project_id})


class _Lines(Protocol):
    """The list as cursors, one for each monitor of it."""

    def forward(self, after: Cursor | None) -> Iterator[Cursor]:
        """Yield those behind *after*, in order."""
        ...

    def backward(self, before: Cursor) -> Iterator[Cursor]:
        """Yield those in front of *before*, the nearest first."""
        ...


class _InMemory:
    """Where few fit: all of them, put in order."""

    def __init__(self, rows: Sequence[_Row], ask: Ask, apart: Apart) -> None:
        shown = [(row, apart.shown(row.id, row.status)) for row in rows]
        self._all = sorted(_cursor(row, kind, ask.order) for row, kind in shown if ask.state in (None, kind))

    def forward(self, after: Cursor | None) -> Iterator[Cursor]:
        return iter(self._all[0 if after is None else bisect_right(self._all, after) :])

    def backward(self, before: Cursor) -> Iterator[Cursor]:
        return reversed(self._all[: bisect_left(self._all, before)])


def _cursor(row: _Row, kind: Shown, order: Order) -> Cursor:
    match order:
        case Order.WORST:
            return Cursor(WORST_FIRST.index(kind), row.name_key, row.id)
        case Order.NAME:
            return Cursor(0, row.name_key, row.id)
        case Order.LAST:
            return _by_instant(row.last_ping, row.id)
        case Order.NEXT:
            return _by_instant(row.due_at, row.id)


def _by_instant(instant: datetime | None, monitor_id: int) -> Cursor:
    """What has none stands at the end."""
    return Cursor(1, "", monitor_id) if instant is None else Cursor(0, to_text(instant), monitor_id)


def _few(here: _Here, wanted: Wanted, few_count: int) -> list[_Row] | None:
    """Return all that fit, whatever their state; None: they are more than a few."""
    query = _ROWS.where(here.fits(wanted)).limit(few_count + 1)
    rows = [_Row(*row) for row in here.connection.execute(query)]
    return rows if len(rows) <= few_count else None


def _down_count(stored: Mapping[Status, int], apart: Apart) -> int:
    if apart.is_general:
        return 0
    return stored.get(Status.DOWN, 0) - apart.beneath.get(Shown.MAINTENANCE, {}).get(Status.DOWN, 0)


def _counts_of(rows: Sequence[_Row], apart: Apart) -> dict[Shown, int]:
    counts = dict.fromkeys(WORST_FIRST, 0)
    for row in rows:
        counts[apart.shown(row.id, row.status)] += 1
    return counts


def _counts_by_status(here: _Here, wanted: Wanted) -> dict[Status, int]:
    """Return how many fit by stored status. What is UP is what is left of all: it has no index, and is the most."""
    query = select(Monitor.status, func.count()).where(IS_NOT_UP, here.is_its).group_by(Monitor.status)
    total = select(func.count()).select_from(Monitor)
    if not here.is_alone:  # SQLite counts a whole table three times as fast as what it has to look at
        total = total.where(here.is_its)
    if wanted.parts:
        total = select(func.count()).select_from(SearchText).where(here.fits(wanted))
        query = query.join(SearchText, SearchText.monitor_id == Monitor.id).where(here.fits(wanted))
    found = {Status(status): count for status, count in here.connection.execute(query)}
    return {Status.UP: (here.connection.scalar(total) or 0) - sum(found.values()), **found}


def _counts(here: _Here, stored: Mapping[Status, int], wanted: Wanted, apart: Apart) -> dict[Shown, int]:
    """Return how many of those that fit are shown in each state; *stored*: of all, by stored status."""
    counts = dict.fromkeys(WORST_FIRST, 0)
    fitting = _counts_by_status(here, wanted) if wanted.parts else stored
    for status, count in fitting.items():
        is_general = apart.is_general and status is not Status.PAUSED
        counts[Shown.MAINTENANCE if is_general else STORED[status]] += count
    for kind, keys in apart.keys.items():
        beneath = _beneath(here, wanted, keys) if wanted.parts else apart.beneath[kind]
        for status, count in beneath.items():
            counts[STORED[status]] -= count
            counts[kind] += count
    return counts


def _beneath(here: _Here, wanted: Wanted, keys: Sequence[Key]) -> dict[Status, int]:
    """Return how many of *keys* fit, by the status that they are stored with."""
    query = (
        select(Monitor.status, func.count())
        .join(SearchText, SearchText.monitor_id == Monitor.id)
        .where(is_among(SearchText.monitor_id, (key[1] for key in keys)), here.fits(wanted))
        .group_by(Monitor.status)
    )
    return {Status(status): count for status, count in here.connection.execute(query)}


def _rows_of(here: _Here, wanted: Wanted, keys: Sequence[Key]) -> Iterator[_Row]:
    """Yield those of *keys* that fit and are still there, in the order of *keys*."""
    for first in range(0, len(keys), search_texts.CHUNK):
        ids = [key[1] for key in keys[first : first + search_texts.CHUNK]]
        query = _ROWS.where(SearchText.monitor_id.in_(ids), here.fits(wanted))
        found = {row[1]: _Row(*row) for row in here.connection.execute(query)}
        yield from (found[each] for each in ids if each in found)


def _is_instant(text: str) -> bool:
    try:
        return to_text(from_text(text)) == text
    except ValueError:
        return False


_ROWS = select(SearchText.name_key, SearchText.monitor_id, Monitor.status, Monitor.last_ping, Monitor.due_at).join(
    Monitor, Monitor.id == SearchText.monitor_id
)


class _Walk:
    """Where many fit: read from an index until whoever asks has enough."""

    def __init__(self, here: _Here, ask: Ask, apart: Apart, stored: Mapping[Status, int]) -> None:
        self._here = here
        self._ask = ask
        self._apart = apart
        self._stored = stored  # how many there are by stored status

    def forward(self, after: Cursor | None) -> Iterator[Cursor]:
        return self._walk(after, is_backward=False)

    def backward(self, before: Cursor) -> Iterator[Cursor]:
        return self._walk(before, is_backward=True)

    def _walk(self, start: Cursor | None, *, is_backward: bool) -> Iterator[Cursor]:
        ranks = self._ranks()
        for rank in reversed(ranks) if is_backward else ranks:
            if start is None or rank == start.rank:
                yield from self._of_rank(rank, start, is_backward)
            elif (rank < start.rank) is is_backward:
                yield from self._of_rank(rank, None, is_backward)

    def _ranks(self) -> range | list[int]:
        if self._ask.order is not Order.WORST:
            return range(1 if self._ask.order is Order.NAME else 2)
        return [rank for rank, kind in enumerate(WORST_FIRST) if self._ask.state in (None, kind)]

    def _of_rank(self, rank: int, start: Cursor | None, is_backward: bool) -> Iterator[Cursor]:
        ask, apart = self._ask, self._apart
        state = WORST_FIRST[rank] if ask.order is Order.WORST else ask.state
        if state is not None and state in apart.keys:
            keys = _keys_from(apart.keys[state], start, is_backward)
            rows = _rows_of(self._here, ask.wanted, keys)
        else:
            rows = self._rows(rank, state, start, is_backward)
        for row in rows:
            kind = apart.shown(row.id, row.status)
            if state in (None, kind):
                yield _cursor(row, kind, ask.order)

    def _rows(self, rank: int, state: Shown | None, start: Cursor | None, is_backward: bool) -> Iterator[_Row]:
        """Yield what may be shown in *state*, a chunk at a time: most lists need one."""
        is_by_name = self._ask.order in _BY_NAME
        query = _ROWS.where(self._here.fits(self._ask.wanted, by_name=is_by_name), self._has_status(state))
        columns, query = self._order(query, rank)
        query = query.order_by(*(each.desc() if is_backward else each for each in columns))
        size = CHUNK
        last = None if start is None else self._place(start)
        while True:
            part = query if last is None else query.where(_beyond(columns, last, is_backward))
            rows = [_Row(*row) for row in self._here.connection.execute(part.limit(size))]
            yield from rows
            if len(rows) < size:
                return
            last = self._place(_cursor(rows[-1], Shown.UP, self._ask.order))
            size = min(2 * size, LARGEST_CHUNK)

    def _has_status(self, state: Shown | None) -> ColumnElement[bool]:
        if state is None:
            return true()
        if self._apart.is_general:
            is_paused = Monitor.status == Status.PAUSED.value
            return {Shown.MAINTENANCE: ~is_paused, Shown.PAUSED: is_paused}.get(state, false())
        status = next((status for status, kind in STORED.items() if kind is state), None)
        if status is None:  # only what is apart is shown so
            return false()
        if status is Status.UP or self._stored.get(status, 0) > FEW:
            return _unindexed(Monitor.status) == status.value
        return and_(Monitor.status == status.value, IS_NOT_UP, self._here.is_its)

    def _order(self, query: _Query, rank: int) -> tuple[_Columns, _Query]:
        """Return the columns by which the rows of a rank are in order, and the query for them alone."""
        if self._ask.order in _BY_NAME:
            return (SearchText.name_key, SearchText.monitor_id), query
        instant = Monitor.last_ping if self._ask.order is Order.LAST else Monitor.due_at
        if rank:
            return (Monitor.id,), query.where(instant.is_(None))
        return (instant, Monitor.id), query.where(instant.is_not(None))

    def _place(self, cursor: Cursor) -> tuple[Any, ...]:
        """Return the values of those columns where a part begins."""
        if self._ask.order in _BY_NAME:
            return cursor.key, cursor.id
        return (cursor.id,) if cursor.rank else (from_text(cursor.key), cursor.id)


def _keys_from(keys: Sequence[Key], start: Cursor | None, is_backward: bool) -> Sequence[Key]:
    if start is None:
        return keys[::-1] if is_backward else keys
    place = (start.key, start.id)
    return keys[: bisect_left(keys, place)][::-1] if is_backward else keys[bisect_right(keys, place) :]


def _beyond(columns: _Columns, last: Sequence[Any], is_backward: bool) -> ColumnElement[bool]:
    """Return the condition that a row stands behind *last*, written as what an index is walked by."""
    values = [literal(value, column.type) for value, column in zip(last, columns, strict=True)]
    here, there = tuple_(*columns), tuple_(*values)
    is_beyond: ColumnElement[bool] = here < there if is_backward else here > there
    return is_beyond
