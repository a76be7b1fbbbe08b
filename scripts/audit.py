"""Known vulnerabilities in what PulseMon installs, and its bill of materials (CycloneDX).

Exit status 1 if something is known against a pinned version. Where the source of advisories does not answer, it says
that nothing was checked, and succeeds: an audit that cannot be made is not a finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
BILL = ROOT / "dist" / "pulsemon.cdx.json"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment and return what it printed."""
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)


def vulnerabilities() -> list[str] | None:
    """Return what is known against the pinned versions; None where the source of advisories did not answer."""
    done = run(
        "pip_audit", "-r", str(REQUIREMENTS), "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off"
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    checked = [each for each in packages if "vulns" in each]
    if not checked:
        return None
    return [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version'}"
        for each in checked
        for found in each["vulns"]
    ]


def write_bill() -> None:
    """Write the bill of materials of requirements.txt."""
    BILL.parent.mkdir(exist_ok=True)
    done = run("cyclonedx_py", "requirements", str(REQUIREMENTS), "--output-reproducible", "-o", str(BILL))
    if done.returncode != 0:
        raise SystemExit(f"audit: the bill of materials could not be written:\n{done.stderr}")
    count = len(json.loads(BILL.read_text(encoding="utf-8"))["components"])
    print(f"audit: {BILL.relative_to(ROOT)} names {count} packages")


def main() -> None:
    """Write the bill, then look up every package in it."""
    write_bill()
    found = vulnerabilities()
    if found is None:
        print("audit: the source of advisories did not answer; nothing was checked")
        return
    print("\n".join(found) if found else "audit: nothing is known against these versions")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
