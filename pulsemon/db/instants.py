"""Instants taken apart in SQL, alike on both databases: to reckon with the seconds that other columns hold.

On SQLite an instant is text of one form (`db.types`), and its own functions of time round to milliseconds; so the
seconds and what follows the dot are looked at each for itself.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class whole_seconds(FunctionElement[int]):  # noqa: N801 - it is written like a function of SQL
    """The seconds since 1970 that an instant has completed; NULL for what is none."""

    type = BigInteger()
    inherit_cache = True


class fraction(FunctionElement[str]):  # noqa: N801 - likewise
    """What an instant has beyond its whole seconds, only to be compared with that of another one."""

    type = String()
    inherit_cache = True


@compiles(whole_seconds, "sqlite")
def _seconds_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(strftime('%s', substr({compiler.process(element.clauses, **options)}, 1, 19)) AS INTEGER)"


@compiles(whole_seconds, "postgresql")
def _seconds_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(element.clauses, **options)})) AS bigint)"


@compiles(fraction, "sqlite")
def _fraction_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 20)"


@compiles(fraction, "postgresql")
def _fraction_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **options)}, 'US')"
