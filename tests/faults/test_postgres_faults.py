"""R1 and R4 on PostgreSQL: the server dies as in a power cut, or the network between fails in five ways.

Clients go on pinging all the time. Whatever happens: no acknowledged ping is lost, whoever cannot be served hears 503
within five seconds, acknowledgements come again within five seconds of the database being back, by themselves, and
nobody is called DOWN for it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from pulsemon import clock
from tests.conftest import ADMIN_TOKEN, ROOT, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Operation, Result, Rule
from tests.faults.clients import Clients, Log, Punctual
from tests.faults.conftest import IS_SOAK, Outcomes, Serve, create_monitors, in_parallel, rounds, serving
from tests.faults.patches import ANSWER_FIRST
from tests.faults.postgres import OwnPostgres, own_postgres, through
from tests.faults.proxy import Fault, FaultProxy

# How long each fault lasts: those that say nothing longer than PulseMon is patient.
LASTING_SEC = {"stopped": 2.5, "reset": 4.0, "cut": 2.0, "half-open": 5.0, "black hole": 5.0, "slow": 4.0}
LONGER = 6 if IS_SOAK else 1
# Within five seconds, as promised; what a busy machine adds is no failure. What is broken stays broken for good.
IN_VAIN_SEC = 6.0
BUSY_COUNT = 40
PUNCTUAL = [f"punctual-{number}" for number in range(rounds(15, soak=500))]


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@dataclass
class Stage:
    """One database behind a proxy, a server process on it, and two kinds of monitors.

    The *busy* ones are pinged flat out and show what is acknowledged; the *punctual* ones get one ping a second that is
    never repeated, and show who is blamed.
    """

    postgres: OwnPostgres
    name: str
    proxy: FaultProxy
    server: Server
    busy: dict[str, str]
    punctual: dict[str, str]

    @property
    def direct_url(self) -> str:
        """The database's URL past the proxy: what is there does not depend on who can reach it."""
        head, _, query = self.postgres.url.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{self.name}?{query}"


@pytest.fixture
def stage(postgres: OwnPostgres, a_server: Serve) -> Iterator[Stage]:
    with FaultProxy(postgres.socket_path) as proxy:
        yield set_up(postgres, proxy, a_server)


def set_up(postgres: OwnPostgres, proxy: FaultProxy, a_server: Serve, *, patch: str = "") -> Stage:
    name = f"faults_{secrets.token_hex(4)}"
    postgres.create_database(name)
    server = a_server(url=through(proxy.port, name), patch=patch)
    busy = {f"busy-{number}": {"interval_seconds": 3600} for number in range(BUSY_COUNT)}
    punctual = {slug: {"interval_seconds": 2, "grace_seconds": 1} for slug in PUNCTUAL}
    return Stage(postgres, name, proxy, server, create_monitors(server, busy), create_monitors(server, punctual))


def acknowledged_since(log: Log, instant: datetime) -> int:
    """Return how many pings that were sent after *instant* were acknowledged."""
    return sum(1 for each in list(log.operations) if each.started_at >= instant and each.result is Result.OK)


def the_database_dies(stage: Stage, lasting: float) -> None:
    """Stop PostgreSQL in the middle of everything and start it again."""
    stage.postgres.stop_at_once()
    time.sleep(lasting)  # the fault's length, not a hope
    stage.postgres.start()


def the_network_fails(fault: Fault) -> Callable[[Stage, float], None]:
    def happen(stage: Stage, lasting: float) -> None:
        with stage.proxy.fault(fault):
            time.sleep(lasting)  # the fault's length, not a hope

    return happen


FAULTS: dict[str, Callable[[Stage, float], None]] = {
    "stopped": the_database_dies,
    "reset": the_network_fails(Fault.RESET),
    "half-open": the_network_fails(Fault.HALF_OPEN),
    "black hole": the_network_fails(Fault.BLACK_HOLE),
    "cut": the_network_fails(Fault.CUT),
    "slow": the_network_fails(Fault.LATENCY),
}


@dataclass
class Episode:
    """What one fault cost."""

    fault: str
    slowest_answer_sec: float
    back_after_sec: float


@dataclass
class Seen:
    """What the clients saw and the database holds after one fault, or several one after the other."""

    episodes: list[Episode]
    counts: Counter[Result]
    refused_count: int
    found: Evidence = field(repr=False)


def live_through(stage: Stage, *faults: str) -> Seen:
    """Ping all the time, let the faults happen, each until pings are acknowledged again, and see whom that blamed."""
    with Punctual(stage.punctual, every=1.0) as punctual, Clients(stage.busy, connections=6, seed=7) as busy:
        wait_until(lambda: busy.log.count() > 300)
        episodes = [_live_through_one(stage, fault, busy.log) for fault in faults]
        time.sleep(4)  # a punctual monitor's whole period: whoever is going to be blamed is blamed by now
    operations = busy.log.operations + punctual.log.operations
    return Seen(
        episodes=episodes,
        counts=Counter(each.result for each in operations),
        refused_count=sum(each.status_code == 503 for each in operations),
        found=evidence.read(stage.direct_url, operations=operations),
    )


def _live_through_one(stage: Stage, fault: str, log: Log) -> Episode:
    began_at = clock.now()
    FAULTS[fault](stage, LASTING_SEC[fault] * LONGER)
    back_at, healed_at = time.monotonic(), clock.now()
    wait_until(lambda: acknowledged_since(log, healed_at) > 0)
    back_after_sec = time.monotonic() - back_at
    wait_until(lambda: acknowledged_since(log, healed_at) > 100)
    meanwhile = [each for each in list(log.operations) if each.ended_at > began_at]
    slowest = max((each.ended_at - each.started_at).total_seconds() for each in meanwhile)
    return Episode(fault, slowest, back_after_sec)


_BLAME = """
# Blind windows are noticed by nobody.
from pulsemon.deadlines import loop

loop.Evaluation._add_window = lambda self, window, cause: None
"""

_PATIENT = """
# A server that says nothing is waited for.
from pulsemon.db import postgres

postgres._Patient.patience_sec = None
postgres._ANSWER_SEC = None
"""


# --- these runs side by side, on two servers: one of them is stopped and started


def with_stage(run: Callable[[Stage], Any], postgres: OwnPostgres, *, patch: str = "") -> Callable[[Path], Any]:
    def work(folder: Path) -> Any:
        with serving(folder) as serve, FaultProxy(postgres.socket_path) as proxy:
            return run(set_up(postgres, proxy, serve, patch=patch))

    return work


def live_through_everything(stage: Stage) -> Seen:
    seen = live_through(stage, "stopped", "reset", "cut", "half-open", "black hole")
    assert stage.server.process.poll() is None
    wait_until(lambda: httpx2.get(f"{stage.server.url}/ready").status_code == 200)
    return seen


def live_through_until_somebody_is_blamed(stage: Stage) -> Seen:
    """Whose turn comes first once the database is back is a race: the next pings', or the judge's of deadlines."""
    operations: list[checker.Operation] = []
    for _ in range(8):
        seen = live_through(stage, "reset")
        operations += seen.found.operations
        seen.found = replace(seen.found, operations=operations)
        if checker.check_alive(seen.found, PUNCTUAL):
            break
    return seen


def acknowledged_after_a_black_hole(stage: Stage) -> int:
    """Return how many pings are acknowledged in the time in which they should be."""
    with Clients(stage.busy, connections=6, seed=7) as clients:
        wait_until(lambda: clients.log.count() > 300)
        FAULTS["black hole"](stage, 1)
        healed_at = clock.now()
        time.sleep(IN_VAIN_SEC)
    return acknowledged_since(clients.log, healed_at)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, postgres: OwnPostgres) -> Iterator[Outcomes]:
    with own_postgres() as mortal:
        wanted = {
            "everything": with_stage(live_through_everything, mortal),
            "slow": with_stage(lambda stage: live_through(stage, "slow"), postgres),
            "blame": with_stage(live_through_until_somebody_is_blamed, postgres, patch=_BLAME),
            "endless patience": with_stage(acknowledged_after_a_black_hole, postgres, patch=_PATIENT),
        }
        folders = [tmp_path_factory.mktemp("postgres") for _ in wanted]
        tasks = {name: partial(run, folder) for (name, run), folder in zip(wanted.items(), folders, strict=True)}
        # Five hundred monitors a run keep this process's clients busy.
        with in_parallel(tasks, at_once=rounds(len(tasks), soak=1)) as outcome_of:
            yield outcome_of


def test_no_ping_is_lost_and_nobody_is_blamed_however_the_database_fails(runs: Outcomes) -> None:
    seen: Seen = runs("everything")

    print(f"\n{dict(seen.counts)}, {seen.refused_count} times 503", *seen.episodes, sep="\n")
    assert checker.check(seen.found) == []
    assert checker.check_alive(seen.found, PUNCTUAL) == []
    assert seen.refused_count > 0
    assert seen.counts[Result.UNKNOWN] == 0, "everybody hears something"


def test_control_without_blind_windows_monitors_are_blamed_for_the_database(runs: Outcomes) -> None:
    seen: Seen = runs("blame")

    assert {each.rule for each in checker.check_alive(seen.found, PUNCTUAL)} == {Rule.FALSE_DOWN}


def test_control_with_endless_patience_a_network_that_swallows_everything_ends_the_acknowledgements(
    runs: Outcomes,
) -> None:
    assert runs("endless patience") == 0


def test_a_slow_network_costs_time_and_nothing_else(runs: Outcomes) -> None:
    seen: Seen = runs("slow")

    print("", *seen.episodes, sep="\n")
    assert checker.check(seen.found) == []
    assert checker.check_alive(seen.found, PUNCTUAL) == []
    assert {each.status_code for each in seen.found.operations} == {200}


# --- one by one


def test_while_the_database_is_away_the_api_says_503_and_the_status_page_is_there(stage: Stage) -> None:
    url = stage.server.url
    assert httpx2.get(f"{url}/status").status_code == 200
    with stage.proxy.fault(Fault.RESET):
        answers = {path: httpx2.get(url + path) for path in ("/health", "/status")}
        assert {path: answer.status_code for path, answer in answers.items()} == {"/health": 200, "/status": 200}
        refused = httpx2.get(f"{url}/api/monitors", headers={"X-Admin-Token": ADMIN_TOKEN})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        wait_until(lambda: httpx2.get(f"{url}/ready").status_code == 503)


def test_a_commit_whose_answer_is_cut_off_is_no_acknowledgement(stage: Stage) -> None:
    """The row may be there or not; 200 must not be said. A repeat with the same rid counts once."""
    slug, url = next(iter(stage.busy.items()))
    rid = "00000000-0000-4000-8000-000000000001"
    assert httpx2.get(url).status_code == 200  # the connection of the lane is open now

    with stage.proxy.fault(Fault.CUT):
        assert httpx2.get(url, params={"rid": rid}).status_code == 503
    wait_until(lambda: httpx2.get(url, params={"rid": rid}).status_code == 200)

    counted = [
        each
        for each in evidence.read(stage.direct_url).pings
        if (each.slug, each.rid, each.outcome) == (slug, rid, "counted")
    ]
    assert len(counted) == 1


def test_control_answers_before_the_commit_lose_pings_when_the_database_dies(
    postgres: OwnPostgres, a_server: Serve
) -> None:
    with FaultProxy(postgres.socket_path) as proxy:
        stage = set_up(postgres, proxy, a_server, patch=ANSWER_FIRST)
        sent: list[Operation] = []
        # A fault that falls between two batches loses nothing: another one follows.
        assert wait_until(lambda: _breaches_of_one_more_fault(stage, sent)) == {Rule.LOST}


def _breaches_of_one_more_fault(stage: Stage, sent: list[Operation]) -> set[Rule]:
    """Take the database away under load; return what was broken since the first time. *sent* grows by what was sent."""
    refusals = stage.server.log.count("ping.unavailable")
    with Clients(stage.busy, connections=6, seed=7 + len(sent)) as clients:
        wait_until(lambda: clients.log.count() > 300)
        with stage.proxy.fault(Fault.RESET):
            wait_until(lambda: stage.server.log.count("ping.unavailable") > refusals)
    wait_until(lambda: httpx2.get(stage.busy["busy-0"]).status_code == 200)
    sent += clients.log.operations
    return {each.rule for each in checker.check_pings(evidence.read(stage.direct_url, operations=sent))}


# --- what may not be started on


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(
    postgres: OwnPostgres, tmp_path: Path, setting: str
) -> None:
    postgres.execute(f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
    try:
        wait_until(lambda: show(postgres, setting) == "off")
        refused = subprocess.run(
            [sys.executable, "-m", "pulsemon", "serve"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "DATABASE_URL": postgres.url,
                "ADMIN_TOKEN": ADMIN_TOKEN,
                "APP_PORT": "1",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        postgres.execute(f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
        wait_until(lambda: show(postgres, setting) == "on")
    assert refused.returncode != 0
    assert f"{setting}=off" in refused.stderr
    assert "ALLOW_UNSAFE_DATABASE" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def show(postgres: OwnPostgres, setting: str) -> str:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute(f"SHOW {setting}".encode()).fetchone()
    assert row is not None
    return str(row[0])
