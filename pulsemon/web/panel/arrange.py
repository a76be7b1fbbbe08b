"""The panel's page for the owner's order of the monitors; public pages put theirs in order by the same forms.

A monitor that was deleted meanwhile is passed over. Each form ends in a redirect, unless something in it is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pulsemon.accounts.roles import Action
from pulsemon.core import placement
from pulsemon.core.placement import Seat
from pulsemon.errors import Invalid
from pulsemon.input import monitor_forms
from pulsemon.input.rules import Lists, first_of
from pulsemon.monitors import order as monitor_order
from pulsemon.web.html import rendering
from pulsemon.web.html.words import Words
from pulsemon.web.http.form_data import lists_up_to
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import shared
from pulsemon.web.panel.monitor_lists import ids_of

router = Router(Audience.PANEL)

_DONE = {"arranged": shared.ARRANGED, "none-ticked": shared.NONE_TICKED}
# Monitors that a page puts in order at once, and its other fields.
ArrangeLists = Annotated[dict[str, list[str]], Depends(lists_up_to(monitor_order.PART_SIZE + 50))]


@router.get("/monitors/arrange", Action.EDIT)
def arrange_page(request: Request) -> Response:
    """Answer with the monitors in their order, by group: two hundred at once, of the group that `?group=` names."""
    return _arrange_page(request)


def _arrange_page(request: Request, problem: str = "", typed: str = "") -> Response:
    opened, start = opened_of(request)
    found = monitor_order.sections(site_of(request).database, opened=opened, start=start)
    return rendering.page(
        request,
        "panel/arrange.html",
        status_code=422 if problem else 200,
        sections=found,
        opened=opened,
        moved=moved_of(request),
        problem=problem,
        typed_group=typed,
        done=shared.done_of(request, _DONE),
    )


def opened_of(request: Request) -> tuple[str | None, int]:
    """Return the group that an address opens, None for those that come first, and where in it its part begins."""
    start = request.query_params.get("from", "")
    number = int(start) if start.isascii() and start.isdigit() and len(start) <= 9 else 0
    return request.query_params.get("group"), number


def moved_of(request: Request) -> frozenset[int]:
    """Return the monitors that the last move moved, which stay ticked."""
    return frozenset(ids_of(request.query_params.get("moved", "").split(",")))


@router.post("/monitors/arrange", Action.EDIT)
def arrange(request: Request, lists: ArrangeLists) -> Response:
    """Move monitors inside their group or to another one, or a whole group."""
    site = site_of(request)
    ids, wish = ids_of(lists.get("monitor", [])), first_of(lists, "do")
    if wish and not ids:
        return to_arranged("/monitors/arrange", lists, done="none-ticked")
    if wish == "group":
        typed = first_of(lists, "to_group")
        try:
            monitor_order.move_to_group(site.database, ids, _group(typed))
        except Invalid as wrong:
            words = Words(rendering.locale_of(request), site.now())
            return _arrange_page(request, words.problem(wrong.problems[0]), typed)
        lists = {**lists, "opened": [typed.strip()]}
    else:
        monitor_order.rearrange(site.database, lambda seats: moved(seats, lists))
    site.wake()
    return to_arranged("/monitors/arrange", lists, done="arranged")


def _group(typed: str) -> str | None:
    """Return the group that was typed, None for none, by the rules of a monitor's own. Raises Invalid."""
    changes = monitor_forms.changes_from_form({"group": typed})
    name: str | None = changes["placement"]["group"]
    return name


def to_arranged(path: str, lists: Lists, *, done: str) -> Response:
    """Lead back to the part that the form stood in, at the first monitor that it moved."""
    ids = ids_of(lists.get("monitor", []))
    kept = {"done": done}
    if "opened" in lists:
        kept |= {"group": first_of(lists, "opened")[:200], "from": first_of(lists, "from")[:9]}
    if lists.get("do"):
        kept["moved"] = ",".join(map(str, ids))
    anchor = f"#m{ids[0]}" if ids and lists.get("do") else ""
    return RedirectResponse(f"{path}?{urlencode(kept)}{anchor}", status_code=303)


def moved(seats: Sequence[Seat], form: Lists) -> list[int]:
    """Return the order that a form asks for.

    `do` (up, down, place with `place`) is of all that `monitor` names; `step` and `before` are of one, `group` with
    `step` of a group.
    """
    ids, wish = ids_of(form.get("monitor", [])), first_of(form, "do")
    match wish:
        case "up" | "down":
            return placement.shift(seats, ids, by=-1 if wish == "up" else 1)
        case "place":
            return placement.put_at(seats, ids, next(iter(ids_of([first_of(form, "place").strip()])), 1))
    by = {"-1": -1, "1": 1}.get(first_of(form, "step"), 0)
    if "group" in form:
        return placement.step_group(seats, first_of(form, "group") or None, by=by)
    one = ids[0] if ids else 0
    if "before" in form:
        return placement.put_before(seats, one, next(iter(ids_of(form["before"])), None))
    return placement.step(seats, one, by=by)
