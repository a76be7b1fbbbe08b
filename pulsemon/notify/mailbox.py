"""What counts as an e-mail address here: strict, simple, and all of it plain ASCII in the end. Looks nothing up.

Taken: a dot-atom of RFC 5321 before the @ (no quotes, no comments, no address literals) and a host name with at least
one dot behind it; a name in another script becomes its ASCII form (IDNA 2008 with the mappings of UTS 46). Everything
is in lower case: the part before the @ may by the letter of the RFC depend on it, at no provider that is known.
"""

from __future__ import annotations

import re

import idna

# RFC 5321, 4.5.3.1: what a path may hold without its brackets, and the part before the @.
MAX_LENGTH = 254
MAX_LOCAL_LENGTH = 64
MAX_NAME_LENGTH = 70

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# The last label is no number: that would be an address of a machine.
_HOST = re.compile(rf"({_LABEL}\.)+(?=[a-z0-9-]*[a-z])({_LABEL})")
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def read_address(text: str) -> str | None:
    """Return the address that *text* is, as mail is sent to it; None if it is none."""
    text = text.strip()
    if len(text) > MAX_LENGTH or text.count("@") != 1:
        return None
    local, host = text.lower().split("@")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    is_one = len(local) <= MAX_LOCAL_LENGTH and _LOCAL.fullmatch(local) and _HOST.fullmatch(host)
    address = f"{local}@{host}"
    return address if is_one and len(address) <= MAX_LENGTH else None


def read_sender(text: str) -> tuple[str, str] | None:
    """Return the name, which may be empty, and the address of `address` or `Name <address>`; None for anything else."""
    found = _NAMED.fullmatch(text.strip())
    name = found["name"].strip().strip('"').strip() if found else ""
    address = read_address(found["address"] if found else text)
    if address is None or len(name) > MAX_NAME_LENGTH or _UNPRINTABLE.search(name):
        return None
    return name, address


def masked(address: str) -> str:
    """Return an address so that its owner knows it again, and nobody else learns it."""
    local, _, host = address.partition("@")
    return f"{local[:1]}•••@{host}"
