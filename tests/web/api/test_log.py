"""Pings, what they brought, and runs, as programs read them: the whole application, both databases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from pulsemon.heartbeats import ping_chain
from pulsemon.web.api import log as api_log
from pulsemon.web.api.log import PingAnswer, RunAnswer

PINGS = "/api/monitors/job/pings"
RUNS = "/api/monitors/job/runs"
RID = "0b2b2b2b-1111-4111-8111-11111111111"
DOCS = Path(__file__).parent.parent.parent.parent / "docs" / "api.md"


@pytest.fixture
def api(client: TestClient, admin: dict[str, str]) -> TestClient:
    """The client of somebody who holds the admin token."""
    client.headers.update(admin)
    return client


@pytest.fixture
def job(api: TestClient) -> str:
    """The ping path of a monitor that knows each outcome."""
    rules = {"failure_keywords": ["ERROR"], "success_keywords": ["done"], "min_gap_seconds": 3600, "post_only": True}
    made = api.post("/api/monitors", json={"name": "Job", "slug": "job", "interval_seconds": 60} | rules).json()
    return str(made["ping_url"]).removeprefix("http://testserver")


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["number"] for each in answer.json()]


def next_page(answer: Any) -> str | None:
    found = re.fullmatch(r'<http://testserver(.+)>; rel="next"', answer.headers.get("link", ""))
    return found[1] if found else None


def test_each_ping_tells_what_came_of_it_and_what_it_brought(api: TestClient, job: str) -> None:
    api.post(f"{job}/start?rid={RID}1")
    api.post(f"{job}/3?rid={RID}1", content=b"no space left", headers={"user-agent": "backup/2"})
    api.post(f"{job}/3?rid={RID}1")
    api.get(job)
    api.post(job, content=b"hello")
    api.post(job, content=b"done")

    answer = api.get(PINGS)

    found = answer.json()
    TypeAdapter(list[PingAnswer]).validate_python(found)
    assert answer.headers["cache-control"] == "no-store"
    assert list(found[0]) == list(PingAnswer.model_fields) == list(api_log.EXAMPLE_PING)
    assert [(each["number"], each["outcome"], each["flag"]) for each in found] == [
        (6, "counted", "early"),
        (5, "unmatched", None),
        (4, "method", None),
        (3, "repeat", None),
        (2, "counted", None),
        (1, "counted", None),
    ]
    failure = found[4]
    assert (failure["signal"], failure["exit_status"], failure["rid"]) == ("fail", 3, f"{RID}1")
    assert (failure["body_length"], failure["user_agent"], failure["method"]) == (13, "backup/2", "POST")
    assert failure["duration_ms"] >= 0


def test_filters_find_and_a_next_page_keeps_them(api: TestClient, job: str) -> None:
    for number in range(6):
        api.post(f"{job}/log", content=b"Part %d: N\xc3\xa3o" % number, headers={"user-agent": f"agent-{number % 2}"})
    api.post(f"{job}/fail")

    assert numbers(api.get(f"{PINGS}?signal=fail")) == [7]
    assert numbers(api.get(f"{PINGS}?text=NÃO&signal=log")) == [6, 5, 4, 3, 2, 1]
    assert numbers(api.get(f"{PINGS}?text=AGENT-1")) == [6, 4, 2]
    assert numbers(api.get(f"{PINGS}?until=2020-01-01")) == []
    assert numbers(api.get(f"{PINGS}?since=0001-01-01T00:00Z&limit=1")) == [7]  # nothing is before that to allow for
    assert numbers(api.get(f"{PINGS}?since=2020-01-01T00:00Z&until=2200-01-01T00:00:00%2B02:00&limit=1")) == [7]
    first = api.get(f"{PINGS}?text=agent-1&limit=2")
    assert numbers(first) == [6, 4]
    following = next_page(first)
    assert following is not None
    assert numbers(api.get(following)) == [2]
    assert next_page(api.get(following)) is None


def test_a_search_that_has_looked_at_enough_goes_on_at_the_next_part(
    api: TestClient, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ping_chain, "MAX_LOOKS", 3)
    for number in range(8):
        api.post(f"{job}/log", content=b"needle" if number == 0 else b"hay")

    page, found, address = 0, [], f"{PINGS}?text=needle"
    while address:
        answer = api.get(address)
        found += numbers(answer)
        page, address = page + 1, next_page(answer) or ""

    assert (found, page) == ([1], 3)


@pytest.mark.parametrize("body", [b"\xff\x00<script>alert(1)</script>", b"x" * 5_000])
def test_a_body_is_a_file_of_the_very_bytes(api: TestClient, job: str, body: bytes) -> None:
    api.post(f"{job}/log")
    api.post(f"{job}/log", content=body)
    api.post(f"{job}/log")

    answer = api.get(f"{PINGS}/2/body")

    assert answer.content == body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="ping-2.txt"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("number", ["0", "1", "3", "99999999999", "9" * 400, "-1", "x", "²", "1.0"])
def test_a_ping_that_is_not_there_or_brought_nothing_is_404(api: TestClient, job: str, number: str) -> None:
    api.post(f"{job}/log")
    api.post(f"{job}/log", content=b"body")

    assert api.get(f"{PINGS}/{number}/body").status_code == 404


def test_runs_are_those_that_are_open_and_then_those_that_ended(api: TestClient, job: str) -> None:
    for number in (1, 2):
        api.post(f"{job}/start?rid={RID}{number}")
    api.post(f"{job}/fail?rid={RID}1", content=b"output")
    api.post(f"{job}/start?rid={RID}3")
    api.post(f"{job}/0?rid={RID}3", content=b"done")

    answer = api.get(RUNS)

    found = answer.json()
    TypeAdapter(list[RunAnswer]).validate_python(found)
    assert list(found[0]) == list(RunAnswer.model_fields) == list(api_log.EXAMPLE_RUN)
    told = [(each["state"], each["rid"], each["exit_status"], each["number"]) for each in found]
    assert told[0] == ("open", f"{RID}2", None, None)
    assert told[-2:] == [("success", f"{RID}3", 0, 5), ("fail", f"{RID}1", None, 3)]
    assert found[0]["due_at"] > found[0]["started_at"]
    assert (found[-1]["body_length"], found[-1]["due_at"]) == (6, None)
    assert found[-1]["started_at"] <= found[-1]["ended_at"]
    second = next_page(api.get(f"{RUNS}?limit=1"))
    assert second is not None
    assert {each["state"] for each in api.get(second).json()} <= {"success", "fail"}


def test_without_runs_and_pings_the_lists_are_empty(api: TestClient, job: str) -> None:
    assert api.get(PINGS).json() == api.get(RUNS).json() == []
    assert api.head(PINGS).status_code == api.head(RUNS).status_code == 200


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("signal=success,fail", ["signal"]),
        ("signal=SUCCESS", ["signal"]),
        ("since=yesterday&until=2026-02-30", ["since", "until"]),
        ("since=0001-01-01T00:00%2B14:00", ["since"]),
        ("since=2026-02-02&until=2026-02-02", ["until"]),
        (f"text={'x' * 201}", ["text"]),
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("cursor=x", ["cursor"]),
    ],
)
def test_a_query_that_makes_no_sense_is_422_and_names_the_parameter(
    api: TestClient, job: str, query: str, fields: list[str]
) -> None:
    answer = api.get(f"{PINGS}?{query}")

    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [["query", field] for field in fields]


@pytest.mark.parametrize("path", ["pings", "pings/1/body", "runs"])
def test_nobody_reads_without_the_token_and_nothing_is_read_of_nobody(
    client: TestClient, admin: dict[str, str], path: str
) -> None:
    assert client.get(f"/api/monitors/job/{path}").status_code == 401
    assert client.get(f"/api/monitors/nobody/{path}", headers=admin).status_code == 404


def test_the_document_shows_the_fields_that_the_answers_have() -> None:
    text = DOCS.read_text("utf-8").partition("## Pings and runs")[2].partition("\n## ")[0]
    ping, run = (json.loads(block)[0] for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))

    assert list(ping) == list(PingAnswer.model_fields)
    assert list(run) == list(RunAnswer.model_fields)
