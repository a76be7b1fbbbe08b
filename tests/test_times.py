"""Days and times have one form in each language, by the clock of a zone that is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pulsemon.locale import times

SAO_PAULO, NEW_YORK = "America/Sao_Paulo", "America/New_York"
AT = datetime(2026, 11, 29, 19, 25, 44, tzinfo=UTC)


def test_each_language_has_one_form() -> None:
    assert times.instant(AT, SAO_PAULO, "pt-BR") == "29/11/2026 16:25"
    assert times.instant(AT, SAO_PAULO, "en") == "29 Nov 2026, 16:25"
    assert times.instant(AT, SAO_PAULO, "pt-BR", is_exact=True) == "29/11/2026 16:25:44"
    assert times.instant(AT, "Nowhere/Gone", "en", is_exact=True) == "29 Nov 2026, 19:25:44"
    assert [times.percent("99.66", each) for each in ("en", "pt-BR")] == ["99.66%", "99,66%"]
    assert times.clock(AT, "Asia/Kathmandu") == "01:10:44"


def test_a_span_says_the_day_once_and_the_offset_where_it_changes() -> None:
    later = AT.replace(hour=21)
    assert times.span(AT, later, SAO_PAULO, "pt-BR") == "29/11/2026 16:25 – 18:25"
    assert times.span(AT, later, SAO_PAULO, "en", is_exact=True) == "29 Nov 2026, 16:25:44 – 18:25:44"
    assert times.span(AT, later, "Asia/Kathmandu", "en") == "30 Nov 2026, 01:10 – 03:10"
    assert times.span(AT, later, "Europe/Berlin", "pt-BR") == "29/11/2026 20:25 – 22:25"
    assert times.span(AT, later, "Europe/Moscow", "en") == "29 Nov 2026, 22:25 – 30 Nov 2026, 00:25"
    autumn = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (4, 8)]
    assert times.span(*autumn, NEW_YORK, "en") == "1 Nov 2026, 00:30 UTC-4 – 03:30 UTC-5"


@pytest.mark.parametrize(("hour", "shown"), [(4, "00:30"), (5, "01:30 UTC-4"), (6, "01:30 UTC-5"), (7, "02:30")])
def test_a_time_that_the_clock_shows_twice_says_which_it_is(hour: int, shown: str) -> None:
    at = datetime(2026, 11, 1, hour, 30, tzinfo=UTC)
    assert times.instant(at, NEW_YORK, "en") == f"1 Nov 2026, {shown}"


@pytest.mark.parametrize(
    ("timezone", "english", "portuguese"),
    [
        (SAO_PAULO, "Brasilia Time", "horário de Brasília"),
        ("Asia/Kolkata", "India Standard Time", "horário Padrão da Índia"),
        ("Asia/Calcutta", "India Standard Time", "horário Padrão da Índia"),
        ("Europe/London", "Europe/London", "Europe/London"),  # its winter has a name, its year has none
        ("Etc/UTC", "UTC", "UTC"),
        ("Nowhere/Gone", "UTC", "UTC"),
    ],
)
def test_a_zone_is_called_as_people_call_it(timezone: str, english: str, portuguese: str) -> None:
    assert times.zone(timezone, "en") == english
    assert times.zone(timezone, "pt-BR") == portuguese
