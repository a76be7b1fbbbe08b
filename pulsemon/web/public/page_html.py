"""A public page as HTML: the whole of it, one group of it, and the one that says that nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from pulsemon.core.addresses import calendar_path, feed_path, history_path, page_path
from pulsemon.core.days import date_at
from pulsemon.core.overall import Overall
from pulsemon.core.shown import WORST_FIRST, Shown
from pulsemon.core.texts import N_
from pulsemon.errors import NO_PAGE, NotFound
from pulsemon.locale import times, translator
from pulsemon.maintenance.public import PublicWindow
from pulsemon.status_pages.directory import PageDefinition
from pulsemon.status_pages.public import PublicMonitor, PublicPage
from pulsemon.web.html import bars, rendering
from pulsemon.web.html.words import STATE_WORDS, Words
from pulsemon.web.http.site import Source
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public import style as page_style
from pulsemon.web.public.days import DayKeeper, Drawn, drawn
from pulsemon.web.public.headlines import SENTENCES, TONES, headline_of
from pulsemon.web.public.rendered import Rendered, pack
from pulsemon.web.public.sections import Section, section_of, sections

# More names in the sentence on top, and of what maintenance concerns, say nothing that their number does not.
MAX_NAMED = 10
_SINCE = N_("since %(time)s (%(length)s)")
# From this age on a page is called an old one: the database does not answer.
_OLD_SEC = 2


@dataclass(frozen=True, slots=True)
class Work:
    """A window of maintenance, the `names` of what it concerns here, and the next windows of its plan."""

    window: PublicWindow
    names: Sequence[str]
    following: Sequence[PublicWindow]


@dataclass(frozen=True, slots=True)
class View:
    """A page as one reader sees it: its language, and the group that was asked for.

    `blind`: when PulseMon could not see, where a monitor is shown as blind.
    """

    site: Source
    keeper: DayKeeper
    page: PublicPage
    locale: str
    blind: tuple[datetime, datetime] | None = None
    asked: str | None = field(default=None, kw_only=True)

    def rendered(self, age_sec: int, *, is_copy: bool = False) -> Rendered:
        """Return the page, so many seconds old. A copy says of when it is, and asks for nothing more."""
        page, is_old = self.page, age_sec > _OLD_SEC
        laid_out = sections(page, asked=self.asked)
        now = self.site.now() if is_old else page.at
        values = {
            **_common(self.site, page.definition, self.locale, headline_of(page)),
            **self._lines(laid_out, Words(self.locale, now)),
            "now": now,
            "page": page,
            "sections": laid_out,
            "named": self._named(Words(self.locale, now)),
            "age_sec": age_sec,
            "is_old": is_old,
            "is_copy": is_copy,
            "can_subscribe": not is_copy and self.site.settings.mail_server is not None,
            "works": _works(page),
            "kept": "" if self.asked is None else urlencode({"group": self.asked}) + "&",
        }
        return _pack(rendering.render("public/status.html", locale=self.locale, **values), page.definition)

    def _named(self, words: Words) -> list[tuple[PublicMonitor, str]]:
        """Return (monitor, since when it is down: "since 14:24 (2 h)") of those that are, the longest first."""
        zone = self.page.definition.timezone
        today = date_at(self.page.at, zone)

        def since(at: datetime) -> str:
            day = date_at(at, zone)
            clock = times.clock(at, zone)[:5]
            time = clock if day == today else f"{bars.short_date(day, words)}, {clock}"
            return words.translate(_SINCE) % {"time": time, "length": words.lasted(at)}

        down = [each for each in self.page.monitors if each.shown is Shown.DOWN]
        down.sort(key=lambda each: each.since or each.created_at)
        return [(each, since(each.since) if each.since else "") for each in down]

    def of_group(self) -> Rendered:
        """Return the lines of the group that was asked for, with their days. Raises NotFound."""
        section = section_of(self.page, self.asked or "")
        if section is None:
            raise NotFound(NO_PAGE)
        values = self._lines([section], Words(self.locale, self.page.at))
        html = rendering.render(
            "public/group.html",
            locale=self.locale,
            now=self.page.at,
            section=section,
            definition=self.page.definition,
            **values,
        )
        return _pack(html, self.page.definition)

    def _lines(self, laid_out: Sequence[Section], words: Words) -> Mapping[str, Any]:
        """Return what the template of the lines needs, computed once and not once a line."""
        zone = self.page.definition.timezone
        seen = [each for section in laid_out for each in section.drawn]
        kept = self.keeper.days_of(seen, timezone=zone, at=self.page.at)
        days: dict[int, Drawn] = {each: drawn(found, words) for each, found in kept.items()}
        looks = {look for each in days.values() for look in each.looks}
        return {
            "zone": zone,
            "blind": self.blind,
            "days": days,
            "legend": bars.legend_of(looks, next(iter(kept.values())).days, words) if kept else None,
            "state_words": {each: words.state(each) for each in STATE_WORDS},
            "tones": TONES,
            "worst_first": WORST_FIRST,
            # No ids: a gap between them would tell of what is private.
            "numbers": {each.id: number for number, each in enumerate(self.page.monitors, 1)},
        }


def unread(site: Source, definition: PageDefinition, locale: str) -> Rendered:
    """Return the page that says that nothing is known of it, because the database has not answered yet."""
    values = _common(site, definition, locale, Overall.UNREAD)
    html = rendering.render("public/status.html", locale=locale, now=site.now(), page=None, named=[], **values)
    return _pack(html, definition)


def _common(site: Source, definition: PageDefinition, locale: str, headline: Overall) -> dict[str, Any]:
    return {
        "title": definition.title or site.settings.public_status_title,
        "style": page_style.style_of(definition.accent),
        "definition": definition,
        "tone": TONES[headline],
        "sentence": translator(locale).gettext(SENTENCES[headline]),
        "max_named": MAX_NAMED,
        "path": page_path(definition.slug),
        "feed": feed_path(definition.slug),
        "history": history_path(definition.slug),
        "calendar": calendar_path(definition.slug),
        "max_in_full": public_incidents.MAX_IN_FULL,
        "max_updates": public_incidents.MAX_UPDATES_SHOWN,
        "max_past": public_incidents.MAX_PAST,
    }


def _pack(html: str, definition: PageDefinition) -> Rendered:
    return pack(html.encode(), page_style.policy_of(page_style.style_of(definition.accent)))


def _works(page: PublicPage) -> list[Work]:
    """Return what is running, and of each plan the next window with those after it: a daily plan fills no page."""
    following: dict[str, list[PublicWindow]] = {}
    for each in page.windows:
        if each.starts_at > page.at:
            following.setdefault(each.plan_id, []).append(each)
    running = [(each, list[PublicWindow]()) for each in page.windows if each.is_running(page.at)]
    coming = [(each[0], each[1:]) for each in following.values()]
    return [Work(each, _names(page, each), rest) for each, rest in running + coming]


def _names(page: PublicPage, window: PublicWindow) -> list[str]:
    concerned = frozenset(window.monitor_ids)
    return [each.name for each in page.monitors if each.id in concerned] if concerned else []
