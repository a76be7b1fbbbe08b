"""The mail about a user's own account: a link by which he sets a password. Of a kind of its own, so that a server of a
version that knows no users leaves it alone.
"""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import ClassVar

from pulsemon.channels import letter
from pulsemon.channels.channel import Means
from pulsemon.channels.lines import one_line
from pulsemon.channels.message import AccountNotice, Addressed, Outcome, Reason, Rejected, Retry
from pulsemon.channels.notices import Publisher
from pulsemon.core.texts import N_
from pulsemon.locale import translator
from pulsemon.vault import CannotOpen

_PATHS = {"invitation": "join", "reset": "reset"}
_SUBJECTS = {"invitation": N_("You are invited to PulseMon"), "reset": N_("A new password for PulseMon")}
_WHY = {
    "invitation": N_("Somebody made an account for this address on PulseMon at %(url)s."),
    "reset": N_("Somebody, probably you, asked for a new password on PulseMon at %(url)s."),
}
_WHAT = {
    "invitation": N_("To choose your password, open this address within 7 days. It works once:"),
    "reset": N_("To choose a new password, open this address within an hour. It works once:"),
}
_OTHERWISE = {
    "invitation": N_("If you do not know what this is about, do nothing: nobody can log in without this link."),
    "reset": N_("If it was not you, do nothing: your password stays as it is."),
}


def belongs_to(address: str) -> str:
    """Return what the token in such a mail is sealed for."""
    return f"account-mail:{address}"


class AccountMail:
    """Mail to a user. It goes through the same server as all mail, so it is the same receiver."""

    kind: ClassVar[str] = "account-mail"
    shared_receiver: ClassVar[str | None] = "smtp"

    def __init__(self, means: Means) -> None:
        self._postman = means.postman
        self._locale = means.locale
        self._vault = means.vault

    async def send(self, addressed: Addressed, *, sent_at: datetime) -> Outcome:
        """Send it once and return what came of it. A link that is over is not sent."""
        notice = addressed.message
        if not isinstance(notice, AccountNotice):
            return Rejected(Reason.INTERNAL, excerpt="This is no notice about an account.")
        if self._postman is None:
            return Retry(Reason.NO_MAIL, excerpt="Mail is not set up: SMTP_HOST is not set.")
        if sent_at >= notice.expires_at:
            return Rejected(Reason.EXPIRED, excerpt="The link in it is over.")
        try:
            token = self._vault.open(notice.sealed, belongs_to=belongs_to(addressed.address))
        except CannotOpen as failed:
            return Retry(Reason.SEALED, excerpt=f"Its link cannot be opened: {failed}.")
        content = write(
            notice,
            sender=self._postman.sender,
            to=addressed.address,
            token=token,
            locale=notice.locale or self._locale,
            publisher=self._postman.publisher,
            written_at=addressed.created_at,
        )
        return await self._postman.deliver(content, to=addressed.address)


def write(
    notice: AccountNotice,
    *,
    sender: tuple[str, str],
    to: str,
    token: str,
    locale: str,
    publisher: Publisher,
    written_at: datetime,
) -> bytes:
    """Return the mail as it goes over the wire; the same notice gives the same bytes."""
    words = translator(locale).gettext
    mail = EmailMessage(policy=letter.POLICY)
    name, address = sender
    mail["From"] = Address(one_line(name, 70), addr_spec=address)
    mail["To"] = to
    mail["Subject"] = words(_SUBJECTS[notice.kind])
    mail["Date"] = format_datetime(written_at)
    mail["Message-ID"] = f"<{notice.message_id}@{letter.host_of(publisher)}>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = [
        words(_WHY[notice.kind]) % {"url": publisher.base_url},
        "",
        words(_WHAT[notice.kind]),
        "",
        f"{publisher.base_url}/{_PATHS[notice.kind]}/{token}",
        "",
        words(_OTHERWISE[notice.kind]),
    ]
    mail.set_content("\n".join(lines) + "\n", charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()
