"""What settings would have told: a monitor's stored past, judged under those it has, those proposed and any others.

Reads only, in four queries: what is proposed is decided in `core.suggestion`, what would have been told in
`core.replay`. Pings that came as a repeat or a prefetch are left out, as they were when they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, literal, or_, select

from pulsemon.core.replay import Alert, Past, PastPing, Pause, replay
from pulsemon.core.status import BlindWindow, Signal, Status
from pulsemon.core.suggestion import Reason, Rhythm, has_calendar, suggest
from pulsemon.core.timing import Timing
from pulsemon.db import Database
from pulsemon.db.tables.deadlines import BlindWindowRow
from pulsemon.db.tables.heartbeats import Ping
from pulsemon.db.tables.monitors import History, Monitor

LOOKS_BACK = timedelta(days=30)
# A job of every minute fills a week with them; a month of it would be read for seconds and say the same.
MAX_PINGS = 10_000
# To find the next time of a calendar takes ten times as long as to add an interval.
MAX_PINGS_BY_CALENDAR = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Settings, and the alerts that they would have given, oldest first."""

    timing: Timing
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """What is proposed for a monitor, beside what it has; or why nothing is."""

    present: Verdict
    proposed: Verdict | None
    rhythm: Rhythm | None
    reason: Reason | None

    @property
    def fits(self) -> bool:
        """Return whether the monitor already has the settings that are proposed."""
        return self.proposed is not None and self.proposed.timing == self.present.timing


def advise(past: Past, present: Timing) -> Advice:
    """Return what *past* proposes instead of the *present* settings, and what either would have told."""
    before = judge(past, present)
    found = suggest(past, present)
    if isinstance(found, Reason):
        return Advice(before, None, None, found)
    after = before if found.timing == present else judge(past, found.timing)
    return Advice(before, after, found.rhythm, None)


def judge(past: Past, timing: Timing) -> Verdict:
    """Return what *past* would have told under *timing*."""
    return Verdict(timing, replay(past, timing))


def read_past(database: Database, monitor_id: int, timing: Timing, *, now: datetime) -> Past:
    """Return a monitor's last 30 days up to *now*, of its pings at most the newest 10,000; empty if there is none.

    Where its *timing* has a calendar, at most the newest 1,000.
    """
    since = now - LOOKS_BACK
    limit = MAX_PINGS_BY_CALENDAR if has_calendar(timing) else MAX_PINGS
    with database.read() as connection:
        pings = _pings(connection, monitor_id, since=since, limit=limit)
        blind = _blind_windows(connection, since=since, until=now)
        pauses = _pauses(connection, monitor_id, since=since, until=now)
    return Past(pings, now, blind, pauses)


_SIGNALS = {signal.value: signal for signal in Signal}


def _pings(connection: Connection, monitor_id: int, *, since: datetime, limit: int) -> tuple[PastPing, ...]:
    """Walk the chain from the newest ping: each step is a probe of the primary key, and no body is read."""
    columns = (Ping.prev_id, Ping.received_at, Ping.signal, Ping.rid, Ping.outcome)
    newest = select(Monitor.last_ping_id).where(Monitor.id == monitor_id).scalar_subquery()
    own = (Ping.monitor_id == monitor_id, Ping.received_at >= since)
    chain = select(*columns, literal(1).label("depth")).where(Ping.id == newest, *own).cte("chain", recursive=True)
    chain = chain.union_all(
        select(*columns, chain.c.depth + 1).where(Ping.id == chain.c.prev_id, *own, chain.c.depth < limit)
    )
    query = (
        select(chain.c.received_at, chain.c.signal, chain.c.rid)
        .where(chain.c.outcome == "counted")
        .order_by(chain.c.depth.desc())
    )
    return tuple(
        PastPing(received_at, _SIGNALS[signal], rid)
        for received_at, signal, rid in connection.execute(query)
        if signal in _SIGNALS
    )


def _blind_windows(connection: Connection, *, since: datetime, until: datetime) -> tuple[BlindWindow, ...]:
    query = (
        select(BlindWindowRow.started_at, BlindWindowRow.ended_at)
        .where(BlindWindowRow.ended_at >= since, BlindWindowRow.ended_at <= until)
        .order_by(BlindWindowRow.started_at)
    )
    return tuple(BlindWindow(*row) for row in connection.execute(query))


def _pauses(connection: Connection, monitor_id: int, *, since: datetime, until: datetime) -> tuple[Pause, ...]:
    paused = Status.PAUSED.value
    query = (
        select(History.occurred_at, History.new_status)
        .where(History.monitor_id == monitor_id, History.occurred_at >= since)
        .where(or_(History.new_status == paused, History.prev_status == paused))
        .order_by(History.seq)
    )
    changes = [(at, new_status == paused) for at, new_status in connection.execute(query)]
    status = connection.scalar(select(Monitor.status).where(Monitor.id == monitor_id))
    if not changes:
        return (Pause(since, until),) if status == paused else ()
    return tuple(_spans(changes, since=since, until=until))


def _spans(changes: Sequence[tuple[datetime, bool]], *, since: datetime, until: datetime) -> Iterator[Pause]:
    """Pair pauses (True) with their ends; the first one may have begun before *since*, the last one may last."""
    began = None if changes[0][1] else since
    for at, is_pause in changes:
        if is_pause:
            began = at
        elif began is not None:
            yield Pause(began, max(began, at))
            began = None
    if began is not None:
        yield Pause(began, max(began, until))
