"""The page that asks once more for password, code or token before something that matters, and leads back to it.

What was typed is carried along, but for secrets. A form that can be drawn again is drawn again; a button is shown once
more, and does what it says when it is pressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import logins, passwords, sessions
from pulsemon.accounts.factors import Judged
from pulsemon.accounts.roles import Action, Principal, Proof
from pulsemon.input import accounts as account_fields
from pulsemon.input.rules import MAX_MONITORS, first_of
from pulsemon.web.html import rendering
from pulsemon.web.http import after_login
from pulsemon.web.http.account_passwords import RETRY_AFTER_SEC, Busy
from pulsemon.web.http.after_login import MAX_KEPT_BYTES, KeptForm
from pulsemon.web.http.bodies import MAX_FIELDS, read_fields
from pulsemon.web.http.principals import by_session, principal_of, session_id_of
from pulsemon.web.http.routing import Audience, Route, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel.logins import LoginForm, Refused, begin

router = Router(Audience.PANEL)
# In the form: whether what was kept can be drawn again.
_REDRAWS = "redraws"


async def on_proof_needed(request: Request, _: Exception) -> Response:
    """Answer with the page that asks; nothing was done."""
    if request.method != "POST":
        return await run_in_threadpool(page, request, {"next": after_login.address_of(request)})
    try:
        fields = await read_fields(request, max_fields=MAX_MONITORS + MAX_FIELDS, max_files=1, max_bytes=MAX_KEPT_BYTES)
    except HTTPException:
        return await run_in_threadpool(page, request, {}, is_lost=True)
    kept = after_login.kept_form(request, fields).to_text()
    await fields.close()
    route = request.scope.get("route")
    redraws = "yes" if isinstance(route, Route) and route.redraws else ""
    return await run_in_threadpool(page, request, {"kept": kept, _REDRAWS: redraws}, is_lost=not kept)


@router.post("/prove", Action.PUBLIC)
async def prove(request: Request, lists: LoginForm) -> Response:
    """Take a proof of whoever has a session, and lead back to what he was about to do."""
    form = {name: first_of(lists, name) for name in ("token", "password", "code", "next", "kept", _REDRAWS)}
    principal = await run_in_threadpool(by_session, request)
    if principal.proof is Proof.NONE:
        return RedirectResponse("/", status_code=303)
    refused = await _refusal(request, principal, form)
    if refused is not None:
        return await run_in_threadpool(page, request, form, refused=refused)
    site = site_of(request)
    await run_in_threadpool(sessions.prove, site.database, session_id_of(request), now=site.now())
    return await run_in_threadpool(_onward, request, form)


async def _refusal(request: Request, principal: Principal, form: Mapping[str, str]) -> Refused | None:
    """Return why what was shown is no proof; None: it is one."""
    site, now = site_of(request), site_of(request).now()
    host = request.client.host if request.client else ""
    if principal.user_id is None:
        is_right, wait_sec = site.logins.judge(form["token"].strip(), site.admin_token, host=host, now=now)
        return None if is_right else Refused("wrong-token", 429 if wait_sec else 401, wait_sec)
    key = account_fields.key_of(principal.name)
    attempt = begin(request, key)
    if isinstance(attempt, Refused):
        return attempt
    try:
        why = await _why_not(request, principal, form)
    except Busy:
        site.accounts.forget(attempt)
        return Refused("busy", 503, RETRY_AFTER_SEC)
    except BaseException:
        site.accounts.forget(attempt)
        raise
    site.accounts.end(attempt, is_right=not why, now=now)
    if why:
        site.guard.note_wrong(attempt.door, now=now)
    return Refused(why) if why else None


async def _why_not(request: Request, principal: Principal, form: Mapping[str, str]) -> str:
    site = site_of(request)
    who = await run_in_threadpool(logins.of_user, site.database, principal.public_id)
    if who.user_id is None:
        return "wrong"
    if form["code"].strip() and who.has_second_factor:
        judged = await run_in_threadpool(
            logins.prove_by_code, site.database, site.vault, who.user_id, form["code"], now=site.now()
        )
        return {Judged.RIGHT: "", Judged.USED: "used", Judged.UNREADABLE: "unreadable"}.get(judged, "code")
    host = request.client.host if request.client else ""
    judge = partial(passwords.matches, form["password"], who.password_hash)
    is_right = await site.hashing.work(judge, who=host, is_known=True)
    return "" if is_right else "wrong"


def page(
    request: Request, form: Mapping[str, str], *, refused: Refused | None = None, is_lost: bool = False
) -> Response:
    """Answer with the form that asks for the proof."""
    site, principal = site_of(request), principal_of(request)
    why = refused or Refused(status_code=200)
    kept = KeptForm.from_text(form.get("kept", ""))
    has_factor = False
    if principal.user_id is not None:
        has_factor = logins.of_user(site.database, principal.public_id).has_second_factor
    values: dict[str, Any] = {
        "is_user": principal.user_id is not None,
        "email": principal.name,
        "has_factor": has_factor,
        "why": why.why,
        "wait_sec": why.wait_sec,
        "is_lost": is_lost,
        "next_address": after_login.read_address(form.get("next", "")),
        "kept": kept.to_text() if kept else "",
        "redraws": form.get(_REDRAWS, ""),
    }
    answer = rendering.page(request, "panel/prove.html", status_code=why.status_code, holds_secret=True, **values)
    if why.wait_sec:
        answer.headers["retry-after"] = str(why.wait_sec)
    return answer


def _onward(request: Request, form: Mapping[str, str]) -> Response:
    kept = KeptForm.from_text(form["kept"])
    if kept is None:
        return RedirectResponse(after_login.read_address(form["next"]) or "/", status_code=303)
    redraws = form[_REDRAWS] == "yes"
    action = kept.drawing_address if redraws else kept.sent_address
    values: dict[str, Any] = {"action": action, "fields": kept.fields, "redraws": redraws}
    return rendering.page(request, "panel/proved.html", holds_secret=True, **values)
