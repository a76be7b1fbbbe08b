"""What is made in a project is made while the project is there."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pulsemon.db.tables.projects import DEFAULT_ID, Project
from pulsemon.errors import NO_PROJECT, NotFound


def hold(connection: Connection, project_id: int) -> None:
    """Have a project be there until this transaction ends: what belongs to it has no foreign key that would say so.

    Raises:
        NotFound: there is no such project, or no more.
    """
    if project_id == DEFAULT_ID:  # never deleted
        return
    query = select(Project.id).where(Project.id == project_id).with_for_update(read=True, key_share=True)
    if connection.scalar(query) is None:
        raise NotFound(NO_PROJECT)
