"""Lists that grow: the API gives them in pages, whatever changes meanwhile, and the panel leads through them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.core.keyset import Cursor
from pulsemon.db import Database
from pulsemon.maintenance import views as maintenance_views
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import manage as subscribers
from pulsemon.web.http.paging import make_cursor
from pulsemon.web.panel import maintenance as panel_maintenance
from pulsemon.web.panel import status_pages as panel_status_pages
from tests.arrange import START
from tests.conftest import ADMIN_TOKEN, at
from tests.db.test_held import tick
from tests.maintenance.test_manage import DAILY, NOW, create, once
from tests.statements import recorded_statements
from tests.web.api.test_monitors import CURSORS, LIMITS, follow, refusals
from tests.web.panel.test_monitors import log_in

ADMIN = {"x-admin-token": ADMIN_TOKEN}
LISTS = ("/api/pages", "/api/pages/status/subscribers", "/api/maintenance")


@pytest.fixture
def api(client: TestClient) -> TestClient:
    client.headers.update(ADMIN)
    return client


def add(api: TestClient, path: str, number: int) -> Any:
    """Add one to a list; return what names it."""
    bodies: dict[str, dict[str, Any]] = {
        "/api/pages": {"slug": f"page-{number}"},
        "/api/pages/status/subscribers": {"kind": "webhook", "address": f"http://127.0.0.1:9/{number}"},
        "/api/maintenance": {"title": f"Plan {number}", "repeats": "cron", "schedule": "@daily", "length_seconds": 60},
    }
    answer = api.post(path, json=bodies[path])
    assert answer.status_code == 201, answer.text
    return name_of(answer.json())


def name_of(entry: dict[str, Any]) -> Any:
    return entry.get("id", entry.get("slug"))


def names(found: list[list[dict[str, Any]]]) -> list[list[Any]]:
    return [[name_of(each) for each in page] for page in found]


@pytest.mark.parametrize("path", LISTS)
def test_pages_put_together_are_the_list(api: TestClient, path: str) -> None:
    # The row of `/status` comes with its first subscriber: after other pages, and it stands first all the same.
    made = (["status"] if path == "/api/pages" else []) + [add(api, path, number) for number in range(5)]
    add(api, "/api/pages/status/subscribers", 99)
    made += [name_of(each) for each in api.get(path).json()][len(made) :]

    assert "link" not in api.get(path).headers
    for limit in (1, 2, len(made), 1000):
        found = names(follow(api, f"{path}?limit={limit}"))
        assert [each for page in found for each in page] == made
        assert {len(page) for page in found[:-1]} <= {limit}
    assert "link" not in api.get(f"{path}?limit={len(made)}").headers


@pytest.mark.parametrize("path", LISTS)
def test_what_comes_and_goes_between_two_pages_moves_nothing(api: TestClient, path: str) -> None:
    made = [add(api, path, number) for number in range(4)]
    first = api.get(f"{path}?limit=2")
    seen = [name_of(each) for each in first.json()]

    for gone in (seen[-1], made[-1]):  # the row that the cursor was made of is one of them
        assert api.delete(f"{path}/{gone}").status_code == 204
    new = add(api, path, 9)
    rest = [each for page in names(follow(api, first.links["next"]["url"])) for each in page]

    assert rest == [each for each in made[:-1] if each not in seen] + [new]


@pytest.mark.parametrize(("name", "values"), [("limit", LIMITS), ("cursor", CURSORS)])
def test_a_page_that_cannot_be_is_422_at_the_query(api: TestClient, name: str, values: list[str]) -> None:
    windows = f"/api/maintenance/{add(api, '/api/maintenance', 1)}/windows"
    for value in values:
        for path in (*LISTS, windows):
            answer = api.get(f"{path}?{name}={value}")
            assert refusals(answer) == [["query", name]], (path, value)
            assert "canary" not in answer.text


def test_a_cursor_past_every_row_is_an_empty_page_or_422(api: TestClient) -> None:
    windows = f"/api/maintenance/{add(api, '/api/maintenance', 1)}/windows"
    for position in (2**31 - 1, 2**31, 2**62, 2**63 - 1):
        for path in LISTS:
            answer = api.get(f"{path}?cursor={make_cursor(position)}")
            assert answer.status_code == 422 or answer.json() == []
        # The newest stand first: beyond all years is before them.
        assert len(api.get(f"{windows}?cursor={make_cursor(position)}").json()) == (0 if position < 2**32 else 10)


def test_the_windows_of_a_plan_come_in_pages(api: TestClient) -> None:
    body = {"title": "Nightly", "repeats": "cron", "schedule": "0 3 * * *", "length_seconds": 60}
    plan = api.post("/api/maintenance", json=body).json()["id"]
    path = f"/api/maintenance/{plan}/windows"
    everything = names([api.get(path).json()])[0]

    assert len(everything) == 10
    assert names(follow(api, f"{path}?limit=4")) == [everything[:4], everything[4:8], everything[8:]]
    first = api.get(f"{path}?limit=4")
    assert api.delete(f"{path}/{everything[4]}").status_code == 204
    skipped = api.get(first.links["next"]["url"]).json()
    assert [(each["id"], each["state"]) for each in skipped[:2]] == [
        (everything[4], "skipped"),
        (everything[5], "coming"),
    ]


def test_what_ends_or_begins_at_one_instant_is_on_one_page_each(database: Database) -> None:
    plans = [create(database, once(at("12:00") + timedelta(hours=number // 3))) for number in range(7)]
    create(database, DAILY)
    for listed, now in ((coming, NOW), (past, at("23:00"))):
        tick(database, f"{now:%H:%M}")
        for limit in (1, 2, 3, 100):
            found = listed(database, limit, now)
            assert len(found) == len(set(found))
            assert {each.id for each in plans} <= {each[0] for each in found}
            assert [each[1] for each in found] == sorted((each[1] for each in found), reverse=listed is past)


def coming(database: Database, limit: int, now: Any) -> list[tuple[Any, Any]]:
    return through(
        lambda cursor: maintenance_views.list_coming(database, now=now, limit=limit, after=cursor), coming_key
    )


def past(database: Database, limit: int, now: Any) -> list[tuple[Any, Any]]:
    return through(lambda cursor: maintenance_views.list_past(database, now=now, limit=limit, before=cursor), past_key)


def coming_key(view: Any) -> tuple[Any, Any]:
    return view.id, view.windows[0].starts_at


def past_key(window: Any) -> tuple[Any, Any]:
    return window.plan_id, window.ends_at


def through(read: Callable[[Cursor | None], tuple[list[Any], Cursor | None]], key: Callable[[Any], Any]) -> list[Any]:
    found, cursor = [], None
    while True:
        page, following = read(cursor)
        found += [key(each) for each in page]
        if following is None:
            return found
        cursor = Cursor.from_text(following.to_text())
        assert cursor == following


@pytest.mark.parametrize("text", ["", "1", "-1", "1-", "1--1", "x", "1-2147483648", "9" * 19 + "-1", "٣-1", "1-1\n"])
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert Cursor.from_text(text) is None


def test_as_many_queries_for_many_plans_and_pages_as_for_few(database: Database) -> None:
    counts = []
    for number in range(12):
        create(database, DAILY if number % 2 else once(NOW))
        status_pages.create(database, status_pages.NewPage(f"p{number}"), now=START)
        subscribers.add_webhook(database, "status", f"http://h{number}/", secret=None, locale="en", now=START)
        if number in (1, 11):
            with recorded_statements() as statements:
                maintenance_views.list_all(database, now=NOW)
                maintenance_views.list_coming(database, now=NOW, limit=50)
                maintenance_views.list_running(database, now=NOW)
                status_pages.list_all(database)
                subscribers.list_of(database, "status")
            counts.append(len([each for each in statements if each.startswith("SELECT")]))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(("locale", "later", "older"), [("en", "Later", "Older"), ("pt-BR", "Depois", "Mais antigos")])
def test_the_panel_leads_through_maintenance(
    one: TestClient, monkeypatch: pytest.MonkeyPatch, locale: str, later: str, older: str
) -> None:
    monkeypatch.setattr(panel_maintenance, "PAGE_SIZE", 2)
    one.headers.update(ADMIN | {"accept-language": locale})
    log_in(one)
    now = clock.now()
    for kind, hours in (("Coming", (2, 2, 3, 3, 4)), ("Past", (-2, -3, -4))):
        for number, hour in enumerate(hours):
            start = f"{now + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"
            body = {"title": f"{kind} {number}", "starts_at": start, "length_seconds": 60}
            assert one.post("/api/maintenance", json=body).status_code == 201

    assert titles(one, later, "Coming") == [["0", "1"], ["2", "3"], ["4"]]
    assert titles(one, older, "Past") == [["0", "1"], ["2"]]
    for beyond in ("after=x", "before=1", "after=" + "9" * 30, "before=-1"):
        assert "Coming 0" in one.get(f"/maintenance?{beyond}").text


def titles(client: TestClient, words: str, kind: str) -> list[list[str]]:
    """Follow the link of these words to the last page."""
    found, address = [], "/maintenance"
    while True:
        page = client.get(address).text
        found.append(re.findall(rf">{kind} (\d)</", page))
        following = re.search(rf'rel="next" href="([^"]*)">{words}<', page)
        if following is None:
            return found
        address = html.unescape(following[1]).partition("#")[0]


def test_the_panel_leads_through_public_pages(one: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_status_pages, "PAGE_SIZE", 2)
    one.headers.update(ADMIN | {"accept-language": "en"})
    log_in(one)
    for number in range(3):
        add(one, "/api/pages", number)

    first = one.get("/pages").text
    address = re.search(r'rel="next" href="(/pages\?after=\d+)"', first)
    assert address
    second = one.get(address[1]).text
    assert re.findall(r'href="/pages/(status|page-\d)"', first + second) == ["status", "page-0", "page-1", "page-2"]
    assert 'rel="next"' not in second
    assert '<a class="button" href="/pages">From the beginning</a>' in second


def test_a_monitor_gets_to_either_end_of_many_at_once(one: TestClient) -> None:
    one.headers.update(ADMIN | {"accept-language": "en", "origin": "http://testserver"})
    log_in(one)
    for number in range(11):
        body = {"name": f"M {number}", "slug": f"m-{number}", "interval_seconds": 60}
        assert one.post("/api/monitors", json=body).status_code == 201
    ids = re.findall(r'<li id="m(\d+)"', one.get("/monitors/arrange").text)

    for number, place in ((7, "1"), (2, "11"), (7, " 99 "), (3, "1")):
        form = {"opened": "", "from": "0", "do": "place", "place": place, "monitor": ids[number]}
        answer = one.post("/monitors/arrange", data=form, follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["location"].endswith(f"#m{ids[number]}")

    order = re.findall(r'class="slug">m-(\d+)<', one.get("/monitors/arrange").text)
    assert order == ["3", "0", "1", "4", "5", "6", "8", "9", "10", "2", "7"]
