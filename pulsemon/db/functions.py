"""Functions of SQL that the two databases write in different ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NULLTYPE, TypeEngine


def sql_function(
    name: str, *, sqlite: str, postgresql: str, returns: TypeEngine[Any] = NULLTYPE
) -> Callable[..., ColumnElement[Any]]:
    """Return a function of SQL by how each database writes it, with `{0}`, `{1}` ... for what it is given.

    A condition has no type: with Boolean, SQLite would be asked for `... = 1`, and would look into no index.
    """
    made = type(name, (FunctionElement,), {"type": returns, "inherit_cache": True})
    for dialect, pattern in (("sqlite", sqlite), ("postgresql", postgresql)):
        compiles(made, dialect)(_writes(pattern))
    return made


def _writes(pattern: str) -> Callable[..., str]:
    def write(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
        return pattern.format(*(compiler.process(each, **options) for each in element.clauses))

    return write
