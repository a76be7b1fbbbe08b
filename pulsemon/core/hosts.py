"""One spelling for a host: what is the same host to a browser or to DNS is the same text here.

Looks nothing up. Used for the host names of public pages, for the settings, and for what a request calls us.

Source: RFC 3986, 3.2.2; RFC 9110, 4.2.3 and 7.2; RFC 5890 and UTS 46 for names in other scripts.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 253
# `_` is no part of a host name, but stands in some that work (Windows, containers).
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_MAX_PORT = 65_535


class Host(NamedTuple):
    """A host as everybody means it; `name`: lower-case ASCII without a final dot, or an address without brackets."""

    name: str
    port: int | None

    @property
    def in_url(self) -> str:
        """Return it as it stands in a URL."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


@lru_cache(maxsize=1024)
def read_host(text: str) -> Host | None:
    """Return what *text*, host or host:port, stands for; None where it is no host.

    Upper case, a final dot, a name in its own script or in its ASCII form, and the spellings of an IPv6 address make no
    difference; nor does an empty port. The address may bear a zone, which is left out: it says how, not who.
    """
    if len(text) > MAX_LENGTH + 7:
        return None
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        found = _ipv6(name) if bracket and (not rest or rest.startswith(":")) else None
        port_text = rest[1:]
    elif text.count(":") > 1:
        found, port_text = _ipv6(text), ""
    else:
        name, _, port_text = text.partition(":")
        found = _name(name)
    if found is None or (port_text and not _is_port(port_text)):
        return None
    return Host(found, int(port_text) if port_text else None)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _MAX_PORT


def _ipv6(text: str) -> str | None:
    try:
        return ipaddress.IPv6Address(text.partition("%")[0]).compressed
    except ValueError:
        return None


def _name(text: str) -> str | None:
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > MAX_LENGTH or not all(0 < len(each) <= 63 and _LETTERS.issuperset(each) for each in labels):
        return None
    return name


def is_loopback(name: str) -> bool:
    """Return whether *name*, of a `Host`, means the machine that says it, and no other."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_same_origin(origin: str, ours: Host | None, *, is_secure: bool) -> bool:
    """Return whether the header Origin names the very host and port that a request came to.

    The port that belongs to the origin's scheme may be written or not. `is_secure`: the request is known to have come
    by HTTPS, so that a page that came without it is another's; where that is not known, a proxy may have taken it off.

    Source: RFC 6454, 4 and 7
    """
    scheme, separator, authority = origin.partition("://")
    default = DEFAULT_PORTS.get(scheme.lower())
    if not separator or default is None or (is_secure and default != DEFAULT_PORTS["https"]):
        return False
    theirs = read_host(authority)
    if theirs is None or ours is None or theirs.name != ours.name:
        return False
    return (theirs.port or default) == (ours.port or default)
