"""What concerns very many monitors at once (made through the API, scraped, swept), and pings that come meanwhile."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from unittest import mock

from sqlalchemy import true

from bench.measure import MONITORS, Bench, fresh, median, percentile
from bench.seeding import ping_path, seed
from bench.servers import ADMIN, SERVE, Running, running
from pulsemon import clock
from pulsemon.db import Database
from pulsemon.deadlines import candidates, passes

MANY = 100_000
PINGED = 100
EVERY_SEC = 0.02
# How many are made one by one, to compare: each takes as long as the next.
ONE_BY_ONE = 200


class Pinger(threading.Thread):
    """Fifty pings a second over one connection, however long each takes."""

    def __init__(self, server: Running) -> None:
        super().__init__(daemon=True)
        self._host = server.url.removeprefix("http://")
        self.took_ms: list[float] = []
        self.is_done = False

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        due_at = time.perf_counter()
        while not self.is_done:
            began = time.perf_counter()
            connection.request("GET", self.path(len(self.took_ms)))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"a ping was answered {answer.status}")
            self.took_ms.append((time.perf_counter() - began) * 1_000)
            due_at += EVERY_SEC
            time.sleep(max(0.0, due_at - time.perf_counter()))

    def path(self, number: int) -> str:
        return ping_path(number % PINGED)

    def finish(self) -> list[float]:
        self.is_done = True
        self.join()
        return self.took_ms


def _meanwhile(server: Running, work: Callable[[], object]) -> tuple[float, list[float]]:
    """Return how many seconds *work* took, and the pings of that time."""
    pinger = Pinger(server)
    pinger.start()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, pinger.finish()


def _note_pings(bench: Bench, what: str, alone: list[float], beside: list[float], wanted: str) -> None:
    before, meanwhile = percentile(alone, 0.99), percentile(beside, 0.99)
    bench.note(
        f"50 pings a second meanwhile, {what}",
        f"p50 {median(beside):.1f}, p99 {meanwhile:.1f} ms, {meanwhile / before:.1f} of {before:.1f} ms alone",
        wanted,
    )


def _post(server: Running, first: int, count: int) -> None:
    made = [
        {"name": f"New {number}", "slug": f"new-{number:05d}", "interval_seconds": 3_600, "grace_seconds": 600}
        for number in range(first, first + count)
    ]
    content = json.dumps(made if count > 1 else made[0]).encode()
    headers = {"X-Admin-Token": ADMIN, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/monitors", content, headers)
    urllib.request.urlopen(request, timeout=60).read()


def _post_all(server: Running, count: int, size: int) -> None:
    for first in range(0, count, size):
        _post(server, first, size)


def measure_many(bench: Bench) -> None:
    """10,000 monitors made through the API in arrays, beside one by one, and pings meanwhile."""
    count = bench.count(MONITORS, at_least=1_000)
    for size in (500, 1_000):
        with fresh() as (_, url):
            seed(url, PINGED)
            with running(SERVE, DATABASE_URL=url) as server:
                _, alone = _meanwhile(server, lambda: time.sleep(bench.lasting(4)))
                began = time.perf_counter()
                for number in range(ONE_BY_ONE):
                    _post(server, MONITORS + number, 1)
                one_sec = (time.perf_counter() - began) / ONE_BY_ONE
                seconds, beside = _meanwhile(server, partial(_post_all, server, count, size))
        bench.note(
            f"{count:,} monitors made in arrays of {size:,}",
            f"{seconds:.1f} s, {seconds / (count * one_sec):.3f} of {count * one_sec:.0f} s one by one",
            "<= 10 s",
        )
        _note_pings(bench, f"arrays of {size:,}", alone, beside, "p99 <= 30 ms")


def measure_metrics(bench: Bench) -> None:
    """`/metrics` with the token and 100,000 monitors: time, memory, and pings meanwhile."""
    count = bench.count(MANY, at_least=1_000)
    with fresh() as (_, url):
        seed(url, count)
        with running(SERVE, DATABASE_URL=url) as server:
            for path in ("/metrics?monitors=no", "/metrics"):
                _, alone = _meanwhile(server, lambda: time.sleep(bench.lasting(4)))
                sizes: list[int] = []
                before_mb = server.resident_mb()
                # Short ones are asked for again and again, so that there are pings to speak of.
                seconds, beside = _meanwhile(server, partial(_scrape, server, path, bench.lasting(4), sizes))
                bench.note(
                    f"{path} with {count:,} monitors",
                    f"{seconds / len(sizes):.1f} s, {sizes[0] / 1_000_000:.1f} MB; "
                    f"memory {before_mb:.0f} MB before, {server.resident_mb():.0f} MB after",
                )
                _note_pings(bench, path, alone, beside, "p99 <= 20 ms")


def _scrape(server: Running, path: str, seconds: float, sizes: list[int]) -> None:
    """Ask for *path* until so much time has passed; note in *sizes* how long each answer was."""
    give_up_at = time.perf_counter() + seconds
    while not sizes or time.perf_counter() < give_up_at:
        request = urllib.request.Request(server.url + path, headers={"X-Admin-Token": ADMIN})
        size = 0
        with urllib.request.urlopen(request, timeout=60) as answer:
            while part := answer.read(65_536):
                size += len(part)
        sizes.append(size)


def measure_sweep(bench: Bench) -> None:
    """The minute's sweep over 100,000 monitors, beside one that reads them all: CPU of the process."""
    count = bench.count(MANY, at_least=1_000)
    with fresh() as (_, url):
        seed(url, count)
        database = Database.open(url)
        try:
            now = clock.now()

            def cpu_sec() -> float:
                began = time.process_time()
                passes.sweep_all(database, now=now)
                return time.process_time() - began

            seen = median([cpu_sec() for _ in range(3)])
            with mock.patch.object(candidates, "may_disagree", return_value=true()):
                control = median([cpu_sec() for _ in range(3)])
        finally:
            database.close()
    bench.note(
        f"a sweep over {count:,} monitors",
        f"{seen:.2f} s of CPU, {seen / control:.2f} of {control:.2f} s where all are read",
    )
