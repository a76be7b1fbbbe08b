"""When monitors were under maintenance, for their availability: the one place that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from pulsemon.core.uptime import Span
from pulsemon.db import windows


def maintenance_spans(
    connection: Connection, monitor_ids: Sequence[int], start: datetime, end: datetime
) -> Mapping[int, Sequence[Span]]:
    """Return monitor id -> its spans of maintenance that touch [*start*, *end*); ids without one may be missing.

    One query, which is the probe of an index where there is none.
    """
    found = windows.touching(connection, monitor_ids, start, end)
    if found.of_all:
        return {each: found.of(each) for each in monitor_ids}
    return found.by_monitor
