"""Words are found whatever their case and accents, and all of them have to be there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import search
from pulsemon.core.placement import Placement
from pulsemon.core.search import Wanted

PLACE = Placement(group="Produção", environment="prod", tags=("crítico", "two words"))


def finds(typed: str, **filters: list[str]) -> bool:
    text = search.text_of("Backup Noturno", "erp-backup", PLACE)
    return all(each in text for each in search.read(typed, **filters).parts)


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "backup", "BACKUP critico", "erp noturno", "producao prod", "tag:critico", 'tag:"two words"', "two",
     "grupo:produção noturno", "ambiente:PROD", "env:prod", "Crítico backup"],
)  # fmt: skip
def test_what_is_found(typed: str) -> None:
    assert finds(typed)


@pytest.mark.parametrize("typed", ["backup diario", "tag:crit", "group:prod", "tag:prod", "http://x", "env:production"])
def test_what_is_not_found(typed: str) -> None:
    assert not finds(typed)


def test_filters_are_whole_and_go_together_with_words() -> None:
    assert finds("backup", groups=["PRODUÇÃO"], tags=["two words"])
    assert not finds("backup", groups=["Prod"])
    assert not finds("", tags=["two"])


@given(st.text(max_size=300))
def test_anything_may_be_typed(typed: str) -> None:
    wanted = search.read(typed)
    assert len(wanted.words) + len(wanted.tags) + len(wanted.groups) + len(wanted.environments) <= search.MAX_WORDS


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=40))
def test_a_monitor_is_found_by_its_own_name_and_tag(name: str, tag: str) -> None:
    text = search.text_of(name, "s", Placement(tags=(tag,)))
    assert all(each in text for each in Wanted(words=(name,), tags=(tag,)).parts)


@given(st.text(max_size=50))
def test_what_is_folded_is_folded(text: str) -> None:
    assert search.fold(search.fold(text)) == search.fold(text)
