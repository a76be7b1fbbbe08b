"""Incidents by hand: create, post updates, edit, delete, list.

Input arrives validated (`input.incidents`); what is checked here is what only the database knows. Each function is one
transaction. Not here: incidents that open by themselves (`incidents.automatic`), what pages show
(`status_pages.public`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from pulsemon.core import keyset
from pulsemon.core.edits import KEPT, Kept
from pulsemon.core.incidents import Impact, IncidentStatus, resolved_at
from pulsemon.core.status import Status
from pulsemon.core.texts import N_
from pulsemon.db import Database, audit, projects
from pulsemon.db.tables.incidents import Incident as IncidentRow
from pulsemon.db.tables.incidents import IncidentMonitor, IncidentUpdate
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_INCIDENT, FieldProblem, Invalid, NotFound
from pulsemon.incidents import rows as incident_rows
from pulsemon.incidents.rows import Incident
from pulsemon.monitors import lookup
from pulsemon.subscribers.announcements import Event

# Nobody has more open at once; what is beyond stays in the database and is listed when others are resolved.
MAX_OPEN = 200
NO_UPDATE = "This incident has no such update."
NOTHING_AFFECTED = N_("Choose the monitors that it affects, or say that it affects everything.")
TITLE_NEEDED = N_("This must not be blank.")


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What is needed to make an incident, and to say something of it. `monitors`: slugs. `started_at` None: now."""

    title: str
    body: str
    status: IncidentStatus = IncidentStatus.INVESTIGATING
    impact: Impact = Impact.MINOR
    is_general: bool = False
    monitors: tuple[str, ...] = ()
    started_at: datetime | None = None
    tells_subscribers: bool = True


@dataclass(frozen=True, slots=True)
class IncidentChanges:
    """An edit. `title` None, of an automatic incident only: it is named after its monitors again."""

    title: str | Kept | None = KEPT
    impact: Impact | Kept = KEPT
    is_general: bool | Kept = KEPT
    monitors: tuple[str, ...] | Kept = KEPT


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """What is to be said further, with what it changes of the incident."""

    status: IncidentStatus
    body: str
    changes: IncidentChanges = IncidentChanges()
    tells_subscribers: bool = True


def get(database: Database, public_id: str) -> Incident:
    """Return one incident. Raises NotFound."""
    with database.read() as connection:
        return _find(connection, public_id)


def _find(connection: Connection, public_id: str) -> Incident:
    found = incident_rows.read_incidents(connection, incident_rows.has_public_id(public_id), limit=1)
    if not found:
        raise NotFound(NO_INCIDENT)
    return found[0]


def list_open(database: Database, *, project_id: int | None = None) -> list[Incident]:
    """Return the incidents of a project (None: of all) that are not resolved, those that began last first."""
    where = (incident_rows.IS_OPEN, incident_rows.is_of(project_id))
    with database.read() as connection:
        return incident_rows.read_incidents(connection, *where, limit=MAX_OPEN)


def list_resolved(
    database: Database, *, limit: int, before: int | None = None, project_id: int | None = None
) -> tuple[list[Incident], int | None]:
    """Return incidents that are resolved, the newest first, and where the next part begins if there is one.

    *project_id*: those of a project; None: of all.
    """
    where = [~incident_rows.IS_OPEN, incident_rows.is_of(project_id)]
    if before is not None:
        where.append(incident_rows.has_row_id_below(before))
    with database.read() as connection:
        found = incident_rows.read_incidents(
            connection, *where, limit=keyset.one_more(limit), order=incident_rows.NEWEST_MADE
        )
    return keyset.cut(found, limit, lambda each: each.id)


def open_of(database: Database, monitor_id: int) -> list[Incident]:
    """Return the open incidents that concern a monitor by name."""
    names_it = IncidentRow.id.in_(select(IncidentMonitor.incident_id).where(IncidentMonitor.monitor_id == monitor_id))
    with database.read() as connection:
        return incident_rows.read_incidents(connection, incident_rows.IS_OPEN, names_it, limit=MAX_OPEN)


def down_since(database: Database, monitor_id: int) -> datetime | None:
    """Return when a monitor went DOWN, None where it is not."""
    query = (
        select(History.occurred_at)
        .join(Monitor, (Monitor.id == History.monitor_id) & (Monitor.state_seq == History.seq))
        .where(Monitor.id == monitor_id, Monitor.status == Status.DOWN.value)
    )
    with database.read() as connection:
        return connection.scalar(query)


def create(database: Database, new: NewIncident, *, now: datetime, project_id: int = DEFAULT_ID) -> Incident:
    """Make an incident of a project with its first update.

    Raises:
        NotFound: there is no such project, or no more.
        Invalid: a monitor does not exist in the project, or it concerns nothing.
    """
    with database.write() as connection:
        projects.hold(connection, project_id)
        incident_rows.hold(connection)
        outages = _outages(connection, new.monitors, project_id)
        _must_concern(new.is_general, outages)
        columns = {
            "title": new.title,
            "status": new.status.value,
            "impact": new.impact.value,
            "is_general": new.is_general,
            "is_automatic": False,
            "started_at": new.started_at or now,
            "resolved_at": resolved_at(new.status, None, now=now),
            "created_at": now,
            "updated_at": now,
            "project_id": project_id,
        }
        incident_id = incident_rows.insert_incident(connection, columns, outages)
        incident_rows.add_update(connection, incident_id, new.status, new.body, now=now)
        event = Event.RESOLVED if new.status is IncidentStatus.RESOLVED else Event.OPENED
        made = _settled(connection, incident_id, event if new.tells_subscribers else None, now)
        _note(connection, "incident.create", made, after=_facts(made) | {"body": new.body})
        return made


def post(database: Database, public_id: str, new: NewUpdate, *, now: datetime) -> Incident:
    """Say something further of an incident: `resolved` closes it, any other status opens it again.

    Raises:
        NotFound: there is no such incident.
        Invalid: as `create`.
    """
    with database.write() as connection:
        incident_rows.hold(connection)
        before = _find(connection, public_id)
        _change(connection, before, new.changes, now)
        closing = {"status": new.status.value, "resolved_at": resolved_at(new.status, before.resolved_at, now=now)}
        incident_rows.change_incident(connection, before.id, closing)
        if new.status is not IncidentStatus.RESOLVED and not before.is_open:
            _forget_what_is_over(connection, before)
        incident_rows.add_update(connection, before.id, new.status, new.body, now=now)
        event = Event.RESOLVED if new.status is IncidentStatus.RESOLVED else Event.UPDATED
        after = _settled(connection, before.id, event if new.tells_subscribers else None, now)
        old, changed = audit.difference(_facts(before), _facts(after))
        _note(connection, "incident.update", after, before=old, after=changed | {"body": new.body})
        return after


def edit(database: Database, public_id: str, changes: IncidentChanges, *, now: datetime) -> Incident:
    """Change an incident; subscribers are not told.

    Raises:
        NotFound: there is no such incident.
        Invalid: as `create`, or it would have no title.
    """
    with database.write() as connection:
        incident_rows.hold(connection)
        before = _find(connection, public_id)
        if changes.title is None and not before.is_automatic:
            raise Invalid((FieldProblem("title", "blank", TITLE_NEEDED),))
        _change(connection, before, changes, now)
        after = _settled(connection, before.id, None, now)
        old, changed = audit.difference(_facts(before), _facts(after))
        if changed:
            _note(connection, "incident.edit", after, before=old, after=changed)
        return after


def edit_update(database: Database, public_id: str, number: int, body: str, *, now: datetime) -> Incident:
    """Change the text of an update that was posted. Raises NotFound."""
    with database.write() as connection:
        incident_rows.hold(connection)
        incident = _find(connection, public_id)
        said = next((each.body for each in incident.updates if each.number == number), KEPT)
        if said is KEPT:
            raise NotFound(NO_UPDATE)
        own = select(IncidentUpdate.id).where(IncidentUpdate.incident_id == incident.id).order_by(IncidentUpdate.id)
        row_id = connection.scalars(own.limit(1).offset(number - 1)).one()
        connection.execute(update(IncidentUpdate).where(IncidentUpdate.id == row_id).values(body=body))
        incident_rows.change_incident(connection, incident.id, {"updated_at": now})
        old, changed = audit.difference({"body": said}, {"body": body})
        if changed:
            _note(connection, "incident.edit", incident, before=old, after={"update": number} | changed)
        return _settled(connection, incident.id, None, now)


def remove(database: Database, public_id: str, *, now: datetime) -> None:
    """Delete an incident with everything that was said of it. Raises NotFound.

    Outages that it told of do not become an incident by themselves.
    """
    with database.write() as connection:
        incident_rows.hold(connection)
        incident = _find(connection, public_id)
        told = _told(connection, incident)
        connection.execute(delete(IncidentRow).where(IncidentRow.id == incident.id))
        incident_rows.let_go(connection, told, project_id=incident.project_id, now=now)
        _note(connection, "incident.delete", incident, before=_facts(incident))
        renew_version(connection)


def _settled(connection: Connection, incident_id: int, event: Event | None, now: datetime) -> Incident:
    """Tell who is to be told, and return the incident as it is now."""
    (incident,) = incident_rows.read_incidents(connection, IncidentRow.id == incident_id, limit=1)
    if event is not None:
        incident_rows.tell(connection, incident, event, now=now)
    renew_version(connection)
    return incident


def _facts(incident: Incident) -> dict[str, object]:
    """Return what is noted of an incident where somebody changes it."""
    return {
        "title": incident.title,
        "status": incident.status.value,
        "impact": incident.impact.value,
        "general": incident.is_general,
        "monitors": [each.slug for each in incident.monitors],
        "started_at": incident.started_at,
    }


def _note(connection: Connection, action: str, incident: Incident, **facts: Mapping[str, object]) -> None:
    audit.note(connection, action, incident.public_id, project_id=incident.project_id, **facts)


def _outages(connection: Connection, slugs: Sequence[str], project_id: int) -> dict[int, int | None]:
    """Return monitor id -> the outage that it has, of the project's monitors of these slugs.

    Raises Invalid: one is not there.
    """
    ids = lookup.ids_of(connection, slugs, project_id=project_id)
    outages = incident_rows.present_outages(connection, ids)
    if len(outages) != len(ids):  # one was deleted meanwhile
        raise lookup.not_there(
            [slug for slug, each in zip(dict.fromkeys(slugs), ids, strict=True) if each not in outages]
        )
    return outages


def _must_concern(is_general: bool, monitors: Mapping[int, int | None]) -> None:
    if not is_general and not monitors:
        raise Invalid((FieldProblem("monitors", "nothing-affected", NOTHING_AFFECTED),))


def _change(connection: Connection, before: Incident, changes: IncidentChanges, now: datetime) -> None:
    columns: dict[str, object] = {"updated_at": now}
    if changes.title is not KEPT:
        columns["title"] = changes.title
    if changes.impact is not KEPT:
        columns["impact"] = changes.impact.value
    if changes.is_general is not KEPT:
        columns["is_general"] = changes.is_general
    if changes.is_general is not KEPT or changes.monitors is not KEPT:
        _change_scope(connection, before, changes, now)
    incident_rows.change_incident(connection, before.id, columns)


def _change_scope(connection: Connection, before: Incident, changes: IncidentChanges, now: datetime) -> None:
    """Let the incident concern other monitors; those that it keeps keep the outage that it holds of them."""
    told = _told(connection, before)
    wanted = told if changes.monitors is KEPT else _outages(connection, changes.monitors, before.project_id)
    _must_concern(before.is_general if changes.is_general is KEPT else changes.is_general, wanted)
    gone = {each: seq for each, seq in told.items() if each not in wanted}
    own = IncidentMonitor.incident_id == before.id
    connection.execute(delete(IncidentMonitor).where(own, IncidentMonitor.monitor_id.in_(list(gone))))
    incident_rows.add_monitors(connection, before.id, {each: wanted[each] for each in wanted if each not in told})
    incident_rows.let_go(connection, gone, project_id=before.project_id, now=now)


def _told(connection: Connection, incident: Incident) -> dict[int, int | None]:
    """Return monitor id -> the outage that the incident holds of it."""
    query = select(IncidentMonitor.monitor_id, IncidentMonitor.outage_seq)
    return {row[0]: row[1] for row in connection.execute(query.where(IncidentMonitor.incident_id == incident.id))}


def _forget_what_is_over(connection: Connection, incident: Incident) -> None:
    """An incident that was opened again stays open until somebody closes it, unless a monitor is still DOWN."""
    told = _told(connection, incident)
    present = incident_rows.present_outages(connection, told)
    over = [each for each, seq in told.items() if seq is not None and present.get(each) != seq]
    own = (IncidentMonitor.incident_id == incident.id, IncidentMonitor.monitor_id.in_(over))
    connection.execute(update(IncidentMonitor).where(*own).values(outage_seq=None))
