"""R9: PulseMon's own heartbeat to another monitor stops while any part of PulseMon does not do its work."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest

from pulsemon import clock
from pulsemon.db.types import to_text
from tests.channels.sink import Sink
from tests.conftest import Server, wait_until
from tests.faults.conftest import Outcomes, in_parallel, serving

# A minute in the product, and ten seconds. The parts block while a file of their name lies in the server's folder.
_BREAKABLE = """
import time
from pathlib import Path

from pulsemon.messages import outbox

from pulsemon.deadlines import passes

from pulsemon import loops

from pulsemon.operations import readiness

loops.UPSTREAM_SEC = 0.25
readiness.STALE_MESSAGES_SEC = 3.0

def breakable(module, function, name):
    working = getattr(module, function)
    def work(*positional, **named):
        while Path(name).exists():
            time.sleep(0.05)
        return working(*positional, **named)
    setattr(module, function, work)

breakable(passes, "next_check_at", "evaluator")
breakable(outbox, "lease_due", "dispatcher")
"""
_ALWAYS = """
readiness.Readiness.why_silent = lambda self: ()
"""
PERIOD_SEC = 0.25


@contextmanager
def blocked(server: Server, name: str) -> Iterator[None]:
    (server.folder / name).touch()
    try:
        yield
    finally:
        (server.folder / name).unlink()


@contextmanager
def locked_by_somebody_else(file: Path) -> Iterator[None]:
    connection = sqlite3.connect(file, isolation_level=None, timeout=60)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def is_amiss(server: Server) -> bool:
    """Return whether the owner is told of anything: not all of it makes `/ready` 503."""
    told = httpx2.get(f"{server.url}/ready", headers=server.headers).json()
    return bool(told["reasons"] or told["warnings"])


@contextmanager
def blind_for_two_minutes(file: Path) -> Iterator[None]:
    """So PulseMon's own note says."""
    now = clock.now()
    window = [to_text(now - timedelta(seconds=age)) for age in (150, 30)]
    with closing(sqlite3.connect(file, timeout=60)) as connection:
        connection.execute("INSERT INTO blind_windows (started_at, ended_at, cause) VALUES (?, ?, 'stall')", window)
        connection.commit()
        yield
        connection.execute("DELETE FROM blind_windows WHERE ended_at = ?", window[1:])
        connection.commit()


def broken(server: Server, link: str) -> AbstractContextManager[None]:
    if link == "sight":
        return blind_for_two_minutes(Path(server.environment["DATABASE_URL"].removeprefix("sqlite:///")))
    if link == "database":
        return locked_by_somebody_else(Path(server.environment["DATABASE_URL"].removeprefix("sqlite:///")))
    return blocked(server, link)


def watch_while_broken(folder: Path, link: str, *, patch: str = "", is_control: bool = False) -> int:
    """Break one link and mend it; return how many heartbeats came in eight periods while it was known to be broken."""
    with serving(folder) as serve, Sink() as sink:
        server = serve(patch=_BREAKABLE + patch, UPSTREAM_HEARTBEAT_URL=sink.url)
        sink.wait_for(3)
        with broken(server, link):
            if is_control:
                time.sleep(5)  # longer than any part may be silent
                before = len(sink.received)
                sink.wait_for(before + 3)
            else:
                wait_until(lambda: is_amiss(server))
                before = len(sink.received)
                time.sleep(8 * PERIOD_SEC)  # the length of the observation, not a hope
            count = len(sink.received) - before
        wait_until(lambda: not is_amiss(server))
        sink.wait_for(len(sink.received) + 3)
        return count


LINKS = ("evaluator", "dispatcher", "database", "sight")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    folders = [tmp_path_factory.mktemp("upstream") for _ in (*LINKS, "control")]
    tasks = {link: partial(watch_while_broken, folder, link) for link, folder in zip(LINKS, folders, strict=False)}
    tasks["control"] = partial(watch_while_broken, folders[-1], "evaluator", patch=_ALWAYS, is_control=True)
    with in_parallel(tasks) as outcome_of:
        yield outcome_of


@pytest.mark.parametrize("link", LINKS)
def test_the_heartbeat_to_another_monitor_stops_while_a_part_is_broken_and_comes_back(
    runs: Outcomes, link: str
) -> None:
    assert runs(link) <= 1, "one may have been on its way"


def test_control_a_heartbeat_that_asks_nobody_goes_on(runs: Outcomes) -> None:
    assert runs("control") > 1
