"""Planning maintenance through the API and through the panel's forms: what works, what is refused, what is kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from tests.conftest import ADMIN_TOKEN, wait_until
from tests.status_pages.test_public import a_monitor
from tests.web.panel.test_logins import drawn
from tests.web.panel.test_monitors import text_of

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
# Within five years of whichever day it is.
AHEAD = datetime.now(UTC) + timedelta(days=40)  # noqa: TID251 - the application under test reads the real clock


def later(hours: float = 0, **replaced: int) -> str:
    """Return a time forty days ahead, on the wall."""
    return f"{(AHEAD + timedelta(hours=hours)).replace(**{'minute': 0, **replaced}):%Y-%m-%dT%H:%M}"  # type: ignore[arg-type]


def plan(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = post(client, **fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def post(client: TestClient, **fields: Any) -> Response:
    body = {"title": "Works", "starts_at": later(), "length_seconds": 3_600} | fields
    return client.post("/api/maintenance", json={k: v for k, v in body.items() if v != "-"}, headers=ADMIN)


def patch(client: TestClient, made: dict[str, Any], **fields: Any) -> Response:
    return client.patch(f"/api/maintenance/{made['id']}", json=fields, headers=ADMIN)


def test_a_plan_is_made_read_edited_ended_and_removed(client: TestClient) -> None:
    a_monitor(client, "job")
    made = plan(client, monitors=["job"], description="**x**", timezone="America/Sao_Paulo", tell_subscribers=False)
    path = f"/api/maintenance/{made['id']}"

    assert client.get(path, headers=ADMIN).json() == made
    assert client.get("/api/maintenance", headers=ADMIN).json() == [made]
    assert [each["state"] for each in made["windows"]] == ["coming"]
    assert patch(client, made).json() == made
    assert patch(client, made, length_seconds=60).json()["length_seconds"] == 60
    assert client.post(f"{path}/end", headers=ADMIN).status_code == 409
    assert client.delete(path, headers=ADMIN).status_code == 204
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/end"), ("GET", f"{path}/windows")):
        assert client.request(method, where, headers=ADMIN).status_code == 404


def test_what_is_running_is_prolonged_and_ended(client: TestClient) -> None:
    begun = datetime.fromisoformat(a_monitor(client, "job")["created_at"]) - timedelta(hours=1)
    made = plan(client, starts_at=begun.isoformat(timespec="seconds"), length_seconds=7_200)
    (window,) = made["windows"]
    assert window["state"] == "running"
    path = f"/api/maintenance/{made['id']}"

    end = (begun + timedelta(hours=5)).replace(microsecond=0)
    moved = client.patch(f"{path}/windows/{window['id']}", json={"ends_at": end.isoformat()}, headers=ADMIN)
    assert moved.json()["windows"][0]["ends_at"] == end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    wrong = client.patch(f"{path}/windows/{window['id']}", json={"ends_at": begun.isoformat()}, headers=ADMIN)
    assert (wrong.status_code, wrong.json()["detail"][0]["type"]) == (422, "ends-before")
    assert client.delete(f"{path}/windows/{window['id']}", headers=ADMIN).status_code == 409
    assert client.post(f"{path}/end", headers=ADMIN).json()["windows"] == []
    assert [each["state"] for each in client.get(f"{path}/windows", headers=ADMIN).json()] == ["over"]


def test_one_of_many_windows_is_skipped(client: TestClient) -> None:
    made = plan(client, starts_at="-", repeats="weekly", days=["mon", "thu"], time="02:30", until="2030-12-31")
    assert (made["days"], made["time"], made["schedule"]) == (["mon", "thu"], "02:30", "30 2 * * 1,4")
    assert len(made["windows"]) == 10
    path = f"/api/maintenance/{made['id']}/windows"

    assert client.delete(f"{path}/{made['windows'][0]['id']}", headers=ADMIN).status_code == 204

    listed = client.get(path, headers=ADMIN).json()
    assert [each["state"] for each in listed][::-1] == ["skipped"] + ["coming"] * 9
    for wrong in ("0", "999999", "99999999999999999999", "x", "-1"):
        assert client.delete(f"{path}/{wrong}", headers=ADMIN).status_code == 404


def test_fields_that_are_left_out_stay(one: TestClient) -> None:
    made = plan(one, starts_at="-", repeats="weekly", days=["mon"], time="02:30", timezone="America/Sao_Paulo")

    assert patch(one, made, days=["sat", "sun"]).json()["schedule"] == "30 2 * * 6,7"
    assert patch(one, made, time="23:00").json()["schedule"] == "0 23 * * 6,7"
    assert patch(one, made, repeats="cron", schedule="Mon 10:00").json()["days"] is None
    assert patch(one, made, until="2030-06-30").json()["until"] == "2030-06-30"
    assert patch(one, made, until=None).json()["until"] is None
    once = patch(one, made, repeats="once", starts_at=later()).json()
    assert (once["schedule"], once["length_seconds"], len(once["windows"])) == (None, 3_600, 1)


def test_a_time_without_an_offset_is_of_the_plans_zone(one: TestClient) -> None:
    made = plan(one, starts_at=later(), length_seconds="-", ends_at=later(1), timezone="Asia/Tokyo")

    at = datetime.fromisoformat(later()).replace(tzinfo=UTC) - timedelta(hours=9)
    assert made["starts_at"] == f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    assert made["length_seconds"] == 3_600
    moved = patch(one, made, timezone="UTC").json()
    assert moved["starts_at"] == made["starts_at"]


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"title": "-"}, "title", "missing"),
        ({"title": " "}, "title", "blank"),
        ({"title": "\u200b"}, "title", "blank"),
        ({"title": "x" * 201}, "title", "too-long"),
        ({"title": "a\0b"}, "title", "characters"),
        ({"title": 7}, "title", "not-text"),
        ({"description": "x" * 5_001}, "description", "long-text"),
        ({"description": "\0"}, "description", "long-text"),
        ({"monitors": []}, "monitors", "no-monitors"),
        ({"monitors": ["nobody"]}, "monitors", "no-such-monitor"),
        ({"monitors": "job"}, "monitors", "monitors"),
        ({"monitors": ["\0"]}, "monitors", "no-such-monitor"),
        ({"timezone": "Mars/Base"}, "timezone", "timezone"),
        ({"starts_at": "-"}, "starts_at", "missing"),
        ({"starts_at": "tomorrow"}, "starts_at", "moment"),
        ({"starts_at": "2026-02-30T10:00"}, "starts_at", "moment"),
        ({"starts_at": "9999-12-31T23:59"}, "starts_at", "moment"),
        ({"starts_at": "0001-01-01T00:00+14:00"}, "starts_at", "moment"),
        ({"starts_at": "2026-01-01T10:00Z"}, "starts_at", "too-early"),
        ({"starts_at": "2199-01-01T10:00Z"}, "starts_at", "too-far"),
        ({"starts_at": "2027-03-14T02:30", "timezone": "America/New_York"}, "starts_at", "skipped-time"),
        ({"length_seconds": 0}, "length_seconds", "length"),
        ({"length_seconds": -1}, "length_seconds", "length"),
        ({"length_seconds": 31 * 86_400}, "length_seconds", "length"),
        ({"length_seconds": 10**30}, "length_seconds", "length"),
        ({"length_seconds": "60"}, "length_seconds", "not-whole"),
        ({"length_seconds": "-"}, "length_seconds", "end-or-length"),
        ({"ends_at": later(1)}, "ends_at", "end-or-length"),
        ({"ends_at": later(-1), "length_seconds": "-"}, "ends_at", "ends-before"),
        ({"ends_at": later(31 * 24), "length_seconds": "-"}, "ends_at", "length"),
        ({"repeats": "yearly"}, "repeats", "repeats"),
        ({"repeats": "weekly", "time": "02:30"}, "days", "days"),
        ({"repeats": "weekly", "time": "02:30", "days": []}, "days", "days"),
        ({"repeats": "weekly", "time": "02:30", "days": ["someday"]}, "days", "days"),
        ({"repeats": "weekly", "days": ["mon"]}, "time", "missing"),
        ({"repeats": "weekly", "days": ["mon"], "time": "25:00"}, "time", "time-of-day"),
        ({"repeats": "cron"}, "schedule", "missing"),
        ({"repeats": "cron", "schedule": "0 0 30 2 *"}, "schedule", "schedule-never"),
        ({"repeats": "cron", "schedule": "nonsense"}, "schedule", "schedule"),
        ({"repeats": "cron", "schedule": "* * * * *\0"}, "schedule", "characters"),
        ({"repeats": "cron", "schedule": "*/30 * * * *"}, "length_seconds", "overlapping"),
        ({"repeats": "cron", "schedule": "0 2 * * *", "until": "2020-01-01"}, "until", "no-window"),
        ({"repeats": "cron", "schedule": "0 2 * * *", "until": "soon"}, "until", "date"),
        ({"repeats": "cron", "schedule": "0 2 * * *", "until": "9999-12-31"}, "until", "date"),
        ({"schedule": "0 2 * * *"}, "schedule", "not-here"),
        ({"until": "2030-01-01"}, "until", "not-here"),
        ({"days": ["mon"]}, "days", "not-here"),
        ({"announce_hours": -1}, "announce_hours", "range"),
        ({"announce_hours": 721}, "announce_hours", "range"),
        ({"tell_subscribers": "yes"}, "tell_subscribers", "not-bool"),
        ({"nonsense": 1}, "nonsense", "unknown-field"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_makes_nothing(
    one: TestClient, fields: dict[str, Any], field: str, code: str
) -> None:
    answer = post(one, **fields)

    assert answer.status_code == 422, answer.text
    assert [(each["loc"], each["type"]) for each in answer.json()["detail"]] == [(["body", field], code)]
    assert one.get("/api/maintenance", headers=ADMIN).json() == []


@pytest.mark.parametrize("body", ['"\\ud800"', "[]", "null", '{"title": "\\ud800", "starts_at": "x"}', "{"])
def test_bodies_that_are_no_plan_are_refused(one: TestClient, body: str) -> None:
    made = plan(one)
    for method, path in (
        ("POST", "/api/maintenance"),
        ("PATCH", f"/api/maintenance/{made['id']}"),
        ("PATCH", f"/api/maintenance/{made['id']}/windows/{made['windows'][0]['id']}"),
    ):
        assert one.request(method, path, content=body, headers=ADMIN).status_code in (400, 422)


# The panel


FORM = {
    "title": "Works",
    "description": "",
    "repeats": "once",
    "starts_at": later(),
    "ends_at": later(2),
    "timezone": "America/Sao_Paulo",
    "scope": "all",
    "length_minutes": "60",
    "time": "",
    "schedule": "",
    "until": "",
    "announce_hours": "168",
    "tell_subscribers": "yes",
}


def submit(panel: TestClient, path: str = "/maintenance", **fields: Any) -> Response:
    return panel.post(path, data={k: v for k, v in (FORM | fields).items() if v is not None}, follow_redirects=False)


def only(panel: TestClient) -> dict[str, Any]:
    (made,) = panel.get("/api/maintenance", headers=ADMIN).json()
    return dict(made)


def test_maintenance_is_planned_edited_and_removed_with_plain_forms(panel: TestClient) -> None:
    for slug in ("a", "b", "c"):
        a_monitor(panel, slug)
    assert "Nothing is planned." in text_of(panel.get("/maintenance"))
    answer = submit(panel, scope="chosen", monitor=["a", "c"])
    assert answer.status_code == 303
    made = only(panel)
    assert (made["monitors"], made["length_seconds"], made["tell_subscribers"]) == (["a", "c"], 7_200, True)
    page = panel.get(answer.headers["location"])
    assert "The maintenance is planned." in text_of(page)

    path = f"/maintenance/{made['id']}"
    assert f'value="{later()}"' in panel.get(f"{path}/settings").text
    edited = submit(panel, path, scope="chosen", monitor=["a", "c"], title="Other", tell_subscribers=None)
    assert edited.status_code == 303
    after = only(panel)
    assert (after["title"], after["starts_at"], after["tell_subscribers"]) == ("Other", made["starts_at"], False)
    assert "Other" in text_of(panel.get("/maintenance"))
    assert "Remove this maintenance?" in text_of(panel.get(f"{path}/delete"))
    assert panel.post(f"{path}/delete", follow_redirects=False).status_code == 303
    assert panel.get("/api/maintenance", headers=ADMIN).json() == []
    assert panel.get(path).status_code == 404


def test_moving_the_beginning_in_the_form_keeps_the_end_that_stands_there(panel: TestClient) -> None:
    submit(panel)
    made = only(panel)

    submit(panel, f"/maintenance/{made['id']}", starts_at=later(1))

    assert only(panel)["length_seconds"] == 3_600


def test_another_zone_in_the_form_means_the_same_times_there(panel: TestClient) -> None:
    submit(panel)
    made = only(panel)

    submit(panel, f"/maintenance/{made['id']}", timezone="UTC")

    assert only(panel)["starts_at"] == f"{later()}:00.000Z"
    assert only(panel)["length_seconds"] == 7_200


def test_weekly_and_by_expression_with_plain_forms(panel: TestClient) -> None:
    assert submit(panel, repeats="weekly", days=["mon", "sun"], time="02:30", until="2030-12-31").status_code == 303
    made = only(panel)
    path = f"/maintenance/{made['id']}"
    assert (made["schedule"], made["until"], len(made["windows"])) == ("30 2 * * 1,7", "2030-12-31", 10)
    listed = text_of(panel.get("/maintenance"))
    assert "Monday, Sunday, 02:30" in listed
    weekly = {"repeats": "weekly", "days": ["mon", "sun"], "time": "02:30", "until": "2030-12-31"}
    assert submit(panel, path, **weekly).status_code == 303
    assert [each["id"] for each in only(panel)["windows"]] == [each["id"] for each in made["windows"]]

    skip = f"{path}/windows/{made['windows'][0]['id']}/skip"
    assert "Skip this maintenance?" in text_of(panel.get(skip))
    assert panel.post(skip, follow_redirects=False).status_code == 303
    assert panel.get(skip).status_code == 404
    assert submit(panel, path, repeats="cron", schedule="@daily", length_minutes="30").status_code == 303
    assert (only(panel)["schedule"], only(panel)["length_seconds"]) == ("@daily", 1_800)


def test_what_is_running_is_ended_in_the_panel(panel: TestClient) -> None:
    begun = datetime.fromisoformat(a_monitor(panel, "job")["created_at"])
    fields = {"starts_at": f"{begun:%Y-%m-%dT%H:%M}", "ends_at": f"{begun + timedelta(hours=9):%Y-%m-%dT%H:%M}"}
    submit(panel, timezone="UTC", **fields)
    made = only(panel)
    assert "In progress" in text_of(panel.get("/maintenance"))
    assert "Under maintenance" in text_of(panel.get("/"))
    monitor = text_of(panel.get("/monitors/1"))
    assert "Under maintenance: nothing is told before its end." in monitor
    path = f"/maintenance/{made['id']}"
    refused = submit(
        panel, path, timezone="UTC", **fields | {"starts_at": f"{begun - timedelta(hours=1):%Y-%m-%dT%H:%M}"}
    )
    assert refused.status_code == 422
    assert "This maintenance has begun" in text_of(refused)
    assert "End this maintenance now?" in text_of(panel.get(f"{path}/end"))

    assert panel.post(f"{path}/end", follow_redirects=False).status_code == 303

    wait_until(lambda: "In progress" not in text_of(panel.get("/maintenance")))
    assert panel.get(f"{path}/end").status_code == 409
    assert "This maintenance is over and stays as it was." in text_of(panel.get(path))
    assert "Under maintenance" not in text_of(panel.get("/monitors/1"))


def test_the_end_of_a_running_window_of_many_is_changed_in_the_panel(panel: TestClient) -> None:
    begun = datetime.fromisoformat(a_monitor(panel, "job")["created_at"])
    minute = begun - timedelta(minutes=30)
    body = {"repeats": "cron", "schedule": f"{minute.minute} {minute.hour} * * *", "length_seconds": 7_200}
    made = plan(panel, starts_at=f"{begun - timedelta(hours=1):%Y-%m-%dT%H:%M}", **body)
    path = f"/maintenance/{made['id']}"
    window = made["windows"][0]
    assert window["state"] == "running"

    wrong = panel.post(f"{path}/windows/{window['id']}", data={"new_end": "nonsense"}, follow_redirects=False)
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text
    end = f"{begun + timedelta(hours=6):%Y-%m-%dT%H:%M}"
    came_back = drawn(panel, f"{path}/windows/{window['id']}", {"new_end": end})  # its session had ended
    assert f'value="{end}"' in came_back.text
    assert "Nothing was saved yet: here is what you typed." in text_of(came_back)
    assert only(panel)["windows"][0]["ends_at"] == window["ends_at"]
    assert (
        panel.post(f"{path}/windows/{window['id']}", data={"new_end": end}, follow_redirects=False).status_code == 303
    )
    assert only(panel)["windows"][0]["ends_at"] == f"{end}:00.000Z"


@pytest.mark.parametrize(
    ("fields", "id_of_field"),
    [
        ({"title": ""}, "e-title"),
        ({"starts_at": ""}, "e-starts_at"),
        ({"ends_at": later(-5)}, "e-ends_at"),
        ({"ends_at": "<script>alert(1)</script>"}, "e-ends_at"),
        ({"timezone": "<b>"}, "e-timezone"),
        ({"scope": "chosen"}, "e-monitors"),
        ({"repeats": "weekly", "time": "02:30"}, "e-days"),
        ({"repeats": "weekly", "days": "mon", "time": ""}, "e-time"),
        ({"repeats": "cron", "schedule": "0 0 30 2 *"}, "e-schedule"),
        ({"repeats": "cron", "schedule": "1" * 300}, "e-schedule"),
        ({"repeats": "cron", "schedule": "*/5 * * * *"}, "e-length_minutes"),
        ({"repeats": "cron", "schedule": "@daily", "length_minutes": "1.5"}, "e-length_minutes"),
        ({"repeats": "cron", "schedule": "@daily", "until": "x"}, "e-until"),
        ({"announce_hours": "many"}, "e-announce_hours"),
        ({"announce_hours": "9" * 5_000}, "e-announce_hours"),
        ({"repeats": "sometimes"}, "e-repeats"),
    ],
)
def test_a_form_that_failed_says_what_is_wrong_at_the_field_and_keeps_what_was_typed(
    panel: TestClient, fields: dict[str, Any], id_of_field: str
) -> None:
    answer = submit(panel, **{"title": "Ümlaut & <b>", "description": "kept text"} | fields)

    assert answer.status_code == 422
    assert f'id="{id_of_field}"' in answer.text
    assert "kept text" in answer.text
    assert "<script>alert" not in answer.text
    assert fields.get("title") == "" or "Ümlaut &amp; &lt;b&gt;" in answer.text
    assert panel.get("/api/maintenance", headers=ADMIN).json() == []


@pytest.mark.parametrize("field", ["length_minutes", "announce_hours"])
def test_a_length_with_two_readings_is_told_with_both(panel: TestClient, field: str) -> None:
    weekly = {"repeats": "weekly", "days": "mon", "time": "02:30"}
    answer = submit(panel, **weekly, **{field: "1,30h"})

    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert "could be minutes or seconds. Write 1h30 or 1.5 h" in text_of(answer)
    assert 'value="1,30h"' in answer.text
    portuguese = panel.post("/maintenance", data=FORM | weekly | {field: "1,30h"}, headers={"accept-language": "pt-BR"})
    assert "Escreva 1h30 ou 1,5 h" in text_of(portuguese)


@pytest.mark.parametrize("scope", [None, "", "zap"])
@pytest.mark.parametrize("choice", [{"monitor": ["a"]}, {"slugs": "a"}, {"group": "Shop"}, {"tag": "x"}])
def test_without_a_scope_nothing_is_covered_that_was_not_said(
    panel: TestClient, scope: str | None, choice: dict[str, Any]
) -> None:
    a_monitor(panel, "a", group="Shop", tags=["x"])
    a_monitor(panel, "b")

    refused = submit(panel, scope=scope, **choice)

    assert refused.status_code == 422
    assert "Say what it affects: everything, or only these monitors." in text_of(refused)
    assert 'id="e-monitors"' in refused.text
    assert 'value="Works"' in refused.text
    (field, named) = next(iter(choice.items()))
    kept = f">\n{named}</textarea>" if field == "slugs" else f'name="{field}" value="{"".join(named)}" checked'
    assert kept in refused.text
    assert panel.get("/api/maintenance", headers=ADMIN).json() == []

    for planned in ({"scope": "all"}, {"scope": "chosen", "monitor": ["b"]}):
        submit(panel, **planned)
        made = only(panel)
        again = submit(panel, f"/maintenance/{made['id']}", scope=scope, title="Other", **choice)
        assert (again.status_code, only(panel)) == (422, made)
        assert "Say what it affects: everything, or only these monitors." in text_of(again)
        panel.post(f"/maintenance/{made['id']}/delete")


def test_a_form_without_a_word_of_monitors_covers_nothing_either(panel: TestClient) -> None:
    assert submit(panel, scope=None).status_code == 422
    assert panel.get("/api/maintenance", headers=ADMIN).json() == []


def stamp_of(panel: TestClient, path: str) -> str:
    (found,) = re.findall(r'name="stamp" value="([^"]*)"', panel.get(f"{path}/settings").text)
    return unescape(found)


def test_where_everything_is_meant_the_list_does_not_matter(panel: TestClient) -> None:
    for slug in "abc":
        a_monitor(panel, slug)
    ignored = {"monitor": ["a", "gone"], "slugs": "nobody", "group": "None"}
    assert submit(panel, scope="all", **ignored).status_code == 303
    path = f"/maintenance/{only(panel)['id']}"
    assert submit(panel, path, scope="all", **ignored).status_code == 303
    assert only(panel)["monitors"] is None

    submit(panel, path, scope="chosen", monitor=["a", "b"])
    stamp = stamp_of(panel, path)
    assert panel.delete("/api/monitors/b", headers=ADMIN).status_code == 204
    refused = submit(panel, path, scope="chosen", monitor=["b", "c"], stamp=stamp)
    assert (refused.status_code, only(panel)["monitors"]) == (409, ["a"])
    assert submit(panel, path, scope="all", monitor=["b", "c"], stamp=stamp).status_code == 303
    assert only(panel)["monitors"] is None


def test_slugs_that_nobody_has_are_named(panel: TestClient) -> None:
    a_monitor(panel, "a")
    many = [f"gone-{number}" for number in range(1, 13)]
    for named, said in (
        (["a", "gone", "other", "gone"], "these slugs: gone, other."),
        (["<b>\x01"], "these slugs: <b>\ufffd."),
        (["x" * 101], f"these slugs: {'x' * 100}…."),
        (many, f"these slugs: {', '.join(many[:10])}, …."),
    ):
        answer = submit(panel, scope="chosen", monitor=named)
        assert answer.status_code == 422
        assert said in unescape(answer.text)
    portuguese = panel.post(
        "/maintenance", data=FORM | {"scope": "chosen", "monitor": "gone"}, headers={"accept-language": "pt-BR"}
    )
    assert "Não há monitor com estes slugs: gone." in text_of(portuguese)
    body = {"title": "T", "starts_at": later(), "length_seconds": 60, "monitors": ["gone", "a", "other"]}
    (problem,) = panel.post("/api/maintenance", json=body, headers=ADMIN).json()["detail"]
    assert (problem["type"], problem["msg"]) == (
        "no-such-monitor",
        "There is no monitor with these slugs: gone, other.",
    )


def test_a_schedule_that_is_too_long_is_told_how_long_it_may_be(one: TestClient) -> None:
    answer = post(one, repeats="cron", schedule="1" * 300)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "A schedule may hold at most 200 characters."


def test_the_form_of_a_monitor_s_page_has_it_chosen(panel: TestClient) -> None:
    a_monitor(panel, "job")
    a_monitor(panel, "other")

    answer = panel.get("/maintenance/new?monitor=job")

    assert re.search(r'value="chosen" checked', answer.text)
    assert re.search(r'name="monitor" value="job" checked', answer.text)
    assert not re.search(r'name="monitor" value="other" checked', answer.text)
