"""Which public pages there are and what their owner says of each. Their monitors are no part of it: see `public`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from pulsemon.core import schedule
from pulsemon.core.addresses import MAIN
from pulsemon.db import Database
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.db.types import is_exactly
from pulsemon.db.versions import read_edits


@dataclass(frozen=True, slots=True)
class PageDefinition:
    """What an owner says of a page (see `status_pages.manage`).

    `is_chosen`: it shows the monitors that were chosen for it, in their order; else all public ones of its project.
    """

    slug: str = MAIN
    id: int = 0
    title: str | None = None
    description: str | None = None
    footer: str | None = None
    accent: str | None = None
    timezone: str = "UTC"
    language: str | None = None
    password_hash: str | None = None
    host: str | None = None
    logo_digest: str | None = None
    is_chosen: bool = False
    project_id: int = DEFAULT_ID


MAIN_DEFINITION = PageDefinition()


def project_of(connection: Connection, slug: str) -> int | None:
    """Return the id of the project that a page belongs to; None: there is none. The one at /status is the first's."""
    if slug == MAIN:
        return DEFAULT_ID
    return connection.scalar(select(StatusPage.project_id).where(is_exactly(StatusPage.slug, slug)))


@dataclass(frozen=True, slots=True)
class Directory:
    """The pages by their slugs, true at `at`; the one at `/status` is always among them.

    `timezone` is that of what belongs to no page, and of pages that name none. `edits`: another value after any edit.
    """

    definitions: Mapping[str, PageDefinition]
    at: datetime
    timezone: str = "UTC"
    edits: str = ""

    def slug_of_host(self, host: str) -> str | None:
        """Return the page that has this host name (lower case, no port)."""
        return next((each.slug for each in self.definitions.values() if each.host == host), None)

    @property
    def open_project_ids(self) -> frozenset[int]:
        """Return the projects of which some page shows every public monitor to everybody, without a password."""
        definitions = self.definitions.values()
        return frozenset(each.project_id for each in definitions if each.password_hash is None and not each.is_chosen)


def read_directory(database: Database, *, now: datetime, timezone: str = "UTC") -> Directory:
    """Return the pages at *now*, in two queries; *timezone* is that of pages that name none. Raises Unavailable."""
    definitions = {MAIN: replace(MAIN_DEFINITION, timezone=timezone)}
    zones = schedule.zone_names()
    with database.read() as connection:
        edits = read_edits(connection)
        for row in connection.execute(select(StatusPage.__table__).order_by(StatusPage.id)):
            definitions[row.slug] = PageDefinition(
                slug=row.slug,
                id=row.id,
                title=row.title,
                description=row.description,
                footer=row.footer,
                accent=row.accent,
                timezone=row.timezone if row.timezone in zones else timezone,
                language=row.language,
                password_hash=row.password_hash,
                host=row.host,
                logo_digest=row.logo_digest,
                is_chosen=row.is_chosen,
                project_id=row.project_id,
            )
    return Directory(definitions, now, timezone, edits)
