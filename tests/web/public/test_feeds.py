"""What programs read of public pages: feeds, Statuspage's format, badges. True, closed where the page is, cacheable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import feedparser
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pulsemon.core.shown import Shown
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages import public as public_pages
from pulsemon.web.public import badge_svg, badges, feed, statuspage
from pulsemon.web.public.badges import Wish, of_page
from pulsemon.web.public.board import Board
from tests.arrange import a_ping, make, make_down, make_up, record, seconds
from tests.conftest import at, settings_for, wait_until
from tests.statements import recorded_statements
from tests.status_pages.test_public import a_monitor, a_page, edit, seen
from tests.web.panel.test_monitors import database_away
from tests.web.public.test_status_page import Clock, a_board

NOW = at("10:00")
SETTINGS = settings_for("sqlite:///unused.db", base_url="https://pulse.example.org")
ALL = [
    "/status/shop/feed.atom",
    "/status/feed.atom",
    "/status/shop/badge.svg",
    "/status/badge.json",
    "/badge/zebra.svg",
    "/badge/zebra.json",
    "/badge/tag/web.svg",
    "/api/v2/summary.json",
    "/status/shop/api/v2/components.json",
]


def a_feed(board: Board, slug: str = "status", locale: str = "en") -> Any:
    page = page_of(board, slug)
    parsed = feedparser.parse(feed.document(page, board.changes.changes_of(page), SETTINGS, locale))
    assert not parsed.bozo, parsed.get("bozo_exception")
    return parsed


def page_of(board: Board, slug: str = "status") -> public_pages.PublicPage:
    snapshot = board.snapshot()
    assert snapshot is not None
    return board.page(snapshot, slug)


def summary(board: Board, slug: str = "status") -> dict[str, Any]:
    return dict(json.loads(statuspage.document("summary", page_of(board, slug), SETTINGS)))


def the_badge(board: Board, slug: str = "status", *, locale: str = "en", days: int | None = None) -> tuple[str, str]:
    made = of_page(board, page_of(board, slug), SETTINGS, Wish(locale, days))
    return made.message, made.colour


def got(client: TestClient, path: str, expected: str, **options: Any) -> Response:
    """Return the answer once it holds *expected*: a snapshot may be up to a second old."""
    seen(client, path, expected, **options)
    return client.get(path, **options)


# Feeds


def test_a_feed_tells_what_went_down_and_came_up_newest_first(database: Database) -> None:
    monitor = make_down(database, "job", name="Cópia <noturna> & 💾", last_ping=NOW)
    record(database, a_ping(monitor, NOW + seconds(90)))
    board = a_board(database, Clock(NOW + seconds(100)))

    parsed = a_feed(board)

    assert [each.title for each in parsed.entries] == [
        "Cópia <noturna> & 💾 is up",
        "Cópia <noturna> & 💾 is down",
    ]
    assert [each.updated for each in parsed.entries] == ["2026-03-02T10:01:30.000Z", "2026-03-02T10:00:00.000Z"]
    assert parsed.feed.updated == parsed.entries[0].updated
    assert parsed.entries[0].link == parsed.feed.link == "https://pulse.example.org/status"
    assert a_feed(board, locale="pt-BR").entries[1].title.endswith("está fora do ar")


def test_an_entry_keeps_its_id_whatever_happens_to_the_monitor(database: Database) -> None:
    monitor = make_down(database, "job", last_ping=NOW)
    before = a_feed(a_board(database, Clock(NOW)))
    monitors.edit(database, monitors.by_id(monitor.id), {"slug": "other", "name": "Other"}, now=NOW)
    record(database, a_ping(monitors.get(database, monitors.by_id(monitor.id)), NOW + seconds(60)))

    after = a_feed(a_board(database, Clock(NOW + seconds(61))))

    assert [each.id for each in after.entries][1:] == [each.id for each in before.entries]
    assert after.feed.id == before.feed.id
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", before.entries[0].id)


def test_a_feed_holds_the_newest_fifty_of_its_page_alone(database: Database) -> None:
    busy, quiet = make(database, "busy", now=NOW), make_down(database, "quiet", last_ping=NOW)
    status_pages.create(database, status_pages.NewPage("calm", monitors=("quiet",)), now=NOW)
    signals = (Signal.FAIL, Signal.SUCCESS)
    record(database, *(a_ping(busy, NOW + seconds(number), signals[number % 2]) for number in range(60)))
    board = a_board(database, Clock(NOW + seconds(60)))

    assert len(a_feed(board).entries) == 50
    assert {each.title for each in a_feed(board).entries} == {"Busy is down", "Busy is up"}
    assert [each.title for each in a_feed(board, "calm").entries] == ["Quiet is down"]
    assert quiet.name == "Quiet"


def test_a_feed_without_entries_is_valid(database: Database) -> None:
    assert a_feed(a_board(database, Clock(NOW))).entries == []


def test_one_query_makes_a_feed_however_many_monitors_and_none_while_nothing_changes(database: Database) -> None:
    for number in range(30):
        make_up(database, f"m-{number}", last_ping=NOW)
    board = a_board(database, Clock(NOW))
    page = page_of(board)
    with recorded_statements() as statements:
        board.changes.changes_of(page)
        board.changes.changes_of(page)

    assert len([each for each in statements if each.startswith("SELECT")]) == 1


def test_the_last_good_feed_is_told_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_down(database, "job", last_ping=NOW)
    board = a_board(database, Clock(NOW))
    entries = a_feed(board).entries
    page = page_of(board)
    changed = public_pages.PublicPage(page.definition, (), page.at)
    monkeypatch.setattr(public_pages, "read_changes", away)

    assert [each.id for each in a_feed(board).entries] == [each.id for each in entries]
    # What has left the page since is not told.
    assert board.changes.changes_of(changed) == ()


def away(*_: Any, **__: Any) -> Any:
    raise Unavailable("gone")


def test_a_feed_is_in_the_pages_language_or_the_readers(one: TestClient) -> None:
    one.get(a_monitor(one, "zebra")["ping_url"] + "/fail")
    a_page(one, language="pt-BR")
    portuguese = got(one, "/status/shop/feed.atom", "fora do ar", headers={"accept-language": "en"})
    english = got(one, "/status/feed.atom", "Zebra is down", headers={"accept-language": "en"})

    assert 'xml:lang="pt-BR"' in portuguese.text
    assert (english.headers["content-language"], english.headers["content-type"]) == ("en", "application/atom+xml")
    assert "Accept-Language" in english.headers["vary"]


def test_a_page_names_its_feed(one: TestClient) -> None:
    a_page(one)
    link = '<link rel="alternate" type="application/atom+xml" title="Shop" href="/status/shop/feed.atom">'
    assert link in seen(one, "/status/shop", "Shop")
    assert 'href="/status/feed.atom"' in one.get("/status").text


# All of them


def filled(client: TestClient, **page: Any) -> None:
    client.get(a_monitor(client, "zebra", tags=["web"])["ping_url"])
    a_page(client, **page)
    seen(client, "/badge/tag/web.svg", "<svg") if not page else wait_until(
        lambda: client.get("/status/shop/badge.svg").status_code == 401
    )


def test_each_is_open_to_every_origin_and_told_once(client: TestClient) -> None:
    filled(client)
    for path in ALL:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["access-control-allow-origin"] == "*", path
        assert answer.headers["cache-control"] == "no-cache", path
        again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["access-control-allow-origin"] == "*", path
        head = client.head(path)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"]), path


def test_what_is_not_there_is_404_for_every_origin(one: TestClient) -> None:
    for path in ("/status/nobody/feed.atom", "/status/nobody/badge.svg", "/status/nobody/api/v2/summary.json"):
        answer = one.get(path)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "*"), path


def test_a_page_with_a_password_is_closed_here_too(client: TestClient) -> None:
    filled(client, title="Giraffe", password="correct horse")
    for path in ("/status/shop/feed.atom", "/status/shop/badge.svg", "/status/shop/api/v2/summary.json"):
        closed = client.get(path)
        assert (closed.status_code, closed.headers["access-control-allow-origin"]) == (401, "*"), path
        assert closed.headers["www-authenticate"].startswith("Basic "), path
        assert not re.search("zebra|giraffe", closed.text, re.IGNORECASE), path
        assert client.get(path, auth=("anybody", "wrong horse")).status_code == 401, path
        opened = client.get(path, auth=("anybody", "correct horse"))
        assert (opened.status_code, opened.headers["cache-control"]) == (200, "private, no-cache"), path
        assert "Giraffe" in opened.text, path


def test_who_guesses_by_basic_authentication_is_stopped(one: TestClient) -> None:
    filled(one, password="correct horse")
    path = "/status/shop/feed.atom"

    statuses = [one.get(path, auth=("x", f"no {number}")).status_code for number in range(11)]

    assert statuses == [401] * 10 + [429]
    assert one.get(path, auth=("x", "correct horse")).headers["retry-after"]


def test_a_monitor_has_no_badge_where_only_a_password_shows_it(one: TestClient) -> None:
    filled(one)
    assert edit(one, "status", password="correct horse").status_code == 200
    assert edit(one, "shop", monitors=[]).status_code == 200
    wait_until(lambda: one.get("/badge/zebra.svg").status_code == 404)
    assert one.get("/badge/tag/web.svg").content == one.get("/badge/tag/nothing.svg").content
    assert one.get("/api/v2/summary.json").status_code == 401

    assert edit(one, "shop", monitors=["zebra"]).status_code == 200
    assert seen(one, "/badge/zebra.svg", "Zebra")


def test_the_last_good_answers_are_given_while_the_database_is_away(
    make_client: Callable[..., TestClient], postgres_url: str
) -> None:
    client = make_client(postgres_url)
    filled(client)
    before = [client.get(path).content for path in ALL]
    with database_away(postgres_url):
        seen(client, "/status", "The database does not answer", headers={"accept-language": "en"})
        assert [client.get(path).content for path in ALL] == before


# Statuspage's format


def test_states_are_told_as_components(database: Database) -> None:
    make_up(database, "fine", last_ping=NOW)
    make_down(database, "broken", last_ping=NOW)
    late = make_up(database, "late", last_ping=NOW - seconds(270))
    make(database, "new", now=NOW)
    monitors.edit(database, monitors.by_id(late.id), {"placement": {"group": "Web"}}, now=NOW)
    board = a_board(database, Clock(NOW))

    told = summary(board)

    assert [(each["name"], each["status"], each["group"]) for each in told["components"]] == [
        ("Fine", "operational", False),
        ("Broken", "major_outage", False),
        ("New", "under_maintenance", False),
        ("Web", "operational", True),
        ("Late", "operational", False),
    ]
    group = told["components"][3]
    assert group["components"] == [told["components"][4]["id"]]
    assert told["components"][4]["group_id"] == group["id"]
    assert told["status"] == {"indicator": "major", "description": "Some systems are down."}
    assert told["incidents"] == told["scheduled_maintenances"] == []
    assert told["page"]["url"] == "https://pulse.example.org/status"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["page"]["updated_at"])


@pytest.mark.parametrize(
    ("states", "indicator"),
    [("", "none"), ("u", "none"), ("ud", "major"), ("dd", "critical"), ("n", "maintenance")],
)
def test_the_indicator_follows_the_sentence_of_the_page(database: Database, states: str, indicator: str) -> None:
    makers: dict[str, Callable[..., Any]] = {"u": make_up, "d": make_down}
    for number, state in enumerate(states):
        if state == "n":
            make(database, f"m-{number}", now=NOW)
        else:
            makers[state](database, f"m-{number}", last_ping=NOW)

    assert summary(a_board(database, Clock(NOW)))["status"]["indicator"] == indicator


def test_ids_stay_and_tell_nothing_of_what_is_private(database: Database) -> None:
    make_up(database, "known", last_ping=NOW)
    before = summary(a_board(database, Clock(NOW)))
    private = make(database, "xylophone", now=NOW)
    monitors.edit(database, monitors.by_id(private.id), {"placement": {"is_public": False}}, now=NOW)

    assert summary(a_board(database, Clock(NOW + timedelta(seconds=1)))) == before


@pytest.mark.parametrize("name", list(statuspage.DOCUMENTS))
def test_every_document_of_the_format_is_there(one: TestClient, name: str) -> None:
    told = one.get(f"/api/v2/{name}.json").json()

    assert told["page"]["name"] == "Status — PulseMon"
    lists = {"incidents": "incidents", "incidents/unresolved": "incidents", "components": "components"}
    own = {"status": "status", "summary": "status"} | lists
    assert own.get(name, "scheduled_maintenances") in told


# Badges


def test_a_badge_tells_the_state_and_the_availability_in_both_languages(client: TestClient) -> None:
    client.get(a_monitor(client, "zebra")["ping_url"])
    told = got(client, "/badge/zebra.json?lang=en", '"Up"').json()

    assert told == {"schemaVersion": 1, "label": "Zebra", "message": "Up", "color": "brightgreen"}
    assert client.get("/badge/zebra.json?lang=pt-BR").json()["message"] == "No ar"
    assert client.get("/badge/zebra.json?lang=en&days=30").json()["message"] in ("100%", "No data")
    svg = client.get("/badge/zebra.svg?lang=en")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in svg.headers["content-security-policy"]
    assert ElementTree.fromstring(svg.content).attrib["aria-label"] == "Zebra: Up"


@pytest.mark.parametrize("days", ["0", "91", "-1", "x", "", "1.5", "٣", "999999999999"])
def test_days_that_cannot_be_are_told_at_their_field(one: TestClient, days: str) -> None:
    answer = one.get("/status/badge.svg", params={"days": days})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "days"]


def test_a_badge_of_several_says_how_many_are_down(database: Database) -> None:
    board = a_board(database, Clock(NOW + seconds(1)))
    make_up(database, "fine", last_ping=NOW)
    make_down(database, "broken", last_ping=NOW)

    assert the_badge(board) == ("1 of 2 down", "orange")
    assert the_badge(board, locale="pt-BR")[0] == "1 de 2 fora do ar"
    assert the_badge(board, days=7) == ("50%", "red")


def test_every_colour_of_a_badge_can_be_drawn_and_bears_white_letters() -> None:
    """Maintenance had a colour that only shields.io knew, and its badge was an error page."""
    colours = set(badges._COLOURS.values()) | {colour for _, colour in badges.OF_SEVERAL.values()} | {"orange"}
    colours |= {colour for _, colour in badges._SHARES}

    assert set(badges._COLOURS) == set(Shown)
    for colour in colours:
        fill = ElementTree.fromstring(badge_svg.draw("Backup", "Up", colour)).findall(".//{*}rect")[1].get("fill")
        assert fill
        assert contrast_of_white(fill) >= 4.5, colour


def contrast_of_white(fill: str) -> float:
    """Return how white letters stand out. Source: WCAG 2.2, contrast ratio."""
    parts = [int(fill[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\"'><a onload=x>", "]]>&amp;", "a\0b\x1b\ufffe\ud800", "💾漢字" * 50, ""]
)
def test_whatever_a_name_holds_a_badge_is_xml_without_a_script(text: str) -> None:
    drawn = badge_svg.draw(text, text, "red")

    root = ElementTree.fromstring(drawn)
    assert {each.tag.partition("}")[2] for each in root.iter()} == {"svg", "title", "rect", "g", "text"}
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on") or name == "style"]
