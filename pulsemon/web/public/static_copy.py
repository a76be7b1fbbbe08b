"""The public pages as files for any web server: what anybody may see, and nothing that takes a password.

Paths are those of the running PulseMon; a page is the `index.html` of its folder. Not here: how files are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pulsemon.core.addresses import MAIN, history_path, page_path
from pulsemon.core.blindness import NODE_IS_LOST
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.errors import Unavailable
from pulsemon.incidents.rows import Incident
from pulsemon.settings import Settings
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.public import PublicPage
from pulsemon.web.html import rendering
from pulsemon.web.http.live import Live
from pulsemon.web.public import badges, feed, statuspage
from pulsemon.web.public import calendar as calendar_feed
from pulsemon.web.public import history as status_history
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public.board import Board, Snapshot

# Slugs of an old database may hold what means something in a path.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ASSETS = ("bars.js", "favicon.svg", "status.js")
_AS_IT_IS = badges.Wish(locale=None, days=None)


@dataclass(frozen=True)
class _Source:
    """All that a board reads from."""

    settings: Settings
    database: Database
    now: Callable[[], datetime]
    live: Live = field(default_factory=Live)


def make_files(database: Database, settings: Settings, *, now: datetime) -> dict[str, bytes]:
    """Return path -> content of every file of a copy that is true at *now*. Raises Unavailable.

    Where no server has watched for a while, the copy is one of the last moment at which one did: nobody knows more.
    """
    watched_at = passes.last_heartbeat(database)
    if watched_at is not None and now - watched_at > NODE_IS_LOST:
        now = watched_at
    source = _Source(settings, database, lambda: now)
    board = Board(source)
    snapshot = board.snapshot()
    if snapshot is None:
        raise Unavailable("The database does not answer.")
    files = {f"static/{name}": (rendering.STATIC / name).read_bytes() for name in _ASSETS}
    # /status first: a page that is called history keeps its files.
    for slug, definition in snapshot.directory.definitions.items():
        if definition.password_hash is None:
            files |= _of_page(source, board, snapshot, board.page(snapshot, slug))
    for each in board.open_monitors(snapshot):
        if _FILE_NAME.fullmatch(each.slug):
            files |= _badge(f"badge/{each.slug}", badges.of_monitor(board, snapshot, each, settings, _AS_IT_IS))
    return files


def _of_page(source: _Source, board: Board, snapshot: Snapshot, page: PublicPage) -> dict[str, bytes]:
    """Return path -> content of the files of one page."""
    settings, definition = source.settings, page.definition
    locale = definition.language or settings.default_locale.value
    folder = page_path(definition.slug).removeprefix("/")
    archive, changes = board.incidents.archive_of(page), board.changes.changes_of(page)
    files = {
        f"{folder}/index.html": board.as_copy(snapshot, page, locale),
        f"{folder}/maintenance.ics": calendar_feed.document(page, settings),
        f"{folder}/feed.atom": feed.document(page, changes, settings, locale, incidents=archive),
    }
    files |= _history(source, page, archive, locale)
    files |= _badge(f"{folder}/badge", badges.of_page(board, page, settings, _AS_IT_IS))
    if definition.logo_digest is not None:
        files[f"status/{definition.slug}/logo"] = status_pages.logo(source.database, definition.slug)[1]
    documents = "api/v2" if definition.slug == MAIN else f"{folder}/api/v2"
    return files | {
        f"{documents}/{name}.json": statuspage.document(name, page, settings, archive=archive)
        for name in statuspage.DOCUMENTS
    }


def _history(source: _Source, page: PublicPage, archive: Sequence[Incident], locale: str) -> dict[str, bytes]:
    """All on one page, because files cannot be asked for the next one; and each at its own address."""
    folder = history_path(page.definition.slug).removeprefix("/")
    whole = public_incidents.Part(1, tuple(archive), has_more=False)
    files = {f"{folder}/index.html": status_history.as_copy(source, page, locale, part=whole)}
    for each in archive:
        files[f"{folder}/{each.public_id}/index.html"] = status_history.as_copy(source, page, locale, incident=each)
    return files


def _badge(path: str, badge: badges.Badge) -> dict[str, bytes]:
    return {f"{path}.{form}": badge.document(form) for form in (badges.SVG, badges.JSON)}
