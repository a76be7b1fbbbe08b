"""A million monitors on PostgreSQL: the list of them, and ten thousand that fall silent at one instant."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta

import psycopg

from bench.intake import postgres
from bench.measure import Bench, median
from bench.panel import STALE_SEC, Reader
from bench.servers import SERVE, running
from pulsemon import clock
from pulsemon.db import Database

COUNT = 1_000_000
LATE = 10_000
# Until the deadline: the server has to look at its deadlines once before that.
LEAD_SEC = 15.0
PAGES = {
    "the list": "/",
    "a search in it": "/?q=job+000777",
    "a group of it": "/?group=Group+7",
    "a state of it": "/?state=up",
    "a monitor": "/monitors/7",
}
# By the database itself, for rows made here take minutes. Their deadlines lie in the hour to come.
_MONITORS = """
    INSERT INTO monitors (id, slug, name, token, interval_seconds, grace_seconds, status, state_seq,
                          last_ping, due_at, check_at, created_at, updated_at)
    SELECT n, format('job-%%s', n), format('Job %%s', to_char(n, 'FM0000000')), format('token-%%s', n),
           3600, 1800, 'UP', 1,
           at - interval '90 minutes', at, at, now(), now()
    FROM (SELECT n, now() + interval '31 minutes' + random() * interval '58 minutes' AS at
          FROM generate_series(1, %(count)s) AS n) AS made
"""
_PLACES = """
    INSERT INTO placements (monitor_id, group_name, is_public)
    SELECT n, format('Group %%s', mod(n, 100)), false FROM generate_series(1, %(count)s) AS n
"""
# As `core.search.text_of` writes them.
_TEXTS = """
    INSERT INTO search_texts (monitor_id, name_key, words)
    SELECT n, format('job %%s', to_char(n, 'FM0000000')),
           format(E'job %%s\\njob-%%s\\n\\x01group %%s\\n', to_char(n, 'FM0000000'), n, mod(n, 100))
    FROM generate_series(1, %(count)s) AS n
"""
_HISTORY = """
    INSERT INTO history (slug, prev_status, new_status, created_at, monitor_id, seq, occurred_at, cause)
    SELECT format('job-%%s', n), 'UNKNOWN', 'UP', now() - interval '3 days', n, 1, now() - interval '3 days', 'ping'
    FROM generate_series(1, %(count)s) AS n
"""
_FALL_SILENT = """
    UPDATE monitors SET due_at = %(due_at)s, check_at = %(due_at)s, last_ping = %(last_ping)s WHERE id <= %(count)s
"""


def measure_million(bench: Bench) -> None:
    """1,000,000 monitors on PostgreSQL: pages of the panel drawn anew, and 10,000 late at once until all are DOWN."""
    count, late = bench.count(COUNT, at_least=10_000), bench.count(LATE, at_least=1_000)
    with postgres() as url:
        _seed(url, count)
        with running(SERVE, is_pinned=False, DATABASE_URL=url) as server:
            reader, failing = Reader(server), itertools.count(late + 1)
            floor = median([_timed(reader, "/health") for _ in range(20)])
            for what, path in PAGES.items():
                seen = []
                for _ in range(max(3, round(bench.lasting(3)))):
                    time.sleep(STALE_SEC)
                    number = next(failing)  # what changed nothing is not drawn anew
                    reader.get(f"/h/job-{number}/token-{number}/fail")
                    seen.append(_timed(reader, path))
                took_ms = median(seen)
                bench.note(
                    f"{what}, {count:,} monitors on PostgreSQL",
                    f"median {took_ms:.1f} ms ({took_ms / floor:.0f} of {floor:.2f} ms for /health)",
                    "<= 150 ms",
                )
            took_sec = _until_all_are_down(url, late)
            bench.note(f"{late:,} late at once, beside {count:,}", f"all DOWN after {took_sec:.1f} s", "<= 3 s")
            bench.note("memory after that", f"{server.resident_mb():.0f} MB")


def _seed(url: str, count: int) -> None:
    database = Database.open(url)
    database.migrate()
    database.close()
    # PulseMon's own connections give up on a statement that takes as long as these.
    with psycopg.connect(url, autocommit=True) as session:
        for statement in (_MONITORS, _PLACES, _TEXTS, _HISTORY):
            session.execute(statement, {"count": count})
        session.execute("VACUUM ANALYZE")


def _timed(reader: Reader, path: str) -> float:
    began = time.perf_counter()
    reader.get(path)
    return (time.perf_counter() - began) * 1_000


def _until_all_are_down(url: str, late: int) -> float:
    """Give *late* monitors one deadline; return the seconds from there until another connection reads all as DOWN."""
    with psycopg.connect(url, autocommit=True) as session:
        due_at = clock.now() + timedelta(seconds=LEAD_SEC)
        last_ping = due_at - timedelta(minutes=90)
        session.execute(_FALL_SILENT, {"due_at": due_at, "last_ping": last_ping, "count": late})
        down = "SELECT count(*) FROM monitors WHERE status = 'DOWN'"
        failed = session.execute(down).fetchall()[0][0]
        while session.execute(down).fetchall()[0][0] < failed + late:
            time.sleep(0.02)
        return (clock.now() - due_at).total_seconds()
