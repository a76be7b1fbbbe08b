"""Planning maintenance, and seeing it, in a real browser: any width, both languages, any light, without scripts too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, ping
from tests.browser.test_pages_in_a_browser import picture
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server, wait_until


def plan(server: Server, **fields: Any) -> dict[str, Any]:
    answer = httpx2.post(f"{server.url}/api/maintenance", json=fields, headers=server.headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def wall(monitor: dict[str, Any], hours: float) -> str:
    """Return a time on the wall, in UTC, some hours after the monitor was made."""
    return f"{datetime.fromisoformat(monitor['created_at']) + timedelta(hours=hours):%Y-%m-%dT%H:%M}"


def furnish(server: Server) -> dict[str, Any]:
    """Maintenance that is running, repeating and over, of monitors one of which is down; return the one that runs."""
    web = server.create(slug="web", name="Loja ☂ " + "x" * 60)
    api = server.create(slug="api", name="API")
    for each in (web, api):
        ping(server, each)
    running = plan(
        server,
        title="Troca do servidor de banco " + "x" * 40,
        description="A loja fica **só para leitura**: [mais](https://example.org).",
        monitors=["web"],
        starts_at=wall(web, -1),
        ends_at=wall(web, 2),
    )
    ping(server, web, "/fail")
    plan(server, title="Atualizações", repeats="weekly", days=["mon", "thu"], time="02:30", length_seconds=3_600)
    plan(server, title="Nightly", repeats="cron", schedule="0 4 * * *", length_seconds=1_800)
    plan(server, title="Over", starts_at=wall(web, -5), ends_at=wall(web, -4))
    return running


@pytest.mark.parametrize(("width", "scheme", "locale"), [(360, "dark", "pt-BR"), (1280, "light", "en")])
def test_its_pages_are_accessible_and_fit(
    make_tab: Callable[..., Tab], server: Server, width: int, scheme: str, locale: str
) -> None:
    running = furnish(server)
    weekly = server.get("/api/maintenance")[1]
    wait_until(lambda: "calendar" in httpx2.get(f"{server.url}/status").text)
    tab = make_tab(server, width=width, color_scheme=scheme, locale=locale)
    tab.log_in()
    skip = f"/maintenance/{weekly['id']}/windows/{weekly['windows'][0]['id']}/skip"
    paths = ["/maintenance", "/maintenance/new", f"/maintenance/{running['id']}", f"/maintenance/{weekly['id']}"]
    paths += [f"/maintenance/{weekly['id']}/settings"]
    paths += [f"/maintenance/{running['id']}/end", f"/maintenance/{weekly['id']}/delete", skip, "/monitors/1", "/"]
    for number, path in enumerate([*paths, "/status"]):
        page = tab.open(path)
        assert fits(page), path
        assert tab.axe() == []
        picture(tab, f"maintenance-{number}-{width}")
    expect(tab.page.locator(".overall")).to_contain_text("Manutenção em" if locale == "pt-BR" else "Maintenance in")


def test_who_never_read_the_documents_sets_up_a_window(tab: Tab) -> None:
    monitor = tab.server.create(slug="web", name="Web")
    ping(tab.server, monitor)
    page = tab.log_in()
    page.click("nav >> text=Maintenance")
    page.click("text=Plan maintenance")
    expect(page.locator("#f-time")).to_be_hidden()
    expect(page.locator(".choosing")).to_be_hidden()
    page.fill("#f-title", "New disks")
    page.fill("#f-starts_at", wall(monitor, -1))
    page.fill("#f-ends_at", "")
    page.click("text=Plan it")
    expect(page.locator("#e-ends_at")).to_be_visible()
    expect(page.locator("#f-title")).to_have_value("New disks")
    page.fill("#f-ends_at", wall(monitor, 3))
    page.click("text=Only these")
    page.check(".found >> text=Web")
    expect(page.locator(".chosen li")).to_have_count(1)
    page.click("text=Plan it")

    expect(page.locator(".done")).to_contain_text("The maintenance is planned.")
    expect(page.locator("#windows + .notice")).to_contain_text("In progress")
    assert tab.axe() == []
    page = tab.open("/")
    expect(page.locator(".list .state")).to_have_text("Under maintenance")
    httpx2.post(
        f"{tab.server.url}/api/maintenance/{tab.server.get('/api/maintenance')[0]['id']}/end",
        headers=tab.server.headers,
    )
    expect(page.locator(".list .state")).to_have_text("Up")  # by itself


def test_fields_follow_the_choice_and_all_works_without_scripts(make_tab: Callable[..., Tab], server: Server) -> None:
    server.create(slug="web", name="Web")
    tab = make_tab(server, java_script_enabled=False)
    page = tab.log_in()
    page = tab.open("/maintenance/new")
    expect(page.locator("#f-starts_at")).to_be_visible()
    page.click("text=By cron or OnCalendar")
    expect(page.locator("#f-schedule")).to_be_visible()
    page.click("text=On days of the week")
    for hidden in ("#f-starts_at", "#f-schedule"):
        expect(page.locator(hidden)).to_be_hidden()
    page.fill("#f-title", "Updates")
    page.check("text=Sunday")
    page.fill("#f-time", "02:30")
    page.click("text=Plan it")
    expect(page.locator(".rows li")).to_have_count(10)

    page.locator("text=Skip…").first.click()
    page.click("text=Skip it")
    expect(page.locator(".done")).to_contain_text("will not take place")
    page.click("text=Updates")
    expect(page.locator(".rows li")).to_have_count(9)
    page.click("#menu > summary")
    page.click("text=Remove…")
    page.click("text=Remove it")

    expect(page.locator("main")).to_contain_text("Nothing is planned.")


def test_a_schedule_is_read_back_while_it_is_typed(tab: Tab) -> None:
    tab.server.create(slug="web", name="Web")
    tab.log_in()
    page = tab.open("/maintenance/new")
    page.click("text=By cron or OnCalendar")
    page.fill("#f-schedule", "30 2 * * 0")

    expect(page.locator("#schedule-preview")).to_contain_text("every week on Sunday at 02:30")
