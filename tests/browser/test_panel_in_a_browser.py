"""What a person sees in a real browser: states that change by themselves, both languages, any width, any light."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from pulsemon import clock
from tests.arrange import with_a_past
from tests.browser.conftest import Tab, in_every_look, ping
from tests.conftest import Server, wait_until


def fits(page: Page) -> bool:
    """Return whether nothing sticks out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_the_first_minute_from_login_to_green(tab: Tab) -> None:
    page = tab.log_in()
    expect(page.locator("h1")).to_have_text("Your first monitor")
    expect(page.locator("#f-name")).to_be_focused()
    page.keyboard.type("Backup Noturno à 100 %")
    expect(page.locator("#f-slug")).to_have_value("backup-noturno-a-100")
    page.get_by_role("button", name="1 h", exact=True).click()
    expect(page.locator("#f-interval_seconds")).to_have_value("1 h")
    expect(page.locator("#f-grace_seconds")).to_have_value("12 min")
    page.click("text=Create and connect")

    expect(page.locator("#head .word")).to_have_text("Waiting")
    expect(page.locator("#head")).to_contain_text("waiting for the first ping")
    httpx2.get(page.locator("#ping-url").inner_text())

    expect(page.locator("#head .word")).to_have_text("Up")
    assert tab.axe() == []
    page.click(".sections >> text=Log")
    expect(page.locator("#record")).to_contain_text("Waiting → Up")


def test_the_list_changes_by_itself_and_the_title_counts_what_is_down(tab: Tab) -> None:
    good = tab.server.create(slug="good", name="Good")
    bad = tab.server.create(slug="bad", name="Bad")
    page = tab.log_in()
    for monitor in (good, bad):
        ping(tab.server, monitor)
        expect(page.locator(f"li:has-text('{monitor['slug']}') .state")).to_have_text("Up")

    ping(tab.server, bad, "/fail")

    expect(page.locator(".list li").first).to_contain_text("Bad")
    expect(page.locator(".list li").first).to_contain_text("Down")
    expect(page).to_have_title("(1) Monitors · PulseMon")


def test_a_monitor_that_falls_silent_goes_down_on_screen(tab: Tab) -> None:
    monitor = tab.server.create(interval_seconds=1)
    page = tab.log_in()
    ping(tab.server, monitor)

    expect(page.locator(".list .state")).to_have_text("Down")


def test_searching_filters_while_typing_and_the_address_follows(tab: Tab) -> None:
    for slug in ("alpha", "beta"):
        tab.server.create(slug=slug, name=slug.title())
    page = tab.log_in()

    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("bet")

    expect(page.locator(".list li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/\?q=bet$"))
    page.reload()
    expect(page.locator(".list li")).to_have_count(1)
    tab.server.create(slug="gamma", name="Gamma")  # a change elsewhere keeps the filter
    expect(page.locator(".chips a").first).to_contain_text("1")
    expect(page.locator(".list li")).to_have_count(1)


def test_keys_open_the_form_and_the_help(tab: Tab) -> None:
    tab.server.create()
    page = tab.log_in()

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")

    expect(page).to_have_url(re.compile("/monitors/new$"))
    page.fill("#f-name", "no / shortcuts ? while n typing")
    expect(page.locator("#f-name")).to_have_value("no / shortcuts ? while n typing")


def test_copy_copies_the_ping_url(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server, permissions=["clipboard-read", "clipboard-write"])
    monitor = server.create()
    page = tab.log_in()
    page.click(".list a")
    page.click(".sections >> text=Connect")

    page.click("[data-copy=ping-url]")

    expect(page.locator("[data-copy=ping-url]")).to_have_text("Copied")
    page.goto(f"{server.url}/monitors/new")  # no page of ours may read the clipboard; a person may paste
    page.locator("[name=name]").press("ControlOrMeta+v")
    expect(page.locator("[name=name]")).to_have_value(f"{server.url}/h/{monitor['slug']}/{monitor['token']}")


def test_every_way_to_connect_shows_its_lines(tab: Tab) -> None:
    tab.server.create()
    page = tab.log_in()
    page.click(".list a")
    page.click(".sections >> text=Connect")

    for key in ("curl", "cron", "run", "systemd", "github", "kubernetes", "powershell", "python"):
        page.click(f"label[for=w-{key}]")
        expect(page.locator(".tab:visible")).to_have_count(1)
        expect(page.locator(f"#l-{key}")).to_be_visible()


def test_what_somebody_opened_stays_open_while_the_page_refreshes(tab: Tab) -> None:
    monitor = tab.server.create()
    ping(tab.server, monitor, content=b"all is well")
    page = tab.log_in()
    tab.open("/monitors/1/log")
    page.click("#record .log summary")
    expect(page.locator("#record details pre")).to_have_text("all is well")

    ping(tab.server, monitor, "/fail")

    expect(page.locator("#head .state")).to_have_text("Down")
    expect(page.locator("#record")).to_contain_text("Up → Down")
    expect(page.locator("#record details pre")).to_be_visible()


def test_a_failed_form_focuses_the_first_wrong_field(tab: Tab) -> None:
    page = tab.log_in()
    page.fill("#f-name", "Job")
    page.fill("#f-interval_seconds", "often")
    page.click("main button.primary")
    expect(page.locator("#problems")).to_contain_text("1 field needs correction")

    expect(page.locator("#f-interval_seconds")).to_be_focused()
    expect(page.locator("#e-interval_seconds")).to_be_visible()
    expect(page.locator("#f-name")).to_have_value("Job")
    assert tab.axe() == []


def test_who_types_before_the_script_has_come_gets_its_proposals_too(tab: Tab) -> None:
    page = tab.log_in()
    held: list[Route] = []
    page.route("**/forms.js*", lambda route: held.append(route))
    page.goto(f"{tab.server.url}/monitors/new", wait_until="commit")
    page.fill("#f-name", "Nightly backup")
    wait_until(lambda: page.wait_for_timeout(10) or held)
    expect(page.locator("#f-slug")).to_have_value("")

    held[0].continue_()

    expect(page.locator("#f-slug")).to_have_value("nightly-backup")
    page.fill("#f-name", "Weekly backup")
    expect(page.locator("#f-slug")).to_have_value("weekly-backup")


def test_a_session_that_ended_leads_to_the_login(tab: Tab) -> None:
    tab.server.create()
    page = tab.log_in()
    page.context.clear_cookies()

    tab.server.create(slug="another")  # a change makes the page ask anew

    expect(page.locator("[name=token]")).to_be_visible()


def test_a_server_that_went_away_is_told_and_found_again(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server)
    server.create()
    page = tab.log_in()
    server.stop()
    expect(page.locator("#offline")).to_be_visible()

    server.start_again()

    expect(page.locator("#offline")).to_be_hidden()
    # Chromium reports the refused connections; they are what this test is about.
    tab.troubles[:] = [each for each in tab.troubles if "ERR_" not in each and "Failed to fetch" not in each]


def test_everything_works_without_scripts(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server, java_script_enabled=False)
    page = tab.log_in()
    page.fill("#f-name", "Backup")
    page.fill("#f-slug", "backup")
    page.click("main button.primary")
    expect(page.locator("#head .word")).to_have_text("Waiting")
    page.click("main form:not(.entries form) >> text=Send a test ping")
    expect(page.locator("#head .word")).to_have_text("Up")
    page.click("#menu > summary")
    page.click("text=Pause")
    expect(page.locator("#head .word")).to_have_text("Paused")
    page.click("#menu > summary")
    page.click("text=Delete…")
    page.click("text=Delete for good")
    expect(page.locator("h1")).to_have_text("Your first monitor")
    page.click("text=Log out")
    expect(page.locator("[name=token]")).to_be_visible()


@in_every_look
def test_every_page_fits_and_axe_finds_nothing(
    make_tab: Callable[..., Tab], server: Server, locale: str, color_scheme: str, width: int
) -> None:
    tab = make_tab(server, locale=locale, color_scheme=color_scheme, width=width, reduced_motion="reduce")
    long = server.create(name="W" * 200, slug="x" * 100, webhook_url="http://127.0.0.1:9/hook")
    late, paused = server.create(slug="late", interval_seconds=1, grace_seconds=600), server.create(slug="paused")
    server.create(slug="waiting")
    ping(server, long, "/start?rid=0b2b2b2b-1111-4111-8111-111111111111", headers={"user-agent": "U" * 250})
    ping(server, long, "/3", content=b"x" * 9_000)
    ping(server, late)
    httpx2.post(f"{server.url}/api/monitors/paused/pause", headers=server.headers)
    assert paused["status"] == "UNKNOWN"
    correction = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z", "reason": "W" * 500}
    httpx2.post(f"{server.url}/api/monitors/{'x' * 100}/corrections", json=correction, headers=server.headers)
    found = []

    def look(path: str) -> None:
        page = tab.open(path)
        for each in page.locator("details:not(.menu) > summary:visible").all():
            each.click()
        assert fits(page), path
        found.extend(tab.axe())

    look("/")
    page = tab.log_in()
    assert page.locator("html").get_attribute("lang") == locale
    paths = ["/", "/?q=nothing", "/monitors/new", "/monitors/1", "/monitors/1/log?kind=message", "/monitors/4"]
    paths += [f"/monitors/1/{section}" for section in ("runs", "log", "connect", "settings", "test-ping")]
    paths += ["/monitors/1/report", "/monitors/1/report?month=2099-01", "/monitors/1/outages/1/exclude"]
    for path in [*paths, "/monitors/1/delete", "/monitors/1/rotate-token", "/nothing", "/status"]:
        look(path)
    tab.open("/").keyboard.press("?")
    found.extend(tab.axe())

    assert found == []


@pytest.mark.parametrize(("width", "color_scheme"), [(360, "dark"), (768, "light")])
def test_the_menu_opens_by_keyboard_and_closes_on_escape_and_outside(
    make_tab: Callable[..., Tab], server: Server, width: int, color_scheme: str
) -> None:
    tab = make_tab(server, width=width, color_scheme=color_scheme)
    monitor = server.create(webhook_url="http://127.0.0.1:9/hook")
    tab.log_in()
    page = tab.open("/monitors/1/runs")
    entries, summary = page.locator("#menu .entries"), page.locator("#menu > summary")

    summary.press("Enter")
    expect(entries).to_be_visible()
    box = entries.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.keyboard.press("Tab")
    expect(entries.locator("button").first).to_be_focused()
    ping(server, monitor)  # the head is drawn anew, and what is open in it stays so
    expect(page.locator("#head .state")).to_have_text("Up")
    expect(entries).to_be_visible()
    assert fits(page)
    assert tab.axe() == []

    page.keyboard.press("Escape")
    expect(entries).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    expect(entries).to_be_visible()
    page.locator("h1").click()
    expect(entries).to_be_hidden()

    summary.click()
    page.click("text=Pause")
    expect(page.locator("#head .word")).to_have_text("Paused")
    page.click("#head .heading > .buttons > form >> text=Resume")
    expect(page.locator("#head .word")).to_have_text("Waiting")


def test_a_search_by_time_goes_by_the_readers_clock(tab: Tab) -> None:
    ping(tab.server, tab.server.create())
    tab.log_in()
    page = tab.open("/monitors/1/log")
    page.click("#log-filters > summary")
    expect(page.locator("[data-zone-of]").first).to_have_text("America/Sao_Paulo")
    minutes_west = page.evaluate("new Date().getTimezoneOffset()")
    local = (clock.now() - timedelta(minutes=minutes_west + 5)).strftime("%Y-%m-%dT%H:%M")
    page.fill("#f-log-since", local)
    page.click(".filters button")

    expect(page.locator(".log > li").first).to_be_visible()  # read as UTC, these would be the last three hours
    expect(page.locator("#f-log-since")).to_have_value(local)
    page.fill("#f-log-since", "")
    page.fill("#f-log-until", local)
    page.click(".filters button")
    expect(page.locator("#record .empty")).to_be_visible()  # and this would find the ping


@pytest.mark.parametrize("width", [360, 1280])
def test_names_in_the_list_have_the_room_that_there_is(
    make_tab: Callable[..., Tab], server: Server, width: int
) -> None:
    """On a phone the columns of a desk stood side by side, and a name had one syllable a line."""
    tab = make_tab(server, width=width)
    ping(server, server.create(name="Sincronização do estoque"))
    page = tab.log_in()

    who, row = (page.locator(part).first.bounding_box() for part in (".row .who", ".row"))

    assert who
    assert row
    assert who["width"] > row["width"] * (0.6 if width < 768 else 0.3)  # beside it six columns stand on a desk


def test_controls_are_large_enough_to_be_touched(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server, width=360)
    ping(server, server.create(webhook_url="http://127.0.0.1:9/hook"), "/fail", content=b"body")
    page = tab.log_in()
    small = []
    for path in ("/", "/monitors/new", "/monitors/1", "/status"):
        tab.open(path)
        for each in page.locator("details:not(.menu) > summary:visible").all():
            each.click()
        for each in page.locator("button:visible, a.button:visible, nav a:visible, summary:visible, .tabs label").all():
            box = each.bounding_box()
            if box and min(box["height"], box["width"]) < 43.5 and box["width"] > 1:
                small.append((path, each.inner_text(), box))

    assert small == []


def test_the_public_page_refreshes_in_place_and_works_without_scripts(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    monitor = server.create()
    quiet = make_tab(server, java_script_enabled=False)
    expect(quiet.open("/status").locator("li[data-slug]")).to_contain_text("Waiting")
    tab = make_tab(server)
    page = tab.open("/status")

    ping(server, monitor)
    wait_until(lambda: 'data-status="UP"' in httpx2.get(f"{server.url}/status").text)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator("li[data-slug]")).to_contain_text("Up")
    expect(page.locator(".overall")).to_have_text("All systems operational.")


def test_times_are_in_the_readers_zone_with_scripts(tab: Tab) -> None:
    ping(tab.server, tab.server.create())
    page = tab.log_in()
    page.click(".list a")

    expect(page.locator("#head time").first).to_have_attribute("title", re.compile(r"\(Brasilia Time\)$"))


@pytest.mark.parametrize("width", [360, 1280])
def test_a_suggestion_is_tried_and_taken(
    make_tab: Callable[..., Tab], make_server: Callable[..., Server], sqlite_url: str, width: int
) -> None:
    with_a_past(sqlite_url, now=clock.now())
    tab = make_tab(make_server(sqlite_url), width=width)
    tab.log_in()
    page = tab.open("/monitors/1/settings")
    page.locator("#suggestion").scroll_into_view_if_needed()
    expect(page.locator("#suggestion")).to_contain_text("give or take 11 s")
    page.click("#what-if summary")
    page.fill("#f-try-grace_seconds", "-1")
    page.click("#what-if button")
    expect(page.locator("#what-if .wrong")).to_contain_text("must lie between 0")
    page.fill("#f-try-grace_seconds", "0")
    page.click("#what-if button")
    expect(page.locator("#what-if .outages li")).to_have_count(20)
    assert fits(page)
    assert tab.axe() == []

    page.click("text=Use these settings")

    expect(page.locator(".done")).to_have_text("Saved.")
    expect(page.locator("#head")).to_contain_text("1 min")


def test_the_page_of_the_api_is_light_or_dark_as_the_reader_has_it(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    page = make_tab(server, color_scheme="dark").open("/docs")
    shown = page.locator(".swagger-ui").first
    expect(shown).to_have_css("background-color", "rgb(28, 32, 34)")

    page.emulate_media(color_scheme="light")

    expect(shown).to_have_css("color", "rgb(59, 65, 81)")
    expect(page.locator("html")).to_have_css("background-color", "rgb(255, 255, 255)")
