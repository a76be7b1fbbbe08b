"""Passwords of users as they are kept: Argon2id, with its parameters in what is kept, so that later ones can be dearer.

Whoever calls this does so in a thread of its own, one at a time: a try costs a core some 60 ms, and 32 MB.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 12, 200
_REPEATED = re.compile(r"(.{1,10}?)\1+", re.DOTALL)
_ALL = 0x110000  # code points
# More than the least that OWASP names for one lane (19 MiB and 2 passes).
_MEMORY_KIB, _PASSES = 32 * 1024, 3


def normalised(password: str) -> str:
    """Return a password as it is compared: an accent that was typed in two strokes is the one of one stroke (NFC)."""
    return unicodedata.normalize("NFC", password)


def problem_of(password: str, *, email: str = "") -> str | None:
    """Return why nobody may have this password, None if he may: a code such as `password-common`.

    *email*: of whoever is to have it, which is tried as soon as the commonest are.
    """
    text = normalised(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH or any("\ud800" <= each <= "\udfff" for each in text):
        return "password-length"
    if email and text.casefold() == email.strip().casefold():
        return "password-address"
    return "password-common" if text.casefold() in _common() or _is_worn(text.casefold()) else None


def _is_worn(text: str) -> bool:
    """Return whether it is a piece over and over, or characters as they follow each other: 123456789012."""
    steps = {(ord(after) - ord(before)) % (10 if text.isdigit() else _ALL) for before, after in pairwise(text)}
    return _REPEATED.fullmatch(text) is not None or len(steps) == 1


@cache
def _common() -> frozenset[str]:
    """Of the 10,000 commonest those that are long enough; what the file is made of stands in its first lines."""
    text = resources.files("pulsemon.accounts").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def keep(password: str) -> str:
    """Return what `matches` compares a password with."""
    return _hasher().hash(normalised(password))


def matches(password: str, kept: str) -> bool:
    """Return whether *kept* was made of this password; never for what `keep` did not write."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(kept, normalised(password))
    except (InvalidHashError, VerificationError, UnicodeEncodeError):
        return False


def is_outdated(kept: str) -> bool:
    """Return whether *kept* was made with other parameters than today's."""
    return _hasher().check_needs_rehash(kept)


def nobodys() -> str:
    """Return what a password is compared with where there is no user: it takes as long, and nothing matches."""
    return _NOBODYS


# Made by `keep` of 32 random bytes that nobody has any more, with the parameters of today.
_NOBODYS = "$argon2id$v=19$m=32768,t=3,p=1$ZPDMi0Rn/PLkbCJ4ewppjw$pL96dyc598S27/jWilLlPSb8lXbcBDs+A41uxG+RY88"


@cache
def _hasher() -> PasswordHasher:
    # Here, because a login is rare and the memory at rest is not to pay for it.
    from argon2 import PasswordHasher, Type

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1, type=Type.ID)
