"""What a subscriber's fields may hold, and reading them from JSON and from the panel's form.

Whether a subscriber is on the list already is for the database to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from pulsemon.channels import mailbox, webhook
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input.monitor_rules import MAX_URL_LENGTH, SECRET_PATTERN
from pulsemon.input.rules import UNPRINTABLE, FieldRules
from pulsemon.locale import LOCALES
from pulsemon.subscribers.manage import NewSubscriber

GENERATE = "generate"
FIELDS = ("kind", "address", "secret", "locale")
PROBLEMS = {
    "kind": N_("This must be email or webhook."),
    "email": N_("This must be an e-mail address such as ana@example.org."),
    "webhook": N_("This must be an http or https URL with a host, at most 2000 characters long."),
    "subscriber-secret": N_("This must be whsec_ with the base64 of 24 to 64 bytes, the word generate, or null."),
    "email-secret": N_("Only a webhook has a secret."),
}
RULES = FieldRules(PROBLEMS)

_LOCALE = "The language of what it is told. Null: DEFAULT_LOCALE."
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"


class WebhookCreate(BaseModel):
    """The body of a request that adds a webhook."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["webhook"]
    address: str = Field(
        max_length=MAX_URL_LENGTH,
        description="An http or https URL.",
        json_schema_extra={"format": "uri", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"},
    )
    secret: str | None = Field(
        None,
        description="Signs its messages (Standard Webhooks). `generate` makes one and shows it once.",
        pattern=f"^({GENERATE}|{SECRET_PATTERN})$",
    )
    locale: Literal["en", "pt-BR"] | None = Field(None, description=_LOCALE)


class EmailCreate(BaseModel):
    """The body of a request that asks an e-mail address whether it wants to be told."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["email"]
    address: str = Field(
        max_length=254,
        description="An e-mail address; a host name in another script is taken too, and kept in its ASCII form.",
        json_schema_extra={"pattern": rf"^{_ATOM}{{1,64}}@({_LABEL}\.){{1,3}}[A-Za-z]{{2,10}}$"},
    )
    secret: None = None
    locale: Literal["en", "pt-BR"] | None = Field(None, description=_LOCALE)


class SubscriberCreate(RootModel[Annotated[WebhookCreate | EmailCreate, Field(discriminator="kind")]]):
    """The body of a request that adds a subscriber."""


def from_json(data: object) -> NewSubscriber:
    """Read the decoded JSON of a request that adds one. Raises Invalid, with one problem a field."""
    known, unknown = RULES.known_of(data, FIELDS)
    return _checked(known, unknown)


def from_form(typed: Mapping[str, str], *, kind: str) -> NewSubscriber:
    """Read the panel's form: a webhook is signed where `sign` is ticked. Raises Invalid."""
    secret = GENERATE if kind == "webhook" and typed.get("sign") == "yes" else None
    values = {"kind": kind, "address": typed.get("address", "").strip(), "secret": secret}
    return _checked(values | {"locale": typed.get("locale") or None}, [])


def read_email(text: object) -> str:
    """Return an e-mail address as it is kept. Raises Invalid with the field `address`."""
    address = mailbox.read_address(text) if isinstance(text, str) else None
    if address is None:
        raise Invalid((RULES.problem("address", "email"),))
    return address


def _checked(values: Mapping[str, Any], found: list[FieldProblem]) -> NewSubscriber:
    kind, address, secret, locale = (values.get(name) for name in FIELDS)
    if kind not in ("email", "webhook"):
        raise Invalid((RULES.problem("kind", "kind"), *found))
    kept = ""
    if kind == "email":
        try:
            kept = read_email(address)
        except Invalid as wrong:
            found = [*wrong.problems, *found]
    elif isinstance(address, str) and is_url(address):
        kept = address
    else:
        found = [RULES.problem("address", "webhook"), *found]
    if kind == "email" and secret is not None:
        found.append(RULES.problem("secret", "email-secret"))
    elif secret not in (None, GENERATE) and not (isinstance(secret, str) and webhook.is_secret(secret)):
        found.append(RULES.problem("secret", "subscriber-secret"))
    if locale is not None and locale not in LOCALES:
        found.append(RULES.problem("locale", "language"))
    if found:
        raise Invalid(tuple(found))
    return NewSubscriber(kind, kept, secret, locale)


def is_url(text: str) -> bool:
    """Return whether messages can be sent to *text*: without spaces and controls, an http or https URL with a host."""
    has_space = any(each.isspace() for each in text) or UNPRINTABLE.search(text)
    return len(text) <= MAX_URL_LENGTH and not has_space and webhook.is_url(text)
