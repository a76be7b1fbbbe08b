"""Nobody is shown a button, link or form that would refuse him; whoever may do something finds the way to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.routing import Match
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.accounts.roles import OPEN, Action, Principal, Proof, Role, allowed
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.web import app as web_app
from pulsemon.web.http.routing import Audience, Route
from pulsemon.web.http.site import Site
from tests.arrange import site_of
from tests.channels.sink import Sink
from tests.conftest import ADMIN_TOKEN, wait_until
from tests.members import log_in_as, make_user

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
ROUTES = [each for each in web_app.make_fastapi(cast(Site, None)).routes if isinstance(each, Route)]
# What only scripts ask for, what an old address leads on from, and what an account offers in one state or another.
BY_SCRIPTS = re.compile(r"/fragments/.*|/events|/monitors|/account/.*")
# What the answer to a form leads to or asks first, and what stands beside a form that not everybody may send.
AFTER_A_FORM = {
    ("GET", "/monitors/{monitor_id}/test-ping"),
    ("GET", "/monitors/{monitor_id}/suggestion"),
}
# What is offered to whoever is no owner where mail is set up, and not here: links are shown to owners alone.
BY_MAIL = {("POST", "/people/{user_id}/link")}


class Page(HTMLParser):
    """What leads on from a page: (method, address) of its links, forms, buttons and what its scripts fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ways: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.ways.add(("GET", given["href"]))
        if tag == "form" and given.get("method") != "dialog":
            self.ways.add((given.get("method", "get").upper(), given.get("action", "")))
        if "formaction" in given:
            self.ways.add(("POST", given["formaction"]))
        for name in ("hx-get", "hx-post"):
            if name in given:
                self.ways.add((name[3:].upper(), given[name]))


def route_of(method: str, path: str) -> Route | None:
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
    return next((each for each in ROUTES if each.matches(scope)[0] is Match.FULL), None)


@dataclass
class Walk:
    """All pages that somebody gets to by links alone, and where everything on them would lead."""

    client: TestClient
    # Beneath one prefix one page of each kind is enough; all are looked at.
    seen: dict[str, str] = field(default_factory=dict)
    ways: dict[tuple[str, str], str] = field(default_factory=dict)

    def go(self, address: str = "/") -> Walk:
        waiting = [address]
        while waiting:
            here = waiting.pop()
            if here in self.seen:
                continue
            answer = self.client.get(here, follow_redirects=False)
            assert answer.status_code in (200, 303), (here, answer.status_code)
            self.seen[here] = answer.text
            if answer.status_code == 303:
                waiting.append(answer.headers["location"].partition("#")[0])
                continue
            if "html" not in answer.headers["content-type"]:
                continue
            for method, to in Page(answer.text).ways:
                path = self._note(method, to, here)
                if method == "GET" and path is not None:
                    waiting.append(path)
        return self

    def _note(self, method: str, to: str, here: str) -> str | None:
        whole = urlsplit(urljoin(f"http://testserver{here}", to))
        if whole.netloc != "testserver":
            return None
        route = route_of(method, whole.path)
        if route is None:
            assert whole.path.startswith("/static/"), (here, method, to)
            return None
        self.ways.setdefault((method, route.path_format), here)
        # The rest of an address tells parts of the same page; languages, filters and orders are not walked through.
        return whole.path if route.audience is Audience.PANEL or whole.path == "/" else None


def arrange(client: TestClient, hook: str) -> None:
    """One of everything that pages show a button for."""

    def api(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = client.request(method, path, json=body, headers=ADMIN)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json() if answer.content else None

    def ping(slug: str, suffix: str = "") -> None:
        assert client.post(urlsplit(urls[slug]).path + suffix, content=b"said").status_code == 200

    urls = {}
    for slug in ("up", "down", "paused"):
        body = {"name": slug, "slug": slug, "interval_seconds": 60, "webhook_url": hook, "tags": ["t"]}
        urls[slug] = api("POST", "/api/monitors", body)["ping_url"]
        for suffix in ("/start", "", "/fail"):
            ping(slug, suffix)
    ping("up")
    api("POST", "/api/monitors/paused/pause")
    incident = {"title": "I", "impact": "major", "body": "B", "monitors": ["up"]}
    api("POST", "/api/incidents", incident)
    api("POST", "/api/pages", {"slug": "second", "title": "Second", "monitors": ["up"]})
    api("POST", "/api/pages/second/subscribers", {"kind": "webhook", "address": hook})
    begun_at = clock.now() - timedelta(hours=1)
    plan = {"title": "M", "monitors": ["paused"], "timezone": "UTC", "repeats": "weekly", "length_seconds": 86_000}
    assert api("POST", "/api/keys", {"name": "K", "scopes": ["read"], "project": "default"})
    made = api("POST", "/api/users", {"email": "invited@example.org"})
    api("PUT", f"/api/projects/default/members/{made['id']}", {"role": "viewer"})
    api("POST", "/api/projects", {"slug": "second", "name": "Second"})
    made = api("POST", "/api/users", {"email": "disabled@example.org"})
    api("PATCH", f"/api/users/{made['id']}", {"disabled": True})
    plan |= {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "time": f"{begun_at:%H:%M}"}
    api("POST", "/api/maintenance", plan | {"starts_at": (begun_at - timedelta(minutes=1)).isoformat()})


@pytest.fixture
def walk(one: TestClient) -> Iterator[Callable[[Role | None], Walk]]:
    """Walk through the panel of one who has a role in the first project; None: of an owner."""
    with Sink() as sink:
        arrange(one, sink.url)
        log_in_as(one, make_user(one, "arranger@example.org", is_owner=True))
        wait_until(lambda: "/again" in one.get("/monitors/1/log").text)
        done = {"reason": "Because."}
        assert one.post("/monitors/1/outages/2/exclude", data=done, follow_redirects=False).status_code == 303

        def go(role: Role | None) -> Walk:
            email = f"{role.value if role else 'owner'}@example.org"
            second = site_of(one).project_of_slug("second")
            roles = {} if role is None else {DEFAULT_ID: role, second or 0: role}
            log_in_as(one, make_user(one, email, roles, is_owner=role is None))
            return Walk(one).go()

        yield go


def may(role: Role | None, action: Action) -> bool:
    roles = {} if role is None else {DEFAULT_ID: role}
    principal = Principal(is_owner=role is None, proof=Proof.SESSION, user_id=1, roles=roles)
    return allowed(principal, action, DEFAULT_ID)


def declared(role: Role | None) -> set[tuple[str, str]]:
    """Return (method, path) of all of the panel that a role may do and that a page has to lead to."""
    asked = [each for each in ROUTES if each.audience is Audience.PANEL and each.action not in OPEN]
    mine = [each for each in asked if may(role, each.action)]
    found = {(method, each.path_format) for each in mine for method in (each.methods or set()) - {"HEAD"}}
    return {each for each in found if not BY_SCRIPTS.fullmatch(each[1]) and each not in AFTER_A_FORM}


@pytest.mark.parametrize("role", [*Role, None])
def test_all_that_one_may_do_is_offered_and_nothing_else(
    walk: Callable[[Role | None], Walk], role: Role | None
) -> None:
    walked = walk(role)

    actions = {(method, each.path_format): each.action for each in ROUTES for method in each.methods or ()}
    refused = {way: where for way, where in walked.ways.items() if not may(role, actions[way])}
    assert refused == {}, "what would be refused is offered there"
    missing = declared(role) - walked.ways.keys() - (BY_MAIL if role is Role.ADMIN else set())
    assert missing == set(), "nothing leads there"


# What is done with several: the same address for all, so each button says what it does.
WISHES = {"pause": Action.RESPOND, "resume": Action.RESPOND, "tag": Action.EDIT, "delete": Action.ADMINISTER}


@pytest.mark.parametrize("role", Role)
def test_with_several_one_may_do_what_one_may_do_with_each(one: TestClient, role: Role) -> None:
    body = {"name": "Job", "slug": "job", "interval_seconds": 60}
    assert one.post("/api/monitors", json=body, headers=ADMIN).status_code == 201
    log_in_as(one, make_user(one, "somebody@example.org", role))
    page = one.get("/").text

    assert re.findall(r'name="do" value="([^"]+)"', page) == [do for do, each in WISHES.items() if may(role, each)]
    assert ('class="pick"' in page) == may(role, Action.RESPOND)
    for wish, action in [*WISHES.items(), ("delete-for-good", Action.ADMINISTER)]:
        form = {"do": wish, "monitor": "1", "tags": "t"}
        answer = one.post("/monitors/selected", data=form, follow_redirects=False)
        assert (answer.status_code == 403) != may(role, action), wish


def test_whoever_may_make_no_monitor_is_told_that_there_is_none(one: TestClient) -> None:
    log_in_as(one, make_user(one, "somebody@example.org", Role.RESPONDER))
    answer = one.get("/")

    assert answer.status_code == 200
    assert "There is no monitor yet" in answer.text
    assert "monitor-form" not in answer.text
