"""The table of a monitor's fields, and what follows from it: the models of bodies, and what is said of a wrong field.

Read by `input.monitor_forms`, which reads and writes JSON and forms by it, and by `web.api.openapi` for the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from pulsemon.core import incidents, placement
from pulsemon.errors import FieldProblem
from pulsemon.input import projects
from pulsemon.input.fields import LENGTH, MINUTES, REQUIRED, SECONDS, SWITCH, TEXT, FieldRow, Rule, up_to, whole
from pulsemon.input.monitor_rules import (
    KEYWORDS,
    MAX_IN_A_ROW,
    MAX_POSITION,
    MAX_SECONDS,
    MESSAGES,
    SCHEDULE,
    SLUG,
    TAGS,
    WEBHOOK_SECRET,
    WEBHOOK_URL,
    heading_up_to,
)
from pulsemon.input.rules import (
    CONTROL,
    MAX_NAME_LENGTH,
    FieldRules,
    Limits,
    Timezone,
    Title,
    documented,
    printable,
    without_defaults,
)

# Every field of a monitor that its owner sets, in the order of bodies and answers. How to add one: docs/development.md.
TABLE = (
    FieldRow(
        "name",
        Rule(TEXT, Title, {"too-long": up_to(MAX_NAME_LENGTH)}),
        "What people call it. Not blank, no control characters.",
        about_in_answer="",
    ),
    FieldRow("slug", SLUG, "Its part of the ping URL. Compared exactly; unique.", about_in_answer=""),
    FieldRow(
        "interval_seconds",
        whole(1, MAX_SECONDS, SECONDS),
        "Seconds within which a ping is expected. At most 3,650 days.",
        about_in_answer="With a schedule: the time between two of its firings.",
    ),
    FieldRow(
        "grace_seconds",
        whole(0, MAX_SECONDS, SECONDS),
        "Seconds it may be late before it is DOWN. At most 3,650 days.",
        about_in_answer="",
        default=0,
    ),
    FieldRow(
        "webhook_url",
        WEBHOOK_URL,
        "Where changes between UP and DOWN are told. Null: nowhere.",
        about_in_answer="",
        default=None,
    ),
    FieldRow(
        "webhook_secret",
        WEBHOOK_SECRET,
        "Signs the messages (Standard Webhooks). `generate` makes one and shows it once.",
        about_in_answer="Masked, except in the answer to the request that generated it.",
        default=None,
    ),
    FieldRow(
        "max_run_seconds",
        whole(1, MAX_SECONDS, SECONDS),
        "Seconds a started run may take. Null: the grace, else the interval.",
        about_in_answer="",
        default=None,
    ),
    FieldRow(
        "schedule",
        SCHEDULE,
        "A cron or OnCalendar expression in place of `interval_seconds`. Null: every interval.",
        about_in_answer="A cron or OnCalendar expression; null: every `interval_seconds`.",
        default=None,
    ),
    FieldRow(
        "timezone",
        Rule(TEXT, Timezone),
        "The IANA name of the time zone that the schedule is read in.",
        about_in_answer="The time zone that the schedule is read in.",
        default="UTC",
    ),
    FieldRow("failures_to_down", whole(1, MAX_IN_A_ROW), "This many failures in a row make it DOWN.", default=1),
    FieldRow("successes_to_up", whole(1, MAX_IN_A_ROW), "This many successes in a row make it UP again.", default=1),
    FieldRow(
        "post_only",
        Rule(SWITCH, bool),
        "GET and HEAD count for nothing.",
        default=False,
        path="rules.is_post_only",
    ),
    FieldRow(
        "success_keywords",
        KEYWORDS,
        "Where there are any, a success counts only if its body holds one of them.",
        about_in_answer="",
        default=[],
        path="rules.success_keywords",
    ),
    FieldRow(
        "failure_keywords",
        KEYWORDS,
        "A success whose body holds one of them is a failure.",
        about_in_answer="",
        default=[],
        path="rules.failure_keywords",
    ),
    FieldRow(
        "start_keywords",
        KEYWORDS,
        "A success whose body holds one of them is a start.",
        about_in_answer="",
        default=[],
        path="rules.start_keywords",
    ),
    FieldRow(
        "min_gap_seconds",
        whole(1, MAX_SECONDS, LENGTH),
        "A success sooner than this after the last is flagged as early.",
        default=None,
        path="rules.min_gap",
    ),
    FieldRow(
        "group",
        heading_up_to(placement.MAX_GROUP_LENGTH),
        "Under which heading it stands. Null: under none.",
        about_in_answer="Under which heading it stands.",
        default=None,
        path="placement.group",
    ),
    FieldRow(
        "environment",
        heading_up_to(placement.MAX_ENVIRONMENT_LENGTH),
        "Such as prod or dev. Null: none is named.",
        about_in_answer="",
        default=None,
        path="placement.environment",
    ),
    FieldRow("tags", TAGS, "Words to find it by.", about_in_answer="", default=[], path="placement.tags"),
    FieldRow(
        "position",
        whole(0, MAX_POSITION),
        "Smaller ones stand first. Null: where its creation put it.",
        about_in_answer="Smaller ones stand first.",
        default=None,
        path="placement.position",
        type_in_answer=int,
    ),
    FieldRow(
        "public",
        Rule(SWITCH, bool),
        "Whether it may stand on public pages.",
        default=True,
        path="placement.is_public",
    ),
    FieldRow(
        "incident_after_minutes",
        whole(0, incidents.MAX_AFTER_MINUTES, MINUTES),
        "Minutes that it is DOWN before an incident opens by itself. Null: never.",
        about_in_answer="Minutes DOWN before an incident opens by itself.",
        default=None,
        path="placement.incident_after_minutes",
    ),
)
BY_NAME = {each.name: each for each in TABLE}
FIELDS = tuple(BY_NAME)
BODY_FIELDS = (*FIELDS, projects.NAME)


# Where a monitor belongs is said in bodies beside the table: it is no part of what its owner says of it.
ProjectSlug = Annotated[
    str,
    Field(description="The slug of its project. Null: as it is, and of a new one the key's, else the first."),
    AfterValidator(printable),
    documented(pattern=f"^[^{CONTROL}]*$"),
]


def _create_schema(schema: dict[str, Any]) -> None:
    """Exactly one of interval and schedule has to be sent."""
    schema["properties"]["interval_seconds"].pop("default")
    schema["oneOf"] = [
        {"required": ["interval_seconds"], "properties": {"schedule": {"type": "null"}}},
        {
            "required": ["schedule"],
            "properties": {"schedule": {"type": "string"}},
            "not": {"required": ["interval_seconds"]},
        },
    ]


def _patch_schema(schema: dict[str, Any]) -> None:
    """Of interval and schedule only one may be sent."""
    schema["not"] = {"required": ["interval_seconds", "schedule"], "properties": {"schedule": {"type": "string"}}}
    without_defaults(schema)


def _model(
    name: str, doc: str, schema: Callable[[dict[str, Any]], None], defaults: Mapping[str, Any]
) -> type[BaseModel]:
    """Return the model of a body: every field of the table, optional where *defaults* has it."""
    config = ConfigDict(strict=True, extra="forbid", json_schema_extra=schema)
    fields: dict[str, Any] = {each.name: (each.asked, defaults.get(each.name, ...)) for each in TABLE}
    fields[projects.NAME] = (ProjectSlug | None, None)
    return create_model(name, __config__=config, __doc__=doc, __module__=__name__, **fields)


_DEFAULTS = {each.name: each.default for each in TABLE if each.default is not REQUIRED}
MonitorCreate = _model(
    "MonitorCreate",
    "The body of a request that creates a monitor: an interval or a schedule is needed, and not both.",
    _create_schema,
    _DEFAULTS | {"interval_seconds": 0},  # whether it may be left out is for `monitor_forms` to say
)
MonitorPatch = _model(
    "MonitorPatch",
    "The body of a request that edits a monitor: any of the fields; what is left out stays as it is.",
    _patch_schema,
    dict.fromkeys(FIELDS),  # never read: only fields that were sent count
)

RULES = FieldRules(
    MESSAGES,
    limits={(each.name, code): limits for each in TABLE for code, limits in each.rule.limits.items()},
)


def problem(field: str, code: str, limits: Limits | None = None) -> FieldProblem:
    """Return what is wrong with *field* of a monitor."""
    return RULES.problem(field, code, limits)
