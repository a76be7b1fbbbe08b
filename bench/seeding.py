"""Monitors made in a database before its server starts, with deadlines as they are wanted: in the measurements, and
where the tests of faults need more monitors, or more exact deadlines, than the API would make in good time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from pulsemon import clock
from pulsemon.db import Database, search_texts
from pulsemon.db.tables.monitors import Monitor, SearchText
from pulsemon.db.tables.projects import DEFAULT_ID, Project
from pulsemon.db.types import to_text

# The load knows the tokens: this, and the monitor's number.
TOKEN = "t" * 24
INTERVAL_SEC, GRACE_SEC = 3_600, 600
# The deadline of a monitor that was pinged just now.
FAR_SEC = float(INTERVAL_SEC + GRACE_SEC)
# Every column that holds the deadline.
_DEADLINES = ("due_at", "check_at")
# Alembic keeps what it is doing in globals.
_one_at_a_time = threading.Lock()


def ping_path(number: int, *, prefix: str = "job") -> str:
    """Return the path of the ping URL of the monitor with that number."""
    return f"/h/{slug(number, prefix=prefix)}/{TOKEN}{number:08d}"


def slug(number: int, *, prefix: str = "job") -> str:
    return f"{prefix}-{number:05d}"


def seed(
    url: str,
    count: int,
    *,
    prefix: str = "job",
    due_in: Sequence[float] = (),
    status: str = "UP",
    webhook_urls: Sequence[str] = (),
    **columns: Any,
) -> None:
    """Make *count* monitors `job-00000` ... in the database of *url*.

    *due_in*: seconds until the deadline of each; where nothing is said, as if all had been pinged just now.
    *webhook_urls*: of the first ones. What stands in *columns* is the same for all.
    """
    database = Database.open(url)
    with _one_at_a_time:
        database.migrate()
    now = clock.now()
    fields = {"interval_seconds": INTERVAL_SEC, "grace_seconds": GRACE_SEC} | columns
    period = timedelta(seconds=fields["interval_seconds"] + fields["grace_seconds"])
    rows = []
    for number in range(count):
        due_at = now + (timedelta(seconds=due_in[number]) if due_in else period)
        rows.append(
            {
                "slug": slug(number, prefix=prefix),
                "name": f"{prefix.title()} {number}",
                "token": f"{TOKEN}{number:08d}",
                "status": status,
                "last_ping": None if status == "UNKNOWN" else due_at - period,
                "down_cause": "silence" if status == "DOWN" else None,
                "webhook_url": webhook_urls[number] if number < len(webhook_urls) else None,
                "created_at": now,
                "updated_at": now,
            }
            | dict.fromkeys(_DEADLINES, due_at if status == "UP" else None)
            | fields
        )
    if rows:
        with database.write() as connection:
            connection.execute(insert(Monitor), rows)
            while search_texts.renew_missing(connection):
                pass
    database.close()


def scatter(url: str, projects: int) -> None:
    """Make projects `project-1` ... so that there are so many, and give each as many of the monitors that are there."""
    database = Database.open(url)
    now = clock.now()
    made = [
        {"id": each, "slug": f"project-{each}", "name": f"Project {each}", "created_at": now, "updated_at": now}
        for each in range(DEFAULT_ID + 1, DEFAULT_ID + projects)
    ]
    with database.write() as connection:
        if made:
            connection.execute(insert(Project), made)
        for table, key in ((Monitor, Monitor.id), (SearchText, SearchText.monitor_id)):
            connection.execute(update(table).values(project_id=DEFAULT_ID + key % projects))
    database.close()


def make_late(path: Path, *, prefix: str, due_in: float) -> datetime:
    """Give all monitors of that prefix the same deadline, behind the back of the server that runs; return it."""
    due_at = clock.now() + timedelta(seconds=due_in)
    with closing(sqlite3.connect(path, timeout=60)) as database, database:
        period = "SELECT interval_seconds + grace_seconds FROM monitors WHERE slug LIKE ?"
        (seconds,) = database.execute(period, (f"{prefix}-%",)).fetchone()
        wanted = dict.fromkeys(_DEADLINES, due_at) | {"last_ping": due_at - timedelta(seconds=seconds)}
        values = [to_text(each) for each in wanted.values()]
        columns = ", ".join(f"{name} = ?" for name in wanted)
        database.execute(f"UPDATE monitors SET {columns} WHERE slug LIKE ?", (*values, f"{prefix}-%"))
    return due_at
