"""Public pages: what each shows and to whom, what is refused, and that a private monitor leaves no trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Action
from pulsemon.availability.days import DayTable
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.errors import REFUSALS
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages import public as public_pages
from pulsemon.web import app as web_app
from pulsemon.web.html import markdown
from pulsemon.web.http.site import Site
from tests.arrange import a_ping, make, make_up, record
from tests.conftest import ADMIN_TOKEN, at, wait_until
from tests.core.test_page_values import PNG
from tests.statements import recorded_statements
from tests.web.panel.test_monitors import PAGE, log_in, text_of
from tests.web.public.test_status_page import Clock, a_board
from tests.web.test_access_rules import routes_of

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
NOW = at("10:00")


def a_monitor(client: TestClient, slug: str, **fields: Any) -> dict[str, Any]:
    body = {"name": slug.title(), "slug": slug, "interval_seconds": 900} | fields
    answer = client.post("/api/monitors", json=body, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def a_page(client: TestClient, slug: str = "shop", **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/pages", json={"slug": slug, "title": slug.title()} | fields, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def edit(client: TestClient, page: str, /, **fields: Any) -> Response:
    return client.patch(f"/api/pages/{page}", json=fields, headers=ADMIN)


def seen(client: TestClient, path: str, expected: str, **options: Any) -> str:
    """Return the page's markup once it holds *expected*: a snapshot may be up to a second old."""
    return str(wait_until(lambda: expected in (text := client.get(path, **options).text) and text, within=10))


def slugs_of(markup: str) -> list[str]:
    return re.findall(r'data-slug="([^"]+)"', markup)


def test_a_page_shows_the_chosen_monitors_in_the_chosen_order_and_the_main_one_all(client: TestClient) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(client, slug)
    a_page(client, monitors=["c", "a"], title="Loja ☂", description="Sobre **nós**", footer="Fim")

    markup = seen(client, "/status/shop", "Loja ☂")

    assert slugs_of(markup) == ["c", "a"]
    assert "<strong>nós</strong>" in markup
    assert "<title>Loja ☂</title>" in markup
    assert slugs_of(client.get("/status").text) == ["a", "b", "c"]
    assert client.get("/status/nobody").status_code == 404
    assert client.get("/status/status", follow_redirects=False).headers["location"] == "/status"


def test_the_main_page_is_edited_but_neither_moved_nor_deleted(client: TestClient) -> None:
    assert client.get("/api/pages/status", headers=ADMIN).json()["created_at"] is None
    assert edit(client, "status", title="Meu título").status_code == 200
    assert edit(client, "status", accent="#ff0000").json()["title"] == "Meu título"
    seen(client, "/status", "<title>Meu título</title>")
    assert edit(client, "status", slug="other").status_code == 409
    assert client.delete("/api/pages/status", headers=ADMIN).status_code == 409


def test_pages_are_made_read_edited_and_deleted_through_the_api(client: TestClient) -> None:
    made = a_page(client, language="pt-BR", timezone="America/Sao_Paulo")
    assert made["path"] == "/status/shop"
    assert [each["slug"] for each in client.get("/api/pages", headers=ADMIN).json()] == ["status", "shop"]

    assert edit(client, "shop", slug="store").json()["slug"] == "store"
    assert client.get("/api/pages/shop", headers=ADMIN).status_code == 404
    assert client.delete("/api/pages/store", headers=ADMIN).status_code == 204
    assert client.get("/api/pages/store", headers=ADMIN).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Upper"),
        ("slug", "a--b"),
        ("accent", "red"),
        ("accent", "#12345"),
        ("timezone", "Mars/Base"),
        ("language", "fr"),
        ("host", "http://x"),
        ("host", "testserver"),
        ("host", "TestServer."),
        ("host", "é"),
        ("host", "status.example.org:80"),
        ("host", "[::1]"),
        ("host", "::1"),
        ("host", "a..b"),
        ("host", "a/b"),
        ("host", "a_b.example"),
        ("password", "abc"),
        ("title", " "),
        ("description", "x" * 5001),
        ("footer", "\0"),
        ("monitors", ["nobody"]),
        ("monitors", "a"),
        ("nonsense", 1),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_changes_nothing(one: TestClient, field: str, value: Any) -> None:
    before = a_page(one)

    answer = edit(one, "shop", **{"title": "New", field: value})

    assert answer.status_code == 422
    assert [each["loc"][-1] for each in answer.json()["detail"]] == [field]
    assert one.get("/api/pages/shop", headers=ADMIN).json() == before


def test_a_slug_or_a_host_that_is_taken_is_refused(client: TestClient) -> None:
    a_page(client, host="status.example.org")
    a_page(client, "other")

    for answer, sentence in (
        (edit(client, "other", slug="shop"), REFUSALS["page-slug-taken"]),
        (edit(client, "other", slug="status"), REFUSALS["page-slug-taken"]),
        (edit(client, "other", host="status.example.org"), REFUSALS["page-host-taken"]),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (409, sentence)


def test_a_logo_is_known_by_its_bytes_and_served_as_what_it_is(client: TestClient) -> None:
    a_page(client)
    for content in (b"<svg onload=alert(1)>", b"no image", b""):
        answer = client.put("/api/pages/shop/logo", content=content, headers=ADMIN | {"content-type": "image/png"})
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "logo"])
    large = client.put("/api/pages/shop/logo", content=PNG + bytes(20_000_000), headers=ADMIN)
    assert large.status_code == 413
    assert not client.get("/api/pages/shop", headers=ADMIN).json()["has_logo"]

    assert client.put("/api/pages/shop/logo", content=PNG, headers=ADMIN).json()["has_logo"]
    seen(client, "/status/shop", 'src="/status/shop/logo?v=')
    answer = client.get("/status/shop/logo")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    client.delete("/api/pages/shop/logo", headers=ADMIN)
    wait_until(lambda: client.get("/status/shop/logo").status_code == 404)


def test_a_page_with_a_password_shows_nothing_without_it(client: TestClient) -> None:
    a_monitor(client, "zebra")
    a_page(client, title="Giraffe", password="correct horse", description="Lion")
    client.put("/api/pages/shop/logo", content=PNG, headers=ADMIN)
    question = seen(client, "/status/shop", "asks for a password")
    assert not re.search("zebra|giraffe|lion", question, re.IGNORECASE)
    assert client.get("/status/shop/logo").status_code == 404

    wrong = client.post("/status/shop", data={"password": "wrong horse"})
    assert wrong.status_code == 401
    assert "zebra" not in wrong.text
    right = client.post("/status/shop", data={"password": "correct horse"}, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/status/shop")
    assert "Path=/status/shop" in right.headers["set-cookie"]
    assert "HttpOnly" in right.headers["set-cookie"]

    opened = client.get("/status/shop")
    assert slugs_of(opened.text) == ["zebra"]
    assert opened.headers["cache-control"] == "private, no-cache"
    assert client.get("/status/shop/logo").status_code == 200

    edit(client, "shop", password="another horse")
    seen(client, "/status/shop", "asks for a password")


def test_the_cookie_of_one_page_does_not_open_another(one: TestClient) -> None:
    a_page(one, "first", password="same password")
    a_page(one, "second", password="same password")
    seen(one, "/status/second", "asks for a password")
    cookie = one.post("/status/first", data={"password": "same password"}, follow_redirects=False).headers["set-cookie"]
    name, _, value = cookie.partition(";")[0].partition("=")
    other = re.sub(r"\d+$", lambda found: str(int(found[0]) + 1), name)

    assert "asks for a password" in one.get("/status/second", headers={"cookie": f"{other}={value}"}).text
    assert "asks for a password" not in one.get("/status/first", headers={"cookie": f"{name}={value}"}).text


def test_who_guesses_a_password_is_stopped(one: TestClient) -> None:
    a_page(one, password="correct horse")
    seen(one, "/status/shop", "asks for a password")

    statuses = [one.post("/status/shop", data={"password": f"no {n}"}).status_code for n in range(11)]

    assert statuses == [401] * 10 + [429]
    assert one.post("/status/shop", data={"password": "correct horse"}).headers["retry-after"]


def test_a_page_stands_at_the_root_of_its_own_host(client: TestClient) -> None:
    a_monitor(client, "a")
    a_page(client, host="status.example.org", title="Minha loja")

    own = {"host": "status.example.org:8088"}
    assert slugs_of(seen(client, "/", "<title>Minha loja</title>", headers=own)) == ["a"]
    assert "Minha loja" not in client.get("/").text


SAME_HOST = {
    "status.example.org": [
        "status.example.org",
        "STATUS.Example.org.",
        "status.example.org.:8443",
        "Status.example.org:",
    ],
    "Loja.Exemplo.ORG.": ["loja.exemplo.org", "loja.exemplo.org.", "LOJA.exemplo.org:443"],
    "Bücher.example": ["xn--bcher-kva.example", "XN--BCHER-KVA.example.:80", "bücher.example", "BÜCHER.example"],
    "xn--fa-hia.example": ["faß.example", "xn--fa-hia.example"],
    "日本。example": ["xn--wgv71a.example"],
}


@pytest.mark.parametrize("saved", SAME_HOST)
def test_a_page_is_found_by_its_host_however_it_was_saved_or_is_asked_for(one: TestClient, saved: str) -> None:
    a_page(one, host=saved, title="Minha loja", password="correct horse")
    kept = one.get("/api/pages/shop", headers=ADMIN).json()["host"]

    assert kept == SAME_HOST[saved][0].replace("faß", "xn--fa-hia").removesuffix(".").lower()
    for host in SAME_HOST[saved]:
        asked = {"host": host.encode()}
        one.cookies.clear()
        assert 'name="password"' in one.get("/", headers=asked).text, host
        led = one.post("/status/shop", data={"password": "correct horse"}, headers=asked, follow_redirects=False)
        assert led.headers["location"] == "/", host
    assert 'name="password"' not in one.get("/", headers={"host": "other." + kept}).text


def test_two_spellings_of_one_host_are_one_host(one: TestClient) -> None:
    a_page(one, host="bücher.example")

    answer = one.post("/api/pages", json={"slug": "other", "host": "XN--bcher-kva.EXAMPLE."}, headers=ADMIN)

    assert (answer.status_code, answer.json()) == (409, {"detail": REFUSALS["page-host-taken"]})


def test_language_zone_and_colour_are_the_pages(one: TestClient) -> None:
    a_monitor(one, "a")
    a_page(one, language="pt-BR", timezone="America/Sao_Paulo", accent="#ffff00")

    answer = one.get("/status/shop", headers={"accept-language": "en"})
    markup = seen(one, "/status/shop", "(horário de Brasília)", headers={"accept-language": "en"})

    assert '<html lang="pt-BR">' in markup
    assert "Aguardando" in markup
    assert "?lang=" not in markup
    assert "#ffff00" not in markup.split("light-dark(#", 1)[0]
    assert "sha256-" in answer.headers["content-security-policy"]
    assert answer.headers["content-language"] == "pt-BR"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        "![x](http://elsewhere.example/x.png)",
        "<img src=x onerror=alert(1)>",
        "[x](//elsewhere.example)",
        "<javascript:alert(1)>",
    ],
)
def test_markdown_makes_no_script_no_picture_and_no_other_link(text: str) -> None:
    made = str(markdown.to_html(text))

    assert not re.search(r"<(script|img|iframe)|<a [^>]*href=\"(?!https?:|mailto:)", made)


def test_markdown_makes_links_and_emphasis() -> None:
    made = str(markdown.to_html("*a* [b](https://example.org) <mailto:x@example.org>"))

    assert "<em>a</em>" in made
    assert 'href="https://example.org"' in made
    assert 'href="mailto:x@example.org"' in made


def test_a_private_monitor_leaves_no_trace_on_any_public_route(client: TestClient) -> None:
    a_monitor(client, "known")
    secret = a_monitor(client, "xylophone", name="Quagmire", group="Zeppelin", tags=["Walrus"], public=False)
    client.get(secret["ping_url"] + "/fail")
    a_page(client, monitors=["known", "xylophone"], host="own.example.org")
    seen(client, "/status/shop", "Shop")
    app = web_app.make_fastapi(cast(Site, None))
    paths = {each.path_format for each in routes_of(app) if each.original_route.action in (Action.PUBLIC, Action.LINK)}
    assert {"/status", "/status/{slug}", "/metrics", "/"} <= paths
    assert {"/status/{slug}/feed.atom", "/badge/{slug}.svg", "/badge/tag/{tag}.json", "/api/v2/summary.json"} <= paths
    for path in sorted(paths):
        for slug in ("shop", "xylophone", "status", "Walrus", "known"):
            for host in ("testserver", "own.example.org"):
                for method in ("GET", "HEAD"):
                    asked = path.replace("{slug}", slug).replace("{tag}", slug)
                    answer = client.request(method, asked, headers={"host": host})
                    told = answer.text + repr(sorted(answer.headers.items()))
                    told = told.replace("/status/xylophone", "").replace("/status/Walrus", "")  # what was asked for
                    assert not re.search("xylophone|quagmire|zeppelin|walrus", told, re.IGNORECASE), (method, path)
    assert slugs_of(client.get("/status/shop").text) == slugs_of(client.get("/status").text) == ["known"]
    assert "All systems are down" not in text_of(client.get("/status"))
    for private, unknown in (("/badge/xylophone", "/badge/nobody"), ("/badge/tag/Walrus", "/badge/tag/nobody")):
        for form in (".svg", ".json", ".svg?days=30&lang=en"):
            answers = [client.get(path + form) for path in (private, unknown)]
            assert [each.status_code for each in answers] == [404, 404]
            assert answers[0].content == answers[1].content
            assert answers[0].headers == answers[1].headers


def test_the_tag_of_a_page_is_the_same_with_and_without_a_private_monitor(database: Database) -> None:
    make_up(database, "known", last_ping=NOW)
    clock = Clock(NOW)
    before = a_board(database, clock)
    tag = before.rendered(before.snapshot(), "en").etag

    private = make(database, "xylophone")
    monitors.edit(database, monitors.by_id(private.id), {"placement": {"is_public": False, "group": "z"}}, now=NOW)
    after = a_board(database, clock)

    assert after.rendered(after.snapshot(), "en").etag == tag


def test_the_number_of_queries_does_not_grow_with_pages_and_monitors(database: Database) -> None:
    counts = []
    for number in (1, 20):
        for each in range(number):
            make(database, f"m-{number}-{each}")
            status_pages.create(
                database, status_pages.NewPage(f"p-{number}-{each}", monitors=(f"m-{number}-{each}",)), now=NOW
            )
        board = a_board(database, Clock(NOW))
        with recorded_statements() as statements:
            board.rendered(board.snapshot(), "en", f"p-{number}-0")
        counts.append(len([each for each in statements if each.startswith("SELECT")]))

    assert counts[0] == counts[1] == 12


@pytest.mark.parametrize("count", [0, 1, 50, 1000])
def test_fifty_monitors_fit_into_20_kilobytes_and_a_thousand_are_shown(sqlite_url: str, count: int) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    for number in range(count):
        name = f"Cópia noturna 💾 {number} " + "x" * 40
        make(database, f"job-{number}", name=name[:60])
    board = a_board(database, Clock(NOW))

    page = board.rendered(board.snapshot(), "pt-BR")

    assert page.plain.decode().count("data-slug=") == count
    assert len(page.zipped) <= (20_000 if count <= 50 else 250_000)
    database.close()


def test_fifty_monitors_with_an_outage_every_week_fit_too(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    database.migrate()
    for number in range(50):
        name = f"Cópia noturna 💾 {number} " + "x" * 40
        monitor = make(database, f"job-{number}", name=name[:60], now=NOW - timedelta(days=91))
        for day in range(90 - number % 7, 0, -7):
            failed_at = NOW - timedelta(days=day)
            outage = timedelta(minutes=7 * day + number)
            record(database, a_ping(monitor, failed_at, Signal.FAIL), a_ping(monitor, failed_at + outage))
    board = a_board(database, Clock(NOW))

    page = board.rendered(board.snapshot(), "pt-BR")

    assert page.plain.decode().count("data-day=") >= 50 * 12
    assert len(page.zipped) <= 20_000
    database.close()


def test_the_days_of_a_page_are_those_of_its_own_zone(database: Database) -> None:
    monitor = make_up(database, "a", last_ping=NOW - timedelta(days=3), interval_seconds=30 * 86_400)
    failed_at = NOW.replace(hour=1)  # the evening before, in São Paulo
    record(database, a_ping(monitor, failed_at, Signal.FAIL), a_ping(monitor, failed_at + timedelta(minutes=30)))
    for slug, zone in (("sp", "America/Sao_Paulo"), ("tokyo", "Asia/Tokyo"), ("utc", "UTC"), ("none", None)):
        status_pages.create(database, status_pages.NewPage(slug, timezone=zone, monitors=("a",)), now=NOW)
    board = a_board(database, Clock(NOW), availability_timezone="Asia/Tokyo")
    snapshot = board.snapshot()

    def outage(slug: str) -> list[str]:
        page = board.rendered(snapshot, "en", slug).plain.decode()
        return re.findall(r"<li data-day=.\d+.>([^<]*): down for 30 min</li>", page)

    assert {slug: outage(slug) for slug in ("status", "sp", "tokyo", "utc", "none")} == {
        "status": ["2 Mar"],
        "sp": ["1 Mar"],
        "tokyo": ["2 Mar"],
        "utc": ["2 Mar"],
        "none": ["2 Mar"],
    }
    assert "10:00:00 (UTC)" in board.rendered(snapshot, "en", "utc").plain.decode()
    assert "07:00:00 (Brasilia Time)" in board.rendered(snapshot, "en", "sp").plain.decode()
    for slug in ("status", "none"):  # who names no zone has the site's
        assert "19:00:00 (Japan Time)" in board.rendered(snapshot, "en", slug).plain.decode()


def test_days_are_read_of_the_page_that_is_asked_for_and_anew_of_what_changed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, list[int]]] = []
    original = public_pages.read_days

    def counted(database: Database, ids: Sequence[int], *, timezone: str, **options: Any) -> DayTable:
        read.append((timezone, list(ids)))
        return original(database, ids, timezone=timezone, **options)

    monkeypatch.setattr(public_pages, "read_days", counted)
    now = Clock(NOW)
    one, two, _ = make_up(database, "a"), make_up(database, "b"), make_up(database, "c")
    chosen = {"timezone": "America/Sao_Paulo", "monitors": ("a", "b")}
    status_pages.create(database, status_pages.NewPage("one", **chosen), now=NOW)
    board = a_board(database, now)

    def look() -> list[tuple[str, list[int]]]:
        read.clear()
        board.rendered(board.snapshot(), "en", "one")
        return list(read)

    assert look() == [("America/Sao_Paulo", [one.id, two.id])]
    record(database, a_ping(one, NOW, Signal.FAIL))
    now.now += timedelta(seconds=2)
    assert look() == [("America/Sao_Paulo", [one.id])]
    now.now += timedelta(seconds=2)
    assert look() == []
    now.now += timedelta(seconds=60)
    assert look() == [("America/Sao_Paulo", [one.id, two.id])]


def test_days_that_were_read_before_midnight_are_not_shown_after_it(database: Database) -> None:
    make_up(database, "a", last_ping=NOW - timedelta(days=3), interval_seconds=30 * 86_400)
    now = Clock(NOW.replace(hour=23, minute=59, second=50))
    board = a_board(database, now)

    def dates() -> str:
        page = board.rendered(board.snapshot(), "en").plain.decode()
        return re.findall(r'data-dates="[^"]*[|]([^"|]+)"', page)[0]

    assert dates() == "2 Mar"
    now.now += timedelta(seconds=20)
    assert dates() == "3 Mar"


def test_a_zone_that_is_no_more_is_the_sites(database: Database) -> None:
    make_up(database, "a", last_ping=NOW - timedelta(days=3))
    status_pages.create(database, status_pages.NewPage("mars", timezone="Mars/Base"), now=NOW)
    board = a_board(database, Clock(NOW), availability_timezone="Asia/Tokyo")

    assert "19:00:00 (Japan Time)" in board.rendered(board.snapshot(), "en", "mars").plain.decode()
    assert status_pages.time_zones(database) == set()


def test_a_page_without_a_zone_has_the_sites(make_client: Callable[..., TestClient], sqlite_url: str) -> None:
    client = make_client(sqlite_url, availability_timezone="Asia/Tokyo")
    made = a_page(client, timezone="UTC")

    assert made["timezone"] == "UTC"
    assert edit(client, "shop", timezone=None).json()["timezone"] == "Asia/Tokyo"
    assert [each["timezone"] for each in client.get("/api/pages", headers=ADMIN).json()] == ["Asia/Tokyo"] * 2
    assert edit(client, "status", title="Mine").json()["timezone"] == "Asia/Tokyo"
    client.headers.update(PAGE | {"accept-language": "en"})
    assert log_in(client).status_code == 303
    form = client.get("/pages/shop").text
    assert "Empty: Asia/Tokyo." in form
    assert re.search(r'name="timezone"[^>]*value=""|value=""[^>]*name="timezone"', form)


# The panel


def test_a_page_is_made_filled_and_deleted_with_plain_forms(panel: TestClient) -> None:
    ids = [a_monitor(panel, slug) for slug in ("a", "b")]
    assert ids
    form = {"slug": "shop", "title": "Loja", "timezone": "America/Sao_Paulo", "accent": "#3b4fc4"}
    made = panel.post("/pages", data=form, files={"logo": ("l.png", PNG, "image/png")})
    assert made.status_code == 200
    assert 'value="Loja"' in made.text
    assert panel.get("/api/pages/shop", headers=ADMIN).json()["has_logo"]

    panel.post("/pages/shop/monitors", data={"show": "chosen"})
    chosen = panel.get("/pages/shop/monitors").text
    first = re.findall(r'name="monitor" value="(\d+)"', chosen)[0]
    panel.post("/pages/shop/monitors", data={"monitor": first, "do": "down"})
    assert panel.get("/api/pages/shop", headers=ADMIN).json()["monitors"] == ["b", "a"]
    panel.post("/pages/shop/monitors", data={"monitor": first, "do": "remove"})
    assert panel.get("/api/pages/shop", headers=ADMIN).json()["monitors"] == ["b"]
    panel.post("/pages/shop/monitors", data={"slugs": "a", "do": "add"})
    assert panel.get("/api/pages/shop", headers=ADMIN).json()["monitors"] == ["b", "a"]

    assert "/status/shop answers 404" in text_of(panel.get("/pages/shop/delete"))
    panel.post("/pages/shop/delete")
    assert panel.get("/pages/shop").status_code == 404


@pytest.mark.parametrize(
    ("typed", "logo", "sentence"),
    [
        ({"slug": "taken"}, None, "Another page has this slug."),
        ({"accent": "blue"}, None, "This must be a colour such as #3b4fc4"),
        ({"timezone": "Mars/Base"}, None, "time zone"),
        ({}, b"no picture", "This is no PNG, JPEG or WebP picture."),
        ({}, PNG + bytes(20_000_000), "A logo may have at most 256 kB."),
        ({"host": "testserver"}, None, "Under this name you reach the panel"),
    ],
)
def test_a_wrong_field_is_told_at_the_field_and_nothing_is_changed(
    panel: TestClient, typed: dict[str, str], logo: bytes | None, sentence: str
) -> None:
    a_page(panel, "taken")
    before = a_page(panel)
    files = {"logo": ("logo.png", logo, "image/png")} if logo is not None else None

    answer = panel.post("/pages/shop", data={"slug": "shop", "title": "Other"} | typed, files=files)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert answer.text.count('aria-invalid="true"') == 1
    assert panel.get("/api/pages/shop", headers=ADMIN).json() == before
