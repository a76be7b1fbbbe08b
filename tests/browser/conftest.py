"""A real Chromium on a real server. Every page is watched: no error, no violation of the policy, no other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.conftest import ADMIN_TOKEN, Server, require

expect.set_options(timeout=60_000)  # what is there is seen at once, on a busy machine later

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe-4.14.1.min.js"
# Without these Chromium asks hosts of its maker for updates.
_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name as in a local network: Chromium trusts 127.0.0.1 as it trusts HTTPS.
    "--host-resolver-rules=MAP pulsemon.lan 127.0.0.1",
]
# Chromium reports an answer of 4xx as an error of the page; here they are wanted (a form that failed is 422).
_WANTED = ("Failed to load resource: the server responded with a status of 4",)

# Each test of these looks at many pages for ten seconds: every pair of width, colours and language is there, and not
# every three of them. The public page is looked at in all eight.
in_every_look = pytest.mark.parametrize(
    ("width", "color_scheme", "locale"),
    [(360, "light", "en"), (360, "dark", "pt-BR"), (1280, "light", "pt-BR"), (1280, "dark", "en")],
)


# For this folder and no longer: Playwright keeps an event loop running in the thread, and async tests of other folders
# that follow in the same process cannot run theirs inside it.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for these tests; each has a profile of its own in it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or require("chromium")
    arguments = [*_QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page, the server it shows, and what went wrong in it."""

    page: Page
    server: Server
    troubles: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        return self.page

    def log_in(self) -> Page:
        page = self.open("/")
        page.fill("[name=token]", ADMIN_TOKEN)
        page.click("main button[type=submit]")
        page.wait_for_selector("form[action='/logout']")
        page.wait_for_load_state()  # its scripts have run: keys and proposals work from here on
        return page

    def axe(self) -> list[str]:
        """Return what axe-core finds: rule and where, one line each."""
        # By evaluation in the page's own world: the policy admits no script of ours, and stays in force meanwhile.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "\n;undefined")
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{self.page.url}: {violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]


def _watch(tab: Tab, context: BrowserContext) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_WANTED):
            tab.troubles.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if request.url.startswith(("http:", "https:", "ws")):
            tab.hosts.add(urlsplit(request.url).netloc)

    tab.page.on("console", on_console)
    tab.page.on("pageerror", lambda error: tab.troubles.append(f"error: {error}"))
    tab.page.on("dialog", lambda dialog: (tab.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    context.on("request", on_request)
    context.expose_function("reportViolation", lambda text: tab.troubles.append(f"policy: {text}"))
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " e => reportViolation(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample));"
    )


@pytest.fixture
def make_tab(chromium: Browser, make_server: Callable[..., Server]) -> Iterator[Callable[..., Tab]]:
    """Open tabs: `make_tab(server, locale="pt-BR", color_scheme="dark", width=360)`; watched to the test's end.

    Asks for `make_server` only so that tabs close before servers do: a stream that is cut is an error of the page.
    """
    opened: list[tuple[Tab, BrowserContext]] = []

    def make(server: Server, *, width: int = 1280, locale: str = "en", **options: Any) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, locale=locale, timezone_id="America/Sao_Paulo", **options
        )
        context.set_default_timeout(60_000)
        tab = Tab(context.new_page(), server)
        _watch(tab, context)
        opened.append((tab, context))
        return tab

    yield make
    for tab, context in opened:
        context.close()
        assert tab.troubles == []
        assert tab.hosts <= {urlsplit(tab.server.url).netloc}


@pytest.fixture
def tab(make_tab: Callable[..., Tab], server: Server) -> Tab:
    """One tab of somebody who reads English, on a server of its own."""
    return make_tab(server)


def ping(server: Server, monitor: dict[str, Any], suffix: str = "", **options: Any) -> None:
    """Send a ping, as a job would."""
    answer = httpx2.request("POST", f"{server.url}/h/{monitor['slug']}/{monitor['token']}{suffix}", **options)
    assert answer.status_code == 200
