"""The panel's projects: which one its pages show and, for owners, which there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts import projects
from pulsemon.accounts.projects import DEFAULT_ID, ProjectView
from pulsemon.accounts.roles import Action
from pulsemon.core.texts import N_
from pulsemon.errors import NO_PROJECT, Conflict, FieldProblem, Invalid, NotFound
from pulsemon.input import accounts as account_fields
from pulsemon.web.html import rendering
from pulsemon.web.http import after_login, whose
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.principals import principal_of
from pulsemon.web.http.proofs import require_proof
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import shared

router = Router(Audience.PANEL, about=About.PROJECT)

PAGE_SIZE = 100
_DONE = {
    "saved": shared.SAVED,
    "project-deleted": N_("Deleted. Its members are users as before."),
}


@router.post("/project", Action.READ)
def choose(request: Request, form: Form) -> Response:
    """Have the pages of this session show another project, and lead to the one that is wanted next."""
    site = site_of(request)
    there = whose.visible_projects(site, principal_of(request))
    found = next((each for each in there if each.slug == form.get("slug", "")), None)
    if found is None:
        raise NotFound(NO_PROJECT)
    whose.choose(site, request, found.id)
    return RedirectResponse(after_login.read_address(form.get("next", "")) or "/", status_code=303)


@router.get("/projects", Action.OWN)
def list_projects(request: Request) -> Response:
    """Answer with all projects, and the form for a new one."""
    return _list_page(request, {})


@router.post("/projects", Action.OWN, redraws=True)
def create(request: Request, form: Form) -> Response:
    """Make a project and lead to its people, who are to be added next."""
    require_proof(request)
    site = site_of(request)
    try:
        shared.only_draw(request)
        made = projects.create(site.database, account_fields.project_from_form(form), now=site.now())
    except Invalid as wrong:
        return _list_page(request, form, wrong.problems)
    except Conflict as refused:
        return _list_page(request, form, (shared.refused("slug", refused),))
    site.wake()
    return RedirectResponse(f"/people?project={made.slug}&done=project-made", status_code=303)


@router.get("/projects/{slug}", Action.OWN)
def one(request: Request, slug: str) -> Response:
    """Answer with the form of a project's name."""
    return _one_page(request, projects.get(site_of(request).database, slug))


@router.post("/projects/{slug}", Action.OWN, redraws=True)
def rename(request: Request, slug: str, form: Form) -> Response:
    """Give a project another name."""
    require_proof(request)
    site = site_of(request)
    project = projects.get(site.database, slug)
    try:
        shared.only_draw(request)
        projects.rename(site.database, slug, account_fields.project_name_from_form(form), now=site.now())
    except Invalid as wrong:
        return _one_page(request, project, form, wrong.problems)
    site.wake()
    return RedirectResponse("/projects?done=saved", status_code=303)


@router.get("/projects/{slug}/delete", Action.OWN)
def confirm_deletion(request: Request, slug: str) -> Response:
    """Say what is lost."""
    require_proof(request)
    return _question(request, slug)


@router.post("/projects/{slug}/delete", Action.OWN)
def delete(request: Request, slug: str) -> Response:
    """Delete a project that nothing belongs to."""
    require_proof(request)
    site = site_of(request)
    try:
        projects.remove(site.database, slug)
    except Conflict as refused:
        return _question(request, slug, refused)
    site.wake()
    return RedirectResponse("/projects?done=project-deleted", status_code=303)


def _list_page(request: Request, typed: Mapping[str, str], problems: Sequence[FieldProblem] = ()) -> Response:
    after = read_position(request, "after")
    found, following = projects.list_all(site_of(request).database, limit=PAGE_SIZE, after=after)
    return rendering.page(
        request,
        "panel/projects.html",
        status_code=shared.status_of(problems),
        projects=found,
        after=after,
        following=following,
        first=DEFAULT_ID,
        done=shared.done_of(request, _DONE),
        **shared.form_values(request, typed, problems),
    )


def _one_page(
    request: Request,
    project: ProjectView,
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
) -> Response:
    return rendering.page(
        request,
        "panel/project.html",
        status_code=shared.status_of(problems),
        view=project,
        is_first=project.id == DEFAULT_ID,
        **shared.form_values(request, {"name": project.name} if typed is None else typed, problems),
    )


def _question(request: Request, slug: str, refused: Conflict | None = None) -> Response:
    project = projects.get(site_of(request).database, slug)
    status_code = 200 if refused is None else 409
    return rendering.page(request, "panel/project_delete.html", status_code=status_code, view=project, refused=refused)
