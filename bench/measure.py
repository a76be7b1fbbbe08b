"""What every part of the measurements shares: how long it takes, where its data lie, and the table of what was seen."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.seeding import ping_path
from bench.servers import FLOOR, Load, Running, load, running

MONITORS = 10_000
# How long one load lasts where nobody says otherwise; `--seconds` makes everything else longer or shorter with it.
LOAD_SEC = 4.0


class Bench:
    """One run: its table grows with each figure, and floors are taken once."""

    def __init__(self, *, load_sec: float = LOAD_SEC) -> None:
        self._share = load_sec / LOAD_SEC
        self.rows: list[tuple[str, str, str]] = []
        self._floors: dict[int, Load] = {}

    def lasting(self, seconds: float) -> float:
        """Return how long something takes in this run that takes so many *seconds* in a whole one."""
        return max(1.0, seconds * self._share)

    def count(self, number: int, *, at_least: int = 100) -> int:
        """Return how many there are in this run of what there are so many of in a whole one."""
        return max(at_least, round(number * min(1.0, self._share)))

    def best(self, server: Running, script: str, *, connections: int, seconds: float = LOAD_SEC) -> Load:
        """Return the best of some rounds of load: what disturbs a round can only make it slower."""
        lasting = self.lasting(seconds)
        rounds = 3 if self._share >= 1 else 1
        seen = [load(server.url, connections=connections, seconds=lasting, script=script) for _ in range(rounds)]
        return max(seen, key=lambda each: each.per_second)

    def floor(self, connections: int) -> Load:
        """Return what the web server itself reaches with a constant answer over so many connections."""
        if connections not in self._floors:
            with running(FLOOR) as floor:
                load(floor.url, connections=connections, seconds=1, script=pings(MONITORS))
                self._floors[connections] = self.best(floor, pings(MONITORS), connections=connections, seconds=3)
        return self._floors[connections]

    def note(self, what: str, seen: str, wanted: str = "") -> None:
        """Print one figure and keep it for the table."""
        self.rows.append((what, seen, wanted))
        print(f"{what:62} {seen:70} {wanted}", flush=True)

    def table(self) -> str:
        """Return the table in Markdown, with the machine it was seen on."""
        lines = ["| What | Seen | Wanted |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in self.rows)]
        machine = f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), Python {platform.python_version()}, "
        machine += f"SQLite {sqlite3.sqlite_version}; server on one core, load from the other; "
        shortened = "" if self._share >= 1 else f", {self._share:.0%} of the time"
        machine += f"`python3 run.py bench`{shortened}, {datetime.now(UTC).date().isoformat()}"
        return "\n".join([*lines, "", machine])


@contextmanager
def fresh() -> Iterator[tuple[Path, str]]:
    """Give the path and the URL of a SQLite file that is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        yield path, f"sqlite:///{path}"


def pings(
    count: int,
    *,
    first: int = 0,
    method: str = "GET",
    body: str = "",
    suffix: str = "",
    is_unknown: bool = False,
    in_order: bool = False,
    has_rid: bool = False,
) -> str:
    """Return the wrk script that pings the monitors *first* ... *count* - 1, at random or *in_order*.

    *suffix* is a signal ("/start"). *has_rid*: each request has its own. *is_unknown*: the tokens are wrong.
    """
    paths = "\n".join(
        f'paths[{number}] = "{ping_path(number)[:-1] + "x" if is_unknown else ping_path(number)}{suffix}"'
        for number in range(first, count)
    )
    choice = "next_one" if in_order else f"math.random({first}, {count - 1})"
    rid = '.. string.format("?rid=%08x-0000-4000-8000-%012x", start, sent)' if has_rid else ""
    return f"""
paths = {{}}
{paths}
start, sent, next_one = os.time(), 0, {first - 1}
math.randomseed(start)
body = {f'"{body}"' if body else "nil"}
request = function()
  sent = sent + 1
  next_one = next_one + 1
  if next_one >= {count} then next_one = {first} end
  return wrk.format("{method}", paths[{choice}] {rid}, nil, body)
end
"""


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that *share* of them lies; not a number where there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
