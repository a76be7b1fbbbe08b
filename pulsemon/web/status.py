"""The public status page: one snapshot for everybody, never more than a second old while the database answers.

The page is rendered and compressed once for a snapshot and a language. When the database is away the last good
snapshot is shown with its age.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pulsemon import status_page
from pulsemon.core.shown import Shown
from pulsemon.core.texts import N_
from pulsemon.errors import Unavailable
from pulsemon.locale import LOCALES, translator
from pulsemon.status_page import PublicPage
from pulsemon.web import rendering
from pulsemon.web.security import CSP, PublicRoute
from pulsemon.web.site import Site, site_of

router = APIRouter(route_class=PublicRoute, include_in_schema=False)

# Below the promised second by the time that reading and rendering take.
FRESH = timedelta(milliseconds=800)
# A change shows at once; a storm of them is read ten times a second and no oftener.
BURST = timedelta(seconds=0.1)
# While somebody else reads anew (or the database hangs) nobody waits longer than this for him.
PATIENCE_SEC = 1.0
# An old snapshot is rendered anew every second of its age.
MAX_RENDERED = 2 * len(LOCALES)
_STYLE = (rendering.TEMPLATES / "status.css").read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class Rendered:
    """One page as bytes, ready to send."""

    plain: bytes
    zipped: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database said at `page.at`; `blind` is when PulseMon could not see, where the page needs it.

    Its pages are kept with it, by language and age, so that an older snapshot's page can never pass for a newer one's.
    """

    page: PublicPage
    blind: tuple[datetime, datetime] | None
    rendered: dict[tuple[str, int], Rendered] = field(default_factory=dict)


class Board:
    """The snapshot that concurrent requests share."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._mark = -1  # of `Live`, when the snapshot was read: it has moved since if anything changed
        self._failed_at: datetime | None = None

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

    def _is_fresh(self) -> bool:
        """Right after the database failed it is not asked again: what is held is the best there is."""
        now, held = self._site.now(), self._snapshot
        if self._failed_at is not None and timedelta(0) <= now - self._failed_at < FRESH:
            return True
        if held is None or not timedelta(0) <= now - held.page.at < FRESH:
            return False
        return self._mark == self._site.live.mark or now - held.page.at < BURST

    def _read(self) -> None:
        self._mark = self._site.live.mark
        try:
            page = status_page.read_page(self._site.database, now=self._site.now())
            blind = status_page.last_blind_window(self._site.database) if page.count(Shown.BLIND) else None
            self._snapshot, self._failed_at = Snapshot(page, blind), None
        except Unavailable:
            self._failed_at = self._site.now()

    def rendered(self, snapshot: Snapshot | None, locale: str) -> Rendered:
        """Return the page for *snapshot* in one language, made once while it lasts."""
        if snapshot is None:
            return _render(self._site, None, locale, 0)
        age_sec = max(0, int((self._site.now() - snapshot.page.at).total_seconds()))
        kept = snapshot.rendered
        found = kept.get((locale, age_sec))
        if found is None:
            found = _render(self._site, snapshot, locale, age_sec)
            if len(kept) >= MAX_RENDERED:
                kept.clear()
            kept[locale, age_sec] = found
        return found


def _render(site: Site, snapshot: Snapshot | None, locale: str, age_sec: int) -> Rendered:
    is_old = snapshot is not None and age_sec > 2
    html = rendering.render(
        "status.html",
        locale=locale,
        now=site.now() if snapshot is None or is_old else snapshot.page.at,
        title=site.settings.public_status_title,
        style=_STYLE,
        snapshot=snapshot,
        overall=_overall(snapshot),
        sentence=translator(locale).gettext(_SENTENCES[_overall(snapshot)]),
        age_sec=age_sec,
        is_old=is_old,
    )
    plain = html.encode()
    etag = f'"{hashlib.sha256(plain).hexdigest()[:24]}"'
    return Rendered(plain, gzip.compress(plain, 6, mtime=0), etag)


_SENTENCES = {
    "none": N_("The state is not known yet: the database does not answer."),
    "empty": N_("Nothing is watched yet."),
    "down": N_("Some systems are down."),
    "all-down": N_("All systems are down."),
    "blind": N_("The state of some systems is unknown."),
    "late": N_("All systems operational; some are late."),
    "waiting": N_("Waiting for the first signals."),
    "up": N_("All systems operational."),
}


def _overall(snapshot: Snapshot | None) -> str:
    """Return the key of the one sentence on top."""
    if snapshot is None:
        return "none"
    page = snapshot.page
    down = page.count(Shown.DOWN)
    working = page.count(Shown.UP, Shown.LATE)
    if not page.monitors:
        return "empty"
    if down:
        return "down" if working or page.count(Shown.BLIND) else "all-down"
    if page.count(Shown.BLIND):
        return "blind"
    if page.count(Shown.LATE):
        return "late"
    return "up" if working else "waiting"


@cache
def _policy() -> str:
    """The page carries its own style: one block, named by its hash, and nothing else inline."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return CSP.replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'")


_making = threading.Lock()


def board_of(request: Request) -> Board:
    """Return the running application's one board."""
    with _making:
        state = request.app.state
        if not hasattr(state, "status_board"):
            state.status_board = Board(site_of(request))
        board: Board = state.status_board
        return board


@router.api_route("/status", methods=["GET", "HEAD"])
def status(request: Request) -> Response:
    """Answer with the page, 200 whatever the database does."""
    board = board_of(request)
    locale = rendering.locale_of(request)
    rendered = board.rendered(board.snapshot(), locale)
    headers = {
        "content-security-policy": _policy(),
        "etag": rendered.etag,
        "cache-control": "no-cache",
        "vary": "Accept-Encoding",
    }
    if _names(request.headers.get("if-none-match", ""), rendered.etag):
        response = Response(status_code=304, headers=headers)
    elif _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
        response = Response(rendered.zipped, media_type="text/html", headers=headers)
    else:
        response = Response(rendered.plain, media_type="text/html", headers=headers)
    rendering.set_language(request, response, locale)
    return response


def _names(if_none_match: str, etag: str) -> bool:
    """Compare weakly: a proxy that compresses by itself marks the tag as weak. Source: RFC 9110, 13.1.2."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in if_none_match.split(","))


def _takes_gzip(accept_encoding: str) -> bool:
    for entry in accept_encoding.lower().split(","):
        coding, _, parameters = entry.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
