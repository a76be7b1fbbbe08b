"""How a public page is laid out: what is folded, what stands open, and whose days are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pulsemon.core.overall import Overall
from pulsemon.core.shown import Shown
from pulsemon.status_pages.directory import MAIN_DEFINITION
from pulsemon.status_pages.public import PublicMonitor, PublicPage
from pulsemon.web.public import sections as layout
from pulsemon.web.public.sections import MAX_ASKED, MAX_UNFOLDED, NO_GROUP, section_of, sections
from tests.conftest import at

NOW = at("10:00")


def a_line(number: int, group: str | None = None, shown: Shown = Shown.UP) -> PublicMonitor:
    return PublicMonitor(
        id=number,
        name=f"Job {number}",
        slug=f"job-{number}",
        status="UP",
        shown=shown,
        last_ping=NOW,
        interval_seconds=60,
        calendar=None,
        since=NOW,
        group=group,
        tags=(),
        created_at=NOW,
        seq=1,
    )


def a_page(monitors: Sequence[PublicMonitor]) -> PublicPage:
    return PublicPage(MAIN_DEFINITION, tuple(monitors), NOW)


def many(count: int, group: str | None, *, first: int = 0, **states: Shown) -> list[PublicMonitor]:
    """Monitors of a group; `at_7=Shown.DOWN`: the one at place 7 is down."""
    return [a_line(first + n, group, states.get(f"at_{n}", Shown.UP)) for n in range(count)]


def test_a_page_folds_only_where_it_is_large_and_what_is_wrong_stands_open() -> None:
    small = sections(a_page(many(MAX_UNFOLDED, None)))
    assert [(each.is_foldable, each.is_open, len(each.drawn_ids)) for each in small] == [(False, True, MAX_UNFOLDED)]

    large = sections(
        a_page(
            many(100, "fine")
            + many(50, "down", first=100, at_7=Shown.DOWN)
            + many(50, "blind", first=200, at_1=Shown.BLIND)
            + many(50, None, first=300, at_1=Shown.LATE)
        )
    )
    assert [(each.name, each.is_open, len(each.drawn_ids)) for each in large] == [
        ("fine", False, 0),
        ("down", True, 50),
        ("blind", True, 50),
        (None, False, 0),
    ]
    assert [each.overall for each in large] == [Overall.UP, Overall.SOME_DOWN, Overall.BLIND, Overall.LATE]
    assert (large[1].counts[Shown.DOWN], large[1].counts[Shown.UP]) == (1, 49)


@pytest.mark.parametrize(("asked", "opened"), [("a", ["a"]), (NO_GROUP, [None]), ("nobody", [])])
def test_the_group_that_is_asked_for_stands_open(asked: str, opened: list[str | None]) -> None:
    page = a_page(many(150, "a") + many(150, None, first=150))

    made = sections(page, asked=asked)

    assert [each.name for each in made if each.is_open] == opened
    found = section_of(page, asked)
    assert (found is not None) is bool(opened)
    assert found is None or len(found.drawn) == 150


def test_of_a_group_that_is_too_large_what_is_wrong_is_drawn_first() -> None:
    last = MAX_UNFOLDED + 99
    (made,) = sections(a_page(many(MAX_UNFOLDED + 100, None, **{f"at_{last}": Shown.DOWN})))

    assert (made.is_open, len(made.drawn_ids)) == (True, MAX_UNFOLDED)
    assert {0, last} <= made.drawn_ids
    assert last - 1 not in made.drawn_ids


def test_groups_that_stand_open_share_what_is_drawn_and_nobody_gets_everything_by_asking() -> None:
    down = [many(150, f"g{n}", first=1_000 * n, at_0=Shown.DOWN) for n in range(3)]
    made = sections(a_page([each for group in down for each in group]))
    assert [len(each.drawn_ids) for each in made] == [150, 50, 0]

    whole = a_page(many(MAX_ASKED + 5, "a"))
    found = section_of(whole, "a")
    assert found is not None
    assert len(found.drawn) == MAX_ASKED < layout.MAX_ASKED + 5
