"""Server processes for the measurements, pinned to one core, and the load that comes from the other."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from pulsemon import clock
from pulsemon.db import Database
from pulsemon.db.tables import Monitor

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "t" * 24
ADMIN = "bench-admin-token"
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]


@dataclass(frozen=True)
class Running:
    """A server process that answers."""

    url: str
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def _pin(core: int) -> Any:
    return lambda: os.sched_setaffinity(0, {core})


@contextmanager
def running(arguments: Sequence[str], **environment: str) -> Iterator[Running]:
    """Start a server on a free port, pinned to its core, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ADMIN_TOKEN": ADMIN,
        "APP_HOST": "127.0.0.1",
        "APP_PORT": str(port),
        "LOG_LEVEL": "ERROR",
    } | environment
    command = [part.replace("{port}", str(port)) for part in arguments]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, env=variables, cwd=folder, preexec_fn=_pin(SERVER_CORE))
        try:
            _wait(f"http://127.0.0.1:{port}/health", process)
            yield Running(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(15)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise SystemExit(f"the server did not start: {process.args}") from None
            time.sleep(0.1)


FLOOR = [sys.executable, "-m", "uvicorn", "bench.floor:app", "--port", "{port}", "--no-access-log",
         "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]  # fmt: skip
SERVE = [sys.executable, "-m", "pulsemon", "serve"]
PLAIN = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "{port}", "--no-access-log", "--log-level", "error"]

INTERVAL_SEC, GRACE_SEC = 3_600, 600


def seed(url: str, count: int, *, due_in: Sequence[float] | None = None, status: str = "UP", **columns: Any) -> None:
    """Make *count* monitors `job-00000` ... with tokens that the load knows; `due_in`: seconds until each deadline."""
    database = Database.open(url)
    database.migrate()
    now = clock.now()
    rows = []
    for number in range(count):
        due_at = now + timedelta(seconds=due_in[number] if due_in else INTERVAL_SEC + GRACE_SEC)
        rows.append(
            {
                "slug": f"job-{number:05d}",
                "name": f"Job {number}",
                "token": f"{TOKEN}{number:08d}",
                "interval_seconds": INTERVAL_SEC,
                "grace_seconds": GRACE_SEC,
                "status": status,
                "last_ping": due_at - timedelta(seconds=INTERVAL_SEC + GRACE_SEC),
                "due_at": due_at if status == "UP" else None,
                "check_at": due_at if status == "UP" else None,
                "down_cause": "silence" if status == "DOWN" else None,
                "created_at": now,
                "updated_at": now,
            }
            | columns
        )
    with database.write() as connection:
        connection.execute(insert(Monitor), rows)
    database.close()


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


def load(url: str, *, connections: int, seconds: float = 4, script: str) -> Load:
    """Send requests as fast as they are answered, from the other core."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("the measurements need wrk: apt install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script)
        lua.flush()
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", lua.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=_pin(LOAD_CORE)).stdout
    return Load(
        per_second=float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0]),
        p50_ms=_ms(re.findall(r"(?m)^\s+50%\s+(\S+)", text)[0]),
        p99_ms=_ms(re.findall(r"(?m)^\s+99%\s+(\S+)", text)[0]),
        refused=int((re.findall(r"Non-2xx or 3xx responses: (\d+)", text) or ["0"])[0]),
    )


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}[unit]


def pings(count: int, *, first: int = 0, method: str = "GET", body: str = "", token: str = TOKEN) -> str:
    """Return the wrk script that pings monitors *first* ... *count* - 1 at random."""
    return f"""
local paths = {{}}
for i = {first}, {count - 1} do paths[i] = string.format("/h/job-%05d/{token}%08d", i, i) end
math.randomseed(os.time())
local body = {body!r}
if body == "" then body = nil end
request = function() return wrk.format("{method}", paths[math.random({first}, {count - 1})], nil, body) end
"""
