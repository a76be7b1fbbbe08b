"""Promise R4: what befalls PulseMon itself makes no monitor DOWN, and those that really died are DOWN all the same.

Clients here never repeat a ping that was lost. Each trial is a server of its own with its own monitors: some whose
clients ping once an interval all along, some that pinged once, right before the trouble, and never again. All trials
and their controls run at once, because all they do is wait.
"""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ADMIN_TOKEN, LONG_ENOUGH_SEC, Server, require, server_maker, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Rule
from tests.faults.clients import Punctual
from tests.faults.conftest import (
    KEEP_EVERYTHING,
    NEVER_BLIND,
    Outcomes,
    create_monitors,
    in_parallel,
    launcher,
    rounds,
    serving,
    statuses,
    wait_until_all_acknowledged,
)

# Longer than interval + grace of the quickest monitors.
TROUBLE_SEC = rounds(5, soak=20)
# The quickest lose a ping in every trial; of the slow ones only those whose hour has come.
INTERVALS = [2, 2, 2, 2, 3, 3, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60]
HOW_MANY_OF_EACH = rounds(1, soak=32)
GRACE = 2
# By a clock that is set to and fro nobody can tell who was late: those clients may be late themselves. And fewer: each
# look at the clock reads libfaketime's file, which makes a server many times as slow.
GRACE_BY_A_SET_CLOCK = 15
HOW_MANY_BY_A_SET_CLOCK = rounds(1, soak=8)
# Those that die: short, so that their end can be waited for, and longer than it takes until the trouble begins.
DEAD_INTERVAL, DEAD_GRACE = 6, 2
# What a control waits in vain for: the deadline after a blind window and more.
IN_VAIN_SEC = DEAD_INTERVAL + DEAD_GRACE + 5

# The event loop's thread does nothing for a while: what a blocking call in a handler would do.
STALLS_ON_SIGNAL = f"""
    import signal, time

    signal.signal(signal.SIGUSR1, lambda *_: time.sleep({TROUBLE_SEC}))
"""

# Each look at the deadlines takes a while, as on a slow disk, and leaves word that it has begun.
LOOKS_SLOWLY = """
    import time
    from pathlib import Path

    from pulsemon.deadlines import passes

    next_check_at = passes.next_check_at

    def look_slowly(database):
        Path("looks").write_text(str(time.monotonic()))
        time.sleep(1.5)
        return next_check_at(database)

    passes.next_check_at = look_slowly
"""
# The loop's own pulse tells nothing. Nor do the clocks: on a busy machine they might, for another reason.
NO_PULSE_OF_THE_LOOP = """
    from pulsemon.deadlines import loop
    from pulsemon.operations.pulse import Pulse

    Pulse.take_stalls = lambda self: []
    loop.LOOP_IS_STALLED_SEC = float("inf")
    loop.compare = lambda *arguments, **names: None
"""


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, within=seconds + LONG_ENOUGH_SEC)


def restart(server: Server) -> None:
    assert server.stop() == 0
    _wait(TROUBLE_SEC)
    server.start_again()


def kill(server: Server) -> None:
    server.kill()
    _wait(TROUBLE_SEC)
    server.start_again()


def stop_the_process(server: Server) -> None:
    server.process.send_signal(signal.SIGSTOP)
    _wait(TROUBLE_SEC)
    server.process.send_signal(signal.SIGCONT)


def stop_the_process_at_work(server: Server) -> None:
    """Between two looks at the clocks, where the time that passes could be taken for work."""
    looks = server.folder / "looks"
    last = looks.read_text()
    wait_until(lambda: looks.read_text() not in ("", last), every=0.005)
    stop_the_process(server)


def stall_the_loop(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)
    _wait(TROUBLE_SEC)


Trouble = Callable[[Server], None]
TROUBLES: dict[str, Trouble] = {
    "restart": restart,
    "kill": kill,
    "stopped process": stop_the_process,
    "stalled event loop": stall_the_loop,
}
AT_WORK = "stopped at work"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial left: the evidence, who lived, who died, and of whom PulseMon said that it could not know.

    `panel`: as it was when they were shown so; empty where a busy machine looked too late to see it.
    """

    seen: Evidence
    alive: set[str]
    dead: set[str]
    unknown: set[str] = field(default_factory=set)
    panel: str = ""


def trial(folder: Path, trouble: Trouble, *, patch: str = "", is_control: bool = False) -> Outcome:
    """Let *trouble* befall a server while clients ping; return what came of it."""
    folder.mkdir()
    with serving(folder) as serve:
        server = serve(patch=STALLS_ON_SIGNAL + patch)
        alive, dead = _populate(server)
        every = {slug: float(slug.partition("-")[0]) for slug in alive}
        with Punctual(alive, every=every) as punctual:
            wait_until(lambda: punctual.log.count() >= len(alive), within=2 * LONG_ENOUGH_SEC)
            for url in dead.values():
                assert httpx2.get(url).status_code == 200
            trouble(server)
            if is_control:
                _repeat_until_somebody_is_down(server, trouble, set(alive))
            panel = _look_at_the_dead(server, set(dead))
            wait_until_all_acknowledged(punctual.log, [slug for slug in alive if every[slug] <= 3])
        assert server.stop() == 0
        url = server.environment["DATABASE_URL"]
        seen = evidence.read(url, operations=punctual.log.operations)
        return Outcome(seen, set(alive), set(dead), evidence.unseen_slugs(url), panel)


def _repeat_until_somebody_is_down(server: Server, trouble: Trouble, alive: set[str]) -> None:
    """In a control whose turn comes first is a race: pings that waited in their sockets, or the judge of deadlines."""
    for _ in range(5):
        if checker.check_alive(evidence.read(server.environment["DATABASE_URL"]), alive):
            return
        trouble(server)


def _populate(
    server: Server, *, of_each: int = HOW_MANY_OF_EACH, grace: int = GRACE
) -> tuple[dict[str, str], dict[str, str]]:
    alive = {
        f"{interval}-{number}": {"interval_seconds": interval, "grace_seconds": grace}
        for number, interval in enumerate(INTERVALS * of_each)
    }
    dead = {f"dead-{number}": {"interval_seconds": DEAD_INTERVAL, "grace_seconds": DEAD_GRACE} for number in range(4)}
    return create_monitors(server, alive), create_monitors(server, dead)


def _look_at_the_dead(server: Server, dead: set[str]) -> str:
    """Wait until all of *dead* are DOWN; return the panel as it was when they were shown as unknown before."""
    panel = ""

    def are_down() -> bool:
        nonlocal panel
        if not panel and all(_shown(server)[slug] == "blind" for slug in dead):
            then = _panel(server)
            # Only what was still so afterwards was so when the panel was made.
            panel = then if all(_shown(server)[slug] == "blind" for slug in dead) else ""
        return _are_down(server, dead)

    wait_until(are_down, every=0.1)
    return panel


def _are_down(server: Server, slugs: set[str]) -> bool:
    return all(status == "DOWN" for slug, status in statuses(server).items() if slug in slugs)


def _shown(server: Server) -> dict[str, str]:
    page = httpx2.get(f"{server.url}/status").text
    return {slug: shown for shown, slug in re.findall(r'<li class="([a-z]+)" data-slug="([^"]+)"', page)}


def _panel(server: Server) -> str:
    with httpx2.Client(base_url=server.url, follow_redirects=True) as browser:
        return browser.post("/login", data={"token": ADMIN_TOKEN}).text


# --- the clock

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")
SET_CLOCK = "set clock"
SECOND, HOUR, DAY = 1, 3_600, 86_400
# Where the wall clock stands, one after the other, in seconds from the truth: steps of a second, an hour, a day, each
# way.
OFFSETS = (SECOND, 0, HOUR, 0, -HOUR, -HOUR + DAY, -HOUR)


@dataclass(frozen=True, slots=True)
class WallClock:
    """The wall clock of one server process, set by a file that libfaketime reads at each look."""

    path: Path

    def set(self, offset_sec: int) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(f"{offset_sec:+d}")
        new.replace(self.path)  # whole or not at all: it is read at any moment

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": _faketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def _faketime() -> str:
    found = [str(path) for pattern in _LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))]
    assert found, "faketime is installed, and libfaketimeMT.so.1 is not where it was looked for"
    return found[0]


def clock_trial(folder: Path, *, patch: str = "", patience_sec: float = LONG_ENOUGH_SEC) -> Outcome:
    """Set the server's wall clock to and fro while clients ping."""
    folder.mkdir()
    wall_clock = WallClock(folder / "offset")
    wall_clock.set(0)
    with server_maker(folder) as make:
        environment = wall_clock.environment() | KEEP_EVERYTHING
        server = make(f"sqlite:///{folder / 'pulsemon.db'}", launcher(folder, patch), **environment)
        alive, dead = _populate(server, of_each=HOW_MANY_BY_A_SET_CLOCK, grace=GRACE_BY_A_SET_CLOCK)
        every = {slug: float(slug.partition("-")[0]) for slug in alive}
        quick = [slug for slug in alive if every[slug] <= 2]
        with Punctual(alive, every=every) as punctual:
            wait_until(lambda: punctual.log.count() >= len(alive), within=2 * LONG_ENOUGH_SEC)
            for offset in OFFSETS:
                wall_clock.set(offset)
                wait_until_all_acknowledged(punctual.log, quick)
            for url in dead.values():
                assert httpx2.get(url).status_code == 200
            wall_clock.set(OFFSETS[-1] - HOUR)
            give_up_at = time.monotonic() + patience_sec
            wait_until(
                lambda: _are_down(server, set(dead)) or time.monotonic() > give_up_at,
                within=2 * LONG_ENOUGH_SEC,
                every=0.2,
            )
        assert server.stop() == 0
        seen = evidence.read(server.environment["DATABASE_URL"], operations=punctual.log.operations)
    return Outcome(seen, set(alive), set(dead))


# --- the trials and what came of them


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """Every trouble with PulseMon as it is, and its control in which nobody is ever excused."""
    folder = tmp_path_factory.mktemp("blindness")
    trials: dict[str, Callable[[], Outcome]] = {}
    for suffix, patch in (("", ""), (" control", NEVER_BLIND)):
        for name, trouble in TROUBLES.items():
            run = partial(trial, folder / (name + suffix), trouble, patch=patch, is_control=bool(patch))
            trials[name + suffix] = run
        slowly = LOOKS_SLOWLY + (NO_PULSE_OF_THE_LOOP if patch else "")
        trials[AT_WORK + suffix] = partial(trial, folder / (AT_WORK + suffix), stop_the_process_at_work, patch=slowly)
        if shutil.which("faketime"):
            trials[SET_CLOCK + suffix] = partial(
                clock_trial,
                folder / (SET_CLOCK + suffix),
                patch=patch,
                patience_sec=IN_VAIN_SEC if patch else LONG_ENOUGH_SEC,
            )
    # Five hundred monitors a trial keep this process's clients busy.
    with in_parallel(trials, at_once=rounds(len(trials), soak=2)) as ask:
        yield ask


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_monitor_whose_client_pings_is_down_because_of(outcomes: Outcomes, trouble: str) -> None:
    outcome = outcomes(trouble)

    assert checker.check_alive(outcome.seen, outcome.alive) == []
    assert checker.check(outcome.seen) == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_monitor_that_died_is_down_in_time_despite(outcomes: Outcomes, trouble: str) -> None:
    outcome = outcomes(trouble)

    assert checker.check_noticed(outcome.seen, outcome.dead) == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_cannot_be_known_is_shown_as_unknown_after(outcomes: Outcomes, trouble: str) -> None:
    outcome = outcomes(trouble)

    assert outcome.unknown >= outcome.dead
    assert not outcome.panel or "PulseMon was blind" in outcome.panel


@pytest.mark.parametrize("trouble", TROUBLES)
def test_control_without_blind_windows_monitors_are_falsely_down_because_of(outcomes: Outcomes, trouble: str) -> None:
    outcome = outcomes(f"{trouble} control")

    assert Rule.FALSE_DOWN in {breach.rule for breach in checker.check_alive(outcome.seen, outcome.alive)}


def test_a_process_stopped_in_the_middle_of_its_work_knows_that_it_was_blind(outcomes: Outcomes) -> None:
    outcome = outcomes(AT_WORK)

    assert checker.check_alive(outcome.seen, outcome.alive) == []
    assert checker.check_noticed(outcome.seen, outcome.dead) == []
    assert outcome.unknown >= outcome.dead


def test_control_without_the_loops_own_pulse_a_process_stopped_at_work_takes_the_time_for_silence(
    outcomes: Outcomes,
) -> None:
    outcome = outcomes(f"{AT_WORK} control")

    assert not outcome.unknown & outcome.dead


def test_a_clock_that_is_set_by_a_second_an_hour_or_a_day_makes_no_monitor_down(outcomes: Outcomes) -> None:
    require("faketime")
    outcome = outcomes(SET_CLOCK)

    assert checker.check_alive(replace(outcome.seen, operations=[]), outcome.alive) == []
    assert checker.check_pings(outcome.seen) == []
    assert checker.check_chains(outcome.seen) == []


def test_a_monitor_that_died_right_before_the_clock_was_set_back_is_down_in_time(outcomes: Outcomes) -> None:
    require("faketime")
    outcome = outcomes(SET_CLOCK)

    assert checker.check_noticed(outcome.seen, outcome.dead) == []


def test_control_without_blind_windows_a_set_clock_makes_monitors_down_and_hides_the_dead(
    outcomes: Outcomes,
) -> None:
    require("faketime")
    outcome = outcomes(f"{SET_CLOCK} control")

    found = checker.check_alive(replace(outcome.seen, operations=[]), outcome.alive)
    assert Rule.FALSE_DOWN in {breach.rule for breach in found}
    assert len(checker.check_noticed(outcome.seen, outcome.dead)) == len(outcome.dead)
