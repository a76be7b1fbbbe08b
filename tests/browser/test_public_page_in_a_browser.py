"""The public page as its readers use it: days by finger and by keys, groups that open, and a server that is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from pulsemon import clock
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.web.html import bars
from pulsemon.web.html.words import Words
from pulsemon.web.public.sections import MAX_UNFOLDED
from tests.arrange import a_ping, make, record
from tests.browser.conftest import Tab, ping
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server

YEAR_SEC = 365 * 86_400


def furnish(database_url: str, *, count: int = 1, groups: tuple[str | None, ...] = (None,)) -> None:
    """Monitors that are watched for a hundred days; each was down for 23 minutes, sixty days ago."""
    database = Database.open(database_url)
    database.migrate()
    now = clock.now()
    for number in range(count):
        group = groups[number % len(groups)]
        begun, failed_at = now - timedelta(days=100), now - timedelta(days=60)
        monitor = make(
            database, f"job-{number}", now=begun, interval_seconds=YEAR_SEC, placement=Placement(group=group)
        )
        record(
            database,
            a_ping(monitor, begun),
            a_ping(monitor, failed_at, Signal.FAIL),
            a_ping(monitor, failed_at + timedelta(minutes=23)),
        )
    database.close()


def name_of(days_ago: int, locale: str = "en") -> str:
    now = clock.now()
    return bars.short_date((now - timedelta(days=days_ago)).date(), Words(locale, now))


def place_of(page: Page, place: int) -> tuple[float, float]:
    """Return the middle of a day in the first drawing."""
    box = page.locator("[data-looks] > .bars").first.bounding_box()
    assert box
    return box["x"] + box["width"] * (place + 0.5) / 90, box["y"] + box["height"] / 2


def test_a_day_is_read_by_a_finger_a_pointer_and_keys(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    furnish(sqlite_url, count=2)
    server = make_server(sqlite_url)
    tab = make_tab(server, width=360, has_touch=True, locale="pt-BR")
    page = tab.open("/status")
    drawing, said = page.locator("[data-looks] > .bars").first, page.locator(".axis output").first
    expect(page.locator(".axis").first).to_contain_text("90 dias atrás")
    expect(page.locator(".legend")).to_contain_text("Queda")

    page.touchscreen.tap(*place_of(page, 29))
    expect(said).to_have_text(f"{name_of(60, 'pt-BR')}: fora do ar por 23 min")
    page.mouse.move(*place_of(page, 10))
    expect(said).to_have_text(f"{name_of(79, 'pt-BR')}: nenhuma queda")
    assert tab.axe() == []

    drawing.focus()
    page.keyboard.press("Home")
    expect(drawing).to_have_attribute("aria-valuetext", name_of(89, "pt-BR"))
    page.keyboard.press("ArrowRight")
    expect(said).to_have_text(f"{name_of(88, 'pt-BR')}: nenhuma queda")
    page.keyboard.press("End")
    expect(drawing).to_have_attribute("aria-valuenow", "90")
    page.keyboard.press("PageUp")
    expect(drawing).to_have_attribute("aria-valuenow", "90")
    page.keyboard.press("Tab")
    expect(said).to_be_empty()
    assert page.evaluate("document.activeElement.matches('[data-looks] > .bars')"), "one stop for each monitor"


def test_without_scripts_a_list_tells_of_the_days_with_an_outage(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    furnish(sqlite_url)
    page = make_tab(make_server(sqlite_url), java_script_enabled=False).open("/status")

    page.click(".told summary")

    expect(page.locator(".told li")).to_have_text([f"{name_of(60)}: down for 23 min"])


def test_the_panels_bars_are_read_the_same_way_and_stay_so_when_they_are_drawn_anew(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    furnish(sqlite_url)
    server = make_server(sqlite_url)
    tab = make_tab(server)
    tab.log_in()
    page = tab.open("/monitors/1")
    drawing = page.locator("#record [data-looks] > .bars")
    drawing.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#record .axis output")).to_have_text(f"{name_of(1)}: no outage")

    with page.expect_response(lambda answer: "/fragments/monitors/1/overview" in answer.url):
        ping(server, server.get("/api/monitors/job-0"), "/fail")
    expect(page.locator("#record")).to_contain_text("still down")

    expect(drawing).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#record .axis output")).to_have_text(f"{name_of(2)}: no outage")
    page.locator("h1").click()
    with page.expect_response(lambda answer: "/fragments/monitors/1/overview" in answer.url):
        ping(server, server.get("/api/monitors/job-0"))
    expect(page.locator("#record")).not_to_contain_text("still down")
    expect(drawing).to_have_attribute("aria-valuenow", "90")
    assert tab.axe() == []


GROUPS = ("Loja", "Cópias & mais", None)


@pytest.fixture
def large(make_server: Callable[..., Server], sqlite_url: str) -> Server:
    """A page of so many monitors that its groups are folded."""
    furnish(sqlite_url, count=MAX_UNFOLDED + 1, groups=GROUPS)
    return make_server(sqlite_url)


@pytest.mark.parametrize(("width", "scheme", "locale"), [(320, "dark", "pt-BR"), (1280, "light", "en")])
def test_a_folded_group_gets_its_days_when_it_is_opened_and_opens_when_something_is_wrong(
    make_tab: Callable[..., Tab], large: Server, width: int, scheme: str, locale: str
) -> None:
    tab = make_tab(large, width=width, color_scheme=scheme, locale=locale)
    page = tab.open("/status")
    groups = page.locator("details.group")
    expect(groups).to_have_count(3)
    assert page.locator("li[data-slug]").count() == MAX_UNFOLDED + 1
    assert page.locator("[data-looks]").count() == 0
    assert tab.axe() == []

    groups.nth(1).locator("summary").first.click()
    expect(groups.nth(1).locator("[data-looks]")).to_have_count(67)
    drawing = groups.nth(1).locator("[data-looks] > .bars").first
    drawing.focus()
    page.keyboard.press("Home")
    expect(groups.nth(1).locator(".axis output").first).to_contain_text(name_of(89, locale))
    assert fits(page)
    assert tab.axe() == []

    ping(large, large.get("/api/monitors/job-0"), "/fail")
    expect(groups.nth(0)).to_have_attribute("open", "")  # by the next refresh
    expect(groups.nth(0).locator("summary").first).to_contain_text("Fora do ar: 1" if locale == "pt-BR" else "Down: 1")
    expect(drawing).to_be_focused()
    expect(groups.nth(1).locator("[data-looks]")).to_have_count(67)
    expect(groups.nth(2)).not_to_have_attribute("open", "")


def test_without_scripts_a_link_opens_a_group_with_its_days(make_tab: Callable[..., Tab], large: Server) -> None:
    page = make_tab(large, java_script_enabled=False).open("/status?lang=en")
    for number in (1, 2):
        group = page.locator("details.group").nth(number)
        group.locator("summary").first.click()
        group.locator(".show a").click()

        group = page.locator("details.group").nth(number)
        expect(group).to_have_attribute("open", "")
        expect(group.locator("[data-looks]")).to_have_count(67)
        expect(page.locator("li[data-slug]")).to_have_count(MAX_UNFOLDED + 1)


def test_a_page_that_has_lost_its_server_says_so_and_comes_back_by_itself(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str
) -> None:
    furnish(sqlite_url)
    server = make_server(sqlite_url)
    tab = make_tab(server)
    page = tab.page
    page.clock.install()
    tab.open("/status")
    expect(page.locator("[data-age]")).to_contain_text("Updated 0 s ago")

    page.clock.run_for(7_000)
    expect(page.locator("[data-age]")).to_have_text("Updated 7 s ago")
    page.route("**/status", lambda route: route.abort())
    page.clock.run_for(3_500)
    expect(page.locator("#silence")).to_be_hidden()
    as_of = page.locator("time.as-of").text_content()
    for _ in range(3):
        with page.expect_event("requestfailed"):
            page.clock.run_for(10_500)
    page.clock.run_for(1_500)
    expect(page.locator("#silence")).to_have_text(f"No answer since {as_of}")
    assert tab.axe() == []

    page.unroute("**/status")
    with page.expect_response("**/status"):
        page.clock.run_for(10_500)
    expect(page.locator("#silence")).to_be_hidden()
    expect(page.locator("[data-age]")).to_contain_text("Updated")
    tab.troubles = [each for each in tab.troubles if "ERR_FAILED" not in each]  # it was we who cut it off
