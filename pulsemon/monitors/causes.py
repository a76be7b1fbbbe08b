"""Why monitors are DOWN, and the last lines that their jobs said: of many at once, in one query. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Row, Select, bindparam, case, func, literal, select

from pulsemon.core.body_text import last_lines, text_of_tail
from pulsemon.core.notes import NO_DETAIL, Detail, read_cause
from pulsemon.core.open_runs import Run
from pulsemon.core.rules import Outcome
from pulsemon.core.status import Cause, Signal, Status
from pulsemon.db import Database
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.monitors.views import View

# From the newest ping back to the one that failed: a start and what it logged may have followed. 4 us a step.
_MAX_STEPS = 50
# What is read of an output: more than enough for what is shown of it.
_TAIL_BYTES = 4_000
# A byte order mark, without which a tail of UTF-16 cannot be told.
_MARK_BYTES = 4
OUTPUT_LINES = 10
OUTPUT_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class DownCause:
    """Why a monitor is DOWN. `cause` is None where an old database does not say it.

    By silence: `expected_at` is when its ping was expected, before any grace. By a run that did not end: `run`, unless
    the next one began since. By a failure: the newest one, its ping, and the last lines of its `output`; `is_cut` tells
    that something stands before them.
    """

    cause: Cause | None
    exit_status: int | None = None
    is_by_word: bool = False
    expected_at: datetime | None = None
    run: Run | None = None
    ping_id: int | None = None
    failed_at: datetime | None = None
    output: str = ""
    output_length: int = 0
    is_cut: bool = False

    @property
    def last_line(self) -> str:
        """Return the last line of the output that says anything."""
        return self.output.rpartition("\n")[2]


def read_causes(database: Database, views: Iterable[View]) -> dict[int, DownCause]:
    """Return monitor id -> why it is DOWN, of those of *views* that are; always one query.

    Finds its rows by the primary keys of monitors and pings and by UNIQUE (monitor_id, seq) of history.
    """
    # An empty list too: the number of queries must not depend on what is found.
    down = {view.id: view for view in views if view.status is Status.DOWN}
    with database.read() as connection:
        rows = connection.execute(_QUERY, {"ids": list(down)}).all()
    return {row.id: _cause(row, down[row.id]) for row in rows}


def _failures() -> CTE:
    """Walk from each monitor's newest ping to the newest one that failed and counted."""
    columns = (Ping.id, Ping.prev_id, Ping.monitor_id, Ping.signal, Ping.outcome)
    chain = (
        select(*columns, literal(1).label("depth"))
        .join(Monitor, (Ping.id == Monitor.last_ping_id) & (Ping.monitor_id == Monitor.id))
        .where(Monitor.id.in_(bindparam("ids", expanding=True)), Monitor.down_cause == Cause.FAILURE)
        .cte("failures", recursive=True)
    )
    further = select(*columns, chain.c.depth + 1).where(
        Ping.id == chain.c.prev_id,
        Ping.monitor_id == chain.c.monitor_id,
        chain.c.depth < _MAX_STEPS,
        (chain.c.signal != Signal.FAIL) | (chain.c.outcome != Outcome.COUNTED),
    )
    return chain.union_all(further)


def _select() -> Select[*tuple[Any, ...]]:
    walked = _failures()
    length = func.length(Ping.body)
    # Begins at a multiple of four, so that no letter of UTF-16 or UTF-32 is cut.
    tail_from = case((length > _TAIL_BYTES, (length - _TAIL_BYTES + 3) // 4 * 4 + 1), else_=1)
    return (
        select(
            Monitor.id,
            Monitor.down_cause,
            History.cause,
            History.detail,
            Ping.id.label("ping_id"),
            Ping.received_at,
            Ping.exit_status,
            Ping.charset,
            length.label("length"),
            func.substr(Ping.body, 1, _MARK_BYTES).label("mark"),
            func.substr(Ping.body, tail_from).label("tail"),
        )
        .outerjoin(History, (History.monitor_id == Monitor.id) & (History.seq == Monitor.state_seq))
        .outerjoin(
            walked,
            (walked.c.monitor_id == Monitor.id)
            & (walked.c.signal == Signal.FAIL)
            & (walked.c.outcome == Outcome.COUNTED),
        )
        .outerjoin(Ping, Ping.id == walked.c.id)
        .where(Monitor.id.in_(bindparam("ids", expanding=True)), Monitor.status == Status.DOWN)
    )


_QUERY = _select()


def _cause(row: Row[*tuple[Any, ...]], view: View) -> DownCause:
    cause = read_cause(row.down_cause)
    if cause is Cause.FAILURE:
        return _failure(row)
    if cause is Cause.RUN_LIMIT:
        overdue = [run for run in view.open_runs if run.is_overdue]
        return DownCause(cause, run=max(overdue, key=lambda run: run.due_at, default=None))
    if cause is Cause.SILENCE and view.last_ping is not None:
        timing = view.timing
        return DownCause(cause, expected_at=timing.expected_after(timing.owed_from(view.last_ping)))
    return DownCause(cause)


def _failure(row: Row[*tuple[Any, ...]]) -> DownCause:
    told = Detail.from_json(row.detail) if read_cause(row.cause) is Cause.FAILURE else NO_DETAIL
    length = row.length or 0
    text = text_of_tail(bytes(row.mark or b""), bytes(row.tail or b""), row.charset)
    output, is_cut = last_lines(text, lines=OUTPUT_LINES, characters=OUTPUT_CHARACTERS, is_cut=length > _TAIL_BYTES)
    return DownCause(
        Cause.FAILURE,
        # Where it is 0 a word made a failure of what ended well.
        exit_status=row.exit_status or None,
        is_by_word=row.exit_status == 0 or (row.exit_status is None and told.is_by_word),
        ping_id=row.ping_id,
        failed_at=row.received_at,
        output=output,
        output_length=length,
        is_cut=is_cut,
    )
