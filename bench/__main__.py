"""Measure PulseMon: `python3 run.py bench`. Each figure stands beside a floor taken in the same run.

The machine may be shared and noisy: read the ratios, not the absolute figures. `--readme` writes the table into both
READMEs.
"""

from __future__ import annotations

import os
import platform
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import FLOOR, PLAIN, ROOT, SERVE, Load, Running, load, pings, running, seed

MONITORS = 10_000
ROUNDS = 3
Row = tuple[str, str, str]
rows: list[Row] = []


def report(what: str, seen: str, target: str) -> None:
    rows.append((what, seen, target))
    print(f"{what:62} {seen:44} {target}", flush=True)


@contextmanager
def fresh() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        yield path, f"sqlite:///{path}"


def best(measure: Callable[[], Load]) -> Load:
    """The best of a few rounds: what disturbs a round can only make it slower."""
    return max((measure() for _ in range(ROUNDS)), key=lambda each: each.per_second)


def measure_pings() -> None:
    constant = pings(MONITORS)
    with running(FLOOR) as floor:
        load(floor.url, connections=64, seconds=1, script=constant)
        floors = {number: best(lambda n=number: load(floor.url, connections=n, seconds=3, script=constant))
                  for number in (1, 64, 256)}  # fmt: skip
    for label, command in (("run.py / pulsemon serve", SERVE), ("uvicorn app.main:app", PLAIN)):
        with fresh() as (_, url):
            seed(url, MONITORS)
            with running(command, DATABASE_URL=url) as server:
                load(server.url, connections=64, seconds=2, script=constant)
                for number in (64, 256, 1):
                    seen = best(lambda n=number: load(server.url, connections=n, seconds=4, script=constant))
                    ratio = seen.per_second / floors[number].per_second
                    target = {64: "ratio >= 0.40, p99 <= 10 ms", 1: "p50 <= 1 ms"}.get(number, "")
                    report(
                        f"pings, {number} connections, {label}",
                        f"{ratio:.2f} of {floors[number].per_second:,.0f}/s = {seen.per_second:,.0f}/s, "
                        f"p50 {seen.p50_ms:.1f}, p99 {seen.p99_ms:.1f} ms",
                        target,
                    )
                    assert seen.refused == 0, "a ping was refused"
                report(f"resident memory under that load, {label}", f"{server.resident_mb():.0f} MB", "")
    measure_other_pings(floors[64])


def measure_other_pings(floor: Load) -> None:
    """POST bodies, unknown tokens, monitors that come back from DOWN: against the same floor."""
    kinds = {
        "POST with a body of 1 kB": pings(MONITORS, method="POST", body="x" * 1_000),
        "unknown tokens (404)": pings(MONITORS, token="u" * 24),
        "each from DOWN to UP": pings(MONITORS),
    }
    for kind, script in kinds.items():
        with fresh() as (_, url):
            seed(url, MONITORS, status="DOWN" if "DOWN" in kind else "UP")
            with running(SERVE, DATABASE_URL=url) as server:
                seconds = 0.5 if "DOWN" in kind else 4
                if "DOWN" not in kind:
                    load(server.url, connections=64, seconds=1, script=script)
                seen = load(server.url, connections=64, seconds=seconds, script=script)
                ratio = seen.per_second / floor.per_second
                report(
                    f"pings, 64 connections, {kind}",
                    f"{ratio:.2f} = {seen.per_second:,.0f}/s, p99 {seen.p99_ms:.1f} ms",
                    "",
                )


class Watcher(threading.Thread):
    """Sees each DOWN as soon as another connection can read it: the delay from the deadline to the commit."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.delays_ms: list[float] = []
        self.is_done = False

    def run(self) -> None:
        with sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5) as connection:
            seen = 0
            while not self.is_done:
                found = connection.execute(
                    "SELECT id, occurred_at FROM history WHERE id > ? ORDER BY id", (seen,)
                ).fetchall()
                now = datetime.now(UTC)
                for _, occurred_at in found:
                    due_at = datetime.fromisoformat(occurred_at).replace(tzinfo=UTC)
                    self.delays_ms.append((now - due_at).total_seconds() * 1_000)
                seen = found[-1][0] if found else seen
                time.sleep(0.001)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def measure_detection() -> None:
    for label, is_loaded in (("idle", False), ("with 64 connections pinging", True)):
        with fresh() as (path, url):
            lead, count = 8.0, 1_000
            late = [lead + number * 0.003 for number in range(count)]
            seed(url, MONITORS, due_in=late + [86_400.0] * (MONITORS - count))
            with running(SERVE, DATABASE_URL=url) as server:
                watcher = Watcher(path)
                watcher.start()
                if is_loaded:
                    load(server.url, connections=64, seconds=14, script=pings(MONITORS, first=count))
                else:
                    time.sleep(14)
                watcher.is_done = True
                watcher.join()
            delays = watcher.delays_ms[:count]
            report(
                f"deadline to commit, {MONITORS:,} monitors, {label}",
                f"p50 {statistics.median(delays):.1f}, p99 {percentile(delays, 0.99):.1f} ms, {len(delays)} of {count}",
                "p99 <= 100 ms",
            )


def measure_burst() -> None:
    with fresh() as (path, url):
        lead, late = 12.0, MONITORS
        others = 100
        seed(url, late + others, due_in=[lead + random.random() for _ in range(late)] + [86_400.0] * others)
        with running(SERVE, DATABASE_URL=url) as server:
            watcher = Watcher(path)
            watcher.start()
            seen: list[Load] = []
            script = pings(late + others, first=late)
            pinging = threading.Thread(
                target=lambda: seen.append(load(server.url, connections=16, seconds=lead + 4, script=script))
            )
            pinging.start()
            pinging.join()
            watcher.is_done = True
            watcher.join()
        delays = watcher.delays_ms
        report(
            f"{late:,} late within one second: last DOWN after its deadline",
            f"{max(delays) / 1_000:.2f} s, {len(delays):,} of {late:,} DOWN",
            "all within 2 s",
        )
        report(
            "pings meanwhile, 16 connections",
            f"p99 {seen[0].p99_ms:.1f} ms, {seen[0].per_second:,.0f}/s",
            "p99 <= 50 ms",
        )


def measure_idle() -> None:
    with fresh() as (_, url):
        seed(url, MONITORS)
        with running(SERVE, DATABASE_URL=url) as server:
            time.sleep(3)
            before, started = server.cpu_seconds(), time.monotonic()
            time.sleep(65)  # one full sweep included
            share = (server.cpu_seconds() - before) / (time.monotonic() - started)
            report(f"idle with {MONITORS:,} monitors, a full sweep included", f"{share:.1%} of a core", "<= 2 %")
            report("resident memory, idle", f"{server.resident_mb():.0f} MB", "<= 120 MB")


def measure_status_page() -> None:
    with running(FLOOR) as floor:
        base = best(
            lambda: load(
                floor.url,
                connections=1,
                seconds=2,
                script="request = function() return wrk.format('GET', '/status') end",
            )
        )
    with fresh() as (_, url):
        seed(url, 200)
        with running(SERVE, DATABASE_URL=url) as server:
            times = []
            for _ in range(20):
                time.sleep(0.15)
                times.append(_fetch(server, "/status", "gzip")[0])
            time.sleep(1.2)
            slowest_kind = [_after_expiry(server) for _ in range(5)]
            size = _fetch(server, "/status", "gzip")[1]
    report(
        "/status with 200 monitors, built anew",
        f"median {statistics.median(slowest_kind):.1f} ms (floor {base.p50_ms:.2f} ms), {size / 1_000:.1f} kB gzipped",
        "<= 30 ms, <= 40 kB",
    )


def _after_expiry(server: Running) -> float:
    time.sleep(1.2)
    return _fetch(server, "/status", "gzip")[0]


def _fetch(server: Running, path: str, encoding: str) -> tuple[float, int]:
    request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": encoding})
    started = time.perf_counter()
    size = len(urllib.request.urlopen(request, timeout=10).read())
    return (time.perf_counter() - started) * 1_000, size


def table() -> str:
    lines = ["| What | Seen | Wanted |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    when = datetime.now(UTC).date().isoformat()
    machine = f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), Python {platform.python_version()}, "
    machine += (
        f"SQLite {sqlite3.sqlite_version}; server on one core, load from the other; `python3 run.py bench`, {when}"
    )
    return "\n".join([*lines, "", machine])


def write_readme(text: str) -> None:
    for name in ("README.md", "README.pt-BR.md"):
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = re.sub(
            r"(<!-- bench:start -->\n).*?(<!-- bench:end -->)", lambda m: f"{m[1]}{text}\n{m[2]}", old, flags=re.DOTALL
        )
        path.write_text(new, encoding="utf-8")


PARTS = {
    "pings": measure_pings,
    "detection": measure_detection,
    "burst": measure_burst,
    "idle": measure_idle,
    "status": measure_status_page,
}


def main() -> None:
    chosen = [name for name in sys.argv[1:] if name in PARTS] or list(PARTS)
    if unknown := [word for word in sys.argv[1:] if word not in PARTS and word != "--readme"]:
        raise SystemExit(f"unknown part {unknown[0]!r}; there are {', '.join(PARTS)} and --readme")
    for name in chosen:
        PARTS[name]()
    print("\n" + table())
    if "--readme" in sys.argv:
        write_readme(table())


if __name__ == "__main__":
    main()
