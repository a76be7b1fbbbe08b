"""Plans of maintenance and their windows on the real tables: made ahead, edited, noticed once, counted for ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from pulsemon.availability import roll_ups
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceMonitor, MaintenanceWindow, WindowMonitor
from pulsemon.db.tables.subscribers import Subscriber
from pulsemon.errors import Conflict, Invalid, NotFound
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import ticks as maintenance_ticks
from pulsemon.maintenance import views as maintenance_views
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.views import MaintenanceView
from pulsemon.monitors import manage as monitors
from pulsemon.status_pages import manage as status_pages
from tests.arrange import a_ping, again, make, make_up, record, rows, said
from tests.availability.test_days import LONG, as_kept, from_history, roll, rolled, us
from tests.conftest import at
from tests.db.test_held import tick

NOW = at("10:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAILY = Plan(Repeats.CRON, NOW, HOUR, "UTC", "0 12 * * *")


def once(start: datetime = NOW + HOUR, length: timedelta = HOUR) -> Plan:
    return Plan(Repeats.ONCE, start, length, "UTC")


def create(database: Database, plan: Plan | None = None, *, now: datetime = NOW, **fields: Any) -> MaintenanceView:
    return maintenance.create(database, Definition(fields.pop("title", "Works"), plan or once(), **fields), now=now)


def edit(database: Database, view: MaintenanceView, *, now: datetime = NOW, **changes: Any) -> MaintenanceView:
    """Change fields of the definition, those of its plan among them."""

    def decide(before: MaintenanceView) -> Definition:
        own = {name: value for name, value in changes.items() if name in Definition.__slots__ and name != "plan"}
        of_plan = {name: value for name, value in changes.items() if name not in own}
        return replace(before.definition, plan=replace(before.definition.plan, **of_plan), **own)

    return maintenance.edit(database, view.id, decide, now=now)


def windows(database: Database) -> Sequence[Any]:
    return rows(database, MaintenanceWindow)


def spans(view: MaintenanceView) -> list[tuple[datetime, datetime]]:
    return [(each.starts_at, each.ends_at) for each in view.windows]


def a_subscriber(database: Database) -> None:
    """Somebody who is told of everything that the page at /status shows."""
    page = status_pages.edit(database, "status", status_pages.PageChanges(title="Status"), now=NOW)
    values = {"page_id": page.id, "kind": "webhook", "address": "http://127.0.0.1:9/", "locale": "en", "token": "t"}
    with database.write() as connection:
        connection.execute(
            insert(Subscriber).values(values | {"asked_at": NOW, "confirmed_at": NOW, "created_at": NOW})
        )


def notices(database: Database) -> list[tuple[str, str, str]]:
    """Return (event, title, beginning) of what subscribers are told."""
    found = [json.loads(payload) for subscriber_id, payload in said(database) if subscriber_id is not None]
    return [(each["event"], each["title"], each["starts_at"][8:16]) for each in found]


def test_the_next_ten_windows_are_made_and_as_time_goes_by_there_are_always_ten(database: Database) -> None:
    view = create(database, DAILY, announce_hours=0)
    assert [start for start, _ in spans(view)] == [at("12:00") + n * DAY for n in range(10)]

    assert tick(database, "12:00").step_count == 1
    assert len(windows(database)) == 10
    maintenance_ticks.tick(database, now=at("13:00"))
    assert len(windows(database)) == 11
    assert windows(database)[-1].starts_at == at("12:00") + 10 * DAY
    maintenance_ticks.tick(database, now=at("13:00") + 3 * DAY)
    assert len([row for row in windows(database) if row.closed_at is None]) == 10


def test_windows_that_nobody_was_there_to_make_are_made_afterwards_and_told_to_nobody(database: Database) -> None:
    a_subscriber(database)
    monitor = make_up(database, last_ping=at("10:00") - DAY, **LONG)
    hourly = Plan(Repeats.CRON, NOW, HOUR / 2, "UTC", "0 * * * *")
    create(database, hourly, announce_hours=0)

    maintenance_ticks.tick(database, now=NOW + 2 * DAY + HOUR / 4)

    made = [row.starts_at for row in windows(database)]
    assert made == [NOW + number * HOUR for number in range(59)]
    assert [each[::2] for each in notices(database)] == []
    assert as_kept(database, NOW + 2 * DAY, count=2)[monitor.id][-2].maintenance == us(12 * HOUR)


def test_an_edited_plan_makes_no_windows_of_the_time_before_the_edit(database: Database) -> None:
    view = create(database, Plan(Repeats.CRON, NOW, HOUR, "UTC", "0 10 2 3 *"))
    tick(database, "11:00")
    edit(database, view, schedule="0 9 3 3 *", now=NOW + 3 * DAY)
    assert len(windows(database)) == 2

    maintenance_ticks.top_up(database, now=NOW + 4 * DAY)

    assert [row.starts_at.year for row in windows(database)] == [2026, 2027]


def test_windows_that_are_rare_come_with_time(database: Database) -> None:
    yearly = Plan(Repeats.CRON, NOW, HOUR, "UTC", "0 12 1 3 *")
    view = create(database, yearly)
    assert [start for start, _ in spans(view)] == [datetime.fromisoformat("2027-03-01T12:00+00:00")]

    maintenance_ticks.top_up(database, now=NOW)
    assert len(windows(database)) == 1
    maintenance_ticks.top_up(database, now=NOW + 366 * DAY)

    assert [row.starts_at.year for row in windows(database)] == [2027, 2028]


def test_a_window_begins_and_ends_once_however_many_look_at_the_clock(database: Database) -> None:
    a_subscriber(database)
    make(database)
    create(database, once(), announce_hours=1)
    barrier = threading.Barrier(4)

    def look(when: str) -> None:
        barrier.wait()
        tick(database, when)

    for when in ("10:00", "11:00", "12:00"):
        threads = [threading.Thread(target=look, args=(when,)) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        tick(database, when)

    assert [event for event, *_ in notices(database)] == ["announced", "started", "ended"]
    (row,) = windows(database)
    assert (row.announced_at, row.opened_at, row.closed_at) == (at("10:00"), at("11:00"), at("12:00"))


def test_each_look_says_when_the_next_one_is_due(database: Database) -> None:
    create(database, once(at("12:00")), announce_hours=1)

    assert tick(database, "10:00").next_at == at("11:00")
    assert tick(database, "11:00").next_at == at("12:00")
    assert tick(database, "12:00").next_at == at("13:00")
    assert tick(database, "13:00").next_at is None


def test_what_came_and_went_while_pulsemon_was_away_is_told_to_nobody(database: Database) -> None:
    a_subscriber(database)
    make(database)
    create(database, once(), announce_hours=0)

    assert tick(database, "20:00").step_count == 1

    assert notices(database) == []
    assert windows(database)[0].closed_at == at("20:00")


def test_what_ended_while_pulsemon_was_away_and_had_been_begun_is_told_as_ended(database: Database) -> None:
    a_subscriber(database)
    make(database)
    create(database, once())
    for when in ("10:00", "11:00", "20:00"):
        tick(database, when)

    assert [event for event, *_ in notices(database)] == ["announced", "started", "ended"]


def test_of_a_daily_plan_subscribers_are_told_of_one_window_at_a_time(database: Database) -> None:
    a_subscriber(database)
    make(database)
    create(database, DAILY)

    tick(database, "10:00")
    assert notices(database) == [("announced", "Works", "02T12:00")]
    assert len([row for row in windows(database) if row.announced_at is not None]) == 7
    tick(database, "12:00")

    assert [each[::2] for each in notices(database)[1:]] == [("started", "02T12:00"), ("announced", "09T12:00")]


def test_who_is_not_to_be_told_is_not_told(database: Database) -> None:
    a_subscriber(database)
    make(database)
    view = create(database, once(), tells_subscribers=False)
    for when in ("10:00", "11:00", "12:00"):
        tick(database, when)
    maintenance.remove(database, view.id, now=at("12:00"))

    assert notices(database) == []


def test_edits_of_what_was_announced_are_told_once(database: Database) -> None:
    a_subscriber(database)
    make(database)
    view = create(database, once(at("12:00")))
    edit(database, view, title="Not announced yet")
    tick(database, "10:01")

    edit(database, view, title="Other words", now=at("10:02"))
    edit(database, view, starts_at=at("13:00"), now=at("10:03"))
    edit(database, view, announce_hours=1, now=at("10:04"))
    assert [each[::2] for each in notices(database)] == [
        ("announced", "02T12:00"),
        ("changed", "02T12:00"),
        ("changed", "02T13:00"),
    ]
    maintenance.remove(database, view.id, now=at("10:05"))
    assert notices(database)[-1] == ("cancelled", "Other words", "02T13:00")
    assert windows(database) == rows(database, Maintenance) == []


def test_a_plan_for_once_that_is_moved_stays_one_window(database: Database) -> None:
    view = create(database)

    edited = edit(database, view, starts_at=at("15:00"), length=2 * HOUR)

    assert spans(edited) == [(at("15:00"), at("17:00"))]
    assert len(windows(database)) == 1


def test_an_edit_rewrites_only_what_has_not_begun(database: Database) -> None:
    a, b = make_up(database, "a"), make_up(database, "b")
    view = create(database, DAILY, monitors=("a",))
    tick(database, "12:00")

    edited = edit(database, view, monitors=("b",), schedule="0 15 * * *", length=2 * HOUR, now=at("12:30"))

    assert spans(edited)[:2] == [(at("12:00"), at("13:00")), (at("15:00"), at("17:00"))]
    assert len(edited.windows) == 11
    concerned = {row.window_id: row.monitor_id for row in rows(database, WindowMonitor)}
    assert [concerned[each.id] for each in edited.windows] == [a.id] + [b.id] * 10


def test_what_begins_while_another_one_is_still_running_is_left_out(database: Database) -> None:
    view = create(database, DAILY)
    tick(database, "12:00")

    edited = edit(database, view, schedule="45 12 * * *", now=at("12:30"))

    assert spans(edited)[1][0] == at("12:45") + DAY


def test_monitors_of_coming_windows_become_all_and_few_again(database: Database) -> None:
    a = make_up(database, "a")
    view = create(database, DAILY, monitors=("a",))

    everything = edit(database, view, monitors=None)
    assert everything.definition.monitors is None
    assert {row.is_general for row in windows(database)} == {True}
    assert rows(database, WindowMonitor) == rows(database, MaintenanceMonitor) == []
    edit(database, view, monitors=("a",))

    assert {row.is_general for row in windows(database)} == {False}
    assert {row.monitor_id for row in rows(database, WindowMonitor)} == {a.id}


def test_a_skipped_window_is_not_made_again_and_the_others_stay(database: Database) -> None:
    a_subscriber(database)
    make(database)
    view = create(database, DAILY)
    tick(database, "10:00")
    maintenance.skip(database, view.id, view.windows[0].id, now=at("10:01"))
    maintenance.skip(database, view.id, view.windows[0].id, now=at("10:02"))
    maintenance_ticks.top_up(database, now=at("10:03"))
    edited = edit(database, view, title="New", now=at("10:04"))

    assert [start for start, _ in spans(edited)] == [at("12:00") + n * DAY for n in range(1, 11)]
    assert ("cancelled", "Works", "02T12:00") in notices(database)
    assert maintenance_views.list_windows(database, view.id, limit=1_000)[0][-1].is_skipped
    tick(database, "12:30")
    assert {row.opened_at for row in windows(database)} == {None}


def test_under_another_schedule_nothing_is_skipped_any_more(database: Database) -> None:
    view = create(database, DAILY)
    maintenance.skip(database, view.id, view.windows[0].id, now=NOW)

    edited = edit(database, view, schedule="0 12,20 * * *")

    assert spans(edited)[0] == (at("12:00"), at("13:00"))


def test_skipping_the_only_window_of_once_removes_the_plan(database: Database) -> None:
    view = create(database)
    maintenance.skip(database, view.id, view.windows[0].id, now=NOW)

    assert maintenance_views.list_all(database, now=NOW) == ([], None)


def test_what_has_begun_keeps_its_beginning_and_its_monitors(database: Database) -> None:
    make_up(database, "a")
    make_up(database, "b")
    view = create(database, once(NOW), monitors=("a", "b"))
    edit(database, view, monitors=("b", "a"), title="The same ones")

    for changes in ({"starts_at": at("10:30")}, {"monitors": ("a",)}, {"monitors": None}, {"repeats": Repeats.CRON}):
        with pytest.raises((Conflict, Invalid)):
            edit(database, view, now=at("10:10"), **changes)
    assert spans(edit(database, view, length=3 * HOUR, title="Longer", now=at("10:10"))) == [(NOW, at("13:00"))]


def test_what_is_over_is_not_edited_any_more(database: Database) -> None:
    view = create(database, once(NOW))
    tick(database, "12:00")

    with pytest.raises(Conflict):
        edit(database, view, title="Other", now=at("12:01"))
    with pytest.raises(Conflict):
        maintenance.end_now(database, view.id, now=at("12:01"))
    with pytest.raises(Conflict):
        maintenance.set_end(database, view.id, windows(database)[0].id, at("14:00"), now=at("12:01"))
    with pytest.raises(Conflict):
        maintenance.skip(database, view.id, windows(database)[0].id, now=at("12:01"))


def test_the_end_can_be_put_off_or_brought_forward_but_not_beyond_the_next_window(database: Database) -> None:
    view = create(database, Plan(Repeats.CRON, NOW, HOUR, "UTC", "0 10,14 * * *"))
    first = view.windows[0]

    assert spans(maintenance.set_end(database, view.id, first.id, at("14:00"), now=NOW))[0] == (NOW, at("14:00"))
    for wrong, code in ((at("14:01"), "overlapping"), (at("09:00"), "ends-before"), (NOW + 31 * DAY, "length")):
        with pytest.raises(Invalid) as refused:
            maintenance.set_end(database, view.id, first.id, wrong, now=at("10:05"))
        assert refused.value.problems[0].code == code
    with pytest.raises(Conflict):
        maintenance.set_end(database, view.id, view.windows[1].id, at("16:00"), now=at("10:05"))
    ended = maintenance.set_end(database, view.id, first.id, at("10:20"), now=at("10:30"))
    assert spans(ended)[0][0] == at("14:00")


def test_removing_keeps_what_was_there_and_only_that(database: Database) -> None:
    view = create(database, DAILY)
    tick(database, "12:00")
    maintenance.remove(database, view.id, now=at("12:20"))
    assert tick(database, "12:20").next_at is None

    assert [(row.starts_at, row.ends_at) for row in windows(database)] == [(at("12:00"), at("12:20"))]
    assert maintenance_views.list_all(database, now=at("12:20")) == ([], None)
    past, _ = maintenance_views.list_past(database, now=at("12:20"), limit=10)
    assert [each.plan_id for each in past] == [None]
    for ask in (
        lambda: maintenance_views.get(database, view.id, now=NOW),
        lambda: maintenance.remove(database, view.id, now=NOW),
        lambda: maintenance.end_now(database, view.id, now=NOW),
    ):
        with pytest.raises(NotFound):
            ask()


@pytest.mark.parametrize("public_id", ["", "nobody", "\0", "\ud800", "x" * 10_000, "1' OR '1'='1"])
def test_what_is_no_plan_is_not_found(database: Database, public_id: str) -> None:
    with pytest.raises(NotFound):
        maintenance_views.get(database, public_id, now=NOW)


def test_unknown_monitors_and_plans_that_cannot_be_change_nothing(database: Database) -> None:
    view = create(database)
    for fields in ({"monitors": ("nobody",)}, {"length": timedelta()}, {"timezone": "Mars/Base", "schedule": "@daily"}):
        with pytest.raises(Invalid):
            edit(database, view, title="New", **fields)
    with pytest.raises(Invalid):
        create(database, monitors=("nobody",))

    assert maintenance_views.list_all(database, now=NOW) == ([view], None)


def test_there_are_so_many_plans_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MAX_PLANS", 1)
    create(database)

    with pytest.raises(Conflict):
        create(database)


def test_a_deleted_monitor_leaves_its_plans(database: Database) -> None:
    a, b = make_up(database, "a"), make_up(database, "b")
    view = create(database, monitors=("a", "b"))
    monitors.remove(database, monitors.by_id(a.id))

    assert maintenance_views.get(database, view.id, now=NOW).definition.monitors == ("b",)
    assert {row.monitor_id for row in rows(database, WindowMonitor)} == {b.id}


def test_a_monitor_is_under_maintenance_from_the_beginning_to_the_end(database: Database) -> None:
    a, other = make_up(database, "a"), make_up(database, "other")
    create(database, once(at("11:00")), monitors=("a",))

    seen = again(database, a)
    assert seen.next_maintenance(now=at("10:59")) is not None
    for when, expected in (("10:59:59", None), ("11:00", at("12:00")), ("11:59:59", at("12:00")), ("12:00", None)):
        assert seen.maintained_until(now=at(when)) == expected
        assert (seen.shown(now=at(when)) == "maintenance") == (expected is not None)
    assert again(database, other).windows == ()
    assert [each.windows for each in monitors.list_all(database)[0]] == [seen.windows, ()]


def test_a_paused_monitor_stays_paused(database: Database) -> None:
    monitor = make_up(database)
    create(database, once(NOW))
    monitors.pause(database, monitors.by_id(monitor.id), now=NOW)

    assert again(database, monitor).shown(now=at("10:30")) == "paused"


# Availability


def test_maintenance_counts_neither_as_up_nor_as_down(database: Database) -> None:
    monitor = make_up(database, last_ping=at("10:00") - 3 * DAY, **LONG)
    record(database, a_ping(monitor, at("06:00") - DAY, Signal.FAIL))
    create(database, once(at("08:00") - DAY + 3 * HOUR, 2 * HOUR), now=at("09:00") - DAY, monitors=("job",))

    part = as_kept(database, at("12:00"))[monitor.id][-2]

    assert (part.maintenance, part.down, part.up) == (us(2 * HOUR), us(16 * HOUR), us(6 * HOUR))


@pytest.mark.parametrize("timezone", ["UTC", "America/Sao_Paulo"])
def test_days_with_windows_from_roll_ups_are_those_of_history(database: Database, timezone: str) -> None:
    """Windows over midnight, of all and of few, in a monitor's time and before it was made."""
    old = make_up(database, "old", last_ping=at("10:00") - 12 * DAY, **LONG)
    begun = at("10:00") - 10 * DAY
    create(database, Plan(Repeats.CRON, begun, 3 * HOUR, "UTC", "0 23 * * *"), now=begun, monitors=("old",))
    general = Plan(Repeats.CRON, begun, HOUR, "UTC", "30 20 * * 1,3,5")
    create(database, general, now=begun)
    for number in range(10):
        maintenance_ticks.tick(database, now=begun + number * DAY)
    late = make_up(database, "late", last_ping=at("21:00") - 5 * DAY, **LONG)
    record(database, a_ping(old, at("22:00") - 4 * DAY, Signal.FAIL), a_ping(old, at("03:00") - 3 * DAY))
    roll(database, at("12:00"), timezone)

    kept = as_kept(database, at("12:00"), timezone=timezone)

    assert kept == from_history(database, at("12:00"), timezone=timezone)
    assert sum(part.maintenance for part in kept[old.id]) > us(24 * HOUR)
    assert 0 < sum(part.maintenance for part in kept[late.id]) < us(4 * HOUR)
    made = [date for date, part in rolled(database, late, timezone).items() if part.maintenance]
    assert all(day >= date(2026, 2, 24) for day in made)


def test_a_window_that_somebody_forgot_to_announce_makes_yesterday_again(database: Database) -> None:
    monitor = make_up(database, last_ping=at("10:00") - 3 * DAY, **LONG)
    roll(database, at("12:00"))
    assert rolled(database, monitor)[date(2026, 3, 1)].maintenance == 0

    create(database, once(at("20:00") - DAY, 2 * HOUR), now=at("12:00"), monitors=("job",))

    assert as_kept(database, at("12:01")) == from_history(database, at("12:01"))
    roll(database, at("12:01"))
    assert rolled(database, monitor)[date(2026, 3, 1)].maintenance == us(2 * HOUR)
    assert tick(database, "12:02").step_count == 0


def test_an_end_that_is_put_into_the_past_makes_its_days_again(database: Database) -> None:
    monitor = make_up(database, last_ping=at("10:00") - 3 * DAY, **LONG)
    view = create(database, once(at("20:00") - DAY, 30 * HOUR), now=at("20:00") - DAY)
    roll(database, at("12:00"))
    assert rolled(database, monitor)[date(2026, 3, 1)].maintenance == us(4 * HOUR)

    maintenance.set_end(database, view.id, view.windows[0].id, at("21:00") - DAY, now=at("12:00"))

    assert as_kept(database, at("12:01")) == from_history(database, at("12:01"))
    roll(database, at("12:01"))
    assert rolled(database, monitor)[date(2026, 3, 1)].maintenance == us(HOUR)


def test_moving_the_beginning_into_the_past_makes_its_days_again(database: Database) -> None:
    monitor = make_up(database, last_ping=at("10:00") - 3 * DAY, **LONG)
    view = create(database, once(at("15:00")), monitors=("job",), now=at("12:00"))
    roll(database, at("12:00"))

    edit(database, view, starts_at=at("20:00") - DAY, length=17 * HOUR, now=at("12:00"))

    assert as_kept(database, at("12:01")) == from_history(database, at("12:01"))
    roll(database, at("12:01"))
    assert rolled(database, monitor)[date(2026, 3, 1)].maintenance == us(4 * HOUR)
    assert roll_ups.roll_up(database, timezone="UTC", now=at("12:02")) is None
