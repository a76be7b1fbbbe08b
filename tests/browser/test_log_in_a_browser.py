"""A monitor's runs and the search through its log in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from pulsemon import clock
from pulsemon.core.status import Signal
from pulsemon.db import Database
from tests.arrange import a_ping, make, record
from tests.browser.conftest import Tab, in_every_look, ping
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server

RID = "0b2b2b2b-1111-4111-8111-1111111111"


def with_runs(database_url: str, count: int = 60) -> None:
    """Write a monitor of that many runs, the third of them a failure, the last one open, in the last hours."""
    database = Database.open(database_url)
    try:
        database.migrate()
        begun = clock.now() - timedelta(minutes=2 * count)
        monitor = make(database, "backup", now=begun, interval_seconds=3_600, max_run_seconds=90, failures_to_down=3)
        for number in range(count):
            at = begun + timedelta(minutes=2 * number)
            fields = {"rid": f"{RID}{number:02}", "method": "POST", "user_agent": "U" * 250}
            record(database, a_ping(monitor, at, Signal.START, **fields))
            if number < count - 1:
                end = Signal.FAIL if number == 2 else Signal.SUCCESS
                body = b"line of output\n" * 300 + (b"ERROR: no space" if end is Signal.FAIL else b"ok")
                length = timedelta(seconds=20 + number % 7)
                record(database, a_ping(monitor, at + length, end, body=body, exit_status=0, **fields))
        record(database, a_ping(monitor, clock.now(), Signal.FAIL, exit_status=3, rid=f"{RID}99"))
    finally:
        database.close()


@in_every_look
def test_runs_and_filters_fit_and_axe_finds_nothing(
    make_tab: Callable[..., Tab],
    make_server: Callable[..., Server],
    sqlite_url: str,
    locale: str,
    color_scheme: str,
    width: int,
) -> None:
    with_runs(sqlite_url)
    tab = make_tab(make_server(sqlite_url), locale=locale, color_scheme=color_scheme, width=width)
    tab.log_in()
    found = []
    for path in (
        "/monitors/1",
        "/monitors/1/runs",
        "/monitors/1/log?text=error",
        "/monitors/1/log?since=x&until=y&signal=z",
        "/status",
    ):
        page = tab.open(path)
        for each in page.locator("details:not(.menu) > summary:visible").all():
            each.click()
        assert fits(page), path
        found += tab.axe()

    assert found == []


def test_a_search_needs_no_scripts_and_its_address_keeps_it(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    with_runs(sqlite_url)
    tab = make_tab(make_server(sqlite_url), java_script_enabled=False)
    tab.log_in()
    page = tab.open("/monitors/1/log?kind=ping")
    page.click("#log-filters > summary")
    page.fill("#f-log-text", "error: NO space")
    page.select_option("#f-log-signal", "fail")
    page.fill("#f-log-since", "2020-01-01T00:00")
    page.click(".filters button")

    expect(page.locator(".log > li")).to_have_count(1)
    expect(page.locator(".log pre")).to_contain_text("ERROR: no space")
    page.reload()
    expect(page.locator(".log > li")).to_have_count(1)
    expect(page.locator("#f-log-since")).to_have_value("2020-01-01T00:00")
    page.click(".filters a")
    expect(page.locator(".log > li")).to_have_count(40)


def test_half_a_word_stays_while_the_page_refreshes(tab: Tab) -> None:
    monitor = tab.server.create()
    ping(tab.server, monitor)
    tab.log_in()
    page = tab.open("/monitors/1/log")
    page.click("#log-filters > summary")
    page.fill("#f-log-text", "half a wo")

    ping(tab.server, monitor, "/fail")

    expect(page.locator("#record")).to_contain_text("Up → Down")
    expect(page.locator("#f-log-text")).to_have_value("half a wo")
    expect(page.locator("#f-log-text")).to_be_focused()


def test_the_chart_says_in_words_what_it_draws(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    with_runs(sqlite_url)
    tab = make_tab(make_server(sqlite_url), color_scheme="dark")
    tab.log_in()
    page = tab.open("/monitors/1/runs")

    chart = page.get_by_role("img", name="How long the last 59 runs took")
    expect(chart).to_be_visible()
    expect(page.locator("#chart-text")).to_contain_text("1 run failed. Half of them took at most 23 s")
    # A mark is as round on a wide screen as on a narrow one, and has the colour of its class.
    box = page.locator(".plot circle").first.bounding_box()
    assert box
    assert box["width"] == pytest.approx(box["height"], abs=0.6)
    fill = page.locator(".plot circle").first.evaluate("each => getComputedStyle(each).fill")
    assert fill == "rgb(79, 199, 142)"
