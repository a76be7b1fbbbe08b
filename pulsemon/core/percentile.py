"""One rule for what most of many values do not exceed, in a drawing and in a proposal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def percentile(ascending: Sequence[T], percent: int) -> T:
    """Return the least value that *percent* of them do not exceed: one that was seen, not one in between."""
    return ascending[max(-(-len(ascending) * percent // 100) - 1, 0)]
