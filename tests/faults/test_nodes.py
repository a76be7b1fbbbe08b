"""R2: several nodes on one PostgreSQL record every transition exactly once, whoever dies in the middle of it.

Monitors flap on a schedule from a seed while nodes are killed or stopped. Clients know all nodes and try the next one
when the first says nothing, each time with a new rid. Beside it: the panel, the API, the metrics and the event streams
of every node, and what one node owes the others (its locks, and the pings that it has received and not yet stored).
"""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.conftest import ADMIN_TOKEN, LONG_ENOUGH_SEC, Server, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Rule
from tests.faults.clients import Log, Target
from tests.faults.conftest import (
    IS_SOAK,
    Outcomes,
    Serve,
    create_monitors,
    in_parallel,
    many,
    rounds,
    serving,
    statuses,
)
from tests.faults.flapping import Flapping, ping
from tests.faults.postgres import fresh_databases
from tests.web.http.test_live import open_stream, wait_for

MONITOR_COUNT = 300
SEED = 20260302


class Nemesis:
    """Kills or stops one node after the other, on a schedule from the seed; one node is always left alone."""

    def __init__(self, nodes: Sequence[Server], *, seed: int) -> None:
        self._nodes = nodes
        self._random = random.Random(seed)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._rage, name="nemesis", daemon=True)
        self._failure: BaseException | None = None
        self.kill_count = 0
        self.stop_count = 0

    def __enter__(self) -> Nemesis:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(3 * LONG_ENOUGH_SEC)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def _rage(self) -> None:
        try:
            while not self._is_over.wait(self._random.uniform(1, 3)):
                self._kill(self._random.choice(self._nodes))
                if not self._is_over.wait(self._random.uniform(3, 6)):
                    self._stop_for_a_while(self._random.choice(self._nodes))
        except BaseException as failure:
            self._failure = failure

    def _kill(self, victim: Server) -> None:
        victim.kill()
        self.kill_count += 1
        self._is_over.wait(self._random.uniform(0, 2))
        victim.start_again()

    def _stop_for_a_while(self, victim: Server) -> None:
        victim.process.send_signal(signal.SIGSTOP)
        self.stop_count += 1
        # Both shorter and longer than the others take a silent node for alive.
        self._is_over.wait(self._random.choice([0.7, 2.0, 5.0]))
        victim.process.send_signal(signal.SIGCONT)


def transition_count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM history").fetchone()
    assert row is not None
    return int(row[0])


def has_miscounted(url: str) -> bool:
    """Return whether a monitor has more transitions than it counts."""
    query = "SELECT id FROM monitors m WHERE state_seq < (SELECT count(*) FROM history h WHERE h.monitor_id = m.id)"
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone() is not None


def start_nodes(a_server: Serve, url: str, count: int, *, patch: str = "") -> list[Server]:
    """Start *count* nodes at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: a_server(url=url, patch=patch), range(count)))


_NO_LOCKS = """
# Rows are read without a lock and written whatever they have become meanwhile.
from sqlalchemy import Select, bindparam, update

from pulsemon.db import ping_rows, states
from pulsemon.db.tables.monitors import Monitor

Select.with_for_update = lambda self, **_: self
ping_rows._SELECT_POSTGRES = ping_rows._SELECT_POSTGRES.replace("FOR NO KEY UPDATE", "")
values = {each.name: bindparam(each.name) for each in Monitor.__table__.columns if each.name in (
    "status", "last_ping", "due_at", "check_at", "open_runs", "blind_due_at", "down_cause",
    "contrary_count", "state_seq")}
states._SAVE = update(Monitor).where(Monitor.id == bindparam("its_id")).values(values)
save = states.save
def save_without_its_seq(connection, changes):
    changes = list(changes)
    if changes:
        connection.execute(states._SAVE, [
            {"its_id": monitor.id, "status": state.status.value, "last_ping": state.last_ping, "due_at": state.due_at,
             "check_at": state.due_at, "open_runs": state.runs,
             "contrary_count": state.contrary_count, "blind_due_at": state.blind_due_at,
             "down_cause": state.down_cause.value if state.down_cause else None, "state_seq": seq}
            for monitor, state, seq in changes])
states.save = save_without_its_seq
"""


# --- what a node owes the others

_SLOW_TO_STORE = """
# Every ping waits before it is stored, as behind a slow disk or a long queue.
import time
from pulsemon.heartbeats import pings

record_pings = pings.record_pings

def store_late(database, batch):
    time.sleep(0.45)
    return record_pings(database, batch)

pings.record_pings = store_late
"""


_HOLDS_WHAT_CAME = """
# Pings that have come are stored when the test says so.
import time
from pathlib import Path

from pulsemon.heartbeats import pings

record_pings = pings.record_pings

def hold(database, batch):
    Path("came").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return record_pings(database, batch)

pings.record_pings = hold
"""


def ping_steadily(url: str, *, every: float, times: int, slug: str) -> Log:
    """Ping on time, each time waiting for the answer, and return the log."""
    log = Log()

    async def work() -> None:
        next_at = time.monotonic()
        for _ in range(times):
            await ping(log, Target(slug, url), patience_sec=LONG_ENOUGH_SEC)
            next_at += every
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    asyncio.run(work())
    return log


def live_beside_a_slow_node(serve: Serve, url: str, *, patch: str = "", tries: int = 1) -> list[checker.Breach]:
    """Ping through a node that stores late; return what the other one did wrong meanwhile, at the first try it did."""
    slow = serve(url=url, patch=_SLOW_TO_STORE)
    serve(url=url, patch=patch)
    ping_url = create_monitors(slow, many(1, interval_seconds=1))["job-0"]
    operations: list[checker.Operation] = []
    for _ in range(tries):
        log = ping_steadily(ping_url, every=0.8, times=rounds(8, soak=60), slug="job-0")
        assert log.count() == len(log.operations)
        operations += log.operations
        found = evidence.read(url, operations=operations)
        assert checker.check_pings(found) == []
        if breaches := checker.check_downs(found):
            return breaches
    return []


_NO_REGARD_FOR_OTHERS = """
# The other nodes are not asked how far they have stored what they received.
from pulsemon.deadlines import passes

passes.other_nodes = lambda database, node: {}
"""


_STOPS_HOLDING_LOCKS = """
# Stops, with the monitors' rows locked, in the middle of storing the first ping.
import os, signal
from pulsemon.db import ping_rows

def stop_here(*_):
    os.kill(os.getpid(), signal.SIGSTOP)

ping_rows.store = stop_here
"""
_FOREVER = """
from pulsemon.db import sessions

sessions._SETTINGS["idle_in_transaction_session_timeout"] = "0"
"""


def ping_beside_a_stopped_node(serve: Serve, url: str, *, patch: str) -> tuple[list[int], float]:
    """Ping a monitor that another node had locked when it stopped, three times or until it is acknowledged.

    Return the answers, and after how many seconds the last one came.
    """
    stopping = serve(url=url, patch=patch)
    other = serve(url=url)
    ping_url = create_monitors(other, many(1))["job-0"]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: _get_quietly(ping_url.replace(other.url, stopping.url)))
        wait_until(lambda: is_locked(url))
        started_at = time.monotonic()
        answers: list[int] = []
        while len(answers) < 3 and 200 not in answers:
            answers.append(httpx2.get(ping_url).status_code)
        took_sec = time.monotonic() - started_at
        stopping.process.kill()
    return answers, took_sec


def _get_quietly(url: str) -> None:
    try:
        httpx2.get(url)
    except httpx2.TransportError:
        return


def is_locked(url: str) -> bool:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT 1 FROM monitors FOR NO KEY UPDATE SKIP LOCKED").fetchall()
    return not found


# --- these runs side by side: most of each is waiting


@dataclass(frozen=True)
class Flapped:
    """What came of one run of flapping monitors."""

    found: Evidence
    urls: dict[str, str]
    kill_count: int = 0
    stop_count: int = 0


def flap_under_fire(folder: Path, url: str) -> Flapped:
    with serving(folder) as serve:
        nodes = start_nodes(serve, url, 4 if IS_SOAK else 2)
        urls = create_monitors(nodes[0], many(MONITOR_COUNT, interval_seconds=1))
        wanted = rounds(2_000, soak=20_000)
        with Nemesis(nodes, seed=SEED) as nemesis, Flapping(nodes, urls, seed=SEED) as clients:
            wait_until(lambda: transition_count(url) >= wanted, within=wanted / 5 + LONG_ENOUGH_SEC, every=0.5)
        wait_until(lambda: set(statuses(nodes[0]).values()) == {"DOWN"}, every=0.2)
        found = evidence.read(url, operations=clients.log.operations)
        return Flapped(found, urls, nemesis.kill_count, nemesis.stop_count)


def flap_without_locks(folder: Path, url: str) -> Flapped:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE history DROP CONSTRAINT uq_history_monitor_id_seq")
    with serving(folder) as serve:
        nodes = start_nodes(serve, url, 2, patch=_NO_LOCKS)
        urls = create_monitors(nodes[0], many(60, interval_seconds=1))
        with Flapping(nodes, urls, seed=SEED) as clients:
            # Two nodes must come upon the same monitor at the same moment; now and then the first 300 did not see it.
            wait_until(lambda: has_miscounted(url), within=3 * LONG_ENOUGH_SEC, every=0.2)
        return Flapped(evidence.read(url, operations=clients.log.operations), urls)


Run = Callable[[Path, str], Any]


def in_servers(run: Callable[..., Any], patch: str) -> Run:
    """Give *run* a way to start servers."""

    def work(folder: Path, url: str) -> Any:
        with serving(folder) as serve:
            return run(serve, url, patch=patch)

    return work


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, postgres_template: str) -> Iterator[Outcomes]:
    wanted: dict[str, Run] = {
        "flapping": flap_under_fire,
        "flapping, no locks": flap_without_locks,
        "slow node": in_servers(live_beside_a_slow_node, ""),
        # On a busy machine the pings may come so late that they are missed rightly.
        "slow node, no regard": in_servers(partial(live_beside_a_slow_node, tries=10), _NO_REGARD_FOR_OTHERS),
        "stopped node": in_servers(ping_beside_a_stopped_node, _STOPS_HOLDING_LOCKS),
        "stopped node, endless patience": in_servers(ping_beside_a_stopped_node, _FOREVER + _STOPS_HOLDING_LOCKS),
    }
    folders = [tmp_path_factory.mktemp("nodes") for _ in wanted]
    with fresh_databases(postgres_server, postgres_template, len(wanted)) as urls:
        tasks = {
            name: partial(run, folder, url)
            for (name, run), folder, url in zip(wanted.items(), folders, urls, strict=True)
        }
        # Four nodes and three hundred monitors are enough for one machine and one PostgreSQL's connections.
        with in_parallel(tasks, at_once=rounds(len(tasks), soak=2)) as outcome_of:
            yield outcome_of


def test_transitions_are_recorded_exactly_once_while_nodes_are_killed_and_stopped(runs: Outcomes) -> None:
    run: Flapped = runs("flapping")

    print(f"\n{len(run.found.transitions)} transitions, {run.kill_count} kills, {run.stop_count} stops")
    assert checker.check(run.found) == []
    assert checker.check_noticed(run.found, run.urls) == []
    assert run.kill_count > 0
    assert run.stop_count > 0


def test_control_without_locks_and_without_the_unique_number_transitions_are_doubled(runs: Outcomes) -> None:
    run: Flapped = runs("flapping, no locks")

    assert Rule.GAP in {each.rule for each in checker.check_transitions(run.found)}


def test_a_ping_that_another_node_has_received_and_not_yet_stored_holds_judgement_back(runs: Outcomes) -> None:
    assert runs("slow node") == []


def test_control_without_regard_for_the_other_nodes_a_ping_in_time_is_judged_missing(runs: Outcomes) -> None:
    assert {each.rule for each in runs("slow node, no regard")} == {Rule.DOWN_OVER_PING}


def test_a_node_that_stops_in_the_middle_of_a_transaction_does_not_keep_the_others_from_storing(
    runs: Outcomes,
) -> None:
    answers, took_sec = runs("stopped node")

    print(f"\nanswered {answers}, after {took_sec:.1f} s")
    assert answers[-1] == 200


def test_control_without_the_servers_own_patience_a_stopped_node_makes_the_others_refuse(runs: Outcomes) -> None:
    answers, _ = runs("stopped node, endless patience")

    assert answers == [503] * 3


def test_a_ping_that_is_overtaken_by_a_later_one_of_another_node_does_not_turn_time_back(
    a_server: Serve, postgres_url: str
) -> None:
    slow = a_server(url=postgres_url, patch=_HOLDS_WHAT_CAME)
    quick = a_server(url=postgres_url)
    url = create_monitors(slow, many(1))["job-0"]

    with ThreadPoolExecutor(1) as pool:
        overtaken = pool.submit(httpx2.get, url)
        wait_until((slow.folder / "came").exists)
        assert httpx2.get(url.replace(slow.url, quick.url)).status_code == 200
        last_ping = quick.get("/api/monitors/job-0")["last_ping"]
        (slow.folder / "go").touch()
        assert overtaken.result().status_code == 200

    assert quick.get("/api/monitors/job-0")["last_ping"] == last_ping
    stored = sorted(evidence.read(postgres_url).pings, key=lambda each: each.number)
    assert [each.outcome for each in stored] == ["counted", "counted"]
    assert stored[0].received_at > stored[1].received_at, "the second to be stored was the first to come"


# --- every node is a whole PulseMon


def test_nodes_that_start_together_on_an_empty_database_all_come_up(a_server: Serve, empty_postgres_url: str) -> None:
    nodes = start_nodes(a_server, empty_postgres_url, 3)

    create_monitors(nodes[0], many(1))
    assert [statuses(node) for node in nodes] == [{"job-0": "UNKNOWN"}] * 3


@contextmanager
def logged_in(node: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=node.url, follow_redirects=True) as browser:
        assert browser.post("/login", data={"token": ADMIN_TOKEN}).status_code == 200
        yield browser


def test_panel_api_status_page_and_metrics_work_on_every_node(a_server: Serve, postgres_url: str) -> None:
    nodes = start_nodes(a_server, postgres_url, 2)
    urls = create_monitors(nodes[0], many(2))
    assert httpx2.get(urls["job-0"].replace(nodes[0].url, nodes[1].url)).status_code == 200

    with logged_in(nodes[0]) as browser:
        session = dict(browser.cookies)
    for node in nodes:
        assert statuses(node) == {"job-0": "UP", "job-1": "UNKNOWN"}
        assert "job-0" in httpx2.get(f"{node.url}/status").text
        assert "job-0" in httpx2.get(node.url, cookies=session).text, "a login of one node is a login of all"
        assert figure(node, 'monitor_status{monitor_name="job-0"') == 1
        assert httpx2.get(f"{node.url}/ready").status_code == 200
    assert sum(figure(node, 'pulsemon_pings_total{answer="stored"}') for node in nodes) == 1

    answer = httpx2.patch(f"{nodes[1].url}/api/monitors/job-1", json={"name": "Renamed"}, headers=nodes[1].headers)
    assert answer.status_code == 200
    assert nodes[0].get("/api/monitors/job-1")["name"] == "Renamed"


def figure(node: Server, name: str) -> float:
    """Return the value of the metric whose line begins with *name*."""
    text = httpx2.get(f"{node.url}/metrics", headers=node.headers).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_an_open_panel_shows_what_another_node_wrote(a_server: Serve, postgres_url: str) -> None:
    here, there = start_nodes(a_server, postgres_url, 2)
    url = create_monitors(there, many(1))["job-0"]
    delays = []
    with open_stream(here) as lines:
        # The first events may be about the creation, and about what was written before the first look.
        for number in range(4):
            assert httpx2.get(f"{url}/fail" if number % 2 else url).status_code == 200
            acknowledged_at = time.monotonic()
            wait_for(lines, "event: changed")
            delays.append(time.monotonic() - acknowledged_at)

    print(f"\ntold after {max(delays):.2f} s at most")
    assert statuses(here) == {"job-0": "DOWN"}
