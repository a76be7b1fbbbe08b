"""One host is one text, however it is written; what is no host is none."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.core.hosts import Host, is_same_origin, read_host

SPELLINGS = {
    ("status.example.org", None): ["STATUS.example.org", "status.example.org.", "status.example.org:"],
    ("status.example.org", 8443): ["status.example.org:8443", "Status.Example.Org.:8443", "status.example.org:08443"],
    ("xn--bcher-kva.example", None): ["bücher.example", "BÜCHER.EXAMPLE.", "XN--Bcher-Kva.example", "bücher。example"],
    ("2001:db8::1", None): ["[2001:db8::1]", "[2001:DB8:0:0:0:0:0:1]", "2001:db8:0::1", "[2001:db8::1%25eth0]"],
    ("2001:db8::1", 80): ["[2001:db8::1]:80", "[2001:0db8::0001]:80"],
    ("::ffff:c000:201", None): ["[::ffff:192.0.2.1]", "[::FFFF:C000:0201]"],
    ("192.0.2.1", 8088): ["192.0.2.1:8088"],
    ("my_host", None): ["my_host", "MY_HOST."],
}


@pytest.mark.parametrize("host", SPELLINGS)
def test_every_spelling_of_a_host_is_the_same(host: tuple[str, int | None]) -> None:
    for text in SPELLINGS[host]:
        found = read_host(text)
        assert found is not None, text
        assert (found.name, found.port) == (
            ipaddress.IPv6Address(host[0]).compressed if ":" in host[0] else host[0],
            host[1],
        ), text


NO_HOSTS = ["", ".", "..", "a..b", ".a", "a b", "a/b", "a?", "a#", "x@y", "[", "[]", "[::1", "[::1]x", "[::1]:x", "[a]"]
NO_HOSTS += [
    "a:b",
    "a:99999",
    "a:-1",
    "a:８",
    "a:b:c",
    ":80",
    "\\",
    "a\n",
    "\0",
    "é" * 300,
    "a" * 64,
    "a." * 128,
    "xn--é",
]


@pytest.mark.parametrize("text", NO_HOSTS, ids=ascii)
def test_what_is_no_host_is_none(text: str) -> None:
    assert read_host(text) is None


@given(st.text(max_size=300))
def test_whatever_text_comes_a_host_reads_as_itself_and_holds_nothing_else(text: str) -> None:
    found = read_host(text)

    if found is not None:
        assert read_host(found.in_url) == found
        assert set(found.in_url) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.:[]")


@given(st.ip_addresses(v=6), st.none() | st.integers(0, 65_535))
def test_an_address_is_itself_in_short_and_in_full(address: ipaddress.IPv6Address, port: int | None) -> None:
    written = Host(address.compressed, port)

    assert read_host(written.in_url) == written
    assert read_host(Host(address.exploded.upper(), port).in_url) == written


SAME = [
    ("http://a.example", "a.example"),
    ("http://a.example", "A.EXAMPLE.:80"),
    ("http://a.example:80", "a.example"),
    ("https://a.example", "a.example:443"),
    ("HTTPS://a.example:443", "a.example"),
    ("https://a.example:8443", "a.example:8443"),
    ("http://[::1]:8088", "[0:0::1]:8088"),
]
OTHER = [
    ("http://a.example", "b.example"),
    ("http://a.example", "a.example:443"),
    ("https://a.example", "a.example:80"),
    ("https://a.example:8443", "a.example"),
    ("http://a.example", "a.example:8080"),
    ("http://a.example.evil.example", "a.example"),
    ("http://a.example@evil.example", "a.example"),
    ("http://evil.example/a.example", "a.example"),
    ("ftp://a.example", "a.example"),
    ("a.example", "a.example"),
    ("null", "null"),
    ("", ""),
    ("http://", ""),
    ("http://[x", "[x"),
]


@pytest.mark.parametrize(("origin", "host"), SAME)
def test_the_same_place_is_the_same_origin(origin: str, host: str) -> None:
    assert is_same_origin(origin, read_host(host), is_secure=False)
    assert is_same_origin(origin, read_host(host), is_secure=True) is origin.lower().startswith("https:")


@pytest.mark.parametrize(("origin", "host"), OTHER)
def test_another_place_is_another_origin(origin: str, host: str) -> None:
    assert not is_same_origin(origin, read_host(host), is_secure=False)
    assert not is_same_origin(origin, read_host(host), is_secure=True)
