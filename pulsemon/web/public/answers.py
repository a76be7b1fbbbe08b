"""What programs are told of public pages: the same snapshot as people, open to every origin, closed where the page is.

A page's password comes as the cookie of the page or, from programs that have none, as that of Basic authentication;
the user's name may be anything. Errors are JSON, and the same for what is private and for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.core.addresses import MAIN
from pulsemon.errors import Invalid, NotFound, Unavailable
from pulsemon.status_pages.directory import PageDefinition
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.http import page_passwords
from pulsemon.web.http.page_passwords import Busy
from pulsemon.web.http.principals import basic_password
from pulsemon.web.http.routing import Route
from pulsemon.web.http.security import CSP, route_path
from pulsemon.web.http.throttle import Verdict
from pulsemon.web.public import lock
from pulsemon.web.public.board import SNAPSHOT_KEY, Snapshot, board_of
from pulsemon.web.public.rendered import Rendered, pack, send

RETRY_AFTER_SEC = 5
# Of one snapshot, which lives a second: as many as a large page has badges.
MAX_MADE = 1_000
NOTHING_HERE = "There is nothing here."
# Where those that a password closes stand, and what was found out of the one that came with a request.
_OF_PAGES = ("/status/", "/api/v2/")
_GIVEN_KEY = "pulsemon.page_password"
_ASK = {"www-authenticate": 'Basic realm="PulseMon", charset="UTF-8"'}

Make = Callable[[PublicPage], bytes]


class MachineRoute(Route):
    """Anybody may come here, a script of any other site too: it sees what anybody sees, and no cookie goes with it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Tell errors in JSON, and let every origin read the answer."""
        handle = super().get_route_handler()

        async def handle_for_anybody(request: Request) -> Response:
            try:
                request.scope[_GIVEN_KEY] = await _judged(request)
                response = await handle(request)
            except Busy as busy:
                response = _error(503, str(busy), {"retry-after": str(page_passwords.RETRY_AFTER_SEC)})
            except NotFound:
                response = _error(404, NOTHING_HERE)
            except Invalid as invalid:
                response = _error(422, [_problem(each) for each in invalid.problems])
            except Unavailable:
                response = _error(503, "The database does not answer.", {"retry-after": str(RETRY_AFTER_SEC)})
            response.headers["access-control-allow-origin"] = "*"
            response.headers["cross-origin-resource-policy"] = "cross-origin"  # a badge is a picture in another page
            return response

        return handle_for_anybody


def _problem(problem: Any) -> dict[str, Any]:
    return {"loc": ["query", problem.field], "msg": problem.message, "type": problem.code}


def _error(status_code: int, detail: Any, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status_code=status_code, headers=headers)


def snapshot_of(request: Request) -> Snapshot:
    """Return the snapshot that pages are shown from. Raises Unavailable: the database never answered."""
    snapshot = request.scope[SNAPSHOT_KEY] = board_of(request).snapshot()
    if snapshot is None:
        raise Unavailable("the database has not answered yet")
    return snapshot


def answer_of_page(
    request: Request, slug: str, what: tuple[object, ...], make: Make, *, media_type: str, policy: str = CSP
) -> Response:
    """Answer with what *make* makes of a page, once for a snapshot and for *what*; 401 without the page's password.

    Raises:
        NotFound: there is no such page.
        Unavailable: the database never answered.
    """
    snapshot = snapshot_of(request)
    definition = snapshot.directory.definitions.get(slug)
    if definition is None:
        raise NotFound(NOTHING_HERE)
    refusal = _refusal(request, definition)
    if refusal is not None:
        return refusal
    board = board_of(request)
    found = made(snapshot, (slug, *what), lambda: make(board.page(snapshot, slug)), policy=policy)
    return send(request, found, media_type=media_type, is_private=definition.password_hash is not None)


def made(snapshot: Snapshot, key: tuple[object, ...], make: Callable[[], bytes], *, policy: str) -> Rendered:
    """Return what *make* makes, made once while the snapshot lasts."""
    found = snapshot.made.get(key)
    if found is None:
        found = pack(make(), policy)
        if len(snapshot.made) >= MAX_MADE:
            snapshot.made.clear()
        snapshot.made[key] = found
    return found


async def _judged(request: Request) -> tuple[PageDefinition, Verdict] | None:
    """Judge the password that came with the request, before a thread of the handlers is taken; None: there is none.

    Raises Busy.
    """
    given = basic_password(request.headers.get("authorization", ""))
    if given is None or not route_path(request.scope).startswith(_OF_PAGES):
        return None
    snapshot = await run_in_threadpool(board_of(request).snapshot)
    definition = None if snapshot is None else snapshot.directory.definitions.get(request.path_params.get("slug", MAIN))
    if definition is None or definition.password_hash is None or lock.is_open(request, definition):
        return None
    return definition, await lock.judge(request, definition, given)


def _refusal(request: Request, definition: PageDefinition) -> Response | None:
    if lock.is_open(request, definition):
        return None
    judged = request.scope.get(_GIVEN_KEY)
    # Only of this page and this password: the page may have got another one meanwhile.
    if judged is not None and (judged[0].id, judged[0].password_hash) == (definition.id, definition.password_hash):
        verdict = judged[1]
        if verdict.is_right:
            return None
        if verdict.wait_sec:
            return _error(429, "Too many wrong passwords.", {"retry-after": str(verdict.wait_sec)})
    return _error(401, "This page asks for a password.", _ASK)
