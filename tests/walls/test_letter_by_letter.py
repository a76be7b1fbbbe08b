"""Whatever a project has, and whatever happens there: not a letter changes of what is told in another one.

So neither a name is told nor a number, a place in an order, a version or an `ETag`. The clock stands still meanwhile,
for pages say when they were read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Role, Scope
from pulsemon.web.http.routing import Audience
from pulsemon.web.public.board import Board
from tests.arrange import site_of
from tests.conftest import ADMIN_TOKEN
from tests.walls.two_projects import (
    OF_A_PAGE,
    Two,
    a_browser,
    a_key_of,
    all_of,
    fill,
    of_page,
    routes_of,
    two_empty_ones,
)


@pytest.fixture
def two(client: TestClient) -> Two:
    """One project is full, and the other one empty."""
    site, made = site_of(client), two_empty_ones(client)
    object.__setattr__(site, "now", lambda: made.now)
    fill(made, made.quokka)
    client.headers.update({"accept-language": "en"})
    client.follow_redirects = False
    return made


def board_of(client: TestClient) -> Board:
    app: Any = client.app
    while not isinstance(app, FastAPI):
        app = app._app if hasattr(app, "_app") else app.app
    board: Board = app.state.status_board
    return board


def all_told(client: TestClient, paths: list[str], forget: Callable[[], None]) -> dict[str, tuple[int, str, bytes]]:
    found = {}
    for path in paths:
        forget()
        answer = client.get(path)
        found[path] = (answer.status_code, answer.headers.get("etag", ""), answer.content)
    return found


def test_of_what_everybody_may_read(two: Two) -> None:
    board = board_of(two.client)
    paths = [path for page in two.quokka.pages for way in OF_A_PAGE for path in of_page(way, page, two.quokka)]
    paths += [f"/badge/{two.quokka.monitor}.{form}{query}" for form in ("svg", "json") for query in ("", "?days=7")]

    def forget() -> None:
        board._snapshot = None

    before = all_told(two.client, paths, forget)
    fill(two, two.zebra)

    assert all_told(two.client, paths, forget) == before
    assert sum(status == 200 for status, _, _ in before.values()) > 30


@pytest.mark.parametrize("audience", [Audience.API, Audience.PANEL])
def test_of_what_owners_may_read(two: Two, audience: Audience, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [path for way in routes_of(audience) if way.method == "GET" for path in all_of(way, two.quokka)]
    # What came of the last message is told there, and that changes by itself.
    paths = [path for path in paths if not (audience is Audience.PANEL and path.endswith("/subscribers"))]
    client = two.client if audience is Audience.API else a_browser(two, two.quokka, Role.ADMIN)
    if audience is Audience.API:
        client.headers["x-admin-token"] = ADMIN_TOKEN

    with a_key_of(monkeypatch, two.quokka, Scope.ADMIN) if audience is Audience.API else nullcontext():
        before = all_told(client, paths, lambda: None)
        fill(two, two.zebra)
        after = all_told(client, paths, lambda: None)

    assert after == before
    assert sum(status == 200 for status, _, _ in before.values()) > 8
