"""What a monitor's fields may hold, one rule a field, and the words for what they may not.

Read by `input.monitor_forms` from JSON and from HTML forms, by `web.api.monitors.openapi` for the document.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon.core import incidents, placement, schedule
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem
from pulsemon.input.rules import (
    CONTROL,
    INVISIBLE,
    MAX_NAME_LENGTH,
    UNPRINTABLE,
    VISIBLE,
    VISIBLE_TEXT,
    FieldRules,
    Limits,
    Timezone,
    Title,
    documented,
    not_blank,
    printable,
    without_defaults,
)
from pulsemon.monitors import manage as monitors

MAX_SLUG_LENGTH = 100
MAX_SECONDS = 315_360_000  # 3,650 days
MAX_URL_LENGTH = 2000
MAX_IN_A_ROW = 100
MAX_POSITION = 2**31 - 1
MAX_KEYWORDS, MAX_KEYWORD_LENGTH = 20, 200
# What readers get instead of a secret; sent back, it means that the secret stays as it is.
SECRET_MASK = "whsec_********"  # noqa: S105 - it stands for a secret and is none

# Each rule that only monitors have, and what to write instead. The panel renders the same templates in the reader's
# language; `rules.MESSAGES` has the rest.
MESSAGES: dict[str, str] = {
    "slug": N_(
        "This must begin with a letter or a digit and go on with letters, digits, dots, hyphens or underscores; "
        "at most %(max)d characters, no accents."
    ),
    "url": N_("This must be an http:// or https:// address with a host, without spaces."),
    "secret": N_("This must be whsec_ followed by the base64 of %(min)d to %(max)d bytes, or the word generate."),
    "keywords": N_(
        "This may hold at most %(max)d texts of 1 to %(length)d characters each, one on each line, "
        "without control characters."
    ),
    "tags": N_("This may hold at most %(max)d tags of 1 to %(length)d characters each, without commas in them."),
    "either": N_("A monitor goes by its schedule or by its interval: send one of the two."),
}

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _slug(text: str) -> str:
    if len(text) > MAX_SLUG_LENGTH or not _SLUG.fullmatch(text):
        raise PydanticCustomError("slug", "")
    return text


_UNSEEN = "".join(each for each in map(chr, range(0x10000)) if each.isspace() or re.match(f"[{INVISIBLE}]", each))


def _pasted(text: object) -> object:
    """Leave out what came along with an address: line ends, blanks, characters that nobody sees."""
    return text.strip(_UNSEEN) if isinstance(text, str) else text


def _url(text: str) -> str:
    if any(each.isspace() for each in text) or re.search(f"[{INVISIBLE}]", text) or not monitors.is_webhook_url(text):
        raise PydanticCustomError("url", "")
    return text


def _secret(text: str) -> str:
    if text not in (monitors.GENERATE, SECRET_MASK) and not monitors.is_webhook_secret(text):
        raise PydanticCustomError("secret", "")
    return text


def _keyword(text: str) -> str:
    # Spaces around a word would be lost as soon as somebody saves the form, where each stands on a line.
    word = text.strip()
    if not 0 < len(word) <= MAX_KEYWORD_LENGTH or UNPRINTABLE.search(text):
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


_Name = Annotated[Title, Field(description="What people call it. Not blank, no control characters.")]
_SlugText = Annotated[
    str,
    Field(description="Its part of the ping URL. Compared exactly; unique."),
    AfterValidator(_slug),
    documented(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"),
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
    BeforeValidator(_pasted),
    AfterValidator(printable),
    AfterValidator(_url),
    documented(format="uri", pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"),
]
_BASE64_OF_24_TO_64_BYTES = (
    "([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|([A-Za-z0-9+/]{4}){21}([A-Za-z0-9+/]{2}==)?"
)
_WebhookSecret = Annotated[
    str,
    Field(description="Signs the messages (Standard Webhooks). `generate` makes one and shows it once."),
    AfterValidator(printable),
    AfterValidator(_secret),
    documented(pattern=rf"^(generate|whsec_\*{{8}}|whsec_({_BASE64_OF_24_TO_64_BYTES}))$"),
]


_Schedule = Annotated[
    str,
    Field(description="A cron or OnCalendar expression in place of `interval_seconds`. Null: every interval."),
    AfterValidator(_schedule),
    documented(minLength=1, maxLength=schedule.MAX_LENGTH),
]
_Timezone = Annotated[Timezone, Field(description="The IANA name of the time zone that the schedule is read in.")]
_InARow = Annotated[int, Field(ge=1, le=MAX_IN_A_ROW)]
_Keywords = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_keyword),
            documented(maxLength=MAX_KEYWORD_LENGTH, pattern=rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"),
        ]
    ],
    AfterValidator(_keywords),
    documented(maxItems=MAX_KEYWORDS),
]
_MinGap = Annotated[
    int, Field(ge=1, le=MAX_SECONDS, description="A success sooner than this after the last is flagged as early.")
]


def _group(text: str) -> str:
    return not_blank(printable(text.strip()))


def _tag(text: str) -> str:
    tag = text.strip()
    if not 0 < len(tag) <= placement.MAX_TAG_LENGTH or "," in tag or UNPRINTABLE.search(tag) or not VISIBLE.search(tag):
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
    documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Environment = Annotated[
    str,
    Field(max_length=placement.MAX_ENVIRONMENT_LENGTH, description="Such as prod or dev. Null: none is named."),
    AfterValidator(_group),
    documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Tags = Annotated[
    list[
        Annotated[
            str,
            AfterValidator(_tag),
            documented(
                minLength=1,
                maxLength=placement.MAX_TAG_LENGTH,
                pattern=rf"^[^,{CONTROL}]*[^\s,{CONTROL}{INVISIBLE}][^,{CONTROL}]*$",
            ),
        ]
    ],
    AfterValidator(_tags),
    documented(maxItems=placement.MAX_TAGS),
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
    interval_seconds: Annotated[_Interval, Field(json_schema_extra=_without_default)] = 0  # see `monitor_forms`
    grace_seconds: _Grace = 0
    webhook_url: _WebhookUrl | None = None
    webhook_secret: _WebhookSecret | None = None
    max_run_seconds: _RunLimit | None = None
    schedule: _Schedule | None = None
    timezone: _Timezone = "UTC"
    failures_to_down: _InARow = Field(1, description="This many failures in a row make it DOWN.")
    successes_to_up: _InARow = Field(1, description="This many successes in a row make it UP again.")
    post_only: bool = Field(False, description="GET and HEAD count for nothing.")
    success_keywords: _Keywords = Field(
        [], description="Where there are any, a success counts only if its body holds one of them."
    )
    failure_keywords: _Keywords = Field([], description="A success whose body holds one of them is a failure.")
    start_keywords: _Keywords = Field([], description="A success whose body holds one of them is a start.")
    min_gap_seconds: _MinGap | None = None
    group: _Group | None = None
    environment: _Environment | None = None
    tags: _Tags = Field([], description="Words to find it by.")
    position: _Position | None = None
    public: bool = Field(True, description="Whether it may stand on public pages.")
    incident_after_minutes: _IncidentAfter | None = None


def _patch_schema(schema: dict[str, Any]) -> None:
    """Of interval and schedule only one may be sent."""
    schema["not"] = {"required": ["interval_seconds", "schedule"], "properties": {"schedule": {"type": "string"}}}
    without_defaults(schema)


class MonitorPatch(MonitorCreate):
    """The body of a request that edits a monitor: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_patch_schema)

    # The defaults are never read: only fields that were sent count.
    name: _Name = ""
    slug: _SlugText = ""
    interval_seconds: _Interval = 0


FIELDS = tuple(MonitorCreate.model_fields)
KEYWORDS = ("success_keywords", "failure_keywords", "start_keywords")
LIMITS: dict[tuple[str, str], Limits] = {
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


RULES = FieldRules(MESSAGES, limits=LIMITS)


def problem(field: str, code: str, limits: Limits | None = None) -> FieldProblem:
    """Return what is wrong with *field* of a monitor."""
    return RULES.problem(field, code, limits)
