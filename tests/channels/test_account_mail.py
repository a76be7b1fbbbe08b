"""Mails about users' own accounts: the link in one is sealed until it is sent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pulsemon.accounts import letters
from pulsemon.accounts.links import LinkKind
from pulsemon.channels.account_mail import AccountMail, belongs_to
from pulsemon.channels.address import ALLOW
from pulsemon.channels.channel import Means
from pulsemon.channels.email import Email
from pulsemon.channels.http import GuardedClient
from pulsemon.channels.mail import MailServer, Postman, Security
from pulsemon.channels.message import AccountNotice, Addressed, Delivered, Reason, Rejected, Retry
from pulsemon.channels.notices import Publisher
from pulsemon.db import Database
from pulsemon.messages import outbox
from pulsemon.vault import NO_KEYS, Vault
from tests.arrange import START, deliveries
from tests.channels.smtp_sink import MailSink

PUBLISHER = Publisher("https://pulsemon.example.org", "Status")
VAULT = Vault({"one": b"1" * 32})
TOKEN = "EXAMPLE-TOKEN-0000000000000000"
ANA = "ana@example.org"


def _channel(sink: MailSink | None, vault: Vault = VAULT) -> AccountMail:
    postman = None
    if sink is not None:
        server = MailServer("127.0.0.1", sink.port, Security.NONE, ("PulseMon", "pulsemon@example.org"))
        postman = Postman(server, PUBLISHER)
    return AccountMail(Means(GuardedClient(ALLOW), "en", PUBLISHER, postman, vault))


def _addressed(kind: str, *, locale: str | None = None) -> Addressed:
    sealed = VAULT.seal(TOKEN, belongs_to=belongs_to(ANA))
    notice = AccountNotice("msg_1", kind, sealed, START + timedelta(hours=1), locale)
    return Addressed(message=notice, address=ANA, created_at=START)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "path", "locale", "subject"),
    [
        ("invitation", "join", "en", "You are invited to PulseMon"),
        ("reset", "reset", "pt-BR", "Uma nova senha para o PulseMon"),
    ],
)
async def test_a_mail_leads_to_the_link(kind: str, path: str, locale: str, subject: str) -> None:
    with MailSink() as sink:
        outcome = await _channel(sink).send(_addressed(kind, locale=locale), sent_at=START)

    assert outcome == Delivered(250)
    (mail,) = sink.mails
    read = mail.message
    assert (read["To"], read["Subject"]) == (ANA, subject)
    assert f"https://pulsemon.example.org/{path}/{TOKEN}" in mail.text.splitlines()


@pytest.mark.anyio
async def test_what_cannot_be_opened_waits_and_what_is_over_is_not_sent() -> None:
    with MailSink() as sink:
        sealed = await _channel(sink, NO_KEYS).send(_addressed("reset"), sent_at=START)
        late = await _channel(sink).send(_addressed("reset"), sent_at=START + timedelta(hours=1))
    without_mail = await _channel(None).send(_addressed("reset"), sent_at=START)

    assert isinstance(sealed, Retry)
    assert sealed.reason is Reason.SEALED
    assert isinstance(late, Rejected)
    assert late.reason is Reason.EXPIRED
    assert isinstance(without_mail, Retry)
    assert without_mail.reason is Reason.NO_MAIL
    assert sink.mails == []


def test_the_outbox_holds_the_link_sealed_and_by_a_kind_that_older_servers_leave(database: Database) -> None:
    letters.owe(database, VAULT, LinkKind.RESET, ANA, TOKEN, locale="en", now=START)

    (row,) = deliveries(database)
    assert (row.kind, row.address, row.receiver) == ("account-mail", ANA, "smtp")
    assert TOKEN not in repr(row)
    assert outbox.lease_due(database, now=START, in_flight={}, kinds=[Email.kind, "webhook"]) == []
    (leased,) = outbox.lease_due(database, now=START, in_flight={})
    assert isinstance(leased.message, AccountNotice)
    assert VAULT.open(leased.message.sealed, belongs_to=belongs_to(leased.address)) == TOKEN
    assert "sealed" not in repr(leased.message)
