"""Which addresses a request may go to: the corpus, in every notation that hides an address in another."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsemon.channels.address import ALLOW, DENY, judge_address, read_allowed

ALWAYS_REFUSED = {
    "169.254.169.254": "metadata",
    "169.254.170.2": "metadata",
    "168.63.129.16": "metadata",
    "100.100.100.200": "metadata",
    "192.0.0.192": "metadata",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "169.254.0.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%lo": "link-local",
    "febf::1": "link-local",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "255.255.255.255": "broadcast",
    "240.0.0.1": "reserved",
    "192.0.0.1": "reserved",
    "192.88.99.1": "reserved",
    "192.0.2.1": "documentation",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "100::1": "reserved",
    "5f00::1": "reserved",
    "4000::1": "reserved",
    "::ffff:169.254.169.254": "metadata",
    "::ffff:a9fe:a9fe": "metadata",
    "::a9fe:a9fe": "metadata",
    "::ffff:0:a9fe:a9fe": "metadata",
    "64:ff9b::a9fe:a9fe": "metadata",
    "64:ff9b:1::a9fe:a9fe": "metadata",
    "64:ff9b:1:a9fe:a9:fe00::": "metadata",
    "2002:a9fe:a9fe::": "metadata",
    "2001:0:a9fe:a9fe::1": "metadata",
    "2001:0:102:304:0:0:5601:5601": "metadata",
    "2606:4700::5efe:a9fe:a9fe": "metadata",
    "fd12::200:5efe:a9fe:a9fe": "metadata",
    "::ffff:0.0.0.0": "unspecified",
    "64:ff9b::e000:1": "multicast",
}
REFUSED_WITH_DENY = (
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "::808:808",
    "::ffff:0:808:808",
    "64:ff9b::7f00:1",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:808:808::",
    "2001:0:808:808::f7f7:f7f7",
    "2606:4700::5efe:7f00:1",
)
NEVER_REFUSED = (
    "1.1.1.1",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "198.17.255.255",
    "168.63.129.17",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",  # how every IPv4 host looks from a network that has IPv6 only
)


@pytest.mark.parametrize("private", [ALLOW, DENY])
@pytest.mark.parametrize(("text", "verdict"), ALWAYS_REFUSED.items())
def test_metadata_link_local_and_reserved_addresses_are_refused_whatever_the_setting(
    text: str, verdict: str, private: str
) -> None:
    assert verdict in (judge_address(ip_address(text), private) or "")


@pytest.mark.parametrize("text", REFUSED_WITH_DENY)
def test_private_addresses_are_reached_by_default_and_refused_with_deny(text: str) -> None:
    assert judge_address(ip_address(text), ALLOW) is None
    assert judge_address(ip_address(text), DENY) is not None


@pytest.mark.parametrize("private", [ALLOW, DENY])
@pytest.mark.parametrize("text", NEVER_REFUSED)
def test_public_addresses_are_reached(text: str, private: str) -> None:
    assert judge_address(ip_address(text), private) is None


@given(st.ip_addresses(v=4), st.sampled_from([ALLOW, DENY]))
def test_an_ipv4_address_is_refused_in_every_ipv6_disguise_too(address: IPv4Address, private: str) -> None:
    if judge_address(address, private) is None:
        return
    number = int(address)
    disguises = (
        0xFFFF << 32 | number,
        0x64_FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x2001 << 112 | number << 64,
        0x2001 << 112 | 0x0102_0304 << 64 | ~number & 0xFFFF_FFFF,
        0x2606_4700 << 96 | 0x0000_5EFE << 32 | number,
    )
    for disguise in disguises:
        assert judge_address(IPv6Address(disguise), private) is not None, IPv6Address(disguise)


@given(st.ip_addresses())
def test_what_is_refused_by_default_is_refused_with_deny(address: IPv4Address | IPv6Address) -> None:
    if judge_address(address, ALLOW) is not None:
        assert judge_address(address, DENY) is not None


@given(st.ip_addresses())
def test_deny_reaches_nothing_that_the_standard_library_calls_local(address: IPv4Address | IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_global or address.is_multicast:
        assert judge_address(address, DENY) is not None


HOST_OF_A_CONTAINER = read_allowed("169.254.1.2")


@pytest.mark.parametrize("private", [ALLOW, DENY])
@pytest.mark.parametrize("text", ["169.254.1.2", "::ffff:169.254.1.2", "::ffff:a9fe:102"])
def test_an_address_that_the_owner_names_is_reached_in_each_spelling(text: str, private: str) -> None:
    address = ip_address(text)
    assert judge_address(address, private) is not None
    assert judge_address(address, private, {HOST_OF_A_CONTAINER}) is None
    assert judge_address(ip_address("169.254.1.2"), private, {read_allowed(text)}) is None


@pytest.mark.parametrize("text", [*ALWAYS_REFUSED, "169.254.1.3", "64:ff9b::a9fe:102", "2002:a9fe:102::1"])
def test_naming_one_address_opens_no_other(text: str) -> None:
    named = {HOST_OF_A_CONTAINER, read_allowed("fe80::5"), read_allowed("10.0.0.5")}
    assert judge_address(ip_address(text), DENY, named) is not None


def test_a_zone_changes_nothing_of_an_address_that_is_named() -> None:
    assert judge_address(ip_address("fe80::5%eth0"), ALLOW, {read_allowed("fe80::5")}) is None
    assert judge_address(ip_address("fe80::5"), ALLOW, {read_allowed("[fe80::5%eth1]")}) is None


@pytest.mark.parametrize("text", [each for each, verdict in ALWAYS_REFUSED.items() if "metadata" in verdict])
def test_a_metadata_address_cannot_be_named(text: str) -> None:
    with pytest.raises(ValueError, match="a cloud metadata service"):
        read_allowed(text)


@pytest.mark.parametrize(
    "text", ["169.254.0.0/16", "host.containers.internal", "169.254.1.2:80", "0xa9fe0102", "2852061442", "", "0.0.0.0"]
)
def test_only_single_addresses_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"single addresses|no single machine"):
        read_allowed(text)
