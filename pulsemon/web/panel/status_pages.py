"""The panel's side of public pages: list, form, logo, and which monitors stand on a page in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import placement
from pulsemon.core.addresses import MAIN, page_path
from pulsemon.core.placement import Move, Outcome
from pulsemon.core.texts import N_
from pulsemon.errors import Conflict, FieldProblem, Invalid
from pulsemon.input import arranging, meanwhile
from pulsemon.input import status_pages as page_fields
from pulsemon.input.rules import Lists, first_of
from pulsemon.status_pages import manage as status_pages
from pulsemon.status_pages.definition import NewPage, PageChanges, PageView
from pulsemon.subscribers import manage as subscribers
from pulsemon.web.html import rendering
from pulsemon.web.http.bodies import read_fields
from pulsemon.web.http.form_data import FormLists
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, host_of, site_of
from pulsemon.web.http.whose import About, the_project_of
from pulsemon.web.panel import arrange, chooser, shared
from pulsemon.web.panel.arrange import Part

router = Router(Audience.PANEL, about=About.PAGE)

PAGE_SIZE = 50
_DONE = {
    "saved": shared.SAVED,
    "page-deleted": N_("The page is deleted. Its monitors stay."),
} | arrange.DONE
# A picture that is too large is told at its field; what is larger than this is not even read.
_MAX_UPLOAD_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PageForm:
    """What the form holds; `logo` None: no file was chosen."""

    typed: dict[str, str]
    logo: bytes | None


async def read_page_form(request: Request) -> PageForm:
    """Read the form of a page, with its file. Raises HTTPException as `read_fields` does."""
    fields = await read_fields(request, max_files=1, max_bytes=_MAX_UPLOAD_BYTES)
    typed = {name: value for name, value in fields.items() if isinstance(value, str)}
    file = fields.get("logo")
    content = await file.read() if isinstance(file, UploadFile) and file.filename else None
    await fields.close()
    return PageForm(typed, content)


Filled = Annotated[PageForm, Depends(read_page_form)]


@router.get("/pages", Action.READ)
def list_pages(request: Request) -> Response:
    """Answer with the public pages, fifty at a time."""
    database, project_id = site_of(request).database, the_project_of(request)
    after = read_position(request, "after")
    found, following = status_pages.list_all(database, project_id=project_id, limit=PAGE_SIZE, after=after)
    return rendering.page(
        request,
        "panel/pages.html",
        pages=[(view, page_path(view.slug)) for view in found],
        after=after,
        following=following,
        subscriber_counts=subscribers.counts(database, project_id=project_id),
        done=shared.done_of(request, _DONE),
    )


@router.get("/pages/new", Action.EDIT)
def new_page(request: Request) -> Response:
    """Answer with the form for a new page."""
    return _form_page(request, None, {})


@router.post("/pages", Action.EDIT, redraws=True)
def create_page(request: Request, filled: Filled) -> Response:
    """Create a page."""
    site = site_of(request)
    try:
        shared.only_draw(request)
        new = page_fields.create_from_form(filled.typed)
        _check(request, new, filled.logo)
        view = status_pages.create(site.database, new, now=site.now(), project_id=the_project_of(request))
        if filled.logo is not None:
            status_pages.save_logo(site.database, view.slug, filled.logo, now=site.now())
    except (Invalid, Conflict) as wrong:
        return _form_page(request, None, filled.typed, _problems(wrong))
    site.wake()
    return RedirectResponse(f"/pages/{view.slug}?done=saved", status_code=303)


@router.get("/pages/{slug}", Action.EDIT)
def page_form(request: Request, slug: str) -> Response:
    """Answer with the form of one page."""
    view = status_pages.get(site_of(request).database, slug)
    return _form_page(request, view, fields_of(view))


@router.post("/pages/{slug}", Action.EDIT, redraws=True)
def edit_page(request: Request, slug: str, filled: Filled) -> Response:
    """Change a page as its form says."""
    site = site_of(request)
    view = status_pages.get(site.database, slug)
    present = _shown(view)
    merged = meanwhile.merge({name: [text] for name, text in filled.typed.items()}, present)
    meant = filled.typed | {name: text for name, text in merged.firsts().items() if name in filled.typed}
    try:
        merged.require_no_clash(present)
        shared.only_draw(request)
        changes = page_fields.changes_from_form(meant)
        _check(request, changes, filled.logo)
        view = status_pages.edit(site.database, slug, changes, now=site.now())
        if filled.logo is not None or filled.typed.get("no_logo") == "yes":
            status_pages.save_logo(site.database, view.slug, filled.logo, now=site.now())
    except (Invalid, Conflict) as wrong:
        return _form_page(request, view, merged.firsts() | meant, _problems(wrong))
    site.wake()
    return RedirectResponse(f"/pages/{view.slug}?done=saved", status_code=303)


def _shown(view: PageView) -> dict[str, list[str]]:
    return {name: [text] for name, text in fields_of(view).items()}


def _check(request: Request, page: NewPage | PageChanges, logo: bytes | None) -> None:
    """Refuse before anything is stored what would be refused halfway."""
    page_fields.refuse_panels_host(page, site_of(request).settings, asked=host_of(request))
    if logo is not None:
        status_pages.check_logo(logo)


def _problems(wrong: Invalid | Conflict) -> tuple[FieldProblem, ...]:
    if isinstance(wrong, Invalid):
        return wrong.problems
    return (shared.refused("host" if wrong.code == "page-host-taken" else "slug", wrong),)


def fields_of(view: PageView) -> dict[str, str]:
    """Return a page as its form holds it: name of a field -> its text; the password is not among them."""
    return {
        "slug": view.slug,
        "title": view.title or "",
        "description": view.description or "",
        "footer": view.footer or "",
        "accent": view.accent or "",
        "timezone": view.timezone or "",
        "language": view.language or "",
        "host": view.host or "",
    }


def _form_page(
    request: Request, view: PageView | None, typed: Mapping[str, str], problems: Sequence[FieldProblem] = ()
) -> Response:
    values = shared.form_values(request, dict(typed) | {"password": ""}, problems)
    return rendering.page(
        request,
        "panel/page.html",
        status_code=shared.status_of(problems),
        stamp="" if view is None else meanwhile.stamp(_shown(view)),
        view=view,
        path=None if view is None else page_path(view.slug),
        main=MAIN,
        subscriber_count=0 if view is None else _subscriber_count(request, view),
        timezone=site_of(request).settings.availability_timezone,
        done=shared.done_of(request, _DONE),
        **values,
    )


def _subscriber_count(request: Request, view: PageView) -> int:
    return subscribers.counts(site_of(request).database, project_id=view.project_id).get(view.slug, 0)


@router.get("/pages/{slug}/delete", Action.ADMINISTER)
def confirm_deletion(request: Request, slug: str) -> Response:
    """Say what is lost."""
    shared.require_proof_of_user(request)
    view = status_pages.get(site_of(request).database, slug)
    if view.slug == MAIN:
        raise Conflict("main-page-stays")
    return rendering.page(request, "panel/page_delete.html", view=view, path=page_path(view.slug))


@router.post("/pages/{slug}/delete", Action.ADMINISTER)
def delete_page(request: Request, slug: str) -> Response:
    """Delete the page."""
    shared.require_proof_of_user(request)
    site = site_of(request)
    status_pages.remove(site.database, slug)
    site.wake()
    return RedirectResponse("/pages?done=page-deleted", status_code=303)


@router.get("/pages/{slug}/monitors", Action.EDIT)
def choose_monitors(request: Request, slug: str) -> Response:
    """Answer with the monitors of a page, in their order, and the field that finds others."""
    return _monitors_page(request, slug, arrange.part_of_address(request), {})


def _monitors_page(
    request: Request, slug: str, part: Part, form: Lists, problems: Sequence[FieldProblem] = ()
) -> Response:
    database = site_of(request).database
    view = status_pages.get(database, slug)
    adding = {name: texts for name, texts in form.items() if name in ("monitor", "group", "tag", "slugs", "find")}
    return rendering.page(
        request,
        "panel/page_monitors.html",
        status_code=shared.status_of(problems),
        view=view,
        path=page_path(view.slug),
        sections=status_pages.sections(database, slug, opened=part.opened, start=part.start),
        part=part,
        choice=chooser.choice_of(
            site_of(request), adding if _is_adding(form) else {}, project_id=the_project_of(request)
        ),
        main=MAIN,
        done=shared.done_of(request, _DONE),
        **shared.form_values(request, arrange.typed_of(form), problems),
    )


def _is_adding(form: Lists) -> bool:
    """Return whether a form is the one that adds monitors, whose `monitor` holds slugs; in the others it holds ids."""
    return first_of(form, "do") == "add" or chooser.is_search(form)


@router.post("/pages/{slug}/monitors", Action.EDIT)
def change_monitors(request: Request, slug: str, form: FormLists) -> Response:
    """Show all or a choice, add monitors to the choice or take some away, or move some."""
    site = site_of(request)
    kept = {} if _is_adding(form) else form
    try:
        chooser.only_search(form)
        outcome = _change_monitors(request, slug, arranging.as_meant(form))
    except Invalid as wrong:
        return _monitors_page(request, slug, arrange.part_of_form(kept), form, wrong.problems)
    site.wake()
    return arrange.to_arranged(f"/pages/{slug}/monitors", kept, outcome)


def _change_monitors(request: Request, slug: str, form: Lists) -> Outcome:
    """Do it. Raises Invalid, and HTTPException for an action that does not exist."""
    site = site_of(request)
    match first_of(form, "show"), first_of(form, "do"):
        case "all", "":
            return _show_all(site, slug)
        case "chosen", "":
            return status_pages.begin_choice(site.database, slug, now=site.now())
        case "", "add":
            slugs = chooser.resolved(site.database, form, project_id=the_project_of(request))["monitor"]
            if not slugs:
                raise arranging.none_to_add()
            return status_pages.add_monitors(site.database, slug, slugs)
        case "", "remove":
            return status_pages.rearrange(site.database, slug, _removal(arrange.ticked_in(form)))
        case "", _:
            return status_pages.rearrange(site.database, slug, arrange.read_move(form))
    raise arrange.no_such_action()


def _show_all(site: Site, slug: str) -> Outcome:
    if status_pages.get(site.database, slug).monitors is None:
        return Outcome.UNMOVED
    status_pages.edit(site.database, slug, PageChanges(monitors=None), now=site.now())
    return Outcome.MOVED


def _removal(ids: Sequence[int]) -> Move:
    gone = frozenset(ids)
    return placement.of_monitors(ids, lambda seats: [each.id for each in seats if each.id not in gone])
