"""The panel's members of the project that is shown: who has which role, somebody new, a link for who was invited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import members, users
from pulsemon.accounts.links import LIFETIMES, LinkKind
from pulsemon.accounts.members import MemberView
from pulsemon.accounts.roles import Action, Role
from pulsemon.accounts.users import NewUser
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Forbidden, Invalid
from pulsemon.input import accounts as account_fields
from pulsemon.web.html import rendering, role_words, viewpoint
from pulsemon.web.http.account_links import hand_out
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel import shared

router = Router(Audience.PANEL)

PAGE_SIZE = 100
_DONE = {
    "project-made": N_("Created. Nobody but owners sees it yet: add people, then monitors."),
    "member-added": N_("Added. The role holds from now on."),
    "role-given": N_("Saved. The role holds from now on."),
    "member-removed": N_("Removed from the project. The user stays, and so do the other projects of the user."),
}
_NOT_YOURS = N_("Only an owner can make a link for this user.")


@router.get("/people", Action.ADMINISTER)
def list_people(request: Request) -> Response:
    """Answer with the members of the project, and the form for somebody new."""
    return _list_page(request, {"role": Role.VIEWER.value})


@router.post("/people", Action.ADMINISTER, redraws=True)
def add(request: Request, form: Form) -> Response:
    """Say what the role opens, and ask; then give it. Whoever is not there yet is made, and invited by a link."""
    require_proof(request)
    site, project_id = site_of(request), the_project_of(request)
    try:
        shared.only_draw(request)
        asked = account_fields.user_from_form({name: form.get(name, "") for name in ("email", "name")})
        role = account_fields.role_from_form(form)
        if form.get("sure") != "yes":
            kept = {"email": asked.email, "name": asked.name, "role": role.value}
            here = members.by_email(site.database, project_id, asked.email_key)
            return _sure_page(request, "/people", kept, role, back="/people", member=here)
        new = NewUser(asked.email, asked.email_key, asked.name)
        member, token = members.invite(site.database, project_id, new, role, now=site.now())
    except Invalid as wrong:
        return _list_page(request, form, wrong.problems)
    except Conflict as refused:
        return _list_page(request, form, (shared.refused("email", refused),))
    site.wake()
    if token is None:
        return _to(request, "member-added")
    return _with_link(request, member, token)


@router.get("/people/{user_id}", Action.ADMINISTER)
def one(request: Request, user_id: str) -> Response:
    """Answer with a member's role, to be changed."""
    member = _member(request, user_id)
    return _one_page(request, member, {"role": member.role.value})


@router.post("/people/{user_id}", Action.ADMINISTER, redraws=True)
def give_role(request: Request, user_id: str, form: Form) -> Response:
    """Say what the role opens, and ask; then give it."""
    require_proof(request)
    site, member = site_of(request), _member(request, user_id)
    try:
        shared.only_draw(request)
        role = account_fields.role_from_form(form)
    except Invalid as wrong:
        return _one_page(request, member, form, wrong.problems)
    if form.get("sure") != "yes":
        here = f"/people/{member.id}"
        return _sure_page(request, here, _shown(member, role), role, back=here, member=member)
    members.set_role(site.database, the_project_of(request), member.id, role, now=site.now())
    site.wake()
    if _is_oneself(request, member) and role is not Role.ADMIN:  # who may look at this page no more
        return RedirectResponse("/?done=own-role", status_code=303)
    return _to(request, "role-given")


@router.get("/people/{user_id}/remove", Action.ADMINISTER)
def confirm_removal(request: Request, user_id: str) -> Response:
    """Say what is lost."""
    require_proof(request)
    return rendering.page(request, "panel/person_remove.html", member=_member(request, user_id))


@router.post("/people/{user_id}/remove", Action.ADMINISTER)
def remove(request: Request, user_id: str) -> Response:
    """Take a member out of the project."""
    require_proof(request)
    site, member = site_of(request), _member(request, user_id)
    members.remove(site.database, the_project_of(request), member.id, now=site.now())
    site.wake()
    return RedirectResponse("/", status_code=303) if _is_oneself(request, member) else _to(request, "member-removed")


@router.post("/people/{user_id}/link", Action.ADMINISTER)
def invite_again(request: Request, user_id: str) -> Response:
    """Make another link for whoever was invited and has not come yet; the one before works no more."""
    require_proof(request)
    site, member = site_of(request), _member(request, user_id)
    if not _may_invite_again(request, member):
        raise Forbidden(_NOT_YOURS)
    _, kind, token = users.invite_again(site.database, member.id, now=site.now())
    if kind is not LinkKind.INVITATION:  # came in the same moment: who has a password is not asked for another one
        return _to(request, "")
    return _with_link(request, member, token)


def _may_invite_again(request: Request, member: MemberView) -> bool:
    """Return whether whoever asks may have a link by which *member* logs in: of no other project, and of no owner."""
    if member.has_password or member.is_disabled:
        return False
    if principal_of(request).is_owner:
        return True
    if site_of(request).settings.mail_server is None:  # nobody but owners is shown one
        return False
    user = users.get(site_of(request).database, member.id)
    elsewhere = members.of_user(site_of(request).database, member.row_id)
    return not user.is_owner and {each.project_id for each in elsewhere} == {the_project_of(request)}


def _is_oneself(request: Request, member: MemberView) -> bool:
    principal = principal_of(request)
    return not principal.is_owner and member.id == principal.public_id


def _member(request: Request, user_id: str) -> MemberView:
    return members.get(site_of(request).database, the_project_of(request), user_id)


def _with_link(request: Request, member: MemberView, token: str) -> Response:
    """Answer with the link of an invitation, which is shown this once."""
    user = users.get(site_of(request).database, member.id)
    url = hand_out(request, user, LinkKind.INVITATION, token)
    return _list_page(request, {"role": Role.VIEWER.value}, link=url, invited=member)


def _list_page(
    request: Request,
    typed: Mapping[str, str],
    problems: Sequence[FieldProblem] = (),
    *,
    link: str = "",
    invited: MemberView | None = None,
) -> Response:
    site, after = site_of(request), read_position(request, "after")
    found, following = members.list_of(site.database, the_project_of(request), limit=PAGE_SIZE, after=after)
    return rendering.page(
        request,
        "panel/people.html",
        status_code=shared.status_of(problems),
        holds_secret=bool(link),
        members=found,
        after=after,
        following=following,
        link=link,
        link_sec=LIFETIMES[LinkKind.INVITATION].total_seconds(),
        invited=invited,
        has_mail=site.settings.mail_server is not None,
        done=shared.done_of(request, _DONE),
        **_role_values(),
        **shared.form_values(request, typed, problems),
    )


def _one_page(
    request: Request, member: MemberView, typed: Mapping[str, str], problems: Sequence[FieldProblem] = ()
) -> Response:
    return rendering.page(
        request,
        "panel/person.html",
        status_code=shared.status_of(problems),
        member=member,
        can_invite_again=_may_invite_again(request, member),
        done=shared.done_of(request, _DONE),
        **_role_values(),
        **shared.form_values(request, typed, problems),
    )


def _sure_page(
    request: Request, action: str, fields: Mapping[str, str], role: Role, *, back: str, member: MemberView | None
) -> Response:
    """Ask, before a role is given, with all that it opens. *member*: who has one here already."""
    return rendering.page(
        request,
        "panel/person_sure.html",
        action=action,
        fields=fields,
        role=role.value,
        back=back,
        had=member and member.role.value,
        loses_own=member is not None and _is_oneself(request, member) and role is not Role.ADMIN,
        **_role_values(),
    )


def _shown(member: MemberView, role: Role) -> dict[str, str]:
    return {"email": member.email, "name": member.name, "role": role.value}


def _role_values() -> dict[str, Any]:
    return {"roles": [(each.value, role_words.ROLE_WORDS[each], role_words.ROLE_SENTENCES[each]) for each in Role]}


def _to(request: Request, done: str) -> Response:
    query = viewpoint.in_project(request, **({"done": done} if done else {}))
    return RedirectResponse(f"/people{query}", status_code=303)
