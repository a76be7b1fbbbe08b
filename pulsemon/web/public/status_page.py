"""The public pages: one snapshot for everybody and for every page, never more than a second old while the database
answers.

A page is rendered and compressed once for a snapshot and a language. When the database is away the last good
snapshot is shown with its age. A page with a password shows nothing without it: see `web.public.lock`.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, page_path
from pulsemon.errors import NO_PAGE, NotFound, Unavailable
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.directory import MAIN_DEFINITION, PageDefinition
from pulsemon.web.html import rendering
from pulsemon.web.http.form_data import SmallForm
from pulsemon.web.http.page_passwords import Busy
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import host_of, site_of
from pulsemon.web.public import lock
from pulsemon.web.public.board import SNAPSHOT_KEY, board_of
from pulsemon.web.public.rendered import send

router = Router(Audience.VISITORS)


@router.reads("/status", Action.PUBLIC)
def status(request: Request) -> Response:
    """Answer with the page, 200 whatever the database does."""
    return answer(request, MAIN)


@router.reads("/status/{slug}", Action.PUBLIC)
def status_of(request: Request, slug: str) -> Response:
    """Answer with one of the other pages; 404 where there is none."""
    if slug == MAIN:
        return RedirectResponse("/status", status_code=303)
    return answer(request, slug)


@router.post("/status", Action.PUBLIC)
async def unlock(request: Request, form: SmallForm) -> Response:
    """Open the page for whoever knows its password."""
    return await _unlock(request, MAIN, form)


@router.post("/status/{slug}", Action.PUBLIC)
async def unlock_other(request: Request, slug: str, form: SmallForm) -> Response:
    """Open one of the other pages."""
    return await _unlock(request, slug, form)


@router.reads("/status/{slug}/logo", Action.PUBLIC)
def logo(request: Request, slug: str) -> Response:
    """Give a page's picture to whoever may see the page."""
    definition = _definition(request, slug)
    if definition is None or definition.logo_digest is None or not lock.is_open(request, definition):
        raise NotFound("This page has no logo.")
    media_type, content = status_pages.logo(site_of(request).database, slug)
    # Its address bears a hash of it; one that needs a password is for nobody's shared cache.
    kept = "private, max-age=3600" if definition.password_hash else "public, max-age=86400"
    headers = {"cache-control": kept, "cross-origin-resource-policy": "cross-origin"}
    return Response(content, media_type=media_type, headers=headers)


async def _unlock(request: Request, slug: str, form: dict[str, str]) -> Response:
    definition = await run_in_threadpool(_definition, request, slug)
    if definition is None:
        raise NotFound(NO_PAGE)
    path = _path(request, definition)
    if definition.password_hash is None:
        return RedirectResponse(path, status_code=303)
    try:
        verdict = await lock.judge(request, definition, form.get("password", ""))
    except Busy:
        return await run_in_threadpool(lock.come_back, request, definition)
    return await run_in_threadpool(lock.lead_in, request, definition, verdict, path=path)


def _definition(request: Request, slug: str) -> PageDefinition | None:
    snapshot = board_of(request).snapshot()
    if snapshot is None:
        raise Unavailable("the database has not answered yet")
    return snapshot.directory.definitions.get(slug)


def _path(request: Request, definition: PageDefinition) -> str:
    """Return where the page stands for this reader: `/` under its own host name."""
    if definition.host is not None and definition.host == host_of(request):
        return "/"
    return page_path(definition.slug)


def slug_of_host(request: Request) -> str | None:
    """Return the page that the request's host name belongs to, if any."""
    snapshot = board_of(request).snapshot()
    return None if snapshot is None else snapshot.directory.slug_of_host(host_of(request))


def answer(request: Request, slug: str) -> Response:
    """Answer with a page, or with the question for its password; `?group=` stands open, and `&only=group` is all of it.

    Raises:
        NotFound: there is no such page, or no such group.
        Unavailable: the database never answered, and a group alone is asked for.
    """
    board = board_of(request)
    snapshot = request.scope[SNAPSHOT_KEY] = board.snapshot()
    definition = MAIN_DEFINITION if snapshot is None else snapshot.directory.definitions.get(slug)
    if definition is None:
        raise NotFound(NO_PAGE)
    if not lock.is_open(request, definition):
        return lock.question(request, definition)
    locale = definition.language or rendering.locale_of(request)
    group = request.query_params.get("group")
    if snapshot is not None and group is not None and request.query_params.get("only") == "group":
        rendered = board.group(snapshot, locale, slug, group)
    else:
        rendered = board.rendered(snapshot, locale, slug, group=group)
    response = send(request, rendered, media_type="text/html", is_private=definition.password_hash is not None)
    rendering.set_language(request, response, locale)
    return response
