"""The sessions of users: opened by a login, listed, ended one by one, and how fresh the proof of who is there is.

`accounts.access` says whom a session lets in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from pulsemon.accounts.access import SESSION_LIFETIME, Where, values_of
from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import Session
from pulsemon.db.types import is_exactly
from pulsemon.errors import NO_SESSION, NotFound

# For so long nobody is asked for his password again before something that matters.
PROVED_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SessionView:
    """One of a user's sessions, as he sees it. `id`: opens nothing. `is_this`: the one that asks."""

    id: str
    is_this: bool
    created_at: datetime
    seen_at: datetime
    remote_addr: str | None
    user_agent: str | None


def hash_of(session_id: str) -> str:
    """Return what is kept of a session's id."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


def open_for(connection: Connection, user_id: int, password_version: int, where: Where, *, now: datetime) -> str:
    """Start a session of a user who has just proved who he is; return its id, which is kept nowhere else."""
    session_id = secrets.token_urlsafe(32)
    row = {
        "id_hash": hash_of(session_id),
        "admin_fingerprint": "",
        "created_at": now,
        "expires_at": now + SESSION_LIFETIME,
        "user_id": user_id,
        "password_version": password_version,
    }
    connection.execute(delete(Session).where(Session.expires_at <= now))
    connection.execute(insert(Session), [row | values_of(where, now=now)])
    return session_id


def list_of(database: Database, user_id: int, session_id: str, *, now: datetime) -> list[SessionView]:
    """Return the open sessions of a user, the one of *session_id* first, then the one seen last."""
    query = select(Session.__table__).where(Session.user_id == user_id, Session.expires_at > now)
    this = hash_of(session_id)
    with database.read() as connection:
        found = [
            SessionView(
                id=row.public_id or "",
                is_this=row.id_hash == this,
                created_at=row.created_at,
                seen_at=row.seen_at or row.created_at,
                remote_addr=row.remote_addr,
                user_agent=row.user_agent,
            )
            for row in connection.execute(query)
        ]
    return sorted(found, key=lambda each: (each.is_this, each.seen_at), reverse=True)


def end(database: Database, user_id: int, public_id: str) -> None:
    """End one session of a user. Raises NotFound: he has no such session, or it is over."""
    with database.write() as connection:
        this = (Session.user_id == user_id, is_exactly(Session.public_id, public_id))
        if not connection.execute(delete(Session).where(*this)).rowcount:
            raise NotFound(NO_SESSION)
        audit.note(connection, "session.end", public_id, project_id=None)


def end_others(database: Database, user_id: int, session_id: str) -> int:
    """End all sessions of a user but this one; return how many they were."""
    with database.write() as connection:
        others = (Session.user_id == user_id, Session.id_hash != hash_of(session_id))
        count = connection.execute(delete(Session).where(*others)).rowcount
        if count:
            audit.note(connection, "session.end-others", str(count), project_id=None)
        return count


def is_proved(database: Database, session_id: str, *, now: datetime) -> bool:
    """Return whether whoever has this session proved a short while ago who he is."""
    query = select(Session.proved_at).where(Session.id_hash == hash_of(session_id))
    with database.read() as connection:
        proved_at = connection.scalar(query)
    return proved_at is not None and timedelta(0) <= now - proved_at < PROVED_FOR


def prove(database: Database, session_id: str, *, now: datetime) -> None:
    """Note that whoever has this session has proved just now who he is."""
    with database.write() as connection:
        connection.execute(update(Session).where(Session.id_hash == hash_of(session_id)).values(proved_at=now))


def write_seen(database: Database, seen: Mapping[str, tuple[datetime, str | None]]) -> None:
    """Write hash of a session -> when and from where it was used last."""
    with database.write() as connection:
        for id_hash, (seen_at, remote_addr) in sorted(seen.items()):
            values = {"seen_at": seen_at, "remote_addr": remote_addr}
            connection.execute(update(Session).where(Session.id_hash == id_hash).values(values))
