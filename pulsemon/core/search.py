"""What a monitor is found by: one folded text of each, and what a search asks of it. Pure.

Case and accents are ignored: "producao" finds "Produção". The text holds everything that a search may name, so that any
number of conditions is asked of one column.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from pulsemon.core.placement import Placement

# Two monitors whose names begin with so many equal characters stand in the order of their creation.
KEY_LENGTH = 80
MAX_TYPED = 200
# More words than this find no less.
MAX_WORDS = 12
# In front of what is searched whole. No text of a user holds them.
_GROUP, _ENVIRONMENT, _TAG, _END = "\x01", "\x02", "\x03", "\n"
_PREFIXES = {
    "tag": "tag",
    "etiqueta": "tag",
    "group": "group",
    "grupo": "group",
    "environment": "environment",
    "env": "environment",
    "ambiente": "environment",
}
# A word, or a word with a text in quotation marks: tag:"two words".
_PART = re.compile(r'(?:(\w+):)?(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for: all of it holds. Empty: everything is found.

    `words` stand anywhere in name, slug, group, environment or a tag; `tags`, `groups` and `environments` are whole.
    """

    words: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what the text of a monitor has to contain: each once, the longest first, which fits fewest."""
        marked = (
            *(fold(each) for each in self.words),
            *(f"{_GROUP}{fold(each)}{_END}" for each in self.groups),
            *(f"{_ENVIRONMENT}{fold(each)}{_END}" for each in self.environments),
            *(f"{_TAG}{fold(each)}{_END}" for each in self.tags),
        )
        object.__setattr__(self, "parts", tuple(sorted(dict.fromkeys(filter(None, marked)), key=len, reverse=True)))


def fold(text: str) -> str:
    """Return *text* without what a search ignores: case, accents, and how wide its blanks are."""
    apart = unicodedata.normalize("NFKD", text)
    plain = "".join(each for each in apart if not unicodedata.combining(each))
    return " ".join(plain.casefold().split())


def fits_group(wanted: Wanted, name: str) -> bool:
    """Return whether the name of a group alone is what is asked for; then so is every monitor of it."""
    return _holds_all(wanted, f"{_GROUP}{fold(name)}{_END}")


def fits_tag(wanted: Wanted, name: str) -> bool:
    """Return whether a tag alone is what is asked for; then so is every monitor that has it."""
    return _holds_all(wanted, f"{_TAG}{fold(name)}{_END}")


def _holds_all(wanted: Wanted, text: str) -> bool:
    return all(each in text for each in wanted.parts)


def name_key(name: str) -> str:
    """Return what monitors are put in order by."""
    return fold(name)[:KEY_LENGTH]


def text_of(name: str, slug: str, placement: Placement) -> str:
    """Return what a monitor is found by; `Wanted.parts` are contained in it where it fits."""
    lines = [fold(name), fold(slug)]
    if placement.group:
        lines.append(_GROUP + fold(placement.group))
    if placement.environment:
        lines.append(_ENVIRONMENT + fold(placement.environment))
    lines += [_TAG + fold(each) for each in placement.tags]
    return _END.join(lines) + _END


def read(
    typed: str, *, groups: Sequence[str] = (), environments: Sequence[str] = (), tags: Sequence[str] = ()
) -> Wanted:
    """Return what *typed* asks for, with further filters: words, some with `tag:`, `group:` or `environment:`.

    Nothing is wrong in a search: what is no prefix is a word.
    """
    found: dict[str, list[str]] = {
        "word": [],
        "group": list(groups),
        "environment": list(environments),
        "tag": list(tags),
    }
    for prefix, quoted, plain in _PART.findall(typed[:MAX_TYPED].replace("\0", " "))[:MAX_WORDS]:
        text = quoted or plain
        kind = _PREFIXES.get(fold(prefix)) if prefix else None
        if kind is not None and text:
            found[kind].append(text)
        else:
            found["word"].append(f"{prefix}:{text}" if prefix else text)
    return Wanted(*(tuple(found[kind]) for kind in ("word", "group", "environment", "tag")))
