"""When to look at a monitor, beside its deadline: `check_at` takes over the index that every ping had to rewrite."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every monitor is looked at when its deadline comes, as before."""
    op.add_column("monitors", sa.Column("check_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE monitors SET check_at = due_at WHERE due_at IS NOT NULL")
    op.drop_index("ix_monitors_due_at", table_name="monitors")
    op.create_index(
        "ix_monitors_check_at",
        "monitors",
        ["check_at"],
        unique=False,
        sqlite_where=sa.text("check_at IS NOT NULL"),
        postgresql_where=sa.text("check_at IS NOT NULL"),
    )
