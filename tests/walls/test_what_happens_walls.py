"""What happens by itself keeps to its project: incidents, messages that are held back, availability, who is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from pulsemon.availability import roll_ups
from pulsemon.availability.days import read_last_days
from pulsemon.core.incidents import IncidentStatus
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.placement import Placement
from pulsemon.core.shown import Shown
from pulsemon.core.status import Signal
from pulsemon.core.uptime import Span
from pulsemon.db import Database, windows
from pulsemon.db.tables.availability import RollMark
from pulsemon.db.tables.incidents import Incident
from pulsemon.incidents import automatic
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.manage import IncidentChanges, NewIncident
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import public, ticks
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.views import MaintenanceView
from pulsemon.monitors import census
from pulsemon.monitors.views import View
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.definition import NewPage
from pulsemon.status_pages.directory import PageDefinition
from pulsemon.subscribers import manage as subscribers
from tests.arrange import HOOK, START, a_ping, a_project, again, deliveries, make_up, record, rows, said
from tests.conftest import at

HOUR = timedelta(hours=1)


@pytest.fixture
def quokka(database: Database) -> int:
    """A project beside the first one."""
    return a_project(database, "quokka")


def everything(database: Database, project_id: int) -> MaintenanceView:
    """Plan maintenance of all that is in a project, from 10:00 to 11:00."""
    definition = Definition("Works", Plan(Repeats.ONCE, at("10:00"), HOUR, "UTC"))
    return maintenance.create(database, definition, now=at("10:00"), project_id=project_id)


def failing(database: Database, slug: str, project_id: int, **fields: Any) -> View:
    """Make a monitor that is DOWN since two minutes past ten."""
    monitor = make_up(database, slug, webhook_url=HOOK, project_id=project_id, **fields)
    record(database, a_ping(monitor, at("10:02"), Signal.FAIL))
    return again(database, monitor)


def test_maintenance_of_everything_holds_back_the_messages_of_its_project_alone(
    database: Database, quokka: int
) -> None:
    everything(database, quokka)
    ours, others = failing(database, "ours", quokka), failing(database, "others", 1)

    assert {each.monitor_id: each.state for each in deliveries(database)} == {ours.id: "held", others.id: "pending"}
    assert [each.windows for each in (ours, others)] == [(Span(at("10:00"), at("11:00")),), ()]
    ticks.tick(database, now=at("11:00"))
    assert {each.monitor_id: each.state for each in deliveries(database)} == {ours.id: "pending", others.id: "pending"}


def test_what_is_held_is_not_held_longer_for_the_maintenance_of_another_project(
    database: Database, quokka: int
) -> None:
    view = everything(database, quokka)
    monitor = failing(database, "ours", quokka)
    definition = Definition("Works", Plan(Repeats.ONCE, at("10:30"), HOUR * 5, "UTC"))
    maintenance.create(database, definition, now=at("10:10"), project_id=1)

    maintenance.end_now(database, view.id, now=at("10:40"))
    ticks.tick(database, now=at("10:40"))

    assert [(each.monitor_id, each.state) for each in deliveries(database)] == [(monitor.id, "pending")]


def test_all_in_numbers_are_under_maintenance_by_their_project(database: Database, quokka: int) -> None:
    for slug, project_id in (("one", quokka), ("two", quokka), ("three", 1)):
        make_up(database, slug, project_id=project_id)
    everything(database, quokka)

    counts = census.counts(database, now=at("10:01"))

    assert (counts[Shown.MAINTENANCE], counts[Shown.UP]) == (2, 1)
    shown = {slug: state for part in census.states(database, now=at("10:01")) for _, slug, state in part}
    assert shown == {"one": Shown.MAINTENANCE, "two": Shown.MAINTENANCE, "three": Shown.UP}


def test_days_are_left_out_for_maintenance_of_their_own_project(database: Database, quokka: int) -> None:
    ours, others = make_up(database, "ours", project_id=quokka), make_up(database, "others")
    everything(database, quokka)
    with database.read() as connection:
        table = read_last_days(connection, [ours.id, others.id], timezone="UTC", count=1, now=at("11:00"))
    parts = {each: table.parts[each][0] for each in (ours.id, others.id)}
    hour = HOUR // timedelta(microseconds=1)

    assert (parts[ours.id].maintenance, parts[others.id].maintenance) == (hour, 0)


def test_days_are_made_again_in_the_project_of_the_maintenance_alone(database: Database, quokka: int) -> None:
    ours, others = make_up(database, "ours", project_id=quokka), make_up(database, "others")
    later = START + timedelta(days=1, hours=12)
    roll_ups.roll_up(database, timezone="UTC", now=later)
    before = {each.monitor_id: each.version for each in rows(database, RollMark)}
    assert set(before) == {ours.id, others.id}
    plan = Plan(Repeats.ONCE, later - timedelta(hours=20), HOUR, "UTC")

    maintenance.create(database, Definition("Was", plan), now=later, project_id=quokka)

    after = {each.monitor_id: each.version for each in rows(database, RollMark)}
    assert after[others.id] == before[others.id]
    assert after[ours.id] != before[ours.id]


def test_outages_of_two_projects_make_two_incidents(database: Database, quokka: int) -> None:
    by_itself = Placement(incident_after_minutes=0)
    for page, project_id in (("zebra-page", 1), ("quokka-page", quokka)):
        status_pages.create(database, NewPage(page), now=START, project_id=project_id)
        subscribers.add_webhook(database, page, "https://x.example/", secret=None, locale="en", now=START)
    for slug, project_id in (("one", 1), ("two", quokka), ("three", quokka)):
        failing(database, slug, project_id, placement=by_itself)

    assert automatic.keep_up(database, now=at("10:03"))

    found = {each.project_id: [one.slug for one in each.monitors] for each in incidents.list_open(database)}
    assert found == {1: ["one"], quokka: ["two", "three"]}
    told = [json.loads(payload) for _, payload in said(database) if "quokka-page" in payload or "zebra-page" in payload]
    assert {each["page"]["slug"]: each["monitors"] for each in told} == {
        "zebra-page": ["One"],
        "quokka-page": ["Two", "Three"],
    }


def test_an_outage_that_somebody_dealt_with_is_kept_in_its_project(database: Database, quokka: int) -> None:
    monitor = failing(database, "ours", quokka, placement=Placement(incident_after_minutes=0))
    new = NewIncident(title="x", body="y", status=IncidentStatus.IDENTIFIED, monitors=(monitor.slug,))
    made = incidents.create(database, new, now=at("10:03"), project_id=quokka)
    incidents.edit(database, made.public_id, IncidentChanges(is_general=True, monitors=()), now=at("10:04"))
    incidents.remove(database, made.public_id, now=at("10:05"))

    assert not automatic.keep_up(database, now=at("10:06"))
    assert {each.project_id for each in rows(database, Incident)} == {quokka}
    assert incidents.list_open(database, project_id=quokka) == []


def test_open_incidents_of_a_monitor_are_found_however_many_others_have(
    database: Database, quokka: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MAX_OPEN", 2)
    monitor = failing(database, "ours", quokka)
    new = NewIncident(title="x", body="y", monitors=(monitor.slug,))
    made = incidents.create(database, new, now=at("10:03"), project_id=quokka)
    for minute in range(4, 8):
        general = NewIncident(title="x", body="y", is_general=True)
        incidents.create(database, general, now=at(f"10:0{minute}"))

    assert [each.id for each in incidents.open_of(database, monitor.id)] == [made.id]
    assert [each.id for each in incidents.list_open(database, project_id=quokka)] == [made.id]


def test_what_was_in_another_project_crowds_nothing_out(
    database: Database, quokka: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "MAX_PAST", 1)
    now = at("20:00")
    for project_id, begins in ((quokka, "10:00"), (1, "12:00")):
        plan = Plan(Repeats.ONCE, at(begins), HOUR, "UTC")
        maintenance.create(database, Definition("Was", plan), now=now, project_id=project_id)
    with database.read() as connection:
        found = {each: public.read_windows(connection, now=now, project_id=each) for each in (1, quokka)}

    assert {each: [one.starts_at for one in those] for each, those in found.items()} == {
        1: [at("12:00")],
        quokka: [at("10:00")],
    }


def test_windows_of_other_projects_are_not_even_read(database: Database, quokka: int) -> None:
    monitor = make_up(database, "others")
    everything(database, quokka)
    with database.read() as connection:
        found = windows.touching(connection, [monitor.id], at("10:00"), at("11:00"))
    assert found is windows.NO_WINDOWS


@pytest.mark.parametrize("monitor_count", [1, public_pages.FEW + 1])
def test_what_changes_in_another_project_crowds_nothing_out_of_a_feed(
    database: Database, quokka: int, monitor_count: int
) -> None:
    ours = failing(database, "ours", quokka)
    for number in range(10):
        failing(database, f"others-{number}", 1)
    page = PageDefinition("x", project_id=quokka)

    found = public_pages.read_changes(database, page, limit=2, monitor_count=monitor_count)

    assert {each.monitor_id for each in found} == {ours.id}
