"""The API, line by line as the contract has it, on the whole application and both databases."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import psycopg
import pytest
from starlette.testclient import TestClient

from pulsemon.web.http.paging import make_cursor
from tests.conftest import ADMIN_TOKEN, Server, wait_until

GOOD: dict[str, Any] = {"name": "Backup Noturno", "slug": "backup-noturno", "interval_seconds": 60}
FIRST_FIELDS = ["name", "slug", "interval_seconds", "grace_seconds", "status", "last_ping", "webhook_url"]
ALWAYS_FIELDS = ["token", "ping_url", "due_at", "webhook_secret", "created_at", "updated_at"]
FURTHER_FIELDS = [
    "max_run_seconds", "webhook_switched_off_at", "ping_count", "late", "schedule", "timezone", "failures_to_down",
    "successes_to_up", "post_only", "success_keywords", "failure_keywords", "start_keywords", "min_gap_seconds",
    "group", "environment", "tags", "position", "public", "incident_after_minutes", "next_expected_at", "open_runs",
    "under_maintenance", "project",
]  # fmt: skip
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
MASK = "whsec_********"
CLOSED = [
    ("GET", "/api/monitors"),
    ("POST", "/api/monitors"),
    ("GET", "/api/monitors/backup-noturno"),
    ("PATCH", "/api/monitors/backup-noturno"),
    ("DELETE", "/api/monitors/backup-noturno"),
    ("POST", "/api/monitors/backup-noturno/pause"),
    ("POST", "/api/monitors/backup-noturno/resume"),
    ("POST", "/api/monitors/backup-noturno/rotate-token"),
    ("GET", "/api/history/backup-noturno"),
]


@pytest.fixture
def api(client: TestClient, admin: dict[str, str]) -> TestClient:
    """The client of somebody who holds the admin token."""
    client.headers.update(admin)
    return client


def create(api: TestClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/monitors", json=GOOD | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def send(api: TestClient, content: bytes, method: str = "POST", path: str = "/api/monitors", **headers: str) -> Any:
    return api.request(method, path, content=content, headers=headers)


def refusals(answer: Any) -> list[list[str]]:
    """Return the places that a 422 names."""
    assert answer.status_code == 422, answer.text
    for each in answer.json()["detail"]:
        assert set(each) == {"loc", "msg", "type"}
    return [each["loc"] for each in answer.json()["detail"]]


def instant(text: str) -> datetime:
    """Read a time as the contract writes it: UTC, milliseconds, Z."""
    assert len(text) == len("2025-09-18T16:42:10.000Z")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


# Create, read, list


def test_create_answers_201_with_the_specifications_fields_first(api: TestClient) -> None:
    answer = api.post("/api/monitors", json=GOOD | {"grace_seconds": 10, "webhook_url": "http://127.0.0.1:9/x"})

    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/monitors/backup-noturno"
    made = answer.json()
    assert list(made) == FIRST_FIELDS + ALWAYS_FIELDS + FURTHER_FIELDS
    token = made["token"]
    assert {name: made[name] for name in (*FIRST_FIELDS, "ping_url", "due_at", "webhook_secret", *FURTHER_FIELDS)} == {
        "name": "Backup Noturno",
        "slug": "backup-noturno",
        "interval_seconds": 60,
        "grace_seconds": 10,
        "status": "UNKNOWN",
        "last_ping": None,
        "webhook_url": "http://127.0.0.1:9/x",
        "ping_url": f"http://testserver/h/backup-noturno/{token}",
        "due_at": None,
        "webhook_secret": None,
        "max_run_seconds": None,
        "webhook_switched_off_at": None,
        "ping_count": 0,
        "late": False,
        "schedule": None,
        "timezone": "UTC",
        "failures_to_down": 1,
        "successes_to_up": 1,
        "post_only": False,
        "success_keywords": [],
        "failure_keywords": [],
        "start_keywords": [],
        "min_gap_seconds": None,
        "group": None,
        "environment": None,
        "tags": [],
        "position": 1,
        "public": True,
        "incident_after_minutes": None,
        "next_expected_at": None,
        "open_runs": [],
        "under_maintenance": False,
        "project": "default",
    }
    assert len(token) >= 24
    assert instant(made["created_at"]) == instant(made["updated_at"])


def test_what_was_created_is_what_is_read_and_listed(api: TestClient) -> None:
    made = create(api)

    assert api.get("/api/monitors/backup-noturno").json() == made
    assert api.get("/api/monitors").json() == [made]


def test_the_list_is_an_array_in_the_order_of_creation(api: TestClient) -> None:
    assert api.get("/api/monitors").json() == []
    for slug in ("c", "a", "b"):
        create(api, slug=slug)

    answer = api.get("/api/monitors")

    assert [each["slug"] for each in answer.json()] == ["c", "a", "b"]
    assert "link" not in answer.headers


def test_grace_and_webhook_may_be_left_out(api: TestClient) -> None:
    made = create(api)

    assert (made["grace_seconds"], made["webhook_url"], made["webhook_secret"]) == (0, None, None)


def test_answers_with_tokens_are_not_cached(api: TestClient) -> None:
    create(api)

    for path in ("/api/monitors", "/api/monitors/backup-noturno", "/api/history/backup-noturno"):
        assert api.get(path).headers["cache-control"] == "no-store"


def test_the_ping_url_works_and_quotes_nothing_away(api: TestClient) -> None:
    made = create(api, slug="A.b_c-D")

    assert api.get(made["ping_url"]).json() == {"ok": True}
    now = api.get("/api/monitors/A.b_c-D").json()
    assert (now["status"], now["ping_count"]) == ("UP", 1)
    assert (instant(now["due_at"]) - instant(now["last_ping"])).total_seconds() == 60
    assert now["updated_at"] == made["updated_at"]


def test_a_host_that_is_none_is_not_repeated_in_the_ping_url(api: TestClient) -> None:
    create(api)

    url = api.get("/api/monitors/backup-noturno", headers={"host": 'x"><script>'}).json()["ping_url"]

    assert url.startswith("/h/backup-noturno/")


def test_base_url_wins_over_the_host_that_was_asked(
    make_client: Callable[..., TestClient], sqlite_url: str, admin: dict[str, str]
) -> None:
    client = make_client(sqlite_url, base_url="https://pulse.example.org")

    made = client.post("/api/monitors", json=GOOD, headers=admin).json()

    assert made["ping_url"] == f"https://pulse.example.org/h/backup-noturno/{made['token']}"


def test_head_is_answered_like_get(api: TestClient) -> None:
    create(api)

    for path in ("/api/monitors", "/api/monitors/backup-noturno", "/api/history/backup-noturno"):
        assert api.head(path).status_code == 200
    assert api.head("/api/monitors/nobody").status_code == 404


def test_slugs_are_compared_exactly(api: TestClient) -> None:
    create(api, slug="Job")

    assert api.get("/api/monitors/job").status_code == 404
    assert create(api, slug="job")["slug"] == "job"
    assert api.get("/api/monitors/Job").json()["slug"] == "Job"


IMPOSSIBLE_SLUGS = [
    "nobody",
    "%00",
    "a%00b",
    "%0A",
    "%FF",
    "%ED%A0%80",
    "%C3%A9",
    "..",
    "%2E%2E",
    "'%20OR%201=1",
    "%25",
    "x" * 5000,
    "%F0%9F%98%80",
]


def test_a_slug_that_does_not_or_cannot_exist_is_404(api: TestClient) -> None:
    for slug in IMPOSSIBLE_SLUGS:
        answers = [
            api.get(f"/api/monitors/{slug}"),
            api.patch(f"/api/monitors/{slug}", json={"name": "x"}),
            api.delete(f"/api/monitors/{slug}"),
            api.post(f"/api/monitors/{slug}/pause"),
            api.get(f"/api/history/{slug}"),
        ]
        assert [each.status_code for each in answers] == [404] * 5, slug
        assert all(isinstance(each.json()["detail"], str) for each in answers)


# Secrets


def test_a_secret_is_masked_in_every_answer(api: TestClient) -> None:
    answers = [create(api, webhook_secret=SECRET), *api.get("/api/monitors").json()]
    answers += [api.get("/api/monitors/backup-noturno").json(), api.post("/api/monitors/backup-noturno/pause").json()]

    assert {each["webhook_secret"] for each in answers} == {MASK}


def test_a_generated_secret_is_shown_once_to_who_asked_for_it(api: TestClient) -> None:
    first = create(api, webhook_secret="generate")["webhook_secret"]
    assert len(base64.b64decode(first.removeprefix("whsec_"))) >= 24
    assert api.get("/api/monitors/backup-noturno").json()["webhook_secret"] == MASK

    second = api.patch("/api/monitors/backup-noturno", json={"webhook_secret": "generate"}).json()["webhook_secret"]
    assert second.startswith("whsec_")
    assert second not in (first, MASK)
    assert api.patch("/api/monitors/backup-noturno", json={"name": "x"}).json()["webhook_secret"] == MASK


def test_the_mask_sent_back_leaves_the_secret_as_it_is(api: TestClient) -> None:
    create(api, webhook_secret=SECRET)

    edited = api.patch("/api/monitors/backup-noturno", json={"webhook_secret": MASK, "name": "Other"}).json()
    assert (edited["name"], edited["webhook_secret"]) == ("Other", MASK)

    cleared = api.patch("/api/monitors/backup-noturno", json={"webhook_secret": None}).json()
    assert cleared["webhook_secret"] is None


# Edit, pause, resume, rotate, delete


def test_a_patch_changes_what_it_names_and_nothing_else(api: TestClient) -> None:
    made = create(api, grace_seconds=5, webhook_url="http://a.example")

    edited = api.patch("/api/monitors/backup-noturno", json={"interval_seconds": 120}).json()

    assert edited["interval_seconds"] == 120
    changed = {name for name in made if made[name] != edited[name]}
    assert changed <= {"interval_seconds", "updated_at"}


def test_an_empty_patch_changes_nothing(api: TestClient) -> None:
    made = create(api)

    answer = api.patch("/api/monitors/backup-noturno", json={})

    assert (answer.status_code, answer.json()) == (200, made)
    assert api.patch("/api/monitors/nobody", json={}).status_code == 404


def test_a_patch_that_breaks_a_rule_changes_nothing(api: TestClient) -> None:
    made = create(api)

    answer = api.patch("/api/monitors/backup-noturno", json={"name": "New", "grace_seconds": -1})

    assert refusals(answer) == [["body", "grace_seconds"]]
    assert api.get("/api/monitors/backup-noturno").json() == made


def test_nothing_that_pulsemon_decides_can_be_patched(api: TestClient) -> None:
    made = create(api)

    for name in ("status", "last_ping", "token", "ping_url", "due_at", "created_at", "id"):
        assert refusals(api.patch("/api/monitors/backup-noturno", json={name: made.get(name)})) == [["body", name]]


def test_a_new_slug_moves_the_ping_url_at_once(api: TestClient) -> None:
    made = create(api)
    create(api, slug="taken")

    assert api.patch("/api/monitors/backup-noturno", json={"slug": "taken"}).status_code == 409
    edited = api.patch("/api/monitors/backup-noturno", json={"slug": "moved"}).json()

    assert edited["token"] == made["token"]
    assert api.get(made["ping_url"]).status_code == 404
    assert api.get(edited["ping_url"]).status_code == 200
    assert api.get("/api/monitors/backup-noturno").status_code == 404


def test_a_slug_that_exists_is_409(api: TestClient) -> None:
    made = create(api)

    answer = api.post("/api/monitors", json=GOOD | {"name": "Another"})

    assert answer.status_code == 409
    assert answer.json() == {"detail": "A monitor with this slug exists already."}
    assert api.get("/api/monitors").json() == [made]


def test_of_many_creations_at_once_one_wins(api: TestClient) -> None:
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(api.post("/api/monitors", json=GOOD).status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [201] + [409] * 7


def test_a_longer_interval_brings_a_silent_monitor_back(api: TestClient) -> None:
    made = create(api, interval_seconds=1)
    api.get(made["ping_url"])
    wait_until(lambda: api.get("/api/monitors/backup-noturno").json()["status"] == "DOWN")

    edited = api.patch("/api/monitors/backup-noturno", json={"interval_seconds": 3600}).json()

    assert edited["status"] == "UP"
    assert instant(edited["due_at"]) > instant(edited["last_ping"])


def test_pause_and_resume_may_be_repeated_and_are_history(api: TestClient) -> None:
    api.get(create(api)["ping_url"])

    for _ in range(2):
        paused = api.post("/api/monitors/backup-noturno/pause")
        assert (paused.status_code, paused.json()["status"], paused.json()["due_at"]) == (200, "PAUSED", None)
    for _ in range(2):
        resumed = api.post("/api/monitors/backup-noturno/resume")
        assert (resumed.status_code, resumed.json()["status"], resumed.json()["due_at"]) == (200, "UNKNOWN", None)

    history = api.get("/api/history/backup-noturno").json()
    assert [(each["prev_status"], each["new_status"], each["cause"]) for each in history] == [
        ("PAUSED", "UNKNOWN", "resume"),
        ("UP", "PAUSED", "pause"),
        ("UNKNOWN", "UP", "ping"),
    ]


def test_a_rotated_token_makes_the_old_ping_url_unknown(api: TestClient) -> None:
    made = create(api)

    rotated = api.post("/api/monitors/backup-noturno/rotate-token").json()

    assert rotated["token"] != made["token"]
    assert api.get(made["ping_url"]).status_code == 404
    assert api.get(rotated["ping_url"]).status_code == 200


def test_delete_frees_the_slug_at_once(api: TestClient) -> None:
    made = create(api)
    api.get(made["ping_url"])

    answer = api.delete("/api/monitors/backup-noturno")

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.delete("/api/monitors/backup-noturno").status_code == 404
    assert api.get(made["ping_url"]).status_code == 404
    again = create(api)
    assert again["token"] != made["token"]
    assert api.get("/api/history/backup-noturno").json() == []


# History


def test_history_is_newest_first_with_the_specifications_fields_first(api: TestClient) -> None:
    made = create(api, interval_seconds=1)
    assert api.get("/api/history/backup-noturno").json() == []
    api.get(made["ping_url"])
    entries = wait_until(lambda: len(found := api.get("/api/history/backup-noturno").json()) == 2 and found)

    assert [list(each) for each in entries] == [
        ["prev_status", "new_status", "note", "created_at", "occurred_at", "cause", "seq"]
    ] * 2
    assert [(each["prev_status"], each["new_status"], each["seq"]) for each in entries] == [
        ("UP", "DOWN", 2),
        ("UNKNOWN", "UP", 1),
    ]
    assert entries[0]["note"].startswith("No ping within")
    # DOWN occurred at the deadline, which may have moved where the machine stood still, and was recorded after it.
    assert (instant(entries[0]["occurred_at"]) - instant(entries[1]["occurred_at"])).total_seconds() >= 1
    assert instant(entries[0]["created_at"]) >= instant(entries[0]["occurred_at"])


def follow(api: TestClient, path: str) -> list[list[Any]]:
    """Return the pages that Link headers lead through."""
    pages: list[list[Any]] = []
    address: str | None = path
    while address:
        answer = api.get(address)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        address = answer.links.get("next", {}).get("url")
        assert len(pages) < 20
    return pages


def test_lists_come_in_pages_that_links_lead_through(api: TestClient) -> None:
    for number in range(5):
        create(api, slug=f"job-{number}")
    for _ in range(3):
        api.post("/api/monitors/job-0/pause")
        api.post("/api/monitors/job-0/resume")

    pages = follow(api, "/api/monitors?limit=2")
    assert [[each["slug"] for each in page] for page in pages] == [["job-0", "job-1"], ["job-2", "job-3"], ["job-4"]]
    seqs = [[each["seq"] for each in page] for page in follow(api, "/api/history/job-0?limit=4")]
    assert seqs == [[6, 5, 4, 3], [2, 1]]


def test_a_last_page_that_is_full_has_no_link(api: TestClient) -> None:
    for number in range(2):
        create(api, slug=f"job-{number}")

    assert "link" not in api.get("/api/monitors?limit=2").headers
    link = api.get("/api/monitors?limit=1").headers["link"]
    assert link.startswith("<http://testserver/api/monitors?limit=1&cursor=")
    assert link.endswith('>; rel="next"')


def test_a_change_between_two_pages_neither_repeats_nor_skips(api: TestClient) -> None:
    for number in range(4):
        create(api, slug=f"job-{number}")
    first = api.get("/api/monitors?limit=2")

    api.delete("/api/monitors/job-0")
    create(api, slug="job-4")

    second = api.get(first.links["next"]["url"])
    assert [each["slug"] for each in second.json()] == ["job-2", "job-3"]
    assert "next" in second.links


def test_history_without_a_limit_is_the_newest_thousand(api: TestClient, database_url: str) -> None:
    create(api)
    insert_history(database_url, count=1005)

    answer = api.get("/api/history/backup-noturno")

    assert [each["seq"] for each in answer.json()] == list(range(1005, 5, -1))
    assert urlsplit(answer.links["next"]["url"]).query.startswith("cursor=")
    rest = api.get(answer.links["next"]["url"])
    assert [each["seq"] for each in rest.json()] == [5, 4, 3, 2, 1]


def insert_history(database_url: str, *, count: int) -> None:
    """Write transitions past the application, which makes them one at a time."""
    columns = "slug, prev_status, new_status, created_at, monitor_id, seq, occurred_at"
    at = "2026-01-01 00:00:00.000000"
    rows = [("backup-noturno", "UP", "DOWN", at, 1, seq, at) for seq in range(1, count + 1)]
    if database_url.startswith("sqlite"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
            connection.executemany(f"INSERT INTO history ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.close()
        return
    with psycopg.connect(database_url) as session, session.cursor() as cursor:
        cursor.executemany(f"INSERT INTO history ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)".encode(), rows)


LIMITS = ["0", "1001", "-1", "x", "", "1.5", "1e2", " 5", "٣", "9" * 5000, "5%00", "true", "canary"]
CURSORS = ["", "x", "YWZ0ZXI6", "YWZ0ZXI6MQ==", "MQ", "%C3%A9", "%FF", "a" * 5000, make_cursor(-1), make_cursor(2**63)]
CURSORS += ["%ED%A0%80", "1", "canary"]


@pytest.mark.parametrize(("name", "values"), [("limit", LIMITS), ("cursor", CURSORS)])
def test_a_page_that_cannot_be_is_422_at_the_query(api: TestClient, name: str, values: list[str]) -> None:
    create(api)

    for value in values:
        for path in ("/api/monitors", "/api/history/backup-noturno"):
            answer = api.get(f"{path}?{name}={value}")
            assert refusals(answer) == [["query", name]], value
            assert "canary" not in answer.text


def test_a_cursor_past_every_row_is_an_empty_page_or_422(api: TestClient) -> None:
    create(api)

    for position in (2**31 - 1, 2**31, 2**62, 2**63 - 1):
        answer = api.get(f"/api/monitors?cursor={make_cursor(position)}")
        assert answer.status_code == 422 or answer.json() == []
        assert api.get(f"/api/history/backup-noturno?cursor={make_cursor(position)}").status_code in (200, 422)


# Errors


WRONG_TOKENS = [None, "", "wrong", ADMIN_TOKEN + "x", ADMIN_TOKEN[:-1], ADMIN_TOKEN.upper(), "é"]


def test_without_the_right_token_everything_is_401_and_nothing_happens(api: TestClient) -> None:
    made = create(api)
    del api.headers["X-Admin-Token"]

    for method, path in CLOSED:
        for token in WRONG_TOKENS:
            headers = {} if token is None else {"X-Admin-Token": token.encode()}
            answer = api.request(method, path, headers=headers, json=GOOD | {"slug": "other"})
            assert (answer.status_code, list(answer.json())) == (401, ["detail"]), (method, path, token)

    assert api.get("/api/monitors", headers={"X-Admin-Token": ADMIN_TOKEN}).json() == [made]


def test_while_no_admin_token_is_set_the_api_says_that_it_is_closed(
    make_client: Callable[..., TestClient], sqlite_url: str
) -> None:
    client = make_client(sqlite_url, admin_token="change-this-token")

    for headers in ({}, {"X-Admin-Token": ""}, {"X-Admin-Token": "change-this-token"}):
        answer = client.get("/api/monitors", headers=headers)
        assert answer.status_code == 401
        assert "ADMIN_TOKEN is not set" in answer.json()["detail"]


NO_JSON = [
    b"",
    b" ",
    b"{",
    b"nothing",
    b"name=x&slug=y",
    b"{'name': 'x'}",
    b'{"name": "x",}',
    b'{"name": "\x00"}',
    b"\xff\xfe",
    '{"name": "é"}'.encode("latin-1"),
    '{"name": "é"}'.encode("utf-16"),
    b'{"name": "\xed\xa0\x80"}',
    b"[" * 30_000,
    b'{"a":' * 12_000,
    b'{"name": "x"} {}',
]


def test_what_is_no_json_in_utf8_is_400(api: TestClient) -> None:
    for content in NO_JSON:
        for answer in (send(api, content), send(api, content, "PATCH", "/api/monitors/backup-noturno")):
            assert (answer.status_code, list(answer.json())) == (400, ["detail"]), content[:20]
    assert api.get("/api/monitors").json() == []


def test_a_byte_order_mark_before_the_json_is_no_part_of_it(api: TestClient) -> None:
    assert send(api, json.dumps(GOOD).encode("utf-8-sig")).status_code == 201


def test_json_is_read_whatever_the_content_type_says(api: TestClient) -> None:
    for number, kind in enumerate((None, "text/plain", "application/x-www-form-urlencoded", "nonsense", "")):
        headers = {} if kind is None else {"content-type": kind}
        content = json.dumps(GOOD | {"slug": f"job-{number}"}).encode()
        assert send(api, content, **headers).status_code == 201, kind


def padded(size: int) -> bytes:
    content = json.dumps(GOOD).encode()
    return content + b" " * (size - len(content))


def chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def test_a_body_of_64_kib_is_read_and_a_larger_one_is_413(api: TestClient) -> None:
    assert send(api, padded(65_537)).status_code == 413
    assert api.post("/api/monitors", content=chunks(padded(65_537))).status_code == 413
    assert send(api, b"{}", **{"content-length": "9" * 30}).status_code == 413
    assert api.get("/api/monitors").json() == []
    assert send(api, padded(65_536)).status_code == 201
    assert api.patch("/api/monitors/backup-noturno", content=chunks(padded(65_536))).status_code == 200


BROKEN_RULES = [
    ("name", '""'),
    ("name", '" "'),
    ("name", f'"{"x" * 201}"'),
    ("name", r'"a\u0000b"'),
    ("name", r'"a\nb"'),
    ("name", r'"a\u0085b"'),
    ("name", r'"\ud800"'),
    ("name", "null"),
    ("slug", r'"\ud800"'),
    ("slug", '"-a"'),
    ("slug", f'"{"a" * 101}"'),
    ("slug", '"a/b"'),
    ("slug", "1"),
    ("interval_seconds", "0"),
    ("interval_seconds", "315360001"),
    ("interval_seconds", "1" * 5000),
    ("interval_seconds", '"60"'),
    ("interval_seconds", "true"),
    ("interval_seconds", "1.5"),
    ("interval_seconds", "60.0"),
    ("interval_seconds", "NaN"),
    ("interval_seconds", "Infinity"),
    ("interval_seconds", "-Infinity"),
    ("interval_seconds", "1e400"),
    ("interval_seconds", "null"),
    ("grace_seconds", "-1"),
    ("grace_seconds", "315360001"),
    ("grace_seconds", "null"),
    ("max_run_seconds", "0"),
    ("webhook_url", '"ftp://a"'),
    ("webhook_url", f'"http://a/{"x" * 1992}"'),
    ("webhook_url", r'"http://a/\ud800"'),
    ("webhook_secret", '"short"'),
    ("surprise", "1"),
]


def test_a_broken_rule_is_422_at_its_field_and_changes_nothing(api: TestClient) -> None:
    made = create(api, slug="other")
    good = {name: json.dumps(value) for name, value in GOOD.items()}

    for field, raw in BROKEN_RULES:
        content = (
            "{" + ", ".join(f'"{name}": {value}' for name, value in (good | {field: raw}).items()) + "}"
        ).encode()
        assert refusals(send(api, content)) == [["body", field]], (field, raw[:40])
        patch = f'{{"{field}": {raw}}}'.encode()
        assert refusals(send(api, patch, "PATCH", "/api/monitors/other")) == [["body", field]], (field, raw[:40])

    assert api.get("/api/monitors").json() == [made]


def test_all_broken_rules_are_told_at_once(api: TestClient) -> None:
    assert refusals(send(api, b"{}")) == [["body", "name"], ["body", "slug"], ["body", "interval_seconds"]]


def test_json_that_is_no_object_is_422(api: TestClient) -> None:
    for content in (b"[]", b"null", b'"text"', b"1", b"NaN"):
        (place,) = refusals(send(api, content))
        assert place[0] == "body"


CANARY = "canary-4711"


def test_no_error_repeats_its_input(api: TestClient) -> None:
    answers = [
        send(api, json.dumps(GOOD | {field: value, CANARY: CANARY}).encode())
        for field in GOOD
        for value in (CANARY, CANARY + "\0", [CANARY], {CANARY: CANARY})
    ]
    answers += [
        send(api, CANARY.encode()),
        send(api, b'{"canary-4711": "\xff'),
        api.get(f"/api/monitors?limit={CANARY}"),
        api.get(f"/api/monitors?cursor={CANARY}"),
        api.get(f"/api/monitors/{CANARY}"),
        api.post(f"/api/monitors/{CANARY}/pause"),
        api.get(f"/api/history/{CANARY}"),
        api.get(f"/api/{CANARY}"),
        api.get("/api/monitors", headers={"X-Admin-Token": CANARY}),
    ]

    assert {each.status_code for each in answers} == {400, 401, 404, 422}
    assert not [each.text for each in answers if "canary" in each.text or "4711" in each.text]


def test_a_method_that_a_path_does_not_have_is_405(api: TestClient) -> None:
    create(api)

    for path in ("/api/monitors", "/api/monitors/backup-noturno", "/api/history/backup-noturno"):
        answer = api.put(path, json={})
        assert (answer.status_code, list(answer.json())) == (405, ["detail"])
    one, pause = api.put("/api/monitors/backup-noturno"), api.put("/api/monitors/backup%2Fnoturno/pause")
    assert one.headers.get_list("allow") == ["DELETE, GET, HEAD, PATCH"]
    assert pause.headers.get_list("allow") == ["POST"]


SLASHED = ["a/b", "a/pause", "/", "a//b/", "a%2Fb", "../x", "grupo/cópia 100%"]


@pytest.mark.parametrize("slug", SLASHED)
def test_a_slug_of_old_with_a_slash_is_reached_with_the_slash_encoded(
    make_server: Callable[..., Server], sqlite_url: str, slug: str
) -> None:
    server = make_server(sqlite_url)
    made = server.create(slug="job")
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as by_hand, by_hand:
        by_hand.execute("UPDATE monitors SET slug = ?", (slug,))
    path = f"/api/monitors/{quote(slug, safe='')}"

    with httpx2.Client(base_url=server.url, headers=server.headers) as api:
        assert api.get(path).json()["slug"] == slug
        assert api.get(path.replace("%2F", "%2f")).json()["slug"] == slug
        ping_url = api.get(path).json()["ping_url"]
        assert [api.get(ping_url).status_code, api.post(ping_url + "/log").status_code] == [200, 200]
        assert api.patch(path, json={"name": "Novo"}).json()["name"] == "Novo"
        assert api.post(f"{path}/pause").json()["status"] == "PAUSED"
        assert api.post(f"{path}/resume").json()["status"] == "UNKNOWN"
        assert api.post(f"{path}/rotate-token").json()["token"] != made["token"]
        history = api.get(f"/api/history/{quote(slug, safe='')}", params={"limit": 1})
        assert history.json()[0]["cause"] == "resume"
        assert len(api.get(history.links["next"]["url"]).json()) == 1
        assert api.put(path).headers.get_list("allow") == ["DELETE, GET, HEAD, PATCH"]
        assert api.get(path, headers={"X-Admin-Token": "wrong"}).status_code == 401
        assert api.delete(path).status_code == 204
        assert api.get(path).status_code == 404


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Keep the table of monitors from being written, as a stuck backup or migration would."""
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
        connection.close()
        return
    with psycopg.connect(database_url) as session:
        session.execute("LOCK TABLE monitors IN SHARE MODE")
        yield
        session.rollback()


def test_a_database_that_cannot_be_written_is_503_with_retry_after(api: TestClient, database_url: str) -> None:
    with locked(database_url):
        answer = api.post("/api/monitors", json=GOOD)
        health = api.get("/health").status_code

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "detail" in answer.json()
    assert health == 200
    wait_until(lambda: api.post("/api/monitors", json=GOOD).status_code in (201, 409))


def test_ten_thousand_monitors_are_one_array(api: TestClient, database_url: str) -> None:
    columns = "slug, name, token, interval_seconds, grace_seconds, status, created_at, updated_at"
    at = "2026-01-01 00:00:00.000000"
    rows = [(f"job-{number}", "Job", f"token-{number}", 60, 0, "UNKNOWN", at, at) for number in range(10_000)]
    if database_url.startswith("sqlite"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
            connection.executemany(f"INSERT INTO monitors ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.close()
    else:
        with psycopg.connect(database_url) as session, session.cursor() as cursor:
            marks = ", ".join(["%s"] * 8)
            cursor.executemany(f"INSERT INTO monitors ({columns}) VALUES ({marks})".encode(), rows)

    found = api.get("/api/monitors").json()

    assert [each["slug"] for each in found] == [f"job-{number}" for number in range(10_000)]


def several(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [GOOD | {"slug": f"job-{number}"} | fields for number in range(count)]


def send_many(api: TestClient, bodies: list[Any]) -> Any:
    return send(api, json.dumps(bodies).encode())


def test_an_array_makes_all_of_its_monitors_in_their_order(api: TestClient) -> None:
    create(api, slug="before")
    bodies = several(3)
    bodies[1] |= {"tags": ["a"], "group": "g", "failure_keywords": ["no space"], "webhook_secret": "generate"}
    bodies[2] = {"name": "By night", "slug": "night", "schedule": "30 2 * * *", "timezone": "America/Sao_Paulo"}

    answer = send_many(api, bodies[::-1])

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert [each["slug"] for each in made] == ["night", "job-1", "job-0"]
    assert made[0]["interval_seconds"] == 86_400
    assert made[1]["webhook_secret"].startswith("whsec_")
    assert "*" not in made[1]["webhook_secret"]
    assert len({each["token"] for each in made}) == 3
    listed = api.get("/api/monitors").json()[1:]
    assert listed == [made[0], made[1] | {"webhook_secret": "whsec_********"}, made[2]]
    assert api.get(made[2]["ping_url"]).json() == {"ok": True}


def test_of_an_array_everything_that_is_wrong_is_named_and_nothing_is_made(api: TestClient) -> None:
    bodies: list[Any] = several(6)
    bodies[0] |= {"name": ""}
    bodies[1] |= {"slug": CANARY + "\0", "interval_seconds": "60"}
    bodies[3] = CANARY
    bodies[4] |= {"schedule": "61 * * * *"}
    del bodies[4]["interval_seconds"]
    bodies[5] |= {CANARY: 1, "slug": "job-2"}

    answer = send_many(api, bodies)

    assert refusals(answer) == [
        ["body", "0", "name"],
        ["body", "1", "slug"],
        ["body", "1", "interval_seconds"],
        ["body", "3"],
        ["body", "4", "schedule"],
        ["body", "5"],
    ]
    assert CANARY not in answer.text
    assert api.get("/api/monitors").json() == []


def test_of_an_array_slugs_that_are_taken_or_stand_twice_are_all_named_and_nothing_is_made(api: TestClient) -> None:
    made = [create(api, slug="job-1"), create(api, slug="job-3")]

    answer = send_many(api, [*several(5), GOOD | {"slug": "job-4"}])

    assert answer.status_code == 409
    assert "job-1, job-3, job-4." in answer.json()["detail"]
    assert api.get("/api/monitors").json() == made


def test_of_arrays_that_come_at_once_with_the_same_slugs_one_wins(api: TestClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send_many(api, several(50)), range(4)))

    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    assert len(api.get("/api/monitors").json()) == 50


def test_an_array_holds_between_one_monitor_and_a_thousand(api: TestClient) -> None:
    assert refusals(send_many(api, several(1_001))) == [["body"]]
    assert refusals(send_many(api, [])) == [["body"]]
    assert api.get("/api/monitors").json() == []
    assert len(send_many(api, several(1_000)).json()) == 1_000


def test_an_array_may_be_larger_than_one_monitor_up_to_a_mebibyte(api: TestClient) -> None:
    content = json.dumps(several(2)).encode()

    for size in (1_048_577, 2_000_000):
        assert send(api, content + b" " * (size - len(content))).status_code == 413
    assert api.post("/api/monitors", content=chunks(b"[" + b" " * 1_100_000 + content[1:])).status_code == 413
    assert send(api, b'"' + b"x" * 70_000 + b'"').status_code == 413
    assert api.get("/api/monitors").json() == []
    assert send(api, b"\xef\xbb\xbf \n" + content + b" " * (1_048_571 - len(content))).status_code == 201
    body = json.dumps([{}]).encode() + b" " * 70_000
    assert send(api, body, "PATCH", "/api/monitors/job-1").status_code == 413
