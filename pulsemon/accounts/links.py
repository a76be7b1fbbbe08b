"""Links by which a user sets a password: invitations and resets. A hash of the token is kept, and each works once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from pulsemon.db import Database
from pulsemon.db.tables.accounts import AccountLink, User
from pulsemon.errors import NotFound

NO_LINK = "This link does not work: it was used, it is too old, or it was never one."


class LinkKind(StrEnum):
    """What a link is for; each has a path of its own."""

    INVITATION = "invitation"
    RESET = "reset"


LIFETIMES = {LinkKind.INVITATION: timedelta(days=7), LinkKind.RESET: timedelta(hours=1)}
PATHS = {LinkKind.INVITATION: "/join", LinkKind.RESET: "/reset"}


@dataclass(frozen=True, slots=True)
class Linked:
    """Whose a link is that works."""

    user_id: int
    public_id: str
    email: str
    name: str


def hash_of(token: str) -> str:
    """Return what is kept of a link's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def path_of(kind: LinkKind, token: str) -> str:
    """Return where a link leads to, on this installation."""
    return f"{PATHS[kind]}/{token}"


def make(connection: Connection, user_id: int, kind: LinkKind, *, now: datetime) -> str:
    """Return the token of a new link, which is kept nowhere; the user's older ones of this kind end."""
    connection.execute(delete(AccountLink).where(AccountLink.user_id == user_id, AccountLink.kind == kind.value))
    token = secrets.token_urlsafe(32)
    row = {"token_hash": hash_of(token), "kind": kind.value, "user_id": user_id}
    connection.execute(insert(AccountLink), [row | {"created_at": now, "expires_at": now + LIFETIMES[kind]}])
    return token


def was_made_after(connection: Connection, user_id: int, kind: LinkKind, instant: datetime) -> bool:
    """Return whether the user was given a link of this kind since then."""
    his = (AccountLink.user_id == user_id, AccountLink.kind == kind.value, AccountLink.created_at > instant)
    return connection.scalar(select(AccountLink.token_hash).where(*his).limit(1)) is not None


def end_all(connection: Connection, user_id: int) -> None:
    """End every link of a user."""
    connection.execute(delete(AccountLink).where(AccountLink.user_id == user_id))


def find(database: Database, kind: LinkKind, token: str, *, now: datetime) -> Linked:
    """Return whose link this is. Raises NotFound: it works no more, or never did."""
    with database.read() as connection:
        return _find(connection, kind, token, now)


def use(connection: Connection, kind: LinkKind, token: str, *, now: datetime) -> Linked:
    """Return whose link this is, and have it work no more: of two that use it at once, one does. Raises NotFound."""
    found = _find(connection, kind, token, now)
    this = (AccountLink.token_hash == hash_of(token), AccountLink.used_at.is_(None))
    if not connection.execute(update(AccountLink).where(*this).values(used_at=now)).rowcount:
        raise NotFound(NO_LINK)
    return found


def _find(connection: Connection, kind: LinkKind, token: str, now: datetime) -> Linked:
    query = (
        select(User.id, User.public_id, User.email, User.name)
        .join(AccountLink, AccountLink.user_id == User.id)
        .where(AccountLink.token_hash == hash_of(token), AccountLink.kind == kind.value)
        .where(AccountLink.used_at.is_(None), AccountLink.expires_at > now, User.disabled_at.is_(None))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(NO_LINK)
    return Linked(*row)
