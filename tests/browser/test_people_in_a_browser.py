"""People in a real browser: two projects with two people each from nothing, and what each of them finds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, in_every_look
from tests.browser.test_panel_in_a_browser import fits
from tests.conftest import Server

PICTURES = os.environ.get("PICTURES", "")
PASSWORD = "correct horse battery staple"


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).click()


def make_project(page: Page, name: str, slug: str) -> None:
    """Make a project as an owner does: by the menu, on a form."""
    page.get_by_text("Settings", exact=True).locator("xpath=..").click()
    page.get_by_role("link", name="Projects").click()
    page.fill("#f-name", name)
    page.fill("#f-slug", slug)
    press(page, "Create the project")
    expect(page.locator("h1")).to_have_text("People")


def invite(page: Page, email: str, role: str) -> str:
    """Give somebody a role in the project that is shown; return the link of the invitation."""
    page.fill("#f-email", email)
    page.check(f"[name=role][value={role}]")
    press(page, "Continue")
    expect(page.locator("h1")).to_have_text("Give this role?")
    press(page, "Give this role")
    return page.locator("#made-link").inner_text()


def join(tab: Tab, link: str, email: str) -> Page:
    """Choose a password by the link, and log in with it."""
    page = tab.page
    page.goto(link)
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=password_again]", PASSWORD)
    page.locator("main button[type=submit]").click()
    page.goto(tab.server.url)
    page.fill("#f-email", email)
    page.fill("#f-password", PASSWORD)
    page.locator("main form:has(#f-email) button[type=submit]").click()
    page.wait_for_selector("form[action='/logout']")
    return page


def furnish(page: Page, name: str) -> None:
    """Make a monitor, a public page and an incident, each named after the project."""
    slug = name.lower()
    page.goto(urljoin(page.url, "/monitors/new"))
    page.fill("#f-name", f"{name} job")
    page.fill("#f-slug", f"{slug}-job")
    press(page, "Create and connect")
    expect(page.locator("#ping-url")).to_contain_text(f"/h/{slug}-job/")
    page.goto(urljoin(page.url, "/pages/new"))
    page.fill("#f-slug", f"{slug}-status")
    page.fill("#f-title", f"{name} status")
    press(page, "Save")
    page.wait_for_url("**/pages/**")
    page.goto(urljoin(page.url, "/incidents/new"))
    page.fill("#f-title", f"{name} trouble")
    page.fill("#f-body", f"{name} is broken")
    page.check("[name=scope][value=all]")
    press(page, "Open the incident")
    expect(page.locator("h1")).to_have_text(f"{name} trouble")


def everything_within_reach(page: Page) -> dict[str, str]:
    """Return address -> text of all that links lead to from the front page, without the languages and orders."""
    found: dict[str, str] = {}
    waiting = ["/", "/status", "/status/feed.atom", "/api/v2/summary.json", "/events-of-nobody"]
    while waiting:
        here = waiting.pop()
        if here in found or here.startswith(("/static/", "/docs")):
            continue
        answer = page.request.get(urljoin(page.url, here))
        found[here] = answer.text()
        for link in re.findall(r'href="(/[^"#]*)', found[here]):
            path = urlsplit(link.replace("&amp;", "&")).path
            waiting.append(path)
    return found


def test_two_projects_with_two_people_each_from_nothing_and_neither_finds_the_other(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    owner = make_tab(server)
    page = owner.log_in()
    links = {}
    for name, slug in (("Bakery", "bakery"), ("Harbour", "harbour")):
        make_project(page, name, slug)
        for email, role in ((f"{slug}-admin@example.org", "admin"), (f"{slug}-viewer@example.org", "viewer")):
            links[email] = invite(page, email, role)
        page.goto(server.url + "/people")

    pages = {email: join(make_tab(server), link, email) for email, link in links.items()}
    for name in ("Bakery", "Harbour"):
        furnish(pages[f"{name.lower()}-admin@example.org"], name)

    for own, other in (("bakery", "harbour"), ("harbour", "bakery")):
        for role in ("admin", "viewer"):
            there = everything_within_reach(pages[f"{own}-{role}@example.org"])
            assert f"{own}-job" in there["/"]
            assert {"/incidents", "/pages", "/maintenance"} <= there.keys()
            traces = [address for address, text in there.items() if other in text.lower()]
            assert traces == [], f"{own}-{role} finds {other}"

    viewer = pages["bakery-viewer@example.org"]
    viewer.goto(server.url)
    expect(viewer.get_by_role("link", name="New monitor")).to_have_count(0)
    expect(viewer).to_have_title(re.compile("Bakery"))
    foreign, missing = viewer.request.get(server.url + "/monitors/2"), viewer.request.get(server.url + "/monitors/99")
    assert (foreign.status, missing.status) == (404, 404)
    assert foreign.text().replace("/monitors/2", "") == missing.text().replace("/monitors/99", "")


def test_the_switch_of_projects_works_by_keys_alone(make_tab: Callable[..., Tab], server: Server) -> None:
    tab = make_tab(server)
    page = tab.log_in()
    make_project(page, "Shop", "shop")
    page.goto(server.url + "/incidents")
    expect(page).to_have_title(re.compile("Shop"))

    page.locator(".projects summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Show the project Default")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Incidents · Default · PulseMon")
    page.locator(".projects summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Show the project Shop")).to_be_hidden()


def test_a_form_of_another_tab_goes_to_the_project_that_it_was_opened_in(
    make_tab: Callable[..., Tab], server: Server
) -> None:
    tab = make_tab(server)
    page = tab.log_in()
    make_project(page, "Shop", "shop")
    page.goto(server.url + "/monitors/new")
    other = page.context.new_page()
    other.goto(server.url + "/?project=default")
    expect(other).to_have_title(re.compile("Default"))

    page.fill("#f-name", "Job")
    press(page, "Create and connect")
    expect(page).to_have_title("Job · Shop · PulseMon")
    assert server.get("/api/monitors/job")["project"] == "shop"


PAGES = ("/people", "/people/{user}", "/people/{user}/remove", "/users", "/users/{user}", "/users/{user}/remove")
PAGES += ("/projects", "/projects/shop", "/projects/shop/delete", "/keys", "/keys/{key}/rotate", "/audit?action=")


@in_every_look
def test_the_pages_of_people_fit_and_are_accessible(
    make_tab: Callable[..., Tab], server: Server, width: int, color_scheme: str, locale: str
) -> None:
    def api(path: str, body: dict[str, object]) -> dict[str, str]:
        answer = httpx2.post(server.url + path, json=body, headers=server.headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    tab = make_tab(server, width=width, color_scheme=color_scheme, locale=locale)
    page = tab.log_in()
    api("/api/projects", {"slug": "shop", "name": "A shop with a rather long name for a phone"})
    user = api("/api/users", {"email": "somebody-with-a-long-name@department.example.org", "name": "Somebody"})["id"]
    put = f"{server.url}/api/projects/shop/members/{user}"
    assert httpx2.put(put, json={"role": "responder"}, headers=server.headers).status_code == 200
    key = api("/api/keys", {"name": "Grafana", "scopes": ["read", "metrics"], "project": "shop"})["id"]
    page.goto(server.url + "/?project=shop")
    for number, path in enumerate(PAGES):
        page.goto(server.url + path.format(user=user, key=key))
        assert fits(page), path
        assert tab.axe() == [], path
        picture(page, f"{number:02}-{width}-{locale}")
    page.locator(".projects summary").click()
    assert fits(page)
    picture(page, f"20-switch-{width}-{locale}")
    page.keyboard.press("Escape")
    page.locator(".tools .menu summary").click()
    assert fits(page)
    assert tab.axe() == []
    picture(page, f"21-settings-{width}-{locale}")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_viewer_sees_a_list_without_boxes_and_a_page_that_says_what_he_may_not(
    make_tab: Callable[..., Tab], server: Server, width: int
) -> None:
    owner = make_tab(server)
    page = owner.log_in()
    page.goto(server.url + "/people")
    link = invite(page, "viewer@example.org", "viewer")
    server.create()
    tab = make_tab(server, width=width)
    viewer = join(tab, link, "viewer@example.org")

    expect(viewer.locator(".row")).to_have_count(1)
    expect(viewer.locator(".pick")).to_have_count(0)
    server.create(slug="second", name="Second")
    expect(viewer.locator(".row")).to_have_count(2)  # live, without a form that selects
    assert fits(viewer)
    picture(viewer, f"30-viewer-{width}")
    viewer.keyboard.press("n")
    viewer.goto(server.url + "/monitors/new")
    expect(viewer.locator("h1")).to_have_text("Your role does not allow this")
    assert tab.axe() == []
    picture(viewer, f"31-not-allowed-{width}")
