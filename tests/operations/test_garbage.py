"""Tests of the collector as a serving process has it: what a start made is left alone until another start."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import LONG_ENOUGH_SEC, ROOT

# Prints how many objects are out of the collector's way while serving, and at last how many applications are left.
LIVES = """
import gc, sys
from starlette.testclient import TestClient
from pulsemon.server import PulseMon
from tests.conftest import settings_for

before = gc.get_threshold()
for _ in range(4):
    with TestClient(PulseMon(settings_for(sys.argv[1]))) as client:
        assert client.get("/health").status_code == 200
        print(gc.get_freeze_count() > 10_000, gc.get_threshold() > before)
    del client
gc.unfreeze()
print(sum(type(each) is PulseMon for each in gc.get_objects()))
"""

# Prints whether what is imported within is out of the collector's way, and whether the collector works again.
IMPORTS = """
import gc
from pulsemon.operations import garbage

with garbage.no_collection():
    print(gc.isenabled())
    import pulsemon.core.status
print(gc.isenabled(), gc.get_freeze_count() > 1_000)
"""


def printed(program: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * LONG_ENOUGH_SEC,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_start_frees_what_the_one_before_left(sqlite_url: str) -> None:
    assert printed(LIVES, sqlite_url) == ["True True"] * 4 + ["1"]


def test_imports_are_not_looked_through_while_they_are_made_nor_later() -> None:
    assert printed(IMPORTS) == ["False", "True True"]
