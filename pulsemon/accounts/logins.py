"""Logging in as a user: what is compared with, and what a right password and a right code do.

Who may try how often, and in which thread passwords are compared, is `web.panel.logins`' business. Nothing here tells
one address from another: an unknown user, one without a password and one who is disabled look the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from pulsemon.accounts import factors, links, passwords, sessions, users
from pulsemon.accounts.access import Where
from pulsemon.accounts.factors import Judged
from pulsemon.accounts.links import LinkKind
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.db.tables.accounts import SecondFactor, User
from pulsemon.db.types import is_exactly
from pulsemon.vault import Vault


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is compared with. `user_id` None: whatever is given is wrong."""

    password_hash: str = field(repr=False)
    user_id: int | None = None
    public_id: str = ""
    email: str = ""
    password_version: int = 0
    has_second_factor: bool = False


_HAS_FACTOR = exists().where(SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None))
_QUERY = select(
    User.id,
    User.public_id,
    User.email,
    User.password_hash,
    User.password_version,
    User.disabled_at,
    _HAS_FACTOR.label("has_factor"),
)


def find(database: Database, email_key: str) -> Credentials:
    """Return what the password of the user with this address is compared with."""
    with database.read() as connection:
        row = connection.execute(_QUERY.where(is_exactly(User.email_key, email_key))).first()
    return _credentials(row)


def of_user(database: Database, public_id: str) -> Credentials:
    """Return the same of a user who was found out before."""
    with database.read() as connection:
        row = connection.execute(_QUERY.where(is_exactly(User.public_id, public_id))).first()
    return _credentials(row)


def _credentials(row: Row[*tuple[Any, ...]] | None) -> Credentials:
    if row is None or row.password_hash is None or row.disabled_at is not None:
        return Credentials(passwords.nobodys())
    return Credentials(
        password_hash=row.password_hash,
        user_id=row.id,
        public_id=row.public_id,
        email=row.email,
        password_version=row.password_version,
        has_second_factor=bool(row.has_factor),
    )


def enter(
    database: Database,
    vault: Vault,
    who: Credentials,
    where: Where,
    *,
    code: str | None = None,
    new_hash: str | None = None,
    now: datetime,
) -> tuple[Judged, str]:
    """Open a session for a user whose password was right, with the *code* where one is asked for; return its id.

    *new_hash*: of the same password, where what is kept of it is out of date.
    """
    with database.write() as connection:
        if who.user_id is None or not _is_still(connection, who):
            return Judged.WRONG, ""
        if who.has_second_factor:
            judged = factors.judge(connection, vault, who.user_id, code or "", now=now)
            if judged is not Judged.RIGHT:
                return judged, ""
        values: dict[str, object] = {"last_login_at": now}
        if new_hash is not None:
            values["password_hash"] = new_hash
        connection.execute(update(User).where(User.id == who.user_id).values(values))
        with audit.acting(Actor(ActorKind.USER, who.email, now, who.public_id, where.remote_addr)):
            audit.note(connection, "login", who.email, project_id=None)
        return Judged.RIGHT, sessions.open_for(connection, who.user_id, who.password_version, where, now=now)


def _is_still(connection: Connection, who: Credentials) -> bool:
    """Return whether the user is what he was when his password was compared."""
    query = select(User.password_version, User.disabled_at, _HAS_FACTOR.label("has_factor"))
    row = connection.execute(query.where(User.id == who.user_id).with_for_update()).first()
    if row is None or row.disabled_at is not None:
        return False
    return bool(row.password_version == who.password_version and row.has_factor == who.has_second_factor)


def prove_by_code(database: Database, vault: Vault, user_id: int, code: str, *, now: datetime) -> Judged:
    """Say whether a user who is logged in has shown a right code, and take it."""
    with database.write() as connection:
        return factors.judge(connection, vault, user_id, code, now=now)


def set_by_link(
    database: Database, kind: LinkKind, token: str, password_hash: str, *, remote_addr: str | None, now: datetime
) -> str:
    """Give the user of a link the password that he chose by it; return his address. Raises NotFound."""
    with database.write() as connection:
        linked = links.use(connection, kind, token, now=now)
        users.set_password(connection, linked.user_id, password_hash, now=now)
        action = "user.join" if kind is LinkKind.INVITATION else "user.password"
        with audit.acting(Actor(ActorKind.USER, linked.email, now, linked.public_id, remote_addr)):
            audit.note(connection, action, linked.email, project_id=None)
        return linked.email


def change_password(database: Database, user_id: int, password_hash: str, where: Where, *, now: datetime) -> str:
    """Give a user who is logged in another password; return the id of a new session, the only one that he has then."""
    with database.write() as connection:
        users.set_password(connection, user_id, password_hash, now=now)
        row = connection.execute(select(User.email, User.password_version).where(User.id == user_id)).one()
        audit.note(connection, "user.password", row.email, project_id=None)
        return sessions.open_for(connection, user_id, row.password_version, where, now=now)
