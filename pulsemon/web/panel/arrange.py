"""The panel's page for the owner's order of the monitors; public pages put theirs in order by the same forms.

The order is said to be saved only where something moved. A form in which something is missing or wrong comes back with
that at the field; an action that does not exist is refused; a monitor that was deleted meanwhile is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import placement
from pulsemon.core.placement import Move, Outcome
from pulsemon.core.texts import N_
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input import arranging, monitor_forms
from pulsemon.input.rules import Lists, first_of
from pulsemon.monitors import order as monitor_order
from pulsemon.web.html import rendering
from pulsemon.web.http.form_data import lists_up_to
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import the_project_of
from pulsemon.web.panel import shared
from pulsemon.web.panel.monitor_lists import ids_of

router = Router(Audience.PANEL)

# What is said of each `Outcome`, by its value.
DONE: dict[str, str] = {
    Outcome.MOVED: N_("The order is saved."),
    Outcome.UNMOVED: N_("Nothing was changed: it is like that already."),
    Outcome.GONE: N_("Nothing was changed: what was to be moved is no longer there."),
}
# Monitors that a page puts in order at once, and its other fields.
ArrangeLists = Annotated[dict[str, list[str]], Depends(lists_up_to(monitor_order.PART_SIZE + 50))]
_STEPS = {"-1": -1, "1": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """What is shown of an order: the group that is open, None for the first ones, from where on, and what is ticked."""

    opened: str | None
    start: int
    ticked: frozenset[int]


def part_of_address(request: Request) -> Part:
    """Return the part that an address names; those that the last move moved stay ticked in it."""
    query = request.query_params
    return _part(query.get("group"), query.get("from", ""), query.get("moved", "").split(","))


def part_of_form(form: Lists) -> Part:
    """Return the part that a form stood in, with what was ticked."""
    opened = first_of(form, "opened") if "opened" in form else None
    return _part(opened, first_of(form, "from"), form.get("monitor", ()))


def _part(opened: str | None, start: str, ticked: Sequence[str]) -> Part:
    is_number = start.isascii() and start.isdigit() and len(start) <= 9
    return Part(opened, int(start) if is_number else 0, frozenset(ids_of(ticked)))


def typed_of(form: Lists) -> dict[str, str]:
    """Return what was typed where monitors are put in order."""
    return {name: first_of(form, name) for name in ("place", "to_group")}


@router.get("/monitors/arrange", Action.EDIT)
def arrange_page(request: Request) -> Response:
    """Answer with the monitors in their order, by group: two hundred at once, of the group that `?group=` names."""
    return _page(request, part_of_address(request), {})


def _page(request: Request, part: Part, typed: Mapping[str, str], problems: Sequence[FieldProblem] = ()) -> Response:
    return rendering.page(
        request,
        "panel/arrange.html",
        status_code=shared.status_of(problems),
        sections=monitor_order.sections(
            site_of(request).database, the_project_of(request), opened=part.opened, start=part.start
        ),
        part=part,
        done=shared.done_of(request, DONE),
        **shared.form_values(request, typed, problems),
    )


@router.post("/monitors/arrange", Action.EDIT)
def arrange(request: Request, form: ArrangeLists) -> Response:
    """Move monitors inside their group or to another one, or a whole group."""
    site, project_id = site_of(request), the_project_of(request)
    try:
        meant = arranging.as_meant(form)
        is_regrouping = first_of(meant, "do") == "group"
        if is_regrouping:
            ids, group = ticked_in(form), _group(first_of(form, "to_group"))
            outcome = monitor_order.move_to_group(site.database, project_id, ids, group)
        else:
            outcome = monitor_order.rearrange(site.database, project_id, read_move(meant))
    except Invalid as wrong:
        return _page(request, part_of_form(form), typed_of(form), wrong.problems)
    if is_regrouping and outcome is Outcome.MOVED:
        form = {**form, "opened": [first_of(form, "to_group").strip()]}
    site.wake()
    return to_arranged("/monitors/arrange", form, outcome)


def _group(typed: str) -> str | None:
    """Return the group that was typed, None for none, by the rules of a monitor's own. Raises Invalid."""
    try:
        changes = monitor_forms.changes_from_form({"group": typed})
    except Invalid as wrong:
        raise Invalid(tuple(replace(each, field="to_group") for each in wrong.problems)) from None
    name: str | None = changes["placement"]["group"]
    return name


def ticked_in(form: Lists) -> list[int]:
    """Return the monitors that are ticked in a form. Raises Invalid: none is."""
    ids = ids_of(form.get("monitor", ()))
    if not ids:
        raise arranging.none_ticked()
    return ids


def read_move(form: Lists) -> Move:
    """Return what a form wants: `do` (up, down, place with `place`) of the ticked ones, or `step` (-1, 1) of a `group`.

    Raises:
        Invalid: no monitor is ticked, or `place` holds no position.
        HTTPException: 400, it wants nothing of these.
    """
    match first_of(form, "do"):
        case "up" | "down" as wish:
            ids, by = ticked_in(form), -1 if wish == "up" else 1
            return placement.of_monitors(ids, lambda seats: placement.shift(seats, ids, by=by))
        case "place":
            ids, position = ticked_in(form), arranging.position_in(first_of(form, "place"))
            return placement.of_monitors(ids, lambda seats: placement.put_at(seats, ids, position))
        case "" if "group" in form and first_of(form, "step") in _STEPS:
            return placement.of_group(first_of(form, "group") or None, by=_STEPS[first_of(form, "step")])
    raise no_such_action()


def no_such_action() -> HTTPException:
    """Return the refusal of a form that no page of ours sends."""
    return HTTPException(400, "There is no such action.")


def to_arranged(path: str, form: Lists, outcome: Outcome) -> Response:
    """Lead back to the part that the form stood in, at the first monitor that it moved, and say what came of it."""
    ids = ids_of(form.get("monitor", ()))
    kept = {"done": outcome.value}
    if "opened" in form:
        kept |= {"group": first_of(form, "opened")[:200], "from": first_of(form, "from")[:9]}
    if ids:
        kept["moved"] = ",".join(map(str, ids))
    anchor = f"#m{ids[0]}" if ids else ""
    return RedirectResponse(f"{path}?{urlencode(kept)}{anchor}", status_code=303)
