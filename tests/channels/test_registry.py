"""The kinds of channels: what each says of itself, and that each sends what it is given."""

from __future__ import annotations

import pytest

from pulsemon.channels import registry
from pulsemon.channels.address import ALLOW
from pulsemon.channels.channel import Channel, Means
from pulsemon.channels.email import Email
from pulsemon.channels.http import GuardedClient
from pulsemon.channels.mail import MailServer, Postman, Security
from pulsemon.channels.message import Addressed, Announcement, Delivered, Message, Reason, Rejected, Retry
from pulsemon.channels.notices import Publisher
from pulsemon.channels.webhook import Webhook
from pulsemon.db.tables.messages import Delivery
from tests.channels.sink import Sink
from tests.channels.smtp_sink import MailSink
from tests.channels.test_letter import AT, TOKEN, told
from tests.channels.test_webhook import a_message

PUBLISHER = Publisher("https://status.example.org", "Status")
CLIENT = GuardedClient(ALLOW)


def channel(kind: str, *, port: int | None = None) -> Channel:
    """Return a channel; *port* is the mail server's on this machine, None where mail is not set up."""
    postman = None
    if port is not None:
        server = MailServer("127.0.0.1", port, Security.NONE, ("Status", "status@example.org"))
        postman = Postman(server, PUBLISHER)
    return registry.channels(Means(CLIENT, "pt-BR", PUBLISHER, postman))[kind]


def addressed(message: Message | Announcement, address: str, *, locale: str | None = None) -> Addressed:
    return Addressed(message=message, address=address, created_at=AT, token=TOKEN, locale=locale)


def test_every_kind_has_a_name_of_its_own_that_fits_its_column() -> None:
    kinds = registry.channels(Means(CLIENT, "en"))

    assert {name: each.kind for name, each in kinds.items()} == {name: name for name in registry.KINDS}
    assert all(len(name) <= Delivery.__table__.c.kind.type.length for name in kinds)
    assert len(kinds) == len(registry._KINDS)


def test_no_shared_receiver_is_one_of_any_url() -> None:
    assert {Email.shared_receiver} == registry.SHARED_RECEIVERS
    assert not any(":" in each for each in registry.SHARED_RECEIVERS)


@pytest.mark.parametrize(
    ("kind", "address", "receiver"),
    [
        (Webhook.kind, "https://Hook.example/x", "hook.example:443"),
        (Email.kind, "ana@example.org", "smtp"),
        (Email.kind, "bob@example.net", "smtp"),
    ],
)
def test_messages_share_the_receiver_of_their_kind_or_of_their_address(kind: str, address: str, receiver: str) -> None:
    assert registry.receiver(kind, address) == receiver


def test_a_kind_that_is_not_listed_has_no_receivers() -> None:
    with pytest.raises(KeyError):
        registry.receiver("pigeon", "https://example.org")


@pytest.mark.anyio
@pytest.mark.parametrize("message", [a_message(), told()])
async def test_a_webhook_sends_whatever_a_message_is_about(message: Message | Announcement) -> None:
    with Sink() as sink:
        outcome = await channel("webhook").send(addressed(message, sink.url), sent_at=AT)
        (received,) = sink.received

    assert outcome == Delivered(204)
    assert received.headers["webhook-id"] == message.message_id


@pytest.mark.anyio
@pytest.mark.parametrize(("locale", "said"), [("en", "Resolved"), (None, "Resolvido")])
async def test_a_receiver_without_a_language_has_that_of_the_installation(locale: str | None, said: str) -> None:
    with MailSink() as sink:
        outcome = await channel("email", port=sink.port).send(
            addressed(told(), "ana@example.org", locale=locale), sent_at=AT
        )
        (mail,) = sink.wait_for(1)

    assert outcome == Delivered(250)
    assert said in str(mail.message["Subject"])


@pytest.mark.anyio
async def test_mail_waits_until_it_is_set_up() -> None:
    outcome = await channel("email").send(addressed(told(), "ana@example.org"), sent_at=AT)

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.NO_MAIL


@pytest.mark.anyio
async def test_what_has_no_letter_is_not_tried_again() -> None:
    outcome = await channel("email", port=9).send(addressed(a_message(), "ana@example.org"), sent_at=AT)

    assert isinstance(outcome, Rejected)
    assert not outcome.switch_off


def test_what_a_secret_is_stays_out_of_a_log() -> None:
    shown = repr(Addressed(message=told(), address="https://h/secret", created_at=AT, secret="whsec_", token=TOKEN))

    assert not any(secret in shown for secret in ("https://h/secret", "whsec_", TOKEN))
