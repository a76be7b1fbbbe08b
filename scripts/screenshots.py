"""Make docs/images/*.png: the panel and the status page of a real server, in both languages.

    python scripts/screenshots.py            (needs the development requirements and Chromium)

Each language gets a database of its own with a month in the life of eight jobs, made by PulseMon's own use cases, to
which time is an argument.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pulsemon import clock  # noqa: E402 - found only after the line above
from pulsemon.core.incidents import IncidentStatus  # noqa: E402
from pulsemon.core.maintenance import Plan, Repeats  # noqa: E402
from pulsemon.core.status import Signal  # noqa: E402
from pulsemon.db import Database  # noqa: E402
from pulsemon.deadlines import passes  # noqa: E402 - found only after the line above
from pulsemon.heartbeats import pings  # noqa: E402 - found only after the line above
from pulsemon.heartbeats.pings import Ping  # noqa: E402
from pulsemon.incidents import manage as incidents  # noqa: E402 - found only after the line above
from pulsemon.maintenance import manage as maintenance  # noqa: E402 - found only after the line above
from pulsemon.maintenance.definition import Definition  # noqa: E402
from pulsemon.monitors import manage as monitors  # noqa: E402 - found only after the line above
from pulsemon.monitors.manage import NewMonitor  # noqa: E402
from pulsemon.monitors.views import View  # noqa: E402

IMAGES = ROOT / "docs" / "images"
TOKEN = "a-token-for-the-pictures-only"
# How many pings at the end of a stretch are stored; a page shows no more.
SHOWN_PINGS = 40
SIZE = {"width": 1100, "height": 760}
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Job:
    """A job and its month: when it pinged last, and its outages as (how long ago, how long). None: it never ran."""

    names: dict[str, str]
    interval: timedelta
    grace: timedelta
    last_ping_ago: timedelta | None
    outages: tuple[tuple[timedelta, timedelta], ...] = ()
    is_paused: bool = False


JOBS = (
    Job({"en": "Nightly backup", "pt-BR": "Backup noturno"}, DAY, HOUR, 5 * HOUR, ((12 * DAY, 2 * DAY),)),
    Job({"en": "Stock sync", "pt-BR": "Sincronização do estoque"}, 5 * MINUTE, MINUTE, 29 * MINUTE, ((8 * DAY, HOUR),)),
    Job({"en": "Invoices by e-mail", "pt-BR": "Faturas por e-mail"}, 15 * MINUTE, 3 * MINUTE, 4 * MINUTE),
    Job({"en": "Search index", "pt-BR": "Índice de busca"}, 10 * MINUTE, 10 * MINUTE, 12 * MINUTE, ((3 * DAY, HOUR),)),
    Job({"en": "Payment queue", "pt-BR": "Fila de pagamentos"}, MINUTE, MINUTE, timedelta(seconds=21)),
    Job({"en": "Certificate renewal", "pt-BR": "Renovação de certificados"}, 7 * DAY, DAY, 2 * DAY),
    Job({"en": "Old reports", "pt-BR": "Relatórios antigos"}, HOUR, 5 * MINUTE, 6 * DAY, is_paused=True),
    Job({"en": "Monthly closing", "pt-BR": "Fechamento do mês"}, 30 * DAY, DAY, None),
)
SUFFIXES = {"en": "", "pt-BR": ".pt-BR"}
TITLES = {"en": "Status — Example Company", "pt-BR": "Status — Empresa Exemplo"}


def main() -> int:
    """Write the four pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is not installed (Debian: apt install chromium).", file=sys.stderr)
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        for locale, suffix in SUFFIXES.items():
            with running_server(locale) as url:
                page = browser.new_context(locale=locale, viewport=SIZE, timezone_id="America/Sao_Paulo").new_page()  # type: ignore[arg-type]
                take_panel(page, url, IMAGES / f"panel{suffix}.png")
                take_status(page, url, IMAGES / f"status{suffix}.png")
        browser.close()
    return 0


def take_panel(page: Page, url: str, target: Path) -> None:
    """Log in and take the list."""
    page.goto(url)
    page.fill("[name=token]", TOKEN)
    page.press("[name=token]", "Enter")
    page.wait_for_load_state("load")
    page.get_by_role("link", name=JOBS[1].names[language_of(page)]).first.wait_for()
    take(page, target)


def take_status(page: Page, url: str, target: Path) -> None:
    """Take the public page."""
    page.goto(f"{url}/status")
    take(page, target)


def take(page: Page, target: Path) -> None:
    """Save what the window shows, the whole page where it is longer."""
    page.screenshot(path=target, full_page=True, animations="disabled")
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")


def language_of(page: Page) -> str:
    """Return the language that the page says it is in."""
    return page.locator("html").get_attribute("lang") or "en"


# --- a server with a past


@contextmanager
def running_server(locale: str) -> Iterator[str]:
    """Run `pulsemon serve` on a seeded database in a folder of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite:///{folder}/pulsemon.db"
        seed(database_url, locale)
        port = free_port()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "ADMIN_TOKEN": TOKEN,
            "APP_HOST": "127.0.0.1",
            "APP_PORT": str(port),
            "BASE_URL": "",
            "DEFAULT_LOCALE": locale,
            "LOG_LEVEL": "WARNING",
            "PUBLIC_STATUS_TITLE": TITLES[locale],
        }
        with subprocess.Popen([sys.executable, "-m", "pulsemon", "serve"], cwd=folder, env=environment) as server:
            try:
                wait_for(f"http://127.0.0.1:{port}/health", server)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()


def seed(database_url: str, locale: str) -> None:
    """Make the jobs and let them live a month."""
    database = Database.open(database_url)
    try:
        database.migrate()
        now = clock.now()
        for job in JOBS:
            live(database, job, locale, now=now)
        announce(database, locale, now=now)
    finally:
        database.close()


INCIDENT = {
    "en": ("Stock may be out of date", "Our supplier's server does not answer. We have **called them**."),
    "pt-BR": ("O estoque pode estar desatualizado", "O servidor do fornecedor não responde. Já **ligamos para eles**."),
}
WORKS = {"en": "New server for payments", "pt-BR": "Servidor novo para os pagamentos"}


def announce(database: Database, locale: str, *, now: datetime) -> None:
    """Tell visitors what is wrong with the second job, and of maintenance of the fifth in two days."""
    title, body = INCIDENT[locale]
    told = incidents.NewIncident(
        title, body, IncidentStatus.IDENTIFIED, monitors=(slug_of(JOBS[1]),), tells_subscribers=False
    )
    incidents.create(database, told, now=now - 15 * MINUTE)
    plan = Plan(Repeats.ONCE, (now + 2 * DAY).replace(hour=5, minute=0, second=0, microsecond=0), HOUR, "UTC")
    maintenance.create(database, Definition(WORKS[locale], plan, monitors=(slug_of(JOBS[4]),)), now=now)


def slug_of(job: Job) -> str:
    """Return a job's slug: the same in both languages, as addresses of real systems often are."""
    return job.names["en"].lower().replace(" ", "-")


def live(database: Database, job: Job, locale: str, *, now: datetime) -> None:
    """Create one job's monitor a month ago and send its pings; silence is noticed in between."""
    name = job.names[locale]
    new = NewMonitor(name, slug_of(job), int(job.interval.total_seconds()), int(job.grace.total_seconds()))
    view = monitors.create(database, new, now=now - 31 * DAY)
    if job.last_ping_ago is None:
        return
    starts_at = now - 30 * DAY
    last = now - job.last_ping_ago
    for ago, length in job.outages:
        send(database, view, starts_at, now - ago, job.interval)
        starts_at = now - ago + length
        passes.expire_due(database, now=starts_at, recorded_at=starts_at)
    send(database, view, starts_at, last, job.interval)
    if job.is_paused:
        monitors.pause(database, monitors.by_id(view.id), now=last + MINUTE)
    passes.expire_due(database, now=now, recorded_at=now)


def send(database: Database, view: View, first: datetime, last: datetime, interval: timedelta) -> None:
    """Store the first ping of a stretch and its last ones, an interval apart."""
    instants = [last - interval * number for number in range(SHOWN_PINGS) if last - interval * number > first]
    for instant in [first, *reversed(instants)]:
        ping = Ping(view.slug, view.token, Signal.SUCCESS, instant, remote_addr="10.0.0.12", user_agent="curl/8.14.1")
        pings.record_pings(database, [ping])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when *url* answers; fail if the server ends, or after 30 seconds."""
    give_up_at = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < give_up_at:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    sys.exit(main())
