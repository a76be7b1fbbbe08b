"""Who did what: written in the transaction of the change, each entry bound to the one before it by its hash.

Who acts is known to whoever let him in (`acting`), not to each function that changes something; where nobody acts, it
is PulseMon itself, and nothing is noted. Entries are written at the end of their transaction, because the newest
hash is one row that all nodes wait for: nobody holds it while he waits for something else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Connection, insert, select, update

from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.base import Meta
from pulsemon.db.types import to_text
from pulsemon.db.upsert import insert_missing

# The row of `meta` with the hash of the newest entry, which the migration made; and the one with the hash of the last
# entry that retention removed, which is there as soon as it removed any.
HEAD_KEY, TAIL_KEY = "audit-head", "audit-tail"
# What the first entry of all follows; and what the next one does where somebody removed the row of the newest hash.
BEGINNING, LOST = "0" * 64, "f" * 64
# What stands for a secret that became another one.
CHANGED = "changed"
_PENDING = "pulsemon.audit"


class ActorKind(StrEnum):
    """Whom an entry names."""

    USER = "user"
    KEY = "key"
    ADMIN_TOKEN = "admin-token"  # noqa: S105 - a word: an owner without a name
    MACHINE = "machine"  # a command of whoever has the machine


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, from where and when. `public_id`: of the user or the key; `name`: as it is now."""

    kind: ActorKind
    name: str
    at: datetime
    public_id: str | None = None
    remote_addr: str | None = None


_actor: ContextVar[Actor | None] = ContextVar("pulsemon_actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Have what is changed within the block noted as done by *actor*, in this task and in the threads that it asks."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def note(
    connection: Connection,
    action: str,
    object: str,  # noqa: A002 - the word of the contract
    *,
    project_id: int | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note what whoever acts does in this transaction: *action* (`monitor.edit`) to *object* (a slug, an address).

    *before* and *after* hold what JSON can write, and no secrets: see `difference`.
    """
    actor = _actor.get()
    if actor is None:
        return
    entry = {
        "at": actor.at,
        "actor_kind": actor.kind.value,
        "actor_id": actor.public_id,
        "actor": _storable(actor.name),
        "action": action,
        "object": _storable(object),
        "project_id": project_id,
        "before": _json(before),
        "after": _json(after),
        "remote_addr": actor.remote_addr and _storable(actor.remote_addr),
    }
    transaction, entries = connection.info.get(_PENDING, (None, []))
    if transaction is not connection.get_transaction():  # those of one that was undone
        entries = []
    connection.info[_PENDING] = (connection.get_transaction(), [*entries, entry])


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], *, secret: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of *before* and *after* is not the same; what is *secret* only as being set, or `CHANGED`."""
    names = [name for name in after if name not in before or before[name] != after[name]]

    def shown(values: Mapping[str, Any], name: str, word: str) -> Any:
        value = values.get(name)
        return word if name in secret and value is not None else value

    old = {name: shown(before, name, "set") for name in names if name in before}
    return old, {name: shown(after, name, CHANGED) for name in names}


def write_pending(connection: Connection) -> None:
    """Write what was noted in this transaction; called by `Database.write` right before it commits."""
    transaction, entries = connection.info.pop(_PENDING, (None, []))
    if transaction is None or transaction is not connection.get_transaction():
        return
    as_kept = _as_kept_by(connection)
    newest = lock_head(connection)
    rows = []
    for entry in entries:
        row = {name: as_kept(value) if isinstance(value, str) else value for name, value in entry.items()}
        row["previous_hash"] = newest
        newest = hash_of(row)
        rows.append(row | {"hash": newest})
    connection.execute(insert(AuditEntry), rows)
    connection.execute(update(Meta).where(Meta.key == HEAD_KEY).values(value=newest))


def lock_head(connection: Connection) -> str:
    """Return the hash of the newest entry; nobody else writes or removes any until this transaction ends.

    Where its row was removed, changes go on all the same: what is noted next follows `LOST`, which is found.
    """
    query = select(Meta.value).where(Meta.key == HEAD_KEY).with_for_update()
    newest = connection.execute(query).scalar_one_or_none()
    if newest is not None:
        return newest
    insert_missing(connection, Meta, "key", {"key": HEAD_KEY, "value": LOST})
    return connection.execute(query).scalar_one()


def _as_kept_by(connection: Connection) -> Callable[[str], str]:
    """Return what makes of a text what the database will hold of it: the hash covers what can be read again."""
    if connection.dialect.name == "sqlite":
        return str
    from pulsemon.db import charsets  # only here: it brings a driver that SQLite does not need

    encoding = charsets.encoding_of(cast(Any, connection.connection.driver_connection))
    return lambda text: charsets.fit(text, encoding)


_HASHED = (
    *("actor_kind", "actor_id", "actor", "action", "object", "project_id"),
    *("before", "after", "remote_addr", "previous_hash"),
)


def hash_of(row: Mapping[str, Any]) -> str:
    """Return the hash that an entry bears: SHA-256 of all its columns but the id, as JSON."""
    values = [to_text(row["at"].astimezone(UTC)), *(row[name] for name in _HASHED)]
    return hashlib.sha256(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _json(values: Mapping[str, Any] | None) -> str | None:
    # In ASCII, which a database in any encoding holds.
    return None if values is None else json.dumps(values, separators=(",", ":"), default=_plain)


def _storable(text: str) -> str:
    """Return *text* without what no database holds: a name from a request must not undo what it is noted of."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, frozenset | set | tuple):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    return str(value)
