"""The beginning of a long text."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_EXCERPT = 800


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text, Markdown still; `is_cut`: there is more."""

    text: str
    is_cut: bool


def excerpt(text: str) -> Excerpt:
    """Return as much of *text* as a page of many things has room for, cut between two words."""
    if len(text) <= MAX_EXCERPT:
        return Excerpt(text, False)
    cut = re.sub(r"\s+\S*$", "", text[:MAX_EXCERPT])
    return Excerpt(cut, True)
