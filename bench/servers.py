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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ADMIN = "bench-admin-token"
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]


@dataclass(frozen=True)
class Running:
    """A server process that answers."""

    url: str
    process: subprocess.Popen[bytes]
    folder: str

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def _pin(core: int) -> Any:
    return lambda: os.sched_setaffinity(0, {core})


@contextmanager
def running(arguments: Sequence[str], *, is_pinned: bool = True, **environment: str) -> Iterator[Running]:
    """Start a server on a free port, pinned to its core unless told otherwise, and end it."""
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
        process = subprocess.Popen(
            command, env=variables, cwd=folder, preexec_fn=_pin(SERVER_CORE) if is_pinned else None
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process)
            yield Running(f"http://127.0.0.1:{port}", process, folder)
        finally:
            process.terminate()
            process.wait(15)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise SystemExit(f"the server did not start: {process.args}") from None
            time.sleep(0.1)


FLOOR = [sys.executable, "-m", "uvicorn", "bench.floor:app", "--port", "{port}", "--no-access-log",
         "--log-level", "error", "--loop", "uvloop", "--http", "httptools"]  # fmt: skip
SERVE = [sys.executable, "-m", "pulsemon", "serve"]
PLAIN = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", "{port}", "--no-access-log", "--log-level", "error"]


def patched(patch: str) -> list[str]:
    """Return a command that runs *patch*, Python source, and then serves: PulseMon with something changed."""
    return [sys.executable, "-c", f"{patch}\nfrom pulsemon.cli import main\n\nmain()\n", "serve"]


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
    seconds = max(1, round(seconds))  # wrk knows whole seconds only
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script)
        lua.flush()
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", lua.name, url]
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
