"""What public pages show, read for everybody at once and rendered once while it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from starlette.requests import Request

from pulsemon.core.addresses import MAIN
from pulsemon.core.shown import Shown
from pulsemon.errors import NO_PAGE, NotFound, Unavailable
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.directory import MAIN_DEFINITION, Directory, read_directory
from pulsemon.status_pages.public import PublicMonitor, PublicPage
from pulsemon.web.http.site import Source
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public import page_html
from pulsemon.web.public.changes import ChangeKeeper
from pulsemon.web.public.days import DayKeeper
from pulsemon.web.public.rendered import Rendered
from pulsemon.web.public.sections import known_key

# Below the promised second by the time that reading and rendering take.
FRESH = timedelta(milliseconds=800)
# A change shows at once; a storm of them is read ten times a second and no oftener.
BURST = timedelta(seconds=0.1)
# While somebody else reads anew (or the database hangs) nobody waits longer than this for him.
PATIENCE_SEC = 1.0
# An old snapshot is rendered anew every second of its age, and for each group that somebody asks for.
MAX_RENDERED_BYTES = 64_000_000
# Of pages, monitors and tags that somebody asked for.
MAX_READINGS = 2_000
T = TypeVar("T")


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
    """The pages there are, and what was read of each since: only what somebody asked for.

    Whatever is made of it is kept with it, so that an older snapshot's page can never pass for a newer one's.
    """

    directory: Directory
    # What was read for it, and who reads what at the moment.
    readings: dict[Hashable, tuple[Any]] = field(default_factory=dict)
    reading: dict[Hashable, threading.Lock] = field(default_factory=dict)
    # Pages, by slug, language, age and the group that was asked for.
    rendered: dict[tuple[Hashable, ...], Rendered] = field(default_factory=dict)
    # What programs read of it: see `web.public.answers`.
    made: dict[tuple[object, ...], Rendered] = field(default_factory=dict)
    # Whole answers, by what they depend on of the request: see `web.public.shared_answers`.
    answers: dict[tuple[object, ...], Answer] = field(default_factory=dict)


class Board:
    """The snapshot that concurrent requests share, and what is read for it."""

    def __init__(self, site: Source) -> None:
        self._site = site
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._version = -1  # of `Live`, when the snapshot was read; since then another one if anything changed
        self._failed_at: datetime | None = None
        # What was read last, with the version of the edits that it goes with: shown while the database is away.
        self._last: dict[Hashable, tuple[str, Any]] = {}
        self.days = DayKeeper(site.database)
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
        if self._has_just_failed(now):
            return True
        if kept is None or not timedelta(0) <= now - kept.directory.at < FRESH:
            return False
        return self._version == self._site.live.version or now - kept.directory.at < BURST

    def _has_just_failed(self, now: datetime) -> bool:
        return self._failed_at is not None and timedelta(0) <= now - self._failed_at < FRESH

    def _read(self) -> None:
        self._version = self._site.live.version
        now, zone = self._site.now(), self._site.settings.availability_timezone
        try:
            self._snapshot = Snapshot(read_directory(self._site.database, now=now, timezone=zone))
            self._failed_at = None
        except Unavailable:
            self._failed_at = self._site.now()

    def page(self, snapshot: Snapshot, slug: str) -> PublicPage:
        """Return a page, read once for a snapshot.

        Raises:
            NotFound: there is no such page.
            Unavailable: the database does not answer, and what was read of the page before is no more than that.
        """
        definition = snapshot.directory.definitions.get(slug)
        if definition is None:
            raise NotFound(NO_PAGE)
        return self._once(
            snapshot,
            ("page", slug),
            lambda: public_pages.read_page(self._site.database, definition, now=self._site.now()),
        )

    def open_monitors(
        self, snapshot: Snapshot, *, slug: str | None = None, tag: str | None = None
    ) -> tuple[PublicMonitor, ...]:
        """Return what `status_pages.public.read_open` does, read once for a snapshot. Raises Unavailable."""
        return self._once(
            snapshot,
            ("open", slug, tag),
            lambda: public_pages.read_open(
                self._site.database, snapshot.directory, now=self._site.now(), slug=slug, tag=tag
            ),
        )

    def blind_window(self, snapshot: Snapshot) -> tuple[datetime, datetime] | None:
        """Return the newest span in which PulseMon could not see; None where there was none, or nobody knows."""
        try:
            return self._once(snapshot, "blind", lambda: public_pages.last_blind_window(self._site.database))
        except Unavailable:
            return None

    def _once(self, snapshot: Snapshot, key: Hashable, read: Callable[[], T]) -> T:
        """Return what *read* reads, read once for a snapshot; while the database is away, what was read last."""
        found = snapshot.readings.get(key)
        if found is None and not self._has_just_failed(self._site.now()):
            found = self._read_once(snapshot, key, read)
        found = found or self._last_of(snapshot.directory.edits, key)
        if found is None:
            raise Unavailable("the database has not answered yet")
        made: T = found[0]
        return made

    def _read_once(self, snapshot: Snapshot, key: Hashable, read: Callable[[], T]) -> tuple[T] | None:
        """Read, or wait for whoever reads the same; None where the database fails or nobody got it in time."""
        lock = snapshot.reading.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=PATIENCE_SEC):
            return None
        try:
            if key not in snapshot.readings:
                self._keep(snapshot, key, (read(),))
        except Unavailable:
            self._failed_at = self._site.now()
        finally:
            lock.release()
            snapshot.reading.pop(key, None)
        return snapshot.readings.get(key)

    def _keep(self, snapshot: Snapshot, key: Hashable, found: tuple[Any]) -> None:
        for kept in (snapshot.readings, self._last):
            if len(kept) >= MAX_READINGS:
                kept.clear()
        snapshot.readings[key] = found
        if found != ((),):  # whoever invents slugs and tags drives nothing out
            self._last[key] = (snapshot.directory.edits, found)

    def _last_of(self, edits: str, key: Hashable) -> Any:
        """Return what was read last, unless anything was edited since: a monitor may have become private."""
        version, found = self._last.get(key, ("", None))
        return found if version == edits else None

    def rendered(
        self, snapshot: Snapshot | None, locale: str, slug: str = MAIN, *, group: str | None = None
    ) -> Rendered:
        """Return a page for *snapshot* in one language, made once while it lasts; *group* stands open.

        Raises NotFound.
        """
        if snapshot is None:
            return page_html.unread(self._site, MAIN_DEFINITION, locale)
        try:
            page = self.page(snapshot, slug)
        except Unavailable:
            return page_html.unread(self._site, snapshot.directory.definitions[slug], locale)
        age_sec = max(0, int((self._site.now() - page.at).total_seconds()))
        group = known_key(page, group)
        key = (slug, locale, age_sec, group)
        return self._made_once(snapshot, key, lambda: self._view(snapshot, page, locale, group).rendered(age_sec))

    def group(self, snapshot: Snapshot, locale: str, slug: str, group: str) -> Rendered:
        """Return the lines of one group of a page, with their days. Raises NotFound, and Unavailable."""
        page = self.page(snapshot, slug)
        return self._made_once(
            snapshot, (slug, locale, "group", group), lambda: self._view(snapshot, page, locale, group).of_group()
        )

    def _view(self, snapshot: Snapshot, page: PublicPage, locale: str, group: str | None) -> page_html.View:
        is_blind = any(each.shown is Shown.BLIND for each in page.monitors)
        blind = self.blind_window(snapshot) if is_blind else None
        return page_html.View(self._site, self.days, page, locale, blind, asked=group)

    @staticmethod
    def _made_once(snapshot: Snapshot, key: tuple[Hashable, ...], make: Callable[[], Rendered]) -> Rendered:
        found = snapshot.rendered.get(key)
        if found is None:
            found = make()
            kept = sum(each.size for each in list(snapshot.rendered.values()))
            if kept + found.size > MAX_RENDERED_BYTES:
                snapshot.rendered.clear()
            snapshot.rendered[key] = found
        return found

    def as_copy(self, snapshot: Snapshot, page: PublicPage, locale: str) -> bytes:
        """Return a page as it stands in a folder of files: it says of when it is, and offers no other language."""
        own = replace(page, definition=replace(page.definition, language=locale))
        return self._view(snapshot, own, locale, None).rendered(0, is_copy=True).plain


def board_of(request: Request) -> Board:
    """Return the running application's one board, which `web.app` made."""
    board: Board = request.app.state.status_board
    return board
