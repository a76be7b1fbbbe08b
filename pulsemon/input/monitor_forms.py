"""Monitors from JSON and from HTML forms, by one set of rules (`input.monitors`).

JSON is read strictly (a number is a number); HTML fields arrive as text and are converted first. Both end in the same
models, and both raise `Invalid` with one problem a field. Whether a slug is free is for the database to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from pulsemon.core.placement import Placement
from pulsemon.core.rules import Rules
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input.monitors import (
    FIELDS,
    KEYWORDS,
    MAX_SLUG_LENGTH,
    RULES,
    SECRET_MASK,
    MonitorCreate,
    MonitorPatch,
    problem,
)
from pulsemon.input.rules import is_whole, whole_number
from pulsemon.monitors.manage import NewMonitor

_NUMBERS = (
    "interval_seconds",
    "grace_seconds",
    "max_run_seconds",
    "failures_to_down",
    "successes_to_up",
    "min_gap_seconds",
    "position",
    "incident_after_minutes",
)
# What an HTML field that was emptied stands for, where the field may be empty.
_EMPTIED: dict[str, Any] = {
    "grace_seconds": 0,
    "webhook_url": None,
    "webhook_secret": None,
    "max_run_seconds": None,
    "schedule": None,
    "timezone": "UTC",
    "failures_to_down": 1,
    "successes_to_up": 1,
    "post_only": False,
    "min_gap_seconds": None,
    "group": None,
    "environment": None,
    "tags": [],
    "position": None,
    "public": True,
    "incident_after_minutes": None,
} | {name: [] for name in KEYWORDS}


def create_from_json(data: object) -> NewMonitor:
    """Read the decoded JSON of a request that creates a monitor. Raises Invalid."""
    return _new_monitor(_read_json(MonitorCreate, data))


def changes_from_json(data: object) -> dict[str, Any]:
    """Read the decoded JSON of a request that edits one: the fields to change, none of them if nothing changes.

    The mask in place of the secret, as reading a monitor gives it, leaves the secret alone. Raises Invalid.
    """
    return _changes(_read_json(MonitorPatch, data))


def from_form(fields: Mapping[str, str]) -> NewMonitor:
    """Read the HTML form that creates a monitor: an empty field counts as absent, other fields are passed over.

    Raises Invalid.
    """
    given = _given(fields)
    return _new_monitor(_validate(MonitorCreate, {name: _typed(name, text) for name, text in given.items() if text}))


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that a monitor has, trimmed. Of interval and schedule, whose fields stand side by side, the
    schedule counts if it is filled.
    """
    given = {name: text.strip() for name, text in fields.items() if name in FIELDS}
    if given.get("schedule"):
        given.pop("interval_seconds", None)
    return given


def changes_from_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the HTML form that edits a monitor: what it holds replaces what was there.

    A field that the form does not have stays as it is. An emptied one is cleared where that is possible (no webhook,
    no secret, no run limit, no grace). Raises Invalid.
    """
    given = _given(fields)
    emptied = {name for name, text in given.items() if not text}
    values = {name: _typed(name, text) if text else _EMPTIED.get(name, "") for name, text in given.items()}
    missing = [problem(name, "missing") for name in FIELDS if name in emptied - _EMPTIED.keys()]
    checked = {name: value for name, value in values.items() if name not in emptied - _EMPTIED.keys()}
    return _changes(_validate(MonitorPatch, checked, also=missing))


def _typed(name: str, text: str) -> Any:
    """Turn the digits of a number's field into a number; what is none is left for the rules to refuse."""
    if name in KEYWORDS:
        return [line.strip() for line in text.splitlines() if line.strip()]
    if name == "tags":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    if name in ("post_only", "public"):
        return {"yes": True, "no": False}.get(text, text)
    return whole_number(text) if name in _NUMBERS and is_whole(text) else text


def _new_monitor(values: dict[str, Any]) -> NewMonitor:
    if values.get("webhook_secret") == SECRET_MASK:  # there is no secret yet that could stay as it is
        raise Invalid((problem("webhook_secret", "secret"),))
    changes = _with_placement(_with_rules(values))
    rules, placement = Rules(**changes.pop("rules", {})), Placement(**changes.pop("placement", {}))
    return NewMonitor(**changes, rules=rules, placement=placement)


def _changes(values: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if (name, value) != ("webhook_secret", SECRET_MASK)}
    return _with_placement(_with_rules(kept))


def _expectation(model: type[BaseModel], values: Mapping[str, Any]) -> list[FieldProblem]:
    """Return what is wrong where a monitor has not exactly one of interval and schedule."""
    has_schedule = values.get("schedule") is not None
    if has_schedule and "interval_seconds" in values:
        return [problem("interval_seconds", "either")]
    if model is MonitorCreate and not has_schedule and "interval_seconds" not in values:
        return [problem("interval_seconds", "missing")]
    return []


def _with_rules(values: dict[str, Any]) -> dict[str, Any]:
    """Put the fields that are rules of content together: `rules` holds the named arguments of `core.rules.Rules`."""
    rules: dict[str, Any] = {name: tuple(values.pop(name)) for name in KEYWORDS if name in values}
    if "post_only" in values:
        rules["is_post_only"] = values.pop("post_only")
    if "min_gap_seconds" in values:
        seconds = values.pop("min_gap_seconds")
        rules["min_gap"] = None if seconds is None else timedelta(seconds=seconds)
    return values | ({"rules": rules} if rules else {})


def _with_placement(values: dict[str, Any]) -> dict[str, Any]:
    """Put the fields of its place together: `placement` holds the named arguments of `core.placement.Placement`."""
    as_they_are = ("group", "environment", "position", "incident_after_minutes")
    placement: dict[str, Any] = {name: values.pop(name) for name in as_they_are if name in values}
    if "tags" in values:
        placement["tags"] = tuple(values.pop("tags"))
    if "public" in values:
        placement["is_public"] = values.pop("public")
    return values | ({"placement": placement} if placement else {})


def _read_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    known, unknown = RULES.known_of(data, FIELDS)
    return _validate(model, known, also=unknown)


def _validate(model: type[BaseModel], values: dict[str, Any], *, also: Iterable[FieldProblem] = ()) -> dict[str, Any]:
    return RULES.check(model, values, also=[*_expectation(model, values), *also])


# Letters that Unicode does not take apart into a letter and an accent.
_UNACCENTED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def slugify(name: str) -> str:
    """Return the slug that the panel proposes for *name*: "Backup Noturno" gives "backup-noturno"; "" if none fits."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_UNACCENTED)).casefold()
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:MAX_SLUG_LENGTH].rstrip("-")
