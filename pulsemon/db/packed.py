"""Small values that live in a column as text, because every ping reads them with the monitor's row.

What a hand edit left unreadable is read as nothing: the watch over every other monitor must go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from pulsemon.core import open_runs
from pulsemon.core.open_runs import Run, Runs
from pulsemon.core.rules import NO_RULES, Rules
from pulsemon.db.types import from_text, to_text

_MICROSECOND = timedelta(microseconds=1)


def pack_runs(runs: Runs) -> str | None:
    """Return what `unpack_runs` reads; None for no run."""
    if not runs:
        return None
    return f"[{','.join(map(_pack_run, runs))}]"


# A run is read and written with every ping as long as it is open, and writing or reading its instants is what costs.
_KNOWN_RUNS = 4096


@lru_cache(_KNOWN_RUNS)
def _pack_run(run: Run) -> str:
    """Its rid, start, limit in microseconds, and 1 if it is overdue.

    By hand, which takes half as long: a rid is a UUID or empty, and an instant has one form.
    """
    limit_us = (run.due_at - run.started_at) // _MICROSECOND
    return f'["{run.rid}","{to_text(run.started_at)}",{limit_us},{run.is_overdue:d}]'


def unpack_runs(text: str | None) -> Runs:
    """Return the runs that `pack_runs` wrote."""
    if text is None:
        return ()
    try:
        runs = [_unpack_run(*row) for row in json.loads(text)]
    except (ValueError, TypeError, OverflowError):
        return ()
    return open_runs.in_order(runs) if len(runs) > 1 else tuple(runs)


@lru_cache(_KNOWN_RUNS)
def _unpack_run(rid: object, start: str, limit_us: int, is_overdue: object) -> Run:
    started_at = from_text(start)
    return Run(str(rid), started_at, started_at + timedelta(microseconds=limit_us), bool(is_overdue))


def pack_rules(rules: Rules) -> str | None:
    """Return what `unpack_rules` reads; None for none."""
    if rules == NO_RULES:
        return None
    packed = {
        "post_only": rules.is_post_only,
        "success": rules.success_keywords,
        "failure": rules.failure_keywords,
        "start": rules.start_keywords,
        "min_gap": None if rules.min_gap is None else int(rules.min_gap.total_seconds()),
    }
    return json.dumps({name: value for name, value in packed.items() if value}, ensure_ascii=False)


# Read with every ping of the monitor, and changed about never.
@lru_cache(maxsize=1024)
def unpack_rules(text: str | None) -> Rules:
    """Return the rules that `pack_rules` wrote."""
    if text is None:
        return NO_RULES
    try:
        packed = json.loads(text)
        words = {name: tuple(map(str, packed.get(name, ()))) for name in ("success", "failure", "start")}
        min_gap = packed.get("min_gap")
        return Rules(
            bool(packed.get("post_only")),
            words["success"],
            words["failure"],
            words["start"],
            None if min_gap is None else timedelta(seconds=int(min_gap)),
        )
    except (ValueError, TypeError, AttributeError, OverflowError):
        return NO_RULES


def pack_tags(tags: tuple[str, ...]) -> str | None:
    """Return what `unpack_tags` reads; None for none."""
    return json.dumps(list(tags), ensure_ascii=False) if tags else None


def unpack_tags(text: str | None) -> tuple[str, ...]:
    """Return the tags that `pack_tags` wrote."""
    try:
        tags = json.loads(text) if text is not None else []
    except ValueError:
        return ()
    return tuple(map(str, tags)) if isinstance(tags, list) else ()


class _Packed(TypeDecorator[Any]):
    """A column whose text `_pack` writes and `_unpack` reads."""

    impl = Text
    cache_ok = True
    _pack: Callable[[Any], str | None]
    _unpack: Callable[[str | None], Any]

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write it as text."""
        return type(self)._pack(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it from the text."""
        return type(self)._unpack(value)


class PackedRuns(_Packed):
    """The open runs of a monitor."""

    cache_ok = True
    _pack = staticmethod(pack_runs)
    _unpack = staticmethod(unpack_runs)


class PackedRules(_Packed):
    """The rules of a monitor."""

    cache_ok = True
    _pack = staticmethod(pack_rules)
    _unpack = staticmethod(unpack_rules)


class PackedTags(_Packed):
    """The tags of a monitor. It is no part of what a ping reads."""

    cache_ok = True
    _pack = staticmethod(pack_tags)
    _unpack = staticmethod(unpack_tags)
