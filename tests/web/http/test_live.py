"""Open panels hear of changes at once, and never keep a server from stopping."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager

import anyio
import httpx2
import pytest

from pulsemon.web.http import live as live_module
from pulsemon.web.http.live import Live
from tests.conftest import ADMIN_TOKEN, LONG_ENOUGH_SEC, UNHURRIED_STOP_SEC, Server, wait_until


@contextmanager
def open_stream(server: Server) -> Iterator[queue.Queue[str]]:
    """Log in and listen; the lines of the stream arrive in the queue, and None when it ends."""
    lines: queue.Queue[str] = queue.Queue()
    with httpx2.Client(base_url=server.url, timeout=LONG_ENOUGH_SEC) as browser:
        assert browser.post("/login", data={"token": ADMIN_TOKEN}).status_code == 303
        with browser.stream("GET", "/events") as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["x-accel-buffering"] == "no"

            def read() -> None:
                try:
                    for line in answer.iter_lines():
                        lines.put(line)
                except (httpx2.HTTPError, httpx2.StreamError):
                    pass
                lines.put("<end>")

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            assert lines.get(timeout=LONG_ENOUGH_SEC).startswith("retry:")
            yield lines


def wait_for(lines: queue.Queue[str], wanted: str) -> None:
    wait_until(lambda: lines.get(timeout=LONG_ENOUGH_SEC) == wanted)


def test_a_ping_that_changes_a_state_is_told_at_once(server: Server) -> None:
    monitor = server.create()
    with open_stream(server) as lines:
        httpx2.get(f"{server.url}/h/{monitor['slug']}/{monitor['token']}")

        wait_for(lines, "event: changed")


def test_a_deadline_that_passes_is_told_at_once(server: Server) -> None:
    monitor = server.create(interval_seconds=1)
    with open_stream(server) as lines:
        httpx2.get(f"{server.url}/h/{monitor['slug']}/{monitor['token']}")

        def is_told() -> bool:
            wait_for(lines, "event: changed")  # the ping is told too, and may be told late
            return bool(server.get("/api/monitors/backup-noturno")["status"] == "DOWN")

        wait_until(is_told)


def test_an_edit_is_told_at_once(server: Server) -> None:
    with open_stream(server) as lines:
        server.create()

        wait_for(lines, "event: changed")


def test_a_stream_tells_that_something_changed_and_not_what(server: Server) -> None:
    with open_stream(server) as lines:
        server.create(name="Secret name")
        wait_for(lines, "event: changed")

        assert lines.get(timeout=LONG_ENOUGH_SEC).removeprefix("data: ").isdigit()


def test_without_a_session_there_is_no_stream(server: Server) -> None:
    assert httpx2.get(f"{server.url}/events").status_code == 401


def test_a_stop_ends_open_streams_and_does_not_wait_for_them(server: Server) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(open_stream(server)) for _ in range(5)]

        assert server.stop(within=UNHURRIED_STOP_SEC) == 0

        for lines in streams:
            wait_for(lines, "<end>")


async def yes() -> bool:
    return True


@pytest.mark.anyio
@pytest.mark.parametrize("is_busy", [True, False])
async def test_a_stream_ends_soon_after_its_session(monkeypatch: pytest.MonkeyPatch, is_busy: bool) -> None:
    monkeypatch.setattr(live_module, "KEEPALIVE_SEC", 0.05)
    live, asked = Live(), []

    async def may_listen() -> bool:
        asked.append(live.version)
        return len(asked) < 3

    heard = 0
    async for _ in live.stream(may_listen):
        heard += 1
        if is_busy:
            live.bump()

    assert len(asked) == 3
    assert heard >= 3
    assert live.stream_count == 0


@pytest.mark.anyio
async def test_a_burst_of_changes_is_one_event() -> None:
    live = Live()
    stream = live.stream(yes)
    assert (await anext(stream)).startswith(b"retry:")
    for _ in range(100):
        live.bump()

    assert await anext(stream) == b"event: changed\ndata: 1\n\n"
    live.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.anyio
async def test_a_slow_reader_misses_nothing() -> None:
    live = Live()
    stream = live.stream(yes)
    await anext(stream)
    live.bump()
    await anext(stream)
    live.bump()  # while nobody waits

    assert await anext(stream) == b"event: changed\ndata: 2\n\n"
    await stream.aclose()


@pytest.mark.anyio
async def test_streams_are_counted_while_they_are_open() -> None:
    live = Live()
    streams = [live.stream(yes) for _ in range(3)]
    for stream in streams:
        await anext(stream)
    assert live.stream_count == 3

    live.close()
    for stream in streams:
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), LONG_ENOUGH_SEC)
    assert live.stream_count == 0


def test_a_reader_that_goes_away_is_noticed(make_server: Callable[..., Server], sqlite_url: str) -> None:
    server = make_server(sqlite_url)
    monitor = server.create()

    def open_panels() -> str:
        text = httpx2.get(f"{server.url}/metrics", headers=server.headers).text
        return next(line.split()[-1] for line in text.splitlines() if line.startswith("pulsemon_panel_streams"))

    with open_stream(server):
        wait_until(lambda: float(open_panels()) == 1)
    httpx2.get(f"{server.url}/h/{monitor['slug']}/{monitor['token']}")

    wait_until(lambda: float(open_panels()) == 0)


@pytest.mark.anyio
async def test_where_there_are_several_projects_a_stream_hears_of_its_own_alone() -> None:
    live = Live()
    answers: list[frozenset[int] | None] = [frozenset(), *map(frozenset, ([7], [8], [8])), None]

    async def which() -> Collection[int] | None:
        return answers.pop(0)

    live.sort_by(which)
    mine, other = live.stream(yes, 7), live.stream(yes, 8)
    for each in (mine, other):
        await anext(each)
    heard: dict[int, list[bytes]] = {7: [], 8: []}

    async def listen(project_id: int, stream: AsyncIterator[bytes]) -> None:
        async for said in stream:
            heard[project_id].append(said)

    async with anyio.create_task_group() as listeners:
        listeners.start_soon(listen, 7, mine)
        listeners.start_soon(listen, 8, other)
        for expected in ((1, 0), (1, 1), (1, 2), (2, 3)):
            live.bump()
            await anyio.to_thread.run_sync(_wait_for, heard, expected)
        live.close()

    # Each counts its own: no number tells of the others.
    assert heard[7] == [b"event: changed\ndata: 1\n\n", b"event: changed\ndata: 2\n\n"]
    assert heard[8][-1] == b"event: changed\ndata: 3\n\n"


def _wait_for(heard: dict[int, list[bytes]], expected: tuple[int, int]) -> None:
    wait_until(lambda: (len(heard[7]), len(heard[8])) == expected)
