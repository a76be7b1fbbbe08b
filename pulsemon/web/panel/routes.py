"""The panel's addresses: the front page, monitors and what their pages fetch; others stand in modules of their own.

Everything works as plain pages and forms; scripts only keep what is on screen up to date.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from pulsemon.accounts.roles import Action, Proof
from pulsemon.errors import Unavailable
from pulsemon.monitors import event_log
from pulsemon.web.html import rendering, schedule_words
from pulsemon.web.http import after_login, whose
from pulsemon.web.http.principals import by_session
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.security import is_panels_host
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import (
    account,
    arrange,
    chooser,
    join,
    logins,
    monitor_forms,
    monitor_list,
    monitor_lists,
    one_monitor,
    proving,
    refusals,
    shared,
)
from pulsemon.web.panel import audit as panel_audit
from pulsemon.web.panel import incidents as panel_incidents
from pulsemon.web.panel import insights as panel_insights
from pulsemon.web.panel import keys as panel_keys
from pulsemon.web.panel import maintenance as panel_maintenance
from pulsemon.web.panel import monitors as panel_monitors
from pulsemon.web.panel import people as panel_people
from pulsemon.web.panel import projects as panel_projects
from pulsemon.web.panel import record as panel_record
from pulsemon.web.panel import status_pages as panel_status_pages
from pulsemon.web.panel import subscribers as panel_subscribers
from pulsemon.web.panel import users as panel_users
from pulsemon.web.public import status_page

home_router = Router(Audience.VISITORS)
router = Router(Audience.PANEL, about=About.MONITOR)


@home_router.reads("/", Action.PUBLIC)
def home(request: Request) -> Response:
    """Answer with the list, or with the login form where nobody is logged in; under a page's host name, with it.

    With PANEL_HOST the panel is there alone; whoever comes by a name that is nobody's is led to the status page.
    """
    panel_host = site_of(request).settings.panel_host
    is_ours = is_panels_host(panel_host, request.headers)
    own = None if panel_host and is_ours else status_page.slug_of_host(request)
    if own is not None:
        return status_page.answer(request, own)
    if not is_ours:
        return RedirectResponse("/status", status_code=303)
    principal = by_session(request)
    if principal.proof is Proof.NONE:
        return logins.page(request)
    if whose.shown_project(site_of(request), principal) is None:
        return refusals.no_project(request)
    whose.admit(request, principal, Action.READ, None)
    wanted = after_login.read_address(request.query_params.get("next", ""))
    return RedirectResponse(wanted, status_code=303) if wanted else panel_monitors.list_page(request)


@router.get("/monitors", Action.READ)
def list_address(request: Request) -> Response:
    """The list stands at `/`."""
    return RedirectResponse("/", status_code=303)


@router.get("/monitors/new", Action.EDIT)
def new(request: Request) -> Response:
    """Answer with the form for a new monitor."""
    return panel_monitors.form_page(request)


@router.get("/monitors/{monitor_id:id}/pings/{ping_id:id}/body", Action.READ)
def ping_body(request: Request, monitor_id: int, ping_id: int) -> Response:
    """Give the bytes that a ping brought, as a download: nothing that a stranger sent is shown as a page."""
    site = site_of(request)
    view = shared.find(site, monitor_id)
    body = event_log.ping_body(site.database, view.id, ping_id)
    headers = {
        "content-disposition": f'attachment; filename="ping-{ping_id}.txt"',
        "cache-control": "no-store",
    }
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/fragments/list", Action.READ)
def list_fragment(request: Request) -> Response:
    """Answer with what changed in the list since the reader has it."""
    return monitor_list.fragment(request)


@router.get("/fragments/schedule", Action.READ)
def schedule_fragment(request: Request) -> Response:
    """Answer with the next firings of `?schedule=` in `?timezone=`, or with what is wrong with them."""
    return rendering.page(request, "parts/schedule_preview.html", **panel_monitors.schedule_values(request))


@router.get("/fragments/zones", Action.READ)
def zones_fragment(request: Request) -> Response:
    """Answer with the names of time zones that a field proposes."""
    return rendering.page(request, "parts/zones.html", zones=schedule_words.zone_suggestions())


@router.get("/events", Action.READ)
async def events(request: Request) -> Response:
    """Tell an open panel at once that something changed, until it goes, its session ends or the server stops."""

    async def may_listen() -> bool:
        try:
            return (await run_in_threadpool(by_session, request)).proof is not Proof.NONE
        except Unavailable:  # a database that is away ends no session
            return True

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream = site_of(request).live.stream(may_listen, whose.the_project_of(request))
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


router.include(
    chooser.router,
    one_monitor.router,
    logins.router,
    join.router,
    proving.router,
    account.router,
    monitor_forms.router,
    panel_incidents.router,
    panel_insights.router,
    monitor_lists.router,
    arrange.router,
    panel_status_pages.router,
    panel_subscribers.router,
    panel_maintenance.router,
    panel_record.router,
    panel_projects.router,
    panel_people.router,
    panel_users.router,
    panel_keys.router,
    panel_audit.router,
)
