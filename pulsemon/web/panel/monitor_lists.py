"""The panel's forms for more than one monitor: what is done with those that were selected, and the owner's order.

A monitor that was deleted meanwhile is passed over. Each form ends in a redirect, but for the question before deleting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import placement
from pulsemon.core.keyset import LARGEST_ID
from pulsemon.core.placement import Seat
from pulsemon.errors import Conflict, Invalid, NotFound
from pulsemon.input import monitor_forms
from pulsemon.monitors import event_log
from pulsemon.monitors import manage as monitors
from pulsemon.monitors import order as monitor_order
from pulsemon.web.html import rendering
from pulsemon.web.http.form_data import Form, lists_up_to
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import shared

router = Router(Audience.PANEL)

# Of the page that arranges them; their list says what `shared.DONE` holds.
_DONE = {"arranged": shared.ARRANGED}


# A page of the list holds a hundred.
SelectedLists = Annotated[dict[str, list[str]], Depends(lists_up_to(2 * shared.PAGE_SIZE))]


@router.post("/monitors/selected", Action.ADMINISTER)
def change_selected(request: Request, lists: SelectedLists) -> Response:
    """Pause, resume, tag or delete the selected monitors; deleting asks first."""
    site = site_of(request)
    ids = ids_of(lists.get("monitor", []))
    wish = (lists.get("do") or [""])[0]
    if not ids:
        return _to_list(lists, "none-selected")
    match wish:
        case "pause":
            _each(ids, lambda one: monitors.pause(site.database, monitors.by_id(one), now=site.now()))
            done = "paused-several"
        case "resume":
            _each(ids, lambda one: monitors.resume(site.database, monitors.by_id(one), now=site.now()))
            done = "resumed-several"
        case "tag":
            monitor_order.add_tags(site.database, ids, _tags(lists))
            done = "tagged"
        case "delete":
            return _ask(request, ids)
        case "delete-for-good":
            _each(ids, lambda one: monitors.remove(site.database, monitors.by_id(one)))
            done = "deleted-several"
        case _:
            raise HTTPException(400, "There is no such action.")
    site.wake()
    return _to_list(lists, done)


def ids_of(texts: Sequence[str]) -> list[int]:
    """Return the ids among *texts*, each once."""
    numbers = [int(each) for each in texts if each.isascii() and each.isdigit() and len(each) <= 10]
    return list(dict.fromkeys(each for each in numbers if 0 < each <= LARGEST_ID))


def _each(ids: Sequence[int], change: Callable[[int], object]) -> None:
    for one in ids:
        try:
            change(one)
        except NotFound:
            continue


def _tags(lists: dict[str, list[str]]) -> list[str]:
    """Return the tags that were typed, by the rules of a monitor's own. Raises Conflict, which the page can say."""
    try:
        changes = monitor_forms.changes_from_form({"tags": (lists.get("tags") or [""])[0]})
    except Invalid:
        raise _unusable() from None
    tags = changes["placement"]["tags"]
    if not tags:
        raise _unusable()
    return list(tags)


def _unusable() -> Conflict:
    return Conflict("unusable-tags", max=placement.MAX_TAGS, max_length=placement.MAX_TAG_LENGTH)


def _ask(request: Request, ids: Sequence[int]) -> Response:
    site = site_of(request)
    doomed = []
    for one in ids:
        try:
            view = monitors.get(site.database, monitors.by_id(one))
            doomed.append((view, event_log.belongings(site.database, one)))
        except NotFound:
            continue
    return rendering.page(request, "panel/delete_selected.html", doomed=doomed)


def _to_list(lists: dict[str, list[str]], done: str) -> Response:
    """Lead back to the part of the list that the form stood in."""
    q, state, tag = ((lists.get(name) or [""])[0][:200] for name in ("q", "state", "tag"))
    return RedirectResponse(rendering.list_link(q, state, tag=tag, done=done), status_code=303)


@router.get("/monitors/arrange", Action.EDIT)
def arrange_page(request: Request) -> Response:
    """Answer with all monitors in their order, by group."""
    views = monitors.list_in_order(site_of(request).database)
    groups = placement.grouped(views, lambda view: view.placement.group)
    return rendering.page(request, "panel/arrange.html", groups=groups, done=shared.done_of(request, _DONE))


@router.post("/monitors/arrange", Action.EDIT)
def arrange(request: Request, form: Form) -> Response:
    """Move one monitor inside its group, or a whole group."""
    site = site_of(request)
    monitor_order.rearrange(site.database, lambda seats: moved(seats, form))
    site.wake()
    return RedirectResponse("/monitors/arrange?done=arranged", status_code=303)


def moved(seats: Sequence[Seat], form: dict[str, str]) -> list[int]:
    """Return the order that a form asks for: `monitor` with `step` or `before`, or `group` with `step`."""
    by = {"-1": -1, "1": 1}.get(form.get("step", ""), 0)
    if "group" in form:
        return placement.step_group(seats, form["group"] or None, by=by)
    (one,) = ids_of([form.get("monitor", "")]) or [0]
    if "before" in form:
        return placement.put_before(seats, one, next(iter(ids_of([form["before"]])), None))
    return placement.step(seats, one, by=by)
