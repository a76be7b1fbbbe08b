"""What the tests of the use cases share: making monitors, pings and who asks, and reading the tables back."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import func, insert, select, update
from starlette.testclient import TestClient

from pulsemon.accounts import access
from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.accounts.roles import Role, Scope
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.accounts import ApiKey, Member, Session, User
from pulsemon.db.tables.base import Base
from pulsemon.db.tables.deadlines import BlindWindowRow, UnseenSpan
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.messages import Attempt, Delivery, NoticeRow
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.tables.projects import Project
from pulsemon.heartbeats import pings
from pulsemon.heartbeats.pings import Answer, Batch
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.manage import NewMonitor
from pulsemon.monitors.views import View
from pulsemon.web.http.principals import _signer
from pulsemon.web.http.site import Site
from tests.conftest import at

START = at("10:00")
HOOK = "http://127.0.0.1:9/hook"


def make(
    database: Database, slug: str = "job", *, now: datetime = START, project_id: int = DEFAULT_ID, **fields: Any
) -> View:
    """Create a monitor: pings every four minutes, a minute of grace, unless *fields* say otherwise."""
    values: dict[str, Any] = {"name": slug.title(), "interval_seconds": 240, "grace_seconds": 60} | fields
    return monitors.create(database, NewMonitor(slug=slug, **values), now=now, project_id=project_id)


def a_ping(monitor: View, received_at: datetime, signal: Signal = Signal.SUCCESS, **fields: Any) -> pings.Ping:
    return pings.Ping(**{"slug": monitor.slug, "token": monitor.token} | fields, signal=signal, received_at=received_at)


def record(database: Database, *batch: pings.Ping) -> list[Answer]:
    return pings.record_pings(database, batch).answers


def record_batch(database: Database, *batch: pings.Ping) -> Batch:
    return pings.record_pings(database, batch)


def make_up(database: Database, slug: str = "job", *, last_ping: datetime = START, **fields: Any) -> View:
    """Create a monitor that is UP since *last_ping*."""
    monitor = make(database, slug, now=last_ping, **fields)
    assert record(database, a_ping(monitor, last_ping)) == [Answer.STORED]
    return again(database, monitor)


def make_down(database: Database, slug: str = "job", *, last_ping: datetime = START, **fields: Any) -> View:
    """Create a monitor that reported a failure at *last_ping*."""
    monitor = make(database, slug, now=last_ping, **fields)
    assert record(database, a_ping(monitor, last_ping, Signal.FAIL)) == [Answer.STORED]
    return again(database, monitor)


def again(database: Database, monitor: View) -> View:
    """Return the monitor as it is now."""
    return monitors.get(database, monitors.by_id(monitor.id))


def rows(database: Database, table: type[Base], *where: Any) -> Sequence[Any]:
    """Return the rows of *table*, oldest first."""
    key = table.__table__.primary_key.columns.values()[0]
    with database.read() as connection:
        return connection.execute(select(table.__table__).where(*where).order_by(key)).all()


def history(database: Database, monitor: View) -> list[tuple[int, str, str]]:
    """Return (seq, previous, new) of a monitor's transitions."""
    return [(row.seq, row.prev_status, row.new_status) for row in _history_rows(database, monitor)]


def _history_rows(database: Database, monitor: View) -> Sequence[Any]:
    return sorted(rows(database, History, History.monitor_id == monitor.id), key=lambda row: row.seq)


def transitions(database: Database, monitor: View) -> Sequence[Any]:
    """Return the rows of a monitor's history in the order of their numbers."""
    return _history_rows(database, monitor)


def stored(database: Database, monitor: View) -> Sequence[Any]:
    """Return the rows of a monitor's pings."""
    return rows(database, Ping, Ping.monitor_id == monitor.id)


def deliveries(database: Database) -> Sequence[Any]:
    return rows(database, Delivery)


def next_attempt_at(database: Database) -> datetime | None:
    """Return when the next message is due, or until when it is leased; None: none is owed."""
    return min((row.next_attempt_at for row in deliveries(database) if row.state == "pending"), default=None)


def said(database: Database) -> list[tuple[int | None, str]]:
    """Return (subscriber's id, payload) of every message owed, oldest first, whether its own or a notice's."""
    payload = func.coalesce(NoticeRow.payload, Delivery.payload)
    query = select(Delivery.subscriber_id, payload).outerjoin(NoticeRow, NoticeRow.id == Delivery.notice_id)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query.order_by(Delivery.id))]


def attempts(database: Database) -> Sequence[Any]:
    return rows(database, Attempt)


def blind_windows(database: Database) -> list[tuple[datetime, datetime, str]]:
    return [(row.started_at, row.ended_at, row.cause) for row in rows(database, BlindWindowRow)]


def unseen_spans(database: Database, monitor: View) -> list[tuple[datetime, datetime]]:
    found = rows(database, UnseenSpan, UnseenSpan.monitor_id == monitor.id)
    return [(row.started_at, row.ended_at) for row in found]


def with_a_past(database_url: str, *, now: datetime, slug: str = "backup-noturno", **fields: Any) -> View:
    """Create a monitor that pinged every quarter of an hour, up to ten seconds late, during the day before *now*."""
    database = Database.open(database_url)
    try:
        database.migrate()
        begun = now - timedelta(days=1)
        values: dict[str, Any] = {"name": "Backup Noturno", "interval_seconds": 900, "grace_seconds": 0} | fields
        monitor = make(database, slug, now=begun, **values)
        record(database, *(a_ping(monitor, begun + seconds(900 * n + n * 5 % 11)) for n in range(96)))
        return monitor
    finally:
        database.close()


def set_by_hand(database: Database, monitor: View, **values: Any) -> None:
    """Change a monitor's row behind PulseMon's back; a deadline is looked at when it comes."""
    if "due_at" in values:
        values.setdefault("check_at", values["due_at"])
    with database.write() as connection:
        connection.execute(update(Monitor).where(Monitor.id == monitor.id).values(values))


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


# Who asks: rows as they stand there once somebody has signed in, made without a way in.


def a_project(database: Database, slug: str = "shop", *, name: str = "", now: datetime = START) -> int:
    """Make a project and return its id."""
    values = {"slug": slug, "name": name or slug.title(), "created_at": now, "updated_at": now}
    return _made(database, Project, values)


def a_user(database: Database, email: str = "ana@example.org", *, now: datetime = START, **fields: Any) -> int:
    """Make a user without a password and return the id; *fields* are columns, as `is_owner=True`."""
    values = {
        "public_id": secrets.token_hex(8),
        "email": email,
        "email_key": email.casefold(),
        "name": email.partition("@")[0].title(),
        "password_hash": None,
        "password_version": 1,
        "is_owner": False,
        "created_at": now,
        "updated_at": now,
    }
    return _made(database, User, values | fields)


def a_member(
    database: Database, user_id: int, role: Role, project_id: int = DEFAULT_ID, *, now: datetime = START
) -> None:
    """Make a user a member of a project."""
    values = {"project_id": project_id, "user_id": user_id, "role": role.value, "created_at": now}
    with database.write() as connection:
        connection.execute(insert(Member), [values])


def a_session(database: Database, user_id: int, *, now: datetime, project_id: int | None = None, **fields: Any) -> str:
    """Open a session of a user and return its id; `log_in` gives it to a browser."""
    session_id = secrets.token_urlsafe(32)
    values = {
        "id_hash": access._digest(session_id),
        "admin_fingerprint": "",
        "created_at": now,
        "expires_at": now + access.SESSION_LIFETIME,
        "public_id": secrets.token_hex(8),
        "user_id": user_id,
        "password_version": 1,
        "project_id": project_id,
        "seen_at": now,
        "proved_at": now,
    }
    with database.write() as connection:
        connection.execute(insert(Session), [values | fields])
    return session_id


def a_key(
    database: Database, *scopes: Scope, project_id: int | None = None, now: datetime = START, **fields: Any
) -> str:
    """Make a key and return its secret; *fields* are columns, as `expires_at=...`."""
    secret = f"pm_{secrets.token_urlsafe(32)}"
    values: dict[str, Any] = {
        "public_id": secrets.token_hex(8),
        "name": "A key",
        "kind": "key",
        "key_hash": access._digest(secret),
        "beginning": secret[:8],
        "scopes": " ".join(scopes),
        "project_id": project_id,
        "made_by": "admin-token",
        "created_at": now,
    }
    _made(database, ApiKey, values | fields)
    return secret


def _made(database: Database, table: type[Base], values: dict[str, Any]) -> int:
    key = table.__table__.c["id"]
    with database.write() as connection:
        return int(connection.execute(insert(table).returning(key), [values]).scalar_one())


def log_in(client: TestClient, session_id: str) -> None:
    """Give the browser *client* the cookie of a session."""
    site = site_of(client)
    client.cookies.set("pulsemon_session", _signer(site).sign(session_id).decode())


def site_of(client: TestClient) -> Site:
    """Return the running PulseMon behind *client*, with its database."""
    site: Site = cast(Any, client.app)._app._site
    return site
