"""Which addresses a request may go to. Pure: it looks nothing up.

`ipaddress.is_private` is no filter: it knows nothing of cloud metadata services, and its answers changed between
releases of Python. So the networks stand here by name. Source: the IANA special-purpose address registries,
RFC 6890, and the clouds' own documentation for the metadata services.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

ALLOW = "allow"
DENY = "deny"

IPAddress = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _named(verdict: str, *networks: str) -> list[tuple[_Network, str]]:
    return [(ip_network(network), verdict) for network in networks]


# Refused whatever the settings say.
_METADATA = [
    *_named(
        "a cloud metadata service",
        "169.254.169.254/32",  # AWS, Azure, Google Cloud, Oracle, DigitalOcean, OpenStack, Hetzner
        "169.254.170.2/32",  # AWS ECS
        "169.254.42.42/32",  # Scaleway
        "168.63.129.16/32",  # Azure's host
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::254/128",  # AWS
        "fd00:ec2::23/128",  # AWS EKS
        "fd20:ce::254/128",  # Google Cloud
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
    ),
]

# Refused unless OUTBOUND_ALLOW names the very address. The first match names the verdict.
_ALWAYS = [
    *_METADATA,
    *_named("unspecified", "0.0.0.0/8", "::/128"),
    *_named("link-local", "169.254.0.0/16", "fe80::/10"),
    *_named("multicast", "224.0.0.0/4", "ff00::/8"),
    *_named("broadcast", "255.255.255.255/32"),
    *_named("reserved", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "100::/64", "100:0:0:1::/64", "5f00::/16"),
    *_named("reserved for documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_named("reserved for documentation", "2001:db8::/32", "3fff::/20"),
]

# Refused with OUTBOUND_PRIVATE=deny only.
_PRIVATE = [
    *_named("loopback", "127.0.0.0/8", "::1/128"),
    *_named("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    *_named("shared between customers of a provider", "100.64.0.0/10"),
    *_named("for benchmarks", "198.18.0.0/15"),
    # They carry an IPv4 address to a place that the routing of this network decides.
    *_named("a tunnel", "2001::/32", "2002::/16", "64:ff9b:1::/48"),
    *_named("an obsolete form of an IPv4 address", "::/96", "::ffff:0:0:0/96"),
    *_named("not a host", "2001::/23"),
]

# IPv6 that may be routed at all: global unicast, unique and site local, and the prefixes judged by what they embed.
_ROUTED = [
    ip_network(network)
    for network in ("2000::/3", "fc00::/7", "fec0::/10", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/32")
]

# Addresses of no single machine.
_NOBODY = _named("nobody", "0.0.0.0/8", "255.255.255.255/32")

_LOW_32_BITS = ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
_EMBEDDING_IN_LOW_BITS = [ip_network(network) for network in _LOW_32_BITS]
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def judge_address(address: IPAddress, private: str, allowed: Collection[IPAddress] = ()) -> str | None:
    """Return why no request may go to *address*, or None if one may.

    *allowed* are single addresses, as `read_allowed` returns them, that are reached whatever network they are in.
    *private* is `allow` or `deny`: whether private, loopback and similar addresses are reached. An IPv4 address
    inside an IPv6 one (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) must pass as well as the IPv6 one.
    """
    if plain(address) in allowed:
        return None
    candidates = (address, *_embedded(address))
    for networks in (_ALWAYS, _PRIVATE) if private == DENY else (_ALWAYS,):
        for candidate in candidates:
            if verdict := _verdict(candidate, networks):
                return verdict
    is_routed = address.version == 4 or any(address in network for network in _ROUTED)
    return None if is_routed else "reserved"


def plain(address: IPAddress) -> IPAddress:
    """Return an address in the one form that it is compared in: an IPv4 address as such, and without a zone."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def read_allowed(text: str) -> IPAddress:
    """Return the address that the owner names as one to be reached.

    Raises ValueError: it is none, or one that no receiver has; the message says what is wanted instead.
    """
    try:
        address = plain(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError("single addresses without ports, comma separated, such as 169.254.1.2") from None
    if _verdict(address, _METADATA) or any(_verdict(each, _METADATA) for each in _embedded(address)):
        raise ValueError(f"without {address}: a cloud metadata service, which hands out keys to whoever asks")
    if address.is_unspecified or address.is_multicast or _verdict(address, _NOBODY):
        raise ValueError(f"without {address}: no single machine has this address")
    return address


def _verdict(address: IPAddress, networks: list[tuple[_Network, str]]) -> str | None:
    # `in` compares the number only, so that a zone (fe80::1%eth0) changes nothing.
    for network, verdict in networks:
        if address.version == network.version and address in network:
            return verdict
    return None


def _embedded(address: IPAddress) -> Iterator[IPv4Address]:
    """Yield every IPv4 address that a gateway or a kernel may read out of *address*."""
    if not isinstance(address, IPv6Address):
        return
    number = int(address)
    if number > 1 and any(address in network for network in _EMBEDDING_IN_LOW_BITS):
        yield IPv4Address(number & 0xFFFF_FFFF)
    if address in _NAT64_LOCAL:
        # The gateway's prefix has 96 bits, or 48 with the address split around the bits 64 to 71 (RFC 6052, 2.2).
        # The layout that is not meant reads as 0.0.x.x, which no gateway forwards.
        readings = (number & 0xFFFF_FFFF, (number >> 64 & 0xFFFF) << 16 | (number >> 40 & 0xFFFF))
        yield from (IPv4Address(reading) for reading in readings if reading > 0xFFFF)
    if address in _TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFF_FFFF)
        yield IPv4Address(~number & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if number >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFF_FFFF)
