"""Under which name a session is kept, and that nobody's neighbour can put another one in its place."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from pulsemon.web.http.session_cookies import NAMES, PLAIN, values_of
from tests.conftest import ADMIN_TOKEN

HOST, SECURE, _ = NAMES


class Browser:
    """The application asked from one address, without a memory of cookies: each test says what is sent."""

    def __init__(self, app: Any, url: str, root_path: str = "") -> None:
        self._client = TestClient(app, base_url=url, root_path=root_path, follow_redirects=False)

    def ask(self, method: str, path: str, cookie: str = "", **more: Any) -> Any:
        self._client.cookies.clear()
        return self._client.request(method, path, headers={"cookie": cookie, "accept": "text/html"}, **more)

    def log_in(self, cookie: str = "") -> list[Any]:
        answer = self.ask("POST", "/login", cookie, data={"token": ADMIN_TOKEN})
        assert answer.status_code == 303
        return given(answer)

    def is_in(self, cookie: str) -> bool:
        return bool(self.ask("GET", "/monitors/new", cookie).status_code == 200)


def given(answer: Any) -> list[Any]:
    return [morsel for line in answer.headers.get_list("set-cookie") for morsel in SimpleCookie(line).values()]


@pytest.fixture
def app(make_client: Callable[..., TestClient], sqlite_url: str) -> Any:
    return make_client(sqlite_url).app


PLACES = {
    "http": ("http://testserver", "", PLAIN, "/"),
    "https": ("https://testserver", "", HOST, "/"),
    "https below a path": ("https://testserver", "/base", SECURE, "/base"),
    "http below a path": ("http://testserver", "/base", PLAIN, "/"),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_cookie_has_the_strongest_name_that_the_connection_allows(app: Any, place: str) -> None:
    url, root_path, name, path = PLACES[place]
    browser = Browser(app, url, root_path)

    (cookie,) = browser.log_in()

    assert (cookie.key, cookie["path"], cookie["domain"]) == (name, path, "")
    assert (bool(cookie["secure"]), bool(cookie["httponly"]), cookie["samesite"]) == (
        url.startswith("https"),
        True,
        "lax",
    )
    assert browser.is_in(f"{name}={cookie.value}")
    left = browser.ask("POST", "/logout", f"{name}={cookie.value}")
    assert (name, path) in {(each.key, each["path"]) for each in given(left) if each["max-age"] == "0"}
    assert not browser.is_in(f"{name}={cookie.value}")


def test_whoever_logged_in_before_there_were_such_names_stays_logged_in_until_the_next_login(app: Any) -> None:
    (old,) = Browser(app, "http://testserver").log_in()
    browser = Browser(app, "https://testserver")
    assert browser.is_in(f"{PLAIN}={old.value}")

    cookies = browser.log_in(f"{PLAIN}={old.value}")

    assert [(each.key, each["max-age"] == "0") for each in cookies] == [(PLAIN, True), (HOST, False)]
    assert not browser.is_in(f"{PLAIN}={old.value}")
    assert browser.is_in(f"{HOST}={cookies[1].value}")


def test_a_cookie_that_a_neighbour_set_does_not_win(app: Any) -> None:
    browser = Browser(app, "https://testserver")
    (own,) = browser.log_in()
    (planted,) = Browser(app, "http://testserver").log_in()
    browser.ask("POST", "/logout", f"{PLAIN}={planted.value}")  # the neighbour's session is over

    for cookie in (
        f"{PLAIN}={planted.value}; {HOST}={own.value}",
        f"{HOST}={own.value}; {PLAIN}={planted.value}",
        f"{PLAIN}=nonsense; {SECURE}={planted.value}; {HOST}={own.value}",
    ):
        assert browser.is_in(cookie), cookie


def test_logging_out_ends_every_session_that_the_browser_holds_and_takes_all_names_away(app: Any) -> None:
    browser = Browser(app, "https://testserver")
    (plain,), (strong,) = Browser(app, "http://testserver").log_in(), browser.log_in()
    both = f"{PLAIN}={plain.value}; {HOST}={strong.value}"

    answer = browser.ask("POST", "/logout", both)

    assert {each.key for each in given(answer) if each["max-age"] == "0" and each["secure"]} == {PLAIN, HOST}
    for cookie in (both, f"{PLAIN}={plain.value}", f"{HOST}={strong.value}"):
        assert not browser.is_in(cookie)


@pytest.mark.parametrize("url", ["http://testserver", "https://testserver"])
def test_no_crowd_of_planted_cookies_hides_the_right_one(app: Any, url: str) -> None:
    """A neighbour's, in each form that he can write, before the right one and behind it; and one that has ended."""
    browser = Browser(app, url)
    (ended,) = browser.log_in()
    browser.ask("POST", "/logout", f"{ended.key}={ended.value}")
    (own,) = browser.log_in()
    right = f"{own.key}={own.value}"
    forged = [f"{number:043d}.{number:043d}" for number in range(400)]

    for planted in (
        ["nonsense"] * 10,
        [f"x{number}" for number in range(1_000)],
        forged,
        [forged[0]] * 400,
        [ended.value],
    ):
        crowd = "; ".join(f"{PLAIN}={value}" for value in planted)
        assert browser.is_in(f"{crowd}; {right}"), planted[0]
        assert browser.is_in(f"{right}; {crowd}"), planted[0]
        assert not browser.is_in(crowd), planted[0]


def signed(letter: str) -> str:
    return f"{letter * 43}.{'-' * 43}"


def read(cookie: str | bytes) -> list[str]:
    raw = cookie if isinstance(cookie, bytes) else cookie.encode("latin-1")
    return list(values_of(Headers(raw=[(b"cookie", raw)])))


def test_only_the_very_name_is_the_name() -> None:
    stolen, other = signed("x"), signed("o")
    assert read(f"a=b; {PLAIN}={signed('p')};{SECURE}={signed('s')} ;\t{HOST}={signed('h')}") == [
        signed("h"),
        signed("s"),
        signed("p"),
    ]
    assert read(f"{PLAIN}={stolen}; {PLAIN}={other}") == [stolen, other]
    for disguise in (
        f"\xa0{HOST}",
        f"\x85{HOST}",
        f"{HOST}\xa0",
        f"\x0b{HOST}",
        HOST.lower(),
        f"x{HOST}",
        f"$Version=1,{HOST}",
    ):
        assert read(f"{disguise}={stolen}") == [], ascii(disguise)
    assert read(f"\u2003{HOST}={stolen}".encode()) == []


def test_only_what_may_be_a_signed_id_is_tried_and_each_once() -> None:
    assert read(f"{PLAIN}=x;" * 5_000) == []
    assert read(f"{PLAIN}={signed('x')};" * 500) == [signed("x")]
    for wrong in ("", ".", "x" * 87, signed("x")[:-1], signed("x") + "x", signed("\xe9"), f'"{signed("x")}"'):
        assert read(f"{PLAIN}={wrong}") == [], wrong
