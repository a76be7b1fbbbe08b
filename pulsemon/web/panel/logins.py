"""Login and logout. A login leads to the page that was asked for, or back to a form that was sent without a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import access
from pulsemon.accounts.roles import Action
from pulsemon.input.rules import MAX_MONITORS, first_of
from pulsemon.web.html import rendering
from pulsemon.web.http import after_login, session_cookies
from pulsemon.web.http.after_login import DRAW, MAX_ADDRESS_LENGTH, MAX_KEPT_BYTES, UNDONE, KeptForm
from pulsemon.web.http.bodies import MAX_FIELDS, read_fields
from pulsemon.web.http.form_data import lists_up_to
from pulsemon.web.http.principals import session_ids_of, set_session_cookie
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import list_address

router = Router(Audience.PANEL)

# What was kept, an address in which every byte may be three characters, and a token.
_MAX_LOGIN_BYTES = MAX_KEPT_BYTES + 3 * MAX_ADDRESS_LENGTH + 4_096
LoginForm = Annotated[dict[str, list[str]], Depends(lists_up_to(MAX_FIELDS, max_bytes=_MAX_LOGIN_BYTES))]


@router.get("/login", Action.PUBLIC)
def login_address(request: Request) -> Response:
    """The form stands at `/`."""
    return RedirectResponse("/", status_code=303)


@router.post("/login", Action.PUBLIC)
def login(request: Request, lists: LoginForm) -> Response:
    """Open a session for whoever has the admin token, and lead to where he was on his way."""
    site, form = site_of(request), {name: first_of(lists, name) for name in ("token", "next", "kept")}
    admin_token = site.settings.admin_token.get_secret_value()
    if not admin_token:
        return page(request, status_code=401)
    host = request.client.host if request.client else ""
    given = form["token"].strip()
    is_right, wait_sec = site.logins.judge(given, admin_token, host=host, now=site.now())
    if wait_sec:
        response = page(request, form, status_code=429, wait_sec=wait_sec)
        response.headers["retry-after"] = str(wait_sec)
        return response
    if not is_right:
        return page(request, form, status_code=401, is_wrong=True)
    for old_session in session_ids_of(request):
        access.close_session(site.database, old_session)
    response = _onward(request, form)
    session_id = access.open_session(site.database, admin_token, now=site.now())
    set_session_cookie(request, response, session_id)
    return response


@router.get("/logout", Action.PUBLIC)
def logout_address(request: Request) -> Response:
    """Only the button logs out: a link in somebody's page must not."""
    return RedirectResponse("/", status_code=303)


@router.post("/logout", Action.PUBLIC)
def logout(request: Request) -> Response:
    """End the session, here and wherever its cookie was copied to."""
    for session_id in session_ids_of(request):
        access.close_session(site_of(request).database, session_id)
    response = RedirectResponse("/", status_code=303)
    session_cookies.take_away(request, response)
    return response


def page(
    request: Request,
    form: Mapping[str, str] | None = None,
    *,
    status_code: int = 200,
    is_wrong: bool = False,
    wait_sec: int = 0,
    is_lost: bool = False,
) -> Response:
    """Answer with the form of the login. *form*: what it carries on; *is_lost*: what was typed could not be kept."""
    wanted = request.query_params.get("next", "") or list_address.read(request.query_params).link()
    carried = {"next": wanted} | dict(form or {})
    kept = KeptForm.from_text(carried.get("kept", ""))
    values: dict[str, Any] = {
        "is_closed": not site_of(request).settings.admin_token,
        "is_wrong": is_wrong,
        "wait_sec": wait_sec,
        "is_lost": is_lost,
        "is_undone": UNDONE in request.query_params,
        "has_ended": any(session_cookies.values_of(request.headers)),
        "next_address": after_login.read_address(carried["next"]),
        "kept": kept.to_text() if kept else "",
    }
    return rendering.page(request, "panel/login.html", status_code=status_code, holds_secret=bool(kept), **values)


async def page_that_keeps_the_form(request: Request) -> Response:
    """Answer a form that came without a session with the login, which carries what was typed."""
    try:
        fields = await read_fields(request, max_fields=MAX_MONITORS + MAX_FIELDS, max_files=1, max_bytes=MAX_KEPT_BYTES)
    except HTTPException:
        return await run_in_threadpool(page, request, status_code=401, is_lost=True)
    kept = after_login.kept_form(request, fields).to_text()
    await fields.close()
    return await run_in_threadpool(page, request, {"kept": kept}, status_code=401, is_lost=not kept)


def _onward(request: Request, form: Mapping[str, str]) -> Response:
    """Lead to the page that was asked for; a form that was kept is offered to be drawn again, never sent by itself."""
    kept = KeptForm.from_text(form["kept"])
    if kept is None:
        return RedirectResponse(after_login.read_address(form["next"]) or "/", status_code=303)
    return rendering.page(request, "panel/login_again.html", action=f"{kept.address}?{DRAW}=yes", fields=kept.fields)
