"""Signing in as a user: passwords, links, the second factor, sessions, and what is asked once more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import update
from starlette.testclient import TestClient

from pulsemon import clock, log
from pulsemon.db import Database
from pulsemon.db.tables.accounts import AccountLink, RecoveryCode, SecondFactor, Session, User
from pulsemon.db.tables.audit import AuditEntry
from tests.arrange import rows
from tests.conftest import ADMIN_TOKEN, Server, wait_until

PASSWORD = "a horse, a battery and a staple"
OTHER = "three ships that came sailing in"
ADMIN = {"X-Admin-Token": ADMIN_TOKEN, "accept": "application/json"}


@pytest.fixture
def browser(client: TestClient) -> TestClient:
    """A browser, not logged in, that takes pages in English."""
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    return client


@pytest.fixture
def look(database_url: str) -> Any:
    """Look into the tables of the application."""
    opened = Database.open_to_read(database_url)
    yield lambda table, *where: rows(opened, table, *where)
    opened.close()


def make_user(client: TestClient, email: str = "ana@example.org", **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/users", json={"email": email, "password": PASSWORD} | fields, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def invite(client: TestClient, email: str = "ana@example.org") -> str:
    """Return the path of an invitation."""
    answer = client.post("/api/users", json={"email": email}, headers=ADMIN)
    return str(answer.json()["invitation_url"]).removeprefix("http://testserver")


def log_in(client: TestClient, email: str = "ana@example.org", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login", data={"email": email, "password": password, **more}, follow_redirects=False)


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, name
    return found[1]


def set_up_factor(client: TestClient) -> tuple[pyotp.TOTP, list[str]]:
    """Switch the second factor of whoever is logged in on; return his app, and his recovery codes."""
    page = client.post("/account/second-factor", data={})
    assert page.status_code == 200, page.text
    secret = re.search(r'id="factor-secret"[^>]*>([A-Z2-7 ]+)<', page.text)
    assert secret
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    codes = client.post("/account/second-factor", data={"code": app.at(clock.now())})
    found = re.search(r'id="recovery-codes">([^<]+)<', codes.text)
    assert found, codes.text
    return app, found[1].split()


def next_code(app: pyotp.TOTP, *, ahead: int = 1) -> str:
    """Return the code of the next step, which counts already: the one of this step may have been taken."""
    return app.at(clock.now(), counter_offset=ahead)


def test_a_user_logs_in_with_address_and_password(browser: TestClient, look: Any) -> None:
    made = make_user(browser, "Ana@Example.org")

    answer = log_in(browser, "ana@example.ORG", next="/account")

    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = browser.get("/account")
    assert page.status_code == 200
    assert "Ana@Example.org" in page.text
    (user,) = look(User)
    assert user.last_login_at is not None
    assert [(row.action, row.actor_id) for row in look(AuditEntry, AuditEntry.action == "login")] == [
        ("login", made["id"])
    ]


def test_without_a_user_the_login_asks_for_the_token_alone(browser: TestClient) -> None:
    page = browser.get("/").text
    assert 'name="token"' in page
    assert 'name="email"' not in page

    make_user(browser)

    page = browser.get("/").text
    assert page.index('name="email"') < page.index('name="token"')
    assert "<details>" in page


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ana@example.org", "another password"),
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("disabled@example.org", PASSWORD),
        ("invited@example.org", ""),
        ("invited@example.org", PASSWORD),
        ("ana@example.org", ""),
    ],
)
def test_whoever_is_not_let_in_gets_one_answer(browser: TestClient, look: Any, email: str, password: str) -> None:
    make_user(browser)
    disabled = make_user(browser, "disabled@example.org")
    browser.patch(f"/api/users/{disabled['id']}", json={"disabled": True}, headers=ADMIN)
    invite(browser, "invited@example.org")

    answer = log_in(browser, email, password)

    assert answer.status_code == 401
    assert "Address or password is wrong." in answer.text
    assert "set-cookie" not in answer.headers
    assert look(Session) == []


def test_next_and_the_form_that_was_kept_survive_both_steps(browser: TestClient) -> None:
    make_user(browser)
    log_in(browser)
    app, _ = set_up_factor(browser)
    browser.cookies.clear()
    kept = '["/monitors", [["name", "Typed \\u00e9"]]]'

    asked = log_in(browser, kept=kept, next="/incidents")
    assert "Your code" in asked.text
    entered = browser.post(
        "/login",
        data={
            "pending": hidden(asked.text, "pending"),
            "kept": kept,
            "next": hidden(asked.text, "next"),
            "code": next_code(app),
        },
    )

    assert entered.status_code == 200
    assert "You are logged in again" in entered.text
    assert "Typed é" in entered.text


def test_a_code_counts_once_and_a_recovery_code_too(browser: TestClient, look: Any) -> None:
    make_user(browser)
    log_in(browser)
    app, recovery = set_up_factor(browser)
    assert len(set(recovery)) == 10
    code = next_code(app)

    def try_code(typed: str) -> Any:
        browser.cookies.clear()
        pending = hidden(log_in(browser).text, "pending")
        return browser.post("/login", data={"pending": pending, "code": typed}, follow_redirects=False)

    assert try_code("000 000").status_code == 401
    assert try_code(code).status_code == 303
    again = try_code(code)
    assert (again.status_code, "used already" in again.text) == (401, True)
    assert try_code(recovery[0].upper()).status_code == 303
    assert try_code(recovery[0]).status_code == 401
    assert sum(row.used_at is not None for row in look(RecoveryCode)) == 1
    assert not any(each in repr(look(RecoveryCode)) + repr(look(SecondFactor)) for each in [app.secret, *recovery])


def test_a_password_alone_does_not_let_in_whoever_has_a_second_factor(browser: TestClient, look: Any) -> None:
    make_user(browser)
    log_in(browser)
    set_up_factor(browser)
    browser.post("/logout")
    browser.cookies.clear()

    assert log_in(browser).status_code == 200
    assert look(Session) == []


@pytest.mark.parametrize("pending", ["", "x", "aaaa.1.99999999999.sig", "Zm9v"])
def test_a_step_that_nobody_began_begins_anew(browser: TestClient, look: Any, pending: str) -> None:
    make_user(browser)

    answer = browser.post("/login", data={"pending": pending or "-", "code": "123456"})

    assert answer.status_code == 401
    assert 'name="password"' in answer.text
    assert look(Session) == []


def test_a_new_password_between_the_steps_ends_the_login(browser: TestClient) -> None:
    made = make_user(browser)
    log_in(browser)
    app, _ = set_up_factor(browser)
    browser.cookies.clear()
    pending = hidden(log_in(browser).text, "pending")
    link = browser.post(f"/api/users/{made['id']}/link", headers=ADMIN).json()["url"]
    browser.post(link, data={"password": OTHER, "password_again": OTHER})

    answer = browser.post("/login", data={"pending": pending, "code": next_code(app)})

    assert answer.status_code == 401
    assert "That took too long, or your password was changed meanwhile" in answer.text


def test_an_invitation_works_once(browser: TestClient, look: Any) -> None:
    path = invite(browser)

    assert "ana@example.org" in browser.get(path).text
    assert browser.get(path).status_code == 200
    (link,) = look(AccountLink)
    assert link.used_at is None
    assert path.removeprefix("/join/") not in repr(link)

    done = browser.post(path, data={"password": OTHER, "password_again": OTHER})
    assert "Your password is set. Log in with it." in done.text
    for late in (browser.get(path), browser.post(path, data={"password": PASSWORD, "password_again": PASSWORD})):
        assert late.status_code == 404
        assert "This link does not work any more" in late.text
    assert log_in(browser, password=PASSWORD).status_code == 401
    assert log_in(browser, password=OTHER).status_code == 303


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"password": "short", "password_again": "short"}, "12 to 200 characters"),
        ({"password": "password1234", "password_again": "password1234"}, "one of the commonest"),
        ({"password": PASSWORD, "password_again": OTHER}, "The two are not the same"),
    ],
)
def test_a_password_that_will_not_do_leaves_the_link_as_it_is(
    browser: TestClient, typed: dict[str, str], sentence: str
) -> None:
    path = invite(browser)

    refused = browser.post(path, data=typed)

    assert (refused.status_code, sentence in refused.text) == (422, True)
    assert typed["password"] not in refused.text
    assert browser.post(path, data={"password": PASSWORD, "password_again": PASSWORD}).status_code == 200


def test_a_reset_ends_sessions_and_other_links(browser: TestClient, look: Any) -> None:
    made = make_user(browser)
    log_in(browser)
    links = [browser.post(f"/api/users/{made['id']}/link", headers=ADMIN).json()["url"] for _ in range(2)]

    assert browser.get(links[0]).status_code == 404  # the second one ended it
    browser.post(links[1], data={"password": OTHER, "password_again": OTHER})

    assert look(Session) == []
    assert look(AccountLink) == []
    assert browser.get("/account", follow_redirects=False).status_code == 303


def test_a_link_ends_by_itself(browser: TestClient) -> None:
    made = make_user(browser)
    link = browser.post(f"/api/users/{made['id']}/link", headers=ADMIN).json()
    assert browser.get(link["url"]).status_code == 200

    late = datetime.fromisoformat(link["expires_at"]).astimezone(UTC) + timedelta(seconds=1)
    _set_clock(browser, late)

    assert browser.get(link["url"]).status_code == 404
    assert browser.post(link["url"], data={"password": OTHER, "password_again": OTHER}).status_code == 404


def _set_clock(browser: TestClient, now: datetime) -> None:
    object.__setattr__(site_of(browser), "now", lambda: now)


def site_of(browser: TestClient) -> Any:
    app = browser.app._app
    while not hasattr(app, "_site"):
        app = app._app
    return app._site


def test_a_new_password_is_asked_for_a_proof_and_ends_all_other_sessions(
    browser: TestClient, make_client: Callable[..., TestClient], look: Any
) -> None:
    make_user(browser)
    elsewhere = TestClient(browser.app, base_url="http://testserver", headers={"accept": "text/html"})
    log_in(elsewhere)
    log_in(browser)
    assert len(look(Session)) == 2

    changed = browser.post("/account/password", data={"password": OTHER, "password_again": OTHER})

    assert "Your password is changed" in changed.text
    assert len(look(Session)) == 1
    assert elsewhere.get("/account", follow_redirects=False).status_code == 303
    assert browser.get("/account").status_code == 200


def test_sessions_are_listed_and_ended(browser: TestClient, look: Any) -> None:
    make_user(browser)
    elsewhere = TestClient(browser.app, base_url="http://testserver", headers={"accept": "text/html"})
    elsewhere.headers["user-agent"] = "Another browser <1>"
    log_in(elsewhere)
    log_in(browser)

    page = browser.get("/account").text
    assert "This session" in page
    assert "Another browser &lt;1&gt;" in page
    (other,) = re.findall(r'action="(/account/sessions/[0-9a-f]+/end)"', page)
    assert "The session has ended." in browser.post(other).text
    assert browser.post(other).status_code == 404
    assert elsewhere.get("/account", follow_redirects=False).status_code == 303

    log_in(elsewhere)
    assert "All other sessions have ended." in browser.post("/account/end-other-sessions").text
    assert len(look(Session)) == 1


def test_a_session_whose_user_is_gone_is_over(browser: TestClient) -> None:
    made = make_user(browser)
    log_in(browser)
    browser.delete(f"/api/users/{made['id']}", headers=ADMIN)

    answer = browser.get("/account", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/?next=%2Faccount")
    assert "Your session has ended." in browser.get("/").text


def test_what_matters_is_asked_for_once_more_and_leads_back(browser: TestClient, look: Any) -> None:
    make_user(browser)
    log_in(browser)
    _set_clock(browser, clock.now() + timedelta(minutes=16))

    asked = browser.post("/account/second-factor", data={"ticked": "yes"})
    assert "Is it you?" in asked.text
    assert look(SecondFactor) == []
    kept = hidden(asked.text, "kept").replace("&#34;", '"')

    wrong = browser.post("/prove", data={"password": OTHER, "kept": kept})
    assert (wrong.status_code, "This password is wrong." in wrong.text) == (401, True)
    proved = browser.post("/prove", data={"password": PASSWORD, "kept": kept})
    assert 'action="/account/second-factor"' in proved.text
    assert 'name="ticked" value="yes"' in proved.text
    assert "factor-secret" in browser.post("/account/second-factor", data={"ticked": "yes"}).text


def test_guessing_at_the_proof_counts_as_guessing_at_the_account(browser: TestClient) -> None:
    make_user(browser)
    assert log_in(browser).status_code == 303
    stolen = browser.cookies

    def guess(address: str, path: str, **form: str) -> int:
        elsewhere = TestClient(browser.app, base_url="http://testserver", client=(address, 5_000))
        elsewhere.cookies = stolen if path == "/prove" else {}
        return elsewhere.post(path, data=form, follow_redirects=False).status_code

    wrong = {"password": OTHER}
    assert [guess(f"198.51.100.{number}", "/prove", **wrong) for number in range(20)] == [401] * 20

    assert [guess("203.0.113.9", "/prove", **wrong) for _ in range(3)] == [401, 429, 429]
    assert [guess("203.0.113.10", "/login", email="ana@example.org", **wrong) for _ in range(2)] == [401, 429]
    assert browser.post("/prove", data={"password": PASSWORD}, follow_redirects=False).status_code == 303


def test_who_chooses_a_password_by_a_link_is_noted_with_the_place_that_it_came_from(
    browser: TestClient, look: Any
) -> None:
    made = make_user(browser, "bia@example.org")
    join = invite(browser)
    reset = browser.post(f"/api/users/{made['id']}/link", headers=ADMIN).json()["url"]
    for link in (join, reset):
        browser.post(link, data={"password": OTHER, "password_again": OTHER})

    noted = [row for row in look(AuditEntry) if row.action in ("user.join", "user.password")]
    assert [(row.actor, row.action, row.remote_addr) for row in noted] == [
        ("ana@example.org", "user.join", "testclient"),
        ("bia@example.org", "user.password", "testclient"),
    ]


def test_ones_own_address_is_no_password(browser: TestClient) -> None:
    join = invite(browser, "ana.maria@example.org")
    typed = {"password": "Ana.Maria@Example.org", "password_again": "Ana.Maria@Example.org"}

    refused = browser.post(join, data=typed)

    assert refused.status_code == 422
    assert "This password is the e-mail address" in refused.text
    assert browser.get(join).status_code == 200


def test_a_page_that_shows_something_once_leads_nobody_away_from_it(browser: TestClient) -> None:
    make_user(browser)
    log_in(browser)
    assert 'hreflang="pt-BR"' in browser.get("/account").text
    browser.post("/account/second-factor", data={})
    secret = re.search(r'id="factor-secret"[^>]*>([A-Z2-7 ]+)<', browser.get("/account/second-factor").text)
    assert secret
    codes = browser.post(
        "/account/second-factor", data={"code": pyotp.TOTP(secret[1].replace(" ", "")).at(clock.now())}
    )

    assert 'id="recovery-codes"' in codes.text
    assert "hreflang" not in codes.text
    assert 'hreflang="pt-BR"' in browser.post("/login", data={"email": "x@example.org", "password": OTHER}).text


def test_the_token_that_comes_back_with_the_last_factor_is_told(browser: TestClient) -> None:
    make_user(browser, owner=True)
    log_in(browser)
    assert "No owner has a second factor yet." in browser.get("/account").text
    set_up_factor(browser)
    assert "No owner has a second factor yet." not in browser.get("/account").text
    browser.post("/account/admin-token", data={"switch": "off"})

    told = browser.post("/account/second-factor/off")

    assert "the admin token opens everything again" in told.text


def test_a_session_of_the_token_proves_with_the_token(browser: TestClient) -> None:
    make_user(browser)
    browser.post("/login", data={"token": ADMIN_TOKEN})

    refused = browser.post("/account/admin-token", data={"switch": "off"})

    assert refused.status_code == 409
    assert "once an owner has a second factor" in refused.text


def test_the_admin_token_is_switched_off_by_an_owner_with_a_second_factor(browser: TestClient, look: Any) -> None:
    made = make_user(browser, owner=True)
    log_in(browser)
    assert browser.post("/account/admin-token", data={"switch": "off"}).status_code == 409
    set_up_factor(browser)

    assert "opens nothing any more" in browser.post("/account/admin-token", data={"switch": "off"}).text
    refused = browser.get("/api/users", headers=ADMIN)
    assert (refused.status_code, "switched off" in refused.json()["detail"]) == (401, True)
    stranger = TestClient(browser.app, base_url="http://testserver", headers={"accept": "text/html"})
    assert stranger.post("/login", data={"token": ADMIN_TOKEN}).status_code == 401

    assert "opens everything again" in browser.post("/account/admin-token", data={"switch": "on"}).text
    assert browser.get(f"/api/users/{made['id']}", headers=ADMIN).status_code == 200

    browser.post("/account/admin-token", data={"switch": "off"})
    browser.post("/account/second-factor/off")
    assert browser.get("/api/users", headers=ADMIN).status_code == 200


def test_many_wrong_passwords_of_an_address_make_it_wait(browser: TestClient) -> None:
    make_user(browser)

    answers = [log_in(browser, password=f"wrong password {number}").status_code for number in range(11)]

    assert answers == [401] * 10 + [429]
    assert log_in(browser).status_code == 429


def test_forgotten_passwords_get_one_answer_for_every_address(
    make_client: Callable[..., TestClient], database_url: str, look: Any
) -> None:
    mail = {"smtp_host": "127.0.0.1", "smtp_port": 9, "mail_from": "a@example.org", "base_url": "http://testserver"}
    browser = make_client(database_url, **mail, smtp_security="none")
    browser.headers.update({"accept": "text/html", "accept-language": "en"})
    make_user(browser)

    answers = {
        email: browser.post("/forgot", data={"email": email}).text.replace(email, "*")
        for email in ("ana@example.org", "nobody@example.org")
    }

    assert len(set(answers.values())) == 1
    assert "a mail with a link is on its way" in answers["ana@example.org"]
    assert len(look(AccountLink)) == 1
    assert browser.post("/forgot", data={"email": "no address"}).status_code == 422


def test_where_no_mail_is_sent_forgotten_passwords_are_an_owners_business(browser: TestClient) -> None:
    assert "Ask one of its owners" in browser.get("/forgot").text


def test_nothing_that_lets_somebody_in_stands_in_the_log(
    browser: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure(level="DEBUG", form="json")
    made = make_user(browser)
    reset = browser.post(f"/api/users/{made['id']}/link", headers=ADMIN).json()["url"]
    join = invite(browser, "bia@example.org")
    browser.get(join)
    browser.post(join, data={"password": OTHER, "password_again": OTHER})
    browser.get(join)
    browser.get(reset)
    log_in(browser, password=OTHER)
    log_in(browser)
    app, recovery = set_up_factor(browser)
    browser.cookies.clear()
    asked = log_in(browser)
    browser.post("/login", data={"pending": hidden(asked.text, "pending"), "code": recovery[0]})

    said = "".join(capfd.readouterr())

    assert '"path": "/login"' in said
    for secret in (PASSWORD, OTHER, reset.rsplit("/", 1)[1], join.rsplit("/", 1)[1], app.secret, *recovery):
        assert secret not in said


def test_when_and_where_a_session_was_seen_is_written_after_an_answer(browser: TestClient, look: Any) -> None:
    make_user(browser)
    log_in(browser)
    (session,) = look(Session)
    later = clock.now() + timedelta(minutes=6)
    _set_clock(browser, later)

    browser.get("/account")

    wait_until(lambda: look(Session)[0].seen_at > session.seen_at)


def test_a_password_that_was_kept_with_other_parameters_is_kept_anew(
    browser: TestClient, database_url: str, look: Any
) -> None:
    make_user(browser)
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    _write(browser, lambda connection: connection.execute(update(User).values(password_hash=old)))

    assert log_in(browser).status_code == 303

    (user,) = look(User)
    assert user.password_hash != old
    assert user.password_version == 1
    assert log_in(browser).status_code == 303


def _write(browser: TestClient, work: Callable[[Any], Any]) -> None:
    with site_of(browser).database.write() as connection:
        work(connection)


def test_a_token_that_nobody_can_do_without_is_never_off(browser: TestClient) -> None:
    ana = make_user(browser, owner=True)
    log_in(browser)
    set_up_factor(browser)
    browser.post("/account/admin-token", data={"switch": "off"})
    _write(browser, lambda connection: connection.execute(update(User).values(disabled_at=clock.now())))
    site_of(browser).token_switch._next_look_at = 0.0

    browser.get("/")

    wait_until(lambda: browser.get(f"/api/users/{ana['id']}", headers=ADMIN).status_code == 200)


def test_a_hundred_logins_at_once_are_judged_or_told_to_come_back(server: Server) -> None:
    body = {"email": "ana@example.org", "password": PASSWORD}
    assert httpx2.post(f"{server.url}/api/users", json=body, headers=server.headers).status_code == 201

    def one(number: int) -> int:
        headers = {"x-forwarded-for": f"10.0.{number}.1"}
        return httpx2.post(f"{server.url}/login", data=body, headers=headers).status_code

    with ThreadPoolExecutor(100) as pool:
        found = Counter(pool.map(one, range(100)))

    assert set(found) <= {303, 503}
    assert found[303] >= 32
