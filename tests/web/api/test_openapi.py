"""The API's description: complete, sound, true of the answers; and `/docs`, which shows it and asks nobody else."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from pulsemon.accounts.roles import OPEN
from pulsemon.errors import Invalid
from pulsemon.input import monitor_forms
from pulsemon.input import monitors as monitor_fields
from pulsemon.web import app as web_app
from pulsemon.web.api import openapi
from pulsemon.web.http.routing import Audience, Route
from pulsemon.web.http.security import CSP
from pulsemon.web.http.site import Site
from pulsemon.web.public.answers import MachineRoute
from tests.conftest import ADMIN_TOKEN, Server, require

VENDOR = Path(web_app.__file__).parent / "static" / "vendor" / "swagger-ui"
METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of the real application; the site itself is not needed to write it."""
    return web_app.make_fastapi(cast(Site, None)).openapi()


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """What is described does not depend on the database."""
    return make_client(sqlite_url)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        assert set(item) <= METHODS, path
        for method, operation in item.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_the_document_has_the_form_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    parsed = OpenAPI.model_validate(document)
    assert parsed.paths is not None
    assert len(parsed.paths) == len(document["paths"])
    assert document["info"]["title"] == "PulseMon"


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to(document: dict[str, Any]) -> None:
    found = set(references(document))

    assert found == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_operation_ids_are_unique_and_every_operation_is_told(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert set(operation["tags"]) <= tags, where
        assert any(code.startswith("2") for code in operation["responses"]), where
        assert all(answer["description"] for answer in operation["responses"].values()), where
        named = set(re.findall(r"{(\w+)}", path))
        declared = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == declared, where


_FOR_PROGRAMS = ("/health", "/ready", "/metrics")


def test_every_route_for_programs_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(document)}
    for route in iter_route_contexts(web_app.make_fastapi(cast(Site, None)).routes):
        declared = route.original_route
        is_for_programs = isinstance(declared, MachineRoute) or route.path in _FOR_PROGRAMS
        if isinstance(declared, Route) and declared.audience is Audience.API and declared.action not in OPEN:
            is_for_programs = True
        if is_for_programs:
            missing = {(method, route.path) for method in route.methods or ()} - described
            assert {method for method, _ in missing} <= {"HEAD"}, route.path
    pings = {path for _, path in described if path.startswith("/h/")}
    assert pings == {f"/h/{{slug}}/{{token}}{end}" for end in ("", "/start", "/fail", "/log", "/{exit_status}")}
    assert {(method, path) for path in pings for method in ("GET", "HEAD", "POST")} <= described
    assert ("GET", "/status") in described


def test_closed_paths_ask_for_the_token_and_say_what_comes_without_it(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith("/api/") and not path.startswith("/api/v2/"):
            assert operation["security"] == openapi.CREDENTIALS, (method, path)
            assert {"401", "429", "503"} <= set(operation["responses"]), (method, path)
        else:
            assert {} in operation["security"] or operation["security"] == [], (method, path)
    scheme = document["components"]["securitySchemes"]["adminToken"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-Admin-Token")


def test_every_answer_with_a_body_and_every_body_has_an_example(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for code, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                assert "schema" in content, (method, path, code)
                assert kind == "text/html" or "example" in content, (method, path, code)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert {"schema", "example"} <= set(content), (method, path)


def test_every_429_and_503_and_nothing_else_tells_when_to_come_again(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for code, answer in operation["responses"].items():
            is_expected = code in ("429", "503") and path != "/ready"
            assert ("Retry-After" in answer.get("headers", {})) == is_expected, (method, path, code)


def test_examples_keep_the_rules_that_they_explain() -> None:
    assert monitor_forms.create_from_json(openapi.EXAMPLE_CREATE).slug == "backup-noturno"
    assert monitor_forms.changes_from_json(openapi.EXAMPLE_PATCH) == openapi.EXAMPLE_PATCH
    openapi.MonitorAnswer.model_validate(openapi.EXAMPLE_MONITOR)
    openapi.MonitorAnswer.model_validate(openapi.EXAMPLE_NEW_MONITOR)
    openapi.HistoryAnswer.model_validate(openapi.EXAMPLE_HISTORY)


def test_the_schemas_of_bodies_state_the_rules(document: dict[str, Any]) -> None:
    for name in ("MonitorCreate", "MonitorPatch"):
        schema = document["components"]["schemas"][name]
        columns = schema["properties"]
        assert schema["additionalProperties"] is False
        assert tuple(columns) == monitor_fields.BODY_FIELDS
        assert (columns["name"]["minLength"], columns["name"]["maxLength"]) == (1, 200)
        assert columns["slug"]["pattern"] == "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
        assert (columns["interval_seconds"]["minimum"], columns["interval_seconds"]["maximum"]) == (1, 315_360_000)
        assert (columns["grace_seconds"]["minimum"], columns["grace_seconds"]["maximum"]) == (0, 315_360_000)
        assert {"type": "null"} in columns["webhook_url"]["anyOf"]
    create = document["components"]["schemas"]["MonitorCreate"]
    assert create["required"] == ["name", "slug"]
    assert [either["required"] for either in create["oneOf"]] == [["interval_seconds"], ["schedule"]]
    assert "required" not in document["components"]["schemas"]["MonitorPatch"]
    assert "default" not in repr(document["components"]["schemas"]["MonitorPatch"])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", ["a", " a ", "é", "日本", "", " ", "\u200b", "\u202e", "\u00a0", "a\n", "a\0", "a\x7f", "a\x85"]),
        ("slug", ["a", "A.b_c-D", "", "-a", "a/b", "é", "a b", "a" * 100, "a" * 101]),
        (
            "webhook_url",
            ["http://a", "HTTPS://a/b?c", "http://[::1]:8/", "ftp://a", "http://", "http:///a", "a", "http://a b"],
        ),
        (
            "webhook_secret",
            ["generate", "Generate", "x", "whsec_", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"]
            + [f"whsec_{base64.b64encode(bytes(count)).decode()}" for count in range(20, 70)]
            + [f"whsec_{'A' * count}{end}" for count in (32, 33, 34, 35, 86, 87, 88) for end in ("", "=", "==")],
        ),
    ],
)
def test_the_patterns_say_what_the_rules_do(document: dict[str, Any], field: str, values: list[str]) -> None:
    schema = document["components"]["schemas"]["MonitorPatch"]["properties"][field]
    pattern = schema.get("pattern") or schema["anyOf"][0]["pattern"]
    for value in values:
        try:
            is_taken = monitor_forms.changes_from_json({field: value}) == {field: value}
        except Invalid:
            is_taken = False
        # Python lets $ match before a last newline, ECMAScript does not.
        assert bool(re.search(pattern.removesuffix("$") + r"\Z", value)) == is_taken, value


def test_real_answers_have_the_fields_of_the_description_in_its_order(
    client: TestClient, admin: dict[str, str], document: dict[str, Any]
) -> None:
    schemas = document["components"]["schemas"]
    made = client.post("/api/monitors", json=openapi.EXAMPLE_CREATE | {"webhook_url": None}, headers=admin).json()
    client.get(made["ping_url"])
    entries = client.get("/api/history/backup-noturno", headers=admin).json()

    assert list(made) == list(schemas["MonitorAnswer"]["properties"]) == schemas["MonitorAnswer"]["required"]
    assert list(made) == list(openapi.EXAMPLE_MONITOR)
    assert list(entries[0]) == list(schemas["HistoryAnswer"]["properties"]) == list(openapi.EXAMPLE_HISTORY)
    for each in (made, client.get("/api/monitors/backup-noturno", headers=admin).json()):
        openapi.MonitorAnswer.model_validate(each)
    TypeAdapter(list[openapi.HistoryAnswer]).validate_python(entries)
    openapi.HealthAnswer.model_validate(client.get("/health").json())


def test_errors_have_the_form_that_is_described(client: TestClient, admin: dict[str, str]) -> None:
    sentences = [
        client.get("/api/monitors"),
        client.get("/api/monitors/nobody", headers=admin),
        client.post("/api/monitors", content=b"{", headers=admin),
        client.get("/h/nobody/token"),
        client.get("/h/nobody/token?rid=x"),
        client.get("/h/nobody/token/256"),
    ]
    for answer in sentences:
        openapi.ErrorAnswer.model_validate(answer.json())
    openapi.InvalidAnswer.model_validate(client.post("/api/monitors", json={}, headers=admin).json())


def test_the_document_is_public_and_the_same_for_everybody(client: TestClient, document: dict[str, Any]) -> None:
    answer = client.get("/openapi.json")

    assert answer.status_code == 200
    assert answer.json() == document
    assert ADMIN_TOKEN not in answer.text
    assert client.head("/openapi.json").status_code == 200


def test_making_the_document_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        openapi.document(web_app.make_fastapi(cast(Site, None)))


def test_docs_is_a_page_of_ours_under_the_strict_policy(client: TestClient) -> None:
    answer = client.get("/docs")

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == CSP
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|https?://", answer.text)
    for address in re.findall(r'(?:href|src)="([^"]+)"', answer.text):
        assert client.get(address).status_code == 200, address
    for gone in ("/redoc", "/docs/oauth2-redirect"):
        assert client.get(gone).status_code == 404


def test_swagger_ui_is_vendored_with_its_licence() -> None:
    assert "Apache License" in (VENDOR / "LICENSE").read_text()
    assert "swagger-ui" in (VENDOR / "NOTICE").read_text()
    assert {each.name for each in VENDOR.iterdir()} == {
        "LICENSE",
        "NOTICE",
        "swagger-ui-bundle.js",
        "swagger-ui-bundle.js.LICENSE.txt",
        "swagger-ui.css",
    }


def test_docs_works_in_a_browser_without_a_violation_or_another_host(server: Server) -> None:
    from playwright.sync_api import sync_playwright

    path = require("chromium")
    heard: list[str] = []
    hosts: set[str] = set()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', "
            "event => console.error('violation', event.violatedDirective, event.blockedURI))"
        )
        page.goto(f"{server.url}/docs")
        create = page.locator("#operations-Monitors-create_monitor")
        page.locator(".authorize").first.click()
        page.locator("section input").first.fill(ADMIN_TOKEN)
        page.locator(".auth-btn-wrapper button[type=submit]").first.click()
        page.locator(".btn-done").first.click()
        create.locator(".opblock-summary-control").click()
        create.locator(".try-out__btn").click()
        create.locator(".execute").click()
        create.locator(".live-responses-table").wait_for()
        answered = create.locator(".live-responses-table .response .response-col_status").first.inner_text()
        browser.close()

    assert answered.startswith("201")
    assert [each["slug"] for each in server.get("/api/monitors")] == ["backup-noturno"]
    assert heard == []
    assert hosts == {server.url.removeprefix("http://")}
