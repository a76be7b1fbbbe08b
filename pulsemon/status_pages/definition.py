"""What an owner says of a public page, and how one is shown to its owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pulsemon.core.addresses import MAIN
from pulsemon.core.edits import KEPT, Kept
from pulsemon.db.tables.projects import DEFAULT_ID


@dataclass(frozen=True, slots=True)
class NewPage:
    """What is needed to make a page. `timezone` and `monitors` None: as for `PageView`."""

    slug: str
    title: str | None = None
    description: str | None = None
    footer: str | None = None
    accent: str | None = None
    timezone: str | None = None
    language: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    monitors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PageChanges:
    """An edit of any of these."""

    slug: str | Kept = KEPT
    title: str | Kept | None = KEPT
    description: str | Kept | None = KEPT
    footer: str | Kept | None = KEPT
    accent: str | Kept | None = KEPT
    timezone: str | Kept | None = KEPT
    language: str | Kept | None = KEPT
    password: str | Kept | None = field(default=KEPT, repr=False)
    host: str | Kept | None = KEPT
    monitors: tuple[str, ...] | Kept | None = KEPT


@dataclass(frozen=True, slots=True)
class PageView:
    """One page as its owner sees it. `id` 0 and no times: `/status`, never edited. `monitors` None: all public ones
    of its project.

    `timezone` None: that of AVAILABILITY_TIMEZONE.
    """

    id: int = 0
    slug: str = MAIN
    title: str | None = None
    description: str | None = None
    footer: str | None = None
    accent: str | None = None
    timezone: str | None = None
    language: str | None = None
    has_password: bool = False
    host: str | None = None
    monitors: tuple[str, ...] | None = None
    logo_digest: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    project_id: int = DEFAULT_ID
