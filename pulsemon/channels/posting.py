"""One POST of a channel, and what the answer to it means. It logs nothing: a URL is a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pulsemon.channels.http import Failed, GuardedClient, NotSent, Reply
from pulsemon.channels.message import Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.core.retries import LONGEST_RETRY_AFTER


async def post(
    client: GuardedClient, url: str, *, headers: Mapping[str, str], content: bytes, sent_at: datetime
) -> Outcome:
    """POST *content* to *url* once and return what came of it; a date in Retry-After counts from *sent_at*.

    Nothing that a receiver, a name server or the network does raises: each is an outcome.
    """
    try:
        reply = await client.post(url, headers=headers, content=content)
    except NotSent as problem:
        return not_sent(problem)
    except Failed as problem:
        return Retry(problem.reason, excerpt=str(problem))
    return _outcome(reply, sent_at)


def not_sent(problem: NotSent) -> Rejected:
    """Return what it means that a message could not even be asked for: trying again would change nothing."""
    return Rejected(problem.reason, excerpt=str(problem))


def _outcome(reply: Reply, sent_at: datetime) -> Outcome:
    status = reply.status_code
    if 200 <= status < 300:
        return Delivered(status)
    if status == 410:
        return Rejected(Reason.GONE, status, switch_off=True, excerpt=reply.excerpt)
    # A redirect is not followed: it would send the message, and the proof that it is ours, to a host nobody entered.
    reason = Reason.REDIRECT if 300 <= status < 400 else Reason.STATUS
    wait = retry_after(reply.headers.get("retry-after"), now=sent_at)
    return Retry(reason, status, retry_after=wait, excerpt=reply.excerpt)


def retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Return how long a Retry-After header asks to wait from *now*, at most an hour; None if it says nothing usable.

    Seconds, with a fraction too (Discord sends one), or a date (RFC 9110, 10.2.3).
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        # More digits than this are longer than the cap, and more than int() reads.
        wait = timedelta(seconds=float(text)) if len(text) <= 12 else LONGEST_RETRY_AFTER
    elif (named_at := _http_date(text)) is not None:
        wait = named_at - now
    else:
        return None
    return min(wait, LONGEST_RETRY_AFTER) if wait > timedelta() else None


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
