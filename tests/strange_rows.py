"""Rows of monitors as the rules leave them and as no rule would: for what SQL says of them, against the core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select

from pulsemon.core.open_runs import Run
from pulsemon.core.status import Cause, Status
from pulsemon.db import Database
from pulsemon.db.tables.monitors import History, Monitor
from tests.arrange import START

NOW = START
MICROSECOND = timedelta(microseconds=1)
PERIODS = (0, 1, 60, 3_599, 3_600, 3_601, 86_400, 2_147_483_647)
# Where the rules change their minds: at an instant, right before and after it, and a second away.
NEAR = (0, 1, -1, 999_999, 1_000_000, -1_000_000, 2_000_000, 2_000_001, -2_000_001, 500)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A monitor's row: mostly one that the rules give, of which some columns then say something else."""
    interval, grace = draw(st.sampled_from(PERIODS[1:])), draw(st.sampled_from(PERIODS))
    period = timedelta(seconds=interval + grace)
    near = st.sampled_from(NEAR).map(lambda count: count * MICROSECOND)
    last_ping = draw(st.none() | st.just(NOW - period) | st.just(NOW) | st.just(NOW - period / 2))
    if last_ping is not None:
        last_ping += draw(near)
    status = draw(st.sampled_from(Status))
    due_at = last_ping + period if last_ping is not None and status is Status.UP else None
    row: dict[str, Any] = {
        "interval_seconds": interval,
        "grace_seconds": grace,
        "status": status.value,
        "last_ping": last_ping,
        "due_at": due_at,
        "down_cause": draw(st.sampled_from([None, *(each.value for each in Cause)])) if status is Status.DOWN else None,
        "check_at": due_at,
        "blind_due_at": None,
        "open_runs": (),
        "schedule": None,
        "timezone": None,
        "schedule_since": None,
        "contrary_count": 0,
        "max_run_seconds": None,
        "state_seq": draw(st.integers(0, 1)),
    }
    instants = st.none() | st.builds(lambda base, by: base + by, st.sampled_from([NOW, due_at or NOW]), near)
    runs = st.builds(
        lambda by, limit, is_overdue: (Run("", NOW + by, NOW + by + limit, is_overdue),),
        near,
        st.sampled_from([timedelta(seconds=1), period]),
        st.booleans(),
    )
    strange = {
        "due_at": instants,
        "check_at": instants,
        "blind_due_at": instants,
        "schedule_since": instants,
        "open_runs": runs,
        "schedule": st.just("30 2 * * *"),
        "contrary_count": st.integers(0, 2),
        "down_cause": st.sampled_from([None, *(each.value for each in Cause)]),
        "max_run_seconds": st.just(30),
        "interval_seconds": st.sampled_from(PERIODS),
    }
    for name in draw(st.sets(st.sampled_from(sorted(strange)), max_size=2)):
        row[name] = draw(strange[name])
    return row


@contextmanager
def stored_for_a_moment(database: Database, given_rows: list[dict[str, Any]]) -> Iterator[Connection]:
    """Store the rows alone, in a transaction that is rolled back at the end."""
    with database.write() as connection:
        connection.execute(delete(Monitor))
        connection.execute(delete(History))
        fields = {"name": "m", "token": "t", "created_at": NOW, "updated_at": NOW}
        connection.execute(
            insert(Monitor), [{"slug": f"m{number}", **fields, **each} for number, each in enumerate(given_rows)]
        )
        add_history(connection)
        yield connection
        transaction = connection.get_transaction()
        assert transaction is not None
        transaction.rollback()


def add_history(connection: Connection) -> None:
    """What is DOWN and has a transition was recorded as such now."""
    query = select(Monitor.id).where(Monitor.status == "DOWN", Monitor.state_seq == 1)
    recorded = [
        {
            "slug": "m",
            "prev_status": "UP",
            "new_status": "DOWN",
            "created_at": NOW,
            "monitor_id": each,
            "seq": 1,
            "occurred_at": NOW,
        }
        for each in connection.scalars(query)
    ]
    if recorded:
        connection.execute(insert(History), recorded)


many_rows = st.lists(rows(), min_size=20, max_size=20)
thorough = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
