"""What the API proposes for a monitor and what it says of other settings: the whole application, both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.web.api import insights as api_insights
from pulsemon.web.api.insights import SuggestionAnswer, WhatIfAnswer
from tests.arrange import with_a_past

SUGGESTION = "/api/monitors/backup-noturno/suggestion"
WHAT_IF = "/api/monitors/backup-noturno/what-if"


@pytest.fixture
def api(make_client: Callable[..., TestClient], database_url: str, admin: dict[str, str]) -> TestClient:
    """The client of somebody who holds the admin token, and a monitor with a past."""
    with_a_past(database_url, now=clock.now())
    client = make_client(database_url)
    client.headers.update(admin)
    return client


def test_the_suggestion_says_what_was_seen_and_compares(api: TestClient) -> None:
    answer = api.get(SUGGESTION)

    found = answer.json()
    SuggestionAnswer.model_validate(found)
    assert answer.headers["cache-control"] == "no-store"
    assert list(found) == list(SuggestionAnswer.model_fields) == list(api_insights.EXAMPLE_SUGGESTION)
    assert list(found["observed"]) == list(api_insights.EXAMPLE_SUGGESTION["observed"])
    assert (found["ping_count"], found["reason"], found["observed"]["gap_count"]) == (96, None, 95)
    assert (found["observed"]["usual_gap_seconds"], found["observed"]["longest_gap_seconds"]) == (905.0, 905.0)
    assert (found["present"]["interval_seconds"], found["present"]["grace_seconds"]) == (900, 0)
    assert found["present"]["alert_count"] > 40
    newest = found["present"]["alerts"]
    assert newest == sorted(newest, key=lambda each: str(each["occurred_at"]), reverse=True)
    assert newest[1]["cause"] == "silence"
    assert newest[1]["ended_at"] > newest[1]["occurred_at"]
    assert {key: found["proposed"][key] for key in ("interval_seconds", "grace_seconds", "max_run_seconds")} == {
        "interval_seconds": 900,
        "grace_seconds": 60,
        "max_run_seconds": None,
    }
    assert (found["proposed"]["alert_count"], found["proposed"]["alerts"]) == (0, [])


def test_too_few_pings_propose_nothing_and_say_why(api: TestClient) -> None:
    api.post("/api/monitors", json={"name": "New", "slug": "new", "interval_seconds": 60})

    found = api.get("/api/monitors/new/suggestion").json()

    SuggestionAnswer.model_validate(found)
    assert (found["reason"], found["observed"], found["proposed"]) == ("too-few-pings", None, None)
    assert (found["since"], found["ping_count"], found["present"]["alert_count"]) == (None, 0, 0)


def settings_of(api: TestClient) -> dict[str, Any]:
    """What an edit would change; its deadline may pass at any moment."""
    found = api.get("/api/monitors/backup-noturno").json()
    return {
        key: found[key] for key in ("interval_seconds", "grace_seconds", "max_run_seconds", "schedule", "updated_at")
    }


def test_other_settings_are_tried_and_change_nothing(api: TestClient) -> None:
    before = settings_of(api)

    patient = api.get(f"{WHAT_IF}?grace_seconds=3600").json()
    strict = api.get(f"{WHAT_IF}?interval_seconds=60&grace_seconds=0&max_run_seconds=5").json()

    WhatIfAnswer.model_validate(patient)
    assert list(strict) == list(WhatIfAnswer.model_fields) == list(api_insights.EXAMPLE_WHAT_IF)
    assert (patient["interval_seconds"], patient["grace_seconds"], patient["alert_count"]) == (900, 3600, 0)
    assert (strict["interval_seconds"], strict["max_run_seconds"], strict["alert_count"]) == (60, 5, 96)
    assert settings_of(api) == before


def test_what_is_left_out_or_emptied_is_what_the_form_makes_of_it(api: TestClient) -> None:
    api.patch("/api/monitors/backup-noturno", json={"grace_seconds": 77, "max_run_seconds": 99})

    as_it_is = api.get(WHAT_IF).json()
    emptied = api.get(f"{WHAT_IF}?grace_seconds=&max_run_seconds=").json()

    assert (as_it_is["interval_seconds"], as_it_is["grace_seconds"], as_it_is["max_run_seconds"]) == (900, 77, 99)
    assert (emptied["interval_seconds"], emptied["grace_seconds"], emptied["max_run_seconds"]) == (900, 0, None)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("interval_seconds=0", ["interval_seconds"]),
        ("interval_seconds=", ["interval_seconds"]),
        ("grace_seconds=-1&max_run_seconds=1.5", ["grace_seconds", "max_run_seconds"]),
        ("grace_seconds=315360001", ["grace_seconds"]),
        (f"max_run_seconds={'9' * 5000}", ["max_run_seconds"]),
        ("interval_seconds=CANARY", ["interval_seconds"]),
    ],
)
def test_a_bad_query_names_the_field_and_never_repeats_it(api: TestClient, query: str, fields: list[str]) -> None:
    answer = api.get(f"{WHAT_IF}?{query}")

    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["query", field] for field in fields]
    assert all(each["msg"] and each["type"] for each in answer.json()["detail"])
    assert "CANARY" not in answer.text
    assert "9999" not in answer.text


@pytest.mark.parametrize("what", ["suggestion", "what-if"])
def test_access_and_what_does_not_exist(client: TestClient, admin: dict[str, str], what: str) -> None:
    path = f"/api/monitors/nobody/{what}"

    assert client.get(path).status_code == 401
    missing = client.get(path, headers=admin)
    assert (missing.status_code, missing.json()) == (404, {"detail": "There is no such monitor."})
    assert client.post(path, headers=admin).status_code == 405
    assert client.head(path, headers=admin).status_code == 404
