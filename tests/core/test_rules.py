"""What a ping says by its method and body, and what is remarkable about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pulsemon.core.rules import NO_RULES, Flag, Outcome, Rules, flag, read_signal
from pulsemon.core.status import Signal
from tests.conftest import at

WORDS = Rules(success_keywords=("DONE", "ok"), failure_keywords=("ERROR",), start_keywords=("BEGIN",))


@pytest.mark.parametrize(
    ("body", "signal", "outcome"),
    [
        (b"all DONE", Signal.SUCCESS, Outcome.COUNTED),
        (b"DONE with 1 ERROR", Signal.FAIL, Outcome.COUNTED),
        (b"BEGIN", Signal.START, Outcome.COUNTED),
        (b"BEGIN ... DONE", Signal.SUCCESS, Outcome.COUNTED),
        (b"error, done", Signal.SUCCESS, Outcome.UNMATCHED),  # written otherwise
        (b"", Signal.SUCCESS, Outcome.UNMATCHED),
        (None, Signal.SUCCESS, Outcome.UNMATCHED),
        (b"\xff\xfe ok", Signal.SUCCESS, Outcome.COUNTED),
    ],
)
def test_words_failure_first(body: bytes | None, signal: Signal, outcome: Outcome) -> None:
    assert read_signal(WORDS, Signal.SUCCESS, method="POST", body=body) == (signal, outcome)


def test_without_words_of_success_anything_that_is_no_failure_is_one() -> None:
    rules = Rules(failure_keywords=("ERROR",))

    assert read_signal(rules, Signal.SUCCESS, method="GET", body=None) == (Signal.SUCCESS, Outcome.COUNTED)


@pytest.mark.parametrize("signal", [Signal.START, Signal.FAIL, Signal.LOG])
def test_what_the_url_says_needs_no_words(signal: Signal) -> None:
    assert read_signal(WORDS, signal, method="POST", body=b"ERROR") == (signal, Outcome.COUNTED)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_post_only(method: str) -> None:
    rules = Rules(is_post_only=True)

    assert read_signal(rules, Signal.SUCCESS, method=method, body=None)[1] is Outcome.METHOD
    assert read_signal(rules, Signal.SUCCESS, method="POST", body=None)[1] is Outcome.COUNTED
    assert read_signal(NO_RULES, Signal.SUCCESS, method=method, body=None)[1] is Outcome.COUNTED


def test_a_success_too_soon_after_the_last_ping_is_early() -> None:
    rules = Rules(min_gap=timedelta(minutes=5))

    def flagged(when: str, signal: Signal = Signal.SUCCESS) -> Flag | None:
        return flag(rules, signal, last_ping=at("10:00"), at=at(when))

    assert flagged("10:04:59") is Flag.EARLY
    assert flagged("10:05") is None
    assert flagged("10:01", Signal.FAIL) is None
    assert flagged("09:59") is None  # the clock was set back: how long after, nobody knows
    assert flag(NO_RULES, Signal.SUCCESS, last_ping=at("10:00"), at=at("10:01")) is None
    assert flag(rules, Signal.SUCCESS, last_ping=None, at=at("10:01")) is None
