"""A monitor's row as the values that `core.status` decides with, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, insert, select, update
from sqlalchemy.orm import aliased

from pulsemon.core.lost_schedules import calendar_of
from pulsemon.core.status import BlindWindow, Cause, State, Status
from pulsemon.core.timing import Timing
from pulsemon.db.tables.deadlines import UnseenSpan
from pulsemon.db.tables.monitors import History, Monitor

_newest = aliased(History)  # an alias, so that whoever joins the history itself does not correlate this one away
_DOWN_RECORDED_AT = (
    select(_newest.created_at)
    .where(_newest.monitor_id == Monitor.id, _newest.seq == Monitor.state_seq)
    .correlate(Monitor)
    .scalar_subquery()
)

# What `timing` reads, in the order of its parameters.
TIMING_COLUMNS = (
    Monitor.interval_seconds,
    Monitor.grace_seconds,
    Monitor.max_run_seconds,
    Monitor.schedule,
    Monitor.timezone,
    Monitor.failures_to_down,
    Monitor.successes_to_up,
    Monitor.schedule_since,
)
_timing_values = attrgetter(*(column.key for column in TIMING_COLUMNS))
_COLUMNS = (
    Monitor.id,
    Monitor.slug,
    Monitor.name,
    Monitor.webhook_url,
    Monitor.status,
    Monitor.last_ping,
    Monitor.due_at,
    Monitor.check_at,
    Monitor.open_runs,
    Monitor.blind_due_at,
    Monitor.down_cause,
    Monitor.contrary_count,
    *TIMING_COLUMNS,
    Monitor.state_seq,
    # One probe of an index, and only for what is DOWN.
    case((Monitor.status == Status.DOWN.value, _DOWN_RECORDED_AT)).label("down_recorded_at"),
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A monitor as a decider needs it: who it is, its timing, its state, and how many transitions it has had."""

    id: int
    slug: str
    name: str
    webhook_url: str | None
    timing: Timing
    state: State
    seq: int
    check_at: datetime | None = None
    down_recorded_at: datetime | None = None

    @property
    def is_found_in_time(self) -> bool:
        """Return whether the evaluation will look at it no later than its deadline."""
        due_at = self.state.due_at
        return due_at is None or (self.check_at is not None and self.check_at <= due_at)


def select_watched() -> Select[*tuple[Any, ...]]:
    """Return the query that `watched` reads the rows of; add where, order and lock."""
    return select(*_COLUMNS)


def watched(row: Row[*tuple[Any, ...]]) -> Watched:
    """Read one row of `select_watched`."""
    return Watched(
        id=row.id,
        slug=row.slug,
        name=row.name,
        webhook_url=row.webhook_url,
        timing=timing_of(row),
        state=State(
            Status(row.status),
            row.last_ping,
            row.due_at,
            row.open_runs,
            row.blind_due_at,
            Cause(row.down_cause) if row.down_cause else None,
            row.contrary_count,
        ),
        seq=row.state_seq,
        check_at=row.check_at,
        down_recorded_at=row.down_recorded_at,
    )


def timing_of(row: Any) -> Timing:
    """Return the timing of a row that holds `TIMING_COLUMNS`, by their names."""
    return timing(*_timing_values(row))


# Many monitors share few timings, and making one costs a ping more than finding it.
@lru_cache(maxsize=4096)
def timing(
    interval_seconds: int,
    grace_seconds: int,
    max_run_seconds: int | None,
    schedule: str | None = None,
    timezone: str | None = None,
    failures_to_down: int = 1,
    successes_to_up: int = 1,
    since: datetime | None = None,
) -> Timing:
    """Return the timing that the columns hold. By a schedule that can be read no more nothing is due too soon."""
    return Timing(
        timedelta(seconds=interval_seconds),
        timedelta(seconds=grace_seconds),
        timedelta(seconds=max_run_seconds) if max_run_seconds else None,
        None if schedule is None else calendar_of(schedule, timezone or "UTC"),
        failures_to_down,
        successes_to_up,
        since,
    )


_SAVE = (
    update(Monitor)
    .where(Monitor.id == bindparam("its_id"), Monitor.state_seq == bindparam("its_seq"))
    .values(
        status=bindparam("status"),
        last_ping=bindparam("last_ping"),
        due_at=bindparam("due_at"),
        check_at=bindparam("due_at"),
        open_runs=bindparam("open_runs"),
        blind_due_at=bindparam("blind_due_at"),
        down_cause=bindparam("down_cause"),
        contrary_count=bindparam("contrary_count"),
        state_seq=bindparam("state_seq"),
    )
)


def save(connection: Connection, changes: Iterable[tuple[Watched, State, int]]) -> None:
    """Write new states: (the monitor as read, its state now, its transition count now).

    Each will be looked at when its deadline comes. The rows must be locked by this transaction: on SQLite the write
    transaction is that lock, on PostgreSQL `with_for_update` when they were read.
    """
    rows = [
        {
            "its_id": monitor.id,
            "its_seq": monitor.seq,
            "status": state.status.value,
            "last_ping": state.last_ping,
            "due_at": state.due_at,
            "open_runs": state.runs,
            "blind_due_at": state.blind_due_at,
            "down_cause": state.down_cause.value if state.down_cause else None,
            "contrary_count": state.contrary_count,
            "state_seq": seq,
        }
        for monitor, state, seq in changes
    ]
    if rows:
        connection.execute(_SAVE, rows)


def postpone(connection: Connection, monitors: Iterable[Watched]) -> None:
    """Look at these monitors, which are locked by this transaction, at their deadline and not before."""
    rows = [{"its_id": monitor.id, "check_at": monitor.state.due_at} for monitor in monitors]
    if rows:
        connection.execute(update(Monitor).where(Monitor.id == bindparam("its_id")), rows)


def add_unseen(connection: Connection, spans: Iterable[tuple[int, BlindWindow]]) -> None:
    """Record for each monitor id the span that a blind window makes unknown."""
    rows = [
        {"monitor_id": monitor_id, "started_at": span.started_at, "ended_at": span.ended_at}
        for monitor_id, span in spans
    ]
    if rows:
        connection.execute(insert(UnseenSpan), rows)
