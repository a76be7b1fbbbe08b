"""Ping keys: of each project one, made when somebody first asks for it, kept to be shown again, replaced at once."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import cast

from sqlalchemy import select, update

from pulsemon.db import Database, audit
from pulsemon.db.tables.projects import Project
from pulsemon.errors import NO_PROJECT, NotFound


def read(database: Database, project_id: int) -> str | None:
    """Return what opens the ping URLs by slug of a project, None: it was never made. Raises NotFound: no project."""
    with database.read() as connection:
        kept = connection.execute(select(Project.ping_key).where(Project.id == project_id)).first()
    if kept is None:
        raise NotFound(NO_PROJECT)
    return cast("str | None", kept.ping_key)


def ensure(database: Database, project_id: int) -> str:
    """Return the same, made now where there is none. Raises NotFound: there is no such project."""
    kept = read(database, project_id)
    if kept is not None:
        return kept
    with database.write() as connection:
        # Whoever was faster made the one that counts.
        empty = (Project.id == project_id, Project.ping_key.is_(None))
        connection.execute(update(Project).where(*empty).values(ping_key=_new()))
        return str(connection.execute(select(Project.ping_key).where(Project.id == project_id)).scalar_one())


def renew(database: Database, project_id: int, *, now: datetime) -> str:
    """Make a project another ping key; the old one opens nothing from this moment on. Raises NotFound."""
    made = _new()
    with database.write() as connection:
        slug = connection.scalar(
            update(Project)
            .where(Project.id == project_id)
            .values(ping_key=made, updated_at=now)
            .returning(Project.slug)
        )
        if slug is None:
            raise NotFound(NO_PROJECT)
        after = {"ping_key": audit.CHANGED}
        audit.note(connection, "key.ping-key", slug, project_id=project_id, after=after)
    return made


def _new() -> str:
    # As long as Healthchecks makes them: it stands in URLs beside the slug.
    return secrets.token_urlsafe(16)
