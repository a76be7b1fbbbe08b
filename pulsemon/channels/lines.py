"""Somebody's text made fit to stand in a line of ours: a subject, a sentence, a header."""

from __future__ import annotations

import re

# What could end a line, hide itself or turn the direction of the text around it.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+",
)
# The same in a text of several lines, whose own line ends stay.
_UNPRINTABLE_BUT_LINES = re.compile(_UNPRINTABLE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def one_line(text: str, length: int) -> str:
    """Return *text* as one line of at most *length* characters."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def several_lines(text: str, length: int) -> str:
    """Return *text* with its line ends, at most *length* characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    cleaned = "\n".join(_UNPRINTABLE_BUT_LINES.sub(" ", text).split("\n")).strip()
    return cleaned if len(cleaned) <= length else cleaned[: length - 1] + "…"
