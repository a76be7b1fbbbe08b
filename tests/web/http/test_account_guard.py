"""Whoever guesses at one account is slowed, from wherever; its owner is not, and nobody is locked out."""

from __future__ import annotations

from datetime import timedelta

from pulsemon.web.http.account_guard import HOUR, PAUSE, WRONG_IN_AN_HOUR, AccountGuard
from tests.arrange import START, seconds

ANA = "ana@example.org"


def _guessed_at() -> AccountGuard:
    guard = AccountGuard()
    for number in range(WRONG_IN_AN_HOUR):
        assert guard.wait_sec(ANA, f"10.0.0.{number}", is_known=False, now=START) == 0
        guard.note_wrong(ANA, now=START)
    return guard


def test_after_many_wrong_ones_a_stranger_is_judged_once_in_five_minutes() -> None:
    guard = _guessed_at()

    assert guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START) == 0
    assert guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START + seconds(100)) == 201
    assert guard.wait_sec(ANA, "10.9.9.8", is_known=False, now=START + seconds(100)) == 0
    assert guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START + PAUSE) == 0


def test_where_the_owner_logs_in_from_nothing_changes() -> None:
    guard = _guessed_at()

    assert [guard.wait_sec(ANA, "10.0.0.1", is_known=True, now=START) for _ in range(50)] == [0] * 50


def test_other_accounts_and_later_hours_are_judged_as_ever() -> None:
    guard = _guessed_at()
    guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START)

    assert [guard.wait_sec("bia@example.org", "10.9.9.9", is_known=False, now=START) for _ in range(5)] == [0] * 5
    later = START + HOUR
    assert [guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=later) for _ in range(5)] == [0] * 5


def test_a_clock_that_is_set_back_makes_nobody_wait_for_longer() -> None:
    guard = _guessed_at()
    guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START)

    assert guard.wait_sec(ANA, "10.9.9.9", is_known=False, now=START - timedelta(days=1)) == 0
