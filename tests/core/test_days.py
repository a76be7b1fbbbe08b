"""A day is from the first instant that bears its date to the first of the next, whatever the clock does in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.days import date_at, day_start, days, last_days
from pulsemon.core.schedule import zone_names
from tests.conftest import at

ZONES = st.sampled_from(sorted(zone_names()))
DATES = st.dates(date(1975, 1, 1), date(2037, 12, 30))


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", "2026-03-02", "2026-03-02T00:00", 24),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5),
        # Midnight is skipped: the day begins at 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
        # At midnight the clock is put back to 23:00 of the day before.
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25),
        # Midnight comes twice.
        ("America/Havana", "2026-11-01", "2026-11-01T04:00", 25),
        # From 23:30 the clock was put forward to 00:30.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30", 23.5),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", 24),
    ],
)
def test_days_of_clock_changes(zone: str, day: str, start: str, hours: float) -> None:
    found = days(date.fromisoformat(day), date.fromisoformat(day), zone)

    assert [each.start for each in found] == [datetime.fromisoformat(start).replace(tzinfo=UTC)]
    assert found[0].end - found[0].start == timedelta(hours=hours)


def test_a_date_that_a_zone_left_out_is_no_day() -> None:
    found = days(date(2011, 12, 29), date(2011, 12, 31), "Pacific/Apia")

    assert [each.date.day for each in found] == [29, 31]
    assert found[0].end == found[1].start


@given(ZONES, DATES)
def test_a_day_begins_with_the_first_instant_that_bears_its_date(zone: str, day: date) -> None:
    start = day_start(day, zone)

    assert date_at(start, zone) >= day
    assert date_at(start - timedelta(microseconds=1), zone) < day


@given(ZONES, DATES)
def test_days_follow_each_other_without_gap(zone: str, day: date) -> None:
    found = days(day, day + timedelta(days=3), zone)

    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(timedelta(hours=20) < each.end - each.start < timedelta(hours=28) for each in found)


def test_the_last_days_end_now() -> None:
    found = last_days(3, "America/Sao_Paulo", now=at("02:00"))

    assert [each.date.isoformat() for each in found] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert found[-1].end == at("02:00")
    assert found[-1].start.astimezone(ZoneInfo("America/Sao_Paulo")).hour == 0
    assert [each.date.day for each in last_days(2, "UTC", now=at("00:00"))] == [28, 1]
