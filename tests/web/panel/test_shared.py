"""What the panel says after an action stands beside the routes that lead to it."""

from __future__ import annotations

import re
from collections.abc import Collection
from types import ModuleType

import pytest
from starlette.requests import Request

from pulsemon.core.placement import Outcome
from pulsemon.web.panel import (
    arrange,
    incidents,
    maintenance,
    monitor_forms,
    monitor_lists,
    record,
    shared,
    status_pages,
    subscribers,
)
from tests.conftest import ROOT

_NAMED = re.compile(
    r'[?&]done=([a-z-]+)|\bdone ?= ?"([a-z-]+)"|_to(?:_list)?\([^"\n]*"([a-z-]+)"(?: if .* else "([a-z-]+)")?'
)


def named_in(*modules: ModuleType) -> set[str]:
    """Return every message that the redirects of some modules name."""
    sources = [(ROOT / "pulsemon" / "web" / "panel" / f"{each.__name__.split('.')[-1]}.py") for each in modules]
    found = [match for each in sources for match in _NAMED.findall(each.read_text("utf-8"))]
    return {name for match in found for name in match if name}


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ((monitor_forms, monitor_lists, record), shared.DONE.keys() - {"own-role"}),
        ((incidents,), incidents._DONE),
        ((maintenance,), maintenance._DONE),
        ((status_pages,), status_pages._DONE.keys() - arrange.DONE.keys()),
        ((subscribers,), subscribers._DONE),
    ],
)
def test_every_message_that_a_redirect_names_is_there_and_none_is_without_use(
    modules: tuple[ModuleType, ...], said: Collection[str]
) -> None:
    assert named_in(*modules) == set(said)


def test_every_outcome_of_a_move_is_said() -> None:
    assert set(arrange.DONE) == set(Outcome)


@pytest.mark.parametrize(
    ("query", "said"), [(b"done=saved", "Saved."), (b"done=x", ""), (b"done=", ""), (b"", ""), (b"done=planned", "")]
)
def test_an_unknown_message_says_nothing(query: bytes, said: str) -> None:
    request = Request({"type": "http", "query_string": query, "headers": []})

    assert shared.done_of(request, incidents._DONE) == said
