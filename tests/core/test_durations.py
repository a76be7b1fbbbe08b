"""Lengths of time as people write them: what is read, what is refused, and that what is shown is read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import durations

READ = {
    "15 min": 900,
    "15min": 900,
    "1h30": 5_400,
    "1 h 30 min": 5_400,
    "1h30min": 5_400,
    "1 hora e 30 minutos": 5_400,
    "1 hour, 30 minutes": 5_400,
    "1.5h": 5_400,
    "1,5 h": 5_400,
    "0,5 min": 30,
    "2d": 172_800,
    "2 dias": 172_800,
    "2d12": 216_000,
    "1 semana": 604_800,
    "2 weeks 3 days": 1_468_800,
    "45 seg": 45,
    "5m30s": 330,
    " 90 SECONDS ": 90,
    "0 s": 0,
}


@pytest.mark.parametrize(("text", "seconds"), READ.items())
def test_what_people_write_is_read_in_both_languages(text: str, seconds: int) -> None:
    assert durations.read(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "min", "soon", "90", "00:15", "1:30 h", "-5 min", "+5 min", "30 min 1 h", "1 h 1 h", "1.5 s"),
        *("1.000 min", "10 min e", "e 10 min", "10 min 5 x", "3 months", "1 mês", "1 h 30 20", "١٥ min", "1e3 s"),
        *("1 h" * 40, "9" * 20),
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_refused(text: str) -> None:
    assert durations.read(text) is None


@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("unit", ["h", " h", " horas", "hrs", "min", " m", " minutos"])
def test_two_decimals_of_a_unit_with_sixty_parts_are_taken_where_they_cannot_be_parts(mark: str, unit: str) -> None:
    size = 3_600 if "h" in unit else 60
    taken = {number for number in range(100) if number >= 60 or number in (0, 25, 50)}

    for number in range(100):
        text = f"1{mark}{number:02}{unit}"
        exact = size + size * number // 100
        is_whole = size * number % 100 == 0
        assert durations.read(text) == (exact if number in taken and is_whole else None), text
        assert durations.has_two_readings(f"2 d {text} 10 s".upper()) == (number not in taken), text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0,25 h", 900),
        ("0.75h", 2_700),
        ("1,3 h", 4_680),
        ("1.5 min", 90),
        ("1,25 d", 108_000),
        ("1,30 d", 112_320),  # a day has no sixty parts
        ("2.30 weeks", 1_391_040),
        ("1,30", None),
        ("1,30h", None),
        ("1.30 h", None),
        ("0,45 h", None),
        ("1,05 h", None),
        ("2 d 1,30 h", None),
        ("2.30 min", None),
        (f"{' ' * 80}1,30 H ", None),
    ],
)
def test_decimals_that_could_be_minutes_are_no_length(text: str, seconds: int | None) -> None:
    assert durations.read(text) == seconds


@given(st.integers(0, 10**10))
def test_what_is_shown_is_read_again(seconds: int) -> None:
    assert durations.read(durations.write(seconds)) == seconds


@given(st.text(st.sampled_from("0123456789.,: -hdmins eandúç\n\0") | st.characters(), max_size=80))
def test_no_text_raises(text: str) -> None:
    found = durations.read(text)

    assert found is None or (found >= 0 and not durations.has_two_readings(text))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (900, "15 min"), (5_400, "1 h 30 min"), (172_800, "2 d")],
)
def test_the_shortest_exact_text_is_shown(seconds: int, text: str) -> None:
    assert durations.write(seconds) == text


def test_sentences_have_days_as_a_word() -> None:
    assert [durations.in_words(each) for each in (0, 60, 86_400, 180_000)] == ["0", "1 min", "1 day", "2 days 2 h"]
