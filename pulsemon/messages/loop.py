"""Sending messages: lease what is due, send it side by side, settle what came of it in batches.

The loop's thread sends; the database is used in other threads. What is in flight when the process dies is leased, and
becomes due again by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from pulsemon import log
from pulsemon.channels.channel import Channel
from pulsemon.channels.message import Delivered, Outcome, Reason, Retry
from pulsemon.channels.registry import SHARED_RECEIVERS
from pulsemon.core import places
from pulsemon.core.places import Standing
from pulsemon.db import Database
from pulsemon.errors import Unavailable
from pulsemon.messages import outbox
from pulsemon.messages.outbox import Leased, Sent

_log = log.get(__name__)

# How often to look for what became due by time alone; whatever is written by this process wakes the loop at once.
LOOK_SEC = 1.0
STOP_PATIENCE_SEC = 2.0


class Dispatching:
    """The sending side of one process."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        on_settled: Callable[[], None],
    ) -> None:
        self._database = database
        self._channels = channels
        self._now = now
        self._monotonic = monotonic
        self._on_settled = on_settled
        self._in_flight: Counter[str] = Counter()
        # What the last attempt says of its receiver; None until the database was asked.
        self._standings: dict[str, Standing] | None = None
        # Of what is being sent to receivers that are not known to hang: since when, and the limit that ends it.
        self._hurried: dict[int, tuple[float, asyncio.Timeout]] = {}
        self._sent: list[Sent] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._is_stopping = False
        self.outcomes: Counter[str] = Counter({"delivered": 0, "retry": 0, "rejected": 0})
        self._random = random.SystemRandom()
        self.looked_at = monotonic()

    def wake(self) -> None:
        """Look for due messages now. Belongs to the loop's thread."""
        self._wake.set()

    async def run(self) -> None:
        """Lease, send and settle until cancelled."""
        while not self._is_stopping:
            self._wake.clear()
            try:
                await self._settle()
                await self._lease()
                self.looked_at = self._monotonic()
            except Unavailable as failed:
                _log.warning("delivery.unavailable", reason=str(failed))
            except Exception:
                _log.exception("delivery.failed")
            try:
                async with asyncio.timeout(LOOK_SEC):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """Let what is being sent end, if it ends soon, and settle it; the rest is leased and will be sent again."""
        self._is_stopping = True
        self._wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_PATIENCE_SEC)
        for task in self._tasks:
            task.cancel()
        try:
            while self._sent:
                await self._settle()
        except Unavailable as failed:
            _log.warning("delivery.unavailable", reason=str(failed))

    async def _lease(self) -> None:
        if self._standings is None:
            self._standings = await asyncio.to_thread(outbox.standings, self._database)
        self._make_room()
        leased = await asyncio.to_thread(
            outbox.lease_due,
            self._database,
            now=self._now(),
            in_flight=dict(self._in_flight),
            standing_of=self._standing_of,
            kinds=self._channels,
        )
        if len(leased) == outbox.BATCH:
            self._wake.set()
        for each in leased:
            self._in_flight[each.receiver] += 1
            task = asyncio.create_task(self._send(each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _standing_of(self, receiver: str) -> Standing:
        if receiver in SHARED_RECEIVERS:
            return Standing.ANSWERS
        return (self._standings or {}).get(receiver, Standing.UNKNOWN)

    def _make_room(self) -> None:
        """Where few places are free, end what has lasted long without being known for it; it is tried again."""
        if not places.is_scarce(self._in_flight.total(), places=outbox.MAX_IN_FLIGHT):
            return
        for since, limit in list(self._hurried.values()):
            if self._monotonic() - since >= places.PATIENCE.total_seconds() and not limit.expired():
                limit.reschedule(0)

    def _learn(self, sent: Sent) -> None:
        standings, receiver = self._standings, sent.leased.receiver
        if standings is None or receiver in SHARED_RECEIVERS:
            return
        standings.pop(receiver, None)  # to the end: the oldest are forgotten first
        standings[receiver] = places.standing(sent.finished_at - sent.started_at)
        while len(standings) > outbox.MAX_REMEMBERED:
            del standings[next(iter(standings))]

    async def _send(self, leased: Leased) -> None:
        started_at = self._now()
        may_hurry = leased.receiver not in SHARED_RECEIVERS and self._standing_of(leased.receiver) is not Standing.HANGS
        try:
            async with asyncio.timeout(None) as limit:
                if may_hurry:
                    self._hurried[leased.delivery_id] = (self._monotonic(), limit)
                outcome = await self._channels[leased.kind].send(leased, sent_at=started_at)
        except TimeoutError:
            outcome = Retry(Reason.TIMEOUT, excerpt="Too many receivers did not answer; this one had three seconds.")
        except Exception:
            _log.exception("delivery.crashed", message=leased.message.message_id)
            outcome = Retry(Reason.INTERNAL)
        finally:
            self._in_flight[leased.receiver] -= 1
            self._hurried.pop(leased.delivery_id, None)
        finished_at = self._now()
        sent = Sent(leased, outcome, started_at, finished_at, jitter=self._random.uniform(-1, 1))
        self._sent.append(sent)
        self._learn(sent)
        self._count(leased, outcome)
        self._wake.set()

    def _count(self, leased: Leased, outcome: Outcome) -> None:
        name = type(outcome).__name__.lower()
        self.outcomes[name] += 1
        fields = {"message": leased.message.message_id, "receiver": leased.receiver, "attempt": leased.attempt}
        if isinstance(outcome, Delivered):
            _log.info("delivery.delivered", **fields)
        else:
            _log.warning(f"delivery.{name}", reason=outcome.reason, status=outcome.status_code, **fields)

    async def _settle(self) -> None:
        """Write what came of the messages sent since last time; kept for another try while the database is away.

        What cannot be written for another reason is let go: its lease ends and it is sent again, and the messages
        behind it do not wait for ever.
        """
        sent, self._sent = self._sent[: outbox.BATCH], self._sent[outbox.BATCH :]
        if not sent:
            return
        if self._sent:
            self._wake.set()
        try:
            await asyncio.to_thread(outbox.settle, self._database, sent)
        except Unavailable:
            self._sent = sent + self._sent
            raise
        except Exception:
            _log.exception("delivery.not_settled", messages=len(sent))
            return
        self._on_settled()
