"""Who is logged in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class Session(Base):
    """A login of the panel. Only a hash of the id is kept: a stolen database opens nothing."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    admin_fingerprint: Mapped[str] = mapped_column(String(64))  # of the ADMIN_TOKEN it was opened with
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
