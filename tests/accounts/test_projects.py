"""Projects: made, renamed, and deleted only where nothing belongs to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert, update

from pulsemon.accounts import keys, members, projects, users
from pulsemon.accounts.keys import NewKey
from pulsemon.accounts.projects import NewProject
from pulsemon.accounts.roles import OWNER_BY_TOKEN, Role, Scope
from pulsemon.accounts.users import NewUser, UserChanges
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.db import Database, audit
from pulsemon.db import projects as held_projects
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.db.tables.accounts import ApiKey
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.incidents import Incident
from pulsemon.db.tables.maintenance import Maintenance
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.errors import Conflict, NotFound
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.manage import NewIncident
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance.definition import Definition
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.manage import NewMonitor
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.definition import NewPage
from tests.arrange import START, make, rows

JOB = NewMonitor("Late", "late", interval_seconds=240)
WORKS = Definition("Late", Plan(Repeats.ONCE, START, timedelta(hours=1), "UTC"))
KEY = ("Late", frozenset({Scope.READ}))
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


@pytest.mark.parametrize(
    "make_in",
    [
        lambda database, there: monitors.create(database, JOB, now=START, project_id=there),
        lambda database, there: monitors.create_many(database, [JOB], now=START, project_ids=[there]),
        lambda database, there: incidents.create(
            database, NewIncident("Late", "Late", is_general=True), now=START, project_id=there
        ),
        lambda database, there: maintenance.create(database, WORKS, now=START, project_id=there),
        lambda database, there: status_pages.create(database, NewPage("late"), now=START, project_id=there),
        lambda database, there: keys.create(
            database, NewKey(*KEY, there), maker=OWNER_BY_TOKEN, made_by="x", now=START
        ),
    ],
    ids=["monitor", "monitors", "incident", "maintenance", "page", "key"],
)
def test_nothing_is_made_in_a_project_that_was_deleted_meanwhile(
    database: Database, make_in: Callable[[Database, int], object]
) -> None:
    there = _made(database)
    projects.remove(database, "shop")

    with pytest.raises(NotFound):
        make_in(database, there)

    assert [rows(database, table) for table in (Monitor, Incident, Maintenance, StatusPage, ApiKey)] == [[]] * 5


def test_a_project_in_which_something_is_being_made_is_not_deleted(database: Database) -> None:
    there = _made(database)
    with ThreadPoolExecutor() as pool:
        with database.write() as connection:
            held_projects.hold(connection, there)
            removal = pool.submit(projects.remove, database, "shop")
            _incident(connection, there)
        with pytest.raises(Conflict, match="Something belongs"):
            removal.result(timeout=60)

    assert len(rows(database, Incident)) == 1


def test_what_is_done_to_projects_and_members_is_noted(database: Database) -> None:
    with audit.acting(ANA):
        project_id = _made(database)
        projects.rename(database, "shop", "Shops", now=START)
        user, _ = users.create(database, NewUser("bia@example.org", "bia@example.org"), now=START)
        members.set_role(database, project_id, user.id, Role.VIEWER, now=START)
        members.set_role(database, project_id, user.id, Role.VIEWER, now=START)
        members.set_role(database, project_id, user.id, Role.ADMIN, now=START)
        members.remove(database, project_id, user.id, now=START)
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


def test_owners_who_go_at_once_are_told_apart_and_one_stays(database: Database) -> None:
    for number in range(6):
        pair = [
            users.create(database, NewUser(f"{who}@x.org", f"{who}@x.org", is_owner=True), now=START)[0].id
            for who in (f"a{number}", f"b{number}")
        ]
        for each in users.list_all(database)[0]:
            if each.is_owner and each.id not in pair:
                users.remove(database, each.id, now=START)
        barrier = threading.Barrier(2)

        def go(user_id: str, barrier: threading.Barrier = barrier) -> str:
            barrier.wait(60)
            try:
                users.edit(database, user_id, UserChanges(is_owner=False), now=START)
            except Conflict as refused:
                return refused.code
            return "gone"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(go, pair)) == ["gone", "last-owner"]


def test_whoever_is_invited_into_a_project_is_made_where_he_is_not_there_yet(database: Database) -> None:
    new = NewUser("bia@example.org", "bia@example.org", "Bia")

    member, token = members.invite(database, 1, new, Role.EDITOR, now=START)
    again, second = members.invite(database, 1, new, Role.VIEWER, now=START)

    assert token is not None
    assert (second, again.id, again.role) == (None, member.id, Role.VIEWER)
    assert [(each.slug, each.role) for each in members.of_user(database, member.row_id)] == [("default", Role.VIEWER)]
