"""A monitor's whole life, driven at random and held against a model that knows nothing of deadlines."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pulsemon.core.excuses import Unwatched, excuse
from pulsemon.core.status import (
    LONGEST_EXTENSION,
    BlindWindow,
    Cause,
    Signal,
    State,
    Status,
    Transition,
    advance,
    expire,
    pause,
    reschedule,
    resume,
    sweep,
)
from pulsemon.core.timing import Timing
from tests.conftest import at

_SECOND = timedelta(seconds=1)
spans = st.integers(0, 400).map(lambda each: each * _SECOND)
rids = st.sampled_from(["", "a", "b"])
short_spans = st.integers(0, 30).map(lambda each: each * _SECOND)


class Life(RuleBasedStateMachine):
    """The model: what the last signals were and when; every deadline is computed anew from them, by other words."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = at("08:00")
        self.timing = Timing(60 * _SECOND, 10 * _SECOND)
        self.state = State(Status.UNKNOWN)
        self.transitions: list[Transition] = []
        self.seq = 0
        # The model's own memory.
        self.succeeded_at: datetime | None = None
        self.open: dict[str, datetime] = {}  # rid -> start, of the runs that are watched
        self.overrun: set[str] = set()  # those that were told
        self.excused_until: datetime | None = None
        self.windows: list[BlindWindow] = []
        self.is_paused = False
        self.has_failed = False
        self.is_silent = False

    def expected_due_at(self) -> datetime | None:
        """When the model says that patience ends; None while nothing is expected."""
        if self.is_paused or self.has_failed or self.is_silent:
            return None
        ends = [start + self.timing.run_limit for start in self.open.values()]
        if self.succeeded_at is not None:
            silent = self.succeeded_at + self.timing.interval + self.timing.grace
            # A run that began since, and in time, is no silence. Two seconds: the tolerance for other nodes' clocks.
            if not any(self.succeeded_at - 2 * _SECOND <= start <= silent for start in self.open.values()):
                ends.append(silent)
        if not ends:
            return None
        return min(ends) if self.excused_until is None else max(min(ends), self.excused_until)

    def apply(self, after: State, transition: Transition | None) -> None:
        if transition is not None:
            self.seq += 1
            assert transition.previous is self.state.status
            assert transition.new is after.status
            self.transitions.append(transition)
        else:
            assert after.status is self.state.status
        self.state = after

    @rule(span=spans)
    def time_passes(self, span: timedelta) -> None:
        """Silence is noticed at every look, as the evaluator does."""
        self.now += span
        due_at = self.expected_due_at()
        is_over = due_at is not None and self.now > due_at
        before = len(self.transitions)
        self.apply(*expire(self.state, self.timing, now=self.now))
        assert (len(self.transitions) > before) is is_over
        if is_over:
            assert self.transitions[-1].occurred_at == due_at
            assert self.transitions[-1].told
            self.is_silent = True
            self.give_up_runs()

    def give_up_runs(self) -> None:
        """Of a run whose limit has passed while the monitor is DOWN nothing more is expected."""
        late = {rid for rid, start in self.open.items() if self.now > start + self.timing.run_limit}
        self.overrun |= late
        for rid in late:
            del self.open[rid]

    def end(self, rid: str) -> None:
        """The run of that name ends; else the nameless one; else, for a nameless end, the only one there is."""
        if self.has_failed or self.is_silent:
            self.give_up_runs()
        known = {*self.open, *self.overrun}
        if rid not in known:
            rid = "" if "" in known else known.pop() if not rid and len(known) == 1 else rid
        self.open.pop(rid, None)
        self.overrun.discard(rid)

    @rule(rid=rids)
    @precondition(lambda self: self.excused_until is None)
    def success(self, rid: str) -> None:
        self.apply(*advance(self.state, Signal.SUCCESS, at=self.now, timing=self.timing, rid=rid))
        if not self.is_paused:
            self.end(rid)
            self.succeeded_at = self.now
            self.has_failed = self.is_silent = False

    @rule()
    @precondition(lambda self: self.excused_until is not None and not self.open)
    def success_after_blindness(self) -> None:
        """What a blind window gave to several runs is the business of tests/core/test_open_runs.py."""
        self.excused_until = None
        self.success("")

    @rule(rid=rids)
    @precondition(lambda self: self.excused_until is None or not self.open)
    def failure(self, rid: str) -> None:
        self.apply(*advance(self.state, Signal.FAIL, at=self.now, timing=self.timing, rid=rid))
        if not self.is_paused:
            self.end(rid)
            self.has_failed, self.excused_until = True, None

    @rule(rid=rids)
    @precondition(lambda self: self.excused_until is None)
    def start(self, rid: str) -> None:
        self.apply(*advance(self.state, Signal.START, at=self.now, timing=self.timing, rid=rid))
        if not self.is_paused:
            self.overrun.clear()
            self.open.setdefault(rid, self.now)

    @rule()
    def log(self) -> None:
        before = self.state
        self.apply(*advance(self.state, Signal.LOG, at=self.now, timing=self.timing))
        assert self.state is before

    @rule()
    def sweep(self) -> None:
        """On a state that the rules made, a sweep finds nothing to do."""
        before = self.state
        recorded = self.transitions[-1].occurred_at if self.state.status is Status.DOWN else None
        after, transition = sweep(self.state, self.timing, now=self.now, down_recorded_at=recorded)
        assert (after, transition) == (before, None)

    @rule()
    def pause(self) -> None:
        self.apply(*pause(self.state, now=self.now))
        self.is_paused = True
        self.open, self.overrun = {}, set()

    @rule()
    def resume(self) -> None:
        was_paused = self.is_paused
        self.apply(*resume(self.state, now=self.now))
        if was_paused:
            self.is_paused = self.has_failed = self.is_silent = False
            self.succeeded_at = self.excused_until = None

    @rule(ago=spans, length=short_spans)
    def blindness(self, ago: timedelta, length: timedelta) -> None:
        self.windows.append(BlindWindow(self.now - ago - length, self.now - ago))
        before = self.state.due_at
        after = excuse(self.state, self.timing, Unwatched(self.windows))
        if before is not None and not self.open:
            assert after.due_at == self.excused_from(before)
        if after is not self.state:
            assert before is not None
            assert after.due_at is not None
            assert after.due_at >= before
            self.excused_until = after.due_at
        self.apply(after, None)
        self.time_passes(timedelta(0))

    def excused_from(self, due_at: datetime) -> datetime:
        """Today's rule for each window in the order of time, and a bound that is counted second by second."""
        assert self.succeeded_at is not None
        more = min(self.timing.interval, LONGEST_EXTENSION) + self.timing.grace
        patience, bound = self.timing.interval + self.timing.grace + more, self.succeeded_at
        while patience:
            if not any(each.started_at <= bound < each.ended_at for each in self.windows):
                patience -= _SECOND
            bound += _SECOND
        for window in sorted(self.windows, key=lambda each: each.started_at):
            if window.started_at < due_at and window.ended_at > self.succeeded_at:
                due_at = max(due_at, min(window.ended_at + more, bound))
        return due_at

    @rule(interval=st.integers(1, 300), grace=st.integers(0, 100), max_run=st.none() | st.integers(1, 200))
    @precondition(lambda self: self.excused_until is None and not self.is_silent)
    def edit(self, interval: int, grace: int, max_run: int | None) -> None:
        self.timing = Timing(interval * _SECOND, grace * _SECOND, None if max_run is None else max_run * _SECOND)
        due_at = self.expected_due_at()
        self.apply(*reschedule(self.state, self.timing, now=self.now))
        if due_at is not None and self.now > due_at:
            assert self.transitions[-1].occurred_at == self.now
            assert self.transitions[-1].cause is Cause.EDIT
            self.is_silent = True
            self.give_up_runs()

    @invariant()
    def the_deadline_is_the_model_s(self) -> None:
        assert self.state.due_at == self.expected_due_at()

    @invariant()
    def up_has_a_deadline_and_what_is_not_watched_has_none(self) -> None:
        if self.state.status is Status.UP:
            assert self.state.due_at is not None
        if self.state.status in (Status.DOWN, Status.PAUSED):
            assert self.state.due_at is None

    @invariant()
    def the_status_is_the_model_s(self) -> None:
        if self.is_paused:
            expected = Status.PAUSED
        elif self.has_failed or self.is_silent:
            expected = Status.DOWN
        else:
            expected = Status.UNKNOWN if self.succeeded_at is None else Status.UP
        assert self.state.status is expected

    @invariant()
    def transitions_form_a_chain_and_are_counted(self) -> None:
        assert self.seq == len(self.transitions)
        for earlier, later in zip(self.transitions, self.transitions[1:], strict=False):
            assert later.previous is earlier.new
            assert later.previous is not later.new

    @invariant()
    def only_down_and_recovery_are_told(self) -> None:
        for each in self.transitions:
            is_news = each.new is Status.DOWN or (each.previous, each.new) == (Status.DOWN, Status.UP)
            assert each.told is is_news


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
