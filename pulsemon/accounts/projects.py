"""Projects: the walls. Which there are; making, renaming and deleting them. What belongs to one bears its id.

Input arrives validated (`input.accounts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pulsemon.core import keyset
from pulsemon.db import Database, audit
from pulsemon.db.tables.accounts import ApiKey
from pulsemon.db.tables.base import Base
from pulsemon.db.tables.projects import DEFAULT_ID, DEFAULT_SLUG, Project
from pulsemon.db.types import is_exactly
from pulsemon.db.versions import renew_version
from pulsemon.errors import NO_PROJECT, Conflict, NotFound

__all__ = ["DEFAULT_ID", "DEFAULT_SLUG", "Directory", "Entry", "NewProject", "ProjectView", "read"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A project as others name it."""

    id: int
    slug: str
    name: str


@dataclass(frozen=True)
class Directory:
    """All projects, in the order of their names; small enough to be kept in memory and asked with every request."""

    entries: Sequence[Entry]
    _by_id: dict[int, Entry] = field(init=False)
    _by_slug: dict[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        """Index them."""
        object.__setattr__(self, "_by_id", {each.id: each for each in self.entries})
        object.__setattr__(self, "_by_slug", {each.slug: each for each in self.entries})

    @property
    def has_several(self) -> bool:
        """Whether there is more than the one that is there from the start: before, nobody is shown projects at all."""
        return len(self.entries) > 1

    def of_id(self, project_id: int) -> Entry | None:
        """Return the project with this id."""
        return self._by_id.get(project_id)

    def of_slug(self, slug: str) -> Entry | None:
        """Return the project with this slug."""
        return self._by_slug.get(slug)

    def among(self, project_ids: Iterable[int]) -> list[Entry]:
        """Return those of *project_ids* that there are, in the order of their names."""
        wanted = set(project_ids)
        return [each for each in self.entries if each.id in wanted]


def read(connection: Connection) -> Directory:
    """Read them all."""
    rows = connection.execute(select(Project.id, Project.slug, Project.name))
    return Directory(sorted((Entry(*row) for row in rows), key=lambda each: (each.name.casefold(), each.id)))


def project_of(connection: Connection, slug: str) -> int | None:
    """Return the id of the project with this slug; None: there is none."""
    return connection.scalar(select(Project.id).where(is_exactly(Project.slug, slug)))


@dataclass(frozen=True, slots=True)
class NewProject:
    """What is needed to make one."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project as its owner sees it."""

    id: int
    slug: str
    name: str
    created_at: datetime
    updated_at: datetime


def list_all(
    database: Database,
    *,
    limit: int | None = None,
    after: int | None = None,
    only: Iterable[int] | None = None,
) -> tuple[list[ProjectView], int | None]:
    """Return projects in the order of their creation, and after which the next part begins; *only*: of these ids."""
    query = _VIEW.order_by(Project.id).limit(keyset.one_more(limit))
    if after is not None:
        query = query.where(Project.id > after)
    if only is not None:
        query = query.where(Project.id.in_(list(only)))
    with database.read() as connection:
        found = [ProjectView(*row) for row in connection.execute(query)]
    return keyset.cut(found, limit, lambda each: each.id)


def get(database: Database, slug: str) -> ProjectView:
    """Return one project. Raises NotFound."""
    with database.read() as connection:
        return _get(connection, slug)


def create(database: Database, new: NewProject, *, now: datetime) -> ProjectView:
    """Make a project, which nobody is a member of yet. Raises Conflict: the slug is taken."""
    row = {"slug": new.slug, "name": new.name, "created_at": now, "updated_at": now}
    with database.write() as connection:
        try:
            project_id = connection.execute(insert(Project).values(row).returning(Project.id)).scalar_one()
        except IntegrityError:
            raise Conflict("project-slug-taken") from None
        after = {"slug": new.slug, "name": new.name}
        audit.note(connection, "project.create", new.slug, project_id=project_id, after=after)
        renew_version(connection)
        return _get(connection, new.slug)


def rename(database: Database, slug: str, name: str, *, now: datetime) -> ProjectView:
    """Give a project another name; its slug stays, for programs name it by that. Raises NotFound."""
    with database.write() as connection:
        before = _get(connection, slug)
        connection.execute(update(Project).where(Project.id == before.id).values(name=name, updated_at=now))
        was, became = audit.difference({"name": before.name}, {"name": name})
        if became:
            audit.note(connection, "project.edit", slug, project_id=before.id, before=was, after=became)
        renew_version(connection)
        return _get(connection, slug)


def remove(database: Database, slug: str) -> None:
    """Delete a project that nothing belongs to, with its members and keys.

    Raises:
        NotFound: there is no such project.
        Conflict: it is the first one, or something belongs to it.
    """
    with database.write() as connection:
        connection.execute(select(Project.id).where(is_exactly(Project.slug, slug)).with_for_update())
        before = _get(connection, slug)
        if before.id == DEFAULT_ID:
            raise Conflict("first-project-stays")
        if any(_holds(connection, before.id)):
            raise Conflict("project-not-empty")
        connection.execute(delete(ApiKey).where(ApiKey.project_id == before.id))
        connection.execute(delete(Project).where(Project.id == before.id))
        was = {"slug": before.slug, "name": before.name}
        audit.note(connection, "project.delete", slug, project_id=before.id, before=was)
        renew_version(connection)


def _holds(connection: Connection, project_id: int) -> Iterable[bool]:
    """Yield for each table of what belongs to a project whether anything of this one is in it.

    Those are the tables whose `project_id` has a default: what was there before there were projects has one.
    """
    for table in Base.metadata.sorted_tables:
        column: Any = table.columns.get("project_id")
        if column is not None and column.server_default is not None:
            yield connection.scalar(select(column).where(column == project_id).limit(1)) is not None


_VIEW = select(Project.id, Project.slug, Project.name, Project.created_at, Project.updated_at)


def _get(connection: Connection, slug: str) -> ProjectView:
    row = connection.execute(_VIEW.where(is_exactly(Project.slug, slug))).first()
    if row is None:
        raise NotFound(NO_PROJECT)
    return ProjectView(*row)
