"""Projects: made, renamed, and deleted only where nothing belongs to them."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, update

from pulsemon.accounts import members, projects, users
from pulsemon.accounts.projects import NewProject
from pulsemon.accounts.roles import Role
from pulsemon.accounts.users import NewUser
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.incidents import Incident
from pulsemon.db.tables.monitors import Monitor
from pulsemon.errors import Conflict
from tests.arrange import START, make, rows

ANA = Actor(ActorKind.USER, "ana@example.org", START, public_id="a" * 16, remote_addr="10.0.0.1")


def _made(database: Database, slug: str = "shop") -> int:
    return projects.create(database, NewProject(slug, slug.title()), now=START).id


def _monitor(connection: Connection, project_id: int) -> None:
    connection.execute(update(Monitor).values(project_id=project_id))


def _incident(connection: Connection, project_id: int) -> None:
    row = {"public_id": "i" * 16, "status": "investigating", "impact": "minor", "is_general": True}
    row |= {"is_automatic": False, "started_at": START, "created_at": START, "updated_at": START}
    connection.execute(insert(Incident).values(row | {"project_id": project_id}))


@pytest.mark.parametrize("put", [_monitor, _incident])
def test_a_project_that_holds_anything_is_not_deleted(database: Database, put: object) -> None:
    project_id = _made(database)
    make(database)
    with database.write() as connection:
        put(connection, project_id)  # type: ignore[operator]

    with pytest.raises(Conflict) as refused:
        projects.remove(database, "shop")

    assert refused.value.code == "project-not-empty"
    assert projects.get(database, "shop").id == project_id


def test_what_is_done_to_projects_and_members_is_noted(database: Database) -> None:
    with audit.acting(ANA):
        project_id = _made(database)
        projects.rename(database, "shop", "Shops", now=START)
        user, _ = users.create(database, NewUser("bia@example.org", "bia@example.org"), now=START)
        members.set_role(database, project_id, user.id, Role.VIEWER, now=START)
        members.set_role(database, project_id, user.id, Role.VIEWER, now=START)
        members.set_role(database, project_id, user.id, Role.ADMIN, now=START)
        members.remove(database, project_id, user.id)
        projects.remove(database, "shop")
        users.remove(database, user.id, now=START)

    assert [(row.action, row.object, row.before, row.after) for row in rows(database, AuditEntry)] == [
        ("project.create", "shop", None, '{"slug":"shop","name":"Shop"}'),
        ("project.edit", "shop", '{"name":"Shop"}', '{"name":"Shops"}'),
        ("user.create", "bia@example.org", None, '{"email":"bia@example.org","name":"","owner":false,"invited":true}'),
        ("member.add", "bia@example.org", None, '{"role":"viewer"}'),
        ("member.edit", "bia@example.org", '{"role":"viewer"}', '{"role":"admin"}'),
        ("member.remove", "bia@example.org", '{"role":"admin"}', None),
        ("project.delete", "shop", '{"slug":"shop","name":"Shops"}', None),
        (
            "user.delete",
            "bia@example.org",
            '{"email":"bia@example.org","name":"","owner":false,"disabled":false}',
            None,
        ),
    ]


def test_whoever_is_invited_into_a_project_is_made_where_he_is_not_there_yet(database: Database) -> None:
    new = NewUser("bia@example.org", "bia@example.org", "Bia")

    member, token = members.invite(database, 1, new, Role.EDITOR, now=START)
    again, second = members.invite(database, 1, new, Role.VIEWER, now=START)

    assert token is not None
    assert (second, again.id, again.role) == (None, member.id, Role.VIEWER)
    assert [(each.slug, each.role) for each in members.of_user(database, member.row_id)] == [("default", Role.VIEWER)]
