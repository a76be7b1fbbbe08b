"""The list of monitors in a real browser: what is wrong stands first and says why, while one looks and selects."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, ping
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server

OUTPUT = "pg_dump: connecting\npg_dump: error: no space left on device"


def furnish(server: Server, count: int, **fields: object) -> None:
    with httpx2.Client(base_url=server.url, headers=server.headers) as client:
        bodies = [
            {"name": f"Job {number:03}", "slug": f"job-{number:03}", "interval_seconds": 3600} | fields
            for number in range(count)
        ]
        client.post("/api/monitors", json=bodies).raise_for_status()


def names(page: Page) -> list[str]:
    return page.locator(".row .name").all_inner_texts()


def fail(server: Server, slug: str) -> None:
    monitor = httpx2.get(f"{server.url}/api/monitors/{slug}", headers=server.headers).json()
    ping(server, monitor, "/1", content=OUTPUT.encode())


def test_what_fails_comes_to_the_top_with_its_reason_and_nothing_selected_or_focused_is_lost(tab: Tab) -> None:
    furnish(tab.server, 30)
    page = tab.log_in()
    page.locator("#m-5 .pick").check()
    page.locator("#m-7 .name").focus()

    fail(tab.server, "job-019")

    top = page.locator(".row").first
    expect(top).to_contain_text("Job 019")
    expect(top).to_contain_text("failed: exit status 1")
    expect(top).to_contain_text("no space left on device")
    expect(page).to_have_title("(1) Monitors · PulseMon")
    expect(page.locator("#m-5 .pick")).to_be_checked()
    expect(page.locator("#m-7 .name")).to_be_focused()
    expect(page.locator(".bulk .tally:visible")).to_have_text("1 selected")
    assert tab.axe() == []


def test_filters_follow_and_the_way_back_from_a_monitor_keeps_them(tab: Tab) -> None:
    furnish(tab.server, 3, group="Backups", tags=["db"])
    tab.server.create(slug="other", name="Other")
    page = tab.log_in()

    page.select_option("#f-group", "Backups")
    expect(page.locator(".row")).to_have_count(3)
    page.fill("#q", "002 db")
    expect(page.locator(".row")).to_have_count(1)
    assert parse_qs(urlsplit(page.url).query) == {"q": ["002 db"], "group": ["Backups"]}

    page.locator(".row .name").click()
    page.wait_for_selector("h1")
    page.get_by_role("link", name="← Monitors").click()

    expect(page.locator("#q")).to_have_value("002 db")
    expect(page.locator("#f-group")).to_have_value("Backups")
    expect(page.locator(".row")).to_have_count(1)


def test_several_are_selected_from_here_to_there_and_all_that_fit_at_once(tab: Tab) -> None:
    furnish(tab.server, 130)
    page = tab.log_in()
    expect(page.locator(".row")).to_have_count(100)

    page.locator(".pick").nth(1).click()
    page.locator(".pick").nth(4).click(modifiers=["Shift"])
    expect(page.locator(".bulk .tally:visible")).to_have_text("4 selected")
    page.get_by_label("All that fit").check()
    expect(page.locator(".bulk .tally:visible")).to_have_text("130 selected")
    page.get_by_role("button", name="Pause").click()

    expect(page.locator(".chips .is-paused b")).to_have_text("130")


def test_what_is_selected_stays_so_while_another_search_is_shown(tab: Tab) -> None:
    furnish(tab.server, 30)
    page = tab.log_in()
    page.locator("#q").fill("001")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".pick").check()
    page.locator("#q").fill("002")
    expect(page.locator(".row .slug")).to_contain_text("002")
    expect(page.locator(".bulk .tally:visible")).to_have_text("1 selected (1 of them not shown)")
    page.locator(".pick").check()
    expect(page.locator(".bulk .tally:visible")).to_have_text("2 selected (1 of them not shown)")
    page.locator("#q").fill("")
    expect(page.locator(".row")).to_have_count(30)
    expect(page.locator(".bulk .tally:visible")).to_have_text("2 selected")
    expect(page.locator(".pick:checked")).to_have_count(2)
    page.get_by_label("All that fit").check()
    page.locator("#q").fill("003")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.get_by_label("All that fit")).not_to_be_checked()
    expect(page.locator(".bulk .tally:visible")).to_have_text("2 selected (2 of them not shown)")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("link", name="Show all").click()

    expect(page.locator(".chips .is-paused b")).to_have_text("2")


def test_a_list_that_a_refusal_brought_goes_on_being_the_one_that_was_asked_for(tab: Tab) -> None:
    furnish(tab.server, 30)
    tab.log_in()
    page = tab.open("/?q=job-01")
    expect(page.locator(".row")).to_have_count(10)
    page.locator(".pick").first.check()
    page.get_by_label("All that fit").check()
    page.fill("#bulk-tag", "x" * 45)
    page.get_by_role("button", name="Add tags", exact=True).click()
    expect(page.locator("#e-bulk-tag")).to_be_visible()
    with page.expect_response("**/fragments/list?q=job-01"):
        tab.server.create(slug="other", name="Other")
    expect(page.locator(".bulk .tally:visible")).to_have_text("10 selected")
    expect(page.locator(".row")).to_have_count(10)

    page.fill("#bulk-tag", "fine")
    page.get_by_role("button", name="Add tags", exact=True).click()
    expect(page.locator(".done")).to_be_visible()
    tagged = [each["slug"] for each in tab.server.get("/api/monitors") if "fine" in each["tags"]]
    assert sorted(tagged) == [f"job-01{number}" for number in range(10)]
    page.locator(".row a").first.click()
    page.get_by_role("link", name="Monitors").last.click()
    expect(page.locator("#q")).to_have_value("job-01")


def test_a_wrong_tag_is_said_at_its_field_and_the_selection_stays(tab: Tab) -> None:
    furnish(tab.server, 3)
    page = tab.log_in()
    page.locator(".pick").nth(1).check()
    page.get_by_role("button", name="Add tags", exact=True).click()

    expect(page.locator("#e-bulk-tag")).to_be_visible()
    expect(page.locator("#bulk-tag")).to_be_focused()
    expect(page.locator(".pick").nth(1)).to_be_checked()
    assert tab.axe() == []


def test_a_long_list_is_leafed_through_by_keys_alone(tab: Tab) -> None:
    furnish(tab.server, 120)
    page = tab.log_in()
    first = names(page)

    page.get_by_role("link", name="Next", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**after=*")
    assert names(page) == [f"Job {number:03}" for number in range(100, 120)]
    page.get_by_role("link", name="Previous").press("Enter")
    page.wait_for_url("**before=*")
    assert names(page) == first


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [
        (320, "light", "en"),
        (360, "dark", "pt-BR"),
        (768, "light", "pt-BR"),
        (1280, "dark", "en"),
        (1920, "light", "en"),
    ],
)
def test_rows_fit_every_width_and_are_low_on_wide_ones(
    make_tab: Callable[..., Tab], server: Server, width: int, scheme: str, locale: str
) -> None:
    furnish(server, 30, tags=["a-tag-of-forty-characters-" + "x" * 14, "b"], group="A group " + "x" * 50)
    server.create(slug="long", name="Ein Name " + "x" * 190)
    server.create(slug="rtl", name="مراقبة 🚀")
    fail(server, "job-003")
    tab = make_tab(server, width=width, color_scheme=scheme, locale=locale)
    page = tab.log_in()

    assert fits(page)
    assert tab.axe() == []
    if width >= 1280:
        heights = page.locator(".row").evaluate_all("rows => rows.map(row => row.getBoundingClientRect().height)")
        assert {height for height in heights if not 44 <= height <= 52} == set()


def test_without_scripts_the_filters_and_the_forms_for_several_work(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    furnish(server, 3, tags=["db"])
    server.create(slug="other", name="Other")
    page = make_tab(server, java_script_enabled=False).log_in()

    page.select_option("#f-tag", "db")
    page.get_by_role("button", name="Show", exact=True).click()
    assert len(names(page)) == 3
    page.get_by_label("All that fit").check()
    page.get_by_role("button", name="Pause").click()

    assert "tag=db" in page.url
    expect(page.locator(".row.is-paused")).to_have_count(3)
