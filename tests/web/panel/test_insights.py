"""The suggestion on a monitor's page, as plain pages and forms: what it says, the button that takes it, the what-if."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from pulsemon import clock
from tests.arrange import with_a_past
from tests.web.panel.test_monitors import PAGE, api, create, log_in, text_of


@pytest.fixture
def panel(make_client: Callable[..., TestClient], database_url: str) -> TestClient:
    """A logged-in browser without scripts, that reads English; monitor 1 has pinged for a day."""
    with_a_past(database_url, now=clock.now())
    client = make_client(database_url)
    client.headers.update(PAGE | {"accept-language": "en"})
    assert log_in(client).status_code == 303
    return client


def test_the_monitors_page_leads_to_the_suggestion_with_and_without_scripts(panel: TestClient) -> None:
    page = panel.get("/monitors/1/settings").text

    assert '<a href="/monitors/1/suggestion">Suggested settings</a>' in page
    assert 'hx-get="/fragments/monitors/1/suggestion"' in page
    new = create(panel, slug="new")
    assert "suggestion" not in panel.get(f"/monitors/{new}/settings").text


def test_the_suggestion_compares_what_there_is_with_what_fits(panel: TestClient) -> None:
    page, fragment = panel.get("/monitors/1/suggestion"), panel.get("/fragments/monitors/1/suggestion")

    for answer in (page, fragment):
        said = text_of(answer)
        assert "Pings come every 15 min, give or take 11 s." in said
        assert "Now Suggested Expected every 15 min 15 min Grace none 1 min" in said
        assert re.search(r"In the last \d+ \w+ \d\d alerts 0 alerts", said)
        assert "style=" not in answer.text
    assert "<html" in page.text
    assert "<html" not in fragment.text
    portuguese = text_of(panel.get("/monitors/1/suggestion?lang=pt-BR"))
    assert "Os sinais chegam a cada 15 min, 11 s a mais ou a menos." in portuguese
    assert "Usar estas configurações" in portuguese


def test_the_button_takes_the_suggestion_as_any_edit(panel: TestClient) -> None:
    page = panel.get("/monitors/1/suggestion").text
    form = re.search(r'<form method="post" action="(/monitors/1)">(.*?)</form>', page, re.DOTALL)
    assert form
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))
    assert fields == {"interval_seconds": "15 min", "grace_seconds": "1 min", "max_run_seconds": ""}

    answer = panel.post(form[1], data=fields, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/monitors/1?done=saved")
    assert (api(panel)["grace_seconds"], api(panel)["max_run_seconds"]) == (60, None)
    said = text_of(panel.get("/monitors/1/suggestion"))
    assert "The settings fit: nothing to change. They would have alerted 0 times in" in said
    assert "Use these settings" not in said


def test_other_settings_are_tried_and_nothing_is_changed(panel: TestClient) -> None:
    before = api(panel)

    strict = panel.get("/monitors/1/suggestion?interval_seconds=300&grace_seconds=0&max_run_seconds=")
    said = text_of(strict)

    assert re.search(r"These settings would have alerted 9[56] times in", said)
    assert len(re.findall(r"\d\d:\d\d:\d\d – ", said)) + said.count("still down") == 20
    assert re.search(r"silence and 7[56] older ones", said)
    assert 'value="300"' in strict.text
    patient = text_of(panel.get("/fragments/monitors/1/suggestion?grace_seconds=3600"))
    assert "These settings would have alerted 0 times in" in patient
    assert api(panel) == before


def test_a_wrong_field_is_told_at_the_field_as_it_was_typed(panel: TestClient) -> None:
    page = panel.get("/monitors/1/suggestion?grace_seconds=-1&interval_seconds=<b>")
    fragment = panel.get("/fragments/monitors/1/suggestion?grace_seconds=-1&interval_seconds=<b>")

    assert (page.status_code, fragment.status_code) == (422, 200)
    for answer in (page, fragment):
        said = text_of(answer)
        assert "This must lie between 0 and 3,650 days." in said
        assert "Write a length of time, such as 15 min" in said
        assert 'value="&lt;b&gt;"' in answer.text
        assert "would have alerted" not in said
        assert 'aria-describedby="e-try-grace_seconds "' in answer.text


def test_without_enough_pings_the_page_says_so_and_what_if_works_all_the_same(panel: TestClient) -> None:
    new = create(panel, slug="new")
    assert "What if" not in text_of(panel.get(f"/monitors/{new}/suggestion"))
    panel.post(f"/monitors/{new}/test-ping")

    said = text_of(panel.get(f"/monitors/{new}/suggestion?grace_seconds=5"))

    assert "There are too few pings yet to suggest settings: it takes eleven within 30 days." in said
    assert "These settings would have alerted 0 times in" in said
    assert "Use these settings" not in said


def test_a_monitor_that_does_not_exist_has_no_suggestion(panel: TestClient) -> None:
    for path in ("/monitors/99/suggestion", "/fragments/monitors/99/suggestion", "/monitors/9999999999/suggestion"):
        assert panel.get(path).status_code == 404
