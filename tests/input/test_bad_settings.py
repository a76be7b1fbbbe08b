"""Nonsense in the settings of a job, as JSON and in the form: an error at its field, in the reader's language."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.conftest import ADMIN_TOKEN

ADMIN = {"X-Admin-Token": ADMIN_TOKEN}
GOOD = {"name": "Backup", "slug": "backup", "interval_seconds": 900}
NOT_TEXT = "This must be text."
NOT_WHOLE = "This must be a whole number, written as a number."
IN_A_ROW = "This must lie between 1 and 100."
SECONDS = "This must lie between 1 and 315360000."
NOT_BOOL = "This must be true or false."
NOT_LIST = "This must be a list of texts."
WORDS = "This may hold at most 20 texts of 1 to 200 characters each, one on each line, without control characters."
NO_ZONE = "There is no such time zone."
NEVER = "This schedule never fires again"
UNREADABLE = "This must be a cron expression of five fields"

# As it stands in JSON, and the beginning of what is said.
AS_JSON = [
    ("schedule", "5", NOT_TEXT),
    ("schedule", '""', UNREADABLE),
    ("schedule", '"5"', UNREADABLE),
    ("schedule", r'"\ud800"', UNREADABLE),
    ("schedule", '"@reboot"', UNREADABLE),
    ("schedule", '"0 0 30 2 *"', NEVER),
    ("schedule", '"2020-01-01 00:00"', NEVER),
    ("schedule", '"60 * * * *"', "The minute cannot be read"),
    ("schedule", '"* * * * * *"', "A cron expression has five fields"),
    ("schedule", json.dumps("1," * 100 + "1 * * * *"), "A schedule may hold at most 200 characters."),
    ("schedule", '"Mon..Fri 18:30 Mars/Olympus"', NO_ZONE),
    ("timezone", "null", NOT_TEXT),
    ("timezone", '"Mars/Olympus"', NO_ZONE),
    ("timezone", '"../../etc/passwd"', NO_ZONE),
    ("timezone", r'"UTC\u0000"', NO_ZONE),
    ("failures_to_down", "0", IN_A_ROW),
    ("failures_to_down", "101", IN_A_ROW),
    ("failures_to_down", '"3"', NOT_WHOLE),
    ("failures_to_down", "1e400", NOT_WHOLE),
    ("successes_to_up", "-1", IN_A_ROW),
    ("successes_to_up", "null", NOT_WHOLE),
    ("max_run_seconds", "0", SECONDS),
    ("max_run_seconds", "true", NOT_WHOLE),
    ("min_gap_seconds", "0", SECONDS),
    ("min_gap_seconds", "NaN", NOT_WHOLE),
    ("post_only", "1", NOT_BOOL),
    ("post_only", '"yes"', NOT_BOOL),
    ("post_only", "null", NOT_BOOL),
    ("success_keywords", "null", NOT_LIST),
    ("success_keywords", '"word"', NOT_LIST),
    ("success_keywords", "[5]", NOT_LIST),
    ("success_keywords", '[["word"]]', NOT_LIST),
    ("success_keywords", '[" "]', WORDS),
    ("failure_keywords", r'["a\nb"]', WORDS),
    ("failure_keywords", r'["\ud800"]', WORDS),
    ("failure_keywords", json.dumps(["x" * 201]), WORDS),
    ("start_keywords", json.dumps([f"word {number}" for number in range(21)]), WORDS),
]


def test_as_json(client: TestClient) -> None:
    made = client.post("/api/monitors", json=GOOD, headers=ADMIN).json()

    for field, raw, said in AS_JSON:
        others = {name: value for name, value in GOOD.items() if field != "schedule" or name != "interval_seconds"}
        create = json.dumps(others | {"slug": "other"})[:-1] + f', "{field}": {raw}}}'
        for answer in (
            client.post("/api/monitors", content=create, headers=ADMIN),
            client.patch("/api/monitors/backup", content=f'{{"{field}": {raw}}}', headers=ADMIN),
        ):
            assert answer.status_code == 422, (field, raw)
            [problem] = answer.json()["detail"]
            assert (problem["loc"], problem["msg"][: len(said)]) == (["body", field], said), raw

    assert client.get("/api/monitors", headers=ADMIN).json() == [made]


LENGTHS = "This must lie between 1 s and 3,650 days."
IN_THE_FORM = [
    ("schedule", "0 0 30 2 *", NEVER, "Este agendamento nunca mais dispara"),
    ("schedule", "1 2 3", "A cron expression has five fields", "Uma expressão cron tem cinco campos"),
    ("timezone", "Mars/Olympus", NO_ZONE, "Não existe esse fuso horário."),
    ("failures_to_down", "0", IN_A_ROW, "Isto deve ficar entre 1 e 100."),
    ("successes_to_up", "many", NOT_WHOLE, "Isto deve ser um número inteiro"),
    ("max_run_seconds", "0", LENGTHS, "Isto deve ficar entre 1 s e 3.650 dias."),
    ("min_gap_seconds", "-5", LENGTHS, "Isto deve ficar entre 1 s e 3.650 dias."),
    ("grace_seconds", "soon", "Write a length of time, such as 15 min", "Escreva uma duração, como 15 min"),
    ("post_only", "maybe", NOT_BOOL, "Aqui cabe true ou false."),
    ("success_keywords", "x" * 201, WORDS, "Aqui cabem no máximo 20 textos de 1 a 200 caracteres"),
    ("failure_keywords", "a\tb", WORDS, "Aqui cabem no máximo 20 textos de 1 a 200 caracteres"),
    ("start_keywords", "\r\n".join(map(str, range(21))), WORDS, "Aqui cabem no máximo 20 textos"),
]


def said_at(answer: Any, field: str) -> str:
    """Return what a failed form says at one field."""
    assert answer.status_code == 422
    found = re.search(rf'id="e-{field}".*?</p>', answer.text, re.DOTALL)
    assert found, field
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


@pytest.fixture
def panel(client: TestClient) -> TestClient:
    client.headers.update({"accept": "text/html"})
    assert client.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False).status_code == 303
    return client


def test_in_the_form(panel: TestClient) -> None:
    made = panel.post("/api/monitors", json=GOOD, headers=ADMIN).json()
    found = re.search(r'href="(/monitors/\d+)"', panel.get("/").text)
    assert found
    good = {name: str(value) for name, value in GOOD.items()}

    for field, typed, english, portuguese in IN_THE_FORM:
        for address, form in (("/monitors", good | {"slug": "other"}), (found[1], good)):
            for locale, said in (("en", english), ("pt-BR", portuguese)):
                answer = panel.post(f"{address}?lang={locale}", data=form | {field: typed})
                assert said in said_at(answer, field), (field, locale)

    assert panel.get("/api/monitors", headers=ADMIN).json() == [made]


def test_an_interval_beside_a_schedule_is_passed_over_in_the_form(panel: TestClient) -> None:
    others = {name: value for name, value in GOOD.items() if name != "interval_seconds"}
    panel.post("/api/monitors", json=others | {"schedule": "30 2 * * *"}, headers=ADMIN)
    found = re.search(r'href="(/monitors/\d+)"', panel.get("/").text)
    assert found
    form = {"name": "Backup", "slug": "backup", "schedule": "30 2 * * *", "interval_seconds": "60"}

    answer = panel.post(found[1], data=form | {"grace_seconds": "30"}, follow_redirects=False)

    assert answer.status_code == 303
    edited = panel.get("/api/monitors/backup", headers=ADMIN).json()
    assert (edited["schedule"], edited["interval_seconds"], edited["grace_seconds"]) == ("30 2 * * *", 86_400, 30)


def test_spaces_in_a_schedule_and_around_a_word_are_not_kept(client: TestClient) -> None:
    raw = r'{"name": "Backup", "slug": "backup", "schedule": "30\u001c2\n* * * ", "failure_keywords": [" no ", "no"]}'

    made = client.post("/api/monitors", content=raw, headers=ADMIN).json()

    assert (made["schedule"], made["failure_keywords"]) == ("30 2 * * *", ["no"])


def test_the_line_for_cron_goes_by_the_schedule(panel: TestClient) -> None:
    others = {name: value for name, value in GOOD.items() if name != "interval_seconds"}
    for slug, schedule in (("backup", "@daily"), ("other", "Mon..Fri 18:30")):
        panel.post("/api/monitors", json=others | {"slug": slug, "schedule": schedule}, headers=ADMIN)
    addresses = re.findall(r'href="(/monitors/\d+)"', panel.get("/").text)

    assert "0 0 * * * /usr/local/bin/backup.sh" in panel.get(f"{addresses[0]}/connect").text
    assert "0 3 * * * /usr/local/bin/backup.sh" in panel.get(f"{addresses[1]}/connect").text
