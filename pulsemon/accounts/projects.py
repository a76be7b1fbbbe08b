"""Projects: the walls. Which there are; what belongs to one bears its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from pulsemon.db.tables.projects import DEFAULT_ID, DEFAULT_SLUG, Project

__all__ = ["DEFAULT_ID", "DEFAULT_SLUG", "Directory", "Entry", "read"]


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
