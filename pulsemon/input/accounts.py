"""What the fields of users, members and projects may hold, and reading them from JSON, forms and commands.

Whether an address or a slug is free is for the database to say. A password that is taken is hashed by whoever reads it
here, in the thread for that (`accounts.passwords`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pulsemon.accounts import passwords
from pulsemon.accounts.projects import NewProject
from pulsemon.accounts.roles import Role
from pulsemon.accounts.users import UserChanges
from pulsemon.channels import mailbox
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input.rules import (
    CONTROL,
    MAX_NAME_LENGTH,
    FieldRules,
    Title,
    documented,
    printable,
    text_of,
    without_defaults,
)

_SLUG = r"[a-z0-9](-?[a-z0-9]){0,59}"
_ROLES: list[Any] = [each.value for each in Role]

PROBLEMS: dict[str, str] = {
    "email": N_("This must be an e-mail address such as ana@example.org."),
    "password-length": N_(
        "A password must be %(min)d to %(max)d characters long. A few words in a row are a good one."
    ),
    "password-address": N_("This password is the e-mail address, which is tried first. Choose another one."),
    "password-common": N_("This password is one of the commonest, which are tried first. Choose another one."),
    "password-twice": N_("The two are not the same. Type the new password twice."),
    "role": N_("This must be viewer, responder, editor or admin."),
    "project-slug": N_("This must hold lower-case letters and digits, with single hyphens between them; at most 60."),
}
RULES = FieldRules(
    PROBLEMS,
    codes={("email", "string_type"): "email", ("role", "string_type"): "role"},
    limits={
        ("name", "too-long"): (("max", MAX_NAME_LENGTH),),
        ("password", "password-length"): (("min", passwords.MIN_LENGTH), ("max", passwords.MAX_LENGTH)),
    },
)


def _email(text: str) -> str:
    if mailbox.read_address(text) is None:
        raise PydanticCustomError("email", "")
    return text.strip()


def _password(text: str) -> str:
    if (code := passwords.problem_of(text)) is not None:
        raise PydanticCustomError(code, "")
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(_SLUG, text):
        raise PydanticCustomError("project-slug", "")
    return text


def _role(given: object) -> object:
    if given not in _ROLES:
        raise PydanticCustomError("role", "")
    return given


_Email = Annotated[
    str, Field(description="By which the user logs in; upper and lower case are the same."), AfterValidator(_email)
]
_Name = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH, description="As others are shown the user, beside the address."),
    AfterValidator(printable),
    documented(pattern=f"^[^{CONTROL}]*$"),
]
_Password = Annotated[
    str,
    Field(description="Null or left out: the user is invited, and chooses one."),
    AfterValidator(_password),
    documented(minLength=passwords.MIN_LENGTH, maxLength=passwords.MAX_LENGTH),
]
_OWNER = "Of the installation: may do everything, in every project."
_KEEP_KEYS = "Where a user is disabled: the keys that he made go on."


class UserCreate(BaseModel):
    """The body of a request that creates a user."""

    model_config = ConfigDict(strict=True, extra="forbid")

    email: _Email
    name: _Name = ""
    password: _Password | None = None
    owner: bool = Field(False, description=_OWNER)


class UserPatch(BaseModel):
    """The body of a request that edits one: any of the fields; what is left out stays as it is."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=without_defaults)

    email: _Email = ""
    name: _Name = ""
    owner: bool = Field(False, description=_OWNER)
    disabled: bool = Field(False, description="Cannot log in; sessions end at once.")
    keep_keys: bool = Field(False, description=_KEEP_KEYS)


class PasswordPut(BaseModel):
    """The body of a request that sets a user's password."""

    model_config = ConfigDict(strict=True, extra="forbid")

    password: _Password


class SwitchPut(BaseModel):
    """The body of a request that switches something on or off."""

    model_config = ConfigDict(strict=True, extra="forbid")

    on: bool


class UserRemoval(BaseModel):
    """The body, if there is one, of a request that removes a user."""

    model_config = ConfigDict(strict=True, extra="forbid")

    keep_keys: bool = Field(False, description="The keys that the user made go on.")


class MemberPut(BaseModel):
    """The body of a request that gives a user a role in a project."""

    model_config = ConfigDict(strict=True, extra="forbid")

    role: Annotated[str, Field(description="Each may do what those before it may."), BeforeValidator(_role)] = Field(
        json_schema_extra={"enum": _ROLES}
    )


class ProjectCreate(BaseModel):
    """The body of a request that creates a project."""

    model_config = ConfigDict(strict=True, extra="forbid")

    slug: Annotated[
        str,
        Field(description="By which programs name it. Unique; it stays."),
        AfterValidator(_slug),
        documented(pattern=f"^{_SLUG}$"),
    ]
    name: Title


class ProjectPatch(BaseModel):
    """The body of a request that renames a project."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Title


@dataclass(frozen=True, slots=True)
class AskedUser:
    """A new user as he was asked for: his password is not hashed yet."""

    email: str
    email_key: str
    name: str = ""
    password: str | None = field(default=None, repr=False)
    is_owner: bool = False


@dataclass(frozen=True, slots=True)
class AskedChanges:
    """An edit of a user; `keeps_keys`: the keys of one who is disabled go on."""

    changes: UserChanges
    keeps_keys: bool = False


def key_of(email: str) -> str:
    """Return how an address is compared; of what is none something that nobody has."""
    return mailbox.read_address(email) or ""


def user_from_json(data: object) -> AskedUser:
    """Read the decoded JSON of a request that creates a user. Raises Invalid, with one problem a field."""
    return _user(RULES.read(UserCreate, data))


def user_from_form(typed: Mapping[str, str]) -> AskedUser:
    """Read the panel's form of a new user, who is invited. Raises Invalid."""
    values = {"email": text_of(typed.get("email", "")), "name": text_of(typed.get("name", ""))}
    return _user(RULES.check(UserCreate, values | {"owner": typed.get("owner") == "yes"}))


def changes_from_json(data: object) -> AskedChanges:
    """Read the decoded JSON of a request that edits a user. Raises Invalid."""
    return _changes(RULES.read(UserPatch, data))


def changes_from_form(typed: Mapping[str, str]) -> AskedChanges:
    """Read the panel's form that edits a user: a box that is not ticked is not sent. Raises Invalid."""
    values: dict[str, Any] = {name: text_of(typed.get(name, "")) for name in ("email", "name") if name in typed}
    values |= {name: typed.get(name) == "yes" for name in ("owner", "disabled", "keep_keys")}
    return _changes(RULES.check(UserPatch, values))


def keeps_keys_from_json(data: object) -> bool:
    """Read the decoded JSON of a request that removes a user. Raises Invalid."""
    return bool(RULES.read(UserRemoval, data).get("keep_keys", False))


def password_from_json(data: object) -> str:
    """Read the decoded JSON of a request that sets a password. Raises Invalid."""
    return str(RULES.read(PasswordPut, data)["password"])


def switch_from_json(data: object) -> bool:
    """Read the decoded JSON of a request that switches something on or off. Raises Invalid."""
    return bool(RULES.read(SwitchPut, data)["on"])


def role_from_json(data: object) -> Role:
    """Read the decoded JSON of a request that gives a role. Raises Invalid."""
    return Role(RULES.read(MemberPut, data)["role"])


def role_from_form(typed: Mapping[str, str]) -> Role:
    """Read the role of the panel's form. Raises Invalid."""
    return Role(RULES.check(MemberPut, {"role": typed.get("role", "")})["role"])


def project_from_json(data: object) -> NewProject:
    """Read the decoded JSON of a request that creates a project. Raises Invalid."""
    return NewProject(**RULES.read(ProjectCreate, data))


def project_from_form(typed: Mapping[str, str]) -> NewProject:
    """Read the panel's form of a new project. Raises Invalid."""
    return NewProject(**RULES.check(ProjectCreate, {name: text_of(typed.get(name, "")) for name in ("slug", "name")}))


def project_name_from_json(data: object) -> str:
    """Read the decoded JSON of a request that renames a project. Raises Invalid."""
    return str(RULES.read(ProjectPatch, data)["name"])


def project_name_from_form(typed: Mapping[str, str]) -> str:
    """Read the panel's form that renames a project. Raises Invalid."""
    return str(RULES.check(ProjectPatch, {"name": text_of(typed.get("name", ""))})["name"])


def new_password_from_form(typed: Mapping[str, str], *, email: str) -> str:
    """Read a new password, which is typed twice, of the user with this address. Raises Invalid."""
    password = typed.get("password", "")
    if (code := passwords.problem_of(password, email=email)) is not None:
        raise Invalid((RULES.problem("password", code),))
    if passwords.normalised(password) != passwords.normalised(typed.get("password_again", "")):
        raise Invalid((RULES.problem("password_again", "password-twice"),))
    return password


def _user(values: Mapping[str, Any]) -> AskedUser:
    return AskedUser(
        email=values["email"],
        email_key=key_of(values["email"]),
        name=values.get("name", ""),
        password=values.get("password"),
        is_owner=values.get("owner", False),
    )


def _changes(values: Mapping[str, Any]) -> AskedChanges:
    ours = {"owner": "is_owner", "disabled": "is_disabled"}
    said = {ours.get(name, name): value for name, value in values.items() if name != "keep_keys"}
    if "email" in said:
        said["email_key"] = key_of(said["email"])
    return AskedChanges(UserChanges(**said), values.get("keep_keys", False))
