"""Every refusal has words in both languages, and the API and the panel say the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pulsemon.errors import REFUSALS, Conflict
from pulsemon.input import monitors as monitor_fields
from pulsemon.input import rules
from pulsemon.locale import translator
from pulsemon.web.html.words import Words
from tests.conftest import ROOT

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def raised() -> dict[str, set[str]]:
    """Return code -> the names of its limits, of every `Conflict` that is made anywhere in PulseMon."""
    found: dict[str, set[str]] = {}
    for module in (ROOT / "pulsemon").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Conflict":
                for code in _codes(node.args[0]):
                    found.setdefault(code, set()).update(str(each.arg) for each in node.keywords)
    return found


def _codes(given: ast.expr) -> Iterator[str]:
    """Yield the codes that an argument may be: the one that stands there, or one of two; anything else is refused."""
    if isinstance(given, ast.IfExp):
        yield from _codes(given.body)
        yield from _codes(given.orelse)
    else:
        assert isinstance(given, ast.Constant), ast.unparse(given)
        yield given.value


def test_every_code_that_is_raised_has_words_and_no_words_are_without_use() -> None:
    assert raised().keys() == REFUSALS.keys()


@pytest.mark.parametrize("code", list(REFUSALS))
def test_every_refusal_is_said_in_both_languages_with_its_limits_filled_in(code: str) -> None:
    limits: dict[str, object] = dict.fromkeys(raised()[code], 20)
    refused = Conflict(code, **limits)

    assert REFUSALS[code] % limits == str(refused) == Words("en", NOW).refusal(refused)
    assert translator("pt-BR").gettext(REFUSALS[code]) != REFUSALS[code]
    assert Words("pt-BR", NOW).refusal(refused) not in ("", str(refused))
    assert "%(" not in str(refused)


def test_a_refusal_without_words_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        Conflict("no-such-reason")
    with pytest.raises(KeyError):
        Conflict("too-many-tags")


def test_no_code_of_a_field_means_something_else_as_a_refusal() -> None:
    assert not REFUSALS.keys() & (rules.MESSAGES.keys() | monitor_fields.MESSAGES.keys())
