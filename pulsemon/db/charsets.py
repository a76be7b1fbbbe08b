"""PostgreSQL databases that are not UTF-8: what they cannot hold is replaced, sign by sign, before it is sent.

We speak UTF-8 (`client_encoding`), and the server converts. What it cannot convert is an error there, for the
whole statement: one emoji in a User-Agent would refuse every ping of a batch.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.types.string import (
    StrBinaryDumper,
    StrBinaryDumperName,
    StrBinaryDumperVarchar,
    StrDumper,
    StrDumperName,
    StrDumperUnknown,
    StrDumperVarchar,
    TextLoader,
)

UTF8 = "UTF8"
# Keeps bytes as they come, so all of ours, but vouches for nothing that others wrote.
_ANY_BYTES = "SQL_ASCII"
_REPLACEMENT = "?"
_LONGEST = 2
# Found by asking PostgreSQL 15 for each character that Python knows in its encodings: both map these differently.
# In the single-byte encodings, and in the Chinese and Korean ones up to two bytes, both agree.
_DISPUTED = frozenset("\xa2\xa3\xa5\xac\u2015\u2016\u203e\u2212\u2985\u2986\u301c\uffe3\uffe5")
# In the order in which psycopg registers its own; the last one is the usual one.
_DUMPERS = (
    StrBinaryDumperName,
    StrBinaryDumperVarchar,
    StrBinaryDumper,
    StrDumperName,
    StrDumperVarchar,
    StrDumper,
    StrDumperUnknown,
)


def encoding_of(connection: psycopg.Connection[Any]) -> str:
    """Return what PostgreSQL calls the encoding of the database."""
    return connection.info.parameter_status("server_encoding") or UTF8


def fit(text: str, encoding: str) -> str:
    """Return *text* with `?` for each character that a database in *encoding* cannot hold."""
    if text.isascii() or encoding in (UTF8, _ANY_BYTES):
        return text
    return "".join(each if _fits(each, encoding) else _REPLACEMENT for each in text)


def adapt(connection: psycopg.Connection[Any]) -> None:
    """See to it that every text that *connection* sends can be held, and every one it brings be read.

    The connection commits by itself, so that what is set stays set.
    """
    encoding = encoding_of(connection)
    if encoding == UTF8:
        return
    if encoding == _ANY_BYTES:
        # As UTF-8 the server would refuse to send what is none.
        connection.execute(f"SET client_encoding = {_ANY_BYTES}".encode())
        for name in ("text", "varchar", "bpchar", "name", '"char"', 0):
            connection.adapters.register_loader(name, _ForgivingLoader)
        return
    for dumper in _DUMPERS:
        connection.adapters.register_dumper(str, _fitting(dumper, encoding))


@lru_cache(maxsize=70_000)
def _fits(character: str, encoding: str) -> bool:
    codec = _codec(encoding)
    if codec is None:
        return character.isascii()
    try:
        length = len(codec.encode(character)[0])
    except UnicodeEncodeError:
        return False
    return length <= _LONGEST and (not encoding.startswith("EUC_J") or character not in _DISPUTED)


@lru_cache
def _codec(encoding: str) -> codecs.CodecInfo | None:
    """Return Python's codec for PostgreSQL's name of an encoding, None where there is none (EUC_TW, MULE_INTERNAL)."""
    if encoding == "JOHAB":  # PostgreSQL does not read everything that it writes there
        return None
    name = encoding.replace("WIN", "cp").replace("KOI8", "koi8_")
    try:
        return codecs.lookup(name)
    except LookupError:
        return None


@lru_cache
def _fitting(dumper: type[Any], encoding: str) -> type[Any]:
    def dump(self: Any, obj: str) -> Any:
        return dumper.dump(self, fit(obj, encoding))

    return type(f"Fitting{dumper.__name__}", (dumper,), {"dump": dump})


class _ForgivingLoader(TextLoader):
    """Reads bytes that are no UTF-8, written by another client, with a sign in their place."""

    def load(self, data: Any) -> str:
        """Return the text."""
        return bytes(data).decode("utf-8", "replace")
