"""Subscribing as visitors and owners do it: forms, links in real mails, the API, the panel; and what nobody learns."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import psycopg
import pytest
import standardwebhooks
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.db import Database
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.locale import LOCALES
from pulsemon.messages.outbox import MAX_PER_RECEIVER
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from pulsemon.subscribers import announcements
from pulsemon.subscribers import manage as subscribers
from pulsemon.subscribers.announcements import Event, Notice
from pulsemon.web.panel import subscribers as panel_subscribers
from tests.arrange import make
from tests.channels.sink import Sink, status
from tests.channels.smtp_sink import CUT, HANG, MailSink
from tests.conftest import ADMIN_TOKEN, Server, at, wait_until
from tests.status_pages.test_public import a_monitor, a_page, seen
from tests.web.panel.test_monitors import PAGE, log_in, text_of

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
NOW = at("10:00")
BASE = "https://status.example.org"
ONE_CLICK = {"content-type": "application/x-www-form-urlencoded"}


def mail_settings(sink: MailSink, **changes: Any) -> dict[str, Any]:
    values = {"smtp_host": "127.0.0.1", "smtp_port": sink.port, "smtp_security": "none"}
    return values | {"mail_from": "Status <status@example.org>", "base_url": BASE} | changes


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as made:
        yield made


@pytest.fixture
def site(make_client: Callable[..., TestClient], database_url: str, sink: MailSink) -> TestClient:
    """The whole application with a mail server, on each database."""
    return make_client(database_url, **mail_settings(sink))


@pytest.fixture
def one(make_client: Callable[..., TestClient], sqlite_url: str, sink: MailSink) -> TestClient:
    """The same on SQLite, for what does not depend on the database."""
    return make_client(sqlite_url, **mail_settings(sink))


def database_of(client: TestClient) -> Database:
    """Return the database of the application in this process."""
    found = client.app._database  # type: ignore[attr-defined]
    assert isinstance(found, Database)
    return found


def ask(client: TestClient, address: str, path: str = "/status", **options: Any) -> httpx2.Response:
    return client.post(f"{path}/subscribe", data={"address": address}, **options)


def link_in(text: str, what: str) -> str:
    """Return the path of a link in a mail."""
    found = re.search(rf"{BASE}(/subscriptions/[\w-]+/{what})\b", text)
    assert found, text
    return found[1]


def subscribe(client: TestClient, sink: MailSink, address: str, path: str = "/status", **options: Any) -> None:
    """Ask for an address and confirm by the link in the mail."""
    assert ask(client, address, path, **options).status_code == 200
    (mail,) = wait_until(lambda: [each for each in list(sink.mails) if each.to == address])
    assert client.post(link_in(mail.text, "confirm")).status_code == 200


def mails_to(sink: MailSink, address: str, count: int) -> list[Any]:
    def found() -> list[Any]:
        return [each for each in list(sink.mails) if each.to == address]

    wait_until(lambda: len(found()) >= count)
    return found()


def tell(client: TestClient, **fields: Any) -> int:
    values: dict[str, Any] = {"kind": "incident", "public_id": "abc", "event": Event.OPENED, "at": NOW, "title": "Slow"}
    values |= {"status": "investigating", "is_general": not fields.get("monitor_ids"), "project_id": 1}
    with database_of(client).write() as connection:
        return announcements.announce(connection, Notice(**values | fields), now=client.app._app._site.now())  # type: ignore[attr-defined]


def listed(client: TestClient, slug: str = "status") -> list[dict[str, Any]]:
    answer = client.get(f"/api/pages/{slug}/subscribers", headers=ADMIN)
    assert answer.status_code == 200
    return list(answer.json())


# By e-mail.


def test_from_the_link_on_the_page_to_the_last_mail(site: TestClient, sink: MailSink) -> None:
    page = seen(site, "/status", "/status/subscribe", headers={"accept-language": "pt-BR"})
    assert "Assinar por e-mail" in page
    assert site.get("/status/subscribe").status_code == 200

    subscribe(site, sink, "ana@example.org", headers={"accept-language": "pt-BR"})
    assert [(each["state"], each["locale"]) for each in listed(site)] == [("active", "pt-BR")]
    assert tell(site, status="resolved", event=Event.RESOLVED) == 1
    asking, telling = mails_to(sink, "ana@example.org", 2)

    assert asking.message["Subject"] == "[Status — PulseMon] Confirme sua assinatura"
    assert telling.message["Subject"] == "[Status — PulseMon] Incidente: Slow – Resolvido"
    farewell = link_in(telling.text, "unsubscribe")
    assert telling.message["List-Unsubscribe"] == f"<{BASE}{farewell}>"
    assert site.get(farewell).status_code == 200
    assert listed(site) != []
    assert site.post(farewell).status_code == 200
    assert listed(site) == []
    assert tell(site) == 0


def test_a_get_changes_nothing_because_scanners_follow_links(one: TestClient, sink: MailSink) -> None:
    ask(one, "ana@example.org")
    (mail,) = sink.wait_for(1)
    confirm = link_in(mail.text, "confirm")
    farewell = confirm.replace("confirm", "unsubscribe")

    for path in (confirm, farewell) * 2:
        for method in ("GET", "HEAD"):
            assert one.request(method, path).status_code == 200
        assert [each["state"] for each in listed(one)] == ["waiting"]


def test_a_mail_provider_unsubscribes_by_a_bare_post_from_elsewhere(one: TestClient, sink: MailSink) -> None:
    subscribe(one, sink, "ana@example.org")
    farewell = link_in(sink.mails[0].text, "confirm").replace("confirm", "unsubscribe")
    elsewhere = {"origin": "https://mail.example", "sec-fetch-site": "cross-site"}

    again = [one.post(farewell, content="List-Unsubscribe=One-Click", headers=ONE_CLICK | elsewhere) for _ in range(2)]

    assert [each.status_code for each in again] == [200, 200]
    assert again[0].content == again[1].content
    assert listed(one) == []


def test_confirming_and_subscribing_from_elsewhere_are_refused(one: TestClient, sink: MailSink) -> None:
    ask(one, "ana@example.org")
    (mail,) = sink.wait_for(1)
    elsewhere = {"origin": "https://evil.example"}

    assert one.post(link_in(mail.text, "confirm"), headers=elsewhere).status_code == 403
    assert ask(one, "bob@example.org", headers=elsewhere).status_code == 403
    assert [(each["address"], each["state"]) for each in listed(one)] == [("ana@example.org", "waiting")]


def test_the_links_are_kept_by_nobody_and_tell_no_other_site_where_one_came_from(
    one: TestClient, sink: MailSink
) -> None:
    ask(one, "ana@example.org")
    (mail,) = sink.wait_for(1)
    confirm = link_in(mail.text, "confirm")

    for answer in (one.get(confirm), one.post(confirm), one.get(confirm.replace("confirm", "unsubscribe"))):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "ana@example.org" not in answer.text
        assert "<script" not in answer.text


@pytest.mark.parametrize("what", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "%2e%2e", "' OR 1=1 --", "%ED%A0%80"])
def test_a_link_that_was_made_up_opens_nothing(one: TestClient, what: str, token: str) -> None:
    assert one.get(f"/subscriptions/{token}/{what}").status_code == 404
    assert one.post(f"/subscriptions/{token}/{what}").status_code == (404 if what == "confirm" else 200)


@pytest.mark.parametrize("slug", ["%00", "a%00b", "%ED%A0%80", "%E2%80%AE", "none"])
def test_a_page_that_cannot_be_is_not_found_on_either_database(site: TestClient, slug: str) -> None:
    for path in (f"/api/pages/{slug}", f"/api/pages/{slug}/subscribers"):
        assert site.get(path, headers=ADMIN).status_code == 404
        assert site.delete(path if path.endswith(slug) else f"{path}/1", headers=ADMIN).status_code == 404


def test_a_known_and_an_unknown_address_get_the_same_answer(one: TestClient, sink: MailSink) -> None:
    subscribe(one, sink, "ana@example.org")
    ask(one, "asked@example.org")
    sink.wait_for(2)

    answers = {}
    for address in ("ana@example.org", "asked@example.org", "fresh@example.org"):
        answer = ask(one, address)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        answers[address] = (answer.status_code, headers, answer.text.replace(address, "X"))

    assert len({str(each) for each in answers.values()}) == 1
    assert mails_to(sink, "fresh@example.org", 1)
    assert len(sink.mails) == 3


def test_the_answer_does_not_wait_for_what_the_address_is(
    make_server: Callable[..., Server], postgres_url: str, sink: MailSink
) -> None:
    """The table is locked against writing: both are answered all the same, and asked when it is free again."""
    server = make_server(postgres_url, **environment(sink))
    form = f"{server.url}/status/subscribe"
    assert httpx2.post(form, data={"address": "known@example.org"}).status_code == 200
    sink.wait_for(1)
    with psycopg.connect(postgres_url) as locking:
        locking.execute("LOCK TABLE subscribers IN EXCLUSIVE MODE")
        for address in ("known@example.org", "fresh@example.org"):
            assert httpx2.post(form, data={"address": address}).status_code == 200
        locking.rollback()

    assert [each.to for each in sink.wait_for(2)] == ["known@example.org", "fresh@example.org"]


@pytest.mark.parametrize(
    ("given", "language", "said"),
    [
        ("", "en", "This must be an e-mail address such as ana@example.org."),
        ("ana@localhost", "pt-BR", "Aqui deve estar um endereço de e-mail, como ana@example.org."),
        ("a@b.org\r\nBcc: c@d.org", "en", "This must be an e-mail address such as ana@example.org."),
        ('"><script>alert(1)</script>', "en", "This must be an e-mail address such as ana@example.org."),
    ],
)
def test_what_is_no_address_is_told_at_the_field_and_kept(
    one: TestClient, given: str, language: str, said: str
) -> None:
    answer = ask(one, given, headers={"accept-language": language})

    assert answer.status_code == 422
    assert said in html.unescape(answer.text)
    assert f'value="{html.escape(given)}"'.replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in answer.text
    assert "<script>alert" not in answer.text
    assert listed(one) == []


def test_one_client_subscribes_ten_times_an_hour_and_holds_up_no_other(one: TestClient, sink: MailSink) -> None:
    answers = [ask(one, f"m{number}@example.org") for number in range(11)]
    other = TestClient(one.app, base_url="http://testserver", client=("10.0.0.9", 1))

    assert [each.status_code for each in answers] == [200] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "m10@example.org" in answers[-1].text
    assert ask(other, "other@example.org").status_code == 200
    assert len(sink.wait_for(11)) == 11


def test_whoever_has_twenty_addresses_closes_the_form_for_these_alone(one: TestClient) -> None:
    site = one.app._app._site  # type: ignore[attr-defined]
    for number in range(200):
        assert site.subscriptions.take(f"10.0.0.{number // 10}", now=site.now()) == 0
    attacker, other = (TestClient(one.app, client=(host, 1)) for host in ("10.0.0.7", "10.0.0.99"))

    refused = ask(attacker, "m1@example.org")
    assert refused.status_code == 429
    assert "Too many subscriptions came from your address" in refused.text
    assert ask(other, "bob@example.org").status_code == 200
    assert ask(other, "bob@example.org").status_code == 429


def test_the_spellings_of_one_mailbox_get_one_mail_and_it_goes_to_the_one_that_was_typed(
    site: TestClient, sink: MailSink
) -> None:
    for address in ("v.ictim+a@googlemail.com", "victim@gmail.com", "VICTIM+b@gmail.com", "other@gmail.com"):
        assert ask(site, address).status_code == 200

    assert sorted(each.to for each in sink.wait_for(2)) == ["other@gmail.com", "v.ictim+a@googlemail.com"]


def test_a_page_with_a_password_offers_its_form_behind_it_only(one: TestClient, sink: MailSink) -> None:
    a_page(one, password="correct horse", title="Secret title")
    wait_until(lambda: one.get("/status/shop").status_code == 200)

    for answer in (one.get("/status/shop/subscribe"), ask(one, "ana@example.org", "/status/shop")):
        assert "Secret title" not in answer.text
        assert 'name="password"' in answer.text
    assert listed(one, "shop") == []

    one.post("/status/shop", data={"password": "correct horse"})
    assert "Secret title" in one.get("/status/shop/subscribe").text
    subscribe(one, sink, "ana@example.org", "/status/shop")
    assert [each["state"] for each in listed(one, "shop")] == ["active"]


def test_without_a_mail_server_nothing_offers_mail(make_client: Callable[..., TestClient], sqlite_url: str) -> None:
    client = make_client(sqlite_url)

    assert "subscribe" not in text_of(client.get("/status")).lower()
    assert client.get("/status/subscribe").status_code == 404
    assert ask(client, "ana@example.org").status_code == 404
    body = {"kind": "email", "address": "ana@example.org"}
    answer = client.post("/api/pages/status/subscribers", json=body, headers=ADMIN)
    assert (answer.status_code, "SMTP_HOST" in answer.json()["detail"]) == (409, True)
    client.headers.update(PAGE | {"accept-language": "en"})
    log_in(client)
    said = text_of(client.get("/pages/status/subscribers"))
    assert all(name in said for name in ("SMTP_HOST", "MAIL_FROM", "BASE_URL", "SMTP_USERNAME", "SMTP_PASSWORD"))


def test_the_owner_is_reminded_of_who_is_told_whatever_the_password(one: TestClient, sink: MailSink) -> None:
    one.headers.update(PAGE | {"accept-language": "en"})
    log_in(one)
    assert "whatever the password" not in text_of(one.get("/pages/status"))

    for name in ("ana", "bob"):
        subscribe(one, sink, f"{name}@example.org")

    assert "2 subscribers are told of incidents and maintenance, whatever" in text_of(one.get("/pages/status"))
    assert "2 assinantes são avisados" in text_of(one.get("/pages/status?lang=pt-BR"))
    assert "whatever the password" not in text_of(one.get("/pages/new?lang=en"))


def test_a_page_named_subscribe_cannot_be(one: TestClient) -> None:
    answer = one.post("/api/pages", json={"slug": "subscribe"}, headers=ADMIN)

    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "slug-reserved")


def test_no_link_is_in_a_copy_as_files(one: TestClient, sink: MailSink) -> None:
    from pulsemon.web.public import static_copy

    site = one.app._app._site  # type: ignore[attr-defined]
    files = static_copy.make_files(database_of(one), site.settings, now=site.now())

    assert b"/subscribe" not in files["status/index.html"]


def test_a_private_monitor_is_in_no_mail_and_a_hostile_title_is_text(one: TestClient, sink: MailSink) -> None:
    shown = monitors.get(database_of(one), monitors.by_id(_id_of(one, a_monitor(one, "shown")["slug"])))
    a_monitor(one, "hidden", name="Hidden Name", public=False)
    hidden_id = _id_of(one, "hidden")
    subscribe(one, sink, "ana@example.org")
    title = "Slow\r\nBcc: eve@evil.example\r\n\r\n<script>"

    tell(one, title=title, monitor_ids=[shown.id, hidden_id], text="a\r\n.\r\nQUIT\r\n")
    (mail,) = mails_to(sink, "ana@example.org", 2)[1:]

    assert "Hidden" not in mail.content.decode()
    assert "Bcc" not in mail.message
    assert "QUIT" in mail.text
    assert (
        mail.message["Subject"] == "[Status — PulseMon] Incident: Slow Bcc: eve@evil.example <script> – Investigating"
    )
    assert tell(one, monitor_ids=[hidden_id]) == 0


def _id_of(client: TestClient, slug: str) -> int:
    return monitors.get(database_of(client), monitors.by_slug(slug)).id


# By webhook.


def test_a_webhook_gets_signed_json_that_the_documents_describe(site: TestClient) -> None:
    with Sink() as hook:
        body = {"kind": "webhook", "address": hook.url, "secret": "generate", "locale": "pt-BR"}
        made = site.post("/api/pages/status/subscribers", json=body, headers=ADMIN)
        assert (made.status_code, made.json()["state"]) == (201, "active")
        assert listed(site)[0]["secret"] == "whsec_********"
        tell(site, text="Oh **no**", monitor_ids=[_id_of(site, a_monitor(site, "api")["slug"])])
        plan = {"kind": "maintenance", "event": Event.ANNOUNCED, "status": None}
        tell(site, **plan, starts_at=at("22:00"), ends_at=at("23:30"))
        first, second = hook.wait_for(2)

    page = {"slug": "status", "title": "Status — PulseMon", "url": f"{BASE}/status"}
    assert first.json() == {
        "type": "incident.opened",
        "page": page,
        "incident": {
            "id": "abc",
            "title": "Slow",
            "text": "Oh **no**",
            "monitors": ["Api"],
            "status": "investigating",
            "url": f"{BASE}/status/history/abc",
        },
        "occurred_at": "2026-03-02T10:00:00Z",
    }
    assert second.json() == {
        "type": "maintenance.announced",
        "page": page,
        "maintenance": {
            "id": "abc",
            "title": "Slow",
            "text": None,
            "monitors": [],
            "starts_at": "2026-03-02T22:00:00Z",
            "ends_at": "2026-03-02T23:30:00Z",
        },
        "occurred_at": "2026-03-02T10:00:00Z",
    }
    verify = standardwebhooks.Webhook(made.json()["secret"])
    assert verify.verify(first.body.decode(), dict(first.headers)) == first.json()


def test_a_webhook_that_says_410_is_told_nothing_any_more(one: TestClient) -> None:
    with Sink(then=status(410)) as hook:
        body = {"kind": "webhook", "address": hook.url}
        assert one.post("/api/pages/status/subscribers", json=body, headers=ADMIN).status_code == 201
        tell(one)
        wait_until(lambda: listed(one)[0]["state"] == "refused")

    assert tell(one) == 0


# The API and the panel.


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [[]]),
        ({}, [["kind"]]),
        ({"kind": "fax", "address": "x"}, [["kind"]]),
        ({"kind": "email", "address": "x"}, [["address"]]),
        ({"kind": "email", "address": 5}, [["address"]]),
        ({"kind": "email", "address": "a@b.org", "secret": "generate"}, [["secret"]]),
        ({"kind": "webhook", "address": "ftp://x"}, [["address"]]),
        ({"kind": "webhook", "address": "http://x y"}, [["address"]]),
        ({"kind": "webhook", "address": "http://x/\ud800"}, [["address"]]),
        ({"kind": "webhook", "address": f"http://x/{'y' * 2000}"}, [["address"]]),
        ({"kind": "webhook", "address": "http://x", "secret": "whsec_x"}, [["secret"]]),
        ({"kind": "webhook", "address": "http://x", "secret": 5, "locale": "fr"}, [["secret"], ["locale"]]),
        ({"kind": "webhook", "address": "http://x", "extra": 1}, [["extra"]]),
    ],
)
def test_what_breaks_a_rule_is_told_at_its_field_and_adds_nobody(
    one: TestClient, body: Any, fields: list[list[str]]
) -> None:
    answer = one.post("/api/pages/status/subscribers", content=json.dumps(body), headers=ADMIN)

    assert answer.status_code == 422
    assert [each["loc"][1:] for each in answer.json()["detail"]] == fields
    assert listed(one) == []


def test_the_api_adds_lists_and_removes(site: TestClient, sink: MailSink) -> None:
    a_page(site)
    for body in (
        {"kind": "email", "address": "Ana@example.org"},
        {"kind": "webhook", "address": "http://127.0.0.1:9/"},
    ):
        answer = site.post("/api/pages/shop/subscribers", json=body, headers=ADMIN)
        assert answer.status_code == 201, answer.text
        assert site.post("/api/pages/shop/subscribers", json=body, headers=ADMIN).status_code == 409
    mail, hook = listed(site, "shop")
    assert (mail["address"], mail["state"], hook["state"]) == ("ana@example.org", "waiting", "active")
    sink.wait_for(1)

    for subscriber_id in ("0", "x", "99999999999", "-1", "٣", str(hook["id"] + 1)):
        assert site.delete(f"/api/pages/shop/subscribers/{subscriber_id}", headers=ADMIN).status_code == 404
    assert site.delete(f"/api/pages/status/subscribers/{hook['id']}", headers=ADMIN).status_code == 404
    assert site.delete(f"/api/pages/shop/subscribers/{hook['id']}", headers=ADMIN).status_code == 204
    assert [each["id"] for each in listed(site, "shop")] == [mail["id"]]
    for path in ("/api/pages/nowhere/subscribers", "/api/pages/subscribe/subscribers"):
        assert site.get(path, headers=ADMIN).status_code == 404
        assert site.post(path, json={"kind": "webhook", "address": "http://x"}, headers=ADMIN).status_code == 404


def test_the_owner_adds_tests_and_removes_in_the_panel(one: TestClient, sink: MailSink) -> None:
    one.headers.update(PAGE | {"accept-language": "pt-BR"})
    log_in(one)
    path = "/pages/status/subscribers"
    with Sink() as hook:
        form = {"kind": "webhook", "address": hook.url, "sign": "yes", "locale": "pt-BR"}
        made = one.post(path, data=form)
        secret = re.search(r"whsec_[\w+/=]+", made.text)
        assert secret
        assert secret[0] not in one.get(path).text
        again = one.post(path, data=form)
        assert again.status_code == 422
        assert "Este assinante já está na lista." in again.text
        assert hook.url in again.text
        invited = one.post(path, data={"kind": "email", "address": "ana@example.org"})
        assert "Um e-mail que pede confirmação está a caminho." in text_of(invited)
        assert sink.wait_for(1)[0].to == "ana@example.org"
        ids = {each["kind"]: each["id"] for each in listed(one)}
        assert "Uma mensagem de teste está a caminho." in text_of(one.post(f"{path}/{ids['webhook']}/test"))
        assert hook.wait_for(1)[0].json()["type"] == "test"
        assert one.post(f"{path}/{ids['email']}/test").status_code == 409
    wait_until(lambda: "última mensagem: entregue" in text_of(one.get(path)))
    assert "aguardando confirmação" in text_of(one.get(path))
    assert hook.url in text_of(one.get(f"{path}/{ids['webhook']}/remove"))
    assert "saiu da lista" in text_of(one.post(f"{path}/{ids['webhook']}/remove"))
    assert [each["kind"] for each in listed(one)] == ["email"]
    assert "1 assinante" not in text_of(one.get("/pages"))
    for missing in ("0", "99999", "9999999999999999999"):
        assert one.get(f"{path}/{missing}/remove").status_code == 404
    assert one.get("/pages/nowhere/subscribers").status_code == 404


def test_the_panel_leads_through_many_and_finds_one(one: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_subscribers, "PAGE_SIZE", 2)
    one.headers.update(PAGE | {"accept-language": "en"})
    log_in(one)
    for number in range(5):
        subscribers.add_webhook(database_of(one), "status", f"http://h{number}/%_x", secret=None, locale="en", now=NOW)
    path = "/pages/status/subscribers"

    assert hosts_on_pages(one, path) == [["h0", "h1"], ["h2", "h3"], ["h4"]]
    assert hosts_on_pages(one, f"{path}?q=%25_X") == [["h0", "h1"], ["h2", "h3"], ["h4"]]
    assert hosts_on_pages(one, f"{path}?q=h3") == [["h3"]]
    for beyond, said in (("9", "Nobody further."), ("x", "http://h0/"), ("9" * 30, "http://h0/"), ("-1", "http://h0/")):
        assert said in text_of(one.get(path, params={"after": beyond}))
    for wanted, found in (("H3", True), ("%_", True), ("h9", False), ("%25h3", False), ("\0", True)):
        said = text_of(one.get(path, params={"q": wanted}))
        assert ("Remove" in said) == found, wanted
    assert "Nobody is found." in text_of(one.get(path, params={"q": "h9"}))


def hosts_on_pages(client: TestClient, address: str | None) -> list[list[str]]:
    """Follow the link to the next page to the last one, from which one leads back to the first."""
    found: list[list[str]] = []
    first = address
    while address is not None:
        page = client.get(address).text
        found.append(re.findall(r'class="name" dir="auto">http://(h\d)/', page))
        links = [html.unescape(each) for each in re.findall(r'<a class="button"(?: rel="next")? href="([^"]*)"', page)]
        assert (first in links) == (len(found) > 1)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        address = html.unescape(following[1]) if following else None
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_every_page_speaks_the_readers_language(one: TestClient, sink: MailSink, locale: str) -> None:
    headers = {"accept-language": locale}
    ask(one, "ana@example.org")
    confirm = link_in(sink.wait_for(1)[0].text, "confirm")
    expected = {"en": ("Subscribe", "Confirm"), "pt-BR": ("Assinar", "Confirmar")}[locale]

    for path, word in zip(("/status/subscribe", confirm), expected, strict=True):
        answer = one.get(path, headers=headers)
        assert f">{word}</button>" in answer.text
        assert f'<html lang="{locale}">' in answer.text


def test_the_tokens_of_links_are_in_no_log(make_server: Callable[..., Server], sqlite_url: str, sink: MailSink) -> None:
    password = "a-password-nobody-guesses"
    with MailSink(logins={"me": "another"}) as strict:
        settings = environment(strict, LOG_LEVEL="DEBUG", SMTP_USERNAME="me", SMTP_PASSWORD=password)
        server = make_server(sqlite_url, **settings)
        httpx2.post(f"{server.url}/status/subscribe", data={"address": "ana@example.org"})
        wait_until(lambda: "login" in server.log)
        server.stop()
    assert password not in server.log
    server.environment |= environment(sink, LOG_LEVEL="DEBUG")
    del server.environment["SMTP_USERNAME"], server.environment["SMTP_PASSWORD"]
    server.start_again()
    (mail,) = sink.wait_for(1)
    confirm = link_in(mail.text, "confirm")
    for method in ("GET", "POST", "PUT"):
        httpx2.request(method, server.url + confirm)
        httpx2.request(method, server.url + confirm.replace("confirm", "unsubscribe"))

    token = confirm.split("/")[2]
    assert "/subscriptions/***/confirm" in server.log
    assert token not in server.log
    assert "ana@example.org" not in server.log


# As it runs.


def environment(sink: MailSink, **changes: str) -> dict[str, str]:
    return {name.upper(): str(value) for name, value in mail_settings(sink).items()} | changes


def with_subscribers(database_url: str, count: int) -> dict[str, Any]:
    """Prepare a database with a monitor and *count* people who are owed one message."""
    now = clock.now()
    database = Database.open(database_url)
    try:
        database.migrate()
        monitor = make(database, "job", now=now)
        status_pages.edit(database, "status", status_pages.PageChanges(title="Shop"), now=now)
        values = {
            "kind": "email",
            "locale": "en",
            "asked_at": now,
            "created_at": now,
            "confirmed_at": now,
            "page_id": 1,
        }
        with database.write() as connection:
            people = [
                values | {"address": f"m{number}@example.org", "token": f"{number:043}"} for number in range(count)
            ]
            connection.execute(Subscriber.__table__.insert(), people)
            fields: dict[str, Any] = {"status": "investigating", "is_general": True, "project_id": 1}
            notice = Notice("incident", "abc", Event.OPENED, now, "Slow", **fields)
            assert announcements.announce(connection, notice, now=now) == count
        return {"slug": monitor.slug, "token": monitor.token}
    finally:
        database.close()


def test_a_mail_under_way_when_pulsemon_is_killed_arrives_all_the_same(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    with_subscribers(sqlite_url, 1)
    with MailSink({"body": [HANG, "250 ok"]}) as sink:
        server = make_server(sqlite_url, **environment(sink))
        wait_until(lambda: "DATA" in sink.said)
        server.kill()
        server.start_again()
        (mail,) = sink.wait_for(1)
        wait_until(lambda: "delivery.delivered" in server.log)

    assert mail.to == "m0@example.org"
    assert mail.message["Message-ID"].startswith("<msg_")


def test_a_mail_server_that_fails_in_the_middle_gets_the_same_mail_again(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    with_subscribers(sqlite_url, 1)
    script = {"RCPT": ["451 4.3.0 later", "250 ok"], "body": [CUT, "451 4.3.0 later", "250 ok"]}
    said: list[str] = []
    with MailSink(script) as sink:
        server = make_server(sqlite_url, **environment(sink))
        sink.wait_for(1)
        wait_until(lambda: "delivery.delivered" in server.log)
        said = list(sink.said)

    assert sum(line.startswith("DATA") for line in said) == 3
    assert len(sink.mails) == 1


def test_a_thousand_mails_hold_up_no_ping_and_all_arrive(make_server: Callable[..., Server], sqlite_url: str) -> None:
    count = 1_000
    monitor = with_subscribers(sqlite_url, count)
    with MailSink() as sink:
        server = make_server(sqlite_url, **environment(sink))
        url = f"{server.url}/h/{monitor['slug']}/{monitor['token']}"
        answered_before_the_last = 0
        slowest = 0.0
        with httpx2.Client() as pinging:
            while len(sink.mails) < count:
                began = time.monotonic()
                assert pinging.post(url).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                if len(sink.mails) < count:
                    answered_before_the_last += 1
        wait_until(lambda: server.log.count("delivery.delivered") == count)

    print(f"{answered_before_the_last} pings while {count} mails went out, the slowest {slowest * 1000:.0f} ms")
    assert sorted(each.to for each in sink.mails) == sorted(f"m{number}@example.org" for number in range(count))
    assert sink.most_open <= MAX_PER_RECEIVER
    assert answered_before_the_last > count / 10


def test_pulsemon_takes_leave_of_the_mail_server_when_it_stops(
    make_server: Callable[..., Server], sqlite_url: str
) -> None:
    with_subscribers(sqlite_url, 20)
    with MailSink() as sink:
        server = make_server(sqlite_url, **environment(sink))
        wait_until(lambda: server.log.count("delivery.delivered") == 20)
        assert server.stop() == 0
        wait_until(lambda: sink.open_count == 0)

    connections = sum(line.startswith("EHLO") for line in sink.said)
    assert connections < 20
    assert sink.said.count("QUIT") == connections


def test_a_mail_server_that_hangs_holds_up_no_webhook(make_server: Callable[..., Server], sqlite_url: str) -> None:
    with_subscribers(sqlite_url, 20)
    with MailSink({"banner": [HANG]}) as sink, Sink() as hook:
        server = make_server(sqlite_url, **environment(sink))
        wait_until(lambda: sink.open_count == MAX_PER_RECEIVER)
        monitor = server.create(slug="web", webhook_url=hook.url)
        httpx2.post(f"{server.url}/h/{monitor['slug']}/{monitor['token']}/fail")

        assert hook.wait_for(1)[0].json()["status"] == "DOWN"
        assert sink.mails == []
        assert sink.most_open == MAX_PER_RECEIVER
