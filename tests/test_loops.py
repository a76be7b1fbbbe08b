"""What runs beside the requests: panels hear of each change once, and no bug in one round ends a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pulsemon import clock, log
from pulsemon.db import Database
from pulsemon.db.tables.availability import RolledDay
from pulsemon.loops import Loops, Panels, Rounds
from pulsemon.operations import housekeeping_loop
from pulsemon.operations.doorway import Doorway
from pulsemon.status_pages import manage as status_pages
from tests.arrange import make, make_up, rows
from tests.conftest import settings_for

pytestmark = pytest.mark.anyio


class Listening:
    """One open panel: counts how often it was told, and how often somebody looked whether it is there."""

    def __init__(self, *, crashes: int = 0) -> None:
        self.told_count = 0
        self.look_count = 0
        self._crashes = crashes

    def count(self) -> int:
        self.look_count += 1
        if self.look_count <= self._crashes:
            raise RuntimeError("a bug")
        return 1

    def tell(self) -> None:
        self.told_count += 1


async def until(ask: Callable[[], object], *, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not ask():  # noqa: ASYNC110 - it waits for threads
            await asyncio.sleep(0.01)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    opened = Database.open(f"sqlite:///{tmp_path / 'pulsemon.db'}")
    opened.migrate()
    return opened


@asynccontextmanager
async def running(database: Database, tmp_path: Path, panel: Listening, **changes: object) -> AsyncIterator[Loops]:
    settings = settings_for(f"sqlite:///{tmp_path / 'pulsemon.db'}", **changes)
    loops = Loops(database, settings, Panels(count=panel.count, tell=panel.tell), Doorway(None))
    loops.start()
    try:
        yield loops
    finally:
        await loops.stop()
        database.close()


async def looked_again(panel: Listening) -> None:
    """Wait until a whole look at what other nodes did lies behind us."""
    seen = panel.look_count
    await until(lambda: panel.look_count >= seen + 2)


async def test_an_edit_of_this_node_is_told_once_and_one_of_another_node_too(
    sqlite_database: Database, tmp_path: Path
) -> None:
    panel = Listening()
    async with running(sqlite_database, tmp_path, panel) as loops:
        await looked_again(panel)
        assert panel.told_count == 1, "of what may have been written before the first look"

        make(sqlite_database, "here")
        loops.wake()
        await until(lambda: panel.told_count == 2)
        await looked_again(panel)
        assert panel.told_count == 2

        make(sqlite_database, "elsewhere")  # nobody wakes this node
        await until(lambda: panel.told_count == 3)
        await looked_again(panel)
        assert panel.told_count == 3


async def test_a_bug_in_one_look_for_other_nodes_edits_does_not_end_the_looking(
    sqlite_database: Database, tmp_path: Path
) -> None:
    panel = Listening(crashes=1)
    async with running(sqlite_database, tmp_path, panel):
        await until(lambda: panel.told_count == 1)

        make(sqlite_database, "elsewhere")

        await until(lambda: panel.told_count == 2)


async def test_a_bug_in_one_round_is_logged_and_costs_that_round_alone(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="WARNING", form="json")
    rounds = 0

    async def step() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise RuntimeError("a bug")

    task = asyncio.create_task(Rounds("pulse", step, pause_sec=0.001).body())
    await until(lambda: rounds > 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert capsys.readouterr().err.count("loop.failed") == 2


THREADS = {"ping-writer", "evaluation", "housekeeping"}
TASKS = {"pulse", "watch", "incidents", "upstream", "maintenance", "clock", "dispatching"}


def running_workers() -> set[str]:
    names = {thread.name for thread in threading.enumerate()} | {task.get_name() for task in asyncio.all_tasks()}
    return names & (THREADS | TASKS)


async def test_every_worker_runs_under_its_name_and_none_is_left_after_the_stop(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with running(sqlite_database, tmp_path, Listening()):
        assert running_workers() == THREADS | TASKS

    await until(lambda: running_workers() == set())


async def test_days_are_summed_up_in_the_zone_of_every_page(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping_loop, "HOUSEKEEPING_SEC", 0.05)
    make_up(sqlite_database, last_ping=clock.now() - timedelta(days=3), interval_seconds=30 * 86_400)
    status_pages.create(sqlite_database, status_pages.NewPage("sp", timezone="America/Sao_Paulo"), now=clock.now())

    def zones() -> set[str]:
        return {row.timezone for row in rows(sqlite_database, RolledDay)}

    async with running(sqlite_database, tmp_path, Listening(), availability_timezone="Asia/Tokyo"):
        await until(lambda: zones() == {"Asia/Tokyo", "America/Sao_Paulo"})
        # At once, and not only after the pause between two rounds.
        status_pages.edit(sqlite_database, "sp", status_pages.PageChanges(timezone="Europe/Lisbon"), now=clock.now())
        await until(lambda: zones() == {"Asia/Tokyo", "Europe/Lisbon"})
        status_pages.remove(sqlite_database, "sp")
        await until(lambda: zones() == {"Asia/Tokyo"})
