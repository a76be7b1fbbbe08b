"""Who asks: the token or the key of a header, or the cookie of a session. What they may do says `accounts.roles`."""

from __future__ import annotations

import base64
import hashlib
import re

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope

from pulsemon.accounts import access
from pulsemon.accounts.roles import NOBODY, OWNER_BY_TOKEN, Principal, Proof
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.web.http import session_cookies
from pulsemon.web.http.machine_proof import OWNER_BY_MACHINE
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.throttle import MAX_ADDRESS, Verdict

# Where whoever was found out stands in the scope of a request.
PRINCIPAL_KEY = "pulsemon.principal"
# Where the id of the session that let him in stands.
SESSION_KEY = "pulsemon.session"
TOO_MANY_TOKENS = "Too many wrong tokens came from this address. Try again after the seconds in Retry-After."
# A JSON Web Token, signed or encrypted: two to four more parts after a header that is a JSON object (`{"`).
_SIGNED = re.compile(r"eyJ[\w-]+(\.[\w-]*){2,4}", re.ASCII)


def by_token(request: HTTPConnection) -> Principal:
    """Return who a program says that it is: whom the gate found by token or key, else by a look at X-Admin-Token here.

    Counts nothing: the gate, which judged it, did. Whoever was found by a session has shown no token.
    """
    found = request.scope.get(PRINCIPAL_KEY)
    if isinstance(found, Principal) and found.proof in (Proof.TOKEN, Proof.KEY):
        return found
    given = header_token(request.headers)
    is_right = access.is_admin_token(given, site_of(request).admin_token)
    return _put(request, OWNER_BY_TOKEN if is_right else NOBODY)


def by_session(request: HTTPConnection) -> Principal:
    """Return who the cookie of an open session says that this is. A token in a header is none. Reads the database."""
    site, now = site_of(request), site_of(request).now()
    for session_id in session_ids_of(request):
        found = access.find_session(site.database, session_id, site.admin_token, now=now)
        if found is not None:
            request.scope[SESSION_KEY] = session_id
            if found.user_id is not None:
                site.session_uses.note(session_id, remote_addr_of(request), now=now)
            return _put(request, found)
    return _put(request, NOBODY)


def session_id_of(request: HTTPConnection) -> str:
    """Return the id of the session that `by_session` let in; '' where it let in nobody."""
    found: str = request.scope.get(SESSION_KEY, "")
    return found


def remote_addr_of(request: HTTPConnection) -> str | None:
    """Return where a request comes from."""
    host = request.client.host if request.client else None
    return host[:MAX_ADDRESS] if host else None


def principal_of(request: HTTPConnection) -> Principal:
    """Return who was found out to ask; nobody, where nobody was asked who he is."""
    found: Principal = request.scope.get(PRINCIPAL_KEY, NOBODY)
    return found


def actor_of(request: HTTPConnection) -> Actor:
    """Return whom the log of who did what names, now and from where this request came."""
    principal = principal_of(request)
    kind = ActorKind.KEY if principal.proof is Proof.KEY else ActorKind.USER
    if principal == OWNER_BY_MACHINE:
        return Actor(ActorKind.MACHINE, "", site_of(request).now(), remote_addr=remote_addr_of(request))
    return Actor(
        kind=kind if principal.public_id else ActorKind.ADMIN_TOKEN,
        name=principal.name,
        at=site_of(request).now(),
        public_id=principal.public_id or None,
        remote_addr=remote_addr_of(request),
    )


def _put(request: HTTPConnection, principal: Principal) -> Principal:
    request.scope[PRINCIPAL_KEY] = principal
    return principal


def session_ids_of(request: HTTPConnection) -> list[str]:
    """Return the ids of all cookies of a session that bear our signature, the one that nobody else can set first."""
    signer, found = _signer(site_of(request)), []
    for cookie in session_cookies.values_of(request.headers):
        try:
            found.append(signer.unsign(cookie).decode())
        except (BadSignature, UnicodeError):
            continue
    return found


def set_session_cookie(request: Request, response: Response, session_id: str) -> None:
    """Give the browser the signed id: unreadable for scripts, not sent with another site's forms."""
    value = _signer(site_of(request)).sign(session_id).decode()
    session_cookies.give(request, response, value, max_age_sec=int(access.SESSION_LIFETIME.total_seconds()))


def _signer(site: Site) -> Signer:
    return Signer(site.session_secret, salt="pulsemon.session", digest_method=hashlib.sha256, key_derivation="hmac")


def header_token(headers: Headers) -> str:
    """Return what the header X-Admin-Token holds, '' without one."""
    return as_sent(headers.get("x-admin-token", ""))


def bearer_token(authorization: str) -> str | None:
    """Return the token of `Authorization: Bearer`, None where there is none. Source: RFC 6750, 2.1."""
    scheme, _, token = authorization.partition(" ")
    # The blanks of HTTP alone: read as latin-1, the last byte of an "à" is one too.
    return as_sent(token.strip(" \t")) if scheme.lower() == "bearer" else None


def as_sent(text: str) -> str:
    """Return a header, which arrives as latin-1; a token outside ASCII was sent as UTF-8."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def basic_password(authorization: str) -> str | None:
    """Return the password of `Authorization: Basic`, None where there is none. Source: RFC 7617, 2."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")[2]
    except ValueError:  # no base64, or no UTF-8 in it
        return None


def judge_token(site: Site, scope: Scope, given: str, *, is_ours: bool = True) -> Verdict:
    """Judge a token that a program sent, in whichever header; wrong ones count. None at all is no guess.

    *is_ours*: it came in a header of ours. In one that proxies use too, a signed token of somebody else's is no guess.
    """
    expected = site.admin_token
    if not given or not expected:
        return Verdict(is_right=False, wait_sec=0)
    if not is_ours and _SIGNED.fullmatch(given) and not _SIGNED.fullmatch(expected):
        return Verdict(is_right=False, wait_sec=0)
    client = scope.get("client")
    return site.tokens.judge(given, expected, host=client[0] if client else "", now=site.now())
