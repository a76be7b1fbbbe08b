"""The queue in front of the disk: answers after the commit, 503 when it cannot, and nobody forgotten."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pulsemon import log
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.monitors import Monitor
from pulsemon.errors import Unavailable
from pulsemon.heartbeats import group_commit, pings
from pulsemon.heartbeats.group_commit import MAX_BATCH, PATIENCE_SEC, GroupCommit
from pulsemon.heartbeats.pings import Answer, Batch, Ping
from tests.arrange import START, a_ping, make, stored

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """As the server logs; structlog's own default draws tracebacks for seconds."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.configure(level="ERROR", form="json")
    yield
    root.handlers[:], root.level = before


NOW = START + timedelta(hours=1)


def numbered(number: int, *, body: bytes | None = None) -> Ping:
    return Ping(str(number), "token", Signal.SUCCESS, START + timedelta(seconds=number), body=body)


@dataclass
class Store:
    """Where batches go; `behave` may raise, wait or answer as a test wants it."""

    behave: Callable[[Sequence[Ping]], None] = lambda _: None
    batches: list[list[Ping]] = field(default_factory=list)

    def __call__(self, batch: Sequence[Ping]) -> Batch:
        self.batches.append(list(batch))
        self.behave(batch)
        return Batch([Answer.STORED] * len(batch))


@dataclass
class Time:
    """The monotonic clock of a lane, moved by the test."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def running(store: Callable[[Sequence[Ping]], Batch], **changes: Any) -> AsyncIterator[GroupCommit]:
    """A lane with its writing thread; whatever the store does, it ends with the block.

    Its clock stands still unless a test moves it: no ping waits too long because the machine is busy.
    """
    lane = GroupCommit(store, **({"monotonic": lambda: 0.0, "on_stored": lambda _: None} | changes))
    writer = threading.Thread(target=lane.run, daemon=True)
    writer.start()
    try:
        yield lane
    finally:
        await lane.drain(patience_sec=5)
        await asyncio.to_thread(writer.join, 60)
        assert not writer.is_alive()


async def soon(future: asyncio.Future[Answer]) -> Answer:
    async with asyncio.timeout(60):
        return await future


async def until(ask: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not ask():  # noqa: ASYNC110 - it waits for threads
            await asyncio.sleep(0.001)


class Gate:
    """Holds the store until the test opens it."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_reached = threading.Event()

    def __call__(self, _: Sequence[Ping]) -> None:
        self.is_reached.set()
        assert self.is_open.wait(60)


async def test_an_answer_comes_after_the_store_has_returned() -> None:
    gate = Gate()
    async with running(Store(gate)) as lane:
        future = lane.submit(numbered(1))
        await until(gate.is_reached.is_set)
        await asyncio.sleep(0)
        assert not future.done()
        gate.is_open.set()
        assert await soon(future) is Answer.STORED


async def test_what_arrives_during_one_flush_is_the_next_batch() -> None:
    gate = Gate()
    store = Store(gate)
    async with running(store) as lane:
        futures = [lane.submit(numbered(0))]
        await until(gate.is_reached.is_set)
        futures += [lane.submit(numbered(number)) for number in range(1, 6)]
        gate.is_open.set()
        await asyncio.gather(*map(soon, futures))

    assert [[ping.slug for ping in batch] for batch in store.batches] == [["0"], ["1", "2", "3", "4", "5"]]


async def test_a_batch_is_bounded_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_BATCH_BYTES", 1_000)
    gate = Gate()
    store = Store(gate)
    async with running(store) as lane:
        futures = [lane.submit(numbered(0))]
        await until(gate.is_reached.is_set)
        futures += [lane.submit(numbered(number, body=b"x" * 600)) for number in range(4)]
        futures += [lane.submit(numbered(number)) for number in range(MAX_BATCH + 10)]
        gate.is_open.set()
        await asyncio.gather(*map(soon, futures))

    assert [len(batch) for batch in store.batches] == [1, 2, 2, MAX_BATCH, 10]


async def test_a_full_queue_refuses_at_once_and_takes_pings_again_when_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 3)
    gate = Gate()
    async with running(Store(gate)) as lane:
        first = lane.submit(numbered(0))
        await until(gate.is_reached.is_set)
        waiting = [lane.submit(numbered(number)) for number in range(1, 4)]
        refused = lane.submit(numbered(4))
        assert refused.done()
        assert refused.result() is Answer.UNAVAILABLE
        gate.is_open.set()
        assert await asyncio.gather(*map(soon, [first, *waiting])) == [Answer.STORED] * 4
        assert await soon(lane.submit(numbered(5))) is Answer.STORED
        assert (lane.counts.stored, lane.counts.unavailable) == (5, 1)


async def test_bodies_fill_the_queue_too_and_their_room_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING_BYTES", 1_000)
    async with running(Store()) as lane:
        for number in range(5):
            fits, does_not = lane.submit(numbered(number, body=b"x" * 900)), lane.submit(numbered(9, body=b"x" * 101))
            assert (await soon(fits), await soon(does_not)) == (Answer.STORED, Answer.UNAVAILABLE)


async def test_a_store_that_hangs_is_answered_unavailable_when_patience_ends() -> None:
    gate, time = Gate(), Time()
    async with running(Store(gate), monotonic=time) as lane:
        in_flight = lane.submit(numbered(0))
        await until(gate.is_reached.is_set)
        queued = lane.submit(numbered(1))
        time.seconds += PATIENCE_SEC
        lane.give_up_on_old()
        assert not in_flight.done()
        assert not queued.done()
        time.seconds += 0.001
        young = lane.submit(numbered(2))
        lane.give_up_on_old()
        assert (in_flight.result(), queued.result(), young.done()) == (Answer.UNAVAILABLE, Answer.UNAVAILABLE, False)
        gate.is_open.set()
        assert await soon(young) is Answer.STORED


async def test_a_ping_given_up_in_the_queue_is_not_written_later() -> None:
    gate, time, store = Gate(), Time(), Store()
    store.behave = gate
    async with running(store, monotonic=time) as lane:
        lane.submit(numbered(0))
        await until(gate.is_reached.is_set)
        lane.submit(numbered(1))
        time.seconds += PATIENCE_SEC + 1
        lane.give_up_on_old()
        gate.is_open.set()

    assert [[ping.slug for ping in batch] for batch in store.batches] == [["0"]]


async def test_unavailable_is_told_to_all_and_the_next_batch_is_tried() -> None:
    def away(batch: Sequence[Ping]) -> None:
        if batch[0].slug == "0":
            raise Unavailable("the database is busy")

    async with running(Store(away)) as lane:
        assert await soon(lane.submit(numbered(0))) is Answer.UNAVAILABLE
        assert await soon(lane.submit(numbered(1))) is Answer.STORED


async def test_one_bad_ping_costs_nobody_else_in_its_batch() -> None:
    def choke(batch: Sequence[Ping]) -> None:
        if any(ping.slug == "13" for ping in batch):
            raise ValueError("this one cannot be stored")

    async with running(Store(choke)) as lane:
        answers = await asyncio.gather(*(soon(lane.submit(numbered(number))) for number in range(20)))

    assert [number for number, answer in enumerate(answers) if answer is not Answer.STORED] == [13]


async def test_a_bad_ping_costs_nobody_else_on_a_real_database(database: Database) -> None:
    """An exit status that no column holds stands for the bug that nobody has thought of."""
    monitor = make(database)
    batch = [a_ping(monitor, START + timedelta(seconds=number)) for number in range(5)]
    batch[2].exit_status = 10**30

    async with running(lambda found: pings.record_pings(database, found)) as lane:
        answers = await asyncio.gather(*(soon(lane.submit(each)) for each in batch))

    assert answers == [Answer.STORED, Answer.STORED, Answer.UNAVAILABLE, Answer.STORED, Answer.STORED]
    assert [row.number for row in stored(database, monitor)] == [1, 2, 3, 4]


async def test_unknown_pings_are_answered_so_and_counted_apart(database: Database) -> None:
    monitor = make(database)

    async with running(lambda found: pings.record_pings(database, found)) as lane:
        known, unknown = lane.submit(a_ping(monitor, START)), lane.submit(a_ping(monitor, START, token="no"))
        assert (await soon(known), await soon(unknown)) == (Answer.STORED, Answer.UNKNOWN)
        assert (lane.counts.stored, lane.counts.unknown) == (1, 1)


async def test_while_somebody_else_writes_the_loop_goes_on_and_the_ping_waits(database: Database) -> None:
    """Whoever waits for the slot or a row in the loop's thread holds every request up, and this one for good."""
    monitor = make(database)
    is_reached = threading.Event()

    def store(found: Sequence[Ping]) -> Batch:
        is_reached.set()
        return pings.record_pings(database, found)

    async with running(store) as lane:
        with database.write() as connection:
            connection.execute(select(Monitor.id).where(Monitor.id == monitor.id).with_for_update())
            future = lane.submit(a_ping(monitor, START))
            await until(is_reached.is_set)
            await asyncio.sleep(0)
            assert not future.done()
        assert await soon(future) is Answer.STORED


async def test_whoever_cannot_be_told_costs_nobody_else_an_answer() -> None:
    def broken(_: Answer) -> None:
        raise ConnectionResetError("gone")

    told: list[Answer] = []
    gate = Gate()
    async with running(Store(gate)) as lane:
        lane.submit_for(numbered(0), broken)
        await until(gate.is_reached.is_set)
        lane.submit_for(numbered(1), broken)
        lane.submit_for(numbered(2), told.append)
        gate.is_open.set()
        assert await soon(lane.submit(numbered(3))) is Answer.STORED
        assert lane.counts.stored == 4

    assert told == [Answer.STORED]


async def test_nobody_is_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Answer] = []
    gate = Gate()
    async with running(Store(gate)) as lane:
        lane.submit_for(numbered(0), told.append)
        await until(gate.is_reached.is_set)
        monkeypatch.setattr(group_commit, "PATIENCE_SEC", -1.0)
        lane.give_up_on_old()
        assert told == [Answer.UNAVAILABLE]
        monkeypatch.undo()
        gate.is_open.set()
        assert await soon(lane.submit(numbered(1))) is Answer.STORED

    assert told == [Answer.UNAVAILABLE]


async def test_a_client_that_is_gone_does_not_trouble_the_lane(database: Database) -> None:
    monitor = make(database)

    async with running(lambda found: pings.record_pings(database, found)) as lane:
        lane.submit(a_ping(monitor, START)).cancel()
        assert await soon(lane.submit(a_ping(monitor, START))) is Answer.STORED

    assert len(stored(database, monitor)) == 2


class TestDrain:
    async def test_what_is_queued_is_written_and_what_comes_later_is_refused(self) -> None:
        gate, store = Gate(), Store()
        store.behave = gate
        async with running(store) as lane:
            futures = [lane.submit(numbered(0))]
            await until(gate.is_reached.is_set)
            futures += [lane.submit(numbered(number)) for number in range(1, 10)]
            draining = asyncio.ensure_future(lane.drain(patience_sec=10))
            await asyncio.sleep(0)
            late = lane.submit(numbered(99))
            assert late.result() is Answer.UNAVAILABLE
            gate.is_open.set()
            await draining
            assert await asyncio.gather(*map(soon, futures)) == [Answer.STORED] * 10

    async def test_a_store_that_hangs_does_not_hold_a_stop_up_for_ever(self) -> None:
        gate, time = Gate(), Time()
        async with running(Store(gate), monotonic=time) as lane:
            lane.submit(numbered(0))
            await until(gate.is_reached.is_set)
            stopping = asyncio.ensure_future(lane.drain(patience_sec=5))
            await asyncio.sleep(0.05)
            assert not stopping.done()
            time.seconds += 5
            async with asyncio.timeout(60):
                await stopping
            gate.is_open.set()


class TestWhatTheEvaluationAsks:
    async def test_the_oldest_ping_that_is_not_stored_yet(self) -> None:
        gate = Gate()
        async with running(Store(gate)) as lane:
            assert lane.stored_until(START) == START
            first = lane.submit(numbered(1))
            assert lane.stored_until(NOW) == numbered(1).received_at
            await until(gate.is_reached.is_set)
            second = lane.submit(numbered(2))
            assert lane.stored_until(NOW) == numbered(1).received_at
            gate.is_open.set()
            await asyncio.gather(soon(first), soon(second))
            await until(lambda: lane.stored_until(NOW) == NOW)

    async def test_a_ping_that_was_being_read_while_it_was_asked_arrived_afterwards(self) -> None:
        """Else a deadline is judged between its instant and that, and DOWN stands over a ping that came before it."""
        store = Store()
        async with running(store) as lane:
            asked_at = numbered(1).received_at + timedelta(milliseconds=150)
            assert lane.stored_until(asked_at) == asked_at
            await asyncio.gather(soon(lane.submit(numbered(1))), soon(lane.submit(numbered(2))))

        (stored,) = store.batches
        assert [ping.received_at for ping in stored] == [asked_at, numbered(2).received_at]

    async def test_a_promise_of_another_time_changes_no_instant(self) -> None:
        """The clock was set back since, or this process stood still: both are told as blindness."""
        store = Store()
        async with running(store) as lane:
            lane.stored_until(numbered(1).received_at + timedelta(hours=1))
            await soon(lane.submit(numbered(1)))

        assert [ping.received_at for (ping,) in store.batches] == [numbered(1).received_at]

    async def test_a_ping_is_in_sight_at_every_step_of_its_way(self) -> None:
        """Handed over from the queue, it was in neither list for a moment: a deadline could be judged right then."""
        seen: list[datetime] = []

        class WatchedQueue(deque[Any]):
            """Asks, at the moment a ping leaves the queue, what the evaluation would ask."""

            def popleft(self) -> Any:
                taken = super().popleft()
                seen.append(lane.stored_until(NOW))
                return taken

        async with running(Store()) as lane:
            lane._queue = WatchedQueue()
            await soon(lane.submit(numbered(1)))

        assert seen == [numbered(1).received_at]

    async def test_refusals_are_told_once_first_and_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(group_commit, "MAX_WAITING", 0)
        async with running(Store()) as lane:
            assert lane.take_refusals() == []
            for number in (3, 1, 2):
                lane.submit(numbered(number))
            assert lane.take_refusals() == [numbered(1).received_at, numbered(3).received_at]
            assert lane.take_refusals() == []

    async def test_refusals_with_nothing_stored_in_between_are_one_trouble(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where pings are rare, each would be a moment of its own, and the hour between them watched time."""
        async with running(Store()) as lane:
            with monkeypatch.context() as full:
                full.setattr(group_commit, "MAX_WAITING", 0)
                lane.submit(numbered(1))
                lane.take_refusals()
                lane.submit(numbered(5))
                assert lane.take_refusals() == [numbered(1).received_at, numbered(5).received_at]
            await soon(lane.submit(numbered(6)))
            monkeypatch.setattr(group_commit, "MAX_WAITING", 0)
            lane.submit(numbered(9))
            assert lane.take_refusals() == [numbered(9).received_at] * 2


async def test_transitions_are_told_to_whoever_must_wake_after_the_commit(database: Database) -> None:
    monitor = make(database)
    told: list[Batch] = []

    async with running(lambda found: pings.record_pings(database, found), on_stored=told.append) as lane:
        await soon(lane.submit(a_ping(monitor, START)))

    assert [batch.transition_count for batch in told] == [1]
