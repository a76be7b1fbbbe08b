"""Promise R1: an acknowledged ping survives kill -9."""

from __future__ import annotations

import random

from tests.conftest import LONG_ENOUGH_SEC, wait_until
from tests.faults import checker, evidence
from tests.faults.checker import Evidence, Rule
from tests.faults.clients import Clients
from tests.faults.conftest import Serve, create_monitors, many, rounds
from tests.faults.patches import ANSWER_FIRST

CONNECTIONS = 16
# Lives of random length, 1700 acknowledgements on average.
MIN_ACKS, MAX_ACKS = 200, 3_200


def kill_under_load(a_server: Serve, sqlite_url: str, *, kills: int, acks: int = 0, patch: str = "") -> Evidence:
    """Kill the server *kills* times while clients ping flat out, and go on until it said yes *acks* times in all.

    Return what was said and what was stored.
    """
    server = a_server(patch=patch)
    urls = create_monitors(server, many(200))
    randomness = random.Random()
    with Clients(urls, connections=CONNECTIONS) as clients:
        for _ in range(kills):
            enough = clients.log.count() + randomness.randint(MIN_ACKS, MAX_ACKS)
            _wait_for(clients, enough)
            server.kill()
            server.start_again()
        _wait_for(clients, acks)
    assert server.stop() == 0
    print(f"{kills} kills: {clients.log.statuses()}")
    return evidence.read(sqlite_url, operations=clients.log.operations)


def _wait_for(clients: Clients, acks: int) -> None:
    wait_until(lambda: clients.log.count() >= acks, within=5 * LONG_ENOUGH_SEC, every=0.005)


def test_no_acknowledged_ping_is_lost_by_kill_9(a_server: Serve, sqlite_url: str) -> None:
    kills = rounds(30, soak=300)
    seen = kill_under_load(a_server, sqlite_url, kills=kills, acks=kills * 1_670)

    assert checker.check(seen) == []
    assert len(seen.pings) >= kills * 1_670


def test_control_answering_before_the_commit_loses_pings(a_server: Serve, sqlite_url: str) -> None:
    seen = kill_under_load(a_server, sqlite_url, kills=3, patch=ANSWER_FIRST)

    assert Rule.LOST in {breach.rule for breach in checker.check_pings(seen)}
