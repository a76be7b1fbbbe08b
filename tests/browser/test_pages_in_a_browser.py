"""Public pages and their panel in a real browser: any width, both languages, any light, without scripts too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, ping
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server, wait_until

PICTURES = os.environ.get("PICTURES", "")


def picture(tab: Tab, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if PICTURES:
        tab.page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def a_page(server: Server, slug: str = "shop", **fields: object) -> None:
    answer = httpx2.post(f"{server.url}/api/pages", json={"slug": slug} | fields, headers=server.headers)
    assert answer.status_code == 201, answer.text


def furnish(server: Server) -> None:
    """Some monitors in groups, one of them down, and a page with everything that a page can have."""
    for number, (slug, group) in enumerate((("web", "Loja"), ("api", "Loja"), ("backup", "Cópias"), ("other", None))):
        monitor = server.create(
            slug=slug, name=f"{slug.title()} 💾 " + "x" * 30 * (number % 2), group=group, tags=["a"]
        )
        ping(server, monitor, "/fail" if slug == "api" else "")
    body = {"slug": "nightly", "name": "Nightly", "schedule": "30 2 * * *", "group": "Cópias"}
    httpx2.post(f"{server.url}/api/monitors", json=body, headers=server.headers).raise_for_status()
    a_page(
        server,
        title="Loja do Zé ☂",
        description="Avisos em [nosso site](https://example.org).\n\n* um\n* dois",
        footer="Contato: <mailto:ze@example.org>",
        accent="#ffd000",
        timezone="America/Sao_Paulo",
    )


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("locale", ["pt-BR", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_whole_accessible_and_fits(
    make_tab: Callable[..., Tab], server: Server, width: int, locale: str, scheme: str
) -> None:
    furnish(server)
    wait_until(lambda: "Loja do Zé" in httpx2.get(f"{server.url}/status/shop").text)
    tab = make_tab(server, width=width, locale=locale, color_scheme=scheme)

    page = tab.open("/status/shop")

    expect(page.locator("h1")).to_have_text("Loja do Zé ☂")
    expect(page.locator("h2").first).to_have_text("Loja")
    expect(page.locator(".bars").first).to_be_visible()
    assert fits(page)
    assert tab.axe() == []
    picture(tab, f"status-{width}-{locale}-{scheme}")


def test_the_page_needs_no_scripts(make_tab: Callable[..., Tab], server: Server) -> None:
    furnish(server)
    a_page(server, "locked", password="correct horse", title="Geheim")
    wait_until(lambda: "password" in httpx2.get(f"{server.url}/status/locked").text)
    tab = make_tab(server, java_script_enabled=False)

    page = tab.open("/status/shop")
    expect(page.locator(".overall")).to_contain_text("Some systems are down.")
    page.click(".named a")
    assert page.url.endswith("#m2")
    page = tab.open("/status/locked")
    page.fill("[name=password]", "wrong")
    page.click("button")
    expect(page.locator(".wrong")).to_be_visible()
    page.fill("[name=password]", "correct horse")
    page.click("button")
    expect(page.locator("h1")).to_have_text("Geheim")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_panels_pages_are_accessible_and_fit(
    make_tab: Callable[..., Tab], server: Server, width: int, scheme: str
) -> None:
    furnish(server)
    a_page(server, "few", monitors=["api", "web", "backup"], password="correct horse")
    tab = make_tab(server, width=width, color_scheme=scheme)
    tab.log_in()
    paths = ("/", "/monitors/new", "/monitors/arrange", "/pages", "/pages/new", "/pages/few", "/pages/few/monitors")
    for path in (*paths, "/pages/few/delete", "/status/few"):
        page = tab.open(path)
        assert fits(page), path
        assert tab.axe() == []
        picture(tab, f"panel-{path.strip('/').replace('/', '-') or 'list'}-{width}")


def test_a_selection_survives_what_changes_on_the_page(tab: Tab) -> None:
    furnish(tab.server)
    page = tab.log_in()
    page.check("li:has-text('Web') .pick")
    expect(page.locator(".bulk")).to_be_visible()

    tab.server.create(slug="late", name="Late comer")
    expect(page.locator(".list")).to_contain_text("Late comer")
    expect(page.locator("li:has-text('Web') .pick")).to_be_checked()
    page.fill("#bulk-tag", "fresh")
    page.click("button[value=tag]")

    expect(page.locator("li:has-text('Web') .tags")).to_contain_text("fresh")
    assert tab.axe() == []


def test_dragging_changes_the_order_and_so_do_the_keys(tab: Tab) -> None:
    for slug in ("one", "two", "three"):
        tab.server.create(slug=slug, name=slug.title())
    tab.log_in()
    page = tab.open("/monitors/arrange")
    rows = page.locator(".seats li .slug")

    page.locator(".seats li").nth(2).drag_to(page.locator(".seats li").nth(0), target_position={"x": 20, "y": 4})
    expect(page.locator(".done")).to_have_text("The order is saved.")
    expect(rows).to_have_text(["three", "one", "two"])
    assert tab.server.get("/api/monitors/three")["position"] == 1

    page.check("text=Three")
    page.get_by_role("button", name="Move down").focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_text(["one", "three", "two"])
    expect(page.get_by_role("button", name="Move down")).to_be_focused()
