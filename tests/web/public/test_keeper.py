"""What was read is kept as long as its version is the same, and never taken for something else."""

from __future__ import annotations

import pytest

from pulsemon.errors import Unavailable
from pulsemon.web.public import keeper
from pulsemon.web.public.keeper import Keeper


def unreadable() -> str:
    raise Unavailable("the database is away")


def test_a_reading_is_kept_for_its_key_until_its_version_is_another_one() -> None:
    kept = Keeper()

    assert kept.get("a", 1, lambda: "first") == "first"
    assert kept.get("a", 1, unreadable) == "first"
    assert kept.get("b", 1, lambda: "other") == "other"
    assert kept.get("a", 2, lambda: "second") == "second"
    assert kept.get("a", 1, lambda: "again") == "again"


def test_a_reading_that_fails_leaves_the_last_one_to_who_asks_for_it() -> None:
    kept = Keeper()
    assert kept.last("a") is None
    kept.get("a", 1, lambda: "first")

    with pytest.raises(Unavailable):
        kept.get("a", 2, unreadable)

    assert kept.last("a") == "first"
    assert kept.get("a", 1, unreadable) == "first"


def test_it_never_keeps_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_MAX_KEPT", 3)
    kept = Keeper()

    for number in range(10):
        kept.get(number, 1, lambda: "x")

    assert sum(kept.last(number) is not None for number in range(10)) <= 3
