"""The list in parts is the whole list: found, ordered, counted and cut as one would in memory, on both databases."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import insert, update

from pulsemon.core import search
from pulsemon.core.placement import Placement
from pulsemon.core.search import Wanted
from pulsemon.core.shown import WORST_FIRST, Shown
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.monitors import Monitor, SearchText
from pulsemon.db.tables.projects import DEFAULT_ID
from pulsemon.monitors import apart, listing
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.listing import Ask, Cursor, Order
from pulsemon.monitors.views import View
from pulsemon.operations import housekeeping
from tests.arrange import START, a_ping, a_project, make, record
from tests.maintenance.test_manage import create as create_plan
from tests.maintenance.test_manage import once
from tests.statements import recorded_statements

NOW = START + timedelta(minutes=10)
NAMES = ("Backup Noturno", "backup crítico", "NF-e prod", "ERP fiscal", "S3 → AWS", "Ação", "acao", "Zebra", "ünder")


@pytest.fixture
def fleet(database: Database) -> Database:
    """Sixty monitors in every state, of which some share their names."""
    chance = random.Random(11)
    for number in range(60):
        place = Placement(
            group=chance.choice([None, "Produção", "Infra"]),
            environment=chance.choice([None, "prod", "dev"]),
            tags=tuple(chance.sample(["db", "crítico", "s3"], chance.randrange(3))),
        )
        monitor = make(database, f"job-{number}", name=chance.choice(NAMES), placement=place)
        fate = chance.choice(["waiting", "up", "late", "down", "paused", "cron", "running"])
        at = NOW - timedelta(seconds=270 if fate == "late" else chance.randrange(1, 200))
        if fate == "cron":
            monitors.edit(database, monitors.by_id(monitor.id), {"schedule": "* * * * *"}, now=START)
        if fate == "running":
            record(database, a_ping(monitor, at - timedelta(seconds=5)), a_ping(monitor, at, Signal.START))
        elif fate != "waiting":
            record(database, a_ping(monitor, at, Signal.FAIL if fate == "down" else Signal.SUCCESS))
        if fate == "paused":
            monitors.pause(database, monitors.by_id(monitor.id), now=NOW)
    with database.write() as connection:
        blind = {"blind_due_at": NOW - timedelta(seconds=1), "due_at": NOW + timedelta(minutes=5)}
        connection.execute(update(Monitor).where(Monitor.id.in_([3, 17, 40]), Monitor.status == "UP").values(blind))
    return database


def everything(database: Database) -> list[View]:
    return monitors.list_all(database)[0]


def by_hand(views: list[View], ask: Ask) -> list[View]:
    """The list as one would make it of all monitors."""

    def fits(view: View) -> bool:
        text = search.text_of(view.name, view.slug, view.placement)
        return all(each in text for each in ask.wanted.parts) and ask.state in (None, view.shown(now=NOW))

    def place(view: View) -> tuple[object, ...]:
        name = (search.name_key(view.name), view.id)
        match ask.order:
            case Order.WORST:
                return (WORST_FIRST.index(view.shown(now=NOW)), *name)
            case Order.NAME:
                return name
            case Order.LAST:
                return (view.last_ping is None, view.last_ping or 0, view.id)
            case Order.NEXT:
                return (view.due_at is None, view.due_at or 0, view.id)

    return sorted(filter(fits, views), key=place)


WANTED = (
    Wanted(),
    search.read("backup"),
    search.read("prod tag:db"),
    search.read("acao"),
    search.read("", groups=["infra"]),
)


def shared(database: Database) -> list[int]:
    """Give a third of the fleet to another project; return the ids of both."""
    other = a_project(database)
    third = Monitor.id % 3 == 0
    with database.write() as connection:
        connection.execute(update(Monitor).where(third).values(project_id=other))
        theirs = SearchText.monitor_id % 3 == 0
        connection.execute(update(SearchText).where(theirs).values(project_id=other))
    return [DEFAULT_ID, other]


@pytest.mark.parametrize("is_shared", [False, True], ids=["one project", "two projects"])
@pytest.mark.parametrize("few_count", [0, 1_000], ids=["walked", "in memory"])
@pytest.mark.parametrize("order", Order)
def test_parts_are_the_whole_list_whatever_is_asked(
    fleet: Database, order: Order, few_count: int, is_shared: bool
) -> None:
    for project_id in shared(fleet) if is_shared else [DEFAULT_ID]:
        views = [view for view in everything(fleet) if view.project_id == project_id]
        assert views
        _check_parts(fleet, project_id, views, order, few_count)


def _check_parts(database: Database, project_id: int, views: list[View], order: Order, few_count: int) -> None:
    with database.read() as connection:
        others = apart.read(connection, now=NOW).of(project_id)
        for wanted in WANTED:
            for state in (None, *Shown):
                ask = Ask(wanted, state, order)
                expected = [view.id for view in by_hand(views, ask)]
                found: list[int] = []
                after: Cursor | None = None
                parts = []
                while True:
                    part = listing.read(connection, project_id, ask, others, limit=7, after=after, few_count=few_count)
                    found += part.ids
                    parts.append(part)
                    if part.next is None:
                        break
                    after = Cursor.from_text(part.next.to_text(), order)
                assert found == expected, (ask, few_count)
                of_any = by_hand(views, Ask(wanted))
                assert part.counts == {each: sum(v.shown(now=NOW) is each for v in of_any) for each in WORST_FIRST}
                assert (part.total, part.found(state)) == (len(views), len(expected))
                assert part.down_count == sum(view.shown(now=NOW) is Shown.DOWN for view in views)
                for earlier, later in pairwise(parts):
                    back = listing.read(
                        connection, project_id, ask, others, limit=7, before=later.previous, few_count=few_count
                    )
                    assert back.ids == earlier.ids


def test_all_states_are_in_the_fleet(fleet: Database) -> None:
    assert {view.shown(now=NOW) for view in everything(fleet)} == set(Shown) - {Shown.MAINTENANCE}


@pytest.mark.parametrize("few_count", [0, 1_000], ids=["walked", "in memory"])
@pytest.mark.parametrize("is_general", [True, False])
def test_maintenance_goes_before_what_is_beneath(fleet: Database, is_general: bool, few_count: int) -> None:
    slugs = None if is_general else ["job-1", "job-2", "job-3", "job-30"]
    create_plan(fleet, once(NOW - timedelta(minutes=5)), now=NOW - timedelta(minutes=6), monitors=slugs)
    views = everything(fleet)
    assert any(view.shown(now=NOW) is Shown.MAINTENANCE for view in views)
    with fleet.read() as connection:
        others = apart.read(connection, now=NOW).of(DEFAULT_ID)
        for state in (None, Shown.MAINTENANCE, Shown.DOWN, Shown.PAUSED):
            part = listing.read(connection, DEFAULT_ID, Ask(state=state), others, limit=100, few_count=few_count)
            assert part.ids == [view.id for view in by_hand(views, Ask(state=state))]
            assert part.counts[Shown.MAINTENANCE] == sum(v.shown(now=NOW) is Shown.MAINTENANCE for v in views)


def test_a_place_that_is_gone_leads_to_the_beginning(fleet: Database) -> None:
    with fleet.read() as connection:
        others = apart.read(connection, now=NOW).of(DEFAULT_ID)
        first = listing.read(connection, DEFAULT_ID, Ask(), others, limit=5)
        beyond = listing.read(connection, DEFAULT_ID, Ask(), others, limit=5, after=Cursor(9, "zzz", 1))
        before = listing.read(connection, DEFAULT_ID, Ask(), others, limit=5, before=Cursor(0, "", 0))
    assert beyond.ids == before.ids == first.ids


@pytest.mark.parametrize("text", ["", "1", "0-x-a", "0-99999999999-a", "0-1-a\0b", "10-1-a", "0-1-" + "x" * 201])
def test_what_is_no_place_is_none(text: str) -> None:
    assert Cursor.from_text(text, Order.WORST) is None


def test_a_name_is_no_place_among_instants() -> None:
    assert Cursor.from_text("0-1-backup", Order.LAST) is None
    assert Cursor.from_text("0-1-2026-11-30 10:00:00.000000", Order.LAST) is not None


def test_a_list_costs_the_same_with_twenty_and_with_two_thousand(database: Database) -> None:
    def statements(few_count: int) -> int:
        with recorded_statements() as seen:
            with database.read() as connection:
                others = apart.read(connection, now=NOW).of(DEFAULT_ID)
                listing.read(connection, DEFAULT_ID, Ask(), others, limit=10, few_count=few_count)
        return len(seen)

    for number in range(20):
        make(database, f"job-{number}")
    with_few = statements(5)
    rows = [
        {"name": f"n {n}", "slug": f"s-{n}", "token": "t", "interval_seconds": 60, "grace_seconds": 60,
         "status": "UNKNOWN", "created_at": START, "updated_at": START}
        for n in range(2_000)
    ]  # fmt: skip
    with database.write() as connection:
        connection.execute(insert(Monitor), rows)
    while housekeeping.make_missing_search_texts(database).is_more:
        pass

    assert statements(5) == with_few
