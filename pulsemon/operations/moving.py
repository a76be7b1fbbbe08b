"""A monitor goes from one project to another: what takes it out of all that belongs to the one that it leaves.

Its address, its token and its past go with it. `monitors.manage.edit` does it, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from pulsemon.incidents import rows as incident_rows
from pulsemon.maintenance import plans
from pulsemon.monitors.manage import Move
from pulsemon.status_pages import manage as status_pages


def to(project_id: int, projects: Mapping[int, str]) -> Move:
    """Return the move to a project; *projects*: id -> slug of it and of the one that the monitor is in."""
    return Move(project_id, projects, _leave)


def _leave(connection: Connection, monitor_id: int, now: datetime) -> None:
    status_pages.leave(connection, monitor_id)
    incident_rows.leave(connection, monitor_id)
    plans.leave(connection, monitor_id, now=now)
