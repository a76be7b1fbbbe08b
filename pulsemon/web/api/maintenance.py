"""The API of maintenance: plans and their windows as JSON.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import keyset
from pulsemon.core.maintenance import Plan, read_weekly
from pulsemon.errors import NO_MAINTENANCE, REFUSALS
from pulsemon.input import maintenance as maintenance_fields
from pulsemon.input import projects
from pulsemon.input.maintenance import DAYS, PROBLEMS, MaintenanceCreate, MaintenancePatch, WindowPatch
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import views as maintenance_views
from pulsemon.maintenance.views import MaintenanceView, WindowView
from pulsemon.web.api import openapi
from pulsemon.web.http import whose
from pulsemon.web.http.json_api import HEADERS, Body, LongPaging, Paging, instant
from pulsemon.web.http.paging import MAX_LIMIT, link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.MAINTENANCE, is_described=True)


class WindowAnswer(BaseModel):
    """One time of maintenance."""

    id: int
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    state: Literal["coming", "running", "over", "skipped"]
    announced: bool = Field(description="Subscribers were told, or it has begun.")


class MaintenanceAnswer(BaseModel):
    """A plan of maintenance, as the API shows it."""

    id: str
    title: str
    description: str | None
    monitors: list[str] | None = Field(description="Slugs; null: all monitors of its project.")
    repeats: Literal["once", "weekly", "cron"]
    timezone: str
    starts_at: AwareDatetime = Field(description="Of what repeats: not before.")
    length_seconds: int
    days: list[str] | None = Field(description="Of `weekly`.")
    time: str | None = Field(description="Of `weekly`: when it begins on these days.")
    schedule: str | None = Field(description="The expression that says when; null: once.")
    until: str | None = Field(description="Its last day; null: for ever.")
    announce_hours: int
    tell_subscribers: bool
    windows: list[WindowAnswer] = Field(description="What is running and what is coming, at most ten of it.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    project: str


EXAMPLE_CREATE = {
    "title": "New database server",
    "description": "The shop is *read-only* for an hour.",
    "monitors": ["backup-noturno"],
    "timezone": "America/Sao_Paulo",
    "starts_at": "2026-12-05T22:00",
    "ends_at": "2026-12-05T23:30",
}
EXAMPLE_WINDOW = {
    "id": 7,
    "starts_at": "2026-12-06T01:00:00.000Z",
    "ends_at": "2026-12-06T02:30:00.000Z",
    "state": "coming",
    "announced": False,
}
EXAMPLE_MAINTENANCE = {
    "id": "5f0e9c2a7b41d386",
    "title": "New database server",
    "description": "The shop is *read-only* for an hour.",
    "monitors": ["backup-noturno"],
    "repeats": "once",
    "timezone": "America/Sao_Paulo",
    "starts_at": "2026-12-06T01:00:00.000Z",
    "length_seconds": 5400,
    "days": None,
    "time": None,
    "schedule": None,
    "until": None,
    "announce_hours": 168,
    "tell_subscribers": True,
    "windows": [EXAMPLE_WINDOW],
    "created_at": "2026-11-26T12:00:00.000Z",
    "updated_at": "2026-11-26T12:00:00.000Z",
    "project": "default",
}
_NOT_FOUND = openapi.error(404, "There is no such maintenance.", NO_MAINTENANCE)
_CONFLICT = openapi.error(409, "It has begun, is over, or is not running.", REFUSALS["maintenance-begun"])
_BAD_BODY = openapi.invalid("body", "starts_at", msg=PROBLEMS["skipped-time"], rule="skipped-time")
_ONE = openapi.UNAUTHORIZED | _NOT_FOUND | openapi.UNAVAILABLE
_WRITE = openapi.BODY_ERRORS | openapi.UNAUTHORIZED | _CONFLICT | _BAD_BODY | openapi.UNAVAILABLE
_ONE_ANSWER = openapi.answer(200, "The plan as it is now.", EXAMPLE_MAINTENANCE)
_REMOVED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Removed. What is running ends; what is over stays in the availability."}
}
_SKIPPED: dict[int | str, dict[str, Any]] = {204: {"description": "Skipped. The other windows stay."}}
_PATH = "/api/maintenance/{maintenance_id}"
_WindowId = Annotated[str, Path(description="The `id` of one of the windows.")]


def maintenance_answer(site: Site, view: MaintenanceView, *, now: datetime) -> dict[str, Any]:
    """Return a plan as the API shows it."""
    definition, plan = view.definition, view.definition.plan
    weekly = read_weekly(plan.schedule) if plan.repeats == "weekly" else None
    return {
        "id": view.id,
        "title": definition.title,
        "description": definition.description,
        "monitors": definition.monitors,
        "repeats": plan.repeats.value,
        "timezone": plan.timezone,
        "starts_at": instant(plan.starts_at),
        "length_seconds": int(plan.length.total_seconds()),
        "days": None if weekly is None else [DAYS[day - 1] for day in weekly[0]],
        "time": None if weekly is None else f"{weekly[1]:%H:%M}",
        "schedule": plan.schedule,
        "until": _date(plan),
        "announce_hours": definition.announce_hours,
        "tell_subscribers": definition.tells_subscribers,
        "windows": [window_answer(each, now=now) for each in view.windows],
        "created_at": instant(view.created_at),
        "updated_at": instant(view.updated_at),
        "project": site.project_slug(view.project_id),
    }


def _date(plan: Plan) -> str | None:
    return None if plan.last_day is None else plan.last_day.isoformat()


def window_answer(window: WindowView, *, now: datetime) -> dict[str, Any]:
    """Return a window as the API shows it."""
    state = "skipped" if window.is_skipped else "coming" if window.starts_at > now else "running"
    if window.ends_at <= now and not window.is_skipped:
        state = "over"
    return {
        "id": window.id,
        "starts_at": instant(window.starts_at),
        "ends_at": instant(window.ends_at),
        "state": state,
        "announced": window.announced_at is not None,
    }


@router.post(
    "/api/maintenance",
    Action.REPORT,
    status_code=201,
    response_model=MaintenanceAnswer,
    tags=["Maintenance"],
    summary="Plan maintenance",
    operation_id="create_maintenance",
    responses=openapi.answer(201, "Planned.", EXAMPLE_MAINTENANCE, {"Location": "Where it is."})
    | openapi.NO_SUCH_PROJECT
    | _WRITE,
    openapi_extra=openapi.body(MaintenanceCreate, EXAMPLE_CREATE),
)
def create_maintenance(request: Request, data: Body) -> Response:
    """Plan maintenance once, on days of the week, or by a cron or OnCalendar expression.

    While it runs nothing is told of the monitors concerned; what has not passed by its end is told then.
    """
    site, now = site_of(request), site_of(request).now()
    definition = maintenance_fields.to_definition(maintenance_fields.from_json(MaintenanceCreate, data), None, now=now)
    project_id = whose.project_for(request, projects.named_in(data))
    view = maintenance.create(site.database, definition, now=now, project_id=project_id)
    site.wake()
    location = {"location": f"/api/maintenance/{view.id}"}
    return JSONResponse(maintenance_answer(site, view, now=now), status_code=201, headers=HEADERS | location)


@router.reads(
    "/api/maintenance",
    Action.READ_INCIDENTS,
    response_model=list[MaintenanceAnswer],
    tags=["Maintenance"],
    summary="List the plans of maintenance",
    operation_id="list_maintenance",
    responses=openapi.answer(200, "In the order of their creation.", [EXAMPLE_MAINTENANCE], openapi.PAGED)
    | openapi.UNAUTHORIZED
    | openapi.NO_SUCH_PROJECT
    | openapi.BAD_PAGING
    | openapi.UNAVAILABLE,
    openapi_extra={"parameters": openapi.PAGING + openapi.OF_PROJECT},
)
def list_maintenance(request: Request, asked: Paging) -> Response:
    """Return every plan that was not removed, or with `limit` a page of them."""
    site, now = site_of(request), site_of(request).now()
    views, following = maintenance_views.list_all(
        site.database, now=now, project_id=whose.project_of(request), limit=asked.limit, after=asked.position
    )
    headers = link(f"{site.origin(request)}/api/maintenance", asked, following, whose.asked_project(request))
    return JSONResponse([maintenance_answer(site, view, now=now) for view in views], headers=HEADERS | headers)


@router.reads(
    _PATH,
    Action.READ_INCIDENTS,
    response_model=MaintenanceAnswer,
    tags=["Maintenance"],
    summary="Read a plan of maintenance",
    operation_id="read_maintenance",
    responses=openapi.answer(200, "The plan.", EXAMPLE_MAINTENANCE) | _ONE,
)
def read_maintenance(request: Request, maintenance_id: str) -> Response:
    """Return one plan with what is running and coming of it."""
    site, now = site_of(request), site_of(request).now()
    return _answer(site, maintenance_views.get(site.database, maintenance_id, now=now), now)


@router.patch(
    _PATH,
    Action.REPORT,
    response_model=MaintenanceAnswer,
    tags=["Maintenance"],
    summary="Edit a plan of maintenance",
    operation_id="edit_maintenance",
    responses=_ONE_ANSWER | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(MaintenancePatch, {"length_seconds": 7200}),
)
def edit_maintenance(request: Request, maintenance_id: str, data: Body) -> Response:
    """Change the fields that are sent; the others stay. What has begun stays as it is, but for the end of once."""
    site, now = site_of(request), site_of(request).now()
    given = maintenance_fields.from_json(MaintenancePatch, data)
    whose.refuse_move(request, given.pop(projects.NAME, None))
    if not given:
        return read_maintenance(request, maintenance_id)

    view = maintenance.edit(
        site.database,
        maintenance_id,
        lambda before: maintenance_fields.to_definition(given, before.definition, now=now),
        now=now,
    )
    site.wake()
    return _answer(site, view, now)


@router.delete(
    _PATH,
    Action.REPORT,
    status_code=204,
    response_class=Response,
    tags=["Maintenance"],
    summary="Remove a plan of maintenance",
    operation_id="delete_maintenance",
    responses=_REMOVED | _ONE,
)
def delete_maintenance(request: Request, maintenance_id: str) -> Response:
    """Remove a plan with everything that is coming of it."""
    site = site_of(request)
    maintenance.remove(site.database, maintenance_id, now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.post(
    _PATH + "/end",
    Action.REPORT,
    response_model=MaintenanceAnswer,
    tags=["Maintenance"],
    summary="End the maintenance that is running",
    operation_id="end_maintenance",
    responses=openapi.answer(200, "The plan as it is now.", EXAMPLE_MAINTENANCE | {"windows": []}) | _ONE | _CONFLICT,
)
def end_maintenance(request: Request, maintenance_id: str) -> Response:
    """End it now; 409 where none is running."""
    site, now = site_of(request), site_of(request).now()
    view = maintenance.end_now(site.database, maintenance_id, now=now)
    site.wake()
    return _answer(site, view, now)


@router.reads(
    _PATH + "/windows",
    Action.READ_INCIDENTS,
    response_model=list[WindowAnswer],
    tags=["Maintenance"],
    summary="List the windows of a plan",
    operation_id="list_windows",
    responses=openapi.answer(200, "Newest first.", [EXAMPLE_WINDOW], openapi.PAGED) | _ONE | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_windows(request: Request, maintenance_id: str, asked: LongPaging) -> Response:
    """Return the newest 1000 windows of a plan, or with `limit` fewer, and where the older ones are.

    Those that are over and those that were skipped are among them.
    """
    site, now = site_of(request), site_of(request).now()
    before = None if asked.position is None else keyset.instant_of(asked.position)
    found, following = maintenance_views.list_windows(
        site.database, maintenance_id, limit=asked.limit or MAX_LIMIT, before=before
    )
    address = f"{site.origin(request)}/api/maintenance/{quote(maintenance_id, safe='')}/windows"
    headers = link(address, asked, None if following is None else keyset.number_of(following))
    return JSONResponse([window_answer(each, now=now) for each in found], headers=HEADERS | headers)


@router.patch(
    _PATH + "/windows/{window_id}",
    Action.REPORT,
    response_model=MaintenanceAnswer,
    tags=["Maintenance"],
    summary="Let the running window end at another time",
    operation_id="edit_window",
    responses=_ONE_ANSWER | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(WindowPatch, {"ends_at": "2026-12-06T03:00:00Z"}),
)
def edit_window(request: Request, maintenance_id: str, window_id: _WindowId, data: Body) -> Response:
    """Put the end of what is running off, or say that it ended earlier; 409 where it is not running."""
    site, now = site_of(request), site_of(request).now()
    view = maintenance_views.get(site.database, maintenance_id, now=now)
    ends_at = maintenance_fields.end_from_json(data, view.definition.plan.timezone)
    view = maintenance.set_end(site.database, view.id, maintenance_fields.window_number(window_id), ends_at, now=now)
    site.wake()
    return _answer(site, view, now)


@router.delete(
    _PATH + "/windows/{window_id}",
    Action.REPORT,
    status_code=204,
    response_class=Response,
    tags=["Maintenance"],
    summary="Skip a coming window",
    operation_id="skip_window",
    responses=_SKIPPED | _ONE | _CONFLICT,
)
def skip_window(request: Request, maintenance_id: str, window_id: _WindowId) -> Response:
    """Cancel one window that has not begun. A plan for once is removed with it."""
    site = site_of(request)
    maintenance.skip(site.database, maintenance_id, maintenance_fields.window_number(window_id), now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)


def _answer(site: Site, view: MaintenanceView, now: datetime) -> Response:
    return JSONResponse(maintenance_answer(site, view, now=now), headers=HEADERS)
