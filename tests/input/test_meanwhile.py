"""Two people with one form: what only one of them changed counts, what both changed is told to the second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.errors import Invalid
from pulsemon.input import meanwhile
from pulsemon.input.monitor_forms import essence

SHOWN = {"name": ["Backup"], "group": ["Infra"], "note": [""], "monitor": ["a", "b"]}


def typed(**changes: list[str]) -> dict[str, list[str]]:
    """Return the form as it comes back, with its stamp and what its reader changed."""
    return SHOWN | {"stamp": [meanwhile.stamp(SHOWN)]} | changes


def test_what_only_the_other_one_changed_stays_his() -> None:
    merged = meanwhile.merge(typed(name=["Nightly"]), SHOWN | {"group": ["Shop"]})

    assert merged == meanwhile.Merged(SHOWN | {"name": ["Nightly"], "group": ["Shop"]})


def test_what_both_changed_is_a_clash_that_names_what_it_is_now() -> None:
    present = SHOWN | {"name": ["His"], "group": [""]}

    merged = meanwhile.merge(typed(name=["Mine"], group=["Shop"]), present)

    assert merged.clashes == ("name", "group")
    assert merged.texts["name"] == ["Mine"]
    with pytest.raises(Invalid) as refused:
        merged.require_no_clash(present)
    first, second = refused.value.problems
    assert (first.field, first.code, dict(first.limits)) == ("name", "changed-meanwhile", {"now": "His"})
    assert (second.field, second.code) == ("group", "emptied-meanwhile")


def test_who_wants_the_same_as_the_other_one_is_not_asked() -> None:
    assert meanwhile.merge(typed(name=["Same"]), SHOWN | {"name": ["Same"]}).clashes == ()


def test_after_being_told_the_second_save_counts() -> None:
    present = SHOWN | {"name": ["His"]}

    again = meanwhile.merge(typed(name=["Mine"], stamp=[meanwhile.stamp(present)]), present)

    assert (again.clashes, again.texts["name"]) == ((), ["Mine"])


def test_boxes_that_nobody_ticked_are_a_change_and_their_order_is_none() -> None:
    unticked = {name: texts for name, texts in typed().items() if name != "monitor"}

    assert meanwhile.merge(unticked, SHOWN, boxes=["monitor"]).texts["monitor"] == []
    assert meanwhile.merge(unticked, SHOWN).texts["monitor"] == ["a", "b"]
    kept = meanwhile.merge(typed(monitor=["b", "a"]), SHOWN | {"monitor": ["c"]})
    assert (kept.texts["monitor"], kept.clashes) == (["c"], ())


def test_fields_that_say_one_thing_clash_although_each_was_changed_by_one_alone() -> None:
    present = SHOWN | {"group": ["Shop"]}

    assert meanwhile.merge(typed(name=["Mine"]), present, together=("name", "group")).clashes == ("name",)
    assert meanwhile.merge(typed(note=["Mine"]), present, together=("name", "group")).clashes == ()


def test_lengths_are_compared_by_what_they_say() -> None:
    shown = {"interval_seconds": ["15 min"]}
    form = {"interval_seconds": ["900"], "stamp": [meanwhile.stamp(shown, essence=essence)]}

    merged = meanwhile.merge(form, {"interval_seconds": ["1 h"]}, essence=essence)

    assert merged.texts["interval_seconds"] == ["1 h"]


@pytest.mark.parametrize("stamp", ["", "no JSON", "[]", "1", '{"name": 1}', "[" * 5_000, '{"name": {"a": []}}'])
def test_without_a_stamp_that_can_be_read_whatever_was_sent_was_meant(stamp: str) -> None:
    merged = meanwhile.merge(typed(name=["Mine"], stamp=[stamp]), SHOWN | {"name": ["His"], "group": ["Shop"]})

    assert (merged.texts["name"], merged.texts["group"], merged.clashes) == (["Mine"], ["Infra"], ())


texts = st.dictionaries(st.sampled_from("abc"), st.lists(st.text(max_size=5), max_size=2))


@given(texts, texts, texts, st.none() | st.text(max_size=20))
def test_nothing_raises_and_no_field_appears(
    shown: dict[str, list[str]], sent: dict[str, list[str]], present: dict[str, list[str]], stamp: str | None
) -> None:
    stamped = meanwhile.stamp(shown) if stamp is None else stamp

    merged = meanwhile.merge(sent | {"stamp": [stamped]}, present, boxes="ab", together="bc")

    assert merged.texts.keys() == present.keys()
    assert set(merged.clashes) <= merged.texts.keys()
