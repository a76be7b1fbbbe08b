"""What a plan of maintenance may hold, and reading it from JSON and from the panel's form.

Times are instants with their offset, or times on the wall of the plan's zone. Whether a monitor is there is for the
database to say, and whether windows overlap for `core.maintenance`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon.core import maintenance, schedule
from pulsemon.core.maintenance import MAX_ANNOUNCE_HOURS, Plan, Repeats
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input.projects import ProjectSlug
from pulsemon.input.rules import (
    MAX_MONITORS,
    MAX_NAME_LENGTH,
    PRINTABLE_LINES,
    FieldRules,
    Lists,
    Slugs,
    Timezone,
    Title,
    documented,
    first_of,
    id_in,
    length_in,
    lines_up_to,
    printable,
    text_of,
    without_defaults,
)
from pulsemon.input.status_pages import MAX_TEXT_LENGTH
from pulsemon.maintenance.definition import Definition
from pulsemon.maintenance.views import NO_WINDOW

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
_YEARS = range(1970, 2200)

PROBLEMS: dict[str, str] = {
    "moment": N_("This must be a date and a time, such as 2026-11-23T20:00."),
    "skipped-time": N_("On that day the clock of this time zone skips this time. Choose another one."),
    "date": N_("This must be a date, such as 2026-11-23."),
    "time-of-day": N_("This must be a time of the day, such as 02:30."),
    "days": N_("Choose at least one day of the week."),
    "repeats": N_("This must be once, weekly or cron."),
    "end-or-length": N_("Say when it ends, or how long it lasts: one of the two."),
    "not-here": N_("This does not go with how often the maintenance repeats."),
    "no-monitors": N_("Choose at least one monitor, or all of them."),
    "scope": N_("Say what it affects: everything, or only these monitors."),
}
RULES = FieldRules(
    maintenance.MESSAGES | PROBLEMS,
    codes={
        ("repeats", "literal_error"): "repeats",
        ("days", "literal_error"): "days",
        ("days", "list_type"): "days",
        ("monitors", "list_type"): "monitors",
    },
    limits={
        ("title", "too-long"): (("max", MAX_NAME_LENGTH),),
        ("description", "long-text"): (("max", MAX_TEXT_LENGTH),),
        ("monitors", "monitors"): (("max", MAX_MONITORS),),
        ("announce_hours", "range"): (("min", 0), ("max", MAX_ANNOUNCE_HOURS)),
    },
)


def _moment(text: str) -> str:
    if read_moment(text) is None:
        raise PydanticCustomError("moment", "")
    return text


def read_moment(text: str) -> datetime | None:
    """Return the time that *text* names, aware if it has an offset; None where it names none of our centuries."""
    if not re.fullmatch(_MOMENT, text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(microsecond=0) if found.year in _YEARS else None


def _date(text: str) -> str:
    try:
        is_date = len(text) == 10 and date.fromisoformat(text).year in _YEARS
    except ValueError:
        is_date = False
    if not is_date:
        raise PydanticCustomError("date", "")
    return text


def _time(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9](:00)?", text):
        raise PydanticCustomError("time-of-day", "")
    return text


def _some(names: list[str]) -> list[str]:
    if not names:
        raise PydanticCustomError("days", "")
    return names


def _any(slugs: list[str]) -> list[str]:
    if not slugs:
        raise PydanticCustomError("no-monitors", "")
    return slugs


_Moment = Annotated[str, AfterValidator(_moment), documented(pattern=f"^{_MOMENT}$")]
_Date = Annotated[str, AfterValidator(_date), documented(format="date")]
_Time = Annotated[str, AfterValidator(_time), documented(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Days = Annotated[
    list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], AfterValidator(_some), documented(minItems=1)
]
_Monitors = Annotated[Slugs, AfterValidator(_any), documented(minItems=1)]
_Description = Annotated[
    str, lines_up_to(MAX_TEXT_LENGTH), documented(maxLength=MAX_TEXT_LENGTH, pattern=PRINTABLE_LINES)
]
_Expression = Annotated[str, AfterValidator(printable)]


class MaintenanceCreate(BaseModel):
    """The body of a request that plans maintenance."""

    model_config = ConfigDict(strict=True, extra="forbid")

    title: Title
    description: _Description | None = Field(None, description="Markdown without HTML and pictures.")
    monitors: _Monitors | None = Field(
        None, description="Slugs of the monitors that it affects. Null: all of its project."
    )
    repeats: Literal["once", "weekly", "cron"] = "once"
    timezone: Timezone = Field("UTC", description="The IANA name of the time zone of its times.")
    starts_at: _Moment = Field(
        "",
        description="With an offset, or a time on the wall of `timezone`. At most a day ago. Of what repeats: not "
        "before; left out: now.",
    )
    ends_at: _Moment = Field("", description="Of what happens once, in place of `length_seconds`.")
    length_seconds: int = Field(0, description="How long it lasts, 1 to 2592000 (30 days).")
    days: _Days = Field([], description="Of `weekly`.")
    time: _Time = Field("", description="Of `weekly`: when it begins on these days.")
    schedule: _Expression = Field("", description="Of `cron`: a cron or OnCalendar expression that says when.")
    until: _Date | None = Field(None, description="Of what repeats: its last day. Null: for ever.")
    announce_hours: int = Field(
        168, ge=0, le=MAX_ANNOUNCE_HOURS, description="So long before it begins public pages show it."
    )
    tell_subscribers: bool = Field(True, description="Whether subscribers of the pages that show it are told.")
    project: ProjectSlug | None = None


class MaintenancePatch(MaintenanceCreate):
    """The body of a request that edits a plan: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=without_defaults)

    title: Title = ""


class WindowPatch(BaseModel):
    """The body of a request that lets the running window end at another time."""

    model_config = ConfigDict(strict=True, extra="forbid")

    ends_at: _Moment


def from_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    """Return the fields of *model* that the decoded JSON sets: name -> checked value. Raises Invalid."""
    return RULES.read(model, data)


def end_from_json(data: object, timezone: str) -> datetime:
    """Return when the running window is to end. Raises Invalid."""
    return instant_of(RULES.read(WindowPatch, data)["ends_at"], timezone, field="ends_at")


def from_form(lists: Lists, before: Lists) -> dict[str, Any]:
    """Return the fields that the form sets, as `from_json` does; of an edited plan those that differ from *before*.

    Fields that do not go with how often it repeats are passed over: without scripts they stand in the form too. A time
    that nobody touched is not read again: of one that a clock shows twice the form cannot say which it is.
    """
    typed = {name: [text_of(text) for text in texts] for name, texts in lists.items()}
    repeats = (typed.get("repeats") or [Repeats.ONCE.value])[0]

    def differs(*names: str) -> bool:
        return not before or any(typed.get(name, []) != list(before.get(name, [])) for name in names)

    values: dict[str, Any] = {}
    for name in (*_ALWAYS, *_OF_REPEATS.get(repeats, ())):
        if differs(name, *_BELONGS_TO.get(name, ())):
            _read_field(values, name, typed.get(name, []))
    unsaid = []
    if differs("scope", "monitor"):
        scope = first_of(typed, "scope")
        values["monitors"] = typed.get("monitor", []) if scope == CHOSEN else None
        unsaid += [] if scope in (ALL, CHOSEN) else [RULES.problem("monitors", "scope")]
    with RULES.telling_lengths(_UNITS, values):
        return RULES.check(MaintenancePatch if before else MaintenanceCreate, values, also=unsaid)


# What a form's `scope` says; without either nobody knows whether the monitors that it names are all that were meant.
ALL, CHOSEN = "all", "chosen"
_UNITS = {"length_seconds": 1, "announce_hours": 3_600}
# Of the form: what a number alone counts there, what is not sent where nothing is ticked, and what says when it is.
_FORM_UNITS = {"length_minutes": 60, "announce_hours": 3_600}
BOXES = frozenset({"monitor", "days", "tell_subscribers"})
WHEN = frozenset({"repeats", "timezone", "starts_at", "ends_at", "days", "time", "schedule", "length_minutes", "until"})


def essence(name: str, text: str) -> str:
    """Return what a text of the form says, for comparing: "120" and "2 h" are one length."""
    unit = _FORM_UNITS.get(name)
    return text_of(text) if unit is None else str(length_in(text_of(text), unit_seconds=unit))


_ALWAYS = ("title", "description", "repeats", "timezone", "announce_hours", "tell_subscribers")
_OF_REPEATS: dict[str, tuple[str, ...]] = {
    "once": ("starts_at", "ends_at"),
    "weekly": ("days", "time", "length_minutes", "until"),
    "cron": ("schedule", "length_minutes", "until"),
}
# What is read again when another field changes.
_BELONGS_TO = {
    "starts_at": ("timezone", "repeats"),
    "ends_at": ("timezone", "repeats", "starts_at"),
    **dict.fromkeys(("days", "time", "schedule", "until", "length_minutes"), ("repeats",)),
}


def _read_field(values: dict[str, Any], name: str, texts: Sequence[str]) -> None:
    """Put one field of the form into *values*, by the names of the API, with its type where it can be read."""
    text = texts[0] if texts else ""
    match name:
        case "days":
            values[name] = list(texts)
        case "length_minutes":
            minutes = length_in(text, unit_seconds=60)
            values["length_seconds"] = minutes * 60 if isinstance(minutes, int) else minutes
        case "announce_hours":
            values[name] = length_in(text, unit_seconds=3_600)
        case "tell_subscribers":
            values[name] = text == "yes"
        case "description" | "until":
            values[name] = text or None
        case "timezone":
            values[name] = text or "UTC"
        case _:
            values[name] = text


def window_number(text: str) -> int:
    """Return the id of a window that an address names. Raises NotFound."""
    return id_in(text, otherwise=NO_WINDOW)


def to_definition(given: Mapping[str, Any], before: Definition | None, *, now: datetime) -> Definition:
    """Return *before*, or a new plan, with what `from_json` or `from_form` found *given*. Raises Invalid."""
    plan = _plan(given, None if before is None else before.plan, now)
    old = before or Definition("", plan)
    return Definition(
        title=given.get("title", old.title),
        plan=plan,
        description=given.get("description", old.description),
        monitors=_tuple(given["monitors"]) if "monitors" in given else old.monitors,
        announce_hours=given.get("announce_hours", old.announce_hours),
        tells_subscribers=given.get("tell_subscribers", old.tells_subscribers),
    )


def _tuple(slugs: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if slugs is None else tuple(slugs)


_ONLY_OF = {
    "ends_at": (Repeats.ONCE,),
    "days": (Repeats.WEEKLY,),
    "time": (Repeats.WEEKLY,),
    "schedule": (Repeats.CRON,),
    "until": (Repeats.WEEKLY, Repeats.CRON),
}


def _plan(given: Mapping[str, Any], before: Plan | None, now: datetime) -> Plan:
    repeats = Repeats(given.get("repeats", before.repeats if before else Repeats.ONCE))
    for name, kinds in _ONLY_OF.items():
        if given.get(name) is not None and repeats not in kinds:
            raise Invalid((RULES.problem(name, "not-here"),))
    timezone = given.get("timezone", before.timezone if before else "UTC")
    starts_at = _starts_at(given, before, repeats, timezone, now)
    return Plan(
        repeats=repeats,
        starts_at=starts_at,
        length=_length(given, before, starts_at, timezone),
        timezone=timezone,
        schedule=_expression(given, before, repeats),
        last_day=_last_day(given, before, repeats),
    )


def _starts_at(
    given: Mapping[str, Any], before: Plan | None, repeats: Repeats, timezone: str, now: datetime
) -> datetime:
    if "starts_at" in given:
        return instant_of(given["starts_at"], timezone, field="starts_at")
    if before is not None and (before.repeats is repeats or repeats is not Repeats.ONCE):
        return before.starts_at
    if repeats is Repeats.ONCE:
        raise Invalid((RULES.problem("starts_at", "missing"),))
    return now.replace(microsecond=0)


def instant_of(text: str, timezone: str, *, field: str) -> datetime:
    """Return the instant that a checked text names in a zone. Raises Invalid: the clock skips it there."""
    found = read_moment(text)
    if found is None:
        raise Invalid((RULES.problem(field, "moment"),))
    at = found.astimezone(UTC) if found.tzinfo is not None else schedule.instant_of(found, timezone)
    if at is None:
        raise Invalid((RULES.problem(field, "skipped-time"),))
    return at


def _length(given: Mapping[str, Any], before: Plan | None, starts_at: datetime, timezone: str) -> timedelta:
    if "ends_at" in given and "length_seconds" in given:
        raise Invalid((RULES.problem("ends_at", "end-or-length"),))
    if "ends_at" in given:
        length = instant_of(given["ends_at"], timezone, field="ends_at") - starts_at
        if length <= timedelta():
            raise Invalid((RULES.problem("ends_at", "ends-before"),))
        if length > maintenance.MAX_LENGTH:
            raise Invalid((RULES.problem("ends_at", "length"),))
        return length
    if "length_seconds" in given:
        seconds = given["length_seconds"]
        if not 0 < seconds <= maintenance.MAX_LENGTH.total_seconds():
            raise Invalid((RULES.problem("length_seconds", "length"),))
        return timedelta(seconds=seconds)
    if before is None:
        raise Invalid((RULES.problem("length_seconds", "end-or-length"),))
    return before.length


def _expression(given: Mapping[str, Any], before: Plan | None, repeats: Repeats) -> str | None:
    if repeats is Repeats.ONCE:
        return None
    old = before.schedule if before is not None and before.repeats is repeats else None
    if repeats is Repeats.CRON:
        found = given.get("schedule", old)
        if not found:
            raise Invalid((RULES.problem("schedule", "missing"),))
        return " ".join(str(found).split())
    old_days, old_time = maintenance.read_weekly(old) or ((), None)
    days = [DAYS.index(each) + 1 for each in given["days"]] if "days" in given else list(old_days)
    at = time.fromisoformat(given["time"]) if "time" in given else old_time
    if not days:
        raise Invalid((RULES.problem("days", "days"),))
    if at is None:
        raise Invalid((RULES.problem("time", "missing"),))
    return maintenance.weekly(days, at)


def _last_day(given: Mapping[str, Any], before: Plan | None, repeats: Repeats) -> date | None:
    if repeats is Repeats.ONCE:
        return None
    if "until" in given:
        return None if given["until"] is None else date.fromisoformat(given["until"])
    return before.last_day if before is not None else None
