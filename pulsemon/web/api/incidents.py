"""The API of incidents: create, post updates, read, edit, delete.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`. An incident's id is the
one that public pages show.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.edits import given
from pulsemon.errors import NO_INCIDENT
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.rows import Incident, Update
from pulsemon.input import incidents as incident_fields
from pulsemon.input import projects
from pulsemon.input.incidents import IncidentCreate, IncidentPatch, UpdateCreate, UpdatePatch
from pulsemon.input.rules import id_in
from pulsemon.web.api import openapi
from pulsemon.web.http import whose
from pulsemon.web.http.json_api import HEADERS, Body, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.INCIDENT, is_described=True)

DEFAULT_LIMIT = 100
StatusName = Literal["investigating", "identified", "monitoring", "resolved"]


class UpdateAnswer(BaseModel):
    """One thing that was said of an incident."""

    number: int = Field(description="Counts what was said of it from 1.")
    status: StatusName
    body: str | None = Field(description="Markdown. Null: PulseMon's own words, in the reader's language.")
    posted_at: AwareDatetime


class IncidentAnswer(BaseModel):
    """An incident, as the API shows it."""

    id: str = Field(description="As in its address: `/status/history/{id}`.")
    title: str | None = Field(description="Null: an automatic one, named after its monitors.")
    status: StatusName
    impact: Literal["none", "minor", "major", "critical"]
    general: bool = Field(description="It affects every page of its project.")
    monitors: list[str] = Field(description="Slugs of the monitors that it affects.")
    automatic: bool = Field(description="It opened by itself, and closes by itself.")
    started_at: AwareDatetime
    resolved_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    project: str
    updates: list[UpdateAnswer] = Field(description="Newest first, at most 100.")


EXAMPLE_CREATE = {
    "title": "The nightly backup is late",
    "body": "The disk is full. We are **making room**.",
    "status": "identified",
    "impact": "minor",
    "monitors": ["backup-noturno"],
}
EXAMPLE_UPDATE = {"number": 1, "status": "identified", "body": EXAMPLE_CREATE["body"]}
EXAMPLE_INCIDENT = {
    "id": "8f14e45fceea167a",
    "title": "The nightly backup is late",
    "status": "identified",
    "impact": "minor",
    "general": False,
    "monitors": ["backup-noturno"],
    "automatic": False,
    "started_at": "2026-03-02T04:00:00.000Z",
    "resolved_at": None,
    "created_at": "2026-03-02T04:05:00.000Z",
    "updated_at": "2026-03-02T04:05:00.000Z",
    "project": "default",
    "updates": [EXAMPLE_UPDATE | {"posted_at": "2026-03-02T04:05:00.000Z"}],
}
_NOT_FOUND = openapi.error(404, NO_INCIDENT, NO_INCIDENT)
_BAD_BODY = openapi.invalid("body", "impact", msg=incident_fields.PROBLEMS["incident-impact"], rule="incident-impact")
_DELETED: dict[int | str, dict[str, Any]] = {204: {"description": "Deleted, with everything that was said of it."}}
_ONE = openapi.UNAUTHORIZED | _NOT_FOUND | openapi.UNAVAILABLE
_WRITE = openapi.BODY_ERRORS | openapi.UNAUTHORIZED | _BAD_BODY | openapi.UNAVAILABLE


def incident_answer(site: Site, incident: Incident) -> dict[str, Any]:
    """Return an incident as the API shows it."""
    return {
        "id": incident.public_id,
        "title": incident.title,
        "status": incident.status.value,
        "impact": incident.impact.value,
        "general": incident.is_general,
        "monitors": [each.slug for each in incident.monitors],
        "automatic": incident.is_automatic,
        "started_at": instant(incident.started_at),
        "resolved_at": instant(incident.resolved_at),
        "created_at": instant(incident.created_at),
        "updated_at": instant(incident.updated_at),
        "project": site.project_slug(incident.project_id),
        "updates": [_update_answer(each) for each in incident.updates],
    }


def _update_answer(update: Update) -> dict[str, Any]:
    return {
        "number": update.number,
        "status": update.status.value,
        "body": update.body,
        "posted_at": instant(update.posted_at),
    }


@router.post(
    "/api/incidents",
    Action.REPORT,
    status_code=201,
    response_model=IncidentAnswer,
    tags=["Incidents"],
    summary="Create an incident",
    operation_id="create_incident",
    responses=openapi.answer(201, "Created.", EXAMPLE_INCIDENT, {"Location": "Where it is."})
    | openapi.NO_SUCH_PROJECT
    | _WRITE,
    openapi_extra=openapi.body(IncidentCreate, EXAMPLE_CREATE),
)
def create_incident(request: Request, data: Body) -> Response:
    """Tell of something on public pages that show one of its monitors; if it is general, on all of the project."""
    site, now = site_of(request), site_of(request).now()
    new = incident_fields.create_from_json(data, now=now)
    project_id = whose.project_for(request, projects.named_in(data))
    made = incidents.create(site.database, new, now=now, project_id=project_id)
    site.wake()
    return _one(site, made, status_code=201, headers={"location": f"/api/incidents/{made.public_id}"})


@router.reads(
    "/api/incidents",
    Action.READ_INCIDENTS,
    response_model=list[IncidentAnswer],
    tags=["Incidents"],
    summary="List the incidents",
    operation_id="list_incidents",
    responses=openapi.answer(200, "Open ones first.", [EXAMPLE_INCIDENT], openapi.PAGED)
    | openapi.UNAUTHORIZED
    | openapi.NO_SUCH_PROJECT
    | openapi.BAD_PAGING
    | openapi.UNAVAILABLE,
    openapi_extra={"parameters": openapi.PAGING + openapi.OF_PROJECT},
)
def list_incidents(request: Request, asked: Paging) -> Response:
    """Return the open incidents, then the newest 100 that are resolved, or as many as `limit` says.

    Open ones stand on the first page and do not count for `limit`.
    """
    site, project_id = site_of(request), whose.project_of(request)
    limit = asked.limit or DEFAULT_LIMIT
    found = incidents.list_open(site.database, project_id=project_id) if asked.position is None else []
    resolved, following = incidents.list_resolved(
        site.database, limit=limit, before=asked.position, project_id=project_id
    )
    headers = link(f"{site.origin(request)}/api/incidents", asked, following, whose.asked_project(request))
    return JSONResponse([incident_answer(site, each) for each in [*found, *resolved]], headers=HEADERS | headers)


@router.reads(
    "/api/incidents/{incident_id}",
    Action.READ_INCIDENTS,
    response_model=IncidentAnswer,
    tags=["Incidents"],
    summary="Read an incident",
    operation_id="read_incident",
    responses=openapi.answer(200, "The incident.", EXAMPLE_INCIDENT) | _ONE,
)
def read_incident(request: Request, incident_id: str) -> Response:
    """Return one incident with what was said of it."""
    site = site_of(request)
    return _one(site, incidents.get(site.database, incident_id))


@router.patch(
    "/api/incidents/{incident_id}",
    Action.REPORT,
    response_model=IncidentAnswer,
    tags=["Incidents"],
    summary="Edit an incident",
    operation_id="edit_incident",
    responses=openapi.answer(200, "The incident as it is now.", EXAMPLE_INCIDENT) | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(IncidentPatch, {"impact": "major"}),
)
def edit_incident(request: Request, incident_id: str, data: Body) -> Response:
    """Change the fields that are sent; the others stay. Subscribers are not told."""
    site = site_of(request)
    changes = incident_fields.changes_from_json(data)
    whose.refuse_move(request, projects.named_in(data))
    if not given(changes):
        return read_incident(request, incident_id)
    edited = incidents.edit(site.database, incident_id, changes, now=site.now())
    site.wake()
    return _one(site, edited)


@router.delete(
    "/api/incidents/{incident_id}",
    Action.REPORT,
    status_code=204,
    response_class=Response,
    tags=["Incidents"],
    summary="Delete an incident",
    operation_id="delete_incident",
    responses=_DELETED | _ONE,
)
def delete_incident(request: Request, incident_id: str) -> Response:
    """Delete an incident. An outage that goes on opens no other one by itself."""
    site = site_of(request)
    incidents.remove(site.database, incident_id, now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.post(
    "/api/incidents/{incident_id}/updates",
    Action.REPORT,
    status_code=201,
    response_model=IncidentAnswer,
    tags=["Incidents"],
    summary="Post an update",
    operation_id="post_update",
    responses=openapi.answer(201, "The incident as it is now.", EXAMPLE_INCIDENT) | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(UpdateCreate, {"status": "resolved", "body": "There is room again."}),
)
def post_update(request: Request, incident_id: str, data: Body) -> Response:
    """Say something further. `resolved` closes the incident, any other status opens it again."""
    site = site_of(request)
    posted = incidents.post(site.database, incident_id, incident_fields.update_from_json(data), now=site.now())
    site.wake()
    return _one(site, posted, status_code=201)


@router.patch(
    "/api/incidents/{incident_id}/updates/{number}",
    Action.REPORT,
    response_model=IncidentAnswer,
    tags=["Incidents"],
    summary="Correct the text of an update",
    operation_id="edit_update",
    responses=openapi.answer(200, "The incident as it is now.", EXAMPLE_INCIDENT) | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(UpdatePatch, {"body": "There is room again."}),
)
def edit_update(request: Request, incident_id: str, number: str, data: Body) -> Response:
    """Change what was posted. Its time stays, and subscribers are not told."""
    site, body = site_of(request), incident_fields.text_from_json(data)
    wanted = id_in(number, otherwise=incidents.NO_UPDATE)
    edited = incidents.edit_update(site.database, incident_id, wanted, body, now=site.now())
    site.wake()
    return _one(site, edited)


def _one(site: Site, incident: Incident, *, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(incident_answer(site, incident), status_code=status_code, headers=HEADERS | (headers or {}))
