"""Incidents in a real browser: public and in the panel, narrow and wide, without scripts too; nothing typed runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, ping
from tests.browser.test_hostile_text import PAYLOADS
from tests.browser.test_pages_in_a_browser import a_page, picture
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server, wait_until

LONG = "Wirtschaftsprüfungsgesellschaften" * 3
TEXT = f"O **gateway** caiu; ver [aviso](https://example.org).\n\n* um\n* {LONG}\n\n`código`\n\n> citado"


def an_incident(server: Server, **fields: Any) -> str:
    """Open an incident and return its id."""
    body = {"title": "A loja não aceita cartão ☂", "body": TEXT, "general": not fields.get("monitors")} | fields
    answer = httpx2.post(f"{server.url}/api/incidents", json=body, headers=server.headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def furnish(server: Server) -> str:
    """One incident of each impact, one of them automatic, and one that is over; return the id of one with updates."""
    for slug in ("web", "api"):
        ping(server, server.create(slug=slug, name=f"{slug.title()} {LONG}", incident_after_minutes=0))
    down = server.create(slug="down", name="Down", incident_after_minutes=0)
    ping(server, down)
    ping(server, down, "/fail")
    a_page(server, title="Loja", timezone="America/Sao_Paulo", accent="#ffd000")
    for impact in ("none", "minor", "major"):
        an_incident(server, impact=impact, title=f"{impact} {LONG}", monitors=["web", "api"])
    for number in range(21):
        an_incident(server, status="resolved", started_at=f"2026-0{1 + number % 9}-02T00:00:00Z", title=f"No {number}")
    said = an_incident(server, impact="critical", body=TEXT * 20)
    for status in ("identified", "monitoring", "monitoring"):
        data = {"status": status, "body": TEXT}
        httpx2.post(f"{server.url}/api/incidents/{said}/updates", json=data, headers=server.headers).raise_for_status()
    wait_until(lambda: "Down is down" in httpx2.get(f"{server.url}/status", headers={"accept-language": "en"}).text)
    return said


@pytest.mark.parametrize(("width", "locale", "scheme"), [(360, "en", "dark"), (1280, "pt-BR", "light")])
def test_all_pages_of_incidents_are_accessible_and_fit(
    make_tab: Callable[..., Tab], server: Server, width: int, locale: str, scheme: str
) -> None:
    said = furnish(server)
    tab = make_tab(server, width=width, locale=locale, color_scheme=scheme)
    tab.log_in()
    public = ("/status", "/status/shop/history", "/status/shop/history?page=2", f"/status/shop/history/{said}")
    own = f"/incidents/{said}"
    panel = ("/incidents", "/incidents/new?monitor=3", own, f"{own}/edit", f"{own}/updates/1", f"{own}/delete")
    found = []
    for path in (*public, *panel, "/monitors/3"):
        page = tab.open(path)
        assert fits(page), path
        found += tab.axe()
        picture(tab, f"incident-{path.strip('/').replace('/', '-').replace('?', '-')[:40]}-{width}")

    assert found == []


def test_an_incident_is_opened_and_resolved_without_scripts(make_tab: Callable[..., Tab], server: Server) -> None:
    web = server.create(slug="web", name="Web")
    ping(server, web)
    ping(server, web, "/fail")
    tab = make_tab(server, java_script_enabled=False)
    tab.log_in()

    page = tab.open("/monitors/1")
    page.get_by_role("link", name="Open an incident").click()
    expect(page.get_by_label("Title")).to_have_value("Web is down")
    page.get_by_label("What your visitors should know").fill("The *disk* is full.")
    page.get_by_role("button", name="Preview the text").click()
    expect(page.locator(".preview em")).to_have_text("disk")
    page.get_by_label("Identified").check()
    page.get_by_role("button", name="Open the incident").click()
    expect(page.get_by_role("status")).to_contain_text("The incident is on the pages")
    wait_until(lambda: "The <em>disk</em> is full." in httpx2.get(f"{server.url}/status").text)

    page.get_by_label("Resolved").check()
    page.get_by_label("What your visitors should know").fill("There is room.")
    page.get_by_role("button", name="Post the update").click()
    expect(page.locator("h1")).to_have_text("Web is down")
    expect(page.locator(".updates > li")).to_have_count(2)
    wait_until(lambda: "There is room." not in tab.open("/status").locator("main").inner_text())
    page.get_by_role("link", name="All incidents").click()
    page.get_by_role("link", name="Web is down").click()
    expect(page.locator("article")).to_contain_text("There is room.")


def test_an_open_page_shows_a_new_incident_by_itself(tab: Tab) -> None:
    page = tab.open("/status")
    an_incident(tab.server, title="Floods")

    def is_there() -> bool:
        # What the page does by itself every ten seconds, and whenever somebody comes back to it.
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        return "Floods" in page.content()

    wait_until(is_there)
    expect(page.locator(".incident h2")).to_contain_text("Floods")


def test_nothing_that_an_incident_says_runs(tab: Tab) -> None:
    server = tab.server
    server.create(slug="web", name=PAYLOADS[0])
    links = "[x](javascript:hit()) ![x](x) [x](data:text/html,<script>hit()</script>) <javascript:hit()>"
    ids = []
    for start in range(0, len(PAYLOADS), 16):
        some = PAYLOADS[start : start + 16]
        ids.append(an_incident(server, title=some[0][:200], body="\n\n".join([*some, links]), monitors=["web"]))
    over = an_incident(server, title=PAYLOADS[9], body=PAYLOADS[5], status="resolved")
    wait_until(lambda: ids[-1] in httpx2.get(f"{server.url}/status").text)
    tab.page.context.expose_function("hit", lambda: tab.troubles.append("a payload ran"))
    page = tab.log_in()

    paths = ["/status", "/status/history", "/incidents", "/incidents/new?monitor=1", f"/incidents/{over}"]
    for each in ids:
        paths += [f"/status/history/{each}", f"/incidents/{each}", f"/incidents/{each}/edit"]
        paths += [f"/incidents/{each}/updates/1", f"/incidents/{each}/delete"]
    for path in paths:
        tab.open(path)
        assert page.evaluate("typeof hit") == "function"
        assert page.locator("main").count() == 1, path
        strange = "iframe, object, embed, marquee, base, main img, [onerror], [onload], [onfocus], [onmouseover]"
        assert page.locator(strange).count() == 0, path
        hrefs = page.eval_on_selector_all("main .prose a", "all => all.map(each => each.getAttribute('href'))")
        assert all(each.startswith(("http://", "https://", "mailto:")) for each in hrefs), path

    tab.open("/incidents/new")
    page.fill("#f-title", PAYLOADS[7])
    page.fill("#f-body", "\n\n".join(PAYLOADS))
    page.click("button[name=preview]")
    expect(page.locator("#f-title")).to_have_value(PAYLOADS[7])
    expect(page.locator(".preview")).to_contain_text(PAYLOADS[0])
