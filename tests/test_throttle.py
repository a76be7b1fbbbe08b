"""Guessing the admin token: of each address so many wrong ones are judged in a minute, whichever way in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import limits.storage.memory as limits_memory
import pytest
from starlette.testclient import TestClient

from pulsemon.web.throttle import Throttle, Verdict
from tests.conftest import ADMIN_TOKEN

RIGHT = {"X-Admin-Token": ADMIN_TOKEN}
WRONG = {"X-Admin-Token": "wrong"}
TOO_MANY = {"detail": "Too many wrong tokens came from this address. Try again after the seconds in Retry-After."}


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """Counting does not depend on the database."""
    return make_client(sqlite_url)


def at_address(client: TestClient, host: str) -> TestClient:
    return TestClient(client.app, base_url="http://testserver", client=(host, 1234))


def statuses(client: TestClient, count: int, headers: dict[str, str], path: str = "/api/monitors") -> list[int]:
    return [client.get(path, headers=headers).status_code for _ in range(count)]


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
            assert client.request(method, path, headers=WRONG).status_code == 401

    assert client.post("/api/monitors", json={}, headers=WRONG).status_code == 429


@pytest.mark.parametrize(
    "headers",
    [
        WRONG,
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic OndIYXQ="},
        {"Authorization": "Bearer wrong", "X-Admin-Token": "wrong"},
    ],
)
def test_the_metrics_are_no_way_around(client: TestClient, headers: dict[str, str]) -> None:
    assert statuses(client, 61, headers, "/metrics") == [401] * 60 + [429]

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
    assert [log_in(guesser, "wrong") for _ in range(11)][-1] == 429

    assert log_in(script, ADMIN_TOKEN) == 303
    assert guesser.get("/api/monitors", headers=RIGHT).status_code == 200


def test_each_wrong_token_that_is_judged_is_a_line_in_the_log(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    statuses(at_address(client, "192.0.2.1"), 70, {"X-Admin-Token": "canary"})
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


def now() -> datetime:
    """Return what the library that counts takes for now; it asks the system."""
    return datetime.fromtimestamp(limits_memory.time.time(), UTC)


class TestWindow:
    """The minute itself, at the module."""

    def wrong(self, throttle: Throttle, host: str = "192.0.2.1") -> Verdict:
        return throttle.judge("wrong", "right", host=host, now=now())

    def test_it_ends_a_minute_after_the_first_wrong_token_whatever_comes_meanwhile(self, later: Any) -> None:
        throttle = Throttle("login")
        for _ in range(10):
            assert self.wrong(throttle) == (False, 0)
        first_wait = self.wrong(throttle).wait_sec
        assert 1 <= first_wait <= 61

        later(seconds=40)
        for _ in range(100):
            assert self.wrong(throttle).wait_sec <= first_wait - 39
        later(seconds=61)

        assert throttle.judge("right", "right", host="192.0.2.1", now=now()) == (True, 0)

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

    @pytest.fixture
    def later(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Let time pass for the library that counts."""
        started = now().timestamp()

        def move(*, seconds: float) -> None:
            monkeypatch.setattr("time.time", lambda: started + seconds)

        move(seconds=0)
        return move
