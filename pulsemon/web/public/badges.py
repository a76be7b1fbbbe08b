"""Badges: the state, or the availability, of a monitor, of the monitors with a tag, of a page.

As SVG, and as the JSON from which shields.io draws one. A monitor has a badge when a page without a password shows it;
of all others, private ones among them, the answer is that there is nothing. They speak the language of `?lang=`, else
the page's, else DEFAULT_LOCALE: who shows them is a program that has none of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN
from pulsemon.core.overall import Overall
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.core.uptime import Availability, total
from pulsemon.errors import FieldProblem, Invalid, NotFound
from pulsemon.locale import LOCALES
from pulsemon.settings import Settings
from pulsemon.status_pages.directory import MAIN_DEFINITION
from pulsemon.status_pages.public import PublicMonitor, PublicPage
from pulsemon.web.html.words import STATE_WORDS, Words
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.public import badge_svg
from pulsemon.web.public.answers import NOTHING_HERE, MachineRoute, answer_of_page, made, snapshot_of
from pulsemon.web.public.board import Board, Snapshot, board_of
from pulsemon.web.public.headlines import overall_of
from pulsemon.web.public.rendered import send

router = Router(Audience.PROGRAMS, route_class=MachineRoute)

SVG, JSON = "svg", "json"
_MEDIA_TYPES = {SVG: "image/svg+xml", JSON: "application/json"}
_DAYS_RULE = "A whole number from 1 to 90."
_NO_DATA = N_("No data")
_SOME_DOWN = N_("%(down)d of %(total)d down")
# By what `overall_of` says of several monitors; those of one follow from its state.
OF_SEVERAL = {
    Overall.EMPTY: (_NO_DATA, "lightgrey"),
    Overall.ALL_DOWN: (STATE_WORDS[Shown.DOWN], "red"),
    Overall.BLIND: (STATE_WORDS[Shown.BLIND], "yellow"),
    Overall.MAINTENANCE: (STATE_WORDS[Shown.MAINTENANCE], "blue"),
    Overall.LATE: (STATE_WORDS[Shown.LATE], "yellow"),
    Overall.WAITING: (STATE_WORDS[Shown.WAITING], "lightgrey"),
    Overall.UP: (STATE_WORDS[Shown.UP], "brightgreen"),
}
_COLOURS = {
    Shown.UP: "brightgreen",
    Shown.LATE: "yellow",
    Shown.DOWN: "red",
    Shown.PAUSED: "lightgrey",
    Shown.WAITING: "lightgrey",
    Shown.BLIND: "yellow",
    Shown.MAINTENANCE: "blue",
}
# From this availability on; three nines, two, and what is worth a look.
_SHARES = ((0.999, "brightgreen"), (0.99, "green"), (0.95, "yellow"), (0.0, "red"))


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says; `colour` is one of shields.io's names."""

    label: str
    message: str
    colour: str

    def document(self, form: str) -> bytes:
        """Return it as SVG or JSON."""
        if form == SVG:
            return badge_svg.draw(self.label, self.message, self.colour)
        told = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.colour}
        return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks of a badge: its language, and the days of the availability; None: the present state."""

    locale: str | None
    days: int | None


@router.reads("/badge/tag/{tag}.svg", Action.PUBLIC)
def tag_svg(request: Request, tag: str) -> Response:
    """Answer with the badge of the monitors that have a tag."""
    return _of_some(request, ("tag", tag), SVG)


@router.reads("/badge/tag/{tag}.json", Action.PUBLIC)
def tag_json(request: Request, tag: str) -> Response:
    """Answer with the same for shields.io."""
    return _of_some(request, ("tag", tag), JSON)


@router.reads("/badge/{slug}.svg", Action.PUBLIC)
def monitor_svg(request: Request, slug: str) -> Response:
    """Answer with a monitor's badge."""
    return _of_some(request, ("monitor", slug), SVG)


@router.reads("/badge/{slug}.json", Action.PUBLIC)
def monitor_json(request: Request, slug: str) -> Response:
    """Answer with the same for shields.io."""
    return _of_some(request, ("monitor", slug), JSON)


@router.reads("/status/badge.svg", Action.PUBLIC)
def main_svg(request: Request) -> Response:
    """Answer with the badge of the page at `/status`."""
    return _of_page(request, MAIN, SVG)


@router.reads("/status/badge.json", Action.PUBLIC)
def main_json(request: Request) -> Response:
    """Answer with the same for shields.io."""
    return _of_page(request, MAIN, JSON)


@router.reads("/status/{slug}/badge.svg", Action.PUBLIC)
def page_svg(request: Request, slug: str) -> Response:
    """Answer with the badge of another page."""
    return _of_page(request, slug, SVG)


@router.reads("/status/{slug}/badge.json", Action.PUBLIC)
def page_json(request: Request, slug: str) -> Response:
    """Answer with the same for shields.io."""
    return _of_page(request, slug, JSON)


def _of_page(request: Request, slug: str, form: str) -> Response:
    wish, settings, board = _wish(request), site_of(request).settings, board_of(request)
    return answer_of_page(
        request,
        slug,
        ("badge", form, wish),
        lambda page: of_page(board, page, settings, wish).document(form),
        media_type=_MEDIA_TYPES[form],
        policy=badge_svg.POLICY,
    )


def _of_some(request: Request, which: tuple[str, str], form: str) -> Response:
    wish, settings, snapshot = _wish(request), site_of(request).settings, snapshot_of(request)
    board = board_of(request)
    rendered = made(
        snapshot,
        ("", "badge", which, form, wish),
        lambda: _find(board, snapshot, which, settings, wish).document(form),
        policy=badge_svg.POLICY,
    )
    return send(request, rendered, media_type=_MEDIA_TYPES[form], is_private=False)


def _wish(request: Request) -> Wish:
    """Read the query. Raises Invalid."""
    locale, days = request.query_params.get("lang"), request.query_params.get("days")
    if days is not None and not (days.isascii() and days.isdigit() and len(days) < 3 and 1 <= int(days) <= 90):
        raise Invalid((FieldProblem("days", "days", _DAYS_RULE),))
    return Wish(locale if locale in LOCALES else None, None if days is None else int(days))


def _find(board: Board, snapshot: Snapshot, which: tuple[str, str], settings: Settings, wish: Wish) -> Badge:
    kind, name = which
    if kind == "monitor":
        for each in board.open_monitors(snapshot, slug=name):
            return of_monitor(board, snapshot, each, settings, wish)
        raise NotFound(NOTHING_HERE)
    tagged = board.open_monitors(snapshot, tag=name)
    if not tagged:
        raise NotFound(NOTHING_HERE)
    definition = replace(MAIN_DEFINITION, timezone=snapshot.directory.timezone)
    return _of_several(board, PublicPage(definition, tagged, snapshot.directory.at), name, settings, wish)


def of_monitor(board: Board, snapshot: Snapshot, monitor: PublicMonitor, settings: Settings, wish: Wish) -> Badge:
    """Return the badge of one monitor."""
    directory = snapshot.directory
    words = _words(directory.at, settings, wish)
    if wish.days is not None:
        parts = _parts(board, [monitor], directory.timezone, directory.at)
        return _of_days(parts, monitor.name, words, wish.days)
    return Badge(monitor.name, words.state(monitor.shown), _COLOURS[monitor.shown])


def of_page(board: Board, page: PublicPage, settings: Settings, wish: Wish) -> Badge:
    """Return the badge of a page, under its title."""
    own = Wish(wish.locale or page.definition.language, wish.days)
    return _of_several(board, page, page.definition.title or settings.public_status_title, settings, own)


def _of_several(board: Board, page: PublicPage, label: str, settings: Settings, wish: Wish) -> Badge:
    words = _words(page.at, settings, wish)
    if wish.days is not None:
        parts = _parts(board, page.monitors, page.definition.timezone, page.at)
        return _of_days(parts, label, words, wish.days)
    overall = overall_of(page)
    if overall is Overall.SOME_DOWN:
        some = words.translate(_SOME_DOWN) % {"down": page.count(Shown.DOWN), "total": len(page.monitors)}
        return Badge(label, some, "orange")
    message, colour = OF_SEVERAL[overall]
    return Badge(label, words.translate(message), colour)


def _parts(
    board: Board, monitors: Sequence[PublicMonitor], timezone: str, at: datetime
) -> Sequence[Sequence[Availability]]:
    return [each.parts for each in board.days.days_of(monitors, timezone=timezone, at=at).values()]


def _of_days(parts: Sequence[Sequence[Availability]], label: str, words: Words, days: int) -> Badge:
    """All monitors' time together: each counts for as long as it was watched."""
    ratio = total(part for each in parts for part in each[-days:]).ratio
    if ratio is None:
        return Badge(label, words.translate(_NO_DATA), "lightgrey")
    return Badge(label, words.percent(ratio), next(colour for least, colour in _SHARES if ratio >= least))


def _words(at: datetime, settings: Settings, wish: Wish) -> Words:
    return Words(wish.locale or settings.default_locale.value, at)
