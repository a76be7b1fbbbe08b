"""Pages by key: together they are the list, whatever came and went behind them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import keyset


def read(rows: set[int], after: int | None, limit: int | None) -> tuple[list[int], int | None]:
    """Read as a database does."""
    found = sorted(each for each in rows if after is None or each > after)[: keyset.one_more(limit)]
    return keyset.cut(found, limit, lambda each: each)


def test_without_a_limit_everything_is_one_page() -> None:
    assert read({3, 1, 2}, None, None) == ([1, 2, 3], None)


@given(st.sets(st.integers(0, 60)), st.integers(1, 7), st.lists(st.tuples(st.integers(0, 60), st.booleans())))
def test_what_stays_is_on_one_page_and_nothing_is_on_two(
    rows: set[int], limit: int, changes: list[tuple[int, bool]]
) -> None:
    """Between two pages one row comes or goes."""
    stays, seen, after = set(rows), list[int](), None
    while True:
        found, after = read(rows, after, limit)
        assert len(found) <= limit
        seen += found
        if after is None:
            break
        if changes:
            row, comes = changes.pop()
            rows = rows | {row} if comes else rows - {row}
            stays -= set() if comes else {row}
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)
