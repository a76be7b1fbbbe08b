"""An incident is the same value whether JSON or the panel's form told of it; an edit says only what it was given."""

from __future__ import annotations

import pytest

from pulsemon.core.edits import KEPT, given
from pulsemon.core.incidents import Impact, IncidentStatus
from pulsemon.errors import Invalid
from pulsemon.incidents.manage import IncidentChanges, NewIncident, NewUpdate
from pulsemon.input import incidents
from pulsemon.input.rules import MAX_NAME_LENGTH
from tests.conftest import at

NOW = at("10:00")


def test_json_and_the_form_make_the_same_incident() -> None:
    told = {"title": "Floods", "body": "Water.", "status": "identified", "impact": "major", "monitors": ["a", "b"]}
    typed = {name: [told[name]] for name in ("title", "body", "status", "impact")}
    start = {"started_at": ["2026-03-02T06:30:00"]}

    by_json = incidents.create_from_json(told | {"started_at": "2026-03-02T09:30:00Z"}, now=NOW)
    by_form = incidents.create_from_form(
        typed | start | {"scope": ["chosen"], "monitor": ["a", "b"], "tell_subscribers": ["yes"]},
        timezone="America/Sao_Paulo",
        now=NOW,
    )

    assert by_json == by_form
    assert by_json == NewIncident(
        "Floods", "Water.", IncidentStatus.IDENTIFIED, Impact.MAJOR, monitors=("a", "b"), started_at=at("09:30")
    )


def test_what_json_leaves_out_has_the_defaults_of_the_document() -> None:
    made = incidents.create_from_json({"title": "Floods", "body": "Water.", "general": True}, now=NOW)
    documented = incidents.IncidentCreate.model_fields

    assert made == NewIncident("Floods", "Water.", is_general=True)
    assert (made.status, made.impact) == (documented["status"].default, documented["impact"].default)
    assert made.tells_subscribers is documented["tell_subscribers"].default


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, {}),
        ({"title": None}, {"title": None}),
        ({"general": False, "monitors": []}, {"is_general": False, "monitors": ()}),
        ({"impact": "none"}, {"impact": Impact.NONE}),
    ],
)
def test_an_edit_says_what_it_was_given_and_nothing_else(told: dict[str, object], expected: dict[str, object]) -> None:
    assert given(incidents.changes_from_json(told)) == expected


def test_an_update_changes_what_it_concerns_only_where_that_is_given() -> None:
    plain = incidents.update_from_json({"status": "resolved", "body": "Dry."})
    typed = incidents.update_from_form({"status": ["resolved"], "body": ["Dry."], "tell_subscribers": ["yes"]})
    wider = incidents.update_from_json({"status": "resolved", "body": "Dry.", "monitors": ["a"]})

    assert plain == typed == NewUpdate(IncidentStatus.RESOLVED, "Dry.", IncidentChanges())
    assert (wider.changes.monitors, wider.changes.is_general) == (("a",), KEPT)


@pytest.mark.parametrize("told", [{"impact": "huge"}, {"status": "resolved"}, {"monitors": "a"}, []])
def test_an_edit_that_breaks_a_rule_makes_no_value(told: object) -> None:
    with pytest.raises(Invalid):
        incidents.changes_from_json(told)


def test_a_title_that_is_too_long_is_told_the_bound_that_it_breaks() -> None:
    told = {"body": "Water.", "general": True}

    made = incidents.create_from_json(told | {"title": "a" * MAX_NAME_LENGTH}, now=NOW)
    with pytest.raises(Invalid) as refused:
        incidents.create_from_json(told | {"title": "a" * (MAX_NAME_LENGTH + 1)}, now=NOW)

    (problem,) = refused.value.problems
    assert len(made.title) == MAX_NAME_LENGTH
    assert (problem.field, problem.code, problem.limits) == ("title", "too-long", (("max", MAX_NAME_LENGTH),))
