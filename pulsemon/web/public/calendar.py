"""Calendars of public pages: the maintenance that is announced, that is running, and of the last thirty days.

They speak the page's language, else DEFAULT_LOCALE: a calendar program has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import MAIN, page_path
from pulsemon.core.texts import N_
from pulsemon.locale import translator
from pulsemon.maintenance.public import PublicWindow
from pulsemon.settings import Settings
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.public import ics
from pulsemon.web.public.answers import MachineRoute, answer_of_page

router = Router(Audience.PROGRAMS, route_class=MachineRoute)

MEDIA_TYPE = "text/calendar"
_SECOND = timedelta(seconds=1)
_AFFECTS = N_("Affects: %(names)s")
_AFFECTS_EVERYTHING = N_("Affects everything")


@router.reads("/status/maintenance.ics", Action.PUBLIC)
def calendar(request: Request) -> Response:
    """Answer with the calendar of the page at `/status`."""
    return calendar_of(request, MAIN)


@router.reads("/status/{slug}/maintenance.ics", Action.PUBLIC)
def calendar_of(request: Request, slug: str) -> Response:
    """Answer with the calendar of another page."""
    settings = site_of(request).settings
    return answer_of_page(request, slug, ("ics",), lambda page: document(page, settings), media_type=MEDIA_TYPE)


def document(page: PublicPage, settings: Settings) -> bytes:
    """Return the calendar of *page*."""
    return ics.document(_lines(page, settings))


def _lines(page: PublicPage, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "BEGIN", "VCALENDAR"
    yield "VERSION", "2.0"
    yield "PRODID", "-//PulseMon//PulseMon//EN"
    yield "X-WR-CALNAME", ics.text(page.definition.title or settings.public_status_title)
    yield "REFRESH-INTERVAL;VALUE=DURATION", "PT1H"
    yield "X-PUBLISHED-TTL", "PT1H"
    for window in page.windows:
        yield from _event(window, page, settings)
    yield "END", "VCALENDAR"


def _event(window: PublicWindow, page: PublicPage, settings: Settings) -> Iterator[tuple[str, str]]:
    translate = translator(page.definition.language or settings.default_locale.value).gettext
    concerned = frozenset(window.monitor_ids)
    names = [each.name for each in page.monitors if each.id in concerned]
    affects = translate(_AFFECTS_EVERYTHING) if window.is_general else translate(_AFFECTS) % {"names": ", ".join(names)}
    said = [window.description, affects]
    ends_at = max(window.ends_at, window.starts_at + _SECOND)  # one that was ended at once is still an event
    yield "BEGIN", "VEVENT"
    yield "UID", f"{window.id}@pulsemon"
    yield "DTSTAMP", ics.moment(window.updated_at)
    yield "CREATED", ics.moment(window.created_at)
    yield "LAST-MODIFIED", ics.moment(window.updated_at)
    yield "DTSTART", ics.moment(window.starts_at)
    yield "DTEND", ics.moment(ends_at)
    yield "SUMMARY", ics.text(window.title)
    yield "DESCRIPTION", ics.text("\n\n".join(each for each in said if each))
    yield "TRANSP", "TRANSPARENT"
    if settings.base_url:
        yield "URL", f"{settings.base_url}{page_path(page.definition.slug)}"
    yield "END", "VEVENT"
