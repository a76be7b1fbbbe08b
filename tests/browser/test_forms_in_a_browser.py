"""Forms in a real browser: what is proposed, one question with two answers, what is wrong, sessions, two tabs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, in_every_look
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import ADMIN_TOKEN, Server


def grace(page: Page) -> str:
    return page.locator("#f-grace_seconds").input_value()


def test_the_grace_follows_the_interval_or_the_schedule_until_somebody_touches_it(tab: Tab) -> None:
    tab.log_in()
    page = tab.open("/monitors/new")
    assert grace(page) == "3 min"

    for typed, proposed in (("1h30", "18 min"), ("2 dias", "1 h"), ("60", "1 min"), ("15 min", "3 min")):
        page.fill("#f-interval_seconds", typed)
        assert grace(page) == proposed, typed
    page.click("label[for=f-expected-schedule]")
    page.fill("#f-schedule", "0 2 * * *")
    expect(page.locator("#f-grace_seconds")).to_have_value("1 h")
    page.fill("#f-schedule", "*/10 * * * *")
    expect(page.locator("#f-grace_seconds")).to_have_value("2 min")
    page.click("label[for=f-expected-every]")
    expect(page.locator("#f-grace_seconds")).to_have_value("3 min")

    page.fill("#f-grace_seconds", "7 min")
    page.fill("#f-interval_seconds", "1 d")
    page.click("label[for=f-expected-schedule]")
    page.fill("#f-schedule", "0 3 * * *")
    expect(page.locator("#schedule-preview")).to_contain_text("03:00")
    assert grace(page) == "7 min"


def test_a_typed_grace_survives_a_form_that_came_back(tab: Tab) -> None:
    """It was taken for untouched, and the corrected interval wrote over it."""
    tab.log_in()
    page = tab.open("/monitors/new")
    page.fill("#f-name", "Job")
    page.fill("#f-grace_seconds", "10 min")
    page.fill("#f-interval_seconds", "often")
    page.click("main button.primary")
    expect(page.locator("#f-interval_seconds")).to_be_focused()

    page.fill("#f-interval_seconds", "1 d")

    assert grace(page) == "10 min"
    page.click("main button.primary")
    expect(page.locator("#head .word")).to_have_text("Waiting")
    (made,) = httpx2.get(f"{tab.server.url}/api/monitors", headers=tab.server.headers).json()
    assert (made["interval_seconds"], made["grace_seconds"]) == (86_400, 600)


def test_a_schedule_by_the_keyboard_alone(tab: Tab) -> None:
    tab.log_in()
    page = tab.open("/monitors/new")
    page.locator("#f-name").focus()
    page.keyboard.type("Nightly")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#f-interval_seconds")).to_be_hidden()
    page.keyboard.press("Tab")
    page.keyboard.type("0 2 * * *")
    expect(page.locator("#schedule-preview li")).to_have_count(5)
    expect(page.locator("#f-grace_seconds")).to_have_value("1 h")
    page.keyboard.press("Enter")

    expect(page.locator("#head .word")).to_have_text("Waiting")
    (made,) = httpx2.get(f"{tab.server.url}/api/monitors", headers=tab.server.headers).json()
    assert (made["schedule"], made["timezone"], made["grace_seconds"]) == ("0 2 * * *", "America/Sao_Paulo", 3_600)


def test_without_scripts_the_answer_that_is_chosen_decides(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server, java_script_enabled=False)
    tab.log_in()
    page = tab.open("/monitors/new")
    page.fill("#f-name", "Nightly")
    page.fill("#f-slug", "nightly")
    page.fill("#f-interval_seconds", "nonsense")
    page.check("#f-expected-schedule", force=True)
    page.fill("#f-schedule", "99 2 * * *")
    page.click("main button.primary")
    expect(page.locator("#problems")).to_contain_text("1 field needs correction")
    expect(page.locator("#f-schedule")).to_have_value("99 2 * * *")

    page.fill("#f-schedule", "0 2 * * *")
    page.click("main button.primary")

    expect(page.locator("#head .word")).to_have_text("Waiting")


@in_every_look
def test_all_that_is_wrong_is_seen_and_reached(
    make_tab: Callable[..., Tab], server: Server, locale: str, color_scheme: str, width: int
) -> None:
    tab = make_tab(server, locale=locale, color_scheme=color_scheme, width=width)
    tab.log_in()
    page = tab.open("/monitors/new")
    for summary in page.locator("main details > summary").all():
        summary.click()
    wrong = {"name": "", "slug": "ção", "interval_seconds": "x", "grace_seconds": "-1", "webhook_url": "x"}
    wrong |= {
        "tags": "x" * 99,
        "failures_to_down": "0",
        "min_gap_seconds": "1 mês",
        "start_keywords": "x" * 201,
    }
    for name, text in wrong.items():
        page.fill(f"#f-{name}", text)
    page.click("main button.primary")

    expect(page.locator("#problems")).to_be_focused()
    links = page.locator("#problems a")
    expect(links).to_have_count(len(wrong))
    for link in links.all():
        link.press("Enter")
        expect(page.locator(link.get_attribute("href") or "")).to_be_focused()
    for name, text in wrong.items():
        assert page.locator(f"#f-{name}").input_value() == text
    assert fits(page)
    assert tab.axe() == []


@pytest.mark.parametrize("has_scripts", [True, False])
def test_what_was_typed_outlives_the_session(make_tab: Callable[..., Tab], server: Server, has_scripts: bool) -> None:
    tab = make_tab(server, java_script_enabled=has_scripts)
    tab.log_in()
    page = tab.open("/incidents/new")
    page.fill("#f-title", "The shop is slow")
    page.fill("#f-body", "We look\nfor the cause.")
    page.check("[name=scope][value=all]")
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    httpx2.post(f"{server.url}/logout", cookies=cookies)
    page.click("main button.primary")

    expect(page.locator("main")).to_contain_text("Your session has ended. What you typed comes back")
    if has_scripts:
        assert tab.axe() == []
    page.fill("[name=token]", ADMIN_TOKEN)
    page.click("main button[type=submit]")
    if not has_scripts:
        page.click("text=Back to the form")

    expect(page.locator(".done")).to_contain_text("Nothing was saved yet")
    expect(page.locator("#f-body")).to_have_value("We look\nfor the cause.")
    assert httpx2.get(f"{server.url}/api/incidents", headers=server.headers).json() == []
    page.click("main button.primary")
    expect(page.locator("h1")).to_have_text("The shop is slow")


def test_what_was_typed_outlives_a_cookie_that_is_gone_and_a_button_is_not_pressed(tab: Tab) -> None:
    """The cookie lives as long as the session, so a browser whose session has ended sends none."""
    page = tab.log_in()
    page.fill("#f-name", "Nightly <backup>")
    page.fill("#f-interval_seconds", "2 d")
    page.context.clear_cookies()
    page.click("main button.primary")

    expect(page.locator("main")).to_contain_text("Your session has ended. What you typed comes back")
    page.fill("[name=token]", ADMIN_TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".done")).to_contain_text("Nothing was saved yet")
    expect(page.locator("#f-name")).to_have_value("Nightly <backup>")
    expect(page.locator("#f-interval_seconds")).to_have_value("2 d")
    assert tab.server.get("/api/monitors") == []
    page.click("main button.primary")
    expect(page.locator("#head .word")).to_have_text("Waiting")

    # As pressing it does; the page itself would ask meanwhile, and find the login.
    page = tab.open("/monitors/1/rotate-token")
    page.context.clear_cookies()
    page.click("main button[type=submit]")
    expect(page.locator("main")).to_contain_text("Your session has ended. Nothing was done")
    assert tab.axe() == []
    page.fill("[name=token]", ADMIN_TOKEN)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/monitors/1/rotate-token$"))
    expect(page.locator("h1")).to_be_visible()


def test_no_page_that_asks_by_itself_loses_what_was_typed_when_the_session_ends(tab: Tab) -> None:
    tab.server.create(schedule="0 2 * * *", timezone="UTC", grace_seconds=60)
    tab.log_in()
    for path, field, form in (
        ("/monitors/1/settings", "#f-group", "#monitor-form"),
        ("/monitors/new", "#f-schedule", "#monitor-form"),
    ):
        page = tab.open(path)
        if path.endswith("new"):
            page.click("label[for=f-expected-schedule]")
        page.fill(field, "30 4 * * *")
        page.context.clear_cookies()
        page.type(field, " ")  # in the new form this asks for a preview
        tab.server.create(slug=f"another-{field[3:]}")  # a change makes the head of the settings ask
        expect(page.locator("#offline")).to_have_text(
            "Your session has ended. Send the form as it is: what you typed comes back after you log in."
        )
        expect(page.locator(field)).to_have_value("30 4 * * * ")
        page.click(f"{form} button.primary")
        page.fill("[name=token]", ADMIN_TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator(".done")).to_contain_text("Nothing was saved yet")
        expect(page.locator(field)).to_have_value(re.compile(r"^30 4 \* \* \* ?$"))


def test_the_forms_work_without_https_at_a_name_of_a_local_network(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    """There a browser says in Origin alone whose a form is: with `Referrer-Policy: no-referrer` it said "null"."""
    tab = make_tab(replace(server, url=server.url.replace("127.0.0.1", "pulsemon.lan")))
    page = tab.log_in()
    assert not page.evaluate("isSecureContext")
    page.fill("#f-name", "Nightly")
    page.click("main button.primary")

    expect(page.locator("#head .word")).to_have_text("Waiting")
    assert all("Cross-Origin-Opener-Policy header has been ignored" in each for each in tab.troubles)
    tab.troubles.clear()


def test_a_deep_link_is_reached_through_the_login(tab: Tab) -> None:
    tab.server.create()
    page = tab.open("/monitors/1/delete?from=mail")
    page.fill("[name=token]", ADMIN_TOKEN)
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/monitors/1/delete\?from=mail$"))


def test_two_tabs_with_one_form_do_not_undo_each_other(make_tab: Callable[..., Tab], server: Server) -> None:
    server.create(group="Infra", environment="dev")
    tabs = [make_tab(server), make_tab(server)]
    pages = []
    for tab in tabs:
        tab.log_in()
        pages.append(tab.open("/monitors/1/settings"))

    pages[0].fill("#f-group", "Theirs")
    pages[0].click("#monitor-form button.primary")
    expect(pages[0].locator(".done")).to_have_text("Saved.")
    pages[1].fill("#f-environment", "prod")
    pages[1].click("#monitor-form button.primary")
    expect(pages[1].locator(".done")).to_have_text("Saved.")

    made = httpx2.get(f"{server.url}/api/monitors", headers=server.headers).json()[0]
    assert (made["group"], made["environment"]) == ("Theirs", "prod")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_what_a_long_form_ends_with_is_in_sight_and_hides_no_field_that_has_the_focus(
    tab: Tab, width: int, height: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.log_in()
    page = tab.open("/monitors/new")
    button = page.locator("#monitor-form > .buttons .primary").bounding_box()
    assert button is not None
    assert button["y"] + button["height"] <= height

    page.evaluate("document.querySelectorAll('#monitor-form details').forEach(each => each.open = true)")
    page.locator("#f-name").focus()
    seen = []
    while not seen or "Cancel" not in seen[-1]:
        told = page.evaluate("""() => {
            const focused = document.activeElement, name = focused.name || focused.textContent.trim();
            const seen = focused.offsetWidth > 4 ? focused : focused.labels[0];  // a tab is seen as its label
            const box = seen.getBoundingClientRect();
            const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return [name, at !== null && (seen.contains(at) || at.contains(seen))];
        }""")
        assert told[1], told[0]
        seen.append(told[0])
        page.keyboard.press("Tab")
    assert len(seen) > 25
    assert tab.axe() == []
