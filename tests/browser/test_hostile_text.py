"""Everything a stranger or a user can type is text on every page: nothing of it runs."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

import httpx2
from playwright.sync_api import expect

from tests.browser.conftest import Tab, ping
from tests.channels.sink import Sink, status

# `hit` is what each of them would call; a function of that name is put into every page.
PAYLOADS = [
    "<script>hit()</script>",
    "</script><script>hit()</script>",
    "<ScRiPt>hit()</sCrIpT>",
    "<script src=data:,hit()></script>",
    "<script src=//127.0.0.1:9/x.js></script>",
    "<img src=x onerror=hit()>",
    "<img src=x onerror='hit()'>",
    '"><img src=x onerror=hit()>',
    "'><img src=x onerror=hit()>",
    "`><img src=x onerror=hit()>",
    '" onmouseover="hit()" x="',
    "' onmouseover='hit()' x='",
    '" autofocus onfocus="hit()" x="',
    '" style="animation-name:x" onanimationstart="hit()',
    "<svg onload=hit()>",
    "<svg><script>hit()</script></svg>",
    "<svg><animate onbegin=hit() attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=hit()>#x'/></svg>",
    "<math><mtext></form><form><mglyph><svg><mtext><style><path id='</style><img onerror=hit() src>'>",
    "<body onload=hit()>",
    "<iframe src=javascript:hit()></iframe>",
    "<iframe srcdoc='<script>parent.hit()</script>'></iframe>",
    "<object data=javascript:hit()></object>",
    "<embed src=javascript:hit()>",
    "<a href=javascript:hit()>click</a>",
    "<form action=javascript:hit()><button>go</button></form>",
    "<button formaction=javascript:hit()>go</button>",
    "<input autofocus onfocus=hit()>",
    "<select autofocus onfocus=hit()>",
    "<textarea autofocus onfocus=hit()>",
    "<details open ontoggle=hit()>",
    "<video><source onerror=hit()></video>",
    "<audio src=x onerror=hit()>",
    "<marquee onstart=hit()>",
    "<meta http-equiv=refresh content='0;url=javascript:hit()'>",
    "<base href=//127.0.0.1:9/>",
    "<link rel=stylesheet href=//127.0.0.1:9/x.css>",
    "<style>@import '//127.0.0.1:9/x.css';</style>",
    "<style>*{background:url(//127.0.0.1:9/x)}</style>",
    "</title><script>hit()</script>",
    "</textarea><script>hit()</script>",
    "</style><script>hit()</script>",
    "</noscript><img src=x onerror=hit()>",
    "--><script>hit()</script><!--",
    "]]><script>hit()</script>",
    "<!--<img src='--><img src=x onerror=hit()>'>",
    "<![CDATA[<script>hit()</script>]]>",
    "<%00script>hit()</script>",
    "<script/x>hit()</script>",
    "<<script>hit()//<</script>",
    "<img/src='x'/onerror=hit()>",
    "<img src=x:x onerror=window['hit']()>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "&#60;script&#62;hit()&#60;/script&#62;",
    "\\u003cscript\\u003ehit()\\u003c/script\\u003e",
    "%3Cscript%3Ehit()%3C/script%3E",
    "{{constructor.constructor('hit()')()}}",
    "{{ 7*7 }}{% import os %}${7*7}#{7*7}",
    "<div hx-get=/logout hx-trigger=load>",
    "<div hx-on:click=hit() data-hx-on::load=hit()>",
    "<template><script>hit()</script></template>",
    "<x contenteditable onblur=hit()>",
    "<dialog open onclose=hit()>",
    "<script type=module>import '//127.0.0.1:9/x.js'</script>",
]


def test_there_are_sixty_of_them() -> None:
    assert len(set(PAYLOADS)) >= 60


def test_nothing_that_anybody_typed_or_sent_runs_on_any_page(tab: Tab) -> None:
    """Names, slugs of old databases, user agents, bodies, notes, answers of receivers, search words, addresses."""
    server = tab.server
    everything = " ".join(PAYLOADS)
    with Sink(then=status(500, body=everything.encode())) as sink:
        for number, payload in enumerate(PAYLOADS):
            monitor = server.create(name=payload, slug=f"job-{number}", webhook_url=sink.url)
            agent = payload.encode("ascii", "replace")[:250]
            ping(server, monitor, headers={"user-agent": agent}, content=payload.encode())
        busy = server.create(name=everything[:200], slug="busy", webhook_url=sink.url + quote(PAYLOADS[0]))
        for payload in PAYLOADS[:20]:
            ping(server, busy, headers={"user-agent": payload.encode()[:250]}, content=everything.encode())
        ping(server, busy, "/fail")
        sink.wait_for(1)
        _write_what_old_databases_may_hold(server.environment["DATABASE_URL"])

        tab.page.context.expose_function("hit", lambda: tab.troubles.append("a payload ran"))
        page = tab.log_in()
        busy_id = len(PAYLOADS) + 1
        paths = ["/", "/status", "/monitors/new", f"/monitors/{busy_id}", f"/monitors/{busy_id}/delete"]
        paths += [f"/monitors/{busy_id}/{section}" for section in ("runs", "log", "connect", "settings")]
        paths += [f"/monitors/{number}" for number in range(1, len(PAYLOADS) + 1, 4)]
        paths += [f"/?q={quote(payload)}" for payload in PAYLOADS[::4]]
        paths += [f"/{quote(payload, safe='')}" for payload in PAYLOADS[::6]]
        for path in paths:
            tab.open(path)
            assert page.evaluate("typeof hit") == "function"
            assert page.locator("main").count() == 1, path
            assert page.locator("iframe, object, embed, marquee, base, [onerror], [onload], [onfocus]").count() == 0, (
                path
            )
        tab.open(f"/monitors/{busy_id}/log")
        for each in page.locator("#record details summary").all():
            each.click()
        expect(page.locator("#record")).to_contain_text(PAYLOADS[0])
        page.evaluate(
            "document.querySelectorAll('[hx-trigger*=refresh]').forEach(e => e.dispatchEvent(new Event('refresh')))"
        )
        page.wait_for_load_state("networkidle")
        expect(page.locator("form[action='/logout']")).to_be_attached()
        assert httpx2.get(f"{server.url}/health").status_code == 200


def test_a_form_that_failed_gives_back_what_was_typed_as_text(tab: Tab) -> None:
    tab.page.context.expose_function("hit", lambda: tab.troubles.append("a payload ran"))
    page = tab.log_in()
    for payload in PAYLOADS[:40:4]:
        tab.open("/monitors/new")
        page.fill("#f-name", payload)
        page.fill("#f-slug", payload)
        page.locator(".more").evaluate_all("folds => folds.forEach(fold => { fold.open = true; })")
        page.fill("#f-webhook_url", payload)
        page.click("main button.primary")
        expect(page.locator("#e-slug")).to_be_visible()
        expect(page.locator("#f-name")).to_have_value(payload)


def _write_what_old_databases_may_hold(url: str) -> None:
    """Notes and slugs that no form of today lets through."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)
    with connection:
        for number, payload in enumerate(PAYLOADS, start=1):
            connection.execute("UPDATE history SET cause = NULL, note = ? WHERE monitor_id = ?", (payload, number))
            connection.execute("UPDATE monitors SET slug = ? WHERE id = ?", (f"{number}{payload}", number))
    connection.close()
