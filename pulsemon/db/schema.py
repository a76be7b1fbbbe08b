"""The schema's version: what may be opened, and how it is brought up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
# The newest migration, whose file's name begins with it. A database that bears it needs nothing, and an ordinary start
# does not load Alembic at all: half a second and 15 MB. A test holds it against the migrations themselves.
HEAD = max(each.name for each in _MIGRATIONS.glob("versions/[0-9][0-9][0-9][0-9]_*.py"))[:4]

# The columns by which a database of the first PulseMon is known.
_FIRST_PULSEMON = {
    "monitors": {"slug", "name", "token", "interval_seconds", "grace_seconds", "last_ping", "status"},
    "history": {"slug", "prev_status", "new_status", "created_at"},
}
# One number for all PulseMons on a PostgreSQL server's database: who migrates holds it.
_ADVISORY_LOCK = 0x70756C73


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def objection(columns: Mapping[str, set[str]], revision: str | None) -> str | None:
    """Return why a database with these tables (name -> columns) must not be opened, or None.

    An empty one, one of the first PulseMon's, and one that a migration of ours made are welcome.
    """
    if revision == HEAD:
        lost = sorted(_FIRST_PULSEMON.keys() - columns.keys())
        return f"has lost its tables {', '.join(lost)}. Put a copy of it in place." if lost else None
    if revision is not None:
        from alembic.script import ScriptDirectory

        known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
        if revision not in known and "monitors" not in columns:
            return "is not a PulseMon database: its migrations are another program's. Change DATABASE_URL."
        if revision not in known:
            return f"was made by a newer PulseMon (schema {revision}). Install that version or a later one."
        return None
    tables = {name for name in columns if not name.startswith("sqlite_") and name != "alembic_version"}
    if not tables:
        return None
    if all(wanted <= columns.get(table, set()) for table, wanted in _FIRST_PULSEMON.items()):
        return None
    return f"is not a PulseMon database: it holds {', '.join(sorted(tables)[:5])}. Change DATABASE_URL."


def upgrade(connection: Connection) -> None:
    """Run every migration that is missing, in the transaction of *connection*."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    if _revision(connection) == HEAD:
        return
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Return whether no migration is missing."""
    return _revision(connection) == HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
