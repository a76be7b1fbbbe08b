"""The words of what subscribers of public pages are told, in their language, and its form for programs.

Instants are told in the page's time zone, with that zone's name. Every text of somebody else goes through `lines`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pulsemon.channels.lines import one_line
from pulsemon.channels.message import Announcement
from pulsemon.core import incidents
from pulsemon.core.addresses import incident_path, page_path
from pulsemon.core.incidents import IncidentStatus
from pulsemon.core.texts import N_
from pulsemon.locale import times, translator

MAX_NAMED = 10
_TITLE_LENGTH = 150
_NAME_LENGTH = 80
# Of Discord's 2,000 characters: everything in it may take two.
_SENTENCE_LENGTH = 700

_KINDS = {"incident": N_("Incident"), "maintenance": N_("Maintenance")}
_INCIDENT_STATUSES = {
    "investigating": N_("Investigating"),
    "identified": N_("Identified"),
    "monitoring": N_("Monitoring"),
    "resolved": N_("Resolved"),
}
_EVENTS = {
    "opened": N_("Opened"),
    "updated": N_("Updated"),
    "resolved": N_("Resolved"),
    "announced": N_("Planned"),
    "changed": N_("Changed"),
    "started": N_("Under way"),
    "ended": N_("Completed"),
    "cancelled": N_("Cancelled"),
}


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who tells: `base_url` is BASE_URL, '' where it is not set; `title` is PUBLIC_STATUS_TITLE.

    `timezone` is that of pages that name none.
    """

    base_url: str
    title: str
    timezone: str = "UTC"

    def page_title(self, told: Announcement) -> str:
        """Return the title of the page that tells."""
        return one_line(told.page_title or self.title, _TITLE_LENGTH) or "PulseMon"

    def moment(self, told: Announcement, instant: datetime, locale: str) -> str:
        """Return day and time as the clocks of the page's zone show them, with the zone's name."""
        timezone = told.timezone or self.timezone
        return f"{times.instant(instant, timezone, locale)} ({times.zone(timezone, locale)})"

    def page_url(self, told: Announcement) -> str | None:
        """Return where the page stands."""
        return f"{self.base_url}{page_path(told.page_slug)}" if self.base_url else None

    def url(self, told: Announcement) -> str | None:
        """Return where more is said of it: an incident has an address of its own on the page."""
        if self.base_url and told.kind == "incident":
            return f"{self.base_url}{incident_path(told.page_slug, told.public_id)}"
        return self.page_url(told)


NOBODY = Publisher("", "")


def title_of(told: Announcement, locale: str) -> str:
    """Return the title of an incident or a maintenance; an automatic one is named after its monitors."""
    catalogue = translator(locale)
    given = incidents.title(
        told.title,
        told.monitors,
        is_over=told.status == IncidentStatus.RESOLVED,
        translate=catalogue.gettext,
        translate_many=catalogue.ngettext,
    )
    return one_line(given, _TITLE_LENGTH)


def text_of(told: Announcement, locale: str) -> str:
    """Return what is said: somebody's Markdown, or PulseMon's own words for an automatic update."""
    if told.text is None and told.kind == "incident" and told.status in tuple(IncidentStatus):
        return incidents.text(None, IncidentStatus(told.status), translate=translator(locale).gettext)
    return told.text or ""


def named(told: Announcement, locale: str) -> str:
    """Return the names of the monitors that it concerns, the first few of many."""
    names = ", ".join(one_line(name, _NAME_LENGTH) for name in told.monitors[:MAX_NAMED])
    left = len(told.monitors) - MAX_NAMED
    if left <= 0:
        return names
    more = translator(locale).ngettext("and %(num)s more", "and %(num)s more", left) % {"num": left}
    return f"{names} {more}"


def state_of(told: Announcement, locale: str) -> str:
    """Return how the incident or the maintenance stands, in a word; a word of a later version as it is."""
    word = _INCIDENT_STATUSES.get(told.status or "") or _EVENTS.get(told.event)
    return translator(locale).gettext(word) if word else one_line(told.status or told.event, _NAME_LENGTH)


def heading(told: Announcement, locale: str) -> str:
    """Return what happened to what: "Incident: Slow checkout – Resolved"."""
    if told.kind == "test":
        return translator(locale).gettext(N_("Test message"))
    kind = _KINDS.get(told.kind)
    word = translator(locale).gettext(kind) if kind else one_line(told.kind, _NAME_LENGTH)
    return f"{word}: {title_of(told, locale)} – {state_of(told, locale)}"


def sentence(told: Announcement, *, locale: str, publisher: Publisher, neutralise: Callable[[str], str]) -> str:
    """Return all of it in one paragraph for a chat: *neutralise* takes the effect from what others wrote."""
    words = translator(locale).gettext
    parts = [f"[{publisher.page_title(told)}] {heading(told, locale)}."]
    if told.starts_at is not None and told.ends_at is not None:
        begin, end = (publisher.moment(told, each, locale) for each in (told.starts_at, told.ends_at))
        parts.append(words(N_("From %(start)s to %(end)s.")) % {"start": begin, "end": end})
    if text := text_of(told, locale):
        parts.append(one_line(text, 300))
    told_of = neutralise(one_line(" ".join(parts), _SENTENCE_LENGTH))
    url = publisher.url(told)
    return f"{told_of} {url}" if url else told_of


def for_programs(told: Announcement, *, publisher: Publisher, locale: str) -> dict[str, Any]:
    """Return what a webhook of a subscriber gets; docs/subscribers.md describes it."""
    page = {"slug": told.page_slug, "title": publisher.page_title(told), "url": publisher.page_url(told)}
    found: dict[str, Any] = {"type": told.kind if told.kind == "test" else f"{told.kind}.{told.event}", "page": page}
    about: dict[str, Any] = {"id": told.public_id, "title": title_of(told, locale), "text": told.text}
    about["monitors"] = list(told.monitors)
    if told.kind == "incident":
        about["text"] = text_of(told, locale)
        found["incident"] = about | {"status": told.status, "url": publisher.url(told)}
    elif told.kind == "maintenance":
        found["maintenance"] = about | {"starts_at": _iso(told.starts_at), "ends_at": _iso(told.ends_at)}
    return found | {"occurred_at": _iso(told.at)}


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant.isoformat()[:19]}Z"
