"""Every table, index and constraint. Each index names the query it serves.

The first PulseMon's two tables, `monitors` and `history`, keep their names and columns; everything else stands beside
them. Every ping rewrites its `monitors` row, so that row stays narrow: what a ping does not need lives elsewhere.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pulsemon.core.rules import Rules
from pulsemon.core.runs import Runs
from pulsemon.db.packed import PackedRules, PackedRuns
from pulsemon.db.types import UtcDateTime

# SQLite counts up by itself only for a column declared INTEGER.
_BigId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """What all tables have in common: names of constraints that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


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
        # evaluator.expire_due and next_check_at: whom to look at first. Partial, so that DOWN and PAUSED cost nothing.
        Index(
            "ix_monitors_check_at",
            "check_at",
            sqlite_where=text("check_at IS NOT NULL"),
            postgresql_where=text("check_at IS NOT NULL"),
        ),
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


class History(Base):
    """Transitions. Rows without a monitor_id are orphans of an old database: kept, shown nowhere."""

    __tablename__ = "history"
    __table_args__ = (
        # monitors.history and status queries, newest first; and what makes a transition recorded exactly once.
        UniqueConstraint("monitor_id", "seq"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
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


class Ping(Base):
    """Every ping of a known monitor, what came of it, and the bytes it brought.

    No foreign key and no index over monitor_id: the newest pings of a monitor are reached through
    monitors.last_ping_id and prev_id. A row whose prev_id is gone was the oldest that retention left.
    """

    __tablename__ = "pings"
    __table_args__ = (
        # pings: the last ping with the same rid. Partial: a ping without a rid pays nothing.
        Index(
            "ix_pings_monitor_id_rid",
            "monitor_id",
            "rid",
            sqlite_where=text("rid IS NOT NULL"),
            postgresql_where=text("rid IS NOT NULL"),
        ),
    )

    # Given by the ping lane, always above the greatest one there is (housekeeping leaves that one alone).
    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
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


class Webhook(Base):
    """What belongs to a monitor's webhook beside its URL, which stands in `monitors`."""

    __tablename__ = "webhooks"

    monitor_id: Mapped[int] = mapped_column(
        Integer, ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str | None] = mapped_column(String(128))
    switched_off_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the receiver said 410 Gone


class Delivery(Base):
    """The outbox: one message owed to one receiver, written with what it tells of.

    Owed to a monitor's webhook, or to a subscriber of a page: one of the two ids is there. What it says is its own
    `payload`, or that of the notice `notice_id`, which many share.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        # dispatcher.lease_due: what is due, by receiver.
        Index(
            "ix_deliveries_pending",
            "receiver",
            "next_attempt_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        # dispatcher.lease_due: is an older message of this monitor still owed; monitors: a monitor's messages.
        Index("ix_deliveries_monitor_id_id", "monitor_id", "id"),
        # The same of a subscriber.
        Index(
            "ix_deliveries_subscriber_id_id",
            "subscriber_id",
            "id",
            sqlite_where=text("subscriber_id IS NOT NULL"),
            postgresql_where=text("subscriber_id IS NOT NULL"),
        ),
        # maintenance: what is let go when a window ends; outbox: whose messages are held.
        Index(
            "ix_deliveries_held",
            "monitor_id",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
        # housekeeping: whether anybody is still owed a notice.
        Index(
            "ix_deliveries_notice_id",
            "notice_id",
            sqlite_where=text("notice_id IS NOT NULL"),
            postgresql_where=text("notice_id IS NOT NULL"),
        ),
        CheckConstraint("(monitor_id IS NULL) <> (subscriber_id IS NULL)", name="ck_deliveries_owner"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(64))
    monitor_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("monitors.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("subscribers.id", ondelete="CASCADE"))
    seq: Mapped[int | None] = mapped_column(Integer)  # the transition it tells of; NULL for a message sent by hand
    payload: Mapped[str] = mapped_column(Text)  # '' where `notice_id` is set
    # No foreign key: SQLite cannot add one to a table that is there.
    notice_id: Mapped[int | None] = mapped_column(BigInteger)
    receiver: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # pending, held, delivered, given-up, cancelled
    reason: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempt_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    retry_since: Mapped[datetime] = mapped_column(UtcDateTime)  # the 72 hours count from here; "send again" renews it
    lease_token: Mapped[str | None] = mapped_column(String(32))
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Attempt(Base):
    """One try at delivering a message, and what came of it."""

    __tablename__ = "attempts"
    __table_args__ = (
        # monitors.deliveries: the attempts of the messages shown.
        Index("ix_attempts_delivery_id", "delivery_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deliveries.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(16))  # delivered, retry, rejected
    status_code: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String(32))
    excerpt: Mapped[str | None] = mapped_column(String(500))


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


class Node(Base):
    """When each server process was last able to write."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Session(Base):
    """A login of the panel. Only a hash of the id is kept: a stolen database opens nothing."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    admin_fingerprint: Mapped[str] = mapped_column(String(64))  # of the ADMIN_TOKEN it was opened with
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Meta(Base):
    """Single values: the generated session secret, the counter that tells open panels of edits."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
