"""Maintenance: create, read, edit, end, skip and remove plans and their windows.

Input arrives validated (`input.maintenance`); what is checked here is what only the database knows. Each function
is one transaction. What time does to a window is `maintenance.ticks`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from pulsemon.core import maintenance
from pulsemon.core.maintenance import Plan, PlanError, Repeats
from pulsemon.core.uptime import Span
from pulsemon.db import Database, audit, held, projects
from pulsemon.db.tables.base import new_public_id
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceMonitor, MaintenanceWindow
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.versions import renew_version
from pulsemon.db.windows import IS_REAL
from pulsemon.errors import Conflict, FieldProblem, Invalid
from pulsemon.maintenance import plans as maintenance_plans
from pulsemon.maintenance import views as maintenance_views
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.plans import Stored
from pulsemon.maintenance.views import MaintenanceView, WindowView
from pulsemon.monitors import lookup
from pulsemon.subscribers.announcements import Event

MAX_PLANS = 1_000


def create(
    database: Database, definition: Definition, *, now: datetime, project_id: int = DEFAULT_ID
) -> MaintenanceView:
    """Make a plan of a project and its next windows. The first may have begun, at most a day ago.

    Raises:
        NotFound: there is no such project, or no more.
        Invalid: the plan cannot be, or a monitor does not exist in the project.
        Conflict: the project has too many plans.
    """
    _check(definition.plan, now=now)
    with database.write() as connection:
        projects.hold(connection, project_id)
        present = (Maintenance.project_id == project_id, Maintenance.removed_at.is_(None))
        count = connection.scalar(select(func.count()).where(*present))
        if count is not None and count >= MAX_PLANS:
            raise Conflict("too-many-plans")
        values = _columns(definition) | {"public_id": new_public_id(), "created_at": now, "updated_at": now}
        values |= {"project_id": project_id}
        plan_id = connection.execute(insert(Maintenance).values(values).returning(Maintenance.id)).scalar_one()
        _choose(connection, plan_id, lookup.ids_of(connection, definition.monitors or (), project_id=project_id))
        plan = maintenance_views.find(connection, str(values["public_id"]))
        spans = maintenance_plans.wanted(plan, (), since=plan.plan.starts_at, now=now)
        maintenance_plans.add_windows(connection, plan, spans, now=now)
        renew_version(connection)
        _note(connection, "maintenance.create", plan, after=_facts(definition))
        return maintenance_views.view_of(connection, plan, now)


def edit(
    database: Database, public_id: str, decide: Callable[[MaintenanceView], Definition], *, now: datetime
) -> MaintenanceView:
    """Make a plan what *decide* says of it as it is; windows that have begun stay.

    Raises:
        NotFound: there is no such plan.
        Invalid: the plan cannot be, or a monitor does not exist; and whatever *decide* raises.
        Conflict: what was to be changed has begun, or it is over.
    """
    with database.write() as connection:
        before = maintenance_views.find(connection, public_id, is_locked=True)
        view = maintenance_views.view_of(connection, before, now)
        definition = decide(view)
        _check(definition.plan, now=now, kept_start=before.plan.starts_at)
        running = view.running(now=now)
        has_other_monitors = _as_set(definition) != _as_set(view.definition)
        if before.plan.repeats is Repeats.ONCE:
            _check_once(connection, before, definition, running, has_other_monitors=has_other_monitors)
        values = _columns(definition) | {"updated_at": now}
        connection.execute(update(Maintenance).where(Maintenance.id == before.id).values(values))
        if has_other_monitors:
            slugs = definition.monitors or ()
            _choose(connection, before.id, lookup.ids_of(connection, slugs, project_id=before.project_id))
        after = maintenance_views.find(connection, public_id)
        if before.plan.repeats is Repeats.ONCE and running is not None:
            _move_end(connection, after, running, after.plan.starts_at + after.plan.length, now)
        else:
            since = now if running is None else running.ends_at
            _rewrite(connection, before, after, since, now, has_other_monitors=has_other_monitors)
        renew_version(connection)
        old, changed = audit.difference(_facts(view.definition), _facts(definition))
        if changed:
            _note(connection, "maintenance.edit", after, before=old, after=changed)
        return maintenance_views.view_of(connection, after, now)


def _as_set(definition: Definition) -> frozenset[str] | None:
    return None if definition.monitors is None else frozenset(definition.monitors)


def _check_once(
    connection: Connection,
    before: Stored,
    definition: Definition,
    running: WindowView | None,
    *,
    has_other_monitors: bool,
) -> None:
    """Refuse what changes the beginning of a window that has begun, or anything of one that is over."""
    if running is None:
        begun = select(MaintenanceWindow.id).where(MaintenanceWindow.maintenance_id == before.id)
        if connection.scalar(begun.where(MaintenanceWindow.closed_at.is_not(None)).limit(1)) is not None:
            raise Conflict("maintenance-over")
        return
    is_kept = definition.plan.repeats is Repeats.ONCE and definition.plan.starts_at == before.plan.starts_at
    if not is_kept or has_other_monitors:
        raise Conflict("maintenance-begun")


def _rewrite(
    connection: Connection, before: Stored, after: Stored, since: datetime, now: datetime, *, has_other_monitors: bool
) -> None:
    """Make the windows that have not begun those of the edited plan, and tell of those that were announced."""
    coming, skipped = _coming(connection, before, after, now)
    if after.plan.repeats is Repeats.ONCE:
        since = after.plan.starts_at
    targets = maintenance_plans.wanted(after, skipped, since=since, now=now)
    pairs = _pair(coming, targets)
    kept = [row.id for row, _ in pairs]
    _drop(connection, before, [row for row in coming if row.id not in kept], now)
    if has_other_monitors:
        ids = [] if after.is_general else maintenance_plans.monitors_of_plan(connection, after.id)
        maintenance_plans.give_monitors(connection, kept, ids)
    for row, span in pairs:
        values = {"starts_at": span.start, "ends_at": span.end, "is_general": after.is_general}
        connection.execute(update(MaintenanceWindow).where(MaintenanceWindow.id == row.id).values(values))
        if span.start < now:
            ids = maintenance_plans.monitors_of_window(connection, row.id)
            maintenance_plans.forget_since(connection, after, ids, span.start, is_general=after.is_general)
    moved = {span.start for _, span in pairs}
    maintenance_plans.add_windows(connection, after, [each for each in targets if each.start not in moved], now=now)
    _tell_of_changes(connection, before, after, pairs, now, has_other_monitors=has_other_monitors)


def _coming(connection: Connection, before: Stored, after: Stored, now: datetime) -> tuple[list[Any], set[datetime]]:
    """Return the rows of the windows that have not begun, and when those begin that were skipped.

    Under another schedule nothing is skipped any more: it has no windows yet that anybody looked at.
    """
    of_plan = MaintenanceWindow.maintenance_id == after.id
    query = maintenance_views.select_windows().where(of_plan, MaintenanceWindow.starts_at > now)
    rows = connection.execute(query.order_by(MaintenanceWindow.starts_at)).all()
    coming = [row for row in rows if row.closed_at is None]
    old, new = before.plan, after.plan
    if (old.repeats, old.schedule, old.timezone) == (new.repeats, new.schedule, new.timezone):
        return coming, {row.starts_at for row in rows if row.closed_at is not None}
    gone = [row.id for row in rows if row.closed_at is not None]
    connection.execute(delete(MaintenanceWindow).where(MaintenanceWindow.id.in_(gone)))
    return coming, set()


def _drop(connection: Connection, plan: Stored, rows: Sequence[Any], now: datetime) -> None:
    """Take coming windows away, and tell of the next of those that were announced."""
    announced = [row for row in rows if row.announced_at is not None and row.closed_at is None]
    for row in announced[:1]:
        maintenance_plans.tell(connection, plan, Event.CANCELLED, row, at=now, now=now)
    connection.execute(delete(MaintenanceWindow).where(MaintenanceWindow.id.in_([row.id for row in rows])))


def _pair(coming: Sequence[Any], targets: Sequence[Span]) -> list[tuple[Any, Span]]:
    """Return which windows become which: those that begin at the same time, and one that is the only one."""
    if len(coming) == len(targets) == 1:
        return [(coming[0], targets[0])]
    by_start = {span.start: span for span in targets}
    return [(row, by_start[row.starts_at]) for row in coming if row.starts_at in by_start]


def _tell_of_changes(
    connection: Connection,
    before: Stored,
    after: Stored,
    pairs: Sequence[tuple[Any, Span]],
    now: datetime,
    *,
    has_other_monitors: bool,
) -> None:
    """Of other times or other words: once, of the next of the windows that were announced."""
    has_other_words = (before.title, before.description) != (after.title, after.description)
    changed = [
        row.id
        for row, span in pairs
        if row.announced_at is not None
        and (has_other_words or has_other_monitors or (row.starts_at, row.ends_at) != (span.start, span.end))
    ]
    if changed:
        window = connection.execute(maintenance_views.select_windows().where(MaintenanceWindow.id == changed[0])).one()
        maintenance_plans.tell(connection, after, Event.CHANGED, window, at=now, now=now)


def end_now(database: Database, public_id: str, *, now: datetime) -> MaintenanceView:
    """End the window that is running. Raises NotFound, and Conflict where none is."""
    return _change(database, public_id, lambda connection, plan: _end(connection, plan, now), now)


def _end(connection: Connection, plan: Stored, now: datetime) -> None:
    running = maintenance_views.view_of(connection, plan, now).running(now=now)
    if running is None:
        raise Conflict("maintenance-not-running")
    _move_end(connection, plan, running, now, now)
    _note(connection, "maintenance.end", plan, before={"ends_at": running.ends_at}, after={"ends_at": now})


def set_end(database: Database, public_id: str, window_id: int, ends_at: datetime, *, now: datetime) -> MaintenanceView:
    """Let the window that is running end at another time, a past one too.

    Raises:
        NotFound: there is no such plan or window.
        Invalid: it would end before it begins, last too long, or run into the next one.
        Conflict: it is not running.
    """

    def change(connection: Connection, plan: Stored) -> None:
        window = maintenance_views.find_window(connection, plan, window_id)
        if not window.is_running(now=now):
            raise Conflict("maintenance-over" if window.ends_at <= now else "maintenance-not-running")
        following = select(func.min(MaintenanceWindow.starts_at)).where(
            MaintenanceWindow.maintenance_id == plan.id, MaintenanceWindow.starts_at > window.starts_at, IS_REAL
        )
        next_start = connection.scalar(following)
        if ends_at <= window.starts_at:
            raise _invalid("ends_at", "ends-before")
        if ends_at - window.starts_at > maintenance.MAX_LENGTH:
            raise _invalid("ends_at", "length")
        if next_start is not None and ends_at > next_start:
            raise _invalid("ends_at", "overlapping")
        _move_end(connection, plan, window, ends_at, now)
        old, changed = audit.difference({"ends_at": window.ends_at}, {"ends_at": ends_at})
        _note(connection, "maintenance.end", plan, before=old, after=changed)

    return _change(database, public_id, change, now)


def _move_end(connection: Connection, plan: Stored, window: WindowView, ends_at: datetime, now: datetime) -> None:
    """Let a running window end at another time: what was held is looked at again, days that are over are made again."""
    if ends_at == window.ends_at:
        return
    connection.execute(update(MaintenanceWindow).where(MaintenanceWindow.id == window.id).values(ends_at=ends_at))
    values: dict[str, Any] = {"updated_at": now}
    if plan.plan.repeats is Repeats.ONCE:
        values["length_seconds"] = max(1, int((ends_at - window.starts_at).total_seconds()))
    connection.execute(update(Maintenance).where(Maintenance.id == plan.id).values(values))
    row = connection.execute(maintenance_views.select_windows().where(MaintenanceWindow.id == window.id)).one()
    if ends_at < now:
        ids = maintenance_plans.monitors_of_window(connection, window.id)
        maintenance_plans.forget_since(connection, plan, ids, ends_at, is_general=row.is_general)
    if row.opened_at is not None and ends_at > now:
        maintenance_plans.tell(connection, plan, Event.CHANGED, row, at=now, now=now)
    held.look_again(connection, now=now)


def skip(database: Database, public_id: str, window_id: int, *, now: datetime) -> None:
    """Cancel one coming window; the others stay. A plan for once goes with its only one.

    Raises:
        NotFound: there is no such plan or window.
        Conflict: it has begun.
    """

    def change(connection: Connection, plan: Stored) -> None:
        window = maintenance_views.find_window(connection, plan, window_id)
        if window.is_skipped:
            return
        if window.starts_at <= now:
            raise Conflict("maintenance-not-coming")
        _note(connection, "maintenance.skip", plan, before={"starts_at": window.starts_at, "ends_at": window.ends_at})
        if plan.plan.repeats is Repeats.ONCE:
            _remove(connection, plan, now)
            return
        row = connection.execute(maintenance_views.select_windows().where(MaintenanceWindow.id == window.id)).one()
        if row.announced_at is not None:
            maintenance_plans.tell(connection, plan, Event.CANCELLED, row, at=now, now=now)
        values = {"ends_at": row.starts_at, "closed_at": now}
        connection.execute(update(MaintenanceWindow).where(MaintenanceWindow.id == row.id).values(values))

    with database.write() as connection:
        change(connection, maintenance_views.find(connection, public_id, is_locked=True))
        renew_version(connection)


def remove(database: Database, public_id: str, *, now: datetime) -> None:
    """Remove a plan with its coming windows; a running one ends. Those that were there stay in the availability.

    Raises NotFound.
    """
    with database.write() as connection:
        plan = maintenance_views.find(connection, public_id, is_locked=True)
        before = maintenance_views.view_of(connection, plan, now).definition
        _remove(connection, plan, now)
        _note(connection, "maintenance.delete", plan, before=_facts(before))
        renew_version(connection)


def _remove(connection: Connection, plan: Stored, now: datetime) -> None:
    of_plan = MaintenanceWindow.maintenance_id == plan.id
    coming = maintenance_views.select_windows().where(of_plan, MaintenanceWindow.starts_at > now)
    _drop(connection, plan, connection.execute(coming.order_by(MaintenanceWindow.starts_at)).all(), now)
    running = maintenance_views.view_of(connection, plan, now).running(now=now)
    if running is not None:
        _move_end(connection, plan, running, now, now)
    if connection.scalar(select(func.count()).where(of_plan)):
        values = {"removed_at": now, "updated_at": now}
        connection.execute(update(Maintenance).where(Maintenance.id == plan.id).values(values))
    else:
        connection.execute(delete(Maintenance).where(Maintenance.id == plan.id))


def _change(
    database: Database, public_id: str, change: Callable[[Connection, Stored], None], now: datetime
) -> MaintenanceView:
    with database.write() as connection:
        change(connection, maintenance_views.find(connection, public_id, is_locked=True))
        renew_version(connection)
        return maintenance_views.view_of(connection, maintenance_views.find(connection, public_id), now)


def _check(plan: Plan, *, now: datetime, kept_start: datetime | None = None) -> None:
    try:
        maintenance.check(plan, now=now, kept_start=kept_start)
    except PlanError as wrong:
        raise Invalid((FieldProblem(wrong.field, wrong.code, str(wrong), wrong.limits),)) from None


def _invalid(field: str, code: str) -> Invalid:
    return Invalid((FieldProblem(field, code, maintenance.MESSAGES[code]),))


def _columns(definition: Definition) -> dict[str, Any]:
    plan = definition.plan
    return {
        "title": definition.title,
        "description": definition.description,
        "is_general": definition.monitors is None,
        "timezone": plan.timezone,
        "starts_at": plan.starts_at,
        "length_seconds": int(plan.length.total_seconds()),
        "repeats": plan.repeats.value,
        "schedule": plan.schedule,
        "until": plan.until,
        "announce_hours": definition.announce_hours,
        "tells_subscribers": definition.tells_subscribers,
    }


def _facts(definition: Definition) -> dict[str, Any]:
    """Return what is noted of a plan where somebody changes it; `monitors` None: all of the project."""
    return _columns(definition) | {"monitors": definition.monitors}


def _note(connection: Connection, action: str, plan: Stored, **facts: Mapping[str, Any]) -> None:
    audit.note(connection, action, plan.public_id, project_id=plan.project_id, **facts)


def _choose(connection: Connection, plan_id: int, ids: Sequence[int]) -> None:
    connection.execute(delete(MaintenanceMonitor).where(MaintenanceMonitor.maintenance_id == plan_id))
    if ids:
        connection.execute(
            insert(MaintenanceMonitor), [{"maintenance_id": plan_id, "monitor_id": each} for each in ids]
        )
