"""An edit says what it changes; to empty a field and to leave it alone are two things."""

from __future__ import annotations

from dataclasses import dataclass

from pulsemon.core.edits import KEPT, Kept, given


@dataclass(frozen=True, slots=True)
class Changes:
    name: str | Kept = KEPT
    note: str | Kept | None = KEPT
    is_open: bool | Kept = KEPT


def test_what_is_kept_is_not_given_and_what_is_emptied_is() -> None:
    assert given(Changes()) == {}
    assert given(Changes(note=None, is_open=False)) == {"note": None, "is_open": False}
    assert given(Changes("", note="x")) == {"name": "", "note": "x"}


def test_kept_equals_no_value_that_a_field_may_have() -> None:
    assert KEPT not in (None, "", "kept", False, 0)
    assert repr(Changes(note="x")) == "Changes(name=KEPT, note='x', is_open=KEPT)"
