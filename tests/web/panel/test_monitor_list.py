"""The list of monitors: its filters, parts, and what is sent of it while one looks."""

from __future__ import annotations

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from pulsemon.web.panel import monitor_list
from tests.status_pages.test_public import ADMIN, a_monitor
from tests.web.panel.test_monitors import text_of


def slugs(page: str) -> list[str]:
    return re.findall(r'<span class="slug">([^<]+)</span>', page)


def ids_of(page: str) -> dict[str, str]:
    """Return slug -> id of the monitors that a page lists."""
    found = re.findall(r'id="m-(\d+)".*?<span class="slug">([^<]+)<', page, re.DOTALL)
    return {slug: number for number, slug in found}


def fields_of(page: str) -> dict[str, str]:
    """Return the hidden fields of the form that a page ends with."""
    form = page.partition('action="/monitors/selected"')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


def link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    assert found
    return unescape(found[1])


def fail(panel: TestClient, slug: str, output: str) -> None:
    token = panel.get(f"/api/monitors/{slug}", headers=ADMIN).json()["token"]
    assert panel.post(f"/h/{slug}/{token}/7", content=output.encode()).status_code == 200


def test_a_long_list_comes_in_parts_there_and_back(panel: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_list, "PAGE_SIZE", 2)
    for number in range(5):
        a_monitor(panel, f"job-{number}", name=f"Job {number}")

    first = panel.get("/").text
    second = panel.get(link(first, "next")).text
    third = panel.get(link(second, "next")).text

    assert [slugs(each) for each in (first, second, third)] == [
        ["job-0", "job-1"], ["job-2", "job-3"], ["job-4"],
    ]  # fmt: skip
    assert 'rel="next"' not in third
    assert slugs(panel.get(link(third, "prev")).text) == ["job-2", "job-3"]
    assert slugs(panel.get(link(second, "prev")).text) == ["job-0", "job-1"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("state=broken", "monitors of all states are shown"),
        ("sort=luck", "what is wrong stands first"),
        ("page=99", "this is its beginning"),
        ("after=nonsense", "this is its beginning"),
        ("before=0-1-%00", "this is its beginning"),
        ("sort=last&after=0-1-backup", "this is its beginning"),
    ],
)
def test_what_makes_no_sense_in_an_address_is_left_out_with_a_word(panel: TestClient, query: str, word: str) -> None:
    a_monitor(panel, "job")
    answer = panel.get(f"/?{query}")
    assert answer.status_code == 200
    assert word in text_of(answer)
    assert slugs(answer.text) == ["job"]


def test_filters_go_together_and_are_kept_by_every_link(panel: TestClient) -> None:
    a_monitor(panel, "a", group="Produção", environment="prod", tags=["db"])
    a_monitor(panel, "b", group="Produção", environment="dev", tags=["db"])
    a_monitor(panel, "c", group="Infra", tags=["web"])

    page = panel.get("/?group=Produ%C3%A7%C3%A3o&tag=db&environment=prod&sort=name").text

    assert slugs(page) == ["a"]
    for href in re.findall(r'<a class="is-[^"]+" href="([^"]+)"', page):
        assert "group=Produ" in href
        assert "tag=db" in href
        assert "sort=name" in href
    assert slugs(panel.get("/?q=producao+dev").text) == ["b"]
    assert slugs(panel.get("/?q=tag:web").text) == ["c"]
    assert "No monitors match." in panel.get("/?q=nothing").text


def test_a_row_says_why_and_what_the_job_said_last(panel: TestClient) -> None:
    a_monitor(panel, "job")
    fail(panel, "job", "dumping\n<b>disk full</b>\n")

    text = text_of(panel.get("/"))

    assert "failed: exit status 7" in text
    assert "disk full" in text
    assert "dumping" not in text
    assert "<b>disk" not in panel.get("/").text


def test_only_what_changed_is_sent(panel: TestClient) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(panel, slug)
    page = panel.get("/").text
    etag = re.search(r'data-etag="([^"]+)"', page)
    assert etag
    had = unescape(etag[1])

    same = panel.get("/fragments/list", headers={"if-none-match": had})
    assert (same.status_code, same.content) == (304, b"")
    assert int(same.headers["refresh-after"]) >= 1_000

    fail(panel, "b", "x")
    told = panel.get("/fragments/list", headers={"if-none-match": had})
    while told.status_code == 304 or len(told.json()["rows"]) == 0:
        told = panel.get("/fragments/list", headers={"if-none-match": had})
    ids = ids_of(page)
    assert list(told.json()["rows"]) == [ids["b"]]
    assert told.json()["order"][0] == int(ids["b"])
    assert told.headers["content-encoding"] == "gzip"
    assert len(panel.get("/fragments/list", headers={"if-none-match": '"unknown"'}).json()["rows"]) == 3


def test_all_that_fit_are_changed_and_deleting_asks_again_where_others_fit_by_now(panel: TestClient) -> None:
    for number in range(5):
        a_monitor(panel, f"db-{number}", tags=["db"])
    a_monitor(panel, "other")
    wanted = {"all": "yes", "tag": "db"}

    panel.post("/monitors/selected", data=wanted | {"do": "pause", "count": "5"})
    states = {each["slug"]: each["status"] for each in panel.get("/api/monitors", headers=ADMIN).json()}
    assert states == {"other": "UNKNOWN"} | {f"db-{number}": "PAUSED" for number in range(5)}

    question = panel.post("/monitors/selected", data=wanted | {"do": "delete"})
    assert "Delete 5 monitors?" in text_of(question)
    a_monitor(panel, "db-9", tags=["db"])
    again = panel.post("/monitors/selected", data=fields_of(question.text))
    assert "Delete 6 monitors?" in text_of(again)
    assert len(panel.get("/api/monitors", headers=ADMIN).json()) == 7
    panel.post("/monitors/selected", data=fields_of(again.text))
    assert [each["slug"] for each in panel.get("/api/monitors", headers=ADMIN).json()] == ["other"]


def test_as_many_others_are_not_deleted_in_the_place_of_those_that_were_named(panel: TestClient) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(panel, slug)
    fail(panel, "a", "no")
    question = panel.post("/monitors/selected", data={"all": "yes", "state": "down", "do": "delete"})
    assert "Delete 1 monitor?" in text_of(question)
    token = panel.get("/api/monitors/a", headers=ADMIN).json()["token"]
    assert panel.get(f"/h/a/{token}").status_code == 200
    fail(panel, "b", "no")

    again = panel.post("/monitors/selected", data=fields_of(question.text))

    assert re.findall(r'<span class="slug">([^<]+)</span>', again.text) == ["b"]
    assert "Delete 1 monitor?" in text_of(again)
    assert {each["slug"] for each in panel.get("/api/monitors", headers=ADMIN).json()} == {"a", "b", "c"}
    for sent in (fields_of(again.text) | {"those": ""}, fields_of(again.text) | {"those": "nonsense"}):
        panel.post("/monitors/selected", data=sent)
    assert len(panel.get("/api/monitors", headers=ADMIN).json()) == 3
    panel.post("/monitors/selected", data=fields_of(again.text))
    assert {each["slug"] for each in panel.get("/api/monitors", headers=ADMIN).json()} == {"a", "c"}


@pytest.mark.parametrize("wish", ["pause", "resume", "tag"])
@pytest.mark.parametrize("count", ["2", "", "nonsense"])
def test_nothing_is_done_to_all_that_fit_where_others_fit_than_were_shown(
    panel: TestClient, wish: str, count: str
) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(panel, slug)
    before = panel.get("/api/monitors", headers=ADMIN).json()

    answer = panel.post("/monitors/selected", data={"all": "yes", "do": wish, "tags": "new", "count": count})

    assert answer.status_code == 422
    assert "By now 3 monitors fit. Nothing was changed" in text_of(answer)
    assert 'name="all" value="yes" checked' in answer.text
    assert panel.get("/api/monitors", headers=ADMIN).json() == before


@pytest.mark.parametrize(
    "nonsense", [{"state": "DOWN"}, {"state": "nonsense"}, {"group": "a\x00"}, {"q": "a" * 201}, {"sort": "up"}]
)
@pytest.mark.parametrize("wish", ["pause", "tag", "delete", "delete-for-good"])
def test_nothing_is_done_to_all_that_fit_a_filter_that_makes_no_sense(
    panel: TestClient, nonsense: dict[str, str], wish: str
) -> None:
    a_monitor(panel, "a" * 80)
    before = panel.get("/api/monitors", headers=ADMIN).json()

    sent = {"all": "yes", "do": wish, "tags": "new", "count": "1"} | nonsense
    answer = panel.post("/monitors/selected", data=sent)

    assert answer.status_code == 422
    assert "What this list was asked for makes no sense" in text_of(answer)
    assert panel.get("/api/monitors", headers=ADMIN).json() == before


def test_what_was_selected_and_is_not_shown_stays_selected_where_something_is_wrong(panel: TestClient) -> None:
    for slug in ("one", "two"):
        a_monitor(panel, slug)
    ids = ids_of(panel.get("/").text)

    answer = panel.post("/monitors/selected", data={"monitor": list(ids.values()), "do": "tag", "tags": "", "q": "one"})

    assert answer.status_code == 422
    assert re.findall(r'type="hidden" name="monitor" value="(\d+)"', answer.text) == [ids["two"]]
    assert re.findall(r'name="monitor" checked value="(\d+)"', answer.text) == [ids["one"]]


def test_what_is_gone_is_not_said_to_be_changed(panel: TestClient) -> None:
    a_monitor(panel, "job")
    answer = panel.post("/monitors/selected", data={"monitor": ["999"], "do": "pause"}, follow_redirects=True)
    assert "None of those that you selected is there any more" in text_of(answer)


def test_more_can_be_selected_than_a_part_of_the_list_holds(panel: TestClient) -> None:
    a_monitor(panel, "job")
    sent = {"monitor": [*ids_of(panel.get("/").text).values(), *map(str, range(2_000, 5_000))], "do": "pause"}
    assert "Paused those" in text_of(panel.post("/monitors/selected", data=sent, follow_redirects=True))


def test_a_filter_offers_once_what_it_does_not_tell_apart(panel: TestClient) -> None:
    for slug, group, tag in (("a", "Infra", "Db"), ("b", "INFRA", "db"), ("c", "infrá", "db"), ("d", "INFRA", "web")):
        a_monitor(panel, slug, group=group, tags=[tag], environment=group)

    page = panel.get("/?group=infra")

    assert sorted(slugs(page.text)) == ["a", "b", "c", "d"]
    assert page.text.count('<option value="INFRA" selected>INFRA (4)</option>') == 1
    assert page.text.count("(4)</option>") == 2
    assert '<option value="db">db (3)</option>' in page.text
    assert "Infra (" not in page.text


def test_a_filter_that_is_too_long_for_any_group_finds_nothing(panel: TestClient) -> None:
    a_monitor(panel, "job", group="g" * 60, tags=["t" * 40], environment="e" * 40)

    for name, text in (("group", "g" * 60), ("tag", "t" * 40), ("environment", "e" * 40)):
        assert slugs(panel.get(f"/?{name}={text}").text) == ["job"]
        assert slugs(panel.get(f"/?{name}={text}{text[0]}").text) == []


def test_the_filters_know_what_somebody_has_just_changed(panel: TestClient) -> None:
    made = a_monitor(panel, "job", group="Old")
    a_monitor(panel, "other")
    assert "Old (1)" in panel.get("/").text

    panel.patch(f"/api/monitors/{made['slug']}", json={"group": "New"}, headers=ADMIN)
    page = panel.get("/").text
    assert "New (1)" in page
    assert "Old (1)" not in page
    panel.delete(f"/api/monitors/{made['slug']}", headers=ADMIN)
    assert "New (1)" not in panel.get("/").text


def test_the_list_is_not_sent_again_to_whoever_names_its_tag_weakly_or_among_others(panel: TestClient) -> None:
    a_monitor(panel, "job")
    tag = panel.get("/fragments/list").headers["etag"]
    for named in (tag, f"W/{tag}", f'"other", W/{tag}'):
        assert panel.get("/fragments/list", headers={"if-none-match": named}).status_code == 304


def test_more_than_can_be_changed_at_once_is_refused_on_the_list(
    panel: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pulsemon.web.panel import monitor_lists

    monkeypatch.setattr(monitor_lists, "MAX_AT_ONCE", 2)
    for number in range(3):
        a_monitor(panel, f"job-{number}")
    answer = panel.post("/monitors/selected", data={"all": "yes", "do": "pause", "count": "3"})
    assert answer.status_code == 422
    assert "more than 2" in text_of(answer)
    assert {each["status"] for each in panel.get("/api/monitors", headers=ADMIN).json()} == {"UNKNOWN"}


def test_the_list_goes_out_compressed(panel: TestClient) -> None:
    a_monitor(panel, "job")
    packed = panel.get("/", headers={"accept-encoding": "gzip"})
    plain = panel.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert {"Accept-Encoding"} <= {each.strip() for each in packed.headers["vary"].split(",")}
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
