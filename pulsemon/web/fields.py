"""What a monitor's fields may hold, one rule a field, and the words for what they may not.

Read by `web.forms` from JSON and from HTML forms, by `web.openapi` for the document.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon import monitors
from pulsemon.core import incidents, placement, schedule
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem

MAX_NAME_LENGTH = 200
MAX_SLUG_LENGTH = 100
MAX_SECONDS = 315_360_000  # 3,650 days
MAX_URL_LENGTH = 2000
MAX_IN_A_ROW = 100
MAX_POSITION = 2**31 - 1
MAX_KEYWORDS, MAX_KEYWORD_LENGTH = 20, 200
# What readers get instead of a secret; sent back, it means that the secret stays as it is.
SECRET_MASK = "whsec_********"  # noqa: S105 - it stands for a secret and is none

# Each rule and what to write instead. The panel renders the same templates in the reader's language.
MESSAGES: dict[str, str] = {
    "missing": N_("This field is required."),
    "not-text": N_("This must be text."),
    "not-whole": N_("This must be a whole number, written as a number."),
    "range": N_("This must lie between %(min)d and %(max)d."),
    "blank": N_("This must not be blank."),
    "too-long": N_("This may hold at most %(max)d characters."),
    "characters": N_("This must not hold control characters or broken Unicode."),
    "slug": N_(
        "This must begin with a letter or a digit and go on with letters, digits, dots, hyphens or underscores; "
        "at most %(max)d characters, no accents."
    ),
    "url": N_("This must be an http:// or https:// address with a host, without spaces."),
    "secret": N_("This must be whsec_ followed by the base64 of %(min)d to %(max)d bytes, or the word generate."),
    "not-bool": N_("This must be true or false."),
    "not-list": N_("This must be a list of texts."),
    "keywords": N_(
        "This may hold at most %(max)d texts of 1 to %(length)d characters each, one on each line, "
        "without control characters."
    ),
    "tags": N_("This may hold at most %(max)d tags of 1 to %(length)d characters each, without commas in them."),
    "either": N_("A monitor goes by its schedule or by its interval: send one of the two."),
    "unknown-field": N_("There is no such field. The fields are %(fields)s."),
    "not-object": N_("This must be a JSON object."),
} | schedule.MESSAGES

# Parts of character classes, readable for Python's expressions and for those of a JSON schema.
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_INVISIBLE = r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_UNPRINTABLE = re.compile(rf"[{_CONTROL}\ud800-\udfff]")
# At least one character that leaves a mark: zero-width ones alone make a monitor without a visible name.
_VISIBLE = re.compile(rf"[^\s{_INVISIBLE}]")
VISIBLE_TEXT = rf"^[^{_CONTROL}]*[^\s{_CONTROL}{_INVISIBLE}][^{_CONTROL}]*$"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def printable(text: str) -> str:
    """Refuse control characters and broken Unicode."""
    if _UNPRINTABLE.search(text):
        raise PydanticCustomError("characters", "")
    return text


def not_blank(text: str) -> str:
    """Refuse a text that leaves no mark."""
    if not _VISIBLE.search(text):
        raise PydanticCustomError("blank", "")
    return text


def _slug(text: str) -> str:
    if len(text) > MAX_SLUG_LENGTH or not _SLUG.fullmatch(text):
        raise PydanticCustomError("slug", "")
    return text


def _url(text: str) -> str:
    if any(each.isspace() for each in text) or not monitors.is_webhook_url(text):
        raise PydanticCustomError("url", "")
    return text


def _secret(text: str) -> str:
    if text not in (monitors.GENERATE, SECRET_MASK) and not monitors.is_webhook_secret(text):
        raise PydanticCustomError("secret", "")
    return text


def _keyword(text: str) -> str:
    # Spaces around a word would be lost as soon as somebody saves the form, where each stands on a line.
    word = text.strip()
    if not 0 < len(word) <= MAX_KEYWORD_LENGTH or _UNPRINTABLE.search(text):
        raise PydanticCustomError("keywords", "")
    return word


def _keywords(words: list[str]) -> list[str]:
    if len(words) > MAX_KEYWORDS:
        raise PydanticCustomError("keywords", "")
    return list(dict.fromkeys(words))


def _schedule(expression: str) -> str:
    try:
        schedule.parse(expression)
    except schedule.ScheduleError as wrong:
        raise PydanticCustomError(wrong.code, "") from None
    # Between its parts may stand whatever Python takes for a space, line ends and control characters among it.
    return " ".join(expression.split())


def _timezone(name: str) -> str:
    if name not in schedule.zone_names():
        raise PydanticCustomError("timezone", "")
    return name


def _documented(**schema: Any) -> Any:
    """Tell API readers a rule that a validator of ours checks, because it has a message of its own."""
    return Field(json_schema_extra=schema)


_Name = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH, description="What people call it. Not blank, no control characters."),
    AfterValidator(printable),
    AfterValidator(not_blank),
    _documented(minLength=1, pattern=VISIBLE_TEXT),
]
_SlugText = Annotated[
    str,
    Field(description="Its part of the ping URL. Compared exactly; unique."),
    AfterValidator(_slug),
    _documented(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"),
]
_Interval = Annotated[
    int, Field(ge=1, le=MAX_SECONDS, description="Seconds within which a ping is expected. At most 3,650 days.")
]
_Grace = Annotated[
    int, Field(ge=0, le=MAX_SECONDS, description="Seconds it may be late before it is DOWN. At most 3,650 days.")
]
_RunLimit = Annotated[
    int,
    Field(ge=1, le=MAX_SECONDS, description="Seconds a started run may take. Null: the grace, else the interval."),
]
_WebhookUrl = Annotated[
    str,
    Field(max_length=MAX_URL_LENGTH, description="Where changes between UP and DOWN are told. Null: nowhere."),
    AfterValidator(printable),
    AfterValidator(_url),
    _documented(format="uri", pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"),
]
_BASE64_OF_24_TO_64_BYTES = (
    "([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|([A-Za-z0-9+/]{4}){21}([A-Za-z0-9+/]{2}==)?"
)
_WebhookSecret = Annotated[
    str,
    Field(description="Signs the messages (Standard Webhooks). `generate` makes one and shows it once."),
    AfterValidator(printable),
    AfterValidator(_secret),
    _documented(pattern=rf"^(generate|whsec_\*{{8}}|whsec_({_BASE64_OF_24_TO_64_BYTES}))$"),
]


_Schedule = Annotated[
    str,
    Field(description="A cron or OnCalendar expression in place of `interval_seconds`. Null: every interval."),
    AfterValidator(_schedule),
    _documented(minLength=1, maxLength=schedule.MAX_LENGTH),
]
_Timezone = Annotated[
    str,
    Field(description="The IANA name of the time zone that the schedule is read in."),
    AfterValidator(_timezone),
]
_InARow = Annotated[int, Field(ge=1, le=MAX_IN_A_ROW)]
_Keywords = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_keyword),
            _documented(maxLength=MAX_KEYWORD_LENGTH, pattern=rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"),
        ]
    ],
    AfterValidator(_keywords),
    _documented(maxItems=MAX_KEYWORDS),
]
_MinGap = Annotated[
    int, Field(ge=1, le=MAX_SECONDS, description="A success sooner than this after the last is flagged as early.")
]


def _group(text: str) -> str:
    return not_blank(printable(text.strip()))


def _tag(text: str) -> str:
    tag = text.strip()
    if (
        not 0 < len(tag) <= placement.MAX_TAG_LENGTH
        or "," in tag
        or _UNPRINTABLE.search(tag)
        or not _VISIBLE.search(tag)
    ):
        raise PydanticCustomError("tags", "")
    return tag


def _tags(tags: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > placement.MAX_TAGS:
        raise PydanticCustomError("tags", "")
    return distinct


_Group = Annotated[
    str,
    Field(max_length=placement.MAX_GROUP_LENGTH, description="Under which heading it stands. Null: under none."),
    AfterValidator(_group),
    _documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Environment = Annotated[
    str,
    Field(max_length=placement.MAX_ENVIRONMENT_LENGTH, description="Such as prod or dev. Null: none is named."),
    AfterValidator(_group),
    _documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Tags = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_tag),
            _documented(
                minLength=1,
                maxLength=placement.MAX_TAG_LENGTH,
                pattern=rf"^[^,{_CONTROL}]*[^\s,{_CONTROL}{_INVISIBLE}][^,{_CONTROL}]*$",
            ),
        ]
    ],
    AfterValidator(_tags),
    _documented(maxItems=placement.MAX_TAGS),
]
_Position = Annotated[
    int, Field(ge=0, le=MAX_POSITION, description="Smaller ones stand first. Null: where its creation put it.")
]
_IncidentAfter = Annotated[
    int,
    Field(
        ge=0,
        le=incidents.MAX_AFTER_MINUTES,
        description="Minutes that it is DOWN before an incident opens by itself. Null: never.",
    ),
]
_TAGS = "Words to find it by."
_PUBLIC = "Whether it may stand on public pages."
_FAILURES = "This many failures in a row make it DOWN."
_SUCCESSES = "This many successes in a row make it UP again."
_POST_ONLY = "GET and HEAD count for nothing."
_SUCCESS_WORDS = "Where there are any, a success counts only if its body holds one of them."
_FAILURE_WORDS = "A success whose body holds one of them is a failure."
_START_WORDS = "A success whose body holds one of them is a start."


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


_EITHER: list[Any] = [
    {"required": ["interval_seconds"], "properties": {"schedule": {"type": "null"}}},
    {
        "required": ["schedule"],
        "properties": {"schedule": {"type": "string"}},
        "not": {"required": ["interval_seconds"]},
    },
]


class MonitorCreate(BaseModel):
    """The body of a request that creates a monitor: an interval or a schedule is needed, and not both."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"oneOf": _EITHER})

    name: _Name
    slug: _SlugText
    interval_seconds: Annotated[_Interval, Field(json_schema_extra=_without_default)] = 0  # never read: see `forms`
    grace_seconds: _Grace = 0
    webhook_url: _WebhookUrl | None = None
    webhook_secret: _WebhookSecret | None = None
    max_run_seconds: _RunLimit | None = None
    schedule: _Schedule | None = None
    timezone: _Timezone = "UTC"
    failures_to_down: _InARow = Field(1, description=_FAILURES)
    successes_to_up: _InARow = Field(1, description=_SUCCESSES)
    post_only: bool = Field(False, description=_POST_ONLY)
    success_keywords: _Keywords = Field([], description=_SUCCESS_WORDS)
    failure_keywords: _Keywords = Field([], description=_FAILURE_WORDS)
    start_keywords: _Keywords = Field([], description=_START_WORDS)
    min_gap_seconds: _MinGap | None = None
    group: _Group | None = None
    environment: _Environment | None = None
    tags: _Tags = Field([], description=_TAGS)
    position: _Position | None = None
    public: bool = Field(True, description=_PUBLIC)
    incident_after_minutes: _IncidentAfter | None = None


def _patch_schema(schema: dict[str, Any]) -> None:
    """A field that is left out stays as it is: it has no default to document. Of interval and schedule only one."""
    schema["not"] = {"required": ["interval_seconds", "schedule"], "properties": {"schedule": {"type": "string"}}}
    for field in schema["properties"].values():
        _without_default(field)


class MonitorPatch(BaseModel):
    """The body of a request that edits a monitor: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_patch_schema)

    # The defaults are never read: only fields that were sent count.
    name: _Name = ""
    slug: _SlugText = ""
    interval_seconds: _Interval = 0
    grace_seconds: _Grace = 0
    webhook_url: _WebhookUrl | None = None
    webhook_secret: _WebhookSecret | None = None
    max_run_seconds: _RunLimit | None = None
    schedule: _Schedule | None = None
    timezone: _Timezone = "UTC"
    failures_to_down: _InARow = Field(1, description=_FAILURES)
    successes_to_up: _InARow = Field(1, description=_SUCCESSES)
    post_only: bool = Field(False, description=_POST_ONLY)
    success_keywords: _Keywords = Field([], description=_SUCCESS_WORDS)
    failure_keywords: _Keywords = Field([], description=_FAILURE_WORDS)
    start_keywords: _Keywords = Field([], description=_START_WORDS)
    min_gap_seconds: _MinGap | None = None
    group: _Group | None = None
    environment: _Environment | None = None
    tags: _Tags = Field([], description=_TAGS)
    position: _Position | None = None
    public: bool = Field(True, description=_PUBLIC)
    incident_after_minutes: _IncidentAfter | None = None


FIELDS = tuple(MonitorCreate.model_fields)
KEYWORDS = ("success_keywords", "failure_keywords", "start_keywords")
LIMITS: dict[tuple[str, str], tuple[tuple[str, object], ...]] = {
    ("name", "too-long"): (("max", MAX_NAME_LENGTH),),
    ("slug", "slug"): (("max", MAX_SLUG_LENGTH),),
    ("interval_seconds", "range"): (("min", 1), ("max", MAX_SECONDS)),
    ("grace_seconds", "range"): (("min", 0), ("max", MAX_SECONDS)),
    ("max_run_seconds", "range"): (("min", 1), ("max", MAX_SECONDS)),
    ("schedule", "schedule-too-long"): (("max", schedule.MAX_LENGTH),),
    ("failures_to_down", "range"): (("min", 1), ("max", MAX_IN_A_ROW)),
    ("successes_to_up", "range"): (("min", 1), ("max", MAX_IN_A_ROW)),
    ("min_gap_seconds", "range"): (("min", 1), ("max", MAX_SECONDS)),
    **{(name, "keywords"): (("max", MAX_KEYWORDS), ("length", MAX_KEYWORD_LENGTH)) for name in KEYWORDS},
    ("group", "too-long"): (("max", placement.MAX_GROUP_LENGTH),),
    ("environment", "too-long"): (("max", placement.MAX_ENVIRONMENT_LENGTH),),
    ("tags", "tags"): (("max", placement.MAX_TAGS), ("length", placement.MAX_TAG_LENGTH)),
    ("position", "range"): (("min", 0), ("max", MAX_POSITION)),
    ("incident_after_minutes", "range"): (("min", 0), ("max", incidents.MAX_AFTER_MINUTES)),
    ("webhook_url", "too-long"): (("max", MAX_URL_LENGTH),),
    ("webhook_secret", "secret"): (("min", 24), ("max", 64)),
}


def problem(field: str, code: str, limits: tuple[tuple[str, object], ...] = ()) -> FieldProblem:
    """Return what is wrong with *field* in the words of `MESSAGES`."""
    return FieldProblem(field, code, MESSAGES[code] % dict(limits), limits)
