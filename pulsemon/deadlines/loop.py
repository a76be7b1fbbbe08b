"""The evaluating thread: sleep until the next deadline, find out whether anybody was watching, expire.

One `tick` is one look around; `run` repeats it until it is told to stop. What a tick does to the database stands in
`deadlines.passes`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pulsemon import log
from pulsemon.core.blindness import HEARTBEAT_IS_FRESH, NODE_IS_LOST, BlindCause, Reading, compare
from pulsemon.core.status import BlindWindow
from pulsemon.db import Database
from pulsemon.deadlines import lost_zones, passes
from pulsemon.deadlines.lost_zones import Lost
from pulsemon.errors import Unavailable

_log = log.get(__name__)

# The longest sleep: another node may have brought a deadline nearer without telling this one.
MAX_SLEEP_SEC = 1.0
HEARTBEAT_SEC = 1.0
# With other nodes about: they wait for it before they judge a deadline, so it adds to the time that DOWN takes.
SHARED_HEARTBEAT_SEC = 0.25
# While something holds judgement back (a ping not yet stored, a stalled loop), look again soon.
WAITING_SLEEP_SEC = 0.005
WAITING_FOR_OTHERS_SLEEP_SEC = 0.05
# A sweep judges by the past it is held back to; further back, it would take the present for a clock that was set back.
_SWEEP_LAG = timedelta(seconds=1)
FAILED_SLEEP_SEC = 0.25
# One tick's own work, a write that waits for its turn included, is no blindness: pings are stored meanwhile.
WORK_ALLOWANCE_SEC = 6.0
# The clock that was set is the database's, and every node finds that out by itself, some seconds apart (timekeeping).
# Until all have, pings come in by the old time and the new one.
CLOCK_SETTLES_SEC = 6.0
# Windows of one cause that lie closer together than this are told as one.
_JOIN = timedelta(seconds=5)
# While something is refused all the time, deadlines are moved at most so often: a pass looks at every monitor.
EXCUSE_PAUSE_SEC = 1.0
_REFUSALS = frozenset({BlindCause.REFUSED, BlindCause.TURNED_AWAY})
# Blind for longer than this of that is said wherever somebody may look, and to the monitor of this one.
BLIND_OFTEN = timedelta(minutes=1)
BLIND_SPAN = timedelta(minutes=10)
_TALLY_SEC = 2.0
# The event loop reads the pings; when it stood still for longer than this, nobody did.
LOOP_IS_STALLED_SEC = 1.5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the evaluation learns from others, each safe to call from its thread."""

    read_clocks: Callable[[], Reading]
    stored_until: Callable[[datetime], datetime]  # now -> the instant before which all that arrived is stored
    take_refusals: Callable[[], list[datetime]]
    loop_pulse_at: Callable[[], float]  # monotonic
    on_changed: Callable[[passes.Changed], None]
    take_stalls: Callable[[], list[BlindWindow]] = list  # what the event loop found behind it, each told once
    take_turned_away: Callable[[], BlindWindow | None] = lambda: None  # when connections were, before they were read


class Evaluation:
    """The state that ticks hand to one another."""

    def __init__(self, database: Database, node: str, *, sweep_sec: float, around: Surroundings) -> None:
        self._database = database
        self._node = node
        self._sweep_sec = sweep_sec
        self._around = around
        self._wake = threading.Event()
        self._is_stopping = self._is_deaf = False
        self._planned_wake_at: datetime | None = None
        self._before = around.read_clocks()
        self._expected_sec = 0.0
        self._windows: list[tuple[BlindWindow, BlindCause]] = []
        self._refused_at: dict[BlindCause, datetime] = {}  # when something was last refused, by how
        self._is_set_back = False
        self._stalled_since: datetime | None = None
        self._beat_at = self._swept_at = self._before.monotonic
        self._last_beat: Reading | None = None
        self._others: dict[str, datetime] = {}  # nodes that are alive, and until when they have stored what they got
        self._is_database_away = False
        self._judges_from = self._before.monotonic
        self.ticked_at = self._before.monotonic
        self.expired_count = 0
        self.blind_sec = 0.0  # of the last ten minutes, by what any node noted
        self._tallied_at = self._excused_at = float("-inf")
        self.lost: tuple[Lost, ...] = ()  # by the last look: schedules and zones that can be read no more

    def begin(self) -> None:
        """Before anything is judged: what was missed since somebody was last able to write is nobody's fault."""
        now = self._around.read_clocks()
        seen_at = passes.last_heartbeat(self._database)
        beats = passes.other_nodes(self._database, self._node).values()
        is_alone = not any(now.wall - beat <= HEARTBEAT_IS_FRESH for beat in beats)
        window = passes.blind_since_last_heartbeat(seen_at, now=now.wall, is_alone=is_alone or self._database.is_sqlite)
        if window is not None:
            _log.info("blind.restart", since=window.started_at.isoformat(), until=window.ended_at.isoformat())
            passes.excuse_blindness(self._database, [(window, BlindCause.RESTART.value)], now=now.wall)
        elif seen_at is not None and seen_at > now.wall:
            # The clock was set back while nobody ran.
            passes.bound_deadlines(self._database, now=now.wall)
        passes.beat(self._database, self._node, now=now.wall)
        self._before = self._last_beat = now
        self._beat_at = self._swept_at = now.monotonic
        self._look_for_lost_zones()

    def run(self) -> None:
        """Tick until `stop`; the body of the evaluating thread."""
        while not self._is_stopping:
            if self._is_deaf:
                self._wake.wait(MAX_SLEEP_SEC)
                self._wake.clear()
                continue
            try:
                sleep_sec = self.tick()
            except Unavailable as failed:
                _log.warning("evaluation.unavailable", reason=str(failed))
                self._is_database_away = True  # pings cannot be stored either: told as blind once it is back
                sleep_sec = FAILED_SLEEP_SEC
            except Exception:
                _log.exception("evaluation.failed")
                sleep_sec = MAX_SLEEP_SEC
            self._rest(sleep_sec)
            self._wake.wait(sleep_sec)
            self._wake.clear()
        if not self._database.is_sqlite:
            self._sign_off()

    def _sign_off(self) -> None:
        try:
            passes.sign_off(self._database, self._node)
        except Unavailable as failed:  # the others will find that this node is silent
            _log.warning("evaluation.unavailable", reason=str(failed))

    def _rest(self, sleep_sec: float) -> None:
        """Between work and sleep: a process that was stopped in the middle of its work was blind too."""
        clocks = self._around.read_clocks()
        self._notice(self._before, clocks, expected_sec=self._expected_sec)
        self._before, self._expected_sec = clocks, sleep_sec
        self._planned_wake_at = clocks.wall + timedelta(seconds=sleep_sec)

    def wake(self) -> None:
        """Look around now."""
        self._wake.set()

    def wake_for(self, due_at: datetime) -> None:
        """Look around now if *due_at* comes before the planned moment."""
        if self._planned_wake_at is None or due_at < self._planned_wake_at:
            self._wake.set()

    def deafen(self) -> None:
        """The server takes no more connections: judge nothing any more, and let the last heartbeat be the last.

        The next start, or another node, then finds when this one went deaf.
        """
        self._is_deaf = True

    def stop(self) -> None:
        """End `run`."""
        self._is_stopping = True
        self._wake.set()

    def tick(self) -> float:
        """Look around once; return how long to sleep. Raises Unavailable."""
        clocks = self._around.read_clocks()
        self._notice(self._before, clocks, expected_sec=self._expected_sec)
        self._before, self._expected_sec = clocks, WORK_ALLOWANCE_SEC
        if self._is_loop_stalled(clocks):
            return WAITING_SLEEP_SEC * 10
        self._notice_stalls()
        self._notice_refusals()
        self._beat(clocks)
        self._excuse(clocks)
        if clocks.monotonic < self._judges_from:
            sleep_sec = SHARED_HEARTBEAT_SEC
        else:
            self._sweep(clocks)
            sleep_sec = self._expire(clocks.wall)
        self._tally(clocks)
        self.ticked_at = clocks.monotonic
        return min(sleep_sec, SHARED_HEARTBEAT_SEC) if self._others else sleep_sec

    def _notice(self, before: Reading, after: Reading, *, expected_sec: float) -> None:
        finding = compare(before, after, expected_sec=expected_sec)
        if finding is None:
            return
        _log.warning("blind.noticed", cause=finding.cause.value, set_back=finding.set_back)
        if finding.cause is BlindCause.CLOCK and not self._database.is_sqlite:
            self._judges_from = after.monotonic + CLOCK_SETTLES_SEC
        if finding.set_back:
            self._is_set_back = True
        else:
            self._add_window(finding.window, finding.cause)

    def _is_loop_stalled(self, clocks: Reading) -> bool:
        """While the event loop stands still nobody reads pings, and nothing may be judged."""
        age = clocks.monotonic - self._around.loop_pulse_at()
        if age > LOOP_IS_STALLED_SEC:
            if self._stalled_since is None:
                self._stalled_since = clocks.wall - timedelta(seconds=age)
            return True
        if self._stalled_since is not None:
            _log.warning("blind.noticed", cause=BlindCause.STALL.value, since=self._stalled_since.isoformat())
            self._add_window(BlindWindow(self._stalled_since, clocks.wall), BlindCause.STALL)
            self._stalled_since = None
        return False

    def _notice_stalls(self) -> None:
        """What began and ended while this thread was at work shows only in the event loop's own pulse."""
        for window in self._around.take_stalls():
            _log.warning("blind.noticed", cause=BlindCause.STALL.value, since=window.started_at.isoformat())
            self._add_window(window, BlindCause.STALL)

    def _notice_refusals(self) -> None:
        refusals = self._around.take_refusals()
        if refusals:
            self._add_refusal(BlindWindow(refusals[0], refusals[-1]), BlindCause.REFUSED)
        turned_away = self._around.take_turned_away()
        if turned_away is not None:
            self._add_refusal(turned_away, BlindCause.TURNED_AWAY)

    def _add_refusal(self, window: BlindWindow, cause: BlindCause) -> None:
        """Note it; where the last of its cause was just before, nobody knows who else came between the two."""
        last_at = self._refused_at.get(cause)
        self._refused_at[cause] = window.ended_at
        if last_at is not None and last_at <= window.ended_at and window.started_at <= last_at + _JOIN:
            window = BlindWindow(min(last_at, window.started_at), window.ended_at)
        self._add_window(window, cause)

    def _beat(self, clocks: Reading) -> None:
        """Write the heartbeat, and read those of the others; the time in which it could not be written was blind."""
        if clocks.monotonic - self._beat_at < (SHARED_HEARTBEAT_SEC if self._others else HEARTBEAT_SEC):
            return
        try:
            passes.beat(self._database, self._node, now=self._around.stored_until(clocks.wall))
        except Unavailable:
            self._is_database_away = True
            raise
        if self._is_database_away and self._last_beat is not None:
            self._add_window(BlindWindow(self._last_beat.wall, clocks.wall), BlindCause.DATABASE)
            self._is_database_away = False
        self._last_beat = clocks
        self._beat_at = clocks.monotonic
        self._look_at_others(clocks.wall)

    def _look_at_others(self, now: datetime) -> None:
        """A node that fell silent may have received pings that nobody will ever store: that time was blind.

        What it still holds, if it was only stopped, must not be judged missing either; so for as long as it may be
        alive its word is waited for.
        """
        if self._database.is_sqlite:
            return
        beats = passes.other_nodes(self._database, self._node)
        for name in self._others.keys() & beats.keys():
            if now - beats[name] > NODE_IS_LOST:
                _log.warning("blind.noticed", cause=BlindCause.NODE.value, node=name, since=beats[name].isoformat())
                self._add_window(BlindWindow(beats[name], now), BlindCause.NODE)
        self._others = {name: beat for name, beat in beats.items() if now - beat <= NODE_IS_LOST}

    def _add_window(self, window: BlindWindow, cause: BlindCause) -> None:
        """Note a window; one that goes on where the last of its cause ended makes that one longer."""
        if self._windows:
            last, last_cause = self._windows[-1]
            if last_cause is cause and window.started_at - last.ended_at <= _JOIN:
                started_at = min(last.started_at, window.started_at)
                self._windows[-1] = (BlindWindow(started_at, max(last.ended_at, window.ended_at)), cause)
                return
        self._windows.append((window, cause))

    def _excuse(self, clocks: Reading) -> None:
        """Move the deadlines that the windows found since the last time touch; refusals can wait a little."""
        now = clocks.wall
        may_wait = not self._is_set_back and all(cause in _REFUSALS for _, cause in self._windows)
        if may_wait and (not self._windows or clocks.monotonic - self._excused_at < EXCUSE_PAUSE_SEC):
            return
        self._excused_at = clocks.monotonic
        windows, self._windows = self._windows, []
        is_set_back, self._is_set_back = self._is_set_back, False
        try:
            if windows:
                named = [(window, cause.value) for window, cause in windows]
                passes.excuse_blindness(self._database, named, now=now, between_chunks=self._between_chunks)
                windows = []
            if is_set_back:
                passes.bound_deadlines(self._database, now=now, between_chunks=self._between_chunks)
                is_set_back = False
        finally:  # what could not be done is done at the next tick
            self._windows = windows + self._windows
            self._is_set_back = self._is_set_back or is_set_back

    @property
    def is_often_blind(self) -> bool:
        """Return whether PulseMon was blind for more than a minute of the last ten."""
        return self.blind_sec > BLIND_OFTEN.total_seconds()

    def _tally(self, clocks: Reading) -> None:
        """Add up how long nobody saw lately, and say in the log when that begins to be much and when it ends."""
        if clocks.monotonic - self._tallied_at < _TALLY_SEC:
            return
        since, was_often = clocks.wall - BLIND_SPAN, self.is_often_blind
        windows = passes.blind_windows_since(self._database, since)
        spans = (min(each.ended_at, clocks.wall) - max(each.started_at, since) for each in windows)
        self.blind_sec = sum(max(0.0, each.total_seconds()) for each in spans)
        self._tallied_at = clocks.monotonic
        if self.is_often_blind and not was_often:
            _log.warning("blind.often", seconds_of_ten_minutes=round(self.blind_sec))
        elif was_often and not self.is_often_blind:
            _log.info("blind.rarely", seconds_of_ten_minutes=round(self.blind_sec))

    def _sweep(self, clocks: Reading) -> None:
        if clocks.monotonic - self._swept_at >= self._sweep_sec:
            horizon = self._horizon(clocks.wall)
            if self._windows or clocks.wall - horizon > _SWEEP_LAG:
                return  # at the next tick
            swept = passes.sweep_all(self._database, now=horizon, between_chunks=self._between_judged_chunks)
            self._report(swept)
            if not swept.is_more:
                self._swept_at = clocks.monotonic
                self._look_for_lost_zones()

    def _look_for_lost_zones(self) -> None:
        """Say once of each what can be read no more."""
        before, self.lost = set(self.lost), lost_zones.find(self._database)
        for each in self.lost:
            if each not in before:
                _log.warning("schedule.lost", **{each.kind: each.name}, schedule=each.schedule, timezone=each.timezone)

    def _between_chunks(self) -> datetime:
        """Between two chunks of a pass: a stop in the middle of it was blindness too."""
        clocks = self._around.read_clocks()
        self._notice(self._before, clocks, expected_sec=WORK_ALLOWANCE_SEC)
        self._before = clocks
        return clocks.wall

    def _between_judged_chunks(self) -> datetime | None:
        """The same for a pass that judges: it breaks off where something must be excused first."""
        horizon = self._horizon(self._between_chunks())
        return None if self._windows or self._is_set_back else horizon

    def _horizon(self, now: datetime) -> datetime:
        """Return the instant before which everything that any node received is stored: none after it is judged."""
        self._look_at_others(now)
        horizon = min([self._around.stored_until(now), *self._others.values()])
        # Only now: a ping that was refused after the look above must be known as refused before anything is judged.
        self._notice_stalls()
        self._notice_refusals()
        return horizon

    def _expire(self, now: datetime) -> float:
        """Expire one chunk of what is due; return how long nothing more will be."""
        check_at = passes.next_check_at(self._database)
        if check_at is None:
            return MAX_SLEEP_SEC
        if check_at >= now:
            return min(MAX_SLEEP_SEC, (check_at - now).total_seconds() + 0.001)
        # What was just found excuses no deadline that passed before it began: those are judged, whatever goes on.
        horizon = min([self._horizon(now), *(window.started_at for window, _ in self._windows)])
        if check_at >= horizon:
            return self._until_it_can_be_judged()
        changed = passes.expire_due(self._database, now=horizon, recorded_at=now)
        self.expired_count += changed.transition_count
        self._report(changed)
        return 0.0 if changed.is_more else WAITING_SLEEP_SEC

    def _until_it_can_be_judged(self) -> float:
        """Return how long to sleep while something is due and held back."""
        if any(cause not in _REFUSALS for _, cause in self._windows):
            return 0.0  # a node has just been missed: what that excuses is excused first
        return WAITING_FOR_OTHERS_SLEEP_SEC if self._others or self._windows else WAITING_SLEEP_SEC

    def _report(self, changed: passes.Changed) -> None:
        if changed.transition_count:
            self._around.on_changed(changed)
