"""Who is told of a public page."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


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
