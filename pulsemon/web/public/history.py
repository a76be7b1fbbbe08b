"""The incidents of public pages, however old: by month, newest first, and each at an address of its own.

What the page itself asks of a reader (its password) holds here too. A page that was called `history` before these
addresses were there keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, feed_path, history_path, page_path
from pulsemon.errors import NO_PAGE, NotFound, Unavailable
from pulsemon.incidents.rows import Incident
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.html import rendering
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Source, site_of
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public import lock
from pulsemon.web.public import style as page_style
from pulsemon.web.public.answers import made
from pulsemon.web.public.board import board_of
from pulsemon.web.public.incidents import MAX_PART, Part
from pulsemon.web.public.rendered import send
from pulsemon.web.public.status_page import answer

router = Router(Audience.VISITORS)

_NAME = "history"


@router.reads("/status/history", Action.PUBLIC)
def history(request: Request) -> Response:
    """Answer with the incidents of the page at `/status`; or with the page that has this name."""
    snapshot = board_of(request).snapshot()
    if snapshot is not None and _NAME in snapshot.directory.definitions:
        return answer(request, _NAME)
    return history_of(request, MAIN)


@router.reads("/status/history/{public_id:incident}", Action.PUBLIC)
def incident(request: Request, public_id: str) -> Response:
    """Answer with one incident of the page at `/status`."""
    return incident_of(request, MAIN, public_id)


@router.reads("/status/{slug}/history", Action.PUBLIC)
def history_of(request: Request, slug: str) -> Response:
    """Answer with the incidents of a page."""
    number = _number(request)
    board = board_of(request)
    return _answer(request, slug, (_NAME, number), lambda page: {"part": board.incidents.part_of(page, number)})


@router.reads("/status/{slug}/history/{public_id:incident}", Action.PUBLIC)
def incident_of(request: Request, slug: str, public_id: str) -> Response:
    """Answer with one incident of a page."""
    board = board_of(request)
    return _answer(
        request, slug, (_NAME, public_id), lambda page: {"incident": board.incidents.one_of(page, public_id)}
    )


def _number(request: Request) -> int:
    """Return the page of the history that is asked for. Raises NotFound: there is none of that number."""
    asked = request.query_params.get("page", "1")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 5 and 1 <= int(asked) <= MAX_PART):
        raise NotFound(NO_PAGE)
    return int(asked)


def _answer(
    request: Request, slug: str, what: tuple[object, ...], read: Callable[[PublicPage], dict[str, Any]]
) -> Response:
    snapshot = board_of(request).snapshot()
    if snapshot is None:
        raise Unavailable("the database has not answered yet")
    definition = snapshot.directory.definitions.get(slug)
    if definition is None:
        raise NotFound(NO_PAGE)
    if not lock.is_open(request, definition):
        return lock.question(request, definition)
    page = board_of(request).page(snapshot, slug)
    locale = page.definition.language or rendering.locale_of(request)
    site = site_of(request)
    age_sec = max(0, int((site.now() - page.at).total_seconds()))
    rendered = made(
        snapshot,
        (slug, *what, locale, age_sec if age_sec > 2 else 0),
        lambda: _render(site, page, locale, age_sec, **read(page)),
        policy=page_style.policy_of(page_style.style_of(page.definition.accent)),
    )
    response = send(request, rendered, media_type="text/html", is_private=page.definition.password_hash is not None)
    rendering.set_language(request, response, locale)
    return response


def as_copy(
    site: Source, page: PublicPage, locale: str, *, incident: Incident | None = None, part: Part | None = None
) -> bytes:
    """Return a page of the history as it stands in a folder of files."""
    own = replace(page, definition=replace(page.definition, language=locale))
    return _render(site, own, locale, 0, incident=incident, part=part)


def _render(
    site: Source,
    page: PublicPage,
    locale: str,
    age_sec: int,
    *,
    incident: Incident | None = None,
    part: Part | None = None,
) -> bytes:
    definition = page.definition
    html = rendering.render(
        "public/history.html",
        locale=locale,
        now=page.at,
        title=definition.title or site.settings.public_status_title,
        style=page_style.style_of(definition.accent),
        definition=definition,
        at=page.at,
        age_sec=age_sec,
        is_old=age_sec > 2,
        feed=feed_path(definition.slug),
        path=page_path(definition.slug),
        history=history_path(definition.slug),
        numbers={},
        incident=incident,
        part=part,
        months=[] if part is None else public_incidents.by_month(part.incidents, definition.timezone),
    )
    return html.encode()
