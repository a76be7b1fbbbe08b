"""The measurements can be asked for one by one. What they measure is no test's business."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

PARTS = (
    "pings", "kinds", "signals", "flush", "postgres", "detection", "burst", "idle", "status", "page", "many", "metrics",
    "sweep", "panel", "panels", "doors", "logins", "projects", "million",
)  # fmt: skip


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_list_names_every_part_with_what_it_measures() -> None:
    listed = bench("--list")

    assert listed.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
    assert tuple(lines) == PARTS
    assert all(lines.values())


@pytest.mark.parametrize(
    ("arguments", "named"), [(["nope"], "unknown part 'nope'"), (["status", "--seconds", "0"], "--seconds")]
)
def test_what_cannot_be_measured_is_refused_before_anything_is(arguments: list[str], named: str) -> None:
    refused = bench(*arguments)

    assert refused.returncode == 2
    assert named in refused.stderr
    assert refused.stdout == ""
