"""The panel's users of the installation, for owners: all of them, what each is, links, disabling and removing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import members, users
from pulsemon.accounts.links import LIFETIMES, LinkKind
from pulsemon.accounts.roles import Action
from pulsemon.accounts.users import NewUser, UserChanges, UserView
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Invalid
from pulsemon.input import accounts as account_fields
from pulsemon.input import meanwhile
from pulsemon.web.html import rendering, role_words
from pulsemon.web.http.account_links import hand_out
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import shared

router = Router(Audience.PANEL)

PAGE_SIZE = 100
_DONE = {
    "saved": shared.SAVED,
    "disabled": N_("Disabled: all sessions have ended, and nobody logs in with this account."),
    "enabled": N_("Enabled: whoever has the password can log in again."),
    "user-removed": N_("Removed. What was done stays in the audit log."),
}


@router.get("/users", Action.OWN)
def list_users(request: Request) -> Response:
    """Answer with all users, and the form for a new one."""
    return _list_page(request, {})


@router.post("/users", Action.OWN, redraws=True)
def create(request: Request, form: Form) -> Response:
    """Make a user, who is invited by a link that is on this answer and on no other."""
    require_proof(request)
    site = site_of(request)
    try:
        shared.only_draw(request)
        asked = account_fields.user_from_form(form)
        new = NewUser(asked.email, asked.email_key, asked.name, is_owner=asked.is_owner)
        made, token = users.create(site.database, new, now=site.now())
    except Invalid as wrong:
        return _list_page(request, form, wrong.problems)
    except Conflict as refused:
        return _list_page(request, form, (shared.refused("email", refused),))
    site.wake()
    return _one_page(request, made, link=hand_out(request, made, LinkKind.INVITATION, token) if token else "")


@router.get("/users/{user_id}", Action.OWN)
def one(request: Request, user_id: str) -> Response:
    """Answer with one user: what he is, where he has roles, and what can be done."""
    return _one_page(request, users.get(site_of(request).database, user_id))


@router.post("/users/{user_id}", Action.OWN, redraws=True)
def edit(request: Request, user_id: str, form: Form) -> Response:
    """Change address, name, and whether he is an owner."""
    require_proof(request)
    site = site_of(request)
    user = users.get(site.database, user_id)
    present = {name: [text] for name, text in _fields_of(user).items()}
    merged = meanwhile.merge({name: [form.get(name, "")] for name in present} | _stamp_of(form), present)
    try:
        merged.require_no_clash(present)
        shared.only_draw(request)
        changes = account_fields.changes_from_form(merged.firsts()).changes
        said = UserChanges(changes.email, changes.email_key, changes.name, changes.is_owner)
        users.edit(site.database, user.id, said, now=site.now())
    except Invalid as wrong:
        return _one_page(request, user, typed=merged.firsts(), problems=wrong.problems)
    except Conflict as refused:
        field = "email" if refused.code == "email-taken" else "owner"
        return _one_page(request, user, typed=merged.firsts(), problems=(shared.refused(field, refused),))
    site.wake()
    return _to(user, "saved")


@router.post("/users/{user_id}/link", Action.OWN)
def make_link(request: Request, user_id: str) -> Response:
    """Make a link by which a user sets a password; it is on this answer and on no other."""
    require_proof(request)
    site = site_of(request)
    user, kind, token = users.invite_again(site.database, user_id, now=site.now())
    return _one_page(request, user, link=hand_out(request, user, kind, token), kind=kind)


@router.get("/users/{user_id}/disable", Action.OWN)
def confirm_disabling(request: Request, user_id: str) -> Response:
    """Say what ends."""
    require_proof(request)
    return _question(request, user_id, "disable")


@router.post("/users/{user_id}/disable", Action.OWN)
def disable(request: Request, user_id: str, form: Form) -> Response:
    """Let a user in no more: sessions end at once, and his keys unless they are kept."""
    require_proof(request)
    changes = UserChanges(is_disabled=True)
    try:
        return _change(request, user_id, changes, "disabled", keeps_keys=form.get("keep_keys") == "yes")
    except Conflict as refused:
        return _question(request, user_id, "disable", refused)


@router.post("/users/{user_id}/enable", Action.OWN)
def enable(request: Request, user_id: str) -> Response:
    """Let him in again."""
    require_proof(request)
    return _change(request, user_id, UserChanges(is_disabled=False), "enabled")


@router.get("/users/{user_id}/remove", Action.OWN)
def confirm_removal(request: Request, user_id: str) -> Response:
    """Say what is lost."""
    require_proof(request)
    return _question(request, user_id, "remove")


@router.post("/users/{user_id}/remove", Action.OWN)
def remove(request: Request, user_id: str, form: Form) -> Response:
    """Remove a user with his roles and sessions, and his keys unless they are kept."""
    require_proof(request)
    site = site_of(request)
    try:
        users.remove(site.database, user_id, keeps_keys=form.get("keep_keys") == "yes", now=site.now())
    except Conflict as refused:
        return _question(request, user_id, "remove", refused)
    site.wake()
    return RedirectResponse("/users?done=user-removed", status_code=303)


def _change(request: Request, user_id: str, changes: UserChanges, done: str, *, keeps_keys: bool = False) -> Response:
    site = site_of(request)
    user = users.edit(site.database, user_id, changes, keeps_keys=keeps_keys, now=site.now())
    site.wake()
    return _to(user, done)


def _stamp_of(form: Mapping[str, str]) -> dict[str, list[str]]:
    return {"stamp": [form["stamp"]]} if "stamp" in form else {}


def _fields_of(user: UserView) -> dict[str, str]:
    return {"email": user.email, "name": user.name, "owner": "yes" if user.is_owner else ""}


def _list_page(request: Request, typed: Mapping[str, str], problems: Sequence[FieldProblem] = ()) -> Response:
    site, after = site_of(request), read_position(request, "after")
    found, following = users.list_all(site.database, limit=PAGE_SIZE, after=after)
    return rendering.page(
        request,
        "panel/users.html",
        status_code=shared.status_of(problems),
        users=found,
        after=after,
        following=following,
        done=shared.done_of(request, _DONE),
        **shared.form_values(request, typed, problems),
    )


def _one_page(
    request: Request,
    user: UserView,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
    link: str = "",
    kind: LinkKind = LinkKind.INVITATION,
) -> Response:
    site, fields = site_of(request), _fields_of(user)
    return rendering.page(
        request,
        "panel/user.html",
        status_code=shared.status_of(problems),
        holds_secret=bool(link),
        user=user,
        memberships=members.of_user(site.database, user.row_id),
        role_words=role_words.ROLE_WORDS,
        link=link,
        link_sec=LIFETIMES[kind].total_seconds(),
        has_mail=site.settings.mail_server is not None,
        stamp=meanwhile.stamp({name: [text] for name, text in fields.items()}),
        done=shared.done_of(request, _DONE),
        **shared.form_values(request, fields if typed is None else typed, problems),
    )


def _question(request: Request, user_id: str, question: str, refused: Conflict | None = None) -> Response:
    user = users.get(site_of(request).database, user_id)
    status_code = 200 if refused is None else 409
    values: dict[str, Any] = {"user": user, "question": question, "refused": refused}
    return rendering.page(request, "panel/user_question.html", status_code=status_code, **values)


def _to(user: UserView, done: str) -> Response:
    return RedirectResponse(f"/users/{user.id}?done={done}", status_code=303)
