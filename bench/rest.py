"""What PulseMon takes while nothing happens, and what its public page costs."""

from __future__ import annotations

import textwrap
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.measure import MONITORS, Bench, fresh, median, pings
from bench.seeding import seed
from bench.servers import FLOOR, SERVE, Running, load, patched, running

# A minute and a little: one full sweep included.
WATCHED_SEC = 65.0
STARTED_SEC = 3.0


def measure_idle(bench: Bench) -> None:
    """CPU and memory with 10,000 monitors and with none, beside the web server alone."""
    seconds = bench.lasting(WATCHED_SEC)
    with running(FLOOR) as floor:
        share, memory = _at_rest(floor, seconds / 4)
        bench.note("floor: the web server alone, idle", f"{share:.1%} of a core, {memory:.0f} MB")
    for count, wanted_share, wanted_memory in ((0, "", ""), (MONITORS, "<= 2 %", "<= 120 MB")):
        with fresh() as (_, url):
            seed(url, count)
            with running(SERVE, DATABASE_URL=url) as server:
                share, memory = _at_rest(server, seconds if count else seconds / 4)
        what = f"with {count:,} monitors" + (", a full sweep included" if count and seconds >= WATCHED_SEC else "")
        bench.note(f"idle {what}", f"{share:.1%} of a core", wanted_share)
        bench.note(f"resident memory, idle, with {count:,} monitors", f"{memory:.0f} MB", wanted_memory)


def _at_rest(server: Running, seconds: float) -> tuple[float, float]:
    """Return the share of a core that a server takes in so many seconds, and its memory in MB."""
    time.sleep(STARTED_SEC)
    before, began = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / (time.monotonic() - began), server.resident_mb()


# Handlers run in a pool of threads; the loops' own queries run in others and are not counted.
COUNTS_QUERIES = """
    import threading
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_rest):
        if "AnyIO" in threading.current_thread().name and statement.startswith("SELECT"):
            with open("queries", "a") as file:
                file.write("1")
"""
# A snapshot of the page is shared for less than this.
STALE_SEC = 1.2


def measure_status_page(bench: Bench) -> None:
    """`/status` built anew with 200 and 1,000 monitors: time against a constant answer, size, and as many queries."""
    with running(FLOOR) as floor:
        script = "request = function() return wrk.format('GET', '/status') end"
        base = load(floor.url, connections=1, seconds=bench.lasting(2), script=script)
    queries = {}
    for count, wanted in ((20, ""), (200, "<= 30 ms, <= 40 kB"), (1_000, "<= 100 ms")):
        with fresh() as (_, url):
            seed(url, count)
            with running(patched(textwrap.dedent(COUNTS_QUERIES)), DATABASE_URL=url) as server:
                _fetch(server, "/status")
                times, size, began = [], 0, server.cpu_seconds()
                for _ in range(round(bench.lasting(5))):
                    time.sleep(STALE_SEC)
                    before = _queries(server)
                    took_ms, size = _fetch(server, "/status")
                    times.append(took_ms)
                    queries[count] = _queries(server) - before
                # What the server itself took for one: the time is that of a busy machine too.
                cpu_ms = (server.cpu_seconds() - began) * 1_000 / len(times)
        bench.note(
            f"/status with {count:,} monitors, built anew",
            f"median {median(times):.1f} ms ({median(times) / base.p50_ms:.0f} constant answers of "
            f"{base.p50_ms:.2f} ms), {cpu_ms:.0f} ms of CPU, {size / 1_000:.1f} kB gzipped",
            wanted,
        )
    bench.note(
        "queries for /status with 20, 200 and 1,000 monitors",
        f"{queries[20]}, {queries[200]} and {queries[1_000]}",
        "no more",
    )


# 64 connections that each rest so long between two requests ask about 3,000 times a second.
RESTS_MS = 20
CONNECTIONS = 64
_PAGE = """
request = function() return wrk.format('GET', '/status', {['Accept-Encoding'] = 'gzip', ['Accept-Language'] = 'en'}) end
"""
_CALM_PAGE = f"{_PAGE}\ndelay = function() return math.random(0, {2 * RESTS_MS}) end"


def measure_public_page(bench: Bench) -> None:
    """`/status` with 50 monitors for many readers at once, and pings beside it, with and without readers."""
    floor = bench.floor(CONNECTIONS)
    with fresh() as (_, url):
        seed(url, 50)
        with running(SERVE, DATABASE_URL=url) as server:
            seen = bench.best(server, _PAGE, connections=CONNECTIONS)
            bench.note(
                f"/status, {CONNECTIONS} connections",
                f"{seen.per_second / floor.per_second:.2f} of {floor.per_second:,.0f}/s = {seen.per_second:,.0f}/s, "
                f"p50 {seen.p50_ms:.1f}, p99 {seen.p99_ms:.1f} ms",
                ">= 3,000/s",
            )
            alone, beside, read = _pings_with_and_without_readers(bench, server)
            bench.note(
                f"pings, {CONNECTIONS} connections, while /status is read {read:,.0f} times a second",
                f"{beside / alone:.2f} of {alone:,.0f}/s without readers",
                ">= 0.80",
            )


def _pings_with_and_without_readers(bench: Bench, server: Running) -> tuple[float, float, float]:
    """Return pings a second alone and beside readers, the medians of turns, and how often these read."""
    alone, beside, read = [], [], []
    seconds = bench.lasting(4)
    for _ in range(3):
        alone.append(load(server.url, connections=CONNECTIONS, seconds=seconds, script=pings(50)).per_second)
        with ThreadPoolExecutor(1) as pool:
            script = _CALM_PAGE
            readers = pool.submit(load, server.url, connections=CONNECTIONS, seconds=seconds, script=script)
            beside.append(load(server.url, connections=CONNECTIONS, seconds=seconds, script=pings(50)).per_second)
            read.append(readers.result().per_second)
    return median(alone), median(beside), median(read)


def _queries(server: Running) -> int:
    file = Path(server.folder) / "queries"
    return len(file.read_text()) if file.exists() else 0


def _fetch(server: Running, path: str) -> tuple[float, int]:
    request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": "gzip"})
    began = time.perf_counter()
    size = len(urllib.request.urlopen(request, timeout=10).read())
    return (time.perf_counter() - began) * 1_000, size
