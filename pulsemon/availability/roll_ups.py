"""Days that are over, kept as sums by state: made a few at a time, and made again where something came to light later.

A day is stale when a transition, an unseen span or a correction was stored after it was made and speaks of it
(`availability.days.read_subjects` finds out), or when `availability.roll_marks.forget_since` was told so. Until it is
made again, whoever asks gets it computed from history. `docs/availability.md` says what may come late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from pulsemon.availability.days import KEPT_DAYS, Subject, read_facts, read_subjects
from pulsemon.availability.roll_marks import MARK, tail_seq
from pulsemon.core.days import date_at, day_start, days
from pulsemon.core.uptime import Availability, Change, Facts, Span, availability_by_period
from pulsemon.db import Database
from pulsemon.db.tables.availability import RolledDay, RollMark
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.upsert import upsert_all

# Monitors that one step looks at, and rows after which a transaction ends.
STEP = 100
BATCH = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Rolled:
    """The days of one monitor that were made, and the mark that goes with them."""

    monitor_id: int
    version: int
    days: Sequence[tuple[date, Availability]]
    mark: dict[str, Any]


def roll_up(database: Database, *, timezone: str, now: datetime, after: int = 0) -> int | None:
    """Make the days that are over and missing or stale, of the next `STEP` monitors whose ids follow *after*.

    Return the id after which to go on, None at the end.
    """
    today = date_at(now, timezone)
    with database.read() as connection:
        query = select(Monitor.id).where(Monitor.id > after).order_by(Monitor.id).limit(STEP)
        ids = connection.scalars(query).all()
        subjects = read_subjects(connection, ids, timezone=timezone)
    # One that is of today has no day yet that is over; an old database may hold transitions from before its creation.
    started = day_start(today, timezone)
    unmarked = [each.id for each in subjects if each.version is None and (each.created_at < started or each.seq)]
    if unmarked:
        with database.write() as connection:
            upsert_all(connection, RollMark, [{"monitor_id": each, "timezone": timezone} for each in unmarked])
    with database.read() as connection:
        if unmarked:
            subjects = read_subjects(connection, ids, timezone=timezone)
        waiting = [each for each in subjects if each.version is not None and _needs_work(each, today, timezone)]
        made = _make(connection, waiting, today=today, timezone=timezone)
    for part in _batches(made):
        with database.write() as connection:
            _store(connection, part, timezone=timezone, oldest=today - KEPT_DAYS * _DAY)
    return ids[-1] if len(ids) == STEP else None


def _target(subject: Subject, today: date, timezone: str) -> datetime:
    """Return up to when days can be made: not past a deadline that a blind window moved, for what follows is open."""
    start = day_start(today, timezone)
    if subject.blind_due_at is None:
        return start
    return min(start, day_start(date_at(subject.blind_due_at, timezone), timezone))


def _needs_work(subject: Subject, today: date, timezone: str) -> bool:
    if subject.rolled_until is None or subject.late_from is not None:
        return True
    return subject.rolled_until < _target(subject, today, timezone)


def _make(connection: Connection, subjects: Sequence[Subject], *, today: date, timezone: str) -> list[_Rolled]:
    if not subjects:
        return []
    oldest = today - (KEPT_DAYS - 1) * _DAY
    facts = read_facts(
        connection, subjects, start=day_start(oldest, timezone), timezone=timezone, now=day_start(today, timezone)
    )
    return [_roll(connection, each, facts[each.id], oldest=oldest, today=today, timezone=timezone) for each in subjects]


def _roll(
    connection: Connection, subject: Subject, facts: Facts, *, oldest: date, today: date, timezone: str
) -> _Rolled:
    target = _target(subject, today, timezone)
    valid_until = subject.valid_until(timezone)
    first = max(oldest, date_at(valid_until if valid_until is not None else _begin(subject, facts), timezone))
    found = days(first, date_at(target, timezone) - _DAY, timezone)
    parts = availability_by_period(facts, [Span(day.start, day.end) for day in found])
    return _Rolled(
        subject.id,
        subject.version or 0,
        [(day.date, part) for day, part in zip(found, parts, strict=True)],
        {
            "rolled_until": target,
            "tail_seq": tail_seq(connection, subject.id, target) if subject.seq else 0,
            "history_seq": subject.seq,
            "unseen_id": subject.newest_unseen_id,
            "correction_id": subject.newest_correction_id,
        },
    )


def _begin(subject: Subject, facts: Facts) -> datetime:
    """An old database may hold transitions from before the monitor's own creation."""
    first: Sequence[Change] = facts.changes[:1]
    return min([subject.created_at, *(each.at for each in first)])


def _batches(made: Sequence[_Rolled]) -> Iterator[list[_Rolled]]:
    """Put monitors together until there are `BATCH` rows to write: one row for each day, and one for the mark."""
    part: list[_Rolled] = []
    count = 0
    for each in made:
        part.append(each)
        count += len(each.days) + 1
        if count >= BATCH:
            yield part
            part, count = [], 0
    if part:
        yield part


_OLD = delete(RolledDay).where(
    RolledDay.monitor_id == bindparam("its_id"),
    RolledDay.timezone == bindparam("its_zone"),
    RolledDay.day < bindparam("oldest"),
)


def _store(connection: Connection, made: Sequence[_Rolled], *, timezone: str, oldest: date) -> None:
    """Write what was made from the very marks that were read: another node, or `forget_since`, may have been faster."""
    query = (
        select(RollMark.monitor_id, RollMark.version)
        .where(RollMark.monitor_id.in_([each.monitor_id for each in made]), RollMark.timezone == timezone)
        .order_by(RollMark.monitor_id)
        .with_for_update()
    )
    versions = {row.monitor_id: row.version for row in connection.execute(query)}
    current = [each for each in made if versions.get(each.monitor_id) == each.version]
    if not current:
        return
    rows = [_row(each.monitor_id, timezone, day, part) for each in current for day, part in each.days]
    upsert_all(connection, RolledDay, rows)
    keys = [{"its_id": each.monitor_id, "its_zone": timezone} for each in current]
    connection.execute(MARK, [key | each.mark for key, each in zip(keys, current, strict=True)])
    connection.execute(_OLD, [key | {"oldest": oldest} for key in keys])


def _row(monitor_id: int, timezone: str, day: date, part: Availability) -> dict[str, Any]:
    sums = {f"{name}_us": length for name, length in part._asdict().items()}
    return {"monitor_id": monitor_id, "timezone": timezone, "day": day} | sums


def remove_other_zones(database: Database, *, timezones: Collection[str]) -> bool:
    """Remove the days of a time zone that is no longer asked for, of one monitor; return whether more wait."""
    with database.write() as connection:
        query = select(RollMark.monitor_id, RollMark.timezone).where(RollMark.timezone.not_in(timezones)).limit(1)
        old = connection.execute(query.with_for_update(skip_locked=True)).first()
        if old is None:
            connection.rollback()
            return False
        for table in (RolledDay, RollMark):
            connection.execute(delete(table).where(table.monitor_id == old.monitor_id, table.timezone == old.timezone))
    return True
