"""Mail out: one message to the server that the owner named, and what its answers mean.

The outbound address guard (`address`) does not stand here: it is for URLs that somebody typed into a form, and this
host comes from the environment, as the database's does. Often it is a relay on this very machine.

It logs nothing. The password leaves this module in the login alone: never in an outcome, an excerpt or a repr.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import aiosmtplib
from aiosmtplib import SMTP

from pulsemon.channels import letter
from pulsemon.channels.http import DEADLINE, excerpt_of
from pulsemon.channels.message import Announcement, Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.channels.notices import Publisher
from pulsemon.channels.smtp_connections import Connection, Connections

# Enhanced status codes (RFC 3463) that speak of the address: it does not exist, it does not take mail any more.
_NO_SUCH_ADDRESS = re.compile(r"\b5\.(1\.[1236]|1\.10|2\.1)\b")
_ENHANCED = re.compile(r"\b5\.\d{1,3}\.\d{1,3}\b")
# Answers without such a code that speak of us, not of the address: what is wrong with us, the owner can mend.
# Exim, for one, says "550 Sender verify failed" to every recipient.
_ABOUT_US = re.compile(
    r"relay|authenti|log ?in|spam|block|black ?list|polic|denied|\bspf\b|dkim|dmarc|sender|reputation|quota|limit"
    r"|too many|\brate\b|\behlo\b|\bhelo\b",
    re.IGNORECASE,
)
# The sender's address (5.1.7, 5.1.8), how much may be sent (5.4.5: Gmail's daily limit), policy (5.7).
_CODES_ABOUT_US = re.compile(r"5\.(1\.[78]|4\.5|7\.\d+)")
_UNKNOWN_ADDRESS_CODES = (550, 551, 553)


class Security(StrEnum):
    """How the connection is encrypted: by STARTTLS, from its beginning, or not at all."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and who sends it: `sender` is a name, which may be empty, and an address."""

    host: str
    port: int
    security: Security
    sender: tuple[str, str]
    username: str = ""
    password: str = field(default="", repr=False)


class Postman:
    """Hands in one mail after the other, over as many connections as there are mails at once.

    Belongs to one event loop; `close` ends it.
    """

    def __init__(
        self,
        server: MailServer,
        publisher: Publisher,
        *,
        deadline: timedelta = DEADLINE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._publisher = publisher
        self._deadline_sec = deadline.total_seconds()
        # Certificate and name are checked, by those whom the system trusts.
        self._tls = tls or ssl.create_default_context()
        self._connections = Connections(self._client)

    async def send(self, told: Announcement, *, to: str, token: str, locale: str, written_at: datetime) -> Outcome:
        """Send *told* to the address *to* once and return what came of it; nothing that a server does raises."""
        content = letter.write(
            told,
            sender=self._server.sender,
            to=to,
            token=token,
            locale=locale,
            publisher=self._publisher,
            written_at=written_at,
        )
        return await self.deliver(content, to=to)

    @property
    def sender(self) -> tuple[str, str]:
        """Return who sends: a name, which may be empty, and an address."""
        return self._server.sender

    @property
    def publisher(self) -> Publisher:
        """Return in whose name mails are written."""
        return self._publisher

    async def deliver(self, content: bytes, *, to: str) -> Outcome:
        """Hand in a mail that is written once, and return what came of it; nothing that a server does raises."""
        try:
            async with asyncio.timeout(self._deadline_sec):
                used = await self._hand_in(content, to=to)
        except aiosmtplib.SMTPResponseException as answer:
            return self._judge(answer)
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError) as failed:
            return _failure(failed)
        await self._connections.give_back(used)
        return Delivered(250)

    async def _hand_in(self, content: bytes, *, to: str) -> Connection:
        """Return the connection over which the server took the mail; where that fails, none stays open."""
        connection = await self._connections.take()
        try:
            try:
                await self._address(connection.client, to)
            except (aiosmtplib.SMTPException, OSError) as failed:
                if not connection.mail_count or not _is_over(failed):
                    raise
                # Nothing of the mail is there yet: once more, over a connection that nobody is tired of.
                connection.hang_up()
                connection = await self._connections.make()
                await self._address(connection.client, to)
            # From here on a mail whose connection breaks may have arrived: it is the outbox that sends it again.
            await connection.client.data(content)
        except BaseException:
            connection.hang_up()
            raise
        return connection

    async def _address(self, client: SMTP, to: str) -> None:
        """Say from whom a mail is and to whom: all that comes before the mail itself."""
        await client.mail(self._server.sender[1])
        await client.rcpt(to)

    async def close(self) -> None:
        """End the connections that wait for another mail."""
        await self._connections.close()

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password or None,
            # Its own default asks the name server who we are.
            local_hostname=letter.host_of(self._publisher),
            timeout=self._deadline_sec,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=None if server.security is Security.NONE else self._tls,
        )

    def _judge(self, answer: aiosmtplib.SMTPResponseException) -> Outcome:
        """Return what an answer of 4xx or 5xx means."""
        if isinstance(answer, aiosmtplib.SMTPAuthenticationError) or answer.code in (530, 535):
            # Whatever the server said to a wrong password, it does not belong into a database.
            return Retry(Reason.LOGIN, answer.code, excerpt="The mail server refused the login.")
        excerpt = self._excerpt(answer.message)
        is_about_it = isinstance(answer, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
        if not is_about_it or answer.code < 500 or _is_about_us(answer):
            return Retry(Reason.STATUS, answer.code, excerpt=excerpt)
        if _is_unknown_address(answer):
            return Rejected(Reason.RECIPIENT, answer.code, switch_off=True, excerpt=excerpt)
        return Rejected(Reason.STATUS, answer.code, excerpt=excerpt)

    def _excerpt(self, text: str) -> str:
        said = excerpt_of(text.encode("utf-8", "replace"))
        return said.replace(self._server.password, "***") if self._server.password else said


def _is_over(failed: Exception) -> bool:
    """Return whether the server ended the connection: at once, or with 421, as after as many mails as it allows."""
    if isinstance(failed, aiosmtplib.SMTPResponseException):
        return failed.code == aiosmtplib.SMTPStatus.domain_unavailable
    return isinstance(failed, ConnectionError)


def _is_about_us(answer: aiosmtplib.SMTPResponseException) -> bool:
    enhanced = _ENHANCED.search(answer.message)
    if enhanced:
        return _CODES_ABOUT_US.fullmatch(enhanced.group()) is not None
    return _ABOUT_US.search(answer.message) is not None


def _is_unknown_address(answer: aiosmtplib.SMTPResponseException) -> bool:
    if _NO_SUCH_ADDRESS.search(answer.message):
        return True
    is_named = isinstance(answer, aiosmtplib.SMTPRecipientRefused) and answer.code in _UNKNOWN_ADDRESS_CODES
    return is_named and not _ENHANCED.search(answer.message)


def _failure(error: Exception) -> Outcome:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Retry(Reason.TLS, excerpt=f"TLS failed: {cause.verify_message.rstrip('.')}.")
        if isinstance(cause, ssl.SSLError):
            return Retry(Reason.TLS, excerpt="TLS failed: no handshake.")
        for kind, reason, sentence in _FAILURES:
            if isinstance(cause, kind):
                return Retry(reason, excerpt=sentence)
    for word, reason, sentence in _LACKING:
        if word in str(error):
            return Retry(reason, excerpt=sentence)
    return Retry(Reason.PROTOCOL, excerpt="The mail server does not speak SMTP as we need it.")


# Its library has no classes for these.
_LACKING = (
    ("STARTTLS", Reason.TLS, "The mail server offers no STARTTLS; see SMTP_SECURITY."),
    ("auth", Reason.LOGIN, "The mail server offers no way to log in that we know."),
)


def _causes(error: BaseException | None) -> list[BaseException]:
    """Return the error and what led to it, the first cause first."""
    found: list[BaseException] = []
    while error is not None and len(found) < 8:
        found.insert(0, error)
        error = error.__cause__ or error.__context__
    return found


_FAILURES: tuple[tuple[type[BaseException], Reason, str], ...] = (
    (TimeoutError, Reason.TIMEOUT, "The mail server did not answer in time."),
    (aiosmtplib.SMTPServerDisconnected, Reason.DISCONNECTED, "The mail server closed the connection."),
    (ConnectionResetError, Reason.DISCONNECTED, "The mail server closed the connection."),
    (BrokenPipeError, Reason.DISCONNECTED, "The mail server closed the connection."),
    (OSError, Reason.CONNECT, "The mail server cannot be reached."),
)
