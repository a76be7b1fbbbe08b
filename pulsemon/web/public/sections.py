"""How a public page lays its monitors out: in groups, folded where there are many, and whose days are drawn. Pure.

A page of many monitors folds its groups; one with something wrong stands open, and so does the one that is asked for.
Days are drawn for what stands open: to read and to send them is most of what a page costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulsemon.core import overall
from pulsemon.core.overall import Overall
from pulsemon.core.shown import Shown
from pulsemon.status_pages.public import PublicMonitor, PublicPage

# A page of more monitors folds its groups; and so many have their days drawn where nobody asks for more.
MAX_UNFOLDED = 200
# Of one group that somebody asks for.
MAX_ASKED = 1_000
_WRONG = frozenset({Shown.DOWN, Shown.BLIND})
# How the group of those that have none is asked for: no group of an owner's is called so.
NO_GROUP = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One group of a page; `name` None: those without one.

    `drawn_ids`: the monitors whose days are shown. `is_foldable`: it has a summary that opens and closes it.
    """

    name: str | None
    monitors: Sequence[PublicMonitor]
    counts: Mapping[Shown, int]
    is_foldable: bool
    is_open: bool
    drawn_ids: frozenset[int]

    @property
    def key(self) -> str:
        """Return what asks for it: its name, and something else where it has none."""
        return NO_GROUP if self.name is None else self.name

    @property
    def overall(self) -> Overall:
        """Return how its monitors are together."""
        return overall.of_monitors(self.counts)

    @property
    def drawn(self) -> list[PublicMonitor]:
        """Return the monitors whose days are shown."""
        return [each for each in self.monitors if each.id in self.drawn_ids]


def sections(page: PublicPage, *, asked: str | None = None) -> list[Section]:
    """Return the groups of a page in the owner's order; *asked*: the key of the one that somebody wants to see."""
    is_foldable = len(page.monitors) > MAX_UNFOLDED
    left = MAX_UNFOLDED
    made = []
    for name, monitors in page.groups:
        counts = Counter(each.shown for each in monitors)
        is_asked = is_foldable and asked == (NO_GROUP if name is None else name)
        is_open = not is_foldable or is_asked or not _WRONG.isdisjoint(counts)
        drawn = _drawn(monitors, MAX_ASKED if is_asked else left) if is_open else frozenset[int]()
        if not is_asked:
            left -= len(drawn)
        made.append(Section(name, monitors, counts, is_foldable, is_open, drawn))
    return made


def known_key(page: PublicPage, asked: str | None) -> str | None:
    """Return *asked* where it makes a difference: whoever invents groups gets the page that everybody gets."""
    if asked is None or len(page.monitors) <= MAX_UNFOLDED:
        return None
    return asked if any((each.group or NO_GROUP) == asked for each in page.monitors) else None


def section_of(page: PublicPage, asked: str) -> Section | None:
    """Return the one group that somebody asks for, open; None where there is none of that key."""
    return next((each for each in sections(page, asked=asked) if each.key == asked), None)


def _drawn(monitors: Sequence[PublicMonitor], most: int) -> frozenset[int]:
    """Return whose days are drawn; where there are too many for that, of what is wrong first."""
    if len(monitors) <= most:
        return _ids(monitors)
    wrong = [each for each in monitors if each.shown in _WRONG]
    return _ids([*wrong, *(each for each in monitors if each.shown not in _WRONG)][:most])


def _ids(monitors: Iterable[PublicMonitor]) -> frozenset[int]:
    return frozenset(each.id for each in monitors)
