"""Monitors: create, read, edit, pause, resume, rotate the token, delete.

Input arrives validated (`input.monitor_forms`); what is checked here is what only the database knows. Each function is
one transaction, save those whose names end in `_many`, which say what they are. What a transaction does to the rows
stands in `monitors.rows`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, and_, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.core import keyset, retries, status
from pulsemon.core.deliveries import WEBHOOK
from pulsemon.core.status import State, Transition
from pulsemon.core.timing import Timing
from pulsemon.db import Database, deliveries, transitions, windows
from pulsemon.db.deliveries import Owed
from pulsemon.db.states import Watched
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.types import is_among, is_exactly
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_MONITOR, Conflict, NotFound
from pulsemon.monitors import lookup, noted, rows
from pulsemon.monitors.definition import Definition
from pulsemon.monitors.views import View, find, find_all, select_views, view


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
    database: Database, *, limit: int | None = None, after: int | None = None, project_id: int | None = None
) -> tuple[list[View], int | None]:
    """Return monitors in the order of their creation, and after which the next part begins if there is one.

    Those of a project; None: of all.
    """
    query = select_views().where(lookup.is_of(project_id)).order_by(Monitor.id).limit(keyset.one_more(limit))
    if after is not None:
        query = query.where(Monitor.id > after)
    with database.read() as connection:
        maintenance = windows.current(connection)
        views = [view(row, maintenance) for row in connection.execute(query)]
    return keyset.cut(views, limit, lambda each: each.id)


def list_of(database: Database, monitor_ids: Sequence[int]) -> list[View]:
    """Return these monitors in this order; one that is gone is missing."""
    with database.read() as connection:
        maintenance = windows.current(connection, monitor_ids)
        found = {
            row.id: view(row, maintenance)
            for row in connection.execute(select_views().where(is_among(Monitor.id, monitor_ids)))
        }
    return [found[each] for each in monitor_ids if each in found]


def existing(database: Database, monitor_ids: Sequence[int], *, project_id: int | None = None) -> list[int]:
    """Return those of *monitor_ids* that there is a monitor of, in the project, in this order."""
    query = select(Monitor.id).where(is_among(Monitor.id, monitor_ids), lookup.is_of(project_id))
    with database.read() as connection:
        there = set(connection.scalars(query))
    return [each for each in monitor_ids if each in there]


def is_any(database: Database, *, project_id: int | None = None) -> bool:
    """Return whether there is a monitor in the project; None: in any."""
    with database.read() as connection:
        return connection.scalar(select(Monitor.id).where(lookup.is_of(project_id)).limit(1)) is not None


def create(database: Database, new: NewMonitor, *, now: datetime, project_id: int = DEFAULT_ID) -> View:
    """Make a monitor with a token of its own in a project; it waits for its first ping.

    Raises:
        NotFound: there is no such project, or no more.
        Invalid: the schedule cannot be used.
        Conflict: the slug is taken.
    """
    values = rows.first_values(new, project_id, now=now)
    with database.write() as connection:
        try:
            (monitor_id,) = rows.add(connection, [new], [values])
        except IntegrityError:
            raise Conflict("monitor-slug-taken") from None
        noted.created(connection, new, project_id)
        renew_version(connection, project_id)
        return find(connection, by_id(monitor_id))


def check(new: NewMonitor, *, now: datetime) -> None:
    """Raise Invalid if its schedule cannot be used, as `create` would."""
    if new.schedule is not None:
        rows.nominal_seconds(new.schedule, new.timezone, now)


def create_many(
    database: Database, news: Sequence[NewMonitor], *, now: datetime, project_ids: Sequence[int] = ()
) -> list[View]:
    """Make monitors, all of them or none, in one transaction; return them in the order of *news*.

    *project_ids*: of which project each is; without them, of the first one. One that somebody deletes in that very
    moment is not among them.

    Raises:
        NotFound: there is no such project, or no more.
        Invalid: a schedule cannot be used; whoever wants to tell of all asks `check` before.
        Conflict: slugs that are taken, or stand here twice; all of them are named.
    """
    placed = list(zip(news, project_ids or [DEFAULT_ID] * len(news), strict=True))
    values = [rows.first_values(new, project_id, now=now) for new, project_id in placed]
    _refuse_taken(database, news)
    try:
        with database.write() as connection:
            ids = rows.add(connection, news, values)
            for new, project_id in placed:
                noted.created(connection, new, project_id)
            renew_version(connection, *{project_id for _, project_id in placed})
    except IntegrityError:  # somebody took one since
        _refuse_taken(database, news)
        raise
    # Afterwards, because pings wait for whoever writes: reading a thousand takes as long as making them.
    with database.read() as connection:
        return find_all(connection, Monitor.id.in_(ids))


def _refuse_taken(database: Database, news: Sequence[NewMonitor]) -> None:
    """Raise Conflict with all slugs of *news* that are taken or stand there twice, in their order."""
    times = Counter(new.slug for new in news)
    with database.read() as connection:
        taken = rows.taken(connection, times) | {slug for slug, count in times.items() if count > 1}
    if taken:
        raise Conflict("monitor-slugs-taken", slugs=", ".join(slug for slug in times if slug in taken))


@dataclass(frozen=True, slots=True)
class Move:
    """To which project a monitor goes. `leave` takes it, by its id, out of what belongs to the one that it leaves.

    `projects`: id -> slug of both of them.
    """

    project_id: int
    projects: Mapping[int, str]
    leave: Callable[[Connection, int, datetime], None]


def edit(
    database: Database,
    which: ColumnElement[bool],
    changes: Mapping[str, Any],
    *,
    now: datetime,
    as_of: datetime | None = None,
    move: Move | None = None,
) -> View:
    """Change a monitor; a new timing moves the deadline. Where *move* says so, it goes to another project as well.

    *as_of*: the `updated_at` of what the changes were decided by.

    *changes*: field of `NewMonitor` -> its new value; of `rules` and `placement` a mapping of the same kind. To name a
    field is to say something, even where its value stays: a webhook that was switched off is tried again. It is no
    dataclass, because `input.monitors` is the one table of these fields; a copy beside it would be edited with each.

    Raises:
        NotFound: there is no such monitor.
        Invalid: the schedule cannot be used.
        Conflict: the new slug is taken; an interval for a monitor that goes by its schedule; or it was edited
            since.
    """
    with database.write() as connection:
        before = _locked(connection, which)
        seen = find(connection, by_id(before.id))
        if as_of is not None and seen.updated_at != as_of:
            raise Conflict("edited-meanwhile")
        try:
            rows.change(connection, [before], [seen], changes, now=now)
        except IntegrityError:
            raise Conflict("monitor-slug-taken") from None
        if move is not None and move.project_id != seen.project_id:
            rows.move(connection, before.id, move.project_id)
            move.leave(connection, before.id, now)
            noted.moved(connection, seen, move.projects, move.project_id)
        found = find(connection, by_id(before.id))
        renew_version(connection, *{seen.project_id, found.project_id})
        noted.edited(connection, seen, found)
        return found


def edit_many(database: Database, ids: Sequence[int], changes: Mapping[str, Any], *, now: datetime) -> int:
    """Change the monitors of *ids* alike, as `edit` does, a part in each transaction; return how many there were.

    Ids without a monitor are passed over. What can be refused is looked for before the first part.

    Raises:
        Invalid: the schedule cannot be used.
        Conflict: a slug, which no two can have; or an interval, and one goes by its schedule. Nothing was changed.
    """
    if "slug" in changes:
        raise Conflict("monitor-slug-taken")
    for part in _parts(ids):
        with database.read() as connection:
            for each in find_all(connection, Monitor.id.in_(part)):
                rows.schedule_columns(each, changes, now)

    def change(connection: Connection, part: Sequence[int]) -> int:
        before, those = rows.lock(connection, Monitor.id.in_(part)), Monitor.id.in_(part)
        if before:
            seen = find_all(connection, those)
            rows.change(connection, before, seen, changes, now=now)
            for old, new in zip(seen, find_all(connection, those), strict=True):
                noted.edited(connection, old, new)
            renew_version(connection)
        return len(before)

    return _in_parts(database, ids, change)


# How many monitors one transaction changes where nobody was promised all or nothing: pings wait some milliseconds.
PART = 50


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    unique = list(dict.fromkeys(ids))
    yield from (unique[start : start + PART] for start in range(0, len(unique), PART))


def _in_parts(database: Database, ids: Sequence[int], change: Callable[[Connection, Sequence[int]], int]) -> int:
    """Call *change* with each part of *ids*, in a transaction of its own; return the sum of what it returns."""
    count = 0
    for part in _parts(ids):
        with database.write() as connection:
            count += change(connection, part)
    return count


def _locked(connection: Connection, which: ColumnElement[bool]) -> Watched:
    found = rows.lock(connection, which)
    if not found:
        raise NotFound(NO_MONITOR)
    return found[0]


def pause(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Stop judging a monitor; its pings are kept. Repeatable. Raises NotFound."""
    return _decide_one(database, which, _PAUSE, now)


def pause_many(database: Database, ids: Sequence[int], *, now: datetime, project_id: int | None = None) -> int:
    """Pause the monitors of *ids*, a part in each transaction; return of how many it changed something.

    Those of the project; None: of any.
    """

    def pause(connection: Connection, part: Sequence[int]) -> int:
        return _decide(connection, _any_of(part, project_id), _PAUSE, now)

    return _in_parts(database, ids, pause)


def resume(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Judge a monitor again; it waits for its next ping. Repeatable. Raises NotFound."""
    return _decide_one(database, which, _RESUME, now)


def resume_many(database: Database, ids: Sequence[int], *, now: datetime, project_id: int | None = None) -> int:
    """Resume the monitors of *ids*, as `pause_many` pauses them."""

    def resume(connection: Connection, part: Sequence[int]) -> int:
        return _decide(connection, _any_of(part, project_id), _RESUME, now)

    return _in_parts(database, ids, resume)


def _paused(state: State, _: Timing, *, now: datetime) -> tuple[State, Transition | None]:
    return status.pause(state, now=now)


def _resumed(state: State, _: Timing, *, now: datetime) -> tuple[State, Transition | None]:
    return status.resume(state, now=now)


# What decides, and as what it is noted.
_Decision = tuple[rows.Judge, str]
_PAUSE: _Decision = (_paused, "monitor.pause")
_RESUME: _Decision = (_resumed, "monitor.resume")


def _any_of(ids: Sequence[int], project_id: int | None) -> ColumnElement[bool]:
    return and_(Monitor.id.in_(ids), lookup.is_of(project_id))


def _decide_one(database: Database, which: ColumnElement[bool], decision: _Decision, now: datetime) -> View:
    with database.write() as connection:
        monitor = _locked(connection, which)
        _decide(connection, by_id(monitor.id), decision, now)
        return find(connection, by_id(monitor.id))


def _decide(connection: Connection, which: ColumnElement[bool], decision: _Decision, now: datetime) -> int:
    judge, action = decision
    changed = rows.decide(connection, rows.lock(connection, which), judge, now=now)
    if changed:
        rows.touch(connection, changed, now=now)
        noted.done(connection, action, changed)
        renew_version(connection)
    return len(changed)


def rotate_token(database: Database, which: ColumnElement[bool], *, now: datetime) -> View:
    """Give a monitor a new token; the old ping URL is unknown from this moment. Raises NotFound."""
    with database.write() as connection:
        monitor = _locked(connection, which)
        values = {"token": rows.new_token(), "updated_at": now}
        connection.execute(update(Monitor).where(by_id(monitor.id)).values(values))
        noted.done(connection, "monitor.rotate-token", [monitor.id])
        renew_version(connection)
        return find(connection, by_id(monitor.id))


def remove(database: Database, which: ColumnElement[bool]) -> None:
    """Delete a monitor with its history and unsent messages; the slug is free at once. Raises NotFound.

    Its pings cannot be reached any more from this moment; housekeeping removes them a few at a time, because there may
    be too many of them for one transaction.
    """
    with database.write() as connection:
        ids = [_locked(connection, which).id]
        noted.done(connection, "monitor.delete", ids)
        rows.remove(connection, ids)
        renew_version(connection)


def remove_many(database: Database, ids: Sequence[int], *, project_id: int | None = None) -> int:
    """Delete the monitors of *ids*, as `remove` does, a part in each transaction; return how many there were.

    Those of the project; None: of any.
    """

    def forget(connection: Connection, part: Sequence[int]) -> int:
        found = [each.id for each in rows.lock(connection, _any_of(part, project_id))]
        if found:
            noted.done(connection, "monitor.delete", found)
            rows.remove(connection, found)
            renew_version(connection)
        return len(found)

    return _in_parts(database, ids, forget)


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
        noted.done(connection, "message.test", [monitor.id])
