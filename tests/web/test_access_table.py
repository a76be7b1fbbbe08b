"""The table of the security pages names every route, and the program lets in whom the table says."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

import pytest
from starlette.testclient import TestClient

from tests.conftest import ADMIN_TOKEN, ROOT

PAGES = ["docs/security.md", "docs/pt-BR/security.md"]
# Who a request comes from, and the words of the table that let it in.
PRINCIPALS = {
    "nobody": {"everybody", "address"},
    "the owner by token": {"everybody", "address", "token"},
    "the owner by session": {"everybody", "address", "session"},
}


# What the login says to whoever sent a form, but for one that tried a token.
KEPT = 'name="kept"'


class Line(NamedTuple):
    """One route and method of the table, as it is written."""

    who: str
    action: str
    may: str
    names: str
    method: str
    path: str


def lines_of(page: str) -> list[Line]:
    """Read the table without the script that writes it."""
    block = re.search(r"^```text\nwho +action +may +names +methods +path\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    found = []
    for line in block[1].splitlines():
        who, action, may, names, *methods, path = line.split()
        found += [Line(who, action, may, names, method, path) for method in methods]
    return found


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("access_table", ROOT / "scripts" / "access_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_name_every_route_as_it_is_declared(script: ModuleType, page: str) -> None:
    assert script.read(ROOT / page) == script.render()
    assert len(lines_of((ROOT / page).read_text(encoding="utf-8"))) > 200


def test_a_page_that_lacks_a_route_or_has_another_action_is_noticed(script: ModuleType, tmp_path: Path) -> None:
    text = (ROOT / PAGES[0]).read_text(encoding="utf-8")
    for changed in (re.sub(r"^token  .*/api/pages\n", "", text, flags=re.MULTILINE), text.replace(" read ", " edit ")):
        assert changed != text
        (tmp_path / "page.md").write_text(changed, encoding="utf-8")
        assert script.read(tmp_path / "page.md") != script.render()


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """Who may do what does not depend on the database. Streams end at once."""
    client = make_client(sqlite_url)
    client.follow_redirects = False
    assert client.portal is not None
    client.portal.call(cast(Any, client.app)._live.close)
    return client


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_every_route_lets_in_whom_the_table_says_and_nobody_else(client: TestClient, principal: str) -> None:
    lines = lines_of((ROOT / PAGES[0]).read_text(encoding="utf-8"))
    if principal == "the owner by session":
        assert client.post("/login", data={"token": ADMIN_TOKEN}).status_code == 303
    else:
        client.cookies.set("pulsemon_session", "forged.signature")
    if principal == "the owner by token":
        client.headers["X-Admin-Token"] = ADMIN_TOKEN

    wrong = []
    for line in sorted(lines, key=lambda each: each.path in ("/login", "/logout")):  # which end the session
        answer = client.request(line.method, re.sub(r"{\w+}", "1", line.path))
        if is_refused(answer, line.method) == (line.who in PRINCIPALS[principal]):
            wrong.append((line, answer.status_code))

    assert wrong == []


def is_refused(answer: Any, method: str) -> bool:
    """Return whether the request was turned away for who it came from, not for what it asked."""
    if answer.status_code == 401:
        return method == "HEAD" or answer.headers["content-type"] == "application/json" or KEPT in answer.text
    # To the login, which says that nothing was done.
    return method == "POST" and answer.status_code == 303 and "undone=yes" in answer.headers["location"]
