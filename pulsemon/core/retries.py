"""When a message is tried again, and when it is given up. Pure: the jitter is an argument."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

# Fast at first, because a pager that is silent for five minutes is a pager that failed; then slow, for receivers that
# are away for a weekend. Source: promise R3.
_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (2, 5, 10, 20, 40, 80, 300, 900, 3_600, 4 * 3_600, 12 * 3_600)
)
GIVE_UP_AFTER = timedelta(hours=72)
JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(hours=1)


def backoff(attempt: int, *, jitter: float, retry_after: timedelta | None = None) -> timedelta:
    """Return how long to wait after failed attempt number *attempt* (1 is the first).

    *jitter* lies in [-1, 1] and moves the delay by up to 20 %, so that messages that failed together do not come back
    together. A receiver that names a time (`retry_after`, at most an hour is honoured) is not asked sooner.
    """
    delay = _DELAYS[min(attempt, len(_DELAYS)) - 1] * (1 + JITTER * jitter)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after, LONGEST_RETRY_AFTER))


def is_given_up(age: timedelta, next_delay: timedelta) -> bool:
    """Return whether a message of *age* would, after *next_delay*, be older than the 72 hours it is tried for."""
    return age + next_delay > GIVE_UP_AFTER


def receiver(url: str) -> str:
    """Return the `host:port` that *url* goes to, in lower case: the receiver of messages to it.

    A URL that cannot be read has a receiver too, the empty one; sending to it fails and says why.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return ""
    return f"{(parts.hostname or '').lower()}:{port}"[:300]
