"""What an incident's fields may hold, and reading them from JSON and from the panel's forms.

Whether a monitor is there, and whether the incident concerns anything, is for the database to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pulsemon.core.incidents import MAX_BODY_LENGTH, MAX_TITLE_LENGTH, Impact, IncidentStatus
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.web import forms
from pulsemon.web.fields import MESSAGES, VISIBLE_TEXT, not_blank, printable

MAX_MONITORS = 1_000
# Lines are a text's own; nothing else that cannot be seen is.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_STATUSES, _IMPACTS = [each.value for each in IncidentStatus], [each.value for each in Impact]

PROBLEMS: dict[str, str] = {
    "incident-text": N_("This may hold at most 10,000 characters, and no control characters."),
    "incident-status": N_("This must be investigating, identified, monitoring or resolved."),
    "incident-impact": N_("This must be none, minor, major or critical."),
    "incident-start": N_("This must be an instant with its zone, such as 2026-11-23T20:00:00Z."),
    "start-ahead": N_("This lies in the future. An incident begins when something happens."),
    "incident-monitors": N_("This must be a list of slugs of monitors, at most 1000."),
}
_CODES = {
    ("monitors", "list_type"): "incident-monitors",
    ("monitors", "string_type"): "incident-monitors",
    ("started_at", "string_type"): "incident-start",
}


def _one_of(values: Sequence[str], code: str) -> BeforeValidator:
    def check(given: object) -> object:
        if not isinstance(given, str) or given not in values:
            raise PydanticCustomError(code, "")
        return given

    return BeforeValidator(check)


def _body(text: str) -> str:
    if len(text) > MAX_BODY_LENGTH or _UNPRINTABLE.search(text):
        raise PydanticCustomError("incident-text", "")
    return not_blank(text)


def _instant(text: str) -> str:
    if instant_of(text) is None:
        raise PydanticCustomError("incident-start", "")
    return text


def instant_of(text: str, timezone: str | None = None) -> datetime | None:
    """Read ISO 8601 as an instant in UTC; without a zone in it, it is one of *timezone*. None for anything else."""
    try:
        found = datetime.fromisoformat(text) if len(text) <= 40 else None
        if found is not None and found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo(timezone)) if timezone else None
        found = found.astimezone(UTC) if found is not None else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and found >= _EARLIEST else None


def _few(slugs: list[str]) -> list[str]:
    if len(slugs) > MAX_MONITORS:
        raise PydanticCustomError("incident-monitors", "")
    return slugs


def _documented(**schema: Any) -> Any:
    return Field(json_schema_extra=schema)


_Title = Annotated[
    str,
    Field(max_length=MAX_TITLE_LENGTH, description="What happened, in a few words."),
    AfterValidator(printable),
    AfterValidator(not_blank),
    _documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Body = Annotated[
    str,
    Field(description="What is known and what is done about it; Markdown without HTML and pictures."),
    AfterValidator(_body),
    _documented(
        minLength=1,
        maxLength=MAX_BODY_LENGTH,
        pattern=VISIBLE_TEXT.replace(r"\u0000-\u001f", r"\u0000-\u0008\u000b\u000c\u000e-\u001f"),
    ),
]
_Status = Annotated[
    str,
    Field(description="In any order. `resolved` closes it, any other opens it again."),
    _one_of(_STATUSES, "incident-status"),
    _documented(enum=_STATUSES),
]
_Impact = Annotated[
    str,
    Field(description="How bad it is; the worst that is open moves the page's indicator."),
    _one_of(_IMPACTS, "incident-impact"),
    _documented(enum=_IMPACTS),
]
_Start = Annotated[
    str,
    Field(description="When it began, with a zone and not in the future. Null: now."),
    AfterValidator(_instant),
    _documented(format="date-time"),
]
_Monitors = Annotated[
    list[str],
    Field(description="Slugs of the monitors that it concerns. A page shows it if it shows one of them."),
    AfterValidator(_few),
    _documented(maxItems=MAX_MONITORS),
]
_GENERAL = "It concerns every page, whatever its monitors."
_TELL = "Whether subscribers of the pages that show it are told."


class IncidentCreate(BaseModel):
    """The body of a request that creates an incident: with monitors, or general."""

    model_config = ConfigDict(strict=True, extra="forbid")

    title: _Title
    body: _Body
    status: _Status = "investigating"
    impact: _Impact = "minor"
    general: bool = Field(False, description=_GENERAL)
    monitors: _Monitors = []
    started_at: _Start | None = None
    tell_subscribers: bool = Field(True, description=_TELL)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class IncidentPatch(BaseModel):
    """The body of a request that edits one: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_without_defaults)

    title: _Title | None = Field(None, description="Null, of an automatic one: it is named after its monitors.")
    impact: _Impact = ""
    general: bool = Field(False, description=_GENERAL)
    monitors: _Monitors = []


def _update_schema(schema: dict[str, Any]) -> None:
    for name in ("impact", "general", "monitors"):
        schema["properties"][name].pop("default", None)


class UpdateCreate(BaseModel):
    """The body of a request that posts an update; impact, general and monitors are left out where they stay."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_update_schema)

    status: _Status
    body: _Body
    impact: _Impact = ""
    general: bool = Field(False, description=_GENERAL)
    monitors: _Monitors = []
    tell_subscribers: bool = Field(True, description=_TELL)


class UpdatePatch(BaseModel):
    """The body of a request that corrects the text of an update."""

    model_config = ConfigDict(strict=True, extra="forbid")

    body: _Body


def create_from_json(data: object, *, now: datetime) -> dict[str, Any]:
    """Return what `incidents.create` needs. Raises Invalid."""
    values = IncidentCreate.model_construct().model_dump() | _from_json(IncidentCreate, data)
    return values | {"started_at": _start(values["started_at"], None, now)}


def update_from_json(data: object) -> dict[str, Any]:
    """Return what `incidents.post` needs. Raises Invalid."""
    return {"tell_subscribers": True} | _from_json(UpdateCreate, data)


def patch_from_json(data: object) -> dict[str, Any]:
    """Return what `incidents.edit` needs. Raises Invalid."""
    return _from_json(IncidentPatch, data)


def text_from_json(data: object) -> str:
    """Return the text of an update. Raises Invalid."""
    return str(_from_json(UpdatePatch, data)["body"])


def create_from_form(lists: Mapping[str, Sequence[str]], *, timezone: str, now: datetime) -> dict[str, Any]:
    """Return the same of the panel's form, whose start is told in *timezone*. Raises Invalid."""
    typed = _typed(lists, ("title", "body", "status", "impact"))
    start = _one(lists, "started_at").strip()
    values = typed | _scope(lists) | {"tell_subscribers": _one(lists, "tell") == "yes"}
    problems: list[FieldProblem] = []
    try:
        values = _checked(IncidentCreate, values, [])
    except Invalid as wrong:
        problems += wrong.problems
    try:
        values["started_at"] = _start(start or None, timezone, now)
    except Invalid as wrong:
        problems += wrong.problems
    if problems:
        raise Invalid(tuple(problems))
    return values


def update_from_form(lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what `incidents.post` needs. Raises Invalid."""
    values = _typed(lists, ("body", "status", "impact")) | {"tell_subscribers": _one(lists, "tell") == "yes"}
    return _checked(UpdateCreate, values | (_scope(lists) if "scope" in lists else {}), [])


def patch_from_form(lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what `incidents.edit` needs: an empty title stands for null. Raises Invalid."""
    typed = _typed(lists, ("title", "impact"))
    return _checked(IncidentPatch, typed | {"title": typed.get("title") or None} | _scope(lists), [])


def text_from_form(lists: Mapping[str, Sequence[str]]) -> str:
    """Return the text of an update. Raises Invalid."""
    return str(_checked(UpdatePatch, _typed(lists, ("body",)), [])["body"])


def _one(lists: Mapping[str, Sequence[str]], name: str) -> str:
    return (lists.get(name) or [""])[0]


def _typed(lists: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, Any]:
    """Return the fields that the form has; an empty one breaks the rule that it must not be blank."""
    return {name: _one(lists, name).replace("\r\n", "\n").strip() for name in names if name in lists}


def _scope(lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {"general": _one(lists, "scope") == "general", "monitors": list(lists.get("monitor", ()))}


def _start(text: str | None, timezone: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    started_at = instant_of(text, timezone)
    if started_at is None:
        raise Invalid((problem("started_at", "incident-start"),))
    if started_at > now:
        raise Invalid((problem("started_at", "start-ahead"),))
    return started_at


def _from_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Invalid((problem("", "not-object"),))
    fields = tuple(model.model_fields)
    limits = (("fields", ", ".join(fields)),)
    unknown = [name for name in data if name not in fields]
    found = [problem(forms.showable(name), "unknown-field", limits) for name in unknown[:10]]
    return _checked(model, {name: value for name, value in data.items() if name in fields}, found)


def _checked(model: type[BaseModel], values: dict[str, Any], found: list[FieldProblem]) -> dict[str, Any]:
    try:
        checked = model.model_validate(values).model_dump(exclude_unset=True)
    except ValidationError as wrong:
        found = [_problem(error) for error in wrong.errors(include_url=False, include_input=False)] + found
    if found:
        raise Invalid(tuple(found))
    return checked


def _problem(error: ErrorDetails) -> FieldProblem:
    field, kind = str(error["loc"][0]), error["type"]
    code = _CODES.get((field, kind)) or forms.CODES.get(kind, kind)
    return problem(field, code, (("max", MAX_TITLE_LENGTH),) if code == "too-long" else ())


def problem(field: str, code: str, limits: tuple[tuple[str, object], ...] = ()) -> FieldProblem:
    """Return what is wrong with *field* of an incident."""
    return FieldProblem(field, code, (PROBLEMS.get(code) or MESSAGES[code]) % dict(limits), limits)
