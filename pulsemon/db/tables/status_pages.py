"""Public pages, and the monitors chosen for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class StatusPage(Base):
    """A public page. The one at `/status` has a row as soon as it was edited."""

    __tablename__ = "status_pages"
    __table_args__ = (
        UniqueConstraint("slug"),
        UniqueConstraint("host"),
        # status_pages.manage and subscribers: the pages of a project, in the order of their creation.
        Index("ix_status_pages_project_id", "project_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)  # NULL: PUBLIC_STATUS_TITLE
    description: Mapped[str | None] = mapped_column(Text)
    footer: Mapped[str | None] = mapped_column(Text)
    accent: Mapped[str | None] = mapped_column(String(7))
    timezone: Mapped[str] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(8))  # NULL: the reader's
    password_hash: Mapped[str | None] = mapped_column(Text)
    host: Mapped[str | None] = mapped_column(Text)
    is_chosen: Mapped[bool] = mapped_column(Boolean)  # false: every public monitor
    logo_digest: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    project_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class PageLogo(Base):
    """A page's picture, apart from the page so that reading the page does not carry it."""

    __tablename__ = "page_logos"

    page_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("status_pages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    media_type: Mapped[str] = mapped_column(String(32))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PageMonitor(Base):
    """A monitor that was chosen for a page, and its place there."""

    __tablename__ = "page_monitors"
    # Deleting a monitor: its rows.
    __table_args__ = (Index("ix_page_monitors_monitor_id", "monitor_id"),)

    page_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("status_pages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    place: Mapped[int] = mapped_column(Integer)
