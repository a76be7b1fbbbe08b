"""How a command at the machine shows a server that holds the SQLite file that it is one: by the key that seals secrets.

Whoever can read that, in the environment or in the file beside the database, has the machine; whoever has but a copy of
the database does not. A proof is of one method and path, and of one minute by the clock that both of them have.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

from starlette.datastructures import Headers
from starlette.types import Scope

from pulsemon.accounts.roles import Principal, Proof

HEADER = "x-pulsemon-machine"
# What the vault derives the secret for.
PURPOSE = "pulsemon command at the machine"
OWNER_BY_MACHINE = Principal(is_owner=True, proof=Proof.TOKEN, name="machine")
_LIFETIME_SEC = 60
_FORM = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


def make(secret: str, method: str, path: str, *, now: datetime) -> str:
    """Return the header's value for a request, its *path* as it is sent."""
    at = int(now.timestamp())
    return f"{at}.{_signature(secret, at, method, path)}"


def is_right(headers: Headers, scope: Scope, secret: str, *, now: datetime) -> bool:
    """Return whether a request bears a proof of this minute; without a *secret* nothing is one."""
    found = _FORM.fullmatch(headers.get(HEADER, ""))
    if found is None or not secret or abs(int(now.timestamp()) - int(found[1])) > _LIFETIME_SEC:
        return False
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw_path.partition(b"?")[0].decode("latin-1")
    return hmac.compare_digest(_signature(secret, int(found[1]), scope["method"], path), found[2])


def _signature(secret: str, at: int, method: str, path: str) -> str:
    text = f"pulsemon.machine\0{at}\0{method}\0{path}"
    return hmac.new(secret.encode("utf-8", "surrogatepass"), text.encode(), hashlib.sha256).hexdigest()
