"""What people cost: who asks, passwords that are compared, and lists of one project among a thousand."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench.bulk import MANY, Pinger
from bench.measure import Bench, fresh, median, percentile
from bench.panel import STALE_SEC
from bench.seeding import scatter, seed
from bench.servers import ADMIN, SERVE, Running, running

PASSWORD = "seven green bicycles"
OTHER_PASSWORD = "seven blue bicycles"
LOGINS, PROJECTS = 100, 1_000
PINGED = 100
# So many requests of one kind before it is the next one's turn.
TURN = 10
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Asker:
    """One connection to a server, and the headers that say who asks."""

    server: Running
    headers: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=60)

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body, self.headers | headers)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def make(self, path: str, **fields: object) -> dict[str, object]:
        """Make something through the API, by the admin token."""
        told = {"X-Admin-Token": ADMIN, "Content-Type": "application/json"}
        answer, content = self.ask("POST", path, json.dumps(fields), **told)
        if answer.status != 201:
            raise SystemExit(f"{path} was answered {answer.status}: {content!r}")
        return dict(json.loads(content))

    def took_ms(self, path: str) -> float:
        began = time.perf_counter()
        answer, _ = self.ask("GET", path)
        if answer.status != 200:
            raise SystemExit(f"{path} was answered {answer.status}")
        return (time.perf_counter() - began) * 1_000

    def log_in(self, form: dict[str, str], address: str = "10.0.0.1") -> http.client.HTTPResponse:
        """Send a login that came through a proxy from *address*; return the answer."""
        headers = FORM | {"X-Forwarded-For": address, "Origin": self.server.url}
        answer, _ = self.ask("POST", "/login", urlencode(form), **headers)
        cookies = answer.headers.get_all("set-cookie") or ()
        self.headers["Cookie"] = "; ".join(each.partition(";")[0] for each in cookies)
        return answer


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def measure_doors(bench: Bench) -> None:
    """What it takes to find out who asks: by a key, and by the session of a user, beside the admin token."""
    with fresh() as (_, url):
        seed(url, PINGED)
        with running(SERVE, DATABASE_URL=url) as server:
            maker = Asker(server)
            of_one, of_all = (
                maker.make("/api/keys", name="bench", scopes=["read"], **more)["key"]
                for more in ({}, {"project": None})
            )
            maker.make("/api/users", email="ana@example.org", password=PASSWORD, owner=True)
            owner, user = Asker(server), Asker(server)
            owner.log_in({"token": ADMIN})
            user.log_in({"email": "ana@example.org", "password": PASSWORD})
            doors = {
                "by the admin token": (Asker(server, {"X-Admin-Token": ADMIN}), "/api/monitors/job-00007"),
                "by a key of a project": (Asker(server, {"X-Api-Key": str(of_one)}), "/api/monitors/job-00007"),
                "by a key of all projects": (Asker(server, {"X-Api-Key": str(of_all)}), "/api/monitors/job-00007"),
                "by a session of the admin token": (owner, "/fragments/schedule?schedule=0+3+*+*+*"),
                "by a session of a user": (user, "/fragments/schedule?schedule=0+3+*+*+*"),
            }
            seen = _in_turns({what: each.took_ms for what, (each, _) in doors.items()}, doors, bench)
    for what, floor in zip(doors, ["by the admin token"] * 3 + ["by a session of the admin token"] * 2, strict=True):
        more = seen[what] - seen[floor]
        told = f"median {seen[what]:.2f} ms" if what == floor else f"median {seen[what]:.2f} ms, {more:+.2f} ms"
        bench.note(f"a request let in {what}", told, "" if what == floor else "<= +0.2 ms")


def _in_turns(
    ask: dict[str, Callable[[str], float]], doors: dict[str, tuple[Asker, str]], bench: Bench
) -> dict[str, float]:
    """Return the median of what each takes, all of them in turns: what disturbs one disturbs the others."""
    took: dict[str, list[float]] = {what: [] for what in ask}
    for _ in range(round(bench.lasting(100))):
        for what, one in ask.items():
            took[what] += [one(doors[what][1]) for _ in range(TURN)]
    return {what: median(each) for what, each in took.items()}


def measure_logins(bench: Bench) -> None:
    """100 logins by password at once, pings meanwhile, and whether a login tells which addresses are users'."""
    with fresh() as (_, url):
        seed(url, PINGED)
        with running(SERVE, DATABASE_URL=url) as server:
            maker = Asker(server)
            for number in range(LOGINS):
                maker.make("/api/users", email=f"user-{number}@example.org", password=PASSWORD)
            maker.log_in(_login(0))  # the first one loads what logins need
            alone = _pings_beside(server, lambda: time.sleep(bench.lasting(8)))
            began = time.perf_counter()
            beside = _pings_beside(server, lambda: _log_all_in(server))
            seconds = time.perf_counter() - began
            known, unknown = _wrong_logins(server, round(bench.lasting(40)))
    before, meanwhile = percentile(alone, 0.99), percentile(beside, 0.99)
    bench.note(f"{LOGINS} logins by password at once", f"all in after {seconds:.1f} s")
    bench.note(
        "50 pings a second meanwhile",
        f"p50 {median(beside):.1f}, p99 {meanwhile:.1f} ms, {meanwhile / before:.1f} of {before:.1f} ms alone",
        "p99 <= 20 ms",
    )
    bench.note(
        "a wrong login: an address that is a user's, and one that is not",
        f"median {median(known):.1f} and {median(unknown):.1f} ms, p10 {percentile(known, 0.1):.1f} and "
        f"{percentile(unknown, 0.1):.1f} ms",
        "the same",
    )


def _pings_beside(server: Running, work: Callable[[], object]) -> list[float]:
    pinger = Pinger(server)
    pinger.start()
    work()
    return pinger.finish()


def _login(number: int, who: str = "user") -> dict[str, str]:
    return {"email": f"{who}-{number}@example.org", "password": PASSWORD}


def _log_all_in(server: Running) -> None:
    """Have everybody log in at once, each from a place of his own; whoever is told to wait waits, and tries again.

    In one thread: a hundred of them would hold up the thread that pings.
    """

    async def log_in(number: int) -> None:
        host = server.url.removeprefix("http://")
        body = urlencode(_login(number))
        head = (
            f"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {server.url}\r\nX-Forwarded-For: {_address(number)}\r\n"
        )
        head += f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        while True:
            reader, writer = await asyncio.open_connection(*host.split(":"))
            writer.write((head + body).encode())
            answer = await reader.read()
            writer.close()
            status = answer.split(b" ", 2)[1]
            if status != b"503":
                break
            await asyncio.sleep(int(re.findall(rb"(?i)\r\nretry-after: (\d+)", answer)[0]))
        if status != b"303":
            raise SystemExit(f"a login was answered {status!r}")

    async def all_in() -> None:
        await asyncio.gather(*(log_in(number) for number in range(LOGINS)))

    asyncio.run(all_in())


def _wrong_logins(server: Running, count: int) -> tuple[list[float], list[float]]:
    """Return what wrong logins took in ms, of users and of nobody, in turns and from ever other places."""
    took: tuple[list[float], list[float]] = ([], [])
    asker = Asker(server)
    for number, kind in itertools.product(range(count), (0, 1)):
        form = _login(number % LOGINS, "none" if kind else "user") | {"password": OTHER_PASSWORD}
        began = time.perf_counter()
        status = asker.log_in(form, _address(1_000 + 2 * number + kind)).status
        took[kind].append((time.perf_counter() - began) * 1_000)
        if status != 401:
            raise SystemExit(f"a wrong login was answered {status}")
    return took


LISTS = {
    "the list": "/?",
    "a search in it": "/?q=job+00777",
    "a state of it": "/?state=up",
    "by last pings": "/?sort=last",
    "the API's": "/api/monitors?limit=50",
}


def measure_projects(bench: Bench) -> None:
    """The lists of one project among 1,000 with 100,000 monitors, drawn anew, beside those of one that is alone."""
    count = bench.count(MANY, at_least=PROJECTS)
    seen: dict[str, dict[str, float]] = {}
    for where, projects, monitors in (("alone", 1, count // PROJECTS), ("among them", PROJECTS, count)):
        with fresh() as (_, url):
            seed(url, monitors)
            scatter(url, projects)
            with running(SERVE, DATABASE_URL=url) as server:
                seen[where] = _lists(server, bench, f"&project=project-{projects // 2}" if projects > 1 else "")
    for what in LISTS:
        alone, among = seen["alone"][what], seen["among them"][what]
        bench.note(
            f"{what}, {count // PROJECTS} monitors, {PROJECTS:,} projects with {count:,} monitors",
            f"median {among:.1f} ms, {among / alone:.1f} of {alone:.1f} ms where the project is alone",
            "",
        )


def _lists(server: Running, bench: Bench, within: str) -> dict[str, float]:
    asker = Asker(server, {"Accept": "text/html", "X-Admin-Token": ADMIN})
    asker.log_in({"token": ADMIN})
    found = {}
    for what, path in LISTS.items():
        took = []
        for _ in range(max(3, round(bench.lasting(3)))):
            time.sleep(STALE_SEC)
            took.append(asker.took_ms(path + within))
        found[what] = median(took)
    return found
