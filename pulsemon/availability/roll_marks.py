"""How far the days of monitors are rolled up, and having them made again: below the use cases, which all may ask it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from pulsemon.core.days import date_at, day_start
from pulsemon.core.schedule import zone_names
from pulsemon.db.tables.availability import RollMark
from pulsemon.db.tables.monitors import History

MARK = (
    update(RollMark)
    .where(RollMark.monitor_id == bindparam("its_id"), RollMark.timezone == bindparam("its_zone"))
    .values(version=RollMark.version + 1)
)


def tail_seq(connection: Connection, monitor_id: int, at: datetime) -> int:
    """Return the number from which transitions say all that holds at an instant and came after it; 0 for all of them.

    Numbers ascend with time unless the clock was set back in between.
    """
    own = select(History.seq).where(History.monitor_id == monitor_id)
    newest_first = (History.occurred_at.desc(), History.seq.desc())
    present = own.where(History.occurred_at <= at).order_by(*newest_first).limit(1).scalar_subquery()
    after = own.where(History.occurred_at > at).order_by(History.seq).limit(1).scalar_subquery()
    found = connection.execute(select(present, after)).one()
    return 0 if found[0] is None else min(each for each in found if each is not None)


def forget_since(connection: Connection, monitor_ids: Sequence[int], since: datetime) -> None:
    """Have the days of some monitors made again from the one of *since* on, in every time zone.

    For what speaks of the past and is no transition, unseen span or correction: a window of maintenance that was made
    or changed afterwards. In the transaction that changes it.
    """
    query = select(RollMark.monitor_id, RollMark.timezone, RollMark.rolled_until).where(
        RollMark.monitor_id.in_(monitor_ids)
    )
    rows = connection.execute(query.order_by(RollMark.monitor_id).with_for_update()).all()
    zones = zone_names()
    marks = []
    for row in rows:
        key = {"its_id": row.monitor_id, "its_zone": row.timezone}
        if row.timezone not in zones:  # a page's, in a database that was made where it was known: nobody asks for it
            marks.append(key | {"rolled_until": None, "tail_seq": 0})
            continue
        start = day_start(date_at(since, row.timezone), row.timezone)
        until = start if row.rolled_until is None else min(start, row.rolled_until)
        seq = tail_seq(connection, row.monitor_id, until)
        marks.append(key | {"rolled_until": row.rolled_until and until, "tail_seq": seq})
    if marks:
        connection.execute(MARK, marks)
