"""Groups, tags and order: in the API, in the list, in the forms for several monitors at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon.db import Database
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.monitors import order as monitor_order
from pulsemon.web.panel import monitor_lists
from tests.monitors.test_lookup import furnish
from tests.statements import recorded_statements
from tests.status_pages.test_public import ADMIN, a_monitor
from tests.web.panel.test_monitors import text_of


def read(client: TestClient, slug: str) -> dict[str, Any]:
    return dict(client.get(f"/api/monitors/{slug}", headers=ADMIN).json())


def id_of(panel: TestClient, slug: str) -> str:
    found = re.search(rf'id="m-(\d+)"(?:(?!</li>).)*<span class="slug">{slug}</span>', panel.get("/").text, re.DOTALL)
    assert found
    return found[1]


def order(panel: TestClient) -> list[str]:
    page = panel.get("/monitors/arrange").text
    return re.findall(r'<span class="slug">([^<]+)</span>', page)


def test_a_place_is_set_read_and_cleared_through_the_api(client: TestClient) -> None:
    plain = a_monitor(client, "plain")
    assert (plain["group"], plain["environment"], plain["tags"], plain["public"]) == (None, None, [], True)
    made = a_monitor(client, "job", group="Backups", environment="prod", tags=["a", "b", "a"], position=0, public=False)
    assert (made["group"], made["environment"], made["tags"], made["position"]) == ("Backups", "prod", ["a", "b"], 0)
    assert not made["public"]

    body = {"group": None, "tags": [], "position": None, "public": True}
    after = client.patch("/api/monitors/job", json=body, headers=ADMIN).json()

    assert (after["group"], after["environment"], after["tags"], after["public"]) == (None, "prod", [], True)
    assert after["position"] > plain["position"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("group", ""),
        ("group", "x" * 61),
        ("environment", "x" * 41),
        ("tags", ["x" * 41]),
        ("tags", [str(number) for number in range(21)]),
        ("tags", ["a,b"]),
        ("tags", "a"),
        ("position", -1),
        ("public", "no"),
    ],
)
def test_a_wrong_place_is_told_at_its_field(client: TestClient, field: str, value: Any) -> None:
    before = a_monitor(client, "job")

    answer = client.patch("/api/monitors/job", json={"name": "New", field: value}, headers=ADMIN)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert read(client, "job") == before


def test_deleting_a_monitor_takes_its_place_along(client: TestClient) -> None:
    a_monitor(client, "job", group="g", tags=["t"])

    assert client.delete("/api/monitors/job", headers=ADMIN).status_code == 204
    assert a_monitor(client, "job")["group"] is None


def test_the_list_finds_groups_and_tags_and_filters_by_tag(panel: TestClient) -> None:
    a_monitor(panel, "one", group="Backups", tags=["nightly"])
    a_monitor(panel, "two", environment="staging")

    for query, there, not_there in (
        ("q=backup", "one", "two"),
        ("q=stag", "two", "one"),
        ("tag=nightly", "one", "two"),
    ):
        page = panel.get(f"/?{query}").text
        assert f">{there}</span>" in page
        assert f">{not_there}</span>" not in page
    assert '<a href="/?tag=nightly"' in panel.get("/").text


def test_the_form_shows_and_changes_a_place(panel: TestClient) -> None:
    a_monitor(panel, "job", group="Backups", tags=["a", "b"])
    number = id_of(panel, "job")
    page = panel.get(f"/monitors/{number}/settings").text
    assert 'value="Backups"' in page
    assert 'value="a, b"' in page

    panel.post(f"/monitors/{number}", data={"group": "", "tags": "c, d,", "public": "no"})

    after = read(panel, "job")
    assert (after["group"], after["tags"], after["public"]) == (None, ["c", "d"], False)


def test_several_are_paused_resumed_tagged_and_deleted_after_a_question(panel: TestClient) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(panel, slug)
    chosen = [id_of(panel, "a"), id_of(panel, "b")]

    panel.post("/monitors/selected", data={"do": "pause", "monitor": chosen})
    assert [read(panel, slug)["status"] for slug in "abc"] == ["PAUSED", "PAUSED", "UNKNOWN"]
    panel.post("/monitors/selected", data={"do": "resume", "monitor": chosen})
    assert read(panel, "a")["status"] == "UNKNOWN"
    panel.post("/monitors/selected", data={"do": "tag", "monitor": chosen, "tags": "x, y"})
    assert [read(panel, slug)["tags"] for slug in "abc"] == [["x", "y"], ["x", "y"], []]

    question = panel.post("/monitors/selected", data={"do": "delete", "monitor": [*chosen, "999999"]})
    assert "Delete 2 monitors?" in text_of(question)
    assert read(panel, "a")
    panel.post("/monitors/selected", data={"do": "delete-for-good", "monitor": chosen})
    assert [each["slug"] for each in panel.get("/api/monitors", headers=ADMIN).json()] == ["c"]


def test_nothing_selected_or_too_many_tags_changes_nothing(panel: TestClient) -> None:
    a_monitor(panel, "a", tags=[str(number) for number in range(20)])
    assert "Nothing was selected" in text_of(panel.post("/monitors/selected", data={"do": "delete"}))

    number = id_of(panel, "a")
    for tags in ("more", "", "x" * 41):
        answer = panel.post("/monitors/selected", data={"do": "tag", "monitor": number, "tags": tags})
        assert answer.status_code == 422
        assert 'id="e-bulk-tag"' in answer.text
        assert f'name="monitor" checked value="{number}"' in answer.text  # what was selected still is
        assert f'value="{tags}"' in answer.text
    assert len(read(panel, "a")["tags"]) == 20


def test_no_more_are_selected_at_once_than_are_changed_at_once(panel: TestClient) -> None:
    a_monitor(panel, "a")
    chosen = [id_of(panel, "a"), *(str(number) for number in range(1_000, 1_100 + monitor_lists.MAX_AT_ONCE))]

    assert panel.post("/monitors/selected", data={"do": "pause", "monitor": chosen}).status_code == 400
    assert read(panel, "a")["status"] == "UNKNOWN"


def test_the_order_is_changed_by_buttons_and_by_what_dragging_sends(panel: TestClient) -> None:
    for slug, group in (("a", "One"), ("b", "Two"), ("c", "One"), ("d", None)):
        a_monitor(panel, slug, group=group)
    ids = {slug: id_of(panel, slug) for slug in "abcd"}
    assert order(panel) == ["a", "c", "b", "d"]

    panel.post("/monitors/arrange", data={"monitor": ids["c"], "do": "up"})
    assert order(panel) == ["c", "a", "b", "d"]
    panel.post(
        "/monitors/arrange", data={"monitor": ids["c"], "do": "place", "place": "2", "opened": "One", "from": "0"}
    )
    assert order(panel) == ["a", "c", "b", "d"]
    panel.post("/monitors/arrange", data={"group": "Two", "step": "-1"})
    assert order(panel) == ["b", "a", "c", "d"]
    assert [read(panel, slug)["position"] for slug in "bacd"] == [1, 2, 3, 4]
    assert a_monitor(panel, "new")["position"] > 4


def test_several_move_to_a_position_and_to_another_group_and_stay_ticked(panel: TestClient) -> None:
    for slug, group in (("a", "One"), ("b", "One"), ("c", "One"), ("d", None)):
        a_monitor(panel, slug, group=group)
    ids = {slug: id_of(panel, slug) for slug in "abcd"}
    stands = {"opened": "One", "from": "0", "monitor": [ids["b"], ids["c"]]}
    answer = panel.post("/monitors/arrange", data=stands | {"do": "place", "place": "1"}, follow_redirects=False)
    assert answer.headers["location"].endswith(f"#m{ids['b']}")
    page = panel.get(answer.headers["location"])
    assert order(panel) == ["b", "c", "a", "d"]
    assert re.findall(r'value="(\d+)" checked', page.text) == [ids["b"], ids["c"]]
    assert "The order is saved." in text_of(page)
    panel.post("/monitors/arrange", data=stands | {"do": "down"})
    assert order(panel) == ["a", "b", "c", "d"]

    panel.post("/monitors/arrange", data=stands | {"do": "group", "to_group": " Two "})
    assert [read(panel, slug)["group"] for slug in "abcd"] == ["One", "Two", "Two", None]
    found = panel.get("/fragments/choose", params={"find": "group:two"}).text
    assert re.findall(r'name="monitor" value="(\w+)"', found) == ["b", "c"]
    panel.post("/monitors/arrange", data=stands | {"do": "group", "to_group": ""})
    assert [read(panel, slug)["group"] for slug in "abcd"] == ["One", None, None, None]

    nothing = panel.post("/monitors/arrange", data={"opened": "One", "do": "place", "place": "1"})
    assert "Tick the monitors" in text_of(nothing)
    wrong = panel.post("/monitors/arrange", data=stands | {"do": "group", "to_group": "x" * 61})
    assert wrong.status_code == 422
    assert 'aria-describedby="e-to_group"' in wrong.text
    assert f'value="{"x" * 61}"' in wrong.text
    assert read(panel, "b")["group"] is None


PLACES: dict[str, str | None] = {
    **dict.fromkeys(("", " ", "0", "-1", "1.5", "two", "²", "3x", "1,000"), None),
    **dict.fromkeys((" 3 ", "３", "٣", "03", "999999999", "9" * 40), "bca"),
    "2": "bac",
    "1": "abc",
}


@pytest.mark.parametrize("path", ["/monitors/arrange", "/pages/status/monitors"])
def test_a_position_is_a_whole_number_from_1(panel: TestClient, path: str) -> None:
    for slug in "dabc":
        a_monitor(panel, slug, group=None if slug == "d" else "One")
    panel.post("/pages/status/monitors", data={"show": "chosen"})
    slugs = {id_of(panel, slug): slug for slug in "abcd"}
    stands = {"opened": "One", "from": "0", "monitor": id_of(panel, "a"), "do": "place"}
    for typed, becomes in PLACES.items():
        panel.post(path, data=stands | {"place": "1"})
        answer = panel.post(path, data=stands | {"place": typed}, follow_redirects=False)

        shown = re.findall(r'<li id="m(\d+)"', panel.get(path, params={"group": "One"}).text)
        assert "".join(slugs[each] for each in shown if slugs[each] != "d") == (becomes or "abc"), typed
        assert answer.status_code == (303 if becomes else 422), typed
        if becomes is None:
            assert "Write a position: a whole number, from 1" in text_of(answer)
            assert f'name="place" value="{typed}"' in answer.text
            assert 'autofocus aria-invalid="true" aria-describedby="e-place"' in answer.text
            assert [slugs[each] for each in re.findall(r'value="(\d+)" checked', answer.text)] == ["a"]
            opened = re.findall(r'<details class="card arranged" id="[^"]+" open>.*?</summary>', answer.text, re.DOTALL)
            assert ["One" in each for each in opened] == [True]  # which is not the first


NOTHING, PART = "Nothing was changed", {"opened": "", "from": "0"}
IDLE: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "This request makes no sense"),
    ({"do": "zap", "monitor": "a"}, 400, "This request makes no sense"),
    ({"do": "zap"}, 400, "This request makes no sense"),
    ({"monitor": "a"}, 400, "This request makes no sense"),
    ({"group": "One", "step": "99"}, 400, "This request makes no sense"),
    ({"group": "One", "step": "0"}, 400, "This request makes no sense"),
    ({"group": "One"}, 400, "This request makes no sense"),
    ({"monitor": "a", "step": "99"}, 400, "This request makes no sense"),
    ({"do": "up", "place": "7"}, 422, "Tick the monitors"),
    ({"do": "down", "monitor": "nonsense"}, 422, "Tick the monitors"),
    ({"do": "place", "place": "1"}, 422, "Tick the monitors"),
    ({"do": "up", "monitor": "a"}, 303, "it is like that already"),
    ({"do": "down", "monitor": ["a", "b"]}, 303, "it is like that already"),
    ({"do": "place", "place": "2", "monitor": "b"}, 303, "it is like that already"),
    ({"do": "up", "monitor": "gone"}, 303, "is no longer there"),
    ({"do": "up", "monitor": "99999999999999"}, 422, "Tick the monitors"),
    ({"do": "place", "place": "1", "monitor": "gone"}, 303, "is no longer there"),
]


OF_ALL: list[tuple[dict[str, Any], int, str]] = [
    ({"group": "Ghost", "step": "-1"}, 303, "is no longer there"),
    ({"group": "", "step": "1"}, 303, "is no longer there"),
    ({"group": "One", "step": "-1"}, 303, "it is like that already"),
    ({"do": "group", "to_group": "One", "monitor": "a"}, 303, "it is like that already"),
    ({"do": "group", "to_group": "New", "monitor": "gone"}, 303, "is no longer there"),
    ({"do": "group", "to_group": "New"}, 422, "Tick the monitors"),
    ({"do": "remove", "monitor": "a"}, 400, "This request makes no sense"),
]
OF_A_PAGE: list[tuple[dict[str, Any], int, str]] = [
    ({"do": "remove", "monitor": "gone"}, 303, "is no longer there"),
    ({"do": "remove"}, 422, "Tick the monitors"),
    ({"do": "add"}, 422, "Choose at least one monitor to add."),
    ({"do": "add", "group": "Ghost"}, 422, "Choose at least one monitor to add."),
    ({"do": "add", "slugs": "a b"}, 303, "it is like that already"),
    ({"show": "chosen"}, 303, "it is like that already"),
    ({"show": "zap"}, 400, "This request makes no sense"),
    ({"show": "all", "do": "add"}, 400, "This request makes no sense"),
]


@pytest.mark.parametrize(
    ("path", "cases"), [("/monitors/arrange", IDLE + OF_ALL), ("/pages/status/monitors", IDLE + OF_A_PAGE)]
)
def test_what_changes_nothing_is_not_said_to_be_saved(
    panel: TestClient, path: str, cases: list[tuple[dict[str, Any], int, str]]
) -> None:
    for slug in ("a", "b"):
        a_monitor(panel, slug, group="One")
    panel.post("/pages/status/monitors", data={"show": "chosen"})
    ids = {"a": id_of(panel, "a"), "b": id_of(panel, "b"), "gone": "987654"}

    def stored() -> list[Any]:
        return [panel.get(url, headers=ADMIN).json() for url in ("/api/monitors", "/api/pages/status")]

    before = stored()
    for sent, status, said in cases:
        named = sent.get("monitor", [])
        numbers = [ids.get(each, each) for each in ([named] if isinstance(named, str) else named)]
        answer = panel.post(path, data=PART | sent | {"monitor": numbers}, follow_redirects=False)

        page = text_of(answer if status != 303 else panel.get(answer.headers["location"]))
        assert (answer.status_code, said in page) == (status, True), sent
        assert "The order is saved." not in page, sent
        assert stored() == before, sent


def test_what_is_typed_stays_where_nothing_is_ticked(panel: TestClient) -> None:
    a_monitor(panel, "a", group="One")

    answer = panel.post("/monitors/arrange", data={"do": "group", "place": "7", "to_group": "New <b>", "opened": "One"})

    assert answer.status_code == 422
    assert 'value="7"' in answer.text
    assert 'value="New &lt;b&gt;"' in answer.text
    assert 'type="checkbox" name="monitor"' in answer.text
    assert 'autofocus aria-invalid="true" aria-describedby="e-monitor"' in answer.text


def test_enter_in_a_field_does_what_the_button_beside_it_does(panel: TestClient) -> None:
    for slug in "abc":
        a_monitor(panel, slug, group="One")
    form = {"do": "typed", "monitor": id_of(panel, "a"), "opened": "One", "from": "0"}

    panel.post("/monitors/arrange", data=form | {"place": " 2", "to_group": ""})
    assert order(panel) == ["b", "a", "c"]
    both = panel.post("/monitors/arrange", data=form | {"place": "1", "to_group": "Two"})
    assert (both.status_code, "A position and a group are filled in." in text_of(both)) == (422, True)
    neither = panel.post("/monitors/arrange", data=form | {"place": "", "to_group": " "})
    assert (neither.status_code, "Write a position" in text_of(neither)) == (422, True)
    panel.post("/monitors/arrange", data=form | {"place": "", "to_group": "Two"})
    assert [read(panel, slug)["group"] for slug in "abc"] == ["Two", "One", "One"]
    panel.post("/pages/status/monitors", data={"show": "chosen"})
    panel.post("/pages/status/monitors", data=form | {"monitor": id_of(panel, "c"), "place": "1"})
    assert panel.get("/api/pages/status", headers=ADMIN).json()["monitors"] == ["c", "b", "a"]


def test_a_page_that_shows_all_again_has_nothing_to_move(panel: TestClient) -> None:
    a_monitor(panel, "a")

    for sent in ({"show": "all"}, {"do": "up", "monitor": id_of(panel, "a")}):
        answer = panel.post("/pages/status/monitors", data=sent)
        assert NOTHING in text_of(answer)
    assert panel.get("/api/pages/status", headers=ADMIN).json()["monitors"] is None


def test_those_that_are_there_move_and_those_that_are_gone_are_passed_over(panel: TestClient) -> None:
    for slug in "ab":
        a_monitor(panel, slug)
    moved = [id_of(panel, "b"), "987654"]

    answer = panel.post("/monitors/arrange", data={"do": "up", "monitor": moved})

    assert "The order is saved." in text_of(answer)
    assert order(panel) == ["b", "a"]


def test_a_long_order_comes_in_parts(database: Database) -> None:
    furnish(database, 1_000)
    with recorded_statements() as seen:
        found = monitor_order.sections(database, DEFAULT_ID, opened=None, start=0)
    shown = {each.name: (each.count, each.start, len(each.monitors), each.following) for each in found}
    assert shown[""] == (667, 0, 200, 200)
    assert sum(len(each.monitors) for each in found) == monitor_order.PART_SIZE
    last = monitor_order.sections(database, DEFAULT_ID, opened="", start=600)[0]
    assert (last.start, len(last.monitors), last.following) == (600, 67, None)
    assert monitor_order.sections(database, DEFAULT_ID, opened="", start=9_999)[0].start == 666
    opened = monitor_order.sections(database, DEFAULT_ID, opened="Group 2", start=0)
    third = {each.name: each for each in opened}["Group 2"]
    assert third.count == len(third.monitors)
    assert len(seen) <= 3 + (not database.is_sqlite) * 2


def test_the_monitors_of_a_page_are_added_moved_and_removed(panel: TestClient) -> None:
    for slug in "abcd":
        a_monitor(panel, slug, group="G" if slug in "cd" else None, public=slug != "b")
    ids = {slug: id_of(panel, slug) for slug in "abcd"}
    path = "/pages/status/monitors"

    def chosen() -> list[str]:
        return list(panel.get("/api/pages/status", headers=ADMIN).json()["monitors"])

    panel.post(path, data={"show": "chosen"})
    assert chosen() == ["a", "c", "d"]
    panel.post(path, data={"do": "remove", "monitor": [ids["c"], ids["d"]]})
    found = panel.post(path, data={"find": "b", "search": "yes"})
    assert 'name="monitor" value="b"' in found.text
    panel.post(path, data={"do": "add", "monitor": "b", "group": "G"})
    assert chosen() == ["a", "b", "c", "d"]
    panel.post(path, data={"do": "place", "place": "1", "monitor": ids["d"], "opened": "G", "from": "0"})
    assert chosen() == ["a", "b", "d", "c"]
    wrong = panel.post(path, data={"do": "add", "slugs": "nobody"})
    assert (wrong.status_code, "There is no monitor with these slugs: nobody." in text_of(wrong)) == (422, True)
    assert "nobody</textarea>" in wrong.text
    panel.post(path, data={"show": "all"})
    assert panel.get("/api/pages/status", headers=ADMIN).json()["monitors"] is None
