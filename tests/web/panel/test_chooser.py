"""Choosing monitors in forms: search, groups and tags, slugs that are typed, and forms that do not grow."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.testclient import TestClient

from pulsemon.db import Database
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.monitors.facets import Facets
from pulsemon.web.http.site import Site
from pulsemon.web.panel import chooser
from tests.monitors.test_lookup import furnish
from tests.statements import recorded_statements
from tests.status_pages.test_public import ADMIN, a_monitor
from tests.web.panel.test_incidents import FORM, listed
from tests.web.panel.test_monitors import PAGE, log_in, text_of

PLAN = {
    "title": "Disks",
    "repeats": "weekly",
    "days": "sun",
    "time": "02:30",
    "length_minutes": "60",
    "announce_hours": "0",
}


def chosen(page: str) -> list[str]:
    part = page[page.index("data-chosen") : page.index("data-said")]
    return re.findall(r'name="(?:monitor|group|tag)" value="([^"]*)" checked', part)


def offered(page: str) -> list[str]:
    return re.findall(r'name="(?:monitor|group|tag)" value="([^"]*)">', page[page.index('class="found"') :])


def test_a_search_without_scripts_keeps_what_was_typed_and_makes_nothing(panel: TestClient) -> None:
    for slug in ("web", "api", "db"):
        a_monitor(panel, slug, group="Shop" if slug != "db" else None, tags=["night"])
    form = FORM | {"scope": "chosen", "monitor": ["db"], "group": ["Shop"], "slugs": "later", "search": "yes"}
    for path in ("/incidents", "/maintenance"):
        answer = panel.post(path, data=form | {"find": "a"})
        assert (answer.status_code, listed(panel).json()) == (200, [])
        assert chosen(answer.text) == ["Shop", "db"]
        assert offered(answer.text) == ["api"]
        assert 'value="Floods"' in answer.text
        assert "later</textarea>" in answer.text
        assert 'Group <b dir="auto">Shop</b>: 2 monitors' in answer.text


def test_groups_tags_and_typed_slugs_stand_for_their_monitors(panel: TestClient) -> None:
    for slug, group, tags in (
        ("a", "Shop", []),
        ("b", "Shop", ["x"]),
        ("c", None, ["x"]),
        ("d", None, []),
        ("e", None, []),
    ):
        a_monitor(panel, slug, group=group, tags=tags)
    choice = {"scope": "chosen", "monitor": ["d"], "group": ["Shop"], "tag": ["x"], "slugs": "e, d\r\na"}
    panel.post("/incidents", data=FORM | choice)
    panel.post("/maintenance", data=PLAN | choice)

    (incident,) = listed(panel).json()
    (plan,) = panel.get("/api/maintenance", headers=ADMIN).json()
    assert sorted(incident["monitors"]) == sorted(plan["monitors"]) == ["a", "b", "c", "d", "e"]
    own = f"/incidents/{incident['id']}"
    panel.post(f"{own}/edit", data={"title": "T", "impact": "none", "scope": "chosen", "tag": "x"})
    assert sorted(listed(panel).json()[0]["monitors"]) == ["b", "c"]
    panel.post(own, data={"status": "identified", "impact": "none", "body": "B", "scope": "chosen", "group": "Shop"})
    assert sorted(listed(panel).json()[0]["monitors"]) == ["a", "b"]


def test_a_search_in_an_update_leaves_its_part_open(panel: TestClient) -> None:
    a_monitor(panel, "web")
    panel.post("/incidents", data=FORM | {"scope": "chosen", "monitor": ["web"]})
    own = f"/incidents/{listed(panel).json()[0]['id']}"
    said = {"status": "identified", "impact": "major", "body": "More", "scope": "chosen", "monitor": "web"}
    answer = panel.post(own, data=said | {"find": "nobody", "search": "yes"})

    assert answer.text.count('<details class="more" open>') == 1
    assert "Nothing is found." in text_of(answer)
    assert len(listed(panel).json()[0]["updates"]) == 1


@pytest.mark.parametrize("field", ["group", "tag", "slugs", "monitor"])
def test_more_than_a_form_takes_is_told_at_the_field(
    panel: TestClient, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr(chooser, "MAX_MONITORS", 2)
    for slug in "abc":
        a_monitor(panel, slug, group="Shop", tags=["x"])
    wanted = {"group": ["Shop"], "tag": ["x"], "slugs": "a b c", "monitor": ["a", "b", "c"]}[field]
    for path, form in (("/incidents", FORM), ("/maintenance", PLAN)):
        answer = panel.post(path, data=form | {"scope": "chosen", field: wanted})
        assert answer.status_code == 422
        assert "Choose fewer of them, or everything." in text_of(answer)
        assert 'aria-describedby="e-monitors"' in answer.text
        assert panel.post(path, data=form | {"scope": "all", field: wanted}).status_code == 200


def test_a_group_or_a_slug_that_is_gone_is_told_and_kept(panel: TestClient) -> None:
    a_monitor(panel, "web")
    answer = panel.post("/incidents", data=FORM | {"scope": "chosen", "monitor": ["web", "gone"], "group": "None"})
    assert (answer.status_code, chosen(answer.text)) == (422, ["None", "web", "gone"])
    assert "There is no monitor with these slugs: gone." in text_of(answer)
    empty = panel.post("/incidents", data=FORM | {"scope": "chosen", "group": "None"})
    assert "Choose the monitors that it affects" in text_of(empty)


def test_forms_grow_with_the_choice_alone(make_client: Callable[..., TestClient], tmp_path: Path) -> None:
    sizes, statements = [], []
    for count in (20, 5_000):
        url = f"sqlite:///{tmp_path}/{count}.db"
        database = Database.open(url)
        database.migrate()
        furnish(database, count)
        with recorded_statements() as seen:
            site = SimpleNamespace(database=database, facets=lambda _: Facets())
            chooser.choice_of(cast("Site", site), {"monitor": ["job-00001"]}, project_id=DEFAULT_ID)
        database.close()
        client = make_client(url)
        client.headers.update(PAGE | {"accept-language": "en"})
        log_in(client)
        paths = ("/incidents/new?monitor=1", "/maintenance/new?monitor=job-00001", "/fragments/choose?find=job")
        sizes.append([len(client.get(path).content) for path in paths])
        statements.append(len(seen))

    assert statements[1] == statements[0] + 1  # the one that counts what is beyond
    assert all(many < few + 3_000 for few, many in zip(*sizes, strict=True)), sizes


def test_nothing_is_found_without_a_session(client: TestClient) -> None:
    assert client.get("/fragments/choose", params={"find": "a"}).status_code == 401


def test_times_are_those_of_the_zone_that_the_browser_told(panel: TestClient) -> None:
    a_monitor(panel, "web")
    panel.post("/incidents", data=FORM | {"scope": "all", "started_at": "2026-01-02T03:04"})
    (made,) = listed(panel).json()
    for told, shown, zone in (
        ("America/Sao_Paulo", "2 Jan 2026, 00:04", "Brasilia Time"),
        ("Asia/Kathmandu", "2 Jan 2026, 08:49", "Nepal Time"),
        ("Nowhere/Gone", "2 Jan 2026, 03:04", "UTC"),
        ("<script>", "2 Jan 2026, 03:04", "UTC"),
    ):
        page = panel.get(f"/incidents/{made['id']}", headers={"cookie": cookies(panel) + f"; tz={told}"})
        assert shown in text_of(page)
        assert f"Times: {zone}" in text_of(page)


def cookies(client: TestClient) -> str:
    return "; ".join(f"{each.name}={each.value}" for each in client.cookies.jar)


def test_the_list_is_drawn_for_each_zone(panel: TestClient) -> None:
    a_monitor(panel, "web")
    token = panel.get("/api/monitors/web", headers=ADMIN).json()["token"]
    assert panel.post(f"/h/web/{token}").status_code == 200
    titles = {}
    for told in ("America/Sao_Paulo", "Asia/Kathmandu"):
        page = panel.get("/", headers={"cookie": cookies(panel) + f"; tz={told}"}).text
        (titles[told],) = re.findall(r'<span class="last">.*?<time [^>]* title="([^"]*)"', page)

    assert titles["America/Sao_Paulo"].endswith("(Brasilia Time)")
    assert titles["Asia/Kathmandu"].endswith("(Nepal Time)")


def test_a_search_while_another_one_edits_loses_neither(panel: TestClient) -> None:
    for slug in ("web", "api", "db"):
        a_monitor(panel, slug, group="Shop" if slug == "api" else None)
    panel.post("/incidents", data=FORM | {"scope": "chosen", "monitor": ["web"]})
    own = f"/incidents/{listed(panel).json()[0]['id']}"
    stamp = re.search(r'name="stamp" value="([^"]*)"', panel.get(f"{own}/edit").text)
    assert stamp
    mine = {"title": "Mine", "impact": "major", "scope": "chosen", "monitor": "web", "stamp": unescape(stamp[1])}
    panel.patch(f"/api{own}", json={"title": "Theirs", "monitors": ["db"]}, headers=ADMIN)

    clash = panel.post(f"{own}/edit", data=mine | {"group": "Shop", "find": "a", "search": "yes"})
    assert clash.status_code == 409
    assert "Now it is: Theirs." in text_of(clash)
    assert 'value="Mine"' in clash.text
    assert chosen(clash.text) == ["Shop", "db"]

    stamp = re.search(r'name="stamp" value="([^"]*)"', clash.text)
    assert stamp
    again = mine | {"monitor": "db", "group": "Shop", "stamp": unescape(stamp[1])}
    assert panel.post(f"{own}/edit", data=again | {"find": "a", "search": "yes"}).status_code == 200
    assert listed(panel).json()[0]["title"] == "Theirs"
    assert panel.post(f"{own}/edit", data=again, follow_redirects=False).status_code == 303
    (incident,) = listed(panel).json()
    assert (incident["title"], sorted(incident["monitors"])) == ("Mine", ["api", "db"])
