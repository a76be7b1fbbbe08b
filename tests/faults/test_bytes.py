"""Promises R7 and R8: no bytes cost a ping, and only real pings count. Raw sockets against a real server."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import LONG_ENOUGH_SEC, Server
from tests.faults import evidence
from tests.faults.conftest import Serve, create_monitors, rounds, serving

EXAMPLES = rounds(150, soak=5_000)
PING_BODY_LIMIT = 10_000
# What HTTP itself forbids in a header's value: then it is no request, whoever reads it.
_NOT_IN_A_VALUE = frozenset([*range(0x09), *range(0x0A, 0x20), 0x7F])

_bytes_of_a_value = st.binary(max_size=3_000).map(lambda value: _allowed(value))
_names: st.SearchStrategy[bytes] = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,30}", fullmatch=True).filter(
    lambda name: _means_nothing(name)
)
# These say how the request is to be read; a wrong one makes it another request, or none.
_MEANINGFUL = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"host", b"te", b"trailer"}
    | {b"sec-purpose", b"purpose", b"x-moz", b"x-purpose", b"http2-settings", b"keep-alive", b"proxy-connection"}
)


def _means_nothing(name: bytes) -> bool:
    return name.lower() not in _MEANINGFUL


def _allowed(value: bytes) -> bytes:
    return bytes(byte for byte in value if byte not in _NOT_IN_A_VALUE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status_code: int
    body: bytes


@dataclass
class Raw:
    """A monitor and a way to send it any bytes."""

    server: Server
    path: bytes
    rids: list[str] = field(default_factory=list)

    def send(self, request: bytes) -> Answer:
        """Send *request*, which asks for the connection's end, and read the answer."""
        port = int(self.server.environment["APP_PORT"])
        with socket.create_connection(("127.0.0.1", port), timeout=LONG_ENOUGH_SEC) as connection:
            connection.sendall(request)
            received = b""
            while piece := connection.recv(65_536):
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), received[:200]
        return Answer(int(head[9:12]), body)

    def ping(
        self,
        *,
        method: bytes = b"GET",
        suffix: bytes = b"",
        query: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes | None = None,
    ) -> tuple[Answer, str]:
        """Send a ping with a rid of its own and whatever else; return the answer and the rid."""
        rid = str(uuid.uuid4())
        lines = [method + b" " + self.path + suffix + b"?rid=" + rid.encode() + query + b" HTTP/1.1"]
        lines += [b"Host: x", b"Connection: close"]
        lines += [name + b": " + value for name, value in headers or []]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        return self.send(b"\r\n".join([*lines, b"", body or b""])), rid


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    """One server and one monitor for the whole file."""
    with serving(tmp_path_factory.mktemp("bytes")) as serve:
        server = serve()
        yield _another(server)


def stored(server: Server) -> dict[str | None, str]:
    """Return {rid: outcome} of every ping that is stored."""
    return {each.rid: each.outcome for each in evidence.read(server.environment["DATABASE_URL"]).pings}


_gentle = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_gentle
@given(
    headers=st.lists(st.tuples(_names, _bytes_of_a_value), max_size=5),
    agent=_bytes_of_a_value,
    method=st.sampled_from([b"GET", b"POST", b"HEAD"]),
)
def test_whatever_stands_in_the_headers_a_known_token_is_a_ping(
    raw: Raw, headers: list[tuple[bytes, bytes]], agent: bytes, method: bytes
) -> None:
    answer, rid = raw.ping(method=method, headers=[*headers, (b"User-Agent", agent)])

    assert answer.status_code == 200
    raw.rids.append(rid)


@_gentle
@given(body=st.binary(max_size=2 * PING_BODY_LIMIT), encoding=st.sampled_from([b"gzip", b"br", b"none", b"\xff"]))
def test_whatever_the_body_holds_a_known_token_is_a_ping(raw: Raw, body: bytes, encoding: bytes) -> None:
    answer, rid = raw.ping(method=b"POST", body=body, headers=[(b"Content-Encoding", encoding)])

    assert answer.status_code == 200
    raw.rids.append(rid)


@_gentle
@given(query=st.binary(max_size=500).map(lambda value: b"&" + bytes(b for b in value if 0x20 < b < 0x7F and b != 35)))
def test_whatever_else_stands_in_the_query_a_known_token_is_a_ping(raw: Raw, query: bytes) -> None:
    answer, rid = raw.ping(query=query)

    assert answer.status_code == 200
    raw.rids.append(rid)


def test_every_one_of_these_pings_is_stored(raw: Raw) -> None:
    """Of the three tests before, whose pings are looked for at once; each alone shows that some were sent."""
    answer, rid = raw.ping(method=b"POST", body="é".encode() * PING_BODY_LIMIT)  # cut inside a character
    assert answer.status_code == 200

    kept = stored(raw.server)

    assert kept[rid] == "counted"
    assert [each for each in raw.rids if kept.get(each) != "counted"] == []


@_gentle
@given(path=st.binary(max_size=300).map(lambda value: bytes(b for b in value if b > 0x20 and b != 0x7F)))
def test_no_path_of_a_ping_is_answered_5xx(raw: Raw, path: bytes) -> None:
    answer = raw.send(b"GET /h/" + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.status_code in (400, 404, 405)


@_gentle
@given(garbage=st.binary(min_size=1, max_size=2_000))
def test_garbage_is_no_request_and_costs_the_next_ping_nothing(raw: Raw, garbage: bytes) -> None:
    port = int(raw.server.environment["APP_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=LONG_ENOUGH_SEC) as connection:
        connection.sendall(garbage + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        try:
            answered = connection.recv(65_536)
        except ConnectionResetError:  # hung up on before all of it was read
            answered = b""

    assert not re.match(rb"HTTP/1.1 5", answered)
    assert raw.ping()[0].status_code == 200


@pytest.mark.parametrize("length", [60_000, 64_000])
def test_a_huge_header_within_the_limit_is_a_ping_all_the_same(raw: Raw, length: int) -> None:
    answer, rid = raw.ping(headers=[(b"User-Agent", b"\xff" * length)])

    assert answer.status_code == 200
    assert stored(raw.server)[rid] == "counted"


def test_a_header_over_the_limit_is_refused_and_not_stored(raw: Raw) -> None:
    answer, rid = raw.ping(headers=[(b"User-Agent", b"a" * 66_000)])

    assert answer.status_code == 431
    assert rid not in stored(raw.server)


STRICT_DECODING = """
    from pulsemon.web.heartbeats import ping

    read_headers = ping._read_headers

    def read_strictly(headers, size):
        for _, value in headers:
            value.decode()
        return read_headers(headers, size)

    ping._read_headers = read_strictly
"""


def test_control_decoding_headers_strictly_costs_pings(a_server: Serve) -> None:
    server = a_server(patch=STRICT_DECODING)
    strict = _another(server)
    port = int(server.environment["APP_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET " + strict.path + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\n\r\n")
        try:
            answered = connection.recv(1_000)
        except TimeoutError:
            answered = b""

    assert not answered.startswith(b"HTTP/1.1 200")
    assert stored(server) == {}


# --- R8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Sec-Purpose", b"prefetch"),
        (b"Sec-Purpose", b"prefetch;prerender"),
        (b"Purpose", b"prefetch"),
        (b"Purpose", b"preview"),
        (b"X-Moz", b"prefetch"),
        (b"X-Purpose", b"preview"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_prefetch_or_a_preview_leaves_the_monitor_as_it_is(
    raw: Raw, method: bytes, name: bytes, value: bytes
) -> None:
    fresh = _another(raw.server)

    answer, rid = fresh.ping(method=method, headers=[(name, value)])

    assert answer.status_code == 200
    assert method == b"HEAD" or answer.body == b'{"ok": true, "ignored": "prefetch"}'
    monitor = raw.server.get(f"/api/monitors/{fresh.path.split(b'/')[2].decode()}")
    assert (monitor["last_ping"], monitor["status"]) == (None, "UNKNOWN")
    assert stored(raw.server)[rid] == "prefetch"


# As they were seen on the wire, or as their makers document them.
ROBOTS = [
    b"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    b"Slack-ImgProxy (+https://api.slack.com/robots)",
    b"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    b"WhatsApp/2.23.20.0",
    b"TelegramBot (like TwitterBot)",
    b"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    b"LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    b"Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    b"Mattermost-Bot/1.1",
    b"Mozilla/5.0 (compatible; ZulipURLPreview/1.0; +https://zulip.com)",
    b"Synapse (bot; +https://github.com/matrix-org/synapse)",
    b"http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/) Bot",
    b"Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
    b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    b"Viber Url Downloader",
    b"github-camo (876de43e)",
]
# What runs jobs, some of it dressed like a robot.
JOBS = [
    b"curl/8.5.0",
    b"Wget/1.21.4",
    b"PulseMon-client",
    b"Java-http-client/21.0.2",
    b"python-requests/2.32.3",
    b"Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) PowerShell/7.5.0-preview.3",
    b"Mozilla/4.0 (compatible; cron-job.org; http://cron-job.org/abuse/)",
    b"Mozilla/5.0 (compatible; Google-Apps-Script; beanserver; +https://script.google.com; id: x)",
    b"AppEngine-Google; (+http://code.google.com/appengine; appid: s~jobs)",
    b"Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    b"DiscordBot (https://github.com/Rapptz/discord.py 2.4.0) Python/3.12 aiohttp/3.9",
    b"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    b"backup-robot/1.0",
    b"slurm-slurp",
    b"barracuda-backup-job/1.0",
]


@pytest.mark.parametrize("agent", ROBOTS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("suffix", [b"", b"/fail"])
def test_a_robot_that_fetches_a_pasted_url_leaves_the_monitor_as_it_is(
    raw: Raw, method: bytes, suffix: bytes, agent: bytes
) -> None:
    fresh = _another(raw.server)

    answer, rid = fresh.ping(method=method, suffix=suffix, headers=[(b"User-Agent", agent)])

    assert answer.status_code == 200
    assert method == b"HEAD" or answer.body == b'{"ok": true, "ignored": "prefetch"}'
    monitor = raw.server.get(f"/api/monitors/{fresh.path.split(b'/')[2].decode()}")
    assert (monitor["last_ping"], monitor["status"]) == (None, "UNKNOWN")
    assert stored(raw.server)[rid] == "preview"


@pytest.mark.parametrize("agent", JOBS)
def test_what_runs_jobs_is_no_robot_whatever_it_calls_itself(raw: Raw, agent: bytes) -> None:
    answer, rid = raw.ping(headers=[(b"User-Agent", agent)])

    assert (answer.body, stored(raw.server)[rid]) == (b'{"ok": true}', "counted")


def test_what_is_sent_with_a_robots_name_was_meant(raw: Raw) -> None:
    answer, rid = raw.ping(method=b"POST", headers=[(b"User-Agent", ROBOTS[0])], body=b"told by a workflow of the chat")

    assert (answer.body, stored(raw.server)[rid]) == (b'{"ok": true}', "counted")


def test_a_repeat_of_the_same_rid_counts_once(raw: Raw) -> None:
    rid = str(uuid.uuid4())
    request = b"GET " + raw.path + b"?rid=" + rid.encode() + b" HTTP/1.1\r\nHost: x\r\n"
    request += b"Connection: close\r\n\r\n"

    answers = [raw.send(request) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    pings = evidence.read(raw.server.environment["DATABASE_URL"]).pings
    outcomes = [each.outcome for each in pings if each.rid == rid]
    assert sorted(outcomes) == ["counted", "repeat", "repeat"]


def test_control_where_prefetches_are_not_told_apart_they_count(a_server: Serve) -> None:
    server = a_server(patch="from pulsemon.web.heartbeats import ping\nping._PURPOSE_HEADERS = frozenset()")

    _another(server).ping(headers=[(b"Sec-Purpose", b"prefetch")])

    assert [each["status"] for each in server.get("/api/monitors")] == ["UP"]


def _another(server: Server) -> Raw:
    """Return a monitor that was never pinged."""
    (url,) = create_monitors(server, {f"job-{uuid.uuid4()}": {"interval_seconds": 3_600}}).values()
    return Raw(server, url.removeprefix(server.url).encode())
