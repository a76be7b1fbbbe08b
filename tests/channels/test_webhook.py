"""The webhook: its bytes, its signature, and what each answer of a receiver means."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

import pulsemon
from pulsemon import clock
from pulsemon.channels import posting, webhook
from pulsemon.channels.address import ALLOW
from pulsemon.channels.channel import Means
from pulsemon.channels.http import GuardedClient, NotSent
from pulsemon.channels.message import KEYS, Addressed, Delivered, Message, Outcome, Reason, Rejected, Retry
from pulsemon.channels.webhook import Webhook
from pulsemon.locale import LOCALES
from tests.channels import sink as behaviours
from tests.channels.sink import MISBEHAVIOURS, Sink, closed_port_url, never_accepting

SENT_AT = datetime(2025, 9, 18, 17, 0, 1, 500_000, tzinfo=UTC)
BRIEF = timedelta(seconds=0.6)
DISCORD = "https://discord.com/api/webhooks/1/abc"
SLACK = "https://hooks.slack.com/services/T0/B0/abc"


def a_message(**changes: Any) -> Message:
    payload = {
        "slug": "backup-noturno",
        "name": "Backup Noturno",
        "status": "DOWN",
        "occurred_at": "2025-09-18T17:00:00Z",
        "interval_seconds": 900,
        "grace_seconds": 180,
        "last_ping": "2025-09-18T16:42:10Z",
    }
    return Message("msg_0123456789abcdef", payload | changes)


async def send(url: str, *, secret: str | None = None, deadline: timedelta = BRIEF) -> Outcome:
    return await hook(GuardedClient(ALLOW, deadline=deadline)).send(addressed(url, secret=secret), sent_at=SENT_AT)


def hook(client: GuardedClient) -> Webhook:
    return Webhook(Means(client, "en"))


def addressed(url: str, *, secret: str | None = None) -> Addressed:
    return Addressed(message=a_message(), address=url, created_at=SENT_AT, secret=secret)


# The body.


def test_the_body_is_the_seven_keys_of_the_original_specification_in_its_order() -> None:
    body = webhook.body(a_message(name='Cópia "às" 3h'), url="https://example.com/hook", locale="en")

    assert list(json.loads(body)) == list(KEYS)
    assert "Cópia".encode() in body
    assert json.loads(body)["name"] == 'Cópia "às" 3h'


def test_a_repeat_has_the_same_bytes() -> None:
    for url in ("https://example.com/", DISCORD, SLACK):
        assert len({webhook.body(a_message(), url=url, locale="en") for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("url", "key"),
    [
        (DISCORD, "content"),
        ("https://DiscordApp.com/api/webhooks/1/a", "content"),
        ("https://discord.com:443/api/webhooks/1/a", "content"),
        ("https://discord.com./api/webhooks/1/a", "content"),
        (SLACK, "text"),
    ],
)
def test_discord_and_slack_get_one_sentence_beside_the_seven_keys(url: str, key: str) -> None:
    body = json.loads(webhook.body(a_message(), url=url, locale="en"))

    assert list(body) == [*KEYS, key]
    assert body[key] == ("Backup Noturno is down since 2025-09-18 17:00:00 UTC. Last ping: 2025-09-18 16:42:10 UTC.")


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com.example/",
        "https://notdiscord.com/",
        "https://example.com/discord.com",
        "https://discord.com@example.com/",
        "https://slack.com/",
        "no URL",
    ],
)
def test_nobody_else_gets_a_further_key(url: str) -> None:
    assert list(json.loads(webhook.body(a_message(), url=url, locale="en"))) == list(KEYS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": "UP"}, "Backup Noturno is up again since 2025-09-18 17:00:00 UTC."),
        ({"last_ping": None}, "Backup Noturno is down since 2025-09-18 17:00:00 UTC. There has been no ping yet."),
        ({"status": "UNKNOWN"}, "Test message about Backup Noturno, sent at 2025-09-18 17:00:00 UTC."),
        ({"name": " \n", "status": "UP"}, "backup-noturno is up again since 2025-09-18 17:00:00 UTC."),
    ],
)
def test_the_sentence_says_what_happened(changes: dict[str, Any], sentence: str) -> None:
    assert json.loads(webhook.body(a_message(**changes), url=SLACK, locale="en"))["text"].replace("\\", "") == sentence


@pytest.mark.parametrize("status", ["DOWN", "UP"])
@pytest.mark.parametrize("last_ping", [None, "2025-09-18T16:42:10Z"])
def test_the_sentence_is_in_the_language_of_the_installation(status: str, last_ping: str | None) -> None:
    message = a_message(status=status, last_ping=last_ping)
    sentences = {json.loads(webhook.body(message, url=DISCORD, locale=locale))["content"] for locale in LOCALES}

    assert len(sentences) == len(LOCALES)
    assert all("Backup Noturno" in sentence and "2025-09-18 17:00:00 UTC" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    "mention", ["@everyone", "@here", "<@123>", "<@!123>", "<@&123>", "<#123>", "<!channel>", "<!subteam^S1>", "<@U1>"]
)
@pytest.mark.parametrize("url", [DISCORD, SLACK])
def test_a_name_cannot_mention_anybody(url: str, mention: str) -> None:
    sentence = _sentence(a_message(name=f"Backup {mention} now"), url)

    assert mention not in sentence
    assert "<!" not in sentence
    assert "<@" not in sentence
    assert "<#" not in sentence
    assert "@everyone" not in sentence
    assert "@here" not in sentence


@pytest.mark.parametrize("url", [DISCORD, SLACK])
@pytest.mark.parametrize("name", ["<https://evil.example|our bank>", "[our bank](https://evil.example)", "http://evil"])
def test_a_name_cannot_hold_a_link(url: str, name: str) -> None:
    assert "://" not in _sentence(a_message(name=name), url)


def test_slack_reads_its_three_characters_escaped() -> None:
    assert "a &amp; b &lt;c&gt; &amp;lt;" in _sentence(a_message(name="a & b <c> &lt;"), SLACK)


def test_discord_reads_markdown_escaped() -> None:
    assert r"\*\*a\*\* \_b\_ \~\~c\~\~ \`d\` \|\|e\|\| \\" in _sentence(
        a_message(name=r"**a** _b_ ~~c~~ `d` ||e|| \ ."), DISCORD
    )


@given(st.text(max_size=400), st.sampled_from([DISCORD, SLACK]), st.sampled_from(["UP", "DOWN"]))
def test_any_name_gives_one_short_line_and_keeps_the_seven_keys_as_they_are(name: str, url: str, status: str) -> None:
    body = json.loads(webhook.body(a_message(name=name, status=status), url=url, locale="en"))
    sentence = body["content" if url == DISCORD else "text"]

    assert body["name"] == name.encode("utf-8", "replace").decode()
    assert len(sentence.encode("utf-16-le")) // 2 <= 2_000
    assert not any(ord(character) < 32 or character in "\u2028\u2029\u202e" for character in sentence)


def test_half_a_surrogate_pair_does_not_keep_a_message_from_going_out() -> None:
    assert json.loads(webhook.body(a_message(name="a\ud800b"), url=DISCORD, locale="en"))["name"] == "a?b"


def _sentence(message: Message, url: str) -> str:
    body = json.loads(webhook.body(message, url=url, locale="en"))
    return str(body.get("content") or body["text"])


# The headers.


def test_a_signature_is_what_the_reference_implementation_verifies() -> None:
    secret, body = webhook.new_secret(), webhook.body(a_message(name="Cópia"), url=SLACK, locale="en")

    headers = webhook.headers("msg_1", sent_at=clock.now(), body=body, secret=secret)

    assert standardwebhooks.Webhook(secret).verify(body, headers)["name"] == "Cópia"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(webhook.new_secret()).verify(body, headers)


def test_without_a_secret_there_is_no_signature_and_everything_else() -> None:
    assert webhook.headers("msg_1", sent_at=SENT_AT, body=b"{}", secret=None) == {
        "Content-Type": "application/json",
        "User-Agent": f"PulseMon/{pulsemon.__version__}",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1758214801",
    }


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_one(size: int) -> None:
    assert webhook.is_secret("whsec_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        base64.b64encode(bytes(32)).decode(),
        "WHSEC_" + base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode() + "\n",
        "whsec_" + base64.b64encode(bytes(32)).decode().rstrip("="),
        "whsec_" + "ç" * 44,
        "whsec_" + "\ud800" * 44,
        "generate",
    ],
)
def test_anything_else_is_not_a_secret(text: str) -> None:
    assert not webhook.is_secret(text)
    with pytest.raises(NotSent):
        webhook.headers("msg_1", sent_at=SENT_AT, body=b"{}", secret=text)


def test_a_new_secret_is_one_and_never_the_same() -> None:
    fresh = {webhook.new_secret() for _ in range(100)}

    assert len(fresh) == 100
    assert all(map(webhook.is_secret, fresh))


@pytest.mark.parametrize("text", ["https://example.org/hook", "http://127.0.0.1:8080", "https://café.example/x"])
def test_an_http_or_https_url_with_a_host_is_one(text: str) -> None:
    assert webhook.is_url(text)


@pytest.mark.parametrize(
    "text", ["", "https://", "ftp://example.org/", "example.org/hook", "http://example.org:99999/"]
)
def test_anything_else_is_not_a_url(text: str) -> None:
    assert not webhook.is_url(text)


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0.35", 0.35),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 5_000, 3600),
        (format_datetime(SENT_AT + timedelta(seconds=90), usegmt=True), 89.5),
        ("Thu, 18 Sep 2025 19:00:31 +0200", 29.5),
        ("Thursday, 18-Sep-25 17:00:31 GMT", 29.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        (None, None),
        ("", None),
        ("0", None),
        ("-1", None),
        ("٧", None),
        ("1e3", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("Thu, 18 Sep 2025 16:00:00 GMT", None),
        ("Thu, 99 Sep 2025 99:99:99 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date_and_never_longer_than_an_hour(
    value: str | None, seconds: float | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert posting.retry_after(value, now=SENT_AT) == expected


@given(st.one_of(st.text(), st.text(alphabet="0123456789-+:, GMTonFriSep.")))
def test_any_retry_after_is_nothing_or_a_wait_of_at_most_an_hour(value: str) -> None:
    wait = posting.retry_after(value, now=SENT_AT)

    assert wait is None or timedelta() < wait <= timedelta(hours=1)


# What comes of sending.


@pytest.mark.anyio
async def test_a_message_arrives_with_a_signature_over_exactly_what_was_sent() -> None:
    secret, sent_at = webhook.new_secret(), clock.now()
    with Sink() as sink:
        outcome = await hook(GuardedClient(ALLOW)).send(addressed(sink.url, secret=secret), sent_at=sent_at)

        (received,) = sink.received
    assert outcome == Delivered(204)
    assert standardwebhooks.Webhook(secret).verify(received.body, dict(received.headers)) == a_message().payload
    assert received.headers["webhook-id"] == "msg_0123456789abcdef"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (behaviours.status(200), Delivered(200)),
        (behaviours.status(202, body=b"queued"), Delivered(202)),
        (behaviours.status(299), Delivered(299)),
        (behaviours.status(500, body=b"oh no"), Retry(Reason.STATUS, 500, excerpt="oh no")),
        (behaviours.status(404), Retry(Reason.STATUS, 404)),
        (behaviours.status(999), Retry(Reason.STATUS, 999)),
        (behaviours.status(503, retry_after="30"), Retry(Reason.STATUS, 503, retry_after=timedelta(seconds=30))),
        (behaviours.status(410, body=b"bye"), Rejected(Reason.GONE, 410, switch_off=True, excerpt="bye")),
        (behaviours.status(304), Retry(Reason.REDIRECT, 304)),
        (behaviours.redirect("http://localhost/"), Retry(Reason.REDIRECT, 302)),
        (behaviours.redirect("http://169.254.169.254/", 308), Retry(Reason.REDIRECT, 308)),
    ],
)
async def test_each_status_has_its_outcome(behaviour: behaviours.Behaviour, outcome: Outcome) -> None:
    with Sink(behaviour) as sink:
        assert await send(sink.url) == outcome


EXPECTED = {
    "hangs": Reason.TIMEOUT,
    "closes without an answer": Reason.DISCONNECTED,
    "resets": Reason.DISCONNECTED,
    "drips a header": Reason.TIMEOUT,
    "drips a body": Delivered,
    "accepts, then resets": Delivered,
    "endless body": Reason.STATUS,
    "endless chunks of one byte": Reason.STATUS,
    "endless header": Reason.PROTOCOL,
    "endless headers": Reason.PROTOCOL,
    "endless informational answers": Reason.PROTOCOL,
    "1 MB header": Reason.PROTOCOL,
    "gzip bomb": Reason.STATUS,
    "500": Reason.STATUS,
    "429 with seconds": Reason.STATUS,
    "429 with a date": Reason.STATUS,
    "410": Reason.GONE,
    "redirects to localhost": Reason.REDIRECT,
    "not HTTP": Reason.PROTOCOL,
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_every_misbehaviour_is_an_outcome_with_its_reason(name: str) -> None:
    # Short for those that are left at the deadline; the others have to end by themselves.
    deadline = BRIEF if name in {"hangs", "drips a header", "drips a body"} else timedelta(minutes=10)
    with Sink(MISBEHAVIOURS[name]) as sink:
        outcome = await send(sink.url, deadline=deadline)

    assert (Delivered if isinstance(outcome, Delivered) else outcome.reason) == EXPECTED[name]


@pytest.mark.anyio
async def test_what_cannot_be_reached_is_tried_again() -> None:
    assert isinstance(refused := await send(closed_port_url()), Retry)
    assert refused.reason is Reason.CONNECT
    with never_accepting() as url:
        assert isinstance(silent := await send(url), Retry)
    assert silent.reason is Reason.TIMEOUT


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("http://169.254.169.254/token/abc", None, Reason.REFUSED_ADDRESS),
        ("http://0.0.0.0/token/abc", None, Reason.REFUSED_ADDRESS),
        ("ftp://example.com/token/abc", None, Reason.INVALID_URL),
        ("", None, Reason.INVALID_URL),
        ("http://127.0.0.1/token/abc", "whsec_short", Reason.INVALID_SECRET),
    ],
)
async def test_what_can_never_be_sent_is_rejected_and_says_why_without_telling_a_secret(
    url: str, secret: str | None, reason: Reason
) -> None:
    outcome = await send(url, secret=secret)

    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason
    assert not outcome.switch_off
    assert outcome.excerpt
    assert "token" not in outcome.excerpt
    assert "short" not in outcome.excerpt


# Whatever bytes a receiver sends.


@pytest.fixture(scope="module")
def any_sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200",
        b"HTTP/1.1 000 X",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 429 \xff",
        b"HTTP/1.1 999 \x00",
        b"HTTP/2 200",
        b"Content-Length: 5",
        b"Content-Length: 5, 6",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: upgrade",
        b"Retry-After: \xd9\xa7",
        b"Retry-After: Mon, 01 Jan 0001 00:00:00 +2359",
        b"Retry-After: -5",
        b"Content-Encoding: gzip",
        b" folded",
        b":",
        b"",
        b"5",
        b"ffffffffffffffff",
        b"hello",
        b"0",
        b"\xff\xfe\x00",
    ]
)
answers = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(lines, st.binary(max_size=20)), max_size=12).map(b"\r\n".join),
    st.lists(lines, max_size=12).map(lambda found: b"HTTP/1.1 500 X\r\n" + b"\r\n".join(found) + b"\r\n\r\n"),
)


PATIENT = hook(GuardedClient(ALLOW))


@settings(max_examples=300, deadline=None)
@given(answer=answers)
def test_whatever_bytes_a_receiver_sends_an_outcome_comes_back(
    any_sink: Sink, runner: asyncio.Runner, answer: bytes
) -> None:
    any_sink.behave(behaviours.raw(answer))

    outcome = runner.run(PATIENT.send(addressed(any_sink.url), sent_at=SENT_AT))

    assert isinstance(outcome, Delivered | Retry | Rejected)
    if not isinstance(outcome, Delivered):
        assert len(outcome.excerpt) <= 500
        assert "\x00" not in outcome.excerpt
        outcome.excerpt.encode()  # no half of a surrogate pair: a database would refuse it
        assert outcome.reason is not Reason.TIMEOUT
