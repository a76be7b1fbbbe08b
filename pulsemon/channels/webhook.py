"""The webhook: the original specification's body, signed as Standard Webhooks describes.

It logs nothing: a webhook's URL is a secret. Source of the headers: https://www.standardwebhooks.com (version 1.0.0).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

import pulsemon
from pulsemon.channels import notices, posting
from pulsemon.channels.channel import Means
from pulsemon.channels.http import NotSent, read_url
from pulsemon.channels.lines import one_line
from pulsemon.channels.message import AccountNotice, Addressed, Announcement, Message, Outcome, Reason, Rejected
from pulsemon.channels.notices import Publisher
from pulsemon.core.deliveries import WEBHOOK
from pulsemon.core.texts import N_
from pulsemon.locale import translator

SECRET_PREFIX = "whsec_"  # noqa: S105 - the scheme's public prefix
_SECRET_BYTES = range(24, 65)

# The longest name that the API takes; an older database may hold longer ones. With everything in it neutralised the
# sentence stays far below Discord's 2,000 characters.
_NAME_LENGTH = 200
# Stands inside what a service would otherwise read as a mention or a link.
_BREAK = "\u200b"

_SENTENCES = {
    "DOWN": N_("%(name)s is down since %(occurred_at)s. Last ping: %(last_ping)s."),
    "UP": N_("%(name)s is up again since %(occurred_at)s."),
}
_DOWN_WITHOUT_PING = N_("%(name)s is down since %(occurred_at)s. There has been no ping yet.")
_TEST = N_("Test message about %(name)s, sent at %(occurred_at)s.")


class Webhook:
    """A POST to a URL: each host and port is a receiver of its own."""

    kind: ClassVar[str] = WEBHOOK
    shared_receiver: ClassVar[str | None] = None

    def __init__(self, means: Means) -> None:
        self._means = means

    async def send(self, addressed: Addressed, *, sent_at: datetime) -> Outcome:
        """Send it once and return what came of it; *sent_at* is stamped on the message."""
        if isinstance(addressed.message, AccountNotice):
            return Rejected(Reason.INTERNAL, excerpt="There is no webhook about an account.")
        message_id, content = addressed.message.message_id, self._content(addressed.message, addressed)
        try:
            signed = headers(message_id, sent_at=sent_at, body=content, secret=addressed.secret)
        except NotSent as problem:
            return posting.not_sent(problem)
        return await posting.post(
            self._means.client, addressed.address, headers=signed, content=content, sent_at=sent_at
        )

    def _content(self, said: Message | Announcement, addressed: Addressed) -> bytes:
        locale, url = addressed.locale or self._means.locale, addressed.address
        match said:
            case Message() as message:
                return body(message, url=url, locale=locale)
            case Announcement() as told:
                return announcement_body(told, url=url, locale=locale, publisher=self._means.publisher)


def headers(message_id: str, *, sent_at: datetime, body: bytes, secret: str | None) -> dict[str, str]:
    """Return the headers of one attempt; with a *secret* (`whsec_...`) they prove who sent *body*, and when.

    Raises:
        NotSent: the secret is not one.
    """
    timestamp = str(int(sent_at.timestamp()))
    found = {
        "Content-Type": "application/json",
        "User-Agent": f"PulseMon/{pulsemon.__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
    }
    if secret is None:
        return found
    key = _key(secret)
    if key is None:
        raise NotSent(Reason.INVALID_SECRET, "The webhook's secret is not whsec_ and base64 of 24 to 64 bytes.")
    signed = b".".join((message_id.encode("utf-8", "replace"), timestamp.encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return found | {"webhook-signature": f"v1,{signature}"}


def new_secret() -> str:
    """Return a fresh secret to sign with."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Return whether *text* is `whsec_` and the base64 of 24 to 64 bytes."""
    return _key(text) is not None


def masked(url: str) -> str:
    """Return a URL so that its owner knows it again, and nobody else can send anything to it: its scheme and host."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return f"{scheme}://{authority.rpartition('@')[2]}/…"


def is_url(text: str) -> bool:
    """Return whether messages can be sent to *text*: an http or https URL with a host."""
    try:
        read_url(text)
    except NotSent:
        return False
    return True


def _key(secret: str) -> bytes | None:
    if not secret.startswith(SECRET_PREFIX):
        return None
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(encoded) % 4:  # Python forgives padding where none belongs; a receiver's library may not
        return None
    return key if len(key) in _SECRET_BYTES else None


def body(message: Message, *, url: str, locale: str) -> bytes:
    """Return what is sent: the seven keys, and for Discord and Slack the sentence without which they refuse a call.

    The same message, URL and locale give the same bytes: a repeat is the same message to its receiver.
    """
    content: dict[str, str | int | None] = dict(message.payload)
    if service := _SERVICES.get(_host(url)):
        key, neutralise = service
        content[key] = _sentence(message, locale, neutralise)
    return _json(content)


def announcement_body(told: Announcement, *, url: str, locale: str, publisher: Publisher) -> bytes:
    """Return what a subscriber is sent: its type, the page and the incident or maintenance; as `body` else."""
    content = notices.for_programs(told, publisher=publisher, locale=locale)
    if service := _SERVICES.get(_host(url)):
        key, neutralise = service
        content[key] = notices.sentence(told, locale=locale, publisher=publisher, neutralise=neutralise)
    return _json(content)


def _json(content: Mapping[str, Any]) -> bytes:
    # A half of a surrogate pair, which only a damaged database can hold, must not keep a message from going out.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _host(url: str) -> str:
    try:
        return read_url(url).host.rstrip(".")
    except NotSent:
        return ""


def _sentence(message: Message, locale: str, neutralise: Callable[[str], str]) -> str:
    payload = message.payload
    template = _SENTENCES.get(str(payload["status"]), _TEST)
    if payload["status"] == "DOWN" and payload["last_ping"] is None:
        template = _DOWN_WITHOUT_PING
    return translator(locale).gettext(template) % {
        "name": neutralise(
            one_line(str(payload["name"]), _NAME_LENGTH) or one_line(str(payload["slug"]), _NAME_LENGTH)
        ),
        "occurred_at": _readable(payload["occurred_at"]),
        "last_ping": _readable(payload["last_ping"]),
    }


def _readable(instant: str | int | None) -> str:
    """Turn `2025-09-18T17:00:00Z` into `2025-09-18 17:00:00 UTC`."""
    return str(instant).replace("T", " ").replace("Z", " UTC")


def _for_discord(text: str) -> str:
    """Take the effect from mentions, links and Markdown.

    Source: Discord's developer documentation, "Message Formatting".
    """
    return re.sub(r"([\\`*_~|>\[\]()#-])", r"\\\1", _without_mentions_and_links(text).replace("<", f"<{_BREAK}"))


def _for_slack(text: str) -> str:
    """Escape the three characters that Slack gives a meaning, then take the effect from what is left.

    Source: Slack's API documentation, "Formatting message text".
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _without_mentions_and_links(escaped)


def _without_mentions_and_links(text: str) -> str:
    return text.replace("@", f"@{_BREAK}").replace("://", f":{_BREAK}//")


# Host -> the key it wants and how a name is made harmless there. Discord's two test clients hand out URLs of their own.
_SERVICES: dict[str, tuple[str, Callable[[str], str]]] = {
    "discord.com": ("content", _for_discord),
    "discordapp.com": ("content", _for_discord),
    "canary.discord.com": ("content", _for_discord),
    "ptb.discord.com": ("content", _for_discord),
    "hooks.slack.com": ("text", _for_slack),
}
