"""Known vulnerabilities in what PulseMon installs and in Python itself, and the bill of materials (CycloneDX).

Exit status 1: something is known against a pinned version, or some of them could not be looked up while others could,
or this Python has a fault that nothing of ours stands in front of. 3: the source of advisories answered for none of
them, so that nothing is known about any; that is no success either, and whoever has a way out must take it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pulsemon.operations import interpreter  # noqa: E402 - the folder must be known first; standard library only

REQUIREMENTS = ROOT / "requirements.txt"
BILL = ROOT / "dist" / "pulsemon.cdx.json"
FOUND = 1
NOT_LOOKED_UP = 3


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment and return what it printed."""
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)


def ask() -> list[dict[str, Any]]:
    """Return what the source of advisories says of each pinned package; nothing where it did not answer at all."""
    done = run(
        "pip_audit", "-r", str(REQUIREMENTS), "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off"
    )
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return []
    return packages


def judge(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit status for what the source said of *packages*, and what to print."""
    skipped = [each["name"] for each in packages if "vulns" not in each]
    if len(skipped) == len(packages):
        return NOT_LOOKED_UP, ["audit: NOT LOOKED UP: the source of advisories answered for no package"]
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version'}"
        for each in packages
        for found in each.get("vulns", ())
    ]
    if skipped:
        lines.append(f"audit: {len(skipped)} of {len(packages)} could not be looked up: {', '.join(skipped)}")
    if not lines:
        return 0, [f"audit: nothing is known against these {len(packages)} versions"]
    return FOUND, lines


def judge_python(faults: tuple[interpreter.Fault, ...]) -> tuple[int, list[str]]:
    """Return the same for the *faults* that this Python has."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not faults:
        return 0, [f"audit: Python {version} has every mending that matters here"]
    lines = [
        f"Python {version}: {each.cve}, {each.effect}; {each.guard or 'NOTHING OF OURS STANDS IN FRONT OF IT'}"
        for each in faults
    ]
    lines.append(f"audit: Python {interpreter.least_version(faults)} has them mended")
    return (0 if all(each.guard for each in faults) else FOUND), lines


def write_bill() -> None:
    """Write the bill of materials of requirements.txt."""
    BILL.parent.mkdir(exist_ok=True)
    done = run("cyclonedx_py", "requirements", str(REQUIREMENTS), "--output-reproducible", "-o", str(BILL))
    if done.returncode != 0:
        raise SystemExit(f"audit: the bill of materials could not be written:\n{done.stderr}")
    count = len(json.loads(BILL.read_text(encoding="utf-8"))["components"])
    print(f"audit: {BILL.relative_to(ROOT)} names {count} packages")


def main() -> None:
    """Write the bill, then look up every package in it, and Python."""
    write_bill()
    python_status, lines = judge_python(interpreter.missing())
    packages_status, more = judge(ask())
    print("\n".join([*lines, *more]))
    # What was found is worse than what is not known.
    raise SystemExit(FOUND if FOUND in (python_status, packages_status) else packages_status)


if __name__ == "__main__":
    main()
