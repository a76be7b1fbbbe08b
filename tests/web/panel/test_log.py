"""A monitor's page: its log with filters, its runs, and what its head says of schedules, runs and pings in a row."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.core.rules import Outcome, Rules
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.heartbeats import ping_chain
from tests.arrange import a_ping, make, record, seconds
from tests.web.panel.test_monitors import PAGE, create, log_in, ping_path, text_of

RID = "0b2b2b2b-1111-4111-8111-11111111111"
Arrange = Callable[..., TestClient]


@pytest.fixture
def arranged(make_client: Callable[..., TestClient], database_url: str) -> Arrange:
    """Start the panel on what *write* put into the database."""

    def start(write: Callable[[Database], object], *, language: str = "en") -> TestClient:
        database = Database.open(database_url)
        database.migrate()
        write(database)
        database.close()
        client = make_client(database_url)
        client.headers.update(PAGE | {"accept-language": language})
        assert log_in(client).status_code == 303
        return client

    return start


def log_of(page: str) -> list[str]:
    return re.findall(r'<span class="help">#(\d+)</span>', page)


def test_filters_stand_in_the_address_and_every_link_keeps_them(panel: TestClient) -> None:
    monitor_id = create(panel)
    path = ping_path(panel, monitor_id)
    for number in range(45):
        panel.post(f"{path}/log", content=b"Wort %d" % number)
    panel.post(f"{path}/fail", content=b"Wort")

    page = panel.get(f"/monitors/{monitor_id}/log?text=WORT&signal=log&since=2020-01-01T00:00").text

    assert log_of(page)[0] == "45"
    assert '<details class="more" id="log-filters" open>' in page
    assert 'value="2020-01-01T00:00"' in page
    assert 'value="WORT"' in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    second = panel.get(html.unescape(older[1]).partition("#")[0]).text
    assert log_of(second) == ["5", "4", "3", "2", "1"]
    assert 'rel="next"' not in second
    fragment = panel.get(f"/fragments/monitors/{monitor_id}/log?kind=ping&text=wort&signal=fail").text
    assert log_of(fragment) == ["46"]
    chips = re.findall(r'<a href="(/monitors/\d+/log\?[^"]*)#log"', page)
    assert any("kind=message" in each and "text=WORT" in each and "signal" not in each for each in chips)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "This must be a date and a time in UTC"),
        ("since=2026-02-02T10:00&until=2026-02-02T09:00", "This must be later than the beginning."),
        ("signal=nonsense", "This must be success, start, fail or log."),
        (f"text={'x' * 201}", "This may hold at most 200 characters."),
        ("text=%00%ff%F0%9F%92%A9", "Nothing fits."),
        ("kind=nonsense&from=x", "#1"),
    ],
)
def test_a_filter_that_makes_no_sense_is_said_at_its_field_and_filters_nothing(
    panel: TestClient, query: str, said: str
) -> None:
    monitor_id = create(panel)
    panel.get(ping_path(panel, monitor_id))

    answer = panel.get(f"/monitors/{monitor_id}/log?{query}")

    assert answer.status_code == 200
    assert said in text_of(answer)
    assert (log_of(answer.text) == ["1"]) == (said != "Nothing fits.")


def test_a_search_says_how_far_it_looked_and_where_to_go_on(panel: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor_id = create(panel)
    path = ping_path(panel, monitor_id)
    for number in range(5):
        panel.post(f"{path}/log", content=b"needle" if not number else b"hay")
    monkeypatch.setattr(ping_chain, "MAX_LOOKS", 3)

    first = panel.get(f"/monitors/{monitor_id}/log?text=needle")

    assert "Nothing found so far." in text_of(first)
    assert "Searched back to" in text_of(first)
    further = re.search(r'rel="next" href="([^"]+)">Search further back<', first.text)
    assert further
    assert log_of(panel.get(html.unescape(further[1]).partition("#")[0]).text) == ["1"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "a repeat, counted once",
                "a prefetch or link preview, not counted",
                "not a POST, not counted",
                "none of the words of success, not counted",
                "early",
                "exit status 3",
                "the run took 12 s",
            ],
        ),
        (
            "pt-BR",
            [
                "repetição, conta uma vez só",
                "não é um POST, não contado",
                "nenhuma das palavras de sucesso, não contado",
                "cedo demais",
                "código de saída 3",
                "a execução levou 12 s",
            ],
        ),
    ],
)
def test_each_ping_says_what_came_of_it(arranged: Arrange, language: str, said: list[str]) -> None:
    now = clock.now()

    def write(database: Database) -> None:
        rules = Rules(is_post_only=True, success_keywords=("done",), min_gap=timedelta(hours=1))
        monitor = make(database, now=now - seconds(100), rules=rules)
        pings = [
            a_ping(monitor, now - seconds(90), Signal.START, method="POST", rid=f"{RID}1"),
            a_ping(monitor, now - seconds(78), Signal.FAIL, method="POST", rid=f"{RID}1", exit_status=3),
            a_ping(monitor, now - seconds(70), Signal.FAIL, method="POST", rid=f"{RID}1", exit_status=3),
            a_ping(monitor, now - seconds(60)),
            a_ping(monitor, now - seconds(50), unasked=Outcome.PREFETCH),
            a_ping(monitor, now - seconds(40), method="POST", body=b"hello"),
            a_ping(monitor, now - seconds(30), method="POST", body="done \u00e9 <b>".encode()),
        ]
        record(database, *pings)

    page = arranged(write, language=language).get("/monitors/1/log")

    for text in [*said, "done é <b>"]:
        assert text in text_of(page), text
    assert "<b>done" not in page.text
    assert 'class="flag"' in page.text


def test_a_body_is_downloaded_and_never_shown_as_a_page(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.post(ping_path(panel, monitor_id), content=b"<script>alert(1)</script>")
    link = re.search(r'href="(/monitors/\d+/pings/\d+/body)" download', panel.get(f"/monitors/{monitor_id}/log").text)
    assert link

    answer = panel.get(link[1])

    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_runs_are_listed_and_drawn_with_their_limit(arranged: Arrange) -> None:
    now = clock.now()

    def write(database: Database) -> None:
        monitor = make(database, now=now - seconds(9_000), interval_seconds=3_600, max_run_seconds=100)
        for number in range(30):
            at = now - seconds(9_000 - 240 * number)
            end = Signal.FAIL if number == 29 else Signal.SUCCESS
            record(database, a_ping(monitor, at, Signal.START, rid=f"{RID[:-1]}{number:02}"))
            took = 150 if number == 28 else 10
            fields = {"exit_status": 2, "body": b"out"} if end is Signal.FAIL else {}
            record(database, a_ping(monitor, at + seconds(took), end, rid=f"{RID[:-1]}{number:02}", **fields))
        record(database, a_ping(monitor, now - seconds(20), Signal.START, rid=f"{RID[:-1]}99"))

    page = arranged(write).get("/monitors/1/runs")

    text = text_of(page)
    runs = page.text[page.text.index('id="runs"') :]
    assert runs.count('<circle class="ended" cx="') == 29 + 1  # one stands in the legend
    assert len(re.findall(r'<use class="failed" href="#c-failed" x="[\d.]+%"', runs)) == 1
    assert "median 10 s" in text
    assert "95% within 10 s" in text
    assert "limit 1 min 40 s" in text
    assert "1 run failed. Half of them took at most 10 s" in text
    assert "10 s · failed · exit status 2" in text
    assert "2 min 30 s · ended well · longer than the limit" in text
    assert re.search(r"running for \d+ s · must end by ", text)
    assert len(re.findall(r'<li id="r-', runs)) == 20
    assert re.search(
        r">Output, 3 B</summary>\s*<pre [^>]*>out</pre>\s*<p><a href=\"/monitors/1/pings/\d+/body\" download>", runs
    )
    assert "style=" not in runs


def test_an_overdue_run_is_told_from_one_that_may_go_on(arranged: Arrange) -> None:
    now = clock.now()

    def write(database: Database) -> None:
        monitor = make(database, now=now - seconds(900), interval_seconds=3_600, max_run_seconds=10)
        record(database, a_ping(monitor, now - seconds(700), Signal.START))
        passes.expire_due(database, now=now - seconds(600), recorded_at=now)

    text = text_of(arranged(write).get("/monitors/1"))

    assert "overdue · it had to end by" in text
    assert "must end by" not in text


def test_without_runs_the_page_says_how_to_get_some(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.get(ping_path(panel, monitor_id))

    assert "No run has been seen yet." in text_of(panel.get(f"/monitors/{monitor_id}/runs"))
    assert "Runs" not in text_of(panel.get(f"/fragments/monitors/{monitor_id}/overview"))


def test_the_head_and_the_list_tell_what_comes_next(arranged: Arrange) -> None:
    now = clock.now()

    def write(database: Database) -> None:
        scheduled = {"timezone": "America/Sao_Paulo", "grace_seconds": 86_400}
        daily = make(database, "daily", now=now, schedule="30 2 * * *", **scheduled)
        record(database, a_ping(daily, now))
        many = make(database, "many", now=now, interval_seconds=3_600, failures_to_down=3, max_run_seconds=600)
        record(database, a_ping(many, now), *(a_ping(many, now, Signal.FAIL) for _ in range(2)))
        record(database, a_ping(many, now, Signal.START))
        back = make(database, "back", now=now, interval_seconds=3_600, successes_to_up=2)
        record(database, a_ping(back, now, Signal.FAIL), a_ping(back, now))

    panel = arranged(write)

    listed = text_of(panel.get("/"))
    assert "2 failures in a row, down at 3" in listed
    assert "1 success in a row, up at 2" in listed
    assert re.search(r"a run began \S.* and must end in \d+ min", listed)
    head = text_of(panel.get("/monitors/1"))
    assert "every day at 02:30 (America/Sao_Paulo)" in head
    many = text_of(panel.get("/monitors/2"))
    assert "Run since" in many
    assert "Must end by" in many
    status = text_of(panel.get("/status"))
    assert "every day at 02:30 (America/Sao_Paulo)" in status
    assert "every 1 h" in status


@pytest.mark.parametrize(("language", "said"), [("en", "nothing more is expected"), ("pt-BR", "nada mais é esperado")])
def test_a_schedule_at_its_end_expects_nothing_more(arranged: Arrange, language: str, said: str) -> None:
    now = clock.now()

    def write(database: Database) -> None:
        soon = (now + seconds(3_600)).strftime("%Y-%m-%d %H:%M")
        monitor = make(database, now=now, schedule=soon, timezone="UTC")
        record(database, a_ping(monitor, now + seconds(7_200)))

    panel = arranged(write, language=language)

    for path in ("/", "/monitors/1", "/fragments/monitors/1/head"):
        answer = panel.get(path)
        assert answer.status_code == 200
        assert said in text_of(answer), path
    assert panel.get("/status").status_code == 200
