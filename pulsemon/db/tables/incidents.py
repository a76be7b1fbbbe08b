"""Incidents, what was said of them, and whom they concern."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class Incident(Base):
    """Something that visitors are told of. `is_general`: it concerns every page of its project, whatever is on it."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("public_id"),
        # incidents: those that are open, and the history of a project's pages, newest first.
        Index("ix_incidents_resolved_at", "resolved_at"),
        Index("ix_incidents_started_at", "project_id", "started_at"),
        # incidents: those of a project that are resolved, newest first.
        Index("ix_incidents_project_id", "project_id", "id"),
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
    project_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))


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
