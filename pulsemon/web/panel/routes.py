"""The panel's addresses: login and logout for everybody, the rest behind a session.

Everything works as plain pages and forms; scripts only keep what is on screen up to date.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from pulsemon.accounts import access
from pulsemon.accounts.roles import Action, allowed
from pulsemon.monitors import event_log
from pulsemon.web.html import rendering
from pulsemon.web.http import session_cookies
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.principals import by_session, session_ids_of, set_session_cookie
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.security import is_panels_host
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import incidents as panel_incidents
from pulsemon.web.panel import insights as panel_insights
from pulsemon.web.panel import maintenance as panel_maintenance
from pulsemon.web.panel import monitor_forms, monitor_lists, shared
from pulsemon.web.panel import monitors as panel_monitors
from pulsemon.web.panel import record as panel_record
from pulsemon.web.panel import status_pages as panel_status_pages
from pulsemon.web.panel import subscribers as panel_subscribers
from pulsemon.web.public import status_page

home_router = Router(Audience.VISITORS)
router = Router(Audience.PANEL)


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
    if allowed(by_session(request), Action.READ):
        return panel_monitors.list_page(request)
    return _login_page(request)


@router.get("/login", Action.PUBLIC)
def login_address(request: Request) -> Response:
    """The form stands at `/`."""
    return RedirectResponse("/", status_code=303)


@router.post("/login", Action.PUBLIC)
def login(request: Request, form: Form) -> Response:
    """Open a session for whoever has the admin token."""
    site = site_of(request)
    admin_token = site.settings.admin_token.get_secret_value()
    if not admin_token:
        return _login_page(request, status_code=401)
    host = request.client.host if request.client else ""
    given = form.get("token", "").strip()
    is_right, wait_sec = site.logins.judge(given, admin_token, host=host, now=site.now())
    if wait_sec:
        response = _login_page(request, status_code=429, wait_sec=wait_sec)
        response.headers["retry-after"] = str(wait_sec)
        return response
    if not is_right:
        return _login_page(request, status_code=401, is_wrong=True)
    for old_session in session_ids_of(request):
        access.close_session(site.database, old_session)
    response = RedirectResponse("/", status_code=303)
    session_id = access.open_session(site.database, admin_token, now=site.now())
    set_session_cookie(request, response, session_id)
    return response


@router.get("/logout", Action.PUBLIC)
def logout_address(request: Request) -> Response:
    """Only the button logs out: a link in somebody's page must not."""
    return RedirectResponse("/", status_code=303)


@router.post("/logout", Action.PUBLIC)
def logout(request: Request) -> Response:
    """End the session, here and wherever its cookie was copied to."""
    for session_id in session_ids_of(request):
        access.close_session(site_of(request).database, session_id)
    response = RedirectResponse("/", status_code=303)
    session_cookies.take_away(request, response)
    return response


def _login_page(request: Request, *, status_code: int = 200, is_wrong: bool = False, wait_sec: int = 0) -> Response:
    is_closed = not site_of(request).settings.admin_token
    values = {"is_closed": is_closed, "is_wrong": is_wrong, "wait_sec": wait_sec}
    return rendering.page(request, "panel/login.html", status_code=status_code, **values)


@router.get("/monitors", Action.READ)
def list_address(request: Request) -> Response:
    """The list stands at `/`."""
    return RedirectResponse("/", status_code=303)


@router.get("/monitors/new", Action.EDIT)
def new(request: Request) -> Response:
    """Answer with the form for a new monitor."""
    return panel_monitors.form_page(request)


@router.get("/monitors/{monitor_id:id}", Action.READ)
def monitor(request: Request, monitor_id: int) -> Response:
    """Answer with one monitor's page."""
    view = shared.find(site_of(request), monitor_id)
    return panel_monitors.monitor_page(request, view)


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
    """Answer with the part of the list that changes by itself."""
    return rendering.page(request, "parts/list.html", **panel_monitors.list_values(request))


@router.get("/fragments/monitors/{monitor_id:id}/head", Action.READ)
def head_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with a monitor's state, as the top of its page shows it."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/head.html", **panel_monitors.head_values(request, view))


@router.get("/fragments/monitors/{monitor_id:id}/record", Action.READ)
def record_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with a monitor's availability, outages and event log."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/record.html", **panel_monitors.record_values(request, view))


@router.get("/fragments/schedule", Action.READ)
def schedule_fragment(request: Request) -> Response:
    """Answer with the next firings of `?schedule=` in `?timezone=`, or with what is wrong with them."""
    return rendering.page(request, "parts/schedule_preview.html", **panel_monitors.schedule_values(request))


@router.get("/events", Action.READ)
async def events(request: Request) -> Response:
    """Tell an open panel at once that something changed, until it goes or the server stops."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(site_of(request).live.stream(), media_type="text/event-stream", headers=headers)


router.include(
    monitor_forms.router,
    panel_incidents.router,
    panel_insights.router,
    monitor_lists.router,
    panel_status_pages.router,
    panel_subscribers.router,
    panel_maintenance.router,
    panel_record.router,
)
