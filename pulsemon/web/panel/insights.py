"""The panel's second thoughts on a monitor's settings: what is proposed, and a form to try others on its past.

Reads only. The button that takes a proposal is a form for the address of every other edit, with the fields it changes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.core.suggestion import has_calendar
from pulsemon.errors import FieldProblem, Invalid
from pulsemon.input import what_if
from pulsemon.monitors import suggestions
from pulsemon.monitors.suggestions import Advice, Verdict
from pulsemon.monitors.views import View
from pulsemon.web.html import rendering
from pulsemon.web.http.routing import Audience, Router
from pulsemon.web.http.site import site_of
from pulsemon.web.http.whose import About
from pulsemon.web.panel import shared

router = Router(Audience.PANEL, about=About.MONITOR)

# More say nothing that their number does not.
ALERTS_LISTED = 20


@router.get("/monitors/{monitor_id:id}/suggestion", Action.READ)
def suggestion(request: Request, monitor_id: int) -> Response:
    """Answer with the suggestion as a page of its own, for whoever has no scripts."""
    view = shared.find(site_of(request), monitor_id)
    values = suggestion_values(request, view)
    return rendering.page(request, "panel/suggestion.html", status_code=422 if values["problems"] else 200, **values)


@router.get("/fragments/monitors/{monitor_id:id}/suggestion", Action.READ)
def suggestion_fragment(request: Request, monitor_id: int) -> Response:
    """Answer with the same as a part of a monitor's page; a field that is wrong is told in it, which takes a 200."""
    view = shared.find(site_of(request), monitor_id)
    return rendering.page(request, "parts/suggestion.html", **suggestion_values(request, view))


def suggestion_values(request: Request, view: View) -> dict[str, Any]:
    """Return what `parts/suggestion.html` shows: what is proposed, and what settings in the address would have told."""
    site = site_of(request)
    past = suggestions.read_past(site.database, view.id, view.timing, now=site.now())
    advice = suggestions.advise(past, view.timing)
    typed = {name: text for name, text in request.query_params.items() if name in what_if.FIELDS}
    asked: Verdict | None = None
    problems: tuple[FieldProblem, ...] = ()
    if typed:
        try:
            asked = suggestions.judge(past, what_if.read_timing(typed, view.timing))
        except Invalid as wrong:
            problems = wrong.problems
    shown = advice.present if advice.proposed is None else advice.proposed
    return shared.form_values(request, what_if.texts_of(shown.timing) | typed, problems) | {
        "view": view,
        "past": past,
        "advice": advice,
        "asked": asked,
        "alerts_listed": ALERTS_LISTED,
        "has_calendar": has_calendar(view.timing),
        "about": _about(advice),
        "proposed_fields": {} if advice.proposed is None else what_if.texts_of(advice.proposed.timing),
    }


def _about(advice: Advice) -> timedelta | None:
    """Return the usual gap as people say it: the proposed interval, unless the gaps tell the two apart."""
    if advice.rhythm is None or advice.proposed is None:
        return None
    usual, interval = advice.rhythm.usual, advice.proposed.timing.interval
    return interval if abs(usual - interval) <= advice.rhythm.spread else usual
