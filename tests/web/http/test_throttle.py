"""Guessing the admin token: of each address so many wrong ones are judged in a minute, whichever way in."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from pulsemon.accounts import access
from pulsemon.db import Database
from pulsemon.db.tables.base import Meta
from pulsemon.server import PulseMon
from pulsemon.web.http.known_addresses import KnownAddresses
from pulsemon.web.http.throttle import Throttle, Verdict
from tests.arrange import rows, seconds
from tests.conftest import ADMIN_TOKEN, at, settings_for
from tests.web.panel.test_monitors import database_away

RIGHT = {"X-Admin-Token": ADMIN_TOKEN}
WRONG = {"X-Admin-Token": "wrong-{}"}
NUMBERS = itertools.count()
TOO_MANY = {"detail": "Too many wrong tokens came from this address. Try again after the seconds in Retry-After."}


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """Counting does not depend on the database."""
    return make_client(sqlite_url)


def at_address(client: TestClient, host: str) -> TestClient:
    return TestClient(client.app, base_url="http://testserver", client=(host, 1234))


def numbered(headers: dict[str, str]) -> dict[str, str]:
    """Return headers with another number in the place of `{}` each time: a guesser does not say the same twice."""
    return {name: value.format(next(NUMBERS)) for name, value in headers.items()}


def statuses(client: TestClient, count: int, headers: dict[str, str], path: str = "/api/monitors") -> list[int]:
    return [client.get(path, headers=numbered(headers)).status_code for _ in range(count)]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_after_sixty_wrong_tokens_the_next_is_429_even_if_it_is_the_right_one(client: TestClient) -> None:
    assert statuses(client, 61, WRONG) == [401] * 60 + [429]

    answer = client.get("/api/monitors", headers=RIGHT)

    assert (answer.status_code, answer.json()) == (429, TOO_MANY)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert 1 <= int(answer.headers["retry-after"]) <= 61


def test_the_paths_and_methods_of_the_api_share_one_count(client: TestClient) -> None:
    paths = ["/api/monitors", "/api/monitors/x", "/api/history/x", "/api/keys", "/api/monitors/a%2Fb/pause"]
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS") * 2:
        for path in paths:
            assert client.request(method, path, headers=numbered(WRONG)).status_code == 401

    assert client.post("/api/monitors", json={}, headers=numbered(WRONG)).status_code == 429


@pytest.mark.parametrize(
    "headers",
    [
        WRONG,
        {"Authorization": "Bearer wrong-{}"},
        {"Authorization": "basic"},
        {"Authorization": "Bearer wrong-{}", "X-Admin-Token": "wrong"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30.c2ln", "X-Admin-Token": "wrong-{}"},
    ],
)
def test_the_metrics_are_no_way_around(client: TestClient, headers: dict[str, str]) -> None:
    def shown() -> dict[str, str]:
        return basic("x", f"wrong-{next(NUMBERS)}") if headers == {"Authorization": "basic"} else numbered(headers)

    found = [client.get("/metrics", headers=shown()).status_code for _ in range(61)]
    assert found[:59] == [401] * 59  # two tokens in one request are two tries
    assert found[60] == 429

    answer = client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (answer.status_code, answer.json()) == (429, TOO_MANY)
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    assert client.get("/api/monitors", headers=RIGHT).status_code == 429
    assert client.get("/metrics").status_code == 200


def test_a_right_token_counts_for_nothing_and_forgives_nothing(client: TestClient) -> None:
    assert statuses(client, 59, WRONG) == [401] * 59
    assert statuses(client, 30, RIGHT) == [200] * 30
    assert statuses(client, 30, {"Authorization": "Basic !", "X-Admin-Token": ADMIN_TOKEN}, "/metrics") == [200] * 30
    assert statuses(client, 2, WRONG) == [401, 429]


@pytest.mark.parametrize("headers", [{}, {"X-Admin-Token": ""}], ids=["missing", "empty"])
def test_no_token_is_no_guess(client: TestClient, headers: dict[str, str]) -> None:
    assert statuses(client, 65, headers) == [401] * 65
    assert client.get("/api/monitors", headers=RIGHT).status_code == 200


def test_while_administration_is_closed_nothing_counts(make_client: Callable[..., TestClient], sqlite_url: str) -> None:
    client = make_client(sqlite_url, admin_token="")

    assert statuses(client, 65, WRONG) == [401] * 65
    assert statuses(client, 65, WRONG, "/metrics") == [401] * 65


def test_who_guesses_at_one_address_does_not_lock_out_another(client: TestClient) -> None:
    guesser = at_address(client, "2001:db8:1:2::1")
    assert statuses(guesser, 61, WRONG)[-1] == 429

    assert at_address(client, "2001:db8:1:2:ff::9").get("/api/monitors", headers=RIGHT).status_code == 429
    assert at_address(client, "2001:db8:1:3::1").get("/api/monitors", headers=RIGHT).status_code == 200
    assert at_address(client, "192.0.2.1").get("/api/monitors", headers=RIGHT).status_code == 200


def test_a_script_with_an_old_token_does_not_close_the_login_form_nor_the_other_way_round(client: TestClient) -> None:
    def log_in(client: TestClient, token: str) -> int:
        return client.post("/login", data={"token": token}, follow_redirects=False).status_code

    script, guesser = at_address(client, "192.0.2.1"), at_address(client, "192.0.2.2")
    assert statuses(script, 61, WRONG)[-1] == 429
    assert [log_in(guesser, f"wrong-{number}") for number in range(11)][-1] == 429

    assert log_in(script, ADMIN_TOKEN) == 303
    assert guesser.get("/api/monitors", headers=RIGHT).status_code == 200


def test_each_wrong_token_that_is_judged_is_a_line_in_the_log(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    statuses(at_address(client, "192.0.2.1"), 70, {"X-Admin-Token": "canary-{}"})
    client.post("/login", data={"token": "canary"})

    lines = [line for line in capsys.readouterr().err.splitlines() if "token.wrong" in line]
    assert len(lines) == 61
    assert all("way=header" in line and "remote=192.0.2.1" in line for line in lines[:60])
    assert "way=login" in lines[60]
    assert "canary" not in "".join(lines)


def test_pings_and_pages_of_a_guesser_go_on(client: TestClient) -> None:
    body = {"name": "Job", "slug": "job", "interval_seconds": 60}
    ping_url = client.post("/api/monitors", json=body, headers=RIGHT).json()["ping_url"]
    assert statuses(client, 61, WRONG)[-1] == 429

    assert [client.get(path).status_code for path in (ping_url, "/status", "/", "/health")] == [200] * 4


# The same again, and what is somebody else's.


def test_the_same_wrong_token_counts_once_however_often_it_is_shown(client: TestClient) -> None:
    old = {"X-Admin-Token": "the-token-of-last-year"}
    assert statuses(client, 200, old) == [401] * 200
    assert statuses(client, 70, basic("proxy", "secret"), "/metrics") == [401] * 70

    assert client.get("/api/monitors", headers=RIGHT).status_code == 200


def test_after_the_limit_the_same_wrong_token_is_told_nothing_either(client: TestClient) -> None:
    assert statuses(client, 60, WRONG) == [401] * 60
    assert statuses(client, 2, {"X-Admin-Token": "one-more"}) == [429] * 2
    assert statuses(client, 2, {"X-Admin-Token": f"wrong-{next(NUMBERS) - 1}"}) == [429] * 2


SIGNED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ7fSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "foreign",
    [
        f"Bearer {SIGNED}{{}}",
        "Bearer eyJhbGciOiJSU0EifQ.a{}.b.c.d",
        'Digest username="a", nonce="{}"',
        "Negotiate YII{}",
        "AWS4-HMAC-SHA256 Credential=AKIA{}",
    ],
)
def test_what_can_be_no_token_of_ours_is_no_guess(client: TestClient, foreign: str) -> None:
    found = [
        client.get("/metrics", headers={"Authorization": foreign.replace("{}", str(number))}).status_code
        for number in range(70)
    ]

    assert found == [401] * 70
    assert client.get("/api/monitors", headers=RIGHT).status_code == 200


def test_an_admin_token_that_looks_signed_can_be_guessed_no_oftener(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    client = make_client(sqlite_url, admin_token=SIGNED)

    assert statuses(client, 61, {"Authorization": f"Bearer {SIGNED}{{}}"}, "/metrics") == [401] * 60 + [429]


# Where the right one came from.


@pytest.fixture
def site(make_client: Callable[..., TestClient], database_url: str) -> TestClient:
    """The whole application, on each database."""
    return make_client(database_url)


def test_where_the_right_token_came_from_it_gets_in_while_others_are_refused(site: TestClient) -> None:
    owner, stranger = at_address(site, "192.0.2.1"), at_address(site, "192.0.2.2")
    assert owner.get("/api/monitors", headers=RIGHT).status_code == 200
    for each in (owner, stranger):
        assert statuses(each, 61, WRONG)[-1] == 429

    assert owner.get("/api/monitors", headers=RIGHT).status_code == 200
    assert owner.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).status_code == 200
    assert statuses(owner, 100, WRONG) == [429] * 100
    assert owner.get("/api/monitors", headers=RIGHT).status_code == 200
    assert stranger.get("/api/monitors", headers=RIGHT).status_code == 429


def test_the_login_and_the_api_know_the_same_addresses(site: TestClient) -> None:
    owner = at_address(site, "2001:db8:1:2::1")
    assert owner.get("/api/monitors", headers=RIGHT).status_code == 200

    neighbour = at_address(site, "2001:db8:1:2:ffff::9")
    assert [neighbour.post("/login", data={"token": f"no {n}"}).status_code for n in range(11)][-1] == 429
    assert neighbour.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False).status_code == 303
    elsewhere = at_address(site, "2001:db8:1:3::1")
    assert [elsewhere.post("/login", data={"token": f"no {n}"}).status_code for n in range(11)][-1] == 429
    assert elsewhere.post("/login", data={"token": ADMIN_TOKEN}).status_code == 429


def test_an_address_is_known_after_a_restart_and_to_another_node(
    make_client: Callable[..., TestClient], database_url: str
) -> None:
    with TestClient(PulseMon(settings_for(database_url))) as first:
        assert at_address(first, "192.0.2.1").get("/api/monitors", headers=RIGHT).status_code == 200

    second = make_client(database_url)
    owner, stranger = at_address(second, "192.0.2.1"), at_address(second, "192.0.2.2")
    for each in (owner, stranger):
        assert statuses(each, 61, WRONG)[-1] == 429

    assert owner.get("/api/monitors", headers=RIGHT).status_code == 200
    assert stranger.get("/api/monitors", headers=RIGHT).status_code == 429


def test_another_token_makes_every_address_a_stranger_s(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    with TestClient(PulseMon(settings_for(sqlite_url))) as first:
        assert at_address(first, "192.0.2.1").get("/api/monitors", headers=RIGHT).status_code == 200

    owner = at_address(make_client(sqlite_url, admin_token="a-new-token"), "192.0.2.1")
    assert statuses(owner, 61, WRONG)[-1] == 429
    assert owner.get("/api/monitors", headers={"X-Admin-Token": "a-new-token"}).status_code == 429


def test_who_shares_the_owner_s_address_guesses_twice_as_much_and_not_without_end() -> None:
    known = KnownAddresses("secret")
    throttle, now = Throttle("login", known), at("10:00")
    assert throttle.judge("right", "right", host="192.0.2.1", now=now).is_right
    for number in range(10 + 10 * 24 * 60):
        assert not throttle.judge(f"no {number}", "right", host="192.0.2.1", now=now).is_right

    assert throttle.judge("right", "right", host="192.0.2.1", now=now).wait_sec
    assert throttle.judge("right", "right", host="192.0.2.1", now=now + seconds(61)).is_right


class TestKnownAddresses:
    """What is kept of where the right token came from, on each database."""

    def test_it_is_kept_thirty_days_and_no_longer(self, database: Database) -> None:
        known, now = KnownAddresses("secret"), at("10:00")
        known.note("admin", "token", "192.0.2.1", now=now)
        known.care(database, now=now)

        for days, is_known in ((29, True), (31, False)):
            later = now + timedelta(days=days)
            again = KnownAddresses("secret")
            again.is_wanted = True
            again.care(database, now=later)
            assert again.holds("admin", "token", "192.0.2.1", now=later) is is_known
            assert known.holds("admin", "token", "192.0.2.1", now=later) is is_known
        assert not known.holds("admin", "token", "192.0.2.2", now=now)
        assert not known.holds("page", "token", "192.0.2.1", now=now)

    def test_an_address_is_written_once_a_day_and_not_with_each_request(self, database: Database) -> None:
        known, now = KnownAddresses("secret"), at("10:00")
        known.note("admin", "token", "192.0.2.1", now=now)
        assert known.needs_care
        known.care(database, now=now)

        for hours, needs_care in ((1, False), (23, False), (24, True)):
            known.note("admin", "token", "192.0.2.1", now=now + timedelta(hours=hours))
            assert known.needs_care is needs_care

    def test_the_newest_are_kept_and_the_table_does_not_grow(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(access.MAX_KNOWN, "page", 3)
        known, now = KnownAddresses("secret"), at("10:00")
        known.note("admin", "token", "192.0.2.1", now=now)
        for number in range(10):
            known.note("page", "door", str(number), now=now + seconds(number))
            if number % 4 == 1:
                known.care(database, now=now)
        known.care(database, now=now)

        assert len(access.read_known_addresses(database, now=now)) == 4
        assert [known.holds("page", "door", str(number), now=now) for number in range(10)] == [False] * 7 + [True] * 3

    def test_nobody_s_address_stands_in_the_database(self, database: Database) -> None:
        known, now = KnownAddresses("secret"), at("10:00")
        known.note("admin", ADMIN_TOKEN, "192.0.2.1", now=now)
        known.care(database, now=now)

        (kept,) = [row.key for row in rows(database, Meta) if row.key.startswith("known:")]
        assert "192" not in kept.removeprefix("known:admin:")[:3]
        assert len(kept) <= 64
        assert KnownAddresses("other")._hash(ADMIN_TOKEN, "192.0.2.1") not in kept

    def test_what_could_not_be_written_is_written_later(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = Database.open(postgres_url)
        database.migrate()
        known, now = KnownAddresses("secret"), at("10:00")
        known.note("admin", "token", "192.0.2.1", now=now)
        with database_away(postgres_url):
            known.care(database, now=now)
        assert not known.needs_care  # not at once
        monkeypatch.setattr("pulsemon.web.http.known_addresses.PAUSE_SEC", 0.0)
        known._next_care_at = 0.0

        known.care(database, now=now)

        assert len(access.read_known_addresses(database, now=now)) == 1
        database.close()


class TestWindow:
    """The minute itself, at the module."""

    def wrong(self, throttle: Throttle, host: str = "192.0.2.1", *, now: datetime | None = None) -> Verdict:
        return throttle.judge(f"wrong-{next(NUMBERS)}", "right", host=host, now=now or at("10:00"))

    def test_it_ends_a_minute_after_the_first_wrong_token_whatever_comes_meanwhile(self) -> None:
        throttle, start = Throttle("login"), at("10:00")
        for _ in range(10):
            assert self.wrong(throttle, now=start) == (False, 0)
        first_wait = self.wrong(throttle, now=start).wait_sec
        assert 1 <= first_wait <= 61

        for _ in range(100):
            assert self.wrong(throttle, now=start + seconds(40)).wait_sec <= first_wait - 39

        right = throttle.judge("right", "right", host="192.0.2.1", now=start + seconds(61))
        assert right == (True, 0)

    def test_tries_that_arrive_together_are_counted_one_by_one(self) -> None:
        throttle = Throttle("login")
        judged: list[Verdict] = []
        together = threading.Barrier(20)

        def guess() -> None:
            together.wait()
            judged.append(self.wrong(throttle))

        threads = [threading.Thread(target=guess) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(1 for verdict in judged if verdict.wait_sec == 0) == 10

    def test_a_mapped_ipv4_address_is_that_address_and_a_zone_is_not_looked_at(self) -> None:
        throttle = Throttle("login")
        for host in ("::ffff:192.0.2.1", "192.0.2.1") * 5 + ("fe80::1%eth0", "fe80::2%eth1") * 5:
            assert self.wrong(throttle, host).wait_sec == 0

        assert self.wrong(throttle, "192.0.2.1").wait_sec > 0
        assert self.wrong(throttle, "fe80::3").wait_sec > 0

    def test_what_is_no_address_is_counted_too(self) -> None:
        throttle = Throttle("login")
        for _ in range(10):
            assert self.wrong(throttle, "x" * 1000).wait_sec == 0

        assert self.wrong(throttle, "x" * 2000).wait_sec > 0

    def test_in_the_login_form_the_same_wrong_token_counts_each_time_and_in_a_header_once(self) -> None:
        login, header = Throttle("login"), Throttle("header")
        waits = [login.judge("same", "right", host="192.0.2.1", now=at("10:00")).wait_sec for _ in range(11)]

        assert waits[:10] == [0] * 10
        assert waits[10] > 0
        assert not any(header.judge("same", "right", host="192.0.2.1", now=at("10:00")).wait_sec for _ in range(99))

    def test_a_try_counts_though_its_twin_was_not_judged(self) -> None:
        throttle, now = Throttle("page"), at("10:00")
        for number in range(10):
            judged, forgotten = (throttle.begin(f"no {number}", "door", host="192.0.2.1", now=now) for _ in range(2))
            throttle.forget(forgotten)
            assert throttle.end(judged, is_right=False, now=now) == (False, 0)

        attempt = throttle.begin("right", "door", host="192.0.2.1", now=now)
        assert attempt.verdict is not None
        assert attempt.verdict.wait_sec > 0

    def test_guessers_of_many_addresses_fill_no_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pulsemon.web.http.throttle._MAX_TRIES_KEPT", 50)
        throttle = Throttle("login")
        for number in range(1_000):
            self.wrong(throttle, f"10.0.{number // 250}.{number % 250}")

        assert len(throttle._minutes) == throttle._kept_count == 50
