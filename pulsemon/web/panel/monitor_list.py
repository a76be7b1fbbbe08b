"""The list of monitors as the panel shows it: drawn once for all who look alike, then sent as changes."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.availability import track_record
from pulsemon.core.search import fold
from pulsemon.core.shown import WORST_FIRST, Shown
from pulsemon.core.status import BlindWindow
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.monitors import causes, event_log, listing
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.causes import DownCause
from pulsemon.monitors.facets import Facet
from pulsemon.monitors.listing import Order, Part
from pulsemon.monitors.views import View
from pulsemon.status_pages import public as public_pages
from pulsemon.web.html import bars, rendering, viewpoint
from pulsemon.web.html.words import Words
from pulsemon.web.http.codings import takes_gzip
from pulsemon.web.http.drawings import Answer, Drawing
from pulsemon.web.http.etags import read_etags
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel import list_address
from pulsemon.web.panel.list_address import ListAddress
from pulsemon.web.panel.shared import PAGE_SIZE, done_of

STRIP_DAYS = 30
# In parts/list_rows.html: rendering all rows at once takes half as long as one by one.
_BETWEEN_ROWS = "<!--row-->\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor of the list, and what is shown of it. `strip`: (look, path) of its last days, and their summary."""

    view: View
    shown: Shown
    changed_at: Any = None
    down: DownCause | None = None
    took_sec: float | None = None
    strip: Sequence[tuple[str, str]] = ()
    strip_summary: str = ""


def page(
    request: Request,
    asked: ListAddress,
    *,
    selected: Sequence[int] = (),
    is_all: bool = False,
    wrong: str = "",
    wrong_tags: str = "",
    typed_tags: str = "",
) -> Response | None:
    """Answer with the list; None where there is no monitor yet.

    *selected*: ids that are ticked. *wrong*, *wrong_tags*: why nothing was done; the latter stands at the field.
    """
    site, project_id = site_of(request), the_project_of(request)
    if not monitors.is_any(site.database, project_id=project_id):
        return None
    answer = _drawn(request, asked, at_once=True)
    drawing = answer.drawing
    facets = site.facets(project_id).as_filters
    chosen = {"group": asked.group, "environment": asked.environment, "tag": asked.tag}
    response = rendering.page(
        request,
        "panel/list.html",
        status_code=422 if wrong or wrong_tags else 200,
        asked=asked,
        facets=facets,
        chosen={kind: _as_offered(text, facets.get(kind, ())) for kind, text in chosen.items()},
        head=Markup(drawing.head),  # noqa: S704 - made by a template
        rows=Markup("".join(_ticked(html, each in selected) for each, html in drawing.rows.items())),  # noqa: S704
        foot=Markup(drawing.foot),  # noqa: S704
        etag=drawing.etag,
        unseen=[each for each in selected if each not in drawing.rows],
        orders=[each.value for each in Order],
        is_all=is_all,
        wrong=wrong,
        wrong_tags=wrong_tags,
        typed_tags=typed_tags,
        done=done_of(request) if request.method in ("GET", "HEAD") else "",
    )
    response.background = _afterwards(request, answer)
    return response


def _as_offered(text: str, facets: Sequence[Facet]) -> str:
    """Return the spelling of a filter that stands among *facets*; the text as it is where none is the same."""
    wanted = fold(text)
    return next((name for name, _ in facets if fold(name) == wanted), text) if text else ""


def _ticked(html: str, is_selected: bool) -> str:
    return html.replace(' name="monitor"', ' name="monitor" checked', 1) if is_selected else html


def fragment(request: Request) -> Response:
    """Answer with what changed in the list since the drawing that the reader has, which If-None-Match names.

    JSON: the ids in order, the rows that are new or otherwise by id, and `head` and `foot` where they are. The header
    `refresh-after` says after how many milliseconds it pays to ask again.
    """
    known = read_etags(request.headers.get("if-none-match", ""))
    answer = _drawn(request, list_address.read(request.query_params), known)
    headers = {
        "etag": answer.drawing.etag,
        "cache-control": "no-store",
        "refresh-after": str(int(answer.ask_again_sec * 1_000)),
    }
    afterwards = _afterwards(request, answer)
    if answer.drawing.etag in known:
        return Response(status_code=304, headers=headers, background=afterwards)
    plain, packed = answer.drawing.changes(answer.earlier)
    headers["vary"] = "Accept-Encoding"
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
    body = packed if "content-encoding" in headers else plain
    return Response(body, media_type="application/json", headers=headers, background=afterwards)


def _afterwards(request: Request, answer: Answer) -> BackgroundTask | None:
    """Return what is done once the answer is out: who is late is looked for then, and nobody waited for it."""
    return BackgroundTask(_look_again, site_of(request)) if answer.is_new else None


def _look_again(site: Site) -> None:
    with suppress(Unavailable):  # the next answer says so
        site.apart.renew()


def _drawn(request: Request, asked: ListAddress, etags: Container[str] = (), *, at_once: bool = False) -> Answer:
    site, locale = site_of(request), rendering.locale_of(request)
    # Before anything is read: what changes meanwhile is drawn next time.
    version = (site.live.version, site.apart.turn)
    zone, project_id = rendering.zone_of(request), the_project_of(request)
    is_choosable = viewpoint.may(request, Action.RESPOND)
    key = (project_id, locale, zone, asked, is_choosable)
    draw = partial(_draw, site, project_id, locale, zone, asked, is_choosable=is_choosable)
    return site.drawings.get(key, draw, version=version, etags=etags, at_once=at_once)


def _draw(site: Site, project_id: int, locale: str, zone: str, asked: ListAddress, *, is_choosable: bool) -> Drawing:
    now = site.now()
    apart = site.apart.get().of(project_id)
    with site.database.read() as connection:
        part = listing.read(
            connection, project_id, asked.ask, apart, limit=PAGE_SIZE, after=asked.after, before=asked.before
        )
    words = Words(locale, now, zone)
    lines = _lines(site, part, words)
    values = {
        "part": part,
        "lines": lines,
        "states": [(kind, part.counts[kind]) for kind in WORST_FIRST],
        "blind": blind_window(site.database, [line.shown for line in lines]),
        "often_blind_sec": site.readiness.often_blind_sec(),
        "undelivered": site.undelivered(project_id),
        "down_count": part.down_count,
        "state_words": {kind: words.state(kind) for kind in WORST_FIRST},
        "tag_links": {tag: asked.link(tag=tag) for line in lines for tag in line.view.placement.tags},
    }
    context = {"words": words, "now": now, "asked": asked, "is_choosable": is_choosable}
    head, rows, foot = (_render(locale, part_of, context | values) for part_of in ("head", "rows", "foot"))
    drawn = rows.split(_BETWEEN_ROWS)
    return Drawing(head, {line.view.id: html for line, html in zip(lines, drawn, strict=False)}, foot)


def _render(locale: str, part_of: str, values: Mapping[str, Any]) -> str:
    return rendering.environment(locale).get_template(f"parts/list_{part_of}.html").render(values)


def _lines(site: Site, part: Part, words: Words) -> list[Line]:
    """Read what is shown of the monitors of a part, in as many queries as for one."""
    views = monitors.list_of(site.database, part.ids)
    changed = event_log.changed_at(site.database, part.ids)
    down = causes.read_causes(site.database, views)
    took = event_log.last_durations(site.database, part.ids)
    strips = _strips(site, part.ids, words)
    return [
        Line(
            view,
            view.shown(now=words.now),
            changed.get(view.id),
            down.get(view.id),
            took.get(view.id),
            *strips.get(view.id, ((), "")),
        )
        for view in views
    ]


def _strips(site: Site, monitor_ids: Sequence[int], words: Words) -> dict[int, tuple[Sequence[tuple[str, str]], str]]:
    """Return how the last days of each monitor went: one path for each look, which is a tenth of one for each day."""
    timezone = site.settings.availability_timezone
    table = track_record.read_strips(site.database, monitor_ids, count=STRIP_DAYS, timezone=timezone, now=words.now)
    found: dict[int, tuple[Sequence[tuple[str, str]], str]] = {}
    for each, parts in table.parts.items():
        if parts:
            drawn = bars.make(table.days, parts, words, lengths=())
            found[each] = (drawn.paths, drawn.summary)
    return found


def blind_window(database: Database, shown: Sequence[Shown]) -> BlindWindow | None:
    """Return when PulseMon could not see, where a reader needs it to understand the grey."""
    if Shown.BLIND not in shown:
        return None
    window = public_pages.last_blind_window(database)
    return None if window is None else BlindWindow(*window)


def ids_that_fit(site: Site, project_id: int, asked: ListAddress, *, limit: int) -> Sequence[int]:
    """Return the ids of all monitors of a project that fit, at most *limit*."""
    site.apart.renew()
    apart = site.apart.get().of(project_id)
    with site.database.read() as connection:
        return listing.read(connection, project_id, asked.ask, apart, limit=limit).ids


def fields_of(lists: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the first of each field of a form that may name one several times."""
    return {name: values[0] for name, values in lists.items() if values}
