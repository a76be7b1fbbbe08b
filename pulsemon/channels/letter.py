"""One announcement as a mail: subject, plain text, and the headers that let its reader unsubscribe with one click.

The same announcement gives the same bytes, whenever it is sent. Sources: RFC 5322, RFC 8058 (one-click), RFC 3834
(Auto-Submitted).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from pulsemon.channels import notices
from pulsemon.channels.lines import one_line, several_lines
from pulsemon.channels.message import Announcement
from pulsemon.channels.notices import Publisher
from pulsemon.core.texts import N_
from pulsemon.locale import translator

_SUBJECT_PAGE_LENGTH = 60
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEXT_LENGTH = 10_000
# What is ours, plain ASCII and shorter than the 998 characters of a line.
_AS_THEY_ARE = frozenset({"to", "message-id", "references", "list-unsubscribe", "list-unsubscribe-post"})


class _Policy(EmailPolicy):
    """The standard library's, but a long URL stays one.

    Its own folding makes an encoded word of what it cannot break, and no reader finds a link in that.
    """

    def fold(self, name: str, value: Any) -> str:
        """Return a header line."""
        return f"{name}: {value}{self.linesep}" if name.lower() in _AS_THEY_ARE else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return a header line as bytes."""
        return self.fold(name, value).encode("ascii")


# Two less than usual: the standard library's encoded words are that much longer than RFC 2047 allows.
POLICY = _Policy(linesep=SMTP.linesep, cte_type="7bit", max_line_length=76)


def link(publisher: Publisher, token: str, what: str) -> str:
    """Return the address that a mail leads to: *what* is `confirm` or `unsubscribe`."""
    return f"{publisher.base_url}/subscriptions/{token}/{what}"


def host_of(publisher: Publisher) -> str:
    """Return the name that our mails bear: that of BASE_URL."""
    host = urlsplit(publisher.base_url).hostname or ""
    return host if host and host.isascii() and ":" not in host else "pulsemon.invalid"


def write(
    told: Announcement,
    *,
    sender: tuple[str, str],
    to: str,
    token: str,
    locale: str,
    publisher: Publisher,
    written_at: datetime,
) -> bytes:
    """Return the mail as it goes over the wire. *token* opens its links ('': it has none); *written_at* is its date."""
    mail = EmailMessage(policy=POLICY)
    name, address = sender
    mail["From"] = Address(one_line(name, 70), addr_spec=address)
    mail["To"] = to
    mail["Subject"] = subject(told, locale=locale, publisher=publisher)
    mail["Date"] = format_datetime(written_at)
    mail["Message-ID"] = f"<{told.message_id}@{host_of(publisher)}>"
    if _ID.fullmatch(told.public_id):
        # Mail readers put together what is about one incident.
        mail["References"] = f"<{told.kind}-{told.public_id}@{host_of(publisher)}>"
    mail["Auto-Submitted"] = "auto-generated"
    if token and told.kind != "confirm":
        mail["List-Unsubscribe"] = f"<{link(publisher, token, 'unsubscribe')}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    lines = _question if told.kind == "confirm" else _news
    text = "\n".join(lines(told, token, locale, publisher)) + "\n"
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()


def subject(told: Announcement, *, locale: str, publisher: Publisher) -> str:
    """Return the subject: "[Shop] Incident: Slow checkout – Resolved"."""
    page = one_line(publisher.page_title(told), _SUBJECT_PAGE_LENGTH)
    if told.kind == "confirm":
        question = translator(locale).gettext(N_("Please confirm your subscription"))
        return f"[{page}] {question}"
    return f"[{page}] {notices.heading(told, locale)}"


def _question(told: Announcement, token: str, locale: str, publisher: Publisher) -> list[str]:
    words = translator(locale).gettext
    return [
        words(N_("Somebody, probably you, asked that this address be told of incidents and maintenance of:")),
        "",
        f"    {publisher.page_title(told)}",
        f"    {publisher.page_url(told)}",
        "",
        words(N_("To confirm, open this address and press the button there:")),
        "",
        link(publisher, token, "confirm"),
        "",
        words(N_("If it was not you, do nothing: no further mail comes, and your address is forgotten in 7 days.")),
    ]


def _news(told: Announcement, token: str, locale: str, publisher: Publisher) -> list[str]:
    words = translator(locale).gettext
    text = several_lines(notices.text_of(told, locale), _TEXT_LENGTH)
    return [
        *_facts(told, locale, publisher),
        *(["", text] if text else []),
        "",
        words(N_("More: %(url)s")) % {"url": publisher.url(told)},
        *(_why(told, token, locale, publisher) if token else []),
    ]


def _why(told: Announcement, token: str, locale: str, publisher: Publisher) -> list[str]:
    words = translator(locale).gettext
    return [
        "",
        "-- ",
        words(N_("You get this because you subscribed to %(page)s.")) % {"page": publisher.page_title(told)},
        words(N_("Unsubscribe: %(url)s")) % {"url": link(publisher, token, "unsubscribe")},
    ]


def _facts(told: Announcement, locale: str, publisher: Publisher) -> list[str]:
    words = translator(locale).gettext
    if told.kind == "test":
        return [words(N_("This is a test. Mail from this page arrives."))]
    lines = [notices.heading(told, locale), ""]
    if told.starts_at is not None:
        lines.append(words(N_("Begins: %(time)s")) % {"time": publisher.moment(told, told.starts_at, locale)})
    if told.ends_at is not None:
        lines.append(words(N_("Ends: %(time)s")) % {"time": publisher.moment(told, told.ends_at, locale)})
    if told.kind != "maintenance":
        lines.append(words(N_("Time: %(time)s")) % {"time": publisher.moment(told, told.at, locale)})
    if told.monitors:
        lines.append(words(N_("Affects: %(names)s")) % {"names": notices.named(told, locale)})
    return lines
