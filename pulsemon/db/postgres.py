"""Connecting to PostgreSQL, and refusing a server that acknowledges what it may lose."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote

import psycopg
from psycopg import errors
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from pulsemon import log
from pulsemon.db import charsets, schema, sessions
from pulsemon.errors import StartRefused

_log = log.get(__name__)

# Longer than a lock is waited for, and short enough that a ping's answer is not late. The kernel's own timeouts do not
# help where a proxy or a firewall takes the bytes and passes nothing on.
_ANSWER_SEC = 4.0

# Seconds and milliseconds after which a server that does not answer counts as away; a ping's answer is due within 5 s.
_CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 4_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "application_name": "pulsemon",
    # Among the first bytes of a connection: what a role's own default says is then never used. Nothing else is sent
    # there (`options`), because poolers know few names, and because a URL may bring options of its own.
    "client_encoding": "utf8",
}

# Who writes. Each has connections of its own, so that none can use up another's: edits that wait for a locked row leave
# pings and deadlines alone. The first two are one thread and two threads of ours; edits come from any number of them.
Writer = Literal["pings", "loops", "edits"]
_POOL_SIZES: dict[Writer, int] = {"pings": 2, "loops": 2, "edits": 6}

# Who holds its rows for a moment only, an edit or the evaluation, is done by then.
_SHORT_LOCK_TIMEOUT_MS = 100


# libpq's form for several servers: `scheme://user:password@one:5432,two:5433/name?...`.
_SEVERAL_HOSTS = re.compile(
    r"(?P<head>[^/?#]+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@\[]+,[^/?#@\[]*)(?P<path>(?:/[^?]*)?)(?P<query>(?:\?.*)?)",
    re.DOTALL,
)


def normal_url(url: str) -> URL:
    """Return *url* with the driver named: `postgres://` and `postgresql://` mean psycopg 3.

    Several hosts, each with a port or without, may be named as libpq names them.
    """
    several = _SEVERAL_HOSTS.fullmatch(url)
    try:
        if several:
            hosts = "&".join(f"host={quote(host)}" for host in several["hosts"].split(","))
            url = f"{several['head']}{several['path']}?{hosts}{several['query'].replace('?', '&', 1)}"
        return make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise StartRefused(
            "DATABASE_URL is not a URL that can be read; the form is postgresql://USER:PASSWORD@HOST/NAME."
        ) from None


def connect(url: str, *, allow_unsafe: bool) -> tuple[dict[Writer, Engine], Engine]:
    """Return the engine with which each writer writes, and the one that reads.

    Raises:
        StartRefused: the server cannot be reached, the database is not ours or newer, or it is not durable.
    """
    target = normal_url(url)
    writers = {writer: _engine(target, pool_size=size) for writer, size in _POOL_SIZES.items()}
    reader = _engine(target, pool_size=8).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        _check(writers["edits"], target, allow_unsafe=allow_unsafe)
    except StartRefused:
        writers["edits"].dispose()
        raise
    return writers, reader


def _check(writer: Engine, target: URL, *, allow_unsafe: bool) -> None:
    """Look at the database before anything is written."""
    try:
        with writer.connect() as connection:
            sessions.begin(connection)
            inspector = inspect(connection)
            columns = {
                name: {column["name"] for column in inspector.get_columns(name)} for name in inspector.get_table_names()
            }
            revision = None
            if "alembic_version" in columns:
                revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            driver: Any = connection.connection.driver_connection
            encoding = charsets.encoding_of(driver)
            durability = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("fsync", "full_page_writes", "synchronous_commit")
            }
    except (DBAPIError, UnicodeError) as failed:  # UnicodeError: a host that is no name
        said = str(getattr(failed, "orig", failed)).strip()
        reason = said.splitlines()[0].strip() if said else "no answer"
        if "statement pooling" in reason:  # PgBouncer's words
            reason += '. PulseMon needs transactions: pool_mode "transaction" or "session", or a direct connection.'
        raise StartRefused(f"The database of DATABASE_URL cannot be used: {reason[:200]}") from None
    problem = schema.objection(columns, revision)
    if problem:
        raise StartRefused(f"The database {target.database!r} {problem}")
    _check_encoding(encoding, target, is_empty=not columns)
    unsafe = [f"{name}=off" for name, value in durability.items() if value == "off"]
    if unsafe and not allow_unsafe:
        raise StartRefused(
            f"PostgreSQL runs with {', '.join(unsafe)}: it may lose pings that were acknowledged. "
            "Switch that on, or set ALLOW_UNSAFE_DATABASE=true."
        )


def _check_encoding(encoding: str, target: URL, *, is_empty: bool) -> None:
    if encoding == charsets.UTF8:
        return
    if is_empty:
        raise StartRefused(
            f"The database {target.database!r} is encoded in {encoding}, which cannot hold every text. "
            "Make one that can: CREATE DATABASE pulsemon ENCODING 'UTF8' TEMPLATE template0;"
        )
    reason = "what it cannot hold is replaced by ?; move to a database in UTF8 (pg_dump --encoding=UTF8)"
    _log.warning("database.encoding", encoding=encoding, reason=reason)


class _Patient(psycopg.Connection[Any]):
    """A connection that does not wait for ever: a server that says nothing for `patience_sec` is given up.

    Without it the one thread that stores pings would hang on a network that swallows what is sent.
    """

    patience_sec: float | None = _ANSWER_SEC

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; the connection is closed, and OperationalError raised, when the patience ends."""
        if timeout is not None or self.patience_sec is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_sec)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the database does not answer") from None


def wait_as_long_as_it_takes(connection: Connection) -> None:
    """Lift every limit of time for the transaction of *connection*: a migration may copy an old history."""
    driver: Any = connection.connection.driver_connection
    driver.patience_sec = None
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {name} = 0")


def wait_briefly(connection: Connection) -> None:
    """Give a lock up after a tenth of a second, for the transaction of *connection*."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_SHORT_LOCK_TIMEOUT_MS}")


def _engine(target: URL, *, pool_size: int) -> Engine:
    engine = create_engine(
        target,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2.0,
        # An error is logged with its statement; tokens and secrets are among the parameters.
        hide_parameters=True,
        # Said with each BEGIN: a role may have another default.
        isolation_level="READ COMMITTED",
        connect_args=_CONNECT_ARGS,
    )

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return _Patient.connect(*arguments, **parameters)

    @event.listens_for(engine, "checkin")
    def _limit_patience_again(connection: Any, _record: Any) -> None:
        if connection is not None:
            connection.patience_sec = _ANSWER_SEC

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        sessions.prepare(connection, record.info)

    # A connection that the server closed meanwhile is replaced before use, not after a failed ping.
    sessions.watch(engine)
    return engine
