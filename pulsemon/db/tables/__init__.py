"""Every table, index and constraint, by feature. Each index names the query it serves.

Whoever imports one has them all: a foreign key finds the table that it names.
"""

from pulsemon.db.tables import (
    accounts,
    audit,
    availability,
    base,
    deadlines,
    heartbeats,
    incidents,
    maintenance,
    messages,
    monitors,
    projects,
    status_pages,
    subscribers,
)

__all__ = [
    "accounts",
    "audit",
    "availability",
    "base",
    "deadlines",
    "heartbeats",
    "incidents",
    "maintenance",
    "messages",
    "monitors",
    "projects",
    "status_pages",
    "subscribers",
]
