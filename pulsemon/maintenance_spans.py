"""When monitors were under maintenance, for their availability: the one place that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from pulsemon.core.uptime import Span


def maintenance_spans(
    connection: Connection, monitor_ids: Sequence[int], start: datetime, end: datetime
) -> Mapping[int, Sequence[Span]]:
    """Return monitor id -> its spans of maintenance that touch [*start*, *end*); ids without one may be missing.

    There are no maintenance windows yet, so nothing is read.
    """
    return {}
