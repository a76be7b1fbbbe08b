"""Maintenance on a real server with a real receiver: what is held, what is told, through a kill in the middle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2

from tests.channels.sink import Sink, status
from tests.conftest import Server, wait_until


def test_what_lasts_is_told_once_after_the_end_and_what_passed_never(
    make_server: Callable[..., Server], database_url: str
) -> None:
    server = make_server(database_url)
    with Sink(then=status(204)) as sink:
        lasting, passing, silent = (
            server.create(slug=slug, name=slug, interval_seconds=interval, webhook_url=sink.url)
            for slug, interval in (("lasting", 3_600), ("passing", 3_600), ("silent", 1))
        )
        for each in (lasting, passing, silent):
            httpx2.get(each["ping_url"]).raise_for_status()
        made = plan(server, begun=datetime.fromisoformat(lasting["created_at"]))
        httpx2.get(lasting["ping_url"] + "/fail").raise_for_status()
        httpx2.get(passing["ping_url"] + "/fail").raise_for_status()
        httpx2.get(passing["ping_url"]).raise_for_status()
        wait_until(lambda: server.get("/api/monitors/silent")["status"] == "DOWN")
        assert held(server) == 4

        server.kill()
        server.start_again()
        assert server.get("/api/monitors/lasting")["under_maintenance"]
        assert held(server) == 4
        assert sink.received == []
        end_in_a_moment(server, made)
        wait_until(lambda: not server.get("/api/monitors/lasting")["under_maintenance"])
        told = [each.json() for each in sink.wait_for(2)]
        assert sorted((each["slug"], each["status"]) for each in told) == [("lasting", "DOWN"), ("silent", "DOWN")]

        for each in (lasting, passing, silent):
            httpx2.get(each["ping_url"]).raise_for_status()
        told = [each.json() for each in sink.wait_for(4)][2:]
        assert sorted((each["slug"], each["status"]) for each in told)[:2] == [("lasting", "UP"), ("silent", "UP")]
        assert "passing" not in {each.json()["slug"] for each in sink.received}
        assert held(server) == 0


def plan(server: Server, *, begun: datetime) -> dict[str, Any]:
    body = {"title": "Works", "starts_at": begun.isoformat(timespec="seconds"), "length_seconds": 3_600}
    answer = httpx2.post(f"{server.url}/api/maintenance", json=body, headers=server.headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def end_in_a_moment(server: Server, made: dict[str, Any]) -> None:
    """Let it end by itself, two seconds from now."""
    stamp = server.create(slug="clock", name="clock", interval_seconds=3_600)["created_at"]
    ends_at = (datetime.fromisoformat(stamp) + timedelta(seconds=2)).isoformat(timespec="seconds")
    path = f"/api/maintenance/{made['id']}/windows/{made['windows'][0]['id']}"
    answer = httpx2.patch(server.url + path, json={"ends_at": ends_at}, headers=server.headers)
    assert answer.status_code == 200, answer.text


def held(server: Server) -> float:
    text = httpx2.get(f"{server.url}/metrics", headers=server.headers).text
    (line,) = [each for each in text.splitlines() if each.startswith("pulsemon_deliveries_held ")]
    return float(line.split()[1])
