"""Plans of maintenance and the windows that follow from them, on days on which clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core import maintenance, schedule
from pulsemon.core.maintenance import AHEAD, HORIZON, Plan, PlanError, Progress, Repeats, Step, due_step
from tests.conftest import at

NOW = at("10:00")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEW_YORK, SAO_PAULO, LORD_HOWE = "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe"
ZONES = ("UTC", NEW_YORK, SAO_PAULO, LORD_HOWE, "Pacific/Apia", "Africa/Casablanca")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def once(starts_at: datetime = NOW + HOUR, length: timedelta = HOUR) -> Plan:
    return Plan(Repeats.ONCE, starts_at, length, "UTC")


def by(expression: str, length: timedelta = HOUR, timezone: str = "UTC", **fields: Any) -> Plan:
    return Plan(Repeats.CRON, fields.pop("starts_at", NOW), length, timezone, expression, **fields)


def starts(plan: Plan, *, since: datetime = NOW, count: int = AHEAD) -> list[datetime]:
    return [each.start for each in maintenance.windows(plan, since=since, horizon=since + HORIZON, count=count)]


def refusal(plan: Plan, *, now: datetime = NOW) -> tuple[str, str]:
    with pytest.raises(PlanError) as refused:
        maintenance.check(plan, now=now)
    return refused.value.field, refused.value.code


def is_allowed(plan: Plan, *, now: datetime) -> bool:
    try:
        maintenance.check(plan, now=now)
    except PlanError:
        return False
    return True


class TestWindows:
    def test_once_is_one_window_however_far_ahead(self) -> None:
        plan = once(NOW + 4 * 366 * DAY)

        assert starts(plan) == [plan.starts_at]
        assert starts(plan, since=plan.starts_at + MINUTE) == []

    def test_a_window_may_begin_at_the_very_instant_that_is_asked_from(self) -> None:
        assert starts(by("0 10 * * *"))[0] == NOW
        assert starts(by("0 10 * * *"), since=NOW + MINUTE)[0] == NOW + DAY

    def test_none_begins_before_the_plan_does_nor_after_its_last_day(self) -> None:
        plan = by("0 2 * * *", starts_at=at("00:00") + 3 * DAY, last_day=date(2026, 3, 7))

        assert starts(plan) == [at("02:00") + number * DAY for number in (3, 4, 5)]

    def test_the_last_day_is_one_of_the_zone(self) -> None:
        plan = by("0 23 * * *", timezone=SAO_PAULO, last_day=date(2026, 3, 3))

        assert starts(plan) == [utc("2026-03-03 02:00"), utc("2026-03-04 02:00")]
        assert maintenance.day_of(plan.until, SAO_PAULO) == date(2026, 3, 3)

    def test_the_length_is_real_time_across_a_clock_change(self) -> None:
        (window,) = maintenance.windows(by("30 1 8 3 *", 3 * HOUR, NEW_YORK), since=NOW, horizon=NOW + HORIZON, count=1)

        assert (window.start, window.end) == (utc("2026-03-08 06:30"), utc("2026-03-08 09:30"))

    def test_a_time_that_the_clock_skips_begins_when_the_gap_ends_and_one_that_it_repeats_once(self) -> None:
        daily = by("30 2 * * *", timezone=NEW_YORK)

        assert starts(daily, since=utc("2026-03-07 12:00"))[:2] == [utc("2026-03-08 07:00"), utc("2026-03-09 06:30")]
        nightly = by("30 1 * * *", timezone=NEW_YORK)
        assert starts(nightly, since=utc("2026-10-31 12:00"))[:2] == [utc("2026-11-01 05:30"), utc("2026-11-02 06:30")]

    @given(
        st.sampled_from(["0 2 * * *", "*/30 * * * *", "15 1,2,3 * * *", "0 0 1 * *", "Sat,Sun 03:00", "@hourly"]),
        st.sampled_from(ZONES),
        st.integers(1, 48 * 60),
        st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    )
    def test_windows_never_overlap_and_each_begins_when_the_schedule_fires(
        self, expression: str, timezone: str, minutes: int, since: datetime
    ) -> None:
        begun = since.replace(tzinfo=UTC)
        plan = by(expression, minutes * MINUTE, timezone, starts_at=begun)

        found = maintenance.windows(plan, since=begun, horizon=begun + HORIZON)

        calendar = schedule.parse(expression, timezone)
        for window in found:
            assert window.end - window.start == minutes * MINUTE
            assert calendar.next_after(window.start - timedelta(microseconds=1)) == window.start
        assert all(one.end <= other.start for one, other in pairwise(found))
        assert all(begun <= window.start <= begun + HORIZON for window in found)

    @given(st.sampled_from(ZONES), st.integers(1, 24 * 60), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
    def test_what_is_allowed_leaves_out_no_firing(self, timezone: str, minutes: int, since: datetime) -> None:
        begun = since.replace(tzinfo=UTC)
        plan = by("15 0,2,3,12 * * *", minutes * MINUTE, timezone, starts_at=begun)
        allowed = is_allowed(plan, now=begun)

        assert allowed or minutes > 15  # 02:15, where the clock skips it, is 03:00, and then comes 03:15
        if allowed:
            firings = schedule.parse(plan.schedule or "", timezone).upcoming(begun - timedelta(microseconds=1), 300)
            assert starts(plan, since=begun, count=300) == firings


class TestWeekly:
    @given(st.sets(st.integers(1, 7), min_size=1), st.times())
    def test_days_and_a_time_are_read_back_as_they_were_written(self, days: set[int], moment: time) -> None:
        moment = moment.replace(second=0, microsecond=0)

        assert maintenance.read_weekly(maintenance.weekly(days, moment)) == (tuple(sorted(days)), moment)

    @pytest.mark.parametrize("expression", [None, "", "0 2 * * *", "*/5 2 * * 1", "Mon 02:00", "0 2 * * 0"])
    def test_other_expressions_are_not_weekly(self, expression: str | None) -> None:
        assert maintenance.read_weekly(expression) is None

    def test_seven_is_sunday(self) -> None:
        plan = by(maintenance.weekly([7], time(2, 30)))

        assert {each.strftime("%a %H:%M") for each in starts(plan)} == {"Sun 02:30"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("plan", "field", "code"),
        [
            (once(length=timedelta()), "length_seconds", "length"),
            (once(length=-HOUR), "length_seconds", "length"),
            (once(length=31 * DAY), "length_seconds", "length"),
            (once(NOW - DAY - MINUTE), "starts_at", "too-early"),
            (once(NOW + 2_000 * DAY), "starts_at", "too-far"),
            (by("0 0 30 2 *"), "schedule", "schedule-never"),
            (by("2020-01-01 00:00"), "schedule", "schedule-never"),
            (by("nonsense"), "schedule", "schedule"),
            (by("0 2 * * *", timezone="Mars/Base"), "timezone", "timezone"),
            (by("0 2 * * *", last_day=date(2026, 3, 2)), "until", "no-window"),
            (by("0 * * * *", 61 * MINUTE), "length_seconds", "overlapping"),
            (by("*:*:*", timedelta(seconds=1)), "schedule", "too-often"),
            (by("0,4 * * * *", MINUTE), "schedule", "too-often"),
            (by("0 2 * * 1,2", 25 * HOUR), "length_seconds", "overlapping"),
        ],
    )
    def test_a_plan_that_cannot_be_is_refused_at_its_field(self, plan: Plan, field: str, code: str) -> None:
        assert refusal(plan) == (field, code)

    def test_a_length_of_a_whole_day_every_day_runs_into_the_day_on_which_the_clock_is_put_forward(self) -> None:
        maintenance.check(by("0 2 * * *", DAY), now=NOW)
        assert refusal(by("0 5 * * *", DAY, NEW_YORK)) == ("length_seconds", "overlapping")
        maintenance.check(by("0 5 * * *", 23 * HOUR, NEW_YORK), now=NOW)

    def test_what_lies_beyond_the_last_day_runs_into_nothing(self) -> None:
        maintenance.check(by("0 12 * * *", 30 * HOUR, last_day=date(2026, 3, 2)), now=NOW)

    def test_the_beginning_of_an_old_plan_is_not_too_early_while_it_stays(self) -> None:
        plan = by("0 2 * * *", starts_at=NOW - 400 * DAY)

        maintenance.check(plan, now=NOW, kept_start=plan.starts_at)
        assert refusal(plan) == ("starts_at", "too-early")


class TestSteps:
    WINDOW = (at("12:00"), at("13:00"), at("11:00"))

    @pytest.mark.parametrize(
        ("now", "is_announced", "is_opened", "expected"),
        [
            ("10:59", False, False, None),
            ("11:00", False, False, Step.ANNOUNCE),
            ("11:30", True, False, None),
            ("12:00", True, False, Step.OPEN),
            ("12:00", False, False, Step.OPEN),
            ("12:30", True, True, None),
            ("13:00", True, True, Step.CLOSE),
            ("13:00", False, False, Step.CLOSE),
            ("20:00", True, False, Step.CLOSE),
        ],
    )
    def test_only_the_last_step_that_is_due_is_taken(
        self, now: str, is_announced: bool, is_opened: bool, expected: Step | None
    ) -> None:
        progress = Progress(*self.WINDOW, is_announced, is_opened)

        assert due_step(progress, now=at(now)) is expected

    @given(st.integers(-60, 200), st.booleans(), st.booleans())
    def test_a_step_is_due_exactly_from_the_instant_that_is_named_for_it(
        self, minutes: int, is_announced: bool, is_opened: bool
    ) -> None:
        progress = Progress(*self.WINDOW, is_announced or is_opened, is_opened)
        now = at("11:00") + minutes * MINUTE
        due_at, step = progress.next_step

        assert (due_step(progress, now=now) is not None) == (now >= due_at)
        if step is Step.CLOSE and now >= due_at:
            assert due_step(progress, now=now) is Step.CLOSE

    def test_one_that_is_announced_when_it_begins_is_only_begun(self) -> None:
        progress = Progress(at("12:00"), at("13:00"), at("12:00"), False, False)

        assert progress.next_step == (at("12:00"), Step.OPEN)


def test_the_instant_of_a_time_on_the_wall_is_the_first_or_none() -> None:
    assert schedule.instant_of(datetime(2026, 3, 8, 2, 30), NEW_YORK) is None
    assert schedule.instant_of(datetime(2026, 11, 1, 1, 30), NEW_YORK) == utc("2026-11-01 05:30")
    assert schedule.instant_of(datetime(2026, 11, 1, 1, 30, fold=1), NEW_YORK) == utc("2026-11-01 05:30")
    assert schedule.instant_of(datetime(2026, 6, 1, 12), SAO_PAULO) == utc("2026-06-01 15:00")
    assert schedule.instant_of(datetime(9999, 12, 31, 23, 59), NEW_YORK) is None
