"""Whoever has a key of one project, or is a member of it, learns and changes nothing of another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Role, Scope
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.db.tables.base import Base
from pulsemon.db.tables.messages import Delivery
from pulsemon.errors import NO_PROJECT
from pulsemon.incidents import manage as incidents
from pulsemon.input.projects import STAYS
from pulsemon.maintenance import manage as maintenance
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import manage as subscribers
from pulsemon.web.http.routing import Audience
from tests.arrange import rows
from tests.walls.two_projects import (
    Side,
    Two,
    Way,
    a_browser,
    a_key_of,
    all_of,
    filled,
    make_two,
    routes_of,
    two_empty_ones,
)

NOBODYS = {"incident": "0" * 16, "plan": "0" * 16, "page": "no-such-page"}


@pytest.fixture
def two(never_blind: None, client: TestClient) -> Two:
    return make_two(client)


@pytest.fixture
def key(two: Two, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A program with a key of the quokkas that opens everything in their project."""
    with a_key_of(monkeypatch, two.quokka, Scope.ADMIN, Scope.WRITE):
        two.client.headers.update(admin)
        yield two.client


@pytest.fixture
def browser(two: Two) -> TestClient:
    """An admin of the quokkas alone."""
    return a_browser(two, two.quokka, Role.ADMIN)


def nobodys(way: Way, side: Side) -> str:
    return filled(way, **NOBODYS, window=side.windows[0], subscriber=side.subscribers[0][1])


def alike(answer: Response, *names: str) -> tuple[int, str]:
    """Return an answer without the names, and the numbers, that were asked for."""
    text = answer.text
    for each in names:
        text = text.replace(each, "…")
    return answer.status_code, re.sub(r"[0-9]+", "", text)


def content(two: Two) -> dict[str, list[Any]]:
    """Return all rows of both projects, but for what tells of who asked."""
    with two.database.read() as connection:
        return {
            name: sorted(map(str, connection.execute(select(table)).all()))
            for name, table in Base.metadata.tables.items()
            if name not in ("sessions", "nodes", "deliveries", "attempts", "webhooks", "meta")
        }


@pytest.mark.parametrize("audience", [Audience.API, Audience.PANEL])
def test_what_is_read_is_of_the_project_alone(two: Two, audience: Audience, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue("key" if audience is Audience.API else "browser")
    ways_there = [each for each in routes_of(audience) if each.method == "GET"]
    said = ""
    for way in ways_there:
        for path in all_of(way, two.quokka):
            answer = client.get(path)
            assert "zebra" not in f"{answer.headers}{answer.text}".lower(), path
            said += answer.text.lower()

    assert len(ways_there) >= 8
    for text in ("trouble of quokka", "works of quokka", "status quokka", "quokka.example"):
        assert text in said


@pytest.mark.parametrize("audience", [Audience.API, Audience.PANEL])
def test_what_is_another_projects_is_told_as_what_does_not_exist(
    two: Two, audience: Audience, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue("key" if audience is Audience.API else "browser")
    before = content(two)
    for way in routes_of(audience):
        if "{" not in way.path:
            continue
        nothing = client.request(way.method, nobodys(way, two.zebra), json={})
        for path in all_of(way, two.zebra):
            answer = client.request(way.method, path, json={})
            names = (*two.zebra.incidents, *two.zebra.plans, *two.zebra.pages, *NOBODYS.values())
            assert alike(answer, *names) == alike(nothing, *names), (way.method, path)
            assert answer.status_code == 404, (way.method, path)

    assert content(two) == before


def bodies(two: Two) -> dict[str, dict[str, Any]]:
    """Return address -> what makes something there, as far as it is no matter of projects."""
    starts_at = (two.now + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "/api/incidents": {"title": "x", "body": "y", "general": True},
        "/api/maintenance": {"title": "x", "starts_at": starts_at, "length_seconds": 60},
        "/api/pages": {"slug": "another"},
    }


def test_a_body_that_names_another_projects_monitors_names_nothing(two: Two, key: TestClient) -> None:
    own = {
        "/api/incidents": two.quokka.incidents[1],
        "/api/maintenance": two.quokka.plans[1],
        "/api/pages": two.quokka.pages[0],
    }
    before = content(two)
    for path, body in bodies(two).items():
        for method, where, fields in (("POST", path, body), ("PATCH", f"{path}/{own[path]}", {})):
            there, nowhere = (
                key.request(method, where, json=fields | {"monitors": [two.quokka.monitor, each]})
                for each in (two.zebra.monitor, "nobodys")
            )
            assert there.status_code == 422, (method, where)
            assert alike(there, two.zebra.monitor) == alike(nowhere, "nobodys"), (method, where)
    posted = key.post(
        f"/api/incidents/{two.quokka.incidents[0]}/updates",
        json={"status": "monitoring", "body": "y", "monitors": [two.zebra.monitor]},
    )
    assert posted.status_code == 422
    assert content(two) == before


def test_a_body_that_names_another_project_names_none(two: Two, key: TestClient) -> None:
    for path, body in bodies(two).items():
        there, nowhere = (key.post(path, json=body | {"project": each}) for each in ("default", "nowhere"))
        assert (there.status_code, there.json()) == (404, {"detail": NO_PROJECT})
        assert (nowhere.status_code, nowhere.json()) == (404, {"detail": NO_PROJECT})
        assert key.get(path, params={"project": "default"}).json() == {"detail": NO_PROJECT}

        made = key.post(path, json=body)
        assert (made.status_code, made.json()["project"]) == (201, "quokka")
        here = made.headers["location"]
        for other in ("default", "nowhere"):
            refused = key.patch(here, json={"title": "z", "project": other})
            assert refused.status_code == 422
            assert refused.json()["detail"] == [{"loc": ["body", "project"], "msg": STAYS, "type": "project-stays"}]
        assert key.patch(here, json={"title": "z", "project": "quokka"}).json()["title"] == "z"
        assert key.patch(here, json={"project": "quokka"}).status_code == 200


def test_an_owner_makes_things_where_he_says_and_lists_what_he_asks_for(two: Two, admin: dict[str, str]) -> None:
    client = two.client
    client.headers.update(admin)
    for path, body in bodies(two).items():
        there = client.post(path, json=body | {"project": "quokka"} | ({"slug": "other"} if "pages" in path else {}))
        here = client.post(path, json=body)
        assert (there.status_code, there.json()["project"]) == (201, "quokka")
        assert (here.status_code, here.json()["project"]) == (201, "default")

        assert {each["project"] for each in client.get(path).json()} == {"default", "quokka"}
        for slug in ("default", "quokka"):
            first = client.get(path, params={"project": slug, "limit": 1})
            assert {each["project"] for each in first.json()} == {slug}
            following = first.headers.get("link", "").split(">")[0][1:]
            assert following or "incidents" in path
            if following:
                assert {each["project"] for each in client.get(following).json()} == {slug}
        assert client.get(path, params={"project": "nowhere"}).status_code == 404
        wrong = client.post(path, json=body | {"project": 7})
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "project"])


def test_the_page_at_status_is_the_first_projects(two: Two, key: TestClient) -> None:
    assert [each["slug"] for each in key.get("/api/pages").json()] == list(two.quokka.pages)
    assert key.get("/api/pages/status").status_code == 404
    taken = key.post("/api/pages", json={"slug": two.zebra.pages[0]})
    assert taken.status_code == 409  # the one thing that it may tell


def test_a_project_without_a_page_says_so(client: TestClient) -> None:
    empty = two_empty_ones(client)
    browser = a_browser(empty, empty.quokka, Role.ADMIN)
    text = browser.get("/pages").text
    assert "There are no public pages yet." in text
    assert "/status" not in text


def test_what_the_panel_makes_is_of_the_project_that_it_shows(two: Two, browser: TestClient) -> None:
    forms = {
        "/incidents": {"title": "Here", "body": "y", "status": "identified", "impact": "minor", "scope": "all"},
        "/maintenance": {
            "title": "Here",
            "repeats": "once",
            "timezone": "UTC",
            "starts_at": (two.now + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M"),
            "ends_at": (two.now + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M"),
            "announce_hours": "7 d",
            "scope": "all",
        },
        "/pages": {"slug": "here", "title": "Here"},
    }
    for path, form in forms.items():
        answer = browser.post(path, data=form)
        assert answer.status_code == 303, answer.text
        assert "Here" in browser.get(path).text
    assert incidents.list_open(two.database)[0].project_id == two.quokka.project_id
    assert status_pages.get(two.database, "here").project_id == two.quokka.project_id


def test_a_form_that_names_another_projects_monitors_names_nothing(two: Two, browser: TestClient) -> None:
    form = {"title": "x", "body": "y", "status": "identified", "impact": "minor", "scope": "chosen"}
    before = content(two)
    for field in ("monitor", "slugs"):
        answer = browser.post("/incidents", data=form | {field: two.zebra.monitor})
        assert answer.status_code == 422
        assert "There is no monitor with these slugs" in answer.text
    # Of a group and of a tag that both have, each has its own.
    page = f"/pages/{two.quokka.pages[1]}/monitors"
    assert browser.post(page, data={"do": "add", "slugs": two.zebra.monitor}).status_code == 422
    assert content(two) == before

    assert browser.post(page, data={"do": "add", "group": "Night", "tag": "prod"}).status_code == 303
    chosen = status_pages.get(two.database, two.quokka.pages[1]).monitors
    assert chosen == (two.quokka.monitor, two.quokka.private)


def test_a_page_that_showed_all_shows_as_a_choice_what_it_showed(two: Two, browser: TestClient) -> None:
    page = two.quokka.pages[0]
    assert browser.post(f"/pages/{page}/monitors", data={"show": "chosen"}).status_code == 303
    assert status_pages.get(two.database, page).monitors == (two.quokka.monitor,)


def test_an_incident_is_proposed_of_no_other_projects_monitor(two: Two, browser: TestClient) -> None:
    assert "zebra" not in browser.get(f"/incidents/new?monitor={two.zebra.monitor_id}").text.lower()
    assert "Backup zebra" not in browser.get(f"/maintenance/new?monitor={two.zebra.monitor}").text


def test_a_webhook_of_a_page_is_masked_for_whoever_sees_no_secrets(
    two: Two, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, secret = two.quokka.pages[0], "https://quokka.example/quokka-all"
    path = f"/api/pages/{page}/subscribers"
    subscribers.invite(two.database, page, "ana@example.org", locale="en", now=two.now)
    for scope, shown in ((Scope.READ, "https://quokka.example/…"), (Scope.WRITE, secret)):
        with a_key_of(monkeypatch, two.quokka, scope):
            told = [each["address"] for each in two.client.get(path, headers=admin).json()]
        assert told == [shown, "ana@example.org"]

    viewer, editor = (a_browser(two, two.quokka, each) for each in (Role.VIEWER, Role.EDITOR))
    looked_at = viewer.get(f"/pages/{page}/subscribers").text
    assert secret not in looked_at
    assert "https://quokka.example/…" in looked_at
    assert secret in editor.get(f"/pages/{page}/subscribers").text


def test_a_search_does_not_tell_a_masked_address_letter_by_letter(two: Two) -> None:
    page = two.quokka.pages[0]
    subscribers.invite(two.database, page, "ana@example.org", locale="en", now=two.now)
    viewer, editor = (a_browser(two, two.quokka, each) for each in (Role.VIEWER, Role.EDITOR))
    for query, counts in (("/quokka-all", (0, 1)), ("ana@", (1, 1)), ("", (2, 2))):
        for browser, count in zip((viewer, editor), counts, strict=True):
            text = browser.get(f"/pages/{page}/subscribers", params={"q": query}).text
            assert text.count('<span class="who">') == count, (query, browser)


def test_that_another_project_asked_a_mailbox_is_not_to_be_learned(two: Two) -> None:
    """Its mail waits all the same: nobody is asked oftener than he may be."""
    zebra, quokka = two.zebra.pages[0], two.quokka.pages[0]
    address = "bob@example.org"
    for later in (two.now, two.now + subscribers.ASK_AGAIN_AFTER * 1.5, two.now + subscribers.ASK_AGAIN_AFTER * 4):
        subscribers.invite(two.database, zebra, address, locale="en", now=later)
    now = two.now + subscribers.ASK_AGAIN_AFTER * 4

    made = subscribers.invite(two.database, quokka, address, locale="en", now=now)

    assert made.state == "waiting"
    (owed,) = rows(two.database, Delivery, Delivery.subscriber_id == made.id)
    assert owed.next_attempt_at > now + subscribers.ASK_AGAIN_AFTER


def test_a_thousand_plans_of_one_project_leave_room_in_another(
    two: Two, key: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MAX_PLANS", 3)
    assert key.post("/api/maintenance", json=bodies(two)["/api/maintenance"]).status_code == 409
    maintenance.remove(two.database, two.quokka.plans[1], now=two.now)
    assert key.post("/api/maintenance", json=bodies(two)["/api/maintenance"]).status_code == 201


def test_who_changed_what_is_noted_in_the_project_without_secrets(two: Two, key: TestClient) -> None:
    page, incident, plan = two.quokka.pages[0], two.quokka.incidents[0], two.quokka.plans[0]
    done = [
        ("POST", "/api/pages", bodies(two)["/api/pages"] | {"password": "open sesame"}, "page.create"),
        ("PATCH", f"/api/pages/{page}", {"title": "New", "password": "open sesame"}, "page.edit"),
        ("PATCH", f"/api/pages/{page}", {"monitors": []}, "page.edit"),
        ("DELETE", f"/api/pages/{page}/logo", None, "page.logo"),
        ("POST", "/api/incidents", bodies(two)["/api/incidents"], "incident.create"),
        ("POST", f"/api/incidents/{incident}/updates", {"status": "resolved", "body": "y"}, "incident.update"),
        ("PATCH", f"/api/incidents/{incident}", {"impact": "major"}, "incident.edit"),
        ("PATCH", f"/api/incidents/{incident}/updates/1", {"body": "z"}, "incident.edit"),
        ("DELETE", f"/api/incidents/{incident}", None, "incident.delete"),
        ("POST", "/api/maintenance", bodies(two)["/api/maintenance"], "maintenance.create"),
        ("PATCH", f"/api/maintenance/{plan}", {"title": "z"}, "maintenance.edit"),
        ("POST", f"/api/maintenance/{plan}/end", None, "maintenance.end"),
        ("DELETE", f"/api/maintenance/{two.quokka.plans[1]}/windows/{two.quokka.windows[1]}", None, "maintenance.skip"),
        ("DELETE", f"/api/maintenance/{plan}", None, "maintenance.delete"),
        (
            "POST",
            f"/api/pages/{page}/subscribers",
            {"kind": "webhook", "address": "https://x.example/secret"},
            "subscriber.add",
        ),
        ("DELETE", f"/api/pages/{page}/subscribers/{two.quokka.subscribers[0][1]}", None, "subscriber.remove"),
        ("DELETE", f"/api/pages/{page}", None, "page.delete"),
    ]
    for method, path, body, action in done:
        answer = key.request(method, path, json=body)
        assert answer.status_code in (200, 201, 204), (path, answer.text)
        entry = rows(two.database, AuditEntry)[-1]
        assert (entry.action, entry.project_id, entry.actor) == (action, two.quokka.project_id, "A key"), path
        for secret in ("sesame", "/secret", "quokka.example/quokka"):
            assert secret not in f"{entry.before}{entry.after}"
    assert len(rows(two.database, AuditEntry)) == len(done)
    edit = rows(two.database, AuditEntry, AuditEntry.action == "page.edit")[0]
    assert (edit.object, edit.before) == (page, '{"title":"Status quokka"}')
    assert edit.after == '{"title":"New","password":"changed"}'


def test_where_nothing_is_changed_nothing_is_noted(two: Two, key: TestClient) -> None:
    page, incident, plan = two.quokka.pages[0], two.quokka.incidents[0], two.quokka.plans[0]
    body = "Looking at quokka"
    for path, same in (
        (f"/api/pages/{page}", {"title": "Status quokka"}),
        (f"/api/incidents/{incident}", {"impact": "minor"}),
        (f"/api/incidents/{incident}/updates/1", {"body": body}),
        (f"/api/maintenance/{plan}", {"description": "New disks for quokka"}),
    ):
        assert key.patch(path, json=same).status_code == 200, path
    assert rows(two.database, AuditEntry) == []


def test_what_happens_by_itself_is_nobodys_doing(two: Two) -> None:
    assert rows(two.database, AuditEntry) == []
