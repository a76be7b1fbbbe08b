"""What is left out of the availability, and days as sums."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base
from pulsemon.db.types import UtcDateTime


class Correction(Base):
    """A span that somebody took out of a monitor's availability, and why. Never edited: to take it back is another row.

    Ids ascend with each monitor's corrections: whoever writes one holds the monitor's row.
    """

    __tablename__ = "corrections"
    __table_args__ = (
        # availability: a monitor's corrections, and whether there are newer ones than the roll-ups know.
        Index("ix_corrections_monitor_id_id", "monitor_id", "id"),
        # Each is taken back once.
        UniqueConstraint("withdraws"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    monitor_id: Mapped[int] = mapped_column(Integer, ForeignKey("monitors.id", ondelete="CASCADE"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdraws: Mapped[int | None] = mapped_column(Integer)  # the id of the one that this row takes back


class RolledDay(Base):
    """How a monitor spent one day of a time zone, in microseconds by state. Can be made again from history."""

    __tablename__ = "rolled_days"
    __table_args__ = ({"sqlite_with_rowid": False},)

    # The monitor first: it is what a deletion finds them by.
    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    timezone: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    # In the order of core.uptime.Availability.
    up_us: Mapped[int] = mapped_column(BigInteger)
    down_us: Mapped[int] = mapped_column(BigInteger)
    paused_us: Mapped[int] = mapped_column(BigInteger)
    maintenance_us: Mapped[int] = mapped_column(BigInteger)
    excluded_us: Mapped[int] = mapped_column(BigInteger)
    unknown_us: Mapped[int] = mapped_column(BigInteger)


class RollMark(Base):
    """How far a monitor's days are rolled up, and what they were made from: what came later makes them stale."""

    __tablename__ = "roll_marks"

    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    timezone: Mapped[str] = mapped_column(String(64), primary_key=True)
    rolled_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the start of a day
    # From this transition on, history says all that holds at that instant and came after it.
    tail_seq: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # The newest that was known of each: ids and numbers of one monitor ascend in the order of the commits.
    history_seq: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    unseen_id: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    correction_id: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("0"))
