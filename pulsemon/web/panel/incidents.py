"""The panel's side of incidents: list, new, one with the form for its next update, edit, delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.edits import KEPT
from pulsemon.core.incidents import IMPACT_WORDS, ONE_IS_DOWN, STATUS_WORDS, IncidentStatus
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid, NotFound
from pulsemon.incidents import manage as incidents
from pulsemon.incidents.rows import Incident
from pulsemon.input import incidents as incident_fields
from pulsemon.input import meanwhile
from pulsemon.input.rules import Lists
from pulsemon.monitors.views import View
from pulsemon.web.html import rendering, wall_clock
from pulsemon.web.html.words import Words
from pulsemon.web.http.form_data import FormLists
from pulsemon.web.http.paging import read_position
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About, the_project_of
from pulsemon.web.panel import chooser, monitor_lists, shared

router = Router(Audience.PANEL, about=About.INCIDENT)

PAGE_SIZE = 50
_DONE = {
    "incident-opened": N_("The incident is on the pages that it affects."),
    "update-posted": N_("The update is posted."),
    "saved": shared.SAVED,
    "incident-deleted": N_("The incident is deleted."),
}


@router.get("/incidents", Action.READ_INCIDENTS)
def list_incidents(request: Request) -> Response:
    """Answer with the open incidents and, fifty at a time, those that are over."""
    database, project_id = site_of(request).database, the_project_of(request)
    before = read_position(request, "before")
    found, following = incidents.list_resolved(database, limit=PAGE_SIZE, before=before, project_id=project_id)
    return rendering.page(
        request,
        "panel/incidents.html",
        open_ones=[] if before is not None else incidents.list_open(database, project_id=project_id),
        resolved=found,
        before=before,
        following=following,
        done=shared.done_of(request, _DONE),
    )


@router.get("/incidents/new", Action.REPORT)
def new_incident(request: Request) -> Response:
    """Answer with the form; `?monitor=` names the one that it is about, and since when it is down."""
    site = site_of(request)
    (monitor_id,) = monitor_lists.ids_of([request.query_params.get("monitor", "")]) or [0]
    about = _monitor_of(request, monitor_id)
    started_at = incidents.down_since(site.database, monitor_id) if about else None
    words, zone = Words(rendering.locale_of(request), site.now()), site.settings.availability_timezone
    typed = {
        "title": [words.translate(ONE_IS_DOWN) % {"name": about.name}] if about and started_at else [""],
        "status": ["investigating"],
        "impact": ["major" if started_at else "minor"],
        "scope": ["chosen"],
        "monitor": [about.slug] if about else [],
        "started_at": [wall_clock.field_in(started_at.replace(second=0), zone) if started_at else ""],
        "tell_subscribers": ["yes"],
    }
    others = incidents.open_of(site.database, monitor_id) if about else []
    return _new_page(request, typed, others=others)


def _monitor_of(request: Request, monitor_id: int) -> View | None:
    """Return a monitor that an address asks for, None where the project has none of that id."""
    try:
        found = shared.find(site_of(request), monitor_id)
    except NotFound:
        return None
    return found if found.project_id == the_project_of(request) else None


@router.post("/incidents", Action.REPORT, redraws=True)
def create_incident(request: Request, form: FormLists) -> Response:
    """Open an incident, or show how its text will look."""
    site, now = site_of(request), site_of(request).now()
    if _is_preview(form) or chooser.is_search(form):
        return _new_page(request, form, is_preview=_is_preview(form))
    try:
        shared.only_draw(request)
        whole = chooser.resolved(site.database, form, project_id=the_project_of(request))
        new = incident_fields.create_from_form(whole, timezone=site.settings.availability_timezone, now=now)
        made = incidents.create(site.database, new, now=now, project_id=the_project_of(request))
    except Invalid as wrong:
        return _new_page(request, form, wrong.problems)
    site.wake()
    return _to(made.public_id, "incident-opened")


def _new_page(
    request: Request,
    form: Lists,
    problems: Sequence[FieldProblem] = (),
    *,
    is_preview: bool = False,
    others: Sequence[Incident] = (),
) -> Response:
    values = _form_values(request, form, problems, is_preview=is_preview) | _boxes(request, form)
    return rendering.page(
        request, "panel/incident_new.html", status_code=422 if problems else 200, others=others, **values
    )


@router.get("/incidents/{public_id}", Action.READ_INCIDENTS)
def one_incident(request: Request, public_id: str) -> Response:
    """Answer with an incident, what was said of it, and the form for what is to be said next."""
    incident = incidents.get(site_of(request).database, public_id)
    return _one_page(request, incident, _update_typed(incident))


def _update_typed(incident: Incident) -> Lists:
    status = incident.status if incident.is_open else IncidentStatus.RESOLVED
    return _scope_typed(incident) | {
        "status": [status.value],
        "impact": [incident.impact.value],
        "tell_subscribers": ["yes"],
    }


def _scope_typed(incident: Incident) -> dict[str, Sequence[str]]:
    return {
        "scope": ["all" if incident.is_general else "chosen"],
        "monitor": [each.slug for each in incident.monitors],
    }


def _is_scope_kept(incident: Incident, form: Lists) -> bool:
    """Return whether a form whose choice is resolved leaves what the incident concerns as it is."""
    before = _scope_typed(incident)
    return form.get("scope", before["scope"]) == before["scope"] and set(form.get("monitor", ())) == set(
        before["monitor"]
    )


@router.post("/incidents/{public_id}", Action.REPORT, redraws=True)
def post_update(request: Request, public_id: str, form: FormLists) -> Response:
    """Post an update, or show how its text will look."""
    site = site_of(request)
    incident = incidents.get(site.database, public_id)
    if _is_preview(form) or chooser.is_search(form):
        return _one_page(request, incident, form, is_preview=_is_preview(form))
    try:
        shared.only_draw(request)
        whole = chooser.resolved(site.database, form, project_id=the_project_of(request))
        new = incident_fields.update_from_form(whole)
        if _is_scope_kept(incident, whole):  # its monitors may be gone, and there is still something to say
            new = replace(new, changes=replace(new.changes, is_general=KEPT, monitors=KEPT))
        incidents.post(site.database, public_id, new, now=site.now())
    except Invalid as wrong:
        return _one_page(request, incident, form, wrong.problems)
    site.wake()
    return _to(public_id, "update-posted")


def _one_page(
    request: Request,
    incident: Incident,
    form: Lists,
    problems: Sequence[FieldProblem] = (),
    *,
    is_preview: bool = False,
) -> Response:
    values = _form_values(request, form, problems, is_preview=is_preview, incident=incident)
    is_choosing = any(form.get(name) for name in ("search", "group", "tag", "slugs"))
    values |= _boxes(request, form) | {"is_scope_kept": not is_choosing and _is_scope_kept(incident, form)}
    return rendering.page(
        request,
        "panel/incident.html",
        status_code=422 if problems else 200,
        **values,
    )


@router.get("/incidents/{public_id}/edit", Action.REPORT)
def edit_form(request: Request, public_id: str) -> Response:
    """Answer with the form of title, impact and monitors."""
    incident = incidents.get(site_of(request).database, public_id)
    return _edit_page(request, incident, _edit_typed(incident))


def _edit_typed(incident: Incident) -> dict[str, Sequence[str]]:
    return {"title": [incident.title or ""], "impact": [incident.impact.value]} | _scope_typed(incident)


@router.post("/incidents/{public_id}/edit", Action.REPORT, redraws=True)
def edit(request: Request, public_id: str, form: FormLists) -> Response:
    """Change title, impact and monitors."""
    site = site_of(request)
    incident = incidents.get(site.database, public_id)
    present = _edit_typed(incident)
    merged = meanwhile.merge(form, present, boxes=("monitor",), together=("scope", "monitor"))
    meant = dict(form) | merged.texts
    try:
        merged.require_no_clash(present, places={"scope": "monitors", "monitor": "monitors"})
        chooser.only_search(form)
        shared.only_draw(request)
        whole = chooser.resolved(site.database, meant, project_id=the_project_of(request))
        incidents.edit(site.database, public_id, incident_fields.changes_from_form(whole), now=site.now())
    except Invalid as wrong:
        return _edit_page(request, incident, meant, wrong.problems)
    site.wake()
    return _to(public_id, "saved")


def _edit_page(request: Request, incident: Incident, form: Lists, problems: Sequence[FieldProblem] = ()) -> Response:
    values = _form_values(request, form, problems, incident=incident) | _boxes(request, form)
    values |= {"stamp": meanwhile.stamp(_edit_typed(incident))}
    return rendering.page(request, "panel/incident_edit.html", status_code=shared.status_of(problems), **values)


@router.get("/incidents/{public_id}/updates/{number:id}", Action.REPORT)
def update_form(request: Request, public_id: str, number: int) -> Response:
    """Answer with the text of an update, to be corrected."""
    incident = incidents.get(site_of(request).database, public_id)
    words = Words(rendering.locale_of(request), site_of(request).now())
    return _update_page(request, incident, number, lambda said: {"body": [words.said(said)]})


@router.post("/incidents/{public_id}/updates/{number:id}", Action.REPORT, redraws=True)
def edit_update(request: Request, public_id: str, number: int, form: FormLists) -> Response:
    """Change the text of an update."""
    site = site_of(request)
    incident = incidents.get(site.database, public_id)
    present = _text_kept(incident, number)
    try:
        meanwhile.merge(form, present).require_no_clash(present)
        shared.only_draw(request)
        body = incident_fields.text_from_form(form)
    except Invalid as wrong:
        return _update_page(request, incident, number, lambda _: form, wrong.problems)
    incidents.edit_update(site.database, public_id, number, body, now=site.now())
    site.wake()
    return _to(public_id, "saved")


def _text_kept(incident: Incident, number: int) -> dict[str, list[str]]:
    """Return the field of an update's text as it is kept: in no language, where the words are PulseMon's own."""
    return {"body": [each.body or "" for each in incident.updates if each.number == number]}


def _update_page(
    request: Request,
    incident: Incident,
    number: int,
    fill: Callable[[Any], Lists],
    problems: Sequence[FieldProblem] = (),
) -> Response:
    said = next((each for each in incident.updates if each.number == number), None)
    if said is None:
        raise NotFound(incidents.NO_UPDATE)
    values = _form_values(request, fill(said), problems, incident=incident) | {"update": said}
    values |= {"stamp": meanwhile.stamp(_text_kept(incident, number))}
    return rendering.page(request, "panel/incident_update.html", status_code=shared.status_of(problems), **values)


@router.get("/incidents/{public_id}/delete", Action.REPORT)
def confirm_deletion(request: Request, public_id: str) -> Response:
    """Say what is lost."""
    incident = incidents.get(site_of(request).database, public_id)
    return rendering.page(request, "panel/incident_delete.html", incident=incident)


@router.post("/incidents/{public_id}/delete", Action.REPORT)
def delete_incident(request: Request, public_id: str) -> Response:
    """Delete the incident."""
    site = site_of(request)
    incidents.remove(site.database, public_id, now=site.now())
    site.wake()
    return RedirectResponse("/incidents?done=incident-deleted", status_code=303)


def _is_preview(form: Lists) -> bool:
    return bool(form.get("preview"))


def _form_values(
    request: Request,
    form: Lists,
    problems: Sequence[FieldProblem],
    *,
    is_preview: bool = False,
    incident: Incident | None = None,
) -> dict[str, Any]:
    """Return what the templates of all forms of incidents read."""
    site = site_of(request)
    words = Words(rendering.locale_of(request), site.now())
    typed = {name: values[0] if values else "" for name, values in form.items()}
    return shared.form_values(request, typed, problems) | {
        "incident": incident,
        "statuses": [(status.value, words.translate(each)) for status, each in STATUS_WORDS.items()],
        "impacts": [(impact.value, words.translate(each)) for impact, each in IMPACT_WORDS.items()],
        "done": shared.done_of(request, _DONE),
        "preview": typed.get("body", "").strip() if is_preview else "",
        "timezone": site.settings.availability_timezone,
    }


def _boxes(request: Request, form: Lists) -> dict[str, Any]:
    """Return what the choice of monitors shows."""
    return {"choice": chooser.choice_of(site_of(request), form, project_id=the_project_of(request))}


def _to(public_id: str, done: str) -> Response:
    return RedirectResponse(f"/incidents/{public_id}?done={done}", status_code=303)
