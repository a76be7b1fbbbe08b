"""What a request says of the host that it asks: one name that can be read in one way, or the request is refused.

Whoever stands in front of us may choose by the host what is let through, and caches keep answers under it; so nobody
may be able to send one that two programs read differently. Source: RFC 9112, 3.2; RFC 9110, 4.2 and 7.2; RFC 3986.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pulsemon.core.hosts import DEFAULT_PORTS, read_host

# The longest name there is has 253 characters; a port and brackets come on top of it.
MAX_HOST_BYTES = 262
# Names of containers and of old Windows networks have underscores, and all else that RFC 3986 takes is taken. Not the
# comma: it joins the values of lines that were several. A zone (`%eth0`) is what some clients leave in an address.
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~%-]+)?\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class Ambiguous(ValueError):
    """The request names no host, several, or one that is none; its text says which."""


def is_host(value: bytes) -> bool:
    """Return whether a `Host` is a name or an address, with a port or without, and nothing else; empty is one too."""
    return len(value) <= MAX_HOST_BYTES and _is_host(value)


@lru_cache(maxsize=64)  # nearly all requests name the same few
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def target_of(target: bytes, hosts: list[bytes], *, is_required: bool) -> bytes:
    """Return a request's target without the host that may stand in it.

    *hosts*: the values of every `Host` line; *is_required*: the version of HTTP demands one.

    Raises:
        Ambiguous: there is not exactly one host, or it has another form, or the target names another one.
    """
    if len(hosts) > 1:
        raise Ambiguous("The request has several Host headers; send one.")
    if not hosts and is_required:
        raise Ambiguous("The header Host is missing.")
    if hosts and not is_host(hosts[0]):
        raise Ambiguous("The header Host must be a name or an address, with or without a port.")
    if target.startswith(b"/"):
        return target
    return _without_authority(target, hosts)


def _without_authority(target: bytes, hosts: list[bytes]) -> bytes:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        if target == b"*":
            return target
        raise Ambiguous("The target of the request must be a path.")
    scheme, authority, rest = absolute.groups()
    if not authority or not is_host(authority):
        raise Ambiguous("The host in the target must be a name or an address, with or without a port.")
    if hosts and not _is_same(authority, hosts[0], DEFAULT_PORTS[scheme.lower().decode()]):
        raise Ambiguous("The header Host and the target of the request name different hosts.")
    return rest if rest.startswith(b"/") else b"/" + rest


def _is_same(one: bytes, other: bytes, default_port: int) -> bool:
    """Return whether both name the same host and port; what is no host to DNS is compared by the letter."""
    hosts = [read_host(each.decode("ascii")) for each in (one, other)]
    named = [(host.name, host.port or default_port) for host in hosts if host is not None]
    return named[0] == named[1] if len(named) == len(hosts) else one.lower() == other.lower()
