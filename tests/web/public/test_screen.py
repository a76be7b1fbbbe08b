"""The wall screen: whoever has the address sees one project, the worst first, and nothing that opens anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.accounts import keys
from pulsemon.accounts.roles import Scope
from pulsemon.errors import Unavailable
from pulsemon.monitors import wall
from pulsemon.web.public import screen as public_screen
from tests.arrange import a_key, a_project, site_of
from tests.conftest import wait_until


def a_screen(client: TestClient, admin: dict[str, str], **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/keys", json={"name": "Hall", "kind": "screen"} | fields, headers=admin)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def monitor(client: TestClient, admin: dict[str, str], slug: str, **fields: Any) -> dict[str, Any]:
    body = {"name": slug, "slug": slug, "interval_seconds": 3600, "grace_seconds": 60} | fields
    answer = client.post("/api/monitors", json=body, headers=admin)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def path_of(screen: dict[str, Any]) -> str:
    return str(screen["url"]).removeprefix("http://testserver")


def looked(client: TestClient, screen: dict[str, Any], **headers: str) -> str:
    answer = client.get(path_of(screen), headers={"accept-language": "en"} | headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def names_of(page: str) -> list[str]:
    return re.findall(r'<span class="name" dir="auto">([^<]*)</span>', page)


def test_it_shows_the_projects_monitors_the_worst_first_and_private_ones_too(
    client: TestClient, admin: dict[str, str]
) -> None:
    for slug in ("a-up", "b-down", "c-waiting", "d-paused"):
        made = monitor(client, admin, slug, public=False)
        if slug in ("a-up", "b-down"):
            client.post(made["ping_url"] + ("/fail" if slug == "b-down" else ""))
    client.post("/api/monitors/d-paused/pause", headers=admin)
    screen = a_screen(client, admin)

    def with_both() -> str:
        text = looked(client, screen)
        return text if "Up: <b>1" in text else ""

    page = wait_until(with_both)

    assert names_of(page) == ["b-down", "c-waiting", "a-up", "d-paused"]
    assert "Some systems are down." in page
    for said in ("Down: <b>1", "Waiting: <b>1", "Paused: <b>1"):
        assert said in page
    assert (screen["scopes"], screen["project"], screen["kind"]) == (["read"], "default", "screen")
    assert "key" not in screen


def test_it_holds_no_secret_no_link_and_is_for_no_search_engine(client: TestClient, admin: dict[str, str]) -> None:
    made = monitor(client, admin, "job", webhook_url="http://127.0.0.1:9/hook-secret")
    screen = a_screen(client, admin)

    answer = client.get(path_of(screen))

    for secret in (made["token"], "hook-secret", path_of(screen)):
        assert secret not in answer.text
    assert re.findall(r"<a\b|<form\b|<button\b", answer.text) == []
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert '<meta name="robots" content="noindex, nofollow">' in answer.text
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert "style=" not in answer.text


def test_it_refreshes_itself_without_a_script(client: TestClient, admin: dict[str, str]) -> None:
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in looked(client, a_screen(client, admin))


def test_it_speaks_both_languages(client: TestClient, admin: dict[str, str]) -> None:
    screen = a_screen(client, admin)
    english = looked(client, screen)
    portuguese = looked(client, screen, **{"accept-language": "pt-BR"})

    assert '<html lang="en">' in english
    assert "Nothing is watched yet." in english
    assert '<html lang="pt-BR">' in portuguese
    assert "Nada é monitorado" in portuguese or "Nothing" not in portuguese


def test_it_shows_one_project_alone(client: TestClient, admin: dict[str, str]) -> None:
    a_project(site_of(client).database, "shop", name="The Shop")
    site_of(client).live.bump()
    monitor(client, admin, "foreign")
    monitor(client, admin, "own", project="shop")

    page = looked(client, a_screen(client, admin, project="shop"))

    assert names_of(page) == ["own"]
    assert "The Shop" in page
    assert "foreign" not in page


def test_an_address_that_opens_nothing_is_404_whatever_is_wrong(client: TestClient, admin: dict[str, str]) -> None:
    database = site_of(client).database
    revoked = a_screen(client, admin)
    assert client.delete(f"/api/keys/{revoked['id']}", headers=admin).status_code == 204
    expired = a_key(database, Scope.READ, kind="screen", project_id=1, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    of_programs = a_key(database, Scope.READ, project_id=1)
    of_all = a_key(database, Scope.READ, kind="screen")

    tokens = (path_of(revoked)[8:], expired, of_programs, of_all, "pm_" + "x" * 43, "pm_x")
    answers = {token: client.get(f"/screen/{token}") for token in tokens}

    assert {answer.status_code for answer in answers.values()} == {404}
    told = {token: answer.text.replace(token, "") for token, answer in answers.items()}
    assert told[tokens[0]] == told[tokens[1]]
    assert "This address was revoked." in told[tokens[0]]
    assert "<script" not in told[tokens[0]]  # nobody has to ask again
    assert len({told[token] for token in tokens[2:]}) == 1
    assert "revoked" not in told[tokens[2]]
    assert {client.get(f"/screen/{token}").status_code for token in ("%00", "pm_%ff", "a%2Fb")} == {404}


def test_the_address_of_a_screen_opens_nothing_else(client: TestClient, admin: dict[str, str]) -> None:
    token = path_of(a_screen(client, admin))[8:]
    for headers in ({"X-Api-Key": token}, {"Authorization": f"Bearer {token}"}):
        assert client.get("/api/monitors", headers=headers).status_code == 401
        assert client.get("/metrics", headers=headers).status_code == 401


def test_a_screen_is_listed_rotated_and_known_to_be_in_use(client: TestClient, admin: dict[str, str]) -> None:
    screen = a_screen(client, admin)
    looked(client, screen)

    def used() -> Any:
        return client.get(f"/api/keys/{screen['id']}", headers=admin).json()["last_used_at"]

    assert wait_until(used)
    new = client.post(f"/api/keys/{screen['id']}/rotate", json={"overlap_seconds": 0}, headers=admin).json()
    assert client.get(path_of(screen)).status_code == 404
    assert "Nothing is watched yet." in looked(client, new)
    assert {each["kind"] for each in client.get("/api/keys", headers=admin).json()} == {"screen"}


def test_all_who_look_within_a_second_cost_one_look(
    client: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screens = [a_screen(client, admin) for _ in range(2)]
    monkeypatch.setattr(public_screen.time, "monotonic", lambda: 1_000.5)
    read, looks = wall.read, []
    monkeypatch.setattr(wall, "read", lambda *args, **more: (looks.append(args[1]), read(*args, **more))[1])

    pages = [looked(client, each) for each in screens * 3]

    assert looks == [1]
    assert len(set(pages)) == 1
    monkeypatch.setattr(public_screen.time, "monotonic", lambda: 1_001.5)
    looked(client, screens[0])
    assert looks == [1, 1]


def test_a_browser_that_has_it_already_is_told_so(client: TestClient, admin: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.setattr(public_screen.time, "monotonic", lambda: 1_000.5)
    path = path_of(a_screen(client, admin))
    tag = client.get(path).headers["etag"]

    again = client.get(path, headers={"if-none-match": tag})

    assert (again.status_code, again.text) == (304, "")
    assert again.headers["x-robots-tag"] == "noindex, nofollow"


def test_more_than_fit_are_counted_and_none_of_them_is_worse(
    client: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "MOST", 2)
    for slug in ("a", "b", "c", "d"):
        made = monitor(client, admin, slug)
        if slug == "d":
            client.post(made["ping_url"] + "/fail")
    screen = a_screen(client, admin)

    page = looked(client, screen)

    assert names_of(page) == ["d", "a"]
    assert "and 2 more, none of which is worse" in page
    assert "Waiting: <b>3" in page


def test_while_the_database_is_away_it_says_so_and_asks_again(
    one: TestClient, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = a_screen(one, admin)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr(keys, "find", fail)
    answer = one.get(path_of(screen), headers={"accept-language": "en"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "the database does not answer" in answer.text
    assert 'http-equiv="refresh"' in answer.text
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"


def test_hostile_names_are_text(one: TestClient, admin: dict[str, str]) -> None:
    monitor(one, admin, "job", name='<script>alert(1)</script>"&')

    page = looked(one, a_screen(one, admin))

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&amp;" in page


def test_it_is_there_under_other_names_than_the_panels(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str]
) -> None:
    client = make_client(sqlite_url, panel_host="panel.example.org")
    screen = client.post(
        "http://panel.example.org/api/keys", json={"name": "Hall", "kind": "screen"}, headers=admin
    ).json()

    assert client.get("http://status.example.org/screen/" + screen["url"].rpartition("/")[2]).status_code == 200
