"""A zone that the system knows no more: what its owner is told, and that nothing else stands still for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from pulsemon import log
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.db import Database, page_rows
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow
from pulsemon.db.tables.monitors import Monitor
from pulsemon.deadlines import lost_zones, passes
from pulsemon.deadlines.lost_zones import Lost
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import ticks as maintenance_ticks
from pulsemon.maintenance.definition import Definition
from tests.arrange import a_ping, again, make, record, rows
from tests.conftest import ADMIN_TOKEN, at
from tests.deadlines.test_loop import Process, World

LOST = "Europe/Kyjiv"
NOW = at("10:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def lose_the_zone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(Monitor).where(Monitor.schedule.is_not(None)).values(timezone=LOST))
        connection.execute(update(Maintenance).values(timezone=LOST))


def test_a_yearly_job_is_not_judged_by_the_minute(database: Database) -> None:
    monitor = make(database, "yearly", schedule="* * 1 1 *", timezone="Europe/Kyiv", grace_seconds=5)
    lose_the_zone(database)
    record(database, a_ping(monitor, NOW))

    passes.expire_due(database, now=NOW + 60 * DAY, recorded_at=NOW)
    passes.sweep_all(database, now=NOW + 60 * DAY)

    now = again(database, monitor)
    assert now.status == "UP"
    assert now.due_at is not None
    assert (now.due_at.year, now.due_at.month, now.due_at.day) == (NOW.year + 1, 1, 1)


def test_what_is_lost_is_said_once_in_the_log_and_again_where_more_is_found(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(level="INFO", form="json")
    make(database, "yearly", schedule="* * 1 1 *", timezone="Europe/Kyiv")
    make(database, "plain")
    world = World()
    process = Process(database, world, sweep_sec=5)
    assert process.evaluation.lost == ()

    lose_the_zone(database)
    process.live_until(world.wall + timedelta(seconds=20))

    lost = Lost("monitor", "yearly", LOST, "* * 1 1 *")
    assert process.evaluation.lost == (lost,)
    assert str(lost) == f"monitor yearly: the schedule '* * 1 1 *' in the zone {LOST} cannot be read any more"
    said = [line for line in "".join(capsys.readouterr()).splitlines() if "schedule.lost" in line]
    assert len(said) == 1
    assert LOST in said[0]
    assert "yearly" in said[0]


def test_of_many_the_first_few_are_named() -> None:
    lost = [Lost("monitor", f"m{number}", LOST, "@daily") for number in range(9)]

    told = list(lost_zones.told(lost))

    assert len(told) == 6
    assert told[-1] == "4 more schedules or time zones cannot be read any more"


def test_a_plan_in_a_lost_zone_makes_no_windows_at_other_times_and_stops_no_other(database: Database) -> None:
    """One with a last day had broken the look at every plan."""
    last_day = (NOW + 30 * DAY).date()
    daily = Plan(Repeats.CRON, NOW, HOUR, "Europe/Kyiv", "0 12 * * *", last_day)
    maintenance.create(database, Definition("Lost", daily), now=NOW)
    lose_the_zone(database)
    maintenance.create(database, Definition("Known", Plan(Repeats.ONCE, NOW + HOUR, HOUR, "UTC")), now=NOW)
    made = {row.starts_at for row in rows(database, MaintenanceWindow)}

    maintenance_ticks.tick(database, now=NOW + HOUR)
    maintenance_ticks.top_up(database, now=NOW + 3 * DAY)

    windows = rows(database, MaintenanceWindow)
    assert {row.starts_at for row in windows} == made
    assert [row.opened_at for row in windows if row.starts_at == NOW + HOUR] == [NOW + HOUR]
    assert lost_zones.find(database) == (Lost("maintenance", "Lost", LOST, "0 12 * * *"),)


def test_the_owner_is_told_by_ready_and_at_the_monitor_in_both_languages(
    make_client: Callable[..., TestClient], migrated_sqlite_url: str
) -> None:
    database = Database.open(migrated_sqlite_url)
    monitor = make(database, "yearly", schedule="* * 1 1 *", timezone="Europe/Kyiv")
    lose_the_zone(database)
    database.close()
    client = make_client(migrated_sqlite_url)
    client.post("/login", data={"token": ADMIN_TOKEN})

    warnings = client.get("/ready", headers={"X-Admin-Token": ADMIN_TOKEN}).json()["warnings"]
    pages = [
        client.get(f"/monitors/{monitor.id}", headers={"Accept-Language": language}).text
        for language in ("en", "pt-BR")
    ]

    assert f"monitor yearly: the schedule '* * 1 1 *' in the zone {LOST} cannot be read any more" in warnings
    assert not any(LOST in reason for reason in client.app._loops.readiness.why_silent()), "nobody is woken for that"
    assert f"This system knows no time zone {LOST} any more." in pages[0]
    assert f"Este sistema não conhece mais o fuso horário {LOST}." in pages[1]


def test_a_page_without_a_zone_of_its_own_has_lost_none(database: Database) -> None:
    """As the first subscriber of `/status` makes it, and an owner who names none."""
    with database.write() as connection:
        page_rows.add(connection, {"slug": "status"}, now=NOW)
        page_rows.add(connection, {"slug": "moved", "timezone": LOST}, now=NOW)

    assert lost_zones.find(database) == (Lost("page", "moved", LOST),)
