"""Pings, in a chain for each monitor."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base, BigId
from pulsemon.db.types import UtcDateTime


class Ping(Base):
    """Every ping of a known monitor, what came of it, and the bytes it brought.

    No foreign key and no index over monitor_id: the newest pings of a monitor are reached through
    monitors.last_ping_id and prev_id. A row whose prev_id is gone was the oldest that retention left.
    """

    __tablename__ = "pings"
    __table_args__ = (
        # db.ping_rows: the last ping with the same rid. Partial: a ping without a rid pays nothing.
        Index(
            "ix_pings_monitor_id_rid",
            "monitor_id",
            "rid",
            sqlite_where=text("rid IS NOT NULL"),
            postgresql_where=text("rid IS NOT NULL"),
        ),
    )

    # Given by the ping lane, always above the greatest one there is (housekeeping leaves that one alone).
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    monitor_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[int] = mapped_column(Integer)  # 1 is the monitor's first
    prev_id: Mapped[int | None] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signal: Mapped[str] = mapped_column(String(8))
    exit_status: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(16))  # of core.rules.Outcome
    method: Mapped[str] = mapped_column(String(8))
    rid: Mapped[str | None] = mapped_column(String(36))
    remote_addr: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)  # of the run that this ping ended
    flag: Mapped[str | None] = mapped_column(String(8))  # of core.rules.Flag
    charset: Mapped[str | None] = mapped_column(String(16))  # of core.body_text; NULL: the body says it itself


class DoomedPings(Base):
    """Chains of pings whose monitor was deleted; housekeeping removes them a few at a time."""

    __tablename__ = "doomed_pings"

    last_ping_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    monitor_id: Mapped[int] = mapped_column(Integer)
