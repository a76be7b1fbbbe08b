"""The wall screen in a browser: every width and colour, quietly up to date, and honest when nobody answers."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
from playwright.sync_api import expect

from tests.browser.conftest import Tab, in_every_look, ping
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server


def a_screen(server: Server) -> str:
    """Make one and return its path."""
    body = {"name": "Hall", "kind": "screen"}
    made = httpx2.post(f"{server.url}/api/keys", json=body, headers=server.headers).json()
    return "/screen/" + str(made["url"]).rpartition("/")[2]


@in_every_look
def test_it_is_read_in_every_look(
    make_tab: Callable[..., Tab], server: Server, width: int, color_scheme: str, locale: str
) -> None:
    for number in range(14):
        server.create(slug=f"job-{number}", name=f"A rather long name of a job that goes on {number}")
    tab = make_tab(server, width=width, color_scheme=color_scheme, locale=locale)

    page = tab.open(a_screen(server))

    expect(page.locator("#screen li")).to_have_count(14)
    assert fits(page)
    assert tab.axe() == []
    assert page.locator("a, button, form").count() == 0


def test_it_follows_by_itself_and_says_when_nobody_answers(make_tab: Callable[..., Tab], server: Server) -> None:
    monitor = server.create(slug="job", name="Job")
    tab = make_tab(server)
    path = a_screen(server)
    page = tab.open(path)
    expect(page.locator("#screen li")).to_have_class("waiting")
    page.evaluate("window.isTheSame = true")

    ping(server, monitor)
    expect(page.locator("#screen li")).to_have_class("up")
    assert page.evaluate("window.isTheSame")  # without a reload
    expect(page.locator("#lost")).to_be_hidden()

    server.kill()
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_contain_text("The connection is lost.")
    expect(page.locator("#screen li")).to_have_class("up")  # what was known stays

    server.start_again()
    expect(page.locator("#lost")).to_be_hidden()
    tab.troubles.clear()  # that it could not be fetched was wanted
