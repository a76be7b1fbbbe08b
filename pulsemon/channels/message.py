"""A message, and what can come of one attempt to send it. Values only: no network, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pulsemon.core.deliveries import MONITOR

# The keys of the original specification, in its order.
KEYS = ("slug", "name", "status", "occurred_at", "interval_seconds", "grace_seconds", "last_ping")


@dataclass(frozen=True, slots=True)
class Message:
    """What is told about one transition. `message_id` stays the same on every attempt, so that a repeat can be told.

    The values of `payload` are JSON already: texts, whole numbers or None; instants are texts in whole seconds, UTC.
    """

    message_id: str
    payload: Mapping[str, str | int | None]

    def __post_init__(self) -> None:
        if tuple(self.payload) != KEYS:
            raise ValueError(f"a message has the keys {', '.join(KEYS)}, in this order")


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a subscriber of a public page is told. `message_id` stays the same on every attempt.

    `kind`: incident or maintenance; `confirm` asks an address whether it wants to be told, `test` says nothing new.
    `event`, `status`: what happened to an incident or a maintenance (`subscribers.announcements.Event`), and how the
    incident stands. `title` None: named after its `monitors`. `page_title` None: PUBLIC_STATUS_TITLE.
    """

    message_id: str
    kind: str
    event: str
    at: datetime
    page_slug: str
    page_title: str | None
    timezone: str
    public_id: str = ""
    title: str | None = None
    text: str | None = None
    status: str | None = None
    monitors: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountNotice:
    """What a user is told of his own account: a link by which he sets a password.

    `kind`: invitation or reset. `sealed`: the token of the link, as the vault keeps it. `locale` None: DEFAULT_LOCALE.
    """

    message_id: str
    kind: str
    sealed: str = field(repr=False)
    expires_at: datetime
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """A message with whom it is for: `address` is a URL or a mailbox, as the kind of channel has it.

    `secret` signs it, `token` opens the links in it. `locale` None: its receiver has no language of its own.
    """

    message: Message | Announcement | AccountNotice
    address: str = field(repr=False)
    created_at: datetime
    secret: str | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    locale: str | None = None


def read_stored(message_id: str, text: str) -> Message | Announcement | AccountNotice:
    """Read what the outbox keeps (`core.deliveries.to_stored`): its `kind` says what it is.

    Until schema 0009 what tells of a monitor said no kind.

    Raises:
        ValueError: it is of no kind that is known, lacks something, or an instant in it is none.
    """
    try:
        stored = json.loads(text)
        return _READERS[stored.get("kind", MONITOR)](message_id, stored)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the stored message {message_id} lacks something") from error


def _message(message_id: str, stored: Mapping[str, Any]) -> Message:
    return Message(message_id, {key: stored[key] for key in KEYS})


def _announcement(message_id: str, stored: Mapping[str, Any]) -> Announcement:
    page, at = stored["page"], _instant(stored["at"])
    if at is None:
        raise ValueError("no instant")
    return Announcement(
        message_id=message_id,
        kind=stored["kind"],
        event=str(stored["event"]),
        at=at,
        page_slug=str(page["slug"]),
        page_title=_text(page["title"]),
        timezone=str(page["timezone"]),
        public_id=str(stored["id"]),
        title=_text(stored["title"]),
        text=_text(stored["text"]),
        status=_text(stored["status"]),
        monitors=tuple(str(name) for name in stored["monitors"]),
        starts_at=_instant(stored["starts_at"]),
        ends_at=_instant(stored["ends_at"]),
    )


def _account_notice(message_id: str, stored: Mapping[str, Any]) -> AccountNotice:
    expires_at = _instant(stored["expires_at"])
    if expires_at is None:
        raise ValueError("no instant")
    return AccountNotice(message_id, stored["kind"], str(stored["sealed"]), expires_at, _text(stored["locale"]))


_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], Message | Announcement | AccountNotice]] = {
    MONITOR: _message,
    "incident": _announcement,
    "maintenance": _announcement,
    "confirm": _announcement,
    "test": _announcement,
    "invitation": _account_notice,
    "reset": _account_notice,
}


def _text(stored: Any) -> str | None:
    return None if stored is None else str(stored)


def _instant(stored: Any) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored).astimezone(UTC)


class Reason(StrEnum):
    """Why an attempt failed: a bounded set, because it becomes a label of the metrics and a column of the attempts."""

    STATUS = "status"
    REDIRECT = "redirect"
    GONE = "gone"
    TIMEOUT = "timeout"
    UNRESOLVED = "unresolved"
    CONNECT = "connect"
    DISCONNECTED = "disconnected"
    TLS = "tls"
    PROTOCOL = "protocol"
    REFUSED_ADDRESS = "refused-address"
    INVALID_URL = "invalid-url"
    INVALID_HEADER = "invalid-header"
    INTERNAL = "internal"  # a bug of ours; the log has it
    INVALID_SECRET = "invalid-secret"  # noqa: S105 - the name of a failure, not a secret
    RECIPIENT = "recipient"  # the mail server knows no such address
    LOGIN = "login"  # it takes neither our name nor our password
    NO_MAIL = "no-mail"  # none is set up any more
    SEALED = "sealed"  # a secret in it cannot be opened
    EXPIRED = "expired"  # what it says holds no more


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""

    status_code: int


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive, as far as we know; a later attempt may succeed.

    `retry_after` is what the receiver asked for, at most an hour. `excerpt` is the beginning of its answer, or one
    sentence about what went wrong before there was one; at most 500 characters, safe to store and to show.
    """

    reason: Reason
    status_code: int | None = None
    retry_after: timedelta | None = None
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will not arrive by trying again. `switch_off`: the receiver asks for nothing more, ever."""

    reason: Reason
    status_code: int | None = None
    switch_off: bool = False
    excerpt: str = ""


Outcome = Delivered | Retry | Rejected
