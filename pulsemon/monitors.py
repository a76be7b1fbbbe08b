"""Monitors: create, read, edit, pause, resume, rotate the token, delete.

Input arrives validated (`web.forms`); what is checked here is what only the database knows. Each function is one
transaction.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.core import alerting, status
from pulsemon.core.status import Shown, State, Status, Timing
from pulsemon.db import Database, outbox, states
from pulsemon.db.outbox import Decision, apply_decisions
from pulsemon.db.states import Watched
from pulsemon.db.tables import Delivery, DoomedPings, History, Meta, Monitor, Webhook
from pulsemon.db.upsert import upsert
from pulsemon.errors import Conflict, NotFound
from pulsemon.notify import webhook
from pulsemon.notify.http import NotSent, read_url

# 192 bits, in characters that a URL carries as they are.
_TOKEN_BYTES = 24
GENERATE = "generate"


def is_webhook_secret(text: str) -> bool:
    """Return whether messages can be signed with *text*."""
    return webhook.is_secret(text)


def is_webhook_url(text: str) -> bool:
    """Return whether messages can be sent to *text*: an http or https URL with a host."""
    try:
        read_url(text)
    except NotSent:
        return False
    return True


@dataclass(frozen=True, slots=True)
class View:
    """A monitor as it is shown: everything the API and the panel know of it."""

    id: int
    name: str
    slug: str
    interval_seconds: int
    grace_seconds: int
    status: Status
    last_ping: datetime | None
    webhook_url: str | None
    token: str
    due_at: datetime | None
    webhook_secret: str | None
    created_at: datetime
    updated_at: datetime
    max_run_seconds: int | None
    webhook_switched_off_at: datetime | None
    run_started_at: datetime | None
    blind_due_at: datetime | None
    ping_count: int

    @property
    def timing(self) -> Timing:
        """Return the timing that the numbers stand for."""
        return states.timing(self.interval_seconds, self.grace_seconds, self.max_run_seconds)

    def shown(self, *, now: datetime) -> Shown:
        """Return what to show a reader at *now*."""
        state = State(self.status, self.last_ping, self.due_at, self.run_started_at, self.blind_due_at)
        return status.shown(state, self.timing, now=now)

    @property
    def next_expected_at(self) -> datetime | None:
        """Return when the next ping is expected, before any grace; None where nothing is."""
        if self.last_ping is None or self.status is not Status.UP:
            return None
        return self.last_ping + timedelta(seconds=self.interval_seconds)


@dataclass(frozen=True, slots=True)
class NewMonitor:
    """What is needed to create a monitor. `webhook_secret` may be `"generate"`."""

    name: str
    slug: str
    interval_seconds: int
    grace_seconds: int = 0
    webhook_url: str | None = None
    webhook_secret: str | None = None
    max_run_seconds: int | None = None


_COLUMNS = (
    Monitor.id,
    Monitor.name,
    Monitor.slug,
    Monitor.interval_seconds,
    Monitor.grace_seconds,
    Monitor.status,
    Monitor.last_ping,
    Monitor.webhook_url,
    Monitor.token,
    Monitor.due_at,
    Webhook.secret.label("webhook_secret"),
    Monitor.created_at,
    Monitor.updated_at,
    Monitor.max_run_seconds,
    Webhook.switched_off_at.label("webhook_switched_off_at"),
    Monitor.run_started_at,
    Monitor.blind_due_at,
    Monitor.ping_count,
)


def _view(row: Row[*tuple[Any, ...]]) -> View:
    values = dict(row._mapping)
    return View(**values | {"status": Status(values["status"])})


def _find(connection: Connection, which: ColumnElement[bool]) -> View:
    query = select(*_COLUMNS).outerjoin(Webhook, Webhook.monitor_id == Monitor.id).where(which)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("There is no such monitor.")
    return _view(row)


def ping_path(slug: str, token: str) -> str:
    """Return the path of a monitor's ping URL; slug and token of an old database may hold anything."""
    return f"/h/{quote(slug, safe='')}/{quote(token, safe='')}"


def by_slug(slug: str) -> ColumnElement[bool]:
    """Return the condition that names a monitor by its slug, compared exactly. What no slug can be matches nothing."""
    is_text = "\0" not in slug and not any("\ud800" <= each <= "\udfff" for each in slug)
    return Monitor.slug == slug if is_text else Monitor.id == 0


def by_id(monitor_id: int) -> ColumnElement[bool]:
    """Return the condition that names a monitor by its id."""
    return Monitor.id == monitor_id


def get(database: Database, which: ColumnElement[bool]) -> View:
    """Return one monitor.

    Raises:
        NotFound: there is none.
    """
    with database.read() as connection:
        return _find(connection, which)


def list_all(
    database: Database, *, limit: int | None = None, cursor: str | None = None
) -> tuple[list[View], str | None]:
    """Return monitors in the order of their creation, and the cursor of the next page where more follow.

    Raises:
        NotFound: the cursor is none of ours.
    """
    query = select(*_COLUMNS).outerjoin(Webhook, Webhook.monitor_id == Monitor.id).order_by(Monitor.id)
    if cursor is not None:
        query = query.where(Monitor.id > read_cursor(cursor))
    if limit is not None:
        query = query.limit(limit + 1)
    with database.read() as connection:
        views = [_view(row) for row in connection.execute(query)]
    if limit is None or len(views) <= limit:
        return views, None
    return views[:limit], make_cursor(views[limit - 1].id)


def make_cursor(position: int) -> str:
    """Return *position* in a form that nobody is tempted to compute with."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """Return the position that `make_cursor` wrote. Raises NotFound for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        position = int(text.removeprefix("after:"))
    except ValueError:
        raise NotFound("This cursor is none that PulseMon gave out.") from None
    if make_cursor(position) != cursor or not 0 <= position < 2**31:  # what an INTEGER of PostgreSQL holds
        raise NotFound("This cursor is none that PulseMon gave out.")
    return position


def create(database: Database, new: NewMonitor, *, now: datetime) -> View:
    """Make a monitor with a token of its own; it waits for its first ping.

    Raises:
        Conflict: the slug is taken.
    """
    with database.write() as connection:
        values = {
            "name": new.name,
            "slug": new.slug,
            "interval_seconds": new.interval_seconds,
            "grace_seconds": new.grace_seconds,
            "webhook_url": new.webhook_url,
            "max_run_seconds": new.max_run_seconds,
            "token": secrets.token_urlsafe(_TOKEN_BYTES),
            "status": Status.UNKNOWN.value,
            "created_at": now,
            "updated_at": now,
        }
        try:
            monitor_id = connection.execute(insert(Monitor).values(values).returning(Monitor.id)).scalar_one()
        except IntegrityError:
            raise Conflict("A monitor with this slug exists already.") from None
        if new.webhook_secret is not None:
            _save_secret(connection, monitor_id, new.webhook_secret)
        mark_changed(connection)
        return _find(connection, by_id(monitor_id))


def edit(database: Database, which: ColumnElement[bool], changes: Mapping[str, Any], *, now: datetime) -> View:
    """Change the named fields (those of `NewMonitor`); a new interval, grace or run limit moves the deadline.

    Raises:
        NotFound: there is no such monitor.
        Conflict: the new slug is taken.
    """
    with database.write() as connection:
        before = _locked(connection, which)
        columns = {name: value for name, value in changes.items() if name != "webhook_secret"}
        try:
            connection.execute(update(Monitor).where(by_id(before.id)).values(columns | {"updated_at": now}))
        except IntegrityError:
            raise Conflict("A monitor with this slug exists already.") from None
        if changes.keys() & {"interval_seconds", "grace_seconds", "max_run_seconds"}:
            _reschedule(connection, before.id, now)
        if "webhook_secret" in changes:
            _save_secret(connection, before.id, changes["webhook_secret"])
        if changes.keys() & {"webhook_url", "webhook_secret"}:
            _redirect_messages(connection, before, changes.get("webhook_url", before.webhook_url), now)
        mark_changed(connection)
        return _find(connection, by_id(before.id))


def _locked(connection: Connection, which: ColumnElement[bool]) -> Watched:
    row = connection.execute(states.select_watched().where(which).with_for_update()).first()
    if row is None:
        raise NotFound("There is no such monitor.")
    return states.watched(row)


def _reschedule(connection: Connection, monitor_id: int, now: datetime) -> None:
    monitor = _locked(connection, by_id(monitor_id))
    after, transition = status.reschedule(monitor.state, monitor.timing, now=now)
    if after is not monitor.state:
        apply_decisions(connection, [Decision(monitor, after, transition)], now=now)


def _save_secret(connection: Connection, monitor_id: int, secret: str | None) -> None:
    value = webhook.new_secret() if secret == GENERATE else secret
    upsert(connection, Webhook, "monitor_id", {"monitor_id": monitor_id, "secret": value})


def _redirect_messages(connection: Connection, before: Watched, url: str | None, now: datetime) -> None:
    """Messages still owed follow an edited webhook at once; without one there is nobody to tell."""
    connection.execute(update(Webhook).where(Webhook.monitor_id == before.id).values(switched_off_at=None))
    owed = update(Delivery).where(Delivery.monitor_id == before.id, Delivery.state == "pending")
    if url is None:
        connection.execute(owed.values(state="cancelled", reason="no-webhook", settled_at=now, lease_token=None))
    elif url != before.webhook_url:
        fresh = {"next_attempt_at": now, "retry_since": now, "attempt_count": 0, "lease_token": None}
        connection.execute(owed.values(receiver=alerting.receiver(url), **fresh))


def pause(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Stop judging a monitor; its pings are kept. Repeatable. Raises NotFound."""
    return _decide(database, which, lambda state: status.pause(state, now=now), now)


def resume(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Judge a monitor again; it waits for its next ping. Repeatable. Raises NotFound."""
    return _decide(database, which, lambda state: status.resume(state, now=now), now)


def _decide(database: Database, which: ColumnElement[bool], decide: Any, now: datetime) -> View:
    with database.write() as connection:
        monitor = _locked(connection, which)
        after, transition = decide(monitor.state)
        if after is not monitor.state:
            apply_decisions(connection, [Decision(monitor, after, transition)], now=now)
            connection.execute(update(Monitor).where(by_id(monitor.id)).values(updated_at=now))
            mark_changed(connection)
        return _find(connection, by_id(monitor.id))


def rotate_token(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Give a monitor a new token; the old ping URL is unknown from this moment. Raises NotFound."""
    with database.write() as connection:
        monitor = _locked(connection, which)
        values = {"token": secrets.token_urlsafe(_TOKEN_BYTES), "updated_at": now}
        connection.execute(update(Monitor).where(by_id(monitor.id)).values(values))
        mark_changed(connection)
        return _find(connection, by_id(monitor.id))


def remove(database: Database, which: ColumnElement[bool]) -> None:
    """Delete a monitor with its history and unsent messages; the slug is free at once. Raises NotFound.

    Its pings cannot be reached any more from this moment; housekeeping removes them a few at a time, because there may
    be too many of them for one transaction.
    """
    with database.write() as connection:
        monitor = _locked(connection, which)
        newest = connection.scalar(select(Monitor.last_ping_id).where(by_id(monitor.id)))
        if newest is not None:
            connection.execute(insert(DoomedPings), [{"last_ping_id": newest, "monitor_id": monitor.id}])
        connection.execute(delete(History).where(History.monitor_id == monitor.id))
        connection.execute(delete(Monitor).where(by_id(monitor.id)))
        mark_changed(connection)


def send_test_message(database: Database, which: ColumnElement[bool], *, now: datetime) -> None:
    """Queue a message that tells the monitor's present status, to see whether its webhook works.

    Raises:
        NotFound: there is no such monitor.
        Conflict: it has no webhook, or never had a status to tell.
    """
    with database.write() as connection:
        monitor = _locked(connection, which)
        if not monitor.webhook_url:
            raise Conflict("This monitor has no webhook to send it to.")
        told = monitor.state.status
        payload = outbox.payload(monitor, told, now, monitor.state.last_ping)
        row = outbox.delivery_row(monitor_id=monitor.id, seq=None, payload=payload, url=monitor.webhook_url, now=now)
        connection.execute(insert(Delivery), [row])


def mark_changed(connection: Connection) -> None:
    """Leave a mark by which open panels, on every node, notice an edit."""
    upsert(connection, Meta, "key", {"key": "edits", "value": secrets.token_hex(8)})


def counts(views: Sequence[View], *, now: datetime) -> dict[Shown, int]:
    """Return how many monitors are shown in each state, all states included."""
    found = dict.fromkeys(Shown, 0)
    for view in views:
        found[view.shown(now=now)] += 1
    return found


def change_mark(database: Database) -> tuple[int, str]:
    """Return a value that moves with every transition and every edit, on whatever node."""
    with database.read() as connection:
        newest = connection.scalar(select(func.max(History.id))) or 0
        edits = connection.scalar(select(Meta.value).where(Meta.key == "edits")) or ""
    return newest, edits
