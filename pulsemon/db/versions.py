"""The version of all that was edited and of all that happened, by which open panels, on every node, notice a change."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection, func, select

from pulsemon.db.tables.base import Meta
from pulsemon.db.tables.monitors import History
from pulsemon.db.upsert import upsert_all

_KEY = "edits"
# Of a project, with its id behind it, and of edits of which nobody says in which project they were.
_OF_PROJECT = "edits-of-"
_OF_ANY = "edits-of-any"
_within: ContextVar[int | None] = ContextVar("pulsemon_edits_within", default=None)


@contextmanager
def within(project_id: int | None) -> Iterator[None]:
    """Have what is edited in the block, in this task and in the threads that it asks, be an edit of this project.

    None: of who knows which.
    """
    token = _within.set(project_id)
    try:
        yield
    finally:
        _within.reset(token)


def renew_version(connection: Connection, *project_ids: int) -> None:
    """Change the version, in the transaction of the edit, and that of the projects; else of the one we are `within`."""
    here = _within.get()
    ids = project_ids or (() if here is None else (here,))
    keys = [_KEY, *(f"{_OF_PROJECT}{each}" for each in sorted(ids))] if ids else [_KEY, _OF_ANY]
    upsert_all(connection, Meta, [{"key": key, "value": secrets.token_hex(8)} for key in keys])


def read_version(connection: Connection) -> tuple[int, str]:
    """Return a value that is another one after every transition and every edit, on whatever node."""
    newest = connection.scalar(select(func.max(History.id))) or 0
    return newest, read_edits(connection)


def read_edits(connection: Connection) -> str:
    """Return a value that is another one after every edit, on whatever node; empty before the first one."""
    return connection.scalar(select(Meta.value).where(Meta.key == _KEY)) or ""


def read_edits_by_project(connection: Connection) -> dict[int | None, str]:
    """Return project id -> a value that is another one after its edits; None: after those of who knows which."""
    beyond = _OF_PROJECT[:-1] + chr(ord(_OF_PROJECT[-1]) + 1)
    query = select(Meta.key, Meta.value).where(Meta.key >= _OF_PROJECT, Meta.key < beyond)
    found = {row.key.removeprefix(_OF_PROJECT): row.value for row in connection.execute(query)}
    return {int(each) if each.isdecimal() else None: value for each, value in found.items()}
