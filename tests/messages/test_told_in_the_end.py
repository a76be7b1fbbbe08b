"""Any life of a monitor with maintenance in it: what its receiver was told, against a model that knows no outbox.

The model: windows as whoever edits them understands them, and the history. A step is a jump in time, a deed, and
mostly a round of the loops (deadlines, windows, messages), which may come late, as after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from pulsemon.channels.message import Delivered, Message
from pulsemon.core.maintenance import Plan, Repeats
from pulsemon.core.status import Signal
from pulsemon.db import Database
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow
from pulsemon.db.tables.messages import Delivery
from pulsemon.deadlines import passes
from pulsemon.maintenance import manage as maintenance
from pulsemon.maintenance import ticks as maintenance_ticks
from pulsemon.maintenance import views as maintenance_views
from pulsemon.maintenance.definition import Definition
from pulsemon.messages import outbox
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.views import View
from tests.arrange import HOOK, START, a_ping, again, make, record, rows, seconds, transitions

INTERVAL, GRACE = 60, 30
# The longest that a silence may wait for its job after a window: interval and grace, five minutes at most.
PATIENCE = seconds(300)
OTHER_HOOK = "http://127.0.0.2:9/hook"

jumps = st.sampled_from([0, 1, 5, 30, 59, 61, 91, 150, 400])
deeds = st.one_of(
    st.tuples(st.just("ping"), st.lists(st.sampled_from([Signal.SUCCESS, Signal.FAIL]), min_size=1, max_size=3)),
    st.tuples(
        st.just("plan"), st.sampled_from([-60, 0, 1, 45, 120]), st.sampled_from([1, 30, 90, 200, 600]), st.booleans()
    ),
    st.tuples(st.sampled_from(["end", "remove", "pause", "resume", "rotate", "skip"]), st.integers(0, 3)),
    st.tuples(st.just("move"), st.integers(0, 3), st.sampled_from([-100, -1, 1, 100])),
    st.tuples(st.just("interval"), st.sampled_from([10, INTERVAL, 200])),
    st.tuples(st.just("hook"), st.sampled_from([HOOK, OTHER_HOOK])),
    st.tuples(st.just("nothing")),
)
lives = st.lists(st.tuples(jumps, deeds, st.integers(0, 4).map(bool)), min_size=1, max_size=25)


@dataclass
class Works:
    """One window as its owner knows it: [start, end), and since when anybody could know of it."""

    plan_id: str
    start: datetime
    end: datetime
    known_at: datetime

    def runs(self, at: datetime) -> bool:
        return max(self.start, self.known_at) <= at < self.end


@dataclass
class Life:
    """A monitor, its windows, and what its receiver heard: (seq, status, when, owed since)."""

    database: Database
    monitor: View
    now: datetime = START
    works: list[Works] = field(default_factory=list)
    heard: list[tuple[int, str, datetime, datetime]] = field(default_factory=list)

    @property
    def which(self) -> Any:
        return monitors.by_id(self.monitor.id)

    def live(self, steps: Sequence[Any]) -> None:
        for jump, (deed, *details), is_awake in steps:
            self.pass_by(seconds(jump), is_awake=is_awake)
            getattr(self, deed)(*details)
            self.pass_by(seconds(0), is_awake=is_awake)

    def pass_by(self, time: timedelta, *, is_awake: bool) -> None:
        """Let time pass, and a little more: no two things happen at the same instant."""
        self.now += time + timedelta(milliseconds=1)
        if is_awake:
            self.loops()
            self.now += timedelta(milliseconds=1)

    def loops(self) -> None:
        passes.expire_due(self.database, now=self.now, recorded_at=self.now)
        maintenance_ticks.tick(self.database, now=self.now)
        self.deliver()

    def deliver(self) -> None:
        while leased := outbox.lease_due(self.database, now=self.now, in_flight={}):
            for each in leased:
                (row,) = rows(self.database, Delivery, Delivery.id == each.delivery_id)
                assert isinstance(each.message, Message)
                status = str(each.message.payload["status"])
                self.heard.append((row.seq, status, self.now, row.retry_since))
            done = [outbox.Sent(each, Delivered(200), self.now, self.now, jitter=0) for each in leased]
            outbox.settle(self.database, done)

    def ping(self, signals: Sequence[Signal]) -> None:
        token = again(self.database, self.monitor).token
        record(self.database, *(a_ping(self.monitor, self.now, each, token=token) for each in signals))

    def plan(self, offset: int, length: int, is_general: bool) -> None:
        start = self.now + seconds(offset)
        plan = Plan(Repeats.ONCE, start, seconds(length), "UTC")
        chosen = None if is_general else (self.monitor.slug,)
        made = maintenance.create(self.database, Definition("Works", plan, monitors=chosen), now=self.now)
        self.works.append(Works(made.id, start, start + seconds(length), self.now))

    def _running(self, number: int) -> Works | None:
        running = [each for each in self.works if each.runs(self.now)]
        return running[number % len(running)] if running else None

    def end(self, number: int) -> None:
        if (one := self._running(number)) is not None:
            maintenance.end_now(self.database, one.plan_id, now=self.now)
            one.end = self.now

    def move(self, number: int, by: int) -> None:
        """Another end, a past one too, though not before it began."""
        if (one := self._running(number)) is not None and one.end + seconds(by) > one.start:
            view = maintenance_views.get(self.database, one.plan_id, now=self.now)
            window = view.running(now=self.now)
            assert window is not None
            one.end += seconds(by)
            maintenance.set_end(self.database, one.plan_id, window.id, one.end, now=self.now)

    def remove(self, number: int) -> None:
        there = [each for each in self.works if each.end > self.now]
        if there:
            one = there[number % len(there)]
            maintenance.remove(self.database, one.plan_id, now=self.now)
            one.end = min(one.end, self.now)

    def skip(self, number: int) -> None:
        coming = [each for each in self.works if each.start > self.now and each.end > each.start]
        if coming:
            one = coming[number % len(coming)]
            view = maintenance_views.get(self.database, one.plan_id, now=self.now)
            maintenance.skip(self.database, one.plan_id, view.windows[0].id, now=self.now)
            one.end = self.now

    def pause(self, _: int) -> None:
        monitors.pause(self.database, self.which, now=self.now)

    def resume(self, _: int) -> None:
        monitors.resume(self.database, self.which, now=self.now)

    def rotate(self, _: int) -> None:
        monitors.rotate_token(self.database, self.which, now=self.now)

    def interval(self, length: int) -> None:
        monitors.edit(self.database, self.which, {"interval_seconds": length}, now=self.now)

    def hook(self, url: str) -> None:
        monitors.edit(self.database, self.which, {"webhook_url": url}, now=self.now)

    def nothing(self) -> None:
        pass

    def come_to_an_end(self) -> None:
        """Let time pass until no window runs, no deadline lies ahead and no patience is left."""
        last = max([self.now, *(each.end for each in self.works)]) + PATIENCE + seconds(301)
        while self.now < last:
            self.loops()
            self.now += seconds(20)
        self.loops()


def check(life: Life) -> None:
    """Compare what was heard with the windows and the history."""
    past = transitions(life.database, life.monitor)
    owed = {
        row.seq: row for row in past if row.new_status == "DOWN" or (row.prev_status, row.new_status) == ("DOWN", "UP")
    }
    pauses = [row.seq for row in past if row.new_status == "PAUSED"]
    messages = rows(life.database, Delivery, Delivery.monitor_id == life.monitor.id)

    assert {row.state for row in messages} <= {"delivered", "cancelled"}, "something is held for ever"
    assert sorted(row.seq for row in messages) == sorted(owed), "each transition owes one message"
    heard = [seq for seq, *_ in life.heard]
    assert heard == sorted(set(heard)), "told twice, or in the wrong order"
    assert all(owed[seq].new_status == status for seq, status, *_ in life.heard)
    for (before, old, *_), (after, new, *_) in zip(life.heard, life.heard[1:], strict=False):
        if old == new:
            assert any(before < seq < after for seq in pauses), "the same twice without a pause between"
    for _, _, when, since in life.heard:
        # What was on its way before goes out as usual.
        assert not any(each.runs(when) and each.runs(since) for each in life.works), "told inside a window"
    for row in owed.values():
        is_touched = any(
            each.start - PATIENCE <= row.created_at and row.occurred_at < each.end + PATIENCE for each in life.works
        )
        assert is_touched or row.seq in heard, "held back or lost without any maintenance"
    last_pause = max(pauses, default=0)
    status = again(life.database, life.monitor).status
    if status in ("UP", "DOWN") and any(seq > last_pause for seq in owed):
        assert life.heard or status == "UP", "a DOWN that nobody heard of"
        assert not life.heard or life.heard[-1][1] == status, "the receiver believes what is not so"


@pytest.fixture
def numbers() -> Iterator[int]:
    return iter(range(10**9))


def see_to_the_end(life: Life, steps: Sequence[Any]) -> None:
    try:
        life.live(steps)
        life.come_to_an_end()
        check(life)
    finally:
        monitors.remove(life.database, life.which)
        with life.database.write() as connection:  # the next life begins at the same time
            for table in (MaintenanceWindow, Maintenance):
                connection.execute(delete(table))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lives)
def test_whatever_happens_the_receiver_knows_the_truth_in_the_end(
    database: Database, numbers: Iterator[int], steps: Sequence[Any]
) -> None:
    monitor = make(database, f"job-{next(numbers)}", interval_seconds=INTERVAL, grace_seconds=GRACE, webhook_url=HOOK)
    see_to_the_end(Life(database, monitor), steps)


FAIL, SUCCESS = ("ping", [Signal.FAIL]), ("ping", [Signal.SUCCESS])


@pytest.mark.parametrize(
    "deeds",
    [
        # What it was told before the pause is not so any more, and its first success after one is told to nobody.
        [FAIL, ("pause", 0), ("resume", 0), SUCCESS, ("plan", 0, 200, False), FAIL, SUCCESS],
        [FAIL, ("plan", 0, 200, False), ("pause", 0), ("resume", 0), SUCCESS, FAIL, SUCCESS],
        [FAIL, ("plan", 0, 200, True), SUCCESS, ("pause", 0), ("resume", 0), SUCCESS, FAIL, SUCCESS],
        [FAIL, ("plan", 0, 200, True), SUCCESS, ("pause", 0), ("resume", 0), FAIL],
        [FAIL, ("pause", 0), ("resume", 0), ("plan", 0, 200, True), FAIL, SUCCESS, FAIL],
    ],
)
def test_a_pause_does_not_leave_the_receiver_with_an_old_alarm(database: Database, deeds: Sequence[Any]) -> None:
    monitor = make(database, interval_seconds=100_000, grace_seconds=GRACE, webhook_url=HOOK)

    see_to_the_end(Life(database, monitor), [(1, deed, True) for deed in deeds])
