"""Who may do what: the admin token and the sessions of the panel.

A session is a random id; the database keeps a hash of it, so that logging out ends it everywhere and a stolen
database opens nothing. Signing the cookie and reading headers is `web.security`'s business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from pulsemon.db import Database
from pulsemon.db.tables import Meta, Session

SESSION_LIFETIME = timedelta(days=7)
_SECRET_KEY = "session-secret"  # noqa: S105 - the name of a row


def is_admin_token(given: str, expected: str) -> bool:
    """Return whether *given* is the admin token; never while none is set. Takes the same time for any wrong one."""
    same = hmac.compare_digest(_digest(given), _digest(expected))
    return same and bool(expected)


def _digest(text: str) -> str:
    # surrogatepass: whatever bytes a header brought are compared, not refused.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def open_session(database: Database, admin_token: str, *, now: datetime) -> str:
    """Start a session and return its id, which is kept nowhere else. Sessions that ended are swept out."""
    session_id = secrets.token_urlsafe(32)
    row = {
        "id_hash": _digest(session_id),
        "admin_fingerprint": _digest(admin_token),
        "created_at": now,
        "expires_at": now + SESSION_LIFETIME,
    }
    with database.write() as connection:
        connection.execute(delete(Session).where(Session.expires_at <= now))
        connection.execute(insert(Session), [row])
    return session_id


def is_session_open(database: Database, session_id: str, admin_token: str, *, now: datetime) -> bool:
    """Return whether the session lives: not logged out, not expired, opened with the admin token of today."""
    query = select(Session.admin_fingerprint).where(Session.id_hash == _digest(session_id), Session.expires_at > now)
    with database.read() as connection:
        fingerprint = connection.scalar(query)
    return fingerprint is not None and hmac.compare_digest(fingerprint, _digest(admin_token))


def close_session(database: Database, session_id: str) -> None:
    """End the session; its cookie is worthless from this moment."""
    with database.write() as connection:
        connection.execute(delete(Session).where(Session.id_hash == _digest(session_id)))


def session_secret(database: Database) -> str:
    """Return the secret that signs cookies, made once and kept in the database, for when the environment names none."""
    query = select(Meta.value).where(Meta.key == _SECRET_KEY)
    with database.read() as connection:
        kept = connection.scalar(query)
    if kept is not None:
        return kept
    try:
        with database.write() as connection:
            connection.execute(insert(Meta), [{"key": _SECRET_KEY, "value": secrets.token_urlsafe(32)}])
    except IntegrityError:
        pass  # another node was faster: its secret is the one
    with database.read() as connection:
        return connection.execute(query).scalar_one()
