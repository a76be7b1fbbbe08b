"""The sentence that says why a status changed: one template per cause, filled with numbers and
lengths only.

The English rendering is what history keeps as its note; the panel renders the same detail in the reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from pulsemon.core import durations
from pulsemon.core.status import Cause
from pulsemon.core.texts import N_


@dataclass(frozen=True, slots=True)
class Detail:
    """The numbers a note speaks of; None where they do not apply. Seconds."""

    interval_seconds: int | None = None
    grace_seconds: int | None = None
    run_limit_seconds: int | None = None
    exit_status: int | None = None
    in_a_row: int | None = None
    has_calendar: bool = False
    was_blind: bool = False
    blind_count: int | None = None  # separate windows since the last ping, where there was more than one
    is_by_word: bool = False
    is_test: bool = False

    def to_json(self) -> str:
        """Return what `from_json` reads; fields that do not apply are left out."""
        applies = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        return json.dumps(applies)

    @classmethod
    def from_json(cls, text: str | None) -> Detail:
        """Read what `to_json` wrote; fields of a later version are passed over."""
        known = json.loads(text or "{}")
        return cls(**{name: known[name] for name in cls.__slots__ if name in known})


NO_DETAIL = Detail()

_TEMPLATES: dict[Cause, str] = {
    Cause.PING: N_("A ping arrived."),
    Cause.SILENCE: N_("No ping within the interval of %(interval)s and the grace of %(grace)s."),
    Cause.FAILURE: N_("The job reported a failure."),
    Cause.RUN_LIMIT: N_("A run was started and did not end within %(run_limit)s."),
    Cause.EDIT: N_("The interval, the grace, the schedule or the run limit was changed."),
    Cause.SWEEP: N_("The full sweep corrected the status."),
    Cause.PAUSE: N_("Paused."),
    Cause.RESUME: N_("Resumed; waiting for the next ping."),
}
_SCHEDULED = N_("No ping at the time that the schedule expects, nor within the grace of %(grace)s.")
_TEST = N_("A test ping from the panel arrived.")
_IN_A_ROW = N_("It was number %(in_a_row)d in a row.")
_EXIT_STATUS = N_("The job ended with exit status %(exit_status)d.")
_BY_WORD = N_("The job's output holds a word that means failure.")
_WAS_BLIND = N_("PulseMon was blind when one was due: a ping may have been lost.")
_WAS_BLIND_AGAIN = N_(
    "PulseMon was blind %(blind_count)d times since the last ping: several pings in a row may have been lost."
)


def read_cause(stored: str | None) -> Cause | None:
    """Return the cause of that name. None for one of a later version, as for none: the note speaks for itself."""
    return Cause(stored) if stored in tuple(Cause) else None


def describe(cause: Cause, detail: Detail, *, translate: Callable[[str], str] = str) -> str:
    """Return the sentence for *cause* in the language of *translate*."""
    template = _TEMPLATES[cause]
    if cause is Cause.FAILURE and detail.is_by_word:
        template = _BY_WORD
    elif cause is Cause.FAILURE and detail.exit_status is not None:
        template = _EXIT_STATUS
    elif cause is Cause.SILENCE and detail.has_calendar:
        template = _SCHEDULED
    elif cause is Cause.PING and detail.is_test:
        template = _TEST
    numbers: dict[str, object] = {name: value or 0 for name, value in asdict(detail).items()}
    numbers |= {name: durations.write(seconds or 0) for name, seconds in _lengths_of(detail)}
    sentences = [template]
    if detail.in_a_row:
        sentences.append(_IN_A_ROW)
    if detail.was_blind:
        sentences.append(_WAS_BLIND_AGAIN if detail.blind_count else _WAS_BLIND)
    return " ".join(translate(sentence) % numbers for sentence in sentences)


def _lengths_of(detail: Detail) -> tuple[tuple[str, int | None], ...]:
    return (
        ("interval", detail.interval_seconds),
        ("grace", detail.grace_seconds),
        ("run_limit", detail.run_limit_seconds),
    )
