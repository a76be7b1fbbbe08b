"""Monitors: create, read, edit, pause, resume, rotate the token, delete.

Input arrives validated (`input.monitor_forms`); what is checked here is what only the database knows. Each function is
one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.channels import webhook
from pulsemon.core import keyset, retries, schedule, status
from pulsemon.core.deliveries import WEBHOOK
from pulsemon.core.placement import NOWHERE_SPECIAL
from pulsemon.core.schedule import ScheduleError
from pulsemon.core.shown import Shown
from pulsemon.core.status import Status
from pulsemon.db import Database, deliveries, placements, states, transitions, windows
from pulsemon.db.deliveries import Owed
from pulsemon.db.states import Watched
from pulsemon.db.tables.heartbeats import DoomedPings
from pulsemon.db.tables.messages import Delivery, Webhook
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.transitions import Decision, apply_decisions
from pulsemon.db.types import is_exactly
from pulsemon.db.upsert import upsert
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_MONITOR, Conflict, FieldProblem, Invalid, NotFound
from pulsemon.monitors.definition import Definition
from pulsemon.monitors.views import View, find, select_views, view

# 192 bits, in characters that a URL carries as they are.
_TOKEN_BYTES = 24
GENERATE = "generate"
# What is no column of `monitors`.
_ELSEWHERE = frozenset({"webhook_secret", "placement"})
_TIMING_FIELDS = frozenset(column.key for column in states.TIMING_COLUMNS)


@dataclass(frozen=True, slots=True)
class NewMonitor(Definition):
    """What is needed to create a monitor: an interval, or a schedule read in `timezone`, which gives one.

    `webhook_secret` may be `"generate"`.
    """


def ping_path(slug: str, token: str) -> str:
    """Return the path of a monitor's ping URL; slug and token of an old database may hold anything."""
    return f"/h/{quote(slug, safe='')}/{quote(token, safe='')}"


def by_slug(slug: str) -> ColumnElement[bool]:
    """Return the condition that names a monitor by its slug, compared exactly. What no slug can be matches nothing."""
    return is_exactly(Monitor.slug, slug)


def by_id(monitor_id: int) -> ColumnElement[bool]:
    """Return the condition that names a monitor by its id."""
    return Monitor.id == monitor_id


def get(database: Database, which: ColumnElement[bool]) -> View:
    """Return one monitor.

    Raises:
        NotFound: there is none.
    """
    with database.read() as connection:
        return find(connection, which)


def list_all(
    database: Database, *, limit: int | None = None, after: int | None = None
) -> tuple[list[View], int | None]:
    """Return monitors in the order of their creation, and after which the next part begins if there is one."""
    query = select_views().order_by(Monitor.id).limit(keyset.one_more(limit))
    if after is not None:
        query = query.where(Monitor.id > after)
    with database.read() as connection:
        maintenance = windows.current(connection)
        views = [view(row, maintenance) for row in connection.execute(query)]
    return keyset.cut(views, limit, lambda each: each.id)


def list_in_order(database: Database) -> list[View]:
    """Return all monitors in the order that their owner gave them."""
    views, _ = list_all(database)
    return sorted(views, key=lambda each: (each.placement.position or 0, each.id))


def create(database: Database, new: NewMonitor, *, now: datetime) -> View:
    """Make a monitor with a token of its own; it waits for its first ping.

    Raises:
        Invalid: the schedule cannot be used.
        Conflict: the slug is taken.
    """
    given = {each.name: getattr(new, each.name) for each in fields(new) if each.name not in _ELSEWHERE}
    if new.schedule is not None:
        given["interval_seconds"] = _nominal_seconds(new.schedule, new.timezone, now)
    with database.write() as connection:
        values = given | {
            "token": secrets.token_urlsafe(_TOKEN_BYTES),
            "status": Status.UNKNOWN.value,
            "created_at": now,
            "updated_at": now,
        }
        try:
            monitor_id = connection.execute(insert(Monitor).values(values).returning(Monitor.id)).scalar_one()
        except IntegrityError:
            raise Conflict("monitor-slug-taken") from None
        if new.webhook_secret is not None:
            _save_secret(connection, monitor_id, new.webhook_secret)
        if new.placement != NOWHERE_SPECIAL:
            placements.save(connection, monitor_id, asdict(new.placement))
        renew_version(connection)
        return find(connection, by_id(monitor_id))


def edit(database: Database, which: ColumnElement[bool], changes: Mapping[str, Any], *, now: datetime) -> View:
    """Change a monitor; a new timing moves the deadline.

    *changes*: field of `NewMonitor` -> its new value; of `rules` and `placement` a mapping of the same kind. To name a
    field is to say something, even where its value stays: a webhook that was switched off is tried again. It is no
    dataclass, because `input.monitors` is the one table of these fields; a copy beside it would be edited with each.

    Raises:
        NotFound: there is no such monitor.
        Invalid: the schedule cannot be used.
        Conflict: the new slug is taken; or an interval for a monitor that goes by its schedule.
    """
    with database.write() as connection:
        before = _locked(connection, which)
        seen = find(connection, by_id(before.id))
        columns = {name: value for name, value in changes.items() if name not in _ELSEWHERE}
        columns |= _schedule_columns(seen, changes, now)
        if "rules" in changes:
            columns["rules"] = replace(seen.rules, **changes["rules"])
        try:
            connection.execute(update(Monitor).where(by_id(before.id)).values(columns | {"updated_at": now}))
        except IntegrityError:
            raise Conflict("monitor-slug-taken") from None
        if changes.keys() & _TIMING_FIELDS:
            _reschedule(connection, before.id, now)
        placements.save(connection, before.id, changes.get("placement", {}))
        if "webhook_secret" in changes:
            _save_secret(connection, before.id, changes["webhook_secret"])
        if changes.keys() & {"webhook_url", "webhook_secret"}:
            _redirect_messages(connection, before, changes.get("webhook_url", before.webhook_url), now)
        renew_version(connection)
        return find(connection, by_id(before.id))


def _schedule_columns(before: View, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the further columns that an edit of the schedule changes: its interval, and since when it holds.

    What an earlier schedule would have expected, or the new one in the past, is nobody's fault.
    """
    expression = changes.get("schedule", before.schedule)
    timezone = changes.get("timezone", before.timezone)
    if expression is not None and "interval_seconds" in changes:
        raise Conflict("goes-by-schedule")
    if (expression, timezone if expression else "") == (before.schedule, before.timezone if before.schedule else ""):
        return {}
    columns: dict[str, Any] = {"schedule_since": now}
    if expression is not None:
        columns["interval_seconds"] = _nominal_seconds(expression, timezone, now)
    return columns


def _nominal_seconds(expression: str, timezone: str, now: datetime) -> int:
    """Return the seconds between two firings. Raises Invalid: it cannot be read, or never fires again."""
    try:
        calendar = schedule.read(expression, timezone, now=now)
    except ScheduleError as wrong:
        raise Invalid((FieldProblem(wrong.field, wrong.code, str(wrong), wrong.limits),)) from None
    return max(1, round(calendar.nominal_interval.total_seconds()))


def _locked(connection: Connection, which: ColumnElement[bool]) -> Watched:
    row = connection.execute(states.select_watched().where(which).with_for_update()).first()
    if row is None:
        raise NotFound(NO_MONITOR)
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
    own = Delivery.monitor_id == before.id
    if url is None:
        deliveries.cancel(connection, own, reason="no-webhook", now=now)
    elif url != before.webhook_url:
        deliveries.redirect(connection, own, receiver=retries.receiver(url), now=now)


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
            renew_version(connection)
        return find(connection, by_id(monitor.id))


def rotate_token(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Give a monitor a new token; the old ping URL is unknown from this moment. Raises NotFound."""
    with database.write() as connection:
        monitor = _locked(connection, which)
        values = {"token": secrets.token_urlsafe(_TOKEN_BYTES), "updated_at": now}
        connection.execute(update(Monitor).where(by_id(monitor.id)).values(values))
        renew_version(connection)
        return find(connection, by_id(monitor.id))


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
        renew_version(connection)


def send_test_message(database: Database, which: ColumnElement[bool], *, now: datetime) -> None:
    """Queue a message that tells the monitor's present status, to see whether its webhook works.

    Raises:
        NotFound: there is no such monitor.
        Conflict: it has no webhook, or never had a status to tell.
    """
    with database.write() as connection:
        monitor = _locked(connection, which)
        if not monitor.webhook_url:
            raise Conflict("no-webhook")
        told = monitor.state.status
        payload = transitions.payload(monitor, told, now, monitor.state.last_ping)
        receiver = retries.receiver(monitor.webhook_url)
        owed = Owed(kind=WEBHOOK, monitor_id=monitor.id, payload=payload, receiver=receiver)
        deliveries.owe(connection, [owed], now=now)


def counts(views: Sequence[View], *, now: datetime) -> dict[Shown, int]:
    """Return how many monitors are shown in each state, all states included."""
    found = dict.fromkeys(Shown, 0)
    for each in views:
        found[each.shown(now=now)] += 1
    return found
