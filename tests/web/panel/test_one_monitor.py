"""One monitor's page: sections with addresses of their own, what its head says, what its menu does."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.channels.message import Reason, Retry
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.deadlines import passes
from pulsemon.input import log_filter
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Sent
from tests.arrange import HOOK, a_ping, make, make_up, record, seconds, set_by_hand
from tests.conftest import ADMIN_TOKEN
from tests.web.panel.test_log import Arrange, arranged  # noqa: F401 - a fixture
from tests.web.panel.test_monitors import GOOD, PAGE, create, log_in, ping_path, text_of

SECTIONS = {"": "Overview", "/runs": "Runs", "/log": "Log", "/connect": "Connect", "/settings": "Settings"}
RID = "0b2c4c1e-4f58-4c38-9c56-2b0a8f0a7e"


@contextmanager
def asked_of_the_database() -> Iterator[list[str]]:
    """Collect what handlers ask: they run in a pool of threads of their own."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if "AnyIO" in threading.current_thread().name and "FROM" in text:
            seen.append(text)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", SECTIONS)
def test_every_section_has_an_address_and_says_which_it_is(panel: TestClient, path: str) -> None:
    monitor_id = create(panel)
    page = panel.get(f"/monitors/{monitor_id}{path}").text

    sections = re.search(r'<nav class="sections".*?</nav>', page, re.DOTALL)
    assert sections
    assert re.findall(r'href="/monitors/\d+([^"]*)"', sections[0]) == list(SECTIONS)
    assert re.findall(r'aria-current="page">([^<]+)<', sections[0]) == [SECTIONS[path]]
    assert 'href="/monitors/1/settings">Edit<' in page


def test_a_section_reads_and_shows_nothing_of_the_others(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.post(ping_path(panel, monitor_id), content=b"all is well")
    pages = {path: panel.get(f"/monitors/{monitor_id}{path}").text for path in SECTIONS}

    marks = {"": 'id="availability"', "/runs": 'id="runs"', "/log": 'id="log"', "/connect": 'id="w-curl"'}
    marks["/settings"] = 'id="monitor-form"'
    for path, mark in marks.items():
        assert [each for each in pages if mark in pages[each]] == [path]
    assert [each for each in pages if "all is well" in pages[each]] == ["/log"]


@pytest.mark.parametrize("section", ["", "/runs", "/log", "/connect", "/settings"])
def test_a_section_costs_the_same_queries_whatever_there_is(arranged: Arrange, section: str) -> None:  # noqa: F811
    now = clock.now()

    def write(database: Database) -> None:
        make(database, "bare", now=now)
        full = make_up(database, "full", last_ping=now - seconds(8_000), webhook_url=HOOK)
        for n in range(60):
            at = now - seconds(7_000 - 100 * n)
            record(database, a_ping(full, at, Signal.START, rid=f"{RID}{n:02}"))
            end = Signal.FAIL if n % 2 else Signal.SUCCESS
            record(database, a_ping(full, at + seconds(5), end, rid=f"{RID}{n:02}", body=b"said"))

    client = arranged(write)

    def cost(number: int) -> int:
        """Return how many queries it takes by itself; what all pages share is read in these threads once in a while."""
        counts = []
        for _ in range(5):
            with asked_of_the_database() as seen:
                assert client.get(f"/monitors/{number}{section}").status_code == 200
            counts.append(len(seen))
        return min(counts)

    assert cost(1) == cost(2) > 0


@pytest.mark.parametrize("query", ["text=slots", "kind=message", "signal=fail&since=2026-01-01T00:00", "from=3.2.1"])
def test_an_old_address_of_the_log_leads_to_it(panel: TestClient, query: str) -> None:
    monitor_id = create(panel)

    answer = panel.get(f"/monitors/{monitor_id}?{query}&lang=en", follow_redirects=False)

    assert answer.status_code == 303
    assert (
        html.unescape(answer.headers["location"]).replace("%3A", ":") == f"/monitors/{monitor_id}/log?{query}&lang=en"
    )
    assert panel.get(f"/monitors/{monitor_id}?done=saved&lang=en", follow_redirects=False).status_code == 200


def test_the_place_of_a_monitor_leads_to_those_that_share_it(arranged: Arrange) -> None:  # noqa: F811
    def write(database: Database) -> None:
        place = Placement(group="Back & ups", environment="prod", tags=("db",), is_public=False)
        make(database, now=clock.now(), placement=place)

    page = arranged(write).get("/monitors/1").text

    places = re.search(r'<p class="places">.*?</p>', page, re.DOTALL)
    assert places
    assert re.findall(r'href="([^"]+)"', places[0]) == ["/?group=Back+%26+ups", "/?environment=prod", "/?tag=db"]
    assert "private" in places[0]


def test_a_failure_says_how_it_ended_and_what_it_said_last(arranged: Arrange) -> None:  # noqa: F811
    now = clock.now()

    def write(database: Database) -> None:
        monitor = make_up(database, last_ping=now - seconds(100))
        output = "\n".join(f"<b>line {n}</b>" for n in range(20)).encode()
        record(database, a_ping(monitor, now - seconds(50), Signal.FAIL, exit_status=3, body=output))

    client = arranged(write)
    head = client.get("/fragments/monitors/1/head")

    assert "Down down for" in text_of(head)
    assert "failed: exit status 3" in text_of(head)
    assert "last ping" not in text_of(head)
    shown = re.search(r'<div class="said">.*?<pre[^>]*>(.*?)</pre>', head.text, re.DOTALL)
    assert shown
    assert html.unescape(shown[1]).split("\n") == ["… <b>line 10</b>", *(f"<b>line {n}</b>" for n in range(11, 20))]
    assert re.search(r'href="/monitors/1/pings/\d+/body" download', head.text)
    assert "falhou: código de saída 3" in text_of(client.get("/monitors/1/log?lang=pt-BR"))
    assert "line 19" not in client.get("/fragments/monitors/1/head?here=settings").text


def test_silence_says_when_the_ping_was_expected(arranged: Arrange) -> None:  # noqa: F811
    now = clock.now()

    def write(database: Database) -> None:
        make_up(database, last_ping=now - seconds(3_600))
        passes.expire_due(database, now=now, recorded_at=now)

    client = arranged(write)

    assert re.search(
        r"silent: expected \d+ [A-Z][a-z]{2} \d{4}, \d\d:\d\d · last ping", text_of(client.get("/monitors/1"))
    )
    assert re.search(
        r"em silêncio: esperado em \d\d/\d\d/\d{4} \d\d:\d\d · ", text_of(client.get("/monitors/1?lang=pt-BR"))
    )


def test_a_run_that_did_not_end_is_the_cause(arranged: Arrange) -> None:  # noqa: F811
    now = clock.now()

    def write(database: Database) -> None:
        monitor = make_up(database, last_ping=now - seconds(200), max_run_seconds=60)
        record(database, a_ping(monitor, now - seconds(150), Signal.START))
        passes.expire_due(database, now=now, recorded_at=now)

    assert "a run did not end: begun" in text_of(arranged(write).get("/monitors/1"))


def test_what_is_paused_can_be_resumed_at_once(panel: TestClient) -> None:
    monitor_id = create(panel)
    assert "/resume" not in panel.get(f"/fragments/monitors/{monitor_id}/head").text

    panel.post(f"/monitors/{monitor_id}/pause")

    head = panel.get(f"/fragments/monitors/{monitor_id}/head").text
    before_the_menu = head[: head.index('class="menu"')]
    assert f'action="/monitors/{monitor_id}/resume"' in before_the_menu
    assert "/pause" not in head


def not_delivered(database: Database, count: int) -> None:
    """Have *count* messages of monitor 1 fail at their receiver."""
    now = clock.now()
    monitor = make_up(database, last_ping=now - seconds(1_500), webhook_url=HOOK)
    for n in range(count):
        record(database, a_ping(monitor, now - seconds(1_440 - n), Signal.SUCCESS if n % 2 else Signal.FAIL))
    leased = outbox.lease_due(database, now=now, in_flight={})
    outbox.settle(database, [Sent(each, Retry(Reason.CONNECT), now, now, 0) for each in leased])


def test_messages_that_do_not_arrive_stand_in_the_head_and_beside_the_list(arranged: Arrange) -> None:  # noqa: F811
    client = arranged(lambda database: not_delivered(database, 3))

    page = client.get("/monitors/1/runs")
    assert "3 messages not delivered for 24 min (127.0.0.1:9: no connection). Show its messages" in text_of(page)
    assert re.search(r'<a href="/" aria-current="page">Monitors<span class="count">', page.text)
    assert "(3 messages not delivered)" in text_of(client.get("/incidents"))
    log = text_of(client.get("/monitors/1/log?kind=message"))
    assert log.count("not yet delivered") == 3
    assert "on its way" not in log
    portuguese = text_of(client.get("/monitors/1?lang=pt-BR"))
    assert "3 mensagens não entregues há 24 min (127.0.0.1:9: sem conexão)" in portuguese


def test_where_all_arrives_nothing_is_said(panel: TestClient) -> None:
    monitor_id = create(panel)

    page = panel.get(f"/monitors/{monitor_id}").text

    assert "not delivered" not in page
    assert 'class="count"' not in page


# The test ping


def test_a_test_ping_asks_where_it_would_end_an_outage(panel: TestClient) -> None:
    monitor_id = create(panel, webhook_url="http://127.0.0.1:9/closed")
    panel.get(ping_path(panel, monitor_id) + "/fail")

    asked = panel.post(f"/monitors/{monitor_id}/test-ping")

    assert "This will mark it as up, and its outage ends, although no job has run. Its webhook is told." in text_of(
        asked
    )
    assert 'name="sure" value="yes"' in asked.text
    state = panel.get("/api/monitors/backup-noturno", headers={"X-Admin-Token": ADMIN_TOKEN}).json()
    assert (state["status"], state["ping_count"]) == ("DOWN", 1)

    panel.post(f"/monitors/{monitor_id}/test-ping", data={"sure": "yes"})

    history = panel.get("/api/history/backup-noturno", headers={"X-Admin-Token": ADMIN_TOKEN}).json()
    assert (history[0]["new_status"], history[0]["note"]) == ("UP", "A test ping from the panel arrived.")
    log = text_of(panel.get(f"/monitors/{monitor_id}/log?lang=pt-BR"))
    assert "Chegou um sinal de teste enviado pelo painel." in log
    assert "sinal de teste" in log


def test_a_late_monitor_asks_too(arranged: Arrange) -> None:  # noqa: F811
    now = clock.now()
    client = arranged(lambda database: make_up(database, last_ping=now - seconds(270), grace_seconds=3_600) and None)

    assert "PulseMon will take it for the job's own ping" in text_of(client.post("/monitors/1/test-ping"))


def test_a_ping_that_only_says_to_be_a_test_is_none(panel: TestClient) -> None:
    monitor_id = create(panel)

    panel.get(ping_path(panel, monitor_id), headers={"user-agent": "PulseMon panel (test ping)"})

    assert "A test ping" not in text_of(panel.get(f"/monitors/{monitor_id}/log"))


# Connect


@pytest.mark.parametrize(
    ("host", "base_url", "is_warned"),
    [
        ("localhost:8088", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:8088", None, True),
        ("pulsemon.example", None, False),
        ("localhost:8088", "https://pulsemon.example", False),
    ],
)
def test_an_address_that_no_other_machine_reaches_is_named(
    make_client: Callable[..., TestClient], sqlite_url: str, host: str, base_url: str | None, is_warned: bool
) -> None:
    settings = {} if base_url is None else {"base_url": base_url}
    client = make_client(sqlite_url, **settings)
    client.headers.update(PAGE | {"accept-language": "en"})
    log_in(client)
    monitor_id = create(client)

    page = text_of(client.get(f"/monitors/{monitor_id}/connect", headers={"host": host}))

    assert ("Other machines cannot reach this address." in page) == is_warned


def test_a_new_monitor_and_a_new_token_lead_to_the_address(panel: TestClient) -> None:
    made = panel.post("/monitors", data=GOOD)
    assert "Created. Now connect your job." in text_of(made)
    assert 'data-copy="ping-url"' in made.text
    before = ping_path(panel, 1)

    answer = panel.post("/monitors/1/rotate-token")

    assert str(answer.url).endswith("/monitors/1/connect?done=rotated")
    assert "The token was replaced." in text_of(answer)
    assert before not in answer.text
    assert ping_path(panel, 1) in answer.text


# The log's times


def test_times_of_a_zone_are_read_by_its_clock() -> None:
    wanted, problems = log_filter.read_filter({"since": "2026-01-01T10:00"}, zone=ZoneInfo("America/Sao_Paulo"))

    assert (wanted.since, problems) == (datetime(2026, 1, 1, 13, tzinfo=UTC), ())
    assert log_filter.read_filter({"since": "2026-01-01T10:00"})[0].since == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_the_log_is_searched_by_the_readers_own_clock(panel: TestClient) -> None:
    monitor_id = create(panel)
    panel.get(ping_path(panel, monitor_id))
    plain = panel.get(f"/monitors/{monitor_id}/log").text
    assert '<input type="hidden" name="zone" value="" data-zone>' in plain
    assert "From (<span data-zone-of>UTC</span>)" in plain

    query = "since=2026-01-01T10:00&zone=America/Sao_Paulo"
    page = panel.get(f"/monitors/{monitor_id}/log?{query}&text=nothing").text

    assert 'value="2026-01-01T10:00"' in page
    assert 'name="zone" value="America/Sao_Paulo"' in page
    assert "zone=America%2FSao_Paulo" in page
    wrong = panel.get(f"/monitors/{monitor_id}/log?since=2026-01-01T10:00&zone=Mars/Olympus").text
    assert 'name="zone" value="UTC"' in wrong


def test_a_cause_that_nobody_knows_leaves_no_gap(arranged: Arrange) -> None:  # noqa: F811
    now = clock.now()

    def write(database: Database) -> None:
        monitor = make_up(database, last_ping=now - seconds(100))
        set_by_hand(database, monitor, status="DOWN", due_at=None, down_cause=None)

    assert "· ·" not in text_of(arranged(write).get("/monitors/1"))
