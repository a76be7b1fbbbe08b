"""Incidents through the API and through the panel's plain forms: what works, what is refused, what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.conftest import wait_until
from tests.status_pages.test_public import ADMIN, a_monitor
from tests.web.panel.test_monitors import PAGE, log_in, text_of
from tests.web.public.test_incidents import an_incident, say

GOOD = {"title": "The shop is slow", "body": "We look into it.", "general": True}
FORM = {
    "title": "Floods",
    "body": "Water **everywhere**.",
    "status": "identified",
    "impact": "major",
    "tell_subscribers": "yes",
}


def listed(client: TestClient, query: str = "") -> Response:
    answer = client.get(f"/api/incidents{query}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer


# The API


def test_incidents_are_made_read_edited_and_deleted(client: TestClient) -> None:
    a_monitor(client, "web")
    answer = client.post("/api/incidents", json=GOOD | {"general": False, "monitors": ["web"]}, headers=ADMIN)
    made = answer.json()
    path = f"/api/incidents/{made['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, path)
    assert (made["status"], made["impact"], made["automatic"]) == ("investigating", "minor", False)
    assert client.get(path, headers=ADMIN).json() == made

    edited = client.patch(path, json={"impact": "none", "general": True, "monitors": []}, headers=ADMIN).json()
    assert (edited["impact"], edited["general"], edited["monitors"], edited["title"]) == (
        "none",
        True,
        [],
        GOOD["title"],
    )
    assert client.patch(path, json={}, headers=ADMIN).json() == edited
    said = say(client, made, "resolved", "Done.", impact="major").json()
    assert (said["status"], said["impact"], said["resolved_at"] is not None) == ("resolved", "major", True)
    corrected = client.patch(f"{path}/updates/1", json={"body": "Corrected."}, headers=ADMIN).json()
    assert [each["body"] for each in corrected["updates"]] == ["Done.", "Corrected."]
    assert client.head(path, headers=ADMIN).status_code == 200
    assert client.delete(path, headers=ADMIN).status_code == 204
    for method, where in (("GET", path), ("DELETE", path), ("PATCH", path), ("POST", f"{path}/updates")):
        body = {"title": "x"} if method == "PATCH" else {"status": "resolved", "body": "x"}
        data = {} if method in ("GET", "DELETE") else {"json": body}
        assert client.request(method, where, headers=ADMIN, **data).status_code == 404  # type: ignore[arg-type]  # a body or none


def test_nothing_of_it_is_open_without_the_token(one: TestClient) -> None:
    made = an_incident(one)
    for method in ("GET", "POST", "PATCH", "DELETE"):
        for path in ("/api/incidents", f"/api/incidents/{made['id']}", "/api/incidents/x/updates"):
            assert one.request(method, path).status_code == 401


def test_open_ones_come_first_and_the_resolved_ones_a_page_at_a_time(client: TestClient) -> None:
    over = [an_incident(client, title=f"Over {number}", status="resolved")["id"] for number in range(5)]
    still = an_incident(client, title="Open")["id"]

    first = listed(client, "?limit=2")
    second = client.get(first.links["next"]["url"], headers=ADMIN)
    third = client.get(second.links["next"]["url"], headers=ADMIN)

    assert [each["id"] for each in first.json()] == [still, over[4], over[3]]
    assert [each["id"] for each in second.json() + third.json()] == [over[2], over[1], over[0]]
    assert "next" not in third.links
    for query in ("?limit=0", "?limit=x", "?cursor=nonsense"):
        assert client.get(f"/api/incidents{query}", headers=ADMIN).status_code == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", " \u200b"),
        ("title", "x" * 201),
        ("title", "a\nb"),
        ("title", "\0"),
        ("title", "\ud800"),
        ("title", 1),
        ("title", None),
        ("body", ""),
        ("body", "\n \t"),
        ("body", "x" * 10_001),
        ("body", "a\0b"),
        ("body", "a\x1bb"),
        ("body", "\udfff"),
        ("status", "fine"),
        ("status", None),
        ("impact", "huge"),
        ("impact", ["minor"]),
        ("general", "yes"),
        ("general", False),
        ("monitors", ["nobody"]),
        ("monitors", ["\0"]),
        ("monitors", ["\ud800"]),
        ("monitors", [1]),
        ("monitors", "web"),
        ("monitors", ["x"] * 1_001),
        ("started_at", "2199-01-01T00:00:00Z"),
        ("started_at", "2026-01-01T00:00:00"),
        ("started_at", "yesterday"),
        ("started_at", "0001-01-01T00:00:00+23:59"),
        ("started_at", 1),
        ("tell_subscribers", 1),
        ("nonsense", 1),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_nothing_is_made(client: TestClient, field: str, value: Any) -> None:
    # Written by hand, because no client encodes half a surrogate pair.
    content = json.dumps(GOOD | {field: value})
    answer = client.post("/api/incidents", content=content, headers=ADMIN)

    assert answer.status_code == 422, answer.text
    expected = "monitors" if field == "general" and value is False else field
    assert [each["loc"][-1] for each in answer.json()["detail"]] == [expected]
    assert listed(client).json() == []


@pytest.mark.parametrize("body", [{"status": "resolved"}, {"body": "x"}, {"status": "x", "body": "x"}, [], {}])
def test_an_update_needs_a_status_and_a_text(one: TestClient, body: Any) -> None:
    made = an_incident(one)

    assert one.post(f"/api/incidents/{made['id']}/updates", json=body, headers=ADMIN).status_code == 422
    assert listed(one).json() == [made]


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "1.0", "9" * 400, "%00"])
def test_an_update_that_is_not_there_is_404(client: TestClient, number: str) -> None:
    made = an_incident(client)

    path = f"/api/incidents/{made['id']}/updates/{number}"
    assert client.patch(path, json={"body": "x"}, headers=ADMIN).status_code == 404


@pytest.mark.parametrize("value", [-1, 1441, "5", 1.5, True])
def test_the_minutes_of_an_automatic_incident_have_bounds(one: TestClient, value: Any) -> None:
    body = {"name": "Web", "slug": "web", "interval_seconds": 60, "incident_after_minutes": value}
    answer = one.post("/api/monitors", json=body, headers=ADMIN)
    assert (answer.status_code, answer.json()["detail"][0]["loc"][-1]) == (422, "incident_after_minutes")


def test_an_incident_opens_and_closes_by_itself_on_a_running_server(client: TestClient) -> None:
    web = a_monitor(client, "web", incident_after_minutes=0)
    assert web["incident_after_minutes"] == 0
    client.get(web["ping_url"] + "/fail")
    (opened,) = wait_until(lambda: listed(client).json())
    assert (opened["title"], opened["automatic"], opened["monitors"]) == (None, True, ["web"])

    client.get(web["ping_url"])
    wait_until(lambda: listed(client).json()[0]["status"] == "resolved")
    patched = client.patch("/api/monitors/web", json={"incident_after_minutes": None}, headers=ADMIN)
    assert patched.json()["incident_after_minutes"] is None


# The panel


def test_an_incident_is_opened_told_corrected_edited_and_deleted_with_plain_forms(panel: TestClient) -> None:
    a_monitor(panel, "web")
    assert "None is open." in text_of(panel.get("/incidents"))
    made = panel.post("/incidents", data=FORM | {"scope": "chosen", "monitor": ["web"]})
    assert "The incident is on the pages that it affects." in text_of(made)
    (stored,) = listed(panel).json()
    assert (stored["title"], stored["status"], stored["monitors"]) == ("Floods", "identified", ["web"])
    own = f"/incidents/{stored['id']}"
    assert "<strong>everywhere</strong>" in panel.get(own).text

    panel.post(own, data={"status": "resolved", "impact": "minor", "body": "Dry.", "tell_subscribers": "yes"})
    panel.post(f"{own}/updates/2", data={"body": "Dry\r\nagain."})
    panel.post(f"{own}/edit", data={"title": "Water", "impact": "none", "scope": "all"})
    (after,) = listed(panel).json()
    assert [each["body"] for each in after["updates"]] == ["Dry\nagain.", "Water **everywhere**."]
    assert (after["title"], after["impact"], after["general"], after["monitors"]) == ("Water", "none", True, [])
    assert "Resolved" in text_of(panel.get("/incidents"))

    assert "with its 2 updates" in text_of(panel.get(f"{own}/delete"))
    assert "The incident is deleted." in text_of(panel.post(f"{own}/delete"))
    assert panel.get(own).status_code == 404


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"title": ""}, "This must not be blank."),
        ({"title": "x" * 201}, "This may hold at most 200 characters."),
        ({"body": " "}, "This must not be blank."),
        ({"body": "ä" * 10_001}, "This may hold at most 10000 characters"),
        ({"scope": "chosen"}, "Choose the monitors that it affects"),
        ({"scope": "chosen", "monitor": ["nobody"]}, "There is no monitor with these slugs: nobody."),
        ({"started_at": "2199-01-01T00:00"}, "This lies in the future."),
        ({"started_at": "yesterday"}, "This must be an instant"),
        ({"status": "x"}, "This must be investigating, identified, monitoring or resolved."),
        ({"impact": "x"}, "This must be none, minor, major or critical."),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_what_was_typed_is_kept(
    panel: TestClient, typed: dict[str, Any], sentence: str
) -> None:
    sent = FORM | {"scope": "all", "started_at": "2026-01-02T03:04:05"} | typed
    answer = panel.post("/incidents", data=sent)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    if "title" not in typed:
        assert 'value="Floods"' in answer.text
    if "body" not in typed:
        assert "Water **everywhere**." in answer.text
    assert listed(panel).json() == []


def test_a_preview_shows_the_text_and_posts_nothing(panel: TestClient) -> None:
    answer = panel.post("/incidents", data=FORM | {"scope": "all", "preview": "yes"})
    assert (answer.status_code, "<strong>everywhere</strong>" in answer.text) == (200, True)
    assert 'value="Floods"' in answer.text
    assert listed(panel).json() == []

    made = an_incident(panel)
    shown = panel.post(
        f"/incidents/{made['id']}", data={"status": "resolved", "body": "*Dry*<script>", "preview": "yes"}
    )
    assert "<em>Dry</em>&lt;script&gt;" in shown.text
    assert re.search(r'value="resolved" checked', shown.text)
    assert listed(panel).json() == [made]


def test_an_update_may_change_what_is_concerned_and_needs_no_monitor_that_is_still_there(panel: TestClient) -> None:
    for slug in ("web", "api"):
        a_monitor(panel, slug)
    made = an_incident(panel, monitors=["web"])
    said = {"status": "identified", "impact": "minor", "body": "Both.", "scope": "chosen"}
    panel.post(f"/incidents/{made['id']}", data=said | {"monitor": ["web", "api"]})
    assert listed(panel).json()[0]["monitors"] == ["web", "api"]
    refused = panel.post(f"/incidents/{made['id']}", data=said)
    assert "Choose the monitors that it affects" in text_of(refused)

    for slug in ("web", "api"):
        panel.delete(f"/api/monitors/{slug}", headers=ADMIN)
    panel.post(f"/incidents/{made['id']}", data=said | {"body": "They are gone."})
    assert [each["body"] for each in listed(panel).json()[0]["updates"]][:2] == ["They are gone.", "Both."]


def test_an_update_that_is_wrong_changes_nothing_and_keeps_the_impact_open(panel: TestClient) -> None:
    made = an_incident(panel)
    answer = panel.post(f"/incidents/{made['id']}", data={"status": "resolved", "impact": "critical", "body": ""})

    assert (answer.status_code, text_of(answer).count("This must not be blank.")) == (422, 2)
    assert '<details class="more" open>' in answer.text
    assert listed(panel).json() == [made]
    wrong = panel.post(f"/incidents/{made['id']}/updates/1", data={"body": "x" * 10_001})
    assert wrong.status_code == 422
    assert panel.get(f"/incidents/{made['id']}/updates/2").status_code == 404
    assert panel.post(f"/incidents/{made['id']}/edit", data={"title": "", "scope": "all"}).status_code == 422


def test_a_monitor_that_is_down_leads_to_a_form_that_knows_it(panel: TestClient) -> None:
    web = a_monitor(panel, "web")
    (number,) = re.findall(r'href="/monitors/(\d+)"', panel.get("/").text)[:1]
    link = f"/incidents/new?monitor={number}"
    panel.get(web["ping_url"])
    assert link not in panel.get(f"/monitors/{number}").text
    panel.get(web["ping_url"] + "/fail")
    assert link in panel.get(f"/monitors/{number}").text

    form = panel.get(link).text
    assert 'value="Web is down"' in form
    assert re.search(r'name="monitor" value="web" checked', form)
    assert re.search(r'name="started_at" type="datetime-local" value="20\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d)?"', form)
    made = an_incident(panel, title="Already", monitors=["web"])
    assert f'<a href="/incidents/{made["id"]}" dir="auto">Already</a>' in panel.get(link).text


def test_the_start_is_told_by_the_clock_of_the_owners_zone(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    client = make_client(sqlite_url, availability_timezone="America/Sao_Paulo")
    client.headers.update(PAGE | {"accept-language": "en"})
    log_in(client)
    assert "By the clock of America/Sao_Paulo." in text_of(client.get("/incidents/new"))

    client.post("/incidents", data=FORM | {"scope": "all", "started_at": "2026-01-02T03:04"})

    assert listed(client).json()[0]["started_at"] == "2026-01-02T06:04:00.000Z"


def test_the_setting_stands_in_the_monitors_form(panel: TestClient) -> None:
    form = {"name": "Web", "slug": "web", "interval_seconds": "60", "incident_after_minutes": "15"}
    made = panel.post("/monitors", data=form)
    number = re.findall(r"/monitors/(\d+)", str(made.url))[0]
    settings = panel.get(f"/monitors/{number}/settings").text
    assert re.search(r'name="incident_after_minutes"[^>]*value="15 min"', settings)
    wrong = panel.post(f"/monitors/{number}", data=form | {"incident_after_minutes": "1441"})
    assert (wrong.status_code, "This must lie between 0 and 1 day." in text_of(wrong)) == (422, True)
    panel.post(f"/monitors/{number}", data=form | {"incident_after_minutes": ""})
    after = panel.get("/api/monitors/web", headers=ADMIN).json()
    assert after["incident_after_minutes"] is None


def test_old_ones_are_a_page_further(panel: TestClient) -> None:
    made = [an_incident(panel, title=f"Over {number:02}", status="resolved") for number in range(52)]
    first = panel.get("/incidents").text
    older = re.findall(r'rel="next" href="([^"]+)"', first)
    assert len(re.findall(r"Over \d\d</a>", first)) == 50
    assert re.findall(r"Over \d\d(?=</a>)", panel.get(older[0]).text) == ["Over 01", "Over 00"]
    for nonsense in ("x", "-1", "9" * 30, "４"):
        assert "Over 51" in panel.get("/incidents", params={"before": nonsense}).text
    assert made


def test_none_of_its_pages_is_there_without_a_session(one: TestClient) -> None:
    made = an_incident(one)
    one.follow_redirects = False
    for path in ("/new", f"/{made['id']}", f"/{made['id']}/edit", f"/{made['id']}/delete"):
        assert one.get(f"/incidents{path}", headers=PAGE).headers["location"].startswith("/?next=%2Fincidents%2F")
    assert one.post(f"/incidents/{made['id']}/delete").status_code == 303
    assert listed(one).json() == [made]
