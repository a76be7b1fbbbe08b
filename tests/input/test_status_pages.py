"""A public page is the same value whether JSON or the panel's form told of it; an edit says only what it was given."""

from __future__ import annotations

import pytest

from pulsemon.core.edits import given
from pulsemon.errors import Invalid
from pulsemon.input import status_pages
from pulsemon.status_pages.definition import NewPage, PageChanges


def test_json_and_the_form_make_the_same_page() -> None:
    told = {"slug": "shop", "title": "Shop", "timezone": "America/Sao_Paulo", "password": "correct horse"}

    assert status_pages.create_from_json(told) == status_pages.create_from_form(told | {"footer": "", "host": " "})
    assert status_pages.create_from_json(told) == NewPage(**told)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, {}),
        ({"monitors": None}, {"monitors": None}),
        ({"monitors": []}, {"monitors": ()}),
        ({"monitors": ["b", "a"], "title": None}, {"title": None, "monitors": ("b", "a")}),
        ({"slug": "other"}, {"slug": "other"}),
    ],
)
def test_an_edit_says_what_it_was_given_and_nothing_else(told: dict[str, object], expected: dict[str, object]) -> None:
    assert given(status_pages.changes_from_json(told)) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({}, {}),
        ({"password": ""}, {}),
        ({"password": "", "open": "yes"}, {"password": None}),
        ({"password": "correct horse", "open": "yes"}, {"password": "correct horse"}),
        ({"title": " ", "footer": "x\r\ny"}, {"title": None, "footer": "x\ny"}),
    ],
)
def test_a_field_that_is_emptied_is_given_and_a_password_that_is_not_typed_stays(
    typed: dict[str, str], expected: dict[str, object]
) -> None:
    assert given(status_pages.changes_from_form(typed)) == expected


@pytest.mark.parametrize("page", [NewPage("shop", password="correct horse"), PageChanges(password="correct horse")])
def test_a_password_is_not_shown_where_the_value_is(page: NewPage | PageChanges) -> None:
    assert "correct" not in repr(page)


@pytest.mark.parametrize("told", [{"accent": "red"}, {"password": "x"}, {"monitors": "a"}, {"slug": None}, "x"])
def test_an_edit_that_breaks_a_rule_makes_no_value(told: object) -> None:
    with pytest.raises(Invalid):
        status_pages.changes_from_json(told)
