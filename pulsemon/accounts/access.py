"""Who is let in: the admin token and the sessions of the panel. What they may do says `accounts.roles`.

A session is a random id; the database keeps a hash of it, so that logging out ends it everywhere and a stolen
database opens nothing. Signing the cookie and reading headers is `web.http.principals`' business.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.accounts.roles import OWNER_BY_SESSION, Principal, Proof, Role
from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import Member, Session, User
from pulsemon.db.tables.base import Meta, new_public_id
from pulsemon.db.upsert import upsert_all

SESSION_LIFETIME = timedelta(days=7)
_SECRET_KEY = "session-secret"  # noqa: S105 - the name of a row
# For so long an address is known from which the right token, or the password of a page, came.
KNOWN_FOR = timedelta(days=30)
# The newest so many: owners and their programs; readers of pages with a password; users.
MAX_KNOWN = {"admin": 1_000, "page": 5_000, "user": 5_000}
MAX_AGENT_LENGTH = 200
_KNOWN_KEY = "known:{kind}:{hashed}"


def is_admin_token(given: str, expected: str) -> bool:
    """Return whether *given* is the admin token; never while none is set. Takes the same time for any wrong one."""
    same = hmac.compare_digest(_digest(given), _digest(expected))
    return same and bool(expected)


def _digest(text: str) -> str:
    # surrogatepass: whatever bytes a header brought are compared, not refused.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Where:
    """From where a session is opened: the address of the browser, and what it calls itself."""

    remote_addr: str | None = None
    user_agent: str | None = None


def values_of(where: Where, *, now: datetime) -> dict[str, object]:
    """Return the columns that say where a session was opened; whoever opened it has proved who he is."""
    agent = (where.user_agent or "")[:MAX_AGENT_LENGTH]
    return {
        "public_id": new_public_id(),
        "remote_addr": where.remote_addr,
        "user_agent": "".join(each for each in agent if each.isprintable()) or None,
        "seen_at": now,
        "proved_at": now,
    }


def open_session(database: Database, admin_token: str, *, where: Where | None = None, now: datetime) -> str:
    """Start a session and return its id, which is kept nowhere else. Sessions that ended are swept out."""
    session_id = secrets.token_urlsafe(32)
    row = {
        "id_hash": _digest(session_id),
        "admin_fingerprint": _digest(admin_token),
        "created_at": now,
        "expires_at": now + SESSION_LIFETIME,
    } | values_of(where or Where(), now=now)
    with database.write() as connection:
        connection.execute(delete(Session).where(Session.expires_at <= now))
        connection.execute(insert(Session), [row])
        audit.note(connection, "login", "admin token", project_id=None)
    return session_id


def find_session(database: Database, session_id: str, admin_token: str, *, now: datetime) -> Principal | None:
    """Return who a session lets in, in one query; None: it is over.

    One that was opened with the admin token lives as long as that is the same; one of a user as long as the user is
    there, not disabled, and has the same password.
    """
    query = _SESSION.where(Session.id_hash == _digest(session_id), Session.expires_at > now)
    with database.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        return None
    first = rows[0]
    if first.session_user_id is None:
        is_todays = bool(admin_token) and hmac.compare_digest(first.admin_fingerprint, _digest(admin_token))
        return replace(OWNER_BY_SESSION, project_id=first.project_id) if is_todays else None
    if first.user_id is None or first.disabled_at is not None or first.password_version != first.session_version:
        return None
    return Principal(
        is_owner=first.is_owner,
        proof=Proof.SESSION,
        public_id=first.public_id,
        name=first.email,
        user_id=first.user_id,
        roles={row.member_of: Role(row.role) for row in rows if row.member_of is not None},
        project_id=first.project_id,
    )


# One row for each project that the session's user is a member of, or else one.
_SESSION = (
    select(
        Session.admin_fingerprint,
        Session.user_id.label("session_user_id"),
        Session.password_version.label("session_version"),
        Session.project_id,
        User.id.label("user_id"),
        User.public_id,
        User.email,
        User.is_owner,
        User.disabled_at,
        User.password_version,
        Member.project_id.label("member_of"),
        Member.role,
    )
    .outerjoin(User, User.id == Session.user_id)
    .outerjoin(Member, Member.user_id == User.id)
)


def choose_project(database: Database, session_id: str, project_id: int) -> None:
    """Have the pages of a session show another project."""
    with database.write() as connection:
        its = Session.id_hash == _digest(session_id)
        connection.execute(update(Session).where(its).values(project_id=project_id))


def close_session(database: Database, session_id: str) -> None:
    """End the session; its cookie is worthless from this moment."""
    with database.write() as connection:
        connection.execute(delete(Session).where(Session.id_hash == _digest(session_id)))


def _read_session_secret(database: Database) -> str | None:
    """Return the secret that signs cookies, as it is kept in the database; None: it is not made yet."""
    with database.read() as connection:
        return connection.scalar(select(Meta.value).where(Meta.key == _SECRET_KEY))


def ensure_session_secret(database: Database) -> str:
    """Return the secret that signs cookies, made once and kept in the database, for when the environment names none."""
    kept = _read_session_secret(database)
    if kept is not None:
        return kept
    try:
        with database.write() as connection:
            connection.execute(insert(Meta), [{"key": _SECRET_KEY, "value": secrets.token_urlsafe(32)}])
    except IntegrityError:
        pass  # another node was faster: its secret is the one
    with database.read() as connection:
        return connection.execute(select(Meta.value).where(Meta.key == _SECRET_KEY)).scalar_one()


def read_known_addresses(database: Database, *, now: datetime) -> dict[tuple[str, str], datetime]:
    """Return (kind, hash) -> when the right token last came from that address, of the last thirty days."""
    found: dict[tuple[str, str], datetime] = {}
    with database.read() as connection:
        for kind in MAX_KNOWN:
            prefix = _KNOWN_KEY.format(kind=kind, hashed="")
            for key, value in connection.execute(select(Meta.key, Meta.value).where(Meta.key.startswith(prefix))):
                seen_at = _instant(value)
                if seen_at is not None and now - seen_at < KNOWN_FOR:
                    found[kind, key.removeprefix(prefix)] = seen_at
    return found


def write_known_addresses(database: Database, seen: Mapping[tuple[str, str], datetime], *, now: datetime) -> None:
    """Write (kind, hash) -> when the right token came from that address, and forget the oldest of too many."""
    rows = [
        {"key": _KNOWN_KEY.format(kind=kind, hashed=hashed), "value": _text(seen_at)}
        # In one order, so that two nodes do not wait for each other's rows.
        for (kind, hashed), seen_at in sorted(seen.items())
    ]
    with database.write() as connection:
        upsert_all(connection, Meta, rows)
        for kind, count in MAX_KNOWN.items():
            theirs = Meta.key.startswith(_KNOWN_KEY.format(kind=kind, hashed=""))
            connection.execute(delete(Meta).where(theirs, Meta.value < _text(now - KNOWN_FOR)))
            surplus = connection.scalars(
                select(Meta.key).where(theirs).order_by(Meta.value.desc(), Meta.key).offset(count)
            ).all()
            for key in surplus:
                connection.execute(delete(Meta).where(Meta.key == key))


def _text(instant: datetime) -> str:
    """Return an instant as text of fixed width, which sorts as the instants do."""
    return f"{int(instant.timestamp()):012d}"


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):  # edited by hand
        return None
