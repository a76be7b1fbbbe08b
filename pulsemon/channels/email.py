"""The mail: an announcement as a letter, handed to the owner's mail server."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pulsemon.channels.channel import Means
from pulsemon.channels.message import Addressed, Announcement, Outcome, Reason, Rejected, Retry


class Email:
    """Mail to an address. All of it goes through one server, so it is one receiver."""

    kind: ClassVar[str] = "email"
    shared_receiver: ClassVar[str | None] = "smtp"

    def __init__(self, means: Means) -> None:
        self._postman = means.postman
        self._locale = means.locale

    async def send(self, addressed: Addressed, *, sent_at: datetime) -> Outcome:
        """Send it once and return what came of it. Its date is when it was written, on every attempt."""
        message = addressed.message
        if not isinstance(message, Announcement):
            return Rejected(Reason.INTERNAL, excerpt="There is no letter about a monitor.")
        if self._postman is None:
            return Retry(Reason.NO_MAIL, excerpt="Mail is not set up: SMTP_HOST is not set.")
        return await self._postman.send(
            message,
            to=addressed.address,
            token=addressed.token,
            locale=addressed.locale or self._locale,
            written_at=addressed.created_at,
        )
