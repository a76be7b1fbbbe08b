"""Lists in pages by key: a page begins behind the key of the last row of the page before it.

So rows that come and go between two pages neither repeat nor hide another. Who reads asks for one row more than a page
has room for, which tells whether anything follows. How a key looks in an address is `web.paging`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


@overload
def one_more(limit: int) -> int: ...


@overload
def one_more(limit: int | None) -> int | None: ...


def one_more(limit: int | None) -> int | None:
    """Return how many rows to ask for; None: all."""
    return None if limit is None else limit + 1


def cut(found: Sequence[T], limit: int | None, key: Callable[[T], int]) -> tuple[list[T], int | None]:
    """Return the page of at most *limit* rows, and the key behind which the next one begins, None at the end.

    *found*: the rows that `one_more` asked for.
    """
    if limit is None or len(found) <= limit:
        return list(found), None
    return list(found[:limit]), key(found[limit - 1])
