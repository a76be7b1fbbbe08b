"""Login and logout: by the admin token, or as a user by address and password, and then a code where one is asked for.

A login leads to the page that was asked for, or back to a form that was sent without a session; both survive the step
between password and code. Every address gets the same answer after the same time, whoever it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon import log
from pulsemon.accounts import access, logins, passwords, users
from pulsemon.accounts.access import Where
from pulsemon.accounts.factors import Judged
from pulsemon.accounts.logins import Credentials
from pulsemon.accounts.roles import OWNER_BY_SESSION, Action
from pulsemon.db import audit
from pulsemon.db.audit import Actor, ActorKind
from pulsemon.input import accounts as account_fields
from pulsemon.input.rules import MAX_MONITORS, first_of
from pulsemon.web.html import rendering
from pulsemon.web.http import account_passwords, after_login, pending, session_cookies
from pulsemon.web.http.account_passwords import Busy
from pulsemon.web.http.after_login import MAX_ADDRESS_LENGTH, MAX_KEPT_BYTES, UNDONE, KeptForm
from pulsemon.web.http.bodies import MAX_FIELDS, read_fields
from pulsemon.web.http.form_data import lists_up_to
from pulsemon.web.http.principals import remote_addr_of, session_ids_of, set_session_cookie
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.throttle import Attempt, network
from pulsemon.web.panel import list_address

_log = log.get(__name__)

router = Router(Audience.PANEL)

# What was kept, an address in which every byte may be three characters, and what is typed.
_MAX_LOGIN_BYTES = MAX_KEPT_BYTES + 3 * MAX_ADDRESS_LENGTH + 8_192
LoginForm = Annotated[dict[str, list[str]], Depends(lists_up_to(MAX_FIELDS, max_bytes=_MAX_LOGIN_BYTES))]
_FIELDS = ("token", "email", "password", "code", "pending", "next", "kept")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody was not let in: `why` is wrong-token, wrong, code, used, unreadable, over, busy, or empty."""

    why: str = ""
    status_code: int = 401
    wait_sec: int = 0


@router.get("/login", Action.PUBLIC)
def login_address(request: Request) -> Response:
    """The form stands at `/`."""
    return RedirectResponse("/", status_code=303)


@router.post("/login", Action.PUBLIC)
async def login(request: Request, lists: LoginForm) -> Response:
    """Open a session for whoever shows who he is, and lead to where he was on his way."""
    form = {name: first_of(lists, name) for name in _FIELDS}
    if form["pending"]:
        return await _by_code(request, form)
    if form["email"] or form["password"]:
        return await _by_password(request, form)
    return await site_of(request).hashing.in_turn(_by_token, request, form)


def _by_token(request: Request, form: Mapping[str, str]) -> Response:
    site = site_of(request)
    if not site.admin_token:
        return page(request, form, status_code=401, refused=Refused("wrong-token" if form["token"] else ""))
    host = request.client.host if request.client else ""
    given = form["token"].strip()
    is_right, wait_sec = site.logins.judge(given, site.admin_token, host=host, now=site.now())
    if wait_sec:
        return page(request, form, refused=Refused("wrong-token", 429, wait_sec))
    if not is_right:
        return page(request, form, refused=Refused("wrong-token"))
    actor = Actor(ActorKind.ADMIN_TOKEN, OWNER_BY_SESSION.name, site.now(), remote_addr=remote_addr_of(request))
    with audit.acting(actor):
        session_id = access.open_session(site.database, site.admin_token, where=where_of(request), now=site.now())
    return _let_in(request, form, session_id)


async def _by_password(request: Request, form: Mapping[str, str]) -> Response:
    """Compare a password, always: with what is kept of the user's, or of nobody's."""
    site = site_of(request)
    key = account_fields.key_of(form["email"])
    attempt = begin(request, key)
    if isinstance(attempt, Refused):
        return await site.hashing.in_turn(page, request, form, refused=attempt)
    try:
        who, is_right = await _compare(site, attempt, form["password"])
    except Busy:
        site.accounts.forget(attempt)
        busy = Refused("busy", 503, account_passwords.RETRY_AFTER_SEC)
        return await site.hashing.in_turn(page, request, form, refused=busy)
    except BaseException:
        site.accounts.forget(attempt)
        raise
    if not is_right or who.user_id is None:
        return await site.hashing.in_turn(_refuse, request, form, attempt, "wrong")
    if who.has_second_factor:
        site.accounts.forget(attempt)  # the code decides whether it was somebody who may come in
        kept = dict(form) | {"pending": pending.make(site.session_secret, who, now=site.now())}
        return await site.hashing.in_turn(code_page, request, kept)
    new_hash = await _fresh_hash(site, who, form["password"], attempt.who)
    return await site.hashing.in_turn(_enter, request, form, attempt, who, new_hash)


async def _by_code(request: Request, form: Mapping[str, str]) -> Response:
    site = site_of(request)
    found = pending.read(site.session_secret, form["pending"], now=site.now())
    who = None if found is None else await site.hashing.in_turn(logins.of_user, site.database, found[0])
    if found is None or who is None or who.user_id is None or who.password_version != found[1]:
        return await site.hashing.in_turn(page, request, form, refused=Refused("over"))
    attempt = begin(request, account_fields.key_of(who.email))
    if isinstance(attempt, Refused):
        return await site.hashing.in_turn(code_page, request, form, refused=attempt)
    return await site.hashing.in_turn(_enter, request, form, attempt, who)


def begin(request: Request, key: str) -> Attempt | Refused:
    """Count a try at an account; say how long to wait where there were too many, from here or at the account."""
    site, now = site_of(request), site_of(request).now()
    host = request.client.host if request.client else ""
    attempt = site.accounts.begin("", key, host=host, now=now)
    if attempt.verdict is not None:
        return Refused("wrong", 429, attempt.verdict.wait_sec)
    is_known = site.accounts.is_known(host, key, now=now)
    wait_sec = site.guard.wait_sec(key, network(host), is_known=is_known, now=now)
    if wait_sec:
        site.accounts.forget(attempt)
        return Refused("wrong", 429, wait_sec)
    return attempt


async def _compare(site: Site, attempt: Attempt, given: str) -> tuple[Credentials, bool]:
    """Return whose the account is that is tried, or nobody's, and whether *given* is its password. Raises Busy."""

    def compare() -> tuple[Credentials, bool]:
        who = logins.find(site.database, attempt.door)
        return who, passwords.matches(given, who.password_hash)

    is_known = site.accounts.is_known(attempt.who, attempt.door, now=site.now())
    return await site.hashing.work(compare, who=attempt.who, is_known=is_known)


async def _fresh_hash(site: Site, who: Credentials, given: str, address: str) -> str | None:
    """Return what is kept of the password from now on, where that was made with parameters of before."""
    if not passwords.is_outdated(who.password_hash):
        return None
    return await site.hashing.work(lambda: passwords.keep(given), who=address, is_known=True)


def _enter(
    request: Request, form: Mapping[str, str], attempt: Attempt, who: Credentials, new_hash: str | None = None
) -> Response:
    site = site_of(request)
    try:
        judged, session_id = logins.enter(
            site.database,
            site.vault,
            who,
            where_of(request),
            code=form["code"],
            new_hash=new_hash,
            now=site.now(),
        )
    except BaseException:
        site.accounts.forget(attempt)
        raise
    if judged is not Judged.RIGHT:
        words = {Judged.USED: "used", Judged.UNREADABLE: "unreadable"}
        return _refuse(request, form, attempt, words.get(judged, "code" if who.has_second_factor else "wrong"))
    site.accounts.end(attempt, is_right=True, now=site.now())
    return _let_in(request, form, session_id)


def _refuse(request: Request, form: Mapping[str, str], attempt: Attempt, why: str) -> Response:
    site = site_of(request)
    site.accounts.end(attempt, is_right=False, now=site.now())
    site.guard.note_wrong(attempt.door, now=site.now())
    answer = page if why == "wrong" else code_page
    return answer(request, form, refused=Refused(why))


def where_of(request: Request) -> Where:
    """Return from where a session is opened."""
    return Where(remote_addr_of(request), request.headers.get("user-agent"))


def _let_in(request: Request, form: Mapping[str, str], session_id: str) -> Response:
    site = site_of(request)
    for old_session in session_ids_of(request):
        access.close_session(site.database, old_session)
    response = _onward(request, form)
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
    refused: Refused | None = None,
    status_code: int = 200,
    is_lost: bool = False,
    done: str = "",
) -> Response:
    """Answer with the form of the login. *form*: what it carries on; *is_lost*: what was typed could not be kept."""
    site, why = site_of(request), refused or Refused(status_code=status_code)
    has_users = users.is_anybody(site.database)
    wanted = request.query_params.get("next", "") or list_address.read(request.query_params).link()
    carried = {"next": wanted, "email": ""} | dict(form or {})
    kept = KeptForm.from_text(carried.get("kept", ""))
    values: dict[str, Any] = {
        "is_closed": not site.settings.admin_token and not has_users,
        "has_users": has_users,
        "takes_token": bool(site.admin_token),
        "email": carried["email"],
        "why": why.why,
        "wait_sec": why.wait_sec,
        "is_lost": is_lost,
        "is_undone": UNDONE in request.query_params,
        "has_ended": any(session_cookies.values_of(request.headers)) and not (done or why.why),
        "next_address": after_login.read_address(carried["next"]),
        "kept": kept.to_text() if kept else "",
        "done": done,
    }
    answer = rendering.page(request, "panel/login.html", status_code=why.status_code, holds_secret=bool(kept), **values)
    return _with_retry_after(answer, why)


def code_page(request: Request, form: Mapping[str, str], *, refused: Refused | None = None) -> Response:
    """Answer with the form that asks for a code, and carries on what the login was on its way to."""
    why = refused or Refused(status_code=200)
    kept = KeptForm.from_text(form["kept"])
    values: dict[str, Any] = {
        "why": why.why,
        "wait_sec": why.wait_sec,
        "pending": form["pending"],
        "next_address": after_login.read_address(form["next"]),
        "kept": kept.to_text() if kept else "",
    }
    answer = rendering.page(request, "panel/login_code.html", status_code=why.status_code, holds_secret=True, **values)
    return _with_retry_after(answer, why)


def _with_retry_after(answer: Response, why: Refused) -> Response:
    if why.wait_sec:
        answer.headers["retry-after"] = str(why.wait_sec)
    return answer


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
    return rendering.page(request, "panel/login_again.html", action=kept.drawing_address, fields=kept.fields)
