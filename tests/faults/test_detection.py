"""Promise R5: silence is noticed at its deadline, however many fall silent at once and whatever else goes on.

Very many monitors are late in the same instant, while others are pinged all the time and receivers of messages hang. No
figure is asserted, because the machine may be a busy one; they are printed (`-s`), and measured by `run.py bench`. What
is asserted holds on any machine: what was noticed and with which time, who came in between, and who waited for whom.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import create_engine, select

from bench.seeding import FAR_SEC, make_late, ping_path, seed, slug
from pulsemon import clock
from pulsemon.db.tables.deadlines import BlindWindowRow
from tests.channels.sink import Sink, hang
from tests.conftest import LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Arrival, Evidence, Operation, Result, Rule, StoredTransition
from tests.faults.clients import Clients
from tests.faults.conftest import IS_SOAK, Outcomes, in_parallel, rounds, serving
from tests.faults.patches import one_queue_for_all

LATE = rounds(2_000, soak=10_000)
# Enough for more than one transaction of the evaluator's; a control is about order, not about numbers.
LATE_IN_A_CONTROL = 1_200
HANGING = rounds(20, soak=100)
WELL = 5
TOLD = rounds(200, soak=1_000)
LIVING = rounds(50, soak=500)
# Connections that rest so long after each answer: 200 pings a second, in the long form 2,000.
CONNECTIONS, PAUSE_SEC = (100, 0.05) if IS_SOAK else (20, 0.1)
# From the moment in which it is set until the deadline; longer than the evaluator ever sleeps.
LEAD_SEC = 2.0
INTERVAL_SEC, GRACE_SEC = 10, 2
LIVING_INTERVAL_SEC = 3
# What a control looks on for, once the deadline has passed.
IN_VAIN_SEC = 4
# A busy machine may give the clients no time while the evaluator writes; then it is tried again.
TRIES = 6

# Sending waits for an answer for longer than this test runs: who hangs, hangs until its end.
PATIENT_WITH_RECEIVERS = """
    from datetime import timedelta

    from pulsemon.messages import outbox
    from pulsemon.channels.http import GuardedClient

    GuardedClient.__init__.__kwdefaults__["deadline"] = timedelta(minutes=30)
    outbox.LEASE = timedelta(minutes=40)
"""
NOBODY_LOOKS_AT_DEADLINES = """
    from pulsemon.deadlines import passes

    passes.next_check_at = lambda database: None
"""
ALL_IN_ONE_TRANSACTION = """
    from pulsemon.deadlines import passes

    passes.CHUNK = 1_000_000
"""


@dataclass(frozen=True, slots=True)
class Burst:
    """What came of very many monitors that were late at once."""

    found: Evidence
    late: set[str]
    deadline: datetime
    blind_ends: list[datetime]
    well_arrival_count: int
    hung_count: int
    seen_after_sec: float
    told_after_sec: float

    @property
    def downs(self) -> list[StoredTransition]:
        return [each for each in self.found.transitions if each.slug in self.late and each.new == "DOWN"]

    def operations_between(self) -> list[Operation]:
        """Return the pings that came after the first of the late was noticed and were stored before the last."""
        noticed_at = [each.recorded_at for each in self.downs]
        return [
            each
            for each in self.found.operations
            if each.result is Result.OK and each.started_at > min(noticed_at) and each.ended_at < max(noticed_at)
        ]


def burst(folder: Path, *, patch: str = "", late: int = LATE, are_down: bool = True, are_told: bool = True) -> Burst:
    """Let *late* monitors be late in one instant while others are pinged and receivers hang.

    *are_down*, *are_told*: it is waited for that; a control that takes it away looks on for a while instead.
    """
    folder.mkdir()
    url = f"sqlite:///{folder / 'pulsemon.db'}"
    with ExitStack() as stack:
        well = [stack.enter_context(Sink()) for _ in range(WELL)]
        hung = [stack.enter_context(Sink(hang)) for _ in range(HANGING)]
        _populate(url, late, well=well, hung=hung)
        serve = stack.enter_context(serving(folder))
        server = serve(patch=dedent(PATIENT_WITH_RECEIVERS) + dedent(patch), WORKER_INTERVAL_SEC="3600")
        with Clients(_living(server), connections=CONNECTIONS, pause_sec=PAUSE_SEC) as clients:
            if are_down:
                for sink in hung:  # before there is anything to tell the others
                    sink.wait_for(1)
            deadline = make_late(folder / "pulsemon.db", prefix="late", due_in=LEAD_SEC)
            if are_down:
                wait_until(lambda: _down_count(folder) >= late + HANGING, within=5 * LONG_ENOUGH_SEC)
            seen_at = clock.now()
            if are_told:
                wait_until(lambda: sum(len(sink.received) for sink in well) >= TOLD, within=5 * LONG_ENOUGH_SEC)
            told_at = clock.now()
            if not (are_down and are_told):
                _look_on(max(deadline, told_at))
        arrivals = [
            Arrival(each.headers["webhook-id"], each.body, is_accepted=True) for s in well for each in s.received
        ]
        return Burst(
            found=evidence.read(url, operations=clients.log.operations, arrivals=arrivals),
            late={slug(number, prefix="late") for number in range(late)},
            deadline=deadline,
            blind_ends=_blind_ends(url),
            well_arrival_count=len(arrivals),
            hung_count=sum(bool(sink.received) for sink in hung),
            seen_after_sec=(seen_at - deadline).total_seconds(),
            told_after_sec=(told_at - deadline).total_seconds(),
        )


def burst_with_pings_between(folder: Path) -> Burst:
    """Let very many be late at once until a ping came in between, or it came in none of the tries."""
    folder.mkdir()
    for number in range(TRIES):
        run = burst(folder / str(number))
        if run.operations_between():
            break
    return run


def _populate(url: str, late: int, *, well: list[Sink], hung: list[Sink]) -> None:
    """Make those who live, those who are late, and those who are late before and whose receivers hang."""
    seed(url, LIVING, prefix="living", status="UNKNOWN", interval_seconds=LIVING_INTERVAL_SEC, grace_seconds=0)
    timing = {"interval_seconds": INTERVAL_SEC, "grace_seconds": GRACE_SEC}
    seed(url, len(hung), prefix="hung", due_in=[0.0] * len(hung), webhook_urls=[each.url for each in hung], **timing)
    told = [well[number % len(well)].url for number in range(TOLD)]
    seed(url, late, prefix="late", due_in=[FAR_SEC] * late, webhook_urls=told, **timing)


def _living(server: Server) -> dict[str, str]:
    return {slug(n, prefix="living"): server.url + ping_path(n, prefix="living") for n in range(LIVING)}


def _look_on(since: datetime) -> None:
    until = since + timedelta(seconds=IN_VAIN_SEC)
    wait_until(lambda: clock.now() > until, within=2 * LONG_ENOUGH_SEC)


def _down_count(folder: Path) -> int:
    """Return how many of those who fell silent are DOWN, as another process sees it."""
    with closing(sqlite3.connect(folder / "pulsemon.db", timeout=LONG_ENOUGH_SEC)) as database:
        query = "SELECT count(*) FROM monitors WHERE status = 'DOWN' AND slug NOT LIKE 'living%'"
        return int(database.execute(query).fetchone()[0])


def _blind_ends(url: str) -> list[datetime]:
    engine = create_engine(url)
    with engine.connect() as connection:
        ends = list(connection.scalars(select(BlindWindowRow.ended_at)))
    engine.dispose()
    return ends


def _of_the_living(found: Evidence) -> Evidence:
    """Return what concerns those whose whole life was lived: the others were UP from the start."""
    return replace(
        found,
        monitors=[each for each in found.monitors if each.slug.startswith("living")],
        pings=[each for each in found.pings if each.slug.startswith("living")],
        transitions=[each for each in found.transitions if each.slug.startswith("living")],
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    folder = tmp_path_factory.mktemp("detection")
    control = partial(burst, late=LATE_IN_A_CONTROL, are_told=False)
    trials: dict[str, Callable[[], Burst]] = {
        "as it is": partial(burst_with_pings_between, folder / "as it is"),
        "nobody looks": partial(control, folder / "nobody looks", are_down=False, patch=NOBODY_LOOKS_AT_DEADLINES),
        "one transaction": partial(control, folder / "one transaction", patch=ALL_IN_ONE_TRANSACTION),
        "one queue": partial(control, folder / "one queue", patch=one_queue_for_all(HANGING)),
    }
    # One after the other where there are very many: they would only be in each other's way.
    with in_parallel(trials, at_once=rounds(len(trials), soak=1)) as ask:
        yield ask


def test_all_that_are_late_at_once_are_down_with_their_deadline_as_the_time(outcomes: Outcomes) -> None:
    run: Burst = outcomes("as it is")

    print(f"\n{len(run.late)} late at once: the last seen DOWN {run.seen_after_sec:.2f} s after its deadline")
    assert checker.check_noticed(run.found, run.late) == []
    assert len(run.downs) == len(run.late)
    # On a machine that stood still PulseMon may have been blind; then the deadline is the one after that.
    later = timedelta(seconds=INTERVAL_SEC + GRACE_SEC)
    deadlines = {run.deadline, *(end + later for end in run.blind_ends)}
    assert {each.occurred_at for each in run.downs} <= deadlines
    assert {each.cause for each in run.downs} == {"silence"}


def test_meanwhile_pings_are_stored_and_nobody_who_pinged_is_down(outcomes: Outcomes) -> None:
    run: Burst = outcomes("as it is")

    operations = [each for each in run.found.operations if each.started_at > run.deadline]
    waits = sorted((each.ended_at - each.started_at).total_seconds() for each in operations)
    print(f"\n{len(waits)} pings from the deadline on, p99 {waits[len(waits) * 99 // 100] * 1_000:.0f} ms")
    assert checker.check_pings(run.found) == []
    assert checker.check_downs(run.found) == []
    assert checker.check_transitions(_of_the_living(run.found)) == []
    assert run.operations_between(), "pings come in between two transactions of the evaluator's"


def test_receivers_that_hang_keep_nobody_elses_messages(outcomes: Outcomes) -> None:
    run: Burst = outcomes("as it is")

    print(
        f"\n{TOLD} messages, the last arrived {run.told_after_sec:.2f} s after the deadline; {HANGING} receivers hung"
    )
    assert run.hung_count == HANGING
    assert run.well_arrival_count == TOLD
    assert checker.check_owed(run.found) == []
    assert checker.check_arrivals(run.found) == []
    assert checker.check_no_repeats(run.found) == []


def test_control_where_nobody_looks_at_deadlines_silence_is_not_noticed(outcomes: Outcomes) -> None:
    run: Burst = outcomes("nobody looks")

    found = checker.check_noticed(run.found, run.late)
    assert {each.rule for each in found} == {Rule.UNNOTICED}
    assert len(found) == len(run.late)


def test_control_in_one_transaction_no_ping_comes_in_between(outcomes: Outcomes) -> None:
    assert outcomes("one transaction").operations_between() == []


def test_control_with_one_queue_for_all_receivers_that_hang_keep_the_others_messages(outcomes: Outcomes) -> None:
    run: Burst = outcomes("one queue")

    assert run.hung_count == HANGING
    assert run.well_arrival_count == 0
