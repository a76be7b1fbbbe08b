"""Members: who has which role in a project. Each function is one transaction, and notes what it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.accounts import keys, users
from pulsemon.accounts.roles import Role
from pulsemon.accounts.users import NewUser, UserView
from pulsemon.core import keyset
from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import Member, User
from pulsemon.db.tables.projects import Project
from pulsemon.db.types import is_exactly
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_MEMBER, NO_PROJECT, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class MemberView:
    """A user and his role in a project. `id`: his public one."""

    id: str
    row_id: int
    email: str
    name: str
    role: Role
    is_disabled: bool
    has_password: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """A project and the role in it that a user has."""

    project_id: int
    slug: str
    name: str
    role: Role


def list_of(
    database: Database, project_id: int, *, limit: int | None = None, after: int | None = None
) -> tuple[list[MemberView], int | None]:
    """Return the members of a project, in the order of the users' creation, and after whom the next part begins."""
    query = _VIEW.where(Member.project_id == project_id).order_by(User.id).limit(keyset.one_more(limit))
    if after is not None:
        query = query.where(User.id > after)
    with database.read() as connection:
        found = [_view(row) for row in connection.execute(query)]
    return keyset.cut(found, limit, lambda each: each.row_id)


def of_user(database: Database, user_row_id: int) -> list[Membership]:
    """Return the projects that a user is a member of, in the order of their names."""
    query = (
        select(Project.id, Project.slug, Project.name, Member.role)
        .join(Member, Member.project_id == Project.id)
        .where(Member.user_id == user_row_id)
    )
    with database.read() as connection:
        found = [Membership(row.id, row.slug, row.name, Role(row.role)) for row in connection.execute(query)]
    return sorted(found, key=lambda each: (each.name.casefold(), each.project_id))


def get(database: Database, project_id: int, public_id: str) -> MemberView:
    """Return one member of a project. Raises NotFound."""
    with database.read() as connection:
        return _get(connection, Member.project_id == project_id, is_exactly(User.public_id, public_id))


def by_email(database: Database, project_id: int, email_key: str) -> MemberView | None:
    """Return the member of a project who has this address, as it is compared; None: nobody has."""
    query = _VIEW.where(Member.project_id == project_id, is_exactly(User.email_key, email_key))
    with database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else _view(row)


def set_role(database: Database, project_id: int, public_id: str, role: Role, *, now: datetime) -> MemberView:
    """Make a user a member of a project, or give him another role in it; keys that open more than it end.

    Raises:
        NotFound: there is no such user, or no such project.
    """
    with database.write() as connection:
        user = users.lock(connection, public_id)
        _put(connection, project_id, user, role, now)
        return _get(connection, Member.project_id == project_id, User.id == user.row_id)


def invite(
    database: Database, project_id: int, new: NewUser, role: Role, *, now: datetime
) -> tuple[MemberView, str | None]:
    """Give the user with this address a role in a project; who is not there yet is made.

    Returns him, and the token of the invitation of one who was made. Raises NotFound: there is no such project.
    """
    with database.write() as connection:
        public_id = connection.scalar(select(User.public_id).where(User.email_key == new.email_key))
        token = None
        if public_id is None:
            user_id, token = users.add(connection, new, now=now)
            public_id = connection.execute(select(User.public_id).where(User.id == user_id)).scalar_one()
        user = users.lock(connection, public_id)
        _put(connection, project_id, user, role, now)
        return _get(connection, Member.project_id == project_id, User.id == user.row_id), token


def remove(database: Database, project_id: int, public_id: str, *, now: datetime) -> None:
    """Take a user out of a project, with the keys of it that he made; he stays a user. Raises NotFound."""
    with database.write() as connection:
        found = _get(connection, Member.project_id == project_id, is_exactly(User.public_id, public_id))
        this = (Member.project_id == project_id, Member.user_id == found.row_id)
        connection.execute(delete(Member).where(*this))
        keys.revoke_of_user(connection, found.row_id, project_id=project_id, now=now)
        before = {"role": found.role.value}
        audit.note(connection, "member.remove", found.email, project_id=project_id, before=before)
        renew_version(connection)


def _put(connection: Connection, project_id: int, user: UserView, role: Role, now: datetime) -> None:
    """Write a role; whoever holds the user's lock is alone with his roles."""
    if connection.scalar(select(Project.id).where(Project.id == project_id).with_for_update(read=True)) is None:
        raise NotFound(NO_PROJECT)
    this = (Member.project_id == project_id, Member.user_id == user.row_id)
    had = connection.scalar(select(Member.role).where(*this))
    if had == role.value:
        return
    if had is None:
        row = {"project_id": project_id, "user_id": user.row_id, "role": role.value, "created_at": now}
        try:
            connection.execute(insert(Member), [row])
        except IntegrityError:
            raise Unavailable("the user or the project was removed at the same moment") from None
    else:
        connection.execute(update(Member).where(*this).values(role=role.value))
        keys.revoke_beyond(connection, user.row_id, project_id, role, now=now)
    before = None if had is None else {"role": had}
    action = "member.add" if had is None else "member.edit"
    audit.note(connection, action, user.email, project_id=project_id, before=before, after={"role": role.value})
    renew_version(connection)


_VIEW = select(
    User.public_id,
    User.id,
    User.email,
    User.name,
    Member.role,
    User.disabled_at,
    User.password_hash.is_not(None).label("has_password"),
).join(Member, Member.user_id == User.id)


def _view(row: Any) -> MemberView:
    return MemberView(
        id=row.public_id,
        row_id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        is_disabled=row.disabled_at is not None,
        has_password=bool(row.has_password),
    )


def _get(connection: Connection, *which: ColumnElement[bool]) -> MemberView:
    row = connection.execute(_VIEW.where(*which)).first()
    if row is None:
        raise NotFound(NO_MEMBER)
    return _view(row)
