"""What proxies say of the visitor behind them: his address, and whether he came by HTTPS.

Believed only where the peer is one of TRUSTED_PROXIES. `X-Forwarded-For` is read from its end, past the proxies that
are trusted, to the first address that is none of theirs; `X-Forwarded-Proto` from its beginning, where the proxy stands
that the visitor speaks to. Several lines are one list, empty elements are none, and case makes no difference (RFC 9110,
5.3 and 5.6.1). `Forwarded` (RFC 7239) says the same, and is read only where neither of them is there: a proxy that
writes the one passes the other on as the visitor wrote it.

Here for `run.py`, `pulsemon serve` and the image, which switch uvicorn's own reading off. Under a plain `uvicorn` its
reading comes first, with the proxies of its own flag; what it leaves undone is done here then.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from starlette.types import Scope

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# Two dozen proxies in a row; what stands before them is the visitor's own words.
_MAX_HOPS = 50
# A list longer than this is nobody's; its end is what counts.
_MAX_LENGTH = 4_096
# The bits of an IPv4-mapped IPv6 address before the IPv4 one: RFC 4291, 2.5.5.2.
_MAPPED_BITS = 96
_NAMES = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"})
# token "=" ( token / quoted-string ) from its end to its beginning: what stands last is the proxy's, and has one
# meaning from there, whatever quote a visitor left open before it.
_ESCAPED = r"(?:\\\\)*\\(?!\\)"  # an odd number of them, which stand before the quote
_PAIR_BACKWARDS = re.compile(
    rf'(?:"(?!{_ESCAPED})((?:[^"]|"(?={_ESCAPED}))*+)"|([^\s",;]*))=([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?=[,;]|\Z)'
)


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str | None:
    """Return the one spelling of an IP address; None for anything else.

    Without brackets, port and zone; an IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is that IPv4 address.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not _is_port(rest)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_port(text: str) -> bool:
    """Return whether this is `:` and a port, which RFC 7239 lets a proxy hide: `_` and some letters."""
    return re.fullmatch(r":([0-9]{1,5}|_[A-Za-z0-9._-]{1,40})", text) is not None


class Proxies:
    """The proxies that are believed. Any thread."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [_network(each) for each in trusted]
        self.is_trusted = lru_cache(maxsize=4096)(self._is_trusted)

    def _is_trusted(self, address: str) -> bool:
        """Return whether *address*, in its one spelling, is one of them."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self._networks)

    def read(self, scope: Scope) -> None:
        """Write the visitor's address, in its one spelling, and the scheme of his request into *scope*."""
        client = scope.get("client")
        if client is None:  # a socket of the file system: no proxy that could be named in TRUSTED_PROXIES
            return
        peer = plain_address(client[0])
        # A peer has a port. Where there is none, uvicorn read the address from what a proxy says that it trusts.
        is_read = client[1] == 0
        said = _said(scope["headers"]) if is_read or (peer is not None and self.is_trusted(peer)) else {}
        visitor = peer if is_read or peer is None else self._visitor(peer, _addresses_of(said))
        if visitor is not None and visitor != client[0]:
            scope["client"] = (visitor, client[1] if visitor == peer else 0)
        scheme = _scheme_of(said)
        if scheme is not None:
            scope["scheme"] = scheme

    def _visitor(self, peer: str, said: list[str]) -> str:
        """Return the nearest address that is no trusted proxy's; that of the last one that is known, if it names none.

        A proxy may not know whom it speaks for, or may not tell (`unknown`, `_hidden`): then it counts itself, for what
        stands further left is what somebody wrote.
        """
        for element in reversed(said[-_MAX_HOPS:]):
            if not self.is_trusted(peer):
                break
            address = plain_address(element)
            if address is None:
                break
            peer = address
        return peer


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the network; one of IPv4 addresses inside IPv6 ones (`::ffff:10.0.0.0/104`) is that IPv4 network."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    # Of fewer bits it is a network of IPv6 in which the mapped ones are a part.
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _said(headers: list[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """Return header -> the list that it is, several lines of one joined, of the three that count."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in _NAMES:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


def _scheme_of(said: dict[bytes, str]) -> str | None:
    if b"x-forwarded-proto" in said:
        first = next(_elements(said[b"x-forwarded-proto"][:_MAX_LENGTH]), "")
        return _SCHEMES.get(first.strip('"').strip().lower())
    if b"x-forwarded-for" in said or b"forwarded" not in said:
        return None
    readable = [pairs for pairs in _forwarded(said[b"forwarded"]) if pairs]
    return _SCHEMES.get(readable[-1].get("proto", "").lower()) if readable else None


def _addresses_of(said: dict[bytes, str]) -> list[str]:
    if b"x-forwarded-for" in said:
        return list(_elements(said[b"x-forwarded-for"][-_MAX_LENGTH:]))
    if b"x-forwarded-proto" in said or b"forwarded" not in said:
        return []
    return [pairs.get("for", "unknown") for pairs in _forwarded(said[b"forwarded"])][::-1]


def _elements(text: str) -> Iterator[str]:
    return (each.strip() for each in text.split(",") if each.strip())


def _forwarded(text: str) -> Iterator[dict[str, str]]:
    """Yield the elements of `Forwarded`, the last one first, each with its pairs.

    One that cannot be read, or says a name twice, is empty and ends it: nobody knows where the one before it ends.
    """
    backwards = text[-_MAX_LENGTH:][::-1]
    pairs: dict[str, str] = {}
    at = 0
    while at < len(backwards):
        if backwards[at] in ",; \t":
            if backwards[at] == "," and pairs:
                yield pairs
                pairs = {}
            at += 1
            continue
        found = _PAIR_BACKWARDS.match(backwards, at)
        name = found[3][::-1].lower() if found else ""
        if found is None or name in pairs:
            yield {}
            return
        pairs[name] = found[2][::-1] if found[1] is None else re.sub(r"\\(.)", r"\1", found[1][::-1])
        at = found.end()
    if pairs:
        yield pairs


def normal_peer(client: Any) -> Any:
    """Return the address of a connection's other end, (host, port), with the host in its one spelling."""
    host = None if client is None else plain_address(client[0])
    return client if host is None or host == client[0] else (host, client[1])
