"""What the API says of a monitor's past, and how it is corrected: the whole application, both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.web.api import availability as api_availability
from pulsemon.web.api.availability import AvailabilityAnswer, CorrectionAnswer, OutageAnswer
from tests.arrange import a_ping, make, record

BASE = "/api/monitors/job"
LONG = {"interval_seconds": 30 * 86_400}


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def now() -> datetime:
    return clock.now().replace(microsecond=0)


@pytest.fixture
def api(make_client: Callable[..., TestClient], database_url: str, admin: dict[str, str], now: datetime) -> TestClient:
    """The administrator's client; the job has been UP for four days but for two outages of an hour."""
    database = Database.open(database_url)
    try:
        database.migrate()
        monitor = make(database, now=now - timedelta(days=4), **LONG)
        record(database, a_ping(monitor, now - timedelta(days=4)))
        for hours in (50, 3):
            record(database, a_ping(monitor, now - timedelta(hours=hours), Signal.FAIL, exit_status=3))
            record(database, a_ping(monitor, now - timedelta(hours=hours - 1)))
    finally:
        database.close()
    client = make_client(database_url)
    client.headers.update(admin)
    return client


def test_the_last_24_hours_add_up(api: TestClient) -> None:
    answer = api.get(f"{BASE}/availability?days=1")

    found = answer.json()
    AvailabilityAnswer.model_validate(found)
    assert answer.headers["cache-control"] == "no-store"
    assert set(found) == set(AvailabilityAnswer.model_fields) == set(api_availability.EXAMPLE_AVAILABILITY)
    assert sum(found["seconds"].values()) == pytest.approx(86_400, abs=1e-6)
    assert found["seconds"]["down"] == 3_600
    assert found["availability"] == pytest.approx(23 / 24)
    assert found["coverage"] == 1
    assert len(found["per_day"]) == 2
    for name, seconds in found["seconds"].items():
        assert sum(day["seconds"][name] for day in found["per_day"]) == pytest.approx(seconds)


@pytest.mark.parametrize("days", [7, 30, 90, 365])
@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo"])
def test_days_are_those_of_the_zone_and_end_now(api: TestClient, days: int, zone: str) -> None:
    found = api.get(f"{BASE}/availability?days={days}&timezone={zone}").json()

    AvailabilityAnswer.model_validate(found)
    assert (found["days"], found["timezone"], len(found["per_day"])) == (days, zone, days)
    midnight = "T00:00:00.000Z" if zone == "UTC" else "T03:00:00.000Z"
    assert found["since"].endswith(midnight)
    assert found["since"] == found["per_day"][0]["since"]
    assert found["until"] == found["per_day"][-1]["until"]
    assert found["seconds"]["down"] == 7_200
    assert found["coverage"] < 0.7


def test_thirty_days_and_the_zone_of_the_settings_are_what_is_meant_by_nothing(
    make_client: Callable[..., TestClient], database_url: str, admin: dict[str, str]
) -> None:
    client = make_client(database_url, availability_timezone="Asia/Tokyo")
    client.post("/api/monitors", json={"name": "Job", "slug": "job", "interval_seconds": 60}, headers=admin)

    found = client.get(f"{BASE}/availability", headers=admin).json()

    assert (found["days"], found["timezone"], found["availability"]) == (30, "Asia/Tokyo", None)


def test_outages_come_newest_first_in_pages(api: TestClient, now: datetime) -> None:
    found = api.get(f"{BASE}/outages").json()

    assert [each["started_at"] for each in found] == [iso(now - timedelta(hours=hours)) for hours in (3, 50)]
    for each in found:
        OutageAnswer.model_validate(each)
        assert list(each) == list(OutageAnswer.model_fields) == list(api_availability.EXAMPLE_OUTAGE)
        assert (each["duration_seconds"], each["cause"], each["excluded"]) == (3_600, "failure", False)
        assert each["note"] == "The job ended with exit status 3."
    first = api.get(f"{BASE}/outages?limit=1")
    assert first.json() == found[:1]
    second = api.get(first.links["next"]["url"])
    assert (second.json(), second.links) == (found[1:], {})


def test_an_outage_that_is_excluded_counts_for_nothing_until_it_is_withdrawn(api: TestClient, now: datetime) -> None:
    outage = api.get(f"{BASE}/outages").json()[0]
    span = {"started_at": outage["started_at"], "ended_at": outage["ended_at"], "reason": " planned move "}

    made = api.post(f"{BASE}/corrections", json=span)

    assert made.status_code == 201
    CorrectionAnswer.model_validate(made.json())
    assert list(made.json()) == list(CorrectionAnswer.model_fields) == list(api_availability.EXAMPLE_CORRECTION)
    assert (made.json()["reason"], made.json()["withdrawn_at"]) == ("planned move", None)
    day = api.get(f"{BASE}/availability?days=1").json()
    assert (day["availability"], day["seconds"]["excluded"]) == (1, 3_600)
    told = api.get(f"{BASE}/outages").json()[0]
    assert (told["excluded"], told["excluded_seconds"], told["reasons"]) == (True, 3_600, ["planned move"])
    assert api.get("/api/history/job").json()[1]["new_status"] == "DOWN"

    path = f"{BASE}/corrections/{made.json()['id']}/withdraw"
    withdrawn = api.post(path)
    assert (withdrawn.status_code, api.post(path).json()) == (200, withdrawn.json())
    assert api.get(f"{BASE}/corrections").json() == [withdrawn.json()]
    assert withdrawn.json()["withdrawn_at"]
    assert api.get(f"{BASE}/availability?days=1").json()["seconds"]["excluded"] == 0


HOUR_AGO, GOOD = "2026-01-01T00:00:00Z", {"started_at": "2025-01-01T00:00:00Z", "reason": "x"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [[]]),
        ({}, ["started_at", "ended_at", "reason"]),
        (GOOD | {"ended_at": "2999-01-01T00:00:00Z"}, ["ended_at"]),
        (GOOD | {"ended_at": GOOD["started_at"]}, ["ended_at"]),
        (GOOD | {"ended_at": "2026-01-01T00:00:00"}, ["ended_at"]),
        (GOOD | {"ended_at": "0001-01-01T00:00:00+14:00"}, ["ended_at"]),
        (GOOD | {"ended_at": 1}, ["ended_at"]),
        (GOOD | {"ended_at": HOUR_AGO, "reason": " "}, ["reason"]),
        (GOOD | {"ended_at": HOUR_AGO, "reason": "CANARY" * 100}, ["reason"]),
        (GOOD | {"ended_at": HOUR_AGO, "reason": "a\0"}, ["reason"]),
        (GOOD | {"ended_at": HOUR_AGO, "reason": "a\nb"}, ["reason"]),
        (GOOD | {"ended_at": HOUR_AGO, "reason": "\ud800"}, ["reason"]),
        (GOOD | {"ended_at": HOUR_AGO, "CANARY": 1}, [[]]),
    ],
)
def test_a_correction_that_breaks_a_rule_names_the_field_and_changes_nothing(
    api: TestClient, body: Any, fields: list[Any]
) -> None:
    answer = api.post(f"{BASE}/corrections", content=json.dumps(body))

    assert answer.status_code == 422
    named = [each["loc"][1:] for each in answer.json()["detail"]]
    assert named == [[each] if isinstance(each, str) else each for each in fields]
    assert "CANARY" not in answer.text
    assert api.get(f"{BASE}/corrections").json() == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("days=2", ["days"]),
        ("days=", ["days"]),
        ("days=CANARY", ["days"]),
        ("timezone=CANARY", ["timezone"]),
        ("timezone=localtime&days=-1", ["days", "timezone"]),
    ],
)
def test_a_bad_query_names_the_field_and_never_repeats_it(api: TestClient, query: str, fields: list[str]) -> None:
    answer = api.get(f"{BASE}/availability?{query}")

    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["query", field] for field in fields]
    assert "CANARY" not in answer.text


@pytest.mark.parametrize("what", ["availability", "outages", "corrections"])
def test_access_and_what_does_not_exist(client: TestClient, admin: dict[str, str], what: str) -> None:
    path = f"/api/monitors/nobody/{what}"

    assert client.get(path).status_code == 401
    missing = client.get(path, headers=admin)
    assert (missing.status_code, missing.json()) == (404, {"detail": "There is no such monitor."})
    assert client.head(path, headers=admin).status_code == 404
    assert client.delete(path, headers=admin).status_code == 405


def test_a_correction_that_does_not_exist_is_404(api: TestClient) -> None:
    for name in ("1", "0", "-1", "x", "٣", "9" * 10, "9" * 5_000):
        assert api.post(f"{BASE}/corrections/{name}/withdraw").status_code == 404, name
    span = {"started_at": GOOD["started_at"], "ended_at": HOUR_AGO, "reason": "x"}
    assert api.post("/api/monitors/nobody/corrections", json=span).status_code == 404
