"""Members, users, projects and keys in the panel: plain forms, errors at the field, each asked before it is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx2 import Response
from sqlalchemy import select, update
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.accounts import members, projects, users
from pulsemon.accounts.roles import Role
from pulsemon.accounts.users import UserChanges
from pulsemon.db.tables.accounts import ApiKey, Session, User
from pulsemon.db.tables.messages import Delivery
from pulsemon.db.tables.projects import DEFAULT_ID
from tests.arrange import a_member, rows
from tests.conftest import ADMIN_TOKEN
from tests.members import database_of, log_in_as, make_project, make_user
from tests.web.panel.test_monitors import text_of

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}


def send(client: TestClient, path: str, **form: Any) -> Response:
    return client.post(path, data=form, follow_redirects=False)


def roles_of(client: TestClient, project_id: int = DEFAULT_ID) -> dict[str, str]:
    found, _ = members.list_of(database_of(client), project_id)
    return {each.email: each.role.value for each in found}


def id_of(client: TestClient, email: str) -> str:
    return users.by_email(database_of(client), email).id


def link_on(answer: Response, element_id: str = "made-link") -> str:
    found = re.search(rf'id="{element_id}"[^>]*>([^<]+)<', answer.text)
    assert found, text_of(answer)
    return found[1]


@pytest.fixture
def people(client: TestClient) -> TestClient:
    """The browser of an admin of the first project and of no other; there is a second one, with a member of its own."""
    shop = make_project(client, "shop")
    make_user(client, "bob@example.org", {shop: Role.ADMIN})
    log_in_as(client, make_user(client, "ana@example.org", Role.ADMIN))
    return client


@pytest.fixture
def mailing(make_client: Callable[..., TestClient], database_url: str) -> TestClient:
    """The browser of an admin of the only project, where mail is set up."""
    mail = {"smtp_host": "127.0.0.1", "smtp_port": 9, "mail_from": "a@example.org", "base_url": "http://testserver"}
    client = make_client(database_url, **mail, smtp_security="none")
    log_in_as(client, make_user(client, "ana@example.org", Role.ADMIN))
    return client


# Members


def test_somebody_new_is_asked_about_then_made_a_member_and_invited_by_a_link(people: TestClient) -> None:
    form = {"email": "eva@example.org", "name": "Eva", "role": "responder"}
    asked = send(people, "/people?project=default", **form)

    assert asked.status_code == 200
    for words in ("Give this role?", "In Default, as responder:", "Sees everything but", "Also pauses and resumes"):
        assert words in text_of(asked)
    assert "Also sees secrets" not in text_of(asked)
    assert "eva@example.org" not in roles_of(people)

    made = send(people, "/people?project=default", **form, sure="yes")
    assert made.status_code == 200
    assert roles_of(people)["eva@example.org"] == "responder"
    assert "invited, has not come yet" in text_of(made)
    # Without mail an owner makes the link: an admin could choose that password, and be Eva in other projects.
    assert "ask an owner to make the link by which eva@example.org chooses a password" in text_of(made)
    assert "/join/" not in made.text
    path = f"/people/{id_of(people, 'eva@example.org')}"
    assert "Make a new link" not in people.get(path).text
    assert send(people, f"{path}/link").status_code == 403

    log_in_as(people, make_user(people, "owner@example.org", is_owner=True))
    link = link_on(send(people, f"{path}/link"))
    assert people.get(urlsplit(link).path).status_code == 200
    assert link not in people.get("/people").text


def test_somebody_who_is_there_already_is_added_without_a_link(people: TestClient) -> None:
    answer = send(people, "/people", email="BOB@example.org", role="viewer", sure="yes")

    assert (answer.status_code, answer.headers["location"]) == (303, "/people?project=default&done=member-added")
    assert roles_of(people) == {"ana@example.org": "admin", "bob@example.org": "viewer"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"email": "no address", "name": "Kept", "role": "viewer"}, "email"),
        ({"email": "", "name": "Kept", "role": "viewer"}, "email"),
        ({"email": "eva@example.org", "name": "Kept", "role": "king"}, "role"),
        ({"email": "eva@example.org", "name": "Kept"}, "role"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    people: TestClient, form: dict[str, str], field: str
) -> None:
    answer = send(people, "/people", **form, sure="yes")

    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert 'value="Kept"' in answer.text
    assert set(roles_of(people)) == {"ana@example.org"}


def test_a_role_is_changed_after_a_question_and_taken_away_after_another(people: TestClient) -> None:
    user_id = make_user(people, "eva@example.org", Role.VIEWER)
    eva = f"/people/{id_of(people, 'eva@example.org')}"
    assert user_id

    assert "Also creates" not in text_of(people.get(eva))
    asked = send(people, eva, role="editor")
    assert "As editor:" in text_of(asked) or "In Default, as editor:" in text_of(asked)
    assert roles_of(people)["eva@example.org"] == "viewer"
    assert send(people, eva, role="editor", sure="yes").status_code == 303
    assert roles_of(people)["eva@example.org"] == "editor"
    assert "Remove from Default?" in text_of(people.get(f"{eva}/remove"))
    assert send(people, f"{eva}/remove").headers["location"].startswith("/people?")
    assert "eva@example.org" not in roles_of(people)


def test_an_admin_who_removes_himself_finds_a_page_that_says_so(people: TestClient) -> None:
    ana = id_of(people, "ana@example.org")
    answer = people.post(f"/people/{ana}/remove")

    assert answer.status_code == 200
    assert "You are in no project yet" in text_of(answer)


def test_members_of_another_project_are_as_good_as_missing(people: TestClient) -> None:
    bob = id_of(people, "bob@example.org")
    answers = [
        people.get(f"/people/{bob}"),
        people.get(f"/people/{bob}/remove"),
        send(people, f"/people/{bob}", role="viewer", sure="yes"),
        send(people, f"/people/{bob}/remove"),
        send(people, f"/people/{bob}/link"),
        people.get("/people?project=shop"),
        send(people, "/people?project=shop", email="eva@example.org", role="viewer", sure="yes"),
    ]

    assert [each.status_code for each in answers] == [404] * len(answers)
    assert "bob@" not in people.get("/people").text
    assert people.get("/users").status_code == 403


def test_an_admin_has_a_new_link_mailed_only_to_whoever_is_his_alone(mailing: TestClient) -> None:
    send(mailing, "/people", email="eva@example.org", role="viewer", sure="yes")
    eva, path = id_of(mailing, "eva@example.org"), f"/people/{id_of(mailing, 'eva@example.org')}"
    assert "Make a new link" in mailing.get(path).text
    assert send(mailing, f"{path}/link").status_code == 200

    shop = make_project(mailing, "shop")
    a_member(database_of(mailing), users.get(database_of(mailing), eva).row_id, Role.VIEWER, shop)
    assert send(mailing, f"{path}/link").status_code == 403
    assert "Make a new link" not in mailing.get(path).text
    log_in_as(mailing, make_user(mailing, "owner@example.org", is_owner=True))
    first, second = (link_on(send(mailing, f"{path}/link")) for _ in range(2))
    assert mailing.get(urlsplit(first).path).status_code != 200
    assert mailing.get(urlsplit(second).path).status_code == 200


def _projects(client: TestClient) -> Any:
    return projects.list_all(database_of(client))[0]


def test_nobody_gets_a_link_to_another_ones_password_from_an_admin(people: TestClient) -> None:
    user_id = make_user(people, "eva@example.org", Role.VIEWER)
    with database_of(people).write() as connection:
        connection.execute(update(User).where(User.id == user_id).values(password_hash="x"))

    assert send(people, f"/people/{id_of(people, 'eva@example.org')}/link").status_code == 403


def test_where_mail_is_set_up_an_admin_does_not_see_the_link_and_an_owner_does(mailing: TestClient) -> None:
    answers = [send(mailing, "/people", email="eva@example.org", name="Eva", role="viewer", sure="yes")]
    answers.append(send(mailing, f"/people/{id_of(mailing, 'eva@example.org')}/link"))

    for answer in answers:
        assert "An invitation was mailed to eva@example.org." in text_of(answer)
        assert "/join/" not in answer.text
    assert len(rows(database_of(mailing), Delivery)) == len(answers)
    log_in_as(mailing, make_user(mailing, "owner@example.org", is_owner=True))
    assert "/join/" in link_on(send(mailing, f"/people/{id_of(mailing, 'eva@example.org')}/link"))


def test_who_is_here_already_is_said_before_the_role_becomes_another_one(people: TestClient) -> None:
    make_user(people, "eva@example.org", Role.VIEWER)

    asked = text_of(send(people, "/people", email="eva@example.org", role="editor"))
    assert "Has a role here already: viewer." in asked
    asked = text_of(send(people, "/people", email="eva@example.org", role="viewer"))
    assert "Has this role here already." in asked
    assert "already" not in text_of(send(people, "/people", email="new@example.org", role="viewer"))


def test_an_admin_who_gives_his_own_role_away_is_warned_and_told_that_it_was_done(people: TestClient) -> None:
    ana = id_of(people, "ana@example.org")
    assert "This is you" in text_of(send(people, f"/people/{ana}", role="viewer"))
    assert "This is you" not in text_of(send(people, f"/people/{ana}", role="admin"))

    answer = send(people, f"/people/{ana}", role="viewer", sure="yes")

    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=own-role")
    assert "You have another role in this project now." in text_of(people.get(answer.headers["location"]))
    assert roles_of(people)["ana@example.org"] == "viewer"


def made_key(client: TestClient, **form: Any) -> str:
    """Make a key in the panel and return its secret."""
    answer = send(client, "/keys", name="His", **form)
    return link_on(answer, "made-key")


def opens(client: TestClient, key: str, path: str = "/api/keys") -> int:
    client.cookies.clear()
    return client.get(path, headers={"X-Api-Key": key}).status_code


def test_keys_that_open_more_than_their_maker_may_now_end_with_his_role(people: TestClient) -> None:
    eva = make_user(people, "eva@example.org", Role.ADMIN)
    log_in_as(people, eva)
    admins, readers = made_key(people, scopes="admin"), made_key(people, scopes="read")
    assert (opens(people, admins), opens(people, readers, "/api/monitors")) == (200, 200)

    members.set_role(database_of(people), DEFAULT_ID, id_of(people, "eva@example.org"), Role.EDITOR, now=clock.now())
    assert (opens(people, admins), opens(people, readers, "/api/monitors")) == (401, 200)
    members.remove(database_of(people), DEFAULT_ID, id_of(people, "eva@example.org"), now=clock.now())
    assert opens(people, readers, "/api/monitors") == 401


def test_an_owner_who_is_none_any_more_has_no_key_of_all_projects(people: TestClient) -> None:
    eva = make_user(people, "eva@example.org", Role.ADMIN, is_owner=True)
    make_user(people, "owner@example.org", is_owner=True)
    log_in_as(people, eva)
    of_all, of_one = made_key(people, scopes="admin", whole="yes"), made_key(people, scopes="admin")
    assert opens(people, of_all, "/api/users") == 200

    users.edit(database_of(people), id_of(people, "eva@example.org"), UserChanges(is_owner=False), now=clock.now())

    assert (opens(people, of_all, "/api/users"), opens(people, of_one)) == (401, 200)


def test_a_link_ends_with_the_address_that_it_was_made_for(people: TestClient) -> None:
    log_in_as(people, make_user(people, "owner@example.org", is_owner=True))
    link = urlsplit(link_on(send(people, "/users", email="typo@example.org"))).path
    assert people.get(link).status_code == 200
    user_id = id_of(people, "typo@example.org")

    changes = UserChanges(email="right@example.org", email_key="right@example.org")
    users.edit(database_of(people), user_id, UserChanges(name="Same"), now=clock.now())
    assert people.get(link).status_code == 200
    users.edit(database_of(people), user_id, changes, now=clock.now())

    assert people.get(link).status_code == 404


# Once more, please


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "/people", {"email": "eva@example.org", "role": "admin", "sure": "yes"}),
        ("POST", "/people/{bob}", {"role": "admin", "sure": "yes"}),
        ("GET", "/people/{bob}/remove", {}),
        ("POST", "/people/{bob}/remove", {}),
        ("POST", "/users", {"email": "eva@example.org", "owner": "yes"}),
        ("POST", "/users/{bob}", {"email": "bob@example.org", "owner": "yes"}),
        ("POST", "/users/{bob}/link", {}),
        ("POST", "/users/{bob}/disable", {}),
        ("POST", "/users/{bob}/remove", {}),
        ("POST", "/projects", {"slug": "new", "name": "New"}),
        ("POST", "/projects/shop", {"name": "Else"}),
        ("POST", "/projects/shop/delete", {}),
        ("POST", "/keys", {"name": "K", "scopes": "admin"}),
        ("POST", "/keys/screens", {"name": "K"}),
        ("POST", "/keys/ping-key", {}),
        ("POST", "/keys/ping-key/renew", {}),
    ],
)
def test_what_matters_asks_for_a_proof_first_and_does_nothing_without(
    one: TestClient, method: str, path: str, form: dict[str, str]
) -> None:
    shop = make_project(one, "shop")
    make_user(one, "bob@example.org", {DEFAULT_ID: Role.VIEWER, shop: Role.VIEWER})
    log_in_as(one, make_user(one, "ana@example.org", is_owner=True))
    old = {"proved_at": clock.now() - timedelta(minutes=16)}
    with database_of(one).write() as connection:
        connection.execute(update(Session).values(old))
    before = _everything(one)
    answer = one.request(method, path.format(bob=id_of(one, "bob@example.org")), data=form, follow_redirects=False)

    assert 'action="/prove"' in answer.text, text_of(answer)
    assert _everything(one) == before


def _everything(client: TestClient) -> Any:
    with database_of(client).read() as connection:
        theirs = connection.execute(select(User.email, User.is_owner, User.disabled_at).order_by(User.id)).all()
        kept = connection.execute(select(ApiKey.name, ApiKey.revoked_at)).all()
    return theirs, kept, [(each.slug, each.name) for each in _projects(client)], roles_of(client)


# Users


@pytest.fixture
def owner(client: TestClient) -> TestClient:
    """The browser of the only owner with a name."""
    log_in_as(client, make_user(client, "ana@example.org", is_owner=True))
    return client


def test_an_owner_makes_users_who_choose_their_password_by_a_link(owner: TestClient) -> None:
    made = send(owner, "/users", email="eva@example.org", name="Eva", owner="yes")

    assert made.status_code == 200
    assert owner.get(urlsplit(link_on(made)).path).status_code == 200
    page = text_of(owner.get("/users"))
    assert "Eva eva@example.org · owner · invited, has not come yet" in page
    taken = send(owner, "/users", email="EVA@example.org", name="Kept")
    assert (taken.status_code, 'id="e-email"' in taken.text, 'value="Kept"' in taken.text) == (422, True, True)


def test_the_last_owner_stays_one(owner: TestClient) -> None:
    ana = id_of(owner, "ana@example.org")
    answers = [
        send(owner, f"/users/{ana}", email="ana@example.org", name="Ana"),
        send(owner, f"/users/{ana}/disable"),
        send(owner, f"/users/{ana}/remove"),
    ]

    assert [each.status_code for each in answers] == [422, 409, 409]
    assert all("This is the last owner." in text_of(each) for each in answers)
    assert users.get(database_of(owner), ana).is_owner


@pytest.mark.parametrize("action", ["disable", "remove"])
@pytest.mark.parametrize("keeps", [True, False])
def test_who_is_disabled_or_removed_is_out_at_once_and_his_keys_unless_they_are_kept(
    owner: TestClient, action: str, keeps: bool
) -> None:
    user_id = make_user(owner, "eva@example.org", Role.ADMIN)
    log_in_as(owner, user_id)
    made = send(owner, "/keys", name="K", scopes="read")
    secret, cookies = link_on(made, "made-key"), dict(owner.cookies)
    log_in_as(owner, make_user(owner, "bea@example.org", is_owner=True))
    eva = f"/users/{id_of(owner, 'eva@example.org')}"
    form = {"keep_keys": "yes"} if keeps else {}

    assert "The keys that this user made go on" in text_of(owner.get(f"{eva}/{action}"))
    assert send(owner, f"{eva}/{action}", **form).status_code == 303
    assert owner.get("/api/monitors", headers={"X-Api-Key": secret}).status_code == (200 if keeps else 401)
    owner.cookies.clear()
    owner.cookies.update(cookies)
    assert "Log in" in text_of(owner.get("/"))


# Projects


def test_a_project_is_made_named_and_deleted_while_it_is_empty(owner: TestClient) -> None:
    made = send(owner, "/projects", slug="shop", name="The shop")
    assert made.headers["location"] == "/people?project=shop&done=project-made"
    assert "Nobody but owners sees it yet" in text_of(owner.get(made.headers["location"]))
    assert "The shop · PulseMon" in owner.get("/people").text

    assert send(owner, "/projects/shop", name="Store").status_code == 303
    assert "Store" in text_of(owner.get("/projects"))
    body = {"name": "Job", "slug": "job", "interval_seconds": 60, "project": "shop"}
    assert owner.post("/api/monitors", json=body, headers=ADMIN).status_code == 201
    refused = send(owner, "/projects/shop/delete")
    assert (refused.status_code, "Something belongs to this project yet." in text_of(refused)) == (409, True)
    assert owner.delete("/api/monitors/job", headers=ADMIN).status_code == 204
    assert send(owner, "/projects/shop/delete").headers["location"] == "/projects?done=project-deleted"
    assert [each.slug for each in _projects(owner)] == ["default"]
    first = send(owner, "/projects/default/delete")
    assert (first.status_code, "The first project stays" in text_of(first)) == (409, True)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"slug": "default", "name": "Kept"}, "slug"),
        ({"slug": "Not a slug", "name": "Kept"}, "slug"),
        ({"slug": "fine", "name": " "}, "name"),
    ],
)
def test_a_project_that_cannot_be_made_says_why(one: TestClient, form: dict[str, str], field: str) -> None:
    log_in_as(one, make_user(one, "ana@example.org", is_owner=True))
    answer = send(one, "/projects", **form)

    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert f'value="{form["slug"]}"' in answer.text
    assert [each.slug for each in _projects(one)] == ["default"]


# Keys


def test_a_key_is_shown_once_opens_what_it_says_and_nothing_after_it_was_revoked(people: TestClient) -> None:
    made = send(people, "/keys?project=default", name="Grafana", scopes=["read", "metrics"])
    secret = link_on(made, "made-key")
    assert secret.startswith("pm_")
    assert secret not in people.get("/keys").text
    assert "read, metrics · Default · without an end" in text_of(people.get("/keys"))
    assert people.get("/api/monitors", headers={"X-Api-Key": secret}).status_code == 200
    assert people.get("/api/monitors?project=shop", headers={"X-Api-Key": secret}).status_code == 404

    with database_of(people).read() as connection:
        key_id = connection.scalar(select(ApiKey.public_id))
    second = link_on(send(people, f"/keys/{key_id}/rotate", overlap="0"), "made-key")
    assert people.get("/api/monitors", headers={"X-Api-Key": secret}).status_code == 401
    assert people.get("/api/monitors", headers={"X-Api-Key": second}).status_code == 200
    with database_of(people).read() as connection:
        key_id = connection.scalar(select(ApiKey.public_id).order_by(ApiKey.id.desc()))
    assert "Revoke this key?" in text_of(people.get(f"/keys/{key_id}/revoke"))
    assert send(people, f"/keys/{key_id}/revoke").status_code == 303
    assert people.get("/api/monitors", headers={"X-Api-Key": second}).status_code == 401


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "Kept"}, "scopes"),
        ({"name": "Kept", "scopes": ["read", "everything"]}, "scopes"),
        ({"name": " ", "scopes": ["read"]}, "name"),
        ({"name": "Kept", "scopes": ["read"], "last_day": "2020-01-01"}, "key-last_day"),
        ({"name": "Kept", "scopes": ["read"], "last_day": "soon"}, "key-last_day"),
    ],
)
def test_a_key_that_cannot_be_made_says_why(people: TestClient, form: dict[str, Any], field: str) -> None:
    answer = send(people, "/keys", **form)

    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert form["name"].strip() in answer.text
    with database_of(people).read() as connection:
        assert connection.scalar(select(ApiKey.id)) is None


def test_nobody_makes_a_key_that_opens_more_than_he_may(people: TestClient) -> None:
    answer = send(people, "/keys", name="All", scopes=["admin"], whole="yes")

    assert answer.status_code == 403
    assert "Only an owner can make a key of all projects." in text_of(answer)
    assert 'name="whole"' not in people.get("/keys").text


def test_keys_of_another_project_are_as_good_as_missing_and_an_owner_sees_all(people: TestClient) -> None:
    body = {"name": "Theirs", "scopes": ["read"], "project": "shop"}
    made = people.post("/api/keys", json=body, headers=ADMIN).json()
    paths = [f"/keys/{made['id']}/{action}" for action in ("rotate", "revoke")]

    assert [people.get(path).status_code for path in paths] == [404, 404]
    assert [send(people, path).status_code for path in paths] == [404, 404]
    assert "Theirs" not in people.get("/keys?all=yes").text
    log_in_as(people, make_user(people, "owner@example.org", is_owner=True))
    assert "Theirs" not in people.get("/keys").text
    assert "Theirs" in people.get("/keys?all=yes").text
    assert [people.get(path).status_code for path in paths] == [200, 200]


def test_the_ping_key_is_shown_when_it_is_asked_for_and_replaced_after_a_question(people: TestClient) -> None:
    first = link_on(send(people, "/keys/ping-key"), "the-ping-key")
    assert first not in people.get("/keys").text
    assert link_on(send(people, "/keys/ping-key"), "the-ping-key") == first
    assert "answers 404 from that moment" in text_of(people.get("/keys/ping-key/renew"))
    assert link_on(send(people, "/keys/ping-key/renew"), "the-ping-key") != first


# Who did what


def test_the_audit_log_says_who_did_what_filtered_and_as_a_table(people: TestClient) -> None:
    send(people, "/people", email="eva@example.org", role="viewer", sure="yes")
    send(people, f"/people/{id_of(people, 'eva@example.org')}", role="editor", sure="yes")
    send(people, "/keys", name="Grafana", scopes="read")
    body = {"name": "Theirs", "slug": "theirs", "interval_seconds": 60, "project": "shop"}
    assert people.post("/api/monitors", json=body, headers=ADMIN).status_code == 201
    page = text_of(people.get("/audit"))

    assert "Member: change eva@example.org ana@example.org" in page
    assert "Role viewer → editor" in page
    assert "theirs" not in page
    assert page.index("Key: creation") < page.index("Member: change") < page.index("Member: addition")
    assert "Member: change" not in text_of(people.get("/audit?action=key"))
    assert "Key: creation" not in text_of(people.get("/audit?object=eva@example.org"))
    assert "Nothing fits." in text_of(people.get("/audit?actor=nobody@example.org"))
    assert "Nothing fits." in text_of(people.get("/audit?until=2020-01-01T00:00"))
    wrong = people.get("/audit?since=yesterday")
    assert (wrong.status_code, 'id="e-since"' in wrong.text, "Key: creation" in text_of(wrong)) == (200, True, True)
    table = people.get("/audit.csv?action=key")
    assert table.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert table.text.count("\r\n") == 2
    assert "Grafana" in table.text
    assert people.get("/audit?project=shop").status_code == people.get("/audit.csv?project=shop").status_code == 404
    log_in_as(people, make_user(people, "owner@example.org", is_owner=True))
    assert "theirs" in text_of(people.get("/audit?all=yes"))
    assert "theirs" not in text_of(people.get("/audit"))
