"""The gate in front of the routes: closed paths, foreign origins, and the headers that every answer carries.

What it knows of paths follows from what the routes declare (`web.http.routing`). Paths of the API are closed as a
whole, so that not even a 404 answers without the token or a key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulsemon import clock, log
from pulsemon.accounts.keys import Refusal
from pulsemon.accounts.roles import Proof
from pulsemon.core.hosts import is_same_origin
from pulsemon.errors import Unavailable
from pulsemon.redaction import redact_path
from pulsemon.web.http import bounds, credentials, machine_proof, permissions
from pulsemon.web.http.grounds import API_ROOT, PING_ROOT, Grounds
from pulsemon.web.http.machine_proof import OWNER_BY_MACHINE
from pulsemon.web.http.principals import PRINCIPAL_KEY, TOO_MANY_TOKENS, header_token
from pulsemon.web.http.routing import ELSEWHERE_KEY, NO_DATABASE, RETRY_AFTER_SEC, refuse
from pulsemon.web.http.site import Site, asked_host

_log = log.get(__name__)
# Asked with every request: the logger above is made anew each time that it is asked, a twentieth of a page's cost.
_plain_log = logging.getLogger(__name__)

# Where other origins have no business with unsafe methods; the API asks for a header that no form can send.
_NO_ORIGIN_CHECK = (API_ROOT, PING_ROOT)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    # What says nothing of its own is not to be kept: a 404 may be otherwise, and caches know nothing of X-Admin-Token.
    "cache-control": "no-store",
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    # Never `no-referrer`: with it browsers send `Origin: null` with our own forms, and without HTTPS nothing else says
    # whose they are. Source: Fetch, 3.2, "append a request `Origin` header"
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    # What is meant for other sites (badges, feeds, logos) says otherwise itself.
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": permissions.POLICY,
}
_OURS = tuple((name.encode(), value.encode()) for name, value in _HEADERS.items())
TOKEN_IS_OFF = "The admin token is switched off. Whoever has the machine brings it back: `pulsemon admin-token on`."  # noqa: S105
_HSTS = (b"strict-transport-security", b"max-age=31536000")


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
    """In front of every route but the pings': closed paths, foreign origins, security headers."""

    def __init__(self, app: ASGIApp, site: Site, grounds: Grounds) -> None:
        self._app = app
        self._site = site
        self._grounds = grounds
        self._machine_secret = site.vault.derive(machine_proof.PURPOSE)

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

        refusal = await self._refusal(scope)
        try:
            await (refusal or self._app)(bounds.with_our_cookies(scope), receive, send_with_headers)
        except Exception:
            # Starlette raises a bug once more after it was answered and logged: one traceback is enough.
            if not is_answered:
                raise
        if self._site.known.needs_care:
            await run_in_threadpool(self._site.known.care, self._site.database, now=self._site.now())
        for each in (self._site.key_uses, self._site.session_uses, self._site.token_switch):
            if each.needs_care:
                await run_in_threadpool(each.care, self._site.database)

    async def _refusal(self, scope: Scope) -> Response | None:
        if refused := bounds.refusal_of(scope):
            return refuse(*refused)
        headers = Headers(scope=scope)
        path = route_path(scope)
        if not is_panels_host(self._site.settings.panel_host, headers):
            scope[ELSEWHERE_KEY] = True
        elif self._grounds.is_closed(path):
            return await self._refusal_of_stranger(scope, headers)
        if scope["method"] not in _SAFE_METHODS and is_from_elsewhere(scope, headers) and not self._is_free(path):
            return refuse(403, "This request came from another site.")
        return None

    def _is_free(self, path: str) -> bool:
        return path.startswith(_NO_ORIGIN_CHECK) or self._grounds.is_one_click(path)

    async def _refusal_of_stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """Judge what was shown, and put whoever it lets in into the request."""
        if machine_proof.is_right(headers, scope, self._machine_secret, now=self._site.now()):
            scope[PRINCIPAL_KEY] = OWNER_BY_MACHINE
            return None
        shown = credentials.of_api(headers)
        if (recalled := credentials.recall(self._site, scope, shown)) is not None:
            scope[PRINCIPAL_KEY] = recalled
            return None
        try:
            if any(each.is_key for each in shown):
                judged = await run_in_threadpool(credentials.judge, self._site, scope, shown)
            else:
                judged = credentials.judge(self._site, scope, shown)
        except Unavailable as failed:
            _log.warning("request.unavailable", path=redact_path(scope["path"]), reason=str(failed))
            return refuse(503, NO_DATABASE, {"retry-after": str(RETRY_AFTER_SEC)})
        if judged.wait_sec:
            return refuse(429, TOO_MANY_TOKENS, {"retry-after": str(judged.wait_sec)})
        if judged.principal.proof is Proof.NONE:
            return refuse(401, judged.refusal or self._nothing_shown(headers))
        scope[PRINCIPAL_KEY] = judged.principal
        return None

    def _nothing_shown(self, headers: Headers) -> str:
        """Return what is told where nothing that was shown lets anybody in."""
        if credentials.key_header(headers) and not header_token(headers):
            return Refusal.WRONG
        if not self._site.token_switch.is_on:
            return TOKEN_IS_OFF
        return credentials.NO_CREDENTIAL if self._site.settings.admin_token else credentials.CLOSED


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
