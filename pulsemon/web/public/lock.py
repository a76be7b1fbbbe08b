"""A public page's password: the question, the tries, and the cookie that opens this page and no other.

The cookie holds the page's id, a fingerprint of the password as it is kept and an end, signed: a new password closes
the page for everybody who knew the old one.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from itsdangerous import BadSignature, Signer
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.core.addresses import page_path
from pulsemon.status_pages.directory import PageDefinition
from pulsemon.web.html import rendering
from pulsemon.web.http.page_passwords import RETRY_AFTER_SEC
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.throttle import Verdict
from pulsemon.web.public import style as page_style

LIFETIME = timedelta(days=7)


def is_open(request: Request, definition: PageDefinition) -> bool:
    """Return whether this reader may see the page: it has no password, or the cookie says that it was given."""
    if definition.password_hash is None:
        return True
    site = site_of(request)
    try:
        text = _signer(site).unsign(request.cookies.get(_cookie_name(definition), "")).decode()
        page_id, fingerprint, end = text.split(".")
        ends_at = datetime.fromtimestamp(int(end), UTC)
    except (BadSignature, ValueError, OverflowError, OSError):
        return False
    return (page_id, fingerprint) == (str(definition.id), _fingerprint(definition)) and site.now() < ends_at


def question(request: Request, definition: PageDefinition, *, status_code: int = 200, wait_sec: int = 0) -> Response:
    """Answer with a page that asks for the password and tells nothing else."""
    style = page_style.style_of(None)
    response = rendering.page(
        request,
        "public/password.html",
        status_code=status_code,
        style=style,
        action=page_path(definition.slug),
        is_wrong=status_code == 401,
        is_busy=status_code == 503,
        wait_sec=wait_sec,
    )
    response.headers["content-security-policy"] = page_style.policy_of(style)
    return response


async def judge(request: Request, definition: PageDefinition, given: str) -> Verdict:
    """Judge a password of the page, which has one; ten wrong ones a minute and address are judged. Raises Busy."""
    site, kept = site_of(request), definition.password_hash
    host = request.client.host if request.client else ""
    return await site.passwords.judge(definition.id, kept or "", given, host=host, now=site.now())


def lead_in(request: Request, definition: PageDefinition, verdict: Verdict, *, path: str) -> Response:
    """Lead to the page at *path* with the cookie that opens it, or ask again."""
    if verdict.wait_sec:
        response = question(request, definition, status_code=429, wait_sec=verdict.wait_sec)
        response.headers["retry-after"] = str(verdict.wait_sec)
        return response
    if not verdict.is_right:
        return question(request, definition, status_code=401)
    site = site_of(request)
    response = RedirectResponse(path, status_code=303)
    end = int((site.now() + LIFETIME).timestamp())
    response.set_cookie(
        _cookie_name(definition),
        _signer(site).sign(f"{definition.id}.{_fingerprint(definition)}.{end}").decode(),
        max_age=int(LIFETIME.total_seconds()),
        path=path,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def come_back(request: Request, definition: PageDefinition) -> Response:
    """Ask again, later: more passwords are being judged than can be."""
    response = question(request, definition, status_code=503)
    response.headers["retry-after"] = str(RETRY_AFTER_SEC)
    return response


def _cookie_name(definition: PageDefinition) -> str:
    return f"pulsemon_page_{definition.id}"


def _fingerprint(definition: PageDefinition) -> str:
    return hashlib.sha256((definition.password_hash or "").encode()).hexdigest()[:16]


def _signer(site: Site) -> Signer:
    return Signer(site.session_secret, salt="pulsemon.page", digest_method=hashlib.sha256, key_derivation="hmac")
