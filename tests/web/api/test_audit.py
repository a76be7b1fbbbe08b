"""Who did what, in the API: who reads it, filters, parts, and the table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Scope
from pulsemon.db import Database, audit
from pulsemon.db.audit import Actor, ActorKind, acting
from tests.arrange import START, a_key, a_project, site_of

KEYS = [
    *("id", "at", "actor", "actor_kind", "actor_id", "action", "object", "project"),
    *("before", "after", "remote_addr", "hash"),
]


def done(database: Database, *objects: str, action: str = "monitor.edit", project_id: int | None = 1) -> None:
    with acting(Actor(ActorKind.USER, "ana@example.org", START, "ana", "192.0.2.7")):
        for each in objects:
            with database.write() as connection:
                audit.note(connection, action, each, project_id=project_id, before={"name": "a"}, after={"name": "b"})


def read(client: TestClient, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/audit{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def test_what_was_done_is_read_newest_first(client: TestClient, admin: dict[str, str]) -> None:
    done(site_of(client).database, "job")
    client.post("/api/keys", json={"name": "x", "scopes": ["read"]}, headers=admin)

    newest, older = read(client, admin)

    assert list(newest) == KEYS
    assert (newest["actor"], newest["actor_kind"], newest["action"]) == ("admin-token", "admin-token", "key.create")
    assert (newest["project"], newest["remote_addr"]) == (None, "testclient")
    assert older == older | {
        "at": "2026-03-02T10:00:00.000Z",
        "actor": "ana@example.org",
        "actor_id": "ana",
        "object": "job",
        "project": "default",
        "before": {"name": "a"},
        "after": {"name": "b"},
        "remote_addr": "192.0.2.7",
    }
    assert len(older["hash"]) == 64


def test_a_projects_admin_reads_what_was_done_in_it_and_nothing_else(client: TestClient, admin: dict[str, str]) -> None:
    site = site_of(client)
    shop = a_project(site.database)
    site.live.bump()
    done(site.database, "own", project_id=shop)
    done(site.database, "foreign")
    done(site.database, "of all", project_id=None)
    key = {"X-Api-Key": a_key(site.database, Scope.ADMIN, project_id=shop)}

    assert [each["object"] for each in read(client, key)] == ["own"]
    assert [each["object"] for each in read(client, key, "?project=shop&object=own")] == ["own"]
    assert client.get("/api/audit?project=default", headers=key).status_code == 404
    assert read(client, key, "?object=foreign") == []
    assert "foreign" not in client.get("/api/audit?format=csv", headers=key).text
    assert [each["object"] for each in read(client, admin, "?project=shop")] == ["own"]
    assert len(read(client, admin)) == 3
    for scope in set(Scope) - {Scope.ADMIN}:
        other = {"X-Api-Key": a_key(site.database, scope, project_id=shop)}
        assert client.get("/api/audit", headers=other).status_code == 403, scope


def test_the_log_comes_in_parts_and_keeps_what_was_asked_for(client: TestClient, admin: dict[str, str]) -> None:
    database = site_of(client).database
    done(database, "a", "b", "c")
    done(database, "x", action="page.edit")

    first = client.get("/api/audit?action=monitor&limit=2&since=2026-03-02", headers=admin)
    rest = client.get(first.links["next"]["url"], headers=admin)

    assert [each["object"] for each in (*first.json(), *rest.json())] == ["c", "b", "a"]
    assert "link" not in rest.headers


def test_without_a_limit_there_is_one(one: TestClient, admin: dict[str, str]) -> None:
    done(site_of(one).database, *(f"job-{number}" for number in range(101)))

    answer = one.get("/api/audit", headers=admin)

    assert len(answer.json()) == 100
    assert [each["object"] for each in one.get(answer.links["next"]["url"], headers=admin).json()] == ["job-0"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?actor=ana", 2),
        ("?actor=ana%40example.org&object=a", 1),
        ("?action=monitor.edit", 2),
        ("?action=page", 0),
        ("?since=2026-03-02T10:00:00Z", 2),
        ("?since=2026-03-02T10:00:01Z", 0),
        ("?until=2026-03-02T10:00:00Z", 0),
        ("?until=2026-03-02T07:00:01-03:00", 2),
        ("?actor=&object=", 2),
    ],
)
def test_entries_are_found(one: TestClient, admin: dict[str, str], query: str, found: int) -> None:
    done(site_of(one).database, "a", "b")
    assert len(read(one, admin, query)) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("format=xml", "format"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("object=" + "x" * 321, "object"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_name(
    one: TestClient, admin: dict[str, str], query: str, field: str
) -> None:
    answer = one.get(f"/api/audit?{query}", headers=admin)

    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["query", field]]


def test_the_table_holds_all_that_fit_and_no_formula(client: TestClient, admin: dict[str, str]) -> None:
    database = site_of(client).database
    done(database, *(f"job-{number}" for number in range(5)))
    done(database, "=cmd|' /C calc'!A0")

    answer = client.get("/api/audit?format=csv&limit=2&action=monitor", headers=admin)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [each["object"] for each in lines] == ["'=cmd|' /C calc'!A0", *(f"job-{n}" for n in (4, 3, 2, 1, 0))]
    assert lines[1]["before"] == '{"name":"a"}'
    assert client.head("/api/audit?format=csv", headers=admin).status_code == 200
