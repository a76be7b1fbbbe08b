"""What a program shows to be let in, the admin token or a key, and what comes of it; wrong ones of both are counted.

The gate asks for every closed path of the API, before anything else is told; `/metrics` and `/ready`, which are for
strangers too, ask by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from pulsemon.accounts import keys
from pulsemon.accounts.keys import Refusal
from pulsemon.accounts.roles import NOBODY, OWNER_BY_TOKEN, Principal, Proof
from pulsemon.web.http.principals import (
    PRINCIPAL_KEY,
    as_sent,
    basic_password,
    bearer_token,
    header_token,
    judge_token,
)
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.throttle import MAX_ADDRESS

# What stands for all keys where wrong ones are counted: an address from which a right one came is known as theirs.
_DOOR = "api-keys"
# Where a key stands in the scope of a request that the gate let pass because it remembers it.
_UNCONFIRMED_KEY = "pulsemon.unconfirmed"
NO_CREDENTIAL = "The header X-Admin-Token is missing or wrong."
CLOSED = "Administration is closed: ADMIN_TOKEN is not set. Set it and start PulseMon again."


@dataclass(frozen=True, slots=True)
class Credential:
    """A text that was shown. `is_ours`: in a header that nobody else uses, so that it is a guess if it is wrong."""

    text: str
    is_ours: bool = True

    @property
    def is_key(self) -> bool:
        """Whether it has the form of a key, and is looked for in the database."""
        return keys.looks_like_one(self.text)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of all that was shown. `wait_sec` > 0: nothing from there is judged for so long."""

    principal: Principal = NOBODY
    wait_sec: int = 0
    refusal: Refusal | None = None


def of_api(headers: Headers) -> list[Credential]:
    """Return what a request of the API shows. A bearer that is no key is somebody else's: a proxy's, say."""
    bearer = bearer_token(headers.get("authorization", "")) or ""
    shown = [header_token(headers), key_header(headers), bearer if keys.looks_like_one(bearer) else ""]
    return [Credential(each) for each in dict.fromkeys(shown) if each]


def of_metrics(headers: Headers) -> list[Credential]:
    """Return what a scraper shows: one that can set no header of its own sends a bearer, or a password."""
    authorization = headers.get("authorization", "")
    told = bearer_token(authorization) or (basic_password(authorization) or "").strip()
    ours = [Credential(each) for each in dict.fromkeys([header_token(headers), key_header(headers)]) if each]
    return [*ours, Credential(told, is_ours=False)] if told else ours


def recall(site: Site, scope: Scope, shown: Sequence[Credential]) -> Principal | None:
    """Return whom the one key that was shown let in a moment ago; whoever takes the request has to `confirm` it."""
    if len(shown) != 1 or not shown[0].is_key:
        return None
    found = site.recent_keys.find(shown[0].text, host_of(scope))
    if found is not None:
        scope[_UNCONFIRMED_KEY] = shown[0].text
    return found


def is_unconfirmed(request: HTTPConnection) -> bool:
    """Return whether the gate let this request pass by a key that it only remembers."""
    return _UNCONFIRMED_KEY in request.scope


def confirm(request: HTTPConnection) -> Refusal | None:
    """Ask whether the key that the gate remembers opens yet; say why not. Reads the database. Raises Unavailable."""
    site, secret, host = site_of(request), request.scope.pop(_UNCONFIRMED_KEY), host_of(request.scope)
    found = keys.find(site.database, secret, now=site.now())
    if isinstance(found, Refusal):
        site.recent_keys.forget(secret, host)
        request.scope[PRINCIPAL_KEY] = NOBODY
        return found
    request.scope[PRINCIPAL_KEY] = found.principal
    site.key_uses.note(found.id, host[:MAX_ADDRESS] or None, now=site.now())
    return None


def key_header(headers: Headers) -> str:
    """Return what the header X-Api-Key holds, '' without one."""
    return as_sent(headers.get("x-api-key", ""))


def judge(site: Site, scope: Scope, shown: Iterable[Credential]) -> Judged:
    """Judge what was shown until one is right, each a try of its own. Reads the database where one may be a key.

    Raises:
        Unavailable: the database does not answer; nobody was judged by it.
    """
    refusal = None
    for each in shown:
        judged = _judge_key(site, scope, each.text) if each.is_key else _judge_token(site, scope, each)
        if judged.wait_sec or judged.principal.proof is not Proof.NONE:
            return judged
        refusal = judged.refusal or refusal
    return Judged(refusal=refusal)


def _judge_token(site: Site, scope: Scope, shown: Credential) -> Judged:
    is_right, wait_sec = judge_token(site, scope, shown.text, is_ours=shown.is_ours)
    return Judged(OWNER_BY_TOKEN if is_right else NOBODY, wait_sec)


def _judge_key(site: Site, scope: Scope, secret: str) -> Judged:
    now, host = site.now(), host_of(scope)
    attempt = site.tokens.begin(secret, _DOOR, host=host, now=now)
    if attempt.verdict is not None:
        return Judged(wait_sec=attempt.verdict.wait_sec, refusal=Refusal.WRONG)
    try:
        found = keys.find(site.database, secret, now=now)
    except BaseException:
        site.tokens.forget(attempt)
        raise
    if found is Refusal.WRONG:
        verdict = site.tokens.end(attempt, is_right=False, now=now)
        return Judged(wait_sec=verdict.wait_sec, refusal=Refusal.WRONG)
    if isinstance(found, Refusal):  # whoever shows what was right once does not guess
        site.tokens.forget(attempt)
        return Judged(refusal=found)
    site.tokens.end(attempt, is_right=True, now=now)
    site.key_uses.note(found.id, host[:MAX_ADDRESS] or None, now=now)
    site.recent_keys.note(secret, host, found.principal)
    return Judged(found.principal)


def host_of(scope: Scope) -> str:
    """Return the address that a request comes from, '' where there is none."""
    client = scope.get("client")
    return client[0] if client else ""
