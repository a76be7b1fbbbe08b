"""Users: create, list, read, edit, disable, remove. Each function is one transaction, and notes what it did.

Input arrives validated (`input.accounts`), passwords arrive hashed (`accounts.passwords`). An installation whose owners
have names keeps at least one of them; ADMIN_TOKEN is an owner without a name, and no part of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.accounts import keys, links
from pulsemon.accounts.links import LinkKind
from pulsemon.core import keyset
from pulsemon.core.edits import KEPT, Kept, given
from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import Member, SecondFactor, Session, User
from pulsemon.db.tables.base import new_public_id
from pulsemon.db.types import is_exactly
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_USER, Conflict, NotFound


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is needed to make one. `email_key`: how the address is compared. Without a password he is invited."""

    email: str
    email_key: str
    name: str = ""
    password_hash: str | None = field(default=None, repr=False)
    is_owner: bool = False


@dataclass(frozen=True, slots=True)
class UserChanges:
    """An edit of any of these. An `email` comes with its `email_key`."""

    email: str | Kept = KEPT
    email_key: str | Kept = KEPT
    name: str | Kept = KEPT
    is_owner: bool | Kept = KEPT
    is_disabled: bool | Kept = KEPT


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as owners see him. `id`: the public one. `has_password` False: he was invited, and has not come yet."""

    id: str
    row_id: int
    email: str
    name: str
    is_owner: bool
    has_password: bool
    has_second_factor: bool
    disabled_at: datetime | None
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime


def is_anybody(database: Database) -> bool:
    """Return whether there is a user at all: without one the panel is entered by the admin token alone."""
    with database.read() as connection:
        return bool(connection.scalar(select(exists().where(User.id > 0))))


def create(database: Database, new: NewUser, *, now: datetime) -> tuple[UserView, str | None]:
    """Make a user; return him, and the token of his invitation where he has no password. Raises Conflict."""
    with database.write() as connection:
        user_id, token = add(connection, new, now=now)
        return _get(connection, User.id == user_id), token


def add(connection: Connection, new: NewUser, *, now: datetime) -> tuple[int, str | None]:
    """Do the same in the transaction of something larger; return his id. Raises Conflict: the address is taken."""
    row = {
        "public_id": new_public_id(),
        "email": new.email,
        "email_key": new.email_key,
        "name": new.name,
        "password_hash": new.password_hash,
        "password_version": 1,
        "is_owner": new.is_owner,
        "created_at": now,
        "updated_at": now,
    }
    if connection.scalar(select(User.id).where(User.email_key == new.email_key)) is not None:
        raise Conflict("email-taken")
    try:
        user_id = connection.execute(insert(User).values(row).returning(User.id)).scalar_one()
    except IntegrityError:  # another node was faster
        raise Conflict("email-taken") from None
    token = None if new.password_hash else links.make(connection, user_id, LinkKind.INVITATION, now=now)
    after = {"email": new.email, "name": new.name, "owner": new.is_owner, "invited": token is not None}
    audit.note(connection, "user.create", new.email, project_id=None, after=after)
    renew_version(connection)
    return user_id, token


def list_all(
    database: Database, *, limit: int | None = None, after: int | None = None
) -> tuple[list[UserView], int | None]:
    """Return users in the order of their creation, and after which the next part begins."""
    query = _VIEW.order_by(User.id).limit(keyset.one_more(limit))
    if after is not None:
        query = query.where(User.id > after)
    with database.read() as connection:
        found = [_view(row) for row in connection.execute(query)]
    return keyset.cut(found, limit, lambda each: each.row_id)


def get(database: Database, public_id: str) -> UserView:
    """Return one user. Raises NotFound."""
    with database.read() as connection:
        return _get(connection, is_exactly(User.public_id, public_id))


def by_email(database: Database, email_key: str) -> UserView:
    """Return the user with this address, as it is compared. Raises NotFound."""
    with database.read() as connection:
        return _get(connection, is_exactly(User.email_key, email_key))


def edit(
    database: Database, public_id: str, changes: UserChanges, *, keeps_keys: bool = False, now: datetime
) -> UserView:
    """Change what *changes* says. Who is disabled has no session any more, and unless *keeps_keys* no keys.

    Links that were mailed to another address work no more, and neither do keys of all projects that one made who is
    no owner any more.

    Raises:
        NotFound: there is no such user.
        Conflict: the address is taken; or no owner would be left.
    """
    with database.write() as connection:
        said = given(changes)
        if not said.get("is_owner", True) or said.get("is_disabled", False):
            _lock_owners(connection)
        before = lock(connection, public_id)
        _refuse_to_lose_the_last_owner(connection, before, said)
        _write(connection, before, said, now)
        if said.get("email", before.email) != before.email:  # a link went to whoever has the old address
            links.end_all(connection, before.row_id)
        if before.is_owner and not said.get("is_owner", True):
            keys.revoke_of_all_projects(connection, before.row_id, now=now)
        if said.get("is_disabled") and before.disabled_at is None:
            shut_out(connection, before, keeps_keys=keeps_keys, now=now)
        after = _get(connection, User.id == before.row_id)
        _note_edit(connection, before, after)
        renew_version(connection)
        return after


def remove(database: Database, public_id: str, *, keeps_keys: bool = False, now: datetime) -> None:
    """Remove a user with his roles, sessions and links; what he did stays in the log under his name.

    Raises:
        NotFound: there is no such user.
        Conflict: no owner would be left.
    """
    with database.write() as connection:
        _lock_owners(connection)
        before = lock(connection, public_id)
        _refuse_to_lose_the_last_owner(connection, before, {"is_owner": False})
        shut_out(connection, before, keeps_keys=keeps_keys, now=now)
        roles = select(Member.project_id, Member.role).where(Member.user_id == before.row_id)
        for row in connection.execute(roles.order_by(Member.project_id)):
            left = {"role": row.role}
            audit.note(connection, "member.remove", before.email, project_id=row.project_id, before=left)
        connection.execute(delete(User).where(User.id == before.row_id))
        audit.note(connection, "user.delete", before.email, project_id=None, before=_noted(before))
        renew_version(connection)


def invite_again(database: Database, public_id: str, *, now: datetime) -> tuple[UserView, LinkKind, str]:
    """Return a user, and the kind and the token of a new link by which he sets a password; older ones end.

    An invitation for whoever has none yet, else a reset. Raises NotFound, Conflict: he is disabled.
    """
    with database.write() as connection:
        user = lock(connection, public_id)
        if user.disabled_at is not None:
            raise Conflict("user-disabled")
        kind = LinkKind.RESET if user.has_password else LinkKind.INVITATION
        token = links.make(connection, user.row_id, kind, now=now)
        action = "user.reset" if kind is LinkKind.RESET else "user.invite"
        audit.note(connection, action, user.email, project_id=None)
        return user, kind, token


def give_password(database: Database, public_id: str, password_hash: str, *, now: datetime) -> None:
    """Give a user a password that somebody else chose: his sessions and links end. Raises NotFound."""
    with database.write() as connection:
        user = lock(connection, public_id)
        set_password(connection, user.row_id, password_hash, now=now)
        audit.note(connection, "user.password", user.email, project_id=None)


def set_password(connection: Connection, user_id: int, password_hash: str, *, now: datetime) -> None:
    """Give a user another password: his sessions and his links end."""
    values = {"password_hash": password_hash, "password_version": User.password_version + 1, "updated_at": now}
    connection.execute(update(User).where(User.id == user_id).values(values))
    connection.execute(delete(Session).where(Session.user_id == user_id))
    links.end_all(connection, user_id)


def lock(connection: Connection, public_id: str) -> UserView:
    """Return a user whom nobody else changes before the transaction ends. Raises NotFound."""
    is_his = is_exactly(User.public_id, public_id)
    connection.execute(select(User.id).where(is_his).with_for_update())
    return _get(connection, is_his)


def shut_out(connection: Connection, user: UserView, *, keeps_keys: bool, now: datetime) -> None:
    """End the sessions and links of a user, and unless *keeps_keys* the keys that he made."""
    connection.execute(delete(Session).where(Session.user_id == user.row_id))
    links.end_all(connection, user.row_id)
    if not keeps_keys:
        keys.revoke_of_user(connection, user.row_id, now=now)


def _write(connection: Connection, before: UserView, said: dict[str, Any], now: datetime) -> None:
    values: dict[str, Any] = {name: said[name] for name in ("email", "email_key", "name", "is_owner") if name in said}
    if "is_disabled" in said:
        values["disabled_at"] = (before.disabled_at or now) if said["is_disabled"] else None
    if not values:
        return
    taken = select(User.id).where(User.email_key == said.get("email_key", ""), User.id != before.row_id)
    if connection.scalar(taken) is not None:
        raise Conflict("email-taken")
    try:
        connection.execute(update(User).where(User.id == before.row_id).values(values | {"updated_at": now}))
    except IntegrityError:  # another node was faster
        raise Conflict("email-taken") from None


def _refuse_to_lose_the_last_owner(connection: Connection, user: UserView, said: dict[str, Any]) -> None:
    is_one = user.is_owner and user.disabled_at is None
    stays_one = said.get("is_owner", True) and not said.get("is_disabled", False)
    if not is_one or stays_one:
        return
    if _lock_owners(connection) == [user.row_id]:
        raise Conflict("last-owner")


def _lock_owners(connection: Connection) -> list[int]:
    """Return the owners by their ids, all locked in one order: before one of them is, or two wait for each other."""
    owners = select(User.id).where(User.is_owner, User.disabled_at.is_(None)).order_by(User.id).with_for_update()
    return list(connection.scalars(owners))


def _note_edit(connection: Connection, before: UserView, after: UserView) -> None:
    was, became = audit.difference(_noted(before), _noted(after))
    if became:
        audit.note(connection, "user.edit", after.email, project_id=None, before=was, after=became)


def _noted(user: UserView) -> dict[str, Any]:
    is_disabled = user.disabled_at is not None
    return {"email": user.email, "name": user.name, "owner": user.is_owner, "disabled": is_disabled}


_HAS_FACTOR = exists().where(SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None))
_VIEW = select(
    User.public_id,
    User.id,
    User.email,
    User.name,
    User.is_owner,
    User.password_hash.is_not(None).label("has_password"),
    _HAS_FACTOR.label("has_second_factor"),
    User.disabled_at,
    User.last_login_at,
    User.created_at,
    User.updated_at,
)


def _view(row: Sequence[Any]) -> UserView:
    public_id, row_id, email, name, is_owner, has_password, has_factor, *times = row
    return UserView(public_id, row_id, email, name, is_owner, bool(has_password), bool(has_factor), *times)


def _get(connection: Connection, *which: ColumnElement[bool]) -> UserView:
    row = connection.execute(_VIEW.where(*which)).first()
    if row is None:
        raise NotFound(NO_USER)
    return _view(row)


def count(database: Database) -> int:
    """Return how many users there are."""
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(User)) or 0


# A link was mailed so lately that the next one waits: nobody fills somebody else's mailbox.
_ASK_AGAIN_AFTER = timedelta(minutes=5)


def forgot(database: Database, email_key: str, *, now: datetime) -> tuple[UserView, LinkKind, str] | None:
    """Return the user with this address, and the kind and token of a link by which he sets a password.

    None: there is none, he is disabled, or he was given one a moment ago. An invitation that waits is made anew.
    """
    with database.write() as connection:
        row = connection.execute(
            select(User.public_id).where(is_exactly(User.email_key, email_key), User.disabled_at.is_(None))
        ).first()
        if row is None:
            return None
        user = lock(connection, row.public_id)
        kind = LinkKind.RESET if user.has_password else LinkKind.INVITATION
        if links.was_made_after(connection, user.row_id, kind, now - _ASK_AGAIN_AFTER):
            return None
        return user, kind, links.make(connection, user.row_id, kind, now=now)
