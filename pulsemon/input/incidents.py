"""What an incident's fields may hold, and reading them from JSON and from the panel's forms.

Whether a monitor is there, and whether the incident concerns anything, is for the database to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon.core.incidents import MAX_BODY_LENGTH, Impact, IncidentStatus
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.incidents.manage import IncidentChanges, NewIncident, NewUpdate
from pulsemon.input import projects
from pulsemon.input.projects import ProjectSlug
from pulsemon.input.rules import (
    MAX_MONITORS,
    MAX_NAME_LENGTH,
    VISIBLE_LINES,
    FieldRules,
    Lists,
    Slugs,
    Title,
    documented,
    first_of,
    lines_up_to,
    not_blank,
    read_instant,
    text_of,
    without_defaults,
)

_STATUSES, _IMPACTS = [each.value for each in IncidentStatus], [each.value for each in Impact]

PROBLEMS: dict[str, str] = {
    "incident-status": N_("This must be investigating, identified, monitoring or resolved."),
    "incident-impact": N_("This must be none, minor, major or critical."),
    "incident-start": N_("This must be an instant with its zone, such as 2026-11-23T20:00:00Z."),
    "start-ahead": N_("This lies in the future. An incident begins when something happens."),
}
RULES = FieldRules(
    PROBLEMS,
    codes={("monitors", "list_type"): "monitors", ("started_at", "string_type"): "incident-start"},
    limits={
        ("title", "too-long"): (("max", MAX_NAME_LENGTH),),
        ("body", "long-text"): (("max", MAX_BODY_LENGTH),),
        ("monitors", "monitors"): (("max", MAX_MONITORS),),
    },
)


def _one_of(values: Sequence[str], code: str) -> BeforeValidator:
    def check(given: object) -> object:
        if not isinstance(given, str) or given not in values:
            raise PydanticCustomError(code, "")
        return given

    return BeforeValidator(check)


def _instant(text: str) -> str:
    if read_instant(text) is None:
        raise PydanticCustomError("incident-start", "")
    return text


_Title = Annotated[Title, Field(description="What happened, in a few words.")]
_Body = Annotated[
    str,
    Field(description="What is known and what is done about it; Markdown without HTML and pictures."),
    lines_up_to(MAX_BODY_LENGTH),
    AfterValidator(not_blank),
    documented(minLength=1, maxLength=MAX_BODY_LENGTH, pattern=VISIBLE_LINES),
]
_Status = Annotated[
    str,
    Field(description="In any order. `resolved` closes it, any other opens it again."),
    _one_of(_STATUSES, "incident-status"),
    documented(enum=_STATUSES),
]
_Impact = Annotated[
    str,
    Field(description="How bad it is; the worst that is open moves the page's indicator."),
    _one_of(_IMPACTS, "incident-impact"),
    documented(enum=_IMPACTS),
]
_Start = Annotated[
    str,
    Field(description="When it began, with a zone and not in the future. Null: now."),
    AfterValidator(_instant),
    documented(format="date-time"),
]
_Monitors = Annotated[
    Slugs, Field(description="Slugs of the monitors that it affects. A page shows it if it shows one of them.")
]
_GENERAL = "It affects every page of its project, whatever its monitors."
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
    project: ProjectSlug | None = None


class IncidentPatch(BaseModel):
    """The body of a request that edits one: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=without_defaults)

    title: _Title | None = Field(None, description="Null, of an automatic one: it is named after its monitors.")
    impact: _Impact = ""
    general: bool = Field(False, description=_GENERAL)
    monitors: _Monitors = []
    project: ProjectSlug | None = None


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


def create_from_json(data: object, *, now: datetime) -> NewIncident:
    """Read the decoded JSON of a request that creates an incident. Raises Invalid."""
    values = RULES.read(IncidentCreate, data)
    return NewIncident(**_by_our_names(values | {"started_at": _start(values.get("started_at"), None, now)}))


def update_from_json(data: object) -> NewUpdate:
    """Read the decoded JSON of a request that posts an update. Raises Invalid."""
    return _update(RULES.read(UpdateCreate, data))


def changes_from_json(data: object) -> IncidentChanges:
    """Read the decoded JSON of a request that edits an incident. Raises Invalid."""
    return IncidentChanges(**_by_our_names(RULES.read(IncidentPatch, data)))


def text_from_json(data: object) -> str:
    """Return the text of an update. Raises Invalid."""
    return str(RULES.read(UpdatePatch, data)["body"])


def create_from_form(lists: Lists, *, timezone: str, now: datetime) -> NewIncident:
    """Read the panel's form of a new incident, whose start is told in *timezone*. Raises Invalid."""
    typed = _typed(lists, ("title", "body", "status", "impact"))
    start = first_of(lists, "started_at").strip()
    values = typed | _scope(lists) | {"tell_subscribers": first_of(lists, "tell_subscribers") == "yes"}
    problems: list[FieldProblem] = []
    try:
        values = RULES.check(IncidentCreate, values)
    except Invalid as wrong:
        problems += wrong.problems
    try:
        values["started_at"] = _start(start or None, timezone, now)
    except Invalid as wrong:
        problems += wrong.problems
    if problems:
        raise Invalid(tuple(problems))
    return NewIncident(**_by_our_names(values))


def update_from_form(lists: Lists) -> NewUpdate:
    """Read the panel's form of an update; without `scope` in it, what the incident concerns stays. Raises Invalid."""
    values = _typed(lists, ("body", "status", "impact")) | {
        "tell_subscribers": first_of(lists, "tell_subscribers") == "yes"
    }
    return _update(RULES.check(UpdateCreate, values | (_scope(lists) if "scope" in lists else {})))


def changes_from_form(lists: Lists) -> IncidentChanges:
    """Read the panel's form that edits an incident: an empty title stands for none. Raises Invalid."""
    typed = _typed(lists, ("title", "impact"))
    values = RULES.check(IncidentPatch, typed | {"title": typed.get("title") or None} | _scope(lists))
    return IncidentChanges(**_by_our_names(values))


def text_from_form(lists: Lists) -> str:
    """Return the text of an update. Raises Invalid."""
    return str(RULES.check(UpdatePatch, _typed(lists, ("body",)))["body"])


def _update(values: Mapping[str, Any]) -> NewUpdate:
    ours = _by_our_names(values)
    changes = {name: ours.pop(name) for name in ("impact", "is_general", "monitors") if name in ours}
    return NewUpdate(**ours, changes=IncidentChanges(**changes))


_OUR_NAMES = {"general": "is_general", "tell_subscribers": "tells_subscribers"}
_OUR_TYPES: dict[str, Callable[[Any], object]] = {"status": IncidentStatus, "impact": Impact, "monitors": tuple}


def _by_our_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked fields of a body as arguments of `NewIncident`, `NewUpdate` and `IncidentChanges`.

    Its project is none of them: see `input.projects`.
    """
    ours = {name: value for name, value in values.items() if name != projects.NAME}
    typed = {name: _OUR_TYPES[name](value) if name in _OUR_TYPES else value for name, value in ours.items()}
    return {_OUR_NAMES.get(name, name): value for name, value in typed.items()}


def _typed(lists: Lists, names: Sequence[str]) -> dict[str, Any]:
    """Return the fields that the form has; an empty one breaks the rule that it must not be blank."""
    return {name: text_of(first_of(lists, name)) for name in names if name in lists}


def _scope(lists: Lists) -> dict[str, Any]:
    return {"general": first_of(lists, "scope") == "all", "monitors": list(lists.get("monitor", ()))}


def _start(text: str | None, timezone: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    started_at = read_instant(text, timezone)
    if started_at is None:
        raise Invalid((RULES.problem("started_at", "incident-start"),))
    if started_at > now:
        raise Invalid((RULES.problem("started_at", "start-ahead"),))
    return started_at
