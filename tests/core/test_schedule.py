"""When a schedule fires: both languages, their errors, and the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oncalendar import BaseIterator

from pulsemon.core.schedule import MAX_LENGTH, MESSAGES, Clock, ScheduleError, parse, read, zone_names

NEW_YORK, LISBON, LORD_HOWE, SAO_PAULO = "America/New_York", "Europe/Lisbon", "Australia/Lord_Howe", "America/Sao_Paulo"
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def firings(expression: str, zone: str, start: str, count: int = 4) -> list[str]:
    """Return the next firings after *start* (on the wall of *zone*), as its clock shows them, with the offset."""
    calendar = parse(expression, zone)
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [calendar.local(at).isoformat(timespec="minutes") for at in calendar.upcoming(after, count)]


def test_a_plain_day_gives_the_times_of_the_wall():
    assert firings("30 2 * * *", "UTC", "2026-11-25T10:00", 2) == ["2026-11-26T02:30+00:00", "2026-11-27T02:30+00:00"]
    assert firings("Mon..Fri 18:30", SAO_PAULO, "2026-11-27T18:30", 2) == [
        "2026-11-30T18:30-03:00",
        "2026-12-01T18:30-03:00",
    ]


# Each: expression, zone, start, what follows. The expectations come from cron(8) of Debian and from
# `systemd-analyze calendar --iterations` of systemd 252.
CLOCK_CHANGES = [
    # New York, 8 March 2026: 02:00 becomes 03:00.
    ("30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
    ("0,30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"]),
    ("30 2,3 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-08T03:30-04:00"]),
    ("0 2,3 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"]),
    ("*/30 * * * *", NEW_YORK, "2026-03-08T01:00", ["2026-03-08T01:30-05:00", "2026-03-08T03:00-04:00"]),
    ("*/30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-09T02:00-04:00", "2026-03-09T02:30-04:00"]),
    ("*-*-* 02:30", NEW_YORK, "2026-03-07T12:00", ["2026-03-09T02:30-04:00", "2026-03-10T02:30-04:00"]),
    # New York, 1 November 2026: 02:00 becomes 01:00.
    ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    (
        "*/30 * * * *",
        NEW_YORK,
        "2026-11-01T00:30",
        [
            "2026-11-01T01:00-04:00",
            "2026-11-01T01:30-04:00",
            "2026-11-01T01:00-05:00",
            "2026-11-01T01:30-05:00",
            "2026-11-01T02:00-05:00",
        ],
    ),
    ("30 * * * *", NEW_YORK, "2026-11-01T00:45", ["2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00"]),
    ("*-*-* 01:30", NEW_YORK, "2026-10-31T12:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    (
        "*:0/30",
        NEW_YORK,
        "2026-11-01T00:30",
        ["2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00", "2026-11-01T02:00-05:00"],
    ),
    # Lisbon, 29 March and 25 October 2026, at 01:00 UTC.
    ("15 1 * * *", LISBON, "2026-03-28T12:00", ["2026-03-29T02:00+01:00", "2026-03-30T01:15+01:00"]),
    ("15 1 * * *", LISBON, "2026-10-24T12:00", ["2026-10-25T01:15+01:00", "2026-10-26T01:15+00:00"]),
    # Lord Howe moves by half an hour: 4 October 2026, 02:00 becomes 02:30; 5 April, 02:00 becomes 01:30.
    ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
    ("45 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["2026-10-04T02:45+11:00", "2026-10-05T02:45+11:00"]),
    ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
    (
        "*/15 * * * *",
        LORD_HOWE,
        "2026-04-05T01:29",
        ["2026-04-05T01:30+11:00", "2026-04-05T01:45+11:00", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30"],
    ),
    # São Paulo, 4 November 2018: midnight itself becomes 01:00; 18 February 2018: midnight becomes 23:00.
    ("0 0 * * *", SAO_PAULO, "2018-11-03T12:00", ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"]),
    ("0 0 4 11 *", SAO_PAULO, "2018-11-03T12:00", ["2018-11-04T01:00-02:00", "2019-11-04T00:00-03:00"]),
    ("*/30 0 * * 0", SAO_PAULO, "2018-11-03T12:00", ["2018-11-11T00:00-02:00", "2018-11-11T00:30-02:00"]),
    ("*/30 * * * 0", SAO_PAULO, "2018-11-03T12:00", ["2018-11-04T01:00-02:00", "2018-11-04T01:30-02:00"]),
    ("30 23 * * *", SAO_PAULO, "2018-02-17T12:00", ["2018-02-17T23:30-02:00", "2018-02-18T23:30-03:00"]),
    ("daily", SAO_PAULO, "2018-11-03T12:00", ["2018-11-05T00:00-02:00", "2018-11-06T00:00-02:00"]),
    # Apia had no 30 December 2011.
    ("0 12 * * *", "Pacific/Apia", "2011-12-29T11:00", ["2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00"]),
    # Neither UTC nor a zone without summer time has such days.
    ("30 2 * * *", "UTC", "2026-03-07T12:00", ["2026-03-08T02:30+00:00", "2026-03-09T02:30+00:00"]),
    ("30 2 * * *", SAO_PAULO, "2026-10-31T12:00", ["2026-11-01T02:30-03:00", "2026-11-02T02:30-03:00"]),
]


@pytest.mark.parametrize(("expression", "zone", "start", "expected"), CLOCK_CHANGES)
def test_clock_changes(expression: str, zone: str, start: str, expected: list[str]):
    assert firings(expression, zone, start, len(expected)) == expected


def test_in_the_second_pass_of_a_repeated_hour_only_a_running_clock_fires():
    in_second_pass = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10 in New York, for the second time
    following = {
        "30 1 * * *": "2026-11-02T01:30-05:00",
        "0-59 1 * * *": "2026-11-02T01:00-05:00",
        "30 * * * *": "2026-11-01T01:30-05:00",
        "*:0/30": "2026-11-01T02:00-05:00",
        "*:*:*": "2026-11-01T02:00-05:00",
    }
    for expression, expected in following.items():
        calendar = parse(expression, NEW_YORK)
        found = calendar.next_after(in_second_pass)
        assert found is not None
        assert calendar.local(found).isoformat(timespec="minutes") == expected, expression


def test_a_firing_that_the_clock_moved_is_known_as_such():
    calendar = parse("30 2 * * *", NEW_YORK)
    moved, ordinary = calendar.upcoming(datetime(2026, 3, 7, 12, tzinfo=UTC), 2)
    assert calendar.is_moved(moved)
    assert not calendar.is_moved(ordinary)
    running = parse("*/30 * * * *", NEW_YORK)
    assert not any(running.is_moved(at) for at in running.upcoming(datetime(2026, 11, 1, 4, tzinfo=UTC), 12))


@pytest.mark.parametrize(
    ("alias", "fields"),
    [("@hourly", "0 * * * *"), ("@Daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *"),
     ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), (" @midnight ", "0 0 * * *")],
)  # fmt: skip
def test_aliases_are_cron(alias: str, fields: str):
    assert parse(alias) == parse(fields)
    assert parse(alias).clock is not Clock.SYSTEMD


def test_five_fields_are_cron_and_everything_else_is_systemd():
    assert parse("0 * * * *").clock is Clock.RUNNING
    assert parse("0 0 * * *").clock is Clock.FIXED
    for expression in ("hourly", "Mon", "12-25", "00:00", "Mon,Fri *-*-* 00:00:00", "2199-12-24 18:00"):
        assert parse(expression).clock is Clock.SYSTEMD, expression


def test_a_zone_within_an_expression_of_systemd_counts_instead_of_the_other():
    assert parse("Mon 12:00 Europe/Riga", NEW_YORK) == parse("Mon 12:00", "Europe/Riga")


def test_a_calendar_is_a_value():
    assert parse("0  0 * * *", "UTC") == parse("0 0 * * *", "UTC")
    assert len({parse("0 0 * * *", "UTC"), parse("0 0 * * * ", "UTC"), parse("0 0 * * *", LISBON)}) == 2
    assert parse("0 0 * * *", "UTC") is parse("0 0 * * *", "UTC")


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("", "schedule"),
        ("  ", "schedule"),
        ("hello", "schedule"),
        ("@reboot", "schedule"),
        ("@every 5m", "schedule"),
        ("１ * * * *", "schedule"),
        ("12:00:00:00", "schedule"),
        ("* * * *", "schedule-fields"),
        ("*/5 * * * * *", "schedule-fields"),
        ("60 * * * *", "schedule-minute"),
        ("a b c d e", "schedule-minute"),
        ("*/0 * * * *", "schedule-minute"),
        ("0 24 * * *", "schedule-hour"),
        ("0 5-1 * * *", "schedule-hour"),
        ("0 0 32 * *", "schedule-day"),
        ("0 0 32 2 *", "schedule-day"),
        ("0 0 * 13 *", "schedule-month"),
        ("0 0 * * 8", "schedule-weekday"),
        ("0 0 * * ſun", "schedule"),
        ("Mun 12:00", "schedule-weekday"),
        ("Mon 25:00", "schedule-hour"),
        ("12:00:61", "schedule-second"),
        ("12:00:00.5", "schedule-second"),
        ("1960-*-*", "schedule-year"),
        ("2026-13-01", "schedule-month"),
        ("0 0 30 2 *", "schedule-never"),
        ("0 0 31 2,4 *", "schedule-never"),
        ("*-02-30", "schedule-never"),
        ("2026-11-25 09:59", "schedule-never"),
        ("0" * (MAX_LENGTH + 1), "schedule-too-long"),
        ("Mon 12:00 Europe/Rigga", "timezone"),
    ],
)
def test_what_cannot_be_used_says_which_part(expression: str, code: str):
    with pytest.raises(ScheduleError) as wrong:
        read(expression, now=NOW)
    assert (wrong.value.code, wrong.value.field) == (code, "schedule")
    assert str(wrong.value) == MESSAGES[code] % dict(wrong.value.limits)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "america/new_york", "../etc/passwd", "localtime", "Factory", "\0"]
)
def test_an_unknown_zone_is_the_zones_problem(zone: str):
    with pytest.raises(ScheduleError) as wrong:
        parse("0 0 * * *", zone)
    assert (wrong.value.code, wrong.value.field) == ("timezone", "timezone")


def test_a_schedule_that_ends_has_no_further_firing():
    calendar = parse("2026-12-24 18:00", SAO_PAULO)
    assert calendar.upcoming(NOW, 5) == [datetime(2026, 12, 24, 21, tzinfo=UTC)]
    assert calendar.next_after(datetime(2026, 12, 24, 21, tzinfo=UTC)) is None
    assert calendar.next_after(datetime(2027, 1, 1, tzinfo=UTC)) is None
    # What is remembered of the end says nothing of the time before it: a clock may be set back.
    assert calendar.next_after(NOW) == datetime(2026, 12, 24, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "interval"),
    [
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 9-17 * * 1-5", timedelta(hours=1)),
        ("30 2 * * *", timedelta(days=1)),
        ("0 0 * * 0", timedelta(days=7)),
        ("0 2 1 * *", timedelta(days=28)),
        ("0 0 29 2 *", timedelta(days=1461)),
        ("0 0 * 2 MON#5", timedelta(days=366)),
        ("2026-12-24 18:00", timedelta(days=366)),
        ("*:*:0/10", timedelta(seconds=10)),
    ],
)
def test_the_nominal_interval_is_the_shortest_gap_whatever_the_clock_does(expression: str, interval: timedelta):
    assert parse(expression, NEW_YORK).nominal_interval == interval


# Properties, over the days on which something changes.

ZONES = [NEW_YORK, LISBON, LORD_HOWE, SAO_PAULO, "UTC", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia"]
CHANGES = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.lists(number, min_size=2, max_size=3).map(lambda numbers: ",".join(map(str, sorted(set(numbers))))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.integers(1, 30).map(lambda step: f"*/{step}"),
    )


CRON = st.tuples(
    _field(0, 59), _field(0, 5), st.sampled_from(["*", "1-15", "*/2"]), st.just("*"), st.sampled_from(["*", "0", "1-5"])
).map(" ".join)
SYSTEMD = st.sampled_from(
    ["*:0/15", "02:30", "01:00,30", "hourly", "daily", "Sun 00..03:07", "*-*~01 01:45", "Sat,Sun *:05,35", "weekly"]
)
INSTANTS = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-3 * 86_400, 86_400)
    | st.integers(-120, 120)
    | st.integers(-120, 120).map(lambda minutes: minutes * 60),
)


@given(st.one_of(CRON, SYSTEMD), st.sampled_from(ZONES), INSTANTS)
@settings(deadline=None, max_examples=300)
def test_firings_follow_each_other_strictly_and_do_not_depend_on_where_one_starts(
    expression: str, zone: str, instant: datetime
):
    calendar = parse(expression, zone)
    found = calendar.upcoming(instant, 6)
    assert len(found) == 6
    for earlier, later in pairwise([instant, *found]):
        assert earlier < later
        middle = earlier + (later - earlier) / 2
        # A fresh reading, so that the remembered answer is not what is compared.
        for start in (earlier, middle, later - timedelta(microseconds=1)):
            assert parse.__wrapped__(expression, zone).next_after(start) == later
            assert calendar.next_after(start) == later
    assert all(at.tzinfo is UTC and at.microsecond == 0 for at in found)


@given(CRON, st.sampled_from(ZONES), INSTANTS)
@settings(deadline=None, max_examples=60)
def test_a_running_clock_fires_at_every_minute_that_shows_a_time_of_the_expression(
    expression: str, zone: str, instant: datetime
):
    calendar = parse(expression, zone)
    assume(calendar.clock is Clock.RUNNING)
    start = instant.replace(second=0)
    minutes = [start + timedelta(minutes=count) for count in range(1, 6 * 60)]
    expected = [each for each in minutes if _names(CronSim, expression, calendar.local(each))]
    found = [at for at in calendar.upcoming(start, 6 * 60) if at <= minutes[-1]]
    assert found == expected


@given(SYSTEMD, st.sampled_from(ZONES), INSTANTS)
@settings(deadline=None, max_examples=60)
def test_systemd_fires_at_every_minute_that_shows_such_a_time_for_the_first_time(
    expression: str, zone: str, instant: datetime
):
    calendar = parse(expression, zone)
    start = instant.replace(second=0)
    minutes = [start + timedelta(minutes=count) for count in range(1, 6 * 60)]
    shown = [(each, calendar.local(each)) for each in minutes]
    expected = [each for each, local in shown if not local.fold and _names(BaseIterator, expression, local)]
    assert [at for at in calendar.upcoming(start, 6 * 60) if at <= minutes[-1]] == expected


def _names(language: type[CronSim] | type[BaseIterator], expression: str, local: datetime) -> bool:
    wall = local.replace(tzinfo=None, fold=0)
    return next(language(expression, wall - timedelta(seconds=1))) == wall


@given(CRON, st.sampled_from([NEW_YORK, LISBON, LORD_HOWE, SAO_PAULO]), INSTANTS)
@settings(deadline=None, max_examples=100)
def test_set_times_are_those_of_the_cron_library_with_a_zone(expression: str, zone: str, instant: datetime):
    calendar = parse(expression, zone)
    assume(calendar.clock is Clock.FIXED)
    start = instant - timedelta(days=1)
    judged: list[datetime] = []
    for at in CronSim(expression, start.astimezone(ZoneInfo(zone))):
        as_utc = at.astimezone(UTC)
        # Started within a repeated hour, the library gives a time that has passed.
        if as_utc > start:
            judged.append(as_utc)
        if len(judged) == 8:
            break
    assert calendar.upcoming(start, 8) == judged


@given(st.text(max_size=30) | st.text(alphabet="0123456789*/,-~.:@L#LWMonTueSUN ", max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_read_or_refused(text: str):
    try:
        calendar = read(text, now=NOW)
    except ScheduleError:
        return
    found = calendar.next_after(NOW)
    assert found is not None
    assert found > NOW


def test_every_zone_can_be_read():
    assert {"UTC", NEW_YORK, LISBON, LORD_HOWE, SAO_PAULO} <= zone_names()
    for name in zone_names():
        assert parse("0 0 * * *", name).next_after(NOW) is not None
