"""Promise R4 as a game against fate.

Whatever befalls PulseMon itself, a client that keeps pinging is never called down, and one that died always is. The one
exception: two separate troubles in a row took its pings, which looks the same as death.

Clients never repeat a ping that was lost. Real time is the boot clock; the wall clock is what fate makes of it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulsemon import log
from pulsemon.core import excuses
from pulsemon.db import Database, sqlite
from pulsemon.deadlines import loop as deadlines_loop
from pulsemon.monitors.views import View
from tests.arrange import a_ping, history, make, record
from tests.deadlines.test_loop import Process, World

INTERVAL = 8
GRACE = 3
STEP = 0.5


class Game:
    """One client that lives and one that died, a server that suffers, and time."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.open(f"sqlite:///{folder / 'pulsemon.db'}", lock_patience_sec=0)
        self.database.migrate()
        self.world = World()
        self.alive = make(self.database, "alive", interval_seconds=INTERVAL, grace_seconds=GRACE)
        self.dead = make(self.database, "dead", interval_seconds=INTERVAL, grace_seconds=GRACE)
        self.process = Process(self.database, self.world, sweep_sec=5)
        self.is_reachable = True
        self.next_ping_at = self.world.boot + INTERVAL
        self.trouble = 0
        self.lost_to: set[int] = set()  # the troubles that took a ping since the last one that was heard
        self.looked_dead = False
        record(self.database, a_ping(self.alive, self.world.wall), a_ping(self.dead, self.world.wall))

    def pass_time(self, seconds: float, *, monotonic: bool = True) -> None:
        """Let real time pass while the client pings on schedule, whoever may be there to hear it."""
        self.world.wall += timedelta(seconds=seconds)
        self.world.boot += seconds
        if monotonic:
            self.world.monotonic += seconds
        while self.next_ping_at <= self.world.boot:
            ago = timedelta(seconds=self.world.boot - self.next_ping_at)
            if self.is_reachable:
                record(self.database, a_ping(self.alive, self.world.wall - ago))
                self.lost_to.clear()
            else:
                self.lost_to.add(self.trouble)
                self.looked_dead = self.looked_dead or len(self.lost_to) > 1
            self.next_ping_at += INTERVAL

    def live(self, seconds: float) -> None:
        """Let the server run: time passes in steps, with a look around after each."""
        for _ in range(int(seconds / STEP)):
            self.pass_time(STEP)
            self.process.look()

    def away(self, seconds: float, *, monotonic: bool = True) -> None:
        """Nobody hears the pings, and nobody looks around."""
        self.is_reachable = False
        self.pass_time(seconds, monotonic=monotonic)
        self.is_reachable = True

    # What may befall the server; each takes a number of seconds.

    def restart(self, seconds: float) -> None:
        self.away(seconds)
        self.process = Process(self.database, self.world, sweep_sec=5)

    def stop_the_process(self, seconds: float) -> None:
        self.away(seconds)
        self.process.look()

    def stop_it_at_work(self, seconds: float) -> None:
        sleep_sec = self.process.evaluation.tick()
        self.away(seconds + deadlines_loop.WORK_ALLOWANCE_SEC)
        self.process.evaluation._rest(sleep_sec)

    def suspend_the_machine(self, seconds: float) -> None:
        self.away(seconds, monotonic=False)
        self.process.look()

    def stall_the_loop(self, seconds: float) -> None:
        self.world.loop_pulse_at = self.world.monotonic
        self.is_reachable = False
        self.live(seconds)
        self.is_reachable = True
        self.world.loop_pulse_at = None

    def refuse(self, seconds: float) -> None:
        """The queue is full: pings are answered 503."""
        self.is_reachable = False
        refused_at = None
        for _ in range(int(seconds / STEP)):
            before = self.next_ping_at
            self.pass_time(STEP)
            if self.next_ping_at != before:
                # Since the one before, as long as nothing was stored in between.
                self.world.refusals = [refused_at or self.world.wall, self.world.wall]
                refused_at = self.world.wall
            self.process.look()
        self.is_reachable = True

    def set_clock_forward(self, seconds: float) -> None:
        self.world.wall += timedelta(seconds=seconds * 20)
        self.process.look()

    def set_clock_back(self, seconds: float) -> None:
        self.world.wall -= timedelta(seconds=seconds * 20)
        self.process.look()

    def went_down(self, monitor: View) -> bool:
        return any(new == "DOWN" for _, _, new in history(self.database, monitor))


FATES = [
    Game.live,
    Game.restart,
    Game.stop_the_process,
    Game.stop_it_at_work,
    Game.suspend_the_machine,
    Game.stall_the_loop,
    Game.refuse,
    Game.set_clock_forward,
    Game.set_clock_back,
]
blows = st.lists(st.tuples(st.sampled_from(FATES), st.integers(3, 25)), min_size=1, max_size=5)


@pytest.fixture(autouse=True)
def _fast_and_quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hundred databases that nobody keeps: durability is another test's claim. And each blow would be logged."""
    pragmas = tuple(each for each in sqlite._WRITER_PRAGMAS if "synchronous" not in each)
    monkeypatch.setattr(sqlite, "_WRITER_PRAGMAS", (*pragmas, "synchronous = OFF"))
    monkeypatch.setattr(sqlite, "_SYNCHRONOUS_FULL", 0)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.configure(level="ERROR", form="json")
    yield
    root.handlers[:], root.level = before


def play(fate: list[tuple[object, int]], *, after: float) -> tuple[bool, bool]:
    """Return whether the client that lives and the one that died were called down; fate begins *after* so long."""
    with tempfile.TemporaryDirectory() as folder:
        game = Game(Path(folder))
        try:
            game.live(after)
            for game.trouble, (blow, seconds) in enumerate(fate):
                blow(game, seconds)  # type: ignore[operator]
                game.live(1)
            game.live(3 * (INTERVAL + GRACE))  # a set-back clock may cost the dead one a second period
            return game.went_down(game.alive) and not game.looked_dead, game.went_down(game.dead)
        finally:
            game.database.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blows, st.floats(0, INTERVAL))
def test_a_client_that_lives_is_never_down_and_one_that_died_is(fate: list[tuple[object, int]], after: float) -> None:
    assert play(fate, after=after) == (False, True)


@pytest.mark.parametrize(
    "blow",
    [each for each in FATES if each not in (Game.live, Game.set_clock_back)],
    ids=lambda each: each.__name__,
)
def test_the_control_without_blind_windows_the_living_are_called_down(
    blow: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each blow alone, at the worst moment, with the mechanism switched off."""
    monkeypatch.setattr("pulsemon.deadlines.passes.excuse", lambda state, timing, window: state)
    fate = [(blow, 14)]

    assert play(fate, after=6)[0] is True
    monkeypatch.setattr("pulsemon.deadlines.passes.excuse", excuses.excuse)
    assert play(fate, after=6) == (False, True)
