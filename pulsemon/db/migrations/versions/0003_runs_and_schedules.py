"""Jobs as they run: open runs by rid, schedules, thresholds and rules; what pings tell of durations."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime, to_text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a run that is open goes on with the limit that it had."""
    op.add_column("monitors", sa.Column("open_runs", sa.Text(), nullable=True))
    op.add_column("monitors", sa.Column("schedule", sa.Text(), nullable=True))
    op.add_column("monitors", sa.Column("timezone", sa.Text(), nullable=True))
    op.add_column("monitors", sa.Column("schedule_since", UtcDateTime(), nullable=True))
    one, none = sa.text("1"), sa.text("0")
    op.add_column("monitors", sa.Column("failures_to_down", sa.Integer(), server_default=one, nullable=False))
    op.add_column("monitors", sa.Column("successes_to_up", sa.Integer(), server_default=one, nullable=False))
    op.add_column("monitors", sa.Column("contrary_count", sa.Integer(), server_default=none, nullable=False))
    op.add_column("monitors", sa.Column("rules", sa.Text(), nullable=True))
    op.add_column("pings", sa.Column("duration_ms", sa.BigInteger(), nullable=True))
    op.add_column("pings", sa.Column("flag", sa.String(length=8), nullable=True))
    _keep_open_runs(op.get_bind())
    op.drop_column("monitors", "run_started_at")


def _keep_open_runs(connection: sa.Connection) -> None:
    monitors = sa.table(
        "monitors",
        sa.column("id", sa.Integer()),
        sa.column("interval_seconds", sa.Integer()),
        sa.column("grace_seconds", sa.Integer()),
        sa.column("max_run_seconds", sa.Integer()),
        sa.column("run_started_at", UtcDateTime()),
        sa.column("open_runs", sa.Text()),
    )
    for row in connection.execute(sa.select(monitors).where(monitors.c.run_started_at.is_not(None))).all():
        packed = _packed(row.run_started_at, row.max_run_seconds or row.grace_seconds or row.interval_seconds)
        connection.execute(sa.update(monitors).where(monitors.c.id == row.id).values(open_runs=packed))


def _packed(started_at: datetime, limit_seconds: int) -> str:
    return f'[["","{to_text(started_at)}",{max(limit_seconds, 1) * 1_000_000},0]]'
