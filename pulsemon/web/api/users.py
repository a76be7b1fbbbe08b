"""The API of users: create, read, edit, remove, and new links for who cannot log in. For owners.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts import admin_token, factors, users
from pulsemon.accounts.links import LIFETIMES, LinkKind
from pulsemon.accounts.roles import Action
from pulsemon.accounts.users import NewUser, UserView
from pulsemon.core.edits import given
from pulsemon.errors import NO_USER, REFUSALS
from pulsemon.input import accounts as account_fields
from pulsemon.input.accounts import AskedUser, PasswordPut, SwitchPut, UserCreate, UserPatch, UserRemoval
from pulsemon.web.api import openapi
from pulsemon.web.http.account_links import hand_out
from pulsemon.web.http.json_api import HEADERS, Body, OptionalBody, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of

router = Router(Audience.API, is_described=True)


class UserAnswer(BaseModel):
    """A user, as the API shows one."""

    id: str
    email: str
    name: str
    owner: bool = Field(description="Of the installation: may do everything, in every project.")
    invited: bool = Field(description="Has not chosen a password yet.")
    disabled: bool
    second_factor: bool = Field(description="Is asked for a code as well.")
    last_login_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class NewUserAnswer(UserAnswer):
    """A user who was made just now."""

    invitation_url: str | None = Field(None, description="Where the user chooses a password, within 7 days. This once.")


class LinkAnswer(BaseModel):
    """A link by which a user sets a password. It is shown this once."""

    kind: Literal["invitation", "reset"]
    url: str
    expires_at: AwareDatetime


class SwitchAnswer(BaseModel):
    """Whether something is switched on."""

    on: bool


EXAMPLE_CREATE = {"email": "ana@example.org", "name": "Ana"}
EXAMPLE_USER = {
    "id": "5d41402abc4b2a76",
    "email": "ana@example.org",
    "name": "Ana",
    "owner": False,
    "invited": True,
    "disabled": False,
    "second_factor": False,
    "last_login_at": None,
    "created_at": "2026-03-01T12:00:00.000Z",
    "updated_at": "2026-03-01T12:00:00.000Z",
}
EXAMPLE_NEW_USER = EXAMPLE_USER | {"invitation_url": "https://pulsemon.example.org/join/EXAMPLE-TOKEN-0000000000000000"}
EXAMPLE_LINK = {
    "kind": "invitation",
    "url": EXAMPLE_NEW_USER["invitation_url"],
    "expires_at": "2026-03-08T12:00:00.000Z",
}
_NOT_FOUND = openapi.error(404, NO_USER, NO_USER)
_TAKEN = openapi.error(409, "The address is taken.", REFUSALS["email-taken"])
_TAKEN_OR_LAST = openapi.error(409, "The address is taken, or no owner would be left.", REFUSALS["last-owner"])
_LAST = openapi.error(409, "No owner would be left.", REFUSALS["last-owner"])
_DISABLED = openapi.error(409, "The user is disabled.", REFUSALS["user-disabled"])
_BAD_BODY = openapi.invalid("body", "email", msg=account_fields.PROBLEMS["email"], rule="email")
_ONE = openapi.UNAUTHORIZED | openapi.UNAVAILABLE


def user_answer(user: UserView) -> dict[str, Any]:
    """Return a user as the API shows one."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "owner": user.is_owner,
        "invited": not user.has_password,
        "disabled": user.disabled_at is not None,
        "second_factor": user.has_second_factor,
        "last_login_at": instant(user.last_login_at),
        "created_at": instant(user.created_at),
        "updated_at": instant(user.updated_at),
    }


def new_user(site: Site, asked: AskedUser) -> NewUser:
    """Return a new user as he is made: the password that was asked for, if one was, is hashed."""
    password_hash = site.hashing.keep(asked.password) if asked.password is not None else None
    return NewUser(asked.email, asked.email_key, asked.name, password_hash, asked.is_owner)


@router.post(
    "/api/users",
    Action.OWN,
    status_code=201,
    response_model=NewUserAnswer,
    tags=["People"],
    summary="Create a user",
    operation_id="create_user",
    responses=openapi.answer(201, "Created.", EXAMPLE_NEW_USER, {"Location": "Where the user is."})
    | openapi.BODY_ERRORS
    | _TAKEN
    | _BAD_BODY
    | _ONE,
    openapi_extra=openapi.body(UserCreate, EXAMPLE_CREATE),
)
def create_user(request: Request, data: Body) -> Response:
    """Make a user. Without a password the answer bears the link of an invitation, which is mailed too."""
    site = site_of(request)
    asked = account_fields.user_from_json(data)
    made, token = users.create(site.database, new_user(site, asked), now=site.now())
    site.wake()
    answer = user_answer(made)
    if token is not None:
        answer["invitation_url"] = hand_out(request, made, LinkKind.INVITATION, token)
    return JSONResponse(answer, status_code=201, headers=HEADERS | {"location": f"/api/users/{made.id}"})


@router.reads(
    "/api/users",
    Action.OWN,
    response_model=list[UserAnswer],
    tags=["People"],
    summary="List the users",
    operation_id="list_users",
    responses=openapi.answer(200, "Oldest first.", [EXAMPLE_USER], openapi.PAGED) | _ONE | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_users(request: Request, asked: Paging) -> Response:
    """Return all users, or with `limit` a page of them."""
    site = site_of(request)
    found, following = users.list_all(site.database, limit=asked.limit, after=asked.position)
    headers = link(f"{site.origin(request)}/api/users", asked, following)
    return JSONResponse([user_answer(each) for each in found], headers=HEADERS | headers)


@router.reads(
    "/api/users/{user_id}",
    Action.OWN,
    response_model=UserAnswer,
    tags=["People"],
    summary="Read a user",
    operation_id="read_user",
    responses=openapi.answer(200, "The user.", EXAMPLE_USER) | _NOT_FOUND | _ONE,
)
def read_user(request: Request, user_id: str) -> Response:
    """Return one user."""
    return JSONResponse(user_answer(users.get(site_of(request).database, user_id)), headers=HEADERS)


@router.patch(
    "/api/users/{user_id}",
    Action.OWN,
    response_model=UserAnswer,
    tags=["People"],
    summary="Edit a user",
    operation_id="edit_user",
    responses=openapi.answer(200, "The user now.", EXAMPLE_USER | {"owner": True})
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | _TAKEN_OR_LAST
    | _BAD_BODY
    | _ONE,
    openapi_extra=openapi.body(UserPatch, {"owner": True}),
)
def edit_user(request: Request, user_id: str, data: Body) -> Response:
    """Change the fields that are sent; the others stay. Whoever is disabled has no session from now on."""
    site = site_of(request)
    asked = account_fields.changes_from_json(data)
    if not given(asked.changes):
        return read_user(request, user_id)
    edited = users.edit(site.database, user_id, asked.changes, keeps_keys=asked.keeps_keys, now=site.now())
    site.wake()
    return JSONResponse(user_answer(edited), headers=HEADERS)


@router.delete(
    "/api/users/{user_id}",
    Action.OWN,
    status_code=204,
    response_class=Response,
    tags=["People"],
    summary="Remove a user",
    operation_id="remove_user",
    responses={204: {"description": "Removed, with sessions, links, roles, and the keys that the user made."}}
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | _LAST
    | openapi.invalid("body", "keep_keys", msg="This must be true or false.", rule="not-bool")
    | _ONE,
    openapi_extra=openapi.optional_body(UserRemoval, {"keep_keys": True}),
)
def remove_user(request: Request, user_id: str, data: OptionalBody) -> Response:
    """Remove a user. What he did stays in the log under his name; `keep_keys`: the keys that he made go on."""
    site = site_of(request)
    keeps_keys = False if data is None else account_fields.keeps_keys_from_json(data)
    users.remove(site.database, user_id, keeps_keys=keeps_keys, now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.post(
    "/api/users/{user_id}/link",
    Action.OWN,
    status_code=201,
    response_model=LinkAnswer,
    tags=["People"],
    summary="Make a link for a user who cannot log in",
    operation_id="make_link",
    responses=openapi.answer(201, "Made, and mailed where mail is set up. Older ones end.", EXAMPLE_LINK)
    | _NOT_FOUND
    | _DISABLED
    | _ONE,
)
def make_link(request: Request, user_id: str) -> Response:
    """Return a link by which the user sets a password: an invitation for whoever has none yet, else a reset."""
    site, now = site_of(request), site_of(request).now()
    user, kind, token = users.invite_again(site.database, user_id, now=now)
    url = hand_out(request, user, kind, token)
    answer = {"kind": kind.value, "url": url, "expires_at": instant(now + LIFETIMES[kind])}
    return JSONResponse(answer, status_code=201, headers=HEADERS)


@router.put(
    "/api/users/{user_id}/password",
    Action.OWN,
    status_code=204,
    response_class=Response,
    tags=["People"],
    summary="Set a user's password",
    operation_id="set_password",
    responses={204: {"description": "Set. All sessions and links of the user have ended."}}
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | openapi.invalid("body", "password", msg=account_fields.PROBLEMS["password-common"], rule="password-common")
    | _ONE,
    openapi_extra=openapi.body(PasswordPut, {"password": "a horse, a battery and a staple"}),
)
def set_password(request: Request, user_id: str, data: Body) -> Response:
    """Give a user a password. A link by which he chooses one himself is better: nobody else knows that one."""
    site = site_of(request)
    kept = site.hashing.keep(account_fields.password_from_json(data))
    users.give_password(site.database, user_id, kept, now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.delete(
    "/api/users/{user_id}/second-factor",
    Action.OWN,
    status_code=204,
    response_class=Response,
    tags=["People"],
    summary="Take away a user's second factor",
    operation_id="remove_second_factor",
    responses={204: {"description": "Gone, with the recovery codes."}}
    | _NOT_FOUND
    | openapi.error(409, "There is none.", REFUSALS["no-factor"])
    | _ONE,
)
def remove_second_factor(request: Request, user_id: str) -> Response:
    """Take it away from a user who lost it. The password alone lets in from then on."""
    site = site_of(request)
    factors.remove(site.database, users.get(site.database, user_id).row_id)
    site.token_switch.look(site.database)
    return Response(status_code=204, headers=HEADERS)


@router.put(
    "/api/admin-token",
    Action.OWN,
    response_model=SwitchAnswer,
    tags=["People"],
    summary="Switch the admin token off or on",
    operation_id="switch_admin_token",
    responses=openapi.answer(200, "As it is now.", {"on": True})
    | openapi.BODY_ERRORS
    | openapi.error(409, "No owner has a second factor.", REFUSALS["admin-token-needed"])
    | openapi.invalid("body", "on", msg="This must be true or false.", rule="not-bool")
    | _ONE,
    openapi_extra=openapi.body(SwitchPut, {"on": True}),
)
def switch_admin_token(request: Request, data: Body) -> Response:
    """Have the admin token open nothing, or everything again. Off takes an owner with a second factor."""
    site = site_of(request)
    admin_token.switch(site.database, on=account_fields.switch_from_json(data))
    site.token_switch.look(site.database)
    return JSONResponse({"on": site.token_switch.is_on}, headers=HEADERS)
