"""No public page, feed, badge, document or file of one project says anything of another one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.core.addresses import MAIN
from pulsemon.db.tables.messages import Delivery, NoticeRow
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import PageMonitor, StatusPage
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.manage import NewIncident
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.definition import PageChanges
from pulsemon.web.public import static_copy
from tests.arrange import rows, site_of
from tests.conftest import wait_until
from tests.walls.two_projects import (
    OF_A_PAGE,
    OF_THE_MAIN_PAGE,
    PUBLIC,
    Two,
    add_incidents,
    add_plans,
    make_two,
    of_page,
)


@pytest.fixture
def two(client: TestClient) -> Two:
    return make_two(client)


def told(client: TestClient, path: str) -> str:
    """Return an answer with its headers, as one text."""
    answer = client.get(path, headers={"accept-language": "en"}, follow_redirects=False)
    return f"{answer.status_code}\n{answer.headers}\n{answer.content.decode(errors='replace')}".lower()


def test_the_routes_are_those_that_are_meant() -> None:
    assert len(OF_A_PAGE) > 12
    assert len(OF_THE_MAIN_PAGE) > 10
    assert {each.path for each in PUBLIC} - {each.path for each in OF_A_PAGE + OF_THE_MAIN_PAGE} == {
        f"/badge/{what}.{form}" for what in ("tag/{tag}", "{slug}") for form in ("svg", "json")
    }


def test_what_stands_below_a_page_is_of_its_own_project_alone(two: Two) -> None:
    for side, other in ((two.zebra, two.quokka), (two.quokka, two.zebra)):
        said = ""
        for page in side.pages:
            for way in OF_A_PAGE if page != MAIN else OF_THE_MAIN_PAGE:
                for path in of_page(way, page, side):
                    found = told(two.client, path)
                    assert other.word not in found, path
                    said += found
        for text in (f"trouble of {side.word}", f"works of {side.word}", f"backup {side.word}", f"status {side.word}"):
            assert text in said


def test_an_incident_of_another_project_is_not_there(two: Two) -> None:
    nothing = "0" * 16
    for side, other in ((two.zebra, two.quokka), (two.quokka, two.zebra)):
        for way in OF_A_PAGE:
            if "{public_id}" not in way.path:
                continue
            missing = two.client.get(way.filled(slug=side.pages[0], public_id=nothing))
            for each in other.incidents:
                found = two.client.get(way.filled(slug=side.pages[0], public_id=each))
                assert (found.status_code, found.text) == (404, missing.text.replace(nothing, each))


def components(client: TestClient, page: str) -> list[dict[str, Any]]:
    path = "/api/v2" if page == MAIN else f"/status/{page}/api/v2"
    return [each for each in client.get(f"{path}/components.json").json()["components"] if not each["group"]]


def test_maintenance_of_everything_is_that_of_a_project(two: Two) -> None:
    for page in two.quokka.pages:
        assert [each["status"] for each in components(two.client, page)] == ["under_maintenance"], page
    for page in two.zebra.pages:
        assert [each["status"] for each in components(two.client, page)] == ["operational"], page
    assert two.client.get(f"/badge/{two.zebra.monitor}.json").json()["message"] == "Up"
    assert two.client.get(f"/badge/{two.quokka.monitor}.json").json()["message"] == "Under maintenance"


def test_badges_by_tag_and_of_everything_are_the_first_projects(two: Two) -> None:
    """In the other one nothing is well."""
    assert two.client.get("/badge/tag/prod.json").json()["message"] == "Up"
    assert two.client.get("/status/badge.json").json()["message"] == "Up"


def test_a_monitor_has_a_badge_where_a_page_of_its_own_project_shows_it(two: Two) -> None:
    assert two.client.get(f"/badge/{two.quokka.monitor}.svg").status_code == 200
    # Now no page of its project shows all; those of the other one still do.
    for page in two.quokka.pages:
        status_pages.edit(two.database, page, PageChanges(monitors=()), now=two.now)
    site_of(two.client).wake()

    wait_until(lambda: two.client.get(f"/badge/{two.quokka.monitor}.svg").status_code == 404)
    assert two.client.get(f"/badge/{two.zebra.monitor}.svg").status_code == 200


def test_a_page_of_another_project_opens_no_badge(two: Two) -> None:
    """Not even where it was left with a monitor that is not its own."""
    for page in two.quokka.pages:
        status_pages.edit(two.database, page, PageChanges(monitors=()), now=two.now)
    zebras = next(each for each in rows(two.database, StatusPage) if each.slug == two.zebra.pages[1])
    with two.database.write() as connection:
        row = {"page_id": zebras.id, "monitor_id": two.quokka.monitor_id, "place": 9}
        connection.execute(insert(PageMonitor).values(row))
    site_of(two.client).wake()

    wait_until(lambda: two.client.get(f"/badge/{two.quokka.monitor}.svg").status_code == 404)
    for way in OF_A_PAGE:
        for path in of_page(way, two.zebra.pages[1], two.zebra):
            assert two.quokka.word not in told(two.client, path), path


def test_a_monitor_that_came_into_another_project_leaves_the_pages_and_incidents_that_named_it(two: Two) -> None:
    with two.database.write() as connection:
        connection.execute(update(Monitor).where(Monitor.id == two.quokka.monitor_id).values(project_id=DEFAULT_ID))
    site_of(two.client).wake()

    wait_until(lambda: not any(components(two.client, page) for page in two.quokka.pages))
    for page in two.quokka.pages:
        for way in OF_A_PAGE:
            for path in of_page(way, page, two.quokka):
                assert f"backup {two.quokka.word}" not in told(two.client, path), path


def test_pages_of_one_project_keep_their_bytes_and_tags_whatever_happens_in_the_other(two: Two) -> None:
    """What is of no time: the page itself says when it was read."""
    names = ("feed.atom", "maintenance.ics", "badge.svg", "api/v2/summary.json", "api/v2/incidents.json", "history")
    paths = [f"/status/{page}/{name}" for page in two.quokka.pages for name in names]
    before = {path: two.client.get(path) for path in paths}

    add_incidents(two.database, two.zebra, two.now)
    add_plans(two.database, two.zebra, two.now)
    status_pages.edit(two.database, two.zebra.pages[0], PageChanges(title="Another zebra"), now=two.now)
    site_of(two.client).wake()
    wait_until(lambda: "another zebra" in told(two.client, f"/status/{two.zebra.pages[0]}"))

    for path, answer in before.items():
        after = two.client.get(path)
        assert (after.content, after.headers.get("etag")) == (answer.content, answer.headers.get("etag")), path


def test_a_copy_as_files_keeps_them_apart_too(two: Two) -> None:
    files = static_copy.make_files(two.database, site_of(two.client).settings, now=two.now)
    for side, other in ((two.zebra, two.quokka), (two.quokka, two.zebra)):
        own = {path: content for path, content in files.items() if side.word in path and path.startswith("status/")}
        assert len(own) > 10
        for path, content in own.items():
            assert other.word.encode() not in content.lower(), path
    for path, content in files.items():
        if two.quokka.word not in path:
            assert two.quokka.word.encode() not in content.lower(), path
    badges = {side.word: json.loads(files[f"badge/{side.monitor}.json"])["message"] for side in (two.zebra, two.quokka)}
    assert badges == {"zebra": "Up", "quokka": "Under maintenance"}


def test_subscribers_are_told_of_their_own_project(two: Two) -> None:
    pages = {slug: side for side in (two.zebra, two.quokka) for slug in side.pages}
    kept = {each.id: json.loads(each.payload) for each in rows(two.database, NoticeRow)}
    for side in (two.zebra, two.quokka):
        incident = NewIncident(title=f"Another trouble of {side.word}", body="It is.", is_general=True)
        incidents.create(two.database, incident, now=two.now, project_id=side.project_id)

    told_now = [each for each in rows(two.database, NoticeRow) if each.id not in kept]
    assert len(told_now) == 4  # two pages of each project have a subscriber
    for each in told_now:
        payload = json.loads(each.payload)
        assert pages[payload["page"]["slug"]].word in payload["title"]
    assert len({each.subscriber_id for each in rows(two.database, Delivery) if each.subscriber_id}) == 4
