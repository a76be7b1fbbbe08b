"""When a message is tried again: the schedule of promise R3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.retries import backoff, is_given_up, receiver

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
# 2, 5, 10, 20, 40, 80 s, then 5 min, 15 min, 1 h, 4 h, 12 h, and 12 h from then on.
SCHEDULE = [2, 5, 10, 20, 40, 80, 300, 900, 3_600, 14_400, 43_200, 43_200, 43_200]


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(SCHEDULE, start=1)))
def test_the_schedule(attempt: int, seconds: int) -> None:
    assert backoff(attempt, jitter=0) == seconds * SECOND


@given(st.integers(1, 1_000), st.floats(-1, 1))
def test_jitter_moves_a_delay_by_at_most_a_fifth(attempt: int, jitter: float) -> None:
    plain = backoff(attempt, jitter=0)

    assert abs(backoff(attempt, jitter=jitter) - plain) <= plain * 0.2 + timedelta(microseconds=1)


def test_jitter_reaches_a_fifth_both_ways() -> None:
    assert (backoff(3, jitter=-1), backoff(3, jitter=1)) == (8 * SECOND, 12 * SECOND)


def test_a_receiver_that_names_a_time_is_not_asked_sooner() -> None:
    assert backoff(1, jitter=0, retry_after=30 * SECOND) == 30 * SECOND


def test_a_receiver_that_names_a_short_time_is_not_asked_before_the_schedule_says_so() -> None:
    assert backoff(6, jitter=0, retry_after=1 * SECOND) == 80 * SECOND


def test_a_receiver_can_put_us_off_by_an_hour_at_most() -> None:
    assert backoff(1, jitter=0, retry_after=100 * HOUR) == HOUR
    assert backoff(11, jitter=0, retry_after=100 * HOUR) == 12 * HOUR


def test_given_up_when_the_next_attempt_would_lie_beyond_72_hours() -> None:
    assert not is_given_up(60 * HOUR, 12 * HOUR)
    assert is_given_up(60 * HOUR, 12 * HOUR + timedelta(microseconds=1))


def test_the_schedule_is_walked_for_about_three_days_and_ends() -> None:
    age, attempt = timedelta(0), 1
    while not is_given_up(age, delay := backoff(attempt, jitter=1)):
        age += delay
        attempt += 1

    assert timedelta(hours=48) < age <= timedelta(hours=72)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Hooks.Example.ORG/a/b?c", "hooks.example.org:443"),
        ("http://hooks.example.org/other", "hooks.example.org:80"),
        ("http://user:secret@10.0.0.5:9000/x", "10.0.0.5:9000"),
        ("https://[::1]:8443/", "::1:8443"),
        ("http://[::1", ""),
        ("http://host:99999/", ""),
        ("", ":443"),
    ],
)
def test_messages_to_one_host_and_port_share_a_receiver(url: str, expected: str) -> None:
    assert receiver(url) == expected
