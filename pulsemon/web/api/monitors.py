"""The API: monitors and their history as JSON.

`Gate` has checked the admin token before anything here is asked. Bodies are read by `web.http.json_api` and not by
FastAPI, whose own errors quote the input; the rules for what they hold stand in `input.monitor_forms`. A slash in a
slug, which an old database may hold, is written `%2F` in a path (`web.http.routing.Route`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.open_runs import Run
from pulsemon.input import monitor_forms, projects
from pulsemon.input import monitors as monitor_fields
from pulsemon.input.monitors import MonitorCreate, MonitorPatch
from pulsemon.input.rules import MAX_MONITORS
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.history import Entry, history
from pulsemon.monitors.manage import Move
from pulsemon.monitors.rows import GENERATE
from pulsemon.monitors.views import View
from pulsemon.operations import moving
from pulsemon.web.api import openapi
from pulsemon.web.http import whose
from pulsemon.web.http.json_api import HEADERS, Body, BodyOrMany, Paging, array, instant
from pulsemon.web.http.paging import MAX_LIMIT, link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.MONITOR, is_described=True)

# Laid under an answer, so that its keys stand in the order of the document.
_IN_ORDER: dict[str, Any] = dict.fromkeys(openapi.MONITOR_KEYS)


def monitor_answer(
    view: View,
    *,
    origin: str,
    project: str,
    now: datetime,
    sees_secrets: bool = True,
    reveals_secret: bool = False,
) -> dict[str, Any]:
    """Return a monitor as the API shows it, the original specification's fields first.

    The ping URL has no host where *origin* is empty. *project*: the slug of its project.
    """
    observed = {
        "status": view.status.value,
        "last_ping": instant(view.last_ping),
        "token": view.token if sees_secrets else None,
        "ping_url": origin + monitors.ping_path(view.slug, view.token) if sees_secrets else None,
        "due_at": instant(view.due_at),
        "created_at": instant(view.created_at),
        "updated_at": instant(view.updated_at),
        "webhook_switched_off_at": instant(view.webhook_switched_off_at),
        "ping_count": view.ping_count,
        "late": view.is_late(now=now),
        "next_expected_at": instant(view.next_expected_at),
        "open_runs": [_open_run_answer(run) for run in view.open_runs],
        "under_maintenance": view.maintained_until(now=now) is not None,
        "project": project,
    }
    said = monitor_forms.values_of(view, reveals_secret=reveals_secret, sees_secrets=sees_secrets)
    return {**_IN_ORDER, **said, **observed}


def _open_run_answer(run: Run) -> dict[str, Any]:
    return {
        "rid": run.rid or None,
        "started_at": instant(run.started_at),
        "due_at": instant(run.due_at),
        "overdue": run.is_overdue,
    }


def history_answer(entry: Entry) -> dict[str, Any]:
    """Return a transition as the API shows it, the original specification's fields first."""
    return {
        "prev_status": entry.prev_status,
        "new_status": entry.new_status,
        "note": entry.note,
        "created_at": instant(entry.created_at),
        "occurred_at": instant(entry.occurred_at),
        "cause": entry.cause,
        "seq": entry.seq,
    }


_BAD_BODY = openapi.invalid(
    "body", "interval_seconds", msg=monitor_fields.problem("interval_seconds", "not-whole").message, rule="not-whole"
)
_DELETED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Deleted, with its pings, history and unsent messages."}
}
_ONE = openapi.UNAUTHORIZED | openapi.NOT_FOUND | openapi.UNAVAILABLE


@router.post(
    "/api/monitors",
    Action.EDIT,
    status_code=201,
    response_model=openapi.MonitorAnswer | list[openapi.MonitorAnswer],
    tags=["Monitors"],
    summary="Create a monitor, or several",
    operation_id="create_monitor",
    responses=openapi.answer(
        201, "Created. It waits for its first ping.", openapi.EXAMPLE_NEW_MONITOR, {"Location": "Where it is, if one."}
    )
    | openapi.BODY_ERRORS
    | openapi.ARRAY_ERRORS
    | openapi.UNAUTHORIZED
    | openapi.NO_SUCH_PROJECT
    | _BAD_BODY
    | openapi.UNAVAILABLE,
    openapi_extra=openapi.body_or_many(MonitorCreate, openapi.EXAMPLE_CREATE, most=MAX_MONITORS),
)
def create_monitor(request: Request, data: BodyOrMany) -> Response:
    """Make a monitor with a token of its own. `"webhook_secret": "generate"` makes a secret and shows it this once.

    An array makes all of its monitors or none, and is answered with an array in the same order. What is wrong is told
    of each of them, at its index: `["body", "3", "slug"]`.
    """
    site = site_of(request)
    if isinstance(data, list):
        return _create_many(request, data)
    new = monitor_forms.create_from_json(data)
    project_id = whose.project_for(request, projects.named_in(data))
    view = monitors.create(site.database, new, now=site.now(), project_id=project_id)
    site.wake()
    location = {"location": f"/api/monitors/{quote(view.slug, safe='')}"}
    return _one(request, view, status_code=201, headers=location, reveals_secret=new.webhook_secret == GENERATE)


def _create_many(request: Request, data: list[object]) -> Response:
    site, now = site_of(request), site_of(request).now()
    news = monitor_forms.create_many_from_json(data, now=now)
    named = [projects.named_in(each) for each in data]
    project_of = {each: whose.project_for(request, each) for each in set(named)}
    views = monitors.create_many(site.database, news, now=now, project_ids=[project_of[each] for each in named])
    site.wake()
    revealed = {new.slug for new in news if new.webhook_secret == GENERATE}
    return array(_answers(request, views, revealed), {}, status_code=201)


def _answers(request: Request, views: Iterable[View], revealed: Set[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Yield monitors as whoever asks may see them; *revealed*: the slugs of those whose secret is shown this once."""
    site, now, origin = site_of(request), site_of(request).now(), site_of(request).origin(request)
    for view in views:
        yield monitor_answer(
            view,
            origin=origin,
            project=site.project_slug(view.project_id),
            now=now,
            sees_secrets=whose.may(request, Action.SEE_SECRETS, view.project_id),
            reveals_secret=view.slug in revealed,
        )


@router.reads(
    "/api/monitors",
    Action.READ,
    response_model=list[openapi.MonitorAnswer],
    tags=["Monitors"],
    summary="List the monitors",
    operation_id="list_monitors",
    responses=openapi.answer(200, "In the order of their creation.", [openapi.EXAMPLE_MONITOR], openapi.PAGED)
    | openapi.UNAUTHORIZED
    | openapi.NO_SUCH_PROJECT
    | openapi.BAD_PAGING
    | openapi.UNAVAILABLE,
    openapi_extra={"parameters": openapi.PAGING + openapi.OF_PROJECT},
)
def list_monitors(request: Request, asked: Paging) -> Response:
    """Return all monitors, or with `limit` a page of them."""
    site, project_id = site_of(request), whose.project_of(request)
    views, following = monitors.list_all(site.database, limit=asked.limit, after=asked.position, project_id=project_id)
    headers = link(f"{site.origin(request)}/api/monitors", asked, following, whose.asked_project(request))
    return array(_answers(request, views), headers)


@router.reads(
    "/api/monitors/{slug}",
    Action.READ,
    response_model=openapi.MonitorAnswer,
    tags=["Monitors"],
    summary="Read a monitor",
    operation_id="read_monitor",
    responses=openapi.answer(200, "The monitor.", openapi.EXAMPLE_MONITOR) | _ONE,
)
def read_monitor(request: Request, slug: str) -> Response:
    """Return one monitor. Slugs are compared exactly."""
    return _one(request, monitors.get(site_of(request).database, monitors.by_slug(slug)))


@router.patch(
    "/api/monitors/{slug}",
    Action.EDIT,
    response_model=openapi.MonitorAnswer,
    tags=["Monitors"],
    summary="Edit a monitor",
    operation_id="edit_monitor",
    responses=openapi.answer(200, "The monitor as it is now.", openapi.EXAMPLE_MONITOR)
    | openapi.BODY_ERRORS
    | _ONE
    | openapi.CONFLICT
    | _BAD_BODY,
    openapi_extra=openapi.body(MonitorPatch, openapi.EXAMPLE_PATCH),
)
def edit_monitor(request: Request, slug: str, data: Body) -> Response:
    """Change the fields that are sent; the others stay. A new interval or grace moves the deadline at once.

    A new slug moves the ping URL: the old one is unknown from that moment. Another `project` takes the monitor there,
    with its ping URL and its past, and out of the pages, incidents and maintenance of the one that it leaves.
    """
    site = site_of(request)
    changes = monitor_forms.changes_from_json(data)
    move = _move(request, projects.named_in(data))
    if not changes and move is None:
        return _one(request, monitors.get(site.database, monitors.by_slug(slug)))
    view = monitors.edit(site.database, monitors.by_slug(slug), changes, now=site.now(), move=move)
    site.wake()
    return _one(request, view, reveals_secret=changes.get("webhook_secret") == GENERATE)


def _move(request: Request, named: str | None) -> Move | None:
    """Return the move to the project that a body names, None where it is there. Raises NotFound, Forbidden."""
    site, here = site_of(request), whose.the_project_of(request)
    there = here if named is None else whose.destination(request, named)
    if there == here:
        return None
    return moving.to(there, {each: site.project_slug(each) for each in (here, there)})


@router.delete(
    "/api/monitors/{slug}",
    Action.ADMINISTER,
    status_code=204,
    response_class=Response,
    tags=["Monitors"],
    summary="Delete a monitor",
    operation_id="delete_monitor",
    responses=_DELETED | _ONE,
)
def delete_monitor(request: Request, slug: str) -> Response:
    """Delete a monitor with everything it has. The slug is free at once."""
    site = site_of(request)
    monitors.remove(site.database, monitors.by_slug(slug))
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.post(
    "/api/monitors/{slug}/pause",
    Action.RESPOND,
    response_model=openapi.MonitorAnswer,
    tags=["Monitors"],
    summary="Pause a monitor",
    operation_id="pause_monitor",
    responses=openapi.answer(
        200, "The monitor, paused.", openapi.EXAMPLE_MONITOR | {"status": "PAUSED", "due_at": None}
    )
    | _ONE,
)
def pause_monitor(request: Request, slug: str) -> Response:
    """Stop judging a monitor. Its pings are kept and change nothing. May be repeated."""
    return _change(request, slug, monitors.pause)


@router.post(
    "/api/monitors/{slug}/resume",
    Action.RESPOND,
    response_model=openapi.MonitorAnswer,
    tags=["Monitors"],
    summary="Resume a monitor",
    operation_id="resume_monitor",
    responses=openapi.answer(
        200, "The monitor, waiting for its next ping.", openapi.EXAMPLE_MONITOR | {"status": "UNKNOWN", "due_at": None}
    )
    | _ONE,
)
def resume_monitor(request: Request, slug: str) -> Response:
    """Judge a monitor again, from its next ping on. May be repeated."""
    return _change(request, slug, monitors.resume)


@router.post(
    "/api/monitors/{slug}/rotate-token",
    Action.EDIT,
    response_model=openapi.MonitorAnswer,
    tags=["Monitors"],
    summary="Give a monitor a new token",
    operation_id="rotate_token",
    responses=openapi.answer(200, "The monitor with its new token.", openapi.EXAMPLE_MONITOR) | _ONE,
)
def rotate_token(request: Request, slug: str) -> Response:
    """Replace the token. The old ping URL is unknown from this moment."""
    return _change(request, slug, monitors.rotate_token)


@router.reads(
    "/api/history/{slug}",
    Action.READ,
    response_model=list[openapi.HistoryAnswer],
    tags=["History"],
    summary="List a monitor's changes of status",
    operation_id="list_history",
    responses=openapi.answer(200, "Newest first.", [openapi.EXAMPLE_HISTORY], openapi.PAGED)
    | _ONE
    | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_history(request: Request, slug: str, asked: Paging) -> Response:
    """Return the newest 1000 changes, or with `limit` fewer, and where the older ones are."""
    site = site_of(request)
    entries, following = history(
        site.database, monitors.by_slug(slug), limit=asked.limit or MAX_LIMIT, before=asked.position
    )
    headers = link(f"{site.origin(request)}/api/history/{quote(slug, safe='')}", asked, following)
    return JSONResponse([history_answer(entry) for entry in entries], headers=HEADERS | headers)


def _change(request: Request, slug: str, change: Callable[..., View]) -> Response:
    site: Site = site_of(request)
    view = change(site.database, monitors.by_slug(slug), now=site.now())
    site.wake()
    return _one(request, view)


def _one(
    request: Request,
    view: View,
    *,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    reveals_secret: bool = False,
) -> Response:
    (content,) = _answers(request, [view], {view.slug} if reveals_secret else frozenset())
    return JSONResponse(content, status_code=status_code, headers=HEADERS | (headers or {}))
