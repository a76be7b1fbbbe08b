"""What tests of the panel share about people: somebody with roles in front of a browser that is logged in."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.accounts.roles import Role
from pulsemon.db import Database
from pulsemon.db.tables.projects import DEFAULT_ID
from tests.arrange import a_member, a_project, a_session, a_user, log_in, site_of


def database_of(client: TestClient) -> Database:
    """Return the database of the application behind *client*: a SQLite file lets nobody else in."""
    return site_of(client).database


def make_project(client: TestClient, slug: str, name: str = "") -> int:
    """Make a project and return its id; the application knows of it at once."""
    made = a_project(database_of(client), slug, name=name)
    site_of(client).live.bump()
    return made


def make_user(
    client: TestClient, email: str, roles: Mapping[int, Role] | Role | None = None, *, is_owner: bool = False
) -> int:
    """Make a user and return the id, a member of what *roles* say (one alone: of the first project)."""
    user_id = a_user(database_of(client), email, is_owner=is_owner)
    wanted = {DEFAULT_ID: roles} if isinstance(roles, Role) else roles or {}
    for project_id, role in wanted.items():
        a_member(database_of(client), user_id, role, project_id)
    return user_id


def log_in_as(client: TestClient, user_id: int) -> None:
    """Let the browser be logged in as a user who just proved to be there; it takes pages in English."""
    client.cookies.clear()
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    log_in(client, a_session(database_of(client), user_id, now=clock.now()))
