"""A session that ends costs nothing: the login leads to where one was going, and a form comes back as it was typed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import cast
from urllib.parse import quote_plus, urlsplit

import pytest
from httpx2 import Response
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pulsemon.accounts.roles import OPEN
from pulsemon.web.app import make_fastapi
from pulsemon.web.http import after_login
from pulsemon.web.http.after_login import KeptForm
from pulsemon.web.http.routing import Audience, Route
from pulsemon.web.http.site import Site
from tests.conftest import ADMIN_TOKEN
from tests.web.panel.test_monitors import api, create, text_of

INCIDENT = {"title": 'Shop – "slow"', "body": "Line <one>\nline & two é", "status": "investigating", "impact": "minor"}
CHOSEN = {"scope": "chosen", "monitor": ["a", "b"]}


def hidden(answer: Response) -> dict[str, str]:
    """Return the hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', answer.text)
    return {html.unescape(name): html.unescape(text) for name, text in found}


def end_session(panel: TestClient) -> None:
    """End the session behind the browser's back, which goes on to send its cookie."""
    other = TestClient(panel.app, base_url="http://testserver", cookies=dict(panel.cookies))
    other.post("/logout")


def forget_session(panel: TestClient) -> None:
    """Let the session end as it does after seven days: its cookie lives as long, so the browser sends none."""
    panel.cookies.clear()


def log_out_elsewhere(panel: TestClient) -> None:
    """Log out in another tab: the session is over, and its cookie gone."""
    panel.post("/logout")
    assert "pulsemon_session" not in panel.cookies


def forge_session(panel: TestClient) -> None:
    """Send a cookie that nobody signed."""
    panel.cookies.clear()
    panel.cookies.set("pulsemon_session", f"{'a' * 43}.{'b' * 43}")


WAYS_TO_END = [end_session, forget_session, log_out_elsewhere, forge_session]
endings = pytest.mark.parametrize("end", WAYS_TO_END, ids=lambda each: each.__name__)


def log_in_again(panel: TestClient, page: Response) -> Response:
    return panel.post("/login", data={"token": ADMIN_TOKEN} | hidden(page), follow_redirects=False)


def test_a_deep_link_leads_through_the_login_to_its_page(client: TestClient) -> None:
    client.headers.update({"accept": "text/html", "accept-language": "en"})

    page = client.get("/monitors/7?text=slots&kind=ping")
    assert urlsplit(str(page.url)).path == "/"
    assert page.status_code == 200
    assert "session has ended" not in text_of(page)
    wrong = client.post("/login", data={"token": "wrong"} | hidden(page))
    answer = log_in_again(client, wrong)

    assert wrong.status_code == 401
    assert (answer.status_code, answer.headers["location"]) == (303, "/monitors/7?text=slots&kind=ping")
    again = client.get("/?next=/monitors/7", follow_redirects=False)  # reloaded, after a login in another window
    assert (again.status_code, again.headers["location"]) == (303, "/monitors/7")


def test_whose_session_has_ended_is_told_so_and_a_newcomer_is_not(panel: TestClient) -> None:
    end_session(panel)

    assert "Your session has ended." in text_of(panel.get("/incidents"))
    panel.cookies.clear()
    assert "Your session has ended." not in text_of(panel.get("/incidents"))


def test_a_login_leads_to_the_list_as_it_was_asked_for(client: TestClient) -> None:
    client.headers.update({"accept": "text/html", "origin": "http://testserver"})
    wanted = "/?q=abc&state=down&group=A%26B"
    page = client.get(wanted + "&done=deleted&lang=en")
    found = re.search(r'name="next" value="([^"]*)"', page.text)
    assert found
    assert html.unescape(found[1]) == wanted

    answer = client.post("/login", data={"token": ADMIN_TOKEN, "next": wanted}, follow_redirects=False)
    assert answer.headers["location"] == wanted
    assert client.get(f"/?next={quote_plus(wanted)}", follow_redirects=False).headers["location"] == wanted
    assert client.get("/?next=%2F%3Fnext%3D%252Fincidents", follow_redirects=False).status_code == 200


ELSEWHERE = ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)"]
ELSEWHERE += ["/\t/evil.example", "/\n/evil.example", "evil.example", "", "/ /x", "/" + "x" * 2_000, "/\x00", "/logout"]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_no_login_leads_elsewhere(client: TestClient, address: str) -> None:
    kept = json.dumps([address, [["title", "x"]]])

    answer = client.post("/login", data={"token": ADMIN_TOKEN, "next": address, "kept": kept}, follow_redirects=False)
    page = client.get("/", params={"next": address}, headers={"accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "evil.example" not in re.sub(r'href="[^"]*lang=[^"]*"', "", page.text)


@given(st.text(st.sampled_from("/\\:?#@. abc\t\n%5C2F") | st.characters(), max_size=12))
def test_an_address_that_is_taken_begins_with_one_slash_and_stays_on_this_host(text: str) -> None:
    taken = after_login.read_address(text)

    assert taken in ("", text)
    assert not taken or (taken[0] == "/" and taken[1:2] not in ("/", "\\") and urlsplit(taken).netloc == "")


@endings
def test_a_form_that_came_too_late_is_drawn_again_after_the_login_and_never_sent(
    panel: TestClient, end: Callable[[TestClient], None]
) -> None:
    end(panel)

    page = panel.post("/incidents", data=INCIDENT | CHOSEN | {"token": "no-secret", "password": "nor-this"})
    assert page.status_code == 401
    assert "Your session has ended. What you typed comes back after you log in" in text_of(page)
    assert "no-secret" not in page.text
    assert "nor-this" not in page.text
    between = log_in_again(panel, panel.post("/login", data=hidden(page) | {"token": "wrong"}))
    assert (between.status_code, "set-cookie" in between.headers) == (200, True)
    action = re.search(r'<form method="post" action="(/incidents\?draw=yes)"', between.text)
    assert action
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', between.text)
    lists: dict[str, list[str]] = {}
    for name, text in pairs:
        lists.setdefault(html.unescape(name), []).append(html.unescape(text))
    assert lists == {name: text if isinstance(text, list) else [text] for name, text in (INCIDENT | CHOSEN).items()}
    form = panel.post(action[1], data=lists)

    assert form.status_code == 200
    assert "Nothing was saved yet: here is what you typed." in text_of(form)
    assert html.escape(INCIDENT["body"], quote=False) in form.text
    assert 'value="Shop – &#34;slow&#34;"' in form.text
    assert panel.get("/api/incidents", headers={"X-Admin-Token": ADMIN_TOKEN}).json() == []


def drawn(panel: TestClient, path: str, fields: dict[str, str]) -> Response:
    """Send a form after the session's end, log in, and return the form that comes back."""
    forget_session(panel)
    between = log_in_again(panel, panel.post(path, data=fields))
    found = re.search(r'<form method="post" action="([^"]+\?draw=yes)"', between.text)
    assert found, between.text
    return panel.post(found[1], data=hidden(between))


def everything(panel: TestClient) -> list[object]:
    paths = ("monitors", "pages", "incidents", "maintenance", "pages/status/subscribers")
    rows = [panel.get(f"/api/{each}", headers={"X-Admin-Token": ADMIN_TOKEN}).json() for each in paths]
    return [{name: value for name, value in row.items() if name != "windows"} for part in rows for row in part]


def test_every_form_comes_back_as_it_was_typed(panel: TestClient) -> None:
    monitor = create(panel)
    made = panel.post("/incidents", data=INCIDENT | {"scope": "all"}, follow_redirects=False).headers["location"]
    incident = made.partition("?")[0]
    plan = {
        "title": "TYPED",
        "repeats": "weekly",
        "days": "mon",
        "time": "02:00",
        "length_minutes": "1 h",
        "announce_hours": "7 d",
    }
    planned = panel.post("/maintenance", data=plan | {"scope": "all"}, follow_redirects=False).headers["location"]
    before = everything(panel)

    for path, field in (
        ("/monitors", "name"),
        (f"/monitors/{monitor}", "name"),
        ("/incidents", "title"),
        (incident, "body"),
        (f"{incident}/edit", "title"),
        (f"{incident}/updates/1", "body"),
        ("/maintenance", "title"),
        (planned.partition("?")[0], "title"),
        ("/pages", "title"),
        ("/pages/status", "title"),
        ("/pages/status/subscribers", "address"),
    ):
        page = drawn(panel, path, {field: "TYPED again"})
        assert page.status_code == 200, path
        assert "TYPED again" in page.text, path
        assert "here is what you typed" in text_of(page), path

    assert everything(panel) == before


@endings
def test_what_is_no_form_is_never_done_by_a_login_which_says_so_and_leads_back(
    panel: TestClient, end: Callable[[TestClient], None]
) -> None:
    monitor = create(panel)
    assert panel.post(f"/monitors/{monitor}/pause?draw=yes", follow_redirects=False).headers["location"] == "/"
    end(panel)

    late = panel.post(f"/monitors/{monitor}/pause")
    assert (late.status_code, late.url.path) == (200, "/")
    assert "Your session has ended. Nothing was done: log in, and do it once more." in text_of(late)
    answer = log_in_again(panel, late)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/monitors/{monitor}")
    assert api(panel)["status"] == "UNKNOWN"
    assert panel.get(late.url, follow_redirects=False).headers["location"] == f"/monitors/{monitor}"  # reloaded


BUTTONS = {
    "/account/admin-token": "/account",
    "/account/end-other-sessions": "/account",
    "/account/password": "/account",
    "/account/recovery-codes": "/account",
    "/account/second-factor": "/account/second-factor",
    "/account/second-factor/off": "/account/second-factor",
    "/account/sessions/{session_id}/end": "/account",
    "/keys/ping-key": "/keys",
    "/keys/ping-key/renew": "/keys/ping-key/renew",
    "/keys/{key_id}/revoke": "/keys/{key_id}/revoke",
    "/keys/{key_id}/rotate": "/keys/{key_id}/rotate",
    "/people/{user_id}/link": "/people/{user_id}",
    "/people/{user_id}/remove": "/people/{user_id}/remove",
    "/projects/{slug}/delete": "/projects/{slug}/delete",
    "/users/{user_id}/disable": "/users/{user_id}/disable",
    "/users/{user_id}/enable": "/users/{user_id}",
    "/users/{user_id}/link": "/users/{user_id}",
    "/users/{user_id}/remove": "/users/{user_id}/remove",
    "/incidents/{public_id}/delete": "/incidents/{public_id}/delete",
    "/maintenance/{maintenance_id}/delete": "/maintenance/{maintenance_id}/delete",
    "/maintenance/{maintenance_id}/end": "/maintenance/{maintenance_id}/end",
    "/maintenance/{maintenance_id}/windows/{window_id}/skip": "/maintenance/{maintenance_id}/windows/{window_id}/skip",
    "/monitors/arrange": "/monitors/arrange",
    "/monitors/selected": "/monitors",
    "/monitors/{monitor_id}/corrections/{correction_id}/withdraw": "/monitors/{monitor_id}",
    "/monitors/{monitor_id}/delete": "/monitors/{monitor_id}/delete",
    "/monitors/{monitor_id}/deliveries/{delivery_id}/again": "/monitors/{monitor_id}",
    "/monitors/{monitor_id}/pause": "/monitors/{monitor_id}",
    "/monitors/{monitor_id}/resume": "/monitors/{monitor_id}",
    "/monitors/{monitor_id}/rotate-token": "/monitors/{monitor_id}/rotate-token",
    "/monitors/{monitor_id}/test-message": "/monitors/{monitor_id}",
    "/monitors/{monitor_id}/test-ping": "/monitors/{monitor_id}/test-ping",
    "/pages/{slug}/delete": "/pages/{slug}/delete",
    "/pages/{slug}/monitors": "/pages/{slug}/monitors",
    "/pages/{slug}/subscribers/{subscriber_id}/remove": "/pages/{slug}/subscribers/{subscriber_id}/remove",
    "/pages/{slug}/subscribers/{subscriber_id}/test": "/pages/{slug}/subscribers",
}


def test_every_button_leads_through_the_login_to_its_page_or_the_nearest_above(client: TestClient) -> None:
    routes = [each for each in make_fastapi(cast(Site, None)).routes if isinstance(each, Route)]
    asked = [each for each in routes if "POST" in each.methods and each.audience is Audience.PANEL]
    paths = {each.path_format for each in asked if each.action not in OPEN}
    pages = {}
    for path in paths:
        answer = client.post(re.sub(r"{\w+}", "1", path), follow_redirects=False)
        if answer.status_code == 303:
            pages[path] = answer.headers["location"]

    # The switch of projects stands on every page, so it leads to none.
    assert pages == {"/project": "/?undone=yes"} | {
        path: f"/?next={quote_plus(re.sub(r'{[a-z_]+}', '1', page))}&undone=yes" for path, page in BUTTONS.items()
    }
    assert len(paths - pages.keys()) == 21  # whose forms are kept


def test_whoever_opens_the_login_is_told_of_nothing_that_was_not_done(client: TestClient) -> None:
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    for path in ("/", "/?next=/monitors/7", "/monitors/7", "/login", "/logout"):
        said = text_of(client.get(path))
        assert "PulseMon asks for one thing" in said
        assert not re.search("ended|Nothing was|What you typed", said), path


def test_what_is_too_long_to_be_kept_is_told(panel: TestClient) -> None:
    end_session(panel)

    for text in ("x" * 140_000, "\n" * 44_000):
        page = panel.post("/incidents", data=INCIDENT | {"body": text})
        assert page.status_code == 401
        assert "too long to be kept" in text_of(page)
        assert "kept" not in hidden(page)


def test_a_form_of_ten_thousand_characters_of_any_script_is_kept(panel: TestClient) -> None:
    end_session(panel)

    page = panel.post("/incidents", data=INCIDENT | {"body": "実" * 10_000})

    assert page.status_code == 401, page.text[-2000:]
    assert "実" * 10_000 in log_in_again(panel, page).text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
    ],
)
def test_a_form_of_another_site_is_refused_before_any_of_it_is_kept(
    client: TestClient, headers: dict[str, str]
) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for path in ("/monitors", "/incidents", "/monitors/1/pause"):
        answer = client.post(path, content=b"name=TYPED", headers=kind | headers, follow_redirects=False)
        assert answer.status_code == 403
        assert "TYPED" not in answer.text
        assert "location" not in answer.headers


def test_a_stranger_is_read_no_further_than_what_can_be_kept(client: TestClient) -> None:
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    kinds = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
    ]
    for kind in [*kinds, "application/json", "", "x" * 1_000]:
        for content in (b"", b"\xff" * 1_000, b"name=" + b"x" * 3_000_000, b"a=1&" * 2_000, b"--x\r\n" * 10_000):
            page = client.post("/incidents", content=content, headers={"content-type": kind})
            assert page.status_code == 401
            assert len(page.content) < 3 * after_login.MAX_KEPT_BYTES


@pytest.mark.parametrize("address", ["/monitors/1/pause#", "/monitors/1/pause?", "/incidents?x=1", "/incidents#a"])
def test_no_kept_form_leads_around_its_drawing(panel: TestClient, address: str) -> None:
    kept = json.dumps([address, [["title", "x"]]])

    answer = panel.post("/login", data={"token": ADMIN_TOKEN, "kept": kept}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


kept_forms = st.builds(
    KeptForm,
    st.sampled_from(["/incidents", "/monitors/7"]),
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20))).map(tuple),
)


@given(kept_forms)
def test_a_kept_form_survives_the_login_page(kept: KeptForm) -> None:
    assert KeptForm.from_text(kept.to_text()) == kept


@example('["/incidents", [["title", "\\ud800"]]]')
@given(st.text(max_size=30) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_in_place_of_a_kept_form_raises(text: str) -> None:
    found = KeptForm.from_text(text)

    assert found is None or found.to_text().encode()
