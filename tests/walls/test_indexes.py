"""What is found by its project is found by an index, however many other projects there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from pulsemon.db import Database
from pulsemon.db.tables.incidents import Incident
from pulsemon.db.tables.maintenance import Maintenance, MaintenanceWindow
from pulsemon.db.tables.monitors import Monitor
from pulsemon.db.tables.status_pages import StatusPage
from pulsemon.incidents import manage as incidents
from pulsemon.maintenance import views as maintenance_views
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages import public as public_pages
from pulsemon.status_pages.directory import PageDefinition
from pulsemon.subscribers import manage as subscribers
from tests.arrange import START
from tests.statements import recorded_statements

# Enough that a database that has looked at its tables would rather not read them whole.
PROJECTS, OF_EACH = 100, 40
LATER = START + timedelta(days=1)


@pytest.fixture
def many(database: Database) -> Database:
    """Many projects with some of everything in each."""
    numbers = [(project, each) for each in range(OF_EACH) for project in range(2, PROJECTS + 2)]
    times = {"created_at": START, "updated_at": START}
    with database.write() as connection:
        for table, row in (
            (Monitor, _monitor),
            (StatusPage, _page),
            (Incident, _incident),
            (Maintenance, _plan),
        ):
            rows = [row(f"{project}-{each}") | times | {"project_id": project} for project, each in numbers]
            connection.execute(insert(table), rows)
        windows = [{"maintenance_id": number, **_WINDOW} for number in range(1, len(numbers) + 1)]
        connection.execute(insert(MaintenanceWindow), windows)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    return database


def _monitor(slug: str) -> dict[str, Any]:
    values = {"slug": slug, "name": slug, "token": slug, "interval_seconds": 60, "grace_seconds": 60}
    return values | {"status": "UNKNOWN"}


def _page(slug: str) -> dict[str, Any]:
    return {"slug": slug, "timezone": "", "is_chosen": False}


def _incident(slug: str) -> dict[str, Any]:
    values = {"public_id": slug, "title": "x", "status": "resolved", "impact": "none", "is_general": True}
    return values | {"is_automatic": False, "started_at": START, "resolved_at": LATER}


def _plan(slug: str) -> dict[str, Any]:
    values = {"public_id": slug, "title": "x", "is_general": True, "timezone": "UTC", "starts_at": START}
    return values | {"length_seconds": 60, "repeats": "once", "announce_hours": 1, "tells_subscribers": True}


_WINDOW = {"starts_at": START, "ends_at": START + timedelta(hours=1), "is_general": True}
PAGE = PageDefinition(project_id=50)
ASKED: dict[str, tuple[Callable[[Database], object], str]] = {
    "pages": (lambda database: status_pages.list_all(database, project_id=50, limit=10), "ix_status_pages_project_id"),
    "subscribers": (lambda database: subscribers.counts(database, project_id=50), "ix_status_pages_project_id"),
    "plans": (
        lambda database: maintenance_views.list_all(database, now=LATER, project_id=50, limit=10),
        "ix_maintenances_project_id",
    ),
    "past": (
        lambda database: maintenance_views.list_past(database, now=LATER, project_id=50, limit=10),
        "ix_maintenances_project_id",
    ),
    "incidents": (
        lambda database: incidents.list_resolved(database, project_id=50, limit=10),
        "ix_incidents_project_id",
    ),
    "open": (lambda database: incidents.list_open(database, project_id=50), "ix_incidents_"),
    "history": (
        lambda database: public_pages.read_incidents(database, public_pages.PublicPage(PAGE, (), LATER), limit=10),
        "ix_incidents_",
    ),
    "page": (lambda database: public_pages.read_page(database, PAGE, now=LATER), "ix_monitors_project_id"),
}


@pytest.mark.parametrize("what", ASKED)
def test_it_goes_by_an_index(many: Database, what: str) -> None:
    ask, index = ASKED[what]
    with recorded_statements() as statements:
        ask(many)
    with many.read() as connection:
        plans = "\n".join(each.plan(connection) for each in statements)
    assert index in plans
