"""iCalendar as text: lines, escaped and folded. Source: RFC 5545, 3.1 and 3.3.11.

Own, because this is all of the format that a list of events needs; a test has the library `icalendar` read it
(docs/decisions/0002-dependencies.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

_MAX_OCTETS = 75
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def document(lines: Iterable[tuple[str, str]]) -> bytes:
    """Return (name, value) pairs as the bytes of a calendar; texts among the values went through `text`."""
    return b"".join(_folded(f"{name}:{value}".encode()) for name, value in lines)


def text(anything: str) -> str:
    """Return a text as the value of a property: nothing in it ends a line or a value."""
    plain = anything.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    plain = _UNPRINTABLE.sub("", plain)
    for character in ("\\", ";", ","):
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("\n", "\\n")


def moment(instant: datetime) -> str:
    """Return an instant in UTC, to the second."""
    return f"{instant:%Y%m%dT%H%M%SZ}"


def _folded(line: bytes) -> bytes:
    """Break a line so that none is longer than 75 octets, and never within a character."""
    parts = []
    room = _MAX_OCTETS
    while len(line) > room:
        end = room
        while line[end] & 0xC0 == 0x80:  # the middle of a character in UTF-8
            end -= 1
        parts.append(line[:end])
        line, room = line[end:], _MAX_OCTETS - 1  # the space in front counts
    return b"\r\n ".join([*parts, line]) + b"\r\n"
