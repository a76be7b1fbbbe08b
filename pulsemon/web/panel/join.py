"""Where the links of invitations and resets lead, and "forgot your password?".

A GET shows the form and changes nothing, for mail scanners follow every link. Whether an address is known, nobody
learns here: the answer is the same, and given before it is looked up.
"""

from __future__ import annotations

from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pulsemon import log
from pulsemon.accounts import links, logins, passwords, users
from pulsemon.accounts.links import Linked, LinkKind
from pulsemon.accounts.roles import Action
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid, NotFound, PulseMonError
from pulsemon.input import accounts as account_fields
from pulsemon.web.html import rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http import account_links
from pulsemon.web.http.account_passwords import RETRY_AFTER_SEC, Busy
from pulsemon.web.http.form_data import SmallForm
from pulsemon.web.http.principals import remote_addr_of
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.panel import logins as login_pages

router = Router(Audience.PANEL)
_log = log.get(__name__)

CHOSEN = N_("Your password is set. Log in with it.")


@router.get("/join/{token}", Action.LINK)
def invitation(request: Request, token: str) -> Response:
    """Answer with the form in which somebody who was invited chooses a password."""
    return _form(request, LinkKind.INVITATION, token)


@router.post("/join/{token}", Action.LINK)
async def join(request: Request, token: str, typed: SmallForm) -> Response:
    """Take his password; the link works no more."""
    return await _choose(request, LinkKind.INVITATION, token, typed)


@router.get("/reset/{token}", Action.LINK)
def reset_form(request: Request, token: str) -> Response:
    """Answer with the form in which somebody chooses a new password."""
    return _form(request, LinkKind.RESET, token)


@router.post("/reset/{token}", Action.LINK)
async def reset(request: Request, token: str, typed: SmallForm) -> Response:
    """Take the new password; all sessions and links of the user end."""
    return await _choose(request, LinkKind.RESET, token, typed)


def _form(
    request: Request, kind: LinkKind, token: str, wrong: Invalid | None = None, *, status_code: int = 200, busy: int = 0
) -> Response:
    site = site_of(request)
    try:
        linked = links.find(site.database, kind, token, now=site.now())
    except NotFound:
        return _page(request, kind, None, status_code=404)
    return _page(request, kind, linked, wrong, status_code=status_code, busy=busy)


async def _choose(request: Request, kind: LinkKind, token: str, typed: dict[str, str]) -> Response:
    site = site_of(request)
    try:
        linked = await run_in_threadpool(links.find, site.database, kind, token, now=site.now())
        password = account_fields.new_password_from_form(typed, email=linked.email)
        host = request.client.host if request.client else ""
        kept = await site.hashing.work(lambda: passwords.keep(password), who=host)
        where = remote_addr_of(request)
        await run_in_threadpool(logins.set_by_link, site.database, kind, token, kept, remote_addr=where, now=site.now())
    except NotFound:
        return await run_in_threadpool(_page, request, kind, None, status_code=404)
    except Invalid as wrong:
        return await run_in_threadpool(_form, request, kind, token, wrong, status_code=422)
    except Busy:
        return await run_in_threadpool(_form, request, kind, token, status_code=503, busy=RETRY_AFTER_SEC)
    site.wake()
    return await run_in_threadpool(login_pages.page, request, done=CHOSEN)


def _page(
    request: Request,
    kind: LinkKind,
    linked: Linked | None,
    wrong: Invalid | None = None,
    *,
    status_code: int = 200,
    busy: int = 0,
) -> Response:
    words = Words(rendering.locale_of(request), site_of(request).now(), rendering.zone_of(request))
    problems = {each.field: words.problem(each) for each in (wrong.problems if wrong else ())}
    values: dict[str, Any] = {
        "is_invitation": kind is LinkKind.INVITATION,
        "linked": linked,
        "problems": problems,
        "busy": busy,
        "min_length": passwords.MIN_LENGTH,
        "max_length": passwords.MAX_LENGTH,
    }
    answer = rendering.page(request, "panel/join.html", status_code=status_code, holds_secret=True, **values)
    if busy:
        answer.headers["retry-after"] = str(busy)
    return answer


@router.get("/forgot", Action.PUBLIC)
def forgot_form(request: Request) -> Response:
    """Answer with the form that asks for a link to set a new password."""
    return _forgot_page(request)


@router.post("/forgot", Action.PUBLIC)
def forgot(request: Request, typed: SmallForm) -> Response:
    """Mail a link to whoever has this address. The answer is the same for every one."""
    site, given = site_of(request), typed.get("email", "")
    key = account_fields.key_of(given)
    if not key:
        return _forgot_page(request, given=given, problem=account_fields.PROBLEMS["email"], status_code=422)
    host = request.client.host if request.client else ""
    wait_sec = site.resets.take(host, now=site.now())
    if wait_sec:
        answer = _forgot_page(request, given=given, wait_sec=wait_sec, status_code=429)
        answer.headers["retry-after"] = str(wait_sec)
        return answer
    answer = _forgot_page(request, asked=given.strip())
    # After the answer, so that its time says nothing of the address either.
    answer.background = BackgroundTask(_mail, site, key, rendering.locale_of(request))
    return answer


def _mail(site: Site, key: str, locale: str) -> None:
    try:
        if site.settings.mail_server is None:
            return
        found = users.forgot(site.database, key, now=site.now())
        if found is not None:
            user, kind, token = found
            account_links.mail(site, user.email, kind, token, locale=locale)
    except PulseMonError as failed:
        _log.warning("reset.lost", reason=str(failed))


def _forgot_page(
    request: Request, *, given: str = "", problem: str = "", wait_sec: int = 0, asked: str = "", status_code: int = 200
) -> Response:
    values: dict[str, Any] = {
        "given": given,
        "problem": problem,
        "wait_sec": wait_sec,
        "asked": asked,
        "has_mail": site_of(request).settings.mail_server is not None,
    }
    return rendering.page(request, "panel/forgot.html", status_code=status_code, **values)
