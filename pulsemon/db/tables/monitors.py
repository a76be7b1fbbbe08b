"""What is watched, where it stands among the others, and its transitions.

The first PulseMon's two tables, `monitors` and `history`, keep their names and columns; everything else stands beside
them. Every ping rewrites its `monitors` row, so that row stays narrow: what a ping does not need lives elsewhere.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.core.open_runs import Runs
from pulsemon.core.rules import Rules
from pulsemon.db.packed import PackedRules, PackedRuns, PackedTags
from pulsemon.db.tables.base import Base, BigId
from pulsemon.db.types import UtcDateTime


class Monitor(Base):
    """What is watched. The columns up to `updated_at` are the first PulseMon's."""

    __tablename__ = "monitors"
    __table_args__ = (
        UniqueConstraint("slug"),
        # A hand edit that the program could not read would stop the watch over every other monitor too.
        CheckConstraint("status IN ('UNKNOWN', 'UP', 'DOWN', 'PAUSED')", name="ck_monitors_status"),
        CheckConstraint(
            "interval_seconds BETWEEN 0 AND 2147483647 AND grace_seconds BETWEEN 0 AND 2147483647",
            name="ck_monitors_timing",
        ),
        # deadlines.passes.expire_due and next_check_at: whom to look at first. Partial, so that DOWN and PAUSED cost
        # nothing.
        Index(
            "ix_monitors_check_at",
            "check_at",
            sqlite_where=text("check_at IS NOT NULL"),
            postgresql_where=text("check_at IS NOT NULL"),
        ),
        # monitors.listing: what is not UP in a project, and how many. Partial, so that the ping of what is UP costs
        # nothing.
        Index(
            "ix_monitors_not_up",
            "project_id",
            "status",
            sqlite_where=text("status <> 'UP'"),
            postgresql_where=text("status <> 'UP'"),
        ),
        # monitors.manage.list_all: those of a project, in the order of their creation.
        Index("ix_monitors_project_id", "project_id", "id"),
        # An id is never given twice: pings of a deleted monitor may outlive it by minutes (see doomed_pings).
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text)
    interval_seconds: Mapped[int] = mapped_column(Integer)
    grace_seconds: Mapped[int] = mapped_column(Integer)
    last_ping: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    webhook_url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Never after due_at: a ping that moves the deadline may leave it, and with it the index (docs/decisions/0010).
    check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state_seq: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    blind_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    down_cause: Mapped[str | None] = mapped_column(String(16))
    max_run_seconds: Mapped[int | None] = mapped_column(Integer)
    # The newest ping; with pings.prev_id a chain that an index over pings would cost every ping 5 us to replace.
    last_ping_id: Mapped[int | None] = mapped_column(BigInteger)
    ping_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    open_runs: Mapped[Runs] = mapped_column(PackedRuns, nullable=True)
    # A cron or OnCalendar expression in place of the interval, and since when it holds.
    schedule: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str | None] = mapped_column(Text)
    schedule_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures_to_down: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    successes_to_up: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    contrary_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    rules: Mapped[Rules] = mapped_column(PackedRules, nullable=True)
    project_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))


# As ix_monitors_not_up says it: of a parameter no database knows that it is not UP.
IS_NOT_UP = text("monitors.status <> 'UP'")


class PlacementRow(Base):
    """Where a monitor stands. One without a row stands where its creation put it, and is public."""

    __tablename__ = "placements"

    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    group_name: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[tuple[str, ...]] = mapped_column(PackedTags, nullable=True)
    # NULL: the monitor's id, so that a new one comes after all that were numbered from 1.
    position: Mapped[int | None] = mapped_column(Integer)
    is_public: Mapped[bool] = mapped_column(Boolean, server_default=true())
    # DOWN for so long, and an incident is made of it; NULL: never.
    incident_after_minutes: Mapped[int | None] = mapped_column(Integer)


class SearchText(Base):
    """What a monitor is found and put in order by, see `core.search`. Every monitor has one.

    Not in `monitors`, whose rows every ping writes anew.
    """

    __tablename__ = "search_texts"
    # monitors.listing: the order of a project's list, walked until a part of it is full.
    __table_args__ = (Index("ix_search_texts_name_key", "project_id", "name_key", "monitor_id"),)

    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # In the order of its characters, on every server, so that it may be compared outside of the database too.
    name_key: Mapped[str] = mapped_column(Text().with_variant(Text(collation="C"), "postgresql"))
    words: Mapped[str] = mapped_column(Text)
    # That of the monitor, here too for the index.
    project_id: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class History(Base):
    """Transitions. Rows without a monitor_id are orphans of an old database: kept, shown nowhere."""

    __tablename__ = "history"
    __table_args__ = (
        # monitors.history and status queries, newest first; and what makes a transition recorded exactly once.
        UniqueConstraint("monitor_id", "seq"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    prev_status: Mapped[str] = mapped_column(String(16))
    new_status: Mapped[str] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    monitor_id: Mapped[int | None] = mapped_column(Integer)
    seq: Mapped[int | None] = mapped_column(Integer)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cause: Mapped[str | None] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(Text)  # JSON of core.notes.Detail, so that the note can be translated
