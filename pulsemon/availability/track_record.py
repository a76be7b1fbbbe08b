"""How one monitor did: availability with coverage, day by day, its outages and what was taken out of them.

Reads only, in a fixed number of queries: for its page, its report and the API. The arithmetic is `core.uptime`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, Select, or_, select
from sqlalchemy.orm import aliased

from pulsemon.availability.corrections import Corrected, read_corrections
from pulsemon.availability.days import DayTable, read_days, read_history_facts, read_last_days
from pulsemon.core import keyset
from pulsemon.core.days import Day, days_of, last_days, month_days
from pulsemon.core.notes import Detail, read_cause
from pulsemon.core.status import BlindWindow, Cause, Status
from pulsemon.core.uptime import Availability, Span, availability_by_period, merged, total
from pulsemon.db import Database
from pulsemon.db.tables.monitors import History
from pulsemon.errors import NO_OUTAGE, NotFound

# Days whose availability is told: the last 24 hours, and calendar days with today among them.
PERIODS = (1, 7, 30, 90, 365)
DAYS_SHOWN = 90
OUTAGES_SHOWN = 20
# A month of a monitor that flaps every minute; a report of more is read by nobody.
MAX_OUTAGES = 1_000


@dataclass(frozen=True, slots=True)
class Outage:
    """One stretch of DOWN. `end` is None while it lasts; the cause, None in rows of an old database, began it.

    `seq` is the number of that transition. `excluded` is how much of it corrections take out, and `reasons` why.
    """

    seq: int
    start: datetime
    end: datetime | None
    cause: Cause | None
    detail: Detail
    note: str
    excluded: timedelta = timedelta(0)
    reasons: tuple[str, ...] = ()

    def lasted(self, now: datetime) -> timedelta:
        """Return how long it lasted, or has lasted so far."""
        return max((self.end or now) - self.start, timedelta(0))

    def is_excluded(self, now: datetime) -> bool:
        """Return whether corrections take out all of it."""
        return bool(self.reasons) and self.excluded >= self.lasted(now)


@dataclass(frozen=True, slots=True)
class Period:
    """How a monitor did in the days of a period, in order, and in all of it."""

    days: Sequence[Day]
    parts: Sequence[Availability]

    @property
    def whole(self) -> Availability:
        """Return the sum of the days."""
        return total(self.parts)


@dataclass(frozen=True, slots=True)
class Record:
    """How a monitor did, for its page: by length of the period in days, the last 90 days, its newest outages.

    `corrections` are all there are, withdrawn ones included; `since` is when its present status began.
    """

    periods: tuple[tuple[int, Availability], ...]
    recent: Period
    outages: tuple[Outage, ...]
    corrections: tuple[Corrected, ...]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """One month of a monitor: its days as far as they have come, the outages and corrections that touch it."""

    period: Period
    outages: tuple[Outage, ...]
    corrections: tuple[Corrected, ...]


def read_record(database: Database, monitor_id: int, *, timezone: str, now: datetime) -> Record:
    """Return how a monitor did up to *now*, its days those of *timezone*."""
    with database.read() as connection:
        table = read_last_days(connection, [monitor_id], timezone=timezone, count=max(PERIODS), now=now)
        parts = table.parts.get(monitor_id, [])
        day = _last_24_hours(connection, monitor_id, timezone=timezone, now=now)
        corrected = read_corrections(connection, monitor_id)
        outages = _outages(connection, _outage_query(monitor_id).limit(OUTAGES_SHOWN), corrected, now)
        since = connection.scalar(
            select(History.occurred_at).where(History.monitor_id == monitor_id).order_by(History.seq.desc()).limit(1)
        )
    lengths = [(length, day.whole if length == 1 else total(parts[-length:])) for length in PERIODS]
    recent = Period(table.days[-DAYS_SHOWN:], parts[-DAYS_SHOWN:])
    return Record(tuple(lengths), recent, tuple(outages), tuple(corrected), since)


def read_strips(
    database: Database, monitor_ids: Sequence[int], *, count: int, timezone: str, now: datetime
) -> DayTable:
    """Return the last *count* days of several monitors, in as many queries as those of one take."""
    with database.read() as connection:
        return read_last_days(connection, monitor_ids, timezone=timezone, count=count, now=now)


def read_period(database: Database, monitor_id: int, *, count: int, timezone: str, now: datetime) -> Period:
    """Return how a monitor did in the last *count* days of *timezone*, today up to *now*; 1 is the last 24 hours."""
    with database.read() as connection:
        if count == 1:
            return _last_24_hours(connection, monitor_id, timezone=timezone, now=now)
        days = last_days(count, timezone, now=now)
        table = read_days(connection, [monitor_id], days, timezone=timezone, now=now)
    return Period(table.days, table.parts.get(monitor_id, []))


def _last_24_hours(connection: Connection, monitor_id: int, *, timezone: str, now: datetime) -> Period:
    start = now - timedelta(days=1)
    days = days_of(start, now, timezone)
    facts = read_history_facts(connection, monitor_id, start=start, now=now)
    return Period(days, availability_by_period(facts, [Span(day.start, day.end) for day in days]))


def read_report(database: Database, monitor_id: int, *, year: int, month: int, timezone: str, now: datetime) -> Report:
    """Return one month of a monitor, its days those of *timezone*; of a month that has not begun, no days."""
    whole = month_days(year, month, timezone)
    days = days_of(whole[0].start, min(whole[-1].end, now), timezone)
    start, end = whole[0].start, whole[-1].end
    with database.read() as connection:
        table = read_days(connection, [monitor_id], days, timezone=timezone, now=now)
        corrected = read_corrections(connection, monitor_id, start=start, end=end)
        query = _outage_query(monitor_id, start=start, end=end).limit(MAX_OUTAGES)
        outages = _outages(connection, query, corrected, now)
    return Report(Period(days, table.parts.get(monitor_id, [])), tuple(outages), tuple(corrected))


def read_outages(
    database: Database, monitor_id: int, *, limit: int, before: int | None = None, now: datetime
) -> tuple[list[Outage], int | None]:
    """Return a monitor's outages, newest first, and the number that the next part begins below where more follow."""
    query = _outage_query(monitor_id).limit(keyset.one_more(limit))
    if before is not None:
        query = query.where(History.seq < before)
    with database.read() as connection:
        found = _outages(connection, query, read_corrections(connection, monitor_id), now)
    return keyset.cut(found, limit, lambda each: each.seq)


def read_outage(database: Database, monitor_id: int, seq: int, *, now: datetime) -> Outage:
    """Return the outage that began with transition number *seq*. Raises NotFound."""
    query = _outage_query(monitor_id).where(History.seq == seq)
    with database.read() as connection:
        found = _outages(connection, query, read_corrections(connection, monitor_id), now)
    if not found:
        raise NotFound(NO_OUTAGE)
    return found[0]


_following = aliased(History)
_OutageRow = tuple[int | None, datetime, str | None, str | None, str | None, datetime]


def _outage_query(
    monitor_id: int, *, start: datetime | None = None, end: datetime | None = None
) -> Select[*_OutageRow]:
    """Return the query for the transitions to DOWN, newest first, each with the instant of the one that followed."""
    ended_at = _following.occurred_at
    query = (
        select(
            History.seq, History.occurred_at, History.cause, History.detail, History.note, ended_at.label("ended_at")
        )
        .outerjoin(_following, (_following.monitor_id == History.monitor_id) & (_following.seq == History.seq + 1))
        .where(History.monitor_id == monitor_id, History.new_status == Status.DOWN.value)
        .order_by(History.seq.desc())
    )
    if start is not None:
        query = query.where(or_(ended_at.is_(None), ended_at > start))
    if end is not None:
        query = query.where(History.occurred_at < end)
    return query


def _outages(
    connection: Connection, query: Select[*_OutageRow], corrected: Sequence[Corrected], now: datetime
) -> list[Outage]:
    valid = [each for each in corrected if each.withdrawn_at is None]
    return [_outage(row, valid, now) for row in connection.execute(query)]


def _outage(row: Row[*_OutageRow], corrected: Sequence[Corrected], now: datetime) -> Outage:
    end = row.ended_at or now
    touching = [each for each in corrected if each.started_at < end and each.ended_at > row.occurred_at]
    excluded = sum(
        (
            min(each.ended_at, end) - max(each.started_at, row.occurred_at)
            for each in merged(BlindWindow(each.started_at, each.ended_at) for each in touching)
        ),
        timedelta(0),
    )
    return Outage(
        seq=row.seq or 0,
        start=row.occurred_at,
        end=row.ended_at,
        cause=read_cause(row.cause),
        detail=Detail.from_json(row.detail),
        note=row.note or "",
        excluded=excluded,
        reasons=tuple(dict.fromkeys(each.reason for each in touching)),
    )
