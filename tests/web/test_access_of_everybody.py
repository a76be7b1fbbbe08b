"""Everybody there is asks for every closed route, and is let in, refused or told nothing as the security page says.

What the routes do is taken out: they say that somebody came in, `LET_IN`. All that stands in front of them is real: the
gate, sessions and keys in the database, the project of what a path names, and the one function that decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from pulsemon.accounts import access
from pulsemon.accounts.projects import DEFAULT_ID, DEFAULT_SLUG
from pulsemon.accounts.roles import Role, Scope
from pulsemon.web.http import routing
from tests.arrange import a_key, a_member, a_project, a_session, a_user, log_in, site_of
from tests.conftest import ADMIN_TOKEN, ROOT
from tests.web.test_access_table import PAGES, Line, lines_of

LET_IN = 299
PAGE = (ROOT / PAGES[0]).read_text(encoding="utf-8")
CLOSED = [line for line in lines_of(PAGE) if line.who in ("token", "session")]
# In the order of what they may.
ROLES = [each.value for each in Role]


@dataclass(frozen=True)
class Who:
    """Somebody who asks: `how`, by token, session or nothing; what he `may`, roles or scopes, in which `project`."""

    name: str
    how: str
    may: frozenset[str] = frozenset()
    project: str = "own"
    is_owner: bool = False
    is_user: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    session: str = ""

    def answer_to(self, line: Line) -> set[int]:
        """Return what the table says that he is answered."""
        if line.who != self.how:
            return {401} if line.who == "token" else {303, 401}
        is_elsewhere = self.project == "other" and line.names != "-" and not self.is_owner
        if line.action == "own-account":
            return {LET_IN} if self.is_user else {403}
        if self.is_owner:
            return {LET_IN}
        if is_elsewhere or (self.project == "none" and line.names != "-"):
            return {404}
        return {LET_IN} if self.is_allowed(line) else {403}

    def is_allowed(self, line: Line) -> bool:
        """Return whether the table allows it within a project of his."""
        if line.action == "own":
            return self.project == "all" and "admin" in self.may
        return self.project != "none" and bool(self.may & set(line.may.split(",")))


def roles_up_to(role: Role) -> frozenset[str]:
    """Return the least roles that are asked for and that *role* includes."""
    return frozenset(ROLES[: ROLES.index(role.value) + 1])


def everybody() -> Iterator[Who]:
    """Yield everybody, without what they show."""
    yield Who("nobody", "nothing")
    yield Who("the owner's token", "token", is_owner=True)
    yield Who("the owner's session", "session", is_owner=True)
    yield Who("a user who is an owner", "session", is_owner=True, is_user=True)
    for role in Role:
        yield Who(f"{role} here", "session", roles_up_to(role), is_user=True)
    yield Who("admin elsewhere", "session", roles_up_to(Role.ADMIN), "other", is_user=True)
    yield Who("member of nothing", "session", project="none", is_user=True)
    for scope in Scope:
        for project in ("own", "other", "all"):
            yield Who(f"{scope} key of {project}", "token", frozenset({scope.value}), project)


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """Who may do what does not depend on the database."""
    client = make_client(sqlite_url)
    client.follow_redirects = False
    return client


@pytest.fixture
def ids(client: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make one of each kind in the project "default"; all are called `1` but for these. Take out what routes do."""

    def made(path: str, **body: Any) -> dict[str, Any]:
        answer = client.post(path, json=body, headers=admin)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    made("/api/monitors", name="a", slug="1", interval_seconds=60)
    made("/api/pages", slug="1")
    incident_id = made("/api/incidents", title="a", body="b", general=True)["id"]
    plan = {"repeats": "weekly", "days": ["mon"], "time": "02:30", "length_seconds": 60}
    maintenance_id = made("/api/maintenance", title="a", **plan)["id"]
    monkeypatch.setattr(routing, "_handle_as_asked", _let_in)
    return {"incident_id": incident_id, "public_id": incident_id, "maintenance_id": maintenance_id}


async def _let_in(_handle: Any, _request: Request) -> Response:
    return Response(status_code=LET_IN)


def people_of(client: TestClient) -> Iterator[Who]:
    """Yield everybody with what they show, made in the database."""
    site = site_of(client)
    database, now = site.database, datetime.now(UTC)  # noqa: TID251 - the server reads the real clock
    elsewhere = {"own": DEFAULT_ID, "other": a_project(database, "shop"), "all": None, "none": None}
    site.live.bump()
    for who in everybody():
        if who.name == "the owner's token":
            yield replace(who, headers={"X-Admin-Token": ADMIN_TOKEN})
        elif who.name == "the owner's session":
            yield replace(who, session=access.open_session(database, ADMIN_TOKEN, now=now))
        elif who.how == "token":
            key = a_key(database, *(Scope(each) for each in who.may), project_id=elsewhere[who.project])
            yield replace(who, headers={"X-Api-Key": key})
        elif who.is_user:
            user_id = a_user(database, f"{who.name}@example.org", is_owner=who.is_owner)
            if who.may:
                a_member(database, user_id, Role(max(who.may, key=ROLES.index)), elsewhere[who.project] or DEFAULT_ID)
            yield replace(who, session=a_session(database, user_id, now=now))
        else:
            yield who


def test_everybody_is_let_in_where_the_table_says_and_nowhere_else(client: TestClient, ids: dict[str, str]) -> None:
    wrong, seen = [], set()

    for who in list(people_of(client)):
        client.cookies.clear()
        if who.session:
            log_in(client, who.session)
        for line in CLOSED:
            path = re.sub(r"{(\w+)}", lambda found: str(ids.get(found[1], "1")), line.path)
            path = path.replace("/projects/1", f"/projects/{DEFAULT_SLUG}")
            answer = client.request(line.method, path, headers=who.headers | {"accept": "text/html"})
            seen.add(answer.status_code)
            if answer.status_code not in who.answer_to(line):
                wrong.append((who.name, line, answer.status_code, who.answer_to(line)))

    assert wrong == []
    assert seen == {LET_IN, 303, 401, 403, 404}  # a control: each answer there is was given


def test_a_list_of_a_project_that_a_key_does_not_open_is_as_good_as_missing(
    client: TestClient, ids: dict[str, str]
) -> None:
    assert ids
    lists = [line for line in CLOSED if line.who == "token" and line.names == "-" and "{" not in line.path]
    key = {"X-Api-Key": a_key(site_of(client).database, *Scope, project_id=a_project(site_of(client).database))}
    site_of(client).live.bump()

    assert len(lists) > 10
    for line in lists:
        answers = [
            client.request(line.method, f"{line.path}?project={slug}", headers=key).status_code
            for slug in ("default", "nobody", "shop")
        ]
        assert answers == [404, 404, 403 if line.action == "own" else LET_IN], line
