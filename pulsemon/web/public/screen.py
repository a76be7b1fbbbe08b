"""The wall screen: a project's monitors, big and the worst first, for whoever has its address. No login leads here.

The address holds a key of a kind of its own (`accounts.keys`), so that it is made, listed and revoked as keys are, and
opens nothing else. It is asked for again and again by a script, which says since when nobody answers; without one the
browser loads the page anew.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from weakref import WeakKeyDictionary

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pulsemon import log
from pulsemon.accounts import keys
from pulsemon.accounts.keys import Found, Kind, Refusal
from pulsemon.accounts.roles import Action
from pulsemon.core import overall
from pulsemon.core.shown import WORST_FIRST
from pulsemon.db import Database
from pulsemon.errors import NotFound, Unavailable
from pulsemon.monitors import wall
from pulsemon.monitors.wall import Wall
from pulsemon.web.html import rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http.credentials import host_of
from pulsemon.web.http.kept import KeptOfEach
from pulsemon.web.http.routing import RETRY_AFTER_SEC, Audience, Router
from pulsemon.web.http.security import CSP
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.throttle import MAX_ADDRESS
from pulsemon.web.public.headlines import SENTENCES, TONES
from pulsemon.web.public.keeper import Keeper
from pulsemon.web.public.rendered import Rendered, pack, send

router = Router(Audience.VISITORS)
_log = log.get(__name__)

NOTHING_HERE = "There is nothing here."
# How often a browser without scripts loads it anew; with one it asks every five seconds.
REFRESH_SEC = 15
_OF_SCREENS = frozenset({Kind.SCREEN})
# Up to so many tiles each has much room, and up to so many still enough; the rest is small.
_FEW, _SOME = 12, 40


class _Over(NotFound):
    """The address was one, until it was revoked."""


class _Screens:
    """What the screens of an installation show, for at most a second, and each as it was drawn of that."""

    def __init__(self, site: Site) -> None:
        self.walls: KeptOfEach[Wall] = KeptOfEach(partial(_read, site), version=lambda: int(time.monotonic()))
        self.drawn = Keeper()


_screens: WeakKeyDictionary[Database, _Screens] = WeakKeyDictionary()


def _read(site: Site, project_id: int) -> Wall:
    return wall.read(site.database, project_id, site.apart.get().of(project_id), now=site.now())


@router.reads("/screen/{token}", Action.LINK)
def screen(request: Request, token: str) -> Response:
    """Answer with the screen; 404 whatever is wrong with its address."""
    site = site_of(request)
    try:
        project_id = _project_of(site, request, token)
        rendered = _rendered(site, project_id, rendering.locale_of(request))
    except Unavailable as failed:
        _log.warning("screen.unavailable", reason=str(failed))
        return _bare(request, 503)
    except _Over:
        return _bare(request, 404)
    response = send(request, rendered, media_type="text/html", is_private=True)
    response.background = BackgroundTask(_look_again, site)
    return _finished(request, response)


def _project_of(site: Site, request: Request, token: str) -> int:
    found = keys.find(site.database, token, kinds=_OF_SCREENS, now=site.now()) if keys.looks_like_one(token) else None
    if found in (Refusal.REVOKED, Refusal.EXPIRED):
        raise _Over(NOTHING_HERE)
    if not isinstance(found, Found) or found.principal.project_id is None:
        raise NotFound(NOTHING_HERE)
    site.key_uses.note(found.id, host_of(request.scope)[:MAX_ADDRESS] or None, now=site.now())
    return found.principal.project_id


def _rendered(site: Site, project_id: int, locale: str) -> Rendered:
    kept = _screens.get(site.database)
    if kept is None:
        kept = _screens.setdefault(site.database, _Screens(site))
    found = kept.walls.of(project_id)
    return kept.drawn.get((project_id, locale), found.at, partial(_draw, site, project_id, locale, found))


def _draw(site: Site, project_id: int, locale: str, found: Wall) -> Rendered:
    words = Words(locale, found.at)
    headline = overall.of_monitors(found.counts)
    known = site.projects()
    project = known.of_id(project_id) if known.has_several else None
    count = len(found.tiles)
    html = rendering.render(
        "public/screen.html",
        locale=locale,
        now=found.at,
        wall=found,
        is_over=False,
        title=site.settings.public_status_title if project is None else project.name,
        sentence=words.translate(SENTENCES[headline]),
        tone=TONES[headline].value,
        counts=[(each, found.counts[each]) for each in WORST_FIRST if found.counts[each]],
        size="few" if count <= _FEW else "some" if count <= _SOME else "many",
        timezone=site.settings.availability_timezone,
        refresh_sec=REFRESH_SEC,
    )
    return pack(html.encode(), CSP)


def _look_again(site: Site) -> None:
    with suppress(Unavailable):  # the next answer says so
        site.apart.renew()


def _bare(request: Request, status_code: int) -> Response:
    """Say that nothing is known at the moment, or that this address is over; the browser asks again all the same."""
    site, locale = site_of(request), rendering.locale_of(request)
    html = rendering.render(
        "public/screen.html",
        locale=locale,
        now=site.now(),
        wall=None,
        is_over=status_code == 404,
        title=site.settings.public_status_title,
        refresh_sec=REFRESH_SEC,
    )
    headers = {"cache-control": "no-store"} | ({} if status_code == 404 else {"retry-after": str(RETRY_AFTER_SEC)})
    response = HTMLResponse(html, status_code=status_code, headers=headers)
    return _finished(request, response)


def _finished(request: Request, response: Response) -> Response:
    response.headers["x-robots-tag"] = "noindex, nofollow"
    rendering.set_language(request, response, rendering.locale_of(request))
    return response
