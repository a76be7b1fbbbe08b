"""What the panel's forms do. Each ends in a redirect, so that reloading the page repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core.keyset import LARGEST_LONG_ID
from pulsemon.core.status import Signal, Status
from pulsemon.core.texts import N_
from pulsemon.errors import NO_MESSAGE, NO_MONITOR, Conflict, FieldProblem, Invalid, NotFound, Unavailable
from pulsemon.heartbeats.pings import Answer, Ping
from pulsemon.input import monitor_forms, projects
from pulsemon.input.monitors import problem
from pulsemon.messages import outbox
from pulsemon.monitors import manage as monitors
from pulsemon.monitors.belongings import belongings
from pulsemon.monitors.manage import Move
from pulsemon.monitors.views import View
from pulsemon.operations import moving
from pulsemon.web.html import rendering
from pulsemon.web.http import whose
from pulsemon.web.http.form_data import Form
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import Site, site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import monitors as panel_monitors
from pulsemon.web.panel import one_monitor, shared

router = Router(Audience.PANEL, about=About.MONITOR)

_TAKEN = FieldProblem("slug", "taken", N_("Another monitor has this slug. Choose one that is free."))


def _problem(refused: Conflict) -> FieldProblem:
    """Say at its field what stands against a form, which is given back as it was typed."""
    if refused.code == "monitor-slug-taken":
        return _TAKEN
    return FieldProblem("interval_seconds", refused.code, str(refused), refused.limits)


@router.post("/monitors", Action.EDIT, redraws=True)
def create(request: Request, form: Form) -> Response:
    """Create a monitor and show how to connect it."""
    site = site_of(request)
    try:
        shared.only_draw(request)
        new, project_id = monitor_forms.from_form(form), whose.the_project_of(request)
        made = monitors.create(site.database, new, now=site.now(), project_id=project_id)
    except Invalid as wrong:
        return panel_monitors.form_page(request, typed=form, problems=wrong.problems)
    except Conflict as refused:
        return panel_monitors.form_page(request, typed=form, problems=(_problem(refused),))
    site.wake()
    return _to(made.id, "created", "/connect")


@router.post("/monitors/{monitor_id:id}", Action.EDIT, redraws=True)
def edit(request: Request, monitor_id: int, form: Form) -> Response:
    """Change what was changed in the form. What was left alone is not judged: an old slug may break today's rule."""
    site = site_of(request)
    view = shared.find(site, monitor_id)
    merged = monitor_forms.merge(form, view)
    typed = merged.firsts() | {name: form[name] for name in (projects.NAME,) if name in form}
    try:
        monitor_forms.require_no_clash(merged, view)
        shared.only_draw(request)
        changes = monitor_forms.changes_from_form(monitor_forms.changed(merged, view, form))
        move, which = _move(request, view, form), monitors.by_id(view.id)
        monitors.edit(site.database, which, changes, now=site.now(), as_of=view.updated_at, move=move)
    except Invalid as wrong:
        return one_monitor.settings_page(request, view, typed=typed, problems=wrong.problems)
    except Conflict as refused:
        if refused.code == "edited-meanwhile":  # between the two lines above: it is merged anew
            return edit(request, monitor_id, form)
        return one_monitor.settings_page(request, view, typed=typed, problems=(_problem(refused),))
    site.wake()
    return _to(view.id, "saved") if move is None else RedirectResponse("/?done=moved", status_code=303)


def _move(request: Request, view: View, form: Mapping[str, str]) -> Move | None:
    """Return the move to the project that was chosen, None where it is there. Raises Invalid: it cannot be had."""
    there = shared.projects_to_edit(request)
    named = form.get(projects.NAME)
    chosen = next((each for each in there if each.slug == named), None)
    if named is None or (chosen is not None and chosen.id == view.project_id):
        return None
    if chosen is None:
        raise Invalid((problem(projects.NAME, "no-project"),))
    return moving.to(chosen.id, {each.id: each.slug for each in there})


@router.post("/monitors/{monitor_id:id}/pause", Action.RESPOND)
def pause(request: Request, monitor_id: int) -> Response:
    """Stop judging."""
    return _change(request, monitor_id, monitors.pause, done="paused")


@router.post("/monitors/{monitor_id:id}/resume", Action.RESPOND)
def resume(request: Request, monitor_id: int) -> Response:
    """Judge again."""
    return _change(request, monitor_id, monitors.resume, done="resumed")


@router.get("/monitors/{monitor_id:id}/rotate-token", Action.EDIT)
def confirm_rotation(request: Request, monitor_id: int) -> Response:
    """Say what a new token breaks."""
    _, view = _named(request, monitor_id)
    return rendering.page(request, "panel/rotate.html", view=view)


@router.post("/monitors/{monitor_id:id}/rotate-token", Action.EDIT)
def rotate_token(request: Request, monitor_id: int) -> Response:
    """Replace the token; the old ping URL is unknown at once."""
    return _change(request, monitor_id, monitors.rotate_token, done="rotated", section="/connect")


@router.get("/monitors/{monitor_id:id}/delete", Action.ADMINISTER)
def confirm_deletion(request: Request, monitor_id: int) -> Response:
    """Say what is lost."""
    shared.require_proof_of_user(request)
    site, view = _named(request, monitor_id)
    lost = belongings(site.database, [view.id])
    return rendering.page(request, "panel/delete.html", view=view, lost=lost)


@router.post("/monitors/{monitor_id:id}/delete", Action.ADMINISTER)
def delete(request: Request, monitor_id: int) -> Response:
    """Delete the monitor and what belongs to it."""
    shared.require_proof_of_user(request)
    site, view = _named(request, monitor_id)
    monitors.remove(site.database, monitors.by_id(view.id))
    site.wake()
    return RedirectResponse("/?done=deleted", status_code=303)


@router.get("/monitors/{monitor_id:id}/test-ping", Action.EDIT)
def confirm_test_ping(request: Request, monitor_id: int) -> Response:
    """Say what a test ping would pretend."""
    _, view = _named(request, monitor_id)
    return rendering.page(request, "panel/test_ping.html", view=view)


@router.post("/monitors/{monitor_id:id}/test-ping", Action.EDIT)
async def test_ping(request: Request, monitor_id: int, form: Form) -> Response:
    """Send a real ping through the lane that all pings take; where it would hide that a job is missing, ask first."""
    site, view = await run_in_threadpool(_named, request, monitor_id)
    is_missed = view.status is Status.DOWN or view.is_late(now=site.now())
    if is_missed and form.get("sure") != "yes":
        return RedirectResponse(f"/monitors/{view.id}/test-ping", status_code=303)
    ping = Ping(
        view.slug,
        view.token,
        Signal.SUCCESS,
        site.now(),
        method="POST",
        remote_addr=request.client.host if request.client else None,
        user_agent="PulseMon panel (test ping)",
        is_test=True,
    )
    match await site.lane.submit(ping):
        case Answer.STORED | Answer.IGNORED:
            return _to(view.id, "pinged")
        case Answer.UNKNOWN:
            raise NotFound(NO_MONITOR)
        case Answer.UNAVAILABLE:
            raise Unavailable("the test ping is not known to be stored")


@router.post("/monitors/{monitor_id:id}/test-message", Action.EDIT)
def test_message(request: Request, monitor_id: int) -> Response:
    """Queue a message that tells the present status."""
    return _change(request, monitor_id, monitors.send_test_message, done="queued", section="/log")


@router.post("/monitors/{monitor_id:id}/deliveries/{delivery_id:id}/again", Action.RESPOND)
def send_again(request: Request, monitor_id: int, delivery_id: int) -> Response:
    """Send a settled message once more, with the same id."""
    site, view = _named(request, monitor_id)
    if delivery_id > LARGEST_LONG_ID:
        raise NotFound(NO_MESSAGE)
    outbox.send_again(site.database, view.id, delivery_id, now=site.now())
    site.wake()
    return _to(view.id, "again", "/log")


def _change(
    request: Request, monitor_id: int, change: Callable[..., object], *, done: str, section: str = ""
) -> Response:
    site, view = _named(request, monitor_id)
    change(site.database, monitors.by_id(view.id), now=site.now())
    site.wake()
    return _to(view.id, done, section)


def _named(request: Request, monitor_id: int) -> tuple[Site, View]:
    site = site_of(request)
    return site, shared.find(site, monitor_id)


def _to(monitor_id: int, done: str, section: str = "") -> Response:
    return RedirectResponse(f"/monitors/{monitor_id}{section}?done={done}", status_code=303)
