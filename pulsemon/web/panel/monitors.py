"""The panel's pages as values and templates: the list, and the form for a new monitor.

Reads; what changes something stands in `web.panel.monitor_forms`, addresses in `web.panel.routes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsemon.accounts.roles import Action
from pulsemon.errors import FieldProblem
from pulsemon.web.html import rendering, schedule_words, viewpoint
from pulsemon.web.http.site import site_of
from pulsemon.web.panel import list_address, monitor_list
from pulsemon.web.panel.shared import done_of, form_values

NEW_MONITOR = {"interval_seconds": "15 min", "grace_seconds": "3 min", "public": "yes"}


def list_page(request: Request) -> Response:
    """Answer with the list; where there is no monitor yet, the form is the page of whoever may make one."""
    found = monitor_list.page(request, list_address.read(request.query_params))
    if found is not None:
        return found
    if not viewpoint.may(request, Action.EDIT):
        return rendering.page(request, "panel/no_monitor.html", done=done_of(request))
    return form_page(request, is_first=True)


def form_page(
    request: Request,
    *,
    typed: Mapping[str, str] | None = None,
    problems: Sequence[FieldProblem] = (),
    is_first: bool = False,
) -> Response:
    """Answer with the form for a new monitor: as typed, with what is wrong at each field."""
    is_returned = typed is not None
    if typed is None:
        typed = NEW_MONITOR | {"timezone": site_of(request).settings.availability_timezone}
    values = form_values(request, typed, problems) | {
        "is_first": is_first,
        "is_returned": is_returned,
        "done": done_of(request),
    }
    status_code = 422 if problems else 200
    return rendering.page(request, "panel/new.html", status_code=status_code, holds_secret=is_returned, **values)


def schedule_values(request: Request) -> dict[str, Any]:
    """Return what the preview of the schedule in the address shows; nothing where there is none yet."""
    typed = request.query_params
    preview = schedule_words.preview(
        typed.get("schedule", ""),
        typed.get("timezone", ""),
        locale=rendering.locale_of(request),
        now=site_of(request).now(),
        readers_zone=typed.get("reader_timezone", ""),
    )
    return {"preview": preview}
