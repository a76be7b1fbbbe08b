"""Groups, tags and the owner's order of monitors; public pages with their logos and the monitors chosen for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; monitors that exist stand in the order of their creation and are public, without a row."""
    op.create_table(
        "placements",
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_name", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("is_public", sa.Boolean(), server_default=sa.true(), nullable=False),
        _of("placements", "monitor"),
        sa.PrimaryKeyConstraint("monitor_id", name="pk_placements"),
    )
    op.create_table(
        "status_pages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("footer", sa.Text(), nullable=True),
        sa.Column("accent", sa.String(length=7), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("is_chosen", sa.Boolean(), nullable=False),
        sa.Column("logo_digest", sa.String(length=16), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_status_pages"),
        sa.UniqueConstraint("slug", name="uq_status_pages_slug"),
        sa.UniqueConstraint("host", name="uq_status_pages_host"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "page_logos",
        sa.Column("page_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _of("page_logos", "page"),
        sa.PrimaryKeyConstraint("page_id", name="pk_page_logos"),
    )
    op.create_table(
        "page_monitors",
        sa.Column("page_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        _of("page_monitors", "page"),
        _of("page_monitors", "monitor"),
        sa.PrimaryKeyConstraint("page_id", "monitor_id", name="pk_page_monitors"),
    )
    op.create_index("ix_page_monitors_monitor_id", "page_monitors", ["monitor_id"])


def _of(table: str, owner: str) -> sa.ForeignKeyConstraint:
    """Return the constraint that rows of *table* go with the monitor or the page they belong to."""
    owners = {"monitor": "monitors", "page": "status_pages"}[owner]
    name = f"fk_{table}_{owner}_id_{owners}"
    return sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owners}.id"], name=name, ondelete="CASCADE")
