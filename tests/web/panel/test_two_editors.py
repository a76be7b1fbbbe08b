"""Two people edit one incident, plan or page: what only one of them changed counts, what both changed is told."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import ADMIN_TOKEN
from tests.web.panel.test_monitors import text_of

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
INCIDENT = {"title": "Slow", "body": "We look.", "status": "investigating", "impact": "minor", "general": True}
PLAN = {"title": "Disks", "repeats": "weekly", "days": ["mon"], "time": "02:00", "length_seconds": 3_600}
KINDS = ("incident", "update", "maintenance", "page")


def arranged(panel: TestClient, kind: str) -> tuple[str, str, str]:
    """Make one thing; return the address of its form, of the API's edit, and the name of a text in both."""
    if kind == "page":
        return "/pages/status", "/api/pages/status", "title"
    root = "maintenance" if kind == "maintenance" else "incidents"
    made = panel.post(f"/api/{root}", json=PLAN if root == "maintenance" else INCIDENT, headers=ADMIN).json()
    if kind == "incident":
        return f"/incidents/{made['id']}/edit", f"/api/incidents/{made['id']}", "title"
    if kind == "update":
        return f"/incidents/{made['id']}/updates/1", f"/api/incidents/{made['id']}/updates/1", "body"
    return f"/maintenance/{made['id']}", f"/api/maintenance/{made['id']}", "title"


def form_of(panel: TestClient, address: str) -> dict[str, Any]:
    """Return the form as a browser sends it back, as far as texts, radios and boxes go."""
    is_plan = address.startswith("/maintenance")
    page = panel.get(f"{address}/settings" if is_plan else address).text
    fields: dict[str, Any] = {}
    for found in re.findall(r"<input [^>]*>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', found))
        if attributes.get("type") not in ("radio", "checkbox") or " checked" in found:
            fields[attributes.get("name", "")] = html.unescape(attributes.get("value", ""))
    texts = re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    chosen = re.findall(r'<select [^>]*name="(\w+)".*?<option value="([^"]*)" selected', page, re.DOTALL)
    return fields | {name: html.unescape(text) for name, text in (*texts, *chosen)}


@pytest.mark.parametrize("kind", KINDS)
def test_who_changes_what_another_one_changed_is_told_and_can_insist(panel: TestClient, kind: str) -> None:
    address, api, field = arranged(panel, kind)
    mine = form_of(panel, address)
    assert panel.patch(api, json={field: "Theirs"}, headers=ADMIN).status_code == 200

    answer = panel.post(address, data=mine | {field: "Mine"})

    assert answer.status_code == 409
    assert "Now it is: Theirs." in text_of(answer)
    assert "Mine" in answer.text
    assert form_of(panel, address)[field] == "Theirs"
    stamp = re.search(r'name="stamp" value="([^"]*)"', answer.text)
    assert stamp
    again = mine | {field: "Mine", "stamp": html.unescape(stamp[1])}
    assert panel.post(address, data=again, follow_redirects=False).status_code == 303
    assert form_of(panel, address)[field] == "Mine"


@pytest.mark.parametrize(
    ("kind", "change", "field", "text"),
    [
        ("incident", {"impact": "critical"}, "title", "Mine"),
        ("maintenance", {"description": "Theirs"}, "title", "Mine"),
        ("maintenance", {"announce_hours": 12}, "time", "03:00"),
        ("page", {"footer": "Theirs"}, "accent", "#123456"),
    ],
)
def test_what_only_the_other_one_changed_stays(
    panel: TestClient, kind: str, change: dict[str, Any], field: str, text: str
) -> None:
    address, api, _ = arranged(panel, kind)
    mine = form_of(panel, address)
    assert panel.patch(api, json=change, headers=ADMIN).status_code == 200
    before = form_of(panel, address)

    answer = panel.post(address, data=mine | {field: text}, follow_redirects=False)

    assert answer.status_code == 303
    after = form_of(panel, address)
    assert {**after, "stamp": ""} == {**before, field: text, "stamp": ""}
