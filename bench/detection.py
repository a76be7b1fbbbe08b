"""Silence: how long after its deadline a DOWN can be read by somebody else, at rest, under load and in a burst."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import MONITORS, Bench, fresh, median, percentile, pings
from bench.seeding import FAR_SEC, seed
from bench.servers import SERVE, Load, load, running

# Until the first deadline: by then the server runs.
LEAD_SEC = 8.0


class Watcher(threading.Thread):
    """Sees each DOWN as soon as another connection can read it: the delay from the deadline to the commit."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.delays_ms: list[float] = []
        self.is_done = False

    def run(self) -> None:
        query = "SELECT id, occurred_at FROM history WHERE id > ? AND new_status = 'DOWN' ORDER BY id"
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as connection:
            seen = 0
            while not self.is_done:
                found = connection.execute(query, (seen,)).fetchall()
                now = datetime.now(UTC)
                for _, occurred_at in found:
                    due_at = datetime.fromisoformat(occurred_at).replace(tzinfo=UTC)
                    self.delays_ms.append((now - due_at).total_seconds() * 1_000)
                seen = found[-1][0] if found else seen
                time.sleep(0.001)

    def finish(self) -> list[float]:
        self.is_done = True
        self.join()
        return self.delays_ms


def flushes_ms(seconds: float) -> list[float]:
    """Return how long single commits of one row take on this disk, in milliseconds: less than that nothing can."""
    took = []
    with fresh() as (path, _), closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in ("journal_mode = WAL", "synchronous = FULL"):
            database.execute(f"PRAGMA {statement}")
        database.execute("CREATE TABLE t (v INTEGER)")
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            began = time.perf_counter()
            database.execute("INSERT INTO t VALUES (1)")
            took.append((time.perf_counter() - began) * 1_000)
    return took


def measure_detection(bench: Bench) -> None:
    """From the deadline to the commit with 10,000 monitors, at rest and under load, beside this disk's own commits."""
    floor = flushes_ms(bench.lasting(2))
    bench.note(
        "floor: one commit of one row by SQLite itself",
        f"p50 {median(floor):.1f}, p99 {percentile(floor, 0.99):.1f} ms",
    )
    count = bench.count(1_000)
    for label, is_loaded in (("idle", False), ("with 64 connections pinging", True)):
        with fresh() as (path, url):
            late = [LEAD_SEC + number * 0.003 for number in range(count)]
            seed(url, MONITORS, due_in=late + [FAR_SEC] * (MONITORS - count))
            with running(SERVE, DATABASE_URL=url) as server:
                watcher = Watcher(path)
                watcher.start()
                lasting = late[-1] + 3
                if is_loaded:
                    load(server.url, connections=64, seconds=lasting, script=pings(MONITORS, first=count))
                else:
                    time.sleep(lasting)
                delays = watcher.finish()
        bench.note(
            f"deadline to commit, {MONITORS:,} monitors, {label}",
            f"p50 {median(delays):.1f}, p99 {percentile(delays, 0.99):.1f} ms, {len(delays)} of {count}",
            "p99 <= 100 ms",
        )


def measure_burst(bench: Bench) -> None:
    """10,000 late within one second while others are pinged, those pings beside the ones of the time before."""
    late, others = bench.count(MONITORS), 100
    with fresh() as (path, url):
        due_in = [LEAD_SEC + random.random() for _ in range(late)]
        seed(url, late + others, due_in=due_in + [FAR_SEC] * others)
        began = time.monotonic()
        with running(SERVE, DATABASE_URL=url) as server:
            watcher = Watcher(path)
            watcher.start()
            script = pings(late + others, first=late)

            def ping_until(instant: float) -> Load:
                return load(server.url, connections=16, seconds=instant - time.monotonic(), script=script)

            before = ping_until(began + LEAD_SEC - 1)
            meanwhile = ping_until(began + LEAD_SEC + 4)
            delays = watcher.finish()
    bench.note(
        f"{late:,} late within one second: last DOWN after its deadline",
        f"{max(delays, default=float('nan')) / 1_000:.2f} s, {len(delays):,} of {late:,} DOWN",
        "all within 2 s",
    )
    bench.note(
        "pings meanwhile, 16 connections",
        f"p99 {meanwhile.p99_ms:.1f} ms, {meanwhile.per_second:,.0f}/s; before: p99 {before.p99_ms:.1f} ms, "
        f"{before.per_second:,.0f}/s",
        "p99 <= 50 ms",
    )
