"""What the log of who did what says of monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Row, select

from pulsemon.db import audit
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.types import is_among
from pulsemon.monitors.definition import Definition
from pulsemon.monitors.views import View

# Whoever reads the log need not know them.
_SECRET = frozenset({"webhook_url", "webhook_secret"})
_IN_PARTS = frozenset({"rules", "placement"})


def values_of(definition: Definition) -> dict[str, Any]:
    """Return what an owner says of a monitor, by the names of the fields, those of its parts included."""
    own = {each.name: getattr(definition, each.name) for each in fields(Definition) if each.name not in _IN_PARTS}
    return own | asdict(definition.rules) | asdict(definition.placement)


def created(connection: Connection, new: Definition, project_id: int) -> None:
    """Note that a monitor was made; of what was left out nothing is said."""
    given = {name: value for name, value in values_of(new).items() if value not in (None, False, (), frozenset())}
    _, after = audit.difference({}, given, secret=_SECRET)
    audit.note(connection, "monitor.create", new.slug, project_id=project_id, after=after)


def edited(connection: Connection, before: View, after: View) -> None:
    """Note what an edit changed of a monitor, nothing where that is nothing."""
    old, new = audit.difference(values_of(before), values_of(after), secret=_SECRET)
    if new:
        audit.note(connection, "monitor.edit", before.slug, project_id=before.project_id, before=old, after=new)


def moved(connection: Connection, monitor: View, projects: Mapping[int, str], to: int) -> None:
    """Note, in both projects, that a monitor left one for another; *projects*: id -> slug."""
    for each in (monitor.project_id, to):
        audit.note(
            connection,
            "monitor.move",
            monitor.slug,
            project_id=each,
            before={"project": projects[monitor.project_id]},
            after={"project": projects[to]},
        )


def done(connection: Connection, action: str, monitor_ids: Sequence[int]) -> None:
    """Note that the same was done with each of these monitors; of one that is deleted, what it was called."""
    for row in _named(connection, monitor_ids):
        before = {"name": row.name} if action == "monitor.delete" else None
        audit.note(connection, action, row.slug, project_id=row.project_id, before=before)


def changed(connection: Connection, changes_of: Mapping[int, tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Note an edit of each of these monitors: id -> (before, after)."""
    for row in _named(connection, list(changes_of)):
        before, after = changes_of[row.id]
        audit.note(connection, "monitor.edit", row.slug, project_id=row.project_id, before=before, after=after)


def _named(connection: Connection, monitor_ids: Sequence[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    query = select(Monitor.id, Monitor.slug, Monitor.name, Monitor.project_id).where(is_among(Monitor.id, monitor_ids))
    return connection.execute(query.order_by(Monitor.id)).all()
