"""`run.py audit`: what could not be looked up is no success, and Python's own patch level counts."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from pulsemon.operations import interpreter
from pulsemon.operations.interpreter import Fault
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLEAN = {"name": "idna", "version": "3.20", "vulns": []}
SKIPPED = {"name": "anyio", "skip_reason": "Dependency not found and could not be audited"}
FAULTY = {"name": "h11", "version": "0.1", "vulns": [{"id": "GHSA-1", "fix_versions": ["0.2"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([CLEAN], 0, "nothing is known against these 1 versions"),
        ([CLEAN, FAULTY], 1, "h11 0.1: GHSA-1, mended in 0.2"),
        # One that is left out is not one that is clean.
        ([CLEAN, SKIPPED], 1, "1 of 2 could not be looked up: anyio"),
        ([FAULTY, SKIPPED], 1, "h11 0.1"),
        ([SKIPPED, SKIPPED], 3, "NOT LOOKED UP"),
        ([], 3, "NOT LOOKED UP"),
    ],
)
def test_what_could_not_be_looked_up_is_no_success(
    audit: Any, packages: list[dict[str, Any]], status: int, says: str
) -> None:
    found, lines = audit.judge(packages)

    assert found == status
    assert says in "\n".join(lines)


def test_ci_names_what_could_not_be_looked_up_and_fails_for_everything_else() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert '[ "$status" -eq 3 ] && audit="NOT LOOKED UP" || audit="FAILED' in script
    assert script.rstrip().endswith('|| "$audit" = "NOT LOOKED UP" ]] && [ "$tests" = passed ]')


def test_a_fault_of_python_fails_the_audit_only_where_nothing_of_ours_stands_in_front(audit: Any) -> None:
    def fault(guard: str) -> Fault:
        return Fault("CVE-0000-1", "it breaks", guard, {sys.version_info[:2]: 99}, lambda: False)

    assert audit.judge_python(())[0] == 0
    assert audit.judge_python((fault("we look first"),))[0] == 0
    status, lines = audit.judge_python((fault("we look first"), fault("")))
    assert status == 1
    assert "CVE-0000-1, it breaks; NOTHING OF OURS" in "\n".join(lines)


@pytest.mark.parametrize(
    ("version", "lacks"),
    [
        ((3, 11, 7), {"CVE-2024-7592", "CVE-2024-6923", "CVE-2025-0938"}),
        ((3, 11, 10), {"CVE-2025-0938"}),
        ((3, 12, 5), {"CVE-2024-7592", "CVE-2025-0938"}),
        ((3, 13, 0), {"CVE-2025-0938"}),
        ((3, 13, 3), set()),
        ((3, 14, 0), set()),
    ],
)
def test_the_patch_level_says_which_mendings_are_missing(version: interpreter.Version, lacks: set[str]) -> None:
    found = interpreter.missing(version)

    assert {each.cve for each in found} == lacks
    if found:
        assert interpreter.missing(tuple(map(int, interpreter.least_version(found, version[:2]).split(".")))) == ()  # type: ignore[arg-type]


def test_a_mending_that_a_distribution_took_over_is_found() -> None:
    by_number = {each.cve for each in interpreter.missing(sys.version_info[:3])}
    lacking = {each.cve for each in interpreter.missing()}

    assert lacking <= by_number
    assert all(each.cve in lacking or each.is_patched() for each in interpreter.FAULTS if each.cve in by_number)
