"""What an owner may ask of a ping beyond its URL: a method, words in its body, a least distance to the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pulsemon.core.body_text import Words
from pulsemon.core.status import Signal


class Outcome(StrEnum):
    """What came of a ping; only `COUNTED` moves anything."""

    COUNTED = "counted"
    REPEAT = "repeat"  # the same rid said the same a moment ago
    PREFETCH = "prefetch"  # a browser preparing a page that nobody asked for
    PREVIEW = "preview"  # a robot that fetches an address because somebody wrote it somewhere
    METHOD = "method"  # only POST counts here
    UNMATCHED = "unmatched"  # none of the words that make a success


class Flag(StrEnum):
    """What is remarkable about a ping."""

    EARLY = "early"
    TEST = "test"  # sent by hand from the panel: no job said it


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one monitor. Words are compared as they are written, anywhere in the text of the body.

    `min_gap`: a success that follows the one before by less is flagged.
    """

    is_post_only: bool = False
    success_keywords: tuple[str, ...] = ()
    failure_keywords: tuple[str, ...] = ()
    start_keywords: tuple[str, ...] = ()
    min_gap: timedelta | None = None


NO_RULES = Rules()


def read_signal(
    rules: Rules, signal: Signal, *, method: str, body: bytes | None, charset: str | None = None
) -> tuple[Signal, Outcome]:
    """Return what a ping says under *rules*, and whether it counts. *charset*: that of its body, see `body_text`.

    Words are looked for only where the URL says nothing (a plain success), failure first: a job that prints both has
    failed. Where there are words for success and none is found, the ping says nothing at all.
    """
    if rules.is_post_only and method != "POST":
        return signal, Outcome.METHOD
    if signal is not Signal.SUCCESS:
        return signal, Outcome.COUNTED
    text = Words(body, charset)
    if any(text.hold(word) for word in rules.failure_keywords):
        return Signal.FAIL, Outcome.COUNTED
    if any(text.hold(word) for word in rules.success_keywords):
        return Signal.SUCCESS, Outcome.COUNTED
    if any(text.hold(word) for word in rules.start_keywords):
        return Signal.START, Outcome.COUNTED
    return signal, Outcome.UNMATCHED if rules.success_keywords else Outcome.COUNTED


def flag(rules: Rules, signal: Signal, *, last_ping: datetime | None, at: datetime) -> Flag | None:
    """Return what is remarkable about a counted ping at *at*; *last_ping* is the one before."""
    if rules.min_gap is None or last_ping is None or signal is not Signal.SUCCESS:
        return None
    return Flag.EARLY if timedelta(0) <= at - last_ping < rules.min_gap else None
