"""Passwords of public pages as they are kept: scrypt, with the salt that whoever keeps one drew for it."""

from __future__ import annotations

import base64
import hashlib
import hmac

SALT_BYTES = 16
# 16 MB and about 50 ms a try. The numbers are kept with each hash, so that later ones can be dearer.
_N, _R, _P = 2**14, 8, 1
_MAX_MEMORY = 64 * 1024 * 1024


def keep(password: str, salt: bytes) -> str:
    """Return what `matches` compares a password with: `scrypt$N$R$P$SALT$HASH`."""
    digest = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_encoded(salt)}${_encoded(digest)}"


def matches(password: str, kept: str) -> bool:
    """Return whether *kept* was made of this password; never for what `keep` did not write."""
    try:
        scheme, n, r, p, salt, digest = kept.split("$")
        made = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return scheme == "scrypt" and hmac.compare_digest(made, base64.b64decode(digest))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
