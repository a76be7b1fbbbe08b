"""A slash at the end of a page's address leads to the page; it leads nowhere else, and pings know nothing of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import cast

import httpx2
import pytest
from starlette.testclient import TestClient

from pulsemon.web import app as web_app
from pulsemon.web.http.site import Site
from tests.conftest import Server
from tests.web.test_attacks import exchange, statuses

ADMIN_PATHS = ("/api/monitors", "/api/monitors/1", "/api/pages")


@pytest.fixture
def client(one: TestClient) -> TestClient:
    """Redirects are looked at, not followed."""
    one.follow_redirects = False
    return one


def test_every_route_is_found_with_a_slash_at_its_end_too(client: TestClient, admin: dict[str, str]) -> None:
    for route in web_app.make_fastapi(cast(Site, None)).routes:
        path = re.sub(r"{\w+(:\w+)?}", "1", route.path_format.replace("{public_id}", "0" * 16))  # type: ignore[attr-defined]
        if path in ("/", "/static"):
            continue
        for method in getattr(route, "methods", None) or ():
            answer = client.request(method, path + "/?a=1&b=%20c", headers=admin)
            assert answer.status_code == 308, (method, path, answer.text)
            assert (answer.status_code, answer.headers["location"]) == (308, path + "?a=1&b=%20c"), (method, path)
            assert method != "HEAD" or not answer.content


def test_the_status_page_and_a_form_are_reached_through_it(client: TestClient, admin: dict[str, str]) -> None:
    client.follow_redirects = True

    assert client.get("/status/?lang=en").url.path == "/status"
    assert client.head("/status/").status_code == 200
    body = {"name": "Job", "slug": "job", "interval_seconds": 60}
    assert client.post("/api/monitors/", json=body, headers=admin).status_code == 201
    assert client.get("/api/monitors/job/", headers=admin).json()["slug"] == "job"


def test_without_the_token_an_admin_path_is_closed_with_a_slash_as_without(client: TestClient) -> None:
    for path in ADMIN_PATHS:
        assert client.get(path + "/").status_code == 401


def test_nothing_but_a_page_of_ours_is_led_to(client: TestClient) -> None:
    for path in (
        "/static/",
        "/static/vendor/",
        "/nothing/",
        "/status//",
        "/status/a/b/c/d/",
        "/%2F/",
    ):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "location" not in answer.headers, path


ELSEWHERE = ["//evil.example/", "///evil.example/", "/\\evil.example/", "/%5Cevil.example/", "//evil.example/status/"]
ELSEWHERE += ["/status/\\evil.example/", "/status/%0d%0aSet-Cookie:x/", "/status//evil.example/", "/;//evil.example/"]
ELSEWHERE += ["http://evil.example/status/", "//status/", "/status/?//evil.example/", "/%2F%2Fevil.example/"]


def test_no_slash_leads_to_another_host(server: Server) -> None:
    for target in ELSEWHERE:
        for method in ("GET", "POST"):
            received = exchange(
                server, f"{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            head = received.partition(b"\r\n\r\n")[0]
            assert statuses(received)[0] in (308, 400, 404), target
            for location in re.findall(rb"^location: (.*?)\r?$", head, re.MULTILINE | re.IGNORECASE):
                assert re.match(rb"/status(?![^?]*[\\\r\n])", location), (target, location)
            assert b"\nset-cookie" not in head.lower()  # as a line: in an address it may stand, encoded


def test_a_ping_url_answers_by_itself(client: TestClient, admin: dict[str, str]) -> None:
    body = {"name": "Job", "slug": "job", "interval_seconds": 60}
    path = client.post("/api/monitors", json=body, headers=admin).json()["ping_url"]

    assert client.get(path + "/").status_code == 200
    assert client.get(path + "/fail/").status_code == 200
    for other in ("/h/", "/h/job/", path + "//", path + "/nothing/"):
        assert client.get(other).status_code == 404, other


def test_below_a_path_prefix_of_the_server_the_prefix_stays(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    command = ["-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "{port}", "--root-path", "/base"]
    server = make_server(sqlite_url, [sys.executable, *command])

    answer = httpx2.get(f"{server.url}/status/?a=1", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (308, "/base/status?a=1")
