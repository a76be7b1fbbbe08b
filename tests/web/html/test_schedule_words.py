"""The preview of a schedule: sentence, next firings and errors, in both languages, and the fragment that shows it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pulsemon.core.schedule import MESSAGES, parse, zone_names
from pulsemon.input import monitors as monitor_fields
from pulsemon.web.html import rendering
from pulsemon.web.html.schedule_words import preview, sentence, zone_suggestions
from pulsemon.web.html.words import Words
from tests.conftest import ADMIN_TOKEN

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)  # a Wednesday
NEW_YORK = "America/New_York"


def texts(expression: str, zone: str, locale: str, now: datetime = NOW) -> list[str]:
    return [" | ".join(filter(None, (each.text, each.note))) for each in preview(
        expression, zone, locale=locale, now=now).firings]  # fmt: skip


def test_the_next_times_are_told_with_day_and_zone_in_the_readers_language() -> None:
    assert texts("30 2 * * *", NEW_YORK, "en")[:3] == [
        "tomorrow, Thursday 26 November, 02:30 (America/New_York, UTC-5)",
        "Friday 27 November, 02:30 (America/New_York, UTC-5)",
        "Saturday 28 November, 02:30 (America/New_York, UTC-5)",
    ]
    assert texts("30 2 * * *", NEW_YORK, "pt-BR")[:2] == [
        "amanhã, quinta-feira, 26 de novembro, 02:30 (America/New_York, UTC-5)",
        "sexta-feira, 27 de novembro, 02:30 (America/New_York, UTC-5)",
    ]
    assert len(texts("30 2 * * *", NEW_YORK, "en")) == 5


def test_today_is_the_day_of_the_schedules_zone() -> None:
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # the 26th in Kathmandu
    assert texts("0 6 * * *", "Asia/Kathmandu", "en", late)[0] == (
        "today, Thursday 26 November, 06:00 (Asia/Kathmandu, UTC+5:45)"
    )
    assert texts("0 6 * * *", "", "en", late)[0] == "tomorrow, Thursday 26 November, 06:00 (UTC)"


def test_another_year_is_named() -> None:
    assert texts("@yearly", "UTC", "en")[0] == "Friday 1 January 2027, 00:00 (UTC)"
    assert texts("@yearly", "UTC", "pt-BR")[0] == "sexta-feira, 1 de janeiro de 2027, 00:00 (UTC)"


def test_seconds_are_told_where_there_are_any() -> None:
    assert texts("18:30:15", "UTC", "en")[0] == "today, Wednesday 25 November, 18:30:15 (UTC)"


def test_what_a_clock_change_did_is_said() -> None:
    spring = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert texts("30 2 * * *", NEW_YORK, "en", spring)[:2] == [
        "tomorrow, Sunday 8 March, 03:00 (America/New_York, UTC-4) | moved: the clock skips the time it was set for",
        "Monday 9 March, 02:30 (America/New_York, UTC-4)",
    ]
    autumn = datetime(2026, 11, 1, 5, 15, tzinfo=UTC)
    assert texts("*/30 * * * *", NEW_YORK, "pt-BR", autumn)[:3] == [
        "hoje, domingo, 1 de novembro, 01:30 (America/New_York, UTC-4)",
        "hoje, domingo, 1 de novembro, 01:00 (America/New_York, UTC-5) | pela segunda vez: o relógio foi atrasado",
        "hoje, domingo, 1 de novembro, 01:30 (America/New_York, UTC-5) | pela segunda vez: o relógio foi atrasado",
    ]


def test_a_schedule_that_ends_has_fewer_times() -> None:
    assert texts("2026-12-24 18:00", "UTC", "en") == ["Thursday 24 December, 18:00 (UTC)"]


@pytest.mark.parametrize(
    ("expression", "en", "pt"),
    [
        ("* * * * *", "every minute", "a cada minuto"),
        ("*/15 * * * *", "every 15 minutes", "a cada 15 minutos"),
        ("05 * * * *", "every hour, at minute 5", "a cada hora, no minuto 5"),
        ("0 */6 * * *", "every 6 hours, at minute 0", "a cada 6 horas, no minuto 0"),
        ("@hourly", "every hour, at minute 0", "a cada hora, no minuto 0"),
        ("30 2 * * *", "every day at 02:30", "todos os dias às 02:30"),
        ("0 14,2 * * *", "every day at 02:00, 14:00", "todos os dias às 02:00, 14:00"),
        ("0 9 * * 1-5", "Monday to Friday at 09:00", "de segunda a sexta-feira às 09:00"),
        ("0 9 * * 7", "every week on Sunday at 09:00", "toda semana, domingo, às 09:00"),
        ("0 9 * * thu", "every week on Thursday at 09:00", "toda semana, quinta-feira, às 09:00"),
        ("15 3 5 * *", "every month on day 5 at 03:15", "todo mês no dia 5 às 03:15"),
        ("15 3 L * *", "every month on its last day at 03:15", "todo mês no último dia às 03:15"),
        ("0 0 24 12 *", "every year on 24 December at 00:00", "todo ano em 24 de dezembro às 00:00"),
        ("hourly", "every hour, at minute 0", "a cada hora, no minuto 0"),
        ("weekly", "every week on Monday at 00:00", "toda semana, segunda-feira, às 00:00"),
        ("*-*-* 02:30:00", "every day at 02:30", "todos os dias às 02:30"),
        ("Mon..Fri 18:30", "Monday to Friday at 18:30", "de segunda a sexta-feira às 18:30"),
        ("Sat 18:30", "every week on Saturday at 18:30", "toda semana, sábado, às 18:30"),
    ],
)
def test_simple_schedules_are_sentences(expression: str, en: str, pt: str) -> None:
    assert sentence(parse(expression), locale="en") == en
    assert sentence(parse(expression), locale="pt-BR") == pt


@pytest.mark.parametrize(
    "expression", ["*/7 * * * *", "0 */5 * * *", "0 0 31 * *", "0 0 1 * 1", "0 9-17 * * *", "*:0/15", "Sat-Sun 10:00"]
)
def test_what_is_not_simple_is_its_expression(expression: str) -> None:
    assert sentence(parse(expression), locale="en") == expression


def test_every_problem_is_said_in_both_languages() -> None:
    for code, message in MESSAGES.items():
        problem = monitor_fields.problem("schedule", code, (("max", 200),))
        assert problem.message == message % {"max": 200}
        words = Words("pt-BR", NOW)
        assert words.problem(problem) != problem.message, code


def test_the_suggested_zones_can_be_used() -> None:
    assert zone_suggestions()[0] == "UTC"
    assert {"America/Sao_Paulo", "Europe/Lisbon"} <= set(zone_suggestions()) <= zone_names()


# The fragment


@pytest.fixture
def client(make_client: Callable[..., TestClient], sqlite_url: str) -> TestClient:
    """The preview reads no database; one is enough."""
    return make_client(sqlite_url)


@pytest.fixture
def panel(client: TestClient) -> TestClient:
    client.headers.update({"accept": "text/html", "accept-language": "en"})
    assert client.post("/login", data={"token": ADMIN_TOKEN}, follow_redirects=False).status_code == 303
    return client


def shown(panel: TestClient, **query: str) -> Response:
    answer = panel.get("/fragments/schedule", params=query)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return answer


def text_of(answer: Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_the_fragment_shows_five_times(panel: TestClient) -> None:
    answer = shown(panel, schedule="30 2 * * *", timezone="America/Sao_Paulo")
    assert answer.text.count("<li>") == 5
    assert "every day at 02:30" in text_of(answer)
    assert "(America/Sao_Paulo, UTC-3)" in text_of(answer)
    portuguese = shown(panel, schedule="30 2 * * *", timezone="America/Sao_Paulo", lang="pt-BR")
    assert "todos os dias às 02:30" in text_of(portuguese)


def test_the_fragment_says_what_is_wrong_in_the_readers_language(panel: TestClient) -> None:
    assert "The hour cannot be read" in text_of(shown(panel, schedule="0 24 * * *"))
    assert "There is no such time zone" in text_of(shown(panel, schedule="0 2 * * *", timezone="Mars/Olympus"))
    assert "Não existe esse fuso" in text_of(shown(panel, schedule="0 2 * * *", timezone="Mars", lang="pt-BR"))
    assert "never fires again" in text_of(shown(panel, schedule="0 0 30 2 *", lang="en"))


def test_the_fragment_is_empty_before_anything_is_typed_and_echoes_nothing_wrong(panel: TestClient) -> None:
    assert text_of(shown(panel)) == ""
    assert text_of(shown(panel, schedule="  ", timezone="Mars")) == ""
    assert "script" not in shown(panel, schedule="<script>alert(1)</script>", timezone="<script>").text


def test_the_fragment_is_for_the_panel_only(client: TestClient) -> None:
    assert client.get("/fragments/schedule", params={"schedule": "@daily"}).status_code == 401


def test_the_two_fields_show_a_preview_without_scripts() -> None:
    values = {"typed": {"schedule": "30 2 * * *", "timezone": "Nowhere"}, "problems": {"timezone": "No."}}
    page = rendering.render(
        "parts/schedule.html",
        locale="en",
        now=NOW,
        first_wrong="timezone",
        preview=preview("30 2 * * *", "UTC", locale="en", now=NOW),
        **values,
    )
    assert 'name="schedule" type="text" value="30 2 * * *"' in page
    assert 'list="zones"' in page
    assert 'id="e-timezone"' in page
    assert page.count("<li>") == 5


def test_the_zones_that_a_field_proposes_are_fetched() -> None:
    page = rendering.render("parts/zones.html", locale="en", now=NOW, zones=zone_suggestions())
    assert '<option value="America/Sao_Paulo"></option>' in page
