"""When PulseMon could not see, what that makes unknown, and when each node was last able to write."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class BlindWindowRow(Base):
    """A span in which PulseMon could not have seen a ping."""

    __tablename__ = "blind_windows"
    __table_args__ = (
        # availability and the panel: the windows of the last days.
        Index("ix_blind_windows_ended_at", "ended_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cause: Mapped[str] = mapped_column(String(16))


class UnseenSpan(Base):
    """A span of one monitor that a blind window makes unknown: from its old deadline to the next signal."""

    __tablename__ = "unseen_spans"
    __table_args__ = (
        # availability: the spans of one monitor.
        Index("ix_unseen_spans_monitor_id_ended_at", "monitor_id", "ended_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    monitor_id: Mapped[int] = mapped_column(Integer, ForeignKey("monitors.id", ondelete="CASCADE"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Node(Base):
    """When each server process was last able to write."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
