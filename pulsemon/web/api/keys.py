"""The API of keys: make, list, read, rotate, revoke; and of a project's ping key.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`. What is of another
project is as good as missing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts import keys, ping_keys
from pulsemon.accounts.keys import KeyView, Kind, MadeKey, NewKey
from pulsemon.accounts.projects import DEFAULT_ID
from pulsemon.accounts.roles import Action, Scope
from pulsemon.errors import NO_PROJECT, REFUSALS, NotFound
from pulsemon.input import keys as key_fields
from pulsemon.input.keys import AnyKeyCreate, AskedKey, KeyRotate
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, Body, OptionalBody, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.principals import actor_of, principal_of
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import PARAMETER, project_of

router = Router(Audience.API, is_described=True)

# Where a wall screen stands, with what opens it.
SCREEN_PATH = "/screen/{token}"


class KeyAnswer(BaseModel):
    """A key, as the API shows it: all but the secret."""

    id: str
    name: str
    kind: Literal["key", "screen"] = Field(description="`screen`: the address of a wall screen.")
    beginning: str = Field(description="How it begins, to know it by.")
    scopes: list[Scope]
    project: str | None = Field(description="The slug of the only project that it opens. Null: all.")
    made_by: str = Field(description="A user's address, the name of a key, or `admin-token`.")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = Field(description="From then on it opens nothing. Null: never.")
    last_used_at: AwareDatetime | None = Field(description="To the minute.")
    last_used_addr: str | None = Field(description="The address that it was used from last.")


class MadeKeyAnswer(KeyAnswer):
    """A key that was made just now."""

    key: str = Field(default="", description="The key itself, this once. Not of a wall screen.")
    url: str = Field(default="", description="Of a wall screen: its address, this once.")
    scope: Literal["read-only", "read-write"] = Field(default="read-only", description="Where it was asked for so.")
    ping_key: str = Field(default="", description="The project's, where `scope` was asked for.")


class PingKeyAnswer(BaseModel):
    """What opens the ping URLs by slug of all monitors of a project."""

    project: str
    ping_key: str | None = Field(description="A secret: whoever has it can ping. Null: none was made yet.")


EXAMPLE_CREATE = {"name": "Grafana", "scopes": ["read", "metrics"], "project": None, "expires_at": None}
EXAMPLE_KEY = {
    "id": "5d41402abc4b2a76",
    "name": "Grafana",
    "kind": "key",
    "beginning": "pm_EXAMPL",
    "scopes": ["read", "metrics"],
    "project": None,
    "made_by": "admin-token",
    "created_at": "2026-03-01T12:00:00.000Z",
    "expires_at": None,
    "last_used_at": "2026-03-02T03:00:00.000Z",
    "last_used_addr": "192.0.2.7",
}
EXAMPLE_MADE = EXAMPLE_KEY | {
    "last_used_at": None,
    "last_used_addr": None,
    "key": "pm_EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXA",
}
EXAMPLE_PING_KEY = {"project": "default", "ping_key": "EXAMPLE-EXAMPLE-EXAMPL"}
_NOT_FOUND = openapi.error(404, keys.NO_KEY, keys.NO_KEY)
_CONFLICT = openapi.error(409, "There are too many, or it has expired.", REFUSALS["too-many-keys"])
_MADE = {"Location": "Where it is."}
_BAD_BODY = openapi.invalid("body", "scopes", msg=key_fields.PROBLEMS["key-scopes"], rule="key-scopes")
_BAD_ROTATION = openapi.invalid("body", "expires_at", msg=key_fields.PROBLEMS["key-end"], rule="key-end")
_ONE = openapi.UNAUTHORIZED | openapi.UNAVAILABLE


def key_answer(site: Site, view: KeyView) -> dict[str, Any]:
    """Return a key as the API shows it."""
    project = None if view.project_id is None else site.projects().of_id(view.project_id)
    return {
        "id": view.public_id,
        "name": view.name,
        "kind": Kind.KEY.value if view.kind in keys.OF_PROGRAMS else view.kind.value,
        "beginning": view.beginning,
        "scopes": list(view.scopes),
        "project": None if project is None else project.slug,
        "made_by": view.made_by,
        "created_at": instant(view.created_at),
        "expires_at": instant(view.expires_at),
        "last_used_at": instant(view.last_used_at),
        "last_used_addr": view.last_used_addr,
    }


def _made_answer(request: Request, made: MadeKey, extra: dict[str, Any] | None = None) -> Response:
    site = site_of(request)
    answer = key_answer(site, made.view)
    if made.view.kind is Kind.SCREEN:
        answer["url"] = site.origin(request) + SCREEN_PATH.format(token=made.secret)
    else:
        answer["key"] = made.secret
    location = {"location": f"/api/keys/{made.view.public_id}"}
    return JSONResponse(answer | (extra or {}), status_code=201, headers=HEADERS | location)


@router.post(
    "/api/keys",
    Action.ADMINISTER,
    status_code=201,
    response_model=MadeKeyAnswer,
    tags=["Keys"],
    summary="Make a key",
    operation_id="create_key",
    responses=openapi.answer(201, "Made. It is shown this once.", EXAMPLE_MADE, _MADE)
    | openapi.BODY_ERRORS
    | openapi.NO_SUCH_PROJECT
    | _CONFLICT
    | _BAD_BODY
    | _ONE,
    openapi_extra=openapi.body(AnyKeyCreate, EXAMPLE_CREATE),
)
def create_key(request: Request, data: Body) -> Response:
    """Make a key that opens its scopes, in one project or in all; it can open no more than whoever makes it may.

    `"kind": "screen"` makes the address of a wall screen. `"scope": "read-only"` or `"read-write"`, in place of
    `scopes`, makes a key of 32 characters for clients of Healthchecks, and shows the project's ping key.
    """
    site = site_of(request)
    asked = key_fields.create_from_json(data, now=site.now())
    project_id = _project_for(request, asked)
    made = keys.create(
        site.database,
        NewKey(asked.name, asked.scopes, project_id, asked.expires_at, asked.kind),
        maker=principal_of(request),
        made_by=_maker(request),
        now=site.now(),
    )
    if asked.scope is None or project_id is None:
        return _made_answer(request, made)
    ping_key = ping_keys.ensure(site.database, project_id)
    return _made_answer(request, made, {"scope": asked.scope, "ping_key": ping_key})


def _project_for(request: Request, asked: AskedKey) -> int | None:
    """Return the project that a new key opens, None for all. Raises NotFound: there is none that whoever asks knows."""
    within, needs_one = project_of(request), asked.kind is not Kind.KEY
    if asked.project is None:
        if asked.names_project and not needs_one:
            return None
        return DEFAULT_ID if needs_one and within is None else within
    found = site_of(request).project_of_slug(asked.project)
    if found is None or within not in (None, found):
        raise NotFound(NO_PROJECT)
    return found


def _maker(request: Request) -> str:
    actor = actor_of(request)
    return actor.name or actor.kind.value


@router.reads(
    "/api/keys",
    Action.ADMINISTER,
    response_model=list[KeyAnswer],
    tags=["Keys"],
    summary="List the keys",
    operation_id="list_keys",
    responses=openapi.answer(200, "Oldest first, without those that were revoked.", [EXAMPLE_KEY], openapi.PAGED)
    | openapi.NO_SUCH_PROJECT
    | _ONE
    | openapi.BAD_PAGING,
    openapi_extra={"parameters": [*openapi.PAGING, *openapi.OF_PROJECT]},
)
def list_keys(request: Request, asked: Paging) -> Response:
    """Return the keys of a project, or all keys to an owner; those that have expired too, for 90 days."""
    site = site_of(request)
    views, following = keys.list_of(
        site.database, project_id=project_of(request), limit=asked.limit, after=asked.position
    )
    kept = {name: value for name, value in request.query_params.items() if name == PARAMETER}
    headers = link(f"{site.origin(request)}/api/keys", asked, following, kept)
    return JSONResponse([key_answer(site, view) for view in views], headers=HEADERS | headers)


@router.reads(
    "/api/keys/ping-key",
    Action.SEE_SECRETS,
    response_model=PingKeyAnswer,
    tags=["Keys"],
    summary="Read a project's ping key",
    operation_id="read_ping_key",
    responses=openapi.answer(200, "It, or null where none was made yet.", EXAMPLE_PING_KEY)
    | openapi.NO_SUCH_PROJECT
    | _ONE,
    openapi_extra={"parameters": openapi.OF_PROJECT},
)
def read_ping_key(request: Request) -> Response:
    """Return what opens the ping URLs by slug of all monitors of a project; POST makes it, and makes it anew."""
    site, project_id = site_of(request), project_of(request) or DEFAULT_ID
    return _ping_key_answer(site, project_id, ping_keys.read(site.database, project_id))


@router.post(
    "/api/keys/ping-key",
    Action.ADMINISTER,
    response_model=PingKeyAnswer,
    tags=["Keys"],
    summary="Make a project's ping key anew",
    operation_id="renew_ping_key",
    responses=openapi.answer(200, "The new one; the old one opens nothing any more.", EXAMPLE_PING_KEY)
    | openapi.NO_SUCH_PROJECT
    | _ONE,
    openapi_extra={"parameters": openapi.OF_PROJECT},
)
def renew_ping_key(request: Request) -> Response:
    """Make another ping key. Every URL with the old one is 404 at once; the monitors' own URLs stay as they are."""
    site, project_id = site_of(request), project_of(request) or DEFAULT_ID
    return _ping_key_answer(site, project_id, ping_keys.renew(site.database, project_id, now=site.now()))


def _ping_key_answer(site: Site, project_id: int, ping_key: str | None) -> Response:
    project = site.projects().of_id(project_id)
    return JSONResponse({"project": project.slug if project else "", "ping_key": ping_key}, headers=HEADERS)


@router.reads(
    "/api/keys/{key_id}",
    Action.ADMINISTER,
    response_model=KeyAnswer,
    tags=["Keys"],
    summary="Read a key",
    operation_id="read_key",
    responses=openapi.answer(200, "The key, without its secret.", EXAMPLE_KEY) | _NOT_FOUND | _ONE,
)
def read_key(request: Request, key_id: str) -> Response:
    """Return one key, and when it was used last."""
    site = site_of(request)
    return JSONResponse(
        key_answer(site, keys.get(site.database, key_id, project_id=project_of(request))), headers=HEADERS
    )


@router.post(
    "/api/keys/{key_id}/rotate",
    Action.ADMINISTER,
    status_code=201,
    response_model=MadeKeyAnswer,
    tags=["Keys"],
    summary="Rotate a key",
    operation_id="rotate_key",
    responses=openapi.answer(201, "A second key with the same settings, shown this once.", EXAMPLE_MADE, _MADE)
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | _CONFLICT
    | _BAD_ROTATION
    | _ONE,
    openapi_extra=openapi.optional_body(KeyRotate, {"overlap_seconds": 3600}),
)
def rotate_key(request: Request, key_id: str, data: OptionalBody) -> Response:
    """Make a second key with the same settings; the old one opens for a day yet, or as long as `overlap_seconds`."""
    site = site_of(request)
    asked = key_fields.rotation_from_json(data, now=site.now())
    made = keys.rotate(
        site.database,
        key_id,
        project_id=project_of(request),
        maker=principal_of(request),
        made_by=_maker(request),
        overlap=asked.overlap,
        expires_at=asked.expires_at,
        now=site.now(),
    )
    return _made_answer(request, made)


@router.delete(
    "/api/keys/{key_id}",
    Action.ADMINISTER,
    status_code=204,
    response_class=Response,
    tags=["Keys"],
    summary="Revoke a key",
    operation_id="revoke_key",
    responses={204: {"description": "Revoked. Whoever shows it is told so."}} | _NOT_FOUND | _ONE,
)
def revoke_key(request: Request, key_id: str) -> Response:
    """Have a key open nothing from this moment on. There is no way back."""
    site = site_of(request)
    keys.revoke(site.database, key_id, project_id=project_of(request), now=site.now())
    return Response(status_code=204, headers=HEADERS)
