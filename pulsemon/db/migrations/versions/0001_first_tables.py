"""The tables of PulseMon 1.0; a database of the first PulseMon is taken over."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pulsemon.db.migrations import first_pulsemon
from pulsemon.db.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; where the first PulseMon's stand in the way, move their rows into the new ones."""
    connection = op.get_bind()
    has_old_rows = first_pulsemon.set_aside(connection)
    _make_tables()
    if has_old_rows:
        made = sa.MetaData()
        monitors, history, nodes = (_typed(made, connection, name) for name in ("monitors", "history", "nodes"))
        first_pulsemon.copy_rows(connection, monitors, history, nodes)


def _typed(made: sa.MetaData, connection: sa.Connection, name: str) -> sa.Table:
    """Read the table back, with instants typed: SQLite itself knows only text."""
    instants = ("last_ping", "created_at", "updated_at", "due_at", "occurred_at", "seen_at")
    columns = {column["name"] for column in sa.inspect(connection).get_columns(name)}
    overrides: list[sa.Column[Any]] = [sa.Column(each, UtcDateTime()) for each in instants if each in columns]
    return sa.Table(name, made, *overrides, autoload_with=connection)


def _make_tables() -> None:
    op.create_table(
        "blind_windows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blind_windows"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_blind_windows_ended_at", "blind_windows", ["ended_at"], unique=False)
    op.create_table(
        "doomed_pings",
        sa.Column("last_ping_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("last_ping_id", name="pk_doomed_pings"),
    )
    op.create_table(
        "history",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("prev_status", sa.String(length=16), nullable=False),
        sa.Column("new_status", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_history"),
        sa.UniqueConstraint("monitor_id", "seq", name="uq_history_monitor_id_seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "monitors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("last_ping", UtcDateTime(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("state_seq", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("run_started_at", UtcDateTime(), nullable=True),
        sa.Column("blind_due_at", UtcDateTime(), nullable=True),
        sa.Column("down_cause", sa.String(length=16), nullable=True),
        sa.Column("max_run_seconds", sa.Integer(), nullable=True),
        sa.Column("last_ping_id", sa.BigInteger(), nullable=True),
        sa.Column("ping_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("status IN ('UNKNOWN', 'UP', 'DOWN', 'PAUSED')", name="ck_monitors_status"),
        sa.CheckConstraint(
            "interval_seconds BETWEEN 0 AND 2147483647 AND grace_seconds BETWEEN 0 AND 2147483647",
            name="ck_monitors_timing",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_monitors"),
        sa.UniqueConstraint("slug", name="uq_monitors_slug"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_monitors_due_at",
        "monitors",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_nodes"),
    )
    op.create_table(
        "pings",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("prev_id", sa.BigInteger(), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("signal", sa.String(length=8), nullable=False),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("rid", sa.String(length=36), nullable=True),
        sa.Column("remote_addr", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_pings"),
    )
    op.create_index(
        "ix_pings_monitor_id_rid",
        "pings",
        ["monitor_id", "rid"],
        unique=False,
        sqlite_where=sa.text("rid IS NOT NULL"),
        postgresql_where=sa.text("rid IS NOT NULL"),
    )
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("admin_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_sessions"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("receiver", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_since", UtcDateTime(), nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name="fk_deliveries_monitor_id_monitors", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_monitor_id_id", "deliveries", ["monitor_id", "id"], unique=False)
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["receiver", "next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "unseen_spans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name="fk_unseen_spans_monitor_id_monitors", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_unseen_spans"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_unseen_spans_monitor_id_ended_at", "unseen_spans", ["monitor_id", "ended_at"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=True),
        sa.Column("switched_off_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name="fk_webhooks_monitor_id_monitors", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("monitor_id", name="pk_webhooks"),
    )
    op.create_table(
        "attempts",
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
            ["delivery_id"], ["deliveries.id"], name="fk_attempts_delivery_id_deliveries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"], unique=False)
