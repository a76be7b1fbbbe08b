"""The log of who did what as a table for spreadsheets (RFC 4180), headed in English as the API's fields are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pulsemon.accounts.audit_log import Entry
from pulsemon.core.cells import safe_cell

COLUMNS = (
    *("at", "actor", "actor_kind", "actor_id", "action", "object", "project"),
    *("before", "after", "remote_addr", "hash"),
)


def to_lines(parts: Iterable[Iterable[Entry]], slugs: Mapping[int, str]) -> Iterator[str]:
    """Yield the text of the table, part by part. *slugs*: of the projects, by their ids.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    yield _text([COLUMNS])
    for part in parts:
        yield _text(_cells(entry, slugs) for entry in part)


def _text(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([safe_cell(each) for each in row] for row in rows)
    return out.getvalue()


def _cells(entry: Entry, slugs: Mapping[int, str]) -> list[str]:
    project = "" if entry.project_id is None else slugs.get(entry.project_id, str(entry.project_id))
    return [
        _instant(entry.at),
        entry.actor,
        entry.actor_kind.value,
        entry.actor_id or "",
        entry.action,
        entry.object,
        project,
        _values(entry.before),
        _values(entry.after),
        entry.remote_addr or "",
        entry.hash,
    ]


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _values(values: Any) -> str:
    return "" if values is None else json.dumps(values, ensure_ascii=False, separators=(",", ":"))
