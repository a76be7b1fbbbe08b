"""What a browser carries from a right password to the code that is asked for next: signed, and good for ten minutes."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

from itsdangerous import BadSignature, Signer

from pulsemon.accounts.logins import Credentials

LIFETIME = timedelta(minutes=10)
_FORM = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,9})\.([0-9]{1,12})")


def _signer(secret: str) -> Signer:
    return Signer(secret, salt="pulsemon.second-step", digest_method=hashlib.sha256, key_derivation="hmac")


def make(secret: str, who: Credentials, *, now: datetime) -> str:
    """Return it for a user whose password was right; another password ends it."""
    until = int((now + LIFETIME).timestamp())
    return _signer(secret).sign(f"{who.public_id}.{who.password_version}.{until}").decode()


def read(secret: str, text: str, *, now: datetime) -> tuple[str, int] | None:
    """Return the public id and the password's version of what `make` wrote; None: it is over, or somebody else's."""
    try:
        found = _FORM.fullmatch(_signer(secret).unsign(text).decode())
    except (BadSignature, UnicodeError):
        return None
    if found is None or now.timestamp() >= int(found[3]):
        return None
    return found[1], int(found[2])
