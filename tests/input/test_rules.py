"""What the fields of all forms and bodies share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from pulsemon.errors import Invalid, NotFound
from pulsemon.input import rules as input_rules


@pytest.mark.parametrize(
    ("text", "timezone", "expected"),
    [
        ("2026-03-02T10:00:00Z", None, "2026-03-02T10:00:00"),
        ("2026-03-02T10:00+02:00", "America/Sao_Paulo", "2026-03-02T08:00:00"),
        ("2026-03-02T10:00", "America/Sao_Paulo", "2026-03-02T13:00:00"),
        ("2026-03-02T10:00", None, None),
        ("2026-03-08T02:30", "America/New_York", None),  # its clock skips this time
        ("1969-12-31T23:59:59Z", None, None),
        ("9999-12-31T23:59:59-23:00", None, None),
        ("yesterday", "UTC", None),
        ("2026-03-02T10:00:00Z" + " " * 40, None, None),
    ],
)
def test_an_instant_has_a_zone_in_it_or_goes_by_a_clock_that_shows_it(
    text: str, timezone: str | None, expected: str | None
) -> None:
    found = input_rules.read_instant(text, timezone)

    assert found == (None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "²", "٣", "2147483648", "9" * 5_000, "x"])
def test_an_address_that_names_no_id_is_not_found(text: str) -> None:
    with pytest.raises(NotFound, match="no such thing"):
        input_rules.id_in(text, otherwise="no such thing")

    assert input_rules.id_in("2147483647", otherwise="") == 2**31 - 1


def test_what_is_wrong_with_a_body_never_repeats_what_was_sent() -> None:
    class Body(BaseModel):
        monitors: input_rules.Slugs = []

    rules = input_rules.FieldRules({}, limits={("monitors", "monitors"): (("max", input_rules.MAX_MONITORS),)})

    with pytest.raises(Invalid) as wrong:
        rules.read(Body, {"monitors": ["a"] * 1_001, "secret=hunter2": 1, "colour": 2})

    assert [(each.field, each.code) for each in wrong.value.problems] == [
        ("monitors", "monitors"),
        ("", "unknown-field"),
        ("colour", "unknown-field"),
    ]
    assert "hunter2" not in str([each.message for each in wrong.value.problems])
