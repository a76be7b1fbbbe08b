"""What the fields of an API key may hold, and reading them from JSON.

Which projects there are, and what whoever asks may make, is for others to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel
from pydantic_core import PydanticCustomError

from pulsemon.accounts.keys import MAX_OVERLAP, OVERLAP, Kind
from pulsemon.accounts.roles import Scope
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input.rules import MAX_NAME_LENGTH, FieldRules, Title, documented, read_instant

_LONGEST_OVERLAP_SEC = int(MAX_OVERLAP.total_seconds())
PROBLEMS = {
    "key-kind": N_("This must be key or screen."),
    "key-scopes": N_("This must be a list of at least one of ping, read, write, incidents, metrics and admin."),
    "key-scope": N_("This must be read-only or read-write."),
    "key-end": N_("This must be an instant in the future with its zone, such as 2027-01-31T00:00:00Z, or null."),
}
RULES = FieldRules(
    PROBLEMS,
    codes={
        ("kind", "literal_error"): "key-kind",
        ("scopes", "list_type"): "key-scopes",
        ("scopes", "enum"): "key-scopes",
        ("scopes", "too_short"): "key-scopes",
        ("scopes", "too_long"): "key-scopes",
        ("scope", "literal_error"): "key-scope",
        ("expires_at", "string_type"): "key-end",
    },
    limits={
        ("name", "too-long"): (("max", MAX_NAME_LENGTH),),
        ("overlap_seconds", "range"): (("min", 0), ("max", _LONGEST_OVERLAP_SEC)),
    },
)
# What the two kinds of keys of Healthchecks open; pings come by the project's ping key there.
OF_SCOPE = {"read-only": frozenset({Scope.READ}), "read-write": frozenset({Scope.READ, Scope.WRITE})}


def _instant(text: str) -> str:
    if read_instant(text) is None:
        raise PydanticCustomError("key-end", "")
    return text


_Name = Annotated[Title, Field(description="What it is for.")]
_End = Annotated[
    str,
    Field(description="From when on it opens nothing, with a zone and in the future. Null: never."),
    AfterValidator(_instant),
    documented(format="date-time"),
]
_PROJECT = "The slug of the only project that it opens. Null: all, which only an owner can make."


class KeyCreate(BaseModel):
    """The body of a request that makes a key."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    kind: Literal["key"] = "key"
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), description="What it opens.")
    project: str | None = Field(None, description=_PROJECT)
    expires_at: _End | None = None


class CompatibleKeyCreate(BaseModel):
    """The body of a request that makes a key of 32 characters, for clients of Healthchecks."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    scope: Literal["read-only", "read-write"] = Field(description="What it opens.")
    project: str | None = Field(None, description="The slug of its project. Null: the first one.")
    expires_at: _End | None = None


class ScreenCreate(BaseModel):
    """The body of a request that makes the address of a wall screen."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    kind: Literal["screen"]
    project: str | None = Field(None, description="The slug of the project that it shows. Null: the first one.")
    expires_at: _End | None = None


class AnyKeyCreate(RootModel[KeyCreate | CompatibleKeyCreate | ScreenCreate]):
    """The body of a request that makes a key."""


class KeyRotate(BaseModel):
    """The body of a request that rotates a key; without one all is as here."""

    model_config = ConfigDict(strict=True, extra="forbid")

    overlap_seconds: int = Field(
        int(OVERLAP.total_seconds()),
        ge=0,
        le=_LONGEST_OVERLAP_SEC,
        description="For so long the old key goes on opening.",
    )
    expires_at: _End | None = Field(None, description="Of the new key. Null: it lives as long as the old one was to.")


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A key as it was asked for. `names_project`: whether anything was said of its project, if only null."""

    name: str
    kind: Kind
    scopes: frozenset[Scope]
    scope: str | None
    project: str | None
    names_project: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AskedRotation:
    """How a key is to be rotated."""

    overlap: timedelta
    expires_at: datetime | None


def create_from_json(data: object, *, now: datetime) -> AskedKey:
    """Read the decoded JSON of a request that makes a key. Raises Invalid."""
    model: type[BaseModel] = KeyCreate
    if isinstance(data, dict) and data.get("kind") == Kind.SCREEN:
        model = ScreenCreate
    elif isinstance(data, dict) and "scope" in data and "scopes" not in data:
        model = CompatibleKeyCreate
    values = RULES.read(model, data)
    scope = values.get("scope")
    scopes = OF_SCOPE[scope] if scope else frozenset(values.get("scopes", {Scope.READ}))
    return AskedKey(
        name=values["name"],
        kind=Kind.SHORT if scope else Kind(values.get("kind", Kind.KEY)),
        scopes=scopes,
        scope=scope,
        project=values.get("project"),
        names_project="project" in values,
        expires_at=_end(values, now),
    )


def rotation_from_json(data: object, *, now: datetime) -> AskedRotation:
    """Read the decoded JSON of a request that rotates a key; None: it said nothing. Raises Invalid."""
    values = RULES.read(KeyRotate, {} if data is None else data)
    seconds = values.get("overlap_seconds", int(OVERLAP.total_seconds()))
    return AskedRotation(timedelta(seconds=seconds), _end(values, now))


def _end(values: Mapping[str, Any], now: datetime) -> datetime | None:
    text = values.get("expires_at")
    end = None if text is None else read_instant(text)
    if end is not None and end <= now:
        raise Invalid((RULES.problem("expires_at", "key-end"),))
    return end
