"""The API of public pages: CRUD as JSON, and their logos as bytes.

Access stands in `web.http.routing`, bodies in `web.http.json_api`, errors in `web.api.openapi`.
"""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.addresses import page_path
from pulsemon.core.edits import given
from pulsemon.core.images import MAX_LOGO_BYTES
from pulsemon.errors import NO_PAGE, REFUSALS
from pulsemon.input import projects
from pulsemon.input import status_pages as page_fields
from pulsemon.input.status_pages import PageCreate, PagePatch
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.definition import PageView
from pulsemon.web.api import openapi
from pulsemon.web.http import whose
from pulsemon.web.http.bodies import receive_up_to
from pulsemon.web.http.json_api import HEADERS, Body, Paging, instant
from pulsemon.web.http.paging import link
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import host_of, site_of
from pulsemon.web.http.whose import About

router = Router(Audience.API, about=About.PAGE, is_described=True)

_PICTURES = ("image/png", "image/jpeg", "image/webp")


class PageAnswer(BaseModel):
    """A public page, as the API shows it."""

    slug: str
    path: str = Field(description="Where it stands.")
    title: str | None = Field(description="Null: PUBLIC_STATUS_TITLE.")
    description: str | None
    footer: str | None
    accent: str | None
    timezone: str
    language: str | None = Field(description="Null: the reader's.")
    has_password: bool
    host: str | None = Field(description="Requests for this host get the page at `/`.")
    monitors: list[str] | None = Field(description="Slugs in their order; null: every public monitor of its project.")
    has_logo: bool
    created_at: AwareDatetime | None = Field(description="Null: the page at `/status`, as long as nobody edited it.")
    updated_at: AwareDatetime | None
    project: str


EXAMPLE_CREATE = {"slug": "shop", "title": "Shop", "accent": "#3b4fc4", "timezone": "America/Sao_Paulo"}
EXAMPLE_PAGE = {
    "slug": "shop",
    "path": "/status/shop",
    "title": "Shop",
    "description": None,
    "footer": None,
    "accent": "#3b4fc4",
    "timezone": "America/Sao_Paulo",
    "language": None,
    "has_password": False,
    "host": None,
    "monitors": None,
    "has_logo": False,
    "created_at": "2026-03-01T12:00:00.000Z",
    "updated_at": "2026-03-01T12:00:00.000Z",
    "project": "default",
}
_NOT_FOUND = openapi.error(404, NO_PAGE, NO_PAGE)
_CONFLICT = openapi.error(
    409, "The slug or the host name is taken, or the page is `/status`.", REFUSALS["page-slug-taken"]
)
_BAD_BODY = openapi.invalid("body", "accent", msg=page_fields.PROBLEMS["accent"], rule="accent")
_BAD_LOGO = openapi.invalid("body", "logo", msg=status_pages.LOGO_UNKNOWN, rule="logo-unknown")
_WRITE = openapi.BODY_ERRORS | openapi.UNAUTHORIZED | _CONFLICT | _BAD_BODY | openapi.UNAVAILABLE
_ONE = openapi.UNAUTHORIZED | _NOT_FOUND | openapi.UNAVAILABLE
_LOGO_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            each: {"schema": {"type": "string", "format": "binary"}, "example": "(its bytes)"} for each in _PICTURES
        },
    }
}


def page_answer(request: Request, view: PageView) -> dict[str, Any]:
    """Return a page as the API shows it."""
    return {
        "slug": view.slug,
        "path": page_path(view.slug),
        "title": view.title,
        "description": view.description,
        "footer": view.footer,
        "accent": view.accent,
        "timezone": view.timezone or site_of(request).settings.availability_timezone,
        "language": view.language,
        "has_password": view.has_password,
        "host": view.host,
        "monitors": view.monitors,
        "has_logo": view.logo_digest is not None,
        "created_at": instant(view.created_at),
        "updated_at": instant(view.updated_at),
        "project": site_of(request).project_slug(view.project_id),
    }


@router.post(
    "/api/pages",
    Action.EDIT,
    status_code=201,
    response_model=PageAnswer,
    tags=["Pages"],
    summary="Create a public page",
    operation_id="create_page",
    responses=openapi.answer(201, "Created.", EXAMPLE_PAGE, {"Location": "Where it is."})
    | openapi.NO_SUCH_PROJECT
    | _WRITE,
    openapi_extra=openapi.body(PageCreate, EXAMPLE_CREATE),
)
def create_page(request: Request, data: Body) -> Response:
    """Make a page at `/status/{slug}`. Without `monitors` it shows every public monitor of its project."""
    site = site_of(request)
    new = page_fields.create_from_json(data)
    page_fields.refuse_panels_host(new, site.settings, asked=host_of(request))
    project_id = whose.project_for(request, projects.named_in(data))
    view = status_pages.create(site.database, new, now=site.now(), project_id=project_id)
    site.wake()
    location = {"location": f"/api/pages/{view.slug}"}
    return JSONResponse(page_answer(request, view), status_code=201, headers=HEADERS | location)


@router.reads(
    "/api/pages",
    Action.READ,
    response_model=list[PageAnswer],
    tags=["Pages"],
    summary="List the public pages",
    operation_id="list_pages",
    responses=openapi.answer(200, "`/status` first.", [EXAMPLE_PAGE], openapi.PAGED)
    | openapi.UNAUTHORIZED
    | openapi.NO_SUCH_PROJECT
    | openapi.BAD_PAGING
    | openapi.UNAVAILABLE,
    openapi_extra={"parameters": openapi.PAGING + openapi.OF_PROJECT},
)
def list_pages(request: Request, asked: Paging) -> Response:
    """Return every public page, or with `limit` some of them.

    The one at `/status`, `status`, is always there; it belongs to the project `default`.
    """
    site = site_of(request)
    views, following = status_pages.list_all(
        site.database, project_id=whose.project_of(request), limit=asked.limit, after=asked.position
    )
    headers = link(f"{site.origin(request)}/api/pages", asked, following, whose.asked_project(request))
    return JSONResponse([page_answer(request, view) for view in views], headers=HEADERS | headers)


@router.reads(
    "/api/pages/{slug}",
    Action.READ,
    response_model=PageAnswer,
    tags=["Pages"],
    summary="Read a public page",
    operation_id="read_page",
    responses=openapi.answer(200, "The page.", EXAMPLE_PAGE) | _ONE,
)
def read_page(request: Request, slug: str) -> Response:
    """Return one page; `status` is the one at `/status`."""
    return JSONResponse(page_answer(request, status_pages.get(site_of(request).database, slug)), headers=HEADERS)


@router.patch(
    "/api/pages/{slug}",
    Action.EDIT,
    response_model=PageAnswer,
    tags=["Pages"],
    summary="Edit a public page",
    operation_id="edit_page",
    responses=openapi.answer(200, "The page as it is now.", EXAMPLE_PAGE) | _NOT_FOUND | _WRITE,
    openapi_extra=openapi.body(PagePatch, {"accent": None, "monitors": ["backup-noturno"]}),
)
def edit_page(request: Request, slug: str, data: Body) -> Response:
    """Change the fields that are sent; the others stay. A new password closes the page for who knew the old one."""
    site = site_of(request)
    changes = page_fields.changes_from_json(data)
    page_fields.refuse_panels_host(changes, site.settings, asked=host_of(request))
    whose.refuse_move(request, projects.named_in(data))
    if not given(changes):
        return read_page(request, slug)
    view = status_pages.edit(site.database, slug, changes, now=site.now())
    site.wake()
    return JSONResponse(page_answer(request, view), headers=HEADERS)


@router.delete(
    "/api/pages/{slug}",
    Action.ADMINISTER,
    status_code=204,
    response_class=Response,
    tags=["Pages"],
    summary="Delete a public page",
    operation_id="delete_page",
    responses={204: {"description": "Deleted. Its monitors stay."}} | _ONE | _CONFLICT,
)
def delete_page(request: Request, slug: str) -> Response:
    """Delete a page; the one at `/status` cannot be deleted."""
    site = site_of(request)
    status_pages.remove(site.database, slug)
    site.wake()
    return Response(status_code=204, headers=HEADERS)


@router.put(
    "/api/pages/{slug}/logo",
    Action.EDIT,
    response_model=PageAnswer,
    tags=["Pages"],
    summary="Give a public page a logo",
    operation_id="put_logo",
    responses=openapi.answer(200, "The page as it is now.", EXAMPLE_PAGE | {"has_logo": True})
    | openapi.error(400, "The body did not arrive.", "The body did not arrive.")
    | openapi.error(413, "The picture is larger than 256 kB.", status_pages.LOGO_TOO_LARGE)
    | _BAD_LOGO
    | _ONE,
    openapi_extra=_LOGO_BODY,
)
async def put_logo(request: Request, slug: str) -> Response:
    """Take the body as a PNG, JPEG or WebP picture of at most 256 kB; what it is, its bytes say."""
    received = await receive_up_to(request, MAX_LOGO_BYTES, too_large=status_pages.LOGO_TOO_LARGE)
    return await run_in_threadpool(_save_logo, request, slug, received)


@router.delete(
    "/api/pages/{slug}/logo",
    Action.EDIT,
    response_model=PageAnswer,
    tags=["Pages"],
    summary="Take a public page's logo away",
    operation_id="delete_logo",
    responses=openapi.answer(200, "The page as it is now.", EXAMPLE_PAGE) | _ONE,
)
def delete_logo(request: Request, slug: str) -> Response:
    """Remove the logo. May be repeated."""
    return _save_logo(request, slug, None)


def _save_logo(request: Request, slug: str, content: bytes | None) -> Response:
    site = site_of(request)
    view = status_pages.save_logo(site.database, slug, content, now=site.now())
    site.wake()
    return JSONResponse(page_answer(request, view), headers=HEADERS)
