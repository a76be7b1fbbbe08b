"""The outbox: what is owed to whom, what came of each try, and what many messages say alike."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from pulsemon.db.tables.base import Base, BigId
from pulsemon.db.types import UtcDateTime


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

    It is owed to a monitor's own webhook, to a subscriber of a page, to an address without an account, or to a channel
    (nothing writes that yet), and may name then the monitor that it tells of. What it says is its own `payload`, or
    that of the notice `notice_id`, which many share.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        # messages.outbox.lease_due: what is due, by receiver; outbox.unknown: of which kinds. Neither reads a row.
        # SQLite would, for its state, if the index did not name that (50,000 due, on a busy machine: 208 ms for 29).
        Index(
            "ix_deliveries_pending",
            "receiver",
            "next_attempt_at",
            "kind",
            "state",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        # messages.outbox.lease_due: is an older message of this monitor still owed; monitors.event_log: a monitor's.
        Index("ix_deliveries_monitor_id_id", "monitor_id", "id"),
        # The same of a subscriber.
        Index(
            "ix_deliveries_subscriber_id_id",
            "subscriber_id",
            "id",
            sqlite_where=text("subscriber_id IS NOT NULL"),
            postgresql_where=text("subscriber_id IS NOT NULL"),
        ),
        # db.held: whose messages are held, and what is let go when a window ends.
        Index(
            "ix_deliveries_held",
            "monitor_id",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
        # messages.undelivered: what nobody tries to deliver any more, by monitor.
        Index(
            "ix_deliveries_given_up",
            "monitor_id",
            "id",
            sqlite_where=text("state = 'given-up'"),
            postgresql_where=text("state = 'given-up'"),
        ),
        # housekeeping: whether anybody is still owed a notice.
        Index(
            "ix_deliveries_notice_id",
            "notice_id",
            sqlite_where=text("notice_id IS NOT NULL"),
            postgresql_where=text("notice_id IS NOT NULL"),
        ),
        CheckConstraint(
            "CASE WHEN subscriber_id IS NOT NULL THEN monitor_id IS NULL AND channel_id IS NULL AND address IS NULL "
            "WHEN channel_id IS NOT NULL THEN address IS NULL "
            "WHEN address IS NOT NULL THEN monitor_id IS NULL "
            "ELSE monitor_id IS NOT NULL END",
            name="ck_deliveries_owner",
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))  # of the channel that it goes by: `channels.registry`
    monitor_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("monitors.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("subscribers.id", ondelete="CASCADE"))
    # No foreign key: there are no channels yet, and SQLite cannot add one to a column that is there.
    channel_id: Mapped[int | None] = mapped_column(Integer)
    address: Mapped[str | None] = mapped_column(Text)  # of who has no account
    seq: Mapped[int | None] = mapped_column(Integer)  # the transition it tells of; NULL for a message sent by hand
    payload: Mapped[str] = mapped_column(Text)  # '' where `notice_id` is set
    # No foreign key: SQLite cannot add one to a table that is there.
    notice_id: Mapped[int | None] = mapped_column(BigInteger)
    receiver: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # core.deliveries.DeliveryState
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
        # monitors.event_log: the attempts of the messages shown.
        Index("ix_attempts_delivery_id", "delivery_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("deliveries.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(16))  # delivered, retry, rejected
    status_code: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(String(32))
    excerpt: Mapped[str | None] = mapped_column(String(500))


class NoticeRow(Base):
    """What all subscribers of a page are told alike, once for all of them: up to 40 kB for 10,000 addresses."""

    __tablename__ = "notices"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
