"""The description held against a running server: what it allows, what it forbids, and nonsense, for every operation.

schemathesis makes the requests out of `/openapi.json` and judges the answers: no 5xx, only statuses, types, headers and
fields that are described, and nothing accepted that the description forbids. Each kind of request is made for itself,
so that it is no luck how many there are of it. What they hold differs a little with the modules that are imported:
Hypothesis takes values from them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis import checks as judged

from pulsemon.web import app as web_app
from pulsemon.web.http.site import Site
from tests.conftest import Server, server_maker

# Whom a route lets in is tested for all routes in tests.web.test_access_rules.py, and wrong tokens in
# tests.web.http.test_throttle.py. What a body that cannot be may be answered; 413 among them, for one that is too large
# as well.
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
CONFIG = schemathesis.Config.from_dict(
    {
        "generation": {"with-security-parameters": False},
        "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
    }
)
SCHEMA = schemathesis.openapi.from_dict(web_app.make_fastapi(cast(Site, None)).openapi(), config=CONFIG)
# A picture is no text that a schema could make; its bytes are tried in tests.status_pages.test_public.py.
OPERATIONS = [each for each in (found.ok() for found in SCHEMA.get_all_operations()) if "logo" not in each.path]
CHECKS = [
    judged.not_a_server_error,
    judged.status_code_conformance,
    judged.content_type_conformance,
    judged.response_headers_conformance,
    judged.response_schema_conformance,
    judged.negative_data_rejection,
    judged.positive_data_acceptance,
    judged.missing_required_header,
    judged.unsupported_method,
]
SPAN = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z", "reason": "a test"}
# How many requests of each kind. Bodies have many more ways to be wrong than the rest.
EXAMPLES = {True: 20, False: 6}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all operations, as `pulsemon serve` starts it."""
    folder = tmp_path_factory.mktemp("fuzz")
    with server_maker(folder) as make:
        yield make(f"sqlite:///{folder / 'pulsemon.db'}")


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.label for each in OPERATIONS])
def test_answers_are_those_that_are_described(server: Server, operation: Any) -> None:
    slug = f"job-{OPERATIONS.index(operation)}"
    known = {
        "slug": slug,
        "token": server.create(slug=slug, tags=[slug])["token"],
        "correction_id": correct(server, slug),
    }
    requests.post(f"{server.url}/h/{slug}/{known['token']}", data="its output")
    known |= {"number": 1, "tag": slug, "incident_id": open_incident(server)}
    requests.post(f"{server.url}/api/pages", json={"slug": slug}, headers=server.headers)
    known["subscriber_id"] = subscribe(server, slug)
    known["key_id"] = make_key(server)
    known["user_id"] = make_user(server)
    if operation.path.startswith("/api/projects"):
        known["slug"] = make_project(server)
        member = f"{server.url}/api/projects/{known['slug']}/members/{known['user_id']}"
        requests.put(member, json={"role": "viewer"}, headers=server.headers)
    if "maintenance" in operation.path:
        known |= plan_maintenance(server, is_running=operation.method == "patch")

    # A second factor is set up in the panel alone, with a code: there is none to take away here.
    in_reach, *others = requests_of(operation, known)
    answered = ask(in_reach, operation, server, slug)
    for each in others:
        ask(each, operation, server, slug)

    is_good = any(200 <= status < 300 for status in answered)
    assert is_good is not operation.path.endswith("/second-factor"), "no request got as far as the good answer"


def ask(kind: st.SearchStrategy[Case], operation: Any, server: Server, slug: str) -> list[int]:
    """Make requests of one kind, hold each answer against the description, and return their statuses."""
    statuses: list[int] = []

    @settings(
        derandomize=True,
        max_examples=EXAMPLES[operation.path.startswith("/api") and bool(list(operation.body))],
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=kind)
    def ask_once(case: Case) -> None:
        if operation.method in ("delete", "patch"):  # the request before may have taken its slug away
            session.post(f"{server.url}/api/monitors", json={"name": "Job", "slug": slug, "interval_seconds": 60})
            session.post(f"{server.url}/api/pages", json={"slug": slug})
        answer = case.call(base_url=server.url, session=session)
        case.validate_response(answer, checks=CHECKS, transport_kwargs={"session": session})
        statuses.append(answer.status_code)

    with requests.Session() as session:
        session.headers.update(server.headers)
        ask_once()
    return statuses


def open_incident(server: Server) -> str:
    """Open an incident and return its id."""
    body = {"title": "A test", "body": "It is one.", "general": True}
    answer = requests.post(f"{server.url}/api/incidents", json=body, headers=server.headers, timeout=60)
    return str(answer.json()["id"])


def correct(server: Server, slug: str) -> str:
    """Make a correction and return its id."""
    answer = requests.post(
        f"{server.url}/api/monitors/{slug}/corrections", json=SPAN, headers=server.headers, timeout=60
    )
    return str(answer.json()["id"])


def subscribe(server: Server, slug: str) -> str:
    """Make a subscriber and return its id."""
    answer = requests.post(
        f"{server.url}/api/pages/{slug}/subscribers",
        json={"kind": "webhook", "address": "http://127.0.0.1:9/"},
        headers=server.headers,
        timeout=60,
    )
    return str(answer.json()["id"])


def make_user(server: Server) -> str:
    """Make a user and return his id."""
    body = {"email": f"{secrets.token_hex(8)}@example.org"}
    return str(requests.post(f"{server.url}/api/users", json=body, headers=server.headers, timeout=60).json()["id"])


def make_project(server: Server) -> str:
    """Make a project and return its slug."""
    body = {"slug": f"p-{secrets.token_hex(6)}", "name": "A project"}
    requests.post(f"{server.url}/api/projects", json=body, headers=server.headers, timeout=60)
    return body["slug"]


def make_key(server: Server) -> str:
    """Make a key and return its id."""
    body = {"name": "A test", "scopes": ["ping"]}
    return str(requests.post(f"{server.url}/api/keys", json=body, headers=server.headers, timeout=60).json()["id"])


def plan_maintenance(server: Server, *, is_running: bool) -> dict[str, str]:
    """Plan maintenance of every hour, and return its id and that of the window that is running, or of the next one."""
    began_at = datetime.fromisoformat(server.create(slug=f"m-{secrets.token_hex(4)}")["created_at"]) - timedelta(
        hours=1
    )
    body = {"title": "x", "repeats": "cron", "schedule": "0 * * * *", "length_seconds": 3600}
    body["starts_at"] = began_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    made = requests.post(f"{server.url}/api/maintenance", json=body, headers=server.headers, timeout=60).json()
    return {"maintenance_id": made["id"], "window_id": str(made["windows"][not is_running]["id"])}


# What makes a plan whole, by how often it repeats; a plan holds nothing of the others.
PLANS: dict[str, dict[str, Any]] = {
    "once": {"starts_at": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%MZ"), "length_seconds": 60},  # noqa: TID251 - the server reads the real clock
    "weekly": {"days": ["mon"], "time": "02:30", "length_seconds": 60},
    "cron": {"schedule": "30 2 * * *", "length_seconds": 60},
}
WORDS = ("title", "description", "announce_hours", "tell_subscribers")


def as_a_plan(case: Case) -> None:
    """Keep the words of a plan, and give it times that go with each other."""
    assert isinstance(case.body, dict)
    if "windows" in case.path:
        now = datetime.now(UTC)  # noqa: TID251 - the server reads the real clock
        case.body["ends_at"] = now.replace(minute=0).strftime("%Y-%m-%dT%H:59Z")
        return
    repeats = case.body.get("repeats", "once")
    kept = {name: value for name, value in case.body.items() if name in WORDS}
    case.body = kept | ({"repeats": repeats, **PLANS[repeats]} if case.method == "POST" else {})


def requests_of(operation: Any, known: dict[str, str]) -> list[st.SearchStrategy[Case]]:
    """Return requests that keep the description, for what exists and for anything, and such that break it."""
    good = operation.as_strategy(GenerationMode.POSITIVE)
    names = {each.name for each in operation.path_parameters}
    in_reach = operation.as_strategy(
        GenerationMode.POSITIVE, path_parameters={name: known[name] for name in names & set(known)}
    )
    kinds = [in_reach.map(without_what_no_schema_says)]
    if names:
        kinds.append(good.map(without_what_no_schema_says))
    numbers = [each for each in operation.path_parameters if each.definition["schema"]["type"] != "string"]
    if numbers or list(operation.query) or list(operation.body):  # a name in a path cannot break the description
        kinds.append(operation.as_strategy(GenerationMode.NEGATIVE))
    return kinds


def _without_what_no_schema_says_of_incidents(body: dict[str, Any]) -> None:
    """It concerns something, began in the past, and has a title unless it opened by itself."""
    body["general"] = True
    if body.get("started_at") is not None:
        body["started_at"] = SPAN["started_at"]
    if body.get("title", "") is None:
        del body["title"]


IN_THEIR_LANGUAGES = {"schedule": "30 2 * * *", "timezone": "America/Sao_Paulo"}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _settled(case: Case, body: Any) -> dict[str, Any]:
    assert isinstance(body, dict)
    case.body = body
    for name in ("monitors", "timezone", "project"):  # what they name would have to exist
        case.body.pop(name, None)
    case.body = {
        name: IN_THEIR_LANGUAGES.get(name, value) if isinstance(value, str) else _whole(value)
        for name, value in case.body.items()
        if value != "whsec_********"
    }
    if case.path.startswith("/api/maintenance"):
        as_a_plan(case)
    if {"started_at", "ended_at"} <= case.body.keys():
        case.body |= {name: SPAN[name] for name in ("started_at", "ended_at")}
    if "email" in case.body:  # the schema says how long an address is, and not what one is
        case.body["email"] = f"{secrets.token_hex(8)}@example.org"
    if case.body.get("password") is not None and "/users" in case.path:
        case.body["password"] = "seven green bicycles"
    if case.path.startswith("/api/keys"):
        case.body.pop("expires_at", None)  # it would have to lie in the future
    if "/incidents" in case.path and not case.path.endswith("{number}"):
        _without_what_no_schema_says_of_incidents(case.body)
    return case.body


def without_what_no_schema_says(case: Case) -> Case:
    """Take out what the rules refuse and JSON Schema cannot express.

    Whole numbers are written as such, a cursor is one that was given out, a project is one that exists, a mask stands
    for a secret that exists, and schedules and zones have languages of their own. A span ends after it begins, and in
    the past.
    """
    if isinstance(case.body, list):
        case.body = [_settled(case, each) for each in case.body]
    elif isinstance(case.body, dict):
        case.body = _settled(case, case.body)
    if case.query:
        case.query.pop("cursor", None)
        case.query.pop("project", None)
        if "since" in case.query:
            case.query.pop("until", None)
    return case
