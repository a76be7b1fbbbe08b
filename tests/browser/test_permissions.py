"""No page of ours may use what a browser asks its user for, and the browser understands every word of the header."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.conftest import Tab
from tests.conftest import Server


def test_every_permission_that_the_browser_knows_is_closed(make_tab: Callable[..., Tab], server: Server) -> None:
    page = make_tab(server).open("/status")  # a directive that it does not know is an error in its console

    known = set(page.evaluate("document.featurePolicy.features()"))
    allowed = set(page.evaluate("document.featurePolicy.allowedFeatures()"))

    assert {"camera", "geolocation", "payment", "usb"} <= known
    assert {each for each in allowed if not each.startswith("ch-")} == {"clipboard-write"}
