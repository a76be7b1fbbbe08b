"""The task that sleeps until a window is due looks when it is woken, or when the time has come."""

from __future__ import annotations

from datetime import datetime

import pytest

from pulsemon.db import Database
from pulsemon.db.tables.maintenance import MaintenanceWindow
from pulsemon.maintenance.loop import LOOK_SEC, MaintenanceTicks
from tests.arrange import rows, seconds
from tests.maintenance.test_manage import HOUR, NOW, create, once

pytestmark = pytest.mark.anyio


class World:
    """The task with a clock that the test moves; `told` counts how often it said that something changed."""

    def __init__(self, database: Database) -> None:
        self.now: datetime = NOW
        self.told = 0
        self.worker = MaintenanceTicks(database, now=lambda: self.now, on_changed=self._on_changed)

    def _on_changed(self) -> None:
        self.told += 1


async def test_the_first_round_takes_what_is_due_and_says_so_once(database: Database) -> None:
    create(database, once(NOW, HOUR))
    world = World(database)

    await world.worker.round()
    assert [row.opened_at for row in rows(database, MaintenanceWindow)] == [NOW]
    assert world.told == 1

    world.worker.wake()
    await world.worker.round()
    assert world.told == 1, "nothing more is due"


async def test_a_plan_that_was_made_meanwhile_waits_for_the_wake_and_no_longer(database: Database) -> None:
    world = World(database)
    await world.worker.round()
    create(database, once(NOW, HOUR))

    world.worker.wake()
    await world.worker.round()

    assert world.told == 1


async def test_where_nobody_wakes_it_it_looks_again_all_the_same(database: Database) -> None:
    world = World(database)
    await world.worker.round()
    create(database, once(NOW, HOUR))

    world.now = NOW + seconds(LOOK_SEC)
    await world.worker.round()

    assert world.told == 1
