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


# Names of one provider, whose mailboxes are the same under each. Source: the providers' own help pages.
_SAME_HOSTS = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "pm.me": "proton.me",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
    "yandex.by": "yandex.ru",
    "yandex.kz": "yandex.ru",
}
# What their mailboxes do not tell apart, as `str.translate` wants it.
_IGNORED: dict[str, dict[int, int | None]] = {
    "gmail.com": str.maketrans("", "", "."),
    "proton.me": str.maketrans("", "", ".-_"),
    "yandex.ru": {ord("-"): ord(".")},
}
# Where a sub-address begins with a hyphen; with a plus it does everywhere (RFC 5233).
_HYPHEN_HOSTS = re.compile(r"(yahoo|ymail|rocketmail)\.[a-z.]+")
# Where the part before the host name is the mailbox, and what stands before the @ a sub-address: any@ana.fastmail.com.
_HOSTS_OF_MAILBOXES = ("fastmail.com", "fastmail.fm")


def mailbox_of(address: str) -> str:
    """Return what all addresses of one mailbox have in common, as far as it can be known from outside.

    *address* is one of `read_address`. The result is to be compared, never sent to: of two people whose provider does
    not know sub-addresses it makes one, which costs the second an hour and no more.
    """
    local, _, host = address.rpartition("@")
    host = _SAME_HOSTS.get(host, host)
    for each in _HOSTS_OF_MAILBOXES:
        if host.endswith(f".{each}"):
            local, host = host.removesuffix(f".{each}"), each
    local = local.partition("+")[0] or local
    if _HYPHEN_HOSTS.fullmatch(host):
        local = local.partition("-")[0] or local
    return f"{local.translate(_IGNORED.get(host, {}))}@{host}"


def patterns_of(address: str) -> list[tuple[str, str]]:
    """Return (beginning, end) of every address that may belong to the same mailbox; `mailbox_of` says which do."""
    local, _, host = mailbox_of(address).rpartition("@")
    # An address of Gmail begins as its mailbox does, for none begins with a dot.
    beginning = local[:1] if host == "gmail.com" else "" if host in _IGNORED else local
    hosts = [host, *(each for each, same in _SAME_HOSTS.items() if same == host)]
    found = [(beginning, f"@{each}") for each in hosts]
    return [*found, ("", f"@{local}.{host}")] if host in _HOSTS_OF_MAILBOXES else found
