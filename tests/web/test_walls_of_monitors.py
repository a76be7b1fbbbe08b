"""Two projects with monitors that are alike: whoever is in one finds nothing of the other, whatever he asks for.

Everything that one may ask for is asked before the other project has anything, and again when it is full: not a letter
of any answer may differ, and so no name, no count, no version and no hint that something is elsewhere.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import update
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Principal, Proof, Role
from pulsemon.core.placement import Placement
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.messages import Attempt
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from pulsemon.web.http import principals, routing
from pulsemon.web.http.routing import Audience
from pulsemon.web.http.site import Site
from pulsemon.web.http.whose import About
from tests.arrange import a_member, a_ping, a_project, a_session, a_user, log_in, make, record, rows, seconds, site_of
from tests.conftest import ADMIN_TOKEN, wait_until

# In every text of the other project, and in none of this one; nobody writes them for anything else.
MARK = "quagga"
HERE, THERE = "tapir", MARK
# What lists are asked for, besides as they are: nothing of it holds the mark.
LISTS = (
    *("/", "/fragments/list", "/monitors/arrange", "/fragments/choose", "/monitors/new", "/incidents/new"),
    *("/?q=backup", "/?q=backup+nightly", "/?group=Jobs", "/?environment=prod", "/?tag=nightly", "/?sort=name"),
    *("/?sort=last", "/?sort=next", "/?sort=name&after=0-1-a", "/?sort=name&before=0-99999-zzz", "/?state=up"),
    *("/?state=down", "/?state=late", "/?state=waiting", "/?q=hook", "/fragments/list?q=backup", "/?sort=last&q=b"),
    *("/fragments/choose?find=backup", "/fragments/choose?find=tag:nightly", "/fragments/choose?find=jobs"),
    *("/monitors/arrange?group=Jobs", "/monitors/arrange?from=1", "/maintenance/new", "/maintenance/new?monitor=1"),
    *("/api/monitors", "/api/monitors?limit=1", "/api/monitors?limit=1000"),
)
# An answer that never ends, the end of the session, and what judges the admin token by itself.
NOT_ASKED = {"/events", "/logout", "/metrics"}


class Neighbours:
    """A browser and a program of the project "here", and the other one, "there", which is empty at first."""

    def __init__(self, client: TestClient, monkeypatch: pytest.MonkeyPatch, *, role: Role = Role.ADMIN) -> None:
        self.client = client
        self.site: Site = site_of(client)
        self.database: Database = self.site.database
        self.now = self.site.now()
        object.__setattr__(self.site, "now", lambda: self.now)
        self.here, self.there = a_project(self.database, "here"), a_project(self.database, "there")
        self.mine = [self._make(HERE, number, self.here) for number in range(3)]
        self.user_id = a_user(self.database)
        self._as_role(role, monkeypatch)

    def _as_role(self, role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the browser and the program be somebody of this role in "here"."""
        a_member(self.database, self.user_id, role, self.here)
        log_in(self.client, a_session(self.database, self.user_id, now=self.now))
        principal = Principal(is_owner=False, proof=Proof.TOKEN, roles={self.here: role}, project_id=self.here)
        monkeypatch.setattr(routing, "by_token", lambda request: principals._put(request, principal))
        self.client.headers.update({"accept": "text/html", "accept-language": "en", "x-admin-token": ADMIN_TOKEN})
        self.client.follow_redirects = False
        self.site.wake()

    def _make(self, word: str, number: int, project_id: int) -> View:
        place = Placement(group="Jobs", environment="prod", tags=("nightly",), position=None, is_public=True)
        made = make(
            self.database,
            f"backup-{word}-{number}",
            name=f"Backup {word} {number}",
            now=self.now - timedelta(days=2),
            interval_seconds=86_400,
            project_id=project_id,
            placement=place,
        )
        last = self.now - seconds(60 + number)
        body = f"copied {word}".encode()
        ping = a_ping(made, last, Signal.FAIL if number == 1 else Signal.SUCCESS, body=body, user_agent=word)
        record(self.database, ping)
        return made

    def fill_there(self) -> list[View]:
        """Put more of the same kind into "there": late, down, with a webhook that nobody answers, in another order."""
        others = [self._make(THERE, number, self.there) for number in range(5)]
        hook = f"http://127.0.0.1:9/{MARK}/hook"
        for each in others[:2]:
            monitors.edit(self.database, monitors.by_id(each.id), {"webhook_url": hook}, now=self.now)
            monitors.send_test_message(self.database, monitors.by_id(each.id), now=self.now)
        with self.database.write() as connection:
            monitors.rows.placements.save_all(
                connection, {each.id: {"group": f"Only {MARK}", "tags": (MARK, "nightly")} for each in others[3:]}
            )
            monitors.rows.search_texts.renew(connection, [each.id for each in others])
        monitors.edit(
            self.database, monitors.by_id(others[4].id), {"interval_seconds": 30, "grace_seconds": 3_600}, now=self.now
        )
        self.site.wake()
        wait_until(lambda: self._undelivered_there() == 2)
        return others

    def _undelivered_there(self) -> int:
        self.site._undelivered._kept = None
        return self.site.undelivered(self.there).count

    def ask(self, path: str) -> tuple[int, str, str]:
        """Return status, ETag and text of an answer; of what is drawn anew by the clock, drawn at once."""
        self.site.drawings._kept.clear()
        self.site.apart._kept = None
        self.site._undelivered._kept = None
        answer = self.client.get(path)
        return answer.status_code, answer.headers.get("etag", ""), answer.text


@pytest.fixture
def neighbours(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    return Neighbours(client, monkeypatch)


def routes_about_monitors(app: Any) -> Iterator[str]:
    """Yield the paths of all pages, fragments and answers that are about one monitor or about none in particular."""
    fastapi: FastAPI = app._app
    while not isinstance(fastapi, FastAPI):
        fastapi = fastapi._app if hasattr(fastapi, "_app") else fastapi.app
    for each in iter_route_contexts(fastapi.routes):
        route = each.original_route
        is_owners = getattr(route, "audience", None) in (Audience.PANEL, Audience.API)
        if not is_owners or "GET" not in each.methods:
            continue
        if route.about is About.MONITOR or (route.about is None and "{" not in each.path_format):
            yield each.path_format


def addressed(path: str, monitor: View) -> str:
    """Return the path with the monitor's id or slug in it, and 1 for whatever else it names."""
    path = path.replace("{monitor_id}", str(monitor.id)).replace("{slug}", quote(monitor.slug))
    return re.sub(r"\{[^}]*\}", "1", path)


def of_one(neighbours: Neighbours) -> list[str]:
    paths = {each for each in routes_about_monitors(neighbours.client.app) if "{" in each}
    assert len(paths) > 20
    return sorted(paths)


def test_not_a_letter_of_any_answer_tells_that_there_is_another_project(neighbours: Neighbours) -> None:
    general = {each for each in routes_about_monitors(neighbours.client.app) if "{" not in each}
    own = {addressed(each, neighbours.mine[1]) for each in of_one(neighbours)}
    asked = sorted({*LISTS} | (general - NOT_ASKED) | own)
    before = {path: neighbours.ask(path) for path in asked}
    shown = [path for path, (status, _, text) in before.items() if status == 200 and HERE in text.casefold()]
    assert len(shown) > 25, shown  # else nothing was looked at

    neighbours.fill_there()

    after = {path: neighbours.ask(path) for path in asked}
    assert [path for path in asked if MARK in after[path][2].casefold()] == []
    assert [path for path in asked if after[path] != before[path]] == []


def test_what_is_of_another_project_is_answered_as_what_is_not_there(neighbours: Neighbours) -> None:
    other, gone = neighbours.fill_there()[1], neighbours._make("gone", 9, neighbours.there)
    monitors.remove(neighbours.database, monitors.by_id(gone.id))

    for path in of_one(neighbours):
        foreign, missing = neighbours.client.get(addressed(path, other)), neighbours.client.get(addressed(path, gone))
        assert (foreign.status_code, missing.status_code) == (404, 404), path
        told = foreign.text.replace(other.slug, gone.slug).replace(f"/{other.id}", f"/{gone.id}")
        assert told == missing.text, path
    wrong = [neighbours.client.get(f"/api/monitors?project={slug}") for slug in ("there", "nowhere")]
    assert [each.status_code for each in wrong] == [404, 404]
    assert wrong[0].text == wrong[1].text


FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/monitors/selected", {"do": "pause"}),
    ("/monitors/selected", {"do": "tag", "tags": "mine"}),
    ("/monitors/selected", {"do": "delete"}),
    ("/monitors/selected", {"do": "delete-for-good"}),
    ("/monitors/arrange", {"do": "group", "to_group": "Stolen"}),
    ("/monitors/arrange", {"do": "place", "place": "1"}),
    ("/monitors/arrange", {"do": "up"}),
)


@pytest.mark.parametrize(("path", "fields"), FORMS, ids=lambda each: each if isinstance(each, str) else each["do"])
def test_forged_ids_are_passed_over_as_if_they_were_not_there(
    neighbours: Neighbours, path: str, fields: dict[str, str]
) -> None:
    others = neighbours.fill_there()
    ids = [each.id for each in others]
    before = monitors.list_of(neighbours.database, ids)

    answer = neighbours.client.post(path, data=fields | {"monitor": [str(each) for each in ids]})
    nobodys = neighbours.client.post(path, data=fields | {"monitor": [str(each + 1_000) for each in ids]})

    assert monitors.list_of(neighbours.database, ids) == before
    assert MARK not in answer.text.casefold()
    assert (answer.status_code, _without_ids(answer.headers.get("location", ""))) == (
        nobodys.status_code,
        _without_ids(nobodys.headers.get("location", "")),
    )


def _without_ids(address: str) -> str:
    return re.sub(r"moved=[0-9%C]+|#m[0-9]+", "", address)


def test_all_that_fit_are_those_of_the_project(neighbours: Neighbours) -> None:
    others = neighbours.fill_there()
    fields = {"all": "yes", "do": "pause", "q": "backup"}

    assert "count=8" not in neighbours.client.post("/monitors/selected", data=fields | {"count": "8"}).text
    done = neighbours.client.post("/monitors/selected", data=fields | {"count": "3"})

    assert done.status_code == 303
    states = [
        {each.status.value for each in monitors.list_of(neighbours.database, [each.id for each in some])}
        for some in (neighbours.mine, others)
    ]
    assert states[0] == {"PAUSED"}
    assert "PAUSED" not in states[1]


def test_an_order_is_saved_within_the_project(neighbours: Neighbours) -> None:
    others = neighbours.fill_there()
    before = [each.placement for each in monitors.list_of(neighbours.database, [each.id for each in others])]

    last = neighbours.mine[-1]
    moved = neighbours.client.post("/monitors/arrange", data={"do": "place", "place": "1", "monitor": str(last.id)})

    assert "done=arranged" in moved.headers["location"]
    mine = monitors.list_of(neighbours.database, [each.id for each in neighbours.mine])
    assert [each.placement.position for each in mine] == [2, 3, 1]
    assert [each.placement for each in monitors.list_of(neighbours.database, [each.id for each in others])] == before


SECRET_PATH = "s3cret-of-the-hook"


def with_secrets(neighbours: Neighbours) -> tuple[View, list[str]]:
    """Return a monitor of "here" whose receiver repeats the address that it is called by, and what nobody may read."""
    monitor = neighbours.mine[0]
    hook = {"webhook_url": f"http://user:pass@127.0.0.1:9/{SECRET_PATH}", "webhook_secret": "generate"}
    view = monitors.edit(neighbours.database, monitors.by_id(monitor.id), hook, now=neighbours.now)
    monitors.send_test_message(neighbours.database, monitors.by_id(view.id), now=neighbours.now)
    neighbours.site.wake()
    wait_until(lambda: rows(neighbours.database, Attempt))
    with neighbours.database.write() as connection:
        connection.execute(update(Attempt).values(excerpt=f"Cannot POST /{SECRET_PATH}"))
    assert view.webhook_secret is not None
    return view, [view.token, SECRET_PATH, "user:pass", view.webhook_secret]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.RESPONDER, Role.EDITOR])
def test_secrets_are_shown_to_whoever_may_edit_and_to_nobody_else(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    neighbours = Neighbours(client, monkeypatch, role=role)
    view, hidden = with_secrets(neighbours)
    general = {each for each in routes_about_monitors(client.app) if "{" not in each} - NOT_ASKED
    searches = {f"/monitors/{view.id}/log?text={SECRET_PATH}", f"/?q={view.token}", f"/?q={SECRET_PATH}"}
    paths = {*LISTS} | general | {addressed(each, view) for each in of_one(neighbours)} | searches

    answers = {path: client.get(path) for path in sorted(paths)}

    telling = {
        path: [each for each in hidden if each in answer.text.replace(f'value="{each}"', "")]
        for path, answer in answers.items()
        if answer.status_code == 200 and path not in searches
    }
    shown = {path for path, found in telling.items() if found}
    if role is Role.EDITOR:
        assert {"/api/monitors", f"/monitors/{view.id}", f"/monitors/{view.id}/connect"} <= shown
        assert f"/monitors/{view.id}/log" in shown
        return
    assert shown == set()
    assert answers[f"/monitors/{view.id}/settings"].status_code == 403
    assert "Cannot POST" not in answers[f"/monitors/{view.id}/log?text={SECRET_PATH}"].text
    assert "it is shown to whoever may edit" in answers[f"/monitors/{view.id}"].text
    assert answers[f"/monitors/{view.id}/connect"].status_code == 403
    told = answers[f"/api/monitors/{view.slug}"].json()
    assert (told["token"], told["ping_url"]) == (None, None)
    assert (told["webhook_url"], told["webhook_secret"]) == ("http://127.0.0.1:9/…", "whsec_********")


def test_a_responder_pauses_several_and_neither_tags_nor_deletes_them(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbours = Neighbours(client, monkeypatch, role=Role.RESPONDER)
    chosen = {"monitor": [str(each.id) for each in neighbours.mine]}

    for wish in ("tag", "delete", "delete-for-good"):
        assert client.post("/monitors/selected", data=chosen | {"do": wish, "tags": "x"}).status_code == 403
    assert client.post("/monitors/selected", data=chosen | {"do": "pause"}).status_code == 303

    found = monitors.list_of(neighbours.database, [each.id for each in neighbours.mine])
    assert {(each.status.value, each.placement.tags) for each in found} == {("PAUSED", ("nightly",))}


def test_what_is_done_in_the_panel_is_told_to_panels_of_its_project_alone(neighbours: Neighbours) -> None:
    asyncio.run(neighbours.site.changed_projects())

    paused = neighbours.client.post(f"/monitors/{neighbours.mine[0].id}/pause")

    assert paused.status_code == 303
    assert asyncio.run(neighbours.site.changed_projects()) == {neighbours.here}


def test_what_is_drawn_for_one_project_is_given_to_no_other(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbours.fill_there()
    both = a_user(neighbours.database, "both@example.org")
    for project_id in (neighbours.here, neighbours.there):
        a_member(neighbours.database, both, Role.VIEWER, project_id)
    seen = {}
    for project_id in (neighbours.here, neighbours.there):
        session = a_session(neighbours.database, both, now=neighbours.now, project_id=project_id)
        log_in(neighbours.client, session)
        seen[project_id] = neighbours.client.get("/").text + neighbours.client.get("/fragments/choose?find=b").text
    assert (HERE in seen[neighbours.here].casefold(), MARK in seen[neighbours.here].casefold()) == (True, False)
    assert (HERE in seen[neighbours.there].casefold(), MARK in seen[neighbours.there].casefold()) == (False, True)
