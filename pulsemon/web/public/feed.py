"""Atom feeds of public pages: what went down and came up, what was said of incidents, what maintenance there is.

An entry's id is made of what never changes (the slug of that day, the instant, the status) and of no number of ours;
two pages that show the same monitor tell the same entry. That of an update is made of its incident and its number.

Source: RFC 4287.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, feed_path, incident_path, page_path
from pulsemon.core.status import Status
from pulsemon.core.texts import N_
from pulsemon.incidents.rows import Incident
from pulsemon.locale import translator
from pulsemon.settings import Settings
from pulsemon.status_pages.public import Change, PublicPage
from pulsemon.web.html import markdown, rendering, wall_clock
from pulsemon.web.html.words import Words
from pulsemon.web.http.json_api import instant
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.public import xml_text
from pulsemon.web.public.answers import MachineRoute, answer_of_page, snapshot_of
from pulsemon.web.public.board import board_of
from pulsemon.web.public.changes import COUNT

router = Router(Audience.PROGRAMS, route_class=MachineRoute)

MEDIA_TYPE = "application/atom+xml"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:pulsemon:feed")
_TITLES = {Status.DOWN: N_("%(name)s is down"), Status.UP: N_("%(name)s is up")}
_ANNOUNCED, _BEGUN = N_("Maintenance planned: %(title)s"), N_("Maintenance has begun: %(title)s")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_Entry = tuple[datetime, ElementTree.Element]


@router.reads("/status/feed.atom", Action.PUBLIC)
def feed(request: Request) -> Response:
    """Answer with the feed of the page at `/status`."""
    return feed_of(request, MAIN)


@router.reads("/status/{slug}/feed.atom", Action.PUBLIC)
def feed_of(request: Request, slug: str) -> Response:
    """Answer with a page's feed in the page's language, or the reader's."""
    definition = snapshot_of(request).directory.definitions.get(slug)
    locale = (definition.language if definition else None) or rendering.locale_of(request)
    settings, board = site_of(request).settings, board_of(request)
    response = answer_of_page(
        request,
        slug,
        ("feed", locale),
        lambda page: document(
            page, board.changes.changes_of(page), settings, locale, incidents=board.incidents.archive_of(page)
        ),
        media_type=MEDIA_TYPE,
    )
    if response.status_code < 400:
        response.headers["content-language"] = locale
    response.headers.add_vary_header("Accept-Language")
    response.headers.add_vary_header("Cookie")
    return response


def document(
    page: PublicPage,
    changes: Sequence[Change],
    settings: Settings,
    locale: str,
    *,
    incidents: Sequence[Incident] = (),
) -> bytes:
    """Return the feed of *page*: one entry for each of *changes* and for each update of *incidents*, newest first."""
    definition = page.definition
    address = settings.base_url + page_path(definition.slug)
    title = xml_text.clean(definition.title or settings.public_status_title)
    root = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": locale})
    _add(root, "id", uuid.uuid5(_NAMESPACE, address).urn)
    _add(root, "title", title)
    entries = [
        *_entries(page, changes, address, locale),
        *_said(page, incidents, settings, locale),
        *_maintenance_entries(page, address, locale),
    ]
    entries.sort(key=itemgetter(0), reverse=True)
    newest = [at for at, _ in entries[:1]] or [each.created_at for each in page.monitors] or [_NEVER]
    _add(root, "updated", instant(max(newest)) or "")
    _add(_add(root, "author"), "name", title)
    _add(root, "generator", "PulseMon")
    _add(root, "link", rel="alternate", type="text/html", href=address)
    _add(root, "link", rel="self", type=MEDIA_TYPE, href=f"{settings.base_url}{feed_path(definition.slug)}")
    root.extend(entry for _, entry in entries[:COUNT])
    return xml_text.to_bytes(root)


def _entries(page: PublicPage, changes: Sequence[Change], address: str, locale: str) -> Iterator[_Entry]:
    names = {each.id: xml_text.clean(each.name) for each in page.monitors}
    translate = translator(locale).gettext
    words = Words(locale, page.at)
    seen = set()
    for change in changes:
        urn = uuid.uuid5(_NAMESPACE, f"{change.slug}\n{change.at.isoformat()}\n{change.status}").urn
        # A monitor that came a moment after the snapshot has no name in it; the next one has it.
        if change.monitor_id not in names or urn in seen:
            continue
        seen.add(urn)
        entry = ElementTree.Element("entry")
        _add(entry, "id", urn)
        _add(entry, "title", translate(_TITLES[Status(change.status)]) % {"name": names[change.monitor_id]})
        _add(entry, "updated", instant(change.at) or "")
        _add(entry, "published", instant(change.at) or "")
        _add(entry, "category", term=change.status)
        _add(entry, "link", rel="alternate", type="text/html", href=address)
        moment = wall_clock.named_moment_in(change.at, page.definition.timezone, locale)
        _add(entry, "summary", f"{words.status(change.status)} · {moment}")
        yield change.at, entry


def _said(page: PublicPage, incidents: Sequence[Incident], settings: Settings, locale: str) -> Iterator[_Entry]:
    words = Words(locale, page.at)
    for incident in incidents:
        address = settings.base_url + incident_path(page.definition.slug, incident.public_id)
        title = xml_text.clean(words.incident(incident))
        for update in incident.updates[:COUNT]:
            entry = ElementTree.Element("entry")
            _add(entry, "id", uuid.uuid5(_NAMESPACE, f"incident\n{incident.public_id}\n{update.number}").urn)
            _add(entry, "title", f"{words.code('incident', update.status.value)}: {title}")
            _add(entry, "updated", instant(update.posted_at) or "")
            _add(entry, "published", instant(update.posted_at) or "")
            _add(entry, "category", term=update.status.value)
            _add(entry, "link", rel="alternate", type="text/html", href=address)
            _add(entry, "content", xml_text.clean(str(markdown.to_html(words.said(update)))), type="html")
            yield update.posted_at, entry


def _maintenance_entries(page: PublicPage, address: str, locale: str) -> Iterator[_Entry]:
    """Of each window, that it was announced and that it began."""
    translate = translator(locale).gettext
    for window in page.windows:
        announced_at = window.announced_at
        for at, template in ((announced_at, _ANNOUNCED), (window.starts_at, _BEGUN)):
            if at is None or at > page.at or (template is _ANNOUNCED and at >= window.starts_at):
                continue
            entry = ElementTree.Element("entry")
            _add(entry, "id", uuid.uuid5(_NAMESPACE, f"maintenance\n{window.id}\n{template}").urn)
            _add(entry, "title", translate(template) % {"title": xml_text.clean(window.title)})
            _add(entry, "updated", instant(at) or "")
            _add(entry, "published", instant(at) or "")
            _add(entry, "category", term="MAINTENANCE")
            _add(entry, "link", rel="alternate", type="text/html", href=address)
            span = wall_clock.span_in(window.starts_at, window.ends_at, page.definition.timezone, locale)
            _add(entry, "summary", span)
            yield at, entry


def _add(parent: ElementTree.Element, name: str, text: str | None = None, /, **attributes: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name, attributes)
    child.text = text
    return child
