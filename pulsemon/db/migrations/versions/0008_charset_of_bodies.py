"""What a ping's body has to be read in, where that was declared and does not follow from the bytes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bodies that exist are read by their bytes."""
    op.add_column("pings", sa.Column("charset", sa.String(length=16), nullable=True))
