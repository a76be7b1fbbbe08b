"""Lists of more than a page in a real browser, without scripts: to the end, back, and to the one that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from pulsemon import clock
from tests.browser.conftest import Tab
from tests.browser.test_pages_in_a_browser import a_page, picture
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server

LONG = "a-name-that-is-as-long-as-anybody-would-ever-type-it-and-then-some-more"


def furnish(server: Server) -> None:
    """So many subscribers, times of maintenance and pages that each list has a second page."""
    with httpx2.Client(base_url=server.url, headers=server.headers) as client:
        for number in range(101):
            body = {"kind": "webhook", "address": f"http://127.0.0.1:9/{LONG}/{number:03}"}
            client.post("/api/pages/status/subscribers", json=body).raise_for_status()
        now = clock.now()
        for number in range(51):
            for kind, starts_at in (("Coming", now + timedelta(hours=number + 1)), ("Past", now - timedelta(hours=2))):
                body = {"title": f"{kind} {number:02} {LONG}", "starts_at": starts_at.isoformat(), "length_seconds": 60}
                client.post("/api/maintenance", json=body).raise_for_status()
    for number in range(50):
        a_page(server, f"page-{number:02}", title=f"Page {number:02} {LONG}")


@pytest.mark.parametrize(
    ("width", "scheme", "locale", "words"),
    [
        (360, "dark", "pt-BR", ("Próxima", "Do começo", "Depois", "Mais antigos", "Buscar", "Remover…", "Remover")),
        (1280, "light", "en", ("Next", "From the beginning", "Later", "Older", "Search", "Remove…", "Remove")),
    ],
)
def test_long_lists_are_leafed_through_and_searched_without_scripts(
    make_tab: Callable[..., Tab], server: Server, width: int, scheme: str, locale: str, words: tuple[str, ...]
) -> None:
    following, first, later, older, search, ask, remove = words
    furnish(server)
    tab = make_tab(server, width=width, color_scheme=scheme, locale=locale, java_script_enabled=False)
    page = tab.log_in()

    for path, last in (("/pages", f"Page 49 {LONG}"), ("/pages/status/subscribers", f"http://127.0.0.1:9/{LONG}/100")):
        page = looked_at(tab, tab.open(path), width)
        expect(named(page, last)).to_have_count(0)
        page.get_by_role("link", name=following, exact=True).click()
        expect(named(page, last)).to_be_visible()
        looked_at(tab, page, width, "-2")
        page.get_by_role("link", name=first).click()
        expect(named(page, last)).to_have_count(0)

    page.get_by_role("searchbox").fill("/100")
    page.get_by_role("button", name=search, exact=True).click()
    expect(page.locator(".rows .name")).to_have_text([f"http://127.0.0.1:9/{LONG}/100"])
    page.get_by_role("link", name=ask).click()
    page.get_by_role("button", name=remove).click()
    assert len(server.get("/api/pages/status/subscribers")) == 100

    page = looked_at(tab, tab.open("/maintenance"), width)
    page.get_by_role("link", name=later, exact=True).click()
    expect(named(page, "Coming 50")).to_be_visible()
    expect(named(page, "Coming 49")).to_have_count(0)
    looked_at(tab, page, width, "-2")
    page.locator("#past summary").click()
    page.get_by_role("link", name=older, exact=True).click()
    expect(named(page, "Past 00")).to_be_visible()
    expect(named(page, "Past 50")).to_have_count(0)
    looked_at(tab, page, width, "-past")


def named(page: Page, text: str) -> Locator:
    """Find an entry of a list by its name; buttons repeat it for those who cannot see where they stand."""
    return page.locator(".rows .name", has_text=text)


def looked_at(tab: Tab, page: Page, width: int, which: str = "") -> Page:
    """Fit, and keep a picture."""
    assert fits(page), page.url
    picture(tab, f"{page.url.split('/', 3)[3].partition('?')[0].replace('/', '-')}{which}-{width}")
    return page


@pytest.mark.parametrize(("width", "locale", "scheme"), [(360, "en", "light"), (1280, "pt-BR", "dark")])
def test_every_part_of_a_long_list_is_accessible(
    make_tab: Callable[..., Tab], server: Server, width: int, locale: str, scheme: str
) -> None:
    furnish(server)
    tab = make_tab(server, width=width, locale=locale, color_scheme=scheme)
    tab.log_in()
    found = []
    for path in ("/pages", "/pages/status/subscribers", "/maintenance"):
        tab.open(path)
        found += tab.axe()
        tab.page.locator("nav.pages [rel=next]").first.click()
        expect(tab.page.locator("nav.pages [rel=next]").first).to_be_hidden()
        found += tab.axe()
    for number in range(11):
        server.create(slug=f"m-{number}", name=f"M {number} {LONG}")
    looked_at(tab, tab.open("/monitors/arrange"), width)
    found += tab.axe()

    assert found == []
