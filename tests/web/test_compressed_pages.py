"""No page that shows a secret goes out compressed: how well it compresses would tell of it (decision 0021)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.status_pages.test_public import ADMIN, a_monitor

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGk="
HOOK = "https://hooks.example.org/a-secret-part-of-a-url"


def pages_of(panel: TestClient) -> Iterator[tuple[str, Any]]:
    """Every page of the panel that a link leads to, and the fragments of a monitor."""
    sections = ("overview", "runs", "log", "head", "suggestion")
    seen: set[str] = set()
    todo = ["/", *(f"/fragments/monitors/1/{each}" for each in sections), "/fragments/list"]
    while todo:
        path = todo.pop()
        answer = panel.get(path, headers={"accept-encoding": "gzip"})
        yield path, answer
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        links = re.findall(r'(?:href|hx-get)="(/[^"#?]*)', answer.text)
        fresh = {each for each in links if not each.startswith(("/static", "/docs", "/openapi"))} - seen
        seen |= fresh
        todo += sorted(fresh)


def test_pages_with_a_secret_are_not_compressed_and_long_ones_without_are(panel: TestClient) -> None:
    token = a_monitor(panel, "job", webhook_url=HOOK, webhook_secret=SECRET)["token"]
    told = {"kind": "webhook", "address": HOOK}
    assert panel.post("/api/pages/status/subscribers", json=told, headers=ADMIN).status_code == 201
    assert panel.get(f"/h/job/{token}").status_code == 200
    with_secret, compressed = set(), set()
    for path, answer in pages_of(panel):
        is_compressed = answer.headers.get("content-encoding") == "gzip"
        if any(each in answer.text for each in (token, SECRET, HOOK)):
            with_secret.add(path)
            assert not is_compressed, path
        elif "text/html" in answer.headers.get("content-type", "") and len(answer.text) > 3_000:
            assert is_compressed, path
            compressed.add(path)
    of_subscribers = {"/pages/status/subscribers", "/pages/status/subscribers/1/remove"}
    assert {"/monitors/1/connect", "/monitors/1/settings", *of_subscribers} <= with_secret
    assert {"/", "/monitors/new", "/incidents"} <= compressed
    assert panel.get("/api/monitors", headers=ADMIN).status_code == 200


@pytest.mark.parametrize("path", ["/monitors", "/monitors/1", "/pages/status/subscribers"])
def test_a_form_that_comes_back_with_a_secret_is_not_compressed(panel: TestClient, path: str) -> None:
    a_monitor(panel, "job")
    typed = {"name": "", "kind": "webhook", "address": "no address", "webhook_url": HOOK, "secret": SECRET}
    answer = panel.post(path, data=typed, headers={"accept-encoding": "gzip"})
    assert answer.status_code == 422
    assert "content-encoding" not in answer.headers
