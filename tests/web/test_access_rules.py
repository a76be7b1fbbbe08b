"""Who may reach what: held against every route that the application has, so that a new one cannot be forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import Mount
from starlette.testclient import TestClient

from pulsemon.accounts.roles import NOBODY, OPEN, OWNER_BY_SESSION, OWNER_BY_TOKEN, Action
from pulsemon.web import app as web_app
from pulsemon.web.http import permissions
from pulsemon.web.http.grounds import grounds_of
from pulsemon.web.http.principals import PRINCIPAL_KEY, by_token
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site
from tests.conftest import ADMIN_TOKEN, settings_for

# Below these nothing is told without the token or a key.
_NAMES = (
    *("monitors", "history", "keys", "pages", "incidents", "maintenance"),
    *("audit", "users", "projects", "admin-token"),
)
CLOSED = tuple(f"/api/{name}" for name in _NAMES)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ASKED_WITHIN = {Action.SEE_SECRETS, Action.METRICS, Action.OWN, Action.OWN_ACCOUNT}
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Declared(NamedTuple):
    """A route as the application declares it, its parameters filled in."""

    method: str
    path: str
    audience: Audience
    action: Action

    @property
    def asks_for_a_token(self) -> bool:
        return self.audience is Audience.API and self.action not in OPEN

    @property
    def asks_for_a_session(self) -> bool:
        return self.audience is Audience.PANEL and self.action not in OPEN


def routes_of(app: FastAPI) -> Iterator[Any]:
    return (each for each in iter_route_contexts(app.routes) if not isinstance(each.original_route, Mount))


@pytest.fixture(scope="module")
def declared() -> list[Declared]:
    """Every route of the real application; the site itself is not needed to list them."""
    app = web_app.make_fastapi(cast(Site, None))
    found = []
    for route in routes_of(app):
        path = route.path_format
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", "1")
        audience, action = route.original_route.audience, route.original_route.action
        found += [Declared(method, path, audience, action) for method in sorted(route.methods)]
    return found


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """Access rules do not depend on the database; one is enough. Redirects are looked at, not followed."""
    client = make_client(sqlite_url)
    client.follow_redirects = False
    return client


def test_every_route_declares_one_of_the_access_rules(declared: list[Declared]) -> None:
    assert {each.audience for each in declared} == set(Audience)
    # Asked within: by the ping route, of what an answer shows, and by /metrics, which is for strangers too.
    assert set(Action) - {each.action for each in declared} <= {Action.PING, *ASKED_WITHIN}
    assert not [each for each in declared if each.action not in OPEN and not each.audience.is_owners]
    for path in ("/", "/status", "/docs", "/health", "/ready", "/metrics", "/openapi.json", "/login"):
        assert {each.action for each in declared if each.path == path} == {Action.PUBLIC}, path


def test_only_the_static_files_are_no_route_of_ours() -> None:
    app = web_app.make_fastapi(cast(Site, None))
    mounts = [each.original_route for each in iter_route_contexts(app.routes)]

    assert [each.path for each in mounts if isinstance(each, Mount)] == ["/static"]


def application(*routers: APIRouter | Router) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for each in routers:
        if isinstance(each, Router):
            app.router.routes.extend(each.routes)
        else:
            app.include_router(each)
    return app


def declared_by(audience: Audience, action: Action, path: str) -> Router:
    router = Router(audience)
    router.get(path, action)(lambda: None)
    return router


def without_a_rule(path: str) -> APIRouter:
    router = APIRouter()
    router.get(path)(lambda: None)
    return router


API, PANEL, PROGRAMS, VISITORS = Audience.API, Audience.PANEL, Audience.PROGRAMS, Audience.VISITORS
MONITORS = declared_by(API, Action.READ, "/api/monitors/{slug}")
UNSUBSCRIBE = "/subscriptions/{token}/unsubscribe"


@pytest.mark.parametrize(
    "routers",
    [
        [without_a_rule("/forgotten")],
        [MONITORS, declared_by(VISITORS, Action.PUBLIC, "/api/monitors/leak")],
        [MONITORS, declared_by(API, Action.PUBLIC, "/api/monitors/leak")],
        [MONITORS, declared_by(PANEL, Action.READ, "/api/monitors/leak")],
        [declared_by(API, Action.READ, "/elsewhere")],
        [declared_by(API, Action.READ, "/api/{anything}/leak")],
        [declared_by(VISITORS, Action.PUBLIC, "/api/{anything}/leak")],
        [declared_by(VISITORS, Action.READ, "/elsewhere")],
        [declared_by(PROGRAMS, Action.EDIT, "/elsewhere")],
        [declared_by(VISITORS, Action.ONE_CLICK, "/elsewhere")],
        [declared_by(VISITORS, Action.LINK, "/elsewhere")],
        [declared_by(VISITORS, Action.ONE_CLICK, UNSUBSCRIBE), declared_by(VISITORS, Action.PUBLIC, UNSUBSCRIBE)],
        [
            declared_by(VISITORS, Action.ONE_CLICK, UNSUBSCRIBE),
            declared_by(VISITORS, Action.PUBLIC, "/subscriptions/{token}/{what}"),
        ],
    ],
    ids=[
        "without a rule",
        "open below a closed path",
        "open to the owner's programs below a closed path",
        "a session below a closed path",
        "closed where nothing checks it",
        "closed at a path whose name is anything",
        "open at a path whose name is anything",
        "closed where nobody is asked who it is",
        "closed where no program is asked who it is",
        "open to other sites without a token in its path",
        "a link without a token in its path",
        "the link's path without its rule",
        "a path that takes the link's too",
    ],
)
def test_an_application_with_a_route_that_breaks_the_rules_does_not_start(routers: list[APIRouter | Router]) -> None:
    with pytest.raises(TypeError, match="access rule"):
        web_app._require_access_rules(application(*routers))


def test_a_route_cannot_be_registered_without_an_action() -> None:
    with pytest.raises(TypeError, match="action"):
        Router(Audience.PANEL).get("/forgotten")  # type: ignore[call-arg]


def test_the_first_route_below_a_name_of_the_api_closes_the_whole_name() -> None:
    grounds = grounds_of(application(declared_by(API, Action.READ, "/api/projects")).routes)

    assert [path for path in ("/api/projects", "/api/projects/x") if not grounds.is_closed(path)] == []
    assert [path for path in ("/api", "/api/", "/api/project", "/x/api/projects") if grounds.is_closed(path)] == []


def test_the_closed_paths_are_those_that_the_documents_name() -> None:
    grounds = web_app.make_fastapi(cast(Site, None)).state.grounds

    assert {f"/api/{name}" for name in grounds.closed_names} == set(CLOSED)


def from_elsewhere(client: TestClient) -> Iterator[TestClient]:
    """Yield the client of another address again and again: only so many wrong tokens of one are judged."""
    for number in itertools.count():
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        yield TestClient(client.app, base_url="http://testserver", client=(address, 1234))


def test_admin_paths_are_401_without_the_token_whatever_the_method(
    client: TestClient, declared: list[Declared]
) -> None:
    paths = {each.path for each in declared if each.asks_for_a_token}
    assert paths >= {"/api/monitors", "/api/monitors/1", "/api/history/1"}
    paths |= set(CLOSED)
    paths |= {f"{prefix}/{rest}" for prefix in CLOSED for rest in ("", "x", "x/y", "x/y/z", "%2e%2e", "a%2Fb")}
    somebody = from_elsewhere(client)
    for path in sorted(paths):
        for method in METHODS:
            for headers in ({}, {"X-Admin-Token": "wrong"}, {"Authorization": f"Bearer {ADMIN_TOKEN}"}):
                answer = next(somebody).request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path, headers)


def test_an_encoded_slash_does_not_lead_around_the_gate(client: TestClient) -> None:
    for path in ("/api/monitors%2Fx", "/api%2Fmonitors", "/%61pi/monitors", "/api/%6donitors/x"):
        assert client.get(path).status_code == 401, path


def test_with_the_token_unknown_paths_below_the_prefixes_are_404(client: TestClient, admin: dict[str, str]) -> None:
    for path in ("/api/audit/x", "/api/keys/1", "/api/history", "/api/monitors/a/b/c", "/api/monitors//"):
        answer = client.get(path, headers=admin)
        assert (answer.status_code, list(answer.json())) == (404, ["detail"]), path


def test_errors_are_told_as_the_audience_of_the_route_reads_them(
    client: TestClient, declared: list[Declared], admin: dict[str, str]
) -> None:
    for each in declared:
        answer = client.options(each.path.replace("history/1", f"history/{'a' * 16}"), headers=admin)
        assert answer.status_code == 405, each
        is_json = answer.headers["content-type"] == "application/json"
        assert is_json == each.audience.is_of_programs, each


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/nobody", "json"),
        ("/api/v2/nobody", "json"),
        ("/badge/nobody", "json"),
        ("/health/nobody", "json"),
        ("/nobody", "html"),
        ("/status/nobody", "html"),
        ("/monitors/nobody", "html"),
        ("/apis", "html"),
    ],
)
def test_where_no_route_is_errors_are_told_as_those_beside_it_are(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert kind in answer.headers["content-type"]


def test_session_routes_lead_to_the_login_without_a_session(client: TestClient, declared: list[Declared]) -> None:
    routes = [each for each in declared if each.asks_for_a_session]
    assert routes
    for method, path, *_ in routes:
        for cookies in ({}, {"cookie": "pulsemon_session=forged.signature"}):
            page = client.request(method, path, headers={"accept": "text/html"} | cookies)
            fragment = client.request(method, path, headers={"accept": "text/html", "hx-request": "true"} | cookies)
            if method == "POST":
                leads_to_the_login = page.headers.get("location", "").startswith(("/?next=%2F", "/?undone=yes"))
                shows_the_login = page.status_code == 401 and 'action="/login"' in page.text
                assert leads_to_the_login != shows_the_login, path
                assert fragment.status_code == page.status_code, path
            else:
                assert (page.status_code, unquote(page.headers["location"])) == (303, f"/?next={path}"), path
                assert fragment.status_code == 401, (method, path)


def test_the_admin_token_in_a_header_is_no_session(client: TestClient, declared: list[Declared], admin: Any) -> None:
    for each in declared:
        if each.asks_for_a_session:
            assert client.request(each.method, each.path, headers=admin).status_code in (303, 401), each


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "nonsense", "Origin": "http://testserver"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://testserver:8088"},
    {"Origin": "http://[broken"},
    {"Origin": "http://testserver:443"},
    {"Origin": "https://testserver:80"},
    {"Origin": "ftp://testserver"},
    {"Origin": "testserver"},
    {"Origin": "http://testserver@evil.example"},
    {"Origin": "http://testserver..", "Host": "testserver"},
    {"Origin": ""},
]


def test_unsafe_requests_from_another_origin_are_403(client: TestClient, declared: list[Declared]) -> None:
    unsafe = [each for each in declared if each.method in UNSAFE and not each.asks_for_a_token]
    unsafe = [each for each in unsafe if each.action is not Action.ONE_CLICK]
    assert {each.path for each in unsafe} >= {"/login", "/logout", "/subscriptions/1/confirm"}
    for method, path, *_ in unsafe:
        for headers in FOREIGN:
            assert client.request(method, path, headers=headers).status_code == 403, (method, path, headers)


def test_only_unsubscribing_by_the_link_of_a_mail_may_come_from_another_origin(
    client: TestClient, declared: list[Declared]
) -> None:
    assert {each.path for each in declared if each.action is Action.ONE_CLICK} == {"/subscriptions/1/unsubscribe"}
    for headers in FOREIGN:
        assert client.post("/subscriptions/1/unsubscribe", headers=headers).status_code == 200, headers
        for path in ("/subscriptions/1/confirm", "/subscriptions/1/x/unsubscribe", "/subscriptions/1/unsubscribe/"):
            assert client.post(path, headers=headers).status_code == 403, (path, headers)


def test_a_right_token_from_another_origin_opens_no_session(client: TestClient) -> None:
    answer = client.post("/login", data={"token": ADMIN_TOKEN}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_panel_itself_and_plain_clients_are_not_taken_for_another_origin(
    client: TestClient, declared: list[Declared]
) -> None:
    own: list[dict[str, Any]] = [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://testserver"},
        {"Origin": "http://TestServer:80"},
        {"Origin": "http://testserver", "Host": "TESTSERVER.:80"},
        {"Origin": "https://testserver", "Host": "testserver:443"},
        {"Origin": "http://[2001:db8::1]:8088", "Host": "[2001:DB8:0::0:1]:8088"},
        {"Origin": "http://xn--bcher-kva.example", "Host": "bücher.example".encode()},
    ]
    for each in declared:
        if each.method in UNSAFE and not each.asks_for_a_token:
            for headers in own:
                assert client.request(each.method, each.path, headers=headers).status_code != 403, (each, headers)


def test_no_page_is_refused_to_a_visitor_who_follows_a_link_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/status", "/docs", "/health"):
        assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200, path


def test_pings_and_the_api_answer_whatever_origin_a_client_names(client: TestClient, admin: dict[str, str]) -> None:
    body = {"name": "Job", "slug": "job", "interval_seconds": 60}
    made = client.post("/api/monitors", json=body, headers=admin | {"Origin": "https://tool.example"})

    assert made.status_code == 201
    assert client.post(made.json()["ping_url"], headers={"Origin": "https://job.example"}).status_code == 200


def test_every_answer_carries_the_security_headers(client: TestClient, declared: list[Declared]) -> None:
    for method, path, *_ in [*declared, Declared("GET", "/nowhere", Audience.VISITORS, Action.PUBLIC)]:
        headers = client.request(method, path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe-inline" not in headers["content-security-policy"], path
        assert "unsafe-eval" not in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        is_tagged = path in ("/status", "/docs", "/openapi.json") or path.startswith(("/status/", "/api/v2/"))
        kept = {"no-cache"} if is_tagged and method in ("GET", "HEAD") else set()
        assert headers["cache-control"] in {"no-store"} | kept, path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["x-frame-options"] == "DENY", path
        is_for_all = path.startswith(("/badge/", "/api/v2/")) or path.endswith((".svg", ".json", ".atom", ".ics"))
        is_for_all = is_for_all and path != "/openapi.json"
        assert headers["cross-origin-resource-policy"] == ("cross-origin" if is_for_all else "same-origin"), path
        assert "camera=()" in headers["permissions-policy"], path


def test_no_permission_of_a_browser_is_left_open_but_to_copy() -> None:
    directives = [each.partition("=") for each in permissions.POLICY.split(", ")]

    assert len({name for name, _, _ in directives}) == len(directives) > 50
    assert {name for name, _, allowed in directives if allowed != "()"} == {"clipboard-write"}


def test_who_was_found_by_a_session_has_shown_no_token(sqlite_url: str) -> None:
    app = FastAPI()
    app.state.site = SimpleNamespace(settings=settings_for(sqlite_url), admin_token=ADMIN_TOKEN)

    def asking(token: str) -> Request:
        headers = [(b"x-admin-token", token.encode())]
        return Request({"type": "http", "app": app, "headers": headers, PRINCIPAL_KEY: OWNER_BY_SESSION})

    assert by_token(asking("wrong")) is NOBODY
    assert by_token(asking(ADMIN_TOKEN)) is OWNER_BY_TOKEN
