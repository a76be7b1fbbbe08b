"""What the API's description says beside the routes themselves: answers, examples and errors.

The models here describe answers; nothing is serialized through them (ten thousand monitors would take seconds). A test
holds real answers against them.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import AwareDatetime, BaseModel, Field, create_model
from pydantic.json_schema import models_json_schema

from pulsemon.accounts.roles import OPEN
from pulsemon.errors import NO_MONITOR, NO_PROJECT
from pulsemon.input import monitors as monitor_fields
from pulsemon.input.monitor_rules import SECRET_MASK
from pulsemon.web.api import openapi_paths
from pulsemon.web.api.openapi_paths import EXAMPLE_TOKEN, RETRY_AFTER
from pulsemon.web.http import credentials, principals, whose
from pulsemon.web.http.routing import Route

_DESCRIPTION = """\
PulseMon watches jobs that report by themselves: each calls its ping URL when it has run, and PulseMon tells when one
stays silent for longer than its interval and grace.

Paths below `/api/` ask for the header `X-Admin-Token`, or for a key in `X-Api-Key` or `Authorization: Bearer`. Times
are ISO 8601 in UTC with milliseconds. Errors are `{"detail": ...}`; they name the field and the rule and never repeat
what was sent.
"""
_TAGS = [
    {"name": "Monitors", "description": "What is watched. Every path asks for the header `X-Admin-Token`, or a key."},
    {"name": "History", "description": "When a monitor went up and down, and why."},
    {"name": "Heartbeats", "description": "What a job calls. The URL holds the monitor's token and is a secret."},
    {"name": "Health", "description": "Whether PulseMon itself does its work."},
    {"name": "Incidents", "description": "What the owner tells visitors of public pages."},
    {"name": "Maintenance", "description": "When nothing is told, because somebody works on what is watched."},
    {"name": "People", "description": "Users, projects, and who may do what in which."},
    {"name": "Keys", "description": "What programs show to be let in, and the addresses of wall screens."},
    {"name": "Audit", "description": "Who did what, from where and when."},
    {"name": "Pages", "description": "For people, and what their owner sets of them."},
]

StatusName = Literal["UNKNOWN", "UP", "DOWN", "PAUSED"]


class OpenRunAnswer(BaseModel):
    """A run that was started and has not ended."""

    rid: str | None = Field(description="Null for the one that was started without a rid.")
    started_at: AwareDatetime
    due_at: AwareDatetime = Field(description="When it has to end.")
    overdue: bool = Field(description="It did not, and that was told. It is forgotten when the next run starts.")


class _Observed(BaseModel):
    """What PulseMon itself knows of a monitor; what its owner sets is described in `input.monitors`."""

    status: StatusName
    last_ping: AwareDatetime | None = Field(description="The last success or failure that arrived.")
    token: str | None = Field(
        description="A secret: whoever has it can ping. Null for whoever may not see secrets; of "
        "`webhook_url` there is the host then."
    )
    ping_url: str | None = Field(
        description="What the job calls. Without a host where the request named none; null as the token is."
    )
    due_at: AwareDatetime | None = Field(description="When it is DOWN if nothing arrives; null: never.")
    created_at: AwareDatetime
    updated_at: AwareDatetime = Field(description="The last edit. Pings leave it alone.")
    webhook_switched_off_at: AwareDatetime | None = Field(
        description="When the receiver answered 410 Gone; nothing is sent until the webhook is edited."
    )
    ping_count: int
    late: bool = Field(description="Past the interval and within the grace; counts as up.")
    next_expected_at: AwareDatetime | None = Field(description="When the next ping is expected, before any grace.")
    open_runs: list[OpenRunAnswer]
    under_maintenance: bool = Field(description="There is maintenance at the moment; nothing is told before its end.")
    project: str = Field(description="The slug of the project that it belongs to.")


_ANSWERED: dict[str, Any] = {
    **{each.name: (each.answered, ...) for each in monitor_fields.TABLE},
    **{name: (each.annotation, each) for name, each in _Observed.model_fields.items()},
}
# The original specification's fields come first, then what was added one by one; all others follow in their own order.
_FIRST = (
    "name",
    "slug",
    "interval_seconds",
    "grace_seconds",
    "status",
    "last_ping",
    "webhook_url",
    "token",
    "ping_url",
    "due_at",
    "webhook_secret",
    "created_at",
    "updated_at",
    "max_run_seconds",
    "webhook_switched_off_at",
    "ping_count",
    "late",
)
MONITOR_KEYS = tuple(dict.fromkeys((*_FIRST, *_ANSWERED)))
MonitorAnswer = create_model(
    "MonitorAnswer",
    __doc__="A monitor, as the API shows it.",
    __module__=__name__,
    **{name: _ANSWERED[name] for name in MONITOR_KEYS},
)


class HistoryAnswer(BaseModel):
    """One change of a monitor's status."""

    prev_status: StatusName
    new_status: StatusName
    note: str | None
    created_at: AwareDatetime = Field(description="When it was recorded.")
    occurred_at: AwareDatetime = Field(description="When it happened; for silence the deadline itself.")
    cause: str | None = Field(description="ping, silence, failure, run-limit, edit, sweep, pause or resume.")
    seq: int = Field(description="Counts the monitor's changes from 1.")


EXAMPLE_CREATE = {
    "name": "Backup Noturno",
    "slug": "backup-noturno",
    "interval_seconds": 86400,
    "grace_seconds": 3600,
    "webhook_url": "https://hooks.example.org/pulsemon",
    "webhook_secret": "generate",
}
EXAMPLE_PATCH = {"interval_seconds": 43200, "webhook_url": None}
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in monitor_fields.TABLE}
_EXAMPLE: dict[str, Any] = _DEFAULTS | {
    "name": "Backup Noturno",
    "slug": "backup-noturno",
    "interval_seconds": 86400,
    "grace_seconds": 3600,
    "status": "UP",
    "last_ping": "2026-03-02T03:00:12.480Z",
    "webhook_url": "https://hooks.example.org/pulsemon",
    "token": EXAMPLE_TOKEN,
    "ping_url": f"https://pulsemon.example.org/h/backup-noturno/{EXAMPLE_TOKEN}",
    "due_at": "2026-03-03T04:00:12.480Z",
    "webhook_secret": SECRET_MASK,
    "created_at": "2026-03-01T12:00:00.000Z",
    "updated_at": "2026-03-01T12:00:00.000Z",
    "webhook_switched_off_at": None,
    "ping_count": 2,
    "late": False,
    "failure_keywords": ["ERROR"],
    "group": "Backups",
    "environment": "prod",
    "tags": ["nightly", "db"],
    "position": 1,
    "next_expected_at": "2026-03-03T03:00:12.480Z",
    "open_runs": [],
    "under_maintenance": False,
    "project": "default",
}
EXAMPLE_MONITOR = {name: _EXAMPLE[name] for name in MONITOR_KEYS}
EXAMPLE_NEW_MONITOR = EXAMPLE_MONITOR | {
    "status": "UNKNOWN",
    "last_ping": None,
    "due_at": None,
    "webhook_secret": "whsec_RVhBTVBMRS1FWEFNUExFLUVYQU1QTEUtRVhBTVBMRS0=",
    "ping_count": 0,
    "next_expected_at": None,
}
EXAMPLE_HISTORY = {
    "prev_status": "UP",
    "new_status": "DOWN",
    "note": "No ping within the interval of 1 d and the grace of 1 h.",
    "created_at": "2026-03-03T04:00:12.492Z",
    "occurred_at": "2026-03-03T04:00:12.480Z",
    "cause": "silence",
    "seq": 2,
}


class HealthAnswer(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """Whether PulseMon does its work."""

    status: Literal["ready", "not ready"]
    reasons: list[str] = Field(
        default=[],
        description="With the admin token, or a key for metrics: why pings cannot be stored or deadlines be watched.",
    )
    warnings: list[str] = Field(
        default=[], description="With the admin token, or a key for metrics: what else is amiss."
    )


class ErrorAnswer(BaseModel):
    """What went wrong, as one sentence."""

    detail: str


class FieldError(BaseModel):
    """One field that breaks a rule. `type` names the rule."""

    loc: list[str]
    msg: str
    type: str


class InvalidAnswer(BaseModel):
    """The fields that break a rule. Nothing was changed."""

    detail: list[FieldError]


_bodies: set[type[BaseModel]] = set()  # that requests bring


def error(status_code: int, description: str, detail: str) -> dict[int | str, dict[str, Any]]:
    """Describe an error answer whose `detail` is a sentence."""
    described = {
        "model": ErrorAnswer,
        "description": description,
        "content": {"application/json": {"example": {"detail": detail}}},
    }
    return {status_code: described | ({"headers": RETRY_AFTER} if status_code in (429, 503) else {})}


def invalid(*loc: str, msg: str, rule: str) -> dict[int | str, dict[str, Any]]:
    """Describe a 422 by one example."""
    example = {"detail": [{"loc": list(loc), "msg": msg, "type": rule}]}
    content = {"application/json": {"example": example}}
    return {422: {"model": InvalidAnswer, "description": "A rule is broken; nothing was changed.", "content": content}}


def answer(
    status_code: int, description: str, example: Any, headers: dict[str, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Describe a good answer by one example; *headers* maps names to descriptions."""
    described: dict[str, Any] = {"description": description, "content": {"application/json": {"example": example}}}
    if headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return {status_code: described}


TOO_MANY_TOKENS = error(429, "Sixty wrong tokens came from this address within a minute.", principals.TOO_MANY_TOKENS)
UNAUTHORIZED = (
    error(401, "Without the admin token and without a key, or with a wrong one.", credentials.NO_CREDENTIAL)
    | error(403, "The key has not the scope that this takes.", whose.NOT_ALLOWED)
    | TOO_MANY_TOKENS
)
NOT_FOUND = error(404, NO_MONITOR, NO_MONITOR)
CONFLICT = error(409, "The slug is taken.", "A monitor with this slug exists already.")
UNAVAILABLE = error(
    503,
    "The database does not answer. Try again after the seconds in Retry-After.",
    "The database does not answer at the moment; nothing is known to be changed. Try again.",
)
BODY_ERRORS = error(400, "The body is not JSON, or not UTF-8.", "The body is not JSON.") | error(
    413, "The body is larger than 64 KiB.", "The body is larger than 64 KiB."
)
ARRAY_ERRORS = error(
    413, "The body is larger than 64 KiB, or as an array than 1 MiB.", "The body is larger than 64 KiB."
) | error(
    409,
    "The slug is taken. Of an array all slugs that are taken, or stand in it twice, are named.",
    "A monitor with this slug exists already.",
)


def body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Describe a request's body, which a dependency of ours reads, so that FastAPI knows nothing of it."""
    _bodies.add(model)
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def optional_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Describe a request's body that may be left out."""
    described = body(model, example)
    described["requestBody"]["required"] = False
    return described


def body_or_many(model: type[BaseModel], example: dict[str, Any], *, most: int) -> dict[str, Any]:
    """Describe a request's body that is one thing, or an array of at most so many."""
    described = body(model, example)
    content = described["requestBody"]["content"]["application/json"]
    one = content["schema"]
    content["schema"] = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]}
    return described


PAGING = [
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "At most so many.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000},
        "example": 100,
    },
    {
        "name": "cursor",
        "in": "query",
        "required": False,
        "description": "Where the page begins, as the `Link` header of the page before it says.",
        "schema": {"type": "string"},
    },
]
OF_PROJECT = [
    {
        "name": "project",
        "in": "query",
        "required": False,
        "description": "Those of the project with this slug alone.",
        "schema": {"type": "string"},
        "example": "default",
    }
]
NO_SUCH_PROJECT = error(404, NO_PROJECT, NO_PROJECT)
BAD_PAGING = invalid("query", "limit", msg="This must be a whole number between 1 and 1000.", rule="range")
PAGED = {"Link": 'The next page, where more follow: `<...>; rel="next"`.'}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the whole OpenAPI document of *app*."""
    made = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes, tags=_TAGS)
    made["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    models: list[type[BaseModel]] = sorted([*_bodies, ErrorAnswer], key=lambda each: each.__name__)
    _, extra = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas |= extra["$defs"]
    made["components"]["securitySchemes"] = {
        "adminToken": {"type": "apiKey", "in": "header", "name": "X-Admin-Token", "description": "ADMIN_TOKEN"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A key, or ADMIN_TOKEN"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key; for `/metrics` ADMIN_TOKEN too"},
        "basic": {"type": "http", "scheme": "basic", "description": "The same as a password, for `/metrics`"},
    }
    made["paths"] |= openapi_paths.pings() | openapi_paths.public_pages()
    closed = {each.path_format for each in app.routes if isinstance(each, Route) and each.action not in OPEN}
    _settle_security(made["paths"], closed)
    _drop_unused(made["paths"], schemas)
    return made


# Each by itself opens a closed path.
CREDENTIALS: list[dict[str, list[str]]] = [{"adminToken": []}, {"apiKey": []}, {"bearer": []}]


def _settle_security(paths: dict[str, Any], closed: Set[str]) -> None:
    """Say at each operation whom it lets in; those of *closed* paths ask for the token or a key."""
    for path, operations in paths.items():
        for operation in operations.values():
            operation.setdefault("security", CREDENTIALS if path in closed else [])


def _drop_unused(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """FastAPI promises a 422 of its own wherever a path has a parameter; ours are texts and never break a rule."""
    unused = {"$ref": "#/components/schemas/HTTPValidationError"}
    for operations in paths.values():
        for operation in operations.values():
            described = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
            if described.get("schema") == unused:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
