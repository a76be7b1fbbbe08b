"""API keys: what programs show to be let in. Made and shown once, found again by a hash, rotated, revoked.

A key opens its scopes in one project, or in all. Nobody can make one that opens more than he may himself. The address
of a wall screen is a key too, of a kind that opens that screen and nothing else. Which header brings a key, and how
often somebody may be wrong, is `web.http.credentials`' business.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, or_, select, update

from pulsemon.accounts.roles import OPENED_BY, Action, Principal, Proof, Role, Scope, allowed
from pulsemon.core.keyset import cut, one_more
from pulsemon.db import Database, audit, projects
from pulsemon.db.tables.accounts import ApiKey
from pulsemon.db.types import is_exactly
from pulsemon.errors import Conflict, Forbidden, NotFound

NO_KEY = "There is no such key."
ONLY_OWNERS = "Only an owner can make a key of all projects."
MORE_THAN_YOURS = "This key would open more than you may do yourself."
# 32 random bytes behind it, as in every token of ours; 29 characters of them, 174 bits, where all have to be 32.
PREFIX = "pm_"
_SHORT_LENGTH = 32
_SHAPE = re.compile(r"pm_[A-Za-z0-9_-]{29}(?:[A-Za-z0-9_-]{14})?")
# So much of a key is shown, to know it by: of 256 bits it tells 36.
_SHOWN = 9
# Of a project, and of those of all projects.
MAX_KEYS = 1_000
# What is over stays for so long, so that whoever shows it is told why it opens nothing.
KEPT_FOR = timedelta(days=90)
_PART = 100
# Until then the old secret opens, unless whoever rotates says otherwise; at most so long.
OVERLAP, MAX_OVERLAP = timedelta(days=1), timedelta(days=30)


class Kind(StrEnum):
    """What a key is for."""

    KEY = "key"
    # The same for clients of Healthchecks, which take nothing but 32 characters.
    SHORT = "short"
    SCREEN = "screen"


# What a program may show.
OF_PROGRAMS = frozenset({Kind.KEY, Kind.SHORT})


class Refusal(StrEnum):
    """Why a key opens nothing, as whoever shows it is told."""

    WRONG = "The API key is wrong."
    EXPIRED = "This API key has expired. Make a new one."
    REVOKED = "This API key was revoked. Make a new one."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be made. `project_id` None: of all projects."""

    name: str
    scopes: frozenset[Scope]
    project_id: int | None
    expires_at: datetime | None = None
    kind: Kind = Kind.KEY


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as it is shown: all but the secret."""

    id: int
    public_id: str
    name: str
    kind: Kind
    beginning: str
    scopes: tuple[Scope, ...]
    project_id: int | None
    made_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_addr: str | None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was made just now: the only time that its secret is known."""

    view: KeyView
    secret: str


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a key lets in; `id` is the key's own."""

    id: int
    principal: Principal


@dataclass(frozen=True, slots=True)
class Use:
    """When, to the minute, and from where a key was used."""

    at: datetime
    address: str | None


def looks_like_one(text: str) -> bool:
    """Return whether *text* has the form of a key."""
    return _SHAPE.fullmatch(text) is not None


def may_make(maker: Principal, scopes: frozenset[Scope], project_id: int | None) -> bool:
    """Return whether *maker* may make such a key: an owner any, others in their project, and none beyond themselves."""
    if not allowed(maker, Action.OWN if project_id is None else Action.ADMINISTER, project_id):
        return False
    return _may_open(maker, scopes, project_id)


def _may_open(maker: Principal, scopes: frozenset[Scope], project_id: int | None) -> bool:
    opened = frozenset().union(*(OPENED_BY[each] for each in scopes)) - {Action.OWN}
    return all(allowed(maker, action, project_id) for action in opened)


def create(database: Database, new: NewKey, *, maker: Principal, made_by: str, now: datetime) -> MadeKey:
    """Make a key. *made_by* names the maker as others read it.

    Raises:
        NotFound: there is no such project, or no more.
        Forbidden: it would open more than *maker* may.
        Conflict: there are too many.
    """
    if not may_make(maker, new.scopes, new.project_id):
        raise Forbidden(ONLY_OWNERS if new.project_id is None else MORE_THAN_YOURS)
    with database.write() as connection:
        made = _insert(connection, new, maker=maker, made_by=made_by, now=now)
        audit.note(connection, "key.create", _named(made.view), project_id=new.project_id, after=_told(made.view))
    return made


def _insert(connection: Connection, new: NewKey, *, maker: Principal, made_by: str, now: datetime) -> MadeKey:
    there = select(ApiKey.id).where(ApiKey.project_id.is_not_distinct_from(new.project_id), _is_alive(now))
    if new.project_id is not None:
        projects.hold(connection, new.project_id)
    if len(connection.scalars(there.limit(MAX_KEYS)).all()) >= MAX_KEYS:
        raise Conflict("too-many-keys")
    secret = PREFIX + secrets.token_urlsafe(32)
    if new.kind is Kind.SHORT:
        secret = secret[:_SHORT_LENGTH]
    row = {
        "public_id": secrets.token_hex(8),
        "name": new.name,
        "kind": new.kind.value,
        "key_hash": _digest(secret),
        "beginning": secret[:_SHOWN],
        "scopes": " ".join(scope for scope in Scope if scope in new.scopes),
        "project_id": new.project_id,
        "made_by": made_by,
        "made_by_user_id": _user_behind(connection, maker),
        "created_at": now,
        "expires_at": new.expires_at,
    }
    connection.execute(insert(ApiKey), [row])
    return MadeKey(_one(connection, str(row["public_id"]), new.project_id), secret)


def _user_behind(connection: Connection, maker: Principal) -> int | None:
    """Return the user that the new key dies with: who makes it, or who made the key that makes it."""
    if maker.proof is not Proof.KEY:
        return maker.user_id
    return connection.scalar(select(ApiKey.made_by_user_id).where(ApiKey.public_id == maker.public_id))


def list_of(
    database: Database, *, project_id: int | None, limit: int | None = None, after: int | None = None
) -> tuple[list[KeyView], int | None]:
    """Return the keys of a project, None: all keys; oldest first, those that have expired too, but none revoked.

    Those behind the id *after*, at most *limit*; and the id behind which the next part begins, None at the end.
    """
    query = select(*_COLUMNS).where(*_within(project_id), ApiKey.revoked_at.is_(None)).order_by(ApiKey.id)
    if after is not None:
        query = query.where(ApiKey.id > after)
    with database.read() as connection:
        rows = connection.execute(query.limit(one_more(limit))).all()
    return cut([_view(row) for row in rows], limit, lambda view: view.id)


def get(database: Database, public_id: str, *, project_id: int | None) -> KeyView:
    """Return one key. Raises NotFound: there is none, it was revoked, or it is not of this project (None: any)."""
    with database.read() as connection:
        return _one(connection, public_id, project_id)


def revoke(database: Database, public_id: str, *, project_id: int | None, now: datetime) -> None:
    """Have a key open nothing from this moment on. Raises NotFound as `get` does."""
    with database.write() as connection:
        view = _one(connection, public_id, project_id)
        connection.execute(update(ApiKey).where(ApiKey.id == view.id).values(revoked_at=now))
        audit.note(connection, "key.delete", _named(view), project_id=view.project_id, before=_told(view))


def rotate(
    database: Database,
    public_id: str,
    *,
    project_id: int | None,
    maker: Principal,
    made_by: str,
    overlap: timedelta = OVERLAP,
    expires_at: datetime | None = None,
    now: datetime,
) -> MadeKey:
    """Make a second key with the settings of this one, which opens for *overlap* yet.

    *expires_at*: of the new one; None: it lives as long as the old one was to live.

    Raises:
        NotFound: as `get`.
        Forbidden: as `create`.
        Conflict: the key has expired, or there are too many.
    """
    with database.write() as connection:
        old = _one(connection, public_id, project_id)
        if not may_make(maker, frozenset(old.scopes), old.project_id):
            raise Forbidden(MORE_THAN_YOURS)
        if old.expires_at is not None and old.expires_at <= now:
            raise Conflict("key-expired")
        if expires_at is None and old.expires_at is not None:
            expires_at = now + (old.expires_at - old.created_at)
        new = NewKey(old.name, frozenset(old.scopes), old.project_id, expires_at, old.kind)
        made = _insert(connection, new, maker=maker, made_by=made_by, now=now)
        ends_at = min(filter(None, (old.expires_at, now + overlap)))
        connection.execute(update(ApiKey).where(ApiKey.id == old.id).values(expires_at=ends_at))
        after = _told(made.view) | {"old_expires_at": ends_at}
        audit.note(connection, "key.rotate", _named(old), project_id=old.project_id, before=_told(old), after=after)
    return made


def find(database: Database, secret: str, *, kinds: frozenset[Kind] = OF_PROGRAMS, now: datetime) -> Found | Refusal:
    """Return whom a key of these *kinds* lets in, in one query; or why it lets in nobody."""
    with database.read() as connection:
        row = connection.execute(_SHOWN_KEY, {"hash": _digest(secret)}).first()
    if row is None or row.kind not in kinds:
        return Refusal.WRONG
    if row.revoked_at is not None:
        return Refusal.REVOKED
    if row.expires_at is not None and row.expires_at <= now:
        return Refusal.EXPIRED
    principal = Principal(
        is_owner=False,
        proof=Proof.KEY,
        public_id=row.public_id,
        name=row.name,
        scopes=frozenset(_scopes(row.scopes)),
        project_id=row.project_id,
    )
    return Found(row.id, principal)


def write_uses(database: Database, uses: Mapping[int, Use]) -> None:
    """Write when and from where keys, by their ids, were used last."""
    with database.write() as connection:
        for key_id, use in sorted(uses.items()):  # in one order, so that two nodes do not wait for each other's rows
            older = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < use.at)
            values = {"last_used_at": use.at, "last_used_addr": use.address}
            connection.execute(update(ApiKey).where(ApiKey.id == key_id, older).values(values))


def revoke_of_user(connection: Connection, user_id: int, *, now: datetime, project_id: int | None = None) -> int:
    """Have all keys that a user made open nothing any more, those of *project_id* or all; return how many those were.

    In the transaction in which the user is removed, and before: who made a key is forgotten with him.
    """
    here = () if project_id is None else (ApiKey.project_id == project_id,)
    views = _of_user(connection, user_id, *here)
    _revoke(connection, views, now=now)
    return len(views)


def revoke_of_all_projects(connection: Connection, user_id: int, *, now: datetime) -> None:
    """Have the keys of all projects that a user made open nothing any more: he is no owner from now on."""
    _revoke(connection, _of_user(connection, user_id, ApiKey.project_id.is_(None)), now=now)


def revoke_beyond(connection: Connection, user_id: int, project_id: int, role: Role, *, now: datetime) -> None:
    """Have the keys of a project that a user made, and that open more than *role* may, open nothing any more."""
    there = Principal(is_owner=False, proof=Proof.SESSION, roles={project_id: role})
    theirs = _of_user(connection, user_id, ApiKey.project_id == project_id)
    beyond = [view for view in theirs if not _may_open(there, frozenset(view.scopes), project_id)]
    _revoke(connection, beyond, now=now)


def _of_user(connection: Connection, user_id: int, *where: ColumnElement[bool]) -> list[KeyView]:
    theirs = select(*_COLUMNS).where(ApiKey.made_by_user_id == user_id, ApiKey.revoked_at.is_(None), *where)
    return [_view(row) for row in connection.execute(theirs.order_by(ApiKey.id))]


def _revoke(connection: Connection, views: Sequence[KeyView], *, now: datetime) -> None:
    for view in views:
        connection.execute(update(ApiKey).where(ApiKey.id == view.id).values(revoked_at=now))
        audit.note(connection, "key.delete", _named(view), project_id=view.project_id, before=_told(view))


def remove_old(database: Database, *, now: datetime) -> bool:
    """Forget keys that were over long ago, a few at a time; return whether more may wait."""
    old = now - KEPT_FOR
    query = select(ApiKey.id).where(or_(ApiKey.revoked_at < old, ApiKey.expires_at < old)).limit(_PART)
    with database.read() as connection:
        ids = connection.scalars(query).all()
    if ids:
        with database.write() as connection:
            connection.execute(delete(ApiKey).where(ApiKey.id.in_(ids)))
    return len(ids) == _PART


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


# Asked with every request that shows a key: made once.
_SHOWN_KEY = select(
    ApiKey.id,
    ApiKey.public_id,
    ApiKey.name,
    ApiKey.kind,
    ApiKey.scopes,
    ApiKey.project_id,
    ApiKey.expires_at,
    ApiKey.revoked_at,
).where(ApiKey.key_hash == bindparam("hash"))

_COLUMNS = (
    ApiKey.id,
    ApiKey.public_id,
    ApiKey.name,
    ApiKey.kind,
    ApiKey.beginning,
    ApiKey.scopes,
    ApiKey.project_id,
    ApiKey.made_by,
    ApiKey.created_at,
    ApiKey.expires_at,
    ApiKey.last_used_at,
    ApiKey.last_used_addr,
)


def _is_alive(now: datetime) -> ColumnElement[bool]:
    return ApiKey.revoked_at.is_(None) & or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)


def _within(project_id: int | None) -> list[ColumnElement[bool]]:
    return [] if project_id is None else [ApiKey.project_id == project_id]


def _one(connection: Connection, public_id: str, project_id: int | None) -> KeyView:
    there = (is_exactly(ApiKey.public_id, public_id), ApiKey.revoked_at.is_(None), *_within(project_id))
    row = connection.execute(select(*_COLUMNS).where(*there)).first()
    if row is None:
        raise NotFound(NO_KEY)
    return _view(row)


def _view(row: Any) -> KeyView:
    values = row._asdict() | {"kind": Kind(row.kind), "scopes": tuple(_scopes(row.scopes))}
    return KeyView(**values)


def _scopes(text: str) -> list[Scope]:
    """Read the scopes of a row; one that this version does not know opens nothing."""
    return [scope for scope in Scope if scope in text.split()]


def _named(view: KeyView) -> str:
    return view.public_id


def _told(view: KeyView) -> dict[str, Any]:
    """Return what the log of who did what keeps of a key."""
    return {
        "name": view.name,
        "kind": view.kind.value,
        "beginning": view.beginning,
        "scopes": list(view.scopes),
        "expires_at": view.expires_at,
    }
