"""Addresses take turns: how many requests of one address start before somebody else is heard.

Nothing here is timed. A socket of this process stands for the pings: it can be read as soon as the first of the crowd
has started, and what counts is how many more start before the event loop looks at it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from pulsemon.web.http.turns import Pool, Turns

CROWD = 110


def run(scenario: Callable[[], Awaitable[Any]], loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Any:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(asyncio.wait_for(scenario(), 60))  # type: ignore[arg-type]


def loops() -> list[Any]:
    """Both event loops that uvicorn takes; the faster one is not there on Windows."""
    import uvloop

    return [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]


each_loop = pytest.mark.parametrize("loop_factory", loops())


def request_from(address: str) -> Scope:
    return {"type": "http", "client": (address, 50_000)}


async def ask(app: ASGIApp, address: str) -> None:
    async def receive() -> Any:
        raise AssertionError("nothing is read here")

    async def send(message: Any) -> None:
        raise AssertionError("nothing is answered here")

    await app(request_from(address), receive, send)


class Starts:
    """An application whose requests note that they started, and cost *seconds* of the event loop at that."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.addresses: list[str] = []
        self.at_first: Callable[[], object] = bool
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.addresses:
            self.at_first()
        self.addresses.append(scope["client"][0])
        until = time.thread_time() + self._seconds
        while time.thread_time() < until:
            pass
        await asyncio.sleep(0)


async def started_before_the_socket_was_read(app: ASGIApp, starts: Starts) -> int:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    heard = loop.create_future()
    with ours, theirs:
        ours.setblocking(False)
        loop.add_reader(ours, lambda: heard.done() or heard.set_result(len(starts.addresses)))
        starts.at_first = lambda: theirs.send(b"a ping")
        crowd = [loop.create_task(ask(app, "192.0.2.1")) for _ in range(CROWD)]
        count = int(await heard)
        await asyncio.gather(*crowd)
        loop.remove_reader(ours)
    assert len(starts.addresses) == CROWD
    return count


@each_loop
def test_a_crowd_of_one_address_lets_pings_in_after_a_few_starts(loop_factory: Any) -> None:
    starts, alone = Starts(0.003), Starts(0.003)

    with_turns = run(lambda: started_before_the_socket_was_read(Turns(starts), starts), loop_factory)
    # Control: without them everybody in the crowd is served first.
    without = run(lambda: started_before_the_socket_was_read(alone, alone), loop_factory)

    assert without == CROWD
    # Each costs more than a turn may, so they start one by one.
    assert with_turns <= 4


@each_loop
def test_addresses_start_one_after_the_other_however_many_requests_each_has(loop_factory: Any) -> None:
    starts = Starts()
    app = Turns(starts)

    async def scenario() -> None:
        crowd = [ask(app, "192.0.2.1") for _ in range(CROWD)]
        # Of one subscriber of IPv6, who has as many addresses as he likes: they are one.
        crowd += [ask(app, f"2001:db8::{number:x}") for number in range(CROWD)]
        await asyncio.gather(*crowd, ask(app, "198.51.100.7"))

    run(scenario, loop_factory)

    assert len(starts.addresses) == 2 * CROWD + 1
    assert starts.addresses.index("198.51.100.7") <= 4
    turns = ["v6" if ":" in each else "v4" for each in starts.addresses if each != "198.51.100.7"]
    assert abs(turns[:CROWD].count("v6") - turns[:CROWD].count("v4")) <= 2


@each_loop
def test_only_the_start_waits_so_streams_and_slow_handlers_hold_up_nobody(loop_factory: Any) -> None:
    async def scenario() -> int:
        over, all_began, begun = asyncio.Event(), asyncio.Event(), []

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            begun.append(scope)
            if len(begun) == CROWD:
                all_began.set()
            await over.wait()

        app = Turns(stream)
        streams = [asyncio.ensure_future(ask(app, "192.0.2.1")) for _ in range(CROWD)]
        await all_began.wait()
        over.set()
        await asyncio.gather(*streams)
        return len(begun)

    assert run(scenario, loop_factory) == CROWD


@each_loop
def test_who_gives_up_while_waiting_is_passed_over(loop_factory: Any) -> None:
    starts = Starts()
    app = Turns(starts)

    async def scenario() -> None:
        crowd = [asyncio.ensure_future(ask(app, f"192.0.2.{number}")) for number in range(1, 41)]
        await asyncio.sleep(0)
        for each in crowd[1::2]:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        # Nothing is left taken.
        await ask(app, "198.51.100.7")

    run(scenario, loop_factory)

    assert starts.addresses == [f"192.0.2.{number}" for number in range(1, 41, 2)] + ["198.51.100.7"]


def test_a_loop_that_ended_while_it_was_somebodys_turn_leaves_nobody_waiting() -> None:
    starts = Starts()
    app = Turns(starts)
    for _ in range(3):
        loop = asyncio.new_event_loop()
        task = loop.create_task(ask(app, "192.0.2.1"))
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.run_until_complete(task)
        loop.close()

    assert len(starts.addresses) == 3


def test_the_pool_works_for_addresses_in_turn_and_for_few_at_once() -> None:
    lock, at_once, most, order = threading.Lock(), 0, 0, []
    gate = threading.Event()

    def work(address: str) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            order.append(address)
        gate.wait(30)
        with lock:
            at_once -= 1
        return address

    async def scenario() -> list[str]:
        pool = Pool(threads=1)
        crowd = [asyncio.ensure_future(pool.run("a", lambda: work("a"))) for _ in range(20)]
        other = asyncio.ensure_future(pool.run("b", lambda: work("b")))
        await asyncio.sleep(0)
        for each in crowd[5:10]:
            each.cancel()
        gate.set()
        done = await asyncio.gather(*crowd, other, return_exceptions=True)
        # Nobody who gave up has kept a thread.
        return [each for each in done if isinstance(each, str)] + [await pool.run("c", lambda: work("c"))]

    done = run(scenario, asyncio.new_event_loop)

    assert sorted(done) == ["a"] * 15 + ["b", "c"]
    assert order.index("b") <= 2
    assert most == 1


def test_a_thread_whose_turn_was_cancelled_as_it_came_goes_to_the_next_one() -> None:
    async def scenario() -> str:
        pool, gate = Pool(threads=1), threading.Event()

        async def give_and_cancel() -> None:
            await pool.run("a", lambda: gate.wait(30))
            # The step goes on in which the thread was given to the second one, who has not woken up yet.
            second.cancel()

        first = asyncio.ensure_future(give_and_cancel())
        await asyncio.sleep(0)
        second = asyncio.ensure_future(pool.run("b", lambda: "second"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.wait([first, second])
        assert second.cancelled()
        return await pool.run("c", lambda: "third")

    assert run(scenario, asyncio.new_event_loop) == "third"
