"""The task that opens and closes incidents by themselves says that something changed when something did."""

from __future__ import annotations

import pytest

from pulsemon.db import Database
from pulsemon.incidents.loop import AutomaticIncidents
from tests.arrange import rows
from tests.conftest import at
from tests.incidents.test_incidents import Incident, fail, watched

pytestmark = pytest.mark.anyio


async def test_it_tells_of_an_incident_once(database: Database) -> None:
    told: list[str] = []
    worker = AutomaticIncidents(database, now=lambda: at("10:05"), on_changed=lambda: told.append("changed"))
    monitor = watched(database, "web")

    await worker.round()
    assert told == []

    fail(database, monitor, at("10:01"))
    await worker.round()
    await worker.round()

    assert told == ["changed"]
    assert len(rows(database, Incident)) == 1
