"""The making of a public page's row: by its owner's edit, or for the first subscriber of `/status`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from pulsemon.db.tables.status_pages import StatusPage

# What a page is that nobody edited: it shows every public monitor, by days of the installation's time zone.
_UNEDITED = {"timezone": "", "is_chosen": False}


def add(connection: Connection, columns: Mapping[str, Any], *, now: datetime) -> int:
    """Make the row of a page and return its id. *columns* holds its slug at least.

    Raises IntegrityError: another server made one with this slug or host name at the same moment.
    """
    row = _UNEDITED | dict(columns) | {"created_at": now, "updated_at": now}
    return connection.execute(insert(StatusPage).values(row).returning(StatusPage.id)).scalar_one()
