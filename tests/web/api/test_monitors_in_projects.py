"""To which project a monitor belongs, how it gets into another one, and what is noted of that; on both databases."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Principal, Proof, Role
from pulsemon.db import Database
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.monitors import SearchText
from pulsemon.web.http import principals, routing
from tests.arrange import a_member, a_project, a_session, a_user, log_in, rows, site_of

GOOD: dict[str, Any] = {"name": "Backup", "slug": "backup", "interval_seconds": 60}
NO_PROJECT = {"detail": "There is no such project."}


@pytest.fixture
def api(client: TestClient, admin: dict[str, str]) -> TestClient:
    """The client of somebody who holds the admin token; there is a project "shop" beside the first one."""
    client.headers.update(admin)
    a_project(site_of(client).database, "shop")
    site_of(client).wake()
    return client


def database_of(api: TestClient) -> Database:
    return site_of(api).database


def create(api: TestClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/monitors", json=GOOD | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def noted(api: TestClient, *actions: str) -> list[tuple[str, str, int | None, Any, Any]]:
    """Return (action, object, project, before, after) of what was noted, the oldest first."""
    return [
        (
            row.action,
            row.object,
            row.project_id,
            row.before and json.loads(row.before),
            row.after and json.loads(row.after),
        )
        for row in rows(database_of(api), AuditEntry)
        if not actions or row.action in actions
    ]


def of_key(api: TestClient, monkeypatch: pytest.MonkeyPatch, slug: str, *others: str) -> None:
    """Have the program be somebody who may edit in the project *slug*, and in *others*."""
    known = {each.slug: each.id for each in site_of(api).projects().entries}
    roles = {known[each]: Role.EDITOR for each in (slug, *others)}
    principal = Principal(is_owner=False, proof=Proof.TOKEN, roles=roles, project_id=None if others else known[slug])
    monkeypatch.setattr(routing, "by_token", lambda request: principals._put(request, principal))


def test_a_monitor_is_made_in_the_project_that_is_named_and_else_in_the_first(api: TestClient) -> None:
    assert create(api)["project"] == "default"
    assert create(api, slug="till", project="shop")["project"] == "shop"
    assert create(api, slug="null", project=None)["project"] == "default"
    several = [GOOD | {"slug": "a", "project": "shop"}, GOOD | {"slug": "b"}]
    assert [each["project"] for each in api.post("/api/monitors", json=several).json()] == ["shop", "default"]

    listed = {slug: [each["slug"] for each in api.get(f"/api/monitors{slug}").json()] for slug in ("", "?project=shop")}
    assert listed == {"": ["backup", "till", "null", "a", "b"], "?project=shop": ["till", "a"]}
    part = api.get("/api/monitors?project=shop&limit=1")
    assert [each["slug"] for each in part.json()] == ["till"]
    assert [each["slug"] for each in api.get(part.links["next"]["url"]).json()] == ["a"]
    assert api.get("/api/monitors/till").json()["project"] == "shop"


@pytest.mark.parametrize("named", ["nowhere", "SHOP", "", "x" * 300, "sh%00op"])
def test_a_project_that_is_not_there_is_404_and_nothing_is_made(api: TestClient, named: str) -> None:
    assert (answer := api.post("/api/monitors", json=GOOD | {"project": named})).status_code == 404
    assert answer.json() == NO_PROJECT
    assert api.post("/api/monitors", json=[GOOD, GOOD | {"slug": "b", "project": named}]).status_code == 404
    assert (answer := api.get("/api/monitors", params={"project": named})).status_code == 404
    assert answer.json() == NO_PROJECT
    assert api.get("/api/monitors").json() == []
    create(api)
    assert api.patch("/api/monitors/backup", json={"project": named, "name": "New"}).json() == NO_PROJECT
    assert api.get("/api/monitors/backup").json()["name"] == "Backup"


def test_a_project_that_is_no_text_is_told_at_its_field(api: TestClient) -> None:
    for wrong in (1, ["shop"], {"slug": "shop"}):
        answer = api.post("/api/monitors", json=GOOD | {"project": wrong})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "project"])


def test_a_key_of_one_project_neither_makes_nor_finds_nor_moves_anything_in_another(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(api, slug="till", project="shop")
    of_key(api, monkeypatch, "default")

    assert create(api)["project"] == "default"
    assert api.post("/api/monitors", json=GOOD | {"slug": "x", "project": "shop"}).json() == NO_PROJECT
    assert api.get("/api/monitors?project=shop").json() == NO_PROJECT
    assert api.patch("/api/monitors/backup", json={"project": "shop"}).json() == NO_PROJECT
    assert api.patch("/api/monitors/till", json={"project": "default"}).status_code == 404
    assert [each["slug"] for each in api.get("/api/monitors").json()] == ["backup"]
    # That a slug is taken somewhere is the one thing it may hear of.
    assert api.post("/api/monitors", json=GOOD | {"slug": "till"}).status_code == 409


def test_to_move_takes_the_right_to_edit_in_both(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    create(api)
    of_key(api, monkeypatch, "default", "shop")
    assert api.patch("/api/monitors/backup", json={"project": "shop"}).json()["project"] == "shop"

    known = {each.slug: each.id for each in site_of(api).projects().entries}
    roles = {known["shop"]: Role.EDITOR, known["default"]: Role.VIEWER}
    principal = Principal(is_owner=False, proof=Proof.TOKEN, roles=roles)
    monkeypatch.setattr(routing, "by_token", lambda request: principals._put(request, principal))
    assert api.patch("/api/monitors/backup", json={"project": "default"}).status_code == 403


def test_moved_a_monitor_keeps_its_address_and_its_past_and_leaves_what_is_of_its_project(api: TestClient) -> None:
    made, other = create(api), create(api, slug="stays")
    both = [made["slug"], other["slug"]]
    assert api.post("/api/pages", json={"slug": "team", "title": "Team", "monitors": both}).status_code == 201
    incident = api.post("/api/incidents", json={"title": "Slow", "body": "Look.", "monitors": both}).json()
    over = api.post(
        "/api/incidents", json={"title": "Old", "body": "Look.", "status": "resolved", "monitors": both}
    ).json()
    now = site_of(api).now()
    plans = [
        api.post(
            "/api/maintenance",
            json={"title": "Disks", "monitors": both}
            | {name: f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for name, hours in span.items()},
        ).json()
        for span in ({"starts_at": 24, "ends_at": 25}, {"starts_at": -1, "ends_at": 1})
    ]
    path = made["ping_url"].removeprefix("http://testserver")
    assert api.post(path).status_code == 200

    moved = api.patch("/api/monitors/backup", json={"project": "shop", "name": "Till"}).json()

    assert (moved["project"], moved["name"], moved["token"]) == ("shop", "Till", made["token"])
    assert api.post(path).status_code == 200
    assert len(api.get("/api/monitors/backup/pings").json()) == 2
    assert [each["new_status"] for each in api.get("/api/history/backup").json()] == ["UP"]
    assert [each["slug"] for each in api.get("/api/monitors?project=shop").json()] == ["backup"]
    texts = {row.monitor_id: row.project_id for row in rows(database_of(api), SearchText)}
    assert sorted(texts.values()) == [1, site_of(api).project_of_slug("shop")]
    told = [f"incidents/{each['id']}" for each in (incident, over)] + [f"maintenance/{each['id']}" for each in plans]
    for thing in (*told, "pages/team"):
        assert api.get(f"/api/{thing}").json()["monitors"] == ["stays"], thing
    # What has begun goes on for it: its messages wait for that end.
    assert api.get("/api/monitors/backup").json()["under_maintenance"] is True


def test_a_move_is_noted_in_both_projects_and_the_edit_beside_it(api: TestClient) -> None:
    create(api)
    shop = site_of(api).project_of_slug("shop")

    api.patch("/api/monitors/backup", json={"project": "shop", "name": "Till"})
    api.patch("/api/monitors/backup", json={"project": "shop"})

    change = ({"project": "default"}, {"project": "shop"})
    assert noted(api, "monitor.move") == [
        ("monitor.move", "backup", 1, *change),
        ("monitor.move", "backup", shop, *change),
    ]
    edits = [("monitor.edit", "backup", 1, {"name": "Backup"}, {"name": "Till"})]
    assert noted(api, "monitor.edit") == edits


def test_what_is_done_with_a_monitor_is_noted_without_its_secrets(api: TestClient) -> None:
    create(api, webhook_url="https://hooks.example.org/s3cret", webhook_secret="generate", tags=["db"], grace_seconds=5)
    for path, body in (
        ("", {"webhook_url": "https://hooks.example.org/0ther", "grace_seconds": 9}),
        ("", {"grace_seconds": 9}),
        ("/pause", None),
        ("/pause", None),
        ("/resume", None),
        ("/rotate-token", None),
    ):
        address = f"/api/monitors/backup{path}"
        assert (api.post(address) if body is None else api.patch(address, json=body)).status_code == 200
    assert api.delete("/api/monitors/backup").status_code == 204

    found = noted(api)
    created = {"webhook_url": "changed", "webhook_secret": "changed", "tags": ["db"], "grace_seconds": 5}
    assert created.items() <= found[0][4].items()
    assert [(action, before, after) for action, _, _, before, after in found[1:]] == [
        ("monitor.edit", {"webhook_url": "set", "grace_seconds": 5}, {"webhook_url": "changed", "grace_seconds": 9}),
        ("monitor.pause", None, None),
        ("monitor.resume", None, None),
        ("monitor.rotate-token", None, None),
        ("monitor.delete", {"name": "Backup"}, None),
    ]
    assert {(each[1], each[2]) for each in found} == {("backup", 1)}
    stored = json.dumps([tuple(map(str, row)) for row in rows(database_of(api), AuditEntry)])
    assert not [each for each in ("s3cret", "0ther", "whsec_") if each in stored]


def test_what_is_done_with_several_is_noted_of_each(api: TestClient) -> None:
    made = [create(api, slug=slug) for slug in ("a", "b", "c")]
    ids = [str(view) for view in (1, 2, 3)]
    user = a_user(database_of(api))
    a_member(database_of(api), user, Role.ADMIN)
    log_in(api, a_session(database_of(api), user, now=site_of(api).now()))
    api.headers.update({"accept": "text/html", "origin": "http://testserver"})
    before = len(noted(api))

    for form in (
        {"do": "tag", "tags": "db"},
        {"do": "tag", "tags": "db"},
        {"do": "pause"},
        {"do": "delete-for-good"},
    ):
        if form["do"] == "delete-for-good":
            api.post("/monitors/arrange", data={"do": "group", "to_group": "Jobs", "monitor": ids[:1]})
            api.post("/monitors/arrange", data={"do": "place", "place": "1", "monitor": ids[2:]})
        api.post("/monitors/selected", data=form | {"monitor": ids[:2] if form["do"] != "delete-for-good" else ids})

    told = [(action, name, was, now) for action, name, _, was, now in noted(api)[before:]]
    assert told == [
        ("monitor.edit", "a", {"tags": []}, {"tags": ["db"]}),
        ("monitor.edit", "b", {"tags": []}, {"tags": ["db"]}),
        ("monitor.pause", "a", None, None),
        ("monitor.pause", "b", None, None),
        ("monitor.edit", "a", {"group": None}, {"group": "Jobs"}),
        ("monitor.edit", "c", {"position": 3}, {"position": 2}),
        *(("monitor.delete", each["slug"], {"name": "Backup"}, None) for each in made),
    ]


def test_the_form_moves_a_monitor_where_there_are_several_projects_to_choose_from(api: TestClient) -> None:
    create(api)
    database = database_of(api)
    user = a_user(database)
    a_member(database, user, Role.EDITOR)
    log_in(api, a_session(database, user, now=site_of(api).now()))
    api.headers.update({"accept": "text/html", "accept-language": "en", "origin": "http://testserver"})
    settings = "/monitors/1/settings"
    assert 'name="project"' not in api.get(settings).text
    refused = api.post("/monitors/1", data={"project": "shop"})
    assert (refused.status_code, "There is no such project." in refused.text) == (422, True)

    shop = site_of(api).project_of_slug("shop")
    assert shop is not None
    a_member(database, user, Role.EDITOR, shop)
    page = api.get(settings).text
    assert '<option value="default" selected>Default</option>' in page
    assert '<option value="shop">Shop</option>' in page
    done = api.post("/monitors/1", data={"project": "shop", "name": "Till"}, follow_redirects=False)

    assert done.headers["location"] == "/?done=moved"
    moved = api.get("/api/monitors/backup").json()
    assert (moved["project"], moved["name"]) == ("shop", "Till")
