"""Days that are over are kept as sums, and say at every moment what history says."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from pulsemon.availability import corrections, roll_marks, roll_ups, track_record
from pulsemon.availability import days as availability
from pulsemon.core.status import Signal
from pulsemon.core.uptime import Availability, Span
from pulsemon.db import Database
from pulsemon.db.tables.availability import Correction, RolledDay, RollMark
from pulsemon.db.tables.deadlines import UnseenSpan
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.errors import Conflict, NotFound
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import a_ping, make, record, rows
from tests.conftest import at
from tests.statements import recorded_statements

SAO_PAULO, LORD_HOWE = "America/Sao_Paulo", "Australia/Lord_Howe"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONG = {"interval_seconds": 30 * 86_400}


def us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def roll(database: Database, now: datetime, timezone: str = "UTC") -> None:
    """Make every day that can be made."""
    after: int | None = 0
    while after is not None:
        after = roll_ups.roll_up(database, timezone=timezone, now=now, after=after)


def from_history(database: Database, now: datetime, *, timezone: str = "UTC", count: int = 30) -> dict[int, Any]:
    """The days of all monitors, computed without the roll-ups."""
    with database.read() as connection:
        days = availability.last_days(count, timezone, now=now)
        subjects = availability.read_subjects(connection, None, timezone="")
        facts = availability.read_facts(connection, subjects, start=days[0].start, timezone="", now=now)
        spans = [Span(day.start, day.end) for day in days]
        return {each: availability.availability_by_period(facts[each], spans) for each in facts}


def as_kept(database: Database, now: datetime, *, timezone: str = "UTC", count: int = 30) -> dict[int, Any]:
    with database.read() as connection:
        return availability.read_last_days(connection, None, timezone=timezone, count=count, now=now).parts


def rolled(database: Database, monitor: View, timezone: str = "UTC") -> dict[date, Availability]:
    """The rows themselves."""
    found = rows(database, RolledDay, RolledDay.monitor_id == monitor.id, RolledDay.timezone == timezone)
    return {row.day: Availability(*tuple(row)[3:]) for row in found}


def an_unsteady_monitor(database: Database, slug: str = "job", *, start: datetime, days: int = 12) -> View:
    """Up, with an outage of some hours every other day, one of them over midnight, and a pause."""
    monitor = make(database, slug, now=start, **LONG)
    record(database, a_ping(monitor, start + HOUR))
    for number in range(0, days, 2):
        begun = start + number * DAY + timedelta(hours=19 + number % 5)
        record(database, a_ping(monitor, begun, Signal.FAIL))
        record(database, a_ping(monitor, begun + timedelta(hours=3.5)))
    monitors.pause(database, monitors.by_id(monitor.id), now=start + days * DAY)
    return monitor


@pytest.mark.parametrize("timezone", ["UTC", SAO_PAULO, LORD_HOWE])
def test_days_from_roll_ups_are_those_of_history(database: Database, timezone: str) -> None:
    start = at("10:00") - 20 * DAY
    one, other = an_unsteady_monitor(database, "one", start=start), make(database, "new", now=at("09:00"))
    roll(database, at("12:00"), timezone)

    kept = as_kept(database, at("12:00"), timezone=timezone)

    assert kept == from_history(database, at("12:00"), timezone=timezone)
    assert set(kept) == {one.id, other.id}
    assert sum(part.down for part in kept[one.id]) > us(10 * HOUR)
    assert min(rolled(database, one, timezone)) >= start.date() - DAY
    assert rolled(database, other, timezone) == {}


def test_what_is_kept_is_read_and_not_computed(database: Database) -> None:
    """The rows are what is looked at: changed by hand, they show."""
    monitor = an_unsteady_monitor(database, start=at("10:00") - 20 * DAY)
    roll(database, at("12:00"))
    with database.write() as connection:
        connection.execute(update(RolledDay).values(down_us=7))

    assert {part.down for part in as_kept(database, at("12:00"), count=10)[monitor.id][:-1]} == {7}


def test_a_late_transition_makes_its_day_and_those_after_it_again(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 9 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 9 * DAY))
    roll(database, at("12:00"))
    before = rolled(database, monitor)
    with database.write() as connection:
        late = {"occurred_at": at("06:00") - 3 * DAY, "created_at": at("12:01"), "seq": 2, "cause": "silence"}
        connection.execute(
            insert(History).values(
                slug="job", monitor_id=monitor.id, prev_status="UP", new_status="DOWN", note="", detail="{}", **late
            )
        )
        connection.execute(update(Monitor).values(state_seq=2, status="DOWN", down_cause="silence"))

    assert as_kept(database, at("12:02")) == from_history(database, at("12:02"))
    roll(database, at("12:02"))
    after = rolled(database, monitor)

    changed = {day for day in after if after[day] != before[day]}
    assert changed == {date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)}
    assert after[date(2026, 2, 27)].down == us(18 * HOUR)
    assert as_kept(database, at("12:02")) == from_history(database, at("12:02"))


def test_a_late_unseen_span_makes_its_days_again(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 9 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 9 * DAY))
    roll(database, at("12:00"))
    with database.write() as connection:
        connection.execute(
            insert(UnseenSpan).values(monitor_id=monitor.id, started_at=at("06:00") - 2 * DAY, ended_at=at("09:00"))
        )

    assert as_kept(database, at("12:02")) == from_history(database, at("12:02"))
    roll(database, at("12:02"))

    assert rolled(database, monitor)[date(2026, 2, 28)].unknown == us(18 * HOUR)
    assert rolled(database, monitor)[date(2026, 2, 27)].unknown == 0


def test_days_behind_a_deadline_that_a_blind_window_moved_wait_until_it_is_known(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 9 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 9 * DAY))
    with database.write() as connection:
        connection.execute(update(Monitor).values(blind_due_at=at("06:00") - 3 * DAY))
    roll(database, at("12:00"))

    assert max(rolled(database, monitor)) == date(2026, 2, 26)
    assert as_kept(database, at("12:00"))[monitor.id][-2].unknown == us(DAY)
    assert not roll_ups.roll_up(database, timezone="UTC", now=at("12:00"))

    record(database, a_ping(monitor, at("12:30")))
    roll(database, at("12:31"))
    assert rolled(database, monitor)[date(2026, 3, 1)].unknown == us(DAY)
    assert as_kept(database, at("12:31")) == from_history(database, at("12:31"))


def test_a_correction_takes_its_time_out_and_gives_it_back(database: Database) -> None:
    monitor = an_unsteady_monitor(database, start=at("10:00") - 20 * DAY)
    roll(database, at("12:00"))
    before = as_kept(database, at("12:00"))
    outage = track_record.read_outages(database, monitor.id, limit=1, now=at("12:00"))[0][0]
    assert outage.end
    assert not outage.is_excluded(at("12:00"))

    made = corrections.exclude(
        database, monitor.id, started_at=outage.start, ended_at=outage.end, reason="planned", now=at("12:01")
    )

    for now in (at("12:02"), at("12:03")):
        kept = as_kept(database, now)
        assert kept == from_history(database, now)
        excluded = sum(part.excluded for part in kept[monitor.id])
        assert (
            excluded
            == us(outage.end - outage.start)
            == sum(p.down for p in before[monitor.id]) - sum(p.down for p in kept[monitor.id])
        )
        roll(database, now)
    again_outage = track_record.read_outage(database, monitor.id, outage.seq, now=at("12:03"))
    assert (again_outage.reasons, again_outage.is_excluded(at("12:03"))) == (("planned",), True)

    corrections.withdraw(database, monitor.id, made.id, now=at("12:04"))
    for now in (at("12:05"), at("12:06")):
        assert [part.down for part in as_kept(database, now)[monitor.id]] == [p.down for p in before[monitor.id]]
        roll(database, now)
    assert sum(part.excluded for part in rolled(database, monitor).values()) == 0


def test_corrections_are_never_edited_and_taken_back_once(database: Database) -> None:
    monitor = make(database)
    made = corrections.exclude(
        database, monitor.id, started_at=at("10:10"), ended_at=at("10:20"), reason="a", now=at("11:00")
    )
    first = corrections.withdraw(database, monitor.id, made.id, now=at("11:01"))
    second = corrections.withdraw(database, monitor.id, made.id, now=at("11:02"))

    assert first == second
    assert (first.reason, first.withdrawn_at) == ("a", at("11:01"))
    assert len(rows(database, Correction)) == 2
    with database.read() as connection:
        assert corrections.read_corrections(connection, monitor.id) == [first]
    withdrawal = rows(database, Correction)[1].id
    for wrong in (withdrawal, 99):
        with pytest.raises(NotFound):
            corrections.withdraw(database, monitor.id, wrong, now=at("11:03"))
    other = make(database, "other")
    with pytest.raises(NotFound):
        corrections.withdraw(database, other.id, made.id, now=at("11:03"))


def test_a_monitor_has_so_many_corrections_and_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MAX_CORRECTIONS", 1)
    monitor = make(database)
    span = {"started_at": at("10:10"), "ended_at": at("10:20"), "reason": "a", "now": at("11:00")}
    corrections.exclude(database, monitor.id, **span)

    with pytest.raises(Conflict):
        corrections.exclude(database, monitor.id, **span)
    with pytest.raises(NotFound):
        corrections.exclude(database, 99, **span)


def test_days_that_somebody_says_to_forget_are_made_again(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 9 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 9 * DAY))
    roll(database, at("12:00"))
    with database.write() as connection:
        connection.execute(update(RolledDay).values(down_us=7))
        roll_marks.forget_since(connection, [monitor.id], at("06:00") - 2 * DAY)

    assert [part.down for part in as_kept(database, at("12:00"), count=5)[monitor.id]] == [7, 7, 0, 0, 0]
    roll(database, at("12:00"))
    assert [part.down for part in rolled(database, monitor).values()][-3:] == [7, 0, 0]


def test_what_was_made_from_an_older_mark_is_not_written(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another node, or a change of the past, was faster."""
    monitor = make(database, now=at("10:00") - 3 * DAY, **LONG)
    make_days = roll_ups._make

    def overtaken(*args: Any, **named: Any) -> Any:
        made = make_days(*args, **named)
        with database.write() as connection:
            connection.execute(update(RollMark).values(version=RollMark.version + 1))
        return made

    monkeypatch.setattr(roll_ups, "_make", overtaken)
    roll_ups.roll_up(database, timezone="UTC", now=at("12:00"))

    assert rolled(database, monitor) == {}


def test_a_day_rolls_on_and_the_oldest_goes(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 500 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 500 * DAY))
    roll(database, at("12:00"))
    assert (min(rolled(database, monitor)), max(rolled(database, monitor))) == (date(2025, 1, 27), date(2026, 3, 1))

    roll(database, at("00:00:01") + 2 * DAY)

    kept = rolled(database, monitor)
    assert (min(kept), max(kept), len(kept)) == (date(2025, 1, 28), date(2026, 3, 3), 400)


def test_days_older_than_the_roll_ups_are_computed(database: Database) -> None:
    monitor = make(database, now=at("10:00") - 500 * DAY, **LONG)
    record(database, a_ping(monitor, at("10:00") - 500 * DAY))
    roll(database, at("12:00"))

    assert as_kept(database, at("12:00"), count=450) == from_history(database, at("12:00"), count=450)


def test_the_days_of_another_zone_go_when_it_is_no_longer_asked_for(database: Database) -> None:
    one = an_unsteady_monitor(database, "one", start=at("10:00") - 20 * DAY)
    two = an_unsteady_monitor(database, "two", start=at("10:00") - 20 * DAY)
    for timezone in (SAO_PAULO, "UTC"):
        roll(database, at("12:00"), timezone)
    kept = rolled(database, one)

    while roll_ups.remove_other_zones(database, timezones={"UTC"}):
        pass

    assert rolled(database, one, SAO_PAULO) == rolled(database, two, SAO_PAULO) == {}
    assert rolled(database, one) == kept
    assert {row.timezone for row in rows(database, RollMark)} == {"UTC"}


def test_days_of_a_zone_that_is_known_no_more_stand_in_nobodys_way(database: Database) -> None:
    monitor = an_unsteady_monitor(database, start=at("10:00") - 20 * DAY)
    roll(database, at("12:00"))
    with database.write() as connection:
        connection.execute(update(RollMark).values(timezone="Mars/Base"))

    with database.write() as connection:
        roll_marks.forget_since(connection, [monitor.id], at("06:00") - 2 * DAY)

    (mark,) = rows(database, RollMark)
    assert (mark.timezone, mark.rolled_until) == ("Mars/Base", None)


def test_a_deleted_monitor_leaves_neither_days_nor_corrections(database: Database) -> None:
    monitor = an_unsteady_monitor(database, start=at("10:00") - 20 * DAY)
    corrections.exclude(database, monitor.id, started_at=at("10:10"), ended_at=at("10:20"), reason="a", now=at("11:00"))
    roll(database, at("12:00"))

    monitors.remove(database, monitors.by_id(monitor.id))

    for table in (RolledDay, RollMark, Correction):
        assert rows(database, table) == []


def test_a_monitor_without_history_was_always_what_it_is(database: Database) -> None:
    """An old database may have lost it; its first transition says the same of the time before."""
    monitor = make(database, now=at("10:00") - 9 * DAY, **LONG)
    with database.write() as connection:
        connection.execute(update(Monitor).values(status="UP"))
    roll(database, at("12:00"))

    assert rolled(database, monitor)[date(2026, 3, 1)].up == us(DAY)
    assert rolled(database, monitor)[date(2026, 2, 21)] == Availability(up=us(14 * HOUR), unknown=us(10 * HOUR))


def test_the_number_of_queries_is_that_of_one_monitor_for_many(database: Database) -> None:
    counts = []
    for number in (1, 12):
        for each in range(number):
            an_unsteady_monitor(database, f"job-{number}-{each}", start=at("10:00") - 15 * DAY, days=6)
        roll(database, at("12:00"))
        with recorded_statements() as seen:
            as_kept(database, at("12:00"))
        counts.append(len([each for each in seen if each.startswith("SELECT")]))

    assert counts == [6, 6]


def test_a_month_has_its_days_its_outages_and_its_corrections(database: Database) -> None:
    monitor = an_unsteady_monitor(database, start=at("10:00") - 20 * DAY, days=14)

    report = track_record.read_report(database, monitor.id, year=2026, month=2, timezone=SAO_PAULO, now=at("12:00"))
    ahead = track_record.read_report(database, monitor.id, year=2026, month=4, timezone="UTC", now=at("12:00"))
    march = track_record.read_report(database, monitor.id, year=2026, month=3, timezone="UTC", now=at("12:00"))

    assert len(report.period.days) == 28
    assert report.period.whole.length == us(28 * DAY)
    assert sum(us(each.lasted(at("12:00"))) for each in report.outages) == report.period.whole.down
    assert (ahead.period.days, ahead.outages) == ([], ())
    assert [day.end for day in march.period.days] == [at("00:00") + DAY - DAY, at("12:00")]


signals = st.lists(
    st.tuples(st.integers(1, 20 * 86_400), st.sampled_from(["success", "fail", "pause", "resume", "roll", "exclude"])),
    max_size=14,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(signals, st.sampled_from(["UTC", SAO_PAULO, LORD_HOWE]))
def test_whatever_happens_in_whatever_order_roll_ups_say_what_history_says(
    sqlite_database: Database, story: list[tuple[int, str]], timezone: str
) -> None:
    database = sqlite_database
    with database.write() as connection:
        for table in (RolledDay, RollMark, Correction, History, Monitor):
            connection.execute(table.__table__.delete())
    start = at("10:00") - 21 * DAY
    monitor = make(database, now=start, **LONG)
    for seconds, what in story:  # not sorted: the clock is set back too
        now = start + timedelta(seconds=seconds)
        match what:
            case "success" | "fail":
                record(database, a_ping(monitor, now, Signal(what)))
            case "pause" | "resume":
                getattr(monitors, what)(database, monitors.by_id(monitor.id), now=now)
            case "roll":
                roll(database, now, timezone)
            case "exclude":
                begun = max(start, now - 30 * HOUR)
                corrections.exclude(database, monitor.id, started_at=begun, ended_at=now, reason="r", now=now)

    assert as_kept(database, at("12:00"), timezone=timezone) == from_history(database, at("12:00"), timezone=timezone)
    roll(database, at("12:00"), timezone)
    assert as_kept(database, at("12:00"), timezone=timezone) == from_history(database, at("12:00"), timezone=timezone)


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Any:
    opened = Database.open(sqlite_url)
    opened.migrate()
    yield opened
    opened.close()
