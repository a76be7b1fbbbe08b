"""The log of who did what: read, checked for holes, kept for as long as it has to be. Written it is by `db.audit`.

Each entry bears the hash of the one before it. So whoever changes, removes, inserts or moves one without making all
that follow anew is found; whoever makes them all anew is found by a hash that somebody noted elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from pulsemon.core.keyset import cut, one_more
from pulsemon.db import Database, audit
from pulsemon.db.audit import BEGINNING, HEAD_KEY, TAIL_KEY, ActorKind
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.base import Meta
from pulsemon.db.types import is_exactly
from pulsemon.db.upsert import upsert

# As many as one read looks at, and as one step of retention removes.
PART, _STEP = 1_000, 100
# All of them are told of, up to so many: a log that was shuffled has a fault at each entry.
_MOST_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are looked for; what is None filters nothing.

    `actor`: by name, by id or by kind. `action`: by its whole name, or by what stands before its full stop.
    """

    project_id: int | None = None
    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did. `actor` is a name; of who has none, what he is."""

    id: int
    at: datetime
    actor_kind: ActorKind
    actor_id: str | None
    actor: str
    action: str
    object: str
    project_id: int | None
    before: Any
    after: Any
    remote_addr: str | None
    hash: str


def list_of(
    database: Database, wanted: Filter, *, limit: int, after: int | None = None
) -> tuple[list[Entry], int | None]:
    """Return entries, newest first: those before the id *after*; and before which the next part begins."""
    query = select(AuditEntry.__table__).where(*_conditions(wanted)).order_by(AuditEntry.id.desc())
    if after is not None:
        query = query.where(AuditEntry.id < after)
    with database.read() as connection:
        rows = connection.execute(query.limit(one_more(limit))).all()
    return cut([_entry(row) for row in rows], limit, lambda entry: entry.id)


def in_parts(database: Database, wanted: Filter) -> Iterator[list[Entry]]:
    """Yield all entries, newest first, part by part; each part is a snapshot of its own."""
    after: int | None = None
    while True:
        part, after = list_of(database, wanted, limit=PART, after=after)
        yield part
        if after is None:
            return


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        found.append(AuditEntry.project_id == wanted.project_id)
    if wanted.actor is not None:
        columns = (AuditEntry.actor, AuditEntry.actor_id, AuditEntry.actor_kind)
        folded = func.lower(AuditEntry.actor) == wanted.actor.lower().replace("\0", "")  # however it is typed
        found.append(or_(folded, *(is_exactly(column, wanted.actor) for column in columns)))
    if wanted.action is not None:
        of_kind = AuditEntry.action.startswith(f"{wanted.action.replace(chr(0), '')}.", autoescape=True)
        found.append(or_(is_exactly(AuditEntry.action, wanted.action), of_kind))
    if wanted.object is not None:
        found.append(is_exactly(AuditEntry.object, wanted.object))
    if wanted.since is not None:
        found.append(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        found.append(AuditEntry.at < wanted.until)
    return found


def _entry(row: Any) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor_kind=ActorKind(row.actor_kind),
        actor_id=row.actor_id,
        actor=row.actor or row.actor_kind,
        action=row.action,
        object=row.object,
        project_id=row.project_id,
        before=_values(row.before),
        after=_values(row.after),
        remote_addr=row.remote_addr,
        hash=row.hash,
    )


def _values(text: str | None) -> Any:
    """Read what was noted; what somebody wrote into the row by hand is shown as it is."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


class Fault(StrEnum):
    """What is wrong with the chain, where."""

    BEGINNING = "what came before it is missing, though retention did not remove it"
    LINK = "it does not follow the one before it: between them one was removed or inserted, or they were moved"
    CHANGED = "it is not as it was written"
    END = "what came after it is missing"


@dataclass(frozen=True, slots=True)
class FoundFault:
    """One fault, at the entry *id* of the instant *at*; None: no entry is left there."""

    fault: Fault
    id: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a look through the whole chain found. `newest`: the hash that the log ends with.

    `holds_known`: whether the hash that was noted elsewhere is one of it, None where none was given.
    """

    count: int
    newest: str
    faults: tuple[FoundFault, ...]
    holds_known: bool | None = None


def verify(database: Database, *, known: str | None = None) -> Report:
    """Look through the whole log, in one snapshot. *known*: a hash that it ended with at some time."""
    faults: list[FoundFault] = []
    count, last = 0, None
    with database.read() as connection:
        ends = _ends(connection)
        expected = ends.get(TAIL_KEY, BEGINNING)
        holds_known = known == expected
        for row in _oldest_first(connection):
            count += 1
            holds_known = holds_known or row.hash == known
            if row.previous_hash != expected:
                faults.append(FoundFault(Fault.BEGINNING if last is None else Fault.LINK, row.id, row.at))
            if audit.hash_of(row._mapping) != row.hash:
                faults.append(FoundFault(Fault.CHANGED, row.id, row.at))
            expected, last = row.hash, row
    head = ends.get(HEAD_KEY, "")
    if expected != head:
        faults.append(FoundFault(Fault.END, None if last is None else last.id, None if last is None else last.at))
    return Report(count, head, tuple(faults[:_MOST_FAULTS]), None if known is None else holds_known)


def _ends(connection: Connection) -> dict[str, str]:
    query = select(Meta.key, Meta.value).where(Meta.key.in_((HEAD_KEY, TAIL_KEY)))
    return {row.key: row.value for row in connection.execute(query)}


def _oldest_first(connection: Connection) -> Iterator[Any]:
    query = select(AuditEntry.__table__).order_by(AuditEntry.id).limit(PART)
    part = connection.execute(query).all()
    while part:
        yield from part
        part = connection.execute(query.where(AuditEntry.id > part[-1].id)).all()


def remove_old(database: Database, *, before: datetime) -> bool:
    """Remove some of the oldest entries, of before *before*, and keep the hash where they end; return if more wait."""
    query = select(AuditEntry.id, AuditEntry.at, AuditEntry.hash).order_by(AuditEntry.id).limit(_STEP)
    with database.read() as connection:
        first = connection.execute(query.limit(1)).first()
    if first is None or first.at >= before:
        return False
    with database.write() as connection:
        audit.lock_head(connection)  # another node may do the same
        old = []
        for row in connection.execute(query):
            if row.at >= before:
                break
            old.append(row)
        if not old:
            return False
        connection.execute(delete(AuditEntry).where(AuditEntry.id <= old[-1].id))
        upsert(connection, Meta, "key", {"key": TAIL_KEY, "value": old[-1].hash})
    return len(old) == _STEP
