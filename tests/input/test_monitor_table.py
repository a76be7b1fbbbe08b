"""The table of a monitor's fields holds together: with what is kept, with JSON, with the form, with the messages."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from pulsemon.core.placement import Placement
from pulsemon.core.rules import Rules
from pulsemon.db import Database
from pulsemon.errors import Invalid
from pulsemon.input import monitor_forms, monitor_rules
from pulsemon.input import monitors as monitor_fields
from pulsemon.input.fields import LENGTH, LINES, NUMBER, REQUIRED, SWITCH, TEXT, WORDS, FieldRow, Kind, Rule, whole
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.definition import Definition
from tests.arrange import START, make

# Every field with a value that is none of the defaults.
FULL: dict[str, Any] = {
    "name": "Backup Noturno",
    "slug": "backup-noturno",
    "interval_seconds": 60,
    "grace_seconds": 10,
    "webhook_url": "https://hooks.example.org/a",
    "webhook_secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
    "max_run_seconds": 30,
    "timezone": "America/Sao_Paulo",
    "failures_to_down": 2,
    "successes_to_up": 3,
    "post_only": True,
    "success_keywords": ["OK", "all good"],
    "failure_keywords": ["ERROR"],
    "start_keywords": ["begin"],
    "min_gap_seconds": 5,
    "group": "Backups",
    "environment": "prod",
    "tags": ["nightly", "db"],
    "position": 7,
    "public": False,
    "incident_after_minutes": 15,
}


def test_each_attribute_that_is_kept_has_one_field_and_each_field_one_attribute() -> None:
    own = {each.name for each in fields(Definition)} - {"rules", "placement"}
    rules = {f"rules.{each.name}" for each in fields(Rules)}
    placement = {f"placement.{each.name}" for each in fields(Placement)}

    paths = [each.kept_at for each in monitor_fields.TABLE]

    assert sorted(paths) == sorted(own | rules | placement)
    assert len(set(monitor_fields.FIELDS)) == len(monitor_fields.TABLE)


def test_a_default_is_what_is_kept_where_nothing_was_said() -> None:
    least = monitor_forms.create_from_json({"name": "n", "slug": "s", "interval_seconds": 60})

    assert least == monitors.NewMonitor("n", "s", 60)


def test_what_is_shown_and_sent_back_changes_nothing(database: Database) -> None:
    made = monitors.create(database, monitor_forms.create_from_json(FULL), now=START)

    shown = monitor_forms.values_of(made, reveals_secret=True)
    assert shown == FULL | {"schedule": None} | {
        name: tuple(FULL[name]) for name in ("success_keywords", "failure_keywords", "start_keywords", "tags")
    }
    as_json = {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()}
    again = monitors.edit(database, monitors.by_id(made.id), monitor_forms.changes_from_json(as_json), now=START)
    assert again == made
    texts = {name: text for name, text in monitor_forms.texts_of(made).items() if name != "timezone"}
    again = monitors.edit(database, monitors.by_id(made.id), monitor_forms.changes_from_form(texts), now=START)
    assert again == made


def test_a_form_writes_what_it_reads(database: Database) -> None:
    made = monitors.create(database, monitor_forms.create_from_json(FULL), now=START)

    texts = monitor_forms.texts_of(made)

    assert list(texts) == list(monitor_fields.FIELDS)
    assert texts["webhook_secret"] == monitor_rules.SECRET_MASK
    assert (texts["public"], texts["post_only"]) == ("no", "yes")
    assert (texts["tags"], texts["success_keywords"]) == ("nightly, db", "OK\nall good")
    assert (texts["min_gap_seconds"], texts["incident_after_minutes"]) == ("5 s", "15 min")


def test_what_is_empty_is_an_empty_text_and_without_a_schedule_so_is_its_time_zone(database: Database) -> None:
    texts = monitor_forms.texts_of(make(database))

    empty = {name for name, text in texts.items() if not text}
    nullable = {each.name for each in monitor_fields.TABLE if each.default is None} - {"position"}
    keywords = {"success_keywords", "failure_keywords", "start_keywords"}
    assert empty == nullable | keywords | {"timezone", "tags"}
    assert texts["grace_seconds"] == "1 min"


def test_a_place_that_was_never_set_is_the_one_of_its_creation_and_public(database: Database) -> None:
    made = make(database)

    assert made.placement == replace(Placement(), position=made.id)
    assert made.placement.is_public is True


def test_the_secret_is_masked_unless_it_is_revealed(database: Database) -> None:
    made = make(database, webhook_secret="generate")

    assert monitor_forms.values_of(made)["webhook_secret"] == monitor_rules.SECRET_MASK
    assert monitor_forms.values_of(made, reveals_secret=True)["webhook_secret"] == made.webhook_secret
    assert monitor_forms.values_of(make(database, "without"))["webhook_secret"] is None


@pytest.mark.parametrize(
    ("kind", "text", "value", "kept"),
    [
        (TEXT, "a\r\nb", "a\nb", "a\nb"),
        (NUMBER, "12", 12, 12),
        (LENGTH, "90", 90, timedelta(seconds=90)),
        (SWITCH, "yes", True, True),
        (SWITCH, "no", False, False),
        (LINES, " a b \n\n c", ["a b", "c"], ("a b", "c")),
        (WORDS, "a b, ,c", ["a b", "c"], ("a b", "c")),
    ],
)
def test_a_kind_reads_texts_and_keeps_values(kind: Kind, text: str, value: Any, kept: Any) -> None:
    row = FieldRow("field", Rule(kind, object), "For a test.", default=None)

    assert row.read(text) == value
    assert row.keep(value) == kept
    assert row.show(kept) in (value, kept)
    assert row.read(row.write(value)) == value
    assert (row.read(""), row.write(None), row.keep(None), row.show(None)) == (None, "", None, None)


@pytest.mark.parametrize(("kind", "text"), [(NUMBER, "1.5"), (NUMBER, "ten"), (LENGTH, "-"), (SWITCH, "true")])
def test_what_a_kind_cannot_read_stays_a_text_for_the_rule_to_refuse(kind: Kind, text: str) -> None:
    assert FieldRow("field", Rule(kind, object), "For a test.").read(text) == text


def test_a_field_without_a_default_cannot_be_emptied() -> None:
    row = FieldRow("field", Rule(TEXT, str), "For a test.")

    assert row.read("") is REQUIRED
    assert row.keep("") == ""


def test_limits_fill_the_messages_of_their_codes() -> None:
    for each in monitor_fields.TABLE:
        for code, limits in each.rule.limits.items():
            found = monitor_fields.problem(each.name, code)
            assert found.limits == limits
            assert "%(" not in found.message


def test_the_bounds_of_a_number_are_the_limits_in_its_message() -> None:
    assert whole(2, 5).limits == {"range": (("min", 2), ("max", 5))}
    with pytest.raises(Invalid) as refused:
        monitor_forms.changes_from_json({"failures_to_down": 0})
    (problem,) = refused.value.problems
    assert problem.message == "This must lie between 1 and 100."
