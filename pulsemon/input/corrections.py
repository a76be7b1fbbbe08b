"""A correction from JSON or from the panel's form: one rule for each field, and `Invalid` that names what breaks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pulsemon.availability.corrections import MAX_REASON_LENGTH
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input.rules import CONTROL, read_instant

FIELDS = ("started_at", "ended_at", "reason")
# No reason has a line break in it, of whatever kind.
_UNPRINTABLE = re.compile(rf"[{CONTROL}\u2028\u2029\ud800-\udfff]")

_MESSAGES = {
    "reason": N_("Say why, in 1 to 500 characters on one line."),
    "instant": N_("This must be an instant with its zone, such as 2026-11-23T20:00:00Z."),
    "order": N_("The end must lie after the start."),
    "future": N_("Time that is still to come cannot be excluded."),
    "not-object": N_("The body must be an object with started_at, ended_at and reason."),
    "unknown-field": N_("There is no such field. There are started_at, ended_at and reason."),
}


@dataclass(frozen=True, slots=True)
class NewCorrection:
    """The span that is to be excluded, aware and in UTC, and why."""

    started_at: datetime
    ended_at: datetime
    reason: str


def problem(field: str, code: str) -> FieldProblem:
    """Return what is wrong with *field*."""
    return FieldProblem(field, code, _MESSAGES[code])


def read_reason(text: object) -> str:
    """Return a reason, trimmed. Raises Invalid."""
    reason = text.strip() if isinstance(text, str) else ""
    if not 0 < len(reason) <= MAX_REASON_LENGTH or _UNPRINTABLE.search(reason):
        raise Invalid((problem("reason", "reason"),))
    return reason


def correction_from_json(data: object, *, now: datetime) -> NewCorrection:
    """Read the decoded JSON of a request that excludes a span. Raises Invalid, with one problem a field."""
    if not isinstance(data, dict):
        raise Invalid((problem("", "not-object"),))
    found = [problem("", "unknown-field") for name in data if name not in FIELDS][:1]
    start, end = _instant(data.get("started_at")), _instant(data.get("ended_at"))
    found += _span_problems(start, end, now)
    reason = ""
    try:
        reason = read_reason(data.get("reason"))
    except Invalid as wrong:
        found += wrong.problems
    if found or start is None or end is None:
        raise Invalid(tuple(found))
    return NewCorrection(start, end, reason)


def _span_problems(start: datetime | None, end: datetime | None, now: datetime) -> Iterator[FieldProblem]:
    for name, value in (("started_at", start), ("ended_at", end)):
        if value is None:
            yield problem(name, "instant")
    if start is None or end is None:
        return
    if end > now:
        yield problem("ended_at", "future")
    elif end <= start:
        yield problem("ended_at", "order")


def _instant(text: object) -> datetime | None:
    return read_instant(text) if isinstance(text, str) else None
