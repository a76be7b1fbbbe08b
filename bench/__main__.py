"""Measure PulseMon: `python3 run.py bench`, all of it or some parts. Each figure stands beside a floor of the same run.

The machine may be shared and noisy: read the ratios, not the absolute figures.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from bench.bulk import measure_many, measure_metrics, measure_sweep
from bench.detection import measure_burst, measure_detection
from bench.intake import measure_flush, measure_kinds, measure_pings, measure_postgres, measure_signals
from bench.measure import LOAD_SEC, Bench
from bench.million import measure_million
from bench.panel import measure_panel, measure_panels
from bench.people import measure_doors, measure_logins, measure_projects
from bench.rest import measure_idle, measure_public_page, measure_status_page
from bench.servers import ROOT

PARTS: dict[str, Callable[[Bench], None]] = {
    "pings": measure_pings,
    "kinds": measure_kinds,
    "signals": measure_signals,
    "flush": measure_flush,
    "postgres": measure_postgres,
    "detection": measure_detection,
    "burst": measure_burst,
    "idle": measure_idle,
    "status": measure_status_page,
    "page": measure_public_page,
    "many": measure_many,
    "metrics": measure_metrics,
    "sweep": measure_sweep,
    "panel": measure_panel,
    "panels": measure_panels,
    "doors": measure_doors,
    "logins": measure_logins,
    "projects": measure_projects,
    "million": measure_million,
}


def main() -> None:
    """Carry out one command line."""
    asked = _arguments()
    if asked.list:
        for name, measure in PARTS.items():
            print(f"{name:10} {(measure.__doc__ or '').strip()}")
        return
    bench = Bench(load_sec=asked.seconds)
    for name in asked.parts or PARTS:
        PARTS[name](bench)
    print("\n" + bench.table())
    if asked.readme:
        _write_readme(bench.table())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--list", action="store_true", help="say what each part measures, and measure nothing")
    parser.add_argument(
        "--seconds", type=float, default=LOAD_SEC, help="how long one load lasts (%(default)s); the rest goes with it"
    )
    parser.add_argument("--readme", action="store_true", help="write the table into both READMEs")
    asked = parser.parse_args()
    if unknown := [name for name in asked.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if not 0 < asked.seconds <= 600:
        parser.error("--seconds must be above 0 and at most 600")
    return asked


def _write_readme(text: str) -> None:
    for name in ("README.md", "README.pt-BR.md"):
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = re.sub(
            r"(<!-- bench:start -->\n).*?(<!-- bench:end -->)", lambda m: f"{m[1]}{text}\n{m[2]}", old, flags=re.DOTALL
        )
        path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
