"""Who may reach which route, and the headers that every answer carries.

Every route is of one of the classes below, and `web.app` refuses to start with another: a route without a declared
access rule cannot exist. Paths below `ADMIN_PREFIXES` are closed as a whole, so that not even a 404 answers without the
token.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Coroutine, Iterable
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from fastapi.routing import APIRoute
from itsdangerous import BadSignature, Signer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulsemon import clock, log
from pulsemon.accounts import access
from pulsemon.core.hosts import is_same_origin
from pulsemon.redaction import redact_path
from pulsemon.web.http import bounds, convertors, permissions, session_cookies
from pulsemon.web.http.site import Site, asked_host, site_of
from pulsemon.web.http.throttle import Verdict

# Here, because every module that declares a route takes the route's class from this one.
convertors.register()

_log = log.get(__name__)
# Asked with every request: the logger above is made anew each time that it is asked, a twentieth of a page's cost.
_plain_log = logging.getLogger(__name__)

ADMIN_PREFIXES = (
    "/api/monitors",
    "/api/history",
    "/api/keys",
    "/api/pages",
    "/api/incidents",
    "/api/maintenance",
)
# Where other origins have no business with unsafe methods; the API asks for a header that no form can send.
_NO_ORIGIN_CHECK = ("/api/", "/h/")
ONE_CLICK_PATH = "/subscriptions/{token}/unsubscribe"
_ONE_CLICK = re.compile(r"/subscriptions/[^/]+/unsubscribe")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A JSON Web Token, signed or encrypted: two to four more parts after a header that is a JSON object (`{"`).
_SIGNED = re.compile(r"eyJ[\w-]+(\.[\w-]*){2,4}", re.ASCII)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    # What says nothing of its own is not to be kept: a 404 may be otherwise, and caches know nothing of X-Admin-Token.
    "cache-control": "no-store",
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    # What is meant for other sites (badges, feeds, logos) says otherwise itself.
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": permissions.POLICY,
}
_OURS = tuple((name.encode(), value.encode()) for name, value in _HEADERS.items())
_HSTS = (b"strict-transport-security", b"max-age=31536000")

TOO_MANY_TOKENS = "Too many wrong tokens came from this address. Try again after the seconds in Retry-After."


# Set in the scope of a request that names another host than PANEL_HOST: what is the owner's is not there.
_ELSEWHERE_KEY = "pulsemon.elsewhere"


class Access(StrEnum):
    """The access rules there are."""

    PUBLIC = "public"
    PING = "ping"
    SESSION = "session"
    ADMIN = "admin"
    LINK = "link"


class _NamingRoute(APIRoute):
    """A route whose path names what people named.

    An encoded slash belongs to the name that it stands in, as in ping URLs: an old database may hold such slugs, and a
    tag may hold one any day.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path before it was decoded where it holds a `%2F`, and decode the parameters afterwards."""
        raw_path: bytes = scope.get("raw_path") or b""
        if b"%2f" not in raw_path.lower():
            return super().matches(scope)
        match, found = super().matches({**scope, "path": raw_path.partition(b"?")[0].decode("latin-1")})
        if match is not Match.NONE:
            found["path_params"] = {
                name: unquote(value) if isinstance(value, str) else value
                for name, value in found["path_params"].items()
            }
        return match, found


class PublicRoute(_NamingRoute):
    """Anybody may come here."""

    access = Access.PUBLIC


class _OwnersRoute(APIRoute):
    """What is the owner's: with PANEL_HOST it is there under that name alone, and elsewhere as unknown as any path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match nothing where the request names another host."""
        return (Match.NONE, {}) if scope.get(_ELSEWHERE_KEY) else super().matches(scope)


class OwnersPublicRoute(_OwnersRoute, PublicRoute):
    """Anybody may come here who knows where the panel is: to log in, to read the API's description."""


class AdminRoute(_OwnersRoute, _NamingRoute):
    """Only with the admin token in `X-Admin-Token`.

    `Gate` closes the whole path prefix before; this is the second lock, which no way of reaching the route can miss.
    """

    access = Access.ADMIN

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check the token before the handler sees the request."""
        handle = super().get_route_handler()

        async def handle_with_token(request: Request) -> Response:
            if is_admin(site_of(request), request.headers):
                return await handle(request)
            return _refuse(401, "The header X-Admin-Token is missing or wrong.")

        return handle_with_token


class LinkRoute(APIRoute):
    """Whoever has the link of a mail, and from wherever: the token in the path is all that is asked.

    Mail providers unsubscribe their user by a bare POST of their own (RFC 8058), so it may come from elsewhere. All
    that it can do is take one address off one list. `web.app` lets no other path be of this class.
    """

    access = Access.LINK


class SessionRoute(_OwnersRoute):
    """Only with an open session of the panel; others are sent to the login at `/`."""

    access = Access.SESSION

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check the session before the handler sees the request."""
        handle = super().get_route_handler()

        async def handle_with_session(request: Request) -> Response:
            if await run_in_threadpool(has_session, request):
                return await handle(request)
            wants_page = "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers
            if wants_page or request.method == "POST":
                return RedirectResponse("/", status_code=303)
            return JSONResponse({"detail": "Log in at / first."}, status_code=401)

        return handle_with_session


def has_session(request: HTTPConnection) -> bool:
    """Return whether the request carries the cookie of an open session. Reads the database."""
    site = site_of(request)
    admin_token = site.settings.admin_token
    return bool(admin_token) and any(
        access.is_session_open(site.database, session_id, admin_token, now=site.now())
        for session_id in session_ids_of(request)
    )


def session_ids_of(request: HTTPConnection) -> list[str]:
    """Return the ids of all cookies of a session that bear our signature, the one that nobody else can set first."""
    signer, found = _signer(site_of(request)), []
    for cookie in session_cookies.values_of(request.headers):
        try:
            found.append(signer.unsign(cookie).decode())
        except (BadSignature, UnicodeError):
            continue
    return found


def set_session_cookie(request: Request, response: Response, session_id: str) -> None:
    """Give the browser the signed id: unreadable for scripts, not sent with another site's forms."""
    value = _signer(site_of(request)).sign(session_id).decode()
    session_cookies.give(request, response, value, max_age_sec=int(access.SESSION_LIFETIME.total_seconds()))


def _signer(site: Site) -> Signer:
    return Signer(site.session_secret, salt="pulsemon.session", digest_method=hashlib.sha256, key_derivation="hmac")


def header_token(headers: Headers) -> str:
    """Return what the header X-Admin-Token holds, '' without one."""
    # Headers arrive as latin-1; a token outside ASCII was sent as UTF-8.
    return headers.get("x-admin-token", "").encode("latin-1", "replace").decode("utf-8", "replace")


def is_admin(site: Site, headers: Headers) -> bool:
    """Return whether the header X-Admin-Token holds the admin token. Counts nothing: `judge_token` came before."""
    return access.is_admin_token(header_token(headers), site.settings.admin_token)


def judge_token(site: Site, scope: Scope, given: str, *, is_ours: bool = True) -> Verdict:
    """Judge a token that a program sent, in whichever header; wrong ones count. None at all is no guess.

    *is_ours*: it came in a header of ours. In one that proxies use too, a signed token of somebody else's is no guess.
    """
    expected = site.settings.admin_token
    if not given or not expected:
        return Verdict(is_right=False, wait_sec=0)
    if not is_ours and _SIGNED.fullmatch(given) and not _SIGNED.fullmatch(expected):
        return Verdict(is_right=False, wait_sec=0)
    client = scope.get("client")
    return site.tokens.judge(given, expected, host=client[0] if client else "", now=site.now())


def is_from_elsewhere(scope: Scope, headers: Headers) -> bool:
    """Return whether a browser sent this request on behalf of another origin.

    Sec-Fetch-Site says so itself; it is not sent to plain-HTTP addresses of a local network, where Origin must be the
    host that was asked. A request with neither comes from no browser's form.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    return not is_same_origin(origin, asked_host(headers), is_secure=scope["scheme"] == "https")


class Gate:
    """In front of every route but the pings': admin paths, foreign origins, security headers."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what may not pass; give every answer its headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started_at = clock.monotonic()
        is_answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                _log_request(scope, message["status"], clock.monotonic() - started_at)
                message["headers"] = _with_ours(message.get("headers", ()), is_secure=scope["scheme"] == "https")
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(bounds.with_our_cookies(scope), receive, send_with_headers)
        except Exception:
            # Starlette raises a bug once more after it was answered and logged: one traceback is enough.
            if not is_answered:
                raise
        if self._site.known.needs_care:
            await run_in_threadpool(self._site.known.care, self._site.database, now=self._site.now())

    def _refusal(self, scope: Scope) -> Response | None:
        if refused := bounds.refusal_of(scope):
            return _refuse(*refused)
        headers = Headers(scope=scope)
        path = route_path(scope)
        if not is_panels_host(self._site.settings.panel_host, headers):
            scope[_ELSEWHERE_KEY] = True
        elif any(path == prefix or path.startswith(prefix + "/") for prefix in ADMIN_PREFIXES):
            if not self._site.settings.admin_token:
                return _refuse(
                    401, "Administration is closed: ADMIN_TOKEN is not set. Set it and start PulseMon again."
                )
            is_right, wait_sec = judge_token(self._site, scope, header_token(headers))
            if wait_sec:
                return _refuse(429, TOO_MANY_TOKENS, {"retry-after": str(wait_sec)})
            return None if is_right else _refuse(401, "The header X-Admin-Token is missing or wrong.")
        is_free = path.startswith(_NO_ORIGIN_CHECK) or _ONE_CLICK.fullmatch(path)
        is_unsafe = scope["method"] not in _SAFE_METHODS and not is_free
        if is_unsafe and is_from_elsewhere(scope, headers):
            return _refuse(403, "This request came from another site.")
        return None


def is_panels_host(panel_host: tuple[str, ...], headers: Headers) -> bool:
    """Return whether panel and API are there for such a request: PANEL_HOST, where it is set, names its host."""
    if not panel_host:
        return True
    host = asked_host(headers)
    return host is not None and host.name in panel_host


def _with_ours(headers: Iterable[tuple[bytes, bytes]], *, is_secure: bool) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers, whose names are in lower case, with those of ours that it does not set itself."""
    given = list(headers)
    names = {name for name, _ in given}
    given.extend(each for each in _OURS if each[0] not in names)
    if is_secure and _HSTS[0] not in names:
        given.append(_HSTS)
    return given


def _log_request(scope: Scope, status_code: int, seconds: float) -> None:
    """The access log: what changes something is always told, reading only at DEBUG; never a query string."""
    level = logging.DEBUG if scope["method"] in _SAFE_METHODS else logging.INFO
    if not _plain_log.isEnabledFor(level):
        return
    client = scope.get("client")
    _log.log(
        level,
        "request",
        method=scope["method"],
        path=redact_path(scope["path"]) if status_code >= 400 else scope["path"],
        status=status_code,
        ms=round(seconds * 1_000, 1),
        remote=client[0] if client else None,
    )


def route_path(scope: Scope) -> str:
    """Return the path that routes are found by: without the prefix that a server was told to add (`--root-path`)."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        return path[len(prefix) :]
    return path


def _refuse(status_code: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"detail": detail}, status_code=status_code, headers={"cache-control": "no-store"} | (headers or {})
    )
