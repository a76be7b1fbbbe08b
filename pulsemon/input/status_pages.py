"""What a public page's fields may hold, and reading them from JSON and from the panel's form.

Whether a slug, a host name or a monitor is there is for the database to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon.core.hosts import MAX_LENGTH, read_host
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input import projects
from pulsemon.input.projects import ProjectSlug
from pulsemon.input.rules import (
    MAX_MONITORS,
    MAX_NAME_LENGTH,
    PRINTABLE_LINES,
    UNPRINTABLE_IN_LINES,
    FieldRules,
    Slugs,
    Timezone,
    Title,
    documented,
    lines_up_to,
    text_of,
    without_defaults,
)
from pulsemon.settings import Settings
from pulsemon.status_pages.definition import NewPage, PageChanges

MAX_TEXT_LENGTH = 5_000
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 4, 200
_SLUG = r"[a-z0-9](-?[a-z0-9]){0,59}"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,7}}"
_ACCENT = r"#[0-9a-fA-F]{6}"

PROBLEMS: dict[str, str] = {
    "page-slug": N_("This must hold lower-case letters and digits, with single hyphens between them; at most 60."),
    "accent": N_("This must be a colour such as #3b4fc4: # and six hexadecimal digits."),
    "host": N_("This must be a host name such as status.example.org, without a scheme or a port."),
    "own-host": N_("Under this name you reach the panel, and it would be gone from there. Choose another one."),
    "password": N_("This must be 4 to 200 characters long."),
}
RULES = FieldRules(
    PROBLEMS,
    codes={("language", "literal_error"): "language", ("monitors", "list_type"): "monitors"},
    limits={
        ("title", "too-long"): (("max", MAX_NAME_LENGTH),),
        ("description", "long-text"): (("max", MAX_TEXT_LENGTH),),
        ("footer", "long-text"): (("max", MAX_TEXT_LENGTH),),
        ("monitors", "monitors"): (("max", MAX_MONITORS),),
    },
)


def _matching(pattern: str, code: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise PydanticCustomError(code, "")
        return text

    return AfterValidator(check)


def _password(text: str) -> str:
    if not MIN_PASSWORD_LENGTH <= len(text) <= MAX_PASSWORD_LENGTH or UNPRINTABLE_IN_LINES.search(text):
        raise PydanticCustomError("password", "")
    return text


def _host(text: str) -> str:
    """Return the host's one spelling: what is accepted here has to be found when a request names it."""
    host = read_host(text)
    # A single label in another script is a slip: there is no such name on the internet.
    if host is None or ":" in text or not (text.isascii() or "." in host.name) or not re.fullmatch(_HOST, host.name):
        raise PydanticCustomError("host", "")
    return host.name


_Slug = Annotated[
    str,
    Field(description="Its part of the address `/status/{slug}`. Unique; `status` is the page at `/status`."),
    _matching(_SLUG, "page-slug"),
    documented(pattern=f"^{_SLUG}$"),
]
_Title = Annotated[Title, Field(description="Null: PUBLIC_STATUS_TITLE.")]
_Text = Annotated[str, lines_up_to(MAX_TEXT_LENGTH), documented(maxLength=MAX_TEXT_LENGTH, pattern=PRINTABLE_LINES)]
_Accent = Annotated[
    str,
    Field(description="A colour, made legible on light and on dark paper."),
    _matching(_ACCENT, "accent"),
    documented(pattern=f"^{_ACCENT}$"),
]
_Zone = Annotated[Timezone, Field(description="An IANA name.")]
_Password = Annotated[
    str,
    Field(description="Asked of every reader. Never given back."),
    AfterValidator(_password),
    documented(
        minLength=MIN_PASSWORD_LENGTH,
        maxLength=MAX_PASSWORD_LENGTH,
        pattern=PRINTABLE_LINES,
    ),
]
_HostName = Annotated[
    str,
    Field(
        description="Requests for this host get the page at `/`. Kept in lower case, without a final dot, and in ASCII "
        "(`bücher.example` is `xn--bcher-kva.example`)."
    ),
    AfterValidator(_host),
    documented(pattern=f"^{_HOST.replace('a-z', 'A-Za-z')}[.]?$", maxLength=MAX_LENGTH),
]
_Monitors = Annotated[
    Slugs, Field(description="Slugs of the monitors it shows, in this order. Null: every public one of its project.")
]


class PageCreate(BaseModel):
    """The body of a request that creates a public page."""

    model_config = ConfigDict(strict=True, extra="forbid")

    slug: _Slug
    title: _Title | None = None
    description: _Text | None = Field(None, description="Above the monitors; Markdown without HTML and pictures.")
    footer: _Text | None = Field(None, description="Below them; Markdown too.")
    accent: _Accent | None = None
    timezone: _Zone | None = Field(None, description="Of its times and days. Null: that of AVAILABILITY_TIMEZONE.")
    language: Literal["en", "pt-BR"] | None = Field(None, description="Null: the reader's.")
    password: _Password | None = None
    host: _HostName | None = None
    monitors: _Monitors | None = None
    project: ProjectSlug | None = None


class PagePatch(PageCreate):
    """The body of a request that edits one: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=without_defaults)

    slug: _Slug = ""


FIELDS = tuple(PageCreate.model_fields)
# Of the form, whose monitors have a page of their own. An emptied password's field says nothing: see `open`.
_FORM_FIELDS = tuple(name for name in FIELDS if name not in ("monitors", "password", "project"))


def create_from_json(data: object) -> NewPage:
    """Read the decoded JSON of a request that creates a page. Raises Invalid."""
    return NewPage(**_with_monitors(RULES.read(PageCreate, data)))


def changes_from_json(data: object) -> PageChanges:
    """Read the decoded JSON of a request that edits one. Raises Invalid."""
    return PageChanges(**_with_monitors(RULES.read(PagePatch, data)))


def create_from_form(typed: Mapping[str, str]) -> NewPage:
    """Read the panel's form of a new page: an empty field stands for null. Raises Invalid."""
    return NewPage(**RULES.check(PageCreate, _of_form(typed)))


def changes_from_form(typed: Mapping[str, str]) -> PageChanges:
    """Read the panel's form that edits one: a field that it does not have stays as it is. Raises Invalid."""
    return PageChanges(**RULES.check(PagePatch, _of_form(typed)))


def _with_monitors(values: dict[str, Any]) -> dict[str, Any]:
    """Return checked fields of a body as arguments of `NewPage` and `PageChanges`: without its project."""
    values.pop(projects.NAME, None)
    if values.get("monitors") is not None:
        values["monitors"] = tuple(values["monitors"])
    return values


def _of_form(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that the form sets, by the names of the API."""
    texts = {name: text_of(typed[name]) for name in _FORM_FIELDS if name in typed}
    values: dict[str, Any] = {name: text or None for name, text in texts.items()}
    if "slug" in values:
        values["slug"] = values["slug"] or ""
    if typed.get("password"):
        values["password"] = typed["password"]
    elif typed.get("open") == "yes":
        values["password"] = None
    return values


def refuse_panels_host(page: NewPage | PageChanges, settings: Settings, *, asked: str) -> None:
    """Refuse a host name under which the owner reaches the panel: PANEL_HOST's; without it BASE_URL's, or *asked*."""
    ours = read_host(urlsplit(settings.base_url).netloc)
    panels = settings.panel_host or (ours and ours.name, asked)
    if isinstance(page.host, str) and page.host in panels:
        raise Invalid((RULES.problem("host", "own-host"),))
