"""What many subscribers are told alike is kept once; a page that names no time zone has the site's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table; messages that exist keep what they say.

    Until now a page had UTC where nobody had chosen a zone, and its days were those of AVAILABILITY_TIMEZONE: they stay
    so.
    """
    op.execute("UPDATE status_pages SET timezone = '' WHERE timezone = 'UTC'")
    op.create_table(
        "notices",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sqlite_autoincrement=True,
    )
    op.add_column("deliveries", sa.Column("notice_id", sa.BigInteger(), nullable=True))
    where = sa.text("notice_id IS NOT NULL")
    op.create_index("ix_deliveries_notice_id", "deliveries", ["notice_id"], sqlite_where=where, postgresql_where=where)
