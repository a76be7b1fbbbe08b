"""Which project the panel shows: chosen in the header, followed to, said in titles; and what is said to who may not."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from pulsemon.accounts.roles import Role
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.projects import DEFAULT_ID
from tests.conftest import ADMIN_TOKEN
from tests.members import database_of, log_in_as, make_project, make_user
from tests.web.panel.test_monitors import GOOD, create, text_of

TITLE = re.compile(r"<title>([^<]*)</title>")


def title_of(client: TestClient, path: str = "/") -> str:
    found = TITLE.search(client.get(path).text)
    assert found
    return found[1]


def moved(client: TestClient, project_id: int, monitor_id: int = 1) -> None:
    """Let a monitor be of another project, whatever the list of monitors makes of that."""
    with database_of(client).write() as connection:
        connection.execute(update(Monitor).where(Monitor.id == monitor_id).values(project_id=project_id))


def test_the_header_leads_to_the_other_projects_that_one_may_see(client: TestClient) -> None:
    shop, _ = make_project(client, "shop", "The <shop>"), make_project(client, "vault")
    log_in_as(client, make_user(client, "ana@example.org", {DEFAULT_ID: Role.EDITOR, shop: Role.VIEWER}))
    page = client.get("/incidents").text

    assert re.findall(r'name="slug" value="([^"]+)"', page) == ["shop"]
    assert "vault" not in page.lower()
    assert title_of(client, "/incidents") == "Incidents · Default · PulseMon"
    answer = client.post("/project", data={"slug": "shop", "next": "/incidents"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents")
    assert title_of(client, "/incidents") == "Incidents · The &lt;shop&gt; · PulseMon"
    assert re.findall(r'name="slug" value="([^"]+)"', client.get("/incidents").text) == ["default"]


def test_what_one_may_not_see_cannot_be_chosen_and_is_as_what_is_not_there(one: TestClient) -> None:
    shop, _ = make_project(one, "shop"), make_project(one, "vault")
    log_in_as(one, make_user(one, "ana@example.org", {shop: Role.EDITOR}))

    answers = [one.post("/project", data={"slug": slug}) for slug in ("vault", "nowhere", "", "Shop")]
    answers += [one.get("/", params={"project": slug}) for slug in ("vault", "nowhere", "")]
    assert [each.status_code for each in answers] == [404] * 7
    assert len({text_of(each).replace(str(each.url), "") for each in answers}) == 1
    assert title_of(one, "/incidents") == "Incidents · Shop · PulseMon"


@pytest.mark.parametrize("next_address", ["https://evil.example/", "//evil.example", "/\\evil.example", "", "x"])
def test_the_choice_leads_nowhere_else(one: TestClient, next_address: str) -> None:
    make_project(one, "shop")
    log_in_as(one, make_user(one, "ana@example.org", is_owner=True))
    answer = one.post("/project", data={"slug": "shop", "next": next_address}, follow_redirects=False)

    assert answer.headers["location"] == "/"


def test_with_one_project_nothing_of_projects_is_seen(panel: TestClient) -> None:
    create(panel)

    for path in ("/", "/monitors/1", "/incidents", "/maintenance/new"):
        page = panel.get(path).text
        assert 'action="/project"' not in page
        assert "?project=" not in page
        assert "Default" not in page
    assert title_of(panel) == "Monitors · PulseMon"


def test_the_page_of_a_thing_switches_to_its_project_and_what_an_open_tab_fetches_does_not(panel: TestClient) -> None:
    create(panel)
    shop = make_project(panel, "shop")
    moved(panel, shop)

    assert panel.get("/fragments/monitors/1/head").status_code == 200
    assert panel.get("/fragments/choose", params={"project": "shop", "find": "x"}).status_code == 200
    assert title_of(panel, "/incidents") == "Incidents · Default · PulseMon"
    assert title_of(panel, "/monitors/1") == f"{GOOD['name']} · Shop · PulseMon"
    assert title_of(panel, "/incidents") == "Incidents · Shop · PulseMon"
    assert title_of(panel, "/?project=default").endswith("· Default · PulseMon")
    assert title_of(panel, "/incidents") == "Incidents · Default · PulseMon"


def test_a_form_goes_to_the_project_that_it_was_opened_in_and_keeps_it_through_a_login(panel: TestClient) -> None:
    make_project(panel, "shop")
    form = panel.get("/incidents/new?project=shop").text
    assert 'action="/incidents?project=shop"' in form
    panel.get("/?project=default")
    answer = panel.post("/incidents?project=shop", data={"title": "Kept"})
    assert (answer.status_code, 'action="/incidents?project=shop"' in answer.text) == (422, True)

    panel.cookies.clear()
    login = panel.post("/incidents?project=shop", data={"title": "Typed before"})
    kept = re.search(r'name="kept" value="([^"]+)"', login.text)
    assert login.status_code == 401
    assert kept
    text = kept[1].replace("&#34;", '"')
    again = panel.post("/login", data={"token": ADMIN_TOKEN, "kept": text})
    assert 'action="/incidents?draw=yes&amp;project=shop"' in again.text
    drawn = panel.post("/incidents?draw=yes&project=shop", data={"title": "Typed before"}).text
    assert 'action="/incidents?project=shop"' in drawn
    assert 'value="Typed before"' in drawn


@pytest.mark.parametrize(
    ("role", "path", "said"),
    [
        (Role.VIEWER, "/monitors/new", "Your role here is viewer. Editing needs the role editor."),
        (Role.VIEWER, "/incidents/new", "Your role here is viewer. Incidents and maintenance are written from"),
        (Role.RESPONDER, "/monitors/1/connect", "Your role here is responder. Ping URLs and other secrets are shown"),
        (Role.EDITOR, "/monitors/1/delete", "Your role here is editor. Deleting, members, keys and the audit log need"),
    ],
)
def test_whoever_may_not_is_told_what_he_is_and_what_it_takes(
    one: TestClient, role: Role, path: str, said: str
) -> None:
    one.headers.update({"accept": "text/html", "accept-language": "en"})
    one.post("/login", data={"token": ADMIN_TOKEN})
    create(one)
    log_in_as(one, make_user(one, "ana@example.org", role))
    answer = one.get(path)

    assert answer.status_code == 403
    assert said in text_of(answer)
    assert "An admin of the project can give it to you." in text_of(answer)
    assert "another site" not in answer.text
    in_portuguese = text_of(one.get(path, headers={"accept-language": "pt-BR"}))
    assert "O seu papel aqui é" in in_portuguese


def test_with_several_projects_it_says_in_which(one: TestClient) -> None:
    shop = make_project(one, "shop")
    log_in_as(one, make_user(one, "ana@example.org", {shop: Role.VIEWER}))

    assert "Your role in Shop is viewer." in text_of(one.get("/monitors/new"))
    told = one.get("/monitors/new", headers={"accept": "application/json"})
    said = "Your role here, or the scopes of this key, do not allow this. "
    said += "It takes the role editor, or a key with one of the scopes write, admin."
    assert (told.status_code, told.json()) == (403, {"detail": said})


def test_a_member_of_no_project_is_told_how_to_get_in(one: TestClient) -> None:
    make_project(one, "shop")
    log_in_as(one, make_user(one, "ana@example.org"))
    home, other = one.get("/"), one.get("/incidents")

    assert (home.status_code, other.status_code) == (200, 403)
    for answer in (home, other):
        assert "You are logged in as ana@example.org" in text_of(answer)
        assert "add your address on the page People" in text_of(answer)
        assert 'action="/logout"' in answer.text
        assert "Shop" not in answer.text
        assert 'href="/incidents"' not in answer.text
