"""Mail out to a real server on a real socket: what each of its answers and failures means, and what is never told."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from datetime import timedelta
from typing import Any

import pytest
import trustme

from pulsemon.channels import smtp_connections
from pulsemon.channels.mail import MailServer, Postman, Security
from pulsemon.channels.message import Delivered, Outcome, Reason, Rejected, Retry
from pulsemon.channels.notices import Publisher
from tests.channels.conftest import server_context
from tests.channels.smtp_sink import CUT, HANG, MailSink
from tests.channels.test_letter import AT, TOKEN, told
from tests.conftest import wait_until
from tests.ports import free_port

PASSWORD = "correct-horse-battery-staple"
pytestmark = pytest.mark.anyio


@functools.cache
def system_trust() -> ssl.SSLContext:
    """What a postman makes for itself; one for all of them here, because to make it takes 30 ms."""
    return ssl.create_default_context()


def postman(
    port: int, *, tls: ssl.SSLContext | None = None, by_itself: bool = False, deadline: float = 60, **changes: Any
) -> Postman:
    """Return one that trusts *tls*, else what the system trusts; *by_itself*: found out as where nobody tells it."""
    if tls is None and not by_itself:
        tls = system_trust()
    values: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": Security.NONE}
    server = MailServer(**values | {"sender": ("Status", "status@example.org")} | changes)
    publisher = Publisher("https://status.example.org", "Status")
    return Postman(server, publisher, deadline=timedelta(seconds=deadline), tls=tls)


async def send(sender: Postman, *, to: str = "ana@example.org") -> Outcome:
    """Send one mail, and end the connection."""
    outcome = await send_one_of_many(sender, to=to)
    await sender.close()
    return outcome


async def send_one_of_many(sender: Postman, *, to: str = "ana@example.org") -> Outcome:
    return await sender.send(told(), to=to, token=TOKEN, locale="en", written_at=AT)


def handshakes(sink: MailSink) -> int:
    return sum(line.startswith("EHLO") for line in sink.said)


async def test_a_mail_arrives_as_it_was_written_at_whom_it_is_for() -> None:
    with MailSink() as sink:
        outcome = await send(postman(sink.port))
        (mail,) = sink.wait_for(1)

    assert outcome == Delivered(250)
    assert (mail.sender, mail.to) == ("status@example.org", "ana@example.org")
    assert mail.message["Subject"] == "[Shop] Incident: Slow checkout – Resolved"
    assert sink.said[0] == "EHLO status.example.org"


async def test_starttls_encrypts_before_the_login(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    server = server_context(authority, "127.0.0.1")
    with MailSink(tls=server, logins={"me": PASSWORD}) as sink:
        sender = postman(sink.port, tls=trusting, security=Security.STARTTLS, username="me", password=PASSWORD)
        outcome = await send(sender)
        (mail,) = sink.wait_for(1)

    assert outcome == Delivered(250)
    assert mail.was_encrypted
    assert mail.login == ("me", PASSWORD)


async def test_tls_from_the_beginning(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with MailSink(tls=server_context(authority, "127.0.0.1"), implicit=True) as sink:
        outcome = await send(postman(sink.port, tls=trusting, security=Security.TLS))
        (mail,) = sink.wait_for(1)

    assert outcome == Delivered(250)
    assert mail.was_encrypted


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_that_nobody_vouches_for_is_refused_and_the_password_is_not_told(
    authority: trustme.CA, security: Security
) -> None:
    server = server_context(authority, "127.0.0.1")
    with MailSink(tls=server, implicit=security is Security.TLS, logins={"me": PASSWORD}) as sink:
        outcome = await send(postman(sink.port, by_itself=True, security=security, username="me", password=PASSWORD))

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.TLS
    assert "unable to get local issuer certificate" in outcome.excerpt
    assert not any("AUTH" in line or "MAIL" in line for line in sink.said)


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with MailSink(tls=server_context(authority, "mail.example.org")) as sink:
        outcome = await send(postman(sink.port, tls=trusting, security=Security.STARTTLS))

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.TLS
    assert sink.mails == []


async def test_a_server_without_starttls_gets_no_mail_in_the_clear() -> None:
    with MailSink(logins={"me": PASSWORD}) as sink:
        outcome = await send(postman(sink.port, security=Security.STARTTLS, username="me", password=PASSWORD))

    assert isinstance(outcome, Retry)
    assert (outcome.reason, sink.mails) == (Reason.TLS, [])
    assert not any("AUTH" in line for line in sink.said)


async def test_a_wrong_password_is_tried_again_and_stands_in_nothing_that_is_kept() -> None:
    with MailSink(logins={"me": "another"}) as sink:
        sender = postman(sink.port, username="me", password=PASSWORD)
        outcome = await send(sender)

    assert outcome == Retry(Reason.LOGIN, 535, excerpt="The mail server refused the login.")
    assert PASSWORD not in repr(sender._server)


GONE = Rejected(Reason.RECIPIENT, 550, switch_off=True)


@pytest.mark.parametrize(
    ("verb", "answer", "expected"),
    [
        ("RCPT", "550 5.1.1 no such user", GONE),
        ("RCPT", "550 no such user here", GONE),
        ("RCPT", "550 5.2.1 mailbox disabled", GONE),
        ("body", "550 5.1.1 no such user", GONE),
        ("RCPT", "552 5.2.2 mailbox full", Rejected(Reason.STATUS, 552)),
        ("RCPT", "554 5.7.1 relay access denied", Retry(Reason.STATUS, 554)),
        ("RCPT", "550 5.7.1 you are on a list", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 relay not permitted", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 Sender verify failed", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 5.1.8 Sender address rejected: Domain not found", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 5.4.5 Daily user sending limit exceeded", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 5.4.1 Recipient address rejected: Access denied", Rejected(Reason.STATUS, 550)),
        ("RCPT", "550 your address is on a blacklist", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 too many mails in an hour", Retry(Reason.STATUS, 550)),
        ("RCPT", "550 not listed in the directory", GONE),
        ("RCPT", "530 5.7.0 authentication required", Retry(Reason.LOGIN, 530)),
        ("RCPT", "450 4.2.0 greylisted", Retry(Reason.STATUS, 450)),
        ("RCPT", "452 4.5.3 too many", Retry(Reason.STATUS, 452)),
        ("MAIL", "550 5.1.8 bad sender", Retry(Reason.STATUS, 550)),
        ("MAIL", "451 later", Retry(Reason.STATUS, 451)),
        ("DATA", "451 later", Retry(Reason.STATUS, 451)),
        ("body", "451 4.3.0 disk full", Retry(Reason.STATUS, 451)),
        ("body", "554 5.6.0 cannot be read", Rejected(Reason.STATUS, 554)),
        ("banner", "421 too busy", Retry(Reason.STATUS, 421)),
        ("banner", "554 go away", Retry(Reason.STATUS, 554)),
        ("banner", "hello", Retry(Reason.PROTOCOL)),
    ],
)
async def test_what_each_answer_means(verb: str, answer: str, expected: Outcome) -> None:
    with MailSink({verb: [answer]}) as sink:
        outcome = await send(postman(sink.port))

    assert type(outcome) is type(expected)
    assert not isinstance(outcome, Delivered)
    assert not isinstance(expected, Delivered)
    if expected.reason is not Reason.PROTOCOL:
        assert (outcome.reason, outcome.status_code) == (expected.reason, expected.status_code)
    assert isinstance(expected, Retry) or outcome.switch_off == expected.switch_off  # type: ignore[union-attr]
    assert sink.mails == []


@pytest.mark.parametrize("verb", ["banner", "MAIL", "RCPT", "DATA", "body"])
async def test_a_server_that_is_gone_in_the_middle_is_tried_again(verb: str) -> None:
    with MailSink({verb: [CUT]}) as sink:
        outcome = await send(postman(sink.port))

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.DISCONNECTED
    assert sink.mails == []


@pytest.mark.parametrize("verb", ["banner", "MAIL", "RCPT", "DATA", "body"])
async def test_a_server_that_hangs_is_left_after_the_deadline(verb: str) -> None:
    with MailSink({verb: [HANG]}) as sink:
        began = time.monotonic()
        outcome = await send(postman(sink.port, deadline=0.4))
        took = time.monotonic() - began

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.TIMEOUT
    assert took < 30


@pytest.mark.parametrize("answer", [HANG, CUT, "500 what?"])
async def test_a_mail_that_was_taken_is_delivered_whatever_becomes_of_the_goodbye(answer: object) -> None:
    with MailSink({"QUIT": [answer]}) as sink:
        outcome = await send(postman(sink.port))

    assert outcome == Delivered(250)
    assert len(sink.mails) == 1


@pytest.mark.parametrize(
    ("verb", "answer", "kind"), [("QUIT", HANG, Delivered), ("RCPT", "550 5.1.1 no such user", Rejected)]
)
def test_nothing_of_a_connection_outlives_its_end(
    verb: str,
    answer: object,
    kind: type[Outcome],
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    anyio_backend: tuple[str, dict[str, Any]],
) -> None:
    """The server never says the farewell of TLS; an event loop cannot be closed over what still waits for one."""
    factory: Any = asyncio.new_event_loop
    if anyio_backend[1]["use_uvloop"]:
        factory = pytest.importorskip("uvloop").new_event_loop
    with MailSink({verb: [answer]}, tls=server_context(authority, "127.0.0.1"), implicit=True) as sink:
        with asyncio.Runner(loop_factory=factory) as runner:
            outcome = runner.run(send(postman(sink.port, tls=trusting, security=Security.TLS)))

    assert type(outcome) is kind


async def test_nobody_at_home_is_tried_again() -> None:
    outcome = await send(postman(free_port()))

    assert outcome == Retry(Reason.CONNECT, excerpt="The mail server cannot be reached.")


async def test_a_name_that_does_not_exist_is_tried_again() -> None:
    outcome = await send(postman(25, host="mail.invalid"))

    assert isinstance(outcome, Retry)
    assert outcome.reason is Reason.CONNECT


async def test_one_connection_carries_one_mail_after_the_other() -> None:
    with MailSink() as sink:
        sender = postman(sink.port)
        for number in range(3):
            assert await send_one_of_many(sender, to=f"u{number}@example.org") == Delivered(250)
        await sender.close()
        wait_until(lambda: sink.open_count == 0)

    assert [mail.to for mail in sink.mails] == ["u0@example.org", "u1@example.org", "u2@example.org"]
    assert (handshakes(sink), sink.said.count("RSET"), sink.said.count("QUIT")) == (1, 2, 1)


async def test_as_many_connections_as_there_are_mails_at_once_and_no_more() -> None:
    with MailSink() as sink:
        sender = postman(sink.port)
        for _ in range(3):
            outcomes = await asyncio.gather(*(send_one_of_many(sender) for _ in range(4)))
            assert outcomes == [Delivered(250)] * 4
        await sender.close()

    assert (len(sink.mails), handshakes(sink), sink.most_open) == (12, 4, 4)


@pytest.mark.parametrize("answer", [CUT, HANG, "421 4.4.2 idle for too long", "500 what?"])
async def test_a_connection_that_the_server_gave_up_costs_no_attempt(answer: object) -> None:
    with MailSink({"RSET": [answer]}) as sink:
        sender = postman(sink.port)
        for _ in range(3):
            assert await send_one_of_many(sender) == Delivered(250)
        await sender.close()

    assert (len(sink.mails), handshakes(sink)) == (3, 3)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", [CUT, "421 4.7.0 too many messages in this connection"])
async def test_a_server_that_allows_a_connection_one_mail_costs_no_attempt(verb: str, answer: object) -> None:
    """RSET is answered, as Exim does it, and the next mail is not taken."""
    fine = "250 ok"
    with MailSink({verb: [fine, answer, fine, answer, fine]}) as sink:
        sender = postman(sink.port)
        for number in range(3):
            assert await send_one_of_many(sender, to=f"u{number}@example.org") == Delivered(250)
        await sender.close()

    assert [mail.to for mail in sink.mails] == ["u0@example.org", "u1@example.org", "u2@example.org"]
    assert (handshakes(sink), sink.said.count("RSET")) == (3, 2)


async def test_a_server_that_is_tired_of_new_connections_too_is_left_in_peace() -> None:
    with MailSink({"MAIL": ["250 ok", "421 4.7.0 try later"]}) as sink:
        sender = postman(sink.port)
        assert await send_one_of_many(sender) == Delivered(250)
        outcome = await send_one_of_many(sender)
        await sender.close()

    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.status_code) == (Reason.STATUS, 421)
    assert (len(sink.mails), handshakes(sink)) == (1, 2)


async def test_a_server_that_goes_while_nothing_is_sent_costs_no_attempt() -> None:
    with MailSink() as before:
        sender = postman(before.port)
        assert await send_one_of_many(sender) == Delivered(250)
    with MailSink(port=before.port) as after:
        assert await send_one_of_many(sender) == Delivered(250)
        await sender.close()

    assert (len(before.mails), len(after.mails)) == (1, 1)


@pytest.mark.parametrize("verb", ["DATA", "body"])
@pytest.mark.parametrize("answer", [CUT, "421 4.3.2 going down"])
async def test_a_mail_that_may_have_arrived_is_not_handed_in_twice_in_one_attempt(verb: str, answer: object) -> None:
    fine = {"DATA": "354 go ahead", "body": "250 2.0.0 queued"}[verb]
    with MailSink({verb: [fine, answer, fine]}) as sink:
        sender = postman(sink.port)
        assert await send_one_of_many(sender) == Delivered(250)
        outcome = await send_one_of_many(sender)
        assert isinstance(outcome, Retry)
        assert outcome.reason is (Reason.DISCONNECTED if answer is CUT else Reason.STATUS)
        assert (sink.said.count("DATA"), handshakes(sink)) == (2, 1)
        assert await send_one_of_many(sender) == Delivered(250)
        await sender.close()


async def test_an_attempt_ends_at_its_deadline_over_a_connection_that_is_used_again_too() -> None:
    with MailSink({"MAIL": ["250 ok", HANG]}) as sink:
        sender = postman(sink.port)
        assert await send_one_of_many(sender) == Delivered(250)
        sender._deadline_sec = 0.4
        outcome = await send_one_of_many(sender)
        await sender.close()

    assert isinstance(outcome, Retry)
    assert (outcome.reason, len(sink.mails), handshakes(sink)) == (Reason.TIMEOUT, 1, 1)


async def test_after_some_mails_a_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connections, "MAILS_PER_CONNECTION", 2)
    with MailSink() as sink:
        sender = postman(sink.port)
        for _ in range(5):
            assert await send_one_of_many(sender) == Delivered(250)
        assert sink.said.count("QUIT") == 2
        await sender.close()

    assert (len(sink.mails), handshakes(sink)) == (5, 3)


async def test_an_idle_connection_is_ended_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connections, "IDLE_SEC", 0.01)
    with MailSink() as sink:
        sender = postman(sink.port)
        assert await send_one_of_many(sender) == Delivered(250)
        async with asyncio.timeout(60):
            while sink.open_count:  # noqa: ASYNC110 - it waits for threads
                await asyncio.sleep(0.01)
        assert await send_one_of_many(sender) == Delivered(250)
        await sender.close()

    assert (handshakes(sink), sink.said.count("QUIT")) == (2, 2)


async def test_a_connection_over_which_something_went_wrong_carries_nothing_more() -> None:
    with MailSink({"RCPT": ["550 5.1.1 nobody here", "250 ok"]}) as sink:
        sender = postman(sink.port)
        assert isinstance(await send_one_of_many(sender), Rejected)
        assert await send_one_of_many(sender) == Delivered(250)
        await sender.close()

    assert (len(sink.mails), handshakes(sink)) == (1, 2)


async def test_a_mail_that_ends_after_the_others_stopped_leaves_no_connection_open() -> None:
    with MailSink() as sink:
        sender = postman(sink.port)
        await sender.close()
        assert await send_one_of_many(sender) == Delivered(250)
        wait_until(lambda: sink.open_count == 0)

    assert sink.said[-1] == "QUIT"
