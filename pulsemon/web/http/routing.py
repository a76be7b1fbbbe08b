"""Routes that say whom they are for and what they do; `web.app` refuses to start with any other.

A module of routes makes a `Router` for its audience, and names the action of each route beside its path. What is known
of a path before a route is found, or where none is, follows from these declarations too: `web.http.grounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from pulsemon.accounts.roles import OPEN, Action, Principal, Proof
from pulsemon.db import audit, versions
from pulsemon.web.http import after_login, convertors, credentials, whose
from pulsemon.web.http.after_login import LoginNeeded
from pulsemon.web.http.principals import actor_of, by_session, by_token
from pulsemon.web.http.whose import About

# Here, because every module that declares a route takes its router from this one.
convertors.register()

# Set in the scope of a request that names another host than PANEL_HOST: what is the owner's is not there.
ELSEWHERE_KEY = "pulsemon.elsewhere"
# What is said while the database is away, and after how long it is worth another try.
NO_DATABASE = "The database does not answer at the moment; nothing is known to be changed. Try again."
RETRY_AFTER_SEC = 5

Handler = Callable[..., Any]
_SomeHandler = TypeVar("_SomeHandler", bound=Handler)
_Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class Audience(StrEnum):
    """Whom routes are for, and so how errors are told and at which host names the routes are."""

    # The owner's programs: errors in JSON, the token in a header.
    API = "api"
    # The owner: pages, and a session.
    PANEL = "panel"
    # Everybody's programs: errors in JSON.
    PROGRAMS = "programs"
    # Everybody: pages.
    VISITORS = "visitors"

    @property
    def is_owners(self) -> bool:
        """Whether its routes are under the name of PANEL_HOST alone, where that is set."""
        return self in (Audience.API, Audience.PANEL)

    @property
    def is_of_programs(self) -> bool:
        """Whether errors are told in JSON; else as a page."""
        return self in (Audience.API, Audience.PROGRAMS)


class Route(APIRoute):
    """A route that says whom it is for and what it does, and lets in whom `allowed` lets in."""

    def __init__(
        self,
        path: str,
        endpoint: Handler,
        *,
        audience: Audience,
        action: Action,
        about: About | None = None,
        redraws: bool = False,
        **described: Any,
    ) -> None:
        self.audience = audience
        self.action = action
        # What its path names, and so to which project belongs what it does.
        self.about = about
        # Whether the handler draws its form, and does nothing else, where the address says `after_login.DRAW`.
        self.redraws = redraws
        # Asked of many routes until one takes the request.
        self._is_owners = audience.is_owners
        # A slug or a tag may hold a slash; the panel names monitors by numbers, and no token holds one.
        self._may_hold_slashes = audience is not Audience.PANEL and action is not Action.ONE_CLICK
        super().__init__(path, endpoint, **described)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match nothing of the owner's where the request names another host: it is as unknown there as any path.

        An encoded slash belongs to the name that it stands in, as in ping URLs: an old database may hold such slugs,
        and a tag may hold one any day. So the path is matched before it was decoded where it holds a `%2F`, and the
        parameters are decoded afterwards.
        """
        if self._is_owners and scope.get(ELSEWHERE_KEY):
            return Match.NONE, {}
        raw_path: bytes = scope.get("raw_path") or b""
        if not self._may_hold_slashes or b"%2f" not in raw_path.lower():
            return super().matches(scope)
        match, found = super().matches({**scope, "path": raw_path.partition(b"?")[0].decode("latin-1")})
        if match is not Match.NONE:
            found["path_params"] = {
                name: unquote(value) if isinstance(value, str) else value
                for name, value in found["path_params"].items()
            }
        return match, found

    def get_route_handler(self) -> _Handle:
        """Ask who it is before the handler sees the request, unless everybody may come.

        `Gate` closes whole paths of the API before; this is the second lock, which no way of reaching the route can
        miss.
        """
        handle = super().get_route_handler()
        if self.action in OPEN:
            return handle
        return self._behind_a_session(handle) if self.audience is Audience.PANEL else self._behind_a_token(handle)

    def _behind_a_token(self, handle: _Handle) -> _Handle:
        async def handle_with_token(request: Request) -> Response:
            # A list without a project in its address is judged by what the gate found: no thread is asked for that.
            if credentials.is_unconfirmed(request):
                if refusal := await run_in_threadpool(self._confirm_and_admit, request):
                    return refuse(401, refusal)
                return await _handle_as_asked(handle, request)
            if whose.needs_database(request, self.about):
                proof = await run_in_threadpool(self._admit, request, by_token)
            else:
                proof = self._admit(request, by_token)
            if proof is Proof.NONE:
                return refuse(401, credentials.NO_CREDENTIAL)
            return await _handle_as_asked(handle, request)

        return handle_with_token

    def _behind_a_session(self, handle: _Handle) -> _Handle:
        async def handle_with_session(request: Request) -> Response:
            if after_login.DRAW in request.query_params and request.method == "POST" and not self.redraws:
                return RedirectResponse("/", status_code=303)
            if await run_in_threadpool(self._admit, request, by_session) is not Proof.NONE:
                return await _handle_as_asked(handle, request)
            if request.method == "POST":
                # With or without a cookie: browsers forget it when the session ends. The gate has looked at the origin.
                raise LoginNeeded(keeps_form=self.redraws)
            if "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers:
                return RedirectResponse(after_login.login_address(request), status_code=303)
            return JSONResponse({"detail": "Log in at / first."}, status_code=401)

        return handle_with_session

    def _confirm_and_admit(self, request: Request) -> str | None:
        """Ask about a key that the gate remembers, and then as `_admit` does; return why the key opens nothing."""
        refusal = credentials.confirm(request)
        if refusal is None:
            self._admit(request, by_token)
        return refusal

    def _admit(self, request: Request, ask: Callable[[Request], Principal]) -> Proof:
        """Find out who *request* comes from, and whether he may do this; in one thread, because it asks the database.

        Raises NotFound, Forbidden: see `whose.admit`.
        """
        principal = ask(request)
        if principal.proof is not Proof.NONE:
            whose.admit(request, principal, self.action, self.about)
        return principal.proof


async def _handle_as_asked(handle: _Handle, request: Request) -> Response:
    """Have what *handle* changes noted as done by whoever was let in."""
    with audit.acting(actor_of(request)), versions.within(request.scope.get(whose.PROJECT_KEY)):
        return await handle(request)


def refuse(status_code: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer in JSON that nobody keeps."""
    return JSONResponse(
        {"detail": detail}, status_code=status_code, headers={"cache-control": "no-store"} | (headers or {})
    )


class Router:
    """The routes of one audience, in their order.

    *about*: what their paths name, where they name something. *is_described*: they stand in the API's description.
    """

    def __init__(
        self,
        audience: Audience,
        *,
        about: About | None = None,
        is_described: bool = False,
        route_class: type[Route] = Route,
    ) -> None:
        self.routes: list[Route] = []
        self._audience = audience
        self._about = about
        self._is_described = is_described
        self._route_class = route_class

    def get(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for GET alone."""
        return self._register(path, action, ("GET",), described)

    def reads(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for GET, and for HEAD, which asks for the same without its body."""
        if not self._is_described:
            return self._register(path, action, ("GET", "HEAD"), described)

        def register(handler: _SomeHandler) -> _SomeHandler:
            self._register(path, action, ("HEAD",), {"include_in_schema": False})(handler)
            return self._register(path, action, ("GET",), described)(handler)

        return register

    def post(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for POST."""
        return self._register(path, action, ("POST",), described)

    def put(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for PUT."""
        return self._register(path, action, ("PUT",), described)

    def patch(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for PATCH."""
        return self._register(path, action, ("PATCH",), described)

    def delete(self, path: str, action: Action, **described: Any) -> Callable[[_SomeHandler], _SomeHandler]:
        """Register a handler for DELETE."""
        return self._register(path, action, ("DELETE",), described)

    def include(self, *routers: Router) -> None:
        """Take the routes of other modules behind those that are here."""
        for each in routers:
            self.routes.extend(each.routes)

    def _register(
        self, path: str, action: Action, methods: Sequence[str], described: dict[str, Any]
    ) -> Callable[[_SomeHandler], _SomeHandler]:
        def register(handler: _SomeHandler) -> _SomeHandler:
            said = {"include_in_schema": self._is_described} | described
            route = self._route_class(
                path,
                handler,
                audience=self._audience,
                action=action,
                about=self._about,
                methods=list(methods),
                **said,
            )
            self.routes.append(route)
            return handler

        return register
