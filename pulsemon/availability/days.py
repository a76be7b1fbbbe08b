"""What the availability of monitors follows from, read for one or for many in a fixed number of queries.

Days that are over come from the roll-ups as far as these hold; the rest is computed from history by `core.uptime`.
Reads only: the roll-ups are made by `availability.roll_ups`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from pulsemon.core.days import Day, date_at, day_start, last_days
from pulsemon.core.status import BlindWindow, Status
from pulsemon.core.uptime import Availability, Change, Facts, Span, availability_by_period
from pulsemon.db.tables.availability import Correction, RolledDay, RollMark
from pulsemon.db.tables.deadlines import UnseenSpan
from pulsemon.db.tables.monitors import History, Monitor
from pulsemon.db.windows import maintenance_spans

# The newest transitions that are looked at. A monitor that changed more often shows less coverage.
MAX_CHANGES = 10_000
# Days that roll-ups are kept.
KEPT_DAYS = 400

_STATUSES = {status.value: status for status in Status}


@dataclass(frozen=True, slots=True)
class Subject:
    """A monitor as its availability sees it, and how far its days are rolled up.

    `first_day` is the oldest that is kept. `late_from`: what came to light after they were made begins here.
    `newest_unseen_id` and `newest_correction_id` are 0 where there is none.
    """

    id: int
    project_id: int
    created_at: datetime
    status: Status
    seq: int
    blind_due_at: datetime | None
    rolled_until: datetime | None
    version: int | None
    first_day: date | None
    late_from: datetime | None
    newest_unseen_id: int
    newest_correction_id: int

    def valid_until(self, timezone: str) -> datetime | None:
        """Return the instant up to which the roll-ups say what history says; None: there are none that do."""
        if self.rolled_until is None:
            return None
        doubts = [each for each in (self.late_from, self.blind_due_at) if each is not None]
        starts = [day_start(date_at(each, timezone), timezone) for each in doubts]
        return min([self.rolled_until, *starts])


@dataclass(frozen=True, slots=True)
class DayTable:
    """How monitors spent the same days: `parts[monitor_id]` has one entry for each of `days`, oldest first."""

    days: Sequence[Day]
    parts: dict[int, list[Availability]]


def read_last_days(
    connection: Connection, monitor_ids: Sequence[int] | None, *, timezone: str, count: int, now: datetime
) -> DayTable:
    """Return the last *count* days in *timezone*, today up to *now*, of some monitors (None: of all).

    Six queries, however many monitors there are.
    """
    return read_days(connection, monitor_ids, last_days(count, timezone, now=now), timezone=timezone, now=now)


def read_days(
    connection: Connection, monitor_ids: Sequence[int] | None, days: Sequence[Day], *, timezone: str, now: datetime
) -> DayTable:
    """Return the same for any days that follow each other: whole ones, but for the last, which may end at *now*."""
    if not days:
        return DayTable(days, {})
    if days[0].date <= date_at(now, timezone) - timedelta(days=KEPT_DAYS):
        timezone = ""  # the roll-ups of the first days are gone: all are computed from history
    subjects = read_subjects(connection, monitor_ids, timezone=timezone)
    uneven = _uneven_days(connection, [each.id for each in subjects], days, timezone=timezone) if timezone else {}
    ends, dates = [day.end for day in days], [day.date for day in days]
    indexes = {day: index for index, day in enumerate(dates)}
    up, unknown = [list(column) for column in zip(*map(_whole_day, days), strict=True)]
    facts = read_facts(connection, subjects, start=days[0].start, timezone=timezone, now=now)
    parts: dict[int, list[Availability]] = {}
    for subject in subjects:
        valid_until = (subject.valid_until(timezone) if timezone else None) or days[0].start
        known = bisect_right(ends, valid_until)
        rest = [Span(day.start, day.end) for day in days[known:]]
        computed = availability_by_period(facts[subject.id], rest)
        # What lies before the first day that is kept lies before the monitor was made.
        made = bisect_left(dates, subject.first_day or date.max)
        found = unknown[:made] + up[made:]
        for day, part in uneven.get(subject.id, ()):
            if day in indexes:
                found[indexes[day]] = part
        parts[subject.id] = found[:known] + computed
    return DayTable(days, parts)


def read_history_facts(connection: Connection, monitor_id: int, *, start: datetime, now: datetime) -> Facts:
    """Return what is known of one monitor since *start*, from its history alone."""
    subjects = read_subjects(connection, [monitor_id], timezone="")
    return read_facts(connection, subjects, start=start, timezone="", now=now).get(monitor_id, Facts([]))


def _later(column: Any, *where: Any) -> Any:
    """Return the scalar query for the first instant among rows that the roll-ups do not know of."""
    return select(func.min(column)).where(*where, column < RollMark.rolled_until).correlate(Monitor, RollMark)


def _newest(table: type[UnseenSpan] | type[Correction]) -> Any:
    query = select(func.coalesce(func.max(table.id), 0)).where(table.monitor_id == Monitor.id)
    return query.correlate(Monitor).scalar_subquery()


def _first_day(timezone: str) -> Any:
    query = select(func.min(RolledDay.day)).where(RolledDay.monitor_id == Monitor.id, RolledDay.timezone == timezone)
    return query.correlate(Monitor).scalar_subquery()


def read_subjects(connection: Connection, monitor_ids: Sequence[int] | None, *, timezone: str) -> list[Subject]:
    """Return monitors (None: all), in the order of their ids, with how far their days in *timezone* are rolled up.

    What makes them stale is found by number and not by time: a transition, an unseen span or a correction that was
    stored after they were made and speaks of a day before.
    """
    late = (
        _later(History.occurred_at, History.monitor_id == Monitor.id, History.seq > RollMark.history_seq),
        _later(UnseenSpan.started_at, UnseenSpan.monitor_id == Monitor.id, UnseenSpan.id > RollMark.unseen_id),
        _later(Correction.started_at, Correction.monitor_id == Monitor.id, Correction.id > RollMark.correction_id),
    )
    query = (
        select(
            Monitor.id,
            Monitor.project_id,
            Monitor.created_at,
            Monitor.status,
            Monitor.state_seq,
            Monitor.blind_due_at,
            RollMark.rolled_until,
            RollMark.version,
            _first_day(timezone),
            *(each.scalar_subquery() for each in late),
            _newest(UnseenSpan),
            _newest(Correction),
        )
        .outerjoin(RollMark, (RollMark.monitor_id == Monitor.id) & (RollMark.timezone == timezone))
        .order_by(Monitor.id)
    )
    if monitor_ids is not None:
        query = query.where(Monitor.id.in_(monitor_ids))
    return [_subject(row) for row in connection.execute(query)]


def _subject(row: Row[*tuple[Any, ...]]) -> Subject:
    (
        monitor_id,
        project_id,
        created_at,
        status,
        seq,
        blind_due_at,
        rolled_until,
        version,
        first_day,
        *late,
        unseen_id,
        correction_id,
    ) = row
    return Subject(
        id=monitor_id,
        project_id=project_id,
        created_at=created_at,
        status=_STATUSES.get(status, Status.UNKNOWN),
        seq=seq,
        blind_due_at=blind_due_at,
        rolled_until=rolled_until,
        version=version,
        first_day=first_day,
        late_from=min((each for each in late if each is not None), default=None),
        newest_unseen_id=unseen_id,
        newest_correction_id=correction_id,
    )


def _uneven_days(
    connection: Connection, monitor_ids: Sequence[int], days: Sequence[Day], *, timezone: str
) -> dict[int, list[tuple[date, Availability]]]:
    """Return monitor id -> its days with their parts, of the days that were not wholly up.

    Most days are, and to read them would take most of the time: a thousand monitors have ninety thousand days.
    """
    other = RolledDay.down_us + RolledDay.paused_us + RolledDay.maintenance_us + RolledDay.excluded_us
    query = select(
        RolledDay.monitor_id,
        RolledDay.day,
        RolledDay.up_us,
        RolledDay.down_us,
        RolledDay.paused_us,
        RolledDay.maintenance_us,
        RolledDay.excluded_us,
        RolledDay.unknown_us,
    ).where(
        RolledDay.monitor_id.in_(monitor_ids),  # named, although it may be all of them: each is a probe of the key
        RolledDay.timezone == timezone,
        RolledDay.day.between(days[0].date, days[-1].date),
        other + RolledDay.unknown_us > 0,
    )
    found: dict[int, list[tuple[date, Availability]]] = {}
    for monitor_id, day, *parts in connection.execute(query).all():
        found.setdefault(monitor_id, []).append((day, Availability(*parts)))
    return found


def _whole_day(day: Day) -> tuple[Availability, Availability]:
    """Return the day as it is when wholly up, and when nothing is known of it."""
    length = (day.end - day.start) // timedelta(microseconds=1)
    return Availability(up=length), Availability(unknown=length)


def read_facts(
    connection: Connection, subjects: Sequence[Subject], *, start: datetime, timezone: str, now: datetime
) -> dict[int, Facts]:
    """Return monitor id -> what is known of it since *start*, or since the instant up to which its roll-ups hold.

    Where these do not hold all they say, everything is read from history.
    """
    whole = [each.id for each in subjects if not each.rolled_until or each.valid_until(timezone) != each.rolled_until]
    ids = [each.id for each in subjects]
    changes = _changes(connection, subjects, whole, timezone=timezone)
    unseen = _unseen_spans(connection, ids, start)
    excluded = _excluded_spans(connection, ids, start)
    # What lies before that is in the roll-ups, and windows may be many.
    since = min((max(start, each.valid_until(timezone) or start) for each in subjects), default=start)
    maintained = maintenance_spans(connection, {each.id: each.project_id for each in subjects}, since, now)
    found = {}
    for each in subjects:
        known = changes[each.id] if each.id in changes else [Change(each.created_at, each.status)]
        found[each.id] = Facts(
            known,
            unseen.get(each.id, []) + _open_span(each, now),
            _since(min([each.created_at, *(one.at for one in known[:1])]), maintained.get(each.id, ())),
            excluded.get(each.id, ()),
        )
    return found


def _since(begun: datetime, spans: Sequence[Span]) -> Sequence[Span]:
    """Return *spans* from *begun* on: what was not there yet was not under maintenance."""
    if all(each.start >= begun for each in spans):
        return spans
    return [Span(max(each.start, begun), each.end) for each in spans if each.end > begun]


def _open_span(subject: Subject, now: datetime) -> list[BlindWindow]:
    """What a blind window has made unknown, and no signal has ended yet."""
    blind_due_at = subject.blind_due_at
    return [BlindWindow(blind_due_at, now)] if blind_due_at is not None and blind_due_at < now else []


def _changes(
    connection: Connection, subjects: Sequence[Subject], whole: Sequence[int], *, timezone: str
) -> dict[int, list[Change]]:
    """Return monitor id -> its transitions since the roll-ups and the one that holds there; of *whole*, all."""
    tail = func.coalesce(RollMark.tail_seq, 0)
    first = case((Monitor.id.in_(whole), 0), else_=tail) if whole else tail
    query = (
        select(History.monitor_id, History.seq, History.occurred_at, History.prev_status, History.new_status)
        .select_from(Monitor)
        .outerjoin(RollMark, (RollMark.monitor_id == Monitor.id) & (RollMark.timezone == timezone))
        .join(
            History,
            (History.monitor_id == Monitor.id)
            & (History.seq >= first)
            & (History.seq > Monitor.state_seq - MAX_CHANGES),
        )
        .where(Monitor.id.in_([each.id for each in subjects]))
        .order_by(History.monitor_id, History.seq)
    )
    created = {each.id: each.created_at for each in subjects}
    found: dict[int, list[Change]] = {}
    for monitor_id, rows in groupby(connection.execute(query), key=itemgetter(0)):
        found[monitor_id] = _as_changes(list(rows), created[monitor_id])
    return found


def _as_changes(rows: Sequence[Row[*tuple[Any, ...]]], created_at: datetime) -> list[Change]:
    """The first transition of all also tells what was before it, back to the creation."""
    changes = [Change(at, _STATUSES[new]) for _, _, at, _, new in rows if new in _STATUSES]
    _, seq, at, previous, _ = rows[0]
    if seq == 1 and previous in _STATUSES and created_at < at:
        changes.insert(0, Change(created_at, _STATUSES[previous]))
    return sorted(changes, key=lambda change: change.at)


def _unseen_spans(connection: Connection, ids: Iterable[int], start: datetime) -> dict[int, list[BlindWindow]]:
    """Return monitor id -> the spans that end at *start* or later in which nobody could see it."""
    query = select(UnseenSpan.monitor_id, UnseenSpan.started_at, UnseenSpan.ended_at).where(
        UnseenSpan.monitor_id.in_(ids), UnseenSpan.ended_at >= start
    )
    found: dict[int, list[BlindWindow]] = {}
    for monitor_id, started_at, ended_at in connection.execute(query):
        found.setdefault(monitor_id, []).append(BlindWindow(started_at, ended_at))
    return found


def _excluded_spans(connection: Connection, ids: Iterable[int], start: datetime) -> dict[int, list[Span]]:
    """Return monitor id -> the spans that corrections exclude and nobody has taken back."""
    columns = (Correction.id, Correction.monitor_id, Correction.started_at, Correction.ended_at, Correction.withdraws)
    query = select(*columns).where(Correction.monitor_id.in_(ids), Correction.ended_at > start)
    rows = connection.execute(query).all()
    withdrawn = {row.withdraws for row in rows}
    found: dict[int, list[Span]] = {}
    for row in rows:
        if row.withdraws is None and row.id not in withdrawn:
            found.setdefault(row.monitor_id, []).append(Span(row.started_at, row.ended_at))
    return found
