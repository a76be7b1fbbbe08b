"""Monitors in the database: what becomes of one or of many, in as many statements for many as for one.

Each function works in its caller's transaction; what is changed has been locked by it (`lock`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from pulsemon.channels import webhook
from pulsemon.core import retries, schedule, status
from pulsemon.core.placement import NOWHERE_SPECIAL
from pulsemon.core.schedule import ScheduleError
from pulsemon.core.status import State, Status, Transition
from pulsemon.db import deliveries, placements, projects, search_texts, states
from pulsemon.db.states import Watched
from pulsemon.db.tables.heartbeats import DoomedPings
from pulsemon.db.tables.messages import Delivery, Webhook
from pulsemon.db.tables.monitors import History, Monitor, PlacementRow, SearchText
from pulsemon.db.transitions import Decision, apply_decisions
from pulsemon.db.upsert import upsert_all
from pulsemon.errors import Conflict, FieldProblem, Invalid
from pulsemon.monitors.definition import Definition
from pulsemon.monitors.views import View

# (state, timing, now=) -> the state from now on, the same one where nothing changes, and the transition.
Judge = Callable[..., tuple[State, Transition | None]]
GENERATE = "generate"
# 192 bits, in characters that a URL carries as they are.
_TOKEN_BYTES = 24
# What is no column of `monitors`.
_ELSEWHERE = frozenset({"webhook_secret", "placement"})
_FOUND_BY = frozenset({"name", "slug", "placement"})
_COLUMNS = tuple(each.name for each in fields(Definition) if each.name not in _ELSEWHERE)
_TIMING_FIELDS = frozenset(column.key for column in states.TIMING_COLUMNS)


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def first_values(new: Definition, project_id: int, *, now: datetime) -> dict[str, Any]:
    """Return the columns of a new monitor, which waits for its first ping. Raises Invalid: its schedule is no good."""
    values = {name: getattr(new, name) for name in _COLUMNS}
    if new.schedule is not None:
        values["interval_seconds"] = nominal_seconds(new.schedule, new.timezone, now)
    values |= {"token": new_token(), "status": Status.UNKNOWN.value, "created_at": now, "updated_at": now}
    return values | {"project_id": project_id}


def nominal_seconds(expression: str, timezone: str, now: datetime) -> int:
    """Return the seconds between two firings. Raises Invalid: it cannot be read, or never fires again."""
    try:
        calendar = schedule.read(expression, timezone, now=now)
    except ScheduleError as wrong:
        raise Invalid((FieldProblem(wrong.field, wrong.code, str(wrong), wrong.limits),)) from None
    return max(1, round(calendar.nominal_interval.total_seconds()))


def taken(connection: Connection, slugs: Collection[str]) -> set[str]:
    """Return those of *slugs* that a monitor has."""
    return set(connection.scalars(select(Monitor.slug).where(Monitor.slug.in_(slugs))))


def add(connection: Connection, news: Sequence[Definition], values: Sequence[Mapping[str, Any]]) -> list[int]:
    """Make monitors of their *values* (`first_values`), in this order; return their ids.

    Raises:
        NotFound: a project is not there any more.
        IntegrityError: a slug is taken.
    """
    for project_id in sorted({each["project_id"] for each in values}):
        projects.hold(connection, project_id)
    connection.execute(insert(Monitor), [dict(each) for each in values])
    slugs = [new.slug for new in news]
    query = select(Monitor.slug, Monitor.id).where(Monitor.slug.in_(slugs))
    id_of = {row.slug: row.id for row in connection.execute(query)}
    ids = [id_of[slug] for slug in slugs]
    pairs = list(zip(ids, news, strict=True))
    _save_secrets(connection, {each: new.webhook_secret for each, new in pairs if new.webhook_secret is not None})
    placements.save_all(
        connection, {each: asdict(new.placement) for each, new in pairs if new.placement != NOWHERE_SPECIAL}
    )
    search_texts.renew(connection, ids)
    return ids


def lock(connection: Connection, which: ColumnElement[bool]) -> list[Watched]:
    """Return the monitors that *which* names, by their ids, each locked."""
    query = states.select_watched().where(which).order_by(Monitor.id).with_for_update()
    return [states.watched(row) for row in connection.execute(query)]


def change(
    connection: Connection,
    before: Sequence[Watched],
    seen: Sequence[View],
    changes: Mapping[str, Any],
    *,
    now: datetime,
) -> None:
    """Change monitors, all alike; a new timing moves their deadlines. *seen*: as they were, in the order of *before*.

    Raises:
        Invalid: the schedule cannot be used.
        Conflict: an interval for one that goes by its schedule.
        IntegrityError: the new slug is taken.
    """
    ids = [each.id for each in before]
    plain = {name: value for name, value in changes.items() if name not in _ELSEWHERE | {"rules"}}
    _update_all(connection, {each.id: plain | _derived(each, changes, now) | {"updated_at": now} for each in seen})
    if changes.keys() & _TIMING_FIELDS:
        decide(connection, lock(connection, Monitor.id.in_(ids)), status.reschedule, now=now)
    if "placement" in changes:
        placements.save_all(connection, dict.fromkeys(ids, changes["placement"]))
    if changes.keys() & _FOUND_BY:
        search_texts.renew(connection, ids)
    if "webhook_secret" in changes:
        _save_secrets(connection, dict.fromkeys(ids, changes["webhook_secret"]))
    if changes.keys() & {"webhook_url", "webhook_secret"}:
        _redirect_messages(connection, before, changes, now)


def _derived(seen: View, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the columns that *changes* give this one monitor and perhaps no other."""
    columns = schedule_columns(seen, changes, now)
    if "rules" in changes:
        columns["rules"] = replace(seen.rules, **changes["rules"])
    return columns


def schedule_columns(before: View, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
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
        columns["interval_seconds"] = nominal_seconds(expression, timezone, now)
    return columns


def _update_all(connection: Connection, columns_of: Mapping[int, Mapping[str, Any]]) -> None:
    """Write the columns of each id: one statement for all that have the same ones."""
    alike: dict[frozenset[str], list[dict[str, Any]]] = {}
    for monitor_id, columns in columns_of.items():
        alike.setdefault(frozenset(columns), []).append({"its_id": monitor_id, **columns})
    for rows in alike.values():
        connection.execute(update(Monitor).where(Monitor.id == bindparam("its_id")), rows)


def decide(connection: Connection, monitors: Sequence[Watched], judge: Judge, *, now: datetime) -> list[int]:
    """Write what *judge* says of monitors that are locked; return the ids of those whose state it changes."""
    judged = [(each, *judge(each.state, each.timing, now=now)) for each in monitors]
    decisions = [Decision(*each) for each in judged if each[1] is not each[0].state]
    if decisions:
        apply_decisions(connection, decisions, now=now)
    return [each.monitor.id for each in decisions]


def touch(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """Note that these were edited at *now*."""
    connection.execute(update(Monitor).where(Monitor.id.in_(ids)).values(updated_at=now))


def move(connection: Connection, monitor_id: int, project_id: int) -> None:
    """Have a monitor belong to another project, where it stands behind all that were put in order."""
    connection.execute(update(Monitor).where(Monitor.id == monitor_id).values(project_id=project_id))
    its_text = SearchText.monitor_id == monitor_id
    connection.execute(update(SearchText).where(its_text).values(project_id=project_id))
    connection.execute(update(PlacementRow).where(PlacementRow.monitor_id == monitor_id).values(position=None))


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete monitors, which are locked, with their history; what is left of their pings is doomed."""
    chains = select(Monitor.last_ping_id, Monitor.id).where(Monitor.id.in_(ids), Monitor.last_ping_id.is_not(None))
    doomed = [{"last_ping_id": newest, "monitor_id": monitor_id} for newest, monitor_id in connection.execute(chains)]
    if doomed:
        connection.execute(insert(DoomedPings), doomed)
    connection.execute(delete(History).where(History.monitor_id.in_(ids)))
    connection.execute(delete(Monitor).where(Monitor.id.in_(ids)))


def _save_secrets(connection: Connection, secret_of: Mapping[int, str | None]) -> None:
    """Each that is to be generated is one of its own."""
    rows = [
        {"monitor_id": monitor_id, "secret": webhook.new_secret() if secret == GENERATE else secret}
        for monitor_id, secret in secret_of.items()
    ]
    upsert_all(connection, Webhook, rows)


def _redirect_messages(
    connection: Connection, before: Sequence[Watched], changes: Mapping[str, Any], now: datetime
) -> None:
    """Messages still owed follow an edited webhook at once; without one there is nobody to tell."""
    ids = [each.id for each in before]
    connection.execute(update(Webhook).where(Webhook.monitor_id.in_(ids)).values(switched_off_at=None))
    url_of = {each.id: changes.get("webhook_url", each.webhook_url) for each in before}
    if silent := [each for each in ids if url_of[each] is None]:
        deliveries.cancel(connection, Delivery.monitor_id.in_(silent), reason="no-webhook", now=now)
    # Only where it is a new one, and then it is the same for all.
    if moved := [each.id for each in before if url_of[each.id] not in (None, each.webhook_url)]:
        receiver = retries.receiver(changes["webhook_url"])
        deliveries.redirect(connection, Delivery.monitor_id.in_(moved), receiver=receiver, now=now)
