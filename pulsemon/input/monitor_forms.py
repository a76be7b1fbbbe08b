"""Monitors from JSON and from HTML forms, by one set of rules (`input.monitors`).

JSON is read strictly (a number is a number); HTML fields arrive as text and are converted first. Both end in the same
models, and both raise `Invalid` with one problem a field. Whether a slug is free is for the database to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from pulsemon.core.placement import Placement
from pulsemon.core.rules import Rules
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input import meanwhile, projects
from pulsemon.input.fields import REQUIRED
from pulsemon.input.meanwhile import Merged
from pulsemon.input.monitor_rules import MAX_SLUG_LENGTH, SECRET_MASK
from pulsemon.input.monitors import BODY_FIELDS, BY_NAME, FIELDS, RULES, TABLE, MonitorCreate, MonitorPatch, problem
from pulsemon.input.rules import MAX_MONITORS, text_of
from pulsemon.monitors.manage import NewMonitor, check
from pulsemon.monitors.views import View


def create_from_json(data: object) -> NewMonitor:
    """Read the decoded JSON of a request that creates a monitor. Raises Invalid."""
    return _new_monitor(_read_json(MonitorCreate, data))


def create_many_from_json(data: Sequence[object], *, now: datetime) -> list[NewMonitor]:
    """Read the decoded JSON of a request that creates several monitors; schedules have to fire after *now*.

    Raises Invalid: with the problems of all of them, each at the index of its monitor, `3.slug`.
    """
    if not 1 <= len(data) <= MAX_MONITORS:
        raise Invalid((problem("", "how-many", (("max", MAX_MONITORS),)),))
    read: list[NewMonitor] = []
    problems: list[FieldProblem] = []
    for index, each in enumerate(data):
        try:
            read.append(create_from_json(each))
            check(read[-1], now=now)
        except Invalid as wrong:
            problems += wrong.at(index)
    if problems:
        raise Invalid(tuple(problems))
    return read


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
    values = {name: BY_NAME[name].read(text) for name, text in given.items() if text}
    missing = []
    if fields.get(EXPECTED) == BY_SCHEDULE and "schedule" not in values:
        missing.append(problem("schedule", "missing"))
        values["interval_seconds"] = 1  # nobody asked for it, so it is not missed as well
    with RULES.telling_lengths(_UNITS, values):
        return _new_monitor(_validate(MonitorCreate, values, also=missing))


# The form's own question, how often: what goes with the other answer is neither judged nor kept.
EXPECTED, EVERY, BY_SCHEDULE = "expected", "every", "schedule"
_UNITS = {each.name: each.kind.unit_seconds for each in TABLE if each.kind.unit_seconds is not None}


def _given(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that a monitor has, trimmed. Of interval and schedule that one counts which `EXPECTED` names;
    where it is not asked, the schedule if it is filled.
    """
    given = {name: text.strip() for name, text in fields.items() if name in BY_NAME}
    expected = fields.get(EXPECTED)
    if expected == EVERY:
        given |= dict.fromkeys(given.keys() & {"schedule"}, "")
        given.pop("timezone", None)
    elif expected == BY_SCHEDULE or given.get("schedule"):
        given.pop("interval_seconds", None)
    return given


def changes_from_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the HTML form that edits a monitor: what it holds replaces what was there.

    A field that the form does not have stays as it is. An emptied one is cleared where that is possible (no webhook,
    no secret, no run limit, no grace). Raises Invalid.
    """
    given = _given(fields)
    values = {name: BY_NAME[name].read(text) for name, text in given.items()}
    missing = [problem(name, "missing") for name in FIELDS if values.get(name) is REQUIRED]
    if fields.get(EXPECTED) == BY_SCHEDULE and given.get("schedule") == "":
        missing.append(problem("schedule", "missing"))
    checked = {name: value for name, value in values.items() if value is not REQUIRED}
    with RULES.telling_lengths(_UNITS, values):
        return _changes(_validate(MonitorPatch, checked, also=missing))


def essence(name: str, text: str) -> str:
    """Return what a text of the form says, for comparing: "900" and "15 min" are one interval."""
    trimmed = text_of(text)
    row = BY_NAME.get(name)
    return str(row.read(trimmed)) if trimmed and row is not None and row.kind.unit_seconds else trimmed


def _new_monitor(values: dict[str, Any]) -> NewMonitor:
    if values.get("webhook_secret") == SECRET_MASK:  # there is no secret yet that could stay as it is
        raise Invalid((problem("webhook_secret", "secret"),))
    changes = _kept(values)
    rules, placement = Rules(**changes.pop("rules", {})), Placement(**changes.pop("placement", {}))
    return NewMonitor(**changes, rules=rules, placement=placement)


def _changes(values: dict[str, Any]) -> dict[str, Any]:
    return _kept({name: value for name, value in values.items() if (name, value) != ("webhook_secret", SECRET_MASK)})


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by the attributes of `NewMonitor`; those of its parts stand in a dict under the part's name."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        part, _, attribute = BY_NAME[name].kept_at.rpartition(".")
        target = kept.setdefault(part, {}) if part else kept
        target[attribute] = BY_NAME[name].keep(value)
    return kept


# One question with two answers: a new schedule and a new interval contradict each other.
_WHEN = frozenset({EXPECTED, "interval_seconds", "schedule", "timezone"})


def shown(view: View) -> dict[str, list[str]]:
    """Return what the form of an edit shows: name of a field -> its text."""
    texts = texts_of(view) | {EXPECTED: BY_SCHEDULE if view.schedule else EVERY}
    return {name: [text] for name, text in texts.items()}


def stamp(view: View) -> str:
    """Return the stamp that the form of an edit carries (`input.meanwhile`)."""
    return meanwhile.stamp(shown(view), essence=essence)


def merge(form: Mapping[str, str], view: View) -> Merged:
    """Return what the form of an edit means for a monitor as it is now."""
    typed = {name: [text] for name, text in form.items()}
    return meanwhile.merge(typed, shown(view), essence=essence, together=_WHEN)


def require_no_clash(merged: Merged, view: View) -> None:
    """Refuse what both changed; how often it is expected is told where that was typed. Raises Invalid."""
    present = shown(view)
    present[EXPECTED] = [present["schedule"][0] or present["interval_seconds"][0]]
    at = "schedule" if merged.texts[EXPECTED] == [BY_SCHEDULE] else "interval_seconds"
    merged.require_no_clash(present, places={EXPECTED: at})


def changed(merged: Merged, view: View, form: Mapping[str, str]) -> dict[str, str]:
    """Return of the merged fields those that are no longer as they are; how often, only where the form asked it."""
    before, texts = shown(view), merged.firsts()
    found = {name: text for name, text in texts.items() if essence(name, text) != essence(name, before[name][0])}
    if EXPECTED in form:
        is_other_answer = (texts[EXPECTED] == EVERY) == bool(view.schedule)
        answered = {"schedule": texts["schedule"]} if is_other_answer else {}
        return found | {EXPECTED: texts[EXPECTED]} | answered
    if texts["schedule"].strip():
        found.pop("interval_seconds", None)  # whoever sends both says that the schedule counts
    return found


_READ = attrgetter(*(each.kept_at for each in TABLE))
# Most are kept as JSON shows them, and a list holds thousands of monitors.
_SHOWN_OTHERWISE = tuple(each for each in TABLE if each.kind.show is not None)


def values_of(view: View, *, reveals_secret: bool = False, sees_secrets: bool = True) -> dict[str, Any]:
    """Return what the owner set, by the names of the fields and as JSON holds it.

    Unless it is revealed, a mask stands for the secret, and sent back it changes nothing. Whoever sees no secrets is
    told of the webhook's URL only where it goes.
    """
    values = dict(zip(FIELDS, _READ(view), strict=True))
    for each in _SHOWN_OTHERWISE:
        values[each.name] = each.show(values[each.name])
    if values["webhook_secret"] is not None and not reveals_secret:
        values["webhook_secret"] = SECRET_MASK
    if not sees_secrets and view.webhook_url is not None:
        values["webhook_url"] = masked_url(view.webhook_url)
    return values


def masked_url(url: str) -> str:
    """Return what of a webhook's URL is no secret: whither it goes."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def texts_of(view: View) -> dict[str, str]:
    """Return what the owner set as the texts of the form. Without a schedule there is no time zone to read it in."""
    values = values_of(view)
    if not view.schedule:
        values["timezone"] = None
    return {name: BY_NAME[name].write(value) for name, value in values.items()}


def _expectation(model: type[BaseModel], values: Mapping[str, Any]) -> list[FieldProblem]:
    """Return what is wrong where a monitor has not exactly one of interval and schedule."""
    has_schedule = values.get("schedule") is not None
    if has_schedule and "interval_seconds" in values:
        return [problem("interval_seconds", "either")]
    if model is MonitorCreate and not has_schedule and "interval_seconds" not in values:
        return [problem("interval_seconds", "missing")]
    return []


def _read_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    """Return what a body says of a monitor; of its project see `input.projects`. Raises Invalid."""
    known, unknown = RULES.known_of(data, BODY_FIELDS)
    values = _validate(model, known, also=unknown)
    values.pop(projects.NAME, None)
    return values


def _validate(model: type[BaseModel], values: dict[str, Any], *, also: Iterable[FieldProblem] = ()) -> dict[str, Any]:
    return RULES.check(model, values, also=[*_expectation(model, values), *also])


# Letters that Unicode does not take apart into a letter and an accent.
_UNACCENTED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def slugify(name: str) -> str:
    """Return the slug that the panel proposes for *name*: "Backup Noturno" gives "backup-noturno"; "" if none fits."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_UNACCENTED)).casefold()
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:MAX_SLUG_LENGTH].rstrip("-")
