"""What becomes of the messages that maintenance held back, when it is over. Pure.

A receiver that was told a status is told the opposite one next, and nothing twice. So of what was held at most the
newest message is of use: if it differs from what the receiver knows, and if it is still true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pulsemon.core.status import Status

# A job that was stopped for the maintenance has this long to come back before its silence is told.
LONGEST_PATIENCE = timedelta(minutes=5)
# The least time there is: a span that reaches up to an instant and holds it ends so much later.
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Present:
    """The monitor now. `has_failed`: it said so itself; a DOWN without that is silence.

    `over_since`: when its last maintenance ended; None: too long ago to matter, or there was none. `told_before`: what
    was told last before the messages that are held; None: nothing that is still known.
    """

    status: Status
    has_failed: bool
    expected_every: timedelta  # interval and grace
    over_since: datetime | None
    told_before: Status | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The newest message goes out; the older ones are cancelled."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nobody knows yet; look again at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nothing of it is told."""


def judge(held: Sequence[Status], present: Present, *, now: datetime) -> Release | Wait | Cancel:
    """Return what becomes of the messages of one monitor, oldest first, that no maintenance holds any more.

    The first one says the opposite of what was told before it: so the receiver knows the newest one's status already
    unless the two say the same. A pause breaks that row: what is told before and after it may be the same.
    """
    newest = held[-1]
    is_known = held[0] is not newest and present.told_before in (None, newest)
    if is_known or newest is not present.status:
        return Cancel()
    if newest is Status.DOWN and (until := silent_until(present)) is not None and now < until:
        return Wait(until)
    return Release()


def silent_until(present: Present) -> datetime | None:
    """Return until when a DOWN is no news yet, because its job may still come back after maintenance; None: it is."""
    if present.has_failed or present.over_since is None:
        return None
    return present.over_since + min(present.expected_every, LONGEST_PATIENCE)
