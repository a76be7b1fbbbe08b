"""Availability that is kept: corrections, days by state, and how far they go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; housekeeping fills the days from the history."""
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("withdraws", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name=op.f("fk_corrections_monitor_id_monitors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        sa.UniqueConstraint("withdraws", name=op.f("uq_corrections_withdraws")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_corrections_monitor_id_id", "corrections", ["monitor_id", "id"], unique=False)
    op.create_table(
        "rolled_days",
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("up_us", sa.BigInteger(), nullable=False),
        sa.Column("down_us", sa.BigInteger(), nullable=False),
        sa.Column("paused_us", sa.BigInteger(), nullable=False),
        sa.Column("maintenance_us", sa.BigInteger(), nullable=False),
        sa.Column("excluded_us", sa.BigInteger(), nullable=False),
        sa.Column("unknown_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name=op.f("fk_rolled_days_monitor_id_monitors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("monitor_id", "timezone", "day", name=op.f("pk_rolled_days")),
        sqlite_with_rowid=False,
    )
    none = sa.text("0")
    op.create_table(
        "roll_marks",
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("rolled_until", UtcDateTime(), nullable=True),
        sa.Column("tail_seq", sa.Integer(), server_default=none, nullable=False),
        sa.Column("history_seq", sa.Integer(), server_default=none, nullable=False),
        sa.Column("unseen_id", sa.Integer(), server_default=none, nullable=False),
        sa.Column("correction_id", sa.Integer(), server_default=none, nullable=False),
        sa.Column("version", sa.Integer(), server_default=none, nullable=False),
        sa.ForeignKeyConstraint(
            ["monitor_id"], ["monitors.id"], name=op.f("fk_roll_marks_monitor_id_monitors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("monitor_id", "timezone", name=op.f("pk_roll_marks")),
    )
