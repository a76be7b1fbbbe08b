"""R4: two nodes on one PostgreSQL, one of them on a machine whose clock is wrong, and set while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import Server, require, wait_until
from tests.faults.clients import Punctual
from tests.faults.conftest import create_monitors, launcher
from tests.faults.test_blindness import HOUR, WallClock

MINUTES = 300
# The first offset is there when the node starts, the others come while it runs.
OFFSETS = (MINUTES, -HOUR, 0, MINUTES)
GOES_BY_ITS_OWN_CLOCK = """
from pulsemon.operations.timekeeping import Timekeeping

Timekeeping.look = lambda self: None
"""


def both(make_server: Callable[..., Server], url: str, folder: Path, *, patch: str = "") -> list[dict[str, Any]]:
    """Ping once a second through the node whose clock is right, while the other's is set; return every transition."""
    wall_clock = WallClock(folder / "offset")
    wall_clock.set(OFFSETS[0])
    first = make_server(url)
    urls = create_monitors(
        first, {f"job-{number}": {"interval_seconds": 5, "grace_seconds": 25} for number in range(4)}
    )
    with Punctual(urls, every=1.0) as clients:
        wait_until(lambda: clients.log.count() >= 2 * len(urls))
        second = make_server(url, launcher(folder, patch), **wall_clock.environment())
        for offset in OFFSETS[1:]:
            wait_for_pings(clients, 5 * len(urls))
            wall_clock.set(offset)
        wait_for_pings(clients, 5 * len(urls))
        if not patch:
            wait_until(lambda: "clock.off" in second.log)
            owner = {"headers": second.headers}
            wait_until(lambda: "database's" in httpx2.get(f"{second.url}/ready", **owner).text)
    made = [each for slug in urls for each in first.get(f"/api/history/{slug}")]
    first.stop()
    second.stop()
    return made


def wait_for_pings(clients: Punctual, count: int) -> None:
    so_far = clients.log.count()
    wait_until(lambda: clients.log.count() >= so_far + count)


def test_a_node_whose_clock_is_wrong_makes_nobody_down_and_says_so(
    make_server: Callable[..., Server], postgres_url: str, tmp_path: Path
) -> None:
    require("faketime")

    made = both(make_server, postgres_url, tmp_path)

    assert [each["new_status"] for each in made] == ["UP"] * 4


def test_control_by_its_own_clock_it_makes_living_jobs_down(
    make_server: Callable[..., Server], postgres_url: str, tmp_path: Path
) -> None:
    require("faketime")

    made = both(make_server, postgres_url, tmp_path, patch=GOES_BY_ITS_OWN_CLOCK)

    assert "DOWN" in {each["new_status"] for each in made}
