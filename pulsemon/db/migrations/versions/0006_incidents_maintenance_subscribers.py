"""Incidents, maintenance and subscribers; and messages that are owed to a subscriber instead of a monitor's webhook."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pulsemon.db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; every message that exists stays owed to the monitor it is owed to."""
    op.add_column("placements", sa.Column("incident_after_minutes", sa.Integer(), nullable=True))
    _create_incidents()
    _create_maintenance()
    _create_subscribers()
    if op.get_bind().dialect.name == "postgresql":
        _widen_deliveries()
    else:
        _copy_deliveries()
    op.create_index("ix_deliveries_monitor_id_id", "deliveries", ["monitor_id", "id"])
    for name, columns, where in (
        ("pending", ["receiver", "next_attempt_at"], "state = 'pending'"),
        ("held", ["monitor_id"], "state = 'held'"),
        ("subscriber_id_id", ["subscriber_id", "id"], "subscriber_id IS NOT NULL"),
    ):
        _create_partial_index(f"ix_deliveries_{name}", "deliveries", columns, where)


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("impact", sa.String(length=16), nullable=False),
        sa.Column("is_general", sa.Boolean(), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("public_id", name="uq_incidents_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incidents_resolved_at", "incidents", ["resolved_at"])
    op.create_index("ix_incidents_started_at", "incidents", ["started_at"])
    op.create_table(
        "incident_updates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("posted_at", UtcDateTime(), nullable=False),
        _of("incident_updates", "incident_id", "incidents"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_updates"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_updates_incident_id_id", "incident_updates", ["incident_id", "id"])
    _create_members("incident_monitors", "incident_id", "incidents", sa.Column("outage_seq", sa.Integer()))


def _create_maintenance() -> None:
    op.create_table(
        "maintenances",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_general", sa.Boolean(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("length_seconds", sa.Integer(), nullable=False),
        sa.Column("repeats", sa.String(length=8), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("announce_hours", sa.Integer(), nullable=False),
        sa.Column("tells_subscribers", sa.Boolean(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_maintenances"),
        sa.UniqueConstraint("public_id", name="uq_maintenances_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("maintenance_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("is_general", sa.Boolean(), nullable=False),
        sa.Column("announced_at", UtcDateTime(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        _of("maintenance_windows", "maintenance_id", "maintenances"),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance_windows"),
        sa.UniqueConstraint("maintenance_id", "starts_at", name="uq_maintenance_windows_maintenance_id_starts_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_maintenance_windows_ends_at", "maintenance_windows", ["ends_at"])
    _create_partial_index("ix_maintenance_windows_open", "maintenance_windows", ["starts_at"], "closed_at IS NULL")
    _create_members("window_monitors", "window_id", "maintenance_windows")
    _create_members("maintenance_monitors", "maintenance_id", "maintenances")


def _create_subscribers() -> None:
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("page_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=True),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("switched_off_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        _of("subscribers", "page_id", "status_pages"),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
        sa.UniqueConstraint("token", name="uq_subscribers_token"),
        sa.UniqueConstraint("page_id", "kind", "address", name="uq_subscribers_page_id_kind_address"),
        sqlite_autoincrement=True,
    )


def _create_members(table: str, owner: str, owners: str, *more: sa.Column[int]) -> None:
    """Make a table of monitors that something else concerns."""
    op.create_table(
        table,
        sa.Column(owner, sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("monitor_id", sa.Integer(), autoincrement=False, nullable=False),
        *more,
        _of(table, owner, owners),
        _of(table, "monitor_id", "monitors"),
        sa.PrimaryKeyConstraint(owner, "monitor_id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_monitor_id", table, ["monitor_id"])


def _create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _of(table: str, column: str, owners: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{owners}"
    return sa.ForeignKeyConstraint([column], [f"{owners}.id"], name=name, ondelete="CASCADE")


_ONE_OWNER = "(monitor_id IS NULL) <> (subscriber_id IS NULL)"


def _widen_deliveries() -> None:
    op.alter_column("deliveries", "monitor_id", nullable=True)
    op.add_column("deliveries", sa.Column("subscriber_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        "fk_deliveries_subscriber_id_subscribers",
        "deliveries",
        "subscribers",
        ["subscriber_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint("ck_deliveries_owner", "deliveries", _ONE_OWNER)
    for name in ("pending", "monitor_id_id"):
        op.drop_index(f"ix_deliveries_{name}", table_name="deliveries")


def _copy_deliveries() -> None:
    """SQLite cannot let a column be empty that could not be.

    Both tables are made anew: to drop the messages alone would take their attempts with them.
    """
    op.create_table(
        "new_deliveries",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("monitor_id", sa.Integer(), nullable=True),
        sa.Column("subscriber_id", sa.Integer(), nullable=True),
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
        _of("deliveries", "monitor_id", "monitors"),
        _of("deliveries", "subscriber_id", "subscribers"),
        sa.CheckConstraint(_ONE_OWNER, name="ck_deliveries_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
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
    _move("deliveries", _DELIVERIES)
    _move("attempts", _ATTEMPTS)
    for table in ("attempts", "deliveries"):
        op.drop_table(table)
        op.rename_table(f"new_{table}", table)
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"])


_DELIVERIES = (
    "id, message_id, monitor_id, seq, payload, receiver, state, reason, created_at, next_attempt_at, attempt_count, "
    "retry_since, lease_token, settled_at"
)
_ATTEMPTS = "id, delivery_id, number, started_at, duration_ms, outcome, status_code, reason, excerpt"


def _move(table: str, columns: str) -> None:
    op.execute(f"INSERT INTO new_{table} ({columns}) SELECT {columns} FROM {table}")  # noqa: S608 - our own names
    # No number that was ever given is given again.
    op.execute(f"DELETE FROM sqlite_sequence WHERE name = 'new_{table}'")  # noqa: S608
    op.execute(
        f"INSERT INTO sqlite_sequence (name, seq) "  # noqa: S608
        f"SELECT 'new_{table}', seq FROM sqlite_sequence WHERE name = '{table}'"
    )
