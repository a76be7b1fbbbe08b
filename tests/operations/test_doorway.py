"""What is turned away before anybody reads it is noticed: no descriptor, a full queue, a failed accept."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from pulsemon import log
from pulsemon.core.status import BlindWindow
from pulsemon.operations import doorway
from pulsemon.operations.doorway import Doorway
from tests.conftest import ROOT, at, wait_until

START = at("10:00")


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Nothing can be opened: the limit of this process is what it has open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_while_no_descriptor_is_left_everybody_is_turned_away() -> None:
    door = Doorway(None)
    door.look(START)
    assert door.take() is None
    with no_descriptor_left():
        door.look(START + timedelta(seconds=0.25))
        door.look(START + timedelta(seconds=0.5))
    door.look(START + timedelta(seconds=0.75))

    assert door.take() == BlindWindow(START, START + timedelta(seconds=0.5))
    assert door.take() is None, "each is told once"


def test_a_full_queue_turns_away_whoever_comes() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2)
        door = Doorway(listener)
        door.look(START)
        with crowd_before(listener, 8):
            wait_until(lambda: _looked(door))
        assert door.take() is not None


@contextmanager
def crowd_before(listener: socket.socket, count: int) -> Iterator[None]:
    """Nobody accepts, and *count* come."""
    members = [socket.socket() for _ in range(count)]
    try:
        for each in members:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield
    finally:
        for each in members:
            each.close()


def _looked(door: Doorway) -> bool:
    door.look(START + timedelta(seconds=0.25))
    return bool(door._turned_away)


def test_a_queue_that_holds_whoever_comes_turns_nobody_away() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        door = Doorway(listener)
        door.look(START)
        with crowd_before(listener, 48):
            door.look(START + timedelta(seconds=0.25))
        assert door.take() is None


def test_where_the_system_says_nothing_about_the_queue_nothing_is_made_up() -> None:
    listener = socket.socket()
    listener.close()
    door = Doorway(listener)

    door.look(START)

    assert door.take() is None


def test_what_asyncio_cannot_accept_counts_for_as_long_as_it_pauses() -> None:
    door = Doorway(None)
    loop = asyncio.new_event_loop()
    doorway.hear_of_accept_failures(loop, door, lambda: START)
    told: list[object] = []
    loop.default_exception_handler = told.append  # type: ignore[assignment,method-assign]
    failed = OSError(errno.EMFILE, "Too many open files")
    try:
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": failed})
        loop.call_exception_handler({"message": "something else", "exception": ValueError()})
    finally:
        loop.close()
    for seconds in (0.5, 1, 1.5):
        door.look(START + timedelta(seconds=seconds))

    assert door.take() == BlindWindow(START, START + timedelta(seconds=1))
    assert len(told) == 1, "whatever else goes wrong is reported as before"


def test_asyncio_s_message_about_accept_is_what_is_looked_for() -> None:
    """Ask asyncio itself, which may call it something else one day."""
    heard: list[dict[str, object]] = []

    async def starve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        client = socket.socket()
        client.setblocking(False)
        with no_descriptor_left():
            client.connect_ex(server.sockets[0].getsockname())
            while not heard:  # noqa: ASYNC110 - asyncio has no event for it
                await asyncio.sleep(0.01)
        client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(starve(), debug=False)

    assert [doorway.is_accept_failure(each) for each in heard] == [True] * len(heard)


def test_the_log_says_once_that_it_began_and_once_that_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="INFO", form="json")
    door = Doorway(None)
    for seconds in range(5):
        door.note(START + timedelta(seconds=seconds), "there are too many connections")
        door.look(START + timedelta(seconds=seconds))
    door.look(START + timedelta(seconds=20))
    door.look(START + timedelta(seconds=21))

    text = capsys.readouterr().err
    assert text.count("connections.turned_away") == 1
    assert text.count("connections.taken_again") == 1


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(256, 128), (1_024, 512), (4_096, 3_456), (doorway.WANTED_DESCRIPTORS, 15_744), (None, 15_744)],
)
def test_a_part_of_the_descriptors_is_left_to_everything_else(descriptors: int | None, connections: int) -> None:
    assert doorway.connections_of(descriptors) == connections


@pytest.mark.parametrize(("soft", "hard", "raised"), [(64, 512, 512), (64, 64, 64)])
def test_the_limit_of_descriptors_is_raised_to_what_is_allowed(soft: int, hard: int, raised: int) -> None:
    program = (
        "import resource; from pulsemon.operations import doorway; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
        "print(doorway.raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [str(raised)] * 2
