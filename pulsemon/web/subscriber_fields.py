"""What a subscriber's fields may hold, and reading them from JSON and from the panel's form.

Whether a subscriber is on the list already is for the database to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pulsemon import monitors
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.locale import LOCALES
from pulsemon.notify import mailbox
from pulsemon.web import forms
from pulsemon.web.fields import MAX_URL_LENGTH

GENERATE = "generate"
FIELDS = ("kind", "address", "secret", "locale")
PROBLEMS = {
    "kind": N_("This must be email or webhook."),
    "email": N_("This must be an e-mail address such as ana@example.org."),
    "webhook": N_("This must be an http or https URL with a host, at most 2000 characters long."),
    "subscriber-secret": N_("This must be whsec_ with the base64 of 24 to 64 bytes, the word generate, or null."),
    "email-secret": N_("Only a webhook has a secret."),
    "language": N_("This must be en or pt-BR."),
    "subscriber-object": N_("The body must be an object with kind, address, secret and locale."),
    "subscriber-field": N_("There is no such field. There are kind, address, secret and locale."),
}


class SubscriberCreate(BaseModel):
    """The body of a request that adds a subscriber."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["email", "webhook"] = Field(description="An e-mail address is asked first, and told once it agreed.")
    address: str = Field(
        min_length=1, max_length=2000, description="Of an email the address, of a webhook an http or https URL."
    )
    secret: str | None = Field(
        None, description="Signs a webhook's messages (Standard Webhooks). `generate` makes one and shows it once."
    )
    locale: Literal["en", "pt-BR"] | None = Field(
        None, description="The language of what it is told. Null: DEFAULT_LOCALE."
    )


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """Who is to be told. `address` as it is kept."""

    kind: str
    address: str
    secret: str | None = None
    locale: str | None = None


def problem(field: str, code: str) -> FieldProblem:
    """Return what is wrong with *field* of a subscriber."""
    return FieldProblem(field, code, PROBLEMS[code])


def from_json(data: object) -> NewSubscriber:
    """Read the decoded JSON of a request that adds one. Raises Invalid, with one problem a field."""
    if not isinstance(data, dict):
        raise Invalid((problem("", "subscriber-object"),))
    unknown = [problem(forms.showable(name), "subscriber-field") for name in data if name not in FIELDS][:10]
    return _checked(data, unknown)


def from_form(typed: Mapping[str, str], *, kind: str) -> NewSubscriber:
    """Read the panel's form: a webhook is signed where `sign` is ticked. Raises Invalid."""
    secret = GENERATE if kind == "webhook" and typed.get("sign") == "yes" else None
    values = {"kind": kind, "address": typed.get("address", "").strip(), "secret": secret}
    return _checked(values | {"locale": typed.get("locale") or None}, [])


def read_email(text: object) -> str:
    """Return an e-mail address as it is kept. Raises Invalid with the field `address`."""
    address = mailbox.read_address(text) if isinstance(text, str) else None
    if address is None:
        raise Invalid((problem("address", "email"),))
    return address


def _checked(values: Mapping[str, Any], found: list[FieldProblem]) -> NewSubscriber:
    kind, address, secret, locale = (values.get(name) for name in FIELDS)
    if kind not in ("email", "webhook"):
        raise Invalid((problem("kind", "kind"), *found))
    kept = ""
    if kind == "email":
        try:
            kept = read_email(address)
        except Invalid as wrong:
            found = [*wrong.problems, *found]
    elif isinstance(address, str) and is_url(address):
        kept = address
    else:
        found = [problem("address", "webhook"), *found]
    if kind == "email" and secret is not None:
        found.append(problem("secret", "email-secret"))
    elif secret not in (None, GENERATE) and not (isinstance(secret, str) and monitors.is_webhook_secret(secret)):
        found.append(problem("secret", "subscriber-secret"))
    if locale is not None and locale not in LOCALES:
        found.append(problem("locale", "language"))
    if found:
        raise Invalid(tuple(found))
    return NewSubscriber(kind, kept, secret, locale)


def is_url(text: str) -> bool:
    """Return whether messages can be sent to *text*: printable, without spaces, an http or https URL with a host."""
    has_space = any(each.isspace() or not each.isprintable() for each in text)
    return len(text) <= MAX_URL_LENGTH and not has_space and monitors.is_webhook_url(text)
