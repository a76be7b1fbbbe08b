"""Keys in the API: whoever shows one is let in by its scopes, in its project; making, rotating and revoking them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, update
from starlette.testclient import TestClient

from pulsemon.accounts import keys
from pulsemon.accounts.roles import Scope
from pulsemon.db import Database
from pulsemon.db.tables.accounts import ApiKey
from pulsemon.db.tables.audit import AuditEntry
from pulsemon.errors import Unavailable
from tests.arrange import a_key, a_project, rows, site_of
from tests.conftest import ADMIN_TOKEN, Server, wait_until

NEVER = {"X-Api-Key": "pm_" + "x" * 43}


def made(client: TestClient, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = client.post("/api/keys", json={"name": "Grafana", "scopes": ["read"]} | body, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def shown(key: str) -> dict[str, str]:
    return {"X-Api-Key": key}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - the server reads the real clock


def test_a_key_is_made_shown_once_and_opens_its_scopes(client: TestClient, admin: dict[str, str]) -> None:
    answer = client.post("/api/keys", json={"name": "Grafana", "scopes": ["read"], "project": None}, headers=admin)

    key = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/keys/{key['id']}"
    assert (key["name"], key["scopes"], key["project"], key["made_by"]) == ("Grafana", ["read"], None, "admin-token")
    for headers in (shown(key["key"]), bearer(key["key"])):
        assert client.get("/api/monitors", headers=headers).status_code == 200
        refused = client.post("/api/monitors", json={}, headers=headers)
        assert (refused.status_code, list(refused.json())) == (403, ["detail"])
    assert key["key"] not in client.get("/api/keys", headers=admin).text
    assert key["key"] not in client.get(f"/api/keys/{key['id']}", headers=admin).text


def test_the_admin_token_opens_as_an_api_key_too(client: TestClient) -> None:
    assert client.get("/api/monitors", headers=shown(ADMIN_TOKEN)).status_code == 200
    assert client.get("/api/monitors", headers=shown("wrong")).status_code == 401


def test_a_key_opens_where_no_admin_token_is_set(make_client: Callable[..., TestClient], database_url: str) -> None:
    client = make_client(database_url, admin_token="")
    key = a_key(site_of(client).database, Scope.READ)

    assert client.get("/api/monitors", headers=shown(key)).status_code == 200
    assert "ADMIN_TOKEN is not set" in client.get("/api/monitors").json()["detail"]
    assert client.get("/api/monitors", headers=NEVER).json() == {"detail": "The API key is wrong."}


def test_a_wrong_token_beside_a_right_key_closes_nothing(client: TestClient) -> None:
    key = a_key(site_of(client).database, Scope.READ)
    for others in ({"X-Admin-Token": "wrong"}, {"X-Api-Key": "wrong"}):
        assert client.get("/api/monitors", headers=bearer(key) | others).status_code == 200, others
    assert client.get("/api/monitors", headers=shown(key) | {"Authorization": "Basic eA=="}).status_code == 200


def test_a_key_that_is_over_is_told_why(client: TestClient, admin: dict[str, str]) -> None:
    database = site_of(client).database
    expired = a_key(database, Scope.READ, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    revoked = made(client, admin)
    assert client.delete(f"/api/keys/{revoked['id']}", headers=admin).status_code == 204

    for key, said in ((expired, "has expired"), (revoked["key"], "was revoked")):
        for path in ("/api/monitors", "/api/monitors/nobody", "/api/audit/nobody", "/metrics"):
            answer = client.get(path, headers=bearer(key))
            assert (answer.status_code, said in answer.json()["detail"]) == (401, True), path


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, "was revoked"),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "has expired"),
        (None, "is wrong"),
    ],
)
def test_a_key_that_another_node_ended_opens_nothing_though_it_was_right_a_moment_ago(
    client: TestClient, over: dict[str, Any] | None, said: str
) -> None:
    database = site_of(client).database
    key = a_key(database, Scope.READ, Scope.INCIDENTS)
    paths = ("/api/monitors", "/api/monitors/nobody", "/api/incidents")
    assert [client.get(path, headers=shown(key)).status_code for path in paths] == [200, 404, 200]

    with database.write() as connection:
        connection.execute(delete(ApiKey) if over is None else update(ApiKey).values(over))
    answers = [client.get(path, headers=shown(key)) for path in paths * 2]

    assert {(each.status_code, said in each.json()["detail"]) for each in answers} == {(401, True)}


def test_what_a_remembered_key_opens_is_what_it_opens_now(client: TestClient) -> None:
    database = site_of(client).database
    key = a_key(database, Scope.READ, Scope.INCIDENTS)
    body = {"title": "Water", "body": "Everywhere.", "general": True}
    assert client.post("/api/incidents", json=body, headers=shown(key)).status_code == 201

    with database.write() as connection:
        connection.execute(update(ApiKey).values(scopes="read"))

    assert client.post("/api/incidents", json=body, headers=shown(key)).status_code == 403
    assert client.get("/api/incidents", headers=shown(key)).status_code == 200


def test_a_database_that_is_away_says_so_of_a_remembered_key_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_key(site_of(client).database, Scope.READ)
    assert client.get("/api/monitors", headers=shown(key)).status_code == 200
    found = keys.find

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr(keys, "find", fail)
    answer = client.get("/api/monitors", headers=shown(key))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    monkeypatch.setattr(keys, "find", found)
    assert client.get("/api/monitors", headers=shown(key)).status_code == 200


def test_nothing_is_told_before_a_key_is_right(client: TestClient, admin: dict[str, str]) -> None:
    for path in ("/api/keys", "/api/keys/nobody", "/api/keys/ping-key", "/api/monitors/x", "/api/history/x/y"):
        for headers in ({}, NEVER, bearer("pm_" + "x" * 43)):
            assert client.get(path, headers=headers).status_code == 401, path
        assert client.get(path, headers=admin).status_code in (200, 404), path


def test_a_key_of_a_project_sees_that_project_alone(client: TestClient, admin: dict[str, str]) -> None:
    site = site_of(client)
    shop = a_project(site.database, "shop")
    site.live.bump()
    key = a_key(site.database, Scope.ADMIN, project_id=shop)
    own = made(client, shown(key), project="shop")
    foreign, of_all = made(client, admin, project="default"), made(client, admin)

    assert own["project"] == "shop"
    assert [each["id"] for each in client.get("/api/keys", headers=shown(key)).json()][-1] == own["id"]
    assert len(client.get("/api/keys", headers=shown(key)).json()) == 2
    for each in (foreign, of_all, {"id": "nobody"}):
        for answer in (
            client.get(f"/api/keys/{each['id']}", headers=shown(key)),
            client.delete(f"/api/keys/{each['id']}", headers=shown(key)),
            client.post(f"/api/keys/{each['id']}/rotate", headers=shown(key)),
        ):
            assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such key."})
    for named in ("default", "nobody"):
        body = {"name": "x", "scopes": ["read"], "project": named}
        answer = client.post("/api/keys", json=body, headers=shown(key))
        assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such project."})
        for path in ("/api/keys", "/api/keys/ping-key", "/api/monitors"):
            assert client.get(f"{path}?project={named}", headers=shown(key)).status_code == 404
    body = {"name": "x", "scopes": ["read"], "project": None}
    assert client.post("/api/keys", json=body, headers=shown(key)).status_code == 403
    assert made(client, shown(key))["project"] == "shop"  # left out: its own
    assert [each["id"] for each in client.get("/api/keys?project=default", headers=admin).json()] == [foreign["id"]]


def test_a_key_that_is_no_admins_makes_none(client: TestClient) -> None:
    database = site_of(client).database
    for scope in set(Scope) - {Scope.ADMIN}:
        key = a_key(database, scope)
        for method, path in (("POST", "/api/keys"), ("GET", "/api/keys"), ("DELETE", "/api/keys/x")):
            body = {"json": {"name": "x", "scopes": ["ping"]}} if method == "POST" else {}
            assert client.request(method, path, headers=shown(key), **body).status_code == 403, (scope, path)


def test_a_key_is_rotated_without_a_gap(client: TestClient, admin: dict[str, str]) -> None:
    old = made(client, admin, scopes=["read", "metrics"])

    answer = client.post(f"/api/keys/{old['id']}/rotate", headers=admin, json={"overlap_seconds": 3600})

    new = answer.json()
    assert answer.status_code == 201
    assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
    for key in (old["key"], new["key"]):
        assert client.get("/api/monitors", headers=shown(key)).status_code == 200
    until = datetime.fromisoformat(client.get(f"/api/keys/{old['id']}", headers=admin).json()["expires_at"])
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)  # noqa: TID251
    at_once = client.post(f"/api/keys/{new['id']}/rotate", headers=admin, json={"overlap_seconds": 0}).json()
    assert client.get("/api/monitors", headers=shown(new["key"])).status_code == 401
    assert client.get("/api/monitors", headers=shown(at_once["key"])).status_code == 200
    assert client.post(f"/api/keys/{new['id']}/rotate", headers=admin).status_code == 409
    assert client.post(f"/api/keys/{at_once['id']}/rotate", headers=admin).status_code == 201  # no body: a day


def test_the_older_form_gives_32_characters_and_the_ping_key(client: TestClient, admin: dict[str, str]) -> None:
    body = {"name": "old", "scope": "read-write"}
    key = client.post("/api/keys", json=body, headers=admin).json()

    assert len(key["key"]) == 32
    assert (key["scope"], key["project"], key["scopes"]) == ("read-write", "default", ["read", "write"])
    assert key["ping_key"] == client.get("/api/keys/ping-key", headers=admin).json()["ping_key"]
    new = {"name": "Job", "slug": "job", "interval_seconds": 60}
    assert client.post("/api/monitors", json=new, headers=shown(key["key"])).status_code == 201
    only = client.post("/api/keys", json=body | {"scope": "read-only"}, headers=admin).json()
    assert client.post("/api/monitors", json=new | {"slug": "x"}, headers=shown(only["key"])).status_code == 403
    assert client.get("/api/monitors/job", headers=shown(only["key"])).status_code == 200


def test_a_ping_key_is_made_anew(client: TestClient, admin: dict[str, str]) -> None:
    assert client.get("/api/keys/ping-key", headers=admin).json() == {"project": "default", "ping_key": None}
    first = client.post("/api/keys/ping-key", headers=admin).json()
    second = client.post("/api/keys/ping-key", headers=admin).json()

    assert first == {"project": "default", "ping_key": first["ping_key"]}
    assert second["ping_key"] != first["ping_key"]
    assert client.get("/api/keys/ping-key", headers=admin).json() == second
    writing = a_key(site_of(client).database, Scope.WRITE)
    assert client.get("/api/keys/ping-key", headers=shown(writing)).json() == second
    assert client.post("/api/keys/ping-key", headers=shown(writing)).status_code == 403
    assert client.get("/api/keys/ping-key?project=nobody", headers=admin).status_code == 404


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("name", {"scopes": ["read"]}),
        ("name", {"name": " ", "scopes": ["read"]}),
        ("name", {"name": "x" * 201, "scopes": ["read"]}),
        ("scopes", {"name": "x"}),
        ("scopes", {"name": "x", "scopes": []}),
        ("scopes", {"name": "x", "scopes": "read"}),
        ("scopes", {"name": "x", "scopes": ["everything"]}),
        ("scopes", {"name": "x", "scopes": [None]}),
        ("scope", {"name": "x", "scope": "all"}),
        ("scope", {"name": "x", "scopes": ["read"], "scope": "read-only"}),
        ("kind", {"name": "x", "scopes": ["read"], "kind": "door"}),
        ("scopes", {"name": "x", "scopes": ["admin"], "kind": "screen"}),
        ("project", {"name": "x", "scopes": ["read"], "project": 7}),
        ("expires_at", {"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}),
        ("expires_at", {"name": "x", "scopes": ["read"], "expires_at": "2027-01-31T00:00:00"}),
        ("expires_at", {"name": "x", "scopes": ["read"], "expires_at": "2026-01-31T00:00:00Z"}),
        ("expires_at", {"name": "x", "scopes": ["read"], "expires_at": 7}),
    ],
)
def test_bad_fields_are_named_and_make_nothing(
    one: TestClient, admin: dict[str, str], field: str, body: dict[str, Any]
) -> None:
    answer = one.post("/api/keys", json=body, headers=admin)

    assert answer.status_code == 422
    assert [each["loc"][-1] for each in answer.json()["detail"]] == [field]
    assert one.get("/api/keys", headers=admin).json() == []


@pytest.mark.parametrize("body", [{"overlap_seconds": -1}, {"overlap_seconds": 2_592_001}, {"overlap_seconds": "1"}])
def test_a_rotation_that_makes_no_sense_changes_nothing(
    one: TestClient, admin: dict[str, str], body: dict[str, Any]
) -> None:
    key = made(one, admin)

    assert one.post(f"/api/keys/{key['id']}/rotate", json=body, headers=admin).status_code == 422
    assert len(one.get("/api/keys", headers=admin).json()) == 1


def test_a_key_with_an_end_is_made(one: TestClient, admin: dict[str, str]) -> None:
    end = soon().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert made(one, admin, expires_at=end)["expires_at"] == end


def test_the_list_comes_in_parts(one: TestClient, admin: dict[str, str]) -> None:
    all_of_them = [made(one, admin, project="default")["id"] for _ in range(3)]

    first = one.get("/api/keys?limit=2&project=default", headers=admin)
    rest = one.get(first.links["next"]["url"], headers=admin)

    assert [each["id"] for each in (*first.json(), *rest.json())] == all_of_them
    assert "project=default" in first.headers["link"]
    assert "link" not in rest.headers


def test_the_last_use_is_known_to_the_minute_after_the_answer(client: TestClient, admin: dict[str, str]) -> None:
    key = made(client, admin)
    assert key["last_used_at"] is None

    client.get("/api/monitors", headers=shown(key["key"]))

    def used() -> dict[str, Any] | None:
        answer = client.get(f"/api/keys/{key['id']}", headers=admin).json()
        return dict(answer) if answer["last_used_at"] else None

    found = wait_until(used)
    assert found["last_used_at"].endswith(":00.000Z")
    assert found["last_used_addr"] == "testclient"


def test_a_use_is_written_once_a_minute_and_again_where_that_failed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(client)
    key = a_key(site.database, Scope.READ)
    written: list[int] = []
    write = keys.write_uses
    monkeypatch.setattr(keys, "write_uses", lambda database, uses: (written.append(len(uses)), write(database, uses)))
    now = datetime(2026, 3, 2, 10, 5, 30, tzinfo=UTC)
    object.__setattr__(site, "now", lambda: now)

    for _ in range(5):
        assert client.get("/api/monitors", headers=shown(key)).status_code == 200
    assert written == [1]
    now += timedelta(minutes=1)
    client.get("/api/monitors", headers=shown(key))
    assert written == [1, 1]


def test_what_cannot_be_written_of_a_use_troubles_no_answer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(client)
    key = a_key(site.database, Scope.READ)

    def fail(_database: Database, _uses: Any) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(keys, "write_uses", fail)
    assert client.get("/api/monitors", headers=shown(key)).status_code == 200
    assert site.key_uses._unsaved
    assert not site.key_uses.needs_care  # within a minute


def test_wrong_keys_are_counted_as_wrong_tokens_are(one: TestClient, admin: dict[str, str]) -> None:
    for number in range(60):
        assert one.get("/api/monitors", headers=shown(f"pm_{number:043}")).status_code == 401
    refused = one.get("/api/monitors", headers=shown("pm_" + "y" * 43))
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert one.get("/api/monitors", headers=admin).status_code == 429  # from the same address


def test_where_a_right_key_came_from_it_is_let_in_while_others_guess(one: TestClient) -> None:
    key = a_key(site_of(one).database, Scope.READ)
    assert one.get("/api/monitors", headers=shown(key)).status_code == 200
    for number in range(61):
        one.get("/api/monitors", headers=shown(f"pm_{number:043}"))

    assert one.get("/api/monitors", headers=shown(key)).status_code == 200


def test_a_key_that_is_over_is_no_guess(one: TestClient, admin: dict[str, str]) -> None:
    key = a_key(site_of(one).database, Scope.READ, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    for _ in range(70):
        assert "expired" in one.get("/api/monitors", headers=shown(key)).json()["detail"]
    assert one.get("/api/monitors", headers=admin).status_code == 200


def test_a_database_that_is_away_judges_nobody_wrong(
    one: TestClient, monkeypatch: pytest.MonkeyPatch, admin: dict[str, str]
) -> None:
    key = a_key(site_of(one).database, Scope.READ)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("it is away")

    with monkeypatch.context() as away:
        away.setattr(keys, "find", fail)
        for _ in range(70):
            answer = one.get("/api/monitors", headers=shown(key))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert one.get("/ready", headers=shown(key)).json() == {"status": "ready"}
        assert one.get("/metrics", headers=shown(key)).status_code == 503
    assert one.get("/api/monitors", headers=shown(key)).status_code == 200


@pytest.mark.parametrize("how", ["header", "bearer", "basic"])
def test_a_key_for_metrics_opens_the_metrics_and_nothing_else(client: TestClient, how: str) -> None:
    key = a_key(site_of(client).database, Scope.METRICS)
    auth = ("prometheus", key) if how == "basic" else None
    headers = {"header": shown(key), "bearer": bearer(key)}.get(how, {})

    assert "pulsemon_warnings" in client.get("/metrics", headers=headers, auth=auth).text
    assert "warnings" in client.get("/ready", headers=headers, auth=auth).json()
    if how != "basic":
        assert client.get("/api/monitors", headers=headers).status_code == 403


def test_other_keys_do_not_open_the_metrics(client: TestClient) -> None:
    database = site_of(client).database
    for scope in set(Scope) - {Scope.METRICS, Scope.ADMIN}:
        answer = client.get("/metrics", headers=shown(a_key(database, scope)))
        assert answer.status_code == 403, scope
        assert "reasons" not in client.get("/ready", headers=shown(a_key(database, scope))).json()
    assert client.get("/metrics", headers=NEVER).status_code == 401
    assert client.get("/metrics").status_code == 200


def test_a_key_of_a_project_counts_the_monitors_of_that_project_alone(
    client: TestClient, admin: dict[str, str]
) -> None:
    database = site_of(client).database
    shop = a_project(database)
    site_of(client).live.bump()
    for slug, project in (("own", "shop"), ("foreign", "default"), ("foreign-2", "default")):
        body = {"name": slug, "slug": slug, "interval_seconds": 60, "project": project}
        assert client.post("/api/monitors", json=body, headers=admin).status_code == 201
    key = a_key(database, Scope.METRICS, project_id=shop)

    seen = client.get("/metrics", headers=shown(key)).text
    everything = client.get("/metrics", headers=admin).text

    assert 'slug="own"' in seen
    assert "foreign" not in seen
    assert 'pulsemon_monitors{state="waiting"} 1.0' in seen
    assert 'pulsemon_monitors{state="waiting"} 3.0' in everything
    assert "foreign" in everything
    assert "pulsemon_warnings" not in seen
    assert "pulsemon_pings_total" not in seen
    assert "pulsemon_warnings" in everything
    assert "reasons" not in client.get("/ready", headers=shown(key)).json()


def test_what_a_key_does_is_noted_as_its_doing(client: TestClient) -> None:
    database = site_of(client).database
    key = a_key(database, Scope.ADMIN, name="Terraform", public_id="terraform")

    other = made(client, shown(key), scopes=["ping"])

    (entry,) = rows(database, AuditEntry)
    assert (entry.actor_kind, entry.actor_id, entry.actor) == ("key", "terraform", "Terraform")
    assert (entry.action, entry.object, entry.remote_addr) == ("key.create", other["id"], "testclient")
    assert other["made_by"] == "Terraform"


def test_no_key_is_in_any_line_of_the_log(server: Server) -> None:
    body = {"name": "Grafana", "scopes": ["admin"]}
    key = httpx2.post(f"{server.url}/api/keys", json=body, headers=server.headers).json()
    wrong = "pm_" + "w" * 43
    for headers in (shown(key["key"]), bearer(key["key"]), shown(wrong), bearer(wrong)):
        httpx2.post(f"{server.url}/api/keys", json=body, headers=headers)
        httpx2.delete(f"{server.url}/api/keys/{key['key']}", headers=headers)
        httpx2.post(f"{server.url}/nowhere/{wrong}", headers=headers)
    server.stop()

    assert "/api/keys" in server.log
    for secret in (key["key"], wrong, key["key"][3:], wrong[3:]):
        assert secret not in server.log
