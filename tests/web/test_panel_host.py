"""With PANEL_HOST what is the owner's answers under that name alone; elsewhere it is as unknown as any path."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from pulsemon.web import app as web_app
from pulsemon.web.http.routing import Audience, Route
from pulsemon.web.http.site import Site
from tests.conftest import ADMIN_TOKEN, Server

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
PANEL = {"host": "panel.example.org"}
ELSEWHERE = {"host": "status.example.org"}
# What is there under every name: pages, what programs read of them, links of mails, wall screens, and whether PulseMon
# is well.
EVERYWHERE = re.compile(r"/|/health|/ready|/status(/.*)?|/badge/.*|/api/v2/.*|/subscriptions/.*|/screen/.*")
THE_SAME = [
    "panel.example.org",
    "PANEL.Example.org.",
    "panel.example.org:8443",
    "panel.example.org.:80",
    "[0:0::1]:8088",
]
OTHERS = ["status.example.org", "127.0.0.1", "xpanel.example.org", "panel.example.org.evil.example", "", "[", "a b"]
OTHERS += ["panel.example.org@evil", "panel.example.org/", "[::2]"]


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """With a PANEL_HOST as people write it."""
    client = make_client(sqlite_url, panel_host="Panel.Example.ORG.:8443, ::1")
    client.follow_redirects = False
    return client


def paths() -> dict[str, Audience]:
    found = {}
    for route in web_app.make_fastapi(cast(Site, None)).routes:
        if isinstance(route, Route):
            path = re.sub(r"{\w+(:\w+)?}", "1", route.path_format)
            found[path] = route.audience
    return found


def told(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, re.sub(r'href="[^"]*lang=[^"]*"', "", answer.text), answer.headers.get("location", "")


def test_elsewhere_what_is_the_owners_answers_as_a_path_that_nobody_knows(client: TestClient) -> None:
    client.post("/login", data={"token": ADMIN_TOKEN}, headers=PANEL)
    hidden = {path: found for path, found in paths().items() if not EVERYWHERE.fullmatch(path)}
    assert {"/login", "/logout", "/docs", "/openapi.json", "/metrics", "/monitors/new", "/api/monitors"} <= set(hidden)
    assert set(hidden.values()) == {Audience.API, Audience.PANEL}
    for path in hidden:
        nobody = "/api/nobody-knows" if path.startswith("/api/") else "/nobody-knows"
        for method in ("GET", "POST", "DELETE"):
            for headers in (ELSEWHERE, ELSEWHERE | ADMIN, ELSEWHERE | {"X-Admin-Token": "wrong"}):
                answer = client.request(method, path, headers=headers)
                if path in ("/metrics", "/openapi.json"):
                    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
                else:
                    assert told(answer) == told(client.request(method, nobody, headers=headers)), (method, path)
                    assert answer.status_code == 404, (method, path)


def test_what_is_for_everybody_answers_under_every_name(client: TestClient) -> None:
    made = client.post(
        "/api/monitors", json={"name": "Job", "slug": "job", "interval_seconds": 60}, headers=PANEL | ADMIN
    ).json()
    for headers in (PANEL, ELSEWHERE, {"host": "10.1.2.3:8088"}):
        for path in ("/status", "/health", "/ready", "/status/feed.atom", "/badge/job.svg", "/api/v2/summary.json"):
            assert client.get(path, headers=headers).status_code == 200, (path, headers)
        assert client.get(made["ping_url"], headers=headers).status_code == 200
        assert client.post("/subscriptions/x/unsubscribe", headers=headers).status_code == 200
        assert client.get("/static/app.css", headers=headers).status_code == 200


def test_the_panel_is_there_by_every_spelling_of_its_name(client: TestClient) -> None:
    for host in THE_SAME:
        assert 'name="token"' in client.get("/", headers={"host": host}).text, host
        assert client.get("/api/monitors", headers={"host": host}).status_code == 401, host
        assert client.get("/api/monitors", headers={"host": host} | ADMIN).status_code == 200, host
        assert client.get("/docs", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("host", OTHERS)
def test_at_any_other_name_the_root_leads_to_the_status_page(client: TestClient, host: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/", headers={"host": host})
        assert (answer.status_code, answer.headers["location"]) == (303, "/status")
    assert client.get("/api/monitors", headers={"host": host} | ADMIN).status_code == 404


def test_wrong_tokens_elsewhere_are_not_even_judged(client: TestClient) -> None:
    for _ in range(70):
        assert client.get("/api/monitors", headers=ELSEWHERE | {"X-Admin-Token": "wrong"}).status_code == 404

    assert client.get("/api/monitors", headers=PANEL | ADMIN).status_code == 200


def test_a_page_stands_at_its_own_name_and_the_panel_at_its(client: TestClient) -> None:
    def save(host: str, slug: str) -> int:
        body = {"slug": slug, "title": f"The page {slug}", "host": host}
        return client.post("/api/pages", json=body, headers=PANEL | ADMIN).status_code

    assert save("status.example.org", "shop") == 201
    assert save("PANEL.example.org", "panel") == 422
    assert "The page shop" in client.get("/", headers=ELSEWHERE).text
    assert 'name="token"' in client.get("/", headers=PANEL).text


def test_without_it_everything_answers_everywhere_whatever_base_url_is(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    client = make_client(sqlite_url, base_url="https://status.example.org")

    for host in OTHERS:
        assert client.get("/api/monitors", headers={"host": host} | ADMIN).status_code == 200
        assert client.get("/docs", headers={"host": host}).status_code == 200


def test_a_page_named_as_the_panel_before_the_setting_was_made_does_not_hide_it(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    first = make_client(sqlite_url)
    assert first.post("/api/pages", json={"slug": "x", "host": "panel.example.org"}, headers=ADMIN).status_code == 201
    first.__exit__(None, None, None)

    client = make_client(sqlite_url, panel_host="panel.example.org")

    assert 'name="token"' in client.get("/", headers=PANEL).text


def test_the_commands_reach_the_server_under_that_name(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url, PANEL_HOST="panel.example.org")
    command = [*server.arguments[:-1], "monitor", "create", "Job", "--interval", "60"]

    made = subprocess.run(
        command, env=server.environment, cwd=server.folder, capture_output=True, text=True, check=False
    )

    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("/h/job/")
