"""The guarded client, against real sockets: where it connects, and that no receiver can hold or flood it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.channels.address import ALLOW, DENY
from pulsemon.channels.http import Failed, GuardedClient, NotSent, check_peer, excerpt_of, read_url
from pulsemon.channels.message import Reason
from pulsemon.channels.resolver import SystemResolver
from tests.channels import sink as behaviours
from tests.channels.conftest import server_context
from tests.channels.sink import Sink, closed_port_url, never_accepting, never_answering, speaking_first

pytestmark = pytest.mark.anyio

HEADERS = {"Content-Type": "application/json"}
# Where the deadline is what is looked at; and where it is not, however busy the machine is.
BRIEF = timedelta(seconds=1.5)
PATIENT = timedelta(minutes=1)


class Names:
    """A resolver that answers each question with the next answer of a script, the last one again and again."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_the_request_arrives_as_it_was_given() -> None:
    with Sink(behaviours.status(200, body=b"thank you")) as sink:
        reply = await GuardedClient(ALLOW).post(sink.url + "?a=1#part", headers=HEADERS, content=b'{"a": "\xc3\xa7"}')

        (received,) = sink.received
    assert (reply.status_code, reply.excerpt) == (200, "thank you")
    assert (received.method, received.path, received.body) == ("POST", "/hook?a=1", b'{"a": "\xc3\xa7"}')
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{sink.port}"
    assert received.headers["accept-encoding"] == "identity"


async def test_the_name_stays_in_the_host_header_when_the_address_is_what_is_connected_to() -> None:
    names = Names(["127.0.0.1"])
    with Sink() as sink:
        await GuardedClient(ALLOW, resolve=names).post(f"http://hook.example:{sink.port}/", headers={}, content=b"")

        assert sink.received[0].headers["host"] == f"hook.example:{sink.port}"
    assert names.asked == ["hook.example"]


async def test_an_ipv6_receiver_is_reached_and_named_in_brackets() -> None:
    try:
        sink = Sink(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with sink:
        assert (await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"")).status_code == 204
        assert sink.received[0].headers["host"] == f"[::1]:{sink.port}"


async def test_credentials_of_the_url_are_sent_as_a_header_and_not_as_part_of_the_host() -> None:
    with Sink() as sink:
        url = f"http://ana:se%20nha@127.0.0.1:{sink.port}/"
        await GuardedClient(ALLOW).post(url, headers={}, content=b"")

        assert sink.received[0].headers["authorization"] == "Basic YW5hOnNlIG5oYQ=="


async def test_the_next_address_is_tried_when_one_does_not_accept() -> None:
    with Sink() as sink:
        client = GuardedClient(ALLOW, resolve=Names(["127.0.0.9", "127.0.0.1"]))
        reply = await client.post(f"http://hook.example:{sink.port}/", headers={}, content=b"")

    assert reply.status_code == 204


# What is refused.


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "example.com\\@127.0.0.1",
        "127.0.0.1#@example.com",
        "127.0.0.1?@example.com",
        "１２７.0.0.1",
        "127。0。0。1",
    ],
)
async def test_no_notation_of_this_machine_is_reached_with_deny(host: str) -> None:
    name, separator, rest = host.partition("#") if "#" in host else host.partition("?")
    with Sink() as sink:
        # A port before # or ? keeps the trick a trick: the rest is not part of the host.
        url = f"http://{name}:{sink.port}/{separator}{rest}"
        with pytest.raises((NotSent, Failed)) as refused:
            await GuardedClient(DENY, deadline=BRIEF).post(url, headers={}, content=b"")

        assert sink.connection_count == 0
    assert refused.value.reason in (Reason.REFUSED_ADDRESS, Reason.INVALID_URL, Reason.UNRESOLVED)


async def test_this_machine_is_reached_by_default() -> None:
    """The control of the test above: the sink would have noticed."""
    with Sink() as sink:
        await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"")

        assert sink.connection_count == 1


@pytest.mark.parametrize("private", [ALLOW, DENY])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]"],
)
async def test_metadata_services_are_refused_before_a_connection_is_tried(host: str, private: str) -> None:
    with pytest.raises(NotSent) as refused:
        await GuardedClient(private).post(f"http://{host}/latest/secret-path", headers={}, content=b"")

    assert refused.value.reason is Reason.REFUSED_ADDRESS
    assert "secret-path" not in str(refused.value)


@pytest.mark.parametrize("answers", [["127.0.0.1", "169.254.169.254"], ["::ffff:a9fe:a9fe", "127.0.0.1"]])
async def test_one_refused_address_among_a_names_addresses_refuses_the_name(answers: list[str]) -> None:
    with Sink() as sink:
        with pytest.raises(Failed):
            await GuardedClient(ALLOW, resolve=Names(answers)).post(
                f"http://mixed.example:{sink.port}/", headers={}, content=b""
            )

        assert sink.connection_count == 0


async def test_an_address_that_the_owner_names_is_reached_where_its_network_is_refused() -> None:
    with Sink() as sink:
        for allowed, is_reached in (((), False), ((ip_address("127.0.0.1"),), True)):
            client = GuardedClient(DENY, allowed=allowed, resolve=Names(["127.0.0.1"], ["127.0.0.1"]))
            for url in (sink.url, f"http://host.containers.internal:{sink.port}/"):
                if is_reached:
                    assert (await client.post(url, headers={}, content=b"")).status_code == 204
                    continue
                with pytest.raises((NotSent, Failed), match="refused"):
                    await client.post(url, headers={}, content=b"")

    check_peer(("fe80::5%eth0", 80), expected=ip_address("fe80::5%3"), private=ALLOW, allowed=[ip_address("fe80::5")])


async def test_a_name_that_is_rebound_after_the_check_is_connected_to_where_it_was_checked() -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    with Sink() as sink:
        client, url = GuardedClient(ALLOW, resolve=names), f"http://rebinding.example:{sink.port}/"
        assert (await client.post(url, headers={}, content=b"")).status_code == 204
        assert len(names.asked) == 1

        with pytest.raises(Failed):
            await client.post(url, headers={}, content=b"")


@pytest.mark.parametrize(
    "answer", [socket.gaierror("SERVFAIL"), UnicodeError("label too long"), [], ["not an address"]], ids=str
)
async def test_a_name_that_cannot_be_resolved_is_not_guessed(answer: Sequence[str] | Exception) -> None:
    with pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW, resolve=Names(answer)).post("http://away.example/", headers={}, content=b"")

    assert failed.value.reason is Reason.UNRESOLVED


async def test_a_name_server_that_hangs_has_a_deadline_of_its_own() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW, resolve=hang, deadline=BRIEF).post("http://a.example/", headers={}, content=b"")

    assert failed.value.reason is Reason.UNRESOLVED


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("127.0.0.1", 80), "10.0.0.1"),
        (("::ffff:127.0.0.1", 80, 0, 0), "127.0.0.1"),
        (("169.254.169.254", 80), "169.254.169.254"),
        (("/run/socket", 0), "127.0.0.1"),
        (None, "127.0.0.1"),
    ],
)
def test_a_socket_that_is_connected_elsewhere_is_refused(peer: tuple[str, int] | None, expected: str) -> None:
    with pytest.raises(NotSent):
        check_peer(peer, expected=ip_address(expected), private=ALLOW)


def test_a_socket_that_is_connected_where_it_was_sent_is_accepted() -> None:
    check_peer(("10.0.0.1", 80), expected=ip_address("10.0.0.1"), private=ALLOW)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//host/",
        "ftp://host/",
        "file:///etc/passwd",
        "gopher://host/",
        "http://",
        "http:///path",
        "http://host:0/",
        "http://host:65536/",
        "http://host:port/",
        "http://ho\nst/",
        "http://host/\r\nX: y",
        "http://host/\x00",
        "http://[::1/",
        "http://\ud800/",
        "http://host/\ud800",
    ],
)
async def test_what_is_not_an_http_url_with_a_host_is_never_sent(url: str) -> None:
    with pytest.raises(NotSent) as refused:
        await GuardedClient(ALLOW, resolve=Names(["127.0.0.1"])).post(url, headers={}, content=b"")

    assert refused.value.reason is Reason.INVALID_URL


@given(st.one_of(st.text(), st.text().map("http://".__add__), st.text().map("https://a:b@host:1/".__add__)))
def test_any_text_is_a_target_or_an_invalid_url(text: str) -> None:
    try:
        target = read_url(text)
    except NotSent:
        return
    assert target.host
    assert target.path.startswith("/")
    assert f"{target.host_header} {target.path}".isprintable()


def test_a_host_in_another_script_is_read_as_its_ascii_name() -> None:
    assert read_url("https://café.example/ü?x=é").host == "xn--caf-dma.example"


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\r\nX-Evil: 1", "a\x00b", "ç", "\ud800"])
@pytest.mark.parametrize("is_name", [True, False])
async def test_a_header_cannot_carry_another_one(value: str, is_name: bool) -> None:
    with Sink() as sink:
        headers = {value: "x"} if is_name else {"X-Name": value}
        with pytest.raises(NotSent) as refused:
            await GuardedClient(ALLOW).post(sink.url, headers=headers, content=b"")

        assert sink.connection_count == 0
    assert refused.value.reason is Reason.INVALID_HEADER


async def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as proxy, Sink() as sink:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"")

        assert (proxy.connection_count, sink.connection_count) == (0, 1)


async def test_a_redirect_is_returned_and_not_followed() -> None:
    with Sink() as elsewhere, Sink(behaviours.redirect(elsewhere.url)) as sink:
        reply = await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"")

        assert (reply.status_code, elsewhere.connection_count) == (302, 0)


# Receivers that misbehave.


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (behaviours.hang, Reason.TIMEOUT),
        (behaviours.drip_a_header, Reason.TIMEOUT),
        (behaviours.close, Reason.DISCONNECTED),
        (behaviours.reset, Reason.DISCONNECTED),
        (behaviours.raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Reason.PROTOCOL),
        (behaviours.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Reason.PROTOCOL),
        (behaviours.raw(b"HTTP/1.1 200 OK\r\nX-Cut: "), Reason.PROTOCOL),
        (behaviours.raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), Reason.PROTOCOL),
    ],
)
async def test_a_receiver_that_gives_no_answer_is_a_failure_with_its_reason(
    behaviour: behaviours.Behaviour, reason: Reason
) -> None:
    with Sink(behaviour) as sink:
        deadline = BRIEF if reason is Reason.TIMEOUT else PATIENT
        with pytest.raises(Failed) as failed:
            await GuardedClient(ALLOW, deadline=deadline).post(sink.url, headers={}, content=b"{}")

        assert len(sink.wait_for(1)) == 1
    assert failed.value.reason is reason


@pytest.mark.parametrize(
    "behaviour",
    [
        behaviours.endless_header,
        behaviours.endless_headers,
        behaviours.endless_informational_answers,
        behaviours.one_megabyte_header,
    ],
)
async def test_a_flood_before_the_answer_is_cut_off_long_before_the_deadline(behaviour: behaviours.Behaviour) -> None:
    with Sink(behaviour) as sink, pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW, deadline=timedelta(minutes=10)).post(sink.url, headers={}, content=b"{}")

    assert failed.value.reason is Reason.PROTOCOL


@pytest.mark.parametrize("behaviour", [behaviours.endless_body, behaviours.endless_chunks_of_one_byte])
async def test_an_endless_body_is_cut_off_long_before_the_deadline(behaviour: behaviours.Behaviour) -> None:
    with Sink(behaviour) as sink:
        reply = await GuardedClient(ALLOW, deadline=timedelta(minutes=10)).post(sink.url, headers={}, content=b"{}")

    assert reply.status_code == 500
    assert set(reply.excerpt) == {"a"}
    assert len(reply.excerpt) <= 500


@pytest.mark.parametrize("behaviour", [behaviours.accept_then_reset, behaviours.drip_a_body])
async def test_the_answer_counts_however_its_body_ends(behaviour: behaviours.Behaviour) -> None:
    # The one that drips goes on until the deadline, which must not come before its first byte.
    deadline = 2 * BRIEF if behaviour is behaviours.drip_a_body else PATIENT
    with Sink(behaviour) as sink:
        reply = await GuardedClient(ALLOW, deadline=deadline).post(sink.url, headers={}, content=b"{}")

    assert reply.status_code == 200
    assert reply.excerpt


async def test_a_compressed_body_is_never_unpacked() -> None:
    with Sink(behaviours.gzip_bomb) as sink:
        reply = await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"{}")

    assert (reply.status_code, reply.excerpt) == (500, "")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("", "n\u00e3o".encode()),
        ("Content-Type: text/plain; charset=iso-8859-1", "n\u00e3o".encode("latin-1")),
        ("", "n\u00e3o".encode("latin-1")),
        ("Content-Type: text/plain; charset=zlib", "n\u00e3o".encode("utf-16")),
    ],
)
def test_an_excerpt_is_read_as_it_was_meant(headers: str, body: bytes) -> None:
    assert excerpt_of(body, headers.partition(": ")[2]) == "n\u00e3o"


async def test_an_excerpt_holds_nothing_that_moves_a_cursor_or_turns_a_text() -> None:
    body = "one\r\ntwo\x1b[31m\x00\u202ethree\ufffe".encode() + b"\xff\xfe"
    with Sink(behaviours.status(500, body=body)) as sink:
        reply = await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"{}")

    assert reply.excerpt.startswith("one two [31m three")
    assert reply.excerpt.isprintable() or "\ufffe" in reply.excerpt


async def test_an_answer_without_a_body_is_an_answer() -> None:
    with Sink(behaviours.raw(b"HTTP/1.1 204 No Content\r\n\r\n")) as sink:
        reply = await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"{}")

    assert reply.status_code == 204


async def test_a_port_on_which_nobody_listens_is_a_failure_to_connect() -> None:
    with pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW).post(closed_port_url(), headers={}, content=b"{}")

    assert failed.value.reason is Reason.CONNECT


@pytest.mark.parametrize("silence", [never_accepting, never_answering])
async def test_a_receiver_that_never_accepts_is_left_at_the_deadline(silence: type) -> None:
    with silence() as url, pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW, deadline=BRIEF).post(url, headers={}, content=b"{}")

    assert failed.value.reason is Reason.TIMEOUT


async def test_a_hundred_hanging_receivers_hold_up_nobody() -> None:
    """The hanging ones would be left after ten minutes, so that only an answer that waits for none of them passes."""
    with Sink(behaviours.hang) as hanging, Sink() as sink:
        client = GuardedClient(ALLOW, deadline=timedelta(minutes=10))
        held = [asyncio.create_task(client.post(hanging.url, headers={}, content=b"{}")) for _ in range(100)]
        await asyncio.to_thread(hanging.wait_for, 100)

        reply = await client.post(sink.url, headers={}, content=b"{}")

        assert reply.status_code == 204
        assert not any(task.done() for task in held)
        for task in held:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*held, return_exceptions=True)
        )


async def test_no_connection_is_left_open_after_an_attempt() -> None:
    with Sink(behaviours.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as sink:
        client = GuardedClient(ALLOW)
        for _ in range(3):
            await client.post(sink.url, headers={}, content=b"{}")

        assert sink.connection_count == 3
        assert {received.headers["connection"] for received in sink.received} == {"close"}


# TLS.


async def test_a_certificate_that_is_trusted_and_fits_the_name_is_accepted(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with Sink(tls=server_context(authority, "hook.example")) as sink:
        client = GuardedClient(ALLOW, tls=trusting, resolve=Names(["127.0.0.1"]))
        reply = await client.post(f"https://hook.example:{sink.port}/", headers={}, content=b"{}")

    assert reply.status_code == 204


async def test_a_certificate_of_another_name_is_refused_and_the_body_not_sent(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    with Sink(tls=server_context(authority, "other.example")) as sink:
        client = GuardedClient(ALLOW, tls=trusting, resolve=Names(["127.0.0.1"]))
        with pytest.raises(Failed) as failed:
            await client.post(f"https://hook.example:{sink.port}/", headers={}, content=b"{}")

        assert sink.received == []
    assert failed.value.reason is Reason.TLS
    assert "hook.example" in str(failed.value)


async def test_a_certificate_that_nobody_trusts_is_refused(authority: trustme.CA) -> None:
    with Sink(tls=server_context(authority, "127.0.0.1")) as sink:
        with pytest.raises(Failed) as failed:
            await GuardedClient(ALLOW).post(sink.url, headers={}, content=b"{}")

        assert sink.received == []
    assert failed.value.reason is Reason.TLS


async def test_a_receiver_that_does_not_speak_tls_is_a_failure_of_tls() -> None:
    with speaking_first(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url, pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW).post(url.replace("http:", "https:"), headers={}, content=b"{}")

    assert failed.value.reason is Reason.TLS


async def test_a_handshake_that_hangs_is_left_at_the_deadline() -> None:
    with never_answering() as url, pytest.raises(Failed) as failed:
        await GuardedClient(ALLOW, deadline=BRIEF).post(url.replace("http:", "https:"), headers={}, content=b"{}")

    assert failed.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize("behaviour", [behaviours.reset, behaviours.close, behaviours.accept_then_reset])
async def test_what_breaks_off_inside_tls_is_told_like_what_breaks_off_outside(
    authority: trustme.CA, trusting: ssl.SSLContext, behaviour: behaviours.Behaviour
) -> None:
    with Sink(behaviour, tls=server_context(authority, "127.0.0.1")) as sink:
        client = GuardedClient(ALLOW, tls=trusting, deadline=PATIENT)
        if behaviour is behaviours.accept_then_reset:
            assert (await client.post(sink.url, headers={}, content=b"{}")).status_code == 200
            return
        with pytest.raises(Failed) as failed:
            await client.post(sink.url, headers={}, content=b"{}")

    assert failed.value.reason is Reason.DISCONNECTED


# Names, as the operating system knows them.


async def test_the_system_knows_localhost() -> None:
    found = await SystemResolver()("localhost", 80)

    assert set(found) & {"127.0.0.1", "::1"}


async def test_what_cannot_be_a_name_is_an_error_and_frees_its_place() -> None:
    resolver = SystemResolver(max_lookups=1)
    for _ in range(3):
        with pytest.raises((OSError, ValueError)):
            await resolver("a" * 70 + ".example", 80)

    assert await resolver("localhost", 80)


async def test_a_lookup_that_hangs_holds_up_no_other_and_no_shared_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_now, ask = threading.Event(), socket.getaddrinfo

    def hang_for_some(host: str, *rest: int, **named: int) -> list[tuple]:  # type: ignore[type-arg]
        if host == "hanging.example":
            answer_now.wait(60)
        return ask("127.0.0.1", *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hang_for_some)
    resolver = SystemResolver()
    hanging = [asyncio.create_task(_ask(resolver, "hanging.example")) for _ in range(40)]
    try:
        assert await resolver("other.example", 80) == ["127.0.0.1"]
        assert await asyncio.to_thread(int, "1") == 1
        assert not any(task.done() for task in hanging)
    finally:
        answer_now.set()
    assert await asyncio.gather(*hanging) == [["127.0.0.1"]] * 40


async def _ask(resolver: SystemResolver, host: str) -> Sequence[str]:
    return await resolver(host, 80)
