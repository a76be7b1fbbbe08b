"""Does PulseMon do its work? What stands against it, and what its owner should look at.

*Reasons* are why pings cannot be stored or deadlines are not watched: `/ready` is 503 for them and for nothing else,
since a load balancer takes a node away for it. All else is a *warning*. Both are told to the owner alone. The heartbeat
to another monitor is withheld for reasons and for *troubles*, those warnings that say of PulseMon's own work that it is
not done; the rest is *advice*, which nobody should be woken for. A new warning is one more line in either.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pulsemon import clock
from pulsemon.db import Database
from pulsemon.deadlines import lost_zones
from pulsemon.deadlines.loop import Evaluation
from pulsemon.errors import Unavailable
from pulsemon.messages import outbox
from pulsemon.messages.loop import Dispatching
from pulsemon.operations.timekeeping import Timekeeping
from pulsemon.redaction import redact

# A write and a look at the deadlines not much older than a second: promise R9.
FRESH_SEC = 3.0
STALE_MESSAGES_SEC = 10.0
MIN_FREE_BYTES = 50_000_000
# Seven attempts at a monitor's webhook have failed by then (core/retries.py).
OLD_MESSAGE = timedelta(minutes=15)


class Readiness:
    """What the running parts say of themselves, asked for anew each time. Safe in any thread."""

    def __init__(
        self,
        database: Database,
        evaluation: Evaluation,
        dispatching: Dispatching,
        timekeeping: Timekeeping,
        *,
        folder: Path,
        vault_warning: str | None = None,
    ) -> None:
        self._database = database
        self._evaluation = evaluation
        self._dispatching = dispatching
        self._timekeeping = timekeeping
        self._folder = folder  # on the disk that fills
        self._vault_warning = vault_warning

    def reasons(self) -> tuple[str, ...]:
        """Return why pings cannot be stored or deadlines are not watched; asks no database."""
        return tuple(map(redact, self._reasons(clock.monotonic())))

    def warnings(self) -> tuple[str, ...]:
        """Return what else its owner should know."""
        return tuple(map(redact, (*self._troubles(clock.monotonic(), clock.now()), *self._advice())))

    def why_silent(self) -> tuple[str, ...]:
        """Return why the heartbeat to another monitor is withheld; empty while PulseMon does all of its work."""
        monotonic = clock.monotonic()
        return tuple(map(redact, (*self._reasons(monotonic), *self._troubles(monotonic, clock.now()))))

    def often_blind_sec(self) -> int | None:
        """Return for how many of the last ten minutes' seconds PulseMon was blind; None: for a minute at most."""
        return round(self._evaluation.blind_sec) if self._evaluation.is_often_blind else None

    def _reasons(self, monotonic: float) -> Iterator[str]:
        if self._database.write_failure is not None:
            yield f"the last write failed: {self._database.write_failure}"
        elif monotonic - self._database.wrote_at > FRESH_SEC:
            yield "nothing was written for some seconds"
        if monotonic - self._evaluation.ticked_at > FRESH_SEC:
            yield "deadlines were not looked at for some seconds"

    def _troubles(self, monotonic: float, now: datetime) -> Iterator[str]:
        """Yield a sentence for each. No secret, and nothing that waits for a network other than the database's."""
        if monotonic - self._dispatching.looked_at > STALE_MESSAGES_SEC:
            yield "messages were not looked at for some seconds"
        if (blind_sec := self.often_blind_sec()) is not None:
            yield f"PulseMon was blind for {blind_sec} seconds of the last ten minutes"
        try:
            yield from self._old_messages(now)
            yield from self._unknown_messages(now)
        except Unavailable:
            pass  # a reason by itself
        yield from self._disk()

    def _advice(self) -> Iterator[str]:
        yield from lost_zones.told(self._evaluation.lost)
        if clock_is_off := self._timekeeping.warning():
            yield clock_is_off
        if self._vault_warning is not None:
            yield self._vault_warning

    def _old_messages(self, now: datetime) -> Iterator[str]:
        oldest_at = outbox.oldest_owed_to_webhooks_at(self._database)
        if oldest_at is not None and now - oldest_at > OLD_MESSAGE:
            minutes = int((now - oldest_at).total_seconds() / 60)
            yield f"the oldest message that was not delivered is {minutes} minutes old"

    def _unknown_messages(self, now: datetime) -> Iterator[str]:
        """A newer server beside this one takes its own within seconds; what is long due waits for one that is gone."""
        old = [each for each in outbox.unknown(self._database) if now - each.due_at > OLD_MESSAGE]
        if old:
            count, kinds = sum(each.count for each in old), ", ".join(each.kind for each in old)
            yield f"messages that this PulseMon does not know how to send wait for a newer one: {count} ({kinds})"

    def _disk(self) -> Iterator[str]:
        try:
            if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
                yield "less than 50 MB of disk are free"
        except OSError:
            yield "the disk of the database cannot be looked at"
