"""Plans of maintenance and their windows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class Maintenance(Base):
    """A plan of maintenance, once or repeating. What it comes to are `maintenance_windows`.

    One that has had windows is never deleted, for the availability of its monitors follows from them: `removed_at`.
    """

    __tablename__ = "maintenances"
    __table_args__ = (
        UniqueConstraint("public_id"),
        # maintenance.views: the plans of a project, in the order of their creation. maintenance.public: their windows.
        Index("ix_maintenances_project_id", "project_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)  # Markdown
    is_general: Mapped[bool] = mapped_column(Boolean)  # every monitor of its project
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
    project_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class MaintenanceWindow(Base):
    """One time of maintenance, [`starts_at`, `ends_at`). One that has begun is not rewritten by an edit."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        UniqueConstraint("maintenance_id", "starts_at"),
        # db.windows, db.held and the pages: the windows that touch a span or have not ended.
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
