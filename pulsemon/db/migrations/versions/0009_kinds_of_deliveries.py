"""A delivery says by which kind of channel it goes; it may be owed to a channel, or to an address without an account.

What is owed to a channel may name the monitor that it tells of. `channel_id` has no foreign key, because there are no
channels yet: whoever removes one removes what it is owed. A message that is kept as text says what it is about from
now on (`core.deliveries.to_stored`); those that exist keep their bytes. The index of what is due names all that
is asked of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ONE_OWNER = (
    "CASE WHEN subscriber_id IS NOT NULL THEN monitor_id IS NULL AND channel_id IS NULL AND address IS NULL "
    "WHEN channel_id IS NOT NULL THEN address IS NULL "
    "WHEN address IS NOT NULL THEN monitor_id IS NULL "
    "ELSE monitor_id IS NOT NULL END"
)
_PENDING = ["receiver", "next_attempt_at", "kind", "state"]


def upgrade() -> None:
    """Keep every delivery with its id, its bytes, its lease and its attempts."""
    if op.get_bind().dialect.name == "postgresql":
        _widen()
    else:
        _copy()


def _widen() -> None:
    op.drop_constraint("ck_deliveries_owner", "deliveries")
    # A default makes no row be written anew.
    op.add_column("deliveries", sa.Column("kind", sa.String(length=16), server_default="webhook", nullable=False))
    op.add_column("deliveries", sa.Column("channel_id", sa.Integer(), nullable=True))
    op.add_column("deliveries", sa.Column("address", sa.Text(), nullable=True))
    op.execute(
        "UPDATE deliveries SET kind = subscribers.kind FROM subscribers "
        "WHERE subscribers.id = deliveries.subscriber_id AND subscribers.kind <> 'webhook'"
    )
    op.alter_column("deliveries", "kind", server_default=None)
    op.create_check_constraint("ck_deliveries_owner", "deliveries", _ONE_OWNER)
    op.drop_index("ix_deliveries_pending", "deliveries")
    op.create_index("ix_deliveries_pending", "deliveries", _PENDING, postgresql_where=sa.text("state = 'pending'"))


def _copy() -> None:
    """SQLite cannot change what a table checks.

    Both tables are made anew: to drop the messages alone would take their attempts with them.
    """
    _make_deliveries()
    _make_attempts()
    kind = "coalesce((SELECT kind FROM subscribers WHERE subscribers.id = deliveries.subscriber_id), 'webhook')"
    _move("deliveries", _DELIVERIES, _HAS_OWNER, kind=kind)
    _move("attempts", _ATTEMPTS, "delivery_id IN (SELECT id FROM new_deliveries)")
    for table in ("attempts", "deliveries"):
        op.drop_table(table)
        op.rename_table(f"new_{table}", table)
    _index()


def _make_deliveries() -> None:
    op.create_table(
        "new_deliveries",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=True),
        sa.Column("subscriber_id", sa.Integer(), nullable=True),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("receiver", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_since", UtcDateTime(), nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        _of("deliveries", "monitor_id", "monitors"),
        _of("deliveries", "subscriber_id", "subscribers"),
        sa.CheckConstraint(_ONE_OWNER, name="ck_deliveries_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )


def _make_attempts() -> None:
    op.create_table(
        "new_attempts",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("excerpt", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["new_deliveries.id"], name="fk_attempts_delivery_id_deliveries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sqlite_autoincrement=True,
    )


def _of(table: str, column: str, owners: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{owners}"
    return sa.ForeignKeyConstraint([column], [f"{owners}.id"], name=name, ondelete="CASCADE")


_DELIVERIES = (
    "id, message_id, monitor_id, subscriber_id, seq, payload, notice_id, receiver, state, reason, created_at, "
    "next_attempt_at, attempt_count, retry_since, lease_token, settled_at"
)
# Who deletes a monitor by hand, with a shell that minds no foreign keys, leaves messages that are owed to nobody: they
# would stop the copy, and the start with it. They go as they would have gone with their monitor.
_HAS_OWNER = (
    "(monitor_id IS NULL OR monitor_id IN (SELECT id FROM monitors)) "
    "AND (subscriber_id IS NULL OR subscriber_id IN (SELECT id FROM subscribers))"
)
_ATTEMPTS = "id, delivery_id, number, started_at, duration_ms, outcome, status_code, reason, excerpt"


def _move(table: str, columns: str, which: str, **computed: str) -> None:
    names, values = ", ".join((columns, *computed)), ", ".join((columns, *computed.values()))
    op.execute(f"INSERT INTO new_{table} ({names}) SELECT {values} FROM {table} WHERE {which}")  # noqa: S608 - our own names
    # No number that was ever given is given again.
    op.execute(f"DELETE FROM sqlite_sequence WHERE name = 'new_{table}'")  # noqa: S608
    op.execute(
        f"INSERT INTO sqlite_sequence (name, seq) "  # noqa: S608
        f"SELECT 'new_{table}', seq FROM sqlite_sequence WHERE name = '{table}'"
    )


def _index() -> None:
    """Make the indexes that went with the old tables; each table names their queries."""
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"])
    op.create_index("ix_deliveries_monitor_id_id", "deliveries", ["monitor_id", "id"])
    for name, columns, where in (
        ("pending", _PENDING, "state = 'pending'"),
        ("held", ["monitor_id"], "state = 'held'"),
        ("subscriber_id_id", ["subscriber_id", "id"], "subscriber_id IS NOT NULL"),
        ("notice_id", ["notice_id"], "notice_id IS NOT NULL"),
    ):
        op.create_index(f"ix_deliveries_{name}", "deliveries", columns, sqlite_where=sa.text(where))
