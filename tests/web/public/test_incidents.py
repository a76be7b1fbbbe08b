"""Incidents as visitors and programs see them: on pages, in histories, feeds and documents; and what leaks nowhere."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import feedparser
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Action
from pulsemon.core.placement import Placement
from pulsemon.db import Database
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.incidents import automatic as automatic_incidents
from pulsemon.incidents import manage as incidents
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.directory import MAIN_DEFINITION
from pulsemon.web import app as web_app
from pulsemon.web.html import markdown
from pulsemon.web.html.excerpts import MAX_EXCERPT, Excerpt, excerpt
from pulsemon.web.http.site import Site
from pulsemon.web.public import feed, statuspage
from pulsemon.web.public import history as status_history
from pulsemon.web.public import incidents as public_incidents
from pulsemon.web.public.board import Board
from pulsemon.web.public.static_copy import make_files
from tests.arrange import a_ping, make, make_down, make_up, record, seconds
from tests.browser.test_hostile_text import PAYLOADS
from tests.conftest import at, settings_for, wait_until
from tests.incidents.test_incidents import an_update, new_incident
from tests.statements import recorded_statements
from tests.status_pages.test_public import ADMIN, a_monitor, a_page, edit, seen
from tests.web.panel.test_monitors import database_away
from tests.web.public.test_feeds import SETTINGS, page_of
from tests.web.public.test_status_page import Clock, a_board
from tests.web.test_access_rules import routes_of

NOW = at("10:00")
EN = {"accept-language": "en"}


def an_incident(client: TestClient, **fields: Any) -> dict[str, Any]:
    body = {"title": "The shop is slow", "body": "We look into it."} | fields
    body.setdefault("general", not body.get("monitors"))
    answer = client.post("/api/incidents", json=body, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def say(client: TestClient, incident: dict[str, Any], status: str, body: str, **fields: Any) -> Response:
    data = {"status": status, "body": body} | fields
    answer = client.post(f"/api/incidents/{incident['id']}/updates", json=data, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer


def markup_of(board: Board, slug: str = "status", locale: str = "en") -> str:
    return board.rendered(board.snapshot(), locale, slug).plain.decode()


# The page


def test_an_open_incident_stands_on_top_and_a_resolved_one_below_for_a_week(database: Database) -> None:
    make_up(database, "web", last_ping=NOW)
    status_pages.create(database, status_pages.NewPage("shop", monitors=(), timezone="America/Sao_Paulo"), now=NOW)
    made = incidents.create(database, new_incident(title="The <disk>", monitors=["web"], impact="major"), now=NOW)
    incidents.post(database, made.public_id, an_update("identified", body="It *is* full."), now=at("10:05"))
    clock = Clock(at("10:06"))
    board = a_board(database, clock)

    markup = markup_of(board)
    top, below = markup.split('data-slug="web"')
    assert "The &lt;disk&gt;" in top
    assert re.search(r"Major impact</b> · Identified · since.*2 Mar 2026, 10:00", top, re.DOTALL)
    assert '<a href="#m1" dir="auto">Web</a>' in top
    assert top.index("It <em>is</em> full.") < top.index("We <strong>look</strong> into it.")
    assert "A major incident is under way." in top
    assert "The &lt;disk&gt;" not in below
    assert made.public_id not in markup_of(board, "shop")

    incidents.post(database, made.public_id, an_update("resolved"), now=at("11:00"))
    clock.now = at("11:01")
    top, below = markup_of(a_board(database, clock)).split('data-slug="web"')
    assert "The &lt;disk&gt;" not in top
    assert "All systems operational" in top or "late" in top
    assert "Incidents of the last 7 days" in below
    assert re.search(r"2 Mar 2026, 10:00</time> – <time[^>]*>2 Mar 2026, 11:00</time> · 1 h", below)
    clock.now = at("11:00") + timedelta(days=7, seconds=1)
    assert made.public_id not in markup_of(a_board(database, clock))


def test_times_words_and_language_are_the_pages(database: Database) -> None:
    make_down(database, "web", last_ping=NOW, placement=Placement(incident_after_minutes=0))
    status_pages.create(database, status_pages.NewPage("shop", timezone="America/Sao_Paulo", language="pt-BR"), now=NOW)
    automatic_incidents.keep_up(database, now=NOW)
    board = a_board(database, Clock(NOW))

    markup = markup_of(board, "shop", "pt-BR")

    assert "Web está fora do ar" in markup
    assert "Investigando" in markup
    assert "O PulseMon percebeu e abriu este incidente sozinho." in markup
    assert "02/03/2026 07:00" in markup
    assert "Web is down" in markup_of(board)


def test_an_automatic_incident_is_named_after_what_each_page_shows(database: Database) -> None:
    for slug in ("web", "api", "secret"):
        placement = Placement(incident_after_minutes=0, is_public=slug != "secret")
        make_down(database, slug, last_ping=NOW, placement=placement)
    status_pages.create(database, status_pages.NewPage("shop", monitors=("api",)), now=NOW)
    automatic_incidents.keep_up(database, now=NOW)
    board = a_board(database, Clock(NOW))

    assert "2 monitors are down" in markup_of(board)
    assert "Api is down" in markup_of(board, "shop")
    assert "Web is down" not in markup_of(board, "shop")


def test_it_shows_within_a_second_of_being_posted(client: TestClient) -> None:
    a_monitor(client, "web")
    assert "Floods" not in client.get("/status").text
    made = an_incident(client, title="Floods", monitors=["web"])

    wait_until(lambda: "Floods" in client.get("/status").text, within=1.5)
    say(client, made, "resolved", "The water is gone.")
    wait_until(lambda: "Incidents of the last 7 days" in client.get("/status", headers=EN).text, within=1.5)


@pytest.mark.parametrize(
    ("states", "impact", "indicator", "sentence"),
    [
        ("u", "none", "none", "All systems operational."),
        ("u", "minor", "minor", "A minor incident is under way."),
        ("u", "critical", "critical", "A critical incident is under way."),
        ("", "major", "major", "A major incident is under way."),
        ("ud", "minor", "major", "Some systems are down."),
        ("ud", "critical", "critical", "Some systems are down."),
        ("dd", "major", "critical", "All systems are down."),
    ],
)
def test_the_indicator_is_the_worse_of_monitors_and_incidents(
    database: Database, states: str, impact: str, indicator: str, sentence: str
) -> None:
    for number, state in enumerate(states):
        (make_down if state == "d" else make_up)(database, f"m-{number}", last_ping=NOW)
    incidents.create(database, new_incident(impact=impact), now=NOW)
    board = a_board(database, Clock(NOW))

    told = json.loads(statuspage.document("status", page_of(board), SETTINGS))

    assert told["status"] == {"indicator": indicator, "description": sentence}
    assert f"<span>{sentence}</span>" in markup_of(board)


def test_the_page_stays_small_whatever_was_written(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    for number in range(50):
        make(database, f"job-{number}", name=f"Cópia noturna 💾 {number} " + "x" * 30)
    text = "\n\n".join(f"* {number}: " + "palavra diferente " * 12 + str(number * 7919) for number in range(40))[:9_990]
    for number in range(12):
        made = incidents.create(
            database, new_incident(title=f"Incidente {number}", body=text), now=NOW + seconds(number)
        )
        for _ in range(5):
            incidents.post(database, made.public_id, an_update("identified", body=text), now=NOW)
    for number in range(30):
        incidents.create(
            database, new_incident(title=f"Passado {number}", status="resolved"), now=NOW + seconds(number)
        )
    board = a_board(database, Clock(NOW + seconds(60)))

    page = board.rendered(board.snapshot(), "pt-BR")

    assert len(page.zipped) <= 20_000
    markup = page.plain.decode()
    assert markup.count('class="update"') == public_incidents.MAX_IN_FULL * public_incidents.MAX_UPDATES_SHOWN
    assert markup.count("Ler o resto") == public_incidents.MAX_IN_FULL * public_incidents.MAX_UPDATES_SHOWN
    assert "Incidente 0" in markup
    database.close()


def test_the_number_of_queries_does_not_grow_with_incidents(database: Database) -> None:
    make_up(database, "web", last_ping=NOW)
    counts = []
    for number in (1, 15):
        for _ in range(number):
            made = incidents.create(database, new_incident(monitors=["web"]), now=NOW)
            incidents.post(database, made.public_id, an_update("identified"), now=NOW)
        board = a_board(database, Clock(NOW))
        with recorded_statements() as statements:
            page = page_of(board)
            board.incidents.archive_of(page)
            board.incidents.part_of(page, 1)
            board.incidents.archive_of(page)
            board.incidents.one_of(page, made.public_id)
        counts.append(len([each for each in statements if each.startswith("SELECT")]))

    # Which pages there are, the page's own, three for its incidents; three for each of the two that are read once.
    assert counts[0] == counts[1] == 2 + 4 + 3 + 2 * 3


# The history


def test_the_history_goes_by_month_newest_first_a_page_at_a_time(client: TestClient) -> None:
    a_monitor(client, "web")
    made = [
        an_incident(
            client, title=f"No {number:02}", status="resolved", started_at=f"2026-0{1 + number % 3}-02T00:00:00Z"
        )
        for number in range(22)
    ]
    first = seen(client, "/status/history", "No 20", headers=EN)
    older = client.get("/status/history?page=2", headers=EN)

    assert re.findall(r"<h3>(.*?)</h3>", first) == ["March 2026", "February 2026", "January 2026"]
    numbers = [int(each) for each in re.findall(r"No (\d\d)</a>", first + older.text)]
    assert len(numbers) == len(set(numbers)) == 22
    assert [1 + each % 3 for each in numbers] == sorted((1 + each % 3 for each in range(22)), reverse=True)
    assert 'href="/status/history?page=2"' in first
    assert 'rel="prev" href="/status/history"' in older.text
    assert 'rel="next"' not in older.text
    assert 'href="?page=2&amp;lang=pt-BR"' in older.text
    whole = client.get(f"/status/history/{made[0]['id']}", headers=EN)
    assert "<title>No 00 · Status" in whole.text
    assert (whole.headers["cache-control"], whole.headers["content-language"]) == ("no-cache", "en")
    again = client.get(f"/status/history/{made[0]['id']}", headers=EN | {"if-none-match": whole.headers["etag"]})
    assert again.status_code == 304
    assert "Março de 2026" in client.get("/status/history?lang=pt-BR").text


@pytest.mark.parametrize("query", ["0", "-1", "x", "", "501", "9999999999999999999999", "１"])
def test_a_page_of_the_history_that_cannot_be_is_404(one: TestClient, query: str) -> None:
    assert one.get("/status/history", params={"page": query}).status_code == 404


def test_a_history_without_incidents_says_so(one: TestClient) -> None:
    a_page(one)
    assert "There were none." in seen(one, "/status/shop/history", "There were none.", headers=EN)
    assert "There are no older ones." in one.get("/status/history?page=2", headers=EN).text
    for path in ("/status/nobody/history", "/status/history/deadbeefdeadbeef", "/status/shop/history/x"):
        assert one.get(path).status_code == 404, path


def test_a_page_with_a_password_keeps_its_incidents_closed(client: TestClient) -> None:
    a_monitor(client, "zebra")
    a_page(client, title="Giraffe", password="correct horse", monitors=["zebra"])
    edit(client, "status", monitors=[])
    made = an_incident(client, title="Lion", monitors=["zebra"])
    for path in ("/status/shop/history", f"/status/shop/history/{made['id']}"):
        question = seen(client, path, "asks for a password", headers=EN)
        assert not re.search("zebra|giraffe|lion", question, re.IGNORECASE)
    wait_until(lambda: client.get(f"/status/history/{made['id']}").status_code == 404)
    for path in ("/status/shop/feed.atom", "/status/shop/api/v2/incidents.json"):
        assert client.get(path).status_code == 401

    client.post("/status/shop", data={"password": "correct horse"})
    opened = client.get(f"/status/shop/history/{made['id']}")
    assert ("Lion" in opened.text, opened.headers["cache-control"]) == (True, "private, no-cache")


@pytest.mark.parametrize("slug", ["history", "subscribe"])
def test_a_new_page_cannot_take_an_address_of_ours(client: TestClient, slug: str) -> None:
    refused = client.post("/api/pages", json={"slug": slug}, headers=ADMIN)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "slug"])
    a_page(client)
    assert edit(client, "shop", slug=slug).status_code == 422


def test_a_page_that_is_called_history_keeps_its_address(database: Database) -> None:
    status_pages.create(database, status_pages.NewPage("old", title="Archives"), now=NOW)
    with database.write() as connection:
        connection.execute(StatusPage.__table__.update().values(slug="history"))  # type: ignore[attr-defined]  # a Table
    assert (
        status_pages.edit(database, "history", status_pages.PageChanges(slug="history", title="Other"), now=NOW).title
        == "Other"
    )
    made = incidents.create(database, new_incident(), now=NOW)

    files = make_files(database, settings_for("sqlite:///unused.db", default_locale="en"), now=NOW)

    assert b'<h1 dir="auto">Other</h1>' in files["status/history/index.html"]
    assert made.public_id.encode() in files["status/history/history/index.html"]


def test_under_that_name_the_page_answers_and_its_history_lies_below(one: TestClient, sqlite_url: str) -> None:
    a_page(one, "old", title="Archives")
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE status_pages SET slug = 'history'")
    seen(one, "/status/history", "<title>Archives</title>")
    seen(one, "/status/history/history", "Archives", headers=EN)
    assert "Status — PulseMon" in one.get("/status/status/history").text


def test_the_last_good_history_is_told_while_the_database_is_away(
    make_client: Callable[..., TestClient], postgres_url: str
) -> None:
    client = make_client(postgres_url)
    made = an_incident(client, title="Floods")
    paths = ["/status/history", f"/status/history/{made['id']}", "/api/v2/incidents.json", "/api/v2/summary.json"]
    for path in paths:
        seen(client, path, "Floods")
    with database_away(postgres_url):
        seen(client, "/status", "The database does not answer", headers=EN)
        for path in paths:
            assert "Floods" in client.get(path).text, path
        assert "The database does not answer" in client.get("/status/history", headers=EN).text
        never_read = client.get("/status/history?page=2", headers=EN)
        assert (never_read.status_code, "The database does not answer" in never_read.text) == (503, True)


# Programs


def test_incidents_in_statuspages_format(database: Database) -> None:
    make_up(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(monitors=["web"], impact="major", started_at=at("09:00")), now=NOW)
    incidents.post(database, made.public_id, an_update("monitoring", body="Watching."), now=at("10:05"))
    over = incidents.create(database, new_incident(title="Over", status="resolved"), now=at("10:06"))
    board = a_board(database, Clock(at("10:07")))
    page = page_of(board)

    def told(name: str) -> Any:
        return json.loads(statuspage.document(name, page, SETTINGS, archive=board.incidents.archive_of(page)))

    (unresolved,) = told("incidents/unresolved")["incidents"]
    assert {name: value for name, value in unresolved.items() if name not in ("incident_updates", "components")} == {
        "id": made.public_id,
        "name": "The shop is slow",
        "status": "monitoring",
        "impact": "major",
        "created_at": "2026-03-02T10:00:00.000Z",
        "updated_at": "2026-03-02T10:05:00.000Z",
        "monitoring_at": "2026-03-02T10:05:00.000Z",
        "resolved_at": None,
        "started_at": "2026-03-02T09:00:00.000Z",
        "shortlink": f"https://pulse.example.org/status/history/{made.public_id}",
        "page_id": told("status")["page"]["id"],
    }
    updates = unresolved["incident_updates"]
    assert [(each["status"], each["body"]) for each in updates] == [
        ("monitoring", "Watching."),
        ("investigating", "We **look** into it."),
    ]
    assert len({each["id"] for each in updates}) == 2
    assert {each["incident_id"] for each in updates} == {made.public_id}
    components = told("components")["components"]
    assert unresolved["components"] == components
    assert updates[0]["affected_components"] == [{"code": components[0]["id"], "name": "Web"}]
    assert [each["id"] for each in told("incidents")["incidents"]] == [over.public_id, made.public_id]
    assert told("summary")["incidents"] == [unresolved]


def test_a_feed_tells_what_was_said_beside_what_happened(database: Database) -> None:
    web = make_down(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(title="A & <b>", body="*One*", monitors=["web"]), now=at("10:01"))
    record(database, a_ping(web, at("10:02")))
    incidents.post(database, made.public_id, an_update("resolved", body="Two"), now=at("10:03"))
    board = a_board(database, Clock(at("10:04")))
    page = page_of(board)

    def parsed() -> Any:
        archive = board.incidents.archive_of(page)
        found = feedparser.parse(feed.document(page, board.changes.changes_of(page), SETTINGS, "en", incidents=archive))
        assert not found.bozo
        return found

    entries = parsed().entries
    assert [each.title for each in entries] == [
        "Resolved: A & <b>",
        "Web is up",
        "Investigating: A & <b>",
        "Web is down",
    ]
    assert entries[2].content[0].value == "<p><em>One</em></p>"
    assert entries[0].link == f"https://pulse.example.org/status/history/{made.public_id}"
    assert parsed().feed.updated == "2026-03-02T10:03:00.000Z"
    assert [each.id for each in parsed().entries] == [each.id for each in entries]


def test_a_copy_holds_the_history_and_each_incident(database: Database) -> None:
    status_pages.create(database, status_pages.NewPage("shop", language="pt-BR"), now=NOW)
    status_pages.create(database, status_pages.NewPage("locked", password="correct horse"), now=NOW)
    made = incidents.create(database, new_incident(title="Floods"), now=NOW)

    files = make_files(database, settings_for("sqlite:///unused.db", default_locale="en"), now=NOW)

    for path in ("status/history", "status/shop/history"):
        assert b"Floods" in files[f"{path}/index.html"]
        assert b"Floods" in files[f"{path}/{made.public_id}/index.html"]
        assert b"?lang=" not in files[f"{path}/index.html"]
    assert b"Floods" in files["api/v2/incidents.json"]
    assert b"Floods" in files["status/feed.atom"]
    assert not [name for name in files if "locked" in name]


def test_a_new_name_is_told_at_once_of_what_is_long_over(database: Database) -> None:
    web = make_down(database, "web", last_ping=NOW, placement=Placement(incident_after_minutes=0))
    automatic_incidents.keep_up(database, now=NOW)
    record(database, a_ping(web, at("10:01")))
    automatic_incidents.keep_up(database, now=at("10:01"))
    board = a_board(database, clock := Clock(NOW + timedelta(days=30)))
    assert [each.names for each in board.incidents.archive_of(page_of(board))] == [["Web"]]

    monitors.edit(database, monitors.by_id(web.id), {"name": "Shop"}, now=clock.now)
    clock.now += timedelta(seconds=1)

    assert [each.names for each in board.incidents.archive_of(page_of(board))] == [["Shop"]]


# What leaks nowhere


def test_an_incident_of_a_private_monitor_leaves_no_trace_on_any_public_route(client: TestClient) -> None:
    a_monitor(client, "known")
    a_monitor(client, "xylophone", name="Quagmire", public=False, incident_after_minutes=0)
    a_page(client, monitors=["known", "xylophone"])
    seen(client, "/status/shop/feed.atom", "Shop")
    app = web_app.make_fastapi(cast(Site, None))
    found = {each.path_format for each in routes_of(app) if each.original_route.action in (Action.PUBLIC, Action.LINK)}
    paths = sorted(each.replace("{slug}", "shop") for each in found if "status" in each or each.startswith("/api/v2"))
    assert {"/status/history", "/status/shop/history", "/status/shop/history/{public_id}"} <= set(paths)

    def everything(public_id: str) -> list[Any]:
        answers = [client.get(path.replace("{public_id}", public_id), headers=EN) for path in paths]
        # An error page names the address that was asked for, in its links to other languages.
        changing = rf"\d+ s ago|\d\d:\d\d:\d\d|{public_id}"
        return [(each.status_code, re.sub(changing, "", each.text)) for each in answers]

    before = everything("deadbeefdeadbeef")
    private = client.get("/api/monitors/xylophone", headers=ADMIN).json()
    client.get(private["ping_url"])
    client.get(private["ping_url"] + "/fail")
    (automatic,) = wait_until(lambda: client.get("/api/incidents", headers=ADMIN).json())
    by_hand = an_incident(client, title="Zeppelin", body="Walrus", impact="critical", monitors=["xylophone"])
    gone = an_incident(client, title="Zeppelin", monitors=["known"])
    assert client.delete(f"/api/incidents/{gone['id']}", headers=ADMIN).status_code == 204
    marked = an_incident(client, title="Marker", general=True)
    seen(client, "/status", "Marker")
    assert client.delete(f"/api/incidents/{marked['id']}", headers=ADMIN).status_code == 204
    wait_until(lambda: "Marker" not in client.get("/status").text)

    for each in (automatic, by_hand, gone):
        assert everything(each["id"]) == before


def test_the_tag_of_a_page_is_the_same_with_and_without_a_private_incident(database: Database) -> None:
    make_up(database, "known", last_ping=NOW)
    make_up(database, "hidden", last_ping=NOW, placement=Placement(is_public=False))
    incidents.create(database, new_incident(monitors=["known"], title="Floods"), now=NOW)
    clock = Clock(NOW)

    def tags() -> list[Any]:
        board = a_board(database, clock)
        page = page_of(board)
        archive = board.incidents.archive_of(page)
        return [
            board.rendered(board.snapshot(), "en").etag,
            feed.document(page, board.changes.changes_of(page), SETTINGS, "en", incidents=archive),
            [statuspage.document(name, page, SETTINGS, archive=archive) for name in statuspage.DOCUMENTS],
            status_history.as_copy(cast(Any, a_site()), page, "en", part=board.incidents.part_of(page, 1)),
        ]

    before = tags()
    made = incidents.create(database, new_incident(monitors=["hidden"], impact="critical"), now=NOW)
    assert tags() == before
    incidents.post(database, made.public_id, an_update("resolved"), now=NOW)
    assert tags() == before
    known = incidents.list_open(database)[0]
    incidents.edit(database, known.public_id, incidents.IncidentChanges(monitors=("known", "hidden")), now=at("10:30"))
    assert tags() == before


def a_site() -> Any:
    class Only:
        settings = SETTINGS

    return Only()


def test_private_monitors_are_left_out_where_the_rows_are_read(database: Database) -> None:
    make_up(database, "known", last_ping=NOW)
    make_up(database, "hidden", last_ping=NOW, placement=Placement(is_public=False))
    incidents.create(database, new_incident(monitors=["known", "hidden"]), now=NOW)

    assert [each.names for each in public_pages.read_page(database, MAIN_DEFINITION, now=NOW).incidents] == [["Known"]]


def test_incidents_of_private_monitors_crowd_none_out_that_a_page_shows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_pages, "MAX_INCIDENTS", 2)
    make_up(database, "known", last_ping=NOW)
    make_up(database, "hidden", last_ping=NOW, placement=Placement(is_public=False))
    shown = incidents.create(database, new_incident(monitors=["known"]), now=NOW)
    for number in range(3):
        incidents.create(database, new_incident(monitors=["hidden"]), now=NOW + seconds(number))

    (found,) = public_pages.read_page(database, MAIN_DEFINITION, now=NOW + seconds(9)).incidents

    assert found.public_id == shown.public_id


def test_an_incident_goes_from_pages_with_its_last_monitor_that_is_seen(database: Database) -> None:
    web = make_up(database, "web", last_ping=NOW)
    made = incidents.create(database, new_incident(monitors=["web"]), now=NOW)
    board = a_board(database, Clock(NOW))
    assert made.public_id in markup_of(board)

    monitors.edit(database, monitors.by_id(web.id), {"placement": {"is_public": False}}, now=NOW)
    assert made.public_id not in markup_of(a_board(database, Clock(NOW)))
    monitors.edit(database, monitors.by_id(web.id), {"placement": {"is_public": True}}, now=NOW)
    assert made.public_id in markup_of(a_board(database, Clock(NOW)))
    monitors.remove(database, monitors.by_id(web.id))
    assert made.public_id not in markup_of(a_board(database, Clock(NOW)))


# What anybody writes


MARKDOWN = [
    "[x]()",
    "[x](javascript:hit())",
    "[x](JaVaScRiPt:hit())",
    "[x](&#106;avascript:hit())",
    "[x](java\tscript:hit())",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:hit())",
    "[x](//elsewhere.example)",
    "[x](https:hit 'a\" onmouseover=\"hit()')",
    "![x](https://elsewhere.example/x.png)",
    '![x](x"onerror="hit())',
    "<javascript:hit()>",
    "[x]: javascript:hit()\n\n[x]",
    "[x][y]\n\n[y]: data:text/html,hit",
    "```<script>hit()</script>\n</code><script>hit()</script>\n```",
    "`<img src=x onerror=hit()>`",
    "> <script>hit()</script>",
    "# <svg onload=hit()>",
    "<div\nonclick=hit()>\n\nx",
    "[<img src=x onerror=hit()>](https://example.org)",
    "a\\<script>hit()\\</script>",
]


@pytest.mark.parametrize("text", [*PAYLOADS, *MARKDOWN])
def test_markdown_of_whatever_text_makes_no_script_no_picture_and_no_other_link(text: str) -> None:
    for written in (text, f"* {text}", f"*{text}*", excerpt(text * 40).text):
        made = str(markdown.to_html(written))
        tags = set(re.findall(r"<(?!/)([a-z0-9]+)", made))
        assert tags <= {"p", "ul", "ol", "li", "em", "strong", "a", "code", "pre", "blockquote", "hr", "br"}, made
        for attributes in re.findall(r"<[a-z0-9]+([^>]*)>", made):
            rest = re.sub(r' (rel|href|title|class|start)="[^"]*"', "", attributes)
            assert not rest.strip(" /"), made
        assert all(re.match("https?://|mailto:", each) for each in re.findall(r'href="([^"]*)"', made)), made


def test_hostile_titles_and_texts_stay_text_in_every_form(database: Database) -> None:
    make_up(database, "web", name=PAYLOADS[0], last_ping=NOW)
    text = " ".join(PAYLOADS)[:9_000]
    made = incidents.create(database, new_incident(title=PAYLOADS[7], body=text, monitors=["web"]), now=NOW)
    board = a_board(database, Clock(NOW))
    page = page_of(board)

    markup = markup_of(board)
    whole = status_history.as_copy(cast(Any, a_site()), page, "en", incident=made).decode()
    for each in (markup, whole):
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static)|<img|<iframe|<[^<>]*\son\w+=", each)
    archive = board.incidents.archive_of(page)
    parsed = feedparser.parse(feed.document(page, (), SETTINGS, "en", incidents=archive), sanitize_html=False)
    assert not parsed.bozo
    assert "<script" not in parsed.entries[0].content[0].value
    assert json.loads(statuspage.document("incidents", page, SETTINGS, archive=archive))["incidents"][0]["name"]


def test_a_long_text_is_cut_between_two_words(database: Database) -> None:
    text = "wörd " * 400
    cut = excerpt(text)
    assert cut.is_cut
    assert cut.text.endswith("wörd")
    assert len(cut.text) <= MAX_EXCERPT
    assert excerpt("short") == Excerpt("short", False)
    assert excerpt("x" * 5_000).text == "x" * MAX_EXCERPT
    made = incidents.create(database, new_incident(body=text), now=NOW)
    markup = markup_of(a_board(database, Clock(NOW)))
    assert f'<a href="/status/history/{made.public_id}">Read on</a>' in markup


def test_a_text_of_hard_markdown_is_read_at_once() -> None:
    for piece in ("[", "*a ", "> ", "`", "![](", "<", "1. ", "&#", "**a*", "[a](b"):
        assert markdown.to_html((piece * 10_000)[:10_000])
