"""Users, projects and members through the API."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.errors import NO_MEMBER, NO_PROJECT, NO_USER, REFUSALS

PASSWORD = "a horse, a battery and a staple"


def _make(client: TestClient, admin: dict[str, str], email: str = "ana@example.org", **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/users", json={"email": email, **fields}, headers=admin)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_user_is_made_read_edited_and_removed(client: TestClient, admin: dict[str, str]) -> None:
    made = _make(client, admin, "Ana@Example.org", name="Ana", password=PASSWORD)
    assert "invitation_url" not in made
    assert (made["email"], made["invited"], made["owner"]) == ("Ana@Example.org", False, False)

    address = f"/api/users/{made['id']}"
    edited = client.patch(address, json={"name": "Ana Lima", "email": "ana.lima@example.org"}, headers=admin)
    assert (edited.status_code, edited.json()["name"]) == (200, "Ana Lima")
    assert client.get(address, headers=admin).json() == edited.json()

    assert client.delete(address, headers=admin).status_code == 204
    gone = client.get(address, headers=admin)
    assert (gone.status_code, gone.json()["detail"]) == (404, NO_USER)


def test_who_gets_no_password_is_invited(client: TestClient, admin: dict[str, str]) -> None:
    made = _make(client, admin)

    assert made["invited"]
    assert made["invitation_url"].startswith("http://testserver/join/")
    again = client.get(f"/api/users/{made['id']}", headers=admin).json()
    assert "invitation_url" not in again


def test_an_address_is_one_users(client: TestClient, admin: dict[str, str]) -> None:
    _make(client, admin)
    other = _make(client, admin, "bia@example.org")

    twice = client.post("/api/users", json={"email": "ANA@example.org"}, headers=admin)
    moved = client.patch(f"/api/users/{other['id']}", json={"email": "ana@EXAMPLE.org"}, headers=admin)

    for refused in (twice, moved):
        assert (refused.status_code, refused.json()["detail"]) == (409, REFUSALS["email-taken"])
    assert [each["email"] for each in client.get("/api/users", headers=admin).json()] == [
        "ana@example.org",
        "bia@example.org",
    ]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"email": "ana"}, "email", "email"),
        ({"email": 3}, "email", "email"),
        ({}, "email", "missing"),
        ({"email": "ana@example.org", "password": "short"}, "password", "password-length"),
        ({"email": "ana@example.org", "password": "x" * 201}, "password", "password-length"),
        ({"email": "ana@example.org", "password": "Password1234"}, "password", "password-common"),
        ({"email": "ana@example.org", "owner": "yes"}, "owner", "not-bool"),
        ({"email": "ana@example.org", "name": "a\x00b"}, "name", "characters"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    one: TestClient, admin: dict[str, str], body: dict[str, Any], field: str, rule: str
) -> None:
    refused = one.post("/api/users", json=body, headers=admin)

    assert refused.status_code == 422
    (problem,) = refused.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["body", field], rule)
    assert one.get("/api/users", headers=admin).json() == []


def test_the_last_owner_stays(client: TestClient, admin: dict[str, str]) -> None:
    ana = _make(client, admin, password=PASSWORD, owner=True)
    address = f"/api/users/{ana['id']}"

    for refused in (
        client.patch(address, json={"owner": False}, headers=admin),
        client.patch(address, json={"disabled": True}, headers=admin),
        client.delete(address, headers=admin),
    ):
        assert (refused.status_code, refused.json()["detail"]) == (409, REFUSALS["last-owner"])
    assert client.get(address, headers=admin).json()["owner"]

    bia = _make(client, admin, "bia@example.org", password=PASSWORD)
    client.patch(f"/api/users/{bia['id']}", json={"owner": True}, headers=admin)
    assert client.patch(address, json={"owner": False}, headers=admin).status_code == 200


def test_an_owner_who_is_disabled_is_none(client: TestClient, admin: dict[str, str]) -> None:
    ana = _make(client, admin, password=PASSWORD, owner=True)
    bia = _make(client, admin, "bia@example.org", password=PASSWORD, owner=True)
    assert client.patch(f"/api/users/{bia['id']}", json={"disabled": True}, headers=admin).json()["disabled"]

    assert client.delete(f"/api/users/{ana['id']}", headers=admin).status_code == 409
    assert client.patch(f"/api/users/{bia['id']}", json={"disabled": False}, headers=admin).status_code == 200
    assert client.delete(f"/api/users/{ana['id']}", headers=admin).status_code == 204


def test_a_removal_may_say_that_keys_go_on_and_nothing_else(client: TestClient, admin: dict[str, str]) -> None:
    address = f"/api/users/{_make(client, admin)['id']}"

    wrong = client.request("DELETE", address, json={"keep": True}, headers=admin)
    assert (wrong.status_code, wrong.json()["detail"][0]["type"]) == (422, "unknown-field")
    assert client.request("DELETE", address, json={"keep_keys": True}, headers=admin).status_code == 204


def test_a_new_link_is_an_invitation_or_a_reset(client: TestClient, admin: dict[str, str]) -> None:
    invited, joined = _make(client, admin), _make(client, admin, "bia@example.org", password=PASSWORD)

    first = client.post(f"/api/users/{invited['id']}/link", headers=admin).json()
    second = client.post(f"/api/users/{joined['id']}/link", headers=admin).json()

    assert (first["kind"], second["kind"]) == ("invitation", "reset")
    assert first["url"].startswith("http://testserver/join/")
    assert first["url"] != invited["invitation_url"]
    assert second["url"].startswith("http://testserver/reset/")

    client.patch(f"/api/users/{joined['id']}", json={"disabled": True}, headers=admin)
    refused = client.post(f"/api/users/{joined['id']}/link", headers=admin)
    assert (refused.status_code, refused.json()["detail"]) == (409, REFUSALS["user-disabled"])


def test_users_are_listed_in_parts(client: TestClient, admin: dict[str, str]) -> None:
    made = [_make(client, admin, f"user{number}@example.org")["id"] for number in range(5)]

    found, address = [], "/api/users?limit=2"
    while address:
        part = client.get(address, headers=admin)
        found += [each["id"] for each in part.json()]
        address = part.links.get("next", {}).get("url", "")

    assert found == made


def test_a_project_is_made_renamed_and_deleted(client: TestClient, admin: dict[str, str]) -> None:
    made = client.post("/api/projects", json={"slug": "shop", "name": "The shop"}, headers=admin)
    assert (made.status_code, made.headers["location"]) == (201, "/api/projects/shop")
    assert [each["slug"] for each in client.get("/api/projects", headers=admin).json()] == ["default", "shop"]

    twice = client.post("/api/projects", json={"slug": "shop", "name": "Another"}, headers=admin)
    assert (twice.status_code, twice.json()["detail"]) == (409, REFUSALS["project-slug-taken"])

    renamed = client.patch("/api/projects/shop", json={"name": "Shops"}, headers=admin)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Shops")
    assert client.get("/api/projects/shop", headers=admin).json() == renamed.json()

    assert client.delete("/api/projects/shop", headers=admin).status_code == 204
    for gone in (client.get("/api/projects/shop", headers=admin), client.delete("/api/projects/shop", headers=admin)):
        assert (gone.status_code, gone.json()["detail"]) == (404, NO_PROJECT)


@pytest.mark.parametrize("slug", ["", "Shop", "-shop", "a--b", "x" * 61, "sh op", "shóp"])
def test_a_slug_of_a_project_is_plain(one: TestClient, admin: dict[str, str], slug: str) -> None:
    refused = one.post("/api/projects", json={"slug": slug, "name": "The shop"}, headers=admin)

    assert (refused.status_code, refused.json()["detail"][0]["type"]) == (422, "project-slug")


def test_the_first_project_stays_and_so_does_one_that_holds_anything(client: TestClient, admin: dict[str, str]) -> None:
    refused = client.delete("/api/projects/default", headers=admin)

    assert (refused.status_code, refused.json()["detail"]) == (409, REFUSALS["first-project-stays"])


def test_members_get_roles_and_lose_them(client: TestClient, admin: dict[str, str]) -> None:
    client.post("/api/projects", json={"slug": "shop", "name": "The shop"}, headers=admin)
    ana = _make(client, admin, password=PASSWORD)
    address = f"/api/projects/shop/members/{ana['id']}"

    for role in ("viewer", "admin"):
        given = client.put(address, json={"role": role}, headers=admin)
        assert (given.status_code, given.json()["role"]) == (200, role)
    listed = client.get("/api/projects/shop/members", headers=admin).json()
    assert [(each["id"], each["email"], each["role"]) for each in listed] == [(ana["id"], "ana@example.org", "admin")]
    assert client.get("/api/projects/default/members", headers=admin).json() == []

    assert client.delete(address, headers=admin).status_code == 204
    again = client.delete(address, headers=admin)
    assert (again.status_code, again.json()["detail"]) == (404, NO_MEMBER)


def test_a_role_is_one_of_four_and_for_who_exists(client: TestClient, admin: dict[str, str]) -> None:
    ana = _make(client, admin)

    wrong = client.put(f"/api/projects/default/members/{ana['id']}", json={"role": "boss"}, headers=admin)
    nobody = client.put("/api/projects/default/members/0000", json={"role": "viewer"}, headers=admin)
    nowhere = client.put(f"/api/projects/nowhere/members/{ana['id']}", json={"role": "viewer"}, headers=admin)

    assert (wrong.status_code, wrong.json()["detail"][0]["type"]) == (422, "role")
    assert (nobody.status_code, nobody.json()["detail"]) == (404, NO_USER)
    assert (nowhere.status_code, nowhere.json()["detail"]) == (404, NO_PROJECT)
    assert client.get("/api/projects/default/members", headers=admin).json() == []


@pytest.mark.parametrize("path", ["/api/users", "/api/users/1/link", "/api/projects", "/api/projects/default/members"])
def test_nothing_is_told_without_the_token(one: TestClient, path: str) -> None:
    assert one.get(path).status_code == 401
    assert one.post(path, json={}).status_code == 401
