"""What public pages show, read for everybody at once and rendered once while it lasts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from starlette.requests import Request

from pulsemon.core import overall
from pulsemon.core.addresses import MAIN, calendar_path, feed_path, history_path, page_path
from pulsemon.core.overall import Overall
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.errors import NO_PAGE, NotFound, Unavailable
from pulsemon.locale import LOCALES, translator
from pulsemon.maintenance.public import PublicWindow
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.public import MAIN_DEFINITION, Public, PublicPage
from pulsemon.web.html import rendering
from pulsemon.web.http.site import Source
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public import style as page_style
from pulsemon.web.public.changes import ChangeKeeper
from pulsemon.web.public.days import MAX_DRAWN, DayKeeper, Days
from pulsemon.web.public.rendered import Rendered, pack

# Below the promised second by the time that reading and rendering take.
FRESH = timedelta(milliseconds=800)
# A change shows at once; a storm of them is read ten times a second and no oftener.
BURST = timedelta(seconds=0.1)
# While somebody else reads anew (or the database hangs) nobody waits longer than this for him.
PATIENCE_SEC = 1.0
# An old snapshot is rendered anew every second of its age.
MAX_RENDERED = 32 * len(LOCALES)
# More names in the sentence on top say nothing that their number does not.
MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to a request, without what the gate adds to each. See `web.public.shared_answers`."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


# Where a handler leaves the snapshot that its answer is made of, and of nothing else but the request.
SNAPSHOT_KEY = "pulsemon.snapshot"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database said at `public.at`; `blind` is when PulseMon could not see, where a page needs it.

    `days` by their time zone: those of each page's own, and of `public.timezone` for what belongs to no page.
    Its pages are kept with it, by slug, language and age, so that an older snapshot's page can never pass for a newer
    one's.
    """

    public: Public
    blind: tuple[datetime, datetime] | None
    days: Mapping[str, Days]
    rendered: dict[tuple[str, str, int], Rendered] = field(default_factory=dict)
    # What programs read of it: see `web.public.answers`.
    made: dict[tuple[object, ...], Rendered] = field(default_factory=dict)
    # Whole answers, by what they depend on of the request: see `web.public.shared_answers`.
    answers: dict[tuple[object, ...], Answer] = field(default_factory=dict)


class Board:
    """The snapshot that concurrent requests share."""

    def __init__(self, site: Source) -> None:
        self._site = site
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._version = -1  # of `Live`, when the snapshot was read; since then another one if anything changed
        self._failed_at: datetime | None = None
        self._days = DayKeeper()
        self.changes = ChangeKeeper(site.database)
        self.incidents = public_incidents.IncidentKeeper(site.database)

    def snapshot(self) -> Snapshot | None:
        """Return the newest snapshot there is; None if the database never answered."""
        if self._is_fresh() or not self._reading.acquire(timeout=PATIENCE_SEC):
            return self._snapshot
        try:
            if not self._is_fresh():
                self._read()
        finally:
            self._reading.release()
        return self._snapshot

    def fresh_snapshot(self) -> Snapshot | None:
        """Return the snapshot if it is still true enough to be shown as it is; None: ask `snapshot`. Any thread."""
        return self._snapshot if self._failed_at is None and self._is_fresh() else None

    def _is_fresh(self) -> bool:
        """Right after the database failed it is not asked again: what is kept is the best there is."""
        now, kept = self._site.now(), self._snapshot
        if self._failed_at is not None and timedelta(0) <= now - self._failed_at < FRESH:
            return True
        if kept is None or not timedelta(0) <= now - kept.public.at < FRESH:
            return False
        return self._version == self._site.live.version or now - kept.public.at < BURST

    def _read(self) -> None:
        self._version = self._site.live.version
        try:
            public = self._read_public()
            is_blind = any(each.shown is Shown.BLIND for each in public.monitors)
            blind = public_pages.last_blind_window(self._site.database) if is_blind else None
            days = self._days.days_of(self._site.database, public)
            self._snapshot, self._failed_at = Snapshot(public, blind, days), None
        except Unavailable:
            self._failed_at = self._site.now()

    def _read_public(self) -> Public:
        zone = self._site.settings.availability_timezone
        return public_pages.read_public(self._site.database, now=self._site.now(), timezone=zone)

    def rendered(self, snapshot: Snapshot | None, locale: str, slug: str = MAIN) -> Rendered:
        """Return a page for *snapshot* in one language, made once while it lasts. Raises NotFound."""
        if snapshot is None:
            return _render(self._site, None, None, locale, 0)
        page = snapshot.public.page(slug)
        if page is None:
            raise NotFound(NO_PAGE)
        age_sec = max(0, int((self._site.now() - page.at).total_seconds()))
        kept = snapshot.rendered
        found = kept.get((slug, locale, age_sec))
        if found is None:
            found = _render(self._site, snapshot, page, locale, age_sec)
            if len(kept) >= MAX_RENDERED:
                kept.clear()
            kept[slug, locale, age_sec] = found
        return found


def as_copy(site: Source, snapshot: Snapshot, page: PublicPage, locale: str) -> bytes:
    """Return a page as it stands in a folder of files: it says of when it is, and offers no other language."""
    own = replace(page, definition=replace(page.definition, language=locale))
    return _render(site, snapshot, own, locale, 0, is_copy=True).plain


def _render(
    site: Source,
    snapshot: Snapshot | None,
    page: PublicPage | None,
    locale: str,
    age_sec: int,
    *,
    is_copy: bool = False,
) -> Rendered:
    is_old = page is not None and age_sec > 2
    definition = MAIN_DEFINITION if page is None else page.definition
    style = page_style.style_of(definition.accent)
    headline = Overall.UNREAD if page is None else headline_of(page)
    html = rendering.render(
        "public/status.html",
        locale=locale,
        now=site.now() if page is None or is_old else page.at,
        title=definition.title or site.settings.public_status_title,
        style=style,
        definition=definition,
        page=page,
        blind=None if snapshot is None else snapshot.blind,
        tone=TONES[headline],
        sentence=translator(locale).gettext(SENTENCES[headline]),
        named=[] if page is None else [each for each in page.monitors if each.shown is Shown.DOWN],
        max_named=MAX_NAMED,
        days=None if snapshot is None else snapshot.days[definition.timezone],
        with_bars=page is not None and len(page.monitors) <= MAX_DRAWN,
        # No ids: a gap between them would tell of what is private.
        numbers={} if page is None else {each.id: number for number, each in enumerate(page.monitors, 1)},
        age_sec=age_sec,
        is_old=is_old,
        is_copy=is_copy,
        can_subscribe=not is_copy and site.settings.mail_server is not None,
        path=page_path(definition.slug),
        feed=feed_path(definition.slug),
        history=history_path(definition.slug),
        max_in_full=public_incidents.MAX_IN_FULL,
        max_updates=public_incidents.MAX_UPDATES_SHOWN,
        max_past=public_incidents.MAX_PAST,
        calendar=calendar_path(definition.slug),
        works=[] if page is None else _works(page),
    )
    return pack(html.encode(), page_style.policy_of(style))


def _works(page: PublicPage) -> list[tuple[PublicWindow, list[PublicWindow]]]:
    """Return what is running, and of each plan the next window with those after it: a daily plan fills no page."""
    following: dict[str, list[PublicWindow]] = {}
    for each in page.windows:
        if each.starts_at > page.at:
            following.setdefault(each.plan_id, []).append(each)
    running = [(each, list[PublicWindow]()) for each in page.windows if each.is_running(page.at)]
    return running + [(each[0], each[1:]) for each in following.values()]


SENTENCES = {
    Overall.UNREAD: N_("The state is not known yet: the database does not answer."),
    Overall.EMPTY: N_("Nothing is watched yet."),
    Overall.SOME_DOWN: N_("Some systems are down."),
    Overall.ALL_DOWN: N_("All systems are down."),
    Overall.BLIND: N_("The state of some systems is unknown."),
    Overall.MAINTENANCE: N_("Maintenance in progress."),
    Overall.LATE: N_("All systems operational; some are late."),
    Overall.WAITING: N_("Waiting for the first signals."),
    Overall.UP: N_("All systems operational."),
    Overall.MINOR_INCIDENT: N_("A minor incident is under way."),
    Overall.MAJOR_INCIDENT: N_("A major incident is under way."),
    Overall.CRITICAL_INCIDENT: N_("A critical incident is under way."),
}
# The colour and the sign beside the sentence: those of a monitor's state.
TONES = {
    Overall.UNREAD: Shown.WAITING,
    Overall.EMPTY: Shown.WAITING,
    Overall.SOME_DOWN: Shown.DOWN,
    Overall.ALL_DOWN: Shown.DOWN,
    Overall.BLIND: Shown.BLIND,
    Overall.MAINTENANCE: Shown.MAINTENANCE,
    Overall.LATE: Shown.LATE,
    Overall.WAITING: Shown.WAITING,
    Overall.UP: Shown.UP,
    Overall.MINOR_INCIDENT: Shown.LATE,
    Overall.MAJOR_INCIDENT: Shown.DOWN,
    Overall.CRITICAL_INCIDENT: Shown.DOWN,
}


def overall_of(page: PublicPage) -> Overall:
    """Return how the monitors of a page are together."""
    return overall.of_monitors(Counter(each.shown for each in page.monitors))


def headline_of(page: PublicPage) -> Overall:
    """Return what is said on top of a page, its open incidents considered."""
    return overall.headline(overall_of(page), public_incidents.impact_of(page))


def board_of(request: Request) -> Board:
    """Return the running application's one board, which `web.app` made."""
    board: Board = request.app.state.status_board
    return board
