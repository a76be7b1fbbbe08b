"""Which monitors a pass over all of them has to read, in SQL: no fewer than the rules of the core may change.

The core decides, of what was read; a condition here only leaves out what it would surely leave as it is. Whatever SQL
cannot judge (open runs, schedules, deadlines that a blind window moved) is read. `tests/deadlines/test_candidates.py`
holds the conditions against the rules.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, false, func, not_, or_

from pulsemon.core.status import LONGEST_EXTENSION, Cause, Status
from pulsemon.db.instants import fraction, whole_seconds
from pulsemon.db.tables.monitors import Monitor

_LONGEST_EXTENSION_SEC = int(LONGEST_EXTENSION.total_seconds())
# Bigint first: the sum of two integers may be none on PostgreSQL.
_due_sec = whole_seconds(Monitor.last_ping) + Monitor.interval_seconds + Monitor.grace_seconds
_IS_ON_TIME = and_(
    whole_seconds(Monitor.due_at) == _due_sec,
    fraction(Monitor.due_at) == fraction(Monitor.last_ping),
)
_HAS_NO_RUNS = Monitor.open_runs.is_(None)
# How long after the end of a blind window the next ping may come, less the grace.
_PATIENCE_SEC = case(
    (Monitor.interval_seconds < _LONGEST_EXTENSION_SEC, Monitor.interval_seconds),
    else_=_LONGEST_EXTENSION_SEC,
)


def may_disagree(now: datetime) -> ColumnElement[bool]:
    """Return the condition for those that `core.status.sweep` may change at *now*, or that are looked at too late."""
    is_settled = and_(_HAS_NO_RUNS, or_(_is_up_in_time(now), _is_down_for_good(now), _is_at_rest()))
    # What is not known is read: NULL counts as not settled.
    return not_(func.coalesce(is_settled, false()))


def _is_up_in_time(now: datetime) -> ColumnElement[bool]:
    """It goes by its interval, its deadline is what the last ping gives and lies ahead, and will be noticed."""
    return and_(
        Monitor.status == Status.UP.value,
        Monitor.schedule.is_(None),
        Monitor.last_ping <= now,
        or_(Monitor.schedule_since.is_(None), Monitor.schedule_since <= Monitor.last_ping),
        _IS_ON_TIME,
        _due_sec > int(now.timestamp()),
        Monitor.check_at <= Monitor.due_at,
    )


def _is_down_for_good(now: datetime) -> ColumnElement[bool]:
    """Only a DOWN by silence is healed, and only while its deadline, as the settings are now, lies ahead."""
    return and_(
        Monitor.status == Status.DOWN.value,
        Monitor.due_at.is_(None),
        or_(
            func.coalesce(Monitor.down_cause, "") != Cause.SILENCE.value,
            and_(Monitor.schedule.is_(None), _due_sec < int(now.timestamp())),
        ),
    )


def _is_at_rest() -> ColumnElement[bool]:
    return and_(Monitor.status.in_((Status.UNKNOWN.value, Status.PAUSED.value)), Monitor.due_at.is_(None))


def may_be_excused(blind_until: datetime) -> ColumnElement[bool]:
    """Return the condition for those whose deadline blind windows may move, none of which ends after *blind_until*.

    One that lies further behind their end than the next ping may come is moved by none of them, unless it was before
    (then patience has more to give), or runs are open, each of which has a limit of its own.
    """
    furthest = int(blind_until.timestamp()) + 1
    return and_(
        Monitor.due_at.is_not(None),
        or_(
            Monitor.blind_due_at.is_not(None),
            not_(_HAS_NO_RUNS),
            func.coalesce(whole_seconds(Monitor.due_at) - _PATIENCE_SEC - Monitor.grace_seconds <= furthest, True),
        ),
    )


def has_a_limit() -> ColumnElement[bool]:
    """Return the condition for those that have a deadline, or a run with a limit."""
    return or_(Monitor.due_at.is_not(None), not_(_HAS_NO_RUNS))
