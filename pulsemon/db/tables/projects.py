"""Projects: the walls between what belongs to different people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime

# The project that is there from the start, and that everything of before belongs to.
DEFAULT_ID, DEFAULT_SLUG = 1, "default"


class Project(Base):
    """A project. What belongs to it bears its id as `project_id`: without a foreign key, which SQLite adds no more."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("slug"), UniqueConstraint("ping_key"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    # Opens the ping URLs by slug of all its monitors; NULL: nobody has asked for it yet.
    ping_key: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
