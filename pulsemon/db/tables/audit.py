"""Who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base, BigId
from pulsemon.db.types import UtcDateTime


class AuditEntry(Base):
    """One thing that somebody did. Never changed; `hash` covers all columns and `previous_hash`, see `db.audit`."""

    __tablename__ = "audit_log"
    __table_args__ = (
        # audit: the log of a project, newest first.
        Index("ix_audit_log_project_id", "project_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_kind: Mapped[str] = mapped_column(String(16))  # user, key, admin-token, machine
    actor_id: Mapped[str | None] = mapped_column(String(16))  # the public id of a user or a key
    actor: Mapped[str] = mapped_column(Text)  # by name, as it was then
    action: Mapped[str] = mapped_column(String(64))
    object: Mapped[str] = mapped_column(Text)
    # NULL: it concerns the whole installation. No foreign key: a project that is gone did what it did.
    project_id: Mapped[int | None] = mapped_column(Integer)
    before: Mapped[str | None] = mapped_column(Text)  # JSON
    after: Mapped[str | None] = mapped_column(Text)  # JSON
    remote_addr: Mapped[str | None] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
