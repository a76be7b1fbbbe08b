"""What a trusted proxy says of its visitor is understood however it writes it; what anybody else says is nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.web.wire.proxies import Proxies, plain_address
from tests.conftest import ADMIN_TOKEN, Server

PROXIES = Proxies(("127.0.0.1", "::1", "10.0.0.0/8", "192.168.1.7/24", "2001:db8:f::/48"))
VISITOR = "203.0.113.9"


def read(*headers: tuple[str, str], peer: str = "127.0.0.1", port: int = 4711, scheme: str = "http") -> tuple[str, str]:
    """Return the address and the scheme that a request with these headers is taken to have."""
    written = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope: dict[str, Any] = {"type": "http", "client": (peer, port), "scheme": scheme, "headers": written}
    PROXIES.read(scope)
    return scope["client"][0], scope["scheme"]


def forwarded_for(*values: str, peer: str = "127.0.0.1") -> str:
    return read(*(("X-Forwarded-For", value) for value in values), peer=peer)[0]


def proto(*values: str) -> str:
    return read(*(("X-Forwarded-Proto", value) for value in values))[1]


ON_HTTPS = [
    "https",
    "HTTPS",
    " https ",
    "https, https",
    "https,http",
    "Https,HTTP",
    ",https",
    ", ,https,",
    '"https"',
    "wss",
]
ON_HTTP = ["http", "HTTP", "http,https", "http, https", "", ",", "ftp", "httpsx", "https http", "on", "é", "ws"]


@pytest.mark.parametrize("value", ON_HTTPS)
def test_the_visitor_is_on_https_where_the_first_proxy_says_so(value: str) -> None:
    assert proto(value) == "https"
    assert proto(value, "http") == "https"
    assert proto(value, "https") == "https"


@pytest.mark.parametrize("value", ON_HTTP)
def test_the_visitor_is_not_on_https_where_the_first_proxy_says_so_or_nothing(value: str) -> None:
    assert proto(value) == "http"


def test_several_lines_are_one_list_in_their_order() -> None:
    assert proto("http", "https") == "http"
    assert proto("", "https") == "https"
    assert forwarded_for(VISITOR, "10.0.0.1", "10.0.0.2, 10.0.0.3") == VISITOR


SAME = {
    VISITOR: [
        VISITOR,
        f"{VISITOR}:4711",
        f" {VISITOR} ",
        f"::ffff:{VISITOR}",
        f"[::FFFF:{VISITOR}]:80",
        f'"{VISITOR}:80"',
    ],
    "2001:db8::1": ["2001:db8::1", "2001:DB8:0:0::1", "[2001:db8::1]", "[2001:db8::1]:4711", '"[2001:0db8::1]:_x"'],
    "fe80::1": ["fe80::1%eth0", "[fe80::1%25eth0]:80", "FE80:0::1"],
}


@pytest.mark.parametrize("address", SAME)
def test_every_spelling_of_an_address_is_the_same_address(address: str) -> None:
    for text in SAME[address]:
        assert plain_address(text) == address, text
        assert forwarded_for(text) == address, text
        assert forwarded_for(f"6.6.6.6, {text}, 10.1.2.3") == address, text
    assert read(peer=SAME[address][0])[0] == address


@pytest.mark.parametrize(
    "text", ["unknown", "_hidden", "", "a", "1.2.3", "1.2.3.4.5", "1.2.3.4:x", "[::1", "[::1]x", "01.2.3.4", "::1:80:"]
)
def test_what_is_no_address_is_none_and_the_proxy_that_says_it_counts_itself(text: str) -> None:
    assert plain_address(text) is None
    if text:
        assert forwarded_for(f"{VISITOR}, {text}") == "127.0.0.1"
        assert forwarded_for(f"{VISITOR}, {text}, 10.0.0.9") == "10.0.0.9"
        assert forwarded_for(f"{text}, {VISITOR}") == VISITOR


def test_the_nearest_address_that_is_no_proxys_is_the_visitor_whatever_he_wrote_before() -> None:
    assert forwarded_for(f"10.0.0.5, 127.0.0.1, {VISITOR}") == VISITOR
    assert forwarded_for(f"6.6.6.6, {VISITOR}, ::ffff:10.0.0.2, 192.168.1.200, 2001:db8:f::2") == VISITOR
    assert forwarded_for("10.0.0.5, 10.0.0.6") == "10.0.0.5"
    assert forwarded_for(", ,", "") == "127.0.0.1"
    assert forwarded_for(f"{VISITOR}, , 10.0.0.1,") == VISITOR


def test_nobody_is_believed_who_is_not_trusted() -> None:
    for peer in ("203.0.113.1", "2001:db8::2", "11.0.0.1", "::ffff:11.0.0.1", "testclient"):
        said = read(("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), peer=peer)
        assert said == (plain_address(peer) or peer, "http")
        assert read(("Forwarded", "for=6.6.6.6;proto=https"), peer=peer)[1] == "http"
    for peer in ("::ffff:127.0.0.1", "0:0::1", "10.255.0.1", "192.168.1.200", "2001:db8:f:1::1"):
        assert read(("X-Forwarded-For", VISITOR), ("X-Forwarded-Proto", "https"), peer=peer) == (VISITOR, "https")


FORWARDED = {
    f"for={VISITOR}": (VISITOR, "http"),
    f"for={VISITOR};proto=https;by=10.0.0.1;host=x": (VISITOR, "https"),
    f'For="{VISITOR}:80" ; PROTO=HTTPS': (VISITOR, "https"),
    'for="[2001:DB8:0::1]:4711"': ("2001:db8::1", "http"),
    f"for=6.6.6.6, for={VISITOR};proto=https, for=10.0.0.1;proto=http": (VISITOR, "http"),
    f"for=6.6.6.6;proto=https,for={VISITOR}": (VISITOR, "https"),
    f"for={VISITOR}, for=unknown": ("127.0.0.1", "http"),
    f"for={VISITOR}, for=_hidden, for=10.0.0.4": ("10.0.0.4", "http"),
    f"for={VISITOR}, proto=https": ("127.0.0.1", "http"),
    f'for=6.6.6.6;x=", for="{VISITOR}"': (VISITOR, "http"),
    f'for="6.6.6.6, for="{VISITOR}"': (VISITOR, "http"),
    f'for=6.6.6.6;x="\\", for={VISITOR}': (VISITOR, "http"),
    # A comma, a semicolon or an escaped quote between quotes parts nothing.
    f'host="x;for=6.6.6.6";for={VISITOR}': (VISITOR, "http"),
    f'for={VISITOR};host="a\\"b, for=6.6.6.6"': (VISITOR, "http"),
    f'for={VISITOR};host="a\\\\";proto=https': (VISITOR, "https"),
    f'for={VISITOR};host="a\\\\\\", for=6.6.6.6;proto=https"': (VISITOR, "http"),
    f'host=", for=6.6.6.6, ";proto=https;for="{VISITOR}:80"': (VISITOR, "https"),
    f'by="a;proto=http";for={VISITOR};proto=https, for=10.0.0.1': (VISITOR, "https"),
    # A name said twice, or a quote that its writer left open: the peer.
    "for=6.6.6.6;for=7.7.7.7": ("127.0.0.1", "http"),
    "for=6.6.6.6;For=6.6.6.6;proto=https": ("127.0.0.1", "http"),
    f'for={VISITOR};host="abc': ("127.0.0.1", "http"),
    f'for={VISITOR};host="a\\"': ("127.0.0.1", "http"),
    f'for={VISITOR};host="a""': ("127.0.0.1", "http"),
    f'for="{VISITOR}"x': ("127.0.0.1", "http"),
    f"junk;proto=http, for={VISITOR};proto=https": (VISITOR, "https"),
    "for=6.6.6.6;for=7.7.7.7, for=10.0.0.4": ("10.0.0.4", "http"),
    "nonsense": ("127.0.0.1", "http"),
    ";,;,=": ("127.0.0.1", "http"),
}


@pytest.mark.parametrize("value", FORWARDED)
def test_forwarded_is_read_as_rfc_7239_says(value: str) -> None:
    assert read(("Forwarded", value)) == FORWARDED[value]


@given(st.text(st.characters(max_codepoint=255), max_size=60) | st.text('",;=\\ for.', max_size=60))
def test_whatever_a_visitor_writes_into_forwarded_before_it_his_proxy_is_believed(written: str) -> None:
    own = f'proto=https;host="a\\"b, for=6.6.6.6;x=";for={VISITOR}'

    assert read(("Forwarded", f"{written},{own}"))[0] == VISITOR
    assert read(("Forwarded", written), ("Forwarded", own))[0] == VISITOR


@pytest.mark.parametrize("unit", ['"', "\\", '\\"', '"\\', '="', "=", "a=", ";", ' "', 'for="', "a", " a"])
def test_forwarded_of_64_kb_is_read_at_its_end(unit: str) -> None:
    assert read(("Forwarded", unit * (65_000 // len(unit)) + f",for={VISITOR}"))[0] == VISITOR
    assert plain_address(read(("Forwarded", unit * (65_000 // len(unit))))[0]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("trusted", "inside", "outside"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("::FFFF:0a00:0001", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ("::ffff:10.0.0.5/104", "10.255.0.1", "11.0.0.1"),
        ("::ffff:0:0/96", "203.0.113.1", "2001:db8::1"),
        ("::/0", "2001:db8::1", "203.0.113.1"),
    ],
)
def test_a_trusted_network_of_mapped_addresses_is_the_ipv4_network(trusted: str, inside: str, outside: str) -> None:
    proxies = Proxies((trusted,))

    assert proxies.is_trusted(inside)
    assert not proxies.is_trusted(outside)


def test_forwarded_is_not_read_where_the_proxy_writes_the_other_headers() -> None:
    own = ("Forwarded", "for=6.6.6.6;proto=https")

    assert read(own, ("X-Forwarded-For", VISITOR)) == (VISITOR, "http")
    assert read(own, ("X-Forwarded-Proto", "http")) == ("127.0.0.1", "http")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"]),
            st.text(st.characters(max_codepoint=255), max_size=60),
        )
    )
)
def test_whatever_a_visitor_writes_before_it_his_proxy_is_believed(written: list[tuple[str, str]]) -> None:
    before = [(name, value) for name, value in written if name != "X-Forwarded-Proto"]

    assert read(*before, ("X-Forwarded-For", VISITOR))[0] == VISITOR
    address, scheme = read(*written)
    assert plain_address(address) == address
    assert scheme in ("http", "https")


def test_a_list_of_64_kb_is_read_at_its_end() -> None:
    assert forwarded_for("6.6.6.6," * 8_000 + VISITOR) == VISITOR
    assert forwarded_for("10.0.0.1," * 7_000) == "10.0.0.1"


@pytest.mark.parametrize(
    "command", [None, [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "{port}"]]
)
def test_the_session_cookie_is_for_https_alone_where_the_visitor_is_on_https(
    make_server: Callable[..., Server], sqlite_url: str, command: list[str] | None
) -> None:
    server = make_server(sqlite_url, command, LOG_LEVEL="INFO")

    def cookie(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = httpx2.post(f"{server.url}/login", data={"token": ADMIN_TOKEN}, headers=named)
        assert answer.status_code == 303
        return str(answer.headers["set-cookie"])

    for value in ("https", "HTTPS", "https, https", "https,http"):
        assert "Secure" in cookie(X_Forwarded_For=VISITOR, X_Forwarded_Proto=value), value
        assert "Secure" in cookie(X_Forwarded_Proto=value), value
    assert "Secure" in cookie(Forwarded=f"for={VISITOR};proto=https")
    for value in ("http", "http,https", "nonsense"):
        assert "Secure" not in cookie(X_Forwarded_For=VISITOR, X_Forwarded_Proto=value), value
    cookie(X_Forwarded_For=f"::ffff:{VISITOR}")
    assert f"remote={VISITOR}" in server.log
    assert "::ffff:" not in server.log


def test_two_spellings_of_an_address_share_one_count_of_wrong_tokens(server: Server) -> None:
    spellings = [VISITOR, f"::ffff:{VISITOR}", f"{VISITOR}:80", f"[::FFFF:{VISITOR}]:1"]

    found = [
        httpx2.get(
            f"{server.url}/api/monitors",
            headers={"X-Admin-Token": f"w{number}", "X-Forwarded-For": spellings[number % 4]},
        ).status_code
        for number in range(61)
    ]

    assert found == [401] * 60 + [429]


def test_a_ping_is_kept_with_the_address_in_its_one_spelling(server: Server) -> None:
    made = server.create()
    url = server.url + made["ping_url"][made["ping_url"].index("/h/") :]
    for header in ({"X-Forwarded-For": f"::ffff:{VISITOR}"}, {"Forwarded": f'for="[::ffff:{VISITOR}]:1"'}):
        assert httpx2.get(url, headers=header).status_code == 200

    assert {each["remote_addr"] for each in server.get("/api/monitors/backup-noturno/pings")} == {VISITOR}


@pytest.mark.parametrize("host", ["::", "0.0.0.0"])
def test_a_peer_on_an_ipv6_socket_is_trusted_by_its_ipv4_address(
    make_server: Callable[..., Server], sqlite_url: str, host: str
) -> None:
    server = make_server(sqlite_url, APP_HOST=host, LOG_LEVEL="INFO")

    httpx2.post(f"{server.url}/login", data={"token": "x"}, headers={"X-Forwarded-For": VISITOR})
    httpx2.post(f"{server.url}/login", data={"token": "x"})

    assert f"remote={VISITOR}" in server.log
    assert "remote=127.0.0.1" in server.log
