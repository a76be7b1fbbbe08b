"""Subscribing in a real browser: from the page's link to the last button, without scripts, and the owner's list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.browser.test_pages_in_a_browser import a_page, fits, picture
from tests.channels.smtp_sink import MailSink
from tests.conftest import Server

BASE = "https://status.example.org"


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as made:
        yield made


@pytest.fixture
def mailing(make_server: Callable[..., Server], sqlite_url: str, sink: MailSink) -> Server:
    """A server that sends mail."""
    settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(sink.port), "SMTP_SECURITY": "none"}
    server = make_server(sqlite_url, **settings, MAIL_FROM="status@example.org", BASE_URL=BASE)
    a_page(server, title="Loja do Zé ☂", accent="#b3541e", timezone="America/Sao_Paulo")
    return server


def link_in(text: str) -> str:
    found = re.search(rf"{BASE}(/subscriptions/\S+)", text)
    assert found, text
    return found[1]


@pytest.mark.parametrize(
    ("width", "scheme", "locale", "subscribe", "confirm", "farewell"),
    [
        (360, "dark", "pt-BR", "Assinar", "Confirmar", "Cancelar assinatura"),
        (1280, "light", "en", "Subscribe", "Confirm", "Unsubscribe"),
    ],
)
def test_from_the_link_on_the_page_to_the_farewell_without_scripts(
    make_tab: Callable[..., Tab],
    mailing: Server,
    sink: MailSink,
    width: int,
    scheme: str,
    locale: str,
    subscribe: str,
    confirm: str,
    farewell: str,
) -> None:
    tab = make_tab(mailing, width=width, color_scheme=scheme, locale=locale, java_script_enabled=False)
    page = tab.open("/status/shop")
    page.click('.more a[href$="/subscribe"]')
    page.fill("#address", "nonsense")
    page.get_by_role("button", name=subscribe).click()
    expect(page.get_by_role("alert")).to_contain_text("ana@example.org")
    expect(page.locator("#address")).to_have_value("nonsense")
    page.fill("#address", "ana@example.org")
    page.get_by_role("button", name=subscribe).click()
    expect(page.get_by_role("status")).to_contain_text("ana@example.org")

    (mail,) = sink.wait_for(1)
    path = link_in(mail.text)
    page = tab.open(path)
    page.get_by_role("button", name=confirm).click()
    expect(page.get_by_role("status")).to_contain_text("Loja do Zé ☂")
    assert [each["state"] for each in mailing.get("/api/pages/shop/subscribers")] == ["active"]

    page = tab.open(path.replace("/confirm", "/unsubscribe"))
    page.get_by_role("button", name=farewell).click()
    expect(page.get_by_role("status")).to_be_visible()
    assert mailing.get("/api/pages/shop/subscribers") == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_its_pages_are_accessible_and_fit(
    make_tab: Callable[..., Tab], mailing: Server, sink: MailSink, width: int, scheme: str
) -> None:
    tab = make_tab(mailing, width=width, color_scheme=scheme)

    def look(name: str, path: str | None = None) -> None:
        page = tab.open(path) if path else tab.page
        assert fits(page), name
        assert tab.axe() == [], name
        picture(tab, f"subscribing-{name}-{width}")

    look("form", "/status/shop/subscribe")
    tab.page.fill("#address", "nonsense")
    tab.page.click("button")
    expect(tab.page.locator("#wrong")).to_be_visible()
    look("wrong")
    tab.page.fill("#address", "ana@example.org")
    tab.page.click("button")
    expect(tab.page.get_by_role("status")).to_be_visible()
    look("asked")
    path = link_in(sink.wait_for(1)[0].text)
    look("confirm", path)
    look("farewell", path.replace("/confirm", "/unsubscribe"))
    look("gone", "/subscriptions/x/confirm")
    tab.page.goto(mailing.url + path)
    tab.page.click("button")
    expect(tab.page.get_by_role("status")).to_be_visible()
    look("confirmed")
    tab.log_in()
    look("list", "/pages/shop/subscribers")
    tab.page.fill("#f-hook-address", f"http://127.0.0.1:9/{'long-' * 30}")
    tab.page.click("section[aria-labelledby=webhook] button")
    expect(tab.page.locator("#new-secret")).to_contain_text("whsec_")
    look("secret")
    tab.page.fill("#f-mail-address", "nonsense")
    tab.page.click("section[aria-labelledby=mail] button")
    expect(tab.page.locator("#f-mail-address")).to_be_focused()
    look("list-wrong")
    look("remove", "/pages/shop/subscribers/1/remove")
    look("pages", "/pages")
