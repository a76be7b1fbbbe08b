"""Choosing monitors, putting them in order, and the reader's clock, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, in_every_look, ping
from tests.browser.test_pages_in_a_browser import a_page, picture
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server, wait_until


def furnish(server: Server, count: int = 30) -> None:
    for number in range(1, count + 1):
        group = "Loja ☂" if number % 3 else None
        server.create(slug=f"job-{number}", name=f"Job {number}", group=group, tags=["db"] if number < 4 else [])


def test_what_is_ticked_becomes_chosen_and_is_removed_again(tab: Tab) -> None:
    furnish(tab.server)
    tab.log_in()
    page = tab.open("/incidents/new?monitor=7")
    chosen = page.locator(".chosen li b")
    expect(chosen).to_have_text(["Job 7"])

    page.fill("#f-find", "job 12")
    expect(page.locator(".found li b")).to_have_text(["Job 12"])
    page.locator(".found input").check()
    expect(chosen).to_have_text(["Job 7", "Job 12"])
    expect(page.locator("#f-find")).to_be_focused()
    page.fill("#f-find", "db")
    expect(page.locator(".found li b").first).to_have_text("db")
    page.locator(".found input[name=tag]").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-said]")).to_have_text("Chosen: db")
    page.locator(".chosen li", has_text="Job 7").get_by_role("button").click()
    expect(chosen).to_have_text(["Job 12", "db"])
    page.fill("#f-find", "job 12")
    expect(page.locator(".found li")).to_have_count(0)  # it is chosen already
    page.keyboard.press("Enter")  # looks, and does not send the form
    assert page.url.endswith("/incidents/new?monitor=7")

    page.fill("#f-title", "Slow")
    page.fill("#f-body", "We **look**.")
    page.get_by_role("button", name="Preview the text").click()
    expect(page.locator(".preview")).to_be_focused()
    expect(chosen).to_have_text(["db", "Job 12"])
    page.get_by_role("button", name="Open the incident").click()
    expect(page.locator(".done")).to_be_visible()
    (made,) = tab.server.get("/api/incidents")
    assert sorted(made["monitors"]) == ["job-1", "job-12", "job-2", "job-3"]


def test_choosing_needs_no_scripts(make_tab: Callable[..., Tab], server: Server) -> None:
    furnish(server)
    tab = make_tab(server, java_script_enabled=False)
    tab.log_in()
    page = tab.open("/incidents/new?monitor=7")
    page.fill("#f-title", "Slow")
    page.fill("#f-find", "job 12")
    page.keyboard.press("Enter")
    page.check(".found >> text=Job 12")
    page.fill("#f-find", "job 13")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".chosen li b")).to_have_text(["Job 7", "Job 12"])
    expect(page.locator("#f-title")).to_have_value("Slow")
    page.uncheck(".chosen >> text=Job 7")
    page.fill("#f-body", "We look.")
    page.get_by_role("button", name="Open the incident").click()
    expect(page.locator(".done")).to_be_visible()
    assert server.get("/api/incidents")[0]["monitors"] == ["job-12"]


def test_a_move_keeps_place_focus_and_what_is_ticked(tab: Tab) -> None:
    furnish(tab.server)
    tab.log_in()
    page = tab.open("/monitors/arrange")
    page.locator("#group-2 > summary").click()  # folded, but for the first
    page.check("text=Job 30")
    page.fill("#place-2", "1")
    top = page.locator("#m30").bounding_box()
    page.click("#to-2")
    expect(page.locator("#group-2").locator(".name").first).to_have_text("Job 30")
    expect(page.locator("#m30 input")).to_be_checked()
    after = page.locator("#m30").bounding_box()
    assert top
    assert after
    assert after["y"] == pytest.approx(top["y"], abs=2) or page.evaluate("scrollY") == 0
    expect(page.locator("#to-2")).to_be_focused()
    page.locator("#group-2").get_by_role("button", name="Move down").click()
    expect(page.locator("#group-2").locator(".name")).to_contain_text(["Job 3", "Job 30"])

    page.fill("#to-group-2", "Novo")
    page.click("#in-2")
    wait_until(lambda: tab.server.get("/api/monitors/job-30")["group"] == "Novo")


def test_a_move_that_no_answer_came_to_loses_nothing(tab: Tab) -> None:
    furnish(tab.server, 6)
    tab.log_in()
    page = tab.open("/monitors/arrange")
    page.check("text=Job 5")
    page.fill("#place-1", "1")
    page.route("**/monitors/arrange", lambda route: route.abort())
    page.click("#to-1")

    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#m5 input")).to_be_checked()
    expect(page.locator("#place-1")).to_have_value("1")
    page.unroute("**/monitors/arrange")
    page.click("#to-1")
    expect(page.locator("#group-1").locator(".name").first).to_have_text("Job 5")
    expect(page.locator("#offline")).to_be_hidden()
    tab.troubles.clear()  # the browser says that the request failed


@pytest.mark.parametrize("has_scripts", [True, False])
@in_every_look
def test_a_wrong_position_is_told_at_its_field_and_enter_moves(
    make_tab: Callable[..., Tab], server: Server, has_scripts: bool, width: int, color_scheme: str, locale: str
) -> None:
    furnish(server)
    tab = make_tab(server, width=width, color_scheme=color_scheme, locale=locale, java_script_enabled=has_scripts)
    tab.log_in()
    page = tab.open("/monitors/arrange")
    page.locator("#group-2 > summary").click()
    page.check("text=Job 30")
    page.fill("#place-2", "soon")
    page.click("#to-2")
    wrong = page.locator("#group-2 #e-place")
    expect(wrong).to_contain_text("a partir de 1" if locale == "pt-BR" else "a whole number, from 1")
    expect(page.locator("#place-2")).to_have_value("soon")
    expect(page.locator("#place-2")).to_be_focused()
    expect(page.locator("#m30 input")).to_be_checked()
    expect(page.locator(".done")).to_have_count(0)
    assert fits(page)
    picture(tab, f"position-{has_scripts}-{width}-{locale}")
    if has_scripts:
        assert tab.axe() == []

    page.fill("#place-2", "1")
    page.press("#place-2", "Enter")
    expect(page.locator("#group-2").locator(".name").first).to_have_text("Job 30")
    expect(wrong).to_have_count(0)
    expect(page.locator(".done")).to_be_visible()


@in_every_look
def test_its_pages_are_accessible_and_fit(
    make_tab: Callable[..., Tab], server: Server, width: int, color_scheme: str, locale: str
) -> None:
    furnish(server)
    a_page(server, "few", monitors=["job-1", "job-2", "job-3"])
    tab = make_tab(server, width=width, color_scheme=color_scheme, locale=locale)
    tab.log_in()
    for number, path in enumerate(
        ("/incidents/new?monitor=7", "/maintenance/new?monitor=job-7", "/monitors/arrange", "/pages/few/monitors")
    ):
        page = tab.open(path)
        assert fits(page), path
        assert tab.axe() == []
        picture(tab, f"choosing-{number}-{width}")


@pytest.mark.parametrize(
    ("locale", "form", "zone"),
    [
        ("pt-BR", r"\d\d/\d\d/20\d\d \d\d:\d\d:\d\d", "Horários: horário de Brasília"),
        ("en", r"\d{1,2} [A-Z][a-z]{2} 20\d\d, \d\d:\d\d:\d\d", "Times: Brasilia Time"),
    ],
)
def test_server_and_script_write_the_same_times(
    make_tab: Callable[..., Tab], server: Server, locale: str, form: str, zone: str
) -> None:
    ping(server, server.create(slug="web", name="Web"))
    tab = make_tab(server, locale=locale)
    tab.log_in()
    page = tab.open("/monitors/1")
    times = page.locator("time.abs")
    expect(page.locator("p.zone")).to_have_text(zone)
    assert page.evaluate("document.body.dataset.zone") == "America/Sao_Paulo"  # so the script wrote nothing
    by_server = times.all_inner_texts()
    assert by_server
    assert all(re.fullmatch(form, each) for each in by_server)
    titles = [each.get_attribute("title") for each in times.all()]

    # The server is told another zone: the script writes them for the one that the reader is in.
    page.context.add_cookies([{"name": "tz", "value": "Asia/Tokyo", "url": server.url}])
    page.reload()
    expect(times).to_have_text(by_server)
    expect(page.locator("p.zone")).to_contain_text("America/Sao_Paulo")
    page.reload()
    assert page.evaluate("document.body.dataset.zone") == "America/Sao_Paulo"
    expect(page.locator("p.zone")).to_have_text(zone)
    assert [each.get_attribute("title") for each in times.all()] == titles
