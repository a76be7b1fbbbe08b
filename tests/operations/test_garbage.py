"""Tests of the collector as a serving process has it: what a start made is left alone, and freed after the stop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import LONG_ENOUGH_SEC, ROOT

# Prints how many objects are out of the collector's way while serving, afterwards, and how many applications are left.
LIVES = """
import gc, sys
from starlette.testclient import TestClient
from pulsemon.server import PulseMon
from tests.conftest import settings_for

before = gc.get_threshold()
for _ in range(2):
    with TestClient(PulseMon(settings_for(sys.argv[1]))) as client:
        assert client.get("/health").status_code == 200
        print(gc.get_freeze_count() > 10_000, gc.get_threshold() > before)
    del client
    print(gc.get_freeze_count(), gc.get_threshold() == before)
gc.collect()
print(sum(type(each) is PulseMon for each in gc.get_objects()))
"""


def test_a_stopped_application_is_freed_by_a_process_that_goes_on(sqlite_url: str, tmp_path: Path) -> None:
    lives = subprocess.run(
        [sys.executable, "-c", LIVES, sqlite_url], cwd=ROOT, capture_output=True, text=True, timeout=2 * LONG_ENOUGH_SEC
    )

    assert lives.stdout.splitlines() == ["True True", "0 True"] * 2 + ["0"], lives.stderr
