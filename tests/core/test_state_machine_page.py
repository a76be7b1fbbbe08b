"""docs/state-machine.md is what the table says, and what it says beside the table is so."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from types import ModuleType

import pytest

from pulsemon.core.open_runs import Run
from pulsemon.core.status import State, Status, Transition, expire, pause, reschedule, resume
from pulsemon.core.timing import Timing
from tests.conftest import ROOT, at

TIMING = Timing(timedelta(minutes=4), timedelta(minutes=1))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("state_machine", ROOT / "scripts" / "state_machine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    written = (ROOT / "docs" / "state-machine.md").read_text(encoding="utf-8")

    assert written == script.render(), "run: python scripts/state_machine.py"


def test_the_transitions_that_no_signal_makes_are_those_that_the_functions_make(script: ModuleType) -> None:
    up = State(Status.UP, at("10:00"), at("10:05"))
    down, _ = expire(up, TIMING, now=at("10:06"))
    running = State(Status.UNKNOWN, runs=(Run("", at("10:00"), at("10:01")),), due_at=at("10:01"))
    longer = Timing(timedelta(hours=1), timedelta(0))
    shorter = Timing(timedelta(seconds=1), timedelta(0))
    made = [
        expire(up, TIMING, now=at("10:06")),
        expire(running, TIMING, now=at("10:06")),
        reschedule(up, shorter, now=at("10:01")),
        reschedule(down, longer, now=at("10:06")),
        pause(State(Status.UNKNOWN), now=at("10:00")),
        pause(up, now=at("10:00")),
        pause(down, now=at("10:00")),
        resume(State(Status.PAUSED), now=at("10:00")),
    ]
    transitions = [transition for _, transition in made if isinstance(transition, Transition)]

    assert [(each.previous, each.new, each.told) for each in transitions] == [
        (before, after, told) for before, after, _, told in script._OTHERS
    ]
