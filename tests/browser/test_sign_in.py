"""From nothing to a second factor, in a real browser: invited, logged in, with an app, and logged in again."""

from __future__ import annotations

import re

import httpx2
import pyotp
from playwright.sync_api import expect

from pulsemon import clock
from tests.browser.conftest import Tab

PASSWORD = "a horse, a battery and a staple"


def _invite(tab: Tab, email: str) -> str:
    """Return the path of an invitation."""
    body = {"email": email, "owner": True}
    answer = httpx2.post(f"{tab.server.url}/api/users", json=body, headers=tab.server.headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["invitation_url"]).removeprefix(tab.server.url)


def test_somebody_who_is_invited_chooses_a_password_and_sets_up_an_app(tab: Tab) -> None:
    page = tab.open(_invite(tab, "ana@example.org"))
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=password_again]", PASSWORD)
    page.click("main button[type=submit]")
    expect(page.locator("[name=email]")).to_be_focused()
    assert tab.axe() == []

    page.fill("[name=email]", "ana@example.org")
    page.fill("[name=password]", PASSWORD)
    page.click("form:has([name=email]) button[type=submit]")
    page.wait_for_selector("form[action='/logout']")
    tab.open("/account")
    assert tab.axe() == []
    page.click("form[action='/account/second-factor'] button")
    app = pyotp.TOTP(page.inner_text("#factor-secret").replace(" ", ""))
    drawn = page.locator("svg.qr").bounding_box()
    assert drawn is not None
    assert drawn["width"] > 200
    assert tab.axe() == []
    page.fill("[name=code]", app.at(clock.now()))
    page.click("form:has([name=code]) button[type=submit]")
    recovery = page.inner_text("#recovery-codes").split()
    assert len(recovery) == 10

    page.click("form[action='/logout'] button")
    tab.open("/account")
    page.fill("[name=email]", "ana@example.org")
    page.fill("[name=password]", PASSWORD)
    page.click("form:has([name=email]) button[type=submit]")
    expect(page.locator("[name=code]")).to_be_focused()
    assert tab.axe() == []
    page.fill("[name=code]", recovery[0])
    page.click("main button[type=submit]")
    expect(page).to_have_url(re.compile(r"/account$"))
    expect(page.locator("main")).to_contain_text("9 recovery codes are left")
    assert tab.troubles == []
