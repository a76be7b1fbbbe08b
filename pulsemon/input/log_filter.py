"""What of a log is asked for in an address: `signal`, `text`, `since`, `until`. One reading for API and panel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from pulsemon.core.status import Signal
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem
from pulsemon.heartbeats.ping_chain import Filter
from pulsemon.input.monitors import problem

FIELDS = ("signal", "text", "since", "until")
MAX_TEXT = 200
_SIGNAL = N_("This must be success, start, fail or log.")
_INSTANT = N_("This must be a date and a time in UTC, written like 2026-03-02T14:30.")
_ORDER = N_("This must be later than the beginning.")


def read_filter(query: Mapping[str, str], *, zone: tzinfo = UTC) -> tuple[Filter, tuple[FieldProblem, ...]]:
    """Return what an address's *query* asks for, and what is wrong in it; a wrong or empty field filters nothing.

    Times that name no zone are those of *zone*.
    """
    signal, text = query.get("signal", "").strip(), query.get("text", "").strip()
    since, until = _instant(query.get("since", ""), zone), _instant(query.get("until", ""), zone)
    problems: list[FieldProblem] = []
    if signal and signal not in tuple(Signal):
        problems.append(FieldProblem("signal", "signal", _SIGNAL))
        signal = ""
    if len(text) > MAX_TEXT:
        problems.append(problem("text", "too-long", (("max", MAX_TEXT),)))
        text = ""
    for name, instant in (("since", since), ("until", until)):
        if instant is None and query.get(name, "").strip():
            problems.append(FieldProblem(name, "instant", _INSTANT))
    if since is not None and until is not None and until <= since:
        problems.append(FieldProblem("until", "order", _ORDER))
        until = None
    return Filter(signal, text, since, until), tuple(problems)


def _instant(text: str, zone: tzinfo) -> datetime | None:
    """Read ISO 8601; what names no zone is of *zone*. None for anything else."""
    try:
        instant = datetime.fromisoformat(text.strip())
        return (instant.replace(tzinfo=zone) if instant.tzinfo is None else instant).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
