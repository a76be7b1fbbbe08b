"""Group commit: many pings share one flush to disk, and each is answered after it.

No timer gathers a batch: what arrived during the last flush is the next one. The queue belongs to the event loop's
thread, the writing to one other thread; a batch is handed over in the loop's thread only (swapping the queue from the
writer's thread can lose a ping), one batch at a time.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isqrt

from pulsemon import log
from pulsemon.core.status import CLOCK_TOLERANCE
from pulsemon.errors import Contended, Unavailable
from pulsemon.heartbeats.pings import Answer, Batch, Ping

_log = log.get(__name__)

# Measured: beyond a few hundred a larger batch gains nothing, and the others wait longer for the write slot.
MAX_BATCH = 500
MAX_BATCH_BYTES = 8_000_000
# About a second of full load: what waits longer is answered 503, not remembered.
MAX_WAITING = 20_000
MAX_WAITING_BYTES = 64_000_000
# A client hears within five seconds of its request; the rest is for the answer's way back.
PATIENCE_SEC = 4.5
# Refusals further apart, with nothing stored between them, are two troubles: what lies between was watched after all.
ONE_TROUBLE = timedelta(hours=1)
# What one more transaction may take that waits for a locked row in vain, see `Database.write`.
APART_SEC = 0.3


class _Waiting:
    """A ping that has no answer yet. No dataclass: one is made for every ping."""

    __slots__ = ("_tell", "ping", "since")

    def __init__(self, ping: Ping, tell: Callable[[Answer], None], since: float) -> None:
        self.ping = ping
        self.since = since  # monotonic
        self._tell: Callable[[Answer], None] | None = tell

    @property
    def is_answered(self) -> bool:
        return self._tell is None

    def answer(self, answer: Answer) -> None:
        """Tell whoever waits, once; the first answer holds."""
        tell, self._tell = self._tell, None
        if tell is None:
            return
        try:
            tell(answer)
        except Exception:  # whatever became of that client, the others wait for theirs
            _log.exception("ping.answer_failed")


@dataclass(slots=True)
class Counts:
    """What the lane has done since the start, for the metrics."""

    stored: int = 0
    unknown: int = 0
    unavailable: int = 0
    batches: int = 0
    transitions: int = 0


def _settle(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():  # its task may have been cancelled
        future.set_result(answer)


class GroupCommit:
    """The queue in front of `store`. All methods but `run` and the properties belong to the loop's thread."""

    def __init__(
        self,
        store: Callable[[Sequence[Ping]], Batch],
        *,
        monotonic: Callable[[], float],
        on_stored: Callable[[Batch], None],
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._on_stored = on_stored
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._in_flight: list[_Waiting] = []
        self._is_busy = False
        self._is_stopping = False
        self._work: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._promised_until = datetime.min.replace(tzinfo=UTC)  # what `stored_until` was asked for
        self._refusals: list[datetime] = []
        self._refused_at: datetime | None = None  # the last, while nothing has been stored since
        self.counts = Counts()

    def submit(self, ping: Ping) -> asyncio.Future[Answer]:
        """Queue *ping*; the future's result is its answer. It never fails: trouble is `Answer.UNAVAILABLE`."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.submit_for(ping, partial(_settle, future))
        return future

    def submit_for(self, ping: Ping, tell: Callable[[Answer], None]) -> None:
        """Queue *ping*; *tell* is called with its answer, at once where it is refused, in the loop's thread.

        A future and its callback would cost as much as reading the request.
        """
        size = len(ping.body) if ping.body else 0
        if self._is_stopping or len(self._queue) >= MAX_WAITING or self._queued_bytes + size > MAX_WAITING_BYTES:
            self._refuse([_Waiting(ping, tell, 0.0)])
            return
        self._queued_bytes += size
        self._queue.append(_Waiting(ping, tell, self._monotonic()))
        # Only now: whoever asked before did not see it, and whoever asks from here on does.
        if ping.received_at < self._promised_until <= ping.received_at + CLOCK_TOLERANCE:
            ping.received_at = self._promised_until
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._hand_over)

    def stored_until(self, now: datetime) -> datetime:
        """Return the instant, *now* at most, before which every ping that has arrived is stored. From one thread.

        No deadline after it may be called missed. A ping that bears an earlier instant and is not queued yet, because
        the loop's thread was interrupted between the two, is held to have arrived when this was asked.
        """
        self._promised_until = max(self._promised_until, now)
        found = [now]
        # The queue first: a ping moves from it into the batch, so that whoever misses it here meets it there.
        for name in ("_queue", "_in_flight"):
            try:
                found.append(getattr(self, name)[0].ping.received_at)
            except IndexError:  # empty, or emptied this very moment
                continue
        return min(found)

    def take_refusals(self) -> list[datetime]:
        """Return when pings were answered 503 since the last call (first and last are enough). Safe in any thread."""
        taken, self._refusals = self._refusals, []
        return taken

    def give_up_on_old(self) -> None:
        """Answer 503 to whoever has waited too long; called a few times a second.

        What still waits in the queue is dropped. What is being written may yet be stored: the client is told to
        repeat, which is always safe.
        """
        oldest = self._monotonic() - PATIENCE_SEC
        late = []
        while self._queue and self._queue[0].since < oldest:
            waiting = self._queue.popleft()
            self._queued_bytes -= len(waiting.ping.body or b"")
            late.append(waiting)
        late += [waiting for waiting in self._in_flight if waiting.since < oldest and not waiting.is_answered]
        self._refuse(late)

    async def drain(self, *, patience_sec: float) -> None:
        """Stop taking pings, let the writer finish what is queued, and end its thread."""
        self._is_stopping = True
        give_up_at = self._monotonic() + patience_sec
        # Polled: an event would have to be set on the hot path for the one moment of a process's life that waits.
        while (self._is_busy or self._queue) and self._monotonic() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._work.put(None)

    def run(self) -> None:
        """Write batch after batch; the body of the writer's thread. Returns after `drain`."""
        while (batch := self._work.get()) is not None:
            self._loop.call_soon_threadsafe(self._resolve, batch, self._write_in_time(batch))

    def _hand_over(self) -> None:
        # In sight of `stored_until` all the way: what is in neither list for a moment could be judged missing.
        batch = self._in_flight = []
        size = 0
        while self._queue and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            waiting = self._queue[0]
            batch.append(waiting)
            self._queue.popleft()
            size += len(waiting.ping.body or b"")
        self._queued_bytes -= size
        self._is_busy = bool(batch)
        if batch:
            self._work.put(batch)

    def _resolve(self, batch: list[_Waiting], answers: list[Answer]) -> None:
        # Noted as refused while still in sight of `stored_until`: between the two it could be judged missing.
        self._refuse([waiting for waiting, answer in zip(batch, answers, strict=True) if answer is Answer.UNAVAILABLE])
        self._hand_over()  # before the answers, so that the writer works while they go out
        counts = self.counts
        counts.batches += 1
        for waiting, answer in zip(batch, answers, strict=True):
            if answer is Answer.UNAVAILABLE:
                continue
            if answer is Answer.UNKNOWN:
                counts.unknown += 1
            else:
                counts.stored += 1
                self._refused_at = None
            waiting.answer(answer)

    def _refuse(self, refused: list[_Waiting]) -> None:
        for waiting in refused:
            self.counts.unavailable += 1
            waiting.answer(Answer.UNAVAILABLE)
        if refused:
            # Until now, not until they came: whoever was told "try again" may have gone by then.
            now = self._monotonic()
            # Since the last one: where pings are rare, one trouble must not look like many, with watched time between.
            first_at = refused[0].ping.received_at
            is_same = self._refused_at is not None and timedelta(0) <= first_at - self._refused_at <= ONE_TROUBLE
            ends = [
                self._refused_at if is_same and self._refused_at is not None else first_at,
                first_at,
                *(each.ping.received_at + timedelta(seconds=now - (each.since or now)) for each in refused),
            ]
            self._refusals = [min([*self._refusals, *ends]), max([*self._refusals, *ends])]
            self._refused_at = self._refusals[1]

    def _write_in_time(self, batch: list[_Waiting]) -> list[Answer]:
        """Store what has not waited too long.

        After this process was stopped, other nodes have judged without what it still held: nobody may find it stored.
        """
        oldest = self._monotonic() - PATIENCE_SEC
        in_time = [waiting.ping for waiting in batch if waiting.since >= oldest]
        late_count = len(batch) - len(in_time)  # the first ones: a batch is in the order in which they came
        return [Answer.UNAVAILABLE] * late_count + (self._write(in_time) if in_time else [])

    def _write(self, pings: list[Ping]) -> list[Answer]:
        """Store one batch. If it fails for a reason of its own, try one by one: a bad ping costs nobody else.

        A row that somebody else holds costs only the pings of its monitor.
        """
        try:
            batch = self._store(pings)
        except Unavailable as failed:
            if isinstance(failed, Contended) and len({ping.slug for ping in pings}) > 1:
                return self._write_apart(pings)
            _log.warning("ping.unavailable", pings=len(pings), reason=str(failed))
            return [Answer.UNAVAILABLE] * len(pings)
        except Exception:
            _log.exception("ping.batch_failed", pings=len(pings))
            if len(pings) == 1:
                return [Answer.UNAVAILABLE]
            return [answer for ping in pings for answer in self._write([ping])]
        self.counts.transitions += batch.transition_count
        self._on_stored(batch)
        return batch.answers

    def _write_apart(self, pings: list[Ping]) -> list[Answer]:
        """Store what can be stored of a batch in which somebody holds at least one monitor's row.

        In parts, each as large as there are parts, so that 500 monitors are some fifty transactions and not 500. A
        monitor's pings stay together, in their order. What has no time left is refused: its client is told so anyway.
        """
        since = {id(waiting.ping): waiting.since for waiting in self._in_flight}
        by_monitor: dict[str, list[Ping]] = {}
        for ping in pings:
            by_monitor.setdefault(ping.slug, []).append(ping)
        monitors = list(by_monitor.values())
        size = isqrt(len(monitors))
        answers: dict[int, Answer] = {}
        for first in range(0, len(monitors), size):
            part = [ping for monitor in monitors[first : first + size] for ping in monitor]
            oldest = self._monotonic() - PATIENCE_SEC + APART_SEC
            in_time = [ping for ping in part if since.get(id(ping), oldest) >= oldest]
            written = self._write(in_time) if in_time else []
            answers |= {id(ping): answer for ping, answer in zip(in_time, written, strict=True)}
        return [answers.get(id(ping), Answer.UNAVAILABLE) for ping in pings]
