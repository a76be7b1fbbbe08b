"""The API of projects and of their members.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts import members, projects
from pulsemon.accounts.members import MemberView
from pulsemon.accounts.projects import ProjectView
from pulsemon.accounts.roles import Action
from pulsemon.errors import NO_MEMBER, NO_PROJECT, NO_USER, REFUSALS
from pulsemon.input import accounts as account_fields
from pulsemon.input.accounts import MemberPut, ProjectCreate, ProjectPatch
from pulsemon.web.api import openapi
from pulsemon.web.http.json_api import HEADERS, Body, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About, project_of, the_project_of

router = Router(Audience.API, about=About.PROJECT, is_described=True)


class ProjectAnswer(BaseModel):
    """A project, as the API shows it."""

    slug: str = Field(description="By which programs name it; the first project is `default`.")
    name: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class MemberAnswer(BaseModel):
    """A user with a role in a project."""

    id: str = Field(description="The user's.")
    email: str
    name: str
    role: Literal["viewer", "responder", "editor", "admin"]
    invited: bool = Field(description="Has not chosen a password yet.")
    disabled: bool


EXAMPLE_CREATE = {"slug": "shop", "name": "The shop"}
EXAMPLE_PROJECT = EXAMPLE_CREATE | {
    "created_at": "2026-03-01T12:00:00.000Z",
    "updated_at": "2026-03-01T12:00:00.000Z",
}
EXAMPLE_MEMBER = {
    "id": "5d41402abc4b2a76",
    "email": "ana@example.org",
    "name": "Ana",
    "role": "responder",
    "invited": False,
    "disabled": False,
}
_NOT_FOUND = openapi.error(404, NO_PROJECT, NO_PROJECT)
_NO_MEMBER = openapi.error(404, "There is no such project, or no such member.", NO_MEMBER)
_NO_USER = openapi.error(404, "There is no such project, or no such user.", NO_USER)
_TAKEN = openapi.error(409, "The slug is taken.", REFUSALS["project-slug-taken"])
_STAYS = openapi.error(409, "It is the first one, or not empty.", REFUSALS["project-not-empty"])
_BAD_BODY = openapi.invalid("body", "slug", msg=account_fields.PROBLEMS["project-slug"], rule="project-slug")
_BAD_NAME = openapi.invalid("body", "name", msg="This must not be blank.", rule="blank")
_BAD_ROLE = openapi.invalid("body", "role", msg=account_fields.PROBLEMS["role"], rule="role")
_ONE = openapi.UNAUTHORIZED | openapi.UNAVAILABLE


def project_answer(project: ProjectView) -> dict[str, Any]:
    """Return a project as the API shows it."""
    return {
        "slug": project.slug,
        "name": project.name,
        "created_at": instant(project.created_at),
        "updated_at": instant(project.updated_at),
    }


def member_answer(member: MemberView) -> dict[str, Any]:
    """Return a member as the API shows one."""
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "role": member.role.value,
        "invited": not member.has_password,
        "disabled": member.is_disabled,
    }


@router.post(
    "/api/projects",
    Action.OWN,
    status_code=201,
    response_model=ProjectAnswer,
    tags=["People"],
    summary="Create a project",
    operation_id="create_project",
    responses=openapi.answer(201, "Created.", EXAMPLE_PROJECT, {"Location": "Where it is."})
    | openapi.BODY_ERRORS
    | _TAKEN
    | _BAD_BODY
    | _ONE,
    openapi_extra=openapi.body(ProjectCreate, EXAMPLE_CREATE),
)
def create_project(request: Request, data: Body) -> Response:
    """Make a project, which nothing belongs to and nobody is a member of yet."""
    site = site_of(request)
    made = projects.create(site.database, account_fields.project_from_json(data), now=site.now())
    site.wake()
    headers = HEADERS | {"location": f"/api/projects/{made.slug}"}
    return JSONResponse(project_answer(made), status_code=201, headers=headers)


@router.reads(
    "/api/projects",
    Action.READ,
    response_model=list[ProjectAnswer],
    tags=["People"],
    summary="List the projects",
    operation_id="list_projects",
    responses=openapi.answer(200, "Oldest first.", [EXAMPLE_PROJECT], openapi.PAGED) | _ONE | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_projects(request: Request, asked: Paging) -> Response:
    """Return the projects that whoever asks may look at, or with `limit` a page of them."""
    site, own = site_of(request), project_of(request)
    only = None if own is None else (own,)
    found, following = projects.list_all(site.database, limit=asked.limit, after=asked.position, only=only)
    headers = link(f"{site.origin(request)}/api/projects", asked, following)
    return JSONResponse([project_answer(each) for each in found], headers=HEADERS | headers)


@router.reads(
    "/api/projects/{slug}",
    Action.READ,
    response_model=ProjectAnswer,
    tags=["People"],
    summary="Read a project",
    operation_id="read_project",
    responses=openapi.answer(200, "The project.", EXAMPLE_PROJECT) | _NOT_FOUND | _ONE,
)
def read_project(request: Request, slug: str) -> Response:
    """Return one project."""
    return JSONResponse(project_answer(projects.get(site_of(request).database, slug)), headers=HEADERS)


@router.patch(
    "/api/projects/{slug}",
    Action.OWN,
    response_model=ProjectAnswer,
    tags=["People"],
    summary="Rename a project",
    operation_id="rename_project",
    responses=openapi.answer(200, "The project now.", EXAMPLE_PROJECT)
    | openapi.BODY_ERRORS
    | _NOT_FOUND
    | _BAD_NAME
    | _ONE,
    openapi_extra=openapi.body(ProjectPatch, {"name": "The shop"}),
)
def rename_project(request: Request, slug: str, data: Body) -> Response:
    """Give a project another name. Its slug stays: programs name it by that."""
    site = site_of(request)
    name = account_fields.project_name_from_json(data)
    renamed = projects.rename(site.database, slug, name, now=site.now())
    site.wake()
    return JSONResponse(project_answer(renamed), headers=HEADERS)


@router.delete(
    "/api/projects/{slug}",
    Action.OWN,
    status_code=204,
    response_class=Response,
    tags=["People"],
    summary="Delete a project",
    operation_id="delete_project",
    responses={204: {"description": "Deleted, with its keys; its members are users yet."}} | _NOT_FOUND | _STAYS | _ONE,
)
def delete_project(request: Request, slug: str) -> Response:
    """Delete a project that nothing belongs to. The first one stays."""
    site = site_of(request)
    projects.remove(site.database, slug)
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.reads(
    "/api/projects/{slug}/members",
    Action.ADMINISTER,
    response_model=list[MemberAnswer],
    tags=["People"],
    summary="List the members of a project",
    operation_id="list_members",
    responses=openapi.answer(200, "In the order in which the users were made.", [EXAMPLE_MEMBER], openapi.PAGED)
    | _NOT_FOUND
    | _ONE
    | openapi.BAD_PAGING,
    openapi_extra={"parameters": openapi.PAGING},
)
def list_members(request: Request, slug: str, asked: Paging) -> Response:
    """Return who has a role in the project, or with `limit` a page of them. Owners need none, and are not here."""
    site = site_of(request)
    found, following = members.list_of(site.database, the_project_of(request), limit=asked.limit, after=asked.position)
    headers = link(f"{site.origin(request)}/api/projects/{quote(slug, safe='')}/members", asked, following)
    return JSONResponse([member_answer(each) for each in found], headers=HEADERS | headers)


@router.put(
    "/api/projects/{slug}/members/{user_id}",
    Action.ADMINISTER,
    response_model=MemberAnswer,
    tags=["People"],
    summary="Give a user a role in a project",
    operation_id="set_role",
    responses=openapi.answer(200, "The member now.", EXAMPLE_MEMBER)
    | openapi.BODY_ERRORS
    | _NO_USER
    | _BAD_ROLE
    | _ONE,
    openapi_extra=openapi.body(MemberPut, {"role": "responder"}),
)
def set_role(request: Request, slug: str, user_id: str, data: Body) -> Response:
    """Make a user a member of the project, or give a member another role. Sessions notice it at once."""
    site = site_of(request)
    role = account_fields.role_from_json(data)
    member = members.set_role(site.database, the_project_of(request), user_id, role, now=site.now())
    site.wake()
    return JSONResponse(member_answer(member), headers=HEADERS)


@router.delete(
    "/api/projects/{slug}/members/{user_id}",
    Action.ADMINISTER,
    status_code=204,
    response_class=Response,
    tags=["People"],
    summary="Take a user out of a project",
    operation_id="remove_member",
    responses={204: {"description": "Out of it; the user stays."}} | _NO_MEMBER | _ONE,
)
def remove_member(request: Request, slug: str, user_id: str) -> Response:
    """Take away a user's role in the project."""
    site = site_of(request)
    members.remove(site.database, the_project_of(request), user_id, now=site.now())
    site.wake()
    return Response(status_code=204, headers=HEADERS)
