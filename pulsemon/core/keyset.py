"""Lists in parts by key: a part begins behind the key of the last row of the part before it.

So rows that come and go between two parts neither repeat nor hide another. Who reads asks for one row more than a part
has room for, which tells whether anything follows. How a key stands in the API's addresses is `web.http.paging`'s
business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar, overload

T = TypeVar("T")
K = TypeVar("K")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,10})")
# What an INTEGER of PostgreSQL holds; a longer number in an address names nothing.
LARGEST_ID = 2**31 - 1
# What a BIGINT holds: ids of pings and of messages, and instants as keys.
LARGEST_LONG_ID = 2**63 - 1


@overload
def one_more(limit: int) -> int: ...


@overload
def one_more(limit: int | None) -> int | None: ...


def one_more(limit: int | None) -> int | None:
    """Return how many rows to ask for; None: all."""
    return None if limit is None else limit + 1


def cut(found: Sequence[T], limit: int | None, key: Callable[[T], K]) -> tuple[list[T], K | None]:
    """Return the part of at most *limit* rows, and the key behind which the next one begins, None at the end.

    *found*: the rows that `one_more` asked for.
    """
    if limit is None or len(found) <= limit:
        return list(found), None
    return list(found[:limit]), key(found[limit - 1])


def number_of(instant: datetime) -> int:
    """Return *instant* (aware) as a key: microseconds since 1970, which is as exactly as a database keeps it."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(number: int) -> datetime:
    """Return the instant that `number_of` wrote; of a number beyond all years the last one."""
    return _EPOCH + _MICROSECOND * min(number, number_of(_LAST))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a part of a list in the order of time begins: behind the row *id* among those of an instant."""

    at: datetime
    id: int

    def to_text(self) -> str:
        """Return it for an address."""
        return f"{number_of(self.at)}-{self.id}"

    @classmethod
    def from_text(cls, text: str) -> Cursor | None:
        """Return the cursor that `to_text` wrote; None for anything else."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[2]) > LARGEST_ID:
            return None
        return cls(instant_of(int(found[1])), int(found[2]))
