"""What a monitor's fields may hold: one set of rules for JSON and for HTML forms.

JSON is read strictly (a number is a number); HTML fields arrive as text and are converted first. Both end in the same
models, and both raise `Invalid` with one problem a field. Whether a slug is free is for the database to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pulsemon import monitors
from pulsemon.core.notes import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.monitors import NewMonitor

MAX_NAME_LENGTH = 200
MAX_SLUG_LENGTH = 100
MAX_SECONDS = 315_360_000  # 3,650 days
MAX_URL_LENGTH = 2000
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
    "unknown-field": N_("There is no such field. The fields are %(fields)s."),
    "not-object": N_("This must be a JSON object."),
}

# Parts of character classes, readable for Python's expressions and for those of a JSON schema.
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_INVISIBLE = r"\u200b-\u200f\u2060\ufeff"
_UNPRINTABLE = re.compile(rf"[{_CONTROL}\ud800-\udfff]")
# At least one character that leaves a mark: zero-width ones alone make a monitor without a visible name.
_VISIBLE = re.compile(rf"[^\s{_INVISIBLE}]")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WHOLE = re.compile(r"-?[0-9]+")
_SHOWABLE_NAME = re.compile(r"[a-z_]{1,40}")
# Longer ones are outside every limit, and int() takes seconds for a number of a million digits.
_MAX_DIGITS = 18
_BEYOND_LIMITS: int = 10**_MAX_DIGITS


def _printable(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise PydanticCustomError("characters", "")
    return text


def _not_blank(text: str) -> str:
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


def _documented(**schema: Any) -> Any:
    """Tell API readers a rule that a validator of ours checks, because it has a message of its own."""
    return Field(json_schema_extra=schema)


_Name = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH, description="What people call it. Not blank, no control characters."),
    AfterValidator(_printable),
    AfterValidator(_not_blank),
    _documented(minLength=1, pattern=rf"^[^{_CONTROL}]*[^\s{_CONTROL}{_INVISIBLE}][^{_CONTROL}]*$"),
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
    AfterValidator(_printable),
    AfterValidator(_url),
    _documented(format="uri", pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"),
]
_BASE64_OF_24_TO_64_BYTES = (
    "([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|([A-Za-z0-9+/]{4}){21}([A-Za-z0-9+/]{2}==)?"
)
_WebhookSecret = Annotated[
    str,
    Field(description="Signs the messages (Standard Webhooks). `generate` makes one and shows it once."),
    AfterValidator(_printable),
    AfterValidator(_secret),
    _documented(pattern=rf"^(generate|whsec_\*{{8}}|whsec_({_BASE64_OF_24_TO_64_BYTES}))$"),
]


class MonitorCreate(BaseModel):
    """The body of a request that creates a monitor."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: _Name
    slug: _SlugText
    interval_seconds: _Interval
    grace_seconds: _Grace = 0
    webhook_url: _WebhookUrl | None = None
    webhook_secret: _WebhookSecret | None = None
    max_run_seconds: _RunLimit | None = None


def _without_defaults(schema: dict[str, Any]) -> None:
    """A field that is left out stays as it is: it has no default to document."""
    for field in schema["properties"].values():
        field.pop("default", None)


class MonitorPatch(BaseModel):
    """The body of a request that edits a monitor: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_without_defaults)

    # The defaults are never read: only fields that were sent count.
    name: _Name = ""
    slug: _SlugText = ""
    interval_seconds: _Interval = 0
    grace_seconds: _Grace = 0
    webhook_url: _WebhookUrl | None = None
    webhook_secret: _WebhookSecret | None = None
    max_run_seconds: _RunLimit | None = None


FIELDS = tuple(MonitorCreate.model_fields)
_NUMBERS = ("interval_seconds", "grace_seconds", "max_run_seconds")
# What an HTML field that was emptied stands for, where the field may be empty.
_EMPTIED: dict[str, Any] = {"grace_seconds": 0, "webhook_url": None, "webhook_secret": None, "max_run_seconds": None}
# Pydantic's names for the rules that it checks itself; ours have the names of MESSAGES.
_CODES = {
    "missing": "missing",
    "string_type": "not-text",
    "string_unicode": "characters",
    "string_too_long": "too-long",
    "int_type": "not-whole",
    "greater_than_equal": "range",
    "less_than_equal": "range",
}
_LIMITS: dict[tuple[str, str], tuple[tuple[str, object], ...]] = {
    ("name", "too-long"): (("max", MAX_NAME_LENGTH),),
    ("slug", "slug"): (("max", MAX_SLUG_LENGTH),),
    ("interval_seconds", "range"): (("min", 1), ("max", MAX_SECONDS)),
    ("grace_seconds", "range"): (("min", 0), ("max", MAX_SECONDS)),
    ("max_run_seconds", "range"): (("min", 1), ("max", MAX_SECONDS)),
    ("webhook_url", "too-long"): (("max", MAX_URL_LENGTH),),
    ("webhook_secret", "secret"): (("min", 24), ("max", 64)),
}


def problem(field: str, code: str, limits: tuple[tuple[str, object], ...] = ()) -> FieldProblem:
    """Return what is wrong with *field* in the words of `MESSAGES`."""
    return FieldProblem(field, code, MESSAGES[code] % dict(limits), limits)


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
    given = {name: text.strip() for name, text in fields.items() if name in FIELDS}
    return _new_monitor(_validate(MonitorCreate, {name: _typed(name, text) for name, text in given.items() if text}))


def changes_from_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Read the HTML form that edits a monitor: what it holds replaces what was there.

    A field that the form does not have stays as it is. An emptied one is cleared where that is possible (no webhook,
    no secret, no run limit, no grace). Raises Invalid.
    """
    given = {name: text.strip() for name, text in fields.items() if name in FIELDS}
    emptied = {name for name, text in given.items() if not text}
    values = {name: _typed(name, text) if text else _EMPTIED.get(name, "") for name, text in given.items()}
    missing = [problem(name, "missing") for name in FIELDS if name in emptied - _EMPTIED.keys()]
    checked = {name: value for name, value in values.items() if name not in emptied - _EMPTIED.keys()}
    return _changes(_validate(MonitorPatch, checked, also=missing))


def _typed(name: str, text: str) -> Any:
    """Turn the digits of a number's field into a number; what is none is left for the rules to refuse."""
    return whole_number(text) if name in _NUMBERS and _WHOLE.fullmatch(text) else text


def whole_number(digits: str) -> int:
    """Return the number that *digits* (and a minus) write; one too long for any limit of ours is cut down to 10^18."""
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -_BEYOND_LIMITS if digits.startswith("-") else _BEYOND_LIMITS


def _new_monitor(values: dict[str, Any]) -> NewMonitor:
    if values.get("webhook_secret") == SECRET_MASK:  # there is no secret yet that could stay as it is
        raise Invalid((problem("webhook_secret", "secret", _LIMITS["webhook_secret", "secret"]),))
    return NewMonitor(**values)


def _changes(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if (name, value) != ("webhook_secret", SECRET_MASK)}


def _read_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Invalid((problem("", "not-object"),))
    fields = (("fields", ", ".join(FIELDS)),)
    unknown = [problem(_showable(name), "unknown-field", fields) for name in data if name not in FIELDS]
    return _validate(model, {name: value for name, value in data.items() if name in FIELDS}, also=unknown[:10])


def _showable(name: str) -> str:
    """Return the name of an unknown field if it looks like one; anything else could be data, and is not repeated."""
    return name if _SHOWABLE_NAME.fullmatch(name) else ""


def _validate(model: type[BaseModel], values: dict[str, Any], *, also: Iterable[FieldProblem] = ()) -> dict[str, Any]:
    """Return the values that were given, checked."""
    found: list[FieldProblem] = []
    try:
        checked = model.model_validate(values).model_dump(exclude_unset=True)
    except ValidationError as wrong:
        found = [_problem(error) for error in wrong.errors(include_url=False, include_input=False)]
    found += also
    if found:
        raise Invalid(tuple(found))
    return checked


def _problem(error: ErrorDetails) -> FieldProblem:
    field, code = str(error["loc"][0]), _CODES.get(error["type"], error["type"])
    return problem(field, code, _LIMITS.get((field, code), ()))


# Letters that Unicode does not take apart into a letter and an accent.
_UNACCENTED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def slugify(name: str) -> str:
    """Return the slug that the panel proposes for *name*: "Backup Noturno" gives "backup-noturno"; "" if none fits."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_UNACCENTED)).casefold()
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:MAX_SLUG_LENGTH].rstrip("-")
