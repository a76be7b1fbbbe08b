"""The public page: what it says, how old it may be, what it costs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from pulsemon.core.overall import Overall
from pulsemon.core.status import BlindWindow, Signal
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.web.http.live import Live
from pulsemon.web.http.site import Site
from pulsemon.web.public import badges, headlines
from pulsemon.web.public.board import Board
from tests.arrange import a_ping, make, make_up, record, set_by_hand
from tests.conftest import ADMIN_TOKEN, at, settings_for, wait_until
from tests.statements import recorded_statements
from tests.web.panel.test_monitors import database_away, text_of


def create(client: TestClient, **fields: object) -> str:
    """Create a monitor through the API and return its ping path."""
    body = {"name": "Backup Noturno", "slug": "backup-noturno", "interval_seconds": 900} | fields
    answer = client.post("/api/monitors", json=body, headers={"X-Admin-Token": ADMIN_TOKEN})
    assert answer.status_code == 201
    return "/h/{slug}/{token}".format(**answer.json())


def fresh_page(client: TestClient, expected: str, locale: str = "en") -> str:
    """Return the page once it says *expected*: a snapshot may be up to a second old."""
    return str(
        wait_until(lambda: (text := text_of(client.get(f"/status?lang={locale}"))) and expected in text and text)
    )


def test_it_shows_name_slug_last_ping_interval_and_state_without_a_login(client: TestClient) -> None:
    client.get(create(client))

    page = fresh_page(client, "Up last ping")

    assert "Backup Noturno backup-noturno Up last ping" in page
    assert "every 15 min" in page
    assert 'data-slug="backup-noturno" data-status="UP"' in client.get("/status").text


def test_the_title_is_the_owners(make_client: Callable[..., TestClient], sqlite_url: str) -> None:
    client = make_client(sqlite_url, public_status_title="Status — <Minha> Empresa")

    assert "<title>Status — &lt;Minha&gt; Empresa</title>" in client.get("/status").text


@pytest.mark.parametrize(
    ("signals", "english", "portuguese"),
    [
        ([], "Nothing is watched yet.", "Nada é monitorado ainda."),
        ([""], "All systems operational.", "Todos os sistemas no ar."),
        (["", "/fail"], "Some systems are down.", "Alguns sistemas estão fora do ar."),
        (["/fail", "/fail"], "All systems are down.", "Todos os sistemas fora do ar."),
        (["/log"], "Waiting for the first signals.", "Aguardando os primeiros sinais."),
    ],
)
def test_one_sentence_on_top_says_it_all(client: TestClient, signals: list[str], english: str, portuguese: str) -> None:
    for number, signal in enumerate(signals):
        client.get(create(client, slug=f"job-{number}") + signal)

    fresh_page(client, english)
    fresh_page(client, portuguese, "pt-BR")


def test_the_owners_order_stands_and_what_is_down_is_named_on_top(client: TestClient) -> None:
    client.get(create(client, slug="fine"))
    client.get(create(client, slug="broken") + "/fail")
    fresh_page(client, "Some systems are down.")

    assert re.findall(r'data-slug="(\w+)" data-status="(\w+)"', client.get("/status").text) == [
        ("fine", "UP"),
        ("broken", "DOWN"),
    ]
    assert '<a href="#m2" dir="auto">Backup Noturno</a>' in client.get("/status").text


def test_what_is_down_is_named_with_since_when_the_longest_first(database: Database) -> None:
    for slug, failed_at in (
        ("short", at("12:24")),
        ("long", at("11:00")),
        ("yesterday", at("10:00") - timedelta(days=1)),
    ):
        monitor = make(database, slug, now=at("09:00") - timedelta(days=2))
        record(database, a_ping(monitor, failed_at, Signal.FAIL))
    board = a_board(database, Clock(at("14:30")), availability_timezone="America/Sao_Paulo")

    said = re.sub("<[^>]+>", "", html.unescape(page_of(board, "pt-BR")).split('class="named">')[1].split("</p>")[0])

    assert " ".join(said.split()) == (
        "Fora do ar: Yesterday — desde 1 mar, 07:00 (1 dia), Long — desde 08:00 (3 h), Short — desde 09:24 (2 h)"
    )


def test_names_are_text_and_nothing_else(client: TestClient) -> None:
    name = """<script>alert(1)</script>'"><img src=x onerror=alert(1)>"""
    create(client, name=name)
    fresh_page(client, "alert(1)")

    page = client.get("/status").text
    assert html.escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert "<img" not in page
    assert "<script>" not in page


def test_the_inline_style_is_the_one_that_the_policy_names(client: TestClient) -> None:
    answer = client.get("/status")

    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<[^>]+\s(style|on\w+)=", answer.text)


def test_it_is_compressed_for_whoever_asks_and_plain_for_the_others(client: TestClient) -> None:
    zipped = client.get("/status", headers={"accept-encoding": "br, gzip"})
    plain = client.get("/status", headers={"accept-encoding": "identity"})
    refused = client.get("/status", headers={"accept-encoding": "gzip;q=0"})

    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert "Accept-Encoding" in zipped.headers["vary"]
    assert zipped.text.startswith("<!doctype html>")
    assert plain.text.startswith("<!doctype html>")


def test_head_is_answered_like_get_without_the_page(client: TestClient) -> None:
    answer = client.head("/status")

    assert (answer.status_code, answer.content) == (200, b"")


# The board: one snapshot for everybody, on a clock that the test holds


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: at("10:00"))

    def __call__(self) -> datetime:
        return self.now


def a_board(database: Database, clock: Callable[[], datetime], **settings: object) -> Board:
    """Return the board of a site of which only the database and the clock are used."""
    url = "sqlite:///unused.db"
    site = Site(
        settings=settings_for(url, **settings),
        database=database,
        lane=None,  # type: ignore[arg-type]  # the page sends no ping
        session_secret="unused",
        wake=lambda: None,
        now=clock,
        readiness=None,  # type: ignore[arg-type]  # nor is it asked how it is
        figures=lambda: pytest.fail("nor what it counted"),
        live=Live(),
    )
    return Board(site)


def page_of(board: Board, locale: str = "en") -> str:
    return board.rendered(board.snapshot(), locale).plain.decode()


def test_a_snapshot_is_never_older_than_a_second(database: Database) -> None:
    monitor = make(database)
    clock = Clock()
    board = a_board(database, clock)
    assert 'data-status="UNKNOWN"' in page_of(board)
    record(database, a_ping(monitor, clock.now))

    clock.now += timedelta(milliseconds=100)
    assert 'data-status="UNKNOWN"' in page_of(board)
    clock.now += timedelta(milliseconds=800)
    assert 'data-status="UP"' in page_of(board)


def test_a_clock_that_was_set_back_does_not_freeze_the_page(database: Database) -> None:
    monitor = make(database)
    clock = Clock()
    board = a_board(database, clock)
    page_of(board)
    record(database, a_ping(monitor, clock.now))

    clock.now -= timedelta(hours=1)

    assert 'data-status="UP"' in page_of(board)


def test_requests_at_the_same_moment_share_one_snapshot_and_one_rendering(database: Database) -> None:
    make_up(database)
    board = a_board(database, Clock())
    found: list[tuple[int, int]] = []

    def ask() -> None:
        snapshot = board.snapshot()
        found.append((id(snapshot), id(board.rendered(snapshot, "en"))))

    board.rendered(board.snapshot(), "en")
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 20
    assert len(set(found)) == 1


def test_the_same_number_of_queries_with_2_and_with_200_monitors(database: Database) -> None:
    clock = Clock()
    counts = []
    for total in (2, 200):
        for number in range(0 if total == 2 else 2, total):
            make_up(database, f"job-{number}")
        clock.now += timedelta(seconds=5)
        board = a_board(database, clock)
        with recorded_statements() as seen:
            page = page_of(board)
        counts.append(len([each for each in seen if each.startswith("SELECT")]))
        assert page.count("data-slug=") == total

    assert counts[0] == counts[1] > 0


def test_two_hundred_monitors_fit_into_40_kilobytes_compressed(database: Database) -> None:
    for number in range(200):
        make_up(database, f"job-{number}-{hashlib.sha256(bytes([number])).hexdigest()[:24]}")
    board = a_board(database, Clock())

    rendered = board.rendered(board.snapshot(), "pt-BR")

    assert len(rendered.zipped) <= 40_000
    assert gzip.decompress(rendered.zipped) == rendered.plain


def test_late_counts_as_operational_and_is_named(database: Database) -> None:
    make_up(database, last_ping=at("10:00"))
    board = a_board(database, Clock(at("10:04:30")))

    page = page_of(board)

    assert "All systems operational; some are late." in page
    assert '<li class="late" data-slug="job" data-status="UP">' in page


def test_what_nobody_saw_is_shown_as_unknown_with_the_reason(database: Database) -> None:
    make_up(database, last_ping=at("10:00"))
    passes.excuse_blindness(database, [(BlindWindow(at("10:04"), at("10:09")), "restart")], now=at("10:09"))
    board = a_board(database, Clock(at("10:10")))

    page = html.unescape(page_of(board))

    assert '<li class="blind" data-slug="job" data-status="UP">' in page
    assert "PulseMon was blind 10:04–10:09:00 (UTC)" in page
    assert "The state of some systems is unknown." in page


def test_an_unchanged_page_is_304(client: TestClient) -> None:
    def asked_twice() -> bool:
        first = client.get("/status")
        second = client.get("/status", headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})
        return second.status_code == 304 and second.content == b""

    # The second request may meet the next snapshot; then the page is another one.
    wait_until(asked_twice)
    assert client.get("/status", headers={"if-none-match": '"something-else"'}).status_code == 200


def test_languages_have_tags_of_their_own(database: Database) -> None:
    board = a_board(database, Clock())
    snapshot = board.snapshot()

    assert board.rendered(snapshot, "en").etag != board.rendered(snapshot, "pt-BR").etag


def test_when_the_database_is_away_the_last_good_page_is_shown_with_its_age(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    make_up(database)
    clock = Clock(datetime(2026, 3, 2, 14, 2, 11, tzinfo=UTC))
    board = a_board(database, clock)
    page_of(board)

    with database_away(postgres_url):
        clock.now += timedelta(seconds=35)
        page = html.unescape(page_of(board))
        assert "Shown as of 14:02:11 (UTC), 35 s ago." in page
        assert 'data-slug="job"' in page
        assert "Mostrado como às 14:02:11 (UTC), há 35 s." in html.unescape(page_of(board, "pt-BR"))

    clock.now += timedelta(seconds=5)
    assert "Shown as of" not in page_of(board)
    database.close()


def test_a_page_that_never_had_a_database_says_so(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with database_away(postgres_url):
        board = a_board(database, Clock())
        assert "The state is not known yet: the database does not answer." in page_of(board)
    database.close()


def test_the_whole_application_answers_200_while_its_database_is_away(
    make_client: Callable[..., TestClient], postgres_url: str
) -> None:
    client = make_client(postgres_url)
    create(client)
    fresh_page(client, "Backup Noturno")

    with database_away(postgres_url):
        away = wait_until(lambda: (page := client.get("/status?lang=en")) and "Shown as of" in page.text and page)
        assert away.status_code == 200
        assert "Backup Noturno" in away.text
    wait_until(lambda: "Shown as of" not in client.get("/status").text)


def test_hostile_names_of_an_old_database_stay_inside_their_attributes(database: Database) -> None:
    monitor = make_up(database)
    slug = """x" onmouseover="alert(1)' <b>"""
    set_by_hand(database, monitor, slug=slug)
    record(database, a_ping(monitor, at("10:01"), Signal.LOG))

    page = page_of(a_board(database, Clock(at("10:02"))))

    assert 'data-slug="x&#34; onmouseover=&#34;alert(1)&#39; &lt;b&gt;"' in page


def test_every_overall_state_has_a_sentence_a_tone_and_a_badge() -> None:
    incidents = {Overall.MINOR_INCIDENT, Overall.MAJOR_INCIDENT, Overall.CRITICAL_INCIDENT}

    assert headlines.SENTENCES.keys() == headlines.TONES.keys() == set(Overall)
    # How many are down is said in its place.
    assert badges.OF_SEVERAL.keys() == set(Overall) - incidents - {Overall.UNREAD, Overall.SOME_DOWN}
