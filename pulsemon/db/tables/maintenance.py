"""The tables of incidents, of maintenance and of who is told of them, on the same metadata as `db.tables.monitors`.

`public_id` is what strangers see of a row: random, so that it tells nothing of the rows they may not see.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.monitors import Base
from pulsemon.db.types import UtcDateTime


def new_public_id() -> str:
    """Make the public id of a row: 64 random bits."""
    return secrets.token_hex(8)


class Incident(Base):
    """Something that visitors are told of. `is_general`: it concerns every page, whatever its monitors."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("public_id"),
        # incidents: those that are open, and the history page, newest first.
        Index("ix_incidents_resolved_at", "resolved_at"),
        Index("ix_incidents_started_at", "started_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(16))
    title: Mapped[str | None] = mapped_column(Text)  # NULL: an automatic one, named after those of its monitors shown
    status: Mapped[str] = mapped_column(String(16))  # that of the newest update
    impact: Mapped[str] = mapped_column(String(16))
    is_general: Mapped[bool] = mapped_column(Boolean)
    is_automatic: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IncidentUpdate(Base):
    """One thing that was said of an incident."""

    __tablename__ = "incident_updates"
    __table_args__ = (
        # incidents: the updates of the incidents shown.
        Index("ix_incident_updates_incident_id_id", "incident_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    incident_id: Mapped[int] = mapped_column(Integer, ForeignKey("incidents.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16))
    body: Mapped[str | None] = mapped_column(Text)  # Markdown; NULL: PulseMon's own words, in the reader's language
    posted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IncidentMonitor(Base):
    """A monitor that an incident concerns. `outage_seq`: the transition to DOWN that made it so, by itself."""

    __tablename__ = "incident_monitors"
    # Deleting a monitor: its rows. An automatic incident: is this outage known already.
    __table_args__ = (Index("ix_incident_monitors_monitor_id", "monitor_id"),)

    incident_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    outage_seq: Mapped[int | None] = mapped_column(Integer)


class Maintenance(Base):
    """A plan of maintenance, once or repeating. What it comes to are `maintenance_windows`.

    One that has had windows is never deleted, for the availability of its monitors follows from them: `removed_at`.
    """

    __tablename__ = "maintenances"
    __table_args__ = (UniqueConstraint("public_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)  # Markdown
    is_general: Mapped[bool] = mapped_column(Boolean)  # every monitor
    timezone: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)  # once: then; repeating: not before
    length_seconds: Mapped[int] = mapped_column(Integer)
    repeats: Mapped[str] = mapped_column(String(8))  # once, weekly, cron
    schedule: Mapped[str | None] = mapped_column(Text)  # an expression of core.schedule; NULL: once
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # no window begins later
    announce_hours: Mapped[int] = mapped_column(Integer)
    tells_subscribers: Mapped[bool] = mapped_column(Boolean)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MaintenanceWindow(Base):
    """One time of maintenance, [`starts_at`, `ends_at`). One that has begun is not rewritten by an edit."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        UniqueConstraint("maintenance_id", "starts_at"),
        # maintenance_spans, outbox and the pages: the windows that touch a span or have not ended.
        Index("ix_maintenance_windows_ends_at", "ends_at"),
        # maintenance: what has yet to be announced, begun or ended.
        Index(
            "ix_maintenance_windows_open",
            "starts_at",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    maintenance_id: Mapped[int] = mapped_column(Integer, ForeignKey("maintenances.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    is_general: Mapped[bool] = mapped_column(Boolean)
    # When each was noticed, and subscribers told; NULL: not yet.
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WindowMonitor(Base):
    """A monitor that a window of maintenance concerns; none where it concerns all."""

    __tablename__ = "window_monitors"
    # Deleting a monitor: its rows. maintenance_spans: a monitor's windows.
    __table_args__ = (Index("ix_window_monitors_monitor_id", "monitor_id"),)

    window_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("maintenance_windows.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class MaintenanceMonitor(Base):
    """A monitor that a plan of maintenance concerns: what its next windows are made with."""

    __tablename__ = "maintenance_monitors"
    # Deleting a monitor: its rows.
    __table_args__ = (Index("ix_maintenance_monitors_monitor_id", "monitor_id"),)

    maintenance_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("maintenances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class NoticeRow(Base):
    """What all subscribers of a page are told alike, once for all of them: up to 40 kB for 10,000 addresses."""

    __tablename__ = "notices"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Subscriber(Base):
    """Who is told of a page's incidents and maintenance: an address, `kind` email or webhook."""

    __tablename__ = "subscribers"
    __table_args__ = (
        UniqueConstraint("token"),
        UniqueConstraint("page_id", "kind", "address"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    page_id: Mapped[int] = mapped_column(Integer, ForeignKey("status_pages.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(8))
    address: Mapped[str] = mapped_column(Text)
    secret: Mapped[str | None] = mapped_column(String(128))  # a webhook's
    locale: Mapped[str] = mapped_column(String(8))
    token: Mapped[str] = mapped_column(String(64))  # opens the links in mails: confirm, unsubscribe
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)  # when a mail that asks was owed, or somebody wanted one
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    switched_off_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the receiver refuses for good
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
