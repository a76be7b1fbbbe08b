"""What a monitor is found and put in order by stands in a table of its own.

What is not UP has an index, and so have the messages that were given up.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from pulsemon.core.placement import Placement
from pulsemon.core.search import name_key, text_of
from pulsemon.db.packed import PackedTags

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CHUNK = 1_000
_NOT_UP = sa.text("status <> 'UP'")
_GIVEN_UP = sa.text("state = 'given-up'")
_monitors = sa.table("monitors", sa.column("id"), sa.column("name"), sa.column("slug"))
_placements = sa.table(
    "placements",
    sa.column("monitor_id"),
    sa.column("group_name"),
    sa.column("environment"),
    sa.column("tags", PackedTags),
)


def upgrade() -> None:
    """Make the texts of all monitors."""
    texts = op.create_table(
        "search_texts",
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["monitor_id"], ["monitors.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("monitor_id"),
    )
    for rows in _texts():
        op.bulk_insert(texts, rows)
    op.create_index("ix_search_texts_name_key", "search_texts", ["name_key", "monitor_id"])
    op.create_index("ix_monitors_not_up", "monitors", ["status"], sqlite_where=_NOT_UP, postgresql_where=_NOT_UP)
    op.create_index(
        "ix_deliveries_given_up",
        "deliveries",
        ["monitor_id", "id"],
        sqlite_where=_GIVEN_UP,
        postgresql_where=_GIVEN_UP,
    )


def _texts() -> Iterator[list[dict[str, object]]]:
    after = 0
    query = (
        sa.select(_monitors, _placements.c.group_name, _placements.c.environment, _placements.c.tags)
        .select_from(_monitors.outerjoin(_placements, _placements.c.monitor_id == _monitors.c.id))
        .order_by(_monitors.c.id)
        .limit(_CHUNK)
    )
    while rows := op.get_bind().execute(query.where(_monitors.c.id > after)).all():
        after = rows[-1].id
        yield [
            {
                "monitor_id": row.id,
                "name_key": name_key(row.name),
                "words": text_of(row.name, row.slug, Placement(row.group_name, row.environment, row.tags or ())),
            }
            for row in rows
        ]
