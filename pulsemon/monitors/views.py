"""A monitor as it is shown: everything that the API, the panel and the command line know of it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from pulsemon.core import open_runs, shown
from pulsemon.core.open_runs import Runs
from pulsemon.core.shown import Shown
from pulsemon.core.status import State, Status
from pulsemon.core.timing import Timing
from pulsemon.core.uptime import Span
from pulsemon.db import placements, states, windows
from pulsemon.db.tables.messages import Webhook
from pulsemon.db.tables.monitors import Monitor, PlacementRow
from pulsemon.db.windows import NO_WINDOWS, Windows
from pulsemon.errors import NO_MONITOR, NotFound
from pulsemon.monitors.definition import Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Definition):
    """One monitor. With a `schedule`, read in `timezone`, `interval_seconds` is the time between two firings.

    What has a column of `monitors` is read from the one of its name.
    """

    id: int
    project_id: int
    interval_seconds: int
    status: Status
    last_ping: datetime | None
    token: str
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    webhook_switched_off_at: datetime | None
    blind_due_at: datetime | None
    ping_count: int
    schedule_since: datetime | None = None
    contrary_count: int = 0
    open_runs: Runs = ()
    # Of each plan of maintenance that concerns it: the window that is running, or else the next one.
    windows: tuple[Span, ...] = ()

    @property
    def timing(self) -> Timing:
        """Return when its pings are expected."""
        return states.timing_of(self)

    @property
    def state(self) -> State:
        """Return its state, as far as what is shown depends on it."""
        return State(
            self.status, self.last_ping, self.due_at, self.open_runs, self.blind_due_at, None, self.contrary_count
        )

    def shown(self, *, now: datetime) -> Shown:
        """Return what to show a reader at *now*."""
        return shown.shown(self.state, self.timing, now=now, maintenance=self.windows)

    def is_late(self, *, now: datetime) -> bool:
        """Return whether it is late and nothing worse, maintenance or not."""
        return shown.shown(self.state, self.timing, now=now) is Shown.LATE

    def maintained_until(self, *, now: datetime) -> datetime | None:
        """Return when the maintenance ends that it is under at *now*; None: it is under none."""
        if not self.windows:  # nearly all, and lists ask it of thousands
            return None
        return max((span.end for span in self.windows if shown.covers((span,), now)), default=None)

    def next_maintenance(self, *, now: datetime) -> Span | None:
        """Return the next window of maintenance that has not begun."""
        return min((span for span in self.windows if span.start > now), key=lambda span: span.start, default=None)

    @property
    def next_expected_at(self) -> datetime | None:
        """Return when the next ping is expected, before any grace; None where nothing is."""
        if self.last_ping is None or self.status is not Status.UP:
            return None
        timing = self.timing
        return timing.expected_after(timing.owed_from(self.last_ping))

    @property
    def run_started_at(self) -> datetime | None:
        """Return when the oldest run that is open, and not overdue, began."""
        return open_runs.open_since(open_runs.watched(self.open_runs))

    @property
    def run_due_at(self) -> datetime | None:
        """Return when the first of them has to end."""
        return open_runs.due_first(self.open_runs)


_COLUMNS = (
    *(getattr(Monitor, each.name) for each in fields(View) if each.name in Monitor.__table__.columns),
    Webhook.secret.label("webhook_secret"),
    Webhook.switched_off_at.label("webhook_switched_off_at"),
)
_NAMES = tuple(column.key for column in _COLUMNS)


def select_views() -> Select[*tuple[Any, ...]]:
    """Return the query that `view` reads the rows of; add where and order."""
    return (
        select(*_COLUMNS, *placements.COLUMNS)
        .outerjoin(Webhook, Webhook.monitor_id == Monitor.id)
        .outerjoin(PlacementRow, placements.OF_MONITOR)
    )


def view(row: Row[*tuple[Any, ...]], maintenance: Windows = NO_WINDOWS) -> View:
    """Read one row of `select_views`; *maintenance*: the windows of the present, of this monitor at least."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=False))
    values["status"], values["timezone"] = Status(row.status), row.timezone or "UTC"
    return View(**values, placement=placements.placement(row), windows=maintenance.of(row.id, row.project_id))


def find(connection: Connection, which: ColumnElement[bool]) -> View:
    """Return the monitor that *which* names. Raises NotFound."""
    row = connection.execute(select_views().where(which)).first()
    if row is None:
        raise NotFound(NO_MONITOR)
    return view(row, windows.current(connection, [row.id]))


def find_all(connection: Connection, which: ColumnElement[bool]) -> list[View]:
    """Return the monitors that *which* names, in the order of their creation."""
    found = connection.execute(select_views().where(which).order_by(Monitor.id)).all()
    maintenance = windows.current(connection, [row.id for row in found])
    return [view(row, maintenance) for row in found]
