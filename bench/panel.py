"""What the panel costs with very many monitors: its pages, and panels that stay open while monitors change."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench.bulk import EVERY_SEC, MANY, PINGED, Pinger
from bench.measure import Bench, fresh, median, percentile
from bench.seeding import ping_path, seed
from bench.servers import ADMIN, SERVE, Running, running

# A drawing of the list is shared for less than this: so many times as long as it took.
STALE_SEC = 4.0
PANELS = 20
PAGES = {
    "the list": "/",
    "a search in it": "/?q=job+00777",
    "a search for much": "/?q=job",
    "a state of it": "/?state=up",
    "by last pings": "/?sort=last",
    "a monitor": "/monitors/7",
    "its log": "/monitors/7/log",
    "its settings": "/monitors/7/settings",
    "a new monitor": "/monitors/new",
    "a new incident": "/incidents/new",
    "a new maintenance": "/maintenance/new",
}


@dataclass
class Reader:
    """Somebody who is logged in, over one connection."""

    server: Running
    cookie: str = ""
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=60)
        body = urlencode({"token": ADMIN})
        headers = {"Origin": self.server.url, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", body, headers)
        answer = self._connection.getresponse()
        answer.read()
        self.cookie = "; ".join(each.partition(";")[0] for each in answer.headers.get_all("set-cookie") or ())

    def get(self, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        told = {"Cookie": self.cookie, "Accept": "text/html", "Accept-Encoding": "gzip"} | headers
        try:
            self._connection.request("GET", path, headers=told)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:  # idle for too long: a browser asks again over another one
            self._connection.request("GET", path, headers=told)
            answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 304):
            raise SystemExit(f"{path} was answered {answer.status}")
        return answer, content


def measure_panel(bench: Bench) -> None:
    """The panel's pages with 100,000 monitors, each drawn anew, beside one that asks nothing; and memory after them."""
    count = bench.count(MANY, at_least=1_000)
    with fresh() as (_, url):
        seed(url, count)
        with running(SERVE, DATABASE_URL=url) as server:
            reader = Reader(server)
            floor = median([_timed(reader, "/health")[0] for _ in range(20)])
            for what, path in PAGES.items():
                seen = []
                for _ in range(max(3, round(bench.lasting(3)))):
                    time.sleep(STALE_SEC)
                    seen.append(_timed(reader, path))
                took_ms, size = median([each[0] for each in seen]), seen[-1][1]
                bench.note(
                    f"{what}, {count:,} monitors",
                    f"median {took_ms:.1f} ms ({took_ms / floor:.0f} of {floor:.2f} ms for /health), "
                    f"{size / 1_000:.1f} kB",
                    "<= 60 ms, <= 15 kB" if path.startswith("/?") or path == "/" else "<= 60 ms, <= 20 kB",
                )
            bench.note("memory after all of them", f"{server.resident_mb():.0f} MB", "<= 250 MB")


def _timed(reader: Reader, path: str) -> tuple[float, int]:
    began = time.perf_counter()
    _, content = reader.get(path)
    return (time.perf_counter() - began) * 1_000, len(content)


class Panel(threading.Thread):
    """An open panel: it asks for what changed as often as the server says that it pays."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(daemon=True)
        self._reader = reader
        self.bytes_read = 0
        self.is_done = False

    def run(self) -> None:
        etag = ""
        while not self.is_done:
            answer, content = self._reader.get("/fragments/list", **{"If-None-Match": etag} if etag else {})
            self.bytes_read += len(content)
            etag = answer.headers["etag"]
            time.sleep(int(answer.headers["refresh-after"]) / 1_000)


class Flapping(Pinger):
    """Fifty pings a second of which each is a transition: a monitor fails in one round and succeeds in the next."""

    def path(self, number: int) -> str:
        return ping_path(number % PINGED) + ("/fail" if number // PINGED % 2 else "")


def measure_panels(bench: Bench) -> None:
    """20 open panels over 100,000 monitors while 50 pings a second change states: CPU beside none, and pings."""
    count = bench.count(MANY, at_least=1_000)
    seconds = bench.lasting(10)
    with fresh() as (_, url):
        seed(url, count)
        with running(SERVE, DATABASE_URL=url) as server:
            shares: Mapping[int, list[float]] = {0: [], PANELS: []}
            took: Mapping[int, list[float]] = {0: [], PANELS: []}
            sent = 0
            for panels in (0, PANELS) * 2:
                share, pings, read = _with_panels(server, panels, seconds)
                shares[panels].append(share)
                took[panels] += pings
                sent += read
            alone, beside = median(shares[0]), median(shares[PANELS])
    bench.note(
        f"{PANELS} open panels, {count:,} monitors, {1 / EVERY_SEC:.0f} transitions a second",
        f"{beside - alone:.1%} of a core more than {alone:.1%} without; "
        f"{sent / 2 / PANELS / seconds / 1_000:.1f} kB a second and panel",
        "<= 10 %",
    )
    before, meanwhile = percentile(took[0], 0.99), percentile(took[PANELS], 0.99)
    bench.note("pings meanwhile", f"p99 {meanwhile:.1f} ms, {meanwhile / before:.1f} of {before:.1f} ms", "<= 15 ms")


def _with_panels(server: Running, count: int, seconds: float) -> tuple[float, list[float], int]:
    """Return the share of a core that the server takes, the pings meanwhile, and the bytes that the panels read."""
    panels = [Panel(Reader(server)) for _ in range(count)]
    for each in panels:
        each.start()
    pinger = Flapping(server)
    pinger.start()
    time.sleep(2)  # the first drawing is no part of it
    before, began = server.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    share = (server.cpu_seconds() - before) / (time.perf_counter() - began)
    for each in panels:
        each.is_done = True
    took = pinger.finish()
    for each in panels:
        each.join()
    return share, took, sum(each.bytes_read for each in panels)
