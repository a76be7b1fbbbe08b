"""What is a user's own: password, second factor, sessions; and for owners whether the admin token opens anything."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import admin_token, factors, logins, passwords, sessions
from pulsemon.accounts.roles import Action
from pulsemon.core.texts import N_
from pulsemon.errors import Invalid
from pulsemon.input import accounts as account_fields
from pulsemon.web.html import qr_code, rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http.account_passwords import RETRY_AFTER_SEC, Busy
from pulsemon.web.http.form_data import SmallForm
from pulsemon.web.http.principals import principal_of, session_id_of, set_session_cookie
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel.logins import where_of

router = Router(Audience.PANEL)

# What an app shows as the name of the account's issuer.
ISSUER = "PulseMon"
DONE = {
    "password": N_("Your password is changed. All other sessions have ended."),
    "factor-off": N_("The second factor is switched off."),
    "factor-off-token-on": N_(
        "The second factor is switched off. No owner has one any more: the admin token opens everything again."
    ),
    "ended": N_("The session has ended."),
    "ended-others": N_("All other sessions have ended."),
    "token-on": N_("The admin token opens everything again."),
    "token-off": N_("The admin token opens nothing any more."),
}


def _user_id(request: Request) -> int:
    user_id = principal_of(request).user_id
    assert user_id is not None  # noqa: S101 - the action lets in nobody else
    return user_id


def _back(done: str) -> Response:
    return RedirectResponse(f"/account?done={done}", status_code=303)


@router.get("/account", Action.OWN_ACCOUNT)
def account(request: Request) -> Response:
    """Answer with what is the user's own."""
    return _page(request)


def _page(request: Request, wrong: Invalid | None = None, *, status_code: int = 200, busy: int = 0) -> Response:
    site, principal, user_id = site_of(request), principal_of(request), _user_id(request)
    words = Words(rendering.locale_of(request), site.now(), rendering.zone_of(request))
    values: dict[str, Any] = {
        "email": principal.name,
        "factor": factors.state_of(site.database, site.vault, user_id),
        "sessions": sessions.list_of(site.database, user_id, session_id_of(request), now=site.now()),
        "problems": {each.field: words.problem(each) for each in (wrong.problems if wrong else ())},
        "busy": busy,
        "min_length": passwords.MIN_LENGTH,
        "max_length": passwords.MAX_LENGTH,
        "is_owner": principal.is_owner,
        "has_token": bool(site.settings.admin_token),
        "token_is_on": admin_token.is_on(site.database) if principal.is_owner else True,
        "can_switch_token_off": principal.is_owner and admin_token.can_be_off(site.database),
        "done": DONE.get(request.query_params.get("done", ""), ""),
    }
    answer = rendering.page(request, "panel/account.html", status_code=status_code, **values)
    if busy:
        answer.headers["retry-after"] = str(busy)
    return answer


@router.post("/account/password", Action.OWN_ACCOUNT)
async def change_password(request: Request, typed: SmallForm) -> Response:
    """Take a new password; every session ends but this one, which begins anew."""
    site = site_of(request)
    await run_in_threadpool(require_proof, request)
    try:
        password = account_fields.new_password_from_form(typed, email=principal_of(request).name)
        host = request.client.host if request.client else ""
        kept = await site.hashing.work(lambda: passwords.keep(password), who=host, is_known=True)
    except Invalid as wrong:
        return await run_in_threadpool(_page, request, wrong, status_code=422)
    except Busy:
        return await run_in_threadpool(_page, request, status_code=503, busy=RETRY_AFTER_SEC)
    session_id = await run_in_threadpool(
        logins.change_password, site.database, _user_id(request), kept, where_of(request), now=site.now()
    )
    response = _back("password")
    set_session_cookie(request, response, session_id)
    return response


@router.get("/account/second-factor", Action.OWN_ACCOUNT)
def second_factor(request: Request) -> Response:
    """Answer with the secret that was offered, or with the way to it."""
    require_proof(request)
    return _factor_page(request)


@router.post("/account/second-factor", Action.OWN_ACCOUNT)
def set_up_second_factor(request: Request, typed: SmallForm) -> Response:
    """Offer a secret; or, with a code of it, have it count from now on, and show the recovery codes this once."""
    require_proof(request)
    site, user_id, now = site_of(request), _user_id(request), site_of(request).now()
    if "code" not in typed:
        factors.offer(site.database, site.vault, user_id, now=now)
        return RedirectResponse("/account/second-factor", status_code=303)
    codes = factors.confirm(site.database, site.vault, user_id, typed["code"], now=now)
    if codes is None:
        return _factor_page(request, why="code", status_code=422)
    return _codes_page(request, codes, is_new=True)


def _factor_page(request: Request, *, why: str = "", status_code: int = 200) -> Response:
    site, principal, user_id = site_of(request), principal_of(request), _user_id(request)
    secret = None
    if factors.state_of(site.database, site.vault, user_id).confirmed_at is None:
        secret = factors.offered(site.database, site.vault, user_id)
    if secret is None:
        return RedirectResponse("/account", status_code=303)
    values: dict[str, Any] = {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "picture": qr_code.to_svg(factors.address_for_apps(secret, principal.name, ISSUER)),
        "why": why,
        "wait_sec": 0,
    }
    return rendering.page(request, "panel/second_factor.html", status_code=status_code, holds_secret=True, **values)


@router.post("/account/second-factor/off", Action.OWN_ACCOUNT)
def switch_second_factor_off(request: Request) -> Response:
    """Take the second factor away."""
    require_proof(request)
    site = site_of(request)
    was_on = admin_token.is_on(site.database)
    factors.remove(site.database, _user_id(request))
    site.token_switch.look(site.database)
    return _back("factor-off" if was_on or not admin_token.is_on(site.database) else "factor-off-token-on")


@router.post("/account/recovery-codes", Action.OWN_ACCOUNT)
def renew_recovery_codes(request: Request) -> Response:
    """Show ten new recovery codes this once; those of before count no more."""
    require_proof(request)
    return _codes_page(request, factors.renew_recovery_codes(site_of(request).database, _user_id(request)))


def _codes_page(request: Request, codes: list[str], *, is_new: bool = False) -> Response:
    return rendering.page(request, "panel/recovery_codes.html", holds_secret=True, codes=codes, is_new=is_new)


@router.post("/account/sessions/{session_id}/end", Action.OWN_ACCOUNT)
def end_session(request: Request, session_id: str) -> Response:
    """End one of the user's sessions."""
    sessions.end(site_of(request).database, _user_id(request), session_id)
    return _back("ended")


@router.post("/account/end-other-sessions", Action.OWN_ACCOUNT)
def end_other_sessions(request: Request) -> Response:
    """End all of the user's sessions but this one."""
    sessions.end_others(site_of(request).database, _user_id(request), session_id_of(request))
    return _back("ended-others")


@router.post("/account/admin-token", Action.OWN)
def switch_admin_token(request: Request, typed: SmallForm) -> Response:
    """Switch the admin token on or off."""
    require_proof(request)
    site, on = site_of(request), typed.get("switch") == "on"
    admin_token.switch(site.database, on=on)
    site.token_switch.look(site.database)
    return _back("token-on" if on else "token-off")
