"""Every route that changes something leaves an entry in the log of who did what, with whoever asked for it.

The routes are those that the application declares; one that is forgotten here fails the first test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, cast

import pytest
from starlette.testclient import TestClient

from pulsemon.accounts import audit_log
from pulsemon.accounts.audit_log import Entry, Filter
from pulsemon.accounts.roles import OPEN
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import noted
from pulsemon.monitors.manage import NewMonitor
from pulsemon.web import app as web_app
from pulsemon.web.html.audit_words import DONE_WORDS, FIELD_WORDS, KIND_WORDS
from pulsemon.web.http.routing import Route
from pulsemon.web.http.site import Site
from tests.arrange import a_session, a_user, log_in, site_of
from tests.conftest import ROOT

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


class Done(NamedTuple):
    """One request that changes something, and what stands in the log for it."""

    method: str
    path: str
    action: str
    body: Any = None


MONITOR = {"name": "New", "slug": "new", "interval_seconds": 60}
INCIDENT = {"title": "Water", "body": "Everywhere.", "general": True}
PLAN = {"title": "Works", "repeats": "cron", "schedule": "0 * * * *", "length_seconds": 3600}
SPAN = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z", "reason": "a test"}
HOOK = {"kind": "webhook", "address": "http://127.0.0.1:9/"}
TOLD = {"status": "resolved", "impact": "minor", "body": "Dry."}
API = [
    Done("POST", "/api/monitors", "monitor.create", MONITOR),
    Done("PATCH", "/api/monitors/{slug}", "monitor.edit", {"grace_seconds": 7}),
    Done("POST", "/api/monitors/{slug}/pause", "monitor.pause"),
    Done("POST", "/api/monitors/{slug}/resume", "monitor.resume"),
    Done("POST", "/api/monitors/{slug}/rotate-token", "monitor.rotate-token"),
    Done("POST", "/api/monitors/{slug}/corrections", "correction.add", SPAN),
    Done("POST", "/api/monitors/{slug}/corrections/{correction_id}/withdraw", "correction.withdraw"),
    Done("POST", "/api/pages", "page.create", {"slug": "new"}),
    Done("PATCH", "/api/pages/{slug}", "page.edit", {"title": "Shop"}),
    Done("PUT", "/api/pages/{slug}/logo", "page.logo", PNG),
    Done("DELETE", "/api/pages/{slug}/logo", "page.logo"),
    Done("POST", "/api/pages/{slug}/subscribers", "subscriber.add", HOOK | {"address": "http://127.0.0.1:9/x"}),
    Done("DELETE", "/api/pages/{slug}/subscribers/{subscriber_id}", "subscriber.remove"),
    Done("POST", "/api/incidents", "incident.create", INCIDENT),
    Done("POST", "/api/incidents/{incident_id}/updates", "incident.update", {"status": "identified", "body": "x"}),
    Done("PATCH", "/api/incidents/{incident_id}/updates/{number}", "incident.edit", {"body": "y"}),
    Done("PATCH", "/api/incidents/{incident_id}", "incident.edit", {"title": "Fire"}),
    Done("DELETE", "/api/incidents/{incident_id}", "incident.delete"),
    Done("POST", "/api/maintenance", "maintenance.create", PLAN),
    Done("PATCH", "/api/maintenance/{maintenance_id}", "maintenance.edit", {"title": "Other works"}),
    Done("PATCH", "/api/maintenance/{maintenance_id}/windows/{window_id}", "maintenance.edit", {"ends_at": "2099"}),
    Done("DELETE", "/api/maintenance/{maintenance_id}/windows/{window_id}", "maintenance.skip"),
    Done("POST", "/api/maintenance/{maintenance_id}/end", "maintenance.end"),
    Done("DELETE", "/api/maintenance/{maintenance_id}", "maintenance.delete"),
    Done("POST", "/api/keys", "key.create", {"name": "x", "scopes": ["ping"]}),
    Done("POST", "/api/keys/{key_id}/rotate", "key.rotate"),
    Done("POST", "/api/keys/ping-key", "key.ping-key"),
    Done("DELETE", "/api/keys/{key_id}", "key.delete"),
    Done("DELETE", "/api/pages/{slug}", "page.delete"),
    Done("DELETE", "/api/monitors/{slug}", "monitor.delete"),
    Done("POST", "/api/users", "user.create", {"email": "new@example.org"}),
    Done("PATCH", "/api/users/{user_id}", "user.edit", {"name": "Eva"}),
    Done("POST", "/api/users/{user_id}/link", "user.invite"),
    Done("PUT", "/api/users/{user_id}/password", "user.password", {"password": "seven green bicycles"}),
    Done("POST", "/api/projects", "project.create", {"slug": "new", "name": "New"}),
    Done("PATCH", "/api/projects/{project}", "project.edit", {"name": "Shop"}),
    Done("PUT", "/api/projects/{project}/members/{user_id}", "member.add", {"role": "editor"}),
    Done("DELETE", "/api/projects/{project}/members/{user_id}", "member.remove"),
    Done("DELETE", "/api/projects/{project}", "project.delete"),
    Done("DELETE", "/api/users/{user_id}", "user.delete"),
]
# What the API's request leaves to a test of its own, because it needs what has to be prepared.
ELSEWHERE = {
    "/api/maintenance/{maintenance_id}/windows/{window_id}": "tests of maintenance: a window that runs or comes",
    "/api/pages/{slug}/logo": "tests of pages: a picture that is one",
    "/api/users/{user_id}/second-factor": "tests of accounts: a factor that is there",
    "/api/admin-token": "tests of accounts: an owner with a second factor",
}
PANEL = [
    Done("POST", "/monitors", "monitor.create", {"name": "N", "slug": "n", "interval_seconds": "60"}),
    Done("POST", "/monitors/{monitor_id}/pause", "monitor.pause"),
    Done("POST", "/monitors/{monitor_id}/resume", "monitor.resume"),
    Done("POST", "/monitors/selected", "monitor.pause", {"do": "pause", "monitor": "{monitor_id}"}),
    Done("POST", "/monitors/{monitor_id}/rotate-token", "monitor.rotate-token"),
    Done("POST", "/monitors/{monitor_id}/test-message", "message.test"),
    Done("POST", "/incidents", "incident.create", INCIDENT | {"scope": "all"} | TOLD),
    Done("POST", "/incidents/{public_id}", "incident.update", TOLD),
    Done("POST", "/incidents/{public_id}/updates/{number}", "incident.edit", {"body": "Dry again."}),
    Done("POST", "/incidents/{public_id}/edit", "incident.edit", {"title": "Fire", "impact": "none", "scope": "all"}),
    Done("POST", "/incidents/{public_id}/delete", "incident.delete"),
    Done("POST", "/maintenance/{maintenance_id}/end", "maintenance.end"),
    Done("POST", "/maintenance/{maintenance_id}/delete", "maintenance.delete"),
    Done("POST", "/pages/{slug}/subscribers", "subscriber.add", {"kind": "webhook", "address": "http://127.0.0.1:9/y"}),
    Done("POST", "/pages/{slug}/subscribers/{subscriber_id}/remove", "subscriber.remove"),
    Done("POST", "/pages/{slug}/delete", "page.delete"),
    Done("POST", "/monitors/{monitor_id}/delete", "monitor.delete"),
    Done("POST", "/keys", "key.create", {"name": "x", "scopes": "read"}),
    Done("POST", "/keys/{key_id}/rotate", "key.rotate", {"overlap": "86400"}),
    Done("POST", "/keys/{key_id}/revoke", "key.delete"),
]
# Forms of the panel that are not filled in here: each calls the use case that a request above calls, or has a reason.
THE_SAME = {
    "/monitors/arrange": "order and groups, by several forms",
    "/monitors/{monitor_id}": "PATCH /api/monitors/{slug}",
    "/monitors/{monitor_id}/test-ping": "a ping like any other: it is in the monitor's own log",
    "/monitors/{monitor_id}/deliveries/{delivery_id}/again": "needs a message that was given up",
    "/monitors/{monitor_id}/corrections/{correction_id}/withdraw": "POST /api/.../withdraw",
    "/monitors/{monitor_id}/outages/{seq}/exclude": "POST /api/.../corrections",
    "/maintenance": "POST /api/maintenance",
    "/maintenance/{maintenance_id}": "PATCH /api/maintenance/{maintenance_id}",
    "/maintenance/{maintenance_id}/windows/{window_id}": "PATCH /api/maintenance/.../windows/{window_id}",
    "/maintenance/{maintenance_id}/windows/{window_id}/skip": "DELETE /api/maintenance/.../windows/{window_id}",
    "/pages": "POST /api/pages",
    "/pages/{slug}": "PATCH /api/pages/{slug}",
    "/pages/{slug}/monitors": "PATCH /api/pages/{slug}",
    "/pages/{slug}/subscribers/{subscriber_id}/test": "nothing is changed: a message is sent",
    "/project": "nothing is changed but what one's own pages show",
    "/keys/ping-key": "shows it",
    "/keys/ping-key/renew": "POST /api/keys/ping-key",
    "/keys/screens": "POST /api/keys",
    "/people": "PUT /api/projects/{slug}/members/{user_id}, after a question",
    "/people/{user_id}": "PUT /api/projects/{slug}/members/{user_id}, after a question",
    "/people/{user_id}/link": "POST /api/users/{user_id}/link",
    "/people/{user_id}/remove": "DELETE /api/projects/{slug}/members/{user_id}",
    "/projects": "POST /api/projects",
    "/projects/{slug}": "PATCH /api/projects/{slug}",
    "/projects/{slug}/delete": "DELETE /api/projects/{slug}",
    "/users": "POST /api/users",
    "/users/{user_id}": "PATCH /api/users/{user_id}",
    "/users/{user_id}/disable": "PATCH /api/users/{user_id}",
    "/users/{user_id}/enable": "PATCH /api/users/{user_id}",
    "/users/{user_id}/link": "POST /api/users/{user_id}/link",
    "/users/{user_id}/remove": "DELETE /api/users/{user_id}",
    "/account/admin-token": "PUT /api/admin-token",
    "/account/end-other-sessions": "tests of accounts: with other sessions",
    "/account/password": "tests of accounts: with the password of before",
    "/account/recovery-codes": "tests of accounts: with a second factor",
    "/account/second-factor": "tests of accounts: with a code",
    "/account/second-factor/off": "tests of accounts: with a second factor",
    "/account/sessions/{session_id}/end": "tests of accounts: with another session",
}


def test_no_route_that_changes_something_is_forgotten() -> None:
    routes = [each for each in web_app.make_fastapi(cast(Site, None)).routes if isinstance(each, Route)]
    unsafe = {
        (method, each.path_format) for each in routes if each.action not in OPEN for method in each.methods & UNSAFE
    }
    known = {(each.method, each.path.replace("{project}", "{slug}")) for each in (*API, *PANEL)}

    assert {(method, path) for method, path in unsafe - known if path not in {*THE_SAME, *ELSEWHERE}} == set()
    assert known - unsafe == set()  # and none is asked for that is not there


@pytest.fixture
def ids(client: TestClient, admin: dict[str, str]) -> dict[str, str]:
    """Make one of everything, by the owner without a name."""

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers=admin)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    monitor = made("/api/monitors", MONITOR | {"slug": "1", "webhook_url": "http://127.0.0.1:9/hook"})
    made("/api/pages", {"slug": "1"})
    incident_id = made("/api/incidents", INCIDENT)["id"]
    begun = (site_of(client).now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")  # so that a window is running
    plan_id = made("/api/maintenance", PLAN | {"starts_at": begun})["id"]
    return {
        "slug": "1",
        "monitor_id": _number_of(client, monitor["slug"]),
        "incident_id": incident_id,
        "public_id": incident_id,
        "maintenance_id": plan_id,
        "number": "1",
        "correction_id": str(made("/api/monitors/1/corrections", SPAN | {"reason": "before"})["id"]),
        "subscriber_id": str(made("/api/pages/1/subscribers", HOOK)["id"]),
        "key_id": made("/api/keys", {"name": "a", "scopes": ["read"]})["id"],
        "user_id": made("/api/users", {"email": "eva@example.org"})["id"],
        "project": made("/api/projects", {"slug": "shop", "name": "A shop"})["slug"],
    }


def _number_of(client: TestClient, slug: str) -> str:
    return str(monitors.get(site_of(client).database, monitors.by_slug(slug)).id)


def entries(client: TestClient) -> list[Entry]:
    return audit_log.list_of(site_of(client).database, Filter(), limit=100)[0]


def run(client: TestClient, done: Done, ids: dict[str, str], *, send: Callable[[str, str, Any], Any]) -> list[Entry]:
    """Make the request and return what it left in the log."""
    before = entries(client)
    path = re.sub(r"{(\w+)}", lambda found: ids[found[1]], done.path)
    answer = send(done.method, path, done.body)
    assert answer.status_code < 400, (done, answer.text[-2_000:])
    newest = before[0].id if before else 0
    return [each for each in entries(client) if each.id > newest]


def test_what_is_asked_of_the_api_is_noted(client: TestClient, admin: dict[str, str], ids: dict[str, str]) -> None:
    for done in (each for each in API if each.path not in ELSEWHERE):
        body = {} if done.body is None else {"json": done.body}
        found = run(
            client, done, ids, send=lambda m, path, _, body=body: client.request(m, path, headers=admin, **body)
        )

        assert done.action in {each.action for each in found}, done
        assert {(each.actor, each.remote_addr) for each in found} == {("admin-token", "testclient")}, done

    assert audit_log.verify(site_of(client).database).faults == ()


def test_what_a_user_does_in_the_panel_is_noted_as_his_doing(client: TestClient, ids: dict[str, str]) -> None:
    site = site_of(client)
    log_in(client, a_session(site.database, a_user(site.database, is_owner=True), now=site.now()))
    client.headers["accept"] = "text/html"

    def send(method: str, path: str, body: Any) -> Any:
        form = {name: re.sub(r"{(\w+)}", lambda f: ids[f[1]], str(value)) for name, value in (body or {}).items()}
        return client.request(method, path, data=form, follow_redirects=False)

    for done in PANEL:
        found = run(client, done, ids, send=send)

        assert done.action in {each.action for each in found}, done
        assert {(each.actor, each.actor_kind) for each in found} == {("ana@example.org", "user")}, done


def test_all_that_is_noted_has_words(client: TestClient, admin: dict[str, str], ids: dict[str, str]) -> None:
    for done in (each for each in API if each.path not in ELSEWHERE):
        body = {} if done.body is None else {"json": done.body}
        run(client, done, ids, send=lambda m, path, _, body=body: client.request(m, path, headers=admin, **body))
    found = entries(client)
    fields = {name for each in found for values in (each.before, each.after) for name in values or ()}
    of_a_monitor = {*noted.values_of(NewMonitor("A", "a"))}

    assert (fields | of_a_monitor) - set(FIELD_WORDS) == set()
    assert len(fields) > 30
    # What the code notes, whether it was asked for here or not.
    lines = [line for path in (ROOT / "pulsemon").rglob("*.py") for line in path.read_text().splitlines()]
    is_one = re.compile(rf'"((?:{"|".join(KIND_WORDS)})\.[a-z-]+)"')
    actions = {action for line in lines if "_log." not in line for action in is_one.findall(line)}
    assert actions > {each.action for each in found}
    assert {action.partition(".")[2] for action in actions} - set(DONE_WORDS) == set()


def test_who_only_looks_leaves_nothing(client: TestClient, admin: dict[str, str], ids: dict[str, str]) -> None:
    before = len(entries(client))
    for path in ("/api/monitors", "/api/monitors/1", "/api/keys", "/api/audit", f"/api/keys/{ids['key_id']}"):
        assert client.get(path, headers=admin).status_code == 200
    assert client.patch("/api/monitors/1", json={}, headers=admin).status_code == 200
    assert client.patch("/api/monitors/1", json={"grace_seconds": -1}, headers=admin).status_code == 422

    assert len(entries(client)) == before
