"""The application: routers, errors mapped to HTTP once, and the gates in front of them."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp

from pulsemon import __version__, log
from pulsemon.errors import Conflict, Forbidden, Invalid, NotFound, PulseMonError, Unavailable
from pulsemon.redaction import redact, redact_path
from pulsemon.web.api import audit as api_audit
from pulsemon.web.api import availability as api_availability
from pulsemon.web.api import docs_page, health
from pulsemon.web.api import incidents as api_incidents
from pulsemon.web.api import insights as api_insights
from pulsemon.web.api import keys as api_keys
from pulsemon.web.api import log as api_log
from pulsemon.web.api import maintenance as api_maintenance
from pulsemon.web.api import monitors as api_monitors
from pulsemon.web.api import projects as api_projects
from pulsemon.web.api import status_pages as api_pages
from pulsemon.web.api import subscribers as api_subscribers
from pulsemon.web.api import users as api_users
from pulsemon.web.heartbeats.ping import PingGate
from pulsemon.web.html import rendering, static_files
from pulsemon.web.http import after_login, trailing_slash
from pulsemon.web.http.after_login import LoginNeeded
from pulsemon.web.http.grounds import Grounds, grounds_of, require_declarations
from pulsemon.web.http.proofs import ProofNeeded
from pulsemon.web.http.routing import NO_DATABASE, RETRY_AFTER_SEC, Route
from pulsemon.web.http.security import Gate, route_path
from pulsemon.web.http.site import Site
from pulsemon.web.http.turns import Turns
from pulsemon.web.http.whose import NotAllowed
from pulsemon.web.panel import logins, proving, refusals
from pulsemon.web.panel import routes as panel
from pulsemon.web.public import badges, feed, screen, status_page, statuspage, subscribing
from pulsemon.web.public import calendar as calendar_feed
from pulsemon.web.public import history as status_history
from pulsemon.web.public.board import Board
from pulsemon.web.public.shared_answers import SharedAnswers

_log = log.get(__name__)

_STATUS_CODES: dict[type[PulseMonError], int] = {NotFound: 404, Conflict: 409, Forbidden: 403, Unavailable: 503}


def create_app(site: Site) -> ASGIApp:
    """Return the whole web side of PulseMon for *site*: the ping route first, then everything else behind the gate."""
    app = make_fastapi(site)
    board = app.state.status_board = Board(site)
    return PingGate(Turns(Gate(SharedAnswers(app, board), site, app.state.grounds)), site)


def make_fastapi(site: Site) -> FastAPI:
    """Return the application behind the gates, with every route declared."""
    app = FastAPI(
        title="PulseMon",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # The debug page quotes variables; an error page of ours bears an id and nothing else.
        debug=False,
    )
    app.state.site = site
    for router in (
        api_monitors.router,
        api_insights.router,
        api_log.router,
        api_availability.router,
        api_pages.router,
        api_subscribers.router,
        api_incidents.router,
        api_maintenance.router,
        api_users.router,
        api_projects.router,
        api_keys.router,
        api_audit.router,
        health.router,
        health.metrics_router,
        docs_page.router,
        docs_page.page_router,
        # Before the pages: /status/subscribe, /status/history ... would be taken for pages of these names.
        subscribing.router,
        screen.router,
        feed.router,
        badges.router,
        calendar_feed.router,
        statuspage.router,
        status_history.router,
        status_page.router,
        panel.home_router,
        panel.router,
    ):
        app.router.routes.extend(router.routes)
    app.mount("/static", static_files.Files(directory=static_files.FOLDER), name="static")
    app.add_exception_handler(PulseMonError, _on_our_error)
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(LoginNeeded, _on_login_needed)
    app.add_exception_handler(ProofNeeded, proving.on_proof_needed)
    app.add_exception_handler(Exception, _on_bug)
    docs_page.describe(app)
    _require_access_rules(app)
    app.state.grounds = grounds_of(app.routes)
    return app


def _require_access_rules(app: FastAPI) -> None:
    """Refuse to start with a route whose access rule is not declared, or is not the one its path has."""
    require_declarations(each for each in app.routes if not _is_static(each))


def _is_static(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and route.path == "/static" and isinstance(route.app, static_files.Files)


def wants_json(request: Request) -> bool:
    """Return whether errors are told in JSON: as the route's audience reads them; without a route, as its path says."""
    route = request.scope.get("route")
    if isinstance(route, Route):
        is_of_programs = route.audience.is_of_programs
    else:
        grounds: Grounds = request.app.state.grounds
        is_of_programs = grounds.is_of_programs(route_path(request.scope))
    return is_of_programs or "application/json" in request.headers.get("accept", "")


def _error(
    request: Request,
    status_code: int,
    detail: Any,
    headers: dict[str, str] | None = None,
    *,
    refused: Conflict | None = None,
) -> Response:
    if isinstance(detail, str):
        detail = redact(detail)
    if wants_json(request):
        return JSONResponse({"detail": detail}, status_code=status_code, headers=headers)
    said = str(detail) if status_code in (403, 500) else ""
    response = rendering.error_page(request, status_code, detail=said, refused=refused)
    response.headers.update(headers or {})
    return response


async def _on_our_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Invalid):
        detail = [
            {"loc": ["body", *filter(None, problem.field.split("."))], "msg": problem.message, "type": problem.code}
            for problem in error.problems
        ]
        return _error(request, 422, detail)
    if isinstance(error, NotAllowed) and not wants_json(request):
        return await run_in_threadpool(refusals.page, request, error)
    status_code = next((code for kind, code in _STATUS_CODES.items() if isinstance(error, kind)), 500)
    if status_code == 503:
        _log.warning("request.unavailable", path=redact_path(request.url.path), reason=str(error))
        return _error(request, 503, NO_DATABASE, {"retry-after": str(RETRY_AFTER_SEC)})
    return _error(request, status_code, str(error), refused=error if isinstance(error, Conflict) else None)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException | StarletteHTTPException):
        raise error
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 404 and (address := trailing_slash.address_without(request)) is not None:
        return RedirectResponse(address, status_code=308)
    if error.status_code == 405:
        headers["allow"] = ", ".join(sorted(_methods_of(request)))
    return _error(request, error.status_code, error.detail, headers)


def _methods_of(request: Request) -> set[str]:
    """Return every method that some route of this path takes; Starlette names only the first route's."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
            found |= set(route.methods or ())
    return found


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """FastAPI's own 422 quotes the input and cannot encode all of it; ours names the field and the rule."""
    if not isinstance(error, RequestValidationError):
        raise error
    detail = [
        {"loc": [str(part) for part in problem["loc"]], "msg": redact(problem["msg"]), "type": problem["type"]}
        for problem in error.errors()
    ]
    return _error(request, 422, detail)


async def _on_login_needed(request: Request, error: Exception) -> Response:
    """The form of the login, with what was typed; or the way to it, and back to the page that a button stands on."""
    if not isinstance(error, LoginNeeded):
        raise error
    if error.keeps_form:
        return await logins.page_that_keeps_the_form(request)
    grounds: Grounds = request.app.state.grounds
    page = grounds.page_of(request.scope["route"].path_format, after_login.path_of(request))
    return RedirectResponse(after_login.undone_address(page), status_code=303)


async def _on_bug(request: Request, error: Exception) -> Response:
    """An id for the reader, everything else for the log."""
    error_id = secrets.token_hex(4)
    _log.error("request.failed", error_id=error_id, path=redact_path(request.url.path), exc_info=error)
    return _error(request, 500, f"Something went wrong inside PulseMon. The log tells more under {error_id}.")
