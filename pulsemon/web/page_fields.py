"""What a public page's fields may hold, and reading them from JSON and from the panel's form.

Whether a slug, a host name or a monitor is there is for the database to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pulsemon.core import schedule
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.web import forms
from pulsemon.web.fields import MAX_NAME_LENGTH, MESSAGES, VISIBLE_TEXT, not_blank, printable

MAX_TEXT_LENGTH = 5_000
MAX_MONITORS = 1_000
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 4, 200
_SLUG = r"[a-z0-9](-?[a-z0-9]){0,59}"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,7}}"
# What stands below /status beside the pages.
RESERVED = frozenset({"subscribe"})
_ACCENT = r"#[0-9a-fA-F]{6}"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

PROBLEMS: dict[str, str] = {
    "reserved-slug": N_("This word stands for something else in addresses. Choose another one."),
    "page-slug": N_("This must hold lower-case letters and digits, with single hyphens between them; at most 60."),
    "accent": N_("This must be a colour such as #3b4fc4: # and six hexadecimal digits."),
    "host": N_("This must be a host name such as status.example.org, in lower case, without a scheme or a port."),
    "own-host": N_("Under this name you reach the panel, and it would be gone from there. Choose another one."),
    "password": N_("This must be 4 to 200 characters long."),
    "language": N_("This must be en or pt-BR."),
    "monitors": N_("This must be a list of slugs of monitors, at most 1000."),
    "page-text": N_("This may hold at most 5000 characters, and no control characters."),
}
_CODES = {("language", "literal_error"): "language", ("monitors", "list_type"): "monitors"}


def _matching(pattern: str, code: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise PydanticCustomError(code, "")
        return text

    return AfterValidator(check)


def _free(slug: str) -> str:
    if slug in RESERVED:
        raise PydanticCustomError("reserved-slug", "")
    return slug


def _text(text: str) -> str:
    if len(text) > MAX_TEXT_LENGTH or _UNPRINTABLE.search(text):
        raise PydanticCustomError("page-text", "")
    return text


def _timezone(name: str) -> str:
    if name not in schedule.zone_names():
        raise PydanticCustomError("timezone", "")
    return name


def _password(text: str) -> str:
    if not MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH or _UNPRINTABLE.search(text):
        raise PydanticCustomError("password", "")
    return text


def _host(text: str) -> str:
    if len(text) > 253 or not re.fullmatch(_HOST, text):
        raise PydanticCustomError("host", "")
    return text


def _few(slugs: list[str]) -> list[str]:
    if len(slugs) > MAX_MONITORS:
        raise PydanticCustomError("monitors", "")
    return slugs


def _documented(**schema: Any) -> Any:
    return Field(json_schema_extra=schema)


_Slug = Annotated[
    str,
    Field(description="Its part of the address `/status/{slug}`. Unique; `status` is the page at `/status`."),
    _matching(_SLUG, "page-slug"),
    AfterValidator(_free),
    _documented(pattern=f"^{_SLUG}$"),
]
_Title = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH, description="Null: PUBLIC_STATUS_TITLE."),
    AfterValidator(printable),
    AfterValidator(not_blank),
    _documented(minLength=1, pattern=VISIBLE_TEXT),
]
_Text = Annotated[
    str,
    AfterValidator(_text),
    _documented(maxLength=MAX_TEXT_LENGTH, pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"),
]
_Accent = Annotated[
    str,
    Field(description="A colour, made legible on light and on dark paper."),
    _matching(_ACCENT, "accent"),
    _documented(pattern=f"^{_ACCENT}$"),
]
_Zone = Annotated[
    str, Field(description="The IANA name of the time zone of the page's times."), AfterValidator(_timezone)
]
_Password = Annotated[
    str,
    Field(description="Asked of every reader. Never given back."),
    AfterValidator(_password),
    _documented(
        minLength=MIN_PASSWORD_LENGTH,
        maxLength=MAX_PASSWORD_LENGTH,
        pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
    ),
]
_HostName = Annotated[
    str,
    Field(description="Requests for this host get the page at `/`."),
    AfterValidator(_host),
    _documented(pattern=f"^{_HOST}$", maxLength=253),
]
_Monitors = Annotated[
    list[str],
    Field(description="Slugs of the monitors it shows, in this order. Null: every public one."),
    AfterValidator(_few),
    _documented(maxItems=MAX_MONITORS),
]
_DESCRIPTION = "Above the monitors; Markdown without HTML and pictures."
_FOOTER = "Below them; Markdown too."
_LANGUAGE = "Null: the reader's."


class PageCreate(BaseModel):
    """The body of a request that creates a public page."""

    model_config = ConfigDict(strict=True, extra="forbid")

    slug: _Slug
    title: _Title | None = None
    description: _Text | None = Field(None, description=_DESCRIPTION)
    footer: _Text | None = Field(None, description=_FOOTER)
    accent: _Accent | None = None
    timezone: _Zone = "UTC"
    language: Literal["en", "pt-BR"] | None = Field(None, description=_LANGUAGE)
    password: _Password | None = None
    host: _HostName | None = None
    monitors: _Monitors | None = None


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class PagePatch(PageCreate):
    """The body of a request that edits one: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_without_defaults)

    slug: _Slug = ""


FIELDS = tuple(PageCreate.model_fields)
# Of the form, whose monitors have a page of their own. An emptied password's field says nothing: see `open`.
_FORM_FIELDS = tuple(name for name in FIELDS if name not in ("monitors", "password"))


def from_json(model: type[BaseModel], data: object) -> dict[str, Any]:
    """Return the fields that the decoded JSON sets. Raises Invalid."""
    if not isinstance(data, dict):
        raise Invalid((problem("", "not-object"),))
    fields = (("fields", ", ".join(FIELDS)),)
    unknown = [name for name in data if name not in FIELDS]
    found = [problem(forms.showable(name), "unknown-field", fields) for name in unknown[:10]]
    return _checked(model, {name: value for name, value in data.items() if name in FIELDS}, found)


def from_form(model: type[BaseModel], typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that the panel's form sets: an empty one stands for null. Raises Invalid."""
    texts = {name: typed[name].replace("\r\n", "\n").strip() for name in _FORM_FIELDS if name in typed}
    values: dict[str, Any] = {name: text or None for name, text in texts.items()}
    for name, emptied in (("timezone", "UTC"), ("slug", "")):
        if name in values and values[name] is None:
            values[name] = emptied
    if typed.get("password"):
        values["password"] = typed["password"]
    elif typed.get("open") == "yes":
        values["password"] = None
    return _checked(model, values, [])


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
    return problem(field, code, (("max", MAX_NAME_LENGTH),) if code == "too-long" else ())


def problem(field: str, code: str, limits: tuple[tuple[str, object], ...] = ()) -> FieldProblem:
    """Return what is wrong with *field* of a page."""
    return FieldProblem(field, code, (PROBLEMS.get(code) or MESSAGES[code]) % dict(limits), limits)


def refuse_panels_host(values: Mapping[str, Any], *, base_url: str, asked: str) -> None:
    """Refuse a host name under which the owner reaches the panel: BASE_URL's, or *asked*, this request's own."""
    host = values.get("host")
    if host is not None and host in (urlsplit(base_url).hostname, asked):
        raise Invalid((problem("host", "own-host"),))
